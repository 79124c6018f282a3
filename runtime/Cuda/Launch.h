// Launching an entry's kernels on a stream, at the sizes of a bucket.
#pragma once
#include "runtime/Cuda/Bucket.h"

namespace lathe::cuda {

// Where an executor's memory is.
struct Places {
  CUdeviceptr arena, upload, download, workspace;
};

class KernelLauncher {
public:
  KernelLauncher(const Program &program, const package::Entry &entry) : program(program), entry(entry) {}
  [[nodiscard]] bool create();

  // Launches `index` of the entry, which has tiles. The device is current. `early`: behind another launch, so that a
  // kernel that waits for it itself may start before its end.
  Status launch(const Bucket &bucket, const Places &places, uint32_t index, CUstream stream, bool early);
  // A graph of all launches, recorded on `stream`, which is the caller's alone.
  Status capture(const Bucket &bucket, const Places &places, CUstream stream, CUgraphExec &graph);

  uint32_t firstParam(uint32_t launch) const { return firstParams[launch]; }
  uint32_t paramCount() const { return params; }

private:
  struct Memory {
    CUdeviceptr at;
    int64_t bytes;
  };
  Memory operand(const package::Operand &operand, const Bucket &bucket, const Places &places) const;
  Status encode(const package::TensorMap &map, const package::Launch &launch, const Bucket &bucket,
                const Memory &memory, CUtensorMap &out) const;

  const Program &program;
  const package::Entry &entry;
  Array<uint32_t> firstParams; // by launch, among all params of the entry
  uint32_t params = 0;
  Array<CUdeviceptr> values; // of the launch at hand
  Array<CUtensorMap> maps;
  Array<void *> pointers; // at the above
};

} // namespace lathe::cuda
