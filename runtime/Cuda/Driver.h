// The CUDA driver, opened at run time: its functions, its errors as Status, and one of its devices.
#pragma once
#include "runtime/Base/Status.h"
#include "runtime/Cuda/DriverApi.h"
#include <cstdarg>

namespace lathe::cuda {
using runtime::Allocator;
using runtime::Status;

// Stays in the process: a driver's library has threads of its own and is not made to be unloaded.
class Driver : public DriverFunctions {
public:
  // `path`: of the library, or null for libcuda.so.1.
  Status open(const Allocator &allocator, const char *path);

  // "WHAT: CUDA_ERROR_... (the driver's text)": LATHE_OUT_OF_MEMORY for memory of the device, else LATHE_DEVICE.
  Status failed(const Allocator &allocator, CUresult error, const char *what, ...) const
      __attribute__((format(printf, 4, 5)));
  Status failed(const Allocator &allocator, CUresult error, const char *what, va_list arguments) const;

  int version = 0; // 12090 is 12.9
};

// A device and its primary context, which the CUDA runtime and other libraries in the process use too.
class Device {
public:
  explicit Device(const Allocator &allocator) : allocator(allocator) {}
  Device(const Device &) = delete;
  Device &operator=(const Device &) = delete;
  ~Device();

  Status open(const Driver &driver, uint32_t ordinal);
  Status failed(CUresult error, const char *what, ...) const __attribute__((format(printf, 3, 4)));

  // The device's name is "cuda-sim": the emulating driver of the tests.
  bool simulated() const;

  const Allocator allocator;
  const Driver *driver = nullptr;
  uint32_t ordinal = 0;
  CUdevice handle = 0;
  CUcontext context = nullptr;
  char name[256] = "";
  int major = 0, minor = 0; // compute capability
  int multiprocessors = 0;
  int sharedMemory = 0; // bytes of dynamic shared memory that a block may have
};

// Makes a device's context the thread's own for as long as this lives. One without a context is left alone.
class Current {
public:
  explicit Current(const Device &device);
  Current(const Current &) = delete;
  Current &operator=(const Current &) = delete;
  ~Current();
  Status status() const { return error ? device.failed(error, "making the device current") : Status(); }

private:
  const Device &device;
  CUresult error = CUDA_SUCCESS;
};

// Memory of the device.
class DeviceBlock {
public:
  explicit DeviceBlock(const Device &device) : device(device) {}
  DeviceBlock(const DeviceBlock &) = delete;
  DeviceBlock &operator=(const DeviceBlock &) = delete;
  ~DeviceBlock() { release(); }
  Status allocate(uint64_t bytes, const char *what); // drops the old; the device is current
  void release();
  CUdeviceptr at(uint64_t offset) const { return base + offset; }
  uint64_t size() const { return bytes; }

private:
  const Device &device;
  CUdeviceptr base = 0;
  uint64_t bytes = 0;
};

// Memory of the host that the device copies from and to while the host goes on.
class PinnedBlock {
public:
  explicit PinnedBlock(const Device &device) : device(device) {}
  PinnedBlock(const PinnedBlock &) = delete;
  PinnedBlock &operator=(const PinnedBlock &) = delete;
  ~PinnedBlock() { release(); }
  Status allocate(uint64_t bytes, const char *what);
  void release();
  uint8_t *at(uint64_t offset) const { return base + offset; }
  uint64_t size() const { return bytes; }

private:
  const Device &device;
  uint8_t *base = nullptr;
  uint64_t bytes = 0;
};

} // namespace lathe::cuda
