// cp.async, mbarriers and TMA.
#include "tools/cuda-sim/AsyncState.h"

#include <algorithm>
#include <cinttypes>
#include <cstring>
#include <functional>

using namespace lathe::sim;

namespace {
void land(const Copy &copy) {
  memcpy(sim_state.memory + copy.offset, copy.from, copy.bytes);
  memset(sim_state.memory + copy.offset + copy.bytes, 0, copy.size - copy.bytes);
}

// ---- mbarriers

Mbarrier &find(u32 address, const char *what, Site site) {
  for (Mbarrier &mbarrier : here->async->mbarriers)
    if (mbarrier.address == address) {
      if (!device::simBefore(Block::stamp(mbarrier.initializer, mbarrier.initTime)))
        here->fail(site, "%s of the mbarrier at %u, not ordered after thread %u's mbarrier_init", what, address,
                   mbarrier.initializer);
      return mbarrier;
    }
  here->fail(site, "%s: there is no mbarrier at shared address %u", what, address);
}

// Whether the running thread knows that the last phase is over: saw that, or all that had to arrive.
bool knowsEnd(const Mbarrier &mbarrier) {
  const std::vector<u32> &known = here->current().known->seen, &ended = mbarrier.completed->seen;
  u32 actor = here->mbarrierActor(&mbarrier - here->async->mbarriers.data());
  if (known[actor] >= ended[actor])
    return true;
  return mbarrier.loaded != mbarrier.phase &&
         std::equal(ended.begin(), ended.begin() + here->roundedThreads, known.begin(), std::less_equal<u32>());
}

void observe(Mbarrier &mbarrier) {
  Thread &self = here->current();
  mbarrier.observed = mbarrier.phase;
  if (!mbarrier.completed)
    return;
  if (mbarrier.joinFrom != self.known) {
    auto joined = std::make_shared<Knowledge>(*mbarrier.completed);
    joined->join(*self.known);
    mbarrier.joinFrom = self.known;
    mbarrier.joined = std::move(joined);
  }
  here->acquire(self, mbarrier.joined);
}

void tryComplete(Mbarrier &mbarrier, Site site) {
  if (mbarrier.missing || mbarrier.bytes)
    return;
  if (mbarrier.unobserved)
    here->fail(site,
               "a phase of the mbarrier at %u completes, though %u threads haven't seen yet that the one before "
               "has: they may wait for ever",
               mbarrier.address, mbarrier.unobserved);
  ++mbarrier.phase;
  (*mbarrier.gathering).seen[here->mbarrierActor(&mbarrier - here->async->mbarriers.data())] = here->tick();
  mbarrier.completed = mbarrier.gathering.take();
  mbarrier.joinFrom = mbarrier.joined = nullptr;
  mbarrier.missing = mbarrier.count;
  mbarrier.unobserved = mbarrier.waiting.size();
  for (u32 thread : mbarrier.waiting)
    here->wake(thread);
  mbarrier.waiting.clear();
}

// ---- TMA

// Calls row(offset of its first byte in the box, global address of the box's element 0 there or null where it lies
// outside, first and last valid byte) for each innermost row of the box.
template <class Row> void forEachRow(const Transfer &transfer, Row row) {
  const MapContents &map = transfer.map;
  u32 rowBytes = map.box[0] * map.elementBytes, at = 0;
  int64_t first = transfer.coordinates[0], last = first + map.box[0];
  int64_t begin = std::clamp<int64_t>(0, first, last), end = std::clamp<int64_t>(map.dims[0], begin, last);
  u32 position[maxMapRank] = {};
  while (true) {
    bool inside = end > begin;
    int64_t from = first * map.elementBytes;
    for (u32 d = 1; d < map.rank; ++d) {
      int64_t c = transfer.coordinates[d] + int64_t(position[d]);
      inside &= c >= 0 && u64(c) < map.dims[d];
      from += c * int64_t(map.strides[d]);
    }
    row(at, inside ? reinterpret_cast<const u8 *>(map.address + from) : nullptr, u32(begin - first) * map.elementBytes,
        u32(end - first) * map.elementBytes);
    at += rowBytes;
    u32 d = 1;
    for (; d < map.rank && ++position[d] == map.box[d]; ++d)
      position[d] = 0;
    if (d >= map.rank)
      return;
  }
}
u32 boxBytes(const MapContents &map) {
  u32 bytes = map.elementBytes;
  for (u32 d = 0; d < map.rank; ++d)
    bytes *= map.box[d];
  return bytes;
}

void land(const Transfer &transfer) {
  u32 rowBytes = transfer.map.box[0] * transfer.map.elementBytes;
  std::vector<u8> bytes(rowBytes);
  forEachRow(transfer, [&](u32 at, const u8 *from, u32 begin, u32 end) {
    std::fill(bytes.begin(), bytes.end(), 0);
    if (from)
      memcpy(bytes.data() + begin, from + begin, end - begin);
    for (u32 i = 0; i < rowBytes; i += 16)
      memcpy(sim_state.memory + swizzled(transfer.offset + at + i, transfer.map.swizzleBits), bytes.data() + i, 16);
  });
}
void arrive(const Transfer &transfer) {
  Mbarrier &mbarrier = here->async->mbarriers[transfer.mbarrier];
  u32 bytes = boxBytes(transfer.map);
  landWrite(transfer.offset, bytes, Block::stamp(here->mbarrierActor(transfer.mbarrier), here->tick()));
  mbarrier.bytes -= bytes;
  mbarrier.loaded = mbarrier.phase + 1, mbarrier.loadSite = transfer.site;
  tryComplete(mbarrier, transfer.site);
}

// The tensor's bytes lie in an allocation.
void checkTensor(const MapContents &map, Site site) {
  u64 bytes = map.elementBytes;
  for (u32 d = 0; d < map.rank; ++d)
    bytes += (map.dims[d] - 1) * map.strides[d];
  if (!inAllocation(reinterpret_cast<const void *>(map.address), bytes))
    here->fail(site, "tma_load from a tensor of %" PRIu64 " bytes at 0x%" PRIx64 ": not in an allocation",
               uint64_t(bytes), uint64_t(map.address));
}
} // namespace

