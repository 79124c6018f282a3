// The compress phase's recipe: its stages as passes.
#pragma once
#include "compiler/Driver/Compile.h"

namespace lathe {

/// Runs the options' recipe on a module that is as it is after simplify. Each stage's rules become passes on the
/// weights that they are for, in order; a stage that needs statistics gets those of the model as the stages before left
/// it. What was done is in the module's `tfm.compression`. Failures are diagnostics.
llvm::LogicalResult runRecipe(mlir::ModuleOp module, const CompileOptions &options);

} // namespace lathe
