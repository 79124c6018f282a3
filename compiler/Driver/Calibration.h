// Calibration: what values were on samples of real inputs.
#pragma once
#include "mlir/IR/BuiltinOps.h"
#include <functional>

namespace lathe {

/// Runs @main by the reference executor on each sample of a folder, and sets `tfm.observed_max` on each op with an f32
/// result and on each f32 input: the greatest magnitude among the samples' finite values, infinite where one wasn't
/// finite. Samples are the folder's `test_data_set_*`, else the folder itself. A sample is an ONNX test data set
/// (input_0.pb ..., each for the input that its tensor is named after, else for the one at its position) or holds
/// NAME.npy for each input. `progress` is told the part that is done. Failures are diagnostics.
llvm::LogicalResult calibrate(mlir::ModuleOp module, llvm::StringRef directory, std::function<void(double)> progress);

} // namespace lathe
