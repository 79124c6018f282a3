// Quantization of rows.
#include "compiler/Cpu/Quantized.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::cpu;

namespace {
/// What a row's codes are made with; f32 scalars.
struct Quantizer {
  Value scale, zero;
  double least, most; // codes
};
} // namespace

static Quantizer getQuantizer(Emitter &e, tfm::DynamicAttr activation, Value lo, Value hi) {
  double levels = (1 << activation.getBits()) - 1, half = (levels + 1) / 2;
  auto constant = [&](double value) { return e.constant(e.f32(), value); };
  Value negative = e.make<arith::NegFOp>(lo);
  Value scale = activation.getSymmetric() ? e.divf(e.maxf(hi, negative), constant(half - 1))
                                          : e.divf(e.subf(hi, lo), constant(levels));
  scale = e.select(e.make<arith::CmpFOp>(arith::CmpFPredicate::OEQ, scale, constant(0)), constant(1), scale);
  if (activation.getSymmetric()) // unsigned: half of the range more
    return {scale, constant(half), 1, levels};
  Value zero = e.make<math::RoundEvenOp>(e.mulf(negative, e.divf(constant(1), scale)));
  return {scale, zero, 0, levels};
}

static Quantizer getQuantizer(Emitter &e, tfm::DynamicFloatAttr activation, Value lo, Value hi) {
  auto type = cast<FloatType>(activation.getType());
  double greatest = llvm::APFloat::getLargest(type.getFloatSemantics()).convertToDouble();
  auto constant = [&](double value) { return e.constant(e.f32(), value); };
  Value scale = e.divf(e.maxf(hi, e.make<arith::NegFOp>(lo)), constant(greatest));
  Value isSmall = e.make<arith::CmpFOp>(arith::CmpFPredicate::OLT, scale, constant(std::numeric_limits<float>::min()));
  return {e.select(isSmall, constant(1), scale), constant(0), -greatest, greatest};
}

/// To nearest in f8E4M3FN, halves to even, of what is at most 464: a float whose last place is the result's, added and
/// taken off again.
static Value roundToFloat8(Emitter &e, Value x) {
  Value bits = e.make<arith::BitcastOp>(e.vec(e.i32()), x);
  auto masked = [&](double mask) { return e.make<arith::AndIOp>(bits, e.constant(bits, mask)); };
  Value size = e.make<arith::BitcastOp>(e.vec(e.f32()), masked(0x7fffffff));
  Value exponent = e.make<arith::MaxUIOp>(masked(0x7f800000), e.constant(bits, 121 << 23)); // of 2^-6 at least
  Value grid = e.make<arith::AddIOp>(exponent, e.constant(bits, 20 << 23));
  grid = e.make<arith::BitcastOp>(e.vec(e.f32()), grid);
  return e.make<math::CopySignOp>(e.subf(e.addf(size, grid), grid), x);
}

std::pair<Value, Value> cpu::quantizeRow(Emitter &e, Attribute activation, Value depth, Value row,
                                         llvm::function_ref<Value(Value)> load,
                                         llvm::function_ref<void(Value, Value)> store) {
  Quantizer quantizer;
  Value scale;
  auto small = dyn_cast<tfm::DynamicFloatAttr>(activation);
  if (auto fixed = dyn_cast<tfm::StaticAttr>(activation)) {
    quantizer = {e.constant(e.f32(), fixed.getScale().getValueAsDouble()), e.constant(e.f32(), double(fixed.getZero())),
                 0, double((1 << fixed.getBits()) - 1)};
    scale = quantizer.scale;
    row = Value();
  } else {
    Value zeros = e.constant(e.vec(e.f32()), 0), none = e.constant(e.vec(e.i32()), 0);
    Values range = e.forLanes(depth, {zeros, zeros, none}, [&](Value k, ValueRange values) {
      Value x = load(k);
      if (row)
        e.storeVector(x, e.elementPtr(row, e.f32(), k));
      x = e.masked(x, zeros);
      Value magnitude = e.make<arith::AndIOp>(e.bitcast(x, e.i32()), e.constant(none, 0x7fffffff));
      return Values{e.fastMin(x, values[0]), e.fastMax(x, values[1]), e.make<arith::MaxUIOp>(magnitude, values[2])};
    });
    // The greatest bits are those of a NaN or an infinity, where there is one.
    Value greatest = e.bitcast(e.reduce(vector::CombiningKind::MAXUI, range[2]), e.f32());
    Value lo = e.reduce(vector::CombiningKind::MINNUMF, range[0]);
    Value hi = e.reduce(vector::CombiningKind::MAXNUMF, range[1]);
    quantizer = small ? getQuantizer(e, small, lo, hi) : getQuantizer(e, cast<tfm::DynamicAttr>(activation), lo, hi);
    scale = quantizer.scale;
    for (Value x : {greatest, quantizer.scale}) // NaN if one isn't finite
      scale = e.addf(scale, e.subf(x, x));
  }
  // Adding 1.5 * 2^23 rounds to nearest, halves to even, and leaves the integer in the low bits.
  constexpr double kRound = 12582912, kRoundBits = 0x4b400000, kFar = 1 << 20;
  Value inverse = e.divf(e.constant(e.f32(), 1), quantizer.scale);
  Value zero = e.make<arith::FPToSIOp>(e.i32(), quantizer.zero);
  Value offset = e.broadcast(e.make<arith::SubIOp>(zero, e.constant(e.i32(), kRoundBits)));
  e.forLanes(depth, [&](Value k) {
    Value x = row ? e.loadVector(e.f32(), e.elementPtr(row, e.f32(), k)) : load(k);
    x = e.mulf(x, inverse);
    Value code;
    if (small) {
      x = e.fastMin(e.fastMax(x, e.constant(x, quantizer.least)), e.constant(x, quantizer.most));
      code = roundToFloat8(e, x);
    } else {
      if (isa<tfm::StaticAttr>(activation)) // which may be anything
        x = e.fastMin(e.fastMax(x, e.constant(x, -kFar)), e.constant(x, kFar));
      code = e.bitcast(e.addf(x, e.constant(e.f32(), kRound)), e.i32());
      code = e.make<arith::AddIOp>(code, offset);
      code = e.make<arith::MaxSIOp>(code, e.constant(code, quantizer.least));
      code = e.make<arith::MinSIOp>(code, e.constant(code, quantizer.most));
    }
    Value mask = std::exchange(e.mask, Value());
    store(k, code);
    e.mask = mask;
  });
  return {scale, quantizer.zero};
}
