// Whole layers of a Transformer: where each begins and ends in the residual stream.
#pragma once
#include "dialects/Tfm/Tfm.h"
#include "mlir/IR/BuiltinOps.h"

namespace lathe {

/// A layer reads `entry`, adds its branches to it one after another (attention, feed-forward), and makes `exit`, which
/// is the sum, or, where norms follow sums (BERT), its norm. It can be left out: then what read `exit` reads `entry`.
struct Layer {
  int64_t number = 0;                       // as Kinds.h counts
  llvm::SmallVector<tfm::LinearOp> writers; // the linears that end its branches, at least one
  mlir::Value entry, exit;
  llvm::SmallVector<mlir::Operation *> ops; // that the way from entry to exit leads over, in their order
  std::string obstacle;                     // why it has no such form, with no ops then; empty where it has
};

/// All layers of @main, as it is after the phase simplify, in their order.
llvm::SmallVector<Layer> findLayers(mlir::ModuleOp module);

/// The pairs of weights that two layers read at the same places, the first's and the second's, if they are the same ops
/// on weights of the same types; else nothing, and `why` says what differs.
std::optional<llvm::SmallVector<std::pair<tfm::GetOp, tfm::GetOp>>> pairWeights(const Layer &a, const Layer &b,
                                                                                std::string &why);

/// Erases what nothing reads any more, weights too, of which it returns the bytes.
int64_t eraseUnread(mlir::ModuleOp module);

} // namespace lathe
