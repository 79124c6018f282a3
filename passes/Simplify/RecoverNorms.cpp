// --lathe-recover-norms: layer_norm and rms_norm from primitives.
#include "passes/Passes.h"
#include "passes/Simplify/Match.h"
#include "passes/Simplify/Patterns.h"

namespace lathe {
#define GEN_PASS_DEF_RECOVERNORMSPASS
#include "passes/Passes.h.inc"
} // namespace lathe

using namespace mlir;
using namespace lathe;
using namespace lathe::tfm;
using namespace lathe::simplify;

namespace {
/// A mean over the last dimension alone; its input.
Value matchLastMean(Value value, SmallVectorImpl<Operation *> &ops) {
  auto mean = value.getDefiningOp<ReduceMeanOp>();
  if (!mean || mean.getAxes().size() != 1 ||
      mean.getAxes()[0] + 1 != static_cast<int64_t>(tfm::getDims(mean.getInput()).size()))
    return {};
  ops.push_back(mean);
  return mean.getInput();
}

/// x and epsilon, where value is x / sqrt(mean(x^2) + epsilon) over the last dimension.
struct Normalized {
  Value input;
  double epsilon;
};
std::optional<Normalized> matchNormalized(Operation *op, SmallVectorImpl<Operation *> &ops) {
  ops.push_back(op);
  for (unsigned side : {0, 1}) {
    Value x = op->getOperand(side), scale = op->getOperand(1 - side), variance;
    if (isa<MulOp>(op)) {
      variance = matchRsqrt(scale);
    } else if (side == 0) {
      if (auto sqrt = scale.getDefiningOp<SqrtOp>())
        variance = sqrt.getInput();
      else if (auto pow = scale.getDefiningOp<PowOp>(); pow && getSplat(pow.getRhs()) == 0.5)
        variance = pow.getLhs();
    }
    auto add = variance ? variance.getDefiningOp<AddOp>() : AddOp();
    auto epsilon = add ? getSplat(add.getRhs()) : std::nullopt;
    SmallVector<Operation *> inner;
    Value square = epsilon ? matchLastMean(add.getLhs(), inner) : Value();
    if (!square || matchSquare(square) != x || *epsilon < 0)
      continue;
    ops.append({scale.getDefiningOp(), variance.getDefiningOp(), square.getDefiningOp()});
    ops.append(inner);
    return Normalized{x, *epsilon};
  }
  return std::nullopt;
}

template <typename OpTy> struct FormNorm : OpRewritePattern<OpTy> {
  using OpRewritePattern<OpTy>::OpRewritePattern;
  LogicalResult matchAndRewrite(OpTy op, PatternRewriter &rewriter) const override {
    SmallVector<Operation *> ops;
    auto normalized = matchNormalized(op, ops);
    if (!normalized || normalized->input.getType() != op.getType())
      return failure();
    auto epsilon = llvm::APFloat(normalized->epsilon);
    // Of x less its mean: a layer norm.
    if (auto sub = normalized->input.template getDefiningOp<SubOp>())
      if (matchLastMean(sub.getRhs(), ops) == sub.getLhs()) {
        ops.push_back(sub);
        rewriter.replaceOp(op, LayerNormOp::create(rewriter, fuseLocations(rewriter, ops), op.getType(), sub.getLhs(),
                                                   Value(), Value(), epsilon));
        return success();
      }
    rewriter.replaceOp(op, RmsNormOp::create(rewriter, fuseLocations(rewriter, ops), op.getType(), normalized->input,
                                             Value(), epsilon));
    return success();
  }
};

/// A vector [N] that broadcasts along the others.
Value matchVector(PatternRewriter &rewriter, Value value, const Dim &size) {
  SmallVector<Dim> dims = tfm::getDims(value);
  if (!getWeightOrConstant(value) || dims.empty() || dims.back() != size ||
      Dim::product(ArrayRef(dims).drop_back()) != Dim(1))
    return {};
  return createReshape(rewriter, value.getLoc(), value, {size});
}

struct MulToGain : OpRewritePattern<MulOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(MulOp op, PatternRewriter &rewriter) const override {
    for (unsigned side : {0, 1}) {
      Operation *norm = op->getOperand(side).getDefiningOp();
      if (!norm || !norm->hasOneUse() || norm->getResult(0).getType() != op.getType())
        continue;
      auto layer = dyn_cast<LayerNormOp>(norm);
      auto rms = dyn_cast<RmsNormOp>(norm);
      if ((!layer || layer.getGain() || layer.getBias()) && (!rms || rms.getGain()))
        continue;
      Value gain = matchVector(rewriter, op->getOperand(1 - side), tfm::getDims(op.getResult()).back());
      if (!gain)
        continue;
      Location loc = fuseLocations(rewriter, {norm, op});
      if (layer)
        rewriter.replaceOp(
            op, LayerNormOp::create(rewriter, loc, op.getType(), layer.getInput(), gain, Value(), layer.getEpsilon()));
      else
        rewriter.replaceOp(op, RmsNormOp::create(rewriter, loc, op.getType(), rms.getInput(), gain, rms.getEpsilon()));
      return success();
    }
    return failure();
  }
};

struct AddToNormBias : OpRewritePattern<AddOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(AddOp op, PatternRewriter &rewriter) const override {
    for (unsigned side : {0, 1}) {
      auto norm = op->getOperand(side).getDefiningOp<LayerNormOp>();
      if (!norm || !norm->hasOneUse() || norm.getType() != op.getType() || norm.getBias())
        continue;
      Value bias = matchVector(rewriter, op->getOperand(1 - side), tfm::getDims(op.getResult()).back());
      if (!bias)
        continue;
      rewriter.replaceOp(op, LayerNormOp::create(rewriter, fuseLocations(rewriter, {norm, op}), op.getType(),
                                                 norm.getInput(), norm.getGain(), bias, norm.getEpsilon()));
      return success();
    }
    return failure();
  }
};

struct RecoverNormsPass : lathe::impl::RecoverNormsPassBase<RecoverNormsPass> {
  void runOnOperation() override {
    if (failed(rewrite<FormNorm<MulOp>, FormNorm<DivOp>, MulToGain, AddToNormBias>(getOperation())))
      signalPassFailure();
  }
};
} // namespace
