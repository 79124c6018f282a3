// One thread's state for running an entry: bound tensors, memory, the plan for the current shapes.
#pragma once
#include "runtime/Cuda/Port.h"
#include "runtime/Program/Launcher.h"
#include "runtime/Program/Monitor.h"

namespace lathe::cuda {
class Executor;
} // namespace lathe::cuda

namespace lathe::runtime {

// On the CPU a context runs its launches itself (Run.cpp); on a device its executor does (DeviceRun.cpp).
class Context {
public:
  static Status create(Program &program, const lathe_context_options &options, Context **out);
  void release();

  Context(Program &program, const package::Entry &entry, uint32_t entryIndex);
  ~Context();

  Status setInput(uint32_t index, const lathe_tensor &tensor);
  Status setOutput(uint32_t index, void *data, uint64_t size);
  Status bind();
  Status setInputDevice(uint32_t index, const lathe_tensor &tensor);
  Status setOutputDevice(uint32_t index, void *data, uint64_t size);
  Status runAsync();
  Status wait();
  Status run();
  Status output(uint32_t index, lathe_tensor &out) const;
  Status symbolValue(uint32_t symbol, int64_t &out) const;
  void cancel() { cancelled.store(true, std::memory_order_relaxed); }
  void resetCancel() { cancelled.store(false, std::memory_order_relaxed); }
  void memory(lathe_monitor &out) const;

  Program &program;
  const package::Entry &entry;
  const uint32_t entryIndex;
  Monitor monitor;
  cuda::Executor *executor = nullptr; // where the program is on a device

private:
  struct Input {
    int64_t bytes; // of the tensor
    bool given, onDevice;
  };
  struct Output {
    lathe_tensor tensor; // data: valid after a run
    int64_t bytes;       // of the tensor
    void *bound;         // the caller's
    uint64_t boundSize;
    bool onDevice;
    void *own;
    uint64_t ownSize;
  };
  struct LaunchState {
    uint32_t firstOperand, firstParam; // into operands, params
    int64_t tiles;
  };

  Status prepare(const lathe_context_options &options);
  Status prepareLaunches();
  Status createExecutor(const lathe_context_options &options);
  Status setCapacity(const lathe_context_options &options);
  Status reserveAll();
  Status reserveOutputs();
  Status plan(const int64_t *symbols);
  Status grow(Array<uint8_t> &block, uint64_t size, const char *what);
  Status growOutput(Output &output, uint32_t index);
  Status placeOutputs();
  Status checkInputs() const;
  Status checkRoom(uint32_t output) const;
  Status startOnDevice();
  Status startSlice(int64_t first, bool sliced);
  Status waitForSlice();
  Status cutBatch(int64_t &slices) const;
  int64_t sliceRows(int64_t slices, int64_t i) const;
  Status runBound();
  Status runSlice(int64_t first, bool sliced);
  Status runLaunch(uint32_t index, int64_t firstRow);
  void placeOperands(int64_t first, bool sliced);
  Status describeFault(uint32_t launch, const lathe_kernel_fault &fault, int64_t firstRow) const;

  const Allocator allocator;
  uint32_t threads = 1;
  bool fixed = false;
  int64_t batchLimit = 0; // the most that the batch symbol may be in a run
  int64_t sliceLimit = 0; // and in one slice of it
  lathe_profiler profiler = {};

  Array<Input> inputs;
  Array<Output> outputs;
  Array<lathe_tensor> inputTensors; // by input; data is the caller's
  Array<int64_t> symbols;           // of the bound inputs
  Array<int64_t> sliceSymbols;      // the same with a slice's rows
  Array<int64_t> planned;           // those that the plan is for
  Array<int64_t> capacity;          // when fixed
  Array<int64_t> bufferOffsets;
  Array<LaunchState> launches;
  Array<void *> operands;
  Array<int64_t> params;
  Array<uint8_t> arena, scratch;
  Launcher launcher;
  Array<cuda::Port> inputPorts, outputPorts; // for the executor
  bool started = false;                      // a run on the device that wait has not seen
  int64_t startedRow = 0;                    // the first one of its slice that started last
  bool bound = false, havePlan = false, sharesThreads = false;
  bool weightsVerified = false; // all that this entry reads
  std::atomic<bool> cancelled{false};
};

} // namespace lathe::runtime
