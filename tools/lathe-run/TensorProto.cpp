#include "tools/lathe-run/TensorProto.h"
#include <cstring>

namespace lathe::tool {

namespace {
// Field numbers of TensorProto.
enum Field : uint64_t {
  kDims = 1,
  kDataType = 2,
  kSegment = 3,
  kFloatData = 4,
  kInt32Data = 5,
  kStringData = 6,
  kInt64Data = 7,
  kName = 8,
  kRawData = 9,
  kDoubleData = 10,
  kUint64Data = 11,
  kExternalData = 13,
  kDataLocation = 14,
};
enum WireType : uint64_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

struct DataType {
  ElementType type;
  uint64_t typedField; // where values are when they are not in raw_data
  uint64_t number;     // TensorProto.DataType
  unsigned width;      // bytes of one value as it is kept from the typed field
};
constexpr DataType kDataTypes[] = {{ElementType::F32, kFloatData, 1, 4},   {ElementType::U8, kInt32Data, 2, 8},
                                   {ElementType::I8, kInt32Data, 3, 8},    {ElementType::U16, kInt32Data, 4, 8},
                                   {ElementType::I16, kInt32Data, 5, 8},   {ElementType::I32, kInt32Data, 6, 8},
                                   {ElementType::I64, kInt64Data, 7, 8},   {ElementType::Bool, kInt32Data, 9, 8},
                                   {ElementType::F16, kInt32Data, 10, 8},  {ElementType::F64, kDoubleData, 11, 8},
                                   {ElementType::U32, kUint64Data, 12, 8}, {ElementType::U64, kUint64Data, 13, 8},
                                   {ElementType::BF16, kInt32Data, 16, 8}};

constexpr size_t kMaxRank = 64;

class Reader {
public:
  Reader(const uint8_t *data, uint64_t size) : at(data), end(data + size) {}
  bool done() const { return at == end; }

  bool varint(uint64_t &value) {
    value = 0;
    for (unsigned shift = 0; shift < 64 && at != end; shift += 7) {
      uint8_t byte = *at++;
      value |= uint64_t(byte & 127) << shift;
      if (byte < 128)
        return true;
    }
    return false;
  }
  // A run of `count` bytes inside the buffer.
  bool take(uint64_t count, const uint8_t *&begin) {
    if (count > uint64_t(end - at))
      return false;
    begin = at;
    at += count;
    return true;
  }

private:
  const uint8_t *at, *end;
};

class Parser {
public:
  Parser(Tensor &tensor, std::string &error) : tensor(tensor), error(error) {}

  bool parse(Reader in) {
    while (!in.done()) {
      uint64_t key, length = 0, value = 0;
      const uint8_t *begin = nullptr;
      if (!in.varint(key) || key >> 3 == 0)
        return fail("it is not a serialized TensorProto");
      uint64_t wire = key & 7;
      bool whole = wire == kVarint    ? in.varint(value)
                   : wire == kFixed64 ? in.take(length = 8, begin)
                   : wire == kFixed32 ? in.take(length = 4, begin)
                   : wire == kBytes   ? in.varint(length) && in.take(length, begin)
                                      : false;
      if (!whole)
        return fail("it is truncated, or not a serialized TensorProto");
      if (!field(key >> 3, wire, value, begin, length))
        return false;
    }
    return finish();
  }

private:
  Tensor &tensor;
  std::string &error;
  uint64_t dataType = 0;
  uint64_t typedField = 0;    // the typed field that had values, or 0
  std::vector<uint8_t> typed; // its values: 4 bytes for float_data, else 8
  const uint8_t *raw = nullptr;
  uint64_t rawSize = 0;

  bool fail(std::string message) {
    error = std::move(message);
    return false;
  }
  bool dimension(uint64_t value) {
    if (value > uint64_t(INT64_MAX) || tensor.dims.size() == kMaxRank)
      return fail("its shape is not a list of at most 64 non-negative integers");
    tensor.dims.push_back(int64_t(value));
    return true;
  }

