// Arithmetic on known values.
#include "compiler/Onnx/Abstract.h"
#include "compiler/Onnx/Symbols.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/CheckedArithmetic.h"
#include <cmath>

using namespace mlir;
using namespace lathe;
using namespace lathe::onnxfile;

Abstract Abstract::ofInts(Type elementType, ArrayRef<int64_t> shape, std::vector<Dim> ints) {
  Abstract value;
  value.elementType = elementType;
  value.shape.assign(shape.begin(), shape.end());
  value.ints = std::move(ints);
  return value;
}

Abstract Abstract::ofDims(MLIRContext *context, ArrayRef<Dim> dims) {
  return ofInts(IntegerType::get(context, 64), {static_cast<int64_t>(dims.size())},
                std::vector<Dim>(dims.begin(), dims.end()));
}

std::optional<SmallVector<int64_t>> Abstract::getConstants() const {
  if (isReal())
    return std::nullopt;
  SmallVector<int64_t> values;
  for (const Dim &dim : ints) {
    auto constant = dim.getConstant();
    if (!constant)
      return std::nullopt;
    values.push_back(*constant);
  }
  return values;
}

bool Abstract::isConstant() const {
  return llvm::all_of(ints, [](const Dim &dim) { return dim.isConstant(); });
}

Abstract Abstract::pick(ArrayRef<int64_t> newShape, ArrayRef<int64_t> positions) const {
  Abstract result;
  result.elementType = elementType;
  result.shape.assign(newShape.begin(), newShape.end());
  for (int64_t position : positions)
    if (isReal())
      result.reals.push_back(reals[position]);
    else
      result.ints.push_back(ints[position]);
  return result;
}

Abstract Abstract::reshaped(ArrayRef<int64_t> newShape) const {
  Abstract result = *this;
  result.shape.assign(newShape.begin(), newShape.end());
  return result;
}

DenseElementsAttr Abstract::getAttr() const {
  auto type = RankedTensorType::get(shape, elementType);
  if (auto floatType = dyn_cast<FloatType>(elementType)) {
    SmallVector<APFloat> values;
    for (double real : reals) {
      APFloat value(real);
      bool lost;
      value.convert(floatType.getFloatSemantics(), APFloat::rmNearestTiesToEven, &lost);
      values.push_back(value);
    }
    return DenseElementsAttr::get(type, values);
  }
  auto constants = getConstants();
  if (!constants)
    return {};
  SmallVector<APInt> values;
  for (int64_t constant : *constants)
    values.push_back(APInt(64, constant, true).trunc(elementType.getIntOrFloatBitWidth()));
  return DenseElementsAttr::get(type, values);
}

std::optional<Abstract> lathe::onnxfile::toAbstract(DenseElementsAttr attr) {
  if (!countElements(attr.getType().getShape()))
    return std::nullopt;
  Abstract value;
  value.elementType = attr.getElementType();
  value.shape.assign(attr.getType().getShape().begin(), attr.getType().getShape().end());
  if (isa<FloatType>(value.elementType)) {
    for (APFloat element : attr.getValues<APFloat>()) {
      bool lost;
      element.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &lost);
      value.reals.push_back(element.convertToDouble());
    }
    return value;
  }
  auto integer = dyn_cast<IntegerType>(value.elementType);
  if (!integer || integer.getWidth() > 64)
    return std::nullopt;
  bool isUnsigned = integer.isUnsigned() || integer.getWidth() == 1;
  for (const APInt &element : attr.getValues<APInt>()) {
    if (isUnsigned && element.getActiveBits() > 63)
      return std::nullopt;
    value.ints.push_back(Dim(isUnsigned ? int64_t(element.getZExtValue()) : element.getSExtValue()));
  }
  return value;
}

double lathe::onnxfile::roundTo(double value, Type type) {
  auto floatType = dyn_cast<FloatType>(type);
  if (!floatType || floatType.isF64())
    return value;
  APFloat rounded(value);
  bool lost;
  rounded.convert(floatType.getFloatSemantics(), APFloat::rmNearestTiesToEven, &lost);
  rounded.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &lost);
  return rounded.convertToDouble();
}

/// A constant wrapped to the integer type; a symbolic dimension is taken to fit.
static std::optional<Dim> wrap(const Dim &dim, Type type) {
  if (!dim.isValid())
    return std::nullopt;
  auto constant = dim.getConstant();
  unsigned width = type.getIntOrFloatBitWidth();
  if (!constant || width >= 64)
    return dim;
  APInt bits = APInt(64, *constant, true).trunc(width);
  bool isUnsigned = type.isUnsignedInteger() || width == 1;
  return Dim(isUnsigned ? int64_t(bits.getZExtValue()) : bits.getSExtValue());
}

