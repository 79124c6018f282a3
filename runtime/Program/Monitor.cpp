// Measuring and printing; JSON is written without locale or floating point.
#include "runtime/Program/Monitor.h"
#include <cstdio>
#include <ctime>
#include <fcntl.h>
#include <unistd.h>

namespace lathe::runtime {

static uint64_t nanoseconds(clockid_t clock) {
  timespec t;
  clock_gettime(clock, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1000000000u + static_cast<uint64_t>(t.tv_nsec);
}

uint64_t monotonicNanoseconds() { return nanoseconds(CLOCK_MONOTONIC); }

uint64_t residentBytes() {
  char text[128];
  int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
  if (fd >= 0)
    close(fd);
  unsigned long long total, resident;
  text[size > 0 ? size : 0] = 0;
  // NOLINTNEXTLINE(bugprone-unchecked-string-to-number-conversion): the kernel writes what fits
  return sscanf(text, "%llu %llu", &total, &resident) == 2 ? resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE))
                                                           : 0;
}

uint32_t Histogram::bucketOf(uint64_t value) {
  if (value < 2 * kSub)
    return static_cast<uint32_t>(value);
  uint32_t power = 63 - static_cast<uint32_t>(__builtin_clzll(value)) - 5; // value >> power is in [32, 64)
  uint32_t bucket = power * kSub + static_cast<uint32_t>(value >> power);
  return bucket < kSub * kPowers ? bucket : kSub * kPowers - 1;
}

uint64_t Histogram::middleOf(uint32_t bucket) {
  if (bucket < 2 * kSub)
    return bucket;
  uint32_t power = bucket / kSub - 1;
  return (uint64_t(bucket % kSub + kSub) << power) + (uint64_t(1) << power) / 2;
}

void Histogram::add(uint64_t value) {
  min = !count || value < min ? value : min;
  max = value > max ? value : max;
  total += value;
  ++count;
  ++buckets[bucketOf(value)];
}

// The value with a rank of permille/1000 of the count, rounded up.
uint64_t Histogram::percentile(uint64_t permille) const {
  uint64_t rank = (count * permille + 999) / 1000, seen = 0;
  for (uint32_t i = 0; i < kSub * kPowers; ++i)
    if ((seen += buckets[i]) >= rank && seen) {
      uint64_t value = middleOf(i);
      return value < min ? min : value > max ? max : value;
    }
  return 0;
}

void Histogram::summarize(lathe_latency &out) const {
  out.count = count;
  out.total = total;
  out.min = min;
  out.max = max;
  out.average = count ? static_cast<double>(total) / static_cast<double>(count) : 0;
  out.p50 = percentile(500);
  out.p90 = percentile(900);
  out.p95 = percentile(950);
  out.p99 = percentile(990);
}

bool Monitor::create(const Allocator &allocator, bool measureRuns, uint32_t launches, uint32_t traceCapacity) {
  measure = measureRuns;
  return (!measure || histograms.allocate(allocator, size_t(launches) + 1)) &&
         (!traceCapacity || events.allocate(allocator, traceCapacity));
}

void Monitor::addEvent(uint32_t launch, uint64_t begin, uint64_t end) {
  if (events.size())
    events[eventCount++ % events.size()] = {launch, begin, end - begin};
}

void Monitor::beginRun() {
  if (measure)
    cpuBegin = nanoseconds(CLOCK_PROCESS_CPUTIME_ID);
  runBegin = monotonicNanoseconds();
}

void Monitor::endRun() {
  uint64_t end = monotonicNanoseconds();
  addEvent(kRun, runBegin, end);
  if (!measure)
    return;
  histograms[histograms.size() - 1].add(end - runBegin);
  wallTotal += end - runBegin;
  cpuTotal += nanoseconds(CLOCK_PROCESS_CPUTIME_ID) - cpuBegin;
}

void Monitor::addLaunch(uint32_t launch, uint64_t begin, uint64_t end) {
  addEvent(launch, begin, end);
  if (measure)
    histograms[launch].add(end - begin);
}

void Monitor::reset() {
  for (Histogram &histogram : histograms)
    histogram = Histogram();
  eventCount = wallTotal = cpuTotal = 0;
}

double Monitor::cpuPercent() const {
  return wallTotal ? 100.0 * static_cast<double>(cpuTotal) / static_cast<double>(wallTotal) : 0;
}

namespace {
class Json {
public:
  Json(void (*sink)(void *, const char *, size_t), void *self) : sink(sink), self(self) {}
  void put(const char *text) { sink(self, text, strlen(text)); }
  void string(const char *text) {
    put("\"");
    for (; *text; ++text) {
      char escaped[8];
      unsigned char c = static_cast<unsigned char>(*text);
      snprintf(escaped, sizeof escaped, c == '"' || c == '\\' ? "\\%c" : c < 0x20 ? "\\u%04x" : "%c", c);
      put(escaped);
    }
    put("\"");
  }
  void microseconds(uint64_t ns) {
    char text[40];
    snprintf(text, sizeof text, "%llu.%03u", static_cast<unsigned long long>(ns / 1000),
             static_cast<unsigned>(ns % 1000));
    put(text);
  }

private:
  void (*sink)(void *, const char *, size_t);
  void *self;
};
} // namespace

void Monitor::write(const Program &program, const package::Entry &entry, void (*sink)(void *, const char *, size_t),
                    void *self) const {
  Json json(sink, self);
  json.put("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[");
  uint64_t first = eventCount > events.size() ? eventCount - events.size() : 0;
  for (uint64_t i = first; i < eventCount; ++i) {
    const Event &event = events[i % events.size()];
    json.put(i == first ? "\n" : ",\n");
    json.put("{\"ph\":\"X\",\"pid\":1,\"tid\":1,\"name\":");
    if (event.launch == kRun)
      json.string(entry.name()->c_str());
    else {
      const package::Kernel &kernel = program.kernel(entry.launches()->Get(event.launch)->kernel());
      json.string(kernel.name()->c_str());
      json.put(",\"args\":{\"nodes\":[");
      if (kernel.origins())
        for (uint32_t j = 0; j < kernel.origins()->size(); ++j) {
          json.put(j ? "," : "");
          json.string(kernel.origins()->Get(j)->c_str());
        }
      json.put("]}");
    }
    json.put(",\"ts\":");
    json.microseconds(event.begin);
    json.put(",\"dur\":");
    json.microseconds(event.duration);
    json.put("}");
  }
  json.put("\n]}\n");
}

} // namespace lathe::runtime
