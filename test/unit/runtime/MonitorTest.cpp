// Latencies, percentiles, traces and profiler callbacks.
#include "runtime/Program/Monitor.h"
#include "Fixture.h"
#include <algorithm>
#include <random>

using namespace lathe::test;

TEST(Histogram, PercentilesAreWithinFourPercent) {
  lathe::runtime::Histogram histogram;
  std::mt19937_64 random(7);
  std::vector<uint64_t> values;
  for (int i = 0; i < 10000; ++i) {
    values.push_back(uint64_t(1) << (random() % 34) | random() % 1000);
    histogram.add(values.back());
  }
  std::sort(values.begin(), values.end());
  lathe_latency latency = {};
  histogram.summarize(latency);
  EXPECT_EQ(latency.count, 10000u);
  EXPECT_EQ(latency.min, values.front());
  EXPECT_EQ(latency.max, values.back());
  auto near = [](uint64_t got, uint64_t expected) {
    EXPECT_LE(std::max(got, expected) - std::min(got, expected), expected / 25) << got << " " << expected;
  };
  near(latency.p50, values[4999]);
  near(latency.p90, values[8999]);
  near(latency.p95, values[9499]);
  near(latency.p99, values[9899]);
}

TEST(Histogram, ExtremesStayInside) {
  lathe::runtime::Histogram histogram;
  lathe_latency latency = {};
  histogram.summarize(latency);
  EXPECT_EQ(latency.p99, 0u);
  histogram.add(UINT64_MAX);
  histogram.add(0);
  histogram.summarize(latency);
  EXPECT_EQ(latency.min, 0u);
  EXPECT_EQ(latency.max, UINT64_MAX);
}

TEST(Monitor, RunsAndLaunchesAreMeasured) {
  Aligned package(gatherPackage());
  Runtime runtime = makeRuntime();
  Program program = makeProgram(runtime.get(), package);
  struct Calls {
    std::string text;
  } calls;
  lathe_profiler profiler = {
      &calls, [](void *self, uint32_t launch) { static_cast<Calls *>(self)->text += "b" + std::to_string(launch); },
      [](void *self, uint32_t launch, uint64_t) { static_cast<Calls *>(self)->text += "e" + std::to_string(launch); }};
  lathe_context_options options = contextOptions();
  options.monitor = 1;
  options.trace_capacity = 4;
  options.profiler = &profiler;
  Context context = makeContext(program.get(), options);
  GatherCase c(2, 8);
  c.bind(context.get());
  for (int i = 0; i < 3; ++i)
    EXPECT_OK(api().run(context.get()));
  EXPECT_EQ(calls.text, "b0e0b1e1b0e0b1e1b0e0b1e1");
  lathe_latency run = {}, launch = {};
  run.struct_size = launch.struct_size = sizeof run;
  EXPECT_OK(api().run_latency(context.get(), &run));
  EXPECT_OK(api().launch_latency(context.get(), 1, &launch));
  EXPECT_EQ(run.count, 3u);
  EXPECT_EQ(launch.count, 3u);
  EXPECT_GE(run.min, launch.min);
  EXPECT_LE(run.min, run.max);
  EXPECT_DOUBLE_EQ(run.average, static_cast<double>(run.total) / 3);
  lathe_monitor monitor = {};
  monitor.struct_size = sizeof monitor;
  EXPECT_OK(api().monitor(context.get(), &monitor));
  EXPECT_GT(monitor.resident, 0u);
  EXPECT_EQ(monitor.arena, 256u);

  std::string trace;
  EXPECT_OK(api().trace(
      context.get(),
      [](void *self, const char *text, size_t size) { static_cast<std::string *>(self)->append(text, size); }, &trace));
  // The ring keeps the latest four: the second run, and the third with its launches.
  EXPECT_EQ(std::count(trace.begin(), trace.end(), 'X'), 4);
  EXPECT_NE(trace.find("{\"ph\":\"X\",\"pid\":1,\"tid\":1,\"name\":\"scale\",\"args\":{\"nodes\":[\"mask/Mul\",\"gain/"
                       "Mul\"]},\"ts\":"),
            std::string::npos)
      << trace;
  EXPECT_OK(api().monitor_reset(context.get()));
  EXPECT_OK(api().run_latency(context.get(), &run));
  EXPECT_EQ(run.count, 0u);
}

TEST(Monitor, IsOffUnlessAskedFor) {
  Aligned package(gatherPackage());
  Runtime runtime = makeRuntime();
  Program program = makeProgram(runtime.get(), package);
  Context context = makeContext(program.get());
  lathe_latency latency = {};
  latency.struct_size = sizeof latency;
  EXPECT_FAILS(api().run_latency(context.get(), &latency), LATHE_INVALID_ARGUMENT, "monitor = 1");
}
