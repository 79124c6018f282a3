// How kernels run on CUDA devices: sizes of tiles by strategy and target, and the formulas of grids and workspaces.
#pragma once
#include "passes/Schedule/Strategy.h"

namespace lathe::schedule {

struct CudaTile {
  int64_t threads = 256; // of a block
  int64_t shared = 0;    // bytes of dynamic shared memory of a block
  int64_t many = 0;      // large tiles of a contraction, from so many on; else small ones
  int64_t parts = 1;     // blocks at most that share the sum over K of a contraction's small tile
  int64_t float8 = 0;    // 1: codes of f8E4M3FN are multiplied as they are
  int64_t wgmma = 0;     // 1: large tiles of a contraction are Device/Hopper.h's, attention is HopperAttention.h's
};

/// "cuda:sm_80" … "cuda:sm_120a", in the order of their SMs; "cuda:source", for NVRTC at load, which does what sm_80
/// does. Then, for tests, "cuda-sim", which runs what sm_80 does, "cuda-sim:sm_89" and "cuda-sim:sm_90a": they take
/// large tiles from 2, 2 and 1 on, so that small tests run both sizes.
llvm::ArrayRef<llvm::StringRef> getCudaTargets();
bool isCudaTarget(llvm::StringRef target);

/// The schedule of a kernel for such a target; fails with a diagnostic on the kernel.
mlir::FailureOr<kernel::ScheduleAttr> scheduleForCuda(kernel::FuncOp kernel, const KernelPlan &plan,
                                                      llvm::StringRef target);
/// The tile that a schedule says, which may be written by hand: checked.
mlir::FailureOr<CudaTile> readCudaTile(kernel::FuncOp kernel, kernel::ScheduleAttr schedule);

inline constexpr int64_t kCudaMapElements = 1024;    // of a block of Map, as in Device/Map.h
inline constexpr int64_t kManyTiles = 80;            // large ones of a contraction: from so many on they fill a device
inline constexpr int64_t kContractionShared = 98880; // of Device/Contraction.h's tiles
inline constexpr int64_t kRowScales = 128 * 16;      // behind them, of a quantized left side
inline constexpr int64_t kHopperShared = 202016;     // of Device/Hopper.h's
inline constexpr int64_t kHopperBlocks = 132;        // that run at a time on an H100 or H200, one for each processor
/// Blocks of a grid whose small tiles are shared, as Device/Contraction.h's Share.
inline int64_t getShareBlocks(llvm::StringRef target) { return target.starts_with("cuda-sim") ? 12 : 264; }
inline constexpr int64_t kMostParts = 8, kLeastSteps = 4; // of a small tile; steps of K of a part
inline constexpr int64_t kMostHead = 256;                 // elements of a head
inline constexpr int64_t kTeamRow = 2048; // elements of the longest row that is a warp's; longer ones are a block's
/// For each row op of the plan, the elements of its input's row, where shared memory can keep them all; else nothing.
llvm::SmallVector<int64_t> getRowBuffers(const KernelPlan &plan);
/// Whether a row is a warp's; else it is a block's.
bool runsByWarp(const KernelPlan &plan);

} // namespace lathe::schedule
