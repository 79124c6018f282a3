// Streams, events, captured graphs, copies and launches of the emulated driver.
//
// What is put on a stream is done when somebody waits for it (LATHE_SIM_ASYNC=late, the default), or at once (early):
// a program that forgets to wait, or changes a buffer too soon, is wrong in one of them.
#include "tools/cuda-sim/Driver.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <set>

using namespace lathe::sim;

using Operation = std::function<CUresult()>;
using Clock = std::chrono::steady_clock;

namespace lathe::cuda {
struct CUgraph_st {
  std::vector<Operation> nodes;
};
struct CUgraphExec_st {
  std::shared_ptr<const std::vector<Operation>> nodes;
};
struct CUstream_st {
  std::deque<Operation> queue;
  bool capturing = false, captureVoid = false;
  int captureMode = 0;
  std::unique_ptr<CUgraph_st> graph;
};
struct CUevent_st {
  struct Record {
    bool done = true;
    Clock::time_point time;
  };
  std::shared_ptr<Record> record; // the last one; null before the first
  CUstream stream = nullptr;      // of the last one
};
} // namespace lathe::cuda

namespace {
// The streams that were created, and the one that is always there, in front of which all others end.
std::set<CUstream> &streams() {
  static std::set<CUstream> all;
  return all;
}
CUstream defaultStream() {
  static CUstream_st stream;
  return &stream;
}

bool step(CUstream stream) {
  if (stream->queue.empty())
    return false;
  Operation operation = std::move(stream->queue.front());
  stream->queue.pop_front();
  if (driver().failed)
    return true;
  driver().failed = operation();
  return true;
}
void drain(CUstream stream) {
  while (step(stream)) {
  }
}

// Null: the default stream. `stream` is set to the object; false where it is none.
bool resolve(CUstream &stream) {
  if (!stream) {
    drainAll();
    stream = defaultStream();
    return true;
  }
  return streams().count(stream);
}

CUresult enqueue(CUstream stream, Operation operation) {
  if (!resolve(stream))
    return CUDA_ERROR_INVALID_HANDLE;
  if (stream->capturing) {
    stream->graph->nodes.push_back(std::move(operation));
    return CUDA_SUCCESS;
  }
  stream->queue.push_back(std::move(operation));
  if (readOptions().early || stream == defaultStream())
    drain(stream);
  return CUDA_SUCCESS;
}

// Waiting is forbidden on a stream that captures, and ends the capture.
CUresult mayWait(CUstream stream) {
  if (!stream->capturing)
    return CUDA_SUCCESS;
  stream->captureVoid = true;
  return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
}

bool pinned(const void *memory, size_t bytes) {
  const Allocation *found = findAllocation(memory, bytes);
  return found && found->pinnedHost;
}
const void *pointer(CUdeviceptr memory) { return reinterpret_cast<const void *>(memory); }
void *writable(CUdeviceptr memory) { return reinterpret_cast<void *>(memory); }

// Checked again when it is done: the memory may be gone by then.
Operation copyOperation(void *to, const void *from, size_t bytes, bool toDevice, bool fromDevice) {
  return [=] {
    if ((toDevice && !inAllocation(to, bytes)) || (fromDevice && !inAllocation(from, bytes)))
      return CUDA_ERROR_ILLEGAL_ADDRESS;
    memcpy(to, from, bytes);
    return CUDA_SUCCESS;
  };
}

std::string &lastReport() {
  static std::string report;
  return report;
}

CUresult launch(CUfunction function, const CUlaunchConfig &config, void **parameters) {
  unsigned threads = config.blockDimX;
  if (config.gridDimY != 1 || config.gridDimZ != 1 || config.blockDimY != 1 || config.blockDimZ != 1) {
    fprintf(stderr, "cuda-sim: kernel %s: only grids and blocks along x are emulated\n", function->kernel.name.c_str());
    return CUDA_ERROR_NOT_SUPPORTED;
  }
  if (!config.gridDimX || !threads || threads > maxThreads || config.sharedMemBytes > function->maxDynamicShared)
    return CUDA_ERROR_INVALID_VALUE;
  Launch kernel = function->kernel;
  kernel.blocks = config.gridDimX, kernel.threads = threads, kernel.sharedBytes = config.sharedMemBytes;
  // A parameter may want up to 64-byte alignment (CUtensorMap).
  struct alignas(64) Line {
    char bytes[64];
  };
  std::vector<Line> storage;
  std::vector<size_t> starts;
  for (size_t i = 0; i < kernel.parameterSizes.size(); ++i) {
    starts.push_back(storage.size());
    storage.resize(storage.size() + (kernel.parameterSizes[i] + 63) / 64);
    memcpy(&storage[starts[i]], parameters[i], kernel.parameterSizes[i]);
  }
  return enqueue(config.hStream, [kernel, storage, starts]() mutable {
    std::vector<void *> values;
    for (size_t start : starts)
      values.push_back(&storage[start]);
    std::string report = run(kernel, values.data());
    if (report.empty())
      return CUDA_SUCCESS;
    lastReport() = report;
    fprintf(stderr, "%s\n", report.c_str());
    return CUDA_ERROR_LAUNCH_FAILED;
  });
}
} // namespace

