// Algebraic clean-up: ops that change nothing, and pairs of ops that are one.
#include "passes/Simplify/Match.h"
#include "passes/Simplify/Patterns.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::tfm;
using namespace lathe::simplify;

namespace {
/// x + 0, x - 0, x * 1, x / 1, x^1, x and true, x or false: x, broadcast if the constant did that.
/// The constant goes to the right of commutative ops.
struct DropNeutral : RewritePattern {
  DropNeutral(MLIRContext *context) : RewritePattern(MatchAnyOpTypeTag(), 1, context) {}
  LogicalResult matchAndRewrite(Operation *op, PatternRewriter &rewriter) const override {
    bool commutative = isa<AddOp, MulOp, AndOp, OrOp>(op);
    if (!commutative && !isa<SubOp, DivOp, PowOp>(op))
      return failure();
    if (commutative && getWeightOrConstant(op->getOperand(0)) && !getWeightOrConstant(op->getOperand(1))) {
      rewriter.modifyOpInPlace(op, [&] { op->setOperands({op->getOperand(1), op->getOperand(0)}); });
      return success();
    }
    auto constant = getSplat(op->getOperand(1));
    if (!constant)
      return failure();
    bool isBool = tfm::getElementType(op->getOperand(1)).isInteger(1);
    double neutral = isa<AddOp, SubOp, OrOp>(op) ? 0 : 1;
    // An integer's `and` is with all bits set.
    if (*constant != neutral || (isa<AndOp, OrOp>(op) && !isBool))
      return failure();
    // -0 + 0 is 0, but no consumer of ours tells them apart.
    rewriter.replaceOp(op, createExpand(rewriter, op->getLoc(), op->getOperand(0), tfm::getDims(op->getResult(0))));
    return success();
  }
};

/// x and false is false, x or true is true, where the constant has the result's shape.
struct FoldAbsorbing : RewritePattern {
  FoldAbsorbing(MLIRContext *context) : RewritePattern(MatchAnyOpTypeTag(), 1, context) {}
  LogicalResult matchAndRewrite(Operation *op, PatternRewriter &rewriter) const override {
    if (!isa<AndOp, OrOp>(op) || !tfm::getElementType(op->getResult(0)).isInteger(1))
      return failure();
    auto constant = getSplat(op->getOperand(1));
    if (!constant || *constant != (isa<OrOp>(op) ? 1 : 0))
      return failure();
    rewriter.replaceOp(op, createExpand(rewriter, op->getLoc(), op->getOperand(1), tfm::getDims(op->getResult(0))));
    return success();
  }
};

/// Whether every value of one type is exactly one of the other.
bool isLossless(Type from, Type to) {
  auto fromInt = dyn_cast<IntegerType>(from), toInt = dyn_cast<IntegerType>(to);
  auto fromFloat = dyn_cast<FloatType>(from), toFloat = dyn_cast<FloatType>(to);
  bool isUnsigned = fromInt && (fromInt.isUnsigned() || fromInt.getWidth() == 1);
  if (fromInt && toInt) {
    bool toUnsigned = toInt.isUnsigned() || toInt.getWidth() == 1;
    if (from == to)
      return true;
    return isUnsigned ? toInt.getWidth() > fromInt.getWidth() : !toUnsigned && toInt.getWidth() >= fromInt.getWidth();
  }
  if (fromInt && toFloat)
    return fromInt.getWidth() - !isUnsigned <= toFloat.getFPMantissaWidth();
  if (fromFloat && toFloat)
    return from == to || from.isBF16() ? toFloat.getWidth() >= 32 || from == to
                                       : toFloat.getWidth() > fromFloat.getWidth();
  return false;
}

/// cast(x) to x's type is x; cast(cast(x)) skips an inner cast that loses nothing.
struct MergeCasts : OpRewritePattern<CastOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(CastOp op, PatternRewriter &rewriter) const override {
    if (op.getInput().getType() == op.getType()) {
      rewriter.replaceOp(op, op.getInput());
      return success();
    }
    auto inner = op.getInput().getDefiningOp<CastOp>();
    if (!inner || !isLossless(tfm::getElementType(inner.getInput()), tfm::getElementType(inner)))
      return failure();
    rewriter.modifyOpInPlace(op, [&] { op.getInputMutable().assign(inner.getInput()); });
    return success();
  }
};

