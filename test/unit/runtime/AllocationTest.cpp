// The caller's allocator: every allocation goes through it, each may fail, none happens after warm-up, nothing leaks.
#include "Fixture.h"
#include "runtime/Program/Monitor.h"
#include <cstdlib>
#include <map>

using namespace lathe::test;

namespace {
// Counts and checks allocations; fails the one with the number `failAt`.
struct Counter {
  uint64_t count = 0, failAt = UINT64_MAX;
  std::map<void *, size_t> live;

  static void *allocate(void *self, size_t size, size_t alignment) {
    auto *counter = static_cast<Counter *>(self);
    if (counter->count++ == counter->failAt)
      return nullptr;
    void *memory = nullptr;
    if (posix_memalign(&memory, std::max(alignment, sizeof(void *)), size))
      return nullptr;
    counter->live[memory] = size;
    return memory;
  }
  static void release(void *self, void *memory, size_t size) {
    auto *counter = static_cast<Counter *>(self);
    EXPECT_TRUE(counter->live.count(memory));
    EXPECT_EQ(counter->live[memory], size);
    counter->live.erase(memory);
    free(memory);
  }
};

// Load, create, run and measure; the first failure.
Outcome everything(Counter &counter, const Aligned &package, const lathe_load_options &load) {
  lathe_allocator allocator = {&counter, Counter::allocate, Counter::release};
  lathe_runtime_options options = {};
  options.struct_size = sizeof options;
  options.allocator = &allocator;
  options.threads = 2;
  lathe_runtime *rawRuntime;
  Outcome outcome = api().runtime_create(&options, &rawRuntime);
  Runtime runtime(rawRuntime);
  if (outcome.code)
    return outcome;
  lathe_program *rawProgram;
  outcome = api().program_load(rawRuntime, &load, &rawProgram);
  Program program(rawProgram);
  if (outcome.code)
    return outcome;
  lathe_context_options contextSettings = contextOptions();
  contextSettings.monitor = 1;
  contextSettings.trace_capacity = 10;
  contextSettings.max_batch = 7;
  lathe_context *rawContext;
  outcome = api().context_create(rawProgram, &contextSettings, &rawContext);
  Context context(rawContext);
  if (outcome.code)
    return outcome;
  GatherCase c(6, 5);
  c.bind(rawContext);
  outcome = api().run(rawContext);
  if (outcome.code == LATHE_OK)
    c.expectOutput(rawContext);
  return outcome;
}
} // namespace

TEST(Allocation, EachMayFail) {
  Model model = gatherModel();
  model.weights.push_back({"random", lathe::package::ElementType::f32, 64, 0, 0, 4, 4, 0, true, 1, 1, 1.0f});
  Aligned package(assemble(buildTable(model), gatherSegments()));
  for (lathe_verify verify : {LATHE_VERIFY_EAGER, LATHE_VERIFY_LAZY}) {
    lathe_load_options load = loadOptions(package, verify);
    uint64_t failAt = 0;
    for (;; ++failAt) {
      Counter counter;
      counter.failAt = failAt;
      Outcome outcome = everything(counter, package, load);
      EXPECT_TRUE(counter.live.empty()) << counter.live.size() << " leaked when allocation " << failAt << " failed";
      if (counter.count <= failAt) {
        EXPECT_EQ(outcome.code, LATHE_OK) << outcome;
        break;
      }
      EXPECT_EQ(outcome.code, LATHE_OUT_OF_MEMORY) << outcome;
    }
    EXPECT_GT(failAt, 20u);
  }
}

TEST(Allocation, FailuresOfFailuresToo) {
  Bytes bytes = gatherPackage();
  bytes[200] ^= 1;
  Aligned package(bytes);
  lathe_load_options load = loadOptions(package);
  for (uint64_t failAt = 0;; ++failAt) {
    Counter counter;
    counter.failAt = failAt;
    Outcome outcome = everything(counter, package, load);
    EXPECT_TRUE(counter.live.empty());
    if (counter.count <= failAt) {
      EXPECT_EQ(outcome.code, LATHE_CORRUPT) << outcome;
      break;
    }
    EXPECT_EQ(outcome.code, LATHE_OUT_OF_MEMORY) << outcome;
  }
}

TEST(Allocation, NoneAfterWarmUp) {
  Counter counter;
  lathe_allocator allocator = {&counter, Counter::allocate, Counter::release};
  lathe_runtime_options options = {};
  options.struct_size = sizeof options;
  options.allocator = &allocator;
  options.threads = 2;
  lathe_runtime *rawRuntime;
  EXPECT_OK(api().runtime_create(&options, &rawRuntime));
  Runtime runtime(rawRuntime);
  Aligned package(gatherPackage());
  Program program = makeProgram(rawRuntime, package);
  lathe_context_options contextSettings = contextOptions();
  contextSettings.monitor = 1;
  contextSettings.trace_capacity = 16;
  Context context = makeContext(program.get(), contextSettings);
  auto run = [&](int64_t batch, int64_t sequence) {
    GatherCase c(batch, sequence, batch + sequence);
    c.bind(context.get());
    EXPECT_OK(api().run(context.get()));
    c.expectOutput(context.get());
  };
  run(4, 16); // the largest shape
  run(3, 5);
  uint64_t before = counter.count;
#if defined(__has_feature) && (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
  const int runs = 2000; // the sanitizers' own memory grows
#else
  const int runs = 100000;
#endif
  uint64_t resident = lathe::runtime::residentBytes();
  for (int i = 0; i < runs; ++i)
    run((i * 7) % 5, (i * 11) % 17);
  EXPECT_EQ(counter.count, before);
  if (runs == 100000)
    EXPECT_LT(lathe::runtime::residentBytes(), resident + (1 << 20));
}
