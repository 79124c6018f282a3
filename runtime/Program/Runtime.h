// What all programs and contexts of a runtime share: allocator, logger, processor features, threads.
#pragma once
#include "runtime/Base/Status.h"
#include "runtime/Cpu/Features.h"
#include "runtime/Cpu/ThreadPool.h"
#include "runtime/Cuda/Driver.h"
#include <atomic>

namespace lathe::runtime {

class Runtime {
public:
  static Status create(const lathe_runtime_options &options, Runtime **out);
  void retain() { references.fetch_add(1, std::memory_order_relaxed); }
  void release();

  void log(lathe_log_level level, const char *format, ...) const __attribute__((format(printf, 3, 4)));

  // Calls body(argument, i) for distinct i in [0, workers), i = 0 always. With the host's executor each i is called.
  void parallelFor(uint32_t workers, void (*body)(void *argument, uint32_t worker), void *argument);
  bool acquireThreads() { return executor.parallel_for || pool.tryAcquire(); }
  void releaseThreads() {
    if (!executor.parallel_for)
      pool.release();
  }
  uint32_t threads() const { return executor.parallel_for ? executor.concurrency : pool.threads(); }

  // The CUDA driver, opened and started by the first call. Any thread.
  Status cudaDriver(const cuda::Driver *&driver);
  const char *nvrtcPath() const { return nvrtc.data(); } // null: the usual names

  const Allocator allocator;
  const CpuFeatures features = CpuFeatures::detect();

  Runtime(const Allocator &allocator, const lathe_runtime_options &options);
  ~Runtime();

private:
  lathe_logger logger = {};
  lathe_executor executor = {};
  ThreadPool pool;
  Array<char> cudaDriverPath, nvrtc; // as given; null where not
  pthread_mutex_t cudaLock = PTHREAD_MUTEX_INITIALIZER;
  bool cudaOpen = false;
  cuda::Driver cudaFunctions;
  std::atomic<uint32_t> references{1};
};

} // namespace lathe::runtime
