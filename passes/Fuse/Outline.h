// Groups of ops become kernels and launches.
#pragma once
#include "passes/Fuse/Grouping.h"

namespace lathe::fuse {

struct OutlineStatistics {
  unsigned launches = 0, kernels = 0;
};

/// Moves each group into a kernel.func before the function, with the ops of no group that it reads cloned into it, and
/// calls it by kernel.launch. A kernel whose body is equal to an earlier one's, but for names of values and locations,
/// becomes that one. Names say what is computed and are numbered in order. Groups come each after those that it reads.
OutlineStatistics outline(mlir::func::FuncOp function, llvm::ArrayRef<Group> groups);

} // namespace lathe::fuse
