// What each elementwise op computes on one element: the only place that says it for generated code.
#include "dialects/Tfm/Tfm.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::tfm;

namespace {
/// Builds scalar or vector arithmetic: constants take the shape of the values that they meet.
struct Scalar {
  OpBuilder &builder;
  Location loc;

  Value constant(Value like, double value) {
    Type type = like.getType(), element = getElementTypeOrSelf(type);
    TypedAttr attr = isa<FloatType>(element) ? TypedAttr(builder.getFloatAttr(element, value))
                                             : TypedAttr(builder.getIntegerAttr(element, static_cast<int64_t>(value)));
    if (auto vector = dyn_cast<VectorType>(type))
      attr = DenseElementsAttr::get(vector, Attribute(attr));
    return arith::ConstantOp::create(builder, loc, attr);
  }
  template <typename Op, typename... Args> Value make(Args &&...args) {
    return Op::create(builder, loc, std::forward<Args>(args)...);
  }
  Value compare(arith::CmpFPredicate predicate, Value a, Value b) { return make<arith::CmpFOp>(predicate, a, b); }
  Value compare(arith::CmpIPredicate predicate, Value a, Value b) { return make<arith::CmpIOp>(predicate, a, b); }
  Value select(Value condition, Value a, Value b) { return make<arith::SelectOp>(condition, a, b); }
  Value sigmoid(Value x) {
    Value one = constant(x, 1);
    return make<arith::DivFOp>(one, make<arith::AddFOp>(one, make<math::ExpOp>(make<arith::NegFOp>(x))));
  }
};

bool isUnsigned(Value tensor) {
  Type type = getElementType(tensor);
  return type.isUnsignedInteger() || type.isInteger(1);
}
bool isFloat(Value value) { return isa<FloatType>(getElementTypeOrSelf(value.getType())); }
Type withElement(Type like, Type element) {
  if (auto vector = dyn_cast<VectorType>(like))
    return vector.clone(element);
  return element;
}
} // namespace

#define FLOAT_UNARY(OP, MATH)                                                                                          \
  Value OP::buildScalar(OpBuilder &builder, Location loc, ValueRange operands) {                                       \
    return MATH::create(builder, loc, operands[0]);                                                                    \
  }
FLOAT_UNARY(ExpOp, math::ExpOp)
FLOAT_UNARY(LogOp, math::LogOp)
FLOAT_UNARY(SqrtOp, math::SqrtOp)
FLOAT_UNARY(SinOp, math::SinOp)
FLOAT_UNARY(CosOp, math::CosOp)
FLOAT_UNARY(ErfOp, math::ErfOp)
FLOAT_UNARY(TanhOp, math::TanhOp)
FLOAT_UNARY(FloorOp, math::FloorOp)
FLOAT_UNARY(CeilOp, math::CeilOp)
FLOAT_UNARY(RoundOp, math::RoundEvenOp)
#undef FLOAT_UNARY

