// A model whose results are the inputs of its linears.
#pragma once
#include "dialects/Tfm/Dim.h"
#include "mlir/IR/BuiltinOps.h"
#include <string>
#include <vector>

namespace lathe::statistics {

/// One result of the tapped @main: a value that linears with these weights read.
struct Tap {
  std::vector<std::string> weights;
  llvm::SmallVector<Dim> dims; // [..., K]
  int padding = -1;            // the result that is 0 where a row of this one is padding; -1: no row is
};

struct TappedModule {
  mlir::OwningOpRef<mlir::ModuleOp> module; // results: the taps in order, then the paddings
  std::vector<Tap> taps;
  std::vector<llvm::SmallVector<Dim>> paddings; // their dimensions: batch and sequence
};

/// Copies a module as it is after simplify, and replaces the results of @main by each distinct f32 input of a
/// tfm.linear whose weight is a tfm.get, and by what attentions take as padding. Where several paddings have the
/// same dimensions, a token is real if any of them says so. Diagnoses a module without such a linear.
mlir::FailureOr<TappedModule> tapLinears(mlir::ModuleOp module);

} // namespace lathe::statistics