Predicate invert(Predicate predicate) {
  switch (predicate) {
  case Predicate::eq:
    return Predicate::ne;
  case Predicate::ne:
    return Predicate::eq;
  case Predicate::lt:
    return Predicate::ge;
  case Predicate::le:
    return Predicate::gt;
  case Predicate::gt:
    return Predicate::le;
  case Predicate::ge:
    return Predicate::lt;
  }
  llvm_unreachable("no such predicate");
}

/// not(not(x)) is x; not(a < b) is a >= b where NaN can't be.
struct FoldNot : OpRewritePattern<NotOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(NotOp op, PatternRewriter &rewriter) const override {
    if (auto inner = op.getInput().getDefiningOp<NotOp>()) {
      rewriter.replaceOp(op, inner.getInput());
      return success();
    }
    auto compare = op.getInput().getDefiningOp<CompareOp>();
    if (!compare)
      return failure();
    bool equality = compare.getPredicate() == Predicate::eq || compare.getPredicate() == Predicate::ne;
    if (!equality && isa<FloatType>(tfm::getElementType(compare.getLhs())))
      return failure();
    rewriter.replaceOpWithNewOp<CompareOp>(op, op.getType(), invert(compare.getPredicate()), compare.getLhs(),
                                           compare.getRhs());
    return success();
  }
};

/// A comparison of a bool's cast with 0 or 1 is the bool, or its negation.
struct FoldCompareOfBool : OpRewritePattern<CompareOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(CompareOp op, PatternRewriter &rewriter) const override {
    auto cast = op.getLhs().getDefiningOp<CastOp>();
    auto constant = getSplat(op.getRhs());
    bool equal = op.getPredicate() == Predicate::eq;
    if (!cast || !constant || (*constant != 0 && *constant != 1) || (!equal && op.getPredicate() != Predicate::ne) ||
        !tfm::getElementType(cast.getInput()).isInteger(1) || cast.getInput().getType() != op.getType())
      return failure();
    if (equal == (*constant == 1))
      rewriter.replaceOp(op, cast.getInput());
    else
      rewriter.replaceOpWithNewOp<NotOp>(op, op.getType(), cast.getInput());
    return success();
  }
};

/// A cast to bool of an integer is a comparison with 0 only in spelling: x != 0.
/// select(not(c), a, b) is select(c, b, a); a constant condition and equal branches decide.
struct FoldSelect : OpRewritePattern<SelectOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(SelectOp op, PatternRewriter &rewriter) const override {
    if (auto condition = getSplat(op.getCondition())) {
      Value chosen = *condition != 0 ? op.getOnTrue() : op.getOnFalse();
      rewriter.replaceOp(op, createExpand(rewriter, op.getLoc(), chosen, tfm::getDims(op.getResult())));
      return success();
    }
    if (op.getOnTrue() == op.getOnFalse()) {
      rewriter.replaceOp(op, createExpand(rewriter, op.getLoc(), op.getOnTrue(), tfm::getDims(op.getResult())));
      return success();
    }
    auto inverse = op.getCondition().getDefiningOp<NotOp>();
    if (!inverse)
      return failure();
    rewriter.replaceOpWithNewOp<SelectOp>(op, op.getType(), inverse.getInput(), op.getOnFalse(), op.getOnTrue());
    return success();
  }
};

struct FoldNeg : OpRewritePattern<NegOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(NegOp op, PatternRewriter &rewriter) const override {
    auto inner = op.getInput().getDefiningOp<NegOp>();
    if (!inner)
      return failure();
    rewriter.replaceOp(op, inner.getInput());
    return success();
  }
};

/// Requires that hold for all symbols, and those that an earlier one already states.
struct DropRequire : OpRewritePattern<RequireOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(RequireOp op, PatternRewriter &rewriter) const override {
    bool known = op.getLeft() == op.getRight();
    for (Operation *before = op->getPrevNode(); before && !known; before = before->getPrevNode())
      if (auto other = dyn_cast<RequireOp>(before))
        known = (other.getLeft() == op.getLeft() && other.getRight() == op.getRight()) ||
                (other.getLeft() == op.getRight() && other.getRight() == op.getLeft());
    if (!known)
      return failure();
    rewriter.eraseOp(op);
    return success();
  }
};
} // namespace

void simplify::populateAlgebraPatterns(RewritePatternSet &patterns) {
  patterns.add<DropNeutral, FoldAbsorbing, MergeCasts, FoldNot, FoldCompareOfBool, FoldSelect, FoldNeg, DropRequire>(
      patterns.getContext());
}