Value AbsOp::buildScalar(OpBuilder &builder, Location loc, ValueRange operands) {
  Value x = operands[0];
  if (isUnsigned(getInput()))
    return x;
  return isFloat(x) ? math::AbsFOp::create(builder, loc, x).getResult()
                    : math::AbsIOp::create(builder, loc, x).getResult();
}
Value NegOp::buildScalar(OpBuilder &builder, Location loc, ValueRange operands) {
  Scalar s{builder, loc};
  Value x = operands[0];
  return isFloat(x) ? s.make<arith::NegFOp>(x) : s.make<arith::SubIOp>(s.constant(x, 0), x);
}
Value RsqrtOp::buildScalar(OpBuilder &builder, Location loc, ValueRange operands) {
  Scalar s{builder, loc};
  return s.make<arith::DivFOp>(s.constant(operands[0], 1), s.make<math::SqrtOp>(operands[0]));
}
Value ReciprocalOp::buildScalar(OpBuilder &builder, Location loc, ValueRange operands) {
  Scalar s{builder, loc};
  return s.make<arith::DivFOp>(s.constant(operands[0], 1), operands[0]);
}
Value SigmoidOp::buildScalar(OpBuilder &builder, Location loc, ValueRange operands) {
  return Scalar{builder, loc}.sigmoid(operands[0]);
}
Value SiluOp::buildScalar(OpBuilder &builder, Location loc, ValueRange operands) {
  Scalar s{builder, loc};
  return s.make<arith::MulFOp>(operands[0], s.sigmoid(operands[0]));
}
Value SwigluOp::buildScalar(OpBuilder &builder, Location loc, ValueRange operands) {
  Scalar s{builder, loc};
  return s.make<arith::MulFOp>(s.make<arith::MulFOp>(operands[0], s.sigmoid(operands[0])), operands[1]);
}
Value ReluOp::buildScalar(OpBuilder &builder, Location loc, ValueRange operands) {
  Scalar s{builder, loc};
  Value x = operands[0], zero = s.constant(x, 0);
  if (isFloat(x))
    return s.make<arith::MaximumFOp>(x, zero);
  return isUnsigned(getInput()) ? x : s.make<arith::MaxSIOp>(x, zero);
}
Value SignOp::buildScalar(OpBuilder &builder, Location loc, ValueRange operands) {
  Scalar s{builder, loc};
  Value x = operands[0], zero = s.constant(x, 0), one = s.constant(x, 1);
  if (isFloat(x)) {
    Value negative = s.select(s.compare(arith::CmpFPredicate::OLT, x, zero), s.constant(x, -1), x); // NaN and 0 stay
    return s.select(s.compare(arith::CmpFPredicate::OGT, x, zero), one, negative);
  }
  if (isUnsigned(getInput()))
    return s.select(s.compare(arith::CmpIPredicate::ne, x, zero), one, zero);
  Value negative = s.select(s.compare(arith::CmpIPredicate::slt, x, zero), s.constant(x, -1), zero);
  return s.select(s.compare(arith::CmpIPredicate::sgt, x, zero), one, negative);
}
Value NotOp::buildScalar(OpBuilder &builder, Location loc, ValueRange operands) {
  Scalar s{builder, loc};
  return s.make<arith::XOrIOp>(operands[0], s.constant(operands[0], -1));
}
Value GeluOp::buildScalar(OpBuilder &builder, Location loc, ValueRange operands) {
  Scalar s{builder, loc};
  Value x = operands[0];
  auto mul = [&](Value a, Value b) { return s.make<arith::MulFOp>(a, b); };
  switch (getKind()) {
  case GeluKind::erf: {
    Value erf = s.make<math::ErfOp>(mul(x, s.constant(x, 0.70710678118654752440)));
    return mul(mul(x, s.constant(x, 0.5)), s.make<arith::AddFOp>(s.constant(x, 1), erf));
  }
  case GeluKind::tanh: { // x/2 (1 + tanh t) = x sigmoid(2 t), which does not cancel
    Value cubic = s.make<arith::AddFOp>(x, mul(s.constant(x, 0.044715), mul(x, mul(x, x))));
    return mul(x, s.sigmoid(mul(s.constant(x, 2 * 0.79788456080286535588), cubic)));
  }
  case GeluKind::quick:
    return mul(x, s.sigmoid(mul(s.constant(x, 1.702), x)));
  }
  llvm_unreachable("all kinds are listed");
}

#define BINARY(OP, FLOAT, SIGNED, UNSIGNED)                                                                            \
  Value OP::buildScalar(OpBuilder &builder, Location loc, ValueRange operands) {                                       \
    Scalar s{builder, loc};                                                                                            \
    if (isFloat(operands[0]))                                                                                          \
      return s.make<FLOAT>(operands[0], operands[1]);                                                                  \
    if (isUnsigned(getLhs()))                                                                                          \
      return s.make<UNSIGNED>(operands[0], operands[1]);                                                               \
    return s.make<SIGNED>(operands[0], operands[1]);                                                                   \
  }
BINARY(AddOp, arith::AddFOp, arith::AddIOp, arith::AddIOp)
BINARY(SubOp, arith::SubFOp, arith::SubIOp, arith::SubIOp)
BINARY(MulOp, arith::MulFOp, arith::MulIOp, arith::MulIOp)
BINARY(MinimumOp, arith::MinimumFOp, arith::MinSIOp, arith::MinUIOp)
BINARY(MaximumOp, arith::MaximumFOp, arith::MaxSIOp, arith::MaxUIOp)
#undef BINARY

