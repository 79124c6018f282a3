// Creating contexts, binding shapes, planning memory for them.
#include "runtime/Program/Context.h"
#include "runtime/Base/Types.h"
#include "runtime/Cuda/Executor.h"
#include "runtime/Program/Bind.h"

namespace lathe::runtime {
using namespace package;

using ll = long long;

static constexpr size_t kBlockAlignment = 4096;

Context::Context(Program &program, const Entry &entry, uint32_t entryIndex)
    : program(program), entry(entry), entryIndex(entryIndex), allocator(program.allocator) {
  program.retain();
}

Context::~Context() {
  allocator.destroy(executor);
  for (Output &output : outputs)
    allocator.release(output.own, output.ownSize);
}

void Context::release() {
  Program &parent = program;
  parent.allocator.destroy(this);
  parent.release();
}

Status Context::create(Program &program, const lathe_context_options &options, Context **out) {
  uint32_t index = 0;
  if (options.entry) {
    while (index < program.table().entries()->size() && strcmp(program.entry(index).name()->c_str(), options.entry))
      ++index;
    if (index == program.table().entries()->size())
      return fail(program.allocator, LATHE_INVALID_ARGUMENT, "the program has no entry '%s'", options.entry);
  }
  if (!program.loaded)
    return fail(program.allocator, LATHE_INVALID_ARGUMENT, "the program was loaded to be inspected, without its code");
  auto *context = program.allocator.create<Context>(program, program.entry(index), index);
  if (!context)
    return outOfMemory();
  Status status = context->prepare(options);
  if (status)
    context->release();
  else
    *out = context;
  return status;
}

Status Context::prepare(const lathe_context_options &options) {
  uint32_t available = program.runtime.threads();
  threads = options.threads && options.threads < available ? options.threads : available;
  if (options.profiler)
    profiler = *options.profiler;

  uint32_t symbolCount = program.table().symbols()->size();
  if (!inputs.allocate(allocator, entry.inputs()->size()) || !outputs.allocate(allocator, entry.outputs()->size()) ||
      !inputTensors.allocate(allocator, entry.inputs()->size()) || !symbols.allocate(allocator, symbolCount) ||
      !sliceSymbols.allocate(allocator, symbolCount) || !capacity.allocate(allocator, symbolCount) ||
      !monitor.create(allocator, options.monitor != 0, entry.launches()->size(), options.trace_capacity))
    return outOfMemory();
  if (Status status = setCapacity(options))
    return status;
  if (program.device)
    return createExecutor(options);
  if (options.stream || options.bucket_count)
    return fail(allocator, LATHE_INVALID_ARGUMENT, "a stream or buckets are given, but the program runs on the CPU");
  if (Status status = prepareLaunches())
    return status;
  return fixed ? reserveAll() : Status();
}

Status Context::prepareLaunches() {
  uint32_t symbolCount = program.table().symbols()->size(), operandCount = 0, paramCount = 0;
  if (!launches.allocate(allocator, entry.launches()->size()))
    return outOfMemory();
  for (uint32_t i = 0; i < launches.size(); ++i) {
    launches[i] = {operandCount, paramCount, 0};
    operandCount += entry.launches()->Get(i)->operands()->size();
    paramCount += entry.launches()->Get(i)->params()->size();
  }
  if (!planned.allocate(allocator, symbolCount) || !bufferOffsets.allocate(allocator, entry.buffers()->size()) ||
      !operands.allocate(allocator, operandCount) || !params.allocate(allocator, paramCount) ||
      !launcher.create(allocator, threads))
    return outOfMemory();
  return {};
}

// The largest value of each symbol in one slice, and how large a batch is cut into slices.
Status Context::setCapacity(const lathe_context_options &options) {
  fixed = options.reserve == LATHE_RESERVE_FIXED;
  if (options.capacity_count && !fixed)
    return fail(allocator, LATHE_INVALID_ARGUMENT, "a capacity is given but reserve is not LATHE_RESERVE_FIXED");
  const auto &table = *program.table().symbols();
  for (uint32_t i = 0; i < capacity.size(); ++i)
    capacity[i] = table.Get(i)->max();
  for (uint32_t i = 0; i < options.capacity_count; ++i) {
    const lathe_symbol_value &given = options.capacity[i];
    uint32_t symbol = 0;
    while (symbol < table.size() && (!given.name || strcmp(table.Get(symbol)->name()->c_str(), given.name)))
      ++symbol;
    if (symbol == table.size())
      return fail(allocator, LATHE_INVALID_ARGUMENT, "the program has no symbol '%s'", given.name ? given.name : "");
    if (given.value < table.Get(symbol)->min() || given.value > table.Get(symbol)->max())
      return fail(allocator, LATHE_SHAPE, "a capacity of %lld for '%s' is outside the profile's %lld to %lld",
                  static_cast<ll>(given.value), given.name, static_cast<ll>(table.Get(symbol)->min()),
                  static_cast<ll>(table.Get(symbol)->max()));
    capacity[symbol] = given.value;
  }
  if (options.max_batch < 0)
    return fail(allocator, LATHE_INVALID_ARGUMENT, "expected max_batch of at least 0, got %lld",
                static_cast<ll>(options.max_batch));
  if (entry.batch_symbol() < 0)
    return options.max_batch ? fail(allocator, LATHE_UNSUPPORTED,
                                    "entry '%s' can't run in micro-batches: its rows are not known to be independent",
                                    entry.name()->c_str())
                             : Status();
  sliceLimit = capacity[static_cast<uint32_t>(entry.batch_symbol())];
  batchLimit = options.max_batch > sliceLimit && sliceLimit ? options.max_batch : sliceLimit;
  return {};
}

Status Context::reserveAll() {
  if (Status status = plan(capacity.data()))
    return status;
  if (entry.batch_symbol() >= 0)
    capacity[static_cast<uint32_t>(entry.batch_symbol())] = batchLimit;
  havePlan = false;
  return reserveOutputs();
}

Status Context::reserveOutputs() {
  for (uint32_t i = 0; i < outputs.size(); ++i) {
    if (Status status =
            shapeOf(program, *entry.outputs()->Get(i), capacity.data(), outputs[i].tensor, outputs[i].bytes))
      return status;
    if (Status status = growOutput(outputs[i], i))
      return status;
  }
  return {};
}

Status Context::setInput(uint32_t index, const lathe_tensor &tensor) {
  if (index >= inputs.size())
    return fail(allocator, LATHE_INVALID_ARGUMENT, "input %u does not exist, there are %zu", index, inputs.size());
  const Value &value = *entry.inputs()->Get(index);
  const char *name = value.name()->c_str();
  if (static_cast<unsigned>(tensor.type) != static_cast<unsigned>(value.type()))
    return fail(allocator, LATHE_INVALID_ARGUMENT, "input '%s': expected %s, got %s", name,
                elementName(static_cast<unsigned>(value.type())), elementName(tensor.type));
  if (tensor.rank != value.dims()->size())
    return fail(allocator, LATHE_INVALID_ARGUMENT, "input '%s': expected %u dimensions, got %u", name,
                value.dims()->size(), tensor.rank);
  uint32_t element = elementSize(tensor.type);
  if (reinterpret_cast<uintptr_t>(tensor.data) % element)
    return fail(allocator, LATHE_INVALID_ARGUMENT, "input '%s': its data is not aligned to %u bytes", name, element);
  int64_t bytes;
  if (!tensorBytes(tensor.dims, tensor.rank, element, bytes))
    return fail(allocator, LATHE_SHAPE, "input '%s': its dimensions are negative or too large", name);
  Input &input = inputs[index];
  bool same = input.given && !memcmp(inputTensors[index].dims, tensor.dims, tensor.rank * sizeof(int64_t));
  input = {bytes, true, false};
  inputTensors[index] = tensor;
  bound &= same;
  return {};
}

Status Context::setOutput(uint32_t index, void *data, uint64_t size) {
  if (index >= outputs.size())
    return fail(allocator, LATHE_INVALID_ARGUMENT, "output %u does not exist, there are %zu", index, outputs.size());
  const Value &value = *entry.outputs()->Get(index);
  uint32_t element = elementSize(static_cast<unsigned>(value.type()));
  if (reinterpret_cast<uintptr_t>(data) % element)
    return fail(allocator, LATHE_INVALID_ARGUMENT, "output '%s': its data is not aligned to %u bytes",
                value.name()->c_str(), element);
  outputs[index].bound = outputs[index].tensor.data = data;
  outputs[index].boundSize = data ? size : 0;
  outputs[index].onDevice = false;
  return {};
}

Status Context::bind() {
  if (bound)
    return {};
  for (uint32_t i = 0; i < inputs.size(); ++i)
    if (!inputs[i].given)
      return fail(allocator, LATHE_INVALID_ARGUMENT, "input '%s' is missing", entry.inputs()->Get(i)->name()->c_str());
  if (Status status = bindSymbols(program, entry, inputTensors.data(), batchLimit, symbols.data()))
    return status;
  if (fixed)
    for (uint32_t i = 0; i < symbols.size(); ++i)
      if (symbols[i] > capacity[i])
        return fail(allocator, LATHE_CAPACITY, "'%s' is %lld, but this context was created for at most %lld",
                    program.table().symbols()->Get(i)->name()->c_str(), static_cast<ll>(symbols[i]),
                    static_cast<ll>(capacity[i]));
  for (uint32_t i = 0; i < outputs.size(); ++i) {
    outputs[i].tensor.data = outputs[i].bound;
    if (Status status = shapeOf(program, *entry.outputs()->Get(i), symbols.data(), outputs[i].tensor, outputs[i].bytes))
      return status;
  }
  bound = true;
  return {};
}

Status Context::grow(Array<uint8_t> &block, uint64_t size, const char *what) {
  if (size <= block.size())
    return {};
  if (fixed && block.size())
    return fail(allocator, LATHE_CAPACITY, "%s of %llu bytes is more than the %zu that this context reserved", what,
                static_cast<unsigned long long>(size), block.size());
  return block.allocateRaw(allocator, size, kBlockAlignment) ? Status() : outOfMemory();
}

Status Context::growOutput(Output &output, uint32_t index) {
  auto bytes = static_cast<uint64_t>(output.bytes);
  if (output.own && bytes <= output.ownSize)
    return {};
  if (fixed && output.own)
    return fail(allocator, LATHE_CAPACITY, "output '%s' of %llu bytes is more than the %llu that this context reserved",
                entry.outputs()->Get(index)->name()->c_str(), static_cast<unsigned long long>(bytes),
                static_cast<unsigned long long>(output.ownSize));
  allocator.release(output.own, output.ownSize);
  output.ownSize = bytes;
  output.own = allocator.allocate(bytes, 64);
  return output.own ? Status() : outOfMemory();
}

// Sizes, offsets, grids and parameters for given symbols; the arena and the scratch memory that they need.
Status Context::plan(const int64_t *values) {
  if (havePlan && !memcmp(planned.data(), values, planned.size() * sizeof(int64_t)))
    return {};
  havePlan = false;
  int64_t arenaSize, scratchSize;
  if (Status status = evaluateFor(program, *entry.arena_size(), values, "the arena", arenaSize))
    return status;
  if (Status status = scratchFor(program, entry, values, scratchSize))
    return status;
  for (uint32_t i = 0; i < bufferOffsets.size(); ++i) {
    const Buffer &buffer = *entry.buffers()->Get(i);
    int64_t size;
    if (Status status = evaluateFor(program, *buffer.offset(), values, "a buffer's offset", bufferOffsets[i]))
      return status;
    if (Status status = evaluateFor(program, *buffer.size(), values, "a buffer's size", size))
      return status;
    if (bufferOffsets[i] % 64 || bufferOffsets[i] > arenaSize || size > arenaSize - bufferOffsets[i])
      return fail(allocator, LATHE_CORRUPT,
                  "the package is invalid: buffer %u lies outside the arena for these "
                  "dimensions",
                  i)
          .at(program.image.offsetOf(&buffer));
  }
  for (uint32_t i = 0; i < launches.size(); ++i) {
    const Launch &launch = *entry.launches()->Get(i);
    if (Status status =
            evaluateFor(program, *program.variant(launch.kernel()).tiles(), values, "a grid", launches[i].tiles))
      return status;
    for (uint32_t j = 0; j < launch.params()->size(); ++j)
      if (Status status = evaluateFor(program, *launch.params()->Get(j), values, "a parameter",
                                      params[launches[i].firstParam + j], Sign::any))
        return status;
  }
  if (Status status = grow(arena, static_cast<uint64_t>(arenaSize), "an arena"))
    return status;
  if (Status status = grow(scratch, static_cast<uint64_t>(scratchSize) * threads, "scratch memory"))
    return status;
  launcher.setScratch(scratch.data(), static_cast<uint64_t>(scratchSize));
  memcpy(planned.data(), values, planned.size() * sizeof(int64_t));
  havePlan = true;
  return {};
}

Status Context::output(uint32_t index, lathe_tensor &out) const {
  if (index >= outputs.size())
    return fail(allocator, LATHE_INVALID_ARGUMENT, "output %u does not exist, there are %zu", index, outputs.size());
  if (!bound)
    return fail(allocator, LATHE_INVALID_ARGUMENT, "the inputs are not bound yet; hint: call bind or run first");
  out = outputs[index].tensor;
  return {};
}

Status Context::symbolValue(uint32_t symbol, int64_t &out) const {
  if (symbol >= symbols.size())
    return fail(allocator, LATHE_INVALID_ARGUMENT, "symbol %u does not exist, there are %zu", symbol, symbols.size());
  if (!bound)
    return fail(allocator, LATHE_INVALID_ARGUMENT, "the inputs are not bound yet; hint: call bind or run first");
  out = symbols[symbol];
  return {};
}

void Context::memory(lathe_monitor &out) const {
  for (const Output &output : outputs)
    out.outputs += output.ownSize;
  if (executor)
    return executor->memory(out);
  out.arena = arena.size();
  out.scratch = scratch.size();
}

} // namespace lathe::runtime