namespace lathe::sim {
void drainAll() {
  drain(defaultStream());
  for (CUstream stream : streams())
    drain(stream);
}
bool captureForbids() {
  bool forbids = false;
  for (CUstream stream : streams())
    if (stream->capturing && stream->captureMode != CU_STREAM_CAPTURE_MODE_RELAXED)
      forbids = stream->captureVoid = true;
  return forbids;
}
} // namespace lathe::sim

extern "C" {
// For tests: the report of the last launch that failed.
const char *sim_last_report() { return lastReport().c_str(); }
// Makes the context usable again after it.
void sim_forget_failure() { driver().failed = CUDA_SUCCESS; }

// ---- copies

CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void *from, size_t bytes, CUstream stream) {
  Call call;
  if (call.error)
    return call.error;
  if (!findDevice(to, bytes))
    return CUDA_ERROR_INVALID_VALUE;
  CUstream at = stream;
  if (!resolve(at))
    return CUDA_ERROR_INVALID_HANDLE;
  if (at->capturing || pinned(from, bytes))
    return enqueue(stream, copyOperation(writable(to), from, bytes, true, false));
  // The driver has taken pageable memory's bytes when the call returns.
  std::string staged(static_cast<const char *>(from), bytes);
  return enqueue(stream,
                 [to, staged] { return copyOperation(writable(to), staged.data(), staged.size(), true, false)(); });
}
CUresult cuMemcpyDtoHAsync_v2(void *to, CUdeviceptr from, size_t bytes, CUstream stream) {
  Call call;
  if (call.error)
    return call.error;
  if (!findDevice(from, bytes))
    return CUDA_ERROR_INVALID_VALUE;
  CUresult error = enqueue(stream, copyOperation(to, pointer(from), bytes, false, true));
  // Pageable memory has them when the call returns.
  if (!error && resolve(stream) && !stream->capturing && !pinned(to, bytes)) {
    drain(stream);
    error = driver().failed;
  }
  return error;
}
CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream) {
  Call call;
  if (call.error)
    return call.error;
  if (!findDevice(to, bytes) || !findDevice(from, bytes))
    return CUDA_ERROR_INVALID_VALUE;
  return enqueue(stream, copyOperation(writable(to), pointer(from), bytes, true, true));
}
CUresult cuMemcpyAsync(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream) {
  Call call;
  if (call.error)
    return call.error;
  bool toDevice = findDevice(to, bytes), fromDevice = findDevice(from, bytes);
  if (toDevice && fromDevice)
    return cuMemcpyDtoDAsync_v2(to, from, bytes, stream);
  if (toDevice)
    return cuMemcpyHtoDAsync_v2(to, pointer(from), bytes, stream);
  return cuMemcpyDtoHAsync_v2(writable(to), from, bytes, stream);
}
CUresult cuMemsetD8Async(CUdeviceptr memory, unsigned char value, size_t bytes, CUstream stream) {
  Call call;
  if (call.error)
    return call.error;
  if (!findDevice(memory, bytes))
    return CUDA_ERROR_INVALID_VALUE;
  return enqueue(stream, [=] {
    if (!inAllocation(pointer(memory), bytes))
      return CUDA_ERROR_ILLEGAL_ADDRESS;
    memset(writable(memory), value, bytes);
    return CUDA_SUCCESS;
  });
}

// ---- streams

CUresult cuStreamCreate(CUstream *stream, unsigned) {
  Call call;
  *stream = nullptr;
  if (call.error)
    return call.error;
  *stream = new CUstream_st;
  streams().insert(*stream);
  return CUDA_SUCCESS;
}
CUresult cuStreamDestroy_v2(CUstream stream) {
  Call call;
  if (!streams().count(stream))
    return CUDA_ERROR_INVALID_HANDLE;
  drain(stream);
  streams().erase(stream);
  delete stream;
  return CUDA_SUCCESS;
}
CUresult cuStreamSynchronize(CUstream stream) {
  Call call;
  if (call.error)
    return call.error;
  if (!resolve(stream))
    return CUDA_ERROR_INVALID_HANDLE;
  if (CUresult error = mayWait(stream))
    return error;
  drain(stream);
  return driver().failed;
}
// Each question lets the stream do one thing more.
CUresult cuStreamQuery(CUstream stream) {
  Call call;
  if (call.error)
    return call.error;
  if (!resolve(stream))
    return CUDA_ERROR_INVALID_HANDLE;
  if (CUresult error = mayWait(stream))
    return error;
  return step(stream) && !driver().failed ? CUDA_ERROR_NOT_READY : driver().failed;
}
CUresult cuStreamGetCtx(CUstream stream, CUcontext *context) {
  Call call;
  if (!resolve(stream))
    return CUDA_ERROR_INVALID_HANDLE;
  *context = reinterpret_cast<CUcontext>(&driver());
  return CUDA_SUCCESS;
}
CUresult cuStreamBeginCapture_v2(CUstream stream, int mode) {
  Call call;
  if (call.error)
    return call.error;
  if (!streams().count(stream))
    return stream ? CUDA_ERROR_INVALID_HANDLE : CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  if (stream->capturing)
    return CUDA_ERROR_INVALID_VALUE;
  stream->capturing = true, stream->captureVoid = false, stream->captureMode = mode;
  stream->graph = std::make_unique<CUgraph_st>();
  return CUDA_SUCCESS;
}
CUresult cuStreamEndCapture(CUstream stream, CUgraph *graph) {
  Call call;
  *graph = nullptr;
  if (!streams().count(stream) || !stream->capturing)
    return CUDA_ERROR_INVALID_VALUE;
  stream->capturing = false;
  if (stream->captureVoid)
    return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
  *graph = stream->graph.release();
  return call.error;
}
CUresult cuStreamIsCapturing(CUstream stream, int *status) {
  Call call;
  *status = streams().count(stream) && stream->capturing ? 1 : 0;
  return call.error;
}

