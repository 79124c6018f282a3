// Math ops as arithmetic. f32 exp, erf and tanh, which models spend their time in, are polynomials in f32, good to 2
// ulp or so; the others are computed in f64. Coefficients are minimax fits of ours (relative error).
#include "compiler/Cpu/Emitter.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::cpu;

/// e^r on [-ln 2 / 2, ln 2 / 2], to 3.1e-9.
static constexpr double kExp[] = {
    1.0, 1.0, 0.499999934512, 0.166665206847, 0.0416683874625, 0.00836871030421, 0.00138146084616};

namespace {
/// Arithmetic on values of one shape.
class Expansion : public CodeBuilder {
public:
  Expansion(Operation *op) : CodeBuilder(op->getContext(), op->getLoc(), 1) { b.setInsertionPoint(op); }

  Value c(Value like, double value) { return constant(like.getType(), value); }
  Value horner(Value x, ArrayRef<double> coefficients) {
    Value result = c(x, coefficients.back());
    for (double coefficient : llvm::reverse(coefficients.drop_back()))
      result = fma(result, x, c(x, coefficient));
    return result;
  }
  Type withElement(Value like, Type element) {
    auto vector = dyn_cast<VectorType>(like.getType());
    return vector ? Type(VectorType::get(vector.getShape(), element)) : element;
  }
  Value less(Value a, Value d) { return make<arith::CmpFOp>(arith::CmpFPredicate::OLT, a, d); }
  Value more(Value a, Value d) { return make<arith::CmpFOp>(arith::CmpFPredicate::OGT, a, d); }
  Value choose(Value condition, Value a, Value d) { return make<arith::SelectOp>(condition, a, d); }
  /// Within [low, high]; NaN stays.
  Value clamp(Value x, double low, double high) {
    Value l = c(x, low), h = c(x, high);
    x = choose(less(x, l), l, x);
    return choose(more(x, h), h, x);
  }
  Value abs(Value x) { return make<math::AbsFOp>(x); }
  Value copySign(Value x, Value sign) { return make<math::CopySignOp>(x, sign); }
  Value bits(Value x) {
    unsigned width = getElementTypeOrSelf(x.getType()).getIntOrFloatBitWidth();
    return make<arith::BitcastOp>(withElement(x, b.getIntegerType(width)), x);
  }
  Value fromBits(Value x, Value like) { return make<arith::BitcastOp>(like.getType(), x); }
  Value toF64(Value x) { return make<arith::ExtFOp>(withElement(x, b.getF64Type()), x); }
  Value toF32(Value x) { return make<arith::TruncFOp>(withElement(x, b.getF32Type()), x); }

  Value exp32(Value x);
  Value erf32(Value x);
  Value tanh32(Value x);
  Value exp64(Value x);
  Value log64(Value x);
  Value sin64(Value x, bool cosine);
  Value pow64(Value x, Value y);
  Value tanh64(Value x);
  Value remainder64(Value x, Value y);
  Value integerPower(Value x, Value n);
};
} // namespace

/// e^x = 2^n e^r, r = x - n ln 2 in [-ln 2 / 2, ln 2 / 2]. Adding 1.5 * 2^23 rounds x / ln 2 to the integer n, which
/// then stands in the sum's low bits. Below -87.3 the result is 0 (it would be subnormal), above 88.7 infinite.
Value Expansion::exp32(Value x) {
  Value clamped = clamp(x, -87.33654, 88.72284);
  Value shifted = fma(clamped, c(x, 1.44269504088896341), c(x, 12582912.0));
  Value n = subf(shifted, c(x, 12582912.0));
  Value r = fma(n, c(x, -0.693145751953125), clamped);
  r = fma(n, c(x, -1.42860682030941723e-6), r);
  Value p = horner(r, kExp);
  // 2^n in two factors of 2^(n/2), for n reaches 128.
  Value integer = make<arith::SubIOp>(bits(shifted), constant(bits(shifted).getType(), 0x4b400000));
  Value half = make<arith::ShRSIOp>(integer, constant(integer.getType(), 1));
  Value other = make<arith::SubIOp>(integer, half);
  auto power = [&](Value i) {
    Value biased = make<arith::AddIOp>(i, constant(i.getType(), 127));
    return fromBits(make<arith::ShLIOp>(biased, constant(i.getType(), 23)), x);
  };
  p = mulf(mulf(p, power(half)), power(other));
  p = choose(less(x, c(x, -87.33654)), c(x, 0), p);
  return choose(more(x, c(x, 88.722839)), c(x, std::numeric_limits<double>::infinity()), p);
}

