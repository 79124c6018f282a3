// Copying weights to the device: those that some launch reads, one behind the other in one allocation, through two
// pinned pieces that are filled (from the file or from a seed) and copied in turn. So no more of the host's memory is
// taken however large the weights are.
#include "runtime/Cuda/DeviceProgram.h"
#include <algorithm>

namespace lathe::cuda {
using namespace runtime;
using namespace package;

static constexpr uint64_t kPiece = 4u << 20;
static constexpr uint64_t kWeightAlignment = 256; // as the driver's own allocations

static constexpr uint64_t kUnused = UINT64_MAX;

// Where each weight goes, and how large all are together.
static Status layout(const Allocator &allocator, const Program &program, Array<uint64_t> &offsets, uint64_t &total) {
  uint32_t count = program.weights()->size();
  if (!offsets.allocate(allocator, count))
    return outOfMemory();
  std::fill(offsets.begin(), offsets.end(), kUnused);
  for (const Entry *entry : *program.entries())
    for (const Launch *launch : *entry->launches())
      for (const Operand *operand : *launch->operands())
        if (operand->kind() == OperandKind::weight)
          offsets[operand->index()] = 0;
  total = 0;
  for (uint32_t i = 0; i < count; ++i) {
    if (offsets[i] == kUnused)
      continue;
    offsets[i] = total;
    uint64_t size = program.weights()->Get(i)->size();
    if (size > (uint64_t(1) << 62) - total) // weights may be the same bytes of the file
      return fail(allocator, LATHE_OUT_OF_MEMORY, "the weights are larger than any device's memory");
    total += alignUp(size, kWeightAlignment);
  }
  return {};
}

Status weightBytes(const Allocator &allocator, const Program &program, uint64_t &bytes) {
  Array<uint64_t> offsets;
  return layout(allocator, program, offsets, bytes);
}

Status DeviceProgram::loadWeights(const Program &program, const Weights &weights, bool verify) {
  uint64_t total;
  if (Status status = layout(allocator, program, weightOffsets, total))
    return status;
  if (!total)
    return {};
  if (Status status = weightMemory.allocate(total, "weights"))
    return status;
  CUstream stream;
  if (CUresult error = device.driver->cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING))
    return device.failed(error, "making a stream to copy weights");
  Status status = copyWeights(program, weights, verify, stream);
  device.driver->cuStreamDestroy(stream);
  return status;
}

namespace {
// Two pinned pieces, each with an event for the end of its latest copy.
class Pieces {
public:
  Pieces(const Device &device, CUstream stream) : device(device), stream(stream), memory(device) {}
  Pieces(const Pieces &) = delete;
  Pieces &operator=(const Pieces &) = delete;
  ~Pieces() {
    device.driver->cuStreamSynchronize(stream); // before the memory goes
    for (CUevent event : done)
      if (event)
        device.driver->cuEventDestroy(event);
  }
  Status create(uint64_t size) {
    for (CUevent &event : done)
      if (CUresult error = device.driver->cuEventCreate(&event, CU_EVENT_DISABLE_TIMING)) {
        event = nullptr;
        return device.failed(error, "making an event");
      }
    return memory.allocate(2 * size, "copying weights");
  }
  // The piece to fill next, when the device has done with what was in it.
  Status next(uint8_t *&piece) {
    current ^= 1;
    piece = memory.at(current * (memory.size() / 2));
    if (used[current])
      if (CUresult error = device.driver->cuEventSynchronize(done[current]))
        return device.failed(error, "copying weights to the device");
    used[current] = true;
    return {};
  }
  Status copy(CUdeviceptr to, uint64_t size) {
    CUresult error = device.driver->cuMemcpyHtoDAsync(to, memory.at(current * (memory.size() / 2)), size, stream);
    if (!error)
      error = device.driver->cuEventRecord(done[current], stream);
    return error ? device.failed(error, "copying weights to the device") : Status();
  }

private:
  const Device &device;
  CUstream stream;
  PinnedBlock memory;
  CUevent done[2] = {};
  bool used[2] = {};
  uint32_t current = 0;
};
} // namespace

Status DeviceProgram::copyWeights(const Program &program, const Weights &weights, bool verify, CUstream stream) {
  uint64_t piece = std::min(kPiece, weightMemory.size());
  Pieces pieces(device, stream);
  if (Status status = pieces.create(piece))
    return status;
  uint8_t *out = nullptr;
  uint64_t begin = 0, filled = 0; // of the piece at hand
  for (uint32_t i = 0; i < weightOffsets.size(); ++i) {
    if (weightOffsets[i] == kUnused)
      continue;
    if (verify)
      if (Status status = weights.verify(i))
        return status;
    uint64_t size = program.weights()->Get(i)->size(), padded = alignUp(size, kWeightAlignment);
    for (uint64_t offset = 0; offset < padded;) {
      if (!out)
        if (Status status = pieces.next(out))
          return status;
      // Both are multiples of the alignment, and so of an element's size.
      uint64_t part = std::min(padded - offset, piece - filled);
      uint64_t bytes = offset < size ? std::min(part, size - offset) : 0;
      weights.read(i, offset, bytes, out + filled);
      memset(out + filled + bytes, 0, part - bytes);
      offset += part;
      filled += part;
      if (filled == piece) {
        if (Status status = pieces.copy(weightMemory.at(begin), filled))
          return status;
        begin += filled;
        filled = 0;
        out = nullptr;
      }
    }
  }
  if (filled)
    if (Status status = pieces.copy(weightMemory.at(begin), filled))
      return status;
  if (CUresult error = device.driver->cuStreamSynchronize(stream))
    return device.failed(error, "copying weights to the device");
  return {};
}

} // namespace lathe::cuda
