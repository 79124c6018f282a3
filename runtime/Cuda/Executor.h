// A context's side of a CUDA device: its memory there, its stream, a graph for each bucket, and the way of a run: copy
// what has changed to the device, replay the graph, copy results and faults back. A run whose bucket has its graph
// allocates nothing and makes about eight calls of the driver, however many launches the graph has.
//
// Queueing. The device does the runs of a context one after another, for they share the arena. What the host writes for
// a run (params of a new shape, inputs in its memory) goes through pinned staging, so the run before must have ended
// first; without, runs queue up freely. Faults stay in the device's memory until wait has reported them.
#pragma once
#include "runtime/Cuda/Launch.h"
#include "runtime/Cuda/Port.h"
#include "runtime/Program/Monitor.h"

namespace lathe::cuda {
using runtime::Histogram;
using runtime::Monitor;

class Executor {
public:
  Executor(Program &program, const package::Entry &entry, Monitor &monitor, const lathe_profiler &profiler);
  Executor(const Executor &) = delete;
  Executor &operator=(const Executor &) = delete;
  ~Executor();

  // `capacity`: the largest value of each symbol.
  Status create(const lathe_context_options &options, const int64_t *capacity);

  // Starts a run at these values of the symbols.
  Status start(const int64_t *symbols, const Array<Port> &inputs, const Array<Port> &outputs,
               std::atomic<bool> &cancelled);
  // Waits for all runs and puts the outputs of the latest where they belong. `fault.code` is zero, or `launch` faulted.
  Status wait(uint32_t &launch, lathe_kernel_fault &fault);

  // Of the latest run, where the caller gave no memory.
  void *hostOutput(uint32_t index) const { return pinnedDownload.at(bucket->outputOffsets[index]); }
  void *deviceOutput(uint32_t index) const {
    // NOLINTNEXTLINE(performance-no-int-to-ptr): the driver's addresses are integers
    return reinterpret_cast<void *>(download.at(bucket->outputOffsets[index]));
  }

  // Fails unless the device knows the memory; `what` is the input or output that it is for.
  Status checkPointer(const void *pointer, const char *what, const char *name) const;

  void memory(lathe_monitor &out) const;
  bool hasPhases() const { return phases.size(); }
  const Histogram &phase(lathe_phase index) const { return phases[index]; }
  void resetPhases();

private:
  static constexpr uint32_t kMaxBuckets = 64;
  enum Mark : uint32_t { Begin, Uploaded, Computed, Done, kMarks };

  Status createStreams(void *callers);
  Status createBuckets(const lathe_context_options &options, const int64_t *capacity);
  Status readBucket(const lathe_bucket &given, const int64_t *capacity);
  Status findOrAdd(const int64_t *symbols, Bucket *&out);
  Status chooseBucket(const int64_t *symbols, Bucket *&out);
  Status chooseGiven(const int64_t *symbols, Bucket *&out);
  Status reserve(const Extent &need);
  Status capture(Bucket &which);
  Status setShape(const int64_t *symbols);
  Status enqueue(const Array<Port> &inputs, const Array<Port> &outputs, std::atomic<bool> &cancelled);
  Status copyIn(const Array<Port> &inputs);
  Status compute(std::atomic<bool> &cancelled);
  Status step(uint32_t launch);
  Status copyOut(const Array<Port> &outputs);
  Status mark(Mark which);
  Status settle();
  Status finish();
  Status failed(CUresult error, const char *what) const;
  void collectFault();
  Status clearFaults();
  Places places() const { return {arena.at(0), upload.at(0), download.at(0), workspace.at(0)}; }

  Program &program;
  const package::Entry &entry;
  const Device &device;
  const Allocator allocator;
  Monitor &monitor;
  const lathe_profiler &profiler;
  KernelLauncher launcher;

  CUstream own = nullptr, stream = nullptr;
  CUevent marks[kMarks] = {};
  CUevent stepBegin = nullptr, stepEnd = nullptr;
  DeviceBlock arena, upload, download, workspace;
  PinnedBlock pinnedUpload, pinnedDownload;
  bool memoryReady = false; // all of it is allocated and what has to be zero is

  Array<Bucket *> buckets;
  uint32_t bucketCount = 0;
  uint64_t useCount = 0;
  Bucket *bucket = nullptr; // of the latest shape
  Array<int64_t> shape;     // its symbols
  Array<int64_t> wanted;    // scratch for a bucket's
  Array<int64_t> capacity;
  Array<Port> results; // of the latest run
  Array<Histogram> phases;
  bool given = false; // the buckets are those that the context was created with
  bool fixed = false, monotone = false, stepwise = false;
  bool paramsChanged = false;
  bool busy = false;    // the device may be at work
  bool pending = false; // runs have been started since the latest wait
  lathe_kernel_fault firstFault = {};
  uint32_t firstFaultLaunch = 0;
};

} // namespace lathe::cuda
