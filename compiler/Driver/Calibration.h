// Calibration: what values were on samples of real inputs.
#pragma once
#include "mlir/IR/BuiltinOps.h"
#include <functional>

namespace lathe {

/// Runs @main by the reference executor on the first rows of a data set (compiler/Data/DataSet.h), and sets
/// `tfm.observed_max` on each op with an f32 result and on each f32 input: the greatest magnitude among the samples'
/// finite values, infinite where one wasn't finite. `maxRows` 0 is all. `progress` is told the part that is done.
/// Failures are diagnostics.
llvm::LogicalResult calibrate(mlir::ModuleOp module, llvm::StringRef directory, uint64_t maxRows,
                              std::function<void(double)> progress);

} // namespace lathe
