// Weights that are pieces of, or other views on, weights of the model.
#pragma once
#include "dialects/Tfm/Weights.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/PatternMatch.h"

namespace lathe::simplify {

/// The value of rows or columns [start, start + size) of a weight along the axis, as a tfm.get of a weight of its own,
/// which is made at its first use. Nothing if the bytes can't be read (then they can't be later either).
mlir::Value deriveSlice(mlir::PatternRewriter &rewriter, tfm::GetOp get, int64_t axis, int64_t start, int64_t size);
/// The same elements under another static type.
mlir::Value deriveReshape(mlir::PatternRewriter &rewriter, tfm::GetOp get, mlir::RankedTensorType type);

/// Drops the weights that nothing reads.
void eraseUnusedWeights(mlir::ModuleOp module);

} // namespace lathe::simplify
