// What goes wrong on CUDA devices: drivers, devices, packages that don't fit, hostile packages, every call that fails.
#include "CudaSpy.h"
#include "runtime/Cuda/DeviceProgram.h"
#include "runtime/Cuda/Nvrtc.h"
#include "runtime/Package/Targets.h"
#include <dlfcn.h>

using namespace lathe::test;
using lathe::package::ElementType;
namespace cuda = lathe::cuda;

namespace {
Outcome load(lathe_runtime *runtime, const lathe_load_options &options) {
  lathe_program *raw;
  Outcome outcome = api().program_load(runtime, &options, &raw);
  api().program_release(raw);
  return outcome;
}

Runtime runtimeWith(const char *driver, const char *nvrtc = nullptr) {
  lathe_runtime_options options = {};
  options.struct_size = sizeof options;
  options.threads = 1;
  options.cuda_driver = driver;
  options.nvrtc = nvrtc;
  lathe_runtime *runtime;
  EXPECT_OK(api().runtime_create(&options, &runtime));
  return Runtime(runtime);
}

// All that a program does with the driver; the first failure.
Outcome everything(lathe_runtime *runtime, const Aligned &package) {
  lathe_load_options options = cudaOptions(package);
  lathe_program *rawProgram;
  Outcome outcome = api().program_load(runtime, &options, &rawProgram);
  Program program(rawProgram);
  for (int32_t stepwise : {0, 1}) {
    if (outcome.code)
      return outcome;
    lathe_context_options settings = contextOptions();
    settings.monitor = 1;
    settings.time_launches = stepwise;
    lathe_context *rawContext;
    outcome = api().context_create(rawProgram, &settings, &rawContext);
    Context context(rawContext);
    if (outcome.code)
      return outcome;
    GatherCase small(1, 2), large(4, 16), wrong(4, 16);
    wrong.ids[3] = 77;
    for (const GatherCase *c : {&small, &large, &small}) {
      c->bind(rawContext);
      outcome = api().run(rawContext);
      if (outcome.code)
        return outcome;
      c->expectOutput(rawContext);
    }
    wrong.bind(rawContext);
    outcome = api().run(rawContext);
    if (outcome.code != LATHE_FAULT)
      return outcome;
    EXPECT_OK(api().set_output_device(rawContext, 0, nullptr, 0));
    small.bind(rawContext);
    outcome = api().run_async(rawContext);
    if (outcome.code)
      return outcome;
    outcome = api().run_async(rawContext);
    if (outcome.code)
      return outcome;
    outcome = api().wait(rawContext);
  }
  return outcome;
}
} // namespace

TEST(CudaErrors, EachCallOfTheDriverMayFail) {
  Aligned package(cudaPackage());
  uint64_t failAt = 0, failures = 0;
  for (;; ++failAt) {
    Runtime runtime = makeCudaRuntime();
    CudaSpy spy(runtime.get());
    spy.failAt = failAt;
    Outcome outcome = everything(runtime.get(), package);
    runtime.reset();
    if (spy.failed.empty()) {
      EXPECT_EQ(outcome.code, LATHE_OK) << outcome;
      EXPECT_TRUE(spy.live().empty());
      break;
    }
    // Without a context nothing can be released.
    if (spy.failed != "cuCtxPushCurrent") {
      auto live = spy.live();
      EXPECT_TRUE(live.empty()) << live.begin()->first << " leaks when call " << failAt << ", " << spy.failed
                                << ", fails";
    }
    if (outcome.code == LATHE_OK)
      // Objects that are released whatever the driver says.
      EXPECT_TRUE(spy.failed.find("Destroy") != std::string::npos || spy.failed.find("Free") != std::string::npos ||
                  spy.failed.find("Release") != std::string::npos || spy.failed.find("Unload") != std::string::npos ||
                  spy.failed == "cuCtxPopCurrent" || spy.failed == "cuCtxPushCurrent" ||
                  spy.failed == "cuStreamSynchronize")
          << spy.failed;
    else {
      EXPECT_EQ(outcome.code, LATHE_DEVICE) << outcome;
      EXPECT_TRUE(outcome.mentions("failed: CUDA_ERROR_ILLEGAL_ADDRESS")) << outcome;
      ++failures;
    }
  }
  EXPECT_GT(failures, 80u);
  std::printf("%llu of %llu calls of the driver failed in turn and came back as a status\n",
              static_cast<unsigned long long>(failures), static_cast<unsigned long long>(failAt));
}

