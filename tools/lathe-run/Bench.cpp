// lathe-run bench: runs a model over and over and reports how long it takes, in trtexec's terms.
#include "tools/lathe-run/Inputs.h"
#include "tools/lathe-run/Json.h"
#include "tools/lathe-run/Progress.h"
#include "tools/lathe-run/Statistics.h"
#include "tools/lathe-run/Table.h"
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace lathe::tool {

namespace {
using Clock = std::chrono::steady_clock;

double secondsSince(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

struct LaunchFigures {
  std::string kernel;
  std::vector<std::string> origins;
  int64_t flops;
  lathe_latency latency;
};

struct BenchResult {
  std::string target, version;
  double loadMs = 0, firstRunMs = 0, seconds = 0;
  std::vector<double> milliseconds; // of each measured run
  std::vector<double> submissions;  // of a device, milliseconds: from a run's start until the host is free again
  std::vector<std::pair<std::string, std::string>> shapes;
  lathe_memory memory = {};
  lathe_monitor monitor = {};
  uint64_t peakResident = 0; // bytes; 0 when unknown
  std::vector<LaunchFigures> launches;
  lathe_device_info device = {}; // no name: the CPU
  lathe_latency phases[3] = {};  // of a device: by lathe_phase
};

constexpr const char *kPhases[] = {"host to device", "compute", "device to host"};
constexpr const char *kPhaseKeys[] = {"host_to_device_ms", "compute_ms", "device_to_host_ms"};

// The most that this process has had in memory, from the kernel's own account.
uint64_t peakResidentBytes() {
  std::FILE *file = std::fopen("/proc/self/status", "re");
  char line[256];
  uint64_t kib = 0;
  while (file && kib == 0 && std::fgets(line, sizeof line, file))
    if (std::strncmp(line, "VmHWM:", 6) == 0)
      kib = std::strtoull(line + 6, nullptr, 10);
  if (file)
    std::fclose(file);
  return kib * 1024;
}

bool measure(Model &model, int64_t warmup, int64_t iterations, double duration, BenchResult &result,
             std::string &error) {
  Progress progress("measuring");
  auto begin = Clock::now();
  lathe_code code = LATHE_OK;
  if (!model.run(error, &code)) {
    if (code == LATHE_FAULT)
      error += "; hint: --fill=NAME=random:LOW:HIGH draws other values";
    return false;
  }
  result.firstRunMs = secondsSince(begin) * 1e3;
  for (int64_t i = 1; i < warmup; ++i)
    if (!model.run(error))
      return false;
  if (!succeeded(api().monitor_reset(model.context()), error))
    return false;
  begin = Clock::now();
  for (int64_t i = 0; i < iterations || secondsSince(begin) < duration; ++i) {
    auto start = Clock::now();
    if (!model.run(error))
      return false;
    result.milliseconds.push_back(secondsSince(start) * 1e3);
    double part = iterations ? double(i) / double(iterations) : 1;
    progress.update(duration > 0 ? std::min(part, secondsSince(begin) / duration) : part);
  }
  result.seconds = secondsSince(begin);
  return true;
}

// On a device that does nothing else: how long the host is busy with a run, which goes on when run_async has returned.
bool measureSubmission(Model &model, BenchResult &result, std::string &error) {
  constexpr size_t kMostRuns = 200;
  constexpr double kSeconds = 0.2;
  auto begin = Clock::now();
  while (result.submissions.size() < kMostRuns && (result.submissions.empty() || secondsSince(begin) < kSeconds)) {
    auto start = Clock::now();
    lathe_status *started = api().run_async(model.context());
    double milliseconds = secondsSince(start) * 1e3;
    if (!succeeded(started, error) || !succeeded(api().wait(model.context()), error))
      return false;
    result.submissions.push_back(milliseconds);
  }
  return true;
}

// What the runtime knows of the runs: where the time went, what the memory is.
bool collect(const Model &model, BenchResult &result, std::string &error) {
  std::vector<int64_t> symbols(model.symbols().size());
  for (uint32_t i = 0; i < symbols.size(); ++i)
    if (!succeeded(api().symbol_value(model.context(), i, &symbols[i]), error))
      return false;
  result.monitor.struct_size = sizeof result.monitor;
  result.memory.struct_size = sizeof result.memory;
  lathe_entry_info entry = {};
  entry.struct_size = sizeof entry;
  if (!succeeded(api().monitor(model.context(), &result.monitor), error) ||
      !succeeded(api().entry_info(model.program(), model.entry(), &entry), error))
    return false;
  result.peakResident = peakResidentBytes();
  if (model.onDevice()) {
    if (!model.deviceInfo(result.device, error))
      return false;
    for (lathe_phase phase : {LATHE_PHASE_HOST_TO_DEVICE, LATHE_PHASE_COMPUTE, LATHE_PHASE_DEVICE_TO_HOST}) {
      result.phases[phase].struct_size = sizeof result.phases[phase];
      if (!succeeded(api().phase_latency(model.context(), phase, &result.phases[phase]), error))
        return false;
    }
    if (!succeeded(api().memory(model.program(), model.entry(), symbols.data(), 1, &result.memory), error))
      return false;
  }
  for (uint32_t i = 0; i < entry.launch_count; ++i) {
    lathe_launch_info info = {};
    info.struct_size = sizeof info;
    lathe_launch_cost cost = {};
    cost.struct_size = sizeof cost;
    lathe_latency latency = {};
    latency.struct_size = sizeof latency;
    if (!succeeded(api().launch_info(model.program(), model.entry(), i, &info), error) ||
        !succeeded(api().launch_cost(model.program(), model.entry(), i, symbols.data(), &cost), error) ||
        !succeeded(api().launch_latency(model.context(), i, &latency), error))
      return false;
    result.launches.push_back({info.kernel, {info.origins, info.origins + info.origin_count}, cost.flops, latency});
  }
  return true;
}

// What the context and its program hold of the device's memory.
uint64_t deviceBytes(const BenchResult &result) {
  return result.memory.device_weights + result.monitor.arena + result.monitor.scratch + result.monitor.staging;
}

// Nanoseconds as milliseconds.
void writeLatency(JsonWriter &json, const lathe_latency &latency) {
  json.beginObject();
  json.field("min", double(latency.min) / 1e6).field("mean", latency.average / 1e6);
  json.field("median", double(latency.p50) / 1e6).field("p90", double(latency.p90) / 1e6);
  json.field("p95", double(latency.p95) / 1e6).field("p99", double(latency.p99) / 1e6);
  json.field("max", double(latency.max) / 1e6).endObject();
}

void writeStatistics(JsonWriter &json, const Statistics &s) {
  json.beginObject();
  json.field("min", s.min).field("mean", s.mean).field("median", s.median);
  json.field("p90", s.p90).field("p95", s.p95).field("p99", s.p99).field("max", s.max);
  json.endObject();
}

void writeDevice(JsonWriter &json, const BenchResult &result) {
  json.key("device").beginObject();
  json.field("name", result.device.name).field("sm", uint64_t(result.device.sm));
  json.field("processors", uint64_t(result.device.processors)).field("memory_bytes", uint64_t(result.device.memory));
  json.field("driver", uint64_t(result.device.driver));
  for (int phase = 0; phase < 3; ++phase)
    writeLatency(json.key(kPhaseKeys[phase]), result.phases[phase]);
  if (!result.submissions.empty())
    writeStatistics(json.key("submit_ms"), summarize(result.submissions));
  json.field("busy_percent", result.monitor.device_percent);
  json.key("used_bytes").beginObject();
  json.field("weights", uint64_t(result.memory.device_weights)).field("arena", uint64_t(result.monitor.arena));
  json.field("workspaces", uint64_t(result.monitor.scratch)).field("staging", uint64_t(result.monitor.staging));
  json.field("total", deviceBytes(result)).endObject().endObject();
}

std::string toJson(const ModelSource &source, const ModelOptions &options, const BenchResult &result) {
  JsonWriter json;
  json.beginObject();
  json.field("version", result.version).field("model", source.path).field("target", result.target);
  json.field("threads", uint64_t(options.threads));
  json.key("shapes").beginObject();
  for (auto &[name, shape] : result.shapes)
    json.field(name, shape);
  json.endObject();
  json.field("load_ms", result.loadMs).field("first_run_ms", result.firstRunMs);
  json.field("iterations", uint64_t(result.milliseconds.size()));
  json.key("latency_ms");
  writeStatistics(json, summarize(result.milliseconds));
  json.field("throughput_per_s", double(result.milliseconds.size()) / result.seconds);
  json.field("cpu_percent", result.monitor.cpu_percent);
  json.key("memory_bytes").beginObject();
  json.field("peak_resident", result.peakResident).field("arena", result.monitor.arena);
  json.field("scratch", result.monitor.scratch).field("outputs", result.monitor.outputs);
  json.endObject();
  if (*result.device.name)
    writeDevice(json, result);
  json.key("launches").beginArray();
  for (const LaunchFigures &launch : result.launches) {
    json.beginObject();
    json.field("kernel", launch.kernel);
    json.key("origins").beginArray();
    for (const std::string &origin : launch.origins)
      json.value(origin);
    json.endArray();
    json.field("count", uint64_t(launch.latency.count)).field("flops", launch.flops);
    writeLatency(json.key("latency_ms"), launch.latency);
    json.endObject();
  }
  json.endArray().endObject();
  return json.take();
}

void printDevice(const BenchResult &result) {
  std::vector<std::vector<std::string>> rows = {{"device", ">min ms", ">median ms", ">p99 ms"}};
  auto ms = [](uint64_t nanoseconds) { return millisecondsText(double(nanoseconds) / 1e6); };
  for (int phase = 0; phase < 3; ++phase) {
    const lathe_latency &latency = result.phases[phase];
    rows.push_back({kPhases[phase], ms(latency.min), ms(latency.p50), ms(latency.p99)});
  }
  std::printf("\n");
  printTable(rows);
  std::printf("\n");
  if (!result.submissions.empty())
    std::printf("host         busy for %s ms of a run\n",
                millisecondsText(summarize(result.submissions).median).c_str());
  std::printf("utilisation  %s %% of the time of the runs\n", numberText(result.monitor.device_percent, 3).c_str());
  std::printf("on device    %s (weights %s, arena %s, workspaces %s, staging %s) of %s\n",
              bytesText(deviceBytes(result)).c_str(), bytesText(result.memory.device_weights).c_str(),
              bytesText(result.monitor.arena).c_str(), bytesText(result.monitor.scratch).c_str(),
              bytesText(result.monitor.staging).c_str(), bytesText(result.device.memory).c_str());
  std::printf("device       %s, sm_%u, %u processors, driver %u.%u\n", result.device.name, result.device.sm,
              result.device.processors, result.device.driver / 1000, result.device.driver % 1000 / 10);
}

void print(const BenchResult &result, const ModelOptions &options, bool perLaunch) {
  Statistics s = summarize(result.milliseconds);
  std::string shapes;
  for (auto &[name, shape] : result.shapes)
    shapes.append(shapes.empty() ? "" : ", ").append(name).append(":").append(shape);
  std::vector<std::vector<std::string>> rows = {{"latency", ">ms"}};
  std::pair<const char *, double> figures[] = {{"min", s.min}, {"mean", s.mean}, {"median", s.median}, {"p90", s.p90},
                                               {"p95", s.p95}, {"p99", s.p99},   {"max", s.max}};
  for (auto [name, value] : figures)
    rows.push_back({name, millisecondsText(value)});
  printTable(rows);
  if (*result.device.name)
    printDevice(result);
  std::printf("\nruns         %zu in %s s\n", result.milliseconds.size(), numberText(result.seconds, 3).c_str());
  std::printf("throughput   %s runs/s\n", numberText(double(result.milliseconds.size()) / result.seconds, 5).c_str());
  std::printf("load         %s ms, first run %s ms\n", millisecondsText(result.loadMs).c_str(),
              millisecondsText(result.firstRunMs).c_str());
  if (*result.device.name)
    std::printf("peak memory  %s resident\n", bytesText(result.peakResident).c_str());
  else
    std::printf("peak memory  %s resident (arena %s, scratch %s, outputs %s)\n", bytesText(result.peakResident).c_str(),
                bytesText(result.monitor.arena).c_str(), bytesText(result.monitor.scratch).c_str(),
                bytesText(result.monitor.outputs).c_str());
  std::printf("shapes       %s\n", shapes.c_str());
  std::printf("target       %s, %s\n", result.target.c_str(),
              options.threads
                  ? (std::to_string(options.threads) + " thread" + (options.threads == 1 ? "" : "s")).c_str()
                  : "all threads");
  if (!perLaunch)
    return;
  double total = 0;
  for (const LaunchFigures &launch : result.launches)
    total += double(launch.latency.total);
  rows = {{"launch", ">median ms", ">share", ">GFLOP/s"}};
  for (const LaunchFigures &launch : result.launches) {
    double median = double(launch.latency.p50);
    rows.push_back({launch.kernel, millisecondsText(median / 1e6),
                    numberText(total > 0 ? 100 * double(launch.latency.total) / total : 0, 3) + " %",
                    launch.flops && median > 0 ? numberText(double(launch.flops) / median, 4) : "-"});
  }
  std::printf("\n");
  printTable(rows);
}

bool writeTrace(const Model &model, const std::string &path, std::string &error) {
  std::string text;
  auto append = [](void *self, const char *piece, size_t size) {
    static_cast<std::string *>(self)->append(piece, size);
  };
  return succeeded(api().trace(model.context(), append, &text), error) &&
         writeFile(path, text.data(), text.size(), error);
}

int runBench(const ModelSource &source, const Arguments &arguments) {
  std::string error;
  ModelOptions options;
  InputOptions inputOptions;
  int64_t warmup, iterations;
  double duration;
  // --iterations alone means that many: the default duration holds only where neither is given.
  bool counted = arguments.has("--iterations");
  if (!options.parse(arguments, error) || !inputOptions.parse(arguments, error) ||
      !arguments.integer("--warmup", 3, 1, INT64_MAX, warmup, error) ||
      !arguments.integer("--iterations", 10, 1, 100000000, iterations, error) ||
      !arguments.number("--duration", counted ? 0 : 3, 0, 86400, duration, error))
    return fail(error, kUsage);
  options.monitor = true;
  options.timeLaunches = arguments.has("--launches") || arguments.has("--trace");
  std::optional<std::string> trace = arguments.value("--trace");
  options.traceCapacity = trace ? 1 << 16 : 0;

  Model model;
  std::vector<Tensor> inputs;
  BenchResult result;
  if (!model.load(source, options, error) || !makeInputs(model, inputOptions, true, inputs, error) ||
      !model.createContext(options, error) || !model.setInputs(inputs, error) ||
      !measure(model, warmup, iterations, duration, result, error) || !collect(model, result, error) ||
      (model.onDevice() && !options.timeLaunches && !measureSubmission(model, result, error)))
    return fail(error);
  lathe_program_info info = {};
  info.struct_size = sizeof info;
  if (!succeeded(api().program_info(model.program(), &info), error))
    return fail(error);
  result.target = info.target;
  result.version = api().version_string();
  result.loadMs = model.loadSeconds() * 1e3;
  for (const Tensor &input : inputs)
    result.shapes.emplace_back(input.name, shapeText(input.dims));

  if (trace && !writeTrace(model, *trace, error))
    return fail(error);
  std::optional<std::string> path = arguments.value("--json");
  std::string json = path ? toJson(source, options, result) : "";
  if (path && *path != "-" && !writeFile(*path, json.data(), json.size(), error))
    return fail(error);
  if (path && *path == "-")
    std::printf("%s", json.c_str());
  else
    print(result, options, arguments.has("--launches"));
  return 0;
}
} // namespace

const Command benchCommand = {
    "bench",
    "",
    "Runs the model over and over and reports latency, throughput and memory.",
    "Measured is the run alone, with its inputs in memory. An input without a file is made up: where its name has\n"
    "\"mask\" in it or it is boolean, ones; \"token_type\" or \"segment\", zeros; \"position\", 0, 1, 2 ...; other "
    "integers,\n"
    "random ids in [0, 64); floats, random values in [-1, 1). Percentiles interpolate linearly.",
    0,
    [] {
      std::vector<Flag> flags = InputOptions::flags();
      for (const Flag &flag : std::vector<Flag>{
               {"--iterations", "N", "at least N measured runs (default 10); alone: just N"},
               {"--duration", "S", "at least S seconds of measured runs (default 3)"},
               {"--warmup", "N", "N runs before, at least 1 (default 3)"},
               {"--launches", nullptr,
                "show each launch's median, share and speed too; a device then runs them one by one,\n"
                "which takes longer, and so with --trace"},
               {"--json", "FILE", "write all figures there; '-': on stdout instead of the table"},
               {"--trace", "FILE", "write a trace of the latest launches, for Perfetto or chrome://tracing"}})
        flags.push_back(flag);
      for (const Flag &flag : ModelOptions::runFlags())
        flags.push_back(flag);
      return flags;
    }(),
    runBench};

} // namespace lathe::tool
