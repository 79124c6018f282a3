// Times a package beside another, for reports.
#pragma once
#include "compiler/Driver/Report.h"
#include "tools/lathe/Commands.h"

namespace lathe::tool {

/// Runs the model as it was, which it compiles by `plain`, and the package at `path`, which came of `module`, in turns.
/// False with a message, or without one after diagnostics.
bool timePackages(const CompileOptions &plain, const std::string &path, mlir::ModuleOp module, Timings &timings,
                  std::string &error);

} // namespace lathe::tool
