// How long a kernel takes on a target, roughly: enough to tell whether a compression pays.
#pragma once
#include "dialects/Kernel/Kernel.h"

namespace lathe {

/// Seconds of a scheduled kernel with constant dimensions, on one core of a CPU target or on a CUDA device: what its
/// products, the decoding of weights and the quantizing of rows take, or what its memory takes, if that is more.
/// Failures are diagnostics.
mlir::FailureOr<double> predictSeconds(kernel::FuncOp kernel, llvm::StringRef target);

} // namespace lathe