TEST(CudaErrors, AMissingDriverIsExplained) {
  Aligned package(cudaPackage());
  Runtime missing = runtimeWith("/nonexistent/libcuda.so");
  Outcome outcome = load(missing.get(), cudaOptions(package));
  EXPECT_EQ(outcome.code, LATHE_UNSUPPORTED);
  EXPECT_TRUE(outcome.mentions("there is no CUDA driver: /nonexistent/libcuda.so: cannot open")) << outcome;
  EXPECT_EQ(load(missing.get(), loadOptions(package)).code, LATHE_OK); // on the CPU
  Runtime other = runtimeWith("libm.so.6");
  outcome = load(other.get(), cudaOptions(package));
  EXPECT_EQ(outcome.code, LATHE_UNSUPPORTED);
  EXPECT_TRUE(outcome.mentions("the CUDA driver 'libm.so.6' lacks cuInit")) << outcome;
}

TEST(CudaErrors, DevicesAreNamedPrecisely) {
  Aligned package(cudaPackage());
  Runtime runtime = makeCudaRuntime();
  lathe_load_options options = cudaOptions(package);
  for (const char *name : {"", "cuda", "cuda:", "cuda:x", "cuda:0x", "gpu:0", "cuda:99999"}) {
    options.device = name;
    Outcome outcome = load(runtime.get(), options);
    EXPECT_EQ(outcome.code, LATHE_INVALID_ARGUMENT) << name;
    EXPECT_TRUE(outcome.mentions("expected a device 'cpu' or 'cuda:0', got '")) << outcome;
  }
  options.device = "cuda:7";
  EXPECT_TRUE(load(runtime.get(), options).mentions("there is no device 'cuda:7', the driver has 1"));
  options.device = "cpu";
  options.target = "cuda-sim";
  EXPECT_EQ(load(runtime.get(), options).code, LATHE_UNSUPPORTED);

  lathe_device_info info = {};
  info.struct_size = sizeof info;
  EXPECT_OK(api().device_info(runtime.get(), "cuda:0", &info));
  EXPECT_STREQ(info.name, "cuda-sim");
  EXPECT_EQ(info.count, 1u);
  EXPECT_GT(info.memory, 0u);
  EXPECT_OK(api().device_info(runtime.get(), "cpu", &info));
  EXPECT_EQ(info.processors, 1u);
  EXPECT_FAILS(api().device_info(runtime.get(), "tpu", &info), LATHE_INVALID_ARGUMENT, "got 'tpu'");
}

TEST(CudaTargets, CubinsRunWhereTheyMay) {
  using lathe::runtime::cubinRank;
  EXPECT_TRUE(cubinRank("cuda:sm_80", 8, 0) && cubinRank("cuda:sm_80", 8, 6) && cubinRank("cuda:sm_80", 8, 9));
  EXPECT_TRUE(cubinRank("cuda:sm_86", 8, 6) && cubinRank("cuda:sm_86", 8, 9) && !cubinRank("cuda:sm_86", 8, 0));
  EXPECT_TRUE(cubinRank("cuda:sm_89", 8, 9) && !cubinRank("cuda:sm_89", 8, 6) && !cubinRank("cuda:sm_89", 9, 0));
  EXPECT_TRUE(cubinRank("cuda:sm_90a", 9, 0) && !cubinRank("cuda:sm_90a", 10, 0) && !cubinRank("cuda:sm_90a", 8, 9));
  EXPECT_TRUE(cubinRank("cuda:sm_100a", 10, 0) && !cubinRank("cuda:sm_100a", 10, 3));
  EXPECT_TRUE(cubinRank("cuda:sm_120a", 12, 0) && !cubinRank("cuda:sm_120a", 12, 1));
  EXPECT_GT(cubinRank("cuda:sm_89", 8, 9), cubinRank("cuda:sm_86", 8, 9));
  EXPECT_GT(cubinRank("cuda:sm_86", 8, 9), cubinRank("cuda:sm_80", 8, 9));
  EXPECT_GT(cubinRank("cuda:sm_90a", 9, 0), cubinRank("cuda:sm_90", 9, 0));
  for (const char *name : {"cuda:sm_", "cuda:sm_9", "cuda:sm_90b", "cuda:sm_90aa", "cuda:sm_a", "cuda:sm_900000000090",
                           "cuda-sim", "cuda:source", "x86-64", "cuda:sm_90 "})
    EXPECT_EQ(cubinRank(name, 9, 0), 0) << name;
}

