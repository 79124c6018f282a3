// --lathe-recover-embedding: tfm.embedding from gather.
#include "passes/Passes.h"
#include "passes/Simplify/Match.h"
#include "passes/Simplify/Patterns.h"

namespace lathe {
#define GEN_PASS_DEF_RECOVEREMBEDDINGPASS
#include "passes/Passes.h.inc"
} // namespace lathe

using namespace mlir;
using namespace lathe;
using namespace lathe::tfm;
using namespace lathe::simplify;

namespace {
struct FormEmbedding : OpRewritePattern<GatherOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(GatherOp op, PatternRewriter &rewriter) const override {
    if (op.getAxis() != 0 || !op.getData().getDefiningOp<GetOp>() || tfm::getDims(op.getData()).size() != 2)
      return failure();
    rewriter.replaceOpWithNewOp<EmbeddingOp>(op, op.getType(), op.getIndices(), op.getData());
    return success();
  }
};

struct RecoverEmbeddingPass : lathe::impl::RecoverEmbeddingPassBase<RecoverEmbeddingPass> {
  void runOnOperation() override {
    if (failed(rewrite<FormEmbedding>(getOperation())))
      signalPassFailure();
  }
};
} // namespace
