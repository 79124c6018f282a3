#include "tools/lathe-run/Tensor.h"
#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace lathe::tool {

namespace {
struct TypeInfo {
  const char *name;
  unsigned size;
};
constexpr TypeInfo kTypes[kElementTypes] = {{"bool", 1}, {"i8", 1},  {"u8", 1},  {"i16", 2}, {"u16", 2},
                                            {"i32", 4},  {"u32", 4}, {"i64", 8}, {"u64", 8}, {"f16", 2},
                                            {"bf16", 2}, {"f32", 4}, {"f64", 8}};

template <typename T> T load(const Tensor &tensor, uint64_t index) {
  T value;
  std::memcpy(&value, tensor.bytes.data() + index * sizeof(T), sizeof(T));
  return value;
}
template <typename T> void store(Tensor &tensor, uint64_t index, T value) {
  std::memcpy(tensor.bytes.data() + index * sizeof(T), &value, sizeof(T));
}

double fromF16(uint16_t bits) {
  int exponent = bits >> 10 & 31, fraction = bits & 1023;
  double value = exponent == 31  ? (fraction ? NAN : INFINITY)
                 : exponent == 0 ? std::ldexp(fraction, -24)
                                 : std::ldexp(1024 + fraction, exponent - 25);
  return bits & 0x8000 ? -value : value;
}

double fromBF16(uint16_t bits) {
  uint32_t wide = uint32_t(bits) << 16;
  float value;
  std::memcpy(&value, &wide, 4);
  return value;
}

// Rounds to a 16-bit format of `fractionBits` fraction bits: scale so that one unit in the last place is 1, round to
// nearest even, encode. The fraction's carry into the exponent comes out of the addition.
uint16_t toSixteen(double value, int fractionBits, int bias) {
  uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  uint16_t infinity = uint16_t((2 * bias + 1) << fractionBits);
  if (std::isnan(value))
    return sign | infinity | uint16_t(1 << (fractionBits - 1));
  value = std::fabs(value);
  if (std::isinf(value))
    return sign | infinity;
  if (value == 0)
    return sign;
  int exponent = std::max(std::ilogb(value), 1 - bias);
  double units = std::nearbyint(std::ldexp(value, fractionBits - exponent)); // below 2^(fractionBits+1), or equal
  uint64_t bits = uint64_t(units) + (uint64_t(exponent + bias - 1) << fractionBits);
  return sign | uint16_t(bits < infinity ? bits : infinity);
}
} // namespace

unsigned elementSize(ElementType type) { return kTypes[unsigned(type)].size; }
const char *typeName(ElementType type) { return kTypes[unsigned(type)].name; }
bool isInteger(ElementType type) { return type <= ElementType::U64; }
bool isFloat(ElementType type) { return type >= ElementType::F16; }

std::optional<uint64_t> elementCount(const std::vector<int64_t> &dims) {
  bool empty = false;
  for (int64_t d : dims) {
    if (d < 0)
      return std::nullopt;
    empty |= d == 0;
  }
  int64_t count = 1;
  if (empty)
    return 0;
  for (int64_t d : dims)
    if (__builtin_mul_overflow(count, d, &count))
      return std::nullopt;
  return uint64_t(count);
}

std::optional<uint64_t> byteCount(ElementType type, const std::vector<int64_t> &dims) {
  std::optional<uint64_t> count = elementCount(dims);
  if (!count || *count > (uint64_t(INT64_MAX) / elementSize(type)))
    return std::nullopt;
  return *count * elementSize(type);
}

double Tensor::asDouble(uint64_t index) const {
  switch (type) {
  case ElementType::F16:
    return fromF16(load<uint16_t>(*this, index));
  case ElementType::BF16:
    return fromBF16(load<uint16_t>(*this, index));
  case ElementType::F32:
    return load<float>(*this, index);
  case ElementType::F64:
    return load<double>(*this, index);
  default:
    return double(asInteger(index));
  }
}

__int128 Tensor::asInteger(uint64_t index) const {
  switch (type) {
  case ElementType::Bool:
    return load<uint8_t>(*this, index) != 0;
  case ElementType::I8:
    return load<int8_t>(*this, index);
  case ElementType::U8:
    return load<uint8_t>(*this, index);
  case ElementType::I16:
    return load<int16_t>(*this, index);
  case ElementType::U16:
    return load<uint16_t>(*this, index);
  case ElementType::I32:
    return load<int32_t>(*this, index);
  case ElementType::U32:
    return load<uint32_t>(*this, index);
  case ElementType::I64:
    return load<int64_t>(*this, index);
  default:
    return load<uint64_t>(*this, index);
  }
}

