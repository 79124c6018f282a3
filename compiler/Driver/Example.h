// The sizes at which figures are shown that depend on them.
#pragma once
#include "mlir/IR/BuiltinOps.h"
#include <map>
#include <string>

namespace lathe {

/// A value for each symbol of a module in any phase: 128 or the nearest value of its range, but for those that inputs
/// begin with, as batches do, the least of its range, from 1.
std::map<std::string, int64_t> getExampleSizes(mlir::ModuleOp module);

} // namespace lathe
