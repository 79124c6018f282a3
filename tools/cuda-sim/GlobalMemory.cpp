// Global memory: bounds, and data races within a launch. Each two bytes have a cell that says which launch, block and
// thread wrote them last, and when by the block's clock. A block knows of another's writes by atomics with fences on
// both sides: what a thread fenced, in front of an atomic that it or one ordered behind it did, is known to who fences
// behind a later atomic on the same address.
#include "tools/cuda-sim/Block.h"

#include <algorithm>
#include <unordered_map>

using namespace lathe::sim;

namespace {
// What a block had fenced when it did an atomic.
struct Release {
  u32 block;
  KnowledgeRef known;
};
using Releases = std::shared_ptr<const std::vector<Release>>;

// Of the launch: what was released by atomics on each address.
std::unordered_map<const void *, Releases> atomics;
struct Observation {
  u32 stamp;
  Releases releases;
};
struct ThreadState {
  KnowledgeRef fenced; // at the last fence
  u32 fence = 0;       // that fence's stamp
  std::vector<Releases> acquired;
};
// Of a block.
struct BlockState {
  std::vector<Observation> observations; // of its atomics, and when
  std::vector<ThreadState> threads;
};
BlockState states[maxResident];

// Ranges are asked for again and again, by every thread.
struct Range {
  const void *pointer = nullptr;
  u64 bytes = 0;
  u64 *shadow = nullptr;
};
Range ranges[256];

bool acquiredBy(const ThreadState &state, u32 writer, u32 stamp) {
  for (const Releases &releases : state.acquired)
    for (const Release &release : *releases)
      if ((release.block & 0xffff) == writer &&
          release.known->seen[stamp >> device::simTimeBits] >= (stamp & device::simTimeMask))
        return true;
  return false;
}
bool known(u64 cell) {
  u32 writer = cell >> 32 & 0xffff, stamp = u32(cell);
  if (writer == (sim_state.globalTag >> 32 & 0xffff))
    return device::simBefore(stamp);
  if (acquiredBy(states[here->place].threads[sim_state.thread], writer, stamp))
    return true;
  for (const ThreadState &other : states[here->place].threads)
    if (!other.acquired.empty() && device::simBefore(other.fence) && acquiredBy(other, writer, stamp))
      return true;
  return false;
}

void check(const u64 *cells, u32 count, const char *access, const void *pointer, Site site) {
  u64 last = 0;
  for (u32 i = 0; i < count; ++i) {
    u64 cell = cells[i];
    if (cell == last || cell >> 48 != sim_state.globalTag >> 48)
      continue;
    if (!known(cell))
      here->fail(site, "race: %s global memory at %p, not ordered after the write of block %u, thread %u", access,
                 pointer, u32(cell >> 32 & 0xffff), u32(cell) >> device::simTimeBits);
    last = cell;
  }
}

// An atomic is a place where others run, also of other blocks: they may wait for it in a loop. Blocks that come later
// can't be waited for.
void atomic(const void *global, Site site) {
  device::sim_global_range(global, 4, 4, site);
  Thread &self = here->current();
  if (++self.spins > 100000)
    here->fail(site, "a loop of atomics that no running thread ends");
  here->yield();
  here->park();
  // Who waits in a loop sees and gives the same again and again.
  Releases &releases = atomics[global];
  std::vector<Observation> &observations = states[here->place].observations;
  if (releases && (observations.empty() || observations.back().releases != releases ||
                   observations.back().stamp >> device::simTimeBits != self.id)) {
    observations.push_back({sim_state.stamp, releases});
    here->tick(self);
  }
  std::shared_ptr<Knowledge> fenced;
  for (const ThreadState &state : states[here->place].threads)
    if (state.fenced && device::simBefore(state.fence)) {
      if (fenced)
        fenced->join(*state.fenced);
      else
        fenced = std::make_shared<Knowledge>(*state.fenced);
    }
  auto same = [&](const Release &release) {
    return release.block == sim_state.block && release.known->seen == fenced->seen;
  };
  if (!fenced || (releases && std::any_of(releases->begin(), releases->end(), same)))
    return;
  auto more = releases ? std::make_shared<std::vector<Release>>(*releases) : std::make_shared<std::vector<Release>>();
  more->push_back({sim_state.block, std::move(fenced)});
  releases = std::move(more);
}
} // namespace

