// The wire-format scan, the parse, and the typed fields of tensors.
#include "compiler/Onnx/Model.h"
#include "compiler/Onnx/ExternalData.h"
#include "onnx.pb.h"
#include "llvm/Support/CheckedArithmetic.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/FormatVariadic.h"
#include <google/protobuf/stubs/logging.h>

using namespace llvm;
using namespace lathe::onnxfile;

namespace {
constexpr int kMaxDepth = 64;
// A span in the place of a tensor's bytes: offset and length, little-endian.
constexpr size_t kSpanSize = 16;

/// The messages that lead to tensors. Everything else is copied as it is, or dropped.
enum class Message { Model, Graph, Node, Attribute, Function, Sparse, Tensor };
enum class Action { Copy, Drop, Descend };
struct Rule {
  Action action = Action::Copy;
  Message message = Message::Model;
};

/// What to do with a length-delimited field. Field numbers are those of onnx.proto.
Rule getRule(Message message, uint64_t field) {
  auto descend = [](Message inner) { return Rule{Action::Descend, inner}; };
  Rule drop{Action::Drop, Message::Model};
  switch (message) {
  case Message::Model: // training_info, doc_string, metadata_props
    return field == 7                                 ? descend(Message::Graph)
           : field == 25                              ? descend(Message::Function)
           : field == 20 || field == 6 || field == 14 ? drop
                                                      : Rule();
  case Message::Graph: // doc_string, value_info, quantization_annotation, metadata_props
    return field == 1                                                 ? descend(Message::Node)
           : field == 5                                               ? descend(Message::Tensor)
           : field == 15                                              ? descend(Message::Sparse)
           : field == 10 || field == 13 || field == 14 || field == 16 ? drop
                                                                      : Rule();
  case Message::Node: // doc_string, metadata_props
    return field == 5 ? descend(Message::Attribute) : field == 6 || field == 9 ? drop : Rule();
  case Message::Attribute:
    return field == 5 || field == 10    ? descend(Message::Tensor)
           : field == 6 || field == 11  ? descend(Message::Graph)
           : field == 22 || field == 23 ? descend(Message::Sparse)
           : field == 13                ? drop
                                        : Rule();
  case Message::Function: // attribute_proto is newer than some onnx.proto, and is then kept as an unknown field
    return field == 7 ? descend(Message::Node) : field == 11 ? descend(Message::Attribute) : field == 8 ? drop : Rule();
  case Message::Sparse:
    return field == 1 || field == 2 ? descend(Message::Tensor) : Rule();
  case Message::Tensor:
    return field == 12 ? drop : Rule();
  }
  return {};
}

class Scanner {
public:
  explicit Scanner(StringRef file) : file(file) {}

  Error scan(Message message, size_t begin, size_t end, int depth, std::string &out) {
    if (depth > kMaxDepth)
      return fail(begin, "nests more than 64 deep");
    size_t position = begin;
    // float_data and double_data may be in several pieces, which no span can say; then they are left to protobuf.
    unsigned packedPieces = message == Message::Tensor ? countPacked(begin, end) : 0;
    while (position < end) {
      size_t start = position;
      uint64_t tag, value;
      if (!readVarint(position, end, tag))
        return fail(start, "has a malformed tag");
      uint64_t field = tag >> 3;
      if (field == 0 || field >= (1u << 29))
        return fail(start, "has a malformed tag");
      switch (tag & 7) {
      case 0:
        if (!readVarint(position, end, value))
          return fail(start, "has a malformed number");
        break;
      case 1:
      case 5: {
        size_t width = (tag & 7) == 1 ? 8 : 4;
        if (end - position < width)
          return fail(start, "is truncated");
        position += width;
        break;
      }
      case 2: {
        if (!readVarint(position, end, value) || value > end - position)
          return fail(start, "is truncated");
        size_t payload = position;
        position += value;
        bool packed = packedPieces == 1 && (field == 4 || field == 10);
        if (message == Message::Tensor && (field == 9 || packed)) {
          appendSpan(payload, value, out);
          continue;
        }
        Rule rule = getRule(message, field);
        if (rule.action == Action::Drop)
          continue;
        if (rule.action == Action::Descend) {
          std::string inner;
          if (Error error = scan(rule.message, payload, position, depth + 1, inner))
            return error;
          appendVarint(tag, out);
          appendVarint(inner.size(), out);
          out += inner;
          continue;
        }
        break;
      }
      default:
        return fail(start, "has a group, which ONNX doesn't use");
      }
      out.append(file.data() + start, position - start);
    }
    return Error::success();
  }

private:
  Error fail(size_t offset, const char *why) {
    return createStringError(
        formatv("expected an ONNX model, but the protobuf message {0} at byte {1} of {2}", why, offset, file.size())
            .str());
  }