  // Repeated scalars come packed in one field or one by one.
  bool field(uint64_t number, uint64_t wire, uint64_t value, const uint8_t *begin, uint64_t length) {
    switch (number) {
    case kDims:
    case kInt32Data:
    case kInt64Data:
    case kUint64Data:
      if (wire == kVarint)
        return number == kDims ? dimension(value) : typedValue(number, &value, 8);
      if (wire == kBytes) {
        Reader packed(begin, length);
        while (!packed.done()) {
          if (!packed.varint(value))
            return fail("a packed field ends inside a value");
          if (!(number == kDims ? dimension(value) : typedValue(number, &value, 8)))
            return false;
        }
        return true;
      }
      break;
    case kFloatData:
    case kDoubleData: {
      unsigned width = number == kFloatData ? 4 : 8;
      if (wire == (number == kFloatData ? kFixed32 : kFixed64) || wire == kBytes) {
        if (length % width != 0)
          return fail("a packed field ends inside a value");
        return length == 0 || typedValue(number, begin, length);
      }
      break;
    }
    case kDataType:
      if (wire != kVarint)
        break;
      dataType = value;
      return true;
    case kName:
      if (wire != kBytes)
        break;
      tensor.name.assign(reinterpret_cast<const char *>(begin), length);
      return true;
    case kRawData:
      if (wire != kBytes)
        break;
      raw = begin;
      rawSize = length;
      return true;
    case kStringData:
      return fail("it holds strings; expected numbers");
    case kSegment:
      return fail("it is one segment of a tensor; expected a whole one");
    case kExternalData:
      return fail("its data are in another file; expected them in raw_data or a typed field");
    case kDataLocation:
      if (wire == kVarint && value == 0)
        return true;
      return fail("its data are in another file; expected them in raw_data or a typed field");
    default:
      return true;
    }
    return fail("field " + std::to_string(number) + " has wire type " + std::to_string(wire) +
                ", so it is not a TensorProto");
  }

  bool typedValue(uint64_t number, const void *values, uint64_t size) {
    if (typedField != 0 && typedField != number)
      return fail("it has values in two fields");
    typedField = number;
    const uint8_t *bytes = static_cast<const uint8_t *>(values);
    typed.insert(typed.end(), bytes, bytes + size);
    return true;
  }

  bool finish() {
    const DataType *info = nullptr;
    for (const DataType &d : kDataTypes)
      if (d.number == dataType)
        info = &d;
    if (!info)
      return fail("its data type is " + std::to_string(dataType) +
                  "; expected bool, an integer, f16, bf16, f32 or f64");
    tensor.type = info->type;
    std::optional<uint64_t> bytes = byteCount(tensor.type, tensor.dims);
    std::string what = "its shape " + shapeText(tensor.dims) + " of " + typeName(tensor.type);
    if (!bytes)
      return fail(what + " does not fit 63 bits");
    if (raw && typedField)
      return fail("it has values in two fields");
    if (typedField && typedField != info->typedField)
      return fail("its values are in field " + std::to_string(typedField) + ", where " + typeName(tensor.type) +
                  " has them in field " + std::to_string(info->typedField));
    unsigned size = elementSize(tensor.type);
    uint64_t got = typedField ? typed.size() / info->width * size : rawSize;
    if (got != *bytes)
      return fail(what + " needs " + std::to_string(*bytes) + " bytes, got " + std::to_string(got));
    if (!typedField) {
      tensor.bytes.assign(raw, raw + rawSize);
      return true;
    }
    // The low bytes of each value; f16 and bf16 are kept as bits. A value that its type can't hold is an error.
    tensor.bytes.resize(*bytes);
    for (uint64_t i = 0, count = typed.size() / info->width; i < count; ++i) {
      const uint8_t *value = typed.data() + i * info->width;
      std::memcpy(tensor.bytes.data() + i * size, value, size);
      if (info->typedField != kInt32Data && info->typedField != kUint64Data)
        continue;
      uint64_t wide;
      std::memcpy(&wide, value, 8);
      bool fits = isFloat(tensor.type) ? wide <= 0xffff : tensor.asInteger(i) == fromVarint(wide, tensor.type);
      if (!fits)
        return fail("its element " + std::to_string(i) + " does not fit " + typeName(tensor.type));
    }
    return true;
  }

  static __int128 fromVarint(uint64_t wide, ElementType type) {
    return type == ElementType::U64 || type == ElementType::U32 ? __int128(wide) : __int128(int64_t(wide));
  }
};
} // namespace

bool parseTensorProto(const uint8_t *data, uint64_t size, Tensor &tensor, std::string &error) {
  tensor = Tensor();
  return Parser(tensor, error).parse(Reader(data, size));
}

bool readTensorProto(const std::string &path, Tensor &tensor, std::string &error) {
  std::vector<uint8_t> bytes;
  if (!readFile(path, bytes, error))
    return false;
  if (parseTensorProto(bytes.data(), bytes.size(), tensor, error))
    return true;
  error = "can't read '" + path + "': " + error;
  return false;
}

} // namespace lathe::tool
