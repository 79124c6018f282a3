// --lathe-recover-attention: tfm.attention from softmax between two matmuls.
#include "passes/Passes.h"
#include "passes/Simplify/Mask.h"
#include "passes/Simplify/Match.h"
#include "passes/Simplify/Patterns.h"
#include <cmath>

namespace lathe {
#define GEN_PASS_DEF_RECOVERATTENTIONPASS
#include "passes/Passes.h.inc"
} // namespace lathe

using namespace mlir;
using namespace lathe;
using namespace lathe::tfm;
using namespace lathe::simplify;

namespace {
/// Folded heads: a batched matmul over [batch*heads, rows, columns] whose operand or result is also seen as
/// [batch, heads, rows, columns] is one in four dimensions.
struct UnfoldBatch : OpRewritePattern<MatmulOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(MatmulOp op, PatternRewriter &rewriter) const override {
    SmallVector<Dim> result = tfm::getDims(op.getResult());
    if (result.size() != 3 || tfm::getDims(op.getLhs()).size() != 3 || tfm::getDims(op.getRhs()).size() != 3)
      return failure();
    auto split = findSplit(op);
    if (!split)
      return failure();
    auto unfold = [&](Value value) {
      SmallVector<Dim> dims = tfm::getDims(value);
      SmallVector<Dim> unfolded{split->first, split->second, dims[1], dims[2]};
      return createReshape(rewriter, op.getLoc(), value, unfolded);
    };
    for (Value operand : op->getOperands())
      if (tfm::getDims(operand)[0] != result[0])
        return failure();
    Value lhs = unfold(op.getLhs()), rhs = unfold(op.getRhs());
    SmallVector<Dim> dims{split->first, split->second, result[1], result[2]};
    Value matmul = MatmulOp::create(rewriter, op.getLoc(), tfm::getTensorType(dims, tfm::getElementType(op)), lhs, rhs,
                                    op.getTransposeA(), op.getTransposeB(), op.getPrecisionAttr());
    rewriter.replaceOp(op, createReshape(rewriter, op.getLoc(), matmul, result));
    return success();
  }

  /// (batch, heads) from a reshape of the left operand or of the result.
  static std::optional<std::pair<Dim, Dim>> findSplit(MatmulOp op) {
    SmallVector<Value> seen;
    for (Operation *user : op->getUsers())
      if (isa<ReshapeOp>(user))
        seen.push_back(user->getResult(0));
    for (Value operand : op->getOperands())
      if (auto reshape = operand.getDefiningOp<ReshapeOp>())
        seen.push_back(reshape.getInput());
    Dim folded = tfm::getDims(op.getResult())[0];
    for (Value value : seen) {
      SmallVector<Dim> dims = tfm::getDims(value);
      if (dims.size() == 4 && dims[0] * dims[1] == folded)
        return std::pair(dims[0], dims[1]);
    }
    return std::nullopt;
  }
};

/// What lies between the second matmul and the first.
struct Scores {
  MatmulOp matmul;
  double scale = 1, softcap = 0;
  SmallVector<MaskTerm> terms; // outermost first
  SmallVector<Operation *> ops;
};

/// Walks from softmax's input to the product of queries and keys.
bool matchScores(Value value, Scores &scores, unsigned depth = 0) {
  Operation *op = value.getDefiningOp();
  if (!op || depth > 16)
    return false;
  Scores saved = scores;
  scores.ops.push_back(op);
  if (auto matmul = dyn_cast<MatmulOp>(op)) {
    scores.matmul = matmul;
    return tfm::getDims(value).size() == 4 && !matmul.getTransposeA();
  }
  if (auto scaled = matchScale(value)) {
    // c * tanh(s / c)
    if (auto tanh = scaled->input.getDefiningOp<TanhOp>(); tanh && scores.softcap == 0 && scaled->factor > 0) {
      auto inner = matchScale(tanh.getInput());
      if (!inner || scores.scale != 1)
        return false;
      scores.softcap = scaled->factor;
      scores.ops.push_back(tanh);
      // softcap takes scale*qk; what is inside the tanh is scale*qk/c.
      scores.scale = inner->factor * scaled->factor;
      scores.ops.push_back(tanh.getInput().getDefiningOp());
      return matchScores(inner->input, scores, depth + 1);
    }
    scores.scale *= scaled->factor;
    return matchScores(scaled->input, scores, depth + 1);
  }
  // Beyond a cap nothing but factors may follow: the op adds the mask after it.
  bool masks = scores.softcap == 0;
  if (auto add = dyn_cast<AddOp>(op); add && masks) {
    for (unsigned side : {0, 1}) {
      Value inner = add->getOperand(side);
      if (inner.getType() != value.getType())
        continue;
      scores.terms.push_back(MaskTerm::added(add->getOperand(1 - side), scores.scale));
      if (matchScores(inner, scores, depth + 1))
        return true;
      scores = saved;
      scores.ops.push_back(op);
    }
    return false;
  }
  if (auto select = dyn_cast<SelectOp>(op); select && masks) {
    for (bool keepTrue : {true, false}) {
      Value inner = keepTrue ? select.getOnTrue() : select.getOnFalse();
      auto fill = getSplat(keepTrue ? select.getOnFalse() : select.getOnTrue());
      if (!fill || inner.getType() != value.getType())
        continue;
      scores.terms.push_back(MaskTerm::chosen(select.getCondition(), keepTrue, *fill * scores.scale));
      return matchScores(inner, scores, depth + 1);
    }
    return false;
  }
  if (auto cast = dyn_cast<CastOp>(op); cast && isa<FloatType>(tfm::getElementType(cast.getInput())))
    return matchScores(cast.getInput(), scores, depth + 1);
  return false;
}

