// Elementwise ops. The scalar functions are written here a second time on purpose: generated code has its own.
#include "compiler/Reference/Frame.h"
#include <cmath>

using namespace mlir;
using namespace lathe;
using namespace lathe::reference;
using namespace lathe::tfm;

namespace {
Result unsupportedType(Operation *op) {
  return op->emitError("has no meaning for ") << tfm::getElementType(op->getOperand(0));
}

std::vector<double> floats(Value value, ArrayRef<int64_t> shape, const Frame &frame) {
  return broadcast(loadFloats(frame[value]), frame[value].getShape(), shape);
}
std::vector<int64_t> integers(Value value, ArrayRef<int64_t> shape, const Frame &frame) {
  return broadcast(loadIntegers(frame[value]), frame[value].getShape(), shape);
}

// Unary ops
/// A float's function; an integer's, too, where there is one.
using FloatUnary = double (*)(double);
using IntegerUnary = int64_t (*)(int64_t);

template <typename Op, FloatUnary onFloat, IntegerUnary onInteger = nullptr>
Result unary(Op op, ArrayRef<int64_t> shape, const Frame &frame) {
  const Tensor &input = frame[op.getInput()];
  Type type = input.getElementType();
  if (isa<FloatType>(type)) {
    std::vector<double> values = loadFloats(input);
    for (double &value : values)
      value = onFloat(value);
    return storeFloats(type, shape, values);
  }
  if constexpr (onInteger == nullptr) {
    return unsupportedType(op);
  } else {
    std::vector<int64_t> values = loadIntegers(input);
    for (int64_t &value : values)
      value = onInteger(value);
    return storeIntegers(type, shape, values);
  }
}

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
double rsqrt(double x) { return 1 / std::sqrt(x); }
double reciprocal(double x) { return 1 / x; }
double negate(double x) { return -x; }
double silu(double x) { return x * sigmoid(x); }
double relu(double x) { return x > 0 || std::isnan(x) ? x : 0; }
double sign(double x) { return x > 0 ? 1 : x < 0 ? -1 : x; }
double roundEven(double x) { return std::nearbyint(x); }
double geluErf(double x) { return x * 0.5 * std::erfc(-x * 0.70710678118654752440); }
double geluTanh(double x) { return 0.5 * x * (1 + std::tanh(0.79788456080286535588 * (x + 0.044715 * x * x * x))); }
double geluQuick(double x) { return x * sigmoid(1.702 * x); }

int64_t wrappingNegate(int64_t x) { return static_cast<int64_t>(-static_cast<uint64_t>(x)); }
int64_t absolute(int64_t x) { return x < 0 ? wrappingNegate(x) : x; }
int64_t integerRelu(int64_t x) { return x > 0 ? x : 0; }
int64_t integerSign(int64_t x) { return x > 0 ? 1 : x < 0 ? -1 : 0; }
int64_t complement(int64_t x) { return ~x; }

/// Ops that depend on signedness: what is unsigned is its own magnitude and never negative.
template <typename Op, FloatUnary onFloat, IntegerUnary onSigned, IntegerUnary onUnsigned>
Result signedUnary(Op op, ArrayRef<int64_t> shape, const Frame &frame) {
  return isUnsigned(tfm::getElementType(op.getInput())) ? unary<Op, onFloat, onUnsigned>(op, shape, frame)
                                                        : unary<Op, onFloat, onSigned>(op, shape, frame);
}
int64_t identity(int64_t x) { return x; }
int64_t isNotZero(int64_t x) { return x != 0; }

Result gelu(GeluOp op, ArrayRef<int64_t> shape, const Frame &frame) {
  switch (op.getKind()) {
  case GeluKind::erf:
    return unary<GeluOp, geluErf>(op, shape, frame);
  case GeluKind::tanh:
    return unary<GeluOp, geluTanh>(op, shape, frame);
  case GeluKind::quick:
    return unary<GeluOp, geluQuick>(op, shape, frame);
  }
  llvm_unreachable("all kinds are listed");
}

Result complementOf(NotOp op, ArrayRef<int64_t> shape, const Frame &frame) {
  const Tensor &input = frame[op.getInput()];
  if (isa<FloatType>(input.getElementType()))
    return unsupportedType(op);
  std::vector<int64_t> values = loadIntegers(input);
  for (int64_t &value : values)
    value = complement(value);
  return storeIntegers(input.getElementType(), shape, values);
}

// Binary ops
using FloatBinary = double (*)(double, double);
using IntegerBinary = int64_t (*)(int64_t, int64_t);

Result binary(Operation *op, ArrayRef<int64_t> shape, const Frame &frame, FloatBinary onFloat, IntegerBinary onSigned,
              IntegerBinary onUnsigned) {
  Type type = tfm::getElementType(op->getResult(0));
  if (isa<FloatType>(type)) {
    if (!onFloat)
      return unsupportedType(op);
    std::vector<double> x = floats(op->getOperand(0), shape, frame), y = floats(op->getOperand(1), shape, frame);
    for (size_t i = 0; i < x.size(); ++i)
      x[i] = onFloat(x[i], y[i]);
    return storeFloats(type, shape, x);
  }
  IntegerBinary onInteger = isUnsigned(type) ? onUnsigned : onSigned;
  if (!onInteger)
    return unsupportedType(op);
  std::vector<int64_t> x = integers(op->getOperand(0), shape, frame), y = integers(op->getOperand(1), shape, frame);
  for (size_t i = 0; i < x.size(); ++i)
    x[i] = onInteger(x[i], y[i]);
  return storeIntegers(type, shape, x);
}

template <typename Op, FloatBinary onFloat, IntegerBinary onSigned, IntegerBinary onUnsigned = onSigned>
Result binary(Op op, ArrayRef<int64_t> shape, const Frame &frame) {
  return binary(op.getOperation(), shape, frame, onFloat, onSigned, onUnsigned);
}

using U = uint64_t;
double add(double x, double y) { return x + y; }
double sub(double x, double y) { return x - y; }
double mul(double x, double y) { return x * y; }
double div(double x, double y) { return x / y; }
double mod(double x, double y) { return std::fmod(x, y); }
double power(double x, double y) { return std::pow(x, y); }
double minimum(double x, double y) {
  if (std::isnan(x) || std::isnan(y))
    return NAN;
  return x < y || (x == y && std::signbit(x)) ? x : y;
}
double maximum(double x, double y) {
  if (std::isnan(x) || std::isnan(y))
    return NAN;
  return x > y || (x == y && std::signbit(y)) ? x : y;
}
double swiglu(double gate, double up) { return silu(gate) * up; }

int64_t add(int64_t x, int64_t y) { return U(x) + U(y); }
int64_t sub(int64_t x, int64_t y) { return U(x) - U(y); }
int64_t mul(int64_t x, int64_t y) { return U(x) * U(y); }
int64_t div(int64_t x, int64_t y) { return y == 0 ? 0 : y == -1 ? wrappingNegate(x) : x / y; }
int64_t udiv(int64_t x, int64_t y) { return y == 0 ? 0 : U(x) / U(y); }
int64_t mod(int64_t x, int64_t y) {
  if (y == 0 || y == -1)
    return 0;
  int64_t rest = x % y;
  return rest != 0 && (rest < 0) != (y < 0) ? rest + y : rest;
}
int64_t umod(int64_t x, int64_t y) { return y == 0 ? 0 : U(x) % U(y); }
int64_t upower(int64_t x, int64_t y) {
  U result = 1, base = x;
  for (U exponent = y; exponent; exponent >>= 1, base *= base)
    if (exponent & 1)
      result *= base;
  return result;
}
int64_t power(int64_t x, int64_t y) {
  if (y >= 0)
    return upower(x, y);
  return x == 1 ? 1 : x == -1 ? (y % 2 ? -1 : 1) : 0; // 1/x^-y, truncated
}
int64_t minimum(int64_t x, int64_t y) { return std::min(x, y); }
int64_t maximum(int64_t x, int64_t y) { return std::max(x, y); }
int64_t uminimum(int64_t x, int64_t y) { return std::min(U(x), U(y)); }
int64_t umaximum(int64_t x, int64_t y) { return std::max(U(x), U(y)); }
int64_t bitAnd(int64_t x, int64_t y) { return x & y; }
int64_t bitOr(int64_t x, int64_t y) { return x | y; }
int64_t bitXor(int64_t x, int64_t y) { return x ^ y; }

// Others
template <typename T> bool holds(Predicate predicate, T x, T y) {
  switch (predicate) {
  case Predicate::eq:
    return x == y;
  case Predicate::ne:
    return x != y;
  case Predicate::lt:
    return x < y;
  case Predicate::le:
    return x <= y;
  case Predicate::gt:
    return x > y;
  case Predicate::ge:
    return x >= y;
  }
  llvm_unreachable("all predicates are listed");
}

Tensor booleans(Type type, ArrayRef<int64_t> shape, llvm::function_ref<bool(size_t)> at) {
  std::vector<char> bytes(*countElements(shape));
  for (size_t i = 0; i < bytes.size(); ++i)
    bytes[i] = at(i);
  return Tensor(type, shape, std::move(bytes));
}

Result compare(CompareOp op, ArrayRef<int64_t> shape, const Frame &frame) {
  Type type = tfm::getElementType(op.getLhs()), result = tfm::getElementType(op.getResult());
  Predicate predicate = op.getPredicate();
  if (isa<FloatType>(type)) {
    std::vector<double> x = floats(op.getLhs(), shape, frame), y = floats(op.getRhs(), shape, frame);
    return booleans(result, shape, [&](size_t i) { return holds(predicate, x[i], y[i]); });
  }
  std::vector<int64_t> x = integers(op.getLhs(), shape, frame), y = integers(op.getRhs(), shape, frame);
  if (isUnsigned(type))
    return booleans(result, shape, [&](size_t i) { return holds(predicate, U(x[i]), U(y[i])); });
  return booleans(result, shape, [&](size_t i) { return holds(predicate, x[i], y[i]); });
}

Result isNan(IsNanOp op, ArrayRef<int64_t> shape, const Frame &frame) {
  std::vector<double> x = loadFloats(frame[op.getInput()]);
  return booleans(tfm::getElementType(op.getResult()), shape, [&](size_t i) { return std::isnan(x[i]); });
}
Result isInf(IsInfOp op, ArrayRef<int64_t> shape, const Frame &frame) {
  std::vector<double> x = loadFloats(frame[op.getInput()]);
  bool positive = op.getPositive(), negative = op.getNegative();
  return booleans(tfm::getElementType(op.getResult()), shape,
                  [&](size_t i) { return (positive && x[i] == INFINITY) || (negative && x[i] == -INFINITY); });
}

Result select(SelectOp op, ArrayRef<int64_t> shape, const Frame &frame) {
  std::vector<int64_t> condition = integers(op.getCondition(), shape, frame);
  const Tensor &onTrue = frame[op.getOnTrue()], &onFalse = frame[op.getOnFalse()];
  Type type = onTrue.getElementType();
  size_t size = getElementBytes(type);
  // Bytes are copied as they are: a NaN keeps its payload.
  std::vector<char> bytes;
  bytes.reserve(condition.size() * size);
  std::vector<int64_t> fromTrue, fromFalse;
  forEachOffset(shape, broadcastStrides(onTrue.getShape(), shape), 0, [&](int64_t o) { fromTrue.push_back(o); });
  forEachOffset(shape, broadcastStrides(onFalse.getShape(), shape), 0, [&](int64_t o) { fromFalse.push_back(o); });
  for (size_t i = 0; i < condition.size(); ++i) {
    const char *element =
        condition[i] ? onTrue.getBytes().data() + fromTrue[i] * size : onFalse.getBytes().data() + fromFalse[i] * size;
    bytes.insert(bytes.end(), element, element + size);
  }
  return Tensor(type, shape, std::move(bytes));
}

Result cast(CastOp op, ArrayRef<int64_t> shape, const Frame &frame) {
  return convert(frame[op.getInput()], tfm::getElementType(op.getResult()));
}

constexpr double floatAbs(double x) { return __builtin_fabs(x); }
double floatExp(double x) { return std::exp(x); }
double floatLog(double x) { return std::log(x); }
double floatSqrt(double x) { return std::sqrt(x); }
double floatSin(double x) { return std::sin(x); }
double floatCos(double x) { return std::cos(x); }
double floatErf(double x) { return std::erf(x); }
double floatTanh(double x) { return std::tanh(x); }
double floatFloor(double x) { return std::floor(x); }
double floatCeil(double x) { return std::ceil(x); }
} // namespace

