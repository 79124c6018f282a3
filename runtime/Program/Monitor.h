// Latency histograms, processor time and a ring of trace events. All memory is taken when a context is created.
#pragma once
#include "runtime/Program/Program.h"

namespace lathe::runtime {

uint64_t monotonicNanoseconds();
uint64_t residentBytes(); // of the process; 0 when unknown

// Counts in buckets of at most 1/32 of their value: exact below 64 ns, then 32 buckets for each power of two.
class Histogram {
public:
  void add(uint64_t nanoseconds);
  void summarize(lathe_latency &out) const;
  uint64_t sum() const { return total; }

private:
  static constexpr uint32_t kSub = 32, kPowers = 40;
  static uint32_t bucketOf(uint64_t value);
  static uint64_t middleOf(uint32_t bucket);
  uint64_t percentile(uint64_t permille) const;

  uint64_t count = 0, total = 0, min = 0, max = 0;
  uint32_t buckets[kSub * kPowers] = {};
};

class Monitor {
public:
  // Latencies when `measure`; the latest `traceCapacity` events.
  [[nodiscard]] bool create(const Allocator &allocator, bool measure, uint32_t launches, uint32_t traceCapacity);
  bool enabled() const { return measure || events.size(); }
  bool measures() const { return measure; }

  void beginRun();
  void endRun();
  void addLaunch(uint32_t launch, uint64_t begin, uint64_t end);
  void reset();

  const Histogram &run() const { return histograms[histograms.size() - 1]; }
  const Histogram &launch(uint32_t i) const { return histograms[i]; }
  double cpuPercent() const;
  uint64_t runNanoseconds() const { return wallTotal; }

  // Chrome's trace event format, with launches named by their kernels and nodes.
  void write(const Program &program, const package::Entry &entry, void (*sink)(void *, const char *, size_t),
             void *self) const;

private:
  struct Event {
    uint32_t launch; // or kRun
    uint64_t begin, duration;
  };
  static constexpr uint32_t kRun = UINT32_MAX;
  void addEvent(uint32_t launch, uint64_t begin, uint64_t end);

  bool measure = false;
  Array<Histogram> histograms; // of each launch, then of runs
  Array<Event> events;         // a ring
  uint64_t eventCount = 0;     // ever
  uint64_t runBegin = 0, cpuBegin = 0, wallTotal = 0, cpuTotal = 0;
};

} // namespace lathe::runtime