/// [batch, heads, rows, width] as [batch, rows, heads*width].
Value foldHeads(PatternRewriter &rewriter, Location loc, Value value) {
  SmallVector<Dim> dims = tfm::getDims(value);
  return createReshape(rewriter, loc, createTranspose(rewriter, loc, value, {0, 2, 1, 3}),
                       {dims[0], dims[2], dims[1] * dims[3]});
}
Value unfoldHeads(PatternRewriter &rewriter, Location loc, Value value, int64_t heads) {
  SmallVector<Dim> dims = tfm::getDims(value);
  return createTranspose(rewriter, loc,
                         createReshape(rewriter, loc, value, {dims[0], dims[1], Dim(heads), *dims[2].exactDiv(heads)}),
                         {0, 2, 1, 3});
}

/// Keys or values as they were before each was repeated for a group of heads: [B, KV, S, D] of reshape(expand(x)) with
/// x [B, KV, 1, S, D].
Value ungroup(PatternRewriter &rewriter, Value value) {
  auto reshape = value.getDefiningOp<ReshapeOp>();
  auto expand = reshape ? reshape.getInput().getDefiningOp<ExpandOp>() : ExpandOp();
  if (!expand)
    return value;
  SmallVector<Dim> to = tfm::getDims(expand), from = tfm::getDims(expand.getInput()), result = tfm::getDims(value);
  if (to.size() != 5 || from.size() != 5 || from[2] != Dim(1) || from[1] != to[1] || from[0] != to[0] ||
      from[3] != to[3] || from[4] != to[4] || ArrayRef(result) != ArrayRef<Dim>{to[0], to[1] * to[2], to[3], to[4]})
    return value;
  return createReshape(rewriter, reshape.getLoc(), expand.getInput(), {to[0], to[1], to[3], to[4]});
}

/// value == factor * result through reshapes and transposes, rebuilt without the factor.
std::optional<Scaled> hoistScale(PatternRewriter &rewriter, Value value) {
  if (auto scaled = matchScale(value))
    return scaled;
  Operation *op = value.getDefiningOp();
  if (!op || !isa<ReshapeOp, TransposeOp>(op))
    return std::nullopt;
  auto inner = hoistScale(rewriter, op->getOperand(0));
  if (!inner)
    return std::nullopt;
  OpBuilder::InsertionGuard guard(rewriter);
  rewriter.setInsertionPointAfter(op);
  Operation *clone = rewriter.clone(*op);
  clone->setOperand(0, inner->input);
  return Scaled{clone->getResult(0), inner->factor};
}

/// matmul(softmax(...), v)
struct FormAttention : OpRewritePattern<MatmulOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(MatmulOp op, PatternRewriter &rewriter) const override {
    SmallVector<Dim> result = tfm::getDims(op.getResult());
    if (result.size() != 4 || op.getTransposeA())
      return failure();
    Scores scores;
    scores.ops.push_back(op);
    Value weights = op.getLhs();
    auto skipCasts = [&] {
      while (auto cast = weights.getDefiningOp<CastOp>())
        if (isa<FloatType>(tfm::getElementType(cast.getInput()))) {
          scores.ops.push_back(cast);
          weights = cast.getInput();
        } else {
          break;
        }
    };
    skipCasts();
    // Rows that are NaN, for all their scores are -inf, made 0.
    bool guarded = false;
    if (auto select = weights.getDefiningOp<SelectOp>(); select && getSplat(select.getOnTrue()) == 0.0)
      if (auto isNan = select.getCondition().getDefiningOp<IsNanOp>();
          isNan && isNan.getInput() == select.getOnFalse() && select.getOnFalse().getType() == select.getType()) {
        scores.ops.append({select, isNan});
        weights = select.getOnFalse();
        guarded = true;
      }
    skipCasts();
    auto softmax = weights.getDefiningOp<SoftmaxOp>();
    if (!softmax || softmax.getAxis() != 3 || tfm::getDims(weights).size() != 4)
      return failure();
    scores.ops.push_back(softmax);
    if (!matchScores(softmax.getInput(), scores))
      return failure();