void storeDouble(Tensor &tensor, uint64_t index, double value) {
  switch (tensor.type) {
  case ElementType::F16:
    return store(tensor, index, toSixteen(value, 10, 15));
  case ElementType::BF16:
    return store(tensor, index, toSixteen(value, 7, 127));
  case ElementType::F32:
    return store(tensor, index, float(value));
  case ElementType::F64:
    return store(tensor, index, value);
  default:
    return storeInteger(tensor, index, int64_t(value));
  }
}

void storeInteger(Tensor &tensor, uint64_t index, int64_t value) {
  if (isFloat(tensor.type))
    return storeDouble(tensor, index, double(value));
  // Little-endian two's complement: the low bytes are the value in every narrower type.
  unsigned size = elementSize(tensor.type);
  std::memcpy(tensor.bytes.data() + index * size, &value, size);
}

bool convertLossless(Tensor &tensor, ElementType to, std::string &error) {
  if (tensor.type == to)
    return true;
  if (tensor.type == ElementType::U16 && to == ElementType::BF16) {
    tensor.type = to;
    return true;
  }
  if (isFloat(tensor.type) && isInteger(to)) {
    error = std::string("is ") + typeName(tensor.type) + " where " + typeName(to) + " is expected";
    return false;
  }
  Tensor out;
  out.type = to;
  uint64_t count = tensor.count();
  out.bytes.resize(count * elementSize(to));
  for (uint64_t i = 0; i < count; ++i) {
    bool exact;
    if (isInteger(tensor.type)) {
      __int128 value = tensor.asInteger(i);
      if (isFloat(to)) {
        storeDouble(out, i, double(value));
        double stored = out.asDouble(i);
        exact = std::fabs(stored) < 0x1p64 && __int128(stored) == value;
      } else {
        storeInteger(out, i, int64_t(uint64_t(value)));
        exact = out.asInteger(i) == value;
      }
    } else {
      double value = tensor.asDouble(i);
      storeDouble(out, i, value);
      double stored = out.asDouble(i);
      exact = stored == value || (std::isnan(stored) && std::isnan(value));
    }
    if (!exact) {
      error = std::string("is ") + typeName(tensor.type) + " where " + typeName(to) + " is expected, and element " +
              std::to_string(i) + " does not fit that type";
      return false;
    }
  }
  tensor.type = to;
  tensor.bytes = std::move(out.bytes);
  return true;
}

std::string shapeText(const std::vector<int64_t> &dims) {
  if (dims.empty())
    return "scalar";
  std::string text;
  for (size_t i = 0; i < dims.size(); ++i)
    text += (i ? "x" : "") + std::to_string(dims[i]);
  return text;
}

bool readFile(const std::string &path, std::vector<uint8_t> &bytes, std::string &error, uint64_t limit) {
  // O_NONBLOCK, for the open of a FIFO would wait for a writer before fstat can tell what it is.
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  struct stat info;
  if (fd < 0 || fstat(fd, &info) != 0) {
    error = "can't read '" + path + "': " + std::strerror(errno);
    if (fd >= 0)
      close(fd);
    return false;
  }
  if (!S_ISREG(info.st_mode) || uint64_t(info.st_size) > limit) {
    error = "can't read '" + path +
            "': " + (S_ISREG(info.st_mode) ? "larger than " + std::to_string(limit) + " bytes" : "not a regular file");
    close(fd);
    return false;
  }
  bytes.resize(size_t(info.st_size));
  size_t done = 0;
  while (done < bytes.size()) {
    ssize_t n = read(fd, bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      break;
    done += size_t(n);
  }
  bool complete = done == bytes.size();
  if (!complete)
    error = "can't read '" + path + "': it ended after " + std::to_string(done) + " of " +
            std::to_string(bytes.size()) + " bytes";
  close(fd);
  return complete;
}

bool writeFile(const std::string &path, const void *data, uint64_t size, std::string &error) {
  int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  uint64_t done = 0;
  while (fd >= 0 && done < size) {
    ssize_t n = write(fd, static_cast<const uint8_t *>(data) + done, size - done);
    if (n < 0 && errno != EINTR)
      break;
    done += n > 0 ? uint64_t(n) : 0;
  }
  bool complete = fd >= 0 && done == size;
  if (fd >= 0 && close(fd) != 0)
    complete = false;
  if (!complete)
    error = "can't write '" + path + "': " + std::strerror(errno);
  return complete;
}

} // namespace lathe::tool
