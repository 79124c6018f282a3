// Binding symbols and evaluating sizes, with messages that name inputs, dimensions and limits.
#include "runtime/Program/Bind.h"
#include "runtime/Base/Types.h"
#include "runtime/Cuda/Bucket.h"

namespace lathe::runtime {
using namespace package;

namespace {

using ll = long long;

const char *symbolName(const Program &program, int32_t symbol) {
  return program.table().symbols()->Get(static_cast<uint32_t>(symbol))->name()->c_str();
}

// The first input dimension that is this symbol alone: the one that bound it.
void findBinder(const Entry &entry, int32_t symbol, uint32_t &input, uint32_t &dim) {
  for (input = 0; input < entry.inputs()->size(); ++input) {
    auto &dims = *entry.inputs()->Get(input)->dims();
    for (dim = 0; dim < dims.size(); ++dim)
      if (bareSymbol(*dims.Get(dim)) == symbol)
        return;
  }
}

Status bindDimension(const Program &program, const Entry &entry, int64_t batchLimit, uint32_t input, uint32_t dim,
                     int64_t extent, int64_t *symbols) {
  const Value &value = *entry.inputs()->Get(input);
  int32_t index = bareSymbol(*value.dims()->Get(dim));
  const char *name = symbolName(program, index);
  uint32_t firstInput, firstDim;
  findBinder(entry, index, firstInput, firstDim);
  if (firstInput != input || firstDim != dim) {
    if (symbols[index] == extent)
      return {};
    return fail(program.allocator, LATHE_SHAPE,
                "input '%s': dimension %u ('%s') is %lld, but input '%s' has %lld at its dimension %u of that name",
                value.name()->c_str(), dim, name, static_cast<ll>(extent),
                entry.inputs()->Get(firstInput)->name()->c_str(), static_cast<ll>(symbols[index]), firstDim);
  }
  const Symbol &symbol = *program.table().symbols()->Get(static_cast<uint32_t>(index));
  int64_t max = index == entry.batch_symbol() && batchLimit > symbol.max() ? batchLimit : symbol.max();
  if (extent < symbol.min() || extent > max)
    return fail(program.allocator, LATHE_SHAPE,
                "input '%s': dimension %u ('%s') is %lld, outside the profile's %lld to %lld; hint: compile with a "
                "larger range (--dim %s=MIN:MAX)%s",
                value.name()->c_str(), dim, name, static_cast<ll>(extent), static_cast<ll>(symbol.min()),
                static_cast<ll>(max), name,
                index == entry.batch_symbol() && extent > max ? " or run with micro-batches (max_batch)" : "");
  symbols[index] = extent;
  return {};
}

} // namespace

Status bindSymbols(const Program &program, const Entry &entry, const lathe_tensor *tensors, int64_t batchLimit,
                   int64_t *symbols) {
  for (uint32_t i = 0; i < program.table().symbols()->size(); ++i)
    symbols[i] = program.table().symbols()->Get(i)->min();
  for (bool bare : {true, false}) // formulas of symbols only after all symbols are bound
    for (uint32_t i = 0; i < entry.inputs()->size(); ++i)
      for (uint32_t dim = 0; dim < tensors[i].rank; ++dim) {
        const Formula &formula = *entry.inputs()->Get(i)->dims()->Get(dim);
        if ((bareSymbol(formula) >= 0) != bare)
          continue;
        int64_t extent = tensors[i].dims[dim], expected;
        if (bare) {
          if (Status status = bindDimension(program, entry, batchLimit, i, dim, extent, symbols))
            return status;
        } else if (!evaluate(formula, symbols, expected) || expected != extent) {
          char text[256];
          printFormula(formula, program.table(), text, sizeof text);
          return fail(program.allocator, LATHE_SHAPE, "input '%s': dimension %u is %lld, expected %s",
                      entry.inputs()->Get(i)->name()->c_str(), dim, static_cast<ll>(extent), text);
        }
      }
  if (entry.requirements())
    for (const Requirement *requirement : *entry.requirements()) {
      int64_t left, right;
      if (!evaluate(*requirement->left(), symbols, left) || !evaluate(*requirement->right(), symbols, right) ||
          left != right) {
        char leftText[128], rightText[128];
        printFormula(*requirement->left(), program.table(), leftText, sizeof leftText);
        printFormula(*requirement->right(), program.table(), rightText, sizeof rightText);
        return fail(program.allocator, LATHE_SHAPE, "these shapes do not fit the model: %s (%s must equal %s)",
                    requirement->message()->c_str(), leftText, rightText);
      }
    }
  return {};
}

Status evaluateFor(const Program &program, const Formula &formula, const int64_t *symbols, const char *what,
                   int64_t &value, Sign sign) {
  value = 0;
  if (evaluate(formula, symbols, value, sign))
    return {};
  char text[256];
  printFormula(formula, program.table(), text, sizeof text);
  return fail(program.allocator, LATHE_SHAPE, "%s (%s) overflows%s for these dimensions", what, text,
              sign == Sign::any ? "" : " or is negative");
}

Status shapeOf(const Program &program, const Value &value, const int64_t *symbols, lathe_tensor &tensor,
               int64_t &bytes) {
  tensor.type = static_cast<lathe_element_type>(value.type());
  tensor.rank = value.dims()->size();
  for (uint32_t i = 0; i < tensor.rank; ++i)
    if (Status status = evaluateFor(program, *value.dims()->Get(i), symbols, "a dimension", tensor.dims[i]))
      return status;
  if (!tensorBytes(tensor.dims, tensor.rank, elementSize(tensor.type), bytes))
    return fail(program.allocator, LATHE_SHAPE, "'%s' is too large for these dimensions", value.name()->c_str());
  return {};
}

Status scratchFor(const Program &program, const Entry &entry, const int64_t *symbols, int64_t &bytes) {
  bytes = 0;
  for (const Launch *launch : *entry.launches()) {
    int64_t scratch;
    if (Status status = evaluateFor(program, *program.variant(launch->kernel()).scratch(), symbols, "scratch", scratch))
      return status;
    bytes = scratch > bytes ? scratch : bytes;
  }
  if (bytes > INT64_MAX / 4096)
    return fail(program.allocator, LATHE_SHAPE, "scratch memory is too large for these dimensions");
  bytes = static_cast<int64_t>(alignUp(static_cast<uint64_t>(bytes), 128));
  return {};
}

static Status deviceMemoryFor(const Program &program, const Entry &entry, const int64_t *symbols,
                              lathe_memory &memory) {
  cuda::Extent extent;
  if (Status status = cuda::measure(program, entry, symbols, true, extent))
    return status;
  memory.arena = static_cast<uint64_t>(extent.arena);
  memory.scratch = static_cast<uint64_t>(extent.scratch);
  memory.staging = extent.upload + extent.download;
  memory.weights = program.weights.mappedBytes();
  memory.expanded_weights = program.weights.expandedBytes();
  memory.device_weights = program.deviceWeightBytes;
  memory.peak = memory.arena + memory.scratch + memory.staging + memory.device_weights;
  return {};
}

Status memoryFor(const Program &program, const Entry &entry, const int64_t *symbols, uint32_t threads,
                 lathe_memory &memory) {
  if (program.isForDevice())
    return deviceMemoryFor(program, entry, symbols, memory);
  int64_t arena, scratch;
  if (Status status = evaluateFor(program, *entry.arena_size(), symbols, "the arena", arena))
    return status;
  if (Status status = scratchFor(program, entry, symbols, scratch))
    return status;
  memory.arena = static_cast<uint64_t>(arena);
  memory.scratch = static_cast<uint64_t>(scratch) * threads;
  memory.outputs = 0;
  for (const Value *output : *entry.outputs()) {
    lathe_tensor tensor;
    int64_t bytes;
    if (Status status = shapeOf(program, *output, symbols, tensor, bytes))
      return status;
    memory.outputs += static_cast<uint64_t>(bytes);
  }
  memory.weights = program.weights.mappedBytes();
  memory.expanded_weights = program.weights.expandedBytes();
  memory.peak = memory.arena + memory.scratch + memory.outputs + memory.weights + memory.expanded_weights;
  return {};
}

} // namespace lathe::runtime
