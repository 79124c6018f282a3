// Programs on a CUDA device, here the emulated one: results, graphs, buckets, streams, device memory, faults.
#include "CudaSpy.h"
#include "runtime/Cuda/Bucket.h"
#include "runtime/Package/RandomWeights.h"
#include <algorithm>
#include <chrono>
#include <thread>

using namespace lathe::test;
namespace cuda = lathe::cuda;
namespace package = lathe::package;

#if !defined(__has_feature) || !(__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#define COUNTS_MALLOC 1
static thread_local uint64_t mallocs = 0;
extern "C" void *__libc_malloc(size_t size);
extern "C" void *malloc(size_t size) {
  ++mallocs;
  return __libc_malloc(size);
}
#else
static uint64_t mallocs = 0;
#endif

namespace {
struct Cuda : testing::Test {
  Cuda() : package(cudaPackage()), runtime(makeCudaRuntime()), spy(runtime.get()) { load(package); }
  ~Cuda() override {
    context.reset();
    program.reset();
    runtime.reset();
    EXPECT_TRUE(spy.live().empty()) << spy.live().begin()->first;
  }
  void load(const Aligned &from) {
    lathe_load_options options = cudaOptions(from);
    lathe_program *raw;
    EXPECT_OK(api().program_load(runtime.get(), &options, &raw));
    program.reset(raw);
  }
  void create(const lathe_context_options &options = contextOptions()) {
    context = makeContext(program.get(), options);
  }
  void run(int64_t batch, int64_t sequence) {
    GatherCase c(batch, sequence, batch + sequence);
    c.bind(context.get());
    EXPECT_OK(api().run(context.get()));
    c.expectOutput(context.get());
  }
  // Memory of the device with these values.
  template <class T> void *toDevice(const std::vector<T> &values) {
    cuda::CUdeviceptr memory = allocate(values.size() * sizeof(T));
    EXPECT_EQ(spy.driver->cuMemcpyHtoDAsync(memory, values.data(), values.size() * sizeof(T), nullptr), 0);
    return reinterpret_cast<void *>(memory);
  }
  cuda::CUdeviceptr allocate(size_t bytes) {
    if (!pushed) {
      cuda::CUcontext primary;
      EXPECT_EQ(spy.driver->cuDevicePrimaryCtxRetain(&primary, 0), 0);
      EXPECT_EQ(spy.driver->cuCtxPushCurrent(primary), 0);
      pushed = true;
    }
    cuda::CUdeviceptr memory = 0;
    EXPECT_EQ(spy.driver->cuMemAlloc(&memory, bytes), 0);
    blocks.push_back(memory);
    return memory;
  }
  template <class T> std::vector<T> fromDevice(const void *memory, size_t count) {
    std::vector<T> values(count);
    EXPECT_EQ(spy.driver->cuMemcpyDtoHAsync(values.data(), reinterpret_cast<cuda::CUdeviceptr>(memory),
                                            count * sizeof(T), nullptr),
              0);
    return values;
  }
  void TearDown() override {
    context.reset();
    for (cuda::CUdeviceptr block : blocks)
      spy.driver->cuMemFree(block);
    if (pushed) {
      cuda::CUcontext old;
      spy.driver->cuCtxPopCurrent(&old);
      spy.driver->cuDevicePrimaryCtxRelease(0);
    }
  }

  Aligned package;
  Runtime runtime;
  CudaSpy spy;
  Program program;
  Context context;
  std::vector<cuda::CUdeviceptr> blocks;
  bool pushed = false;
};
} // namespace

TEST_F(Cuda, GivesWhatTheModelSays) {
  create();
  for (auto [batch, sequence] : {std::pair(2, 5), {4, 16}, {1, 1}, {3, 7}, {0, 5}, {4, 0}, {4, 16}, {2, 5}})
    run(batch, sequence);
  lathe_program_info info = {};
  info.struct_size = sizeof info;
  EXPECT_OK(api().program_info(program.get(), &info));
  EXPECT_STREQ(info.device, "cuda:0");
  EXPECT_STREQ(info.target, "cuda-sim");
  EXPECT_EQ(info.device_weight_bytes, 512u); // 160 and 16 bytes, each a multiple of 256
}