namespace lathe::sim {
bool landSomething(Block &b) {
  std::vector<Transfer> &transfers = b.async->transfers;
  if (transfers.empty())
    return false;
  u32 i = b.options.seed ? b.random() % transfers.size() : 0;
  Transfer transfer = transfers[i];
  transfers.erase(transfers.begin() + i);
  if (!b.options.early)
    land(transfer);
  arrive(transfer);
  return true;
}

void checkAsyncAtExit(Block &b) {
  for (const Transfer &transfer : b.async->transfers)
    b.fail(transfer.site, "nobody waits for this tma_load");
  for (const Mbarrier &mbarrier : b.async->mbarriers)
    if (mbarrier.loaded > mbarrier.observed)
      b.fail(mbarrier.loadSite, "nobody waits for this tma_load");
  checkWgmmaAtExit(b);
}

std::string describeWait(const Block &b, const Thread &thread) {
  for (const Mbarrier &mbarrier : b.async->mbarriers)
    if (std::find(mbarrier.waiting.begin(), mbarrier.waiting.end(), thread.id) != mbarrier.waiting.end())
      return " (phase " + std::to_string(mbarrier.phase) + " lacks " + std::to_string(mbarrier.missing) +
             " arrivals and " + std::to_string(mbarrier.bytes) + " bytes)";
  return {};
}
} // namespace lathe::sim

void device::sim_cp_async(u32 address, const void *global, u32 size, u32 bytes, Site site) {
  u32 offset = sharedOffset(address, size, size, "cp_async", site);
  if (bytes > size)
    here->fail(site, "cp_async of %u bytes: expected at most %u", bytes, size);
  if (reinterpret_cast<uintptr_t>(global) % size)
    here->fail(site, "cp_async from global memory at %p, which is not aligned to %u bytes", global, size);
  if (bytes && !inAllocation(global, bytes))
    here->fail(site, "cp_async of %u bytes of global memory at %p: not in an allocation", bytes, global);
  checkGlobalRead(global, bytes, site);
  beginWrite(offset, size, false, site);
  Copy copy{offset, size, bytes, global};
  if (here->options.early)
    land(copy);
  here->current().copies.push_back(copy);
}

void device::sim_cp_async_commit(Site) {
  Thread &self = here->current();
  self.copyGroupEnds.push_back(self.copies.size());
}

void device::sim_cp_async_wait(u32 groups, Site) {
  Thread &self = here->current();
  std::vector<u32> &ends = self.copyGroupEnds;
  if (ends.size() <= groups)
    return;
  u32 done = ends.size() - groups, count = ends[done - 1];
  for (u32 i = 0; i < count; ++i) {
    if (!here->options.early)
      land(self.copies[i]);
    landWrite(self.copies[i].offset, self.copies[i].size, sim_state.stamp);
  }
  self.copies.erase(self.copies.begin(), self.copies.begin() + count);
  ends.erase(ends.begin(), ends.begin() + done);
  for (u32 &end : ends)
    end -= count;
}

void device::sim_fence_proxy(Site) {
  Thread &self = here->current();
  auto known = std::make_shared<Knowledge>(*self.known);
  known->seen[self.id] = self.time;
  known->fenced = known->seen;
  here->tick(self);
  here->acquire(self, known);
}

