// Between the runtime and a CUDA driver: counts calls and live objects, makes single calls fail, plays another device.
#pragma once
#include "Fixture.h"
#include "runtime/Cuda/DriverApi.h"
#include <atomic>
#include <map>
#include <mutex>

namespace lathe::test {

inline Runtime makeCudaRuntime(const lathe_allocator *allocator = nullptr) {
  lathe_runtime_options options = {};
  options.struct_size = sizeof options;
  options.allocator = allocator;
  options.threads = 1;
  options.cuda_driver = LATHE_CUDA_SIM_LIBRARY;
  lathe_runtime *runtime;
  EXPECT_OK(api().runtime_create(&options, &runtime));
  return Runtime(runtime);
}

inline lathe_load_options cudaOptions(const Aligned &package) {
  lathe_load_options options = loadOptions(package);
  options.device = "cuda:0";
  return options;
}

// One at a time.
class CudaSpy {
public:
  CudaSpy();
  explicit CudaSpy(lathe_runtime *runtime) : CudaSpy() { attach(runtime); }
  ~CudaSpy();
  void attach(lathe_runtime *runtime); // opens its driver and stays between for the runtime's life

  uint64_t calls(const char *function) const;
  void reset(); // counts

  std::atomic<uint64_t> total{0}, failAt{UINT64_MAX};
  std::string failed;                // the function that was made to fail
  bool stub = false;                 // the driver is not called, and nothing is counted
  std::vector<std::string> launched; // kernels, in order

  // What the device claims to be; as it is where empty or zero.
  std::string name;
  int major = 0, minor = 0;

  // Objects that have been made and not released: by the function that makes them.
  std::map<std::string, int64_t> live() const;

  enum class Action { Call, Fail, CallAndFail, Skip };
  Action enter(const char *function);
  void leave(const char *function, cuda::CUresult result);
  void sawFunction(const void *function, const char *kernel);
  void sawLaunch(const void *function);
  const cuda::DriverFunctions *driver = nullptr;

private:
  mutable std::mutex mutex;
  std::map<const void *, std::string> kernels;
  std::map<std::string, uint64_t> counts;
  std::map<std::string, int64_t> objects;
};

} // namespace lathe::test
