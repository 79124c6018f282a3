#include "test/unit/cuda-sim/Harness.h"

#include <fstream>
#include <iterator>

namespace lathe::sim_test {
Device::Device(const char *library) {
  std::ifstream file(std::string(LATHE_TEST_KERNELS "/") + library, std::ios::binary);
  std::vector<char> image{std::istreambuf_iterator<char>(file), {}};
  CUcontext context;
  EXPECT_EQ(cuInit(0), CUDA_SUCCESS);
  EXPECT_EQ(cuDevicePrimaryCtxRetain(&context, 0), CUDA_SUCCESS);
  EXPECT_EQ(cuCtxPushCurrent_v2(context), CUDA_SUCCESS);
  EXPECT_FALSE(image.empty()) << library;
  EXPECT_EQ(cuModuleLoadData(&module, image.data()), CUDA_SUCCESS);
}
Device::~Device() {
  cuModuleUnload(module);
  cuCtxPopCurrent_v2(nullptr);
  cuDevicePrimaryCtxRelease_v2(0);
}

std::string Device::launchWith(const char *kernel, unsigned blocks, unsigned threads, unsigned sharedBytes,
                               void **parameters) {
  CUfunction function;
  EXPECT_EQ(cuModuleGetFunction(&function, module, kernel), CUDA_SUCCESS) << kernel;
  EXPECT_EQ(cuFuncSetAttribute(function, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, sharedBytes), CUDA_SUCCESS);
  CUlaunchConfig config{blocks, 1, 1, threads, 1, 1, sharedBytes, nullptr, nullptr, 0};
  EXPECT_EQ(cuLaunchKernelEx(&config, function, parameters, nullptr), CUDA_SUCCESS);
  CUresult result = cuStreamSynchronize(nullptr);
  if (result == CUDA_SUCCESS)
    return {};
  EXPECT_EQ(result, CUDA_ERROR_LAUNCH_FAILED);
  sim_forget_failure();
  return sim_last_report();
}
} // namespace lathe::sim_test
