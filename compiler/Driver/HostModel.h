// Models that the compiler runs itself, to learn from real inputs.
#pragma once
#include "compiler/Driver/Compile.h"
#include "tools/lathe-run/Model.h"

namespace lathe {

/// Compiles a module, which is as it is after simplify and is used up, for this machine's processor, loads it and makes
/// it ready to run; no file stays. Uses `threads` of the options. Sets the target. Failures are diagnostics.
mlir::LogicalResult loadOnHost(mlir::ModuleOp module, const CompileOptions &options, tool::Model &model,
                               std::string &target);

} // namespace lathe
