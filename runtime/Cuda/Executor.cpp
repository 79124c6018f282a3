// Creating an executor, choosing buckets, memory.
#include "runtime/Cuda/Executor.h"
#include "runtime/Cuda/DeviceProgram.h"
#include "runtime/Program/Bind.h"
#include <algorithm>
#include <cstdio>

namespace lathe::cuda {
using namespace runtime;
using namespace package;

using ll = long long;

Executor::Executor(Program &program, const Entry &entry, Monitor &monitor, const lathe_profiler &profiler)
    : program(program), entry(entry), device(program.device->device), allocator(program.allocator), monitor(monitor),
      profiler(profiler), launcher(program, entry), arena(device), upload(device), download(device), workspace(device),
      pinnedUpload(device), pinnedDownload(device) {}

Executor::~Executor() {
  Current current(device);
  if (stream)
    device.driver->cuStreamSynchronize(stream); // nothing may use the memory when it goes
  for (uint32_t i = 0; i < bucketCount; ++i)
    allocator.destroy(buckets[i]);
  for (CUevent event : {marks[Begin], marks[Uploaded], marks[Computed], marks[Done], stepBegin, stepEnd})
    if (event)
      device.driver->cuEventDestroy(event);
  if (own)
    device.driver->cuStreamDestroy(own);
}

Status Executor::create(const lathe_context_options &options, const int64_t *capacity) {
  fixed = options.reserve == LATHE_RESERVE_FIXED;
  stepwise = options.time_launches != 0;
  monotone = isMonotone(program, entry);
  uint32_t symbols = program.table().symbols()->size();
  if (!launcher.create() || !buckets.allocate(allocator, kMaxBuckets) || !shape.allocate(allocator, symbols) ||
      !wanted.allocate(allocator, symbols) || !this->capacity.allocate(allocator, symbols) ||
      !results.allocate(allocator, entry.outputs()->size()) || (options.monitor && !phases.allocate(allocator, 3)))
    return outOfMemory();
  std::copy(capacity, capacity + symbols, this->capacity.begin());
  Current current(device);
  if (Status status = current.status())
    return status;
  if (Status status = createStreams(options.stream))
    return status;
  return createBuckets(options, capacity);
}

Status Executor::createStreams(void *callers) {
  if (CUresult error = device.driver->cuStreamCreate(&own, CU_STREAM_NON_BLOCKING)) {
    own = nullptr;
    return device.failed(error, "making a stream");
  }
  stream = own;
  if (callers) {
    auto given = static_cast<CUstream>(callers);
    CUcontext of = nullptr;
    if (CUresult error = device.driver->cuStreamGetCtx(given, &of))
      return device.failed(error, "using the caller's stream");
    if (of != device.context)
      return fail(allocator, LATHE_INVALID_ARGUMENT, "the stream is not of the primary context of device cuda:%u",
                  device.ordinal);
    stream = given;
  }
  auto makeEvent = [&](CUevent &event, bool timed) {
    if (CUresult error = device.driver->cuEventCreate(&event, timed ? CU_EVENT_DEFAULT : CU_EVENT_DISABLE_TIMING)) {
      event = nullptr;
      return device.failed(error, "making an event");
    }
    return Status();
  };
  for (uint32_t i = phases.size() ? Begin : Done; i < kMarks; ++i)
    if (Status status = makeEvent(marks[i], phases.size()))
      return status;
  if (stepwise)
    for (CUevent *event : {&stepBegin, &stepEnd})
      if (Status status = makeEvent(*event, true))
        return status;
  return {};
}

// The buckets that are known from the begin, and what they need.
Status Executor::createBuckets(const lathe_context_options &options, const int64_t *symbols) {
  if (options.bucket_count > kMaxBuckets || (options.bucket_count && !options.buckets))
    return fail(allocator, LATHE_INVALID_ARGUMENT, "expected at most %u buckets, got %u", kMaxBuckets,
                options.bucket_count);
  given = options.bucket_count || fixed;
  for (uint32_t i = 0; i < options.bucket_count; ++i)
    if (Status status = readBucket(options.buckets[i], symbols))
      return status;
  Bucket *ignored;
  if (fixed && !options.bucket_count)
    if (Status status = findOrAdd(symbols, ignored))
      return status;
  Extent need;
  for (uint32_t i = 0; i < bucketCount; ++i) {
    const Extent &extent = buckets[i]->extent;
    need = {std::max(need.arena, extent.arena), std::max(need.scratch, extent.scratch),
            std::max(need.upload, extent.upload), std::max(need.download, extent.download)};
  }
  if (given)
    if (Status status = reserve(need))
      return status;
  for (uint32_t i = 0; i < bucketCount && fixed; ++i)
    if (Status status = capture(*buckets[i]))
      return status;
  return {};
}

Status Executor::readBucket(const lathe_bucket &bucket, const int64_t *symbols) {
  std::copy(symbols, symbols + wanted.size(), wanted.begin());
  const auto &table = *program.table().symbols();
  if (bucket.count && !bucket.max)
    return fail(allocator, LATHE_INVALID_ARGUMENT, "a bucket has no values");
  for (uint32_t i = 0; i < bucket.count; ++i) {
    const lathe_symbol_value &value = bucket.max[i];
    uint32_t symbol = 0;
    while (symbol < table.size() && (!value.name || strcmp(table.Get(symbol)->name()->c_str(), value.name)))
      ++symbol;
    if (symbol == table.size())
      return fail(allocator, LATHE_INVALID_ARGUMENT, "the program has no symbol '%s'", value.name ? value.name : "");
    if (value.value < table.Get(symbol)->min() || value.value > symbols[symbol])
      return fail(allocator, LATHE_SHAPE, "a bucket's %lld for '%s' is outside of %lld to %lld",
                  static_cast<ll>(value.value), value.name, static_cast<ll>(table.Get(symbol)->min()),
                  static_cast<ll>(symbols[symbol]));
    wanted[symbol] = value.value;
  }
  Bucket *ignored;
  return findOrAdd(wanted.data(), ignored);
}

// The bucket with exactly these limits. A new one may take the place of the one that was used longest ago: the device
// must not be at work.
Status Executor::findOrAdd(const int64_t *symbols, Bucket *&out) {
  for (uint32_t i = 0; i < bucketCount; ++i)
    if (buckets[i]->isFor(symbols)) {
      out = buckets[i];
      return {};
    }
  Bucket *made = allocator.create<Bucket>(device);
  if (!made)
    return outOfMemory();
  if (Status status = made->plan(program, entry, symbols)) {
    allocator.destroy(made);
    return status;
  }
  uint32_t place = bucketCount;
  if (bucketCount == kMaxBuckets) {
    place = 0;
    for (uint32_t i = 1; i < bucketCount; ++i)
      if (buckets[i]->lastUse < buckets[place]->lastUse)
        place = i;
    allocator.destroy(buckets[place]);
  } else {
    ++bucketCount;
  }
  out = buckets[place] = made;
  return {};
}

Status Executor::chooseBucket(const int64_t *symbols, Bucket *&out) {
  if (given)
    return chooseGiven(symbols, out);
  for (size_t i = 0; i < wanted.size(); ++i)
    wanted[i] = roundToBucket(symbols[i], capacity[i]);
  // Where larger symbols make no sense or need less of something, a shape is its own bucket.
  Status status = findOrAdd(wanted.data(), out);
  if (!status && out && (monotone || out->covers(program, entry, symbols)))
    return {};
  return std::equal(wanted.begin(), wanted.end(), symbols) ? std::move(status) : findOrAdd(symbols, out);
}

Status Executor::chooseGiven(const int64_t *symbols, Bucket *&out) {
  out = nullptr;
  for (uint32_t i = 0; i < bucketCount; ++i) {
    Bucket *candidate = buckets[i];
    if ((monotone ? candidate->holds(symbols) : candidate->covers(program, entry, symbols)) &&
        (!out || candidate->blocks < out->blocks))
      out = candidate;
  }
  if (out)
    return {};
  char values[512] = "";
  for (uint32_t i = 0; i < shape.size(); ++i) {
    size_t used = strlen(values);
    snprintf(values + used, sizeof values - used, "%s%s = %lld", i ? ", " : "",
             program.table().symbols()->Get(i)->name()->c_str(), static_cast<ll>(symbols[i]));
  }
  return fail(allocator, LATHE_CAPACITY, "none of the context's %u buckets holds %s", bucketCount, values);
}

// Makes the memory large enough, while the device does not use it. Where it moves, graphs that name it go.
Status Executor::reserve(const Extent &need) {
  auto arenaBytes = static_cast<uint64_t>(need.arena), scratchBytes = static_cast<uint64_t>(need.scratch);
  if (memoryReady && arenaBytes <= arena.size() && scratchBytes <= workspace.size() && need.upload <= upload.size() &&
      need.download <= download.size())
    return {};
  memoryReady = false;
  for (uint32_t i = 0; i < bucketCount; ++i)
    buckets[i]->dropGraph();
  if (arenaBytes > arena.size())
    if (Status status = arena.allocate(arenaBytes, "the arena"))
      return status;
  if (scratchBytes > workspace.size())
    if (Status status = workspace.allocate(scratchBytes, "workspaces"))
      return status;
  if (need.upload > upload.size() || need.upload > pinnedUpload.size()) {
    if (Status status = upload.allocate(need.upload, "inputs"))
      return status;
    if (Status status = pinnedUpload.allocate(need.upload, "inputs"))
      return status;
  }
  if (need.download > download.size() || need.download > pinnedDownload.size()) {
    if (Status status = download.allocate(need.download, "outputs"))
      return status;
    if (Status status = pinnedDownload.allocate(need.download, "outputs"))
      return status;
  }
  if (Status status = clearFaults())
    return status;
  memoryReady = true;
  return {};
}

// What kernels expect to be zero: their faults, and the workspace, which a fault may have left as it was.
Status Executor::clearFaults() {
  uint64_t faultBytes = uint64_t(entry.launches()->size()) * sizeof(lathe_kernel_fault);
  CUresult error = CUDA_SUCCESS;
  if (faultBytes)
    error = device.driver->cuMemsetD8Async(download.at(0), 0, faultBytes, stream);
  if (!error && workspace.size())
    error = device.driver->cuMemsetD8Async(workspace.at(0), 0, workspace.size(), stream);
  return error ? device.failed(error, "clearing memory of the device") : Status();
}

Status Executor::capture(Bucket &which) {
  if (which.graph || stepwise || !which.blocks)
    return {};
  return launcher.capture(which, places(), own, which.graph);
}

Status Executor::setShape(const int64_t *symbols) {
  Bucket *next = nullptr;
  if (Status status = finish())
    return status;
  bucket = nullptr; // until all is well
  if (Status status = chooseBucket(symbols, next))
    return status;
  // NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): there is a bucket where nothing failed
  if (Status status = reserve(next->extent))
    return status;
  auto *params = reinterpret_cast<int64_t *>(pinnedUpload.at(0));
  for (uint32_t i = 0; i < entry.launches()->size(); ++i) {
    const auto &formulas = *entry.launches()->Get(i)->params();
    for (uint32_t j = 0; j < formulas.size(); ++j)
      if (Status status = evaluateFor(program, *formulas.Get(j), symbols, "a parameter",
                                      params[launcher.firstParam(i) + j], Sign::any))
        return status;
  }
  paramsChanged = launcher.paramCount();
  std::copy(symbols, symbols + shape.size(), shape.begin());
  bucket = next;
  bucket->lastUse = ++useCount;
  return {};
}

Status Executor::checkPointer(const void *pointer, const char *what, const char *name) const {
  Current current(device);
  if (Status status = current.status())
    return status;
  unsigned type = 0;
  CUresult error = device.driver->cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE,
                                                        reinterpret_cast<CUdeviceptr>(pointer));
  if (error == CUDA_ERROR_INVALID_VALUE)
    return fail(allocator, LATHE_INVALID_ARGUMENT, "%s '%s': its data is not memory that the device '%s' can reach",
                what, name, device.name);
  return error ? device.failed(error, "looking at the data of %s '%s'", what, name) : Status();
}

void Executor::memory(lathe_monitor &out) const {
  out.arena = arena.size();
  out.scratch = workspace.size();
  out.staging = upload.size() + download.size();
  for (uint32_t i = 0; i < bucketCount; ++i)
    out.buckets += buckets[i]->graph != nullptr;
  if (phases.size() && monitor.runNanoseconds())
    out.device_percent =
        100.0 * static_cast<double>(phases[LATHE_PHASE_COMPUTE].sum()) / static_cast<double>(monitor.runNanoseconds());
}

void Executor::resetPhases() {
  for (Histogram &histogram : phases)
    histogram = Histogram();
}

} // namespace lathe::cuda
