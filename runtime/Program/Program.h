// A loaded, verified, immutable package: its table, its code for this machine, its weights.
#pragma once
#include "lathe/kernel_abi.h"
#include "runtime/Cpu/Elf.h"
#include "runtime/Cuda/DeviceProgram.h"
#include "runtime/Package/Formula.h"
#include "runtime/Package/Mapping.h"
#include "runtime/Package/Weights.h"
#include "runtime/Program/Runtime.h"

namespace lathe::runtime {

class Program {
public:
  static Status load(Runtime &runtime, const lathe_load_options &options, Program **out);
  void retain() { references.fetch_add(1, std::memory_order_relaxed); }
  void release();

  explicit Program(Runtime &runtime);
  ~Program();

  const package::Program &table() const { return *image.program; }
  const package::Entry &entry(uint32_t i) const { return *table().entries()->Get(i); }
  const package::Kernel &kernel(uint32_t i) const { return *table().kernels()->Get(i); }
  const package::KernelVariant &variant(uint32_t kernelIndex) const {
    return *kernel(kernelIndex).variants()->Get(target);
  }

  // The ONNX nodes of a kernel added to a failure.
  Status withNodes(Status status, uint32_t kernelIndex) const;

  // The formula's text, cut when very long; null when out of memory. For use while loading.
  const char *text(const package::Formula &formula);

  Runtime &runtime;
  const Allocator allocator;
  Image image;
  bool loaded = false; // its code is: contexts can be created
  uint32_t target = 0;
  bool hasTarget = false;           // else, when it is only to be inspected, `target` stands for the formulas it has
  Array<lathe_kernel_fn> functions; // by kernel; on the CPU
  cuda::DeviceProgram *device = nullptr;
  char deviceName[16] = "cpu";
  uint64_t deviceWeightBytes = 0; // what the weights take there
  bool isForDevice() const;       // so is its target, whether it is loaded or not
  Weights weights;
  const char *metadata = "";
  size_t metadataSize = 0;

  // Texts for the infos, made at load.
  struct ValueTexts {
    const char *dims[LATHE_MAX_RANK];
  };
  struct LaunchTexts {
    const char *tiles, *flops;
    const char *const *origins;
  };
  struct EntryTexts {
    const char *arena;
    ValueTexts *inputs, *outputs;
    LaunchTexts *launches;
  };
  Array<EntryTexts> entryTexts;

private:
  Status open(const lathe_load_options &options);
  Status checkTrust(const lathe_load_options &options);
  Status choose(const lathe_load_options &options);
  Status openDevice(const char *name);
  Status chooseTarget(const char *forced);
  const char *defaultDevice(const char *forced) const;
  Status loadCode(const lathe_load_options &options);
  Status loadMetadata();
  Status verifyRest();
  Status describe();
  Status describe(const package::Entry &entry, EntryTexts &texts);
  bool describe(const flatbuffers::Vector<flatbuffers::Offset<package::Value>> &values, ValueTexts *&texts);

  Slab slab;
  Mapping mapping;
  Code code;
  std::atomic<uint32_t> references{1};
};

} // namespace lathe::runtime