    SmallVector<Dim> all = tfm::getDims(scores.matmul.getResult());
    Location loc = fuseLocations(rewriter, scores.ops);
    Value q = scores.matmul.getLhs(), k = scores.matmul.getRhs(), v = op.getRhs();
    if (tfm::getDims(q).size() != 4 || tfm::getDims(k).size() != 4 || tfm::getDims(v).size() != 4)
      return failure();
    auto heads = all[1].getConstant();
    if (!heads || tfm::getDims(softmax.getResult()) != all)
      return failure();
    // The keys' heads must be the queries', or broadcast over them.
    auto isShared = [&](Value value) { return tfm::getDims(value)[0] == all[0] && tfm::getDims(value)[1] == all[1]; };
    if (!isShared(q) || !isShared(k) || !isShared(v))
      return failure();
    auto mask = recoverMask(rewriter, loc, scores.terms, guarded, all);
    if (!mask)
      return failure();

    for (Value *side : {&q, &k})
      while (auto scaled = hoistScale(rewriter, *side)) {
        *side = scaled->input;
        scores.scale *= scaled->factor;
      }
    if (!scores.matmul.getTransposeB())
      k = createTranspose(rewriter, loc, k, {0, 1, 3, 2});
    if (op.getTransposeB())
      v = createTranspose(rewriter, loc, v, {0, 1, 3, 2});
    Value smallK = ungroup(rewriter, k), smallV = ungroup(rewriter, v);
    if (tfm::getDims(smallK)[1] == tfm::getDims(smallV)[1])
      k = smallK, v = smallV;
    auto kvHeads = tfm::getDims(k)[1].getConstant();
    if (!kvHeads)
      return failure();

    q = foldHeads(rewriter, loc, q);
    k = foldHeads(rewriter, loc, k);
    v = foldHeads(rewriter, loc, v);
    Dim width = result[3] * result[1];
    auto type = tfm::getTensorType({result[0], result[2], width}, tfm::getElementType(op));
    auto attention = AttentionOp::create(rewriter, loc, type, q, k, v, mask->bias, mask->padding, *heads, *kvHeads,
                                         llvm::APFloat(scores.scale), mask->causal,
                                         mask->offset ? DimsAttr::get(getContext(), *mask->offset) : DimsAttr(),
                                         mask->window ? rewriter.getI64IntegerAttr(*mask->window) : IntegerAttr(),
                                         llvm::APFloat(scores.softcap), mask->maskedRow, PrecisionAttr());
    rewriter.replaceOp(op, unfoldHeads(rewriter, loc, attention, *heads));
    return success();
  }
};

/// A factor on queries or keys is the attention's.
struct HoistScale : OpRewritePattern<AttentionOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(AttentionOp op, PatternRewriter &rewriter) const override {
    for (OpOperand &operand : op->getOpOperands().take_front(2)) {
      auto scaled = hoistScale(rewriter, operand.get());
      if (!scaled)
        continue;
      double scale = op.getScale().convertToDouble() * scaled->factor;
      rewriter.modifyOpInPlace(op, [&] {
        operand.set(scaled->input);
        op.setScaleAttr(rewriter.getF64FloatAttr(scale));
      });
      return success();
    }
    return failure();
  }
};

/// The bias of an attention that came as one, read back to a set.
struct BiasToSet : OpRewritePattern<AttentionOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(AttentionOp op, PatternRewriter &rewriter) const override {
    if (!op.getBias() || op.getPadding() || op.getCausal() || op.getWindow() || op.getMaskedRow() != MaskedRow::nan)
      return failure();
    SmallVector<Dim> q = tfm::getDims(op.getQuery()), k = tfm::getDims(op.getKey());
    auto mask = recoverMask(rewriter, op.getLoc(), MaskTerm::added(op.getBias(), 1), /*guarded=*/false,
                            {q[0], Dim(op.getHeads()), q[1], k[1]}, /*needsSet=*/true);
    if (!mask)
      return failure();
    rewriter.modifyOpInPlace(op, [&] {
      op.getBiasMutable().assign(mask->bias ? ValueRange(mask->bias) : ValueRange());
      op.getPaddingMutable().assign(mask->padding ? ValueRange(mask->padding) : ValueRange());
      op.setCausal(mask->causal);
      if (mask->offset)
        op.setOffsetAttr(DimsAttr::get(getContext(), *mask->offset));
      if (mask->window)
        op.setWindow(*mask->window);
      op.setMaskedRow(mask->maskedRow);
    });
    return success();
  }
};

struct RecoverAttentionPass : lathe::impl::RecoverAttentionPassBase<RecoverAttentionPass> {
  void runOnOperation() override {
    if (failed(rewrite<UnfoldBatch, FormAttention, HoistScale, BiasToSet>(getOperation())))
      signalPassFailure();
  }
};
} // namespace
