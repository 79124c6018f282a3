// --lathe-hoist-slices: where only some rows of a computation are read, computes only those.
#include "passes/Passes.h"
#include "passes/Simplify/Match.h"
#include "passes/Simplify/Patterns.h"

namespace lathe {
#define GEN_PASS_DEF_HOISTSLICESPASS
#include "passes/Passes.h.inc"
} // namespace lathe

using namespace mlir;
using namespace lathe;
using namespace lathe::tfm;
using namespace lathe::simplify;

namespace {
/// slice(f(x)) = f(slice(x)) for an f that works on each row, and for the queries of an attention.
struct HoistSlice : OpRewritePattern<SliceOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(SliceOp op, PatternRewriter &rewriter) const override {
    auto slice = matchAxisSlice(op.getResult());
    Operation *producer = op.getInput().getDefiningOp();
    size_t rank = tfm::getDims(op.getInput()).size();
    if (!slice || !producer)
      return failure();
    // What is read elsewhere too would be computed twice.
    SmallVector<Operation *> users(producer->getUsers());
    for (Operation *user : users)
      if (!isa<SliceOp>(user) || user->getAttrDictionary() != op->getAttrDictionary() ||
          user->getResultTypes() != op->getResultTypes())
        return failure();
    rewriter.setInsertionPoint(producer); // before all its users
    IRMapping mapping;
    auto cut = [&](Value operand, size_t axis) {
      mapping.map(operand, createSlice(rewriter, op.getLoc(), operand, axis, slice->start, slice->size));
    };
    auto axis = static_cast<size_t>(slice->axis);
    DimsAttr offset;
    if (isa<ElementwiseOpInterface>(producer)) {
      for (Value operand : producer->getOperands()) {
        SmallVector<Dim> dims = tfm::getDims(operand);
        if (dims.size() + axis >= rank && dims[dims.size() + axis - rank] != Dim(1))
          cut(operand, dims.size() + axis - rank);
      }
    } else if (isa<LinearOp, LayerNormOp, RmsNormOp, L2NormalizeOp>(producer) && axis + 1 < rank) {
      cut(producer->getOperand(0), axis);
    } else if (auto attention = dyn_cast<AttentionOp>(producer); attention && axis == 1) {
      cut(attention.getQuery(), 1);
      if (Value bias = attention.getBias()) {
        SmallVector<Dim> dims = tfm::getDims(bias);
        if (dims.size() >= 2 && dims[dims.size() - 2] != Dim(1))
          cut(bias, dims.size() - 2);
      }
      // The diagonal is counted from the first query.
      if (attention.getCausal() || attention.getWindow()) {
        Dim old = attention.getOffset() ? attention.getOffset()->getDims()[0]
                                        : tfm::getDims(attention.getKey())[1] - tfm::getDims(attention.getQuery())[1];
        offset = DimsAttr::get(getContext(), old + slice->start);
      }
    } else {
      return failure();
    }
    Operation *clone = rewriter.clone(*producer, mapping);
    rewriter.modifyOpInPlace(clone, [&] {
      clone->getResult(0).setType(op.getType());
      if (offset)
        cast<AttentionOp>(clone).setOffsetAttr(offset);
    });
    for (Operation *user : users)
      rewriter.replaceOp(user, clone->getResults());
    return success();
  }
};

struct HoistSlicesPass : lathe::impl::HoistSlicesPassBase<HoistSlicesPass> {
  void runOnOperation() override {
    if (failed(rewrite<HoistSlice>(getOperation())))
      signalPassFailure();
  }
};
} // namespace
