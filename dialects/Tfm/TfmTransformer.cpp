// Verifiers of the ops that Transformers are made of.
#include "dialects/Tfm/Verify.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::tfm;

/// An optional vector operand has as many elements as a dimension.
static LogicalResult verifyVector(Operation *op, StringRef constraint, StringRef name, Value vector, const Dim &size) {
  if (vector && getDims(vector) != SmallVector<Dim>{size})
    return op->emitOpError() << constraint << ": expected " << name << " of shape [" << size.str() << "], got "
                             << vector.getType();
  return success();
}

/// C4 of the ops that may have a precision.
template <typename Op> static LogicalResult verifyPrecision(Op op) {
  Type type = getElementType(op->getOperand(0));
  if (op.getPrecision() && !type.isF32())
    return op.emitOpError("C4: expected f32 operands with a precision, got ") << type;
  return success();
}

static bool isValidActivation(Attribute activation) {
  if (auto dynamic = dyn_cast<DynamicAttr>(activation))
    return dynamic.getBits() >= 2 && dynamic.getBits() <= 8;
  if (auto small = dyn_cast<DynamicFloatAttr>(activation))
    return isa<Float8E4M3FNType>(small.getType());
  auto fixed = cast<StaticAttr>(activation);
  return fixed.getBits() >= 2 && fixed.getBits() <= 8 && fixed.getScale().getType().isF32() &&
         fixed.getScale().getValueAsDouble() > 0 && fixed.getScale().getValue().isFinite() && fixed.getZero() >= 0 &&
         fixed.getZero() < int64_t(1) << fixed.getBits();
}

LogicalResult LinearOp::verify() {
  SmallVector<Dim> x = getDims(getInput()), w = getDims(getWeight());
  if (w.size() != 2 || x.empty() || x.back() != w[getTransposed() ? 1 : 0])
    return emitOpError("C1: can't multiply ")
           << getInput().getType() << " by " << getWeight().getType() << (getTransposed() ? " transposed" : "");
  Dim columns = w[getTransposed() ? 0 : 1];
  x.back() = columns;
  if (failed(verifyVector(*this, "C2", "bias", getBias(), columns)) || failed(verifyResultDims(*this, "C1", x)))
    return failure();
  SmallVector<Value> values(getOperands());
  values.push_back(getResult());
  if (failed(verifyPrecision(*this)))
    return failure();
  if (auto activation = getActivation()) {
    if (!isa<DynamicAttr, DynamicFloatAttr, StaticAttr>(*activation) || !getElementType(getInput()).isF32())
      return emitOpError(
                 "C5: expected #tfm.dynamic, #tfm.dynamic_float or #tfm.static as the activation of an input of "
                 "f32, got ")
             << *activation << " and " << getInput().getType();
    if (!isValidActivation(*activation))
      return emitOpError("C5: expected 2 to 8 bits or f8E4M3FN, a positive f32 scale and a code as zero point, got ")
             << *activation;
  }
  return verifySameElementType(*this, "C3", values);
}

LogicalResult MatmulOp::verify() {
  SmallVector<Dim> a = getDims(getLhs()), b = getDims(getRhs());
  if (a.size() < 2 || b.size() < 2)
    return emitOpError("C1: expected operands of rank 2 or more");
  if (getTransposeA())
    std::swap(a[a.size() - 1], a[a.size() - 2]);
  if (getTransposeB())
    std::swap(b[b.size() - 1], b[b.size() - 2]);
  if (a.back() != b[b.size() - 2])
    return emitOpError("C1: expected one K, got ") << a.back().str() << " and " << b[b.size() - 2].str();
  auto dims = broadcastDims({SmallVector<Dim>(a.begin(), a.end() - 2), SmallVector<Dim>(b.begin(), b.end() - 2)});
  if (!dims)
    return emitOpError("C2: batch dimensions of ")
           << getLhs().getType() << " and " << getRhs().getType() << " don't broadcast";
  dims->push_back(a[a.size() - 2]);
  dims->push_back(b.back());
  if (failed(verifyResultDims(*this, "C2", *dims)) || failed(verifyPrecision(*this)))
    return failure();
  if (isa<FloatType>(getElementType(getLhs())))
    return verifySameElementType(*this, "C3", {getLhs(), getRhs(), getResult()});
  if (!getElementType(getResult()).isSignlessInteger())
    return emitOpError("C3: expected an integer result for integer operands");
  return success();
}

LogicalResult ConvOp::verify() {
  SmallVector<Dim> x = getDims(getInput()), w = getDims(getWeight());
  size_t spatial = getStrides().size();
  if (x.size() != spatial + 2 || w.size() != spatial + 2 || getPads().size() != 2 * spatial ||
      getDilations().size() != spatial || llvm::any_of(getStrides(), [](int64_t v) { return v < 1; }) ||
      llvm::any_of(getDilations(), [](int64_t v) { return v < 1; }))
    return emitOpError("C1: expected strides, pads and dilations for ") << getInput().getType();
  int64_t groups = getGroups();
  if (groups < 1 || x[1] != w[1] * Dim(groups) || Dim::floordiv(w[0], groups) * Dim(groups) != w[0])
    return emitOpError("C2: expected groups that divide the channels of ")
           << getInput().getType() << " and " << getWeight().getType();
  SmallVector<Dim> expected{x[0], w[0]};
  for (size_t i = 0; i < spatial; ++i) {
    Dim window = (w[i + 2] - Dim(1)) * Dim(getDilations()[i]) + Dim(1);
    Dim free = x[i + 2] + Dim(getPads()[i]) + Dim(getPads()[i + spatial]) - window;
    expected.push_back(Dim::floordiv(free, getStrides()[i]) + Dim(1));
  }
  if (failed(verifyVector(*this, "C1", "bias", getBias(), w[0])) || failed(verifyPrecision(*this)))
    return failure();
  return verifyResultDims(*this, "C3", expected);
}