/// erf(x) = x P(x^2) / Q(x^2) up to 3.925, from where on it rounds to 1.
Value Expansion::erf32(Value x) {
  static constexpr double p[] = {1.12837914578,    0.190581415885,    0.0527675165453,
                                 0.00377197020623, 0.000284822217539, 2.04602008981e-6};
  static constexpr double q[] = {
      1.0, 0.502231116161, 0.114177482851, 0.0149820558407, 0.00116370095729, 3.80465705006e-5};
  Value clamped = clamp(x, -3.925, 3.925), t = mulf(clamped, clamped);
  return divf(mulf(clamped, horner(t, p)), horner(t, q));
}

/// tanh(x) = (1 - e) / (1 + e), e = e^-2|x|; below 0.55, where that cancels, the odd polynomial.
Value Expansion::tanh32(Value x) {
  Value a = abs(x), e = exp32(mulf(a, c(x, -2)));
  Value large = copySign(divf(subf(c(x, 1), e), addf(c(x, 1), e)), x);
  static constexpr double coefficients[] = {-0.33333333295,  0.133333242041,    -0.0539647015498,
                                            0.0218184594659, -0.00852637230569, 0.00252644274033};
  Value t = mulf(x, x);
  Value small = fma(mulf(x, t), horner(t, coefficients), x);
  return choose(less(a, c(x, 0.55)), small, large);
}

Value Expansion::exp64(Value x) {
  Value clamped = clamp(x, -708.0, 709.75);
  Value n = make<math::RoundEvenOp>(mulf(clamped, c(x, 1.4426950408889634074)));
  Value r = fma(n, c(x, -6.93147180369123816490e-01), clamped);
  r = fma(n, c(x, -1.90821492927058770002e-10), r);
  SmallVector<double> coefficients;
  double factorial = 1;
  for (int i = 0; i < 14; ++i) {
    coefficients.push_back(1 / factorial);
    factorial *= i + 1;
  }
  Value p = horner(r, coefficients);
  Value integer = make<arith::FPToSIOp>(withElement(x, i64()),
                                        choose(make<arith::CmpFOp>(arith::CmpFPredicate::UNO, n, n), c(n, 0), n));
  Value half = make<arith::ShRSIOp>(integer, constant(integer.getType(), 1));
  auto power = [&](Value i) {
    Value biased = make<arith::AddIOp>(i, constant(i.getType(), 1023));
    return fromBits(make<arith::ShLIOp>(biased, constant(i.getType(), 52)), x);
  };
  p = mulf(mulf(p, power(half)), power(make<arith::SubIOp>(integer, half)));
  p = choose(less(x, c(x, -708.0)), c(x, 0), p);
  return choose(more(x, c(x, 709.75)), c(x, std::numeric_limits<double>::infinity()), p);
}

