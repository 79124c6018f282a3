// Statistics of a model's linears over a data set: taken by running the model, or read from a file.
#pragma once
#include "compiler/Data/ImpliedInputs.h"
#include "compiler/Driver/Compile.h"
#include "compiler/Statistics/Statistics.h"

namespace lathe {

/// Compiles a module, which is as it is after simplify, with taps for this machine's processor, runs it over the data
/// set, whose samples `implied` completes, and sums. The module stays as it is. Uses `threads` and `statisticsMemory`
/// of the options; the bits depend on neither of the threads, but on the processor's vector width. `progress` is told
/// the part that is done. Failures are diagnostics.
mlir::FailureOr<statistics::Statistics> collectStatistics(mlir::ModuleOp module, const data::DataSet &set,
                                                          const data::ImpliedInputs &implied,
                                                          const CompileOptions &options,
                                                          const std::function<void(double)> &progress);

/// SHA-256 of what the model computes: @main, its symbols and its weights' bytes.
mlir::FailureOr<statistics::Digest> hashModel(mlir::ModuleOp module);

/// The path of the file for passes' option `statistics`, by what the options say: `statistics`, a file that must be of
/// this module; else statistics of `calibration`, from the cache where it has them, else taken now and kept in the
/// cache. Without a cache they are written to `scratch`. Failures are diagnostics.
mlir::FailureOr<std::string> findStatistics(mlir::ModuleOp module, const CompileOptions &options,
                                            llvm::StringRef scratch, const std::function<void(double)> &progress);

/// $XDG_CACHE_HOME/lathe, else ~/.cache/lathe; empty where neither is known.
std::string getDefaultCache();

} // namespace lathe