TEST_F(Cuda, TheCpuIsTheDefaultWhereItRunsThePackage) {
  lathe_load_options options = loadOptions(package);
  Runtime other = makeRuntime(); // would fail if it opened a driver
  Program onCpu = makeProgram(other.get(), package);
  lathe_program_info info = {};
  info.struct_size = sizeof info;
  EXPECT_OK(api().program_info(onCpu.get(), &info));
  EXPECT_STREQ(info.device, "cpu");
  options.target = "cuda-sim"; // names the device too
  lathe_program *raw;
  EXPECT_OK(api().program_load(runtime.get(), &options, &raw));
  Program onDevice(raw);
  EXPECT_OK(api().program_info(raw, &info));
  EXPECT_STREQ(info.device, "cuda:0");
}

TEST_F(Cuda, AGraphIsMadeOncePerBucketAndServesItsShapes) {
  create();
  spy.reset();
  run(4, 16);
  EXPECT_EQ(spy.launched, (std::vector<std::string>{"gather_rows", "scale_rows"}));
  EXPECT_EQ(spy.calls("cuGraphInstantiate"), 1u);
  for (int64_t sequence : {13, 14, 15, 16})
    run(4, sequence);
  EXPECT_EQ(spy.calls("cuGraphInstantiate"), 1u);
  EXPECT_EQ(spy.calls("cuGraphLaunch"), 5u);
  run(4, 12);
  EXPECT_EQ(spy.calls("cuGraphInstantiate"), 2u);
  run(4, 16);
  EXPECT_EQ(spy.calls("cuGraphInstantiate"), 2u);
  EXPECT_EQ(spy.launched.size(), 4u);
}

TEST_F(Cuda, MemoryGrowsWithTheBucketsAndIsWhatMemorySays) {
  create();
  lathe_monitor monitor = {};
  monitor.struct_size = sizeof monitor;
  for (auto [batch, sequence] : {std::pair<int64_t, int64_t>(1, 1), {4, 16}, {2, 3}}) {
    run(batch, sequence);
    EXPECT_OK(api().monitor(context.get(), &monitor));
    int64_t symbols[] = {batch, sequence};
    lathe_memory memory = {};
    memory.struct_size = sizeof memory;
    EXPECT_OK(api().memory(program.get(), 0, symbols, 1, &memory));
    if (batch == 2) { // smaller than before
      EXPECT_GT(monitor.arena, memory.arena);
      continue;
    }
    EXPECT_EQ(monitor.arena, memory.arena);
    EXPECT_EQ(monitor.staging, memory.staging);
    EXPECT_EQ(monitor.scratch, 64u);
    EXPECT_EQ(memory.peak, memory.arena + memory.scratch + memory.staging + 512);
  }
}

TEST_F(Cuda, GivenBucketsBoundTheShapes) {
  lathe_symbol_value small[] = {{"batch", 1}, {"sequence", 8}}, large[] = {{"sequence", 12}};
  lathe_bucket buckets[] = {{large, 1}, {small, 2}};
  lathe_context_options options = contextOptions();
  options.buckets = buckets;
  options.bucket_count = 2;
  options.reserve = LATHE_RESERVE_FIXED;
  spy.reset();
  create(options);
  EXPECT_EQ(spy.calls("cuGraphInstantiate"), 2u);
  spy.reset();
  run(1, 8);
  run(4, 12);
  run(1, 3);
  EXPECT_EQ(spy.calls("cuGraphInstantiate") + spy.calls("cuMemAlloc") + spy.calls("cuMemHostAlloc"), 0u);
  GatherCase c(2, 13);
  c.bind(context.get());
  EXPECT_FAILS(api().run(context.get()), LATHE_CAPACITY,
               "none of the context's 2 buckets holds batch = 2, sequence = 13");
  run(2, 2);

  lathe_context *raw;
  large[0].value = 17;
  EXPECT_FAILS(api().context_create(program.get(), &options, &raw), LATHE_SHAPE, "17 for 'sequence'");
  large[0].name = "width";
  EXPECT_FAILS(api().context_create(program.get(), &options, &raw), LATHE_INVALID_ARGUMENT, "no symbol 'width'");
  options.bucket_count = 65;
  EXPECT_FAILS(api().context_create(program.get(), &options, &raw), LATHE_INVALID_ARGUMENT, "at most 64 buckets");
}