/// log(x) = n ln 2 + 2 artanh(s), x = 2^n m, m in [sqrt(1/2), sqrt 2), s = (m - 1) / (m + 1).
Value Expansion::log64(Value x) {
  Value tiny = less(x, c(x, 2.2250738585072014e-308)); // subnormal: scaled by 2^54
  Value scaled = choose(tiny, mulf(x, c(x, 18014398509481984.0)), x);
  Value integer = bits(scaled);
  Value offset = make<arith::SubIOp>(integer, constant(integer.getType(), 0));
  auto bitConstant = [&](uint64_t value) {
    TypedAttr attr = b.getI64IntegerAttr(static_cast<int64_t>(value));
    if (auto vector = dyn_cast<VectorType>(integer.getType()))
      attr = DenseElementsAttr::get(vector, Attribute(attr));
    return Value(make<arith::ConstantOp>(attr));
  };
  // Counted from the bits of sqrt(1/2), so that the mantissa is around 1.
  Value shifted = make<arith::SubIOp>(offset, bitConstant(0x3fe6a09e667f3bcdull));
  Value n = make<arith::ShRSIOp>(shifted, bitConstant(52));
  Value mantissa = fromBits(make<arith::SubIOp>(integer, make<arith::ShLIOp>(n, bitConstant(52))), x);
  Value exponent = make<arith::SIToFPOp>(x.getType(), n);
  exponent = choose(tiny, subf(exponent, c(x, 54)), exponent);
  Value s = divf(subf(mantissa, c(x, 1)), addf(mantissa, c(x, 1))), t = mulf(s, s);
  SmallVector<double> coefficients;
  for (int i = 0; i < 11; ++i)
    coefficients.push_back(2.0 / (2 * i + 1));
  Value log = mulf(s, horner(t, coefficients));
  log = fma(exponent, c(x, 0.693147180559945309), log);
  double infinity = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  log = choose(make<arith::CmpFOp>(arith::CmpFPredicate::OEQ, x, c(x, 0)), c(x, -infinity), log);
  log = choose(less(x, c(x, 0)), c(x, nan), log);
  Value unchanged = make<arith::CmpFOp>(arith::CmpFPredicate::UEQ, x, c(x, infinity)); // infinity and NaN
  return choose(unchanged, x, log);
}

/// Reduced by multiples of pi / 2 in three parts: exact enough for |x| up to 2^30.
Value Expansion::sin64(Value x, bool cosine) {
  Value n = make<math::RoundEvenOp>(mulf(x, c(x, 0.63661977236758134308)));
  Value r = fma(n, c(x, -1.57079632673412561417e+00), x);
  r = fma(n, c(x, -6.07710050630396597660e-11), r);
  r = fma(n, c(x, -2.02226624879595063154e-21), r);
  Value finite = less(abs(n), c(n, 9007199254740992.0));
  Value quadrant = make<arith::FPToSIOp>(withElement(x, i64()), choose(finite, n, c(n, 0)));
  if (cosine)
    quadrant = make<arith::AddIOp>(quadrant, constant(quadrant.getType(), 1));
  Value t = mulf(r, r);
  SmallVector<double> sines, cosines;
  double factorial = 1;
  for (int i = 0; i < 9; ++i) {
    double sign = i % 2 ? -1 : 1;
    cosines.push_back(sign / factorial);
    factorial *= 2 * i + 1;
    sines.push_back(sign / factorial);
    factorial *= 2 * i + 2;
  }
  Value sine = mulf(r, horner(t, sines)), cos = horner(t, cosines);
  auto bit = [&](int64_t mask) {
    Value masked = make<arith::AndIOp>(quadrant, constant(quadrant.getType(), double(mask)));
    return Value(make<arith::CmpIOp>(arith::CmpIPredicate::ne, masked, constant(quadrant.getType(), 0)));
  };
  Value value = choose(bit(1), cos, sine);
  value = choose(bit(2), make<arith::NegFOp>(value), value);
  Value nan = subf(x, x); // of infinities and NaN; 0 for numbers
  return addf(value, nan);
}

