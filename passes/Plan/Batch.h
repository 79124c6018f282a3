// Finds the symbol along which a program may run in pieces.
#pragma once
#include "dialects/Kernel/Kernel.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace lathe::plan {

/// The symbol that leads every input and output of @main, launches and their kernels' bodies included, and along which
/// each output's slice depends on the same slice of the inputs alone. Null where there is none, or none that is proved.
mlir::StringAttr findBatch(mlir::func::FuncOp main);

} // namespace lathe::plan
