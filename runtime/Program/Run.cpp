// A run: slices of the batch, launches of the entry, what a kernel's fault means to the caller.
#include "runtime/Base/Types.h"
#include "runtime/Cpu/FloatControl.h"
#include "runtime/Program/Context.h"
#include <cstdio>

namespace lathe::runtime {
using namespace package;

using ll = long long;

alignas(64) static const uint8_t emptyTensor[64] = {}; // stands for memory of no bytes; never written

Status Context::checkInputs() const {
  for (uint32_t i = 0; i < inputs.size(); ++i)
    if (inputs[i].bytes && !inputTensors[i].data)
      return fail(allocator, LATHE_INVALID_ARGUMENT, "input '%s' has no data", entry.inputs()->Get(i)->name()->c_str());
  return {};
}

Status Context::checkRoom(uint32_t index) const {
  const Output &output = outputs[index];
  if (static_cast<uint64_t>(output.bytes) <= output.boundSize)
    return {};
  return fail(allocator, LATHE_CAPACITY, "output '%s' needs %lld bytes, its buffer has %llu",
              entry.outputs()->Get(index)->name()->c_str(), static_cast<ll>(output.bytes),
              static_cast<unsigned long long>(output.boundSize));
}

Status Context::placeOutputs() {
  for (uint32_t i = 0; i < outputs.size(); ++i) {
    Output &output = outputs[i];
    if (output.bound) {
      if (Status status = checkRoom(i))
        return status;
      output.tensor.data = output.bound;
      continue;
    }
    output.tensor.data = nullptr;
    if (Status status = growOutput(output, i))
      return status;
    output.tensor.data = output.own;
  }
  return {};
}

Status Context::run() {
  if (Status status = runAsync())
    return status;
  return wait();
}

Status Context::runAsync() {
  if (Status status = bind())
    return status;
  if (Status status = checkInputs())
    return status;
  if (executor)
    return startOnDevice();
  if (Status status = placeOutputs())
    return status;
  sharesThreads = threads > 1 && program.runtime.acquireThreads();
  if (monitor.enabled())
    monitor.beginRun();
  Status status;
  {
    FloatControl floatControl;
    status = runBound();
  }
  if (monitor.enabled())
    monitor.endRun();
  if (sharesThreads)
    program.runtime.releaseThreads();
  return status;
}

// As few slices as possible, of almost equal size, so that none falls below what the profile allows.
Status Context::cutBatch(int64_t &slices) const {
  slices = 1;
  if (entry.batch_symbol() < 0)
    return {};
  auto symbol = static_cast<uint32_t>(entry.batch_symbol());
  int64_t batch = symbols[symbol], least = program.table().symbols()->Get(symbol)->min();
  slices = batch > sliceLimit ? (batch - 1) / sliceLimit + 1 : 1;
  if (batch / slices < least)
    return fail(allocator, LATHE_SHAPE, "a batch of %lld can't be cut into slices of %lld to %lld rows",
                static_cast<ll>(batch), static_cast<ll>(least), static_cast<ll>(sliceLimit));
  return {};
}

// Of slice i; the first ones have one more.
int64_t Context::sliceRows(int64_t slices, int64_t i) const {
  int64_t batch = symbols[static_cast<uint32_t>(entry.batch_symbol())];
  return batch / slices + (i < batch % slices);
}

Status Context::runBound() {
  int64_t slices;
  if (Status status = cutBatch(slices))
    return status;
  memcpy(sliceSymbols.data(), symbols.data(), symbols.size() * sizeof(int64_t));
  for (int64_t i = 0, first = 0, rows = 0; i < slices; first += rows, ++i) {
    if (slices > 1)
      sliceSymbols[static_cast<uint32_t>(entry.batch_symbol())] = rows = sliceRows(slices, i);
    if (Status status = plan(sliceSymbols.data()))
      return status;
    if (Status status = runSlice(first, slices > 1))
      return status;
  }
  return {};
}

// Points the launches' operands to inputs and outputs: to those `sliced` from row `first` on.
void Context::placeOperands(int64_t first, bool sliced) {
  auto at = [&](void *data, int64_t bytes, int64_t batch) -> void * {
    if (!bytes)
      return const_cast<uint8_t *>(emptyTensor);
    return sliced ? static_cast<uint8_t *>(data) + bytes / batch * first : data;
  };
  for (uint32_t i = 0; i < launches.size(); ++i) {
    void **place = &operands[launches[i].firstOperand];
    for (const Operand *operand : *entry.launches()->Get(i)->operands()) {
      uint32_t index = operand->index();
      switch (operand->kind()) {
      case OperandKind::input:
        *place++ = at(inputTensors[index].data, inputs[index].bytes, inputTensors[index].dims[0]);
        break;
      case OperandKind::output:
        *place++ = at(outputs[index].tensor.data, outputs[index].bytes, outputs[index].tensor.dims[0]);
        break;
      case OperandKind::buffer:
        *place++ = arena.size() ? arena.data() + bufferOffsets[index] : const_cast<uint8_t *>(emptyTensor);
        break;
      case OperandKind::weight:
        *place++ = program.weights.data(index);
        break;
      }
    }
  }
}

Status Context::runSlice(int64_t first, bool sliced) {
  placeOperands(first, sliced);
  bool complete = true;
  for (uint32_t i = 0; i < launches.size(); ++i) {
    if (cancelled.load(std::memory_order_relaxed)) {
      cancelled.store(false, std::memory_order_relaxed);
      return fail(allocator, LATHE_CANCELLED, "the run was cancelled");
    }
    if (!launches[i].tiles)
      complete = false;
    else if (Status status = runLaunch(i, first))
      return status;
  }
  weightsVerified |= complete;
  return {};
}

Status Context::runLaunch(uint32_t index, int64_t firstRow) {
  const Launch &launch = *entry.launches()->Get(index);
  if (!weightsVerified)
    for (const Operand *operand : *launch.operands())
      if (operand->kind() == OperandKind::weight)
        if (Status status = program.weights.verify(operand->index()))
          return program.withNodes(std::move(status), launch.kernel());
  if (profiler.launch_begin)
    profiler.launch_begin(profiler.self, index);
  bool timed = monitor.enabled() || profiler.launch_end;
  uint64_t begin = timed ? monotonicNanoseconds() : 0;

  const LaunchState &state = launches[index];
  LaunchCall call = {program.functions[launch.kernel()], &operands[state.firstOperand], &params[state.firstParam],
                     state.tiles};
  lathe_kernel_fault fault;
  LaunchResult result = launcher.run(program.runtime, sharesThreads, call, cancelled, fault);

  if (timed) {
    uint64_t end = monotonicNanoseconds();
    if (monitor.enabled())
      monitor.addLaunch(index, begin, end);
    if (profiler.launch_end)
      profiler.launch_end(profiler.self, index, end - begin);
  }
  if (result == LaunchResult::Faulted)
    return describeFault(index, fault, firstRow);
  if (result == LaunchResult::Cancelled) {
    cancelled.store(false, std::memory_order_relaxed);
    return fail(allocator, LATHE_CANCELLED, "the run was cancelled");
  }
  return {};
}

// "[1, 5]" from a flat index into a tensor.
static void printPosition(const lathe_tensor &tensor, int64_t flat, char *text, size_t size) {
  int64_t position[LATHE_MAX_RANK];
  for (uint32_t i = tensor.rank; i-- > 0;) {
    position[i] = tensor.dims[i] > 0 ? flat % tensor.dims[i] : 0;
    flat = tensor.dims[i] > 0 ? flat / tensor.dims[i] : 0;
  }
  size_t used = static_cast<size_t>(snprintf(text, size, "["));
  for (uint32_t i = 0; i < tensor.rank && used < size; ++i)
    used +=
        static_cast<size_t>(snprintf(text + used, size - used, "%s%lld", i ? ", " : "", static_cast<ll>(position[i])));
  if (used < size)
    snprintf(text + used, size - used, "]");
}

Status Context::describeFault(uint32_t index, const lathe_kernel_fault &fault, int64_t firstRow) const {
  const Launch &launch = *entry.launches()->Get(index);
  const Kernel &kernel = program.kernel(launch.kernel());
  if (fault.code != LATHE_FAULT_INDEX_OUT_OF_RANGE || fault.operand < 0 ||
      static_cast<uint32_t>(fault.operand) >= launch.operands()->size())
    return program.withNodes(
        fail(allocator, LATHE_FAULT, "kernel '%s' stopped with fault %d", kernel.name()->c_str(), fault.code),
        launch.kernel());
  const Operand &operand = *launch.operands()->Get(static_cast<uint32_t>(fault.operand));
  char where[256];
  if (operand.kind() == OperandKind::input) {
    const lathe_tensor &tensor = inputTensors[operand.index()];
    int64_t batch = tensor.rank ? tensor.dims[0] : 1;
    int64_t rowElements = batch ? inputs[operand.index()].bytes / elementSize(tensor.type) / batch : 0;
    char position[128];
    printPosition(tensor, fault.index + firstRow * rowElements, position, sizeof position);
    snprintf(where, sizeof where, "input '%s': element %s", entry.inputs()->Get(operand.index())->name()->c_str(),
             position);
  } else
    snprintf(where, sizeof where, "a value that the model computes: element %lld", static_cast<ll>(fault.index));
  return program.withNodes(fail(allocator, LATHE_FAULT, "%s is %lld, expected an index from %lld to %lld", where,
                                static_cast<ll>(fault.value), -static_cast<ll>(fault.limit),
                                static_cast<ll>(fault.limit) - 1),
                           launch.kernel());
}

} // namespace lathe::runtime