TEST(CudaBucket, SizesAreRoundedByAThirdAtMost) {
  std::vector<int64_t> got;
  for (int64_t value : {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 96, 97, 384, 500})
    got.push_back(cuda::roundToBucket(value, 512));
  EXPECT_EQ(got, (std::vector<int64_t>{1, 1, 2, 3, 4, 6, 6, 8, 8, 12, 12, 16, 96, 128, 384, 512}));
  EXPECT_EQ(cuda::roundToBucket(300, 310), 310);
  EXPECT_EQ(cuda::roundToBucket(0, 0), 0);
  for (int64_t value : {INT64_MAX, INT64_MAX / 2, INT64_MAX / 3})
    EXPECT_EQ(cuda::roundToBucket(value, value), value);
  for (int64_t value = 4; value < 5000; ++value)
    EXPECT_LT(cuda::roundToBucket(value, 1 << 20), value + value / 2);
}

// A size that falls while a symbol grows: the bucket's is too small, so the shape becomes a bucket of its own.
TEST_F(Cuda, ShapesThatABucketDoesNotCoverGetTheirOwn) {
  Model model = cudaModel();
  Expr tokens = symbol(0) * symbol(1), spare = Expr(64) - symbol(1); // of the grid
  model.kernels[0].variants[1].tiles = ceildiv(tokens, 32) + spare;
  Aligned odd(assemble(buildTable(model), cudaSegments()));
  load(odd);
  create();
  spy.reset();
  run(4, 14);
  run(4, 13);
  run(4, 14);
  EXPECT_EQ(spy.calls("cuGraphInstantiate"), 2u);
}

TEST_F(Cuda, TensorsMayBeInTheDevicesMemory) {
  create();
  GatherCase c(3, 7);
  lathe_tensor ids = tensor(LATHE_I64, toDevice(c.ids), {3, 7}), mask = tensor(LATHE_F32, c.mask.data(), {3, 7});
  void *y = reinterpret_cast<void *>(allocate(c.expected.size() * 4));
  EXPECT_OK(api().set_input_device(context.get(), 0, &ids));
  EXPECT_OK(api().set_input(context.get(), 1, &mask));
  EXPECT_OK(api().set_output_device(context.get(), 0, y, c.expected.size() * 4));
  EXPECT_OK(api().run(context.get()));
  EXPECT_EQ(fromDevice<float>(y, c.expected.size()), c.expected);
  lathe_tensor out;
  EXPECT_OK(api().output(context.get(), 0, &out));
  EXPECT_EQ(out.data, y);

  // In the context's own memory there, then back on the host.
  spy.reset();
  EXPECT_OK(api().set_output_device(context.get(), 0, nullptr, 0));
  EXPECT_OK(api().run(context.get()));
  EXPECT_OK(api().output(context.get(), 0, &out));
  EXPECT_NE(out.data, y);
  EXPECT_EQ(fromDevice<float>(out.data, c.expected.size()), c.expected);
  EXPECT_OK(api().set_output(context.get(), 0, nullptr, 0));
  EXPECT_OK(api().run(context.get()));
  c.expectOutput(context.get());
  EXPECT_EQ(spy.calls("cuGraphInstantiate"), 0u); // addresses are not part of the graph

  EXPECT_OK(api().set_output_device(context.get(), 0, y, c.expected.size() * 4 - 1));
  EXPECT_FAILS(api().run(context.get()), LATHE_CAPACITY, "output 'y' needs 336 bytes, its buffer has 335");
  EXPECT_FAILS(api().set_input_device(context.get(), 1, &mask), LATHE_INVALID_ARGUMENT,
               "input 'mask': its data is not memory that the device");
  EXPECT_FAILS(api().set_output_device(context.get(), 0, c.mask.data(), 64), LATHE_INVALID_ARGUMENT, "output 'y'");
  EXPECT_FAILS(api().set_input_device(context.get(), 9, &ids), LATHE_INVALID_ARGUMENT, "input 9 does not exist");

  Runtime other = makeRuntime();
  Program onCpu = makeProgram(other.get(), package);
  Context cpu = makeContext(onCpu.get());
  EXPECT_FAILS(api().set_input_device(cpu.get(), 0, &ids), LATHE_INVALID_ARGUMENT, "the program runs on the CPU");
}

