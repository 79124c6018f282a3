// What a module or a package says of its inputs, for data sets.
#pragma once
#include "compiler/Data/DataSet.h"
#include "mlir/IR/BuiltinOps.h"

namespace lathe::data {

/// The inputs of @main. Masks are found after the phase simplify, by what the model does with them, never by name: an
/// integer input [batch, s] from which every attention over s that isn't causal takes its padding, and every pooling
/// over s its mask, while nothing else makes one token depend on another behind it. Errors are diagnostics.
mlir::FailureOr<Signature> describeInputs(mlir::ModuleOp module);

} // namespace lathe::data