ArrayRef<Rule> reference::getElementwiseRules() {
  static const Rule rules[] = {
      rule<AbsOp, signedUnary<AbsOp, floatAbs, absolute, identity>>(),
      rule<NegOp, unary<NegOp, negate, wrappingNegate>>(),
      rule<ExpOp, unary<ExpOp, floatExp>>(),
      rule<LogOp, unary<LogOp, floatLog>>(),
      rule<SqrtOp, unary<SqrtOp, floatSqrt>>(),
      rule<RsqrtOp, unary<RsqrtOp, rsqrt>>(),
      rule<ReciprocalOp, unary<ReciprocalOp, reciprocal>>(),
      rule<SinOp, unary<SinOp, floatSin>>(),
      rule<CosOp, unary<CosOp, floatCos>>(),
      rule<ErfOp, unary<ErfOp, floatErf>>(),
      rule<TanhOp, unary<TanhOp, floatTanh>>(),
      rule<SigmoidOp, unary<SigmoidOp, sigmoid>>(),
      rule<SiluOp, unary<SiluOp, silu>>(),
      rule<ReluOp, signedUnary<ReluOp, relu, integerRelu, identity>>(),
      rule<FloorOp, unary<FloorOp, floatFloor>>(),
      rule<CeilOp, unary<CeilOp, floatCeil>>(),
      rule<RoundOp, unary<RoundOp, roundEven>>(),
      rule<SignOp, signedUnary<SignOp, sign, integerSign, isNotZero>>(),
      rule<NotOp, complementOf>(),
      rule<GeluOp, gelu>(),
      rule<AddOp, binary<AddOp, add, add>>(),
      rule<SubOp, binary<SubOp, sub, sub>>(),
      rule<MulOp, binary<MulOp, mul, mul>>(),
      rule<DivOp, binary<DivOp, div, div, udiv>>(),
      rule<ModOp, binary<ModOp, mod, mod, umod>>(),
      rule<PowOp, binary<PowOp, power, power, upower>>(),
      rule<MinimumOp, binary<MinimumOp, minimum, minimum, uminimum>>(),
      rule<MaximumOp, binary<MaximumOp, maximum, maximum, umaximum>>(),
      rule<AndOp, binary<AndOp, nullptr, bitAnd>>(),
      rule<OrOp, binary<OrOp, nullptr, bitOr>>(),
      rule<XorOp, binary<XorOp, nullptr, bitXor>>(),
      rule<SwigluOp, binary<SwigluOp, swiglu, nullptr>>(),
      rule<CompareOp, compare>(),
      rule<IsNanOp, isNan>(),
      rule<IsInfOp, isInf>(),
      rule<SelectOp, select>(),
      rule<CastOp, cast>(),
  };
  return rules;
}
