// lathe-run inspect: what a package holds, without running it.
#include "runtime/Package/Format.h"
#include "tools/lathe-run/Json.h"
#include "tools/lathe-run/Model.h"
#include "tools/lathe-run/ShapeSpec.h"
#include "tools/lathe-run/Table.h"
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

namespace lathe::tool {

namespace {
struct SegmentInfo {
  std::string kind;
  uint64_t offset, size, alignment;
};

struct LaunchInfo {
  std::string kernel, tiles, flops;
  std::vector<std::string> origins;
  lathe_launch_cost cost = {}; // for --memory's symbols
};

// All that is shown, gathered first, so that text and JSON cannot tell different things.
struct Inspection {
  lathe_program_info info = {};
  lathe_entry_info entry = {};
  std::string digest;
  std::vector<lathe_target_info> targets;
  std::vector<SegmentInfo> segments;
  std::vector<lathe_weight_info> weights;
  std::vector<LaunchInfo> launches;
  std::vector<int64_t> symbolValues; // for the memory
  lathe_memory memory = {};
};

const char *segmentKindName(uint32_t kind) {
  switch (package::SegmentKind(kind)) {
  case package::SegmentKind::Weights:
    return "weights";
  case package::SegmentKind::WeightHashes:
    return "weight-hashes";
  case package::SegmentKind::CpuElf:
    return "cpu-elf";
  case package::SegmentKind::Metadata:
    return "metadata";
  case package::SegmentKind::Cubin:
    return "cubin";
  case package::SegmentKind::CudaSource:
    return "cuda-source";
  }
  return "unknown";
}

// The segment table has been verified by the load; it is read again, for the C API does not show it.
bool readSegments(const ModelSource &source, std::vector<SegmentInfo> &segments, std::string &error) {
  int fd = open(source.path.c_str(), O_RDONLY | O_CLOEXEC);
  uint64_t base = source.part ? source.part->offset : 0;
  auto readAt = [&](uint64_t offset, void *into, size_t size) {
    return pread(fd, into, size, off_t(base + offset)) == ssize_t(size);
  };
  package::Header header;
  bool read = fd >= 0 && readAt(0, &header, sizeof header);
  for (uint32_t i = 0; read && i < header.segment_count; ++i) {
    package::Segment segment;
    read = readAt(header.segments_offset + i * sizeof segment, &segment, sizeof segment);
    segments.push_back({segmentKindName(segment.kind), segment.offset, segment.size, segment.alignment});
  }
  if (fd >= 0)
    close(fd);
  if (!read)
    error = "can't read the segment table of '" + source.path + "'";
  return read;
}

// Values for all symbols: those of --memory, else the profile's maximum.
bool chooseSymbols(const Model &model, const std::vector<std::pair<std::string, int64_t>> &given,
                   std::vector<int64_t> &values, std::string &error) {
  std::vector<std::string> known;
  for (const Symbol &symbol : model.symbols()) {
    known.push_back(symbol.name);
    values.push_back(symbol.max);
  }
  for (auto &[name, value] : given) {
    auto at = std::find(known.begin(), known.end(), name);
    if (at == known.end()) {
      std::optional<std::string> meant = nearest(name, known);
      error = "the model has no symbol '" + name + "'" + (meant ? "; did you mean '" + *meant + "'?" : "; it has");
      for (size_t i = 0; !meant && i < known.size(); ++i)
        error += (i ? ", '" : " '") + known[i] + "'";
      if (known.empty())
        error = "the model has no symbols, got '" + name + "'";
      return false;
    }
    const Symbol &symbol = model.symbols()[size_t(at - known.begin())];
    if (value < symbol.min || value > symbol.max) {
      error = "symbol '" + name + "': expected " + std::to_string(symbol.min) + " to " + std::to_string(symbol.max) +
              ", got " + std::to_string(value);
      return false;
    }
    values[size_t(at - known.begin())] = value;
  }
  return true;
}

bool gather(const Model &model, const ModelSource &source, uint32_t threads, Inspection &result, std::string &error) {
  const lathe_program *program = model.program();
  result.info.struct_size = sizeof result.info;
  result.entry.struct_size = sizeof result.entry;
  result.memory.struct_size = sizeof result.memory;
  if (!succeeded(api().program_info(program, &result.info), error) ||
      !succeeded(api().entry_info(program, model.entry(), &result.entry), error) ||
      !succeeded(api().memory(program, model.entry(), result.symbolValues.data(), threads, &result.memory), error) ||
      !readSegments(source, result.segments, error))
    return false;
  for (uint8_t byte : result.info.digest)
    for (int nibble : {byte >> 4, byte & 15})
      result.digest += "0123456789abcdef"[nibble];
  for (uint32_t i = 0; i < result.info.target_count; ++i) {
    lathe_target_info target = {};
    target.struct_size = sizeof target;
    if (!succeeded(api().target_info(program, i, &target), error))
      return false;
    result.targets.push_back(target);
  }
  for (uint32_t i = 0; i < result.info.weight_count; ++i) {
    lathe_weight_info weight = {};
    weight.struct_size = sizeof weight;
    if (!succeeded(api().weight_info(program, i, &weight), error))
      return false;
    result.weights.push_back(weight);
  }
  for (uint32_t i = 0; i < result.entry.launch_count; ++i) {
    lathe_launch_info info = {};
    info.struct_size = sizeof info;
    LaunchInfo launch;
    launch.cost.struct_size = sizeof launch.cost;
    if (!succeeded(api().launch_info(program, model.entry(), i, &info), error) ||
        !succeeded(api().launch_cost(program, model.entry(), i, result.symbolValues.data(), &launch.cost), error))
      return false;
    launch.kernel = info.kernel;
    launch.tiles = info.tiles;
    launch.flops = info.flops;
    launch.origins.assign(info.origins, info.origins + info.origin_count);
    result.launches.push_back(std::move(launch));
  }
  return true;
}

std::string toJson(const Model &model, const Inspection &x) {
  JsonWriter json;
  json.beginObject();
  json.field("name", x.info.name).field("digest", x.digest).field("file_bytes", uint64_t(x.info.file_size));
  json.field("format", std::to_string(x.info.format_major) + "." + std::to_string(x.info.format_minor));
  json.key("targets").beginArray();
  for (const lathe_target_info &target : x.targets)
    json.value(target.name);
  json.endArray().field("target", x.info.target).field("device", x.info.device);
  json.key("code").beginArray();
  for (const lathe_target_info &target : x.targets)
    json.beginObject()
        .field("target", target.name)
        .field("bytes", uint64_t(target.bytes))
        .field("oldest_driver", uint64_t(target.oldest_driver))
        .endObject();
  json.endArray();
  json.key("symbols").beginArray();
  for (size_t i = 0; i < model.symbols().size(); ++i) {
    const Symbol &symbol = model.symbols()[i];
    json.beginObject().field("name", symbol.name).field("min", symbol.min).field("max", symbol.max).endObject();
  }
  json.endArray();
  for (bool inputs : {true, false}) {
    json.key(inputs ? "inputs" : "outputs").beginArray();
    for (const Value &value : inputs ? model.inputs() : model.outputs()) {
      json.beginObject().field("name", value.name).field("type", typeName(value.type)).key("shape").beginArray();
      for (size_t d = 0; d < value.dims.size(); ++d)
        value.dims[d] >= 0 ? json.value(value.dims[d]) : json.value(value.formulas[d]);
      json.endArray().endObject();
    }
    json.endArray();
  }
  json.key("memory").beginObject();
  json.field("arena_formula", x.entry.arena).key("symbols").beginObject();
  for (size_t i = 0; i < model.symbols().size(); ++i)
    json.field(model.symbols()[i].name, x.symbolValues[i]);
  json.endObject();
  json.field("arena", x.memory.arena).field("scratch", x.memory.scratch).field("outputs", x.memory.outputs);
  json.field("weights", x.memory.weights).field("expanded_weights", x.memory.expanded_weights);
  if (x.memory.staging)
    json.field("staging", uint64_t(x.memory.staging)).field("device_weights", uint64_t(x.memory.device_weights));
  json.field("peak", x.memory.peak).endObject();
  json.key("segments").beginArray();
  for (const SegmentInfo &segment : x.segments)
    json.beginObject()
        .field("kind", segment.kind)
        .field("offset", segment.offset)
        .field("bytes", segment.size)
        .field("alignment", segment.alignment)
        .endObject();
  json.endArray().key("weights").beginArray();
  for (const lathe_weight_info &weight : x.weights) {
    json.beginObject().field("name", weight.name).field("type", typeName(ElementType(weight.type)));
    json.field("bytes", uint64_t(weight.bytes)).field("rows", uint64_t(weight.rows));
    json.field("columns", uint64_t(weight.columns)).field("panel", uint64_t(weight.panel));
    json.field("random", weight.random != 0).endObject();
  }
  json.endArray().key("launches").beginArray();
  for (const LaunchInfo &launch : x.launches) {
    json.beginObject().field("kernel", launch.kernel).field("tiles", launch.tiles).field("flops", launch.flops);
    json.key("origins").beginArray();
    for (const std::string &origin : launch.origins)
      json.value(origin);
    json.endArray().endObject();
  }
  json.endArray();
  json.field("metadata", std::string_view(x.info.metadata, x.info.metadata_size));
  json.endObject();
  return json.take();
}

void printValues(const char *title, const std::vector<Value> &values) {
  std::printf("\n%s\n", title);
  for (const Value &value : values)
    std::printf("  %s: %s\n", value.name.c_str(), value.text().c_str());
}

void printLaunches(const Inspection &x) {
  std::vector<std::vector<std::string>> rows = {{"launch", "tiles", ">tiles", ">MFLOP", "computes"}};
  for (const LaunchInfo &launch : x.launches) {
    std::string origins;
    for (size_t i = 0; i < launch.origins.size() && i < 3; ++i)
      origins += (i ? ", " : "") + launch.origins[i];
    if (launch.origins.size() > 3)
      origins += " and " + std::to_string(launch.origins.size() - 3) + " more";
    rows.push_back({launch.kernel, launch.tiles, std::to_string(launch.cost.tiles),
                    launch.cost.flops ? numberText(double(launch.cost.flops) / 1e6, 4) : "-", origins});
  }
  std::printf("\n");
  printTable(rows);
}

void print(const Model &model, const Inspection &x, bool launches) {
  std::string targets;
  for (const lathe_target_info &target : x.targets)
    targets += (targets.empty() ? "" : ", ") + std::string(target.name);
  std::printf("name      %s\n", x.info.name);
  std::printf("file      %s, format %u.%u, digest %s\n", bytesText(x.info.file_size).c_str(), x.info.format_major,
              x.info.format_minor, x.digest.c_str());
  std::printf("targets   %s; runs %s%s\n", targets.c_str(),
              *x.info.target ? "here as " : "on no processor like this one", x.info.target);
  for (const lathe_target_info &target : x.targets)
    if (target.oldest_driver)
      std::printf("          %s: %s, driver %u.%u or newer\n", target.name, bytesText(target.bytes).c_str(),
                  target.oldest_driver / 1000, target.oldest_driver % 1000 / 10);
  std::printf("weights   %u, %s", x.info.weight_count, bytesText(x.info.weight_bytes).c_str());
  if (x.info.expanded_weight_bytes)
    std::printf(" and %s made at load", bytesText(x.info.expanded_weight_bytes).c_str());
  std::printf("\nlaunches  %u of %u kernels\n", x.entry.launch_count, x.info.kernel_count);
  printValues("inputs", model.inputs());
  printValues("outputs", model.outputs());
  if (!model.symbols().empty())
    std::printf("\nsymbols\n");
  for (const Symbol &symbol : model.symbols())
    std::printf("  %s from %lld to %lld\n", symbol.name.c_str(), (long long)symbol.min, (long long)symbol.max);
  std::printf("\nsegments\n");
  for (const SegmentInfo &segment : x.segments)
    std::printf("  %-14s %12s at %llu\n", segment.kind.c_str(), bytesText(segment.size).c_str(),
                (unsigned long long)segment.offset);
  std::string at;
  for (size_t i = 0; i < model.symbols().size(); ++i)
    at += (i ? ", " : " at ") + model.symbols()[i].name + " = " + std::to_string(x.symbolValues[i]);
  std::printf("\npeak memory%s\n", at.c_str());
  std::printf("  arena     %12s = %s bytes\n", bytesText(x.memory.arena).c_str(), x.entry.arena);
  if (x.memory.staging)
    std::printf("  scratch   %12s\n  staging   %12s inputs and outputs, pinned on the host too\n"
                "  weights   %12s on the device, shared by all contexts\n",
                bytesText(x.memory.scratch).c_str(), bytesText(x.memory.staging).c_str(),
                bytesText(x.memory.device_weights).c_str());
  else
    std::printf("  scratch   %12s\n  outputs   %12s\n", bytesText(x.memory.scratch).c_str(),
                bytesText(x.memory.outputs).c_str());
  std::printf("  weights   %12s mapped, shared by all contexts\n", bytesText(x.memory.weights).c_str());
  if (x.memory.expanded_weights)
    std::printf("  made      %12s weights made at load\n", bytesText(x.memory.expanded_weights).c_str());
  std::printf("  peak      %12s = %llu bytes\n", bytesText(x.memory.peak).c_str(), (unsigned long long)x.memory.peak);
  if (launches)
    printLaunches(x);
}

int runInspect(const ModelSource &source, const Arguments &arguments) {
  std::string error;
  ModelOptions options;
  std::vector<std::pair<std::string, int64_t>> given;
  if (!options.parse(arguments, error))
    return fail(error, kUsage);
  options.inspect = true;
  if (std::optional<std::string> text = arguments.value("--memory")) {
    auto parsed = parseSymbols(*text, error);
    if (!parsed)
      return fail("--memory: " + error, kUsage);
    given = std::move(*parsed);
  }
  Model model;
  Inspection result;
  if (!model.load(source, options, error) || !chooseSymbols(model, given, result.symbolValues, error) ||
      !gather(model, source, options.threads, result, error))
    return fail(error);
  if (arguments.has("--json"))
    std::printf("%s", toJson(model, result).c_str());
  else
    print(model, result, arguments.has("--launches"));
  return 0;
}
} // namespace

const Command inspectCommand = {
    "inspect",
    "",
    "Prints what the package holds: inputs, outputs, dimensions, weights, launches, memory.",
    "Peak memory is computed, not measured: nothing is allocated. Symbols that --memory does not name take the "
    "largest\n"
    "value that the model was compiled for.",
    0,
    [] {
      std::vector<Flag> flags = {{"--memory", "SYMBOLS", "peak memory for these sizes, as batch=8,sequence=128"},
                                 {"--launches", nullptr, "list the launches and the ONNX nodes that they compute"},
                                 {"--json", nullptr, "print everything as JSON"}};
      for (const Flag &flag : ModelOptions::loadFlags())
        flags.push_back(flag);
      return flags;
    }(),
    runInspect};

} // namespace lathe::tool
