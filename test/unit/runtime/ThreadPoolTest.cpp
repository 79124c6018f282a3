// The pool: indices are distinct and below the limit, jobs never mix, sleeping workers wake.
#include "runtime/Cpu/ThreadPool.h"
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace lathe::runtime;

namespace {
struct Job {
  std::atomic<uint32_t> calls{0};
  std::atomic<uint32_t> seen[16] = {};
  std::atomic<int> next{0};
  int items = 0;
  std::atomic<int> done{0};
  static void body(void *self, uint32_t worker) {
    auto *job = static_cast<Job *>(self);
    job->calls.fetch_add(1);
    job->seen[worker].fetch_add(1);
    while (job->next.fetch_add(1) < job->items)
      job->done.fetch_add(1);
  }
};
} // namespace

TEST(ThreadPool, EachJobIsDoneOnce) {
  ThreadPool pool{Allocator()};
  ASSERT_TRUE(pool.start(4));
  EXPECT_EQ(pool.threads(), 4u);
  uint32_t helped = 0;
  for (int i = 0; i < 3000; ++i) {
    uint32_t limit = 1 + static_cast<uint32_t>(i % 5);
    Job job;
    job.items = 500;
    pool.run(limit, Job::body, &job);
    EXPECT_EQ(job.done, 500);
    EXPECT_LE(job.calls, std::min(limit, 4u));
    EXPECT_EQ(job.seen[0], 1u);
    for (uint32_t w = 0; w < 16; ++w)
      EXPECT_LE(job.seen[w], w < limit ? 1u : 0u);
    helped += job.calls > 1;
  }
  EXPECT_GT(helped, 0u);
}

TEST(ThreadPool, SleepingWorkersWake) {
  ThreadPool pool{Allocator()};
  ASSERT_TRUE(pool.start(2));
  for (int i = 0; i < 5; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20)); // longer than they spin
    struct Meeting {
      std::atomic<int> arrived{0};
    } meeting;
    pool.run(
        2,
        [](void *self, uint32_t worker) {
          auto &arrived = static_cast<Meeting *>(self)->arrived;
          ++arrived;
          auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
          while (worker == 0 && arrived < 2 && std::chrono::steady_clock::now() < end)
            std::this_thread::yield();
        },
        &meeting);
    EXPECT_EQ(meeting.arrived, 2) << "the worker did not wake";
  }
}

TEST(ThreadPool, OneOwnerAtATime) {
  ThreadPool pool{Allocator()};
  ASSERT_TRUE(pool.start(1));
  EXPECT_TRUE(pool.tryAcquire());
  EXPECT_FALSE(pool.tryAcquire());
  pool.release();
  EXPECT_TRUE(pool.tryAcquire());
}

#if !defined(__SANITIZE_THREAD__) && !(defined(__has_feature) && __has_feature(thread_sanitizer))
TEST(ThreadPool, AForkRunsAloneAndCanLetGo) {
  auto *pool = new ThreadPool{Allocator()};
  ASSERT_TRUE(pool->start(3));
  pid_t child = fork();
  ASSERT_GE(child, 0);
  if (!child) {
    Job job;
    job.items = 100;
    pool->run(3, Job::body, &job);
    bool good = job.done == 100 && job.calls == 1;
    delete pool;
    _exit(good ? 0 : 1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  delete pool;
}
#endif
