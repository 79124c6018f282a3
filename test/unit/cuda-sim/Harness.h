// Runs kernels of a test library on the emulated driver, as a program on a GPU would.
#pragma once
#include "runtime/Cuda/DriverApi.h"

#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace lathe::cuda {
extern "C" {
#define F(name, symbol, parameters) CUresult symbol parameters;
LATHE_CUDA_FUNCTIONS(F)
#undef F
const char *sim_last_report();
void sim_forget_failure();
}
} // namespace lathe::cuda

namespace lathe::sim_test {
using namespace lathe::cuda;

// A buffer of device memory with a host's copy.
template <class T> class Buffer {
public:
  explicit Buffer(std::vector<T> host) : host(std::move(host)) {
    EXPECT_EQ(cuMemAlloc_v2(&memory, bytes()), CUDA_SUCCESS);
    EXPECT_EQ(cuMemcpyHtoDAsync_v2(memory, this->host.data(), bytes(), nullptr), CUDA_SUCCESS);
  }
  explicit Buffer(size_t count) : host(count) { EXPECT_EQ(cuMemAlloc_v2(&memory, bytes()), CUDA_SUCCESS); }
  ~Buffer() { cuMemFree_v2(memory); }
  const std::vector<T> &read() {
    EXPECT_EQ(cuMemcpyDtoHAsync_v2(host.data(), memory, bytes(), nullptr), CUDA_SUCCESS);
    return host;
  }
  size_t bytes() const { return host.size() * sizeof(T); }
  CUdeviceptr memory = 0;
  std::vector<T> host;
};

// A context with a module of test kernels; the library is one of those that CMakeLists.txt builds.
class Device {
public:
  explicit Device(const char *library);
  ~Device();
  // The report of the defect that the launch met; empty where there was none. The context is usable again after it.
  template <class... P>
  std::string launch(const char *kernel, unsigned blocks, unsigned threads, unsigned sharedBytes, P... values) {
    void *parameters[] = {&values...};
    return launchWith(kernel, blocks, threads, sharedBytes, parameters);
  }

private:
  std::string launchWith(const char *kernel, unsigned blocks, unsigned threads, unsigned sharedBytes,
                         void **parameters);
  CUmodule module = nullptr;
};

// Calls test() under several schedules and both modes of asynchronous copies.
template <class Test> void underSchedules(Test test) {
  for (const char *mode : {"late", "early"})
    for (const char *seed : {"0", "1", "2"}) {
      SCOPED_TRACE(std::string("LATHE_SIM_ASYNC=") + mode + " LATHE_SIM_SEED=" + seed);
      setenv("LATHE_SIM_ASYNC", mode, 1);
      setenv("LATHE_SIM_SEED", seed, 1);
      test();
    }
  unsetenv("LATHE_SIM_ASYNC");
  unsetenv("LATHE_SIM_SEED");
}
} // namespace lathe::sim_test
