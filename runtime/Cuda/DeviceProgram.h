// A program on one CUDA device: its code and its weights there, shared by all contexts. Immutable once loaded.
#pragma once
#include "runtime/Cuda/Driver.h"
#include "runtime/Package/Image.h"
#include "runtime/Package/Weights.h"

namespace lathe::runtime {
class Runtime;
} // namespace lathe::runtime

namespace lathe::cuda {
using runtime::Array;
using runtime::Image;
using runtime::Runtime;
using runtime::Weights;

// "cuda:3"; false for anything else.
bool parseDevice(const char *name, uint32_t &ordinal);

// All of the info but its struct_size.
Status describeDevice(Runtime &runtime, const char *name, lathe_device_info &info);

// Whether these are an ELF file for a device (or, simulated, for the host) all of whose parts lie inside: the driver
// takes no size.
bool isDeviceElf(const uint8_t *bytes, uint64_t size, bool simulated);

// What the weights that launches read take of a device's memory.
Status weightBytes(const Allocator &allocator, const package::Program &program, uint64_t &bytes);

class DeviceProgram {
public:
  explicit DeviceProgram(Runtime &runtime);
  ~DeviceProgram();

  Status open(uint32_t ordinal);

  // The target whose code fits the device best, or `forced`; else a failure that says what the package has and what the
  // device is.
  Status chooseTarget(const package::Program &program, const char *forced, uint32_t &target) const;

  // `package`: the file's bytes. Only the target's own segment and the weights that launches read are looked at; they
  // are verified as they are copied, weights unless `verify` is LATHE_VERIFY_OFF.
  Status load(const Image &image, const uint8_t *package, uint32_t target, const Weights &weights, lathe_verify verify);

  CUfunction function(uint32_t kernel) const { return functions[kernel]; }
  // Of a weight that some launch reads.
  CUdeviceptr weight(uint32_t index) const { return weightMemory.at(weightOffsets[index]); }
  uint64_t weightBytes() const { return weightMemory.size(); }

  Device device;

private:
  Status loadCode(const Image &image, const uint8_t *package, uint32_t target);
  Status findFunctions(const package::Program &program, uint32_t target, uint64_t segmentOffset);
  Status loadWeights(const package::Program &program, const Weights &weights, bool verify);
  Status copyWeights(const package::Program &program, const Weights &weights, bool verify, CUstream stream);

  Runtime &runtime;
  const Allocator allocator;
  CUmodule module = nullptr;
  Array<CUfunction> functions;   // by kernel
  Array<uint64_t> weightOffsets; // by weight; kUnused for those that no launch reads
  DeviceBlock weightMemory;
};

} // namespace lathe::cuda