/// A divisor for which the machine's division doesn't trap: 1 in place of 0, and of -1 (INT_MIN / -1 traps).
static Value safeDivisor(Scalar &s, Value divisor, bool isSigned) {
  Value safe =
      s.select(s.compare(arith::CmpIPredicate::eq, divisor, s.constant(divisor, 0)), s.constant(divisor, 1), divisor);
  if (isSigned)
    safe =
        s.select(s.compare(arith::CmpIPredicate::eq, divisor, s.constant(divisor, -1)), s.constant(divisor, 1), safe);
  return safe;
}
Value DivOp::buildScalar(OpBuilder &builder, Location loc, ValueRange operands) {
  Scalar s{builder, loc};
  Value x = operands[0], y = operands[1];
  if (isFloat(x))
    return s.make<arith::DivFOp>(x, y);
  bool isSigned = !isUnsigned(getLhs());
  Value safe = safeDivisor(s, y, isSigned);
  Value quotient = isSigned ? s.make<arith::DivSIOp>(x, safe) : s.make<arith::DivUIOp>(x, safe);
  if (isSigned)
    quotient = s.select(s.compare(arith::CmpIPredicate::eq, y, s.constant(y, -1)),
                        s.make<arith::SubIOp>(s.constant(x, 0), x), quotient);
  return s.select(s.compare(arith::CmpIPredicate::eq, y, s.constant(y, 0)), s.constant(x, 0), quotient);
}
Value ModOp::buildScalar(OpBuilder &builder, Location loc, ValueRange operands) {
  Scalar s{builder, loc};
  Value x = operands[0], y = operands[1];
  if (isFloat(x))
    return s.make<arith::RemFOp>(x, y);
  bool isSigned = !isUnsigned(getLhs());
  Value safe = safeDivisor(s, y, isSigned), zero = s.constant(y, 0);
  Value rest = isSigned ? s.make<arith::RemSIOp>(x, safe) : s.make<arith::RemUIOp>(x, safe);
  if (isSigned) { // C's remainder has x's sign
    Value wrong = s.make<arith::AndIOp>(s.compare(arith::CmpIPredicate::ne, rest, zero),
                                        s.make<arith::XOrIOp>(s.compare(arith::CmpIPredicate::slt, rest, zero),
                                                              s.compare(arith::CmpIPredicate::slt, y, zero)));
    rest = s.select(wrong, s.make<arith::AddIOp>(rest, y), rest);
  }
  return s.select(s.compare(arith::CmpIPredicate::eq, y, zero), zero, rest);
}
Value PowOp::buildScalar(OpBuilder &builder, Location loc, ValueRange operands) {
  Scalar s{builder, loc};
  return isFloat(operands[0]) ? s.make<math::PowFOp>(operands[0], operands[1])
                              : s.make<math::IPowIOp>(operands[0], operands[1]);
}
Value AndOp::buildScalar(OpBuilder &builder, Location loc, ValueRange operands) {
  return arith::AndIOp::create(builder, loc, operands[0], operands[1]);
}
Value OrOp::buildScalar(OpBuilder &builder, Location loc, ValueRange operands) {
  return arith::OrIOp::create(builder, loc, operands[0], operands[1]);
}
Value XorOp::buildScalar(OpBuilder &builder, Location loc, ValueRange operands) {
  return arith::XOrIOp::create(builder, loc, operands[0], operands[1]);
}

Value CompareOp::buildScalar(OpBuilder &builder, Location loc, ValueRange operands) {
  Scalar s{builder, loc};
  using F = arith::CmpFPredicate;
  using I = arith::CmpIPredicate;
  static const F floats[] = {F::OEQ, F::UNE, F::OLT, F::OLE, F::OGT, F::OGE};
  static const I ints[] = {I::eq, I::ne, I::slt, I::sle, I::sgt, I::sge};
  static const I unsigneds[] = {I::eq, I::ne, I::ult, I::ule, I::ugt, I::uge};
  unsigned index = static_cast<unsigned>(getPredicate());
  if (isFloat(operands[0]))
    return s.compare(floats[index], operands[0], operands[1]);
  return s.compare((isUnsigned(getLhs()) ? unsigneds : ints)[index], operands[0], operands[1]);
}
Value IsNanOp::buildScalar(OpBuilder &builder, Location loc, ValueRange operands) {
  return Scalar{builder, loc}.compare(arith::CmpFPredicate::UNO, operands[0], operands[0]);
}
Value IsInfOp::buildScalar(OpBuilder &builder, Location loc, ValueRange operands) {
  Scalar s{builder, loc};
  Value x = operands[0], inf = s.constant(x, std::numeric_limits<double>::infinity());
  if (getPositive() && getNegative())
    return s.compare(arith::CmpFPredicate::OEQ, s.make<math::AbsFOp>(x), inf);
  if (!getPositive() && !getNegative()) // never true: no x is below -inf
    return s.compare(arith::CmpFPredicate::OLT, x, s.make<arith::NegFOp>(inf));
  return s.compare(arith::CmpFPredicate::OEQ, x, getPositive() ? inf : s.make<arith::NegFOp>(inf));
}
Value SelectOp::buildScalar(OpBuilder &builder, Location loc, ValueRange operands) {
  return arith::SelectOp::create(builder, loc, operands[0], operands[1], operands[2]);
}

