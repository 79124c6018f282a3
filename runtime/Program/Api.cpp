// The C API: checks arguments, converts between the public structs and the objects, and nothing else.
#include "runtime/Base/Types.h"
#include "runtime/Cuda/Executor.h"
#include "runtime/Program/Bind.h"
#include "runtime/Program/Context.h"
#include <algorithm>

#ifndef LATHE_VERSION
#error "LATHE_VERSION is set by the build"
#endif

namespace lathe::runtime {
namespace {

Runtime *unwrap(lathe_runtime *object) { return reinterpret_cast<Runtime *>(object); }
Program *unwrap(lathe_program *object) { return reinterpret_cast<Program *>(object); }
const Program *unwrap(const lathe_program *object) { return reinterpret_cast<const Program *>(object); }
Context *unwrap(lathe_context *object) { return reinterpret_cast<Context *>(object); }
const Context *unwrap(const lathe_context *object) { return reinterpret_cast<const Context *>(object); }

lathe_status *missing(const Allocator &allocator, const char *what) {
  return fail(allocator, LATHE_INVALID_ARGUMENT, "%s is NULL", what).take();
}

// What the caller knows of an options struct; the rest is zero. Null options are all defaults.
template <class Options> Status read(const Allocator &allocator, const Options *given, Options &options) {
  options = {};
  if (given && given->struct_size < sizeof(size_t))
    return fail(allocator, LATHE_INVALID_ARGUMENT, "the options' struct_size is not set");
  if (given)
    memcpy(&options, given, std::min(given->struct_size, sizeof options));
  return {};
}

// Fills an info struct of which the caller knows the first struct_size bytes.
template <class Info> class Writer {
public:
  explicit Writer(Info *out) : out(out), known(out ? std::min(out->struct_size, sizeof(Info)) : 0) {
    info.struct_size = known;
    store();
  }
  bool usable() const { return known >= sizeof(size_t); }
  Info *operator->() { return &info; }
  Info &operator*() { return info; }
  lathe_status *done() {
    store();
    return nullptr;
  }

private:
  void store() {
    if (usable())
      memcpy(static_cast<void *>(out), &info, known);
  }
  Info *out;
  size_t known;
  Info info = {};
};

// Declares `writer` over the function's out parameter and leaves the function when an argument is unusable.
#define LATHE_CHECK(object, allocator, Info, writer)                                                                   \
  Writer<Info> writer(out);                                                                                            \
  if (!object)                                                                                                         \
    return missing(Allocator(), "the object");                                                                         \
  if (!writer.usable())                                                                                                \
  return missing(allocator, "out or its struct_size")

lathe_status *outOfRange(const Program &program, const char *what, uint32_t index, size_t count) {
  return fail(program.allocator, LATHE_INVALID_ARGUMENT, "%s %u does not exist, there are %zu", what, index, count)
      .take();
}

// ---- status

const char *versionString() { return LATHE_VERSION; }
lathe_code statusCode(const lathe_status *status) { return status ? status->code : LATHE_OK; }
const char *statusMessage(const lathe_status *status) { return status ? status->message : ""; }
const char *statusNode(const lathe_status *status) { return status ? status->node : ""; }
uint64_t statusPackageOffset(const lathe_status *status) { return status ? status->packageOffset : UINT64_MAX; }

// ---- runtime

lathe_status *runtimeCreate(const lathe_runtime_options *options, lathe_runtime **out) {
  if (!out)
    return missing(Allocator(), "out");
  *out = nullptr;
  lathe_runtime_options known;
  if (Status status = read(Allocator(), options, known))
    return status.take();
  Runtime *runtime = nullptr;
  Status status = Runtime::create(known, &runtime);
  *out = reinterpret_cast<lathe_runtime *>(runtime);
  return status.take();
}

void runtimeRelease(lathe_runtime *runtime) {
  if (runtime)
    unwrap(runtime)->release();
}

lathe_status *deviceInfo(lathe_runtime *object, const char *name, lathe_device_info *out) {
  LATHE_CHECK(object, unwrap(object)->allocator, lathe_device_info, info);
  Runtime &runtime = *unwrap(object);
  if (!name)
    return missing(runtime.allocator, "device");
  if (!strcmp(name, "cpu")) {
    info->processors = runtime.threads();
    return info.done();
  }
  Status status = cuda::describeDevice(runtime, name, *info);
  return status ? status.take() : info.done();
}

// ---- program

lathe_status *programLoad(lathe_runtime *runtime, const lathe_load_options *options, lathe_program **out) {
  if (out)
    *out = nullptr;
  if (!runtime || !options || !out)
    return missing(runtime ? unwrap(runtime)->allocator : Allocator(), "runtime, options or out");
  lathe_load_options known;
  if (Status status = read(unwrap(runtime)->allocator, options, known))
    return status.take();
  Program *program = nullptr;
  Status status = Program::load(*unwrap(runtime), known, &program);
  *out = reinterpret_cast<lathe_program *>(program);
  return status.take();
}

void programRetain(lathe_program *program) {
  if (program)
    unwrap(program)->retain();
}

void programRelease(lathe_program *program) {
  if (program)
    unwrap(program)->release();
}

lathe_status *programInfo(const lathe_program *object, lathe_program_info *out) {
  LATHE_CHECK(object, unwrap(object)->allocator, lathe_program_info, info);
  const Program &program = *unwrap(object);
  const package::Program &table = program.table();
  info->name = table.name()->c_str();
  info->format_major = program.image.header.major;
  info->format_minor = program.image.header.minor;
  memcpy(info->digest, program.image.digest, sizeof info->digest);
  info->file_size = program.image.header.file_size;
  info->target = program.hasTarget ? table.targets()->Get(program.target)->name()->c_str() : "";
  info->target_count = table.targets()->size();
  info->symbol_count = table.symbols()->size();
  info->weight_count = table.weights()->size();
  info->entry_count = table.entries()->size();
  info->kernel_count = table.kernels()->size();
  info->weight_bytes = program.weights.mappedBytes();
  info->expanded_weight_bytes = program.weights.expandedBytes();
  info->metadata = program.metadata;
  info->metadata_size = program.metadataSize;
  info->device = program.deviceName;
  info->device_weight_bytes = program.deviceWeightBytes;
  return info.done();
}

const char *targetName(const lathe_program *object, uint32_t target) {
  if (!object || target >= unwrap(object)->table().targets()->size())
    return nullptr;
  return unwrap(object)->table().targets()->Get(target)->name()->c_str();
}

lathe_status *targetInfo(const lathe_program *object, uint32_t index, lathe_target_info *out) {
  LATHE_CHECK(object, unwrap(object)->allocator, lathe_target_info, info);
  const Program &program = *unwrap(object);
  const auto &targets = *program.table().targets();
  if (index >= targets.size())
    return outOfRange(program, "target", index, targets.size());
  const package::Target &target = *targets.Get(index);
  info->name = target.name()->c_str();
  info->bytes = program.image.segments[target.segment()].size;
  info->oldest_driver = target.driver();
  return info.done();
}

lathe_status *symbolInfo(const lathe_program *object, uint32_t index, lathe_symbol_info *out) {
  LATHE_CHECK(object, unwrap(object)->allocator, lathe_symbol_info, info);
  const auto &symbols = *unwrap(object)->table().symbols();
  if (index >= symbols.size())
    return outOfRange(*unwrap(object), "symbol", index, symbols.size());
  info->name = symbols.Get(index)->name()->c_str();
  info->min = symbols.Get(index)->min();
  info->max = symbols.Get(index)->max();
  return info.done();
}

lathe_status *weightInfo(const lathe_program *object, uint32_t index, lathe_weight_info *out) {
  LATHE_CHECK(object, unwrap(object)->allocator, lathe_weight_info, info);
  const auto &weights = *unwrap(object)->table().weights();
  if (index >= weights.size())
    return outOfRange(*unwrap(object), "weight", index, weights.size());
  const package::Weight &weight = *weights.Get(index);
  info->name = weight.name()->c_str();
  info->type = static_cast<lathe_element_type>(weight.type());
  info->bytes = weight.size();
  if (const package::Layout *layout = weight.layout()) {
    info->rows = layout->rows();
    info->columns = layout->columns();
    info->panel = layout->panel();
  }
  info->random = weight.random() != nullptr;
  return info.done();
}

lathe_status *findEntry(const lathe_program *object, const char *name, uint32_t *out) {
  if (out)
    *out = 0;
  if (!object || !name || !out)
    return missing(object ? unwrap(object)->allocator : Allocator(), "program, name or out");
  const auto &entries = *unwrap(object)->table().entries();
  for (uint32_t i = 0; i < entries.size(); ++i)
    if (!strcmp(entries.Get(i)->name()->c_str(), name)) {
      *out = i;
      return nullptr;
    }
  return fail(unwrap(object)->allocator, LATHE_INVALID_ARGUMENT, "the program has no entry '%s'", name).take();
}

lathe_status *entryInfo(const lathe_program *object, uint32_t index, lathe_entry_info *out) {
  LATHE_CHECK(object, unwrap(object)->allocator, lathe_entry_info, info);
  const Program &program = *unwrap(object);
  if (index >= program.entryTexts.size())
    return outOfRange(program, "entry", index, program.entryTexts.size());
  const package::Entry &entry = program.entry(index);
  info->name = entry.name()->c_str();
  info->input_count = entry.inputs()->size();
  info->output_count = entry.outputs()->size();
  info->buffer_count = entry.buffers()->size();
  info->launch_count = entry.launches()->size();
  info->arena = program.entryTexts[index].arena;
  info->batch_symbol = entry.batch_symbol();
  return info.done();
}

lathe_status *valueInfo(const lathe_program *object, uint32_t entryIndex, uint32_t index, bool output,
                        lathe_value_info *out) {
  LATHE_CHECK(object, unwrap(object)->allocator, lathe_value_info, info);
  const Program &program = *unwrap(object);
  if (entryIndex >= program.entryTexts.size())
    return outOfRange(program, "entry", entryIndex, program.entryTexts.size());
  const package::Entry &entry = program.entry(entryIndex);
  const auto &values = output ? *entry.outputs() : *entry.inputs();
  if (index >= values.size())
    return outOfRange(program, output ? "output" : "input", index, values.size());
  const Program::EntryTexts &texts = program.entryTexts[entryIndex];
  info->name = values.Get(index)->name()->c_str();
  info->type = static_cast<lathe_element_type>(values.Get(index)->type());
  info->rank = values.Get(index)->dims()->size();
  for (uint32_t i = 0; i < info->rank; ++i) {
    const auto &steps = *values.Get(index)->dims()->Get(i)->steps();
    bool fixed = steps.size() == 1 && steps.Get(0)->op() == package::FormulaOp::constant;
    info->dims[i] = fixed ? steps.Get(0)->operand() : -1;
    info->formulas[i] = (output ? texts.outputs : texts.inputs)[index].dims[i];
  }
  return info.done();
}

lathe_status *inputInfo(const lathe_program *program, uint32_t entry, uint32_t input, lathe_value_info *out) {
  return valueInfo(program, entry, input, false, out);
}
lathe_status *outputInfo(const lathe_program *program, uint32_t entry, uint32_t output, lathe_value_info *out) {
  return valueInfo(program, entry, output, true, out);
}

lathe_status *findLaunch(const Program &program, uint32_t entry, uint32_t launch) {
  if (entry >= program.entryTexts.size())
    return outOfRange(program, "entry", entry, program.entryTexts.size());
  if (launch >= program.entry(entry).launches()->size())
    return outOfRange(program, "launch", launch, program.entry(entry).launches()->size());
  return nullptr;
}

lathe_status *launchInfo(const lathe_program *object, uint32_t entry, uint32_t index, lathe_launch_info *out) {
  LATHE_CHECK(object, unwrap(object)->allocator, lathe_launch_info, info);
  const Program &program = *unwrap(object);
  if (lathe_status *status = findLaunch(program, entry, index))
    return status;
  const package::Launch &launch = *program.entry(entry).launches()->Get(index);
  const package::Kernel &kernel = program.kernel(launch.kernel());
  const Program::LaunchTexts &texts = program.entryTexts[entry].launches[index];
  info->kernel = kernel.name()->c_str();
  info->tiles = texts.tiles;
  info->flops = texts.flops;
  info->operand_count = launch.operands()->size();
  info->origin_count = kernel.origins() ? kernel.origins()->size() : 0;
  info->origins = texts.origins;
  return info.done();
}

// ---- what shapes imply

lathe_status *outputDims(const lathe_program *object, uint32_t entry, uint32_t output, const int64_t *symbols,
                         lathe_tensor *out) {
  if (out)
    *out = {};
  if (!object || !out)
    return missing(object ? unwrap(object)->allocator : Allocator(), "program or out");
  const Program &program = *unwrap(object);
  if (!symbols && program.table().symbols()->size())
    return missing(program.allocator, "symbols");
  if (entry >= program.entryTexts.size())
    return outOfRange(program, "entry", entry, program.entryTexts.size());
  const auto &outputs = *program.entry(entry).outputs();
  if (output >= outputs.size())
    return outOfRange(program, "output", output, outputs.size());
  int64_t bytes;
  return shapeOf(program, *outputs.Get(output), symbols, *out, bytes).take();
}

lathe_status *launchCost(const lathe_program *object, uint32_t entry, uint32_t index, const int64_t *symbols,
                         lathe_launch_cost *out) {
  LATHE_CHECK(object, unwrap(object)->allocator, lathe_launch_cost, cost);
  const Program &program = *unwrap(object);
  if (!symbols && program.table().symbols()->size())
    return missing(program.allocator, "symbols");
  if (lathe_status *status = findLaunch(program, entry, index))
    return status;
  const package::Launch &launch = *program.entry(entry).launches()->Get(index);
  const package::KernelVariant &variant = program.variant(launch.kernel());
  if (Status status = evaluateFor(program, *variant.tiles(), symbols, "a grid", cost->tiles))
    return status.take();
  if (Status status = evaluateFor(program, *variant.scratch(), symbols, "scratch", cost->scratch))
    return status.take();
  if (launch.flops())
    if (Status status = evaluateFor(program, *launch.flops(), symbols, "a cost", cost->flops))
      return status.take();
  return cost.done();
}

lathe_status *memoryNeeded(const lathe_program *object, uint32_t entry, const int64_t *symbols, uint32_t threads,
                           lathe_memory *out) {
  LATHE_CHECK(object, unwrap(object)->allocator, lathe_memory, memory);
  const Program &program = *unwrap(object);
  if (!symbols && program.table().symbols()->size())
    return missing(program.allocator, "symbols");
  if (entry >= program.entryTexts.size())
    return outOfRange(program, "entry", entry, program.entryTexts.size());
  if (Status status = memoryFor(program, program.entry(entry), symbols, threads ? threads : 1, *memory))
    return status.take();
  return memory.done();
}

// ---- context

lathe_status *contextCreate(lathe_program *program, const lathe_context_options *options, lathe_context **out) {
  if (out)
    *out = nullptr;
  if (!program || !out)
    return missing(program ? unwrap(program)->allocator : Allocator(), "program or out");
  lathe_context_options known;
  if (Status status = read(unwrap(program)->allocator, options, known))
    return status.take();
  Context *context = nullptr;
  Status status = Context::create(*unwrap(program), known, &context);
  *out = reinterpret_cast<lathe_context *>(context);
  return status.take();
}

void contextRelease(lathe_context *context) {
  if (context)
    unwrap(context)->release();
}

lathe_status *findValue(const lathe_context *object, const char *name, bool output, uint32_t *out) {
  if (out)
    *out = 0;
  if (!object || !name || !out)
    return missing(object ? unwrap(object)->program.allocator : Allocator(), "context, name or out");
  const Context &context = *unwrap(object);
  // NOLINTNEXTLINE(clang-analyzer-core.NullDereference): the verified table has both
  const auto &values = output ? *context.entry.outputs() : *context.entry.inputs();
  char names[512] = "";
  for (uint32_t i = 0; i < values.size(); ++i) {
    const char *known = values.Get(i)->name()->c_str();
    if (!strcmp(known, name)) {
      *out = i;
      return nullptr;
    }
    strncat(names, i ? ", " : "", sizeof names - strlen(names) - 1);
    strncat(names, known, sizeof names - strlen(names) - 1);
  }
  return fail(context.program.allocator, LATHE_INVALID_ARGUMENT, "there is no %s '%s', only: %s",
              output ? "output" : "input", name, names)
      .take();
}

lathe_status *findInput(const lathe_context *context, const char *name, uint32_t *out) {
  return findValue(context, name, false, out);
}
lathe_status *findOutput(const lathe_context *context, const char *name, uint32_t *out) {
  return findValue(context, name, true, out);
}

lathe_status *setInput(lathe_context *context, uint32_t input, const lathe_tensor *tensor) {
  if (!context || !tensor)
    return missing(context ? unwrap(context)->program.allocator : Allocator(), "context or tensor");
  return unwrap(context)->setInput(input, *tensor).take();
}

lathe_status *setOutput(lathe_context *context, uint32_t output, void *data, uint64_t size) {
  return context ? unwrap(context)->setOutput(output, data, size).take() : missing(Allocator(), "context");
}

lathe_status *setInputDevice(lathe_context *context, uint32_t input, const lathe_tensor *tensor) {
  if (!context || !tensor)
    return missing(context ? unwrap(context)->program.allocator : Allocator(), "context or tensor");
  return unwrap(context)->setInputDevice(input, *tensor).take();
}

lathe_status *setOutputDevice(lathe_context *context, uint32_t output, void *data, uint64_t size) {
  return context ? unwrap(context)->setOutputDevice(output, data, size).take() : missing(Allocator(), "context");
}

lathe_status *bind(lathe_context *context) {
  return context ? unwrap(context)->bind().take() : missing(Allocator(), "context");
}

lathe_status *symbolValue(const lathe_context *context, uint32_t symbol, int64_t *out) {
  if (out)
    *out = 0;
  if (!context || !out)
    return missing(context ? unwrap(context)->program.allocator : Allocator(), "context or out");
  return unwrap(context)->symbolValue(symbol, *out).take();
}

lathe_status *run(lathe_context *context) {
  return context ? unwrap(context)->run().take() : missing(Allocator(), "context");
}

lathe_status *runAsync(lathe_context *context) {
  return context ? unwrap(context)->runAsync().take() : missing(Allocator(), "context");
}

lathe_status *wait(lathe_context *context) {
  return context ? unwrap(context)->wait().take() : missing(Allocator(), "context");
}

lathe_status *output(const lathe_context *context, uint32_t index, lathe_tensor *out) {
  if (out)
    *out = {};
  if (!context || !out)
    return missing(context ? unwrap(context)->program.allocator : Allocator(), "context or out");
  return unwrap(context)->output(index, *out).take();
}

void cancel(lathe_context *context) {
  if (context)
    unwrap(context)->cancel();
}

void resetCancel(lathe_context *context) {
  if (context)
    unwrap(context)->resetCancel();
}

// ---- measurements

lathe_status *notMonitored(const Context &context) {
  return fail(context.program.allocator, LATHE_INVALID_ARGUMENT, "the context was created without monitor = 1").take();
}

lathe_status *monitor(const lathe_context *object, lathe_monitor *out) {
  LATHE_CHECK(object, unwrap(object)->program.allocator, lathe_monitor, info);
  info->cpu_percent = unwrap(object)->monitor.cpuPercent();
  info->resident = residentBytes();
  unwrap(object)->memory(*info);
  return info.done();
}

lathe_status *runLatency(const lathe_context *object, lathe_latency *out) {
  LATHE_CHECK(object, unwrap(object)->program.allocator, lathe_latency, latency);
  if (!unwrap(object)->monitor.measures())
    return notMonitored(*unwrap(object));
  unwrap(object)->monitor.run().summarize(*latency);
  return latency.done();
}

lathe_status *launchLatency(const lathe_context *object, uint32_t launch, lathe_latency *out) {
  LATHE_CHECK(object, unwrap(object)->program.allocator, lathe_latency, latency);
  const Context &context = *unwrap(object);
  if (!context.monitor.measures())
    return notMonitored(context);
  if (lathe_status *status = findLaunch(context.program, context.entryIndex, launch))
    return status;
  context.monitor.launch(launch).summarize(*latency);
  return latency.done();
}

lathe_status *phaseLatency(const lathe_context *object, lathe_phase phase, lathe_latency *out) {
  LATHE_CHECK(object, unwrap(object)->program.allocator, lathe_latency, latency);
  const Context &context = *unwrap(object);
  if (!context.executor || phase < LATHE_PHASE_HOST_TO_DEVICE || phase > LATHE_PHASE_DEVICE_TO_HOST)
    return fail(context.program.allocator, LATHE_INVALID_ARGUMENT,
                context.executor ? "an unknown phase" : "a run on the CPU has no phases")
        .take();
  if (!context.executor->hasPhases())
    return notMonitored(context);
  context.executor->phase(phase).summarize(*latency);
  return latency.done();
}

lathe_status *monitorReset(lathe_context *context) {
  if (!context)
    return missing(Allocator(), "context");
  unwrap(context)->monitor.reset();
  if (unwrap(context)->executor)
    unwrap(context)->executor->resetPhases();
  return nullptr;
}

lathe_status *trace(const lathe_context *object, void (*write)(void *self, const char *text, size_t size), void *self) {
  if (!object || !write)
    return missing(object ? unwrap(object)->program.allocator : Allocator(), "context or write");
  const Context &context = *unwrap(object);
  context.monitor.write(context.program, context.entry, write, self);
  return nullptr;
}

constexpr lathe_api api = {LATHE_API_VERSION,
                           versionString,
                           statusCode,
                           statusMessage,
                           statusNode,
                           statusPackageOffset,
                           releaseStatus,
                           runtimeCreate,
                           runtimeRelease,
                           programLoad,
                           programRetain,
                           programRelease,
                           programInfo,
                           targetName,
                           symbolInfo,
                           weightInfo,
                           findEntry,
                           entryInfo,
                           inputInfo,
                           outputInfo,
                           launchInfo,
                           outputDims,
                           launchCost,
                           memoryNeeded,
                           contextCreate,
                           contextRelease,
                           findInput,
                           findOutput,
                           setInput,
                           setOutput,
                           bind,
                           symbolValue,
                           run,
                           output,
                           cancel,
                           resetCancel,
                           monitor,
                           runLatency,
                           launchLatency,
                           monitorReset,
                           trace,
                           deviceInfo,
                           targetInfo,
                           setInputDevice,
                           setOutputDevice,
                           runAsync,
                           wait,
                           phaseLatency};

} // namespace
} // namespace lathe::runtime

const lathe_api *lathe_get_api(uint32_t version) {
  return version >= 1 && version <= LATHE_API_VERSION ? &lathe::runtime::api : nullptr;
}
