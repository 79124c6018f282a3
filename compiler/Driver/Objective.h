// Whether a compression pays for itself.
#pragma once
#include "compiler/Driver/Compile.h"
#include <map>

namespace lathe {

/// Compares a model before and after a compression by the options' objective: by the time that the ops take which
/// differ, on each target; or by the bytes of all weights. Times are predicted (CostModel.h), or with `measure` those
/// of the compiled ops where this machine runs the target; at getExampleSizes. What two models have in common is timed
/// once.
class Judge {
public:
  explicit Judge(const CompileOptions &options) : options(options) {}

  /// Why `after` is no better, or nothing where it is. Failures are diagnostics.
  mlir::FailureOr<std::optional<std::string>> getObjection(mlir::ModuleOp before, mlir::ModuleOp after);

private:
  const CompileOptions &options;
  std::map<std::string, std::vector<double>> seconds; // of ops as text, for each target

  mlir::FailureOr<std::vector<double>> getSeconds(mlir::Operation *op, const std::string &text);
  mlir::FailureOr<double> measure(mlir::ModuleOp alone, const std::string &target, bool &runs);
};

} // namespace lathe
