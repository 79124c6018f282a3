// Sizes and layouts of buckets.
#include "runtime/Cuda/Bucket.h"
#include "runtime/Package/Verify.h"
#include "runtime/Program/Bind.h"
#include <algorithm>

namespace lathe::cuda {
using namespace runtime;
using namespace package;

static constexpr int64_t kMaxGrid = INT32_MAX; // along x
static constexpr uint64_t kMaxStaging = uint64_t(1) << 46;

int64_t roundToBucket(int64_t value, int64_t max) {
  int64_t power = 1;
  while (power < value && power <= INT64_MAX / 4) {
    if (power >= 2 && power + power / 2 >= value) {
      power += power / 2;
      break;
    }
    power *= 2;
  }
  return std::min(std::max(power, value), max);
}

static bool isMonotone(const Formula &formula) {
  const auto &steps = *formula.steps();
  for (uint32_t i = 0; i < steps.size(); ++i) {
    const FormulaStep &step = *steps.Get(i);
    bool divides = step.op() == FormulaOp::floordiv || step.op() == FormulaOp::ceildiv;
    if (step.op() == FormulaOp::sub || (step.op() == FormulaOp::constant && step.operand() < 0) ||
        (divides && steps.Get(i - 1)->op() != FormulaOp::constant)) // the divisor is the latest value
      return false;
  }
  return true;
}

bool isMonotone(const Program &program, const Entry &entry) {
  for (const Buffer *buffer : *entry.buffers())
    if (!isMonotone(*buffer->size())) // an offset's order doesn't matter: the bucket's own are used
      return false;
  for (const auto *values : {entry.inputs(), entry.outputs()})
    for (const Value *value : *values)
      for (const Formula *dim : *value->dims())
        if (!isMonotone(*dim))
          return false;
  for (const Launch *launch : *entry.launches()) {
    const KernelVariant &variant = program.variant(launch->kernel());
    if (!isMonotone(*variant.tiles()) || !isMonotone(*variant.scratch()))
      return false;
  }
  return true;
}

namespace {
// Evaluates all that an entry needs; `bucket` also keeps the parts, where given.
class Planner {
public:
  Planner(const Program &program, const Entry &entry, const int64_t *symbols, Bucket *bucket)
      : program(program), entry(entry), symbols(symbols), bucket(bucket) {}

  Status run(Extent &extent) {
    if (Status status = evaluateFor(program, *entry.arena_size(), symbols, "the arena", extent.arena))
      return status;
    if (Status status = planLaunches(extent))
      return status;
    extent.upload = alignUp(paramCount * sizeof(int64_t), kStagingAlignment);
    extent.download = alignUp(uint64_t(entry.launches()->size()) * sizeof(lathe_kernel_fault), kStagingAlignment);
    if (Status status = planValues(*entry.inputs(), extent.upload, bucket ? &bucket->inputOffsets : nullptr,
                                   bucket ? &bucket->inputBytes : nullptr))
      return status;
    if (Status status = planValues(*entry.outputs(), extent.download, bucket ? &bucket->outputOffsets : nullptr,
                                   bucket ? &bucket->outputBytes : nullptr))
      return status;
    return bucket ? planBuffers(extent.arena) : Status();
  }

private:
  Status planLaunches(Extent &extent) {
    for (uint32_t i = 0; i < entry.launches()->size(); ++i) {
      const Launch &launch = *entry.launches()->Get(i);
      const KernelVariant &variant = program.variant(launch.kernel());
      int64_t tiles, scratch;
      if (Status status = evaluateFor(program, *variant.tiles(), symbols, "a grid", tiles))
        return status;
      if (Status status = evaluateFor(program, *variant.scratch(), symbols, "a workspace", scratch))
        return status;
      if (tiles > kMaxGrid)
        return program.withNodes(fail(program.allocator, LATHE_SHAPE,
                                      "kernel '%s' needs %lld blocks for these dimensions, a grid has at most %lld",
                                      program.kernel(launch.kernel()).name()->c_str(), static_cast<long long>(tiles),
                                      static_cast<long long>(kMaxGrid)),
                                 launch.kernel());
      paramCount += launch.params()->size();
      extent.scratch = std::max(extent.scratch, scratch);
      if (bucket) {
        bucket->tiles[i] = tiles;
        bucket->blocks += tiles; // fewer than 2^31 launches of less than 2^31 blocks
      }
    }
    return {};
  }

