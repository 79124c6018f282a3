// Opening the driver, what its errors become, contexts and memory.
#include "runtime/Cuda/Driver.h"
#include <cstdio>
#include <dlfcn.h>

namespace lathe::cuda {
using runtime::fail;

Status Driver::open(const Allocator &allocator, const char *path) {
  const char *library = path ? path : "libcuda.so.1";
  void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
  if (!handle)
    return fail(allocator, LATHE_UNSUPPORTED, "there is no CUDA driver: %s; hint: %s", dlerror(),
                path ? "cuda_driver names its library" : "install NVIDIA's driver, or name its library (cuda_driver)");
  const struct {
    const char *symbol;
    void **place;
  } functions[] = {
#define F(name, symbol, parameters) {#symbol, reinterpret_cast<void **>(&this->name)},
      LATHE_CUDA_FUNCTIONS(F)
#undef F
  };
  for (const auto &function : functions)
    if (!(*function.place = dlsym(handle, function.symbol))) {
      dlclose(handle); // nothing of it has run yet
      return fail(allocator, LATHE_UNSUPPORTED, "the CUDA driver '%s' lacks %s; hint: use one of CUDA 12.0 or newer",
                  library, function.symbol);
    }
  if (CUresult error = cuInit(0))
    return failed(allocator, error, "starting the CUDA driver '%s'", library);
  if (CUresult error = cuDriverGetVersion(&version))
    return failed(allocator, error, "asking for the CUDA driver's version");
  return {};
}

Status Driver::failed(const Allocator &allocator, CUresult error, const char *what, ...) const {
  va_list arguments;
  va_start(arguments, what);
  Status status = failed(allocator, error, what, arguments);
  va_end(arguments);
  return status;
}

Status Driver::failed(const Allocator &allocator, CUresult error, const char *what, va_list arguments) const {
  char doing[512];
  vsnprintf(doing, sizeof doing, what, arguments);
  const char *name = nullptr, *text = nullptr;
  bool known = !cuGetErrorName(error, &name) && name && !cuGetErrorString(error, &text) && text;
  char number[32];
  snprintf(number, sizeof number, "CUDA error %d", error);
  lathe_code code = error == CUDA_ERROR_OUT_OF_MEMORY ? LATHE_OUT_OF_MEMORY : LATHE_DEVICE;
  return fail(allocator, code, "%s failed: %s (%s)", doing, known ? name : number,
              known ? text : "unknown to the driver");
}

Status Device::open(const Driver &from, uint32_t index) {
  driver = &from;
  ordinal = index;
  int count = 0;
  if (CUresult error = driver->cuDeviceGetCount(&count))
    return failed(error, "counting the CUDA devices");
  if (count < 0 || index >= static_cast<uint32_t>(count))
    return fail(allocator, LATHE_INVALID_ARGUMENT, "there is no device 'cuda:%u', the driver has %d", index, count);
  if (CUresult error = driver->cuDeviceGet(&handle, static_cast<int>(index)))
    return failed(error, "opening device cuda:%u", index);
  if (CUresult error = driver->cuDeviceGetName(name, sizeof name, handle))
    return failed(error, "asking for the name of device cuda:%u", index);
  name[sizeof name - 1] = 0;
  const struct {
    int attribute;
    int *value;
  } attributes[] = {{CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, &major},
                    {CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, &minor},
                    {CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, &multiprocessors},
                    {CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN, &sharedMemory}};
  for (const auto &[attribute, value] : attributes)
    if (CUresult error = driver->cuDeviceGetAttribute(value, attribute, handle))
      return failed(error, "asking for the properties of device cuda:%u", index);
  if (CUresult error = driver->cuDevicePrimaryCtxRetain(&context, handle)) {
    context = nullptr;
    return failed(error, "starting device cuda:%u", index);
  }
  return {};
}

Device::~Device() {
  if (context)
    driver->cuDevicePrimaryCtxRelease(handle);
}

Status Device::failed(CUresult error, const char *what, ...) const {
  va_list arguments;
  va_start(arguments, what);
  Status status = driver->failed(allocator, error, what, arguments);
  va_end(arguments);
  return status;
}

bool Device::simulated() const { return !strcmp(name, "cuda-sim"); }

Current::Current(const Device &device) : device(device) {
  if (device.context)
    error = device.driver->cuCtxPushCurrent(device.context);
}

Current::~Current() {
  CUcontext old;
  if (device.context && !error)
    device.driver->cuCtxPopCurrent(&old);
}

Status DeviceBlock::allocate(uint64_t size, const char *what) {
  release();
  if (CUresult error = device.driver->cuMemAlloc(&base, size ? size : 1)) {
    base = 0;
    size_t free = 0, total = 0;
    if (error == CUDA_ERROR_OUT_OF_MEMORY && !device.driver->cuMemGetInfo(&free, &total))
      return device.failed(error, "allocating %llu bytes of device memory for %s, with %zu of %zu free,",
                           static_cast<unsigned long long>(size), what, free, total);
    return device.failed(error, "allocating %llu bytes of device memory for %s", static_cast<unsigned long long>(size),
                         what);
  }
  bytes = size;
  return {};
}

void DeviceBlock::release() {
  if (base) {
    Current current(device);
    device.driver->cuMemFree(base);
  }
  base = 0;
  bytes = 0;
}

Status PinnedBlock::allocate(uint64_t size, const char *what) {
  release();
  void *memory = nullptr;
  if (CUresult error = device.driver->cuMemHostAlloc(&memory, size ? size : 1, 0))
    return device.failed(error, "allocating %llu bytes of pinned memory for %s", static_cast<unsigned long long>(size),
                         what);
  base = static_cast<uint8_t *>(memory);
  bytes = size;
  return {};
}

void PinnedBlock::release() {
  if (base) {
    Current current(device);
    device.driver->cuMemFreeHost(base);
  }
  base = nullptr;
  bytes = 0;
}

} // namespace lathe::cuda
