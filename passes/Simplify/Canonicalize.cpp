// --lathe-canonicalize: one spelling for one computation.
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"
#include "passes/Passes.h"
#include "passes/Simplify/Patterns.h"

namespace lathe {
#define GEN_PASS_DEF_CANONICALIZEPASS
#include "passes/Passes.h.inc"
} // namespace lathe

using namespace mlir;
using namespace lathe;

LogicalResult simplify::rewrite(Operation *root, RewritePatternSet &&patterns) {
  populateAlgebraPatterns(patterns);
  populateMovementPatterns(patterns);
  GreedyRewriteConfig config;
  config.setMaxIterations(64);
  // Each op is rewritten a few times. Beyond that two patterns undo each other; what they leave is correct, so stop.
  int64_t ops = 0;
  root->walk([&](Operation *) { ++ops; });
  config.setMaxNumRewrites(64 * ops + 1024);
  (void)applyPatternsGreedily(root, std::move(patterns), config);
  return success();
}

namespace {
struct CanonicalizePass : lathe::impl::CanonicalizePassBase<CanonicalizePass> {
  void runOnOperation() override {
    if (failed(simplify::rewrite(getOperation(), RewritePatternSet(&getContext()))))
      signalPassFailure();
  }
};
} // namespace
