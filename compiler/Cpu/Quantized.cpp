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

std::pair<Value, Value> cpu::quantizeRow(Emitter &e, Attribute activation, Value depth, Value row,
                                         llvm::function_ref<Value(Value)> load,
                                         llvm::function_ref<void(Value, Value)> store) {
  Quantizer quantizer;
  Value scale;
  if (auto fixed = dyn_cast<tfm::StaticAttr>(activation)) {
    quantizer = {e.constant(e.f32(), fixed.getScale().getValueAsDouble()), e.constant(e.f32(), double(fixed.getZero())),
                 0, double((1 << fixed.getBits()) - 1)};
    scale = quantizer.scale;
    row = Value();
  } else {
    Value zeros = e.constant(e.vec(e.f32()), 0);
    Values range = e.forLanes(depth, {zeros, zeros}, [&](Value k, ValueRange values) {
      Value x = load(k);
      if (row)
        e.storeVector(x, e.elementPtr(row, e.f32(), k));
      x = e.masked(x, zeros);
      return Values{e.minf(values[0], x), e.maxf(values[1], x)}; // which keep a NaN
    });
    quantizer = getQuantizer(e, cast<tfm::DynamicAttr>(activation), e.reduce(vector::CombiningKind::MINIMUMF, range[0]),
                             e.reduce(vector::CombiningKind::MAXIMUMF, range[1]));
    scale = e.addf(quantizer.scale, e.subf(quantizer.scale, quantizer.scale)); // NaN if it isn't finite
  }
  Value inverse = e.divf(e.constant(e.f32(), 1), quantizer.scale);
  e.forLanes(depth, [&](Value k) {
    Value x = row ? e.loadVector(e.f32(), e.elementPtr(row, e.f32(), k)) : load(k);
    Value code = e.addf(e.make<math::RoundEvenOp>(e.mulf(x, inverse)), quantizer.zero);
    code = e.fastMax(code, e.constant(code, quantizer.least)); // of a NaN the least
    Value most = e.constant(code, quantizer.most);
    code = e.select(e.make<arith::CmpFOp>(arith::CmpFPredicate::OLT, code, most), code, most);
    Value mask = std::exchange(e.mask, Value());
    store(k, code);
    e.mask = mask;
  });
  return {scale, quantizer.zero};
}