std::optional<Scalar> lathe::onnxfile::castScalar(const Scalar &scalar, Type from, Type to) {
  bool fromReal = isa<FloatType>(from), toReal = isa<FloatType>(to);
  if (fromReal && toReal)
    return Scalar{0, roundTo(scalar.real, to)};
  if (fromReal) {
    if (to.isInteger(1))
      return Scalar{Dim(scalar.real != 0)};
    if (!(std::abs(scalar.real) < 0x1p62)) // saturation is left to tfm.cast
      return std::nullopt;
    auto integer = static_cast<int64_t>(scalar.real);
    auto wrapped = wrap(Dim(integer), to);
    if (!wrapped || *wrapped != Dim(integer))
      return std::nullopt;
    return Scalar{*wrapped};
  }
  auto constant = scalar.dim.getConstant();
  if (toReal)
    return constant ? std::optional<Scalar>(Scalar{0, roundTo(static_cast<double>(*constant), to)}) : std::nullopt;
  if (to.isInteger(1))
    return constant ? std::optional<Scalar>(Scalar{Dim(*constant != 0)}) : std::nullopt;
  auto wrapped = wrap(scalar.dim, to);
  return wrapped ? std::optional<Scalar>(Scalar{*wrapped}) : std::nullopt;
}

static std::optional<Scalar> evaluateReal(StringRef op, Type type, ArrayRef<Scalar> operands) {
  double x = operands[0].real, y = operands.size() > 1 ? operands[1].real : 0;
  auto boolean = [](bool value) { return Scalar{Dim(value)}; };
  if (operands.size() == 1) {
    if (op == "IsNaN")
      return boolean(std::isnan(x));
    auto value = llvm::StringSwitch<std::optional<double>>(op)
                     .Case("Abs", std::fabs(x))
                     .Case("Neg", -x)
                     .Case("Sqrt", std::sqrt(x))
                     .Case("Reciprocal", 1 / x)
                     .Case("Floor", std::floor(x))
                     .Case("Ceil", std::ceil(x))
                     .Default(std::nullopt);
    return value ? std::optional<Scalar>(Scalar{0, roundTo(*value, type)}) : std::nullopt;
  }
  if (operands.size() != 2)
    return std::nullopt;
  if (op == "Equal")
    return boolean(x == y);
  if (op == "Less")
    return boolean(x < y);
  if (op == "LessOrEqual")
    return boolean(x <= y);
  if (op == "Greater")
    return boolean(x > y);
  if (op == "GreaterOrEqual")
    return boolean(x >= y);
  bool nan = std::isnan(x) || std::isnan(y);
  auto value = llvm::StringSwitch<std::optional<double>>(op)
                   .Case("Add", x + y)
                   .Case("Sub", x - y)
                   .Case("Mul", x * y)
                   .Case("Div", x / y)
                   .Case("Min", nan ? NAN : std::min(x, y))
                   .Case("Max", nan ? NAN : std::max(x, y))
                   .Default(std::nullopt);
  // Pow isn't here: libm's result may differ from machine to machine.
  return value ? std::optional<Scalar>(Scalar{0, roundTo(*value, type)}) : std::nullopt;
}