// ---- events

CUresult cuEventCreate(CUevent *event, unsigned) {
  Call call;
  *event = call.error ? nullptr : new CUevent_st;
  return call.error;
}
CUresult cuEventDestroy_v2(CUevent event) {
  Call call;
  delete event;
  return CUDA_SUCCESS;
}
CUresult cuEventRecord(CUevent event, CUstream stream) {
  Call call;
  if (call.error)
    return call.error;
  auto record = std::make_shared<CUevent_st::Record>();
  record->done = false;
  event->record = record;
  event->stream = stream;
  return enqueue(stream, [record] {
    record->done = true;
    record->time = Clock::now();
    return CUDA_SUCCESS;
  });
}
CUresult cuEventSynchronize(CUevent event) {
  Call call;
  if (call.error || !event->record)
    return call.error;
  CUstream stream = event->stream;
  if (event->record->done || !resolve(stream))
    return driver().failed;
  if (CUresult error = mayWait(stream))
    return error;
  while (!event->record->done && step(stream)) {
  }
  return driver().failed;
}
CUresult cuEventElapsedTime(float *milliseconds, CUevent begin, CUevent end) {
  Call call;
  if (call.error)
    return call.error;
  if (!begin->record || !end->record)
    return CUDA_ERROR_INVALID_HANDLE;
  if (!begin->record->done || !end->record->done)
    return CUDA_ERROR_NOT_READY;
  *milliseconds = std::chrono::duration<float, std::milli>(end->record->time - begin->record->time).count();
  return CUDA_SUCCESS;
}
CUresult cuStreamWaitEvent(CUstream stream, CUevent event, unsigned) {
  Call call;
  if (call.error || !event->record || event->record->done)
    return call.error;
  CUstream at = stream, from = event->stream;
  if (!resolve(at) || !resolve(from))
    return CUDA_ERROR_INVALID_HANDLE;
  if (at->capturing || from->capturing)
    return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED; // captures of several streams are not emulated
  return enqueue(stream, [record = event->record, from] {
    while (!record->done && streams().count(from) && step(from)) {
    }
    return driver().failed;
  });
}

// ---- launches and graphs

CUresult cuLaunchKernelEx(const CUlaunchConfig *config, CUfunction function, void **parameters, void **extra) {
  Call call;
  if (call.error)
    return call.error;
  if (!function || extra)
    return CUDA_ERROR_INVALID_VALUE;
  return launch(function, *config, parameters);
}
CUresult cuLaunchKernel(CUfunction function, unsigned gridX, unsigned gridY, unsigned gridZ, unsigned blockX,
                        unsigned blockY, unsigned blockZ, unsigned sharedBytes, CUstream stream, void **parameters,
                        void **extra) {
  CUlaunchConfig config{gridX, gridY, gridZ, blockX, blockY, blockZ, sharedBytes, stream, nullptr, 0};
  return cuLaunchKernelEx(&config, function, parameters, extra);
}
CUresult cuGraphInstantiateWithFlags(CUgraphExec *executable, CUgraph graph, unsigned long long) {
  Call call;
  *executable = nullptr;
  if (call.error)
    return call.error;
  *executable = new CUgraphExec_st{std::make_shared<const std::vector<Operation>>(graph->nodes)};
  return CUDA_SUCCESS;
}
CUresult cuGraphLaunch(CUgraphExec executable, CUstream stream) {
  Call call;
  if (call.error)
    return call.error;
  return enqueue(stream, [nodes = executable->nodes]() -> CUresult {
    for (const Operation &node : *nodes)
      if (CUresult error = node())
        return error;
    return CUDA_SUCCESS;
  });
}
CUresult cuGraphExecDestroy(CUgraphExec executable) {
  Call call;
  delete executable;
  return CUDA_SUCCESS;
}
CUresult cuGraphDestroy(CUgraph graph) {
  Call call;
  delete graph;
  return CUDA_SUCCESS;
}
}
