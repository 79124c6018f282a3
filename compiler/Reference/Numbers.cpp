// Widening, exact rounding and conversion of elements.
#include "compiler/Reference/Numbers.h"
#include "llvm/Support/CheckedArithmetic.h"
#include "llvm/Support/MathExtras.h"
#include <cmath>
#include <cstring>

using namespace mlir;
using namespace lathe;
using namespace lathe::reference;

std::optional<int64_t> reference::countElements(ArrayRef<int64_t> shape) {
  std::optional<int64_t> count = 1;
  for (int64_t size : shape)
    if (size < 0 || !(count = llvm::checkedMul<int64_t>(*count, size)))
      return std::nullopt;
  return count;
}

unsigned reference::getElementBytes(Type type) { return llvm::divideCeil(type.getIntOrFloatBitWidth(), 8); }
bool reference::isUnsigned(Type type) { return type.isUnsignedInteger() || type.isInteger(1); }

namespace {
/// An IEEE format of 16 bits by its number of fraction bits: 10 is f16, 7 is bf16.
double decode16(uint16_t bits, int fractionBits) {
  int bias = (1 << (14 - fractionBits)) - 1, exponent = (bits & 0x7fff) >> fractionBits;
  int fraction = bits & ((1 << fractionBits) - 1);
  double magnitude;
  if (exponent == 2 * bias + 1)
    magnitude = fraction ? NAN : INFINITY;
  else
    magnitude = std::ldexp(exponent ? fraction + (1 << fractionBits) : fraction,
                           (exponent ? exponent : 1) - bias - fractionBits);
  return bits & 0x8000 ? -magnitude : magnitude;
}

/// Rounds to nearest, halves to even, in one step.
uint16_t encode16(double value, int fractionBits) {
  uint64_t bits = llvm::bit_cast<uint64_t>(value), fraction = bits & ((uint64_t(1) << 52) - 1);
  uint16_t sign = bits >> 48 & 0x8000;
  uint16_t infinity = 0x7fff & ~((1 << fractionBits) - 1);
  if (std::isnan(value))
    return sign | infinity | 1 << (fractionBits - 1);
  if (std::isinf(value))
    return sign | infinity;
  int bias = (1 << (14 - fractionBits)) - 1, exponent = static_cast<int>(bits >> 52 & 0x7ff) - 1023;
  int shift = 52 - fractionBits;
  uint64_t whole;
  if (exponent >= 1 - bias) {
    if (exponent > bias)
      return sign | infinity;
    whole = static_cast<uint64_t>(exponent + bias) << 52 | fraction;
  } else { // subnormal: the leading bit becomes explicit
    shift += 1 - bias - exponent;
    if (shift > 60)
      return sign;
    whole = fraction | uint64_t(1) << 52;
  }
  uint64_t rest = whole & ((uint64_t(1) << shift) - 1), half = uint64_t(1) << (shift - 1);
  uint64_t rounded = whole >> shift;
  rounded += rest > half || (rest == half && (rounded & 1)); // a carry runs into the exponent, as it should
  return sign | static_cast<uint16_t>(std::min<uint64_t>(rounded, infinity));
}

/// Calls `body` with a null pointer to the C++ type that stores elements of an integer type.
template <typename Body> void withIntegerType(Type type, Body body) {
  bool isSigned = !isUnsigned(type);
  switch (type.getIntOrFloatBitWidth()) {
  case 1:
  case 8:
    return isSigned ? body(static_cast<int8_t *>(nullptr)) : body(static_cast<uint8_t *>(nullptr));
  case 16:
    return isSigned ? body(static_cast<int16_t *>(nullptr)) : body(static_cast<uint16_t *>(nullptr));
  case 32:
    return isSigned ? body(static_cast<int32_t *>(nullptr)) : body(static_cast<uint32_t *>(nullptr));
  default:
    return isSigned ? body(static_cast<int64_t *>(nullptr)) : body(static_cast<uint64_t *>(nullptr));
  }
}

template <typename From, typename To, typename Convert> std::vector<To> loadAs(const Tensor &tensor, Convert convert) {
  std::vector<To> values(tensor.getNumElements());
  const char *data = tensor.getBytes().data();
  for (To &value : values) {
    From element;
    std::memcpy(&element, data, sizeof(From));
    data += sizeof(From);
    value = convert(element);
  }
  return values;
}

template <typename To, typename From, typename Convert>
Tensor storeAs(Type type, ArrayRef<int64_t> shape, ArrayRef<From> values, Convert convert) {
  std::vector<char> bytes(values.size() * sizeof(To));
  char *data = bytes.data();
  for (From value : values) {
    To element = convert(value);
    std::memcpy(data, &element, sizeof(To));
    data += sizeof(To);
  }
  return Tensor(type, shape, std::move(bytes));
}

int fractionBitsOf(Type type) { return type.isF16() ? 10 : 7; }

/// An integer as a double that rounds to any narrower format as the integer itself does: where bits are lost, the last
/// one that stays is set ("round to odd").
double toDouble(int64_t value, bool isUnsigned, bool roundToOdd) {
  bool negative = !isUnsigned && value < 0;
  uint64_t magnitude = negative ? -static_cast<uint64_t>(value) : value;
  if (roundToOdd && magnitude >> 53) {
    int shift = 11 - llvm::countl_zero(magnitude);
    uint64_t rest = magnitude & ((uint64_t(1) << shift) - 1);
    magnitude = (magnitude >> shift | (rest != 0)) << shift;
  }
  double result = static_cast<double>(magnitude);
  return negative ? -result : result;
}

/// Truncates towards zero; saturates; NaN gives 0.
int64_t toInteger(double value, unsigned bits, bool isUnsigned) {
  if (std::isnan(value))
    return 0;
  double high = std::ldexp(1.0, isUnsigned ? bits : bits - 1), low = isUnsigned ? 0 : -high;
  if (value >= high)
    return static_cast<int64_t>((~uint64_t(0) >> (64 - bits)) >> (isUnsigned ? 0 : 1));
  if (value <= low)
    return isUnsigned ? 0 : static_cast<int64_t>(~uint64_t(0) << (bits - 1));
  return isUnsigned ? static_cast<int64_t>(static_cast<uint64_t>(value)) : static_cast<int64_t>(value);
}
} // namespace