namespace lathe::sim {
void beginLaunch(u32 launch) {
  sim_state.globalTag = u64(launch) << 48;
  atomics.clear();
  std::fill(std::begin(ranges), std::end(ranges), Range());
}
void beginBlock(Block &b, u32 number) {
  sim_state.block = number;
  sim_state.globalTag = sim_state.globalTag >> 48 << 48 | u64(number & 0xffff) << 32;
  states[b.place] = {{}, std::vector<ThreadState>(b.threads.size())};
}
void checkGlobalRead(const void *pointer, u32 bytes, Site site) {
  const void *aligned = reinterpret_cast<const void *>(reinterpret_cast<uintptr_t>(pointer) & ~uintptr_t(1));
  if (const u64 *cells = globalShadow(aligned))
    check(cells, (bytes + 1) / 2, "reads", pointer, site);
}
} // namespace lathe::sim

u64 *device::sim_global_range(const void *pointer, index bytes, u32 alignment, Site site) {
  uintptr_t at = reinterpret_cast<uintptr_t>(pointer);
  Range &range = ranges[(at >> 4 ^ at >> 12) % 256];
  if (range.pointer == pointer && bytes >= 0 && range.bytes >= u64(bytes) && pointer)
    return range.shadow;
  if (bytes < 0 || !inAllocation(pointer, bytes))
    here->fail(site, "%lld bytes of global memory at %p: not in an allocation", bytes, pointer);
  if (at % alignment)
    here->fail(site, "global memory at %p, which is not aligned to %u bytes", pointer, alignment);
  range = {pointer, u64(bytes), at % 2 ? nullptr : globalShadow(pointer)};
  return range.shadow;
}
void device::sim_global_bounds(const void *pointer, index i, index count, u32 elements, u32 bytes, Site site) {
  if (i < 0 || i + index(elements) > count)
    here->fail(site, "access of elements [%lld, %lld) of %lld in global memory", i, i + index(elements), count);
  here->fail(site, "access of %u elements of %u bytes from element %lld of global memory at %p, which is not aligned",
             elements, bytes, i, pointer);
}
void device::sim_global_read(const u64 *cells, u32 count, bool readonly, const void *pointer, Site site) {
  for (u32 i = 0; readonly && i < count; ++i)
    if (cells[i] >> 48 == sim_state.globalTag >> 48)
      here->fail(site, "reads global memory at %p as constant, but block %u, thread %u of this launch has written it",
                 pointer, u32(cells[i] >> 32 & 0xffff), u32(cells[i]) >> simTimeBits);
  check(cells, count, "reads", pointer, site);
}
void device::sim_global_write(u64 *cells, u32 count, const void *pointer, Site site) {
  check(cells, count, "writes", pointer, site);
}

u32 device::sim_atomic_add(u32 *global, u32 value, Site site) {
  atomic(global, site);
  u32 old = *global;
  *global += value;
  return old;
}
int device::sim_atomic_cas(int *global, int expected, int value, Site site) {
  atomic(global, site);
  int old = *global;
  if (old == expected)
    *global = value;
  return old;
}
void device::sim_unexpected(const char *expected, Site site) { here->fail(site, "expected %s", expected); }

void device::sim_fence_device(Site) {
  Thread &self = here->current();
  ThreadState &state = states[here->place].threads[self.id];
  auto known = std::make_shared<Knowledge>(*self.known);
  known->seen[self.id] = self.time;
  state.fenced = std::move(known);
  for (const Observation &observation : states[here->place].observations)
    if (simBefore(observation.stamp) &&
        std::find(state.acquired.begin(), state.acquired.end(), observation.releases) == state.acquired.end())
      state.acquired.push_back(observation.releases);
  state.fence = sim_state.stamp;
  here->tick(self);
}
