// Rewrites that several passes of the simplify phase run beside their own.
#pragma once
#include "mlir/IR/PatternMatch.h"

namespace lathe::simplify {

/// x + 0, cast chains, double negations, selects of a constant, requires that hold.
void populateAlgebraPatterns(mlir::RewritePatternSet &patterns);
/// Expands fold into what broadcasts; slices move towards their source; transposes shed dimensions of 1 and become
/// matmul's flags. Includes the dialect's own canonicalisations.
void populateMovementPatterns(mlir::RewritePatternSet &patterns);

/// Runs patterns, with those above, to a fixed point, and drops what is dead.
mlir::LogicalResult rewrite(mlir::Operation *root, mlir::RewritePatternSet &&patterns);

/// The same for patterns that a context is enough to make.
template <typename... Patterns> mlir::LogicalResult rewrite(mlir::Operation *root) {
  mlir::RewritePatternSet patterns(root->getContext());
  patterns.add<Patterns...>(root->getContext());
  return rewrite(root, std::move(patterns));
}

} // namespace lathe::simplify