TEST(CudaErrors, APackageThatDoesNotFitTheDeviceSaysWhatItHas) {
  Runtime runtime = makeCudaRuntime();
  CudaSpy spy(runtime.get());
  spy.name = "NVIDIA H200";
  spy.major = 9;
  Model model = cudaModel();
  auto outcomeOf = [&](std::vector<Target> targets) {
    model.targets = std::move(targets);
    for (Kernel &kernel : model.kernels)
      kernel.variants.resize(model.targets.size(), kernel.variants[1]);
    std::vector<SegmentData> segments = cudaSegments();
    segments.push_back({lathe::package::SegmentKind::CudaSource, 0, 8, Bytes{'x'}});
    Aligned package(assemble(buildTable(model), segments));
    return load(runtime.get(), cudaOptions(package));
  };
  Outcome none = outcomeOf({{"x86-64", 0}, {"cuda-sim", 4}, {"cuda:sm_80", 4, 12000}, {"cuda:sm_100a", 4, 12090}});
  EXPECT_EQ(none.code, LATHE_UNSUPPORTED);
  EXPECT_TRUE(
      none.mentions("the package has no code for device cuda:0, 'NVIDIA H200' (sm_90) with driver 13.0; it has: "
                    "x86-64, cuda-sim, cuda:sm_80 (driver 12.0), cuda:sm_100a (driver 12.9); hint: compile for "
                    "this device"))
      << none;
  Outcome old = outcomeOf({{"x86-64", 0}, {"cuda:sm_90a", 4, 13010}});
  EXPECT_TRUE(old.mentions("cuda:sm_90a (driver 13.1); hint: update the driver")) << old;
  // The best is taken, of the segment's kind, and then the device's loader says that this is host code.
  Outcome taken = outcomeOf({{"x86-64", 0}, {"cuda:sm_90", 4}, {"cuda:sm_90a", 4}, {"cuda:source", 5}});
  EXPECT_EQ(taken.code, LATHE_CORRUPT);
  EXPECT_TRUE(taken.mentions("its code for 'cuda:sm_90a' is not an ELF file for the device")) << taken;
  runtime = runtimeWith(LATHE_CUDA_SIM_LIBRARY, "/nonexistent/libnvrtc.so");
  spy.attach(runtime.get());
  Outcome source = outcomeOf({{"x86-64", 0}, {"cuda:sm_80", 4}, {"cuda:source", 5}});
  EXPECT_EQ(source.code, LATHE_UNSUPPORTED);
  EXPECT_TRUE(source.mentions("there is no NVRTC to compile it: /nonexistent/libnvrtc.so")) << source;
}