Value CastOp::buildScalar(OpBuilder &builder, Location loc, ValueRange operands) {
  Scalar s{builder, loc};
  Value x = operands[0];
  Type from = getElementTypeOrSelf(x.getType()), element = getElementType(getResult());
  bool fromUnsigned = isUnsigned(getInput()), toUnsigned = element.isUnsignedInteger();
  if (auto integer = dyn_cast<IntegerType>(element))
    element = IntegerType::get(builder.getContext(), integer.getWidth());
  Type to = withElement(x.getType(), element);
  if (from == element)
    return x;
  unsigned fromBits = from.getIntOrFloatBitWidth(), toBits = element.getIntOrFloatBitWidth();
  if (isa<FloatType>(from) && isa<FloatType>(element)) {
    if (toBits > fromBits)
      return s.make<arith::ExtFOp>(to, x);
    if (toBits < fromBits)
      return s.make<arith::TruncFOp>(to, x);
    Value wide = s.make<arith::ExtFOp>(withElement(to, builder.getF32Type()), x); // f16 and bf16
    return s.make<arith::TruncFOp>(to, wide);
  }
  if (element.isInteger(1))
    return isa<FloatType>(from) ? s.compare(arith::CmpFPredicate::UNE, x, s.constant(x, 0))
                                : s.compare(arith::CmpIPredicate::ne, x, s.constant(x, 0));
  if (isa<FloatType>(element))
    return fromUnsigned ? s.make<arith::UIToFPOp>(to, x) : s.make<arith::SIToFPOp>(to, x);
  if (isa<FloatType>(from)) {
    // Saturates: the conversion is only done where it is defined. The upper bound is 2^n, which every float type that
    // can reach it holds exactly; the lower bound likewise.
    int bits = static_cast<int>(toBits);
    double high = std::ldexp(1.0, toUnsigned ? bits : bits - 1), low = toUnsigned ? 0 : -high;
    if (from.isF16() && bits > 16)
      x = s.make<arith::ExtFOp>(withElement(to, builder.getF32Type()), x);
    Value tooHigh = s.compare(arith::CmpFPredicate::OGE, x, s.constant(x, high));
    Value inside = s.make<arith::AndIOp>(s.compare(arith::CmpFPredicate::OLT, x, s.constant(x, high)),
                                         s.compare(arith::CmpFPredicate::OGT, x, s.constant(x, low == 0 ? -1.0 : low)));
    Value safe = s.select(inside, x, s.constant(x, 0));
    Value converted = toUnsigned ? s.make<arith::FPToUIOp>(to, safe) : s.make<arith::FPToSIOp>(to, safe);
    auto integer = [&](APInt value) {
      TypedAttr attr = builder.getIntegerAttr(element, value);
      if (auto vector = dyn_cast<VectorType>(to))
        attr = DenseElementsAttr::get(vector, Attribute(attr));
      return Value(arith::ConstantOp::create(builder, loc, attr));
    };
    Value least = integer(toUnsigned ? APInt::getZero(bits) : APInt::getSignedMinValue(bits));
    Value greatest = integer(toUnsigned ? APInt::getMaxValue(bits) : APInt::getSignedMaxValue(bits));
    Value tooLow = s.compare(arith::CmpFPredicate::OLE, x, s.constant(x, low));
    return s.select(tooHigh, greatest, s.select(tooLow, least, converted));
  }
  if (toBits < fromBits)
    return s.make<arith::TruncIOp>(to, x);
  return fromUnsigned ? s.make<arith::ExtUIOp>(to, x) : s.make<arith::ExtSIOp>(to, x);
}
