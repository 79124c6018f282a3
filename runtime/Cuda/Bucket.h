// A bucket: the shapes that one CUDA graph serves. Grids, offsets and tensor maps are those of its largest shape; a
// kernel reads the real dimensions from its params and blocks that have nothing to do return. So a new shape inside the
// bucket needs a new copy of the params and nothing else.
//
// Staging. Inputs and params lie in one block of the device, faults and outputs in another, each with a pinned twin on
// the host of the same layout, so that what has to be copied mostly is one piece:
//
//   upload    params of all launches | input 0 | input 1 | ...       each at a multiple of kStagingAlignment
//   download  faults of all launches | output 0 | output 1 | ...
#pragma once
#include "runtime/Cuda/Driver.h"
#include "runtime/Program/Program.h"

namespace lathe::cuda {
using runtime::Array;
using runtime::Program;

inline constexpr uint64_t kStagingAlignment = 256;

// The default bucket of a value: 2^k or 3 * 2^k, at most `max`. At most a third of a grid's blocks per dimension have
// nothing to do, and a range up to n takes 2 log2(n) buckets; rounding to the profile's maximum would launch the
// largest grid for the smallest input.
int64_t roundToBucket(int64_t value, int64_t max);

// Whether no size, offset or grid of the entry can be larger at smaller values of the symbols. What the compiler writes
// is; for what is not, each shape is compared with its bucket.
bool isMonotone(const Program &program, const package::Entry &entry);

// What an entry takes of a device's memory at given values of the symbols.
struct Extent {
  int64_t arena = 0, scratch = 0;
  uint64_t upload = 0, download = 0; // bytes of staging
};

// `bucketed`: of the default bucket that holds the values. Allocates nothing.
Status measure(const Program &program, const package::Entry &entry, const int64_t *symbols, bool bucketed,
               Extent &extent);

class Bucket {
public:
  explicit Bucket(const Device &device) : device(device) {}
  Bucket(const Bucket &) = delete;
  Bucket &operator=(const Bucket &) = delete;
  ~Bucket() { dropGraph(); }

  Status plan(const Program &program, const package::Entry &entry, const int64_t *symbols);
  void dropGraph(); // before the memory that it names goes

  bool isFor(const int64_t *symbols) const;
  bool holds(const int64_t *symbols) const; // each is at most the bucket's
  // Holds, and no size at these symbols is larger than the bucket's.
  bool covers(const Program &program, const package::Entry &entry, const int64_t *symbols) const;

  Extent extent;
  Array<int64_t> limits; // by symbol
  Array<int64_t> bufferOffsets, bufferBytes, tiles, inputBytes, outputBytes;
  Array<uint64_t> inputOffsets, outputOffsets; // in the staging blocks
  int64_t blocks = 0;                          // of all launches; saturates
  CUgraphExec graph = nullptr;
  uint64_t lastUse = 0;

private:
  const Device &device;
};

} // namespace lathe::cuda