TEST_F(Cuda, RunsQueueUp) {
  create();
  GatherCase first(3, 7), second(3, 7, 5);
  std::vector<float> a(first.expected.size()), b(a.size());
  first.bind(context.get());
  EXPECT_OK(api().set_output(context.get(), 0, a.data(), a.size() * 4));
  EXPECT_OK(api().run_async(context.get()));
  std::fill(first.ids.begin(), first.ids.end(), 99); // has been read
  second.bind(context.get());
  EXPECT_OK(api().set_output(context.get(), 0, b.data(), b.size() * 4));
  EXPECT_OK(api().run_async(context.get()));
  EXPECT_OK(api().wait(context.get()));
  EXPECT_EQ(b, second.expected);
  EXPECT_OK(api().wait(context.get())); // nothing to wait for

  // Another shape ends the runs before, which leave their outputs.
  first = GatherCase(3, 7);
  first.bind(context.get());
  EXPECT_OK(api().set_output(context.get(), 0, a.data(), a.size() * 4));
  EXPECT_OK(api().run_async(context.get()));
  GatherCase third(4, 16);
  third.bind(context.get());
  EXPECT_OK(api().set_output(context.get(), 0, nullptr, 0));
  EXPECT_OK(api().run_async(context.get()));
  EXPECT_EQ(a, first.expected);
  EXPECT_OK(api().wait(context.get()));
  third.expectOutput(context.get());
}

TEST_F(Cuda, RunsOnTheCallersStream) {
  cuda::CUstream stream;
  allocate(1); // makes a context current
  ASSERT_EQ(spy.driver->cuStreamCreate(&stream, 0), 0);
  lathe_context_options options = contextOptions();
  options.stream = stream;
  create(options);
  GatherCase c(2, 5);
  std::vector<int64_t> zeros(c.ids.size());
  void *ids = toDevice(zeros);
  lathe_tensor idTensor = tensor(LATHE_I64, ids, {2, 5}), mask = tensor(LATHE_F32, toDevice(c.mask), {2, 5});
  void *y = reinterpret_cast<void *>(allocate(c.expected.size() * 4));
  EXPECT_OK(api().set_input_device(context.get(), 0, &idTensor));
  EXPECT_OK(api().set_input_device(context.get(), 1, &mask));
  EXPECT_OK(api().set_output_device(context.get(), 0, y, c.expected.size() * 4));
  // The input is written by work on the stream, and the output read by it.
  ASSERT_EQ(
      spy.driver->cuMemcpyHtoDAsync(reinterpret_cast<cuda::CUdeviceptr>(ids), c.ids.data(), c.ids.size() * 8, stream),
      0);
  EXPECT_OK(api().run_async(context.get()));
  std::vector<float> got(c.expected.size());
  ASSERT_EQ(spy.driver->cuMemcpyDtoHAsync(got.data(), reinterpret_cast<cuda::CUdeviceptr>(y), got.size() * 4, stream),
            0);
  ASSERT_EQ(spy.driver->cuStreamSynchronize(stream), 0);
  EXPECT_EQ(got, c.expected);
  EXPECT_OK(api().wait(context.get()));
  context.reset();
  EXPECT_EQ(spy.driver->cuStreamDestroy(stream), 0);
}

