// Shared memory and its shadow: for each two bytes, who wrote them last, and who read them since. An access that did
// not happen after the writes (for a write: and reads) before it is a data race, whatever the order of threads was this
// time.
#include "tools/cuda-sim/Block.h"

#include <cstring>

using namespace lathe::sim;

namespace {
// One entry per two bytes; the last site per 16 bytes, for the reports.
struct Shadow {
  std::vector<u8> storage;
  std::vector<u32> writer, reader, otherReader;
  std::vector<Site> writeSite, readSite;
};
Shadow shadows[maxResident];

bool before(u32 stamp) { return device::simBefore(stamp); }

[[noreturn]] void race(const char *access, const char *former, u32 stamp, u32 offset, Site site, Site other) {
  u32 actor = stamp >> device::simTimeBits;
  if (actor < here->roundedThreads)
    here->fail(site, "race: %s shared memory at byte %u, not ordered after thread %u's %s near %s:%d", access, offset,
               actor, former, other.file, other.line);
  here->fail(site, "race: %s shared memory at byte %u, not ordered after the asynchronous %s near %s:%d", access,
             offset, former, other.file, other.line);
}

[[noreturn]] void badWriter(const char *access, u32 stamp, u32 offset, Site site) {
  Shadow &shadow = shadows[here->place];
  u32 actor = stamp >> device::simTimeBits;
  Site other = shadow.writeSite[offset / 16];
  if (actor == here->neverActor())
    here->fail(site, "%s shared memory at byte %u, which nobody has written", access, offset);
  if (actor == here->pendingActor())
    here->fail(site, "%s shared memory at byte %u, into which the copy of %s:%d is under way", access, offset,
               other.file, other.line);
  if (actor == here->objectActor())
    here->fail(site, "%s shared memory at byte %u, which is an mbarrier", access, offset);
  race(access, "write", stamp, offset, site, other);
}

void checkWrite(u32 offset, u32 bytes, Site site) {
  Shadow &shadow = shadows[here->place];
  u32 never = here->neverActor();
  for (u32 i = offset / 2; i < (offset + bytes) / 2; ++i) {
    if (shadow.writer[i] >> device::simTimeBits != never && !before(shadow.writer[i]))
      badWriter("writes", shadow.writer[i], 2 * i, site);
    for (u32 reader : {shadow.reader[i], shadow.otherReader[i]})
      if (!before(reader))
        race("writes", "read", reader, 2 * i, site, shadow.readSite[i / 8]);
  }
}
void setWriter(u32 offset, u32 bytes, u32 stamp) {
  Shadow &shadow = shadows[here->place];
  for (u32 i = offset / 2; i < (offset + bytes) / 2; ++i)
    shadow.writer[i] = stamp, shadow.reader[i] = shadow.otherReader[i] = 0;
}
void setSite(std::vector<Site> &sites, u32 offset, u32 bytes, Site site) {
  for (u32 i = offset / 16; i < (offset + bytes + 15) / 16; ++i)
    sites[i] = site;
}
} // namespace