TEST(CudaSource, IsCompiledForTheDevice) {
#if defined(__has_feature) && __has_feature(address_sanitizer)
  GTEST_SKIP() << "NVRTC leaks";
#endif
  const char *library = nullptr;
  for (const char *candidate : {"libnvrtc.so.13", "libnvrtc.so.12", "/usr/local/cuda/lib64/libnvrtc.so.13",
                                "/usr/local/cuda/lib64/libnvrtc.so.12"})
    if (void *handle = library ? nullptr : dlopen(candidate, RTLD_LAZY)) {
      library = candidate;
      dlclose(handle);
    }
  if (!library)
    GTEST_SKIP() << "there is no NVRTC here";
  lathe::runtime::Allocator allocator;
  for (auto [major, minor] : {std::pair(8, 6), {9, 0}}) {
    lathe::runtime::Array<uint8_t> cubin;
    const char *source = "extern \"C\" __global__ void k0(float *x) { x[threadIdx.x] *= 2; }";
    Outcome compiled = cuda::compileSource(allocator, library, source, major, minor, cubin).take();
    EXPECT_EQ(compiled.code, LATHE_OK) << compiled;
    EXPECT_TRUE(cuda::isDeviceElf(cubin.data(), cubin.size(), false));
    EXPECT_FALSE(cuda::isDeviceElf(cubin.data(), cubin.size() - 1, false));
    EXPECT_FALSE(cuda::isDeviceElf(cubin.data(), cubin.size(), true));
    Outcome wrong = cuda::compileSource(allocator, library, "void k0() { y; }", major, minor, cubin).take();
    EXPECT_EQ(wrong.code, LATHE_UNSUPPORTED);
    EXPECT_TRUE(wrong.mentions("NVRTC_ERROR_COMPILATION: package.cu(1): error: identifier \"y\" is undefined"))
        << wrong;
  }
}

TEST(CudaErrors, AnUnknownTargetIsKeptAndNeverRun) {
  Model model = cudaModel();
  model.targets.push_back({"vulkan:1.3", 3});
  for (Kernel &kernel : model.kernels)
    kernel.variants.push_back({"main", 1, 0});
  Aligned package(assemble(buildTable(model), cudaSegments()));
  Runtime runtime = makeCudaRuntime();
  EXPECT_EQ(load(runtime.get(), loadOptions(package)).code, LATHE_OK);
  EXPECT_EQ(load(runtime.get(), cudaOptions(package)).code, LATHE_OK);
  lathe_load_options options = loadOptions(package);
  options.target = "vulkan:1.3";
  EXPECT_EQ(load(runtime.get(), options).code, LATHE_UNSUPPORTED);
}

TEST(CudaErrors, OnlyTheDevicesSegmentIsRead) {
  std::vector<SegmentData> segments = cudaSegments();
  Bytes package = assemble(buildTable(cudaModel()), segments);
  // The CPU's code is the first segment; a changed byte of it goes unnoticed.
  size_t code = 0;
  while (memcmp(&package[code], segments[0].bytes.data(), 64))
    ++code;
  package[code + 100] ^= 1;
  Aligned aligned(package);
  Runtime runtime = makeCudaRuntime();
  lathe_load_options options = cudaOptions(aligned);
  options.verify = LATHE_VERIFY_LAZY;
  EXPECT_EQ(load(runtime.get(), options).code, LATHE_OK);
  options.device = "cpu";
  EXPECT_EQ(load(runtime.get(), options).code, LATHE_CORRUPT);
}