void device::sim_mbarrier_fence(Site) {
  for (Mbarrier &mbarrier : here->async->mbarriers)
    mbarrier.fenced |= mbarrier.initializer == here->current().id;
}

void device::sim_mbarrier_init(u32 address, u32 count, Site site) {
  u32 offset = sharedOffset(address, 8, 8, "mbarrier_init", site);
  std::vector<Mbarrier> &all = here->async->mbarriers;
  for (const Mbarrier &mbarrier : all)
    if (mbarrier.address == address)
      here->fail(site, "mbarrier_init of the mbarrier at %u, which thread %u has initialized", address,
                 mbarrier.initializer);
  if (all.size() == maxMbarriers)
    here->fail(site, "mbarrier_init: the emulator has %u mbarriers", maxMbarriers);
  if (!count || count >= 1u << 20)
    here->fail(site, "mbarrier_init with count %u: expected 1 to 2^20 - 1", count);
  beginWrite(offset, 8, false, site);
  markObject(offset, 8);
  Mbarrier mbarrier;
  mbarrier.address = address;
  mbarrier.initializer = here->current().id, mbarrier.initTime = here->current().time;
  mbarrier.fenced = false;
  mbarrier.count = mbarrier.missing = count;
  mbarrier.bytes = 0;
  all.push_back(std::move(mbarrier));
}

void device::sim_mbarrier_expect(u32 address, u32 bytes, Site site) {
  Mbarrier &mbarrier = find(address, "mbarrier_expect", site);
  mbarrier.bytes += bytes;
  if (mbarrier.bytes >= 1 << 20)
    here->fail(site, "the mbarrier at %u expects %" PRId64 " bytes: more than 2^20 - 1", address, mbarrier.bytes);
  tryComplete(mbarrier, site);
}

void device::sim_mbarrier_arrive(u32 address, Site site) {
  Mbarrier &mbarrier = find(address, "mbarrier_arrive", site);
  if (!mbarrier.missing)
    here->fail(site, "mbarrier_arrive at %u: all %u arrivals of phase %u have come", address, mbarrier.count,
               mbarrier.phase);
  if (mbarrier.completed && !knowsEnd(mbarrier))
    here->fail(site, "mbarrier_arrive at %u, not ordered after the end of phase %u: it may as well count there",
               address, mbarrier.phase - 1);
  mbarrier.gathering.add(here->current());
  here->tick(here->current());
  --mbarrier.missing;
  tryComplete(mbarrier, site);
}

void device::sim_mbarrier_wait(u32 address, u32 parity, Site site) {
  Mbarrier &mbarrier = find(address, "mbarrier_wait", site);
  if (parity > 1)
    here->fail(site, "mbarrier_wait for parity %u", parity);
  if (mbarrier.phase % 2 == parity) {
    u32 i = &mbarrier - here->async->mbarriers.data();
    mbarrier.waiting.push_back(here->current().id);
    here->wait("mbarrier_wait", site);
    // There may be more mbarriers by now, elsewhere in memory.
    Mbarrier &same = here->async->mbarriers[i];
    --same.unobserved;
    return observe(same);
  }
  observe(mbarrier);
  here->mayYield();
}

void device::sim_tma_load(u32 address, const TensorMap *map, u32 mbarrier, u32 rank, const int *coordinates,
                          Site site) {
  Transfer transfer;
  memcpy(&transfer.map, map, sizeof transfer.map);
  transfer.site = site;
  const MapContents &contents = transfer.map;
  if (contents.magic != MapContents::magicValue)
    here->fail(site, "tma_load: that is no tensor map");
  if (contents.rank != rank)
    here->fail(site, "tma_load of rank %u from a tensor map of rank %u", rank, contents.rank);
  checkTensor(contents, site);
  u32 alignment = contents.swizzleBits ? 128u << contents.swizzleBits : 128;
  transfer.offset = sharedOffset(address, boxBytes(contents), alignment, "tma_load", site);
  std::copy(coordinates, coordinates + rank, transfer.coordinates);
  Mbarrier &arrival = find(mbarrier, "tma_load", site);
  if (!arrival.fenced && here->current().known->fenced[arrival.initializer] < arrival.initTime)
    here->fail(site, "tma_load to the mbarrier at %u without fence_mbarrier_init behind its mbarrier_init", mbarrier);
  transfer.mbarrier = &arrival - here->async->mbarriers.data();
  beginWrite(transfer.offset, boxBytes(contents), true, site);
  if (here->options.early)
    land(transfer);
  here->async->transfers.push_back(transfer);
  // With a seed some arrive while others run on.
  if (here->options.seed && here->random() % 2)
    landSomething(*here);
}