  bool readVarint(size_t &position, size_t end, uint64_t &value) const {
    value = 0;
    for (unsigned shift = 0; shift < 64 && position < end; shift += 7) {
      uint8_t byte = file[position++];
      value |= uint64_t(byte & 127) << shift;
      if (byte < 128)
        return true;
    }
    return false;
  }

  /// Length-delimited float_data and double_data of a tensor; 2 stands for more, and for unpacked or malformed ones.
  unsigned countPacked(size_t position, size_t end) const {
    unsigned count = 0;
    while (position < end) {
      uint64_t tag, value;
      if (!readVarint(position, end, tag))
        return 2;
      bool floats = (tag >> 3) == 4 || (tag >> 3) == 10;
      if ((tag & 7) == 2) {
        if (!readVarint(position, end, value) || value > end - position)
          return 2;
        position += value;
        count += floats;
      } else if (floats) {
        return 2;
      } else if ((tag & 7) == 0) {
        if (!readVarint(position, end, value))
          return 2;
      } else {
        size_t width = (tag & 7) == 1 ? 8 : 4;
        if (end - position < width)
          return 2;
        position += width;
      }
    }
    return count;
  }

  static void appendVarint(uint64_t value, std::string &out) {
    for (; value > 127; value >>= 7)
      out += char(value | 128);
    out += char(value);
  }

  static void appendSpan(uint64_t offset, uint64_t length, std::string &out) {
    char bytes[kSpanSize];
    support::endian::write64le(bytes, offset);
    support::endian::write64le(bytes + 8, length);
    appendVarint(9 << 3 | 2, out);
    appendVarint(kSpanSize, out);
    out.append(bytes, kSpanSize);
  }

  StringRef file;
};

template <typename T, typename Field> void appendAs(std::vector<char> &bytes, const Field &field) {
  bytes.reserve(field.size() * sizeof(T));
  for (auto value : field) {
    char buffer[sizeof(T)];
    support::endian::write<T>(buffer, static_cast<T>(value), llvm::endianness::little);
    bytes.insert(bytes.end(), buffer, buffer + sizeof(T));
  }
}
} // namespace

std::string lathe::onnxfile::getTypeName(int32_t dataType) {
  static const char *const names[] = {
      "undefined", "float32",    "uint8",      "int8",         "uint16",         "int16",      "int32",
      "int64",     "string",     "bool",       "float16",      "float64",        "uint32",     "uint64",
      "complex64", "complex128", "bfloat16",   "float8e4m3fn", "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz",
      "uint4",     "int4",       "float4e2m1", "float8e8m0",   "uint2",          "int2"};
  if (dataType >= 0 && dataType < static_cast<int32_t>(std::size(names)))
    return names[dataType];
  return "type " + std::to_string(dataType);
}

unsigned lathe::onnxfile::getBits(int32_t dataType) {
  static const unsigned bits[] = {0,  32,  8,  8, 16, 16, 32, 64, 0, 8, 16, 64, 32, 64,
                                  64, 128, 16, 8, 8,  8,  8,  4,  4, 4, 8,  2,  2};
  return dataType >= 0 && dataType < static_cast<int32_t>(std::size(bits)) ? bits[dataType] : 0;
}

Expected<std::string> lathe::onnxfile::replaceTensorBytes(StringRef file) {
  std::string out;
  if (Error error = Scanner(file).scan(Message::Model, 0, file.size(), 0, out))
    return std::move(error);
  return out;
}