std::vector<double> reference::loadFloats(const Tensor &tensor) {
  Type type = tensor.getElementType();
  auto same = [](auto value) { return static_cast<double>(value); };
  if (type.isF32())
    return loadAs<float, double>(tensor, same);
  if (type.isF64())
    return loadAs<double, double>(tensor, same);
  if (isa<FloatType>(type))
    return loadAs<uint16_t, double>(tensor, [bits = fractionBitsOf(type)](uint16_t v) { return decode16(v, bits); });
  std::vector<double> values;
  withIntegerType(
      type, [&](auto *element) { values = loadAs<std::remove_pointer_t<decltype(element)>, double>(tensor, same); });
  return values;
}

float reference::roundToTf32(float value) {
  if (!std::isfinite(value))
    return value;
  // Sign and magnitude: half of the last place that stays, added to the magnitude, carries where it should.
  constexpr uint32_t dropped = 23 - 10, half = 1u << (dropped - 1);
  return llvm::bit_cast<float>((llvm::bit_cast<uint32_t>(value) + half) & ~((1u << dropped) - 1));
}

std::vector<double> reference::loadFactors(const Tensor &tensor, std::optional<tfm::Precision> precision) {
  std::vector<double> values = loadFloats(tensor);
  if (precision == tfm::Precision::tf32)
    for (double &value : values)
      value = roundToTf32(static_cast<float>(value));
  return values;
}

std::vector<int64_t> reference::loadIntegers(const Tensor &tensor) {
  std::vector<int64_t> values;
  withIntegerType(tensor.getElementType(), [&](auto *element) {
    values = loadAs<std::remove_pointer_t<decltype(element)>, int64_t>(
        tensor, [](auto value) { return static_cast<int64_t>(value); });
  });
  return values;
}

Tensor reference::storeFloats(Type type, ArrayRef<int64_t> shape, ArrayRef<double> values) {
  if (type.isF32())
    return storeAs<float>(type, shape, values, [](double value) { return static_cast<float>(value); });
  if (type.isF64())
    return storeAs<double>(type, shape, values, [](double value) { return value; });
  return storeAs<uint16_t>(type, shape, values,
                           [bits = fractionBitsOf(type)](double value) { return encode16(value, bits); });
}

Tensor reference::storeIntegers(Type type, ArrayRef<int64_t> shape, ArrayRef<int64_t> values) {
  if (type.isInteger(1))
    return storeAs<uint8_t>(type, shape, values, [](int64_t value) { return static_cast<uint8_t>(value & 1); });
  Tensor result;
  withIntegerType(type, [&](auto *element) {
    using T = std::remove_pointer_t<decltype(element)>;
    result = storeAs<T>(type, shape, values, [](int64_t value) { return static_cast<T>(value); });
  });
  return result;
}

Tensor reference::convert(const Tensor &tensor, Type to) {
  Type from = tensor.getElementType();
  ArrayRef<int64_t> shape = tensor.getShape();
  if (from == to)
    return tensor;
  if (isa<FloatType>(from)) {
    std::vector<double> values = loadFloats(tensor);
    if (isa<FloatType>(to))
      return storeFloats(to, shape, values);
    std::vector<int64_t> integers;
    integers.reserve(values.size());
    for (double value : values)
      integers.push_back(to.isInteger(1) ? value != 0 : toInteger(value, to.getIntOrFloatBitWidth(), isUnsigned(to)));
    return storeIntegers(to, shape, integers);
  }
  std::vector<int64_t> values = loadIntegers(tensor);
  if (isa<FloatType>(to)) {
    std::vector<double> floats;
    floats.reserve(values.size());
    for (int64_t value : values)
      floats.push_back(toDouble(value, isUnsigned(from), /*roundToOdd=*/!to.isF64()));
    return storeFloats(to, shape, floats);
  }
  if (to.isInteger(1))
    for (int64_t &value : values)
      value = value != 0;
  return storeIntegers(to, shape, values);
}

Shape reference::rowMajorStrides(ArrayRef<int64_t> shape) {
  Shape strides(shape.size());
  int64_t stride = 1;
  for (size_t i = shape.size(); i-- > 0; stride *= shape[i])
    strides[i] = stride;
  return strides;
}

Shape reference::broadcastStrides(ArrayRef<int64_t> from, ArrayRef<int64_t> to) {
  Shape own = rowMajorStrides(from), strides(to.size(), 0);
  size_t lead = to.size() - from.size();
  for (size_t i = 0; i < from.size(); ++i)
    strides[lead + i] = from[i] == 1 ? 0 : own[i];
  return strides;
}