TEST_F(Cuda, AFaultIsReportedAsOnTheCpu) {
  create();
  Runtime cpuRuntime = makeRuntime();
  Program cpuProgram = makeProgram(cpuRuntime.get(), package);
  Context cpu = makeContext(cpuProgram.get());
  GatherCase c(2, 5);
  c.ids[7] = 10;
  c.bind(cpu.get());
  Outcome expected = api().run(cpu.get());
  c.bind(context.get());
  Outcome got = api().run(context.get());
  EXPECT_EQ(got.code, LATHE_FAULT);
  EXPECT_EQ(got.message, expected.message);
  EXPECT_EQ(got.node, expected.node);
  run(2, 5); // the context stays usable

  // The first of queued runs, and only once.
  c.bind(context.get());
  EXPECT_OK(api().run_async(context.get()));
  GatherCase good(2, 5);
  good.bind(context.get());
  EXPECT_OK(api().run_async(context.get()));
  GatherCase larger(4, 16);
  larger.bind(context.get());
  EXPECT_OK(api().run_async(context.get()));
  EXPECT_EQ(Outcome(api().wait(context.get())).code, LATHE_FAULT);
  EXPECT_OK(api().wait(context.get()));
  run(4, 16);
}

TEST_F(Cuda, CancelStopsTheNextRun) {
  create();
  GatherCase c(2, 5);
  c.bind(context.get());
  api().cancel(context.get());
  EXPECT_EQ(Outcome(api().run(context.get())).code, LATHE_CANCELLED);
  run(2, 5);
}

TEST_F(Cuda, LargerBatchesRunInSlices) {
  lathe_context_options options = contextOptions();
  options.max_batch = 9;
  for (lathe_reserve reserve : {LATHE_RESERVE_GROW, LATHE_RESERVE_FIXED}) {
    options.reserve = reserve;
    create(options);
    run(9, 5); // of at most 4 rows: three slices
    run(4, 5);
    run(6, 3);
    GatherCase tooLarge(10, 5);
    tooLarge.bind(context.get());
    EXPECT_FAILS(api().run(context.get()), LATHE_SHAPE, "max_batch");
  }

  // The last slice may be at work still when the next run begins, which moves the outputs.
  create(options);
  GatherCase first(5, 2), second(9, 7);
  std::vector<float> a(first.expected.size());
  first.bind(context.get());
  EXPECT_OK(api().set_output(context.get(), 0, a.data(), a.size() * 4));
  EXPECT_OK(api().run_async(context.get()));
  second.bind(context.get());
  EXPECT_OK(api().set_output(context.get(), 0, nullptr, 0));
  EXPECT_OK(api().run_async(context.get()));
  EXPECT_EQ(a, first.expected);
  EXPECT_OK(api().wait(context.get()));
  second.expectOutput(context.get());

  // In the device's memory; results only where the caller has some.
  lathe_tensor ids = tensor(LATHE_I64, toDevice(second.ids), {9, 7}),
               mask = tensor(LATHE_F32, toDevice(second.mask), {9, 7});
  void *y = reinterpret_cast<void *>(allocate(second.expected.size() * 4));
  EXPECT_OK(api().set_input_device(context.get(), 0, &ids));
  EXPECT_OK(api().set_input_device(context.get(), 1, &mask));
  EXPECT_OK(api().set_output_device(context.get(), 0, y, second.expected.size() * 4));
  EXPECT_OK(api().run(context.get()));
  EXPECT_EQ(fromDevice<float>(y, second.expected.size()), second.expected);
  EXPECT_OK(api().set_output_device(context.get(), 0, nullptr, 0));
  EXPECT_FAILS(api().run(context.get()), LATHE_UNSUPPORTED, "needs the caller's memory");

  // Faults name the row of the whole batch.
  GatherCase bad(9, 5);
  bad.ids[7 * 5 + 2] = 99;
  bad.bind(context.get());
  EXPECT_OK(api().set_output(context.get(), 0, nullptr, 0));
  EXPECT_FAILS(api().run(context.get()), LATHE_FAULT, "element [7, 2] is 99");
  run(9, 5);
}

