// Barriers of the block and of a warp.
#include "tools/cuda-sim/Block.h"

#include <algorithm>

using namespace lathe::sim;

namespace {
// bar.sync is for whole warps: all lanes execute the same one.
void enter(u32 id, u32 expected, bool waits, const char *what, Site site) {
  Block &b = *here;
  Thread &self = b.current();
  Warp &w = b.warp();
  NamedBarrier &barrier = b.barriers[id];
  u32 lane = 1u << self.id % 32;
  if (w.arrived)
    b.fail(site, "divergence: %s, while other lanes wait in %s of %s:%d", what, nameOf(w.kind), w.site.file,
           w.site.line);
  if (w.exited)
    b.fail(site, "divergence: %s, while other lanes of the warp have returned", what);
  if (w.atBarrier && !Block::sameSite(w.barrierSite, site))
    b.fail(site, "divergence: %s, while other lanes wait in the barrier of %s:%d", what, w.barrierSite.file,
           w.barrierSite.line);
  if (expected) {
    if (expected % 32 || expected > b.roundedThreads)
      b.fail(site, "%s of %u threads: expected whole warps, at most the block's %zu threads", what, expected,
             b.threads.size());
    if (barrier.arrived && barrier.expected != expected)
      b.fail(site, "%s: barrier %u of %u threads, but others wait there for %u", what, id, expected, barrier.expected);
  }
  barrier.expected = expected;
  barrier.gathering.add(self);
  ++barrier.arrived;
  if (waits) {
    barrier.waiting.push_back(self.id);
    w.atBarrier |= lane;
    w.barrierSite = site;
  }
}
void release(Block &b, NamedBarrier &barrier) {
  KnowledgeRef known = barrier.gathering.take();
  for (u32 id : barrier.waiting) {
    b.warps[id / 32].atBarrier &= ~(1u << id % 32);
    b.acquire(b.threads[id], known);
    if (&b.threads[id] != &b.current())
      b.wake(id);
  }
  barrier.waiting.clear();
  barrier.arrived = 0;
}
void checkNamed(u32 id, Site site) {
  if (id < 1 || id > 15)
    here->fail(site, "named barrier %u: expected 1 to 15", id);
}
} // namespace

namespace lathe::sim {
void releaseBlockBarrier(Block &b) {
  if (b.barriers[0].arrived && b.barriers[0].arrived == b.live)
    release(b, b.barriers[0]);
}
} // namespace lathe::sim

void device::sim_sync_block(Site site) {
  Block &b = *here;
  enter(0, 0, true, "sync_block", site);
  if (b.barriers[0].arrived != b.live)
    return b.wait("sync_block", site);
  releaseBlockBarrier(b);
  b.mayYield();
}

void device::sim_sync_named(u32 id, u32 threads, Site site) {
  checkNamed(id, site);
  Block &b = *here;
  enter(id, threads, true, "sync_named", site);
  if (b.barriers[id].arrived != threads)
    return b.wait("sync_named", site);
  release(b, b.barriers[id]);
  b.mayYield();
}

void device::sim_arrive_named(u32 id, u32 threads, Site site) {
  checkNamed(id, site);
  Block &b = *here;
  enter(id, threads, false, "arrive_named", site);
  if (b.barriers[id].arrived == threads)
    release(b, b.barriers[id]);
}

void device::sim_sync_warp(Site site) {
  Block &b = *here;
  b.collective(Collective::syncWarp, nullptr, nullptr, site, false, [&](Warp &w) {
    Gathering gathering;
    u32 first = b.current().id & ~31u;
    for (u32 lanes = w.all; lanes; lanes &= lanes - 1)
      gathering.add(b.threads[first + __builtin_ctz(lanes)]);
    KnowledgeRef known = gathering.take();
    for (u32 lanes = w.all; lanes; lanes &= lanes - 1)
      b.acquire(b.threads[first + __builtin_ctz(lanes)], known);
  });
}
