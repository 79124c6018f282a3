// Tiles are taken in chunks from one counter. After a fault no new chunk is taken; those below it have all been taken
// and are finished, so that the lowest fault is always found.
#include "runtime/Program/Launcher.h"
#include "runtime/Cpu/FloatControl.h"
#include <algorithm>

namespace lathe::runtime {

static constexpr int64_t kChunksPerWorker = 8; // small enough against imbalance, few enough calls

bool Launcher::create(const Allocator &allocator, uint32_t workers) { return faults.allocate(allocator, workers, 64); }

LaunchResult Launcher::run(Runtime &runtime, bool shared, const LaunchCall &launch, const std::atomic<bool> &cancelFlag,
                           lathe_kernel_fault &fault) {
  auto workers =
      static_cast<uint32_t>(std::min<int64_t>(shared ? static_cast<int64_t>(faults.size()) : 1, launch.tiles));
  if (workers <= 1) {
    fault = {};
    lathe_kernel_call kernelCall = {launch.operands, launch.params, 0, launch.tiles, scratch, &fault};
    return launch.function(&kernelCall) ? LaunchResult::Faulted : LaunchResult::Done;
  }
  call = &launch;
  cancelled = &cancelFlag;
  chunk = std::max<int64_t>(1, launch.tiles / (workers * kChunksPerWorker));
  for (uint32_t i = 0; i < workers; ++i)
    faults[i].tile = -1;
  next.store(0, std::memory_order_relaxed);
  stop.store(false, std::memory_order_relaxed);
  runtime.parallelFor(workers, enter, this);

  const WorkerFault *lowest = nullptr;
  for (uint32_t i = 0; i < workers; ++i)
    if (faults[i].tile >= 0 && (!lowest || faults[i].tile < lowest->tile))
      lowest = &faults[i];
  if (lowest) {
    fault = lowest->fault;
    return LaunchResult::Faulted;
  }
  return next.load(std::memory_order_relaxed) < launch.tiles ? LaunchResult::Cancelled : LaunchResult::Done;
}

void Launcher::enter(void *launcher, uint32_t worker) {
  FloatControl floatControl;
  static_cast<Launcher *>(launcher)->work(worker);
}

void Launcher::work(uint32_t worker) {
  WorkerFault &slot = faults[worker];
  lathe_kernel_call kernelCall = {call->operands, call->params, 0, 0, scratch + worker * scratchStride, &slot.fault};
  while (!stop.load(std::memory_order_relaxed) && !cancelled->load(std::memory_order_relaxed)) {
    kernelCall.tile_begin = next.fetch_add(chunk, std::memory_order_relaxed);
    if (kernelCall.tile_begin >= call->tiles)
      return;
    kernelCall.tile_end = std::min(kernelCall.tile_begin + chunk, call->tiles);
    if (call->function(&kernelCall)) {
      slot.tile = kernelCall.tile_begin;
      stop.store(true, std::memory_order_relaxed);
      return;
    }
  }
}

} // namespace lathe::runtime