Value Expansion::pow64(Value x, Value y) {
  Value a = abs(x);
  Value result = exp64(mulf(y, log64(a)));
  Value one = c(x, 1), zero = c(x, 0);
  // Of a negative base: the sign of an odd power; NaN for a power that is no integer.
  Value whole = make<arith::CmpFOp>(arith::CmpFPredicate::OEQ, make<math::FloorOp>(y), y);
  Value half = mulf(y, c(y, 0.5));
  Value odd =
      make<arith::AndIOp>(whole, make<arith::CmpFOp>(arith::CmpFPredicate::ONE, make<math::FloorOp>(half), half));
  // By the bit, so that -0 counts as negative.
  Value negative = make<arith::CmpIOp>(arith::CmpIPredicate::slt, bits(x), constant(bits(x).getType(), 0));
  Value flipped = choose(make<arith::AndIOp>(negative, odd), make<arith::NegFOp>(result), result);
  Value undefined = make<arith::AndIOp>(less(x, zero), make<arith::XOrIOp>(whole, constant(whole.getType(), -1)));
  Value finite = less(a, c(a, std::numeric_limits<double>::infinity()));
  undefined = make<arith::AndIOp>(undefined, finite);
  flipped = choose(undefined, c(x, std::numeric_limits<double>::quiet_NaN()), flipped);
  auto is = [&](Value v, Value w) { return Value(make<arith::CmpFOp>(arith::CmpFPredicate::OEQ, v, w)); };
  // 1^y and x^0 are 1, NaN or not; (-1)^infinity too.
  Value unit = make<arith::OrIOp>(is(x, one), is(y, zero));
  Value infinite = is(abs(y), c(y, std::numeric_limits<double>::infinity()));
  unit = make<arith::OrIOp>(unit, make<arith::AndIOp>(is(a, one), infinite));
  return choose(unit, one, flipped);
}

Value Expansion::tanh64(Value x) {
  Value a = abs(x), e = exp64(mulf(a, c(x, -2)));
  Value large = copySign(divf(subf(c(x, 1), e), addf(c(x, 1), e)), x);
  // Near 0: x / (1 + t/(3 + t/(5 + ...))), t = x^2.
  Value t = mulf(x, x), fraction = c(x, 17);
  for (int i = 15; i >= 1; i -= 2)
    fraction = addf(c(x, i), divf(t, fraction));
  return choose(less(a, c(x, 0.6)), divf(x, fraction), large);
}

/// fmod. Each step takes at least 2^50 off the quotient, exactly: the product is never rounded.
Value Expansion::remainder64(Value x, Value y) {
  Value r = abs(x), d = abs(y);
  for (int step = 0; step < 6; ++step) {
    Value q = make<math::FloorOp>(divf(r, d));
    Value next = fma(make<arith::NegFOp>(q), d, r);
    next = choose(less(next, c(x, 0)), addf(next, d), next); // the quotient was rounded up
    r = choose(less(r, d), r, next);
  }
  Value infinite = make<arith::CmpFOp>(arith::CmpFPredicate::OEQ, d, c(d, std::numeric_limits<double>::infinity()));
  Value nan = subf(x, x);
  return choose(infinite, addf(x, nan), addf(copySign(r, x), nan));
}

/// By squaring. A negative power is 0 but of 1 and -1.
Value Expansion::integerPower(Value x, Value n) {
  Value one = c(x, 1), zero = c(x, 0);
  unsigned width = getElementTypeOrSelf(x.getType()).getIntOrFloatBitWidth();
  Values results = loop(index(0), index(width), 1, {one, x, n}, [&](Value, ValueRange values) {
    Value odd = make<arith::TruncIOp>(withElement(x, i1()), values[2]);
    Value product = make<arith::SelectOp>(odd, make<arith::MulIOp>(values[0], values[1]), values[0]);
    return Values{product, make<arith::MulIOp>(values[1], values[1]), make<arith::ShRUIOp>(values[2], one)};
  });
  auto is = [&](arith::CmpIPredicate predicate, Value a, Value d) { return make<arith::CmpIOp>(predicate, a, d); };
  Value unit = make<arith::OrIOp>(is(arith::CmpIPredicate::eq, x, one), is(arith::CmpIPredicate::eq, x, c(x, -1)));
  Value vanishes = make<arith::AndIOp>(is(arith::CmpIPredicate::slt, n, zero),
                                       make<arith::XOrIOp>(unit, constant(unit.getType(), -1)));
  return make<arith::SelectOp>(vanishes, zero, results[0]);
}

