// What the parts of the emulated driver share. All state is behind one lock, which every exported function takes; the
// device has one context, its primary one.
#pragma once
#include "runtime/Cuda/DriverApi.h"
#include "tools/cuda-sim/Block.h"

#include <functional>
#include <map>
#include <mutex>

namespace lathe::cuda {
struct CUfunc_st {
  lathe::sim::Launch kernel; // its name, code and parameters
  uint32_t maxDynamicShared = 48 << 10;
};
} // namespace lathe::cuda

namespace lathe::sim {
using namespace lathe::cuda;

struct Allocation {
  size_t bytes;
  bool pinnedHost;
  uint64_t *shadow; // device memory's cells, one per two bytes; null where the machine has no room for them
};

struct DriverState {
  std::recursive_mutex mutex;
  bool initialized = false;
  unsigned retains = 0;           // of the primary context
  CUresult failed = CUDA_SUCCESS; // sticky, as a kernel's failure leaves a context unusable
  std::map<uintptr_t, Allocation> allocations;
  size_t deviceBytes = 0; // in use
};
DriverState &driver();

constexpr size_t deviceMemory = size_t(16) << 30;
constexpr uint32_t maxSharedBytes = 227 << 10;

// Takes the lock; `error` says why a call can't go on: no context, or one that a kernel has broken.
struct Call {
  std::lock_guard<std::recursive_mutex> lock{driver().mutex};
  CUresult error;
  Call();
};

// The allocation in which the bytes lie, or null.
const Allocation *findAllocation(const void *, uint64_t bytes);
inline const Allocation *findDevice(CUdeviceptr memory, uint64_t bytes) {
  const Allocation *found = findAllocation(reinterpret_cast<const void *>(memory), bytes);
  return found && !found->pinnedHost ? found : nullptr;
}

// Streams.cpp: runs all that streams have to do, as calls do that wait for the device.
void drainAll();
// Whether a stream captures in a mode that forbids calls like cuMemAlloc; if so, the capture is void.
bool captureForbids();
} // namespace lathe::sim