TEST_F(Cuda, PhasesAndLaunchesAreMeasured) {
  std::string calls;
  lathe_profiler profiler = {
      &calls, [](void *self, uint32_t launch) { *static_cast<std::string *>(self) += "b" + std::to_string(launch); },
      [](void *self, uint32_t launch, uint64_t) { *static_cast<std::string *>(self) += "e" + std::to_string(launch); }};
  lathe_context_options options = contextOptions();
  options.monitor = 1;
  options.profiler = &profiler;
  for (int32_t stepwise : {0, 1}) {
    options.time_launches = stepwise;
    create(options);
    spy.reset();
    for (int i = 0; i < 3; ++i)
      run(2, 5);
    lathe_latency latency = {};
    latency.struct_size = sizeof latency;
    for (lathe_phase phase : {LATHE_PHASE_HOST_TO_DEVICE, LATHE_PHASE_COMPUTE, LATHE_PHASE_DEVICE_TO_HOST}) {
      EXPECT_OK(api().phase_latency(context.get(), phase, &latency));
      EXPECT_EQ(latency.count, 3u);
    }
    EXPECT_OK(api().launch_latency(context.get(), 1, &latency));
    EXPECT_EQ(latency.count, stepwise ? 3u : 0u);
    EXPECT_EQ(calls, stepwise ? "b0e0b1e1b0e0b1e1b0e0b1e1" : "");
    EXPECT_EQ(spy.calls("cuGraphLaunch"), stepwise ? 0u : 3u);
    EXPECT_OK(api().run_latency(context.get(), &latency));
    EXPECT_EQ(latency.count, 3u);
    EXPECT_OK(api().monitor_reset(context.get()));
    EXPECT_OK(api().phase_latency(context.get(), LATHE_PHASE_COMPUTE, &latency));
    EXPECT_EQ(latency.count, 0u);
  }
}

TEST_F(Cuda, WeightsAreCopiedOnceForAllContexts) {
  spy.reset();
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&, i] {
      Context own = makeContext(program.get());
      for (int64_t j = 0; j < 20; ++j) {
        GatherCase c(1 + (i + j) % 4, 1 + j % 16, i + j);
        c.bind(own.get());
        EXPECT_OK(api().run(own.get()));
        c.expectOutput(own.get());
      }
    });
  for (std::thread &thread : threads)
    thread.join();
  EXPECT_EQ(spy.calls("cuModuleLoadData"), 0u);
}

TEST_F(Cuda, TheBucketUsedLongestAgoMakesRoom) {
  Model model = cudaModel();
  model.symbols[1].max = 1 << 10;
  Aligned wide(assemble(buildTable(model), cudaSegments()));
  load(wide);
  create();
  run(4, 1 << 10); // memory for all
  spy.reset();
  int64_t shapes = 0;
  for (int64_t batch = 1; batch <= 4; ++batch)
    for (int64_t sequence = 1; sequence <= 1 << 9; sequence += sequence < 4 ? 1 : sequence / 2, ++shapes)
      run(batch, sequence);
  ASSERT_GE(shapes, 64);
  lathe_monitor monitor = {};
  monitor.struct_size = sizeof monitor;
  EXPECT_OK(api().monitor(context.get(), &monitor));
  EXPECT_EQ(monitor.buckets, 64u);
  EXPECT_EQ(spy.calls("cuGraphExecDestroy"), static_cast<uint64_t>(shapes + 1 - 64));
  uint64_t made = spy.calls("cuGraphInstantiate");
  run(4, 512);
  EXPECT_EQ(spy.calls("cuGraphInstantiate"), made);
  run(4, 1 << 10); // was the first
  EXPECT_EQ(spy.calls("cuGraphInstantiate"), made + 1);
}

TEST_F(Cuda, TensorMapsReachTheirKernels) {
  Model model = cudaModel();
  model.kernels[0].variants[1] = {"gather_fetched",
                                  ceildiv(symbol(0) * symbol(1), 32),
                                  0,
                                  32,
                                  1032,
                                  {{1, package::ElementType::f32, {4, 10}, {16}, {4, 8}}}};
  Aligned fetching(assemble(buildTable(model), cudaSegments()));
  load(fetching);
  create();
  run(4, 16);
  run(3, 7);
}