TEST(CudaErrors, HostilePackagesAreRefused) {
  Runtime runtime = makeCudaRuntime();
  auto outcomeOf = [&](auto spoil) {
    Model model = cudaModel();
    std::vector<SegmentData> segments = cudaSegments();
    spoil(model, segments);
    Aligned package(assemble(buildTable(model), segments));
    return load(runtime.get(), cudaOptions(package));
  };
  auto expect = [&](const char *text, auto spoil) {
    Outcome outcome = outcomeOf(spoil);
    EXPECT_EQ(outcome.code, LATHE_CORRUPT) << text;
    EXPECT_TRUE(outcome.mentions(text)) << outcome;
  };
  auto variant = [&](const char *text, auto spoil) {
    expect(text, [&](Model &m, std::vector<SegmentData> &) { spoil(m.kernels[1].variants[1]); });
  };
  EXPECT_EQ(outcomeOf([](Model &, std::vector<SegmentData> &) {}).code, LATHE_OK);
  expect("segment is not code of its kind", [](Model &m, std::vector<SegmentData> &) { m.targets[1].segment = 0; });
  expect("segment is not code of its kind", [](Model &m, std::vector<SegmentData> &) { m.targets[0].segment = 4; });
  expect("segment is not code of its kind",
         [](Model &m, std::vector<SegmentData> &) { m.targets[1].name = "cuda:source"; });
  variant("1 to 1024 threads", [](Variant &v) { v.threads = 0; });
  variant("1 to 1024 threads", [](Variant &v) { v.threads = 1025; });
  variant("227 KiB of shared memory", [](Variant &v) { v.shared = 232449; });
  using Maps = std::vector<TensorMap>;
  TensorMap map = {0, ElementType::f32, {4, 8}, {16}, {4, 8}, 0};
  auto mapped = [&](const char *text, auto spoil) {
    variant(text, [&](Variant &v) {
      TensorMap bad = map;
      spoil(bad);
      v.maps = Maps{bad};
    });
  };
  mapped("1 to 5 dimensions", [](TensorMap &m) { m.dims.clear(); });
  mapped("1 to 5 dimensions", [](TensorMap &m) { m.strides.clear(); });
  mapped("1 to 5 dimensions", [](TensorMap &m) { m.box.pop_back(); });
  mapped("1 to 5 dimensions", [](TensorMap &m) {
    m.dims.resize(6, 1);
    m.strides.resize(5, 16);
    m.box.resize(6, 1);
  });
  mapped("element type", [](TensorMap &m) { m.type = ElementType::i8; });
  mapped("element type", [](TensorMap &m) { m.type = static_cast<ElementType>(77); });
  mapped("box is not 1 to 256 wide", [](TensorMap &m) { m.box[1] = 0; });
  mapped("box is not 1 to 256 wide", [](TensorMap &m) { m.box[1] = 257; });
  mapped("multiple of 16 bytes within the swizzle", [](TensorMap &m) { m.box[0] = 3; });
  mapped("multiple of 16 bytes within the swizzle", [](TensorMap &m) {
    m.swizzle = 32;
    m.box[0] = 12;
  });
  mapped("swizzle is not 0, 32, 64 or 128", [](TensorMap &m) { m.swizzle = 16; });
  mapped("operand does not exist", [](TensorMap &m) { m.operand = 4; });
  mapped("stride depends on a symbol", [](TensorMap &m) { m.strides[0] = symbol(1) * 16; });
  mapped("names a symbol that does not exist", [](TensorMap &m) { m.dims[0] = symbol(9); });
  variant("more than 4096 bytes of operands and tensor maps", [&](Variant &v) { v.maps.assign(32, map); });
  expect("lacks kernel 'nothing'",
         [](Model &m, std::vector<SegmentData> &) { m.kernels[0].variants[1].symbol = "nothing"; });
  // The driver gets no size, so an image that ends early must not reach it.
  for (size_t size : {size_t(0), size_t(63), size_t(64), size_t(4096)})
    expect("is not an ELF file for the device",
           [&](Model &, std::vector<SegmentData> &segments) { segments[4].bytes.resize(size); });
  expect("is not an ELF file for the device", [&](Model &, std::vector<SegmentData> &segments) {
    std::string ptx = ".version 8.0";
    segments[4].bytes.assign(ptx.begin(), ptx.end());
  });
  expect("is not an ELF file for the device",
         [&](Model &, std::vector<SegmentData> &segments) { segments[4].bytes[0x3c] ^= 0x80; }); // e_shnum
}

