// Bounds of what values can be, whatever the inputs.
//
// They hold for exact arithmetic on the function's weights: whoever compares one with a type's range leaves a margin
// for rounding. NaN is left out: a model that makes NaN makes it in any precision.
#pragma once
#include "dialects/Tfm/Weights.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include <cmath>
#include <limits>

namespace lathe::precision {

/// Of each element: low <= x <= high. Of each line along the last dimension: its Euclidean norm, and its sum of
/// magnitudes. Infinite where nothing is known.
struct Bound {
  static constexpr double kUnknown = std::numeric_limits<double>::infinity();
  double low = -kUnknown, high = kUnknown, norm = kUnknown, sum = kUnknown;

  double magnitude() const { return std::max(std::fabs(low), std::fabs(high)); }
};

/// A bound for every value of a function of one block. Reads the bytes of the float weights, one at a time; a weight
/// whose bytes can't be read has no bound. `inputs`: of the arguments, if anything is known of them.
llvm::DenseMap<mlir::Value, Bound> getBounds(mlir::func::FuncOp function, llvm::ArrayRef<Bound> inputs = {});

} // namespace lathe::precision