TEST_F(Cuda, RandomWeightsAreMadeOnTheDeviceToo) {
  Model model = cudaModel();
  model.weights[0] = {"table", package::ElementType::f32, 160, 0, 0, 10, 4, 0, true, 17, 5, 0.5f};
  Aligned random(assemble(buildTable(model), cudaSegments()));
  load(random);
  create();
  GatherCase c(1, 10);
  for (size_t i = 0; i < 40; ++i)
    c.expected[i] = 0.5f * package::randomUnit(17, 5, static_cast<uint64_t>((c.ids[i / 4] + 10) % 10) * 4 + i % 4) *
                    c.mask[i / 4] * static_cast<float>(i % 4 + 1);
  c.bind(context.get());
  EXPECT_OK(api().run(context.get()));
  c.expectOutput(context.get());
}

// A replayed run: no allocation, by whatever way, and little work. The driver's own part is left out here.
TEST_F(Cuda, AReplayedRunAllocatesNothing) {
  struct Counter {
    uint64_t count = 0;
  } counter;
  lathe_allocator allocator = {&counter,
                               [](void *self, size_t size, size_t alignment) {
                                 ++static_cast<Counter *>(self)->count;
                                 void *memory = nullptr;
                                 return posix_memalign(&memory, std::max(alignment, sizeof(void *)), size) ? nullptr
                                                                                                           : memory;
                               },
                               [](void *, void *memory, size_t) { free(memory); }};
  Model model = cudaModel();
  std::vector<Launch> pair = model.entries[0].launches;
  while (model.entries[0].launches.size() < 100) // a model of some size
    model.entries[0].launches.insert(model.entries[0].launches.end(), pair.begin(), pair.end());
  Aligned large(assemble(buildTable(model), cudaSegments()));
  program.reset();
  runtime = makeCudaRuntime(&allocator);
  spy.attach(runtime.get());
  load(large);
  create();
  GatherCase shapes[] = {{4, 16}, {4, 15}, {4, 14}};
  for (const GatherCase &c : shapes) {
    c.bind(context.get());
    EXPECT_OK(api().run(context.get()));
  }
  uint64_t before = counter.count;
  spy.reset();
  for (int i = 0; i < 30; ++i) {
    shapes[i % 3].bind(context.get());
    EXPECT_OK(api().run(context.get()));
    shapes[i % 3].expectOutput(context.get());
  }
  EXPECT_EQ(counter.count, before);
  for (const char *function : {"cuMemAlloc", "cuMemHostAlloc", "cuGraphInstantiate", "cuStreamCreate", "cuEventCreate"})
    EXPECT_EQ(spy.calls(function), 0u) << function;
  uint64_t calls = spy.total;

  lathe_tensor tensors[3][2];
  for (int i = 0; i < 3; ++i) {
    tensors[i][0] = tensor(LATHE_I64, shapes[i].ids.data(), {shapes[i].batch, shapes[i].sequence});
    tensors[i][1] = tensor(LATHE_F32, shapes[i].mask.data(), {shapes[i].batch, shapes[i].sequence});
  }
  spy.stub = true;
  const int runs = 20000;
  for (bool newShape : {false, true}) {
    double best = 1e9;
    uint64_t taken = mallocs;
    for (int round = 0; round < 5; ++round) {
      auto begin = std::chrono::steady_clock::now();
      for (int i = 0; i < runs / 5; ++i) {
        bool good = true;
        for (uint32_t input = 0; input < 2 && newShape; ++input)
          good &= !api().set_input(context.get(), input, &tensors[i % 3][input]);
        if (!good || api().run(context.get()))
          FAIL();
      }
      std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - begin;
      best = std::min(best, took.count() / (runs / 5));
    }
    EXPECT_EQ(mallocs, taken);
    std::printf("host work per replayed run of 100 launches%s: %.3f us and %.1f calls of the driver\n",
                newShape ? " with a new shape" : "", best, static_cast<double>(calls) / 30);
  }
  EXPECT_EQ(counter.count, before);
  spy.stub = false;
}