  Status planValues(const flatbuffers::Vector<flatbuffers::Offset<Value>> &values, uint64_t &used,
                    Array<uint64_t> *offsets, Array<int64_t> *sizes) {
    for (uint32_t i = 0; i < values.size(); ++i) {
      lathe_tensor tensor;
      int64_t bytes;
      if (Status status = shapeOf(program, *values.Get(i), symbols, tensor, bytes))
        return status;
      if (offsets) {
        (*offsets)[i] = used;
        (*sizes)[i] = bytes;
      }
      if (static_cast<uint64_t>(bytes) > kMaxStaging || used > kMaxStaging)
        return fail(program.allocator, LATHE_SHAPE, "'%s' is too large for these dimensions",
                    values.Get(i)->name()->c_str());
      // Never empty, so that each has an address of its own.
      used += alignUp(std::max<uint64_t>(static_cast<uint64_t>(bytes), 1), kStagingAlignment);
    }
    return {};
  }

  Status planBuffers(int64_t arena) {
    for (uint32_t i = 0; i < entry.buffers()->size(); ++i) {
      const Buffer &buffer = *entry.buffers()->Get(i);
      int64_t &offset = bucket->bufferOffsets[i], &bytes = bucket->bufferBytes[i];
      if (Status status = evaluateFor(program, *buffer.offset(), symbols, "a buffer's offset", offset))
        return status;
      if (Status status = evaluateFor(program, *buffer.size(), symbols, "a buffer's size", bytes))
        return status;
      if (offset % 64 || offset > arena || bytes > arena - offset)
        return fail(program.allocator, LATHE_CORRUPT,
                    "the package is invalid: buffer %u lies outside the arena for these dimensions", i)
            .at(program.image.offsetOf(&buffer));
    }
    return {};
  }

  const Program &program;
  const Entry &entry;
  const int64_t *symbols;
  Bucket *bucket;
  uint64_t paramCount = 0;
};
} // namespace

Status measure(const Program &program, const Entry &entry, const int64_t *symbols, bool bucketed, Extent &extent) {
  const auto &table = *program.table().symbols();
  int64_t limits[kMaxSymbols];
  for (uint32_t i = 0; i < table.size(); ++i)
    limits[i] = bucketed ? roundToBucket(symbols[i], table.Get(i)->max()) : symbols[i];
  return Planner(program, entry, limits, nullptr).run(extent);
}

Status Bucket::plan(const Program &program, const Entry &entry, const int64_t *symbols) {
  const Allocator &allocator = program.allocator;
  uint32_t inputs = entry.inputs()->size(), outputs = entry.outputs()->size(), buffers = entry.buffers()->size();
  if (!limits.allocate(allocator, program.table().symbols()->size()) || !bufferOffsets.allocate(allocator, buffers) ||
      !bufferBytes.allocate(allocator, buffers) || !tiles.allocate(allocator, entry.launches()->size()) ||
      !inputBytes.allocate(allocator, inputs) || !outputBytes.allocate(allocator, outputs) ||
      !inputOffsets.allocate(allocator, inputs) || !outputOffsets.allocate(allocator, outputs))
    return outOfMemory();
  std::copy(symbols, symbols + limits.size(), limits.begin());
  return Planner(program, entry, symbols, this).run(extent);
}

void Bucket::dropGraph() {
  if (graph) {
    Current current(device);
    device.driver->cuGraphExecDestroy(graph);
  }
  graph = nullptr;
}

bool Bucket::isFor(const int64_t *symbols) const { return std::equal(limits.begin(), limits.end(), symbols); }

bool Bucket::holds(const int64_t *symbols) const {
  for (size_t i = 0; i < limits.size(); ++i)
    if (symbols[i] > limits[i])
      return false;
  return true;
}

bool Bucket::covers(const Program &program, const Entry &entry, const int64_t *symbols) const {
  if (!holds(symbols))
    return false;
  auto within = [&](const Formula &formula, int64_t limit) {
    int64_t value;
    return evaluate(formula, symbols, value) && value <= limit;
  };
  for (uint32_t i = 0; i < bufferBytes.size(); ++i)
    if (!within(*entry.buffers()->Get(i)->size(), bufferBytes[i]))
      return false;
  for (uint32_t i = 0; i < tiles.size(); ++i) {
    const KernelVariant &variant = program.variant(entry.launches()->Get(i)->kernel());
    if (!within(*variant.tiles(), tiles[i]) || !within(*variant.scratch(), extent.scratch))
      return false;
  }
  auto tensorsWithin = [&](const flatbuffers::Vector<flatbuffers::Offset<Value>> &values, const Array<int64_t> &sizes) {
    for (uint32_t i = 0; i < values.size(); ++i) {
      lathe_tensor tensor;
      int64_t bytes;
      if (Status status = shapeOf(program, *values.Get(i), symbols, tensor, bytes))
        return false;
      if (bytes > sizes[i])
        return false;
    }
    return true;
  };
  return tensorsWithin(*entry.inputs(), inputBytes) && tensorsWithin(*entry.outputs(), outputBytes);
}

} // namespace lathe::cuda
