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
  return executor->create(options, capacity.data());
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

Status Context::startOnDevice() {
  for (uint32_t i = 0; i < inputs.size(); ++i)
    inputPorts[i] = {inputTensors[i].data, inputs[i].bytes, inputs[i].onDevice};
  for (uint32_t i = 0; i < outputs.size(); ++i) {
    if (outputs[i].bound)
      if (Status status = checkRoom(i))
        return status;
    outputPorts[i] = {outputs[i].bound, outputs[i].bytes, outputs[i].onDevice};
  }
  if (monitor.enabled() && !started)
    monitor.beginRun();
  if (Status status = executor->start(symbols.data(), inputPorts, outputPorts, cancelled))
    return status;
  started = true;
  for (uint32_t i = 0; i < outputs.size(); ++i) {
    Output &output = outputs[i];
    output.tensor.data = output.bound      ? output.bound
                         : output.onDevice ? executor->deviceOutput(i)
                                           : executor->hostOutput(i);
  }
  return {};
}

Status Context::wait() {
  if (!executor || !started)
    return {};
  started = false;
  uint32_t launch = 0;
  lathe_kernel_fault fault;
  Status status = executor->wait(launch, fault);
  if (monitor.enabled())
    monitor.endRun();
  return !status && fault.code ? describeFault(launch, fault, 0) : std::move(status);
}

} // namespace lathe::runtime
