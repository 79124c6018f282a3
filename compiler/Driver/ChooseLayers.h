// Which layers a recipe leaves out, or lets share weights: those by which the model's outputs lose least.
#pragma once
#include "compiler/Driver/Compile.h"

namespace lathe {

/// What calibration data say of a change: 1 - the mean cosine of the model's first output with what it was.
struct LayerChange {
  int64_t layer = 0;   // as the module counts before any change
  int64_t from = -1;   // the layer whose weights it takes; -1: it is left out
  double error = 0;    // after this change and all before
  double dropped = -1; // of a layer that takes another's weights: if it were left out instead; -1: it can't be
};

/// Chooses `count` layers of the candidates (empty: of all) one after another, each time the one that loses least, over
/// the first samples of the calibration data. With `shares` a layer takes the weights of the one before or behind it,
/// if both are the same but for them. Failures are diagnostics: data that can't be read, fewer layers than are to go.
mlir::FailureOr<std::vector<LayerChange>> chooseLayers(mlir::ModuleOp module, llvm::ArrayRef<int64_t> candidates,
                                                       int64_t count, bool shares, const CompileOptions &options,
                                                       const std::function<void(double)> &progress);

} // namespace lathe
