// The simplify phase as a pipeline of passes.
#pragma once
#include "mlir/Pass/PassManager.h"
#include <string>

namespace lathe {

struct SimplifyOptions {
  /// `attention:6,layer_norm:13`: ops that must come out, at least so many; a pass failure names what is missing.
  std::string requireFused;
  /// Recover ops from what exporters decompose them into; else ONNX's primitive ops stay, constants folded.
  bool recover = true;
};

/// From imported primitive ops to recovered ones, in the passes' order. Module-level.
void buildSimplifyPipeline(mlir::OpPassManager &manager, const SimplifyOptions &options = {});

} // namespace lathe