Value cpu::expNonPositive(CodeBuilder &e, Value x) {
  auto c = [&](double value) { return e.constant(x, value); };
  Value low = e.make<arith::CmpFOp>(arith::CmpFPredicate::OLT, x, c(-86));
  Value clamped = e.make<arith::SelectOp>(low, c(-86), x);
  Value shifted = e.fma(clamped, c(1.44269504088896341), c(12582912.0));
  Value r = e.fma(e.subf(shifted, c(12582912.0)), c(-0.693147180559945309), clamped);
  Value p = c(std::end(kExp)[-1]);
  for (double coefficient : llvm::reverse(ArrayRef<double>(kExp).drop_back()))
    p = e.fma(p, r, c(coefficient));
  // n is in the low bits of `shifted`: moved to the exponent, where it can't make p subnormal.
  auto vector = dyn_cast<VectorType>(x.getType());
  Type integers = vector ? Type(VectorType::get(vector.getShape(), e.i32())) : e.i32();
  Value n = e.make<arith::ShLIOp>(e.make<arith::BitcastOp>(integers, shifted), e.constant(integers, 23));
  Value scaled = e.make<arith::AddIOp>(e.make<arith::BitcastOp>(integers, p), n);
  return e.make<arith::SelectOp>(low, c(0), e.make<arith::BitcastOp>(x.getType(), scaled));
}

/// Coefficients of u^0 to u^4 around i / 4, i < 32, of the normal distribution's function less 1/2: |u| <= 1/8.
static constexpr float kNormal[2][5][16] = {
    {{0.0, 0.0987063274, 0.191462457, 0.27337265, 0.341344744, 0.394350231, 0.43319279, 0.459940851, 0.477249861,
      0.487775534, 0.493790329, 0.497020245, 0.498650104, 0.499422967, 0.499767363, 0.499911577},
     {0.398942053, 0.38666746, 0.352064967, 0.301137447, 0.241971031, 0.182649538, 0.129518047, 0.0862776488,
      0.0539911389, 0.0317396857, 0.0175282508, 0.00909347739, 0.00443176413, 0.00202898216, 0.000872638542,
      0.000352569536},
     {1.51028262e-05, -0.04833325, -0.088015914, -0.112926118, -0.120985083, -0.114155598, -0.0971382856, -0.0754928365,
      -0.0539911501, -0.0357072428, -0.0219104458, -0.0125036649, -0.00664775772, -0.00329717691, -0.00152716995,
      -0.000661098689},
     {-0.0668291152, -0.0602517463, -0.0439187363, -0.0219606999, -7.85208031e-05, 0.0170066748, 0.0268683862,
      0.0295736883, 0.0269515086, 0.0214812849, 0.0153501956, 0.00996795576, 0.00593074411, 0.0032506967, 0.00164758775,
      0.000774318702},
     {0.0031035766, 0.0117864963, 0.0200985726, 0.0228670761, 0.0201170184, 0.0136613715, 0.00608647754,
      -0.000362569292, -0.00446766103, -0.00611393526, -0.00592201296, -0.00475117518, -0.00332646444, -0.00208240887,
      -0.0011814402, -0.000612571661}},
    {{0.49996832, 0.499989301, 0.499996603, 0.499998987, 0.499999702, 0.499999911, 0.49999997, 0.5, 0.5, 0.5, 0.5, 0.5,
      0.5, 0.5, 0.5, 0.5},
     {0.000133816313, 4.77119065e-05, 1.59807623e-05, 5.02829471e-06, 1.48626407e-06, 4.12688848e-07, 1.07693523e-07,
      0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0},
     {-0.000267649099, -0.000101395875, -3.59603546e-05, -1.19437136e-05, -3.71624265e-06, -1.08351594e-06,
      -2.96938452e-07, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0},
     {0.000338134239, 0.000137420822, 5.20427784e-05, 1.8384706e-05, 6.06324147e-06, 1.86812883e-06, 5.02730643e-07,
      0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0},
     {-0.000291901437, -0.000128342974, -5.2219817e-05, -1.97058325e-05, -6.90889783e-06, -2.25363624e-06,
      -8.95056019e-07, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0}}};

