// A run on the device.
#include "runtime/Cuda/DeviceProgram.h"
#include "runtime/Cuda/Executor.h"
#include <algorithm>

namespace lathe::cuda {
using namespace runtime;
using namespace package;

// Two pieces of staging with fewer bytes between them are copied as one: what a further copy takes is as much as this
// takes on PCIe.
static constexpr uint64_t kWorthwhileGap = 32 << 10;

namespace {
// Copies between a block of the device and its twin: pieces come in ascending order and are joined where it pays.
class StagingCopy {
public:
  StagingCopy(const Device &device, const DeviceBlock &block, const PinnedBlock &twin, bool toDevice, CUstream stream)
      : device(device), block(block), twin(twin), toDevice(toDevice), stream(stream) {}

  CUresult add(uint64_t offset, uint64_t size) {
    if (!size)
      return CUDA_SUCCESS;
    CUresult error = CUDA_SUCCESS;
    if (end > begin && offset - end > kWorthwhileGap)
      error = finish();
    if (end == begin)
      begin = offset;
    end = offset + size;
    return error;
  }
  CUresult finish() {
    uint64_t from = begin, size = end - begin;
    begin = end;
    if (!size)
      return CUDA_SUCCESS;
    return toDevice ? device.driver->cuMemcpyHtoDAsync(block.at(from), twin.at(from), size, stream)
                    : device.driver->cuMemcpyDtoHAsync(twin.at(from), block.at(from), size, stream);
  }

private:
  const Device &device;
  const DeviceBlock &block;
  const PinnedBlock &twin;
  bool toDevice;
  CUstream stream;
  uint64_t begin = 0, end = 0; // of the piece that is being joined
};

CUdeviceptr deviceAddress(void *data) { return reinterpret_cast<CUdeviceptr>(data); }
} // namespace

// What a kernel did wrong comes back from whatever is asked of the driver next.
Status Executor::failed(CUresult error, const char *what) const {
  bool ofKernel = error >= CUDA_ERROR_ILLEGAL_ADDRESS && error <= CUDA_ERROR_LAUNCH_FAILED;
  return device.failed(error, "running entry '%s' on '%s': %s%s", entry.name()->c_str(), device.name, what,
                       ofKernel && !stepwise ? " (hint: time_launches = 1 names the launch)" : "");
}

Status Executor::start(const int64_t *symbols, const Array<Port> &inputs, const Array<Port> &outputs,
                       std::atomic<bool> &cancelled) {
  Current current(device);
  if (Status status = current.status())
    return status;
  if (!bucket || memcmp(symbols, shape.data(), shape.size() * sizeof(int64_t)))
    if (Status status = setShape(symbols))
      return status;
  if (Status status = capture(*bucket))
    return status;
  bool staged = paramsChanged;
  for (const Port &input : inputs)
    staged |= !input.onDevice && input.bytes;
  if (staged)
    if (Status status = settle())
      return status;
  std::copy(outputs.begin(), outputs.end(), results.begin());
  busy = true;
  Status status = enqueue(inputs, outputs, cancelled);
  if (status) {
    device.driver->cuStreamSynchronize(stream); // what was enqueued before it failed uses memory of ours
    busy = false;
  }
  pending = !status;
  return status;
}

Status Executor::enqueue(const Array<Port> &inputs, const Array<Port> &outputs, std::atomic<bool> &cancelled) {
  if (Status status = copyIn(inputs))
    return status;
  if (Status status = compute(cancelled))
    return status;
  return copyOut(outputs);
}

Status Executor::copyIn(const Array<Port> &inputs) {
  if (Status status = mark(Begin))
    return status;
  StagingCopy copy(device, upload, pinnedUpload, true, stream);
  CUresult error = CUDA_SUCCESS;
  if (paramsChanged)
    error = copy.add(0, launcher.paramCount() * sizeof(int64_t));
  for (uint32_t i = 0; i < inputs.size() && !error; ++i) {
    const Port &input = inputs[i];
    auto bytes = static_cast<uint64_t>(input.bytes);
    if (input.onDevice || !bytes)
      continue;
    memcpy(pinnedUpload.at(bucket->inputOffsets[i]), input.data, bytes);
    error = copy.add(bucket->inputOffsets[i], bytes);
  }
  if (!error)
    error = copy.finish();
  for (uint32_t i = 0; i < inputs.size() && !error; ++i)
    if (inputs[i].onDevice && inputs[i].bytes)
      error = device.driver->cuMemcpyDtoDAsync(upload.at(bucket->inputOffsets[i]), deviceAddress(inputs[i].data),
                                               static_cast<size_t>(inputs[i].bytes), stream);
  if (error)
    return failed(error, "copying inputs to the device");
  paramsChanged = false;
  return mark(Uploaded);
}

Status Executor::compute(std::atomic<bool> &cancelled) {
  auto isCancelled = [&] { return cancelled.load(std::memory_order_relaxed) && cancelled.exchange(false); };
  if (isCancelled())
    return fail(allocator, LATHE_CANCELLED, "the run was cancelled");
  if (bucket->graph)
    if (CUresult error = device.driver->cuGraphLaunch(bucket->graph, stream))
      return failed(error, "launching the graph");
  for (uint32_t i = 0; stepwise && i < bucket->tiles.size(); ++i) {
    if (isCancelled())
      return fail(allocator, LATHE_CANCELLED, "the run was cancelled");
    if (bucket->tiles[i])
      if (Status status = step(i))
        return status;
  }
  return mark(Computed);
}

// One launch on its own, timed by the device.
Status Executor::step(uint32_t launch) {
  uint32_t kernel = entry.launches()->Get(launch)->kernel();
  auto failed = [&](CUresult error) {
    return program.withNodes(device.failed(error, "running kernel '%s'", program.kernel(kernel).name()->c_str()),
                             kernel);
  };
  if (profiler.launch_begin)
    profiler.launch_begin(profiler.self, launch);
  uint64_t begin = monotonicNanoseconds();
  if (CUresult error = device.driver->cuEventRecord(stepBegin, stream))
    return failed(error);
  if (Status status = launcher.launch(*bucket, places(), launch, stream, /*early=*/false))
    return status;
  CUresult error = device.driver->cuEventRecord(stepEnd, stream);
  if (!error)
    error = device.driver->cuEventSynchronize(stepEnd);
  float milliseconds = 0;
  if (!error)
    error = device.driver->cuEventElapsedTime(&milliseconds, stepBegin, stepEnd);
  if (error)
    return failed(error);
  auto nanoseconds = static_cast<uint64_t>(static_cast<double>(milliseconds) * 1e6);
  if (monitor.enabled())
    monitor.addLaunch(launch, begin, begin + nanoseconds);
  if (profiler.launch_end)
    profiler.launch_end(profiler.self, launch, nanoseconds);
  return {};
}

Status Executor::copyOut(const Array<Port> &outputs) {
  CUresult error = CUDA_SUCCESS;
  for (uint32_t i = 0; i < outputs.size() && !error; ++i)
    if (outputs[i].onDevice && outputs[i].data && outputs[i].bytes)
      error = device.driver->cuMemcpyDtoDAsync(deviceAddress(outputs[i].data), download.at(bucket->outputOffsets[i]),
                                               static_cast<size_t>(outputs[i].bytes), stream);
  StagingCopy copy(device, download, pinnedDownload, false, stream);
  if (!error)
    error = copy.add(0, uint64_t(entry.launches()->size()) * sizeof(lathe_kernel_fault));
  for (uint32_t i = 0; i < outputs.size() && !error; ++i)
    if (!outputs[i].onDevice)
      error = copy.add(bucket->outputOffsets[i], static_cast<uint64_t>(outputs[i].bytes));
  if (!error)
    error = copy.finish();
  if (error)
    return failed(error, "copying outputs from the device");
  return mark(Done);
}

Status Executor::mark(Mark which) {
  if (!marks[which])
    return {};
  CUresult error = device.driver->cuEventRecord(marks[which], stream);
  return error ? failed(error, "recording an event") : Status();
}

Status Executor::settle() {
  if (!busy)
    return {};
  busy = false;
  if (CUresult error = device.driver->cuEventSynchronize(marks[Done])) {
    pending = false; // there is nothing to wait for any more
    return failed(error, "waiting for the device");
  }
  return {};
}

// The first launch's fault, unless an earlier one still has to be reported.
void Executor::collectFault() {
  auto *faults = reinterpret_cast<const lathe_kernel_fault *>(pinnedDownload.at(0));
  for (uint32_t i = 0; i < entry.launches()->size() && !firstFault.code; ++i) {
    firstFault = faults[i];
    firstFaultLaunch = i;
  }
}

// Waits for the device and takes what it has left for the host.
Status Executor::finish() {
  if (!pending)
    return {};
  if (Status status = settle())
    return status;
  pending = false;
  collectFault();
  for (uint32_t i = 0; i + 1 < kMarks && phases.size(); ++i) {
    float milliseconds = 0;
    if (CUresult error = device.driver->cuEventElapsedTime(&milliseconds, marks[i], marks[i + 1]))
      return device.failed(error, "measuring the run");
    phases[i].add(static_cast<uint64_t>(static_cast<double>(milliseconds) * 1e6));
  }
  for (uint32_t i = 0; i < results.size(); ++i)
    if (!results[i].onDevice && results[i].data && results[i].bytes)
      memcpy(results[i].data, pinnedDownload.at(bucket->outputOffsets[i]), static_cast<size_t>(results[i].bytes));
  return {};
}

Status Executor::wait(uint32_t &launch, lathe_kernel_fault &fault) {
  fault = {};
  Current current(device);
  if (Status status = current.status())
    return status;
  if (Status status = finish())
    return status;
  if (!firstFault.code)
    return {};
  fault = std::exchange(firstFault, {});
  launch = firstFaultLaunch;
  return clearFaults();
}

} // namespace lathe::cuda
