// How kernels run on CUDA devices: sizes of tiles by strategy and target, and the formulas of grids and workspaces.
#pragma once
#include "passes/Schedule/Strategy.h"

namespace lathe::schedule {

struct CudaTile {
  int64_t threads = 256; // of a block
  int64_t shared = 0;    // bytes of dynamic shared memory of a block
  int64_t rows = 0;      // Contraction: of a block's tile; Attention: queries of a block
  int64_t columns = 0;   // Contraction: of a block's tile; Attention: keys between two rescalings
  int64_t stages = 0;    // Contraction: tiles of the operands that are on their way or in use
};

/// "cuda:sm_80" … "cuda:sm_120a", and "cuda-sim", which runs what sm_80 does; in the order of their SMs.
llvm::ArrayRef<llvm::StringRef> getCudaTargets();
bool isCudaTarget(llvm::StringRef target);

/// The schedule of a kernel for such a target; fails with a diagnostic on the kernel.
mlir::FailureOr<kernel::ScheduleAttr> scheduleForCuda(kernel::FuncOp kernel, const KernelPlan &plan,
                                                      llvm::StringRef target);
/// The tile that a schedule says, which may be written by hand: checked.
mlir::FailureOr<CudaTile> readCudaTile(kernel::FuncOp kernel, kernel::ScheduleAttr schedule);

inline constexpr int64_t kCudaMapElements = 1024; // of a block of Map, as in Device/Map.h
inline constexpr int64_t kTeamRow = 2048;         // elements of the longest row that is a warp's; longer ones are a block's
/// Elements of the row op's input in a row, if there are few enough to keep them in shared memory; else 0.
int64_t getBufferedRow(mlir::Operation *rowOp, const Dim &rows);
/// Whether rows are a warp's each.
bool runsByWarp(const KernelPlan &plan);

} // namespace lathe::schedule