static std::optional<Scalar> evaluateInt(StringRef op, Type type, ArrayRef<Scalar> operands, const Symbols &symbols) {
  auto result = [&](const Dim &dim) -> std::optional<Scalar> {
    auto wrapped = wrap(dim, type);
    return wrapped ? std::optional<Scalar>(Scalar{*wrapped}) : std::nullopt;
  };
  auto boolean = [](std::optional<bool> value, bool negate = false) -> std::optional<Scalar> {
    if (!value)
      return std::nullopt;
    return Scalar{Dim(*value != negate)};
  };
  const Dim &x = operands[0].dim;
  auto xRange = symbols.bounds(x);
  if (operands.size() == 1) {
    if (op == "Neg")
      return result(Dim(0) - x);
    if (op == "Not" && type.isInteger(1) && x.isConstant())
      return Scalar{Dim(1) - x};
    if (op == "Abs" && xRange && xRange->min >= 0)
      return result(x);
    if (op == "Abs" && xRange && xRange->max <= 0)
      return result(Dim(0) - x);
    return std::nullopt;
  }
  if (operands.size() != 2)
    return std::nullopt;
  const Dim &y = operands[1].dim;
  auto yRange = symbols.bounds(y);
  auto xValue = x.getConstant(), yValue = y.getConstant();
  if (op == "Add")
    return result(x + y);
  if (op == "Sub")
    return result(x - y);
  if (op == "Mul")
    return result(x * y);
  if (op == "Div" || op == "Mod") {
    // ONNX truncates towards zero and Python's sign rule holds for Mod; all agree where nothing is negative.
    if (xValue && yValue && *yValue != 0 && *xValue != INT64_MIN && op == "Div")
      return result(Dim(*xValue / *yValue));
    if (!xRange || !yRange || xRange->min < 0 || yRange->min < 1)
      return std::nullopt;
    Dim quotient = Dim::floordiv(x, y);
    return result(op == "Div" ? quotient : x - quotient * y);
  }
  if (op == "Min")
    return result(symbols.min(x, y));
  if (op == "Max")
    return result(symbols.max(x, y));
  if (op == "Equal")
    return boolean(symbols.isEqual(x, y));
  if (op == "Less")
    return boolean(symbols.isLess(x, y));
  if (op == "GreaterOrEqual")
    return boolean(symbols.isLess(x, y), true);
  if (op == "Greater")
    return boolean(symbols.isLess(y, x));
  if (op == "LessOrEqual")
    return boolean(symbols.isLess(y, x), true);
  if (type.isInteger(1) && xValue && yValue) {
    if (op == "And")
      return Scalar{Dim(*xValue & *yValue)};
    if (op == "Or")
      return Scalar{Dim(*xValue | *yValue)};
    if (op == "Xor")
      return Scalar{Dim(*xValue ^ *yValue)};
  }
  if (op == "Pow" && xValue && yValue && *yValue >= 0 && *yValue < 64) {
    int64_t power = 1;
    for (int64_t i = 0; i < *yValue; ++i) {
      auto next = llvm::checkedMul(power, *xValue);
      if (!next)
        return std::nullopt;
      power = *next;
    }
    return result(Dim(power));
  }
  return std::nullopt;
}

std::optional<Scalar> lathe::onnxfile::evaluateScalar(StringRef op, Type type, ArrayRef<Scalar> operands,
                                                      const Symbols &symbols) {
  if ((op == "Min" || op == "Max") && operands.size() != 2) {
    Scalar result = operands[0];
    for (const Scalar &operand : operands.drop_front()) {
      auto next = evaluateScalar(op, type, {result, operand}, symbols);
      if (!next)
        return std::nullopt;
      result = *next;
    }
    return result;
  }
  return isa<FloatType>(type) ? evaluateReal(op, type, operands) : evaluateInt(op, type, operands, symbols);
}

std::optional<int64_t> lathe::onnxfile::countElements(ArrayRef<int64_t> shape, uint64_t limit) {
  uint64_t count = 1;
  // Also beside a 0, so that nobody computes with what would overflow.
  if (llvm::any_of(shape, [](int64_t size) { return size < 0 || size > INT32_MAX; }))
    return std::nullopt;
  if (llvm::is_contained(shape, 0))
    return 0;
  for (int64_t size : shape) {
    auto product = llvm::checkedMulUnsigned<uint64_t>(count, size);
    if (!product || *product > limit)
      return std::nullopt;
    count = *product;
  }
  return count;
}

std::optional<BroadcastIndex> lathe::onnxfile::broadcastIndex(ArrayRef<ArrayRef<int64_t>> shapes) {
  BroadcastIndex index;
  for (ArrayRef<int64_t> shape : shapes) {
    if (shape.size() > index.shape.size())
      index.shape.insert(index.shape.begin(), shape.size() - index.shape.size(), 1);
    for (auto [size, other] : llvm::zip(llvm::reverse(index.shape), llvm::reverse(shape))) {
      if (size == 1)
        size = other;
      else if (other != 1 && other != size)
        return std::nullopt;
    }
  }
  auto count = countElements(index.shape);
  if (!count)
    return std::nullopt;
  for (ArrayRef<int64_t> shape : shapes) {
    SmallVector<int64_t> strides(index.shape.size(), 0), positions;
    int64_t stride = 1;
    size_t offset = index.shape.size() - shape.size();
    for (size_t i = shape.size(); i-- > 0; stride *= shape[i])
      strides[i + offset] = shape[i] == 1 ? 0 : stride;
    for (int64_t element = 0; element < *count; ++element) {
      int64_t rest = element, position = 0;
      for (size_t i = index.shape.size(); i-- > 0; rest /= index.shape[i])
        position += rest % index.shape[i] * strides[i];
      positions.push_back(position);
    }
    index.positions.push_back(std::move(positions));
  }
  return index;
}