std::optional<TensorSpan> lathe::onnxfile::getInlineSpan(const onnx::TensorProto &tensor) {
  StringRef bytes = tensor.raw_data();
  if (!tensor.has_raw_data() || bytes.size() != kSpanSize)
    return std::nullopt;
  return TensorSpan{support::endian::read64le(bytes.data()), support::endian::read64le(bytes.data() + 8)};
}

Expected<uint64_t> lathe::onnxfile::getElementCount(const onnx::TensorProto &tensor) {
  uint64_t count = 1;
  bool overflow = false;
  for (int64_t dim : tensor.dims()) {
    if (dim < 0)
      return createStringError(formatv("expected dimensions of 0 or more, got {0}", dim).str());
    if (dim == 0)
      return 0;
    auto product = checkedMulUnsigned<uint64_t>(count, dim);
    overflow |= !product;
    count = product.value_or(1);
  }
  if (overflow || count > uint64_t(INT64_MAX) / 16)
    return createStringError("its number of elements overflows");
  return count;
}

std::optional<uint64_t> lathe::onnxfile::getByteSize(int32_t dataType, uint64_t elements) {
  unsigned bits = getBits(dataType);
  auto total = checkedMulUnsigned<uint64_t>(elements, bits);
  if (!bits || !total)
    return std::nullopt;
  return divideCeil(*total, 8);
}

Expected<std::vector<char>> lathe::onnxfile::packTypedData(const onnx::TensorProto &tensor) {
  std::vector<char> bytes;
  switch (static_cast<DataType>(tensor.data_type())) {
  case DataType::Float:
    appendAs<float>(bytes, tensor.float_data());
    break;
  case DataType::Double:
    appendAs<double>(bytes, tensor.double_data());
    break;
  case DataType::Int64:
    appendAs<int64_t>(bytes, tensor.int64_data());
    break;
  case DataType::Uint32:
    appendAs<uint32_t>(bytes, tensor.uint64_data());
    break;
  case DataType::Uint64:
    appendAs<uint64_t>(bytes, tensor.uint64_data());
    break;
  case DataType::Int32:
    appendAs<int32_t>(bytes, tensor.int32_data());
    break;
  case DataType::Uint16:
  case DataType::Int16:
  case DataType::Float16:
  case DataType::Bfloat16:
    appendAs<uint16_t>(bytes, tensor.int32_data());
    break;
  default: // 8 bits and less; sub-byte elements are packed already
    if (getBits(tensor.data_type()) == 0 || getBits(tensor.data_type()) > 8)
      return createStringError("has element type " + getTypeName(tensor.data_type()));
    appendAs<uint8_t>(bytes, tensor.int32_data());
    break;
  }
  auto count = getElementCount(tensor);
  if (!count)
    return count.takeError();
  uint64_t expected = getByteSize(tensor.data_type(), *count).value_or(0);
  if (bytes.size() != expected)
    return createStringError(formatv("expected {0} bytes for its dimensions, got {1}", expected, bytes.size()).str());
  return bytes;
}

Model::Model() : proto(std::make_unique<onnx::ModelProto>()) {}
Model::~Model() = default;

Expected<std::unique_ptr<Model>> Model::parse(std::unique_ptr<MemoryBuffer> buffer) {
  if (buffer->getBufferSize() == 0)
    return createStringError("expected an ONNX model, got an empty file");
  auto text = replaceTensorBytes(buffer->getBuffer());
  if (!text)
    return text.takeError();
  if (text->size() >= INT32_MAX)
    return createStringError("the model has 2 GiB without its weights, which protobuf can't read");
  // Protobuf reports on stderr what it doesn't like; our own message is enough.
  google::protobuf::LogSilencer silence;
  std::unique_ptr<Model> model(new Model);
  if (!model->proto->ParseFromString(*text) || !model->proto->has_graph() || model->proto->graph().output_size() == 0)
    return createStringError("expected an ONNX model with a graph; the file is something else, or damaged");
  if (model->proto->opset_import_size() == 0)
    return createStringError("expected an ONNX model that says which operator set it uses, got none");
  model->buffer = std::move(buffer);
  return std::move(model);
}

Expected<std::unique_ptr<Model>> Model::open(StringRef path) {
  auto buffer = mapRegularFile(path);
  if (!buffer)
    return buffer.takeError();
  return parse(std::move(*buffer));
}