namespace lathe::sim {
void resetSharedMemory(Block &b) {
  Shadow &shadow = shadows[b.place];
  u32 bytes = b.launch.sharedBytes, cells = (bytes + 15) / 16 * 8;
  shadow.storage.resize(bytes + 1024);
  shadow.writer.assign(cells, Block::stamp(b.neverActor(), device::simTimeMask));
  shadow.reader.assign(cells, 0);
  shadow.otherReader.assign(cells, 0);
  shadow.writeSite.resize(cells / 8);
  shadow.readSite.resize(cells / 8);
  u8 *start = shadow.storage.data();
  start += -reinterpret_cast<uintptr_t>(start) % 1024;
  memset(start, 0xff, bytes); // NaNs
  sim_state.memory = start;
  sim_state.memoryBytes = bytes;
  sim_state.writer = shadow.writer.data();
  sim_state.reader = shadow.reader.data();
  sim_state.otherReader = shadow.otherReader.data();
  sim_state.writeSite = shadow.writeSite.data();
  sim_state.readSite = shadow.readSite.data();
}

void readShared(u32 offset, u32 bytes, Site site) {
  Shadow &shadow = shadows[here->place];
  for (u32 i = offset / 2; i < (offset + bytes) / 2; ++i) {
    if (!before(shadow.writer[i]))
      badWriter("reads", shadow.writer[i], 2 * i, site);
    u32 mine = sim_state.stamp, reader = shadow.reader[i];
    if ((reader ^ mine) >> (device::simTimeBits + 5))
      shadow.otherReader[i] = reader;
    shadow.reader[i] = mine;
  }
  setSite(shadow.readSite, offset, bytes, site);
}

u32 sharedOffset(u32 address, u32 bytes, u32 alignment, const char *what, Site site) {
  u32 offset = address - device::simSharedBase;
  if (address < device::simSharedBase || u64(offset) + bytes > sim_state.memoryBytes)
    here->fail(site, "%s of shared address %u, %u bytes: the block's memory is [%u, %u)", what, address, bytes,
               device::simSharedBase, device::simSharedBase + sim_state.memoryBytes);
  if (address % alignment)
    here->fail(site, "%s of shared address %u, which is not aligned to %u bytes", what, address, alignment);
  return offset;
}

void beginWrite(u32 offset, u32 bytes, bool asyncProxy, Site site) {
  Shadow &shadow = shadows[here->place];
  checkWrite(offset, bytes, site);
  if (asyncProxy)
    for (u32 i = offset / 2; i < (offset + bytes) / 2; ++i)
      requireFence(shadow.writer[i], 2 * i, here->current(), "written by TMA", site);
  setWriter(offset, bytes, Block::stamp(here->pendingActor(), device::simTimeMask));
  setSite(shadow.writeSite, offset, bytes, site);
}
void landWrite(u32 offset, u32 bytes, u32 stamp) { setWriter(offset, bytes, stamp); }
void markObject(u32 offset, u32 bytes) {
  setWriter(offset, bytes, Block::stamp(here->objectActor(), device::simTimeMask));
}

void requireFence(u32 stamp, u32 offset, const Thread &thread, const char *access, Site site) {
  u32 actor = stamp >> device::simTimeBits;
  if (actor >= here->roundedThreads || thread.known->fenced[actor] >= (stamp & device::simTimeMask))
    return;
  Site other = shadows[here->place].writeSite[offset / 16];
  here->fail(site, "shared memory at byte %u is %s without fence_async_proxy behind thread %u's write of %s:%d", offset,
             access, actor, other.file, other.line);
}

void asyncRead(u32 offset, const std::vector<const Thread *> &threads, u32 &checked, u32 stamp, Site site) {
  Shadow &shadow = shadows[here->place];
  using Stamps = device::SimStamps<16>::Type;
  if (__builtin_reduce_or(*reinterpret_cast<const Stamps *>(&shadow.writer[offset / 2]) ^ int(checked)))
    for (u32 i = offset / 2; i < offset / 2 + 8; ++i) {
      u32 writer = shadow.writer[i], actor = writer >> device::simTimeBits;
      if (writer == checked)
        continue;
      for (const Thread *thread : threads) {
        if (actor != thread->id && thread->known->seen[actor] < (writer & device::simTimeMask))
          badWriter("reads", writer, 2 * i, site);
        requireFence(writer, 2 * i, *thread, "read by wgmma", site);
      }
      checked = writer;
    }
  auto &reader = *reinterpret_cast<Stamps *>(&shadow.reader[offset / 2]);
  if (u32(reader[0] ^ int(stamp)) >> device::simTimeBits)
    *reinterpret_cast<Stamps *>(&shadow.otherReader[offset / 2]) = reader;
  reader = Stamps{} | int(stamp);
  shadow.readSite[offset / 16] = site;
}
} // namespace lathe::sim

// ---- what the fast paths of Memory.h can't decide

void device::sim_shared_bounds(index offset, u32 bytes, Site site) {
  if (offset % bytes)
    here->fail(site, "access of %u bytes of shared memory at byte %lld, which is not aligned to them", bytes, offset);
  here->fail(site, "access of %u bytes of shared memory at byte %lld, but the block has %u", bytes, offset,
             sim_state.memoryBytes);
}
void device::sim_shared_read(u32 offset, u32 bytes, Site site) { readShared(offset, bytes, site); }
void device::sim_shared_write(u32 offset, u32 bytes, Site site) {
  checkWrite(offset, bytes, site);
  setWriter(offset, bytes, sim_state.stamp);
  setSite(shadows[here->place].writeSite, offset, bytes, site);
}
