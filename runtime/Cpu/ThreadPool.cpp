// A job's state is one word: its number (bits 33 up), whether it may be joined (bit 32), how many workers are inside
// (bits 16 to 31), and how many seats are left (bits 0 to 15). A worker joins by one compare-and-swap, which gives it a
// seat's number and makes sure that the job is still the one it saw.
#include "runtime/Cpu/ThreadPool.h"
#include "runtime/Cpu/FloatControl.h"
#include <climits>
#include <csignal>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace lathe::runtime {

static constexpr uint64_t kSeat = 1, kInside = uint64_t(1) << 16, kOpen = uint64_t(1) << 32,
                          kNumber = uint64_t(1) << 33;
static constexpr int kSpins = 4000; // some tens of microseconds: longer than the gaps between launches
static constexpr uint32_t kMaxThreads = 1024;
static constexpr size_t kStackSize = 2u << 20;

static uint32_t seats(uint64_t state) { return static_cast<uint32_t>(state & 0xffff); }
static uint32_t inside(uint64_t state) { return static_cast<uint32_t>(state >> 16 & 0xffff); }
static uint64_t number(uint64_t state) { return state / kNumber; }

static void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

bool ThreadPool::start(uint32_t threads) {
  threads = threads > kMaxThreads ? kMaxThreads : threads;
  owner = getpid();
  if (threads <= 1)
    return true;
  if (!workers.allocate(allocator, threads - 1))
    return false;
  sigset_t all, before; // the host's signals are not for our threads
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kStackSize);
  while (started < workers.size() && !pthread_create(&workers[started], &attributes, enter, this))
    ++started;
  pthread_attr_destroy(&attributes);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return true;
}

ThreadPool::~ThreadPool() {
  if (owner != getpid())
    return;
  stopping.store(true);
  wake.fetch_add(1);
  syscall(SYS_futex, &wake, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
  for (uint32_t i = 0; i < started; ++i)
    pthread_join(workers[i], nullptr);
}

void *ThreadPool::enter(void *pool) {
  FloatControl floatControl;
  static_cast<ThreadPool *>(pool)->work();
  return nullptr;
}

void ThreadPool::work() {
  uint64_t seen = 0;
  auto fresh = [&](uint64_t s) { return (s & kOpen) && number(s) != seen; };
  while (true) {
    for (int spin = 0; spin < kSpins; ++spin) {
      uint64_t s = state.load(std::memory_order_acquire);
      if (!fresh(s)) {
        if (stopping.load(std::memory_order_relaxed))
          return;
        relax();
        continue;
      }
      if (!seats(s)) {
        seen = number(s);
        continue;
      }
      if (!state.compare_exchange_weak(s, s + kInside - kSeat, std::memory_order_acq_rel))
        continue;
      seen = number(s);
      body(argument, seats(s));
      state.fetch_sub(kInside, std::memory_order_release);
      spin = 0;
    }
    uint32_t ticket = wake.load();
    sleepers.fetch_add(1);
    if (!fresh(state.load()) && !stopping.load())
      syscall(SYS_futex, &wake, FUTEX_WAIT_PRIVATE, ticket, nullptr, nullptr, 0);
    sleepers.fetch_sub(1);
    if (stopping.load())
      return;
  }
}

void ThreadPool::run(uint32_t limit, void (*jobBody)(void *, uint32_t), void *jobArgument) {
  uint32_t helpers = limit - 1 < started ? limit - 1 : started;
  if (!helpers)
    return jobBody(jobArgument, 0);
  body = jobBody;
  argument = jobArgument;
  uint64_t next = number(state.load(std::memory_order_relaxed)) + 1;
  state.store(next * kNumber | kOpen | helpers);
  wake.fetch_add(1);
  if (sleepers.load())
    syscall(SYS_futex, &wake, FUTEX_WAKE_PRIVATE, static_cast<int>(helpers), nullptr, nullptr, 0);
  jobBody(jobArgument, 0);
  state.fetch_and(~kOpen, std::memory_order_acq_rel);
  for (int spin = 0; inside(state.load(std::memory_order_acquire)); ++spin)
    spin < kSpins ? relax() : static_cast<void>(sched_yield());
}

} // namespace lathe::runtime
