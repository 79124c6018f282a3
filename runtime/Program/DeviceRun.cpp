// A context's runs on a CUDA device: tensors become the executor's ports, faults become failures.
#include "runtime/Base/Types.h"
#include "runtime/Cuda/Executor.h"
#include "runtime/Program/Context.h"

namespace lathe::runtime {
using namespace package;

Status Context::createExecutor(const lathe_context_options &options) {
  if (!inputPorts.allocate(allocator, inputs.size()) || !outputPorts.allocate(allocator, outputs.size()) ||
      !(executor = allocator.create<cuda::Executor>(program, entry, monitor, profiler)))
    return outOfMemory();
  if (Status status = executor->create(options, capacity.data()))
    return status;
  if (entry.batch_symbol() < 0 || batchLimit <= sliceLimit)
    return {};
  capacity[static_cast<uint32_t>(entry.batch_symbol())] = batchLimit;
  return fixed ? reserveOutputs() : Status();
}

static Status noDevice(const Allocator &allocator, const char *what, const char *name) {
  return fail(allocator, LATHE_INVALID_ARGUMENT, "%s '%s' can't be in a device's memory: the program runs on the CPU",
              what, name);
}

Status Context::setInputDevice(uint32_t index, const lathe_tensor &tensor) {
  if (index < inputs.size()) { // setInput says what is wrong with others
    const char *name = entry.inputs()->Get(index)->name()->c_str();
    if (!executor)
      return noDevice(allocator, "input", name);
    if (tensor.data)
      if (Status status = executor->checkPointer(tensor.data, "input", name))
        return status;
  }
  if (Status status = setInput(index, tensor))
    return status;
  inputs[index].onDevice = true;
  return {};
}

Status Context::setOutputDevice(uint32_t index, void *data, uint64_t size) {
  if (index < outputs.size()) {
    const char *name = entry.outputs()->Get(index)->name()->c_str();
    if (!executor)
      return noDevice(allocator, "output", name);
    if (data)
      if (Status status = executor->checkPointer(data, "output", name))
        return status;
  }
  if (Status status = setOutput(index, data, size))
    return status;
  outputs[index].onDevice = true;
  return {};
}

// A batch that is cut is copied slice by slice from and to memory of the caller's or of this context; all slices but
// the last one have ended when this returns.
Status Context::startOnDevice() {
  int64_t slices;
  if (Status status = cutBatch(slices))
    return status;
  if (slices > 1)
    if (Status status = waitForSlice())
      return status; // before outputs grow
  for (uint32_t i = 0; i < outputs.size(); ++i) {
    Output &output = outputs[i];
    if (output.bound) {
      if (Status status = checkRoom(i))
        return status;
    } else if (slices > 1 && output.onDevice) {
      return fail(allocator, LATHE_UNSUPPORTED,
                  "output '%s': a batch that is cut needs the caller's memory for it; hint: give it with its address",
                  entry.outputs()->Get(i)->name()->c_str());
    } else if (slices > 1) {
      if (Status status = growOutput(output, i))
        return status;
    }
  }
  if (monitor.enabled() && !started)
    monitor.beginRun();
  memcpy(sliceSymbols.data(), symbols.data(), symbols.size() * sizeof(int64_t));
  for (int64_t i = 0, first = 0, rows = 0; i < slices; first += rows, ++i) {
    if (Status status = i ? waitForSlice() : Status())
      return status;
    if (slices > 1)
      sliceSymbols[static_cast<uint32_t>(entry.batch_symbol())] = rows = sliceRows(slices, i);
    if (Status status = startSlice(first, slices > 1))
      return status;
  }
  for (uint32_t i = 0; i < outputs.size(); ++i) {
    Output &output = outputs[i];
    output.tensor.data = output.bound      ? output.bound
                         : slices > 1      ? output.own
                         : output.onDevice ? executor->deviceOutput(i)
                                           : executor->hostOutput(i);
  }
  return {};
}

// Rows of a batch from `first` on, as many as sliceSymbols say; or all of it.
Status Context::startSlice(int64_t first, bool sliced) {
  int64_t rows = sliced ? sliceSymbols[static_cast<uint32_t>(entry.batch_symbol())] : 0;
  auto port = [&](void *data, int64_t bytes, const lathe_tensor &tensor, bool onDevice) -> cuda::Port {
    if (!sliced || !bytes)
      return {data, bytes, onDevice};
    int64_t row = bytes / tensor.dims[0];
    return {static_cast<uint8_t *>(data) + row * first, row * rows, onDevice};
  };
  for (uint32_t i = 0; i < inputs.size(); ++i)
    inputPorts[i] = port(inputTensors[i].data, inputs[i].bytes, inputTensors[i], inputs[i].onDevice);
  for (uint32_t i = 0; i < outputs.size(); ++i) {
    const Output &output = outputs[i];
    void *data = output.bound || !sliced ? output.bound : output.own;
    outputPorts[i] = port(data, output.bytes, output.tensor, output.onDevice);
  }
  if (Status status = executor->start(sliceSymbols.data(), inputPorts, outputPorts, cancelled))
    return status;
  started = true;
  startedRow = first;
  return {};
}

Status Context::waitForSlice() {
  if (!started)
    return {};
  started = false;
  uint32_t launch = 0;
  lathe_kernel_fault fault;
  Status status = executor->wait(launch, fault);
  return !status && fault.code ? describeFault(launch, fault, startedRow) : std::move(status);
}

Status Context::wait() {
  if (!executor || !started)
    return {};
  Status status = waitForSlice();
  if (monitor.enabled())
    monitor.endRun();
  return status;
}

} // namespace lathe::runtime