Value cpu::geluByTable(CodeBuilder &e, Value x) {
  auto type = cast<VectorType>(x.getType());
  Value t = e.make<math::AbsFOp>(x), most = e.constant(x, 5.5); // from where on it rounds to 1/2
  t = e.select(e.make<arith::CmpFOp>(arith::CmpFPredicate::OGT, t, most), most, t);
  // Adding 2^21 rounds to a multiple of 1/4, which is then in the low bits.
  Value shifted = e.addf(t, e.constant(x, 1 << 21)), u = e.subf(t, e.subf(shifted, e.constant(x, 1 << 21))), result;
  Value place = e.bitcast(shifted, e.i32());
  for (int power = 4; power >= 0; --power) {
    auto table = [&](int half) -> Value {
      return e.make<arith::ConstantOp>(DenseElementsAttr::get(type, ArrayRef<float>(kNormal[half][power])));
    };
    Value own = e.callIntrinsic("llvm.x86.avx512.vpermi2var.ps.512", type, {table(0), place, table(1)});
    result = result ? e.fma(result, u, own) : own;
  }
  // x (1/2 + what the distribution's function has more than that, which is odd)
  return e.fma(x, e.make<math::CopySignOp>(result, x), e.mulf(x, e.constant(x, 0.5)));
}

void cpu::expandMath(Operation *root) {
  SmallVector<Operation *> ops;
  root->walk([&](Operation *op) {
    if (isa<math::ExpOp, math::LogOp, math::SinOp, math::CosOp, math::ErfOp, math::TanhOp, math::PowFOp, math::IPowIOp,
            arith::RemFOp>(op))
      ops.push_back(op);
  });
  for (Operation *op : ops) {
    Expansion e(op);
    Value x = op->getOperand(0), result;
    bool narrow = getElementTypeOrSelf(x.getType()).isF32();
    auto wide = [&](llvm::function_ref<Value(Value)> compute) {
      return narrow ? e.toF32(compute(e.toF64(x))) : compute(x);
    };
    llvm::TypeSwitch<Operation *>(op)
        .Case([&](math::ExpOp) { result = narrow ? e.exp32(x) : e.exp64(x); })
        .Case([&](math::TanhOp) { result = narrow ? e.tanh32(x) : e.tanh64(x); })
        .Case([&](math::ErfOp) {
          // f64 too: no model computes erf in f64 to more than f32's digits.
          Value y = narrow ? x : e.toF32(x);
          result = e.erf32(y);
          if (!narrow)
            result = e.toF64(result);
        })
        .Case([&](math::LogOp) { result = wide([&](Value v) { return e.log64(v); }); })
        .Case([&](math::SinOp) { result = wide([&](Value v) { return e.sin64(v, false); }); })
        .Case([&](math::CosOp) { result = wide([&](Value v) { return e.sin64(v, true); }); })
        .Case([&](math::PowFOp op) {
          Value y = narrow ? e.toF64(op.getRhs()) : op.getRhs();
          result = wide([&](Value v) { return e.pow64(v, y); });
        })
        .Case([&](math::IPowIOp op) { result = e.integerPower(x, op.getRhs()); })
        .Case([&](arith::RemFOp op) {
          Value y = narrow ? e.toF64(op.getRhs()) : op.getRhs();
          result = wide([&](Value v) { return e.remainder64(v, y); });
        });
    op->getResult(0).replaceAllUsesWith(result);
    op->erase();
  }
}
