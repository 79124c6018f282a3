// One program, many threads, each with its own context; meant for ThreadSanitizer.
#include "Fixture.h"
#include <thread>

using namespace lathe::test;

TEST(Shared, ThreadsRunOneProgram) {
  Aligned package(gatherPackage());
  for (uint32_t poolThreads : {1, 3}) {
    Runtime runtime = makeRuntime(poolThreads);
    lathe_load_options options = loadOptions(package, LATHE_VERIFY_LAZY); // the first touches race
    lathe_program *raw;
    EXPECT_OK(api().program_load(runtime.get(), &options, &raw));
    Program program(raw);
    std::vector<std::thread> threads;
    for (int t = 0; t < 6; ++t)
      threads.emplace_back([&, t] {
        api().program_retain(program.get());
        Program mine(program.get());
        Context context = makeContext(mine.get());
        for (int i = 0; i < 100; ++i) {
          GatherCase c(1 + (i + t) % 4, 1 + i % 16, t);
          c.bind(context.get());
          EXPECT_OK(api().run(context.get()));
          c.expectOutput(context.get());
        }
      });
    for (std::thread &thread : threads)
      thread.join();
  }
}

TEST(Shared, CancelRacesWithRuns) {
  Aligned package(gatherPackage());
  Runtime runtime = makeRuntime(2);
  Program program = makeProgram(runtime.get(), package);
  Context context = makeContext(program.get());
  std::thread canceller([&] {
    for (int i = 0; i < 200; ++i)
      api().cancel(context.get());
  });
  GatherCase c(4, 16);
  c.bind(context.get());
  for (int i = 0; i < 200; ++i) {
    Outcome outcome = api().run(context.get());
    EXPECT_TRUE(outcome.code == LATHE_OK || outcome.code == LATHE_CANCELLED) << outcome;
  }
  canceller.join();
  api().reset_cancel(context.get());
  EXPECT_OK(api().run(context.get()));
  c.expectOutput(context.get());
}
