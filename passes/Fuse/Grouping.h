// Which ops run in one launch.
#pragma once
#include "dialects/Kernel/Kernel.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include <vector>

namespace lathe::fuse {

/// Ops of one launch, in the block's order; or, as `isAlias`, one reshape that only gives memory other dimensions.
struct Group {
  kernel::Anchor anchor = kernel::Anchor::map;
  llvm::SmallVector<mlir::Operation *> ops;
  bool isAlias = false;
};

/// Whether an op is computed again wherever it is read: constants, extents, iotas, broadcasts. `getGroups` says so of
/// more ops, those that are not in its groups.
bool isSource(mlir::Operation *op);

/// Whether a kernel's body can compute what this operand reads; if not, it must be in memory: what a contraction, an
/// attention's query, key and value, or a look-up's table read many times.
bool takesPrologue(mlir::OpOperand &operand);

/// Groups of the function's ops, each after those that it reads. An op that is in no group is cloned into every group
/// that reads it. Weights (tfm.get) and tfm.require are in none. Without `fuse`, each op has a group of its own. Linear
/// in the ops, but for checks that a merge makes no cycle, each linear. The function's body is one block.
std::vector<Group> getGroups(mlir::func::FuncOp function, bool fuse);

} // namespace lathe::fuse
