// Worker threads for launches. Workers join a job if they are awake in time; the caller always takes part and waits
// only for those that joined, so a descheduled or missing worker never delays a job.
#pragma once
#include "runtime/Base/Memory.h"
#include <atomic>
#include <pthread.h>

namespace lathe::runtime {

class ThreadPool {
public:
  explicit ThreadPool(const Allocator &allocator) : allocator(allocator) {}
  ThreadPool(const ThreadPool &) = delete;
  ThreadPool &operator=(const ThreadPool &) = delete;
  ~ThreadPool();

  // Starts threads - 1 workers; fewer, when the system has no more. False: out of memory.
  [[nodiscard]] bool start(uint32_t threads);
  uint32_t threads() const { return started + 1; }

  // One job at a time: who does not get the pool runs alone.
  bool tryAcquire() { return !taken.exchange(true, std::memory_order_acquire); }
  void release() { taken.store(false, std::memory_order_release); }

  // Calls body(argument, i) with distinct i in [0, limit), at least with i = 0 on the calling thread; returns when all
  // calls have. To be called between tryAcquire and release.
  void run(uint32_t limit, void (*body)(void *argument, uint32_t worker), void *argument);

private:
  static void *enter(void *pool);
  void work();

  Allocator allocator;
  Array<pthread_t> workers;
  uint32_t started = 0;
  int owner = 0; // the process that has the threads; a fork of it has not
  std::atomic<bool> taken{false};

  // The current job, and its state as ThreadPool.cpp explains it.
  void (*body)(void *, uint32_t) = nullptr;
  void *argument = nullptr;
  alignas(64) std::atomic<uint64_t> state{0};
  alignas(64) std::atomic<uint32_t> wake{0}; // a futex: changes with each job and at the end
  std::atomic<uint32_t> sleepers{0};
  std::atomic<bool> stopping{false};
};

} // namespace lathe::runtime