TEST(CudaErrors, ATensorMapMustLieInItsOperand) {
  Runtime runtime = makeCudaRuntime();
  CudaSpy spy(runtime.get());
  auto outcomeOf = [&](const TensorMap &map) {
    Model model = cudaModel();
    model.kernels[1].variants[1].maps = {map};
    Aligned package(assemble(buildTable(model), cudaSegments()));
    Program program;
    lathe_load_options options = cudaOptions(package);
    lathe_program *raw;
    EXPECT_OK(api().program_load(runtime.get(), &options, &raw));
    program.reset(raw);
    Context context = makeContext(raw);
    GatherCase c(4, 16);
    c.bind(context.get());
    return Outcome(api().run(context.get()));
  };
  Expr tokens = symbol(0) * symbol(1);
  TensorMap right = {0, ElementType::f32, {4, tokens}, {16}, {4, 8}, 0};
  EXPECT_EQ(outcomeOf(right).code, LATHE_OK);
  EXPECT_EQ(spy.calls("cuTensorMapEncodeTiled"), 1u);
  TensorMap tooLong = right, odd = right, empty = right;
  tooLong.dims[1] = tokens + 1;
  odd.strides[0] = 8;
  empty.dims[0] = 0;
  for (const TensorMap &map : {tooLong, odd, empty})
    EXPECT_TRUE(outcomeOf(map).mentions("a tensor map does not fit its operand")) << outcomeOf(map);
}

TEST(CudaErrors, ADefectOfAKernelNamesItsLaunchWhenAsked) {
  Model model = cudaModel();
  model.kernels[0].variants[1].symbol = "store_outside";
  Aligned package(assemble(buildTable(model), cudaSegments()));
  for (int32_t stepwise : {0, 1}) {
    Runtime runtime = makeCudaRuntime();
    lathe_load_options options = cudaOptions(package);
    lathe_program *raw;
    EXPECT_OK(api().program_load(runtime.get(), &options, &raw));
    Program program(raw);
    lathe_context_options settings = contextOptions();
    settings.time_launches = stepwise;
    Context context = makeContext(raw, settings);
    GatherCase c(4, 16);
    c.bind(context.get());
    testing::internal::CaptureStderr(); // the emulator's report
    Outcome outcome = api().run(context.get());
    testing::internal::GetCapturedStderr();
    EXPECT_EQ(outcome.code, LATHE_DEVICE);
    EXPECT_TRUE(outcome.mentions(stepwise ? "running kernel 'gather' failed: CUDA_ERROR_LAUNCH_FAILED"
                                          : "time_launches = 1 names the launch) failed: CUDA_ERROR_LAUNCH_FAILED"))
        << outcome;
    EXPECT_EQ(outcome.node, stepwise ? "embedding/Gather" : "");
  }
}

TEST(CudaErrors, InspectingNeedsNoDevice) {
  Model model = cudaModel();
  model.targets = {{"cuda:sm_90a", 4, 12090}};
  for (Kernel &kernel : model.kernels)
    kernel.variants = {kernel.variants[1]};
  Aligned package(assemble(buildTable(model), cudaSegments()));
  Runtime runtime = runtimeWith("/nonexistent/libcuda.so");
  lathe_load_options options = loadOptions(package);
  EXPECT_TRUE(load(runtime.get(), options).mentions("there is no CUDA driver")); // the package has nothing else
  options.flags = LATHE_LOAD_INSPECT;
  lathe_program *raw;
  EXPECT_OK(api().program_load(runtime.get(), &options, &raw));
  Program program(raw);
  lathe_program_info info = {};
  info.struct_size = sizeof info;
  EXPECT_OK(api().program_info(raw, &info));
  EXPECT_STREQ(info.target, "");
  lathe_target_info target = {};
  target.struct_size = sizeof target;
  EXPECT_OK(api().target_info(raw, 0, &target));
  EXPECT_STREQ(target.name, "cuda:sm_90a");
  EXPECT_EQ(target.oldest_driver, 12090u);
  EXPECT_FAILS(api().target_info(raw, 1, &target), LATHE_INVALID_ARGUMENT, "target 1 does not exist");
  int64_t symbols[] = {4, 16};
  lathe_memory memory = {};
  memory.struct_size = sizeof memory;
  EXPECT_OK(api().memory(raw, 0, symbols, 1, &memory));
  EXPECT_EQ(memory.arena, 1024u);
  EXPECT_EQ(memory.device_weights, 512u);
  lathe_context *context;
  EXPECT_FAILS(api().context_create(raw, nullptr, &context), LATHE_INVALID_ARGUMENT, "loaded to be inspected");
}