LogicalResult AttentionOp::verify() {
  SmallVector<Dim> q = getDims(getQuery()), k = getDims(getKey()), v = getDims(getValue());
  if (q.size() != 3 || k.size() != 3 || v.size() != 3 || q[0] != k[0] || k[0] != v[0] || k[1] != v[1])
    return emitOpError("C1: expected query [B, Sq, heads*D], key [B, Sk, kv_heads*D], value [B, Sk, kv_heads*Dv], got ")
           << getQuery().getType() << ", " << getKey().getType() << ", " << getValue().getType();
  int64_t heads = getHeads(), kvHeads = getKvHeads();
  if (heads < 1 || kvHeads < 1 || heads % kvHeads != 0)
    return emitOpError("C2: expected kv_heads that divide heads, got ") << kvHeads << " and " << heads;
  auto headDim = q[2].exactDiv(heads), keyDim = k[2].exactDiv(kvHeads), valueDim = v[2].exactDiv(kvHeads);
  if (!headDim || !keyDim || !valueDim || *headDim != *keyDim)
    return emitOpError("C2: expected heads of one width, got ")
           << getQuery().getType() << " in " << heads << " and " << getKey().getType() << " in " << kvHeads;
  if (getBias()) {
    SmallVector<Dim> scores{q[0], Dim(heads), q[1], k[1]};
    auto dims = broadcastDims({getDims(getBias()), scores});
    if (!dims || *dims != scores)
      return emitOpError("C1: bias ") << getBias().getType() << " doesn't broadcast to " << toString(scores);
  }
  if (getPadding() && getDims(getPadding()) != SmallVector<Dim>{k[0], k[1]})
    return emitOpError("C1: expected padding of shape ")
           << toString({k[0], k[1]}) << ", got " << getPadding().getType();
  if (getOffset() && getOffset()->getTexts().size() != 1)
    return emitOpError("C1: expected one dimension as offset");
  if (failed(verifyResultDims(*this, "C1", {q[0], q[1], *valueDim * Dim(heads)})) || failed(verifyPrecision(*this)))
    return failure();
  return verifySameElementType(*this, "C3", {getQuery(), getKey(), getValue(), getResult()});
}

LogicalResult LayerNormOp::verify() {
  SmallVector<Dim> x = getDims(getInput());
  if (x.empty())
    return emitOpError("C1: expected an input of rank 1 or more");
  if (failed(verifyVector(*this, "C1", "gain", getGain(), x.back())) ||
      failed(verifyVector(*this, "C1", "bias", getBias(), x.back())))
    return failure();
  return verifyResultDims(*this, "C2", x);
}

LogicalResult RmsNormOp::verify() {
  SmallVector<Dim> x = getDims(getInput());
  if (x.empty())
    return emitOpError("C1: expected an input of rank 1 or more");
  if (failed(verifyVector(*this, "C1", "gain", getGain(), x.back())))
    return failure();
  return verifyResultDims(*this, "C2", x);
}

LogicalResult RotaryOp::verify() {
  SmallVector<Dim> x = getDims(getInput()), cos = getDims(getCos());
  int64_t heads = getHeads();
  if (x.size() != 3 || cos.size() != 3 || getDims(getSin()) != cos || heads < 1 ||
      (cos[0] != Dim(1) && cos[0] != x[0]) || cos[1] != x[1])
    return emitOpError("C1: expected x [B, S, heads*D] and cos, sin [B or 1, S, R/2], got ")
           << getInput().getType() << ", " << getCos().getType() << ", " << getSin().getType();
  auto width = x[2].getConstant(), half = cos[2].getConstant();
  if (!width || !half || *width % heads != 0 || 2 * *half > *width / heads)
    return emitOpError("C1: expected heads at least twice as wide as cos, got ")
           << getInput().getType() << " in " << heads << " and " << getCos().getType();
  if (failed(verifyResultDims(*this, "C1", x)))
    return failure();
  return verifySameElementType(*this, "C2", {getInput(), getCos(), getSin(), getResult()});
}

LogicalResult EmbeddingOp::verify() {
  SmallVector<Dim> table = getDims(getTable()), expected = getDims(getIds());
  if (table.size() != 2)
    return emitOpError("C1: expected a table of rank 2, got ") << getTable().getType();
  expected.push_back(table[1]);
  if (failed(verifyResultDims(*this, "C2", expected)))
    return failure();
  return verifySameElementType(*this, "C3", {getTable(), getResult()});
}

LogicalResult MeanPoolOp::verify() {
  SmallVector<Dim> x = getDims(getInput());
  if (x.size() != 3 || getDims(getMask()) != SmallVector<Dim>{x[0], x[1]})
    return emitOpError("C1: expected input [B, S, H] and mask [B, S], got ")
           << getInput().getType() << " and " << getMask().getType();
  if (failed(verifyResultDims(*this, "C1", {x[0], x[2]})))
    return failure();
  return verifySameElementType(*this, "C2", {getInput(), getMask(), getResult()});
}
