// Runs one launch: hands its tiles to threads, collects faults.
#pragma once
#include "runtime/Program/Program.h"

namespace lathe::runtime {

struct LaunchCall {
  lathe_kernel_fn function;
  void *const *operands;
  const int64_t *params;
  int64_t tiles;
};

enum class LaunchResult { Done, Faulted, Cancelled };

class Launcher {
public:
  // `scratchStride` bytes at `scratch` for each of `workers` workers.
  [[nodiscard]] bool create(const Allocator &allocator, uint32_t workers);
  void setScratch(uint8_t *memory, uint64_t stride) {
    scratch = memory;
    scratchStride = stride;
  }

  // With shared threads: the caller holds runtime.acquireThreads(). When a fault occurs, `fault` is the one of the
  // lowest tile, whatever the number of threads.
  LaunchResult run(Runtime &runtime, bool shared, const LaunchCall &call, const std::atomic<bool> &cancelled,
                   lathe_kernel_fault &fault);

private:
  struct alignas(64) WorkerFault {
    int64_t tile; // the begin of the chunk; -1: none
    lathe_kernel_fault fault;
  };
  static void enter(void *launcher, uint32_t worker);
  void work(uint32_t worker);

  Array<WorkerFault> faults;
  uint8_t *scratch = nullptr;
  uint64_t scratchStride = 0;

  const LaunchCall *call = nullptr;
  const std::atomic<bool> *cancelled = nullptr;
  int64_t chunk = 1;
  alignas(64) std::atomic<int64_t> next{0};
  std::atomic<bool> stop{false};
};

} // namespace lathe::runtime
