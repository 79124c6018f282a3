// Barriers of the block and of a warp.
#include "tools/cuda-sim/Block.h"

#include <algorithm>

using namespace lathe::sim;

namespace {
void checkCount(NamedBarrier &barrier, u32 id, u32 expected, const char *what, Site site) {
  if (id < 1 || id > 15)
    here->fail(site, "%s: barrier %u: expected 1 to 15", what, id);
  if (!expected || expected % 32 || expected > here->roundedThreads)
    here->fail(site, "%s of %u threads: expected whole warps, at most the block's %zu threads", what, expected,
               here->threads.size());
  if (barrier.arrived && barrier.expected != expected)
    here->fail(site, "%s: barrier %u of %u threads, but others wait there for %u", what, id, expected,
               barrier.expected);
  if (here->current().known->seen[barrier.witness] < barrier.ended)
    here->fail(site, "%s: barrier %u, not ordered after its last round: it may as well count there", what, id);
  barrier.expected = expected;
}
// bar.sync is for whole warps: all lanes execute the same one.
void enter(NamedBarrier &barrier, const char *what, Site site) {
  Block &b = *here;
  Thread &self = b.current();
  Warp &w = b.warp();
  if (w.arrived)
    b.fail(site, "divergence: %s, while other lanes wait in %s of %s:%d", what, nameOf(w.kind), w.site.file,
           w.site.line);
  if (w.exited)
    b.fail(site, "divergence: %s, while other lanes of the warp have returned", what);
  if (w.atBarrier && !Block::sameSite(w.barrierSite, site))
    b.fail(site, "divergence: %s, while other lanes wait in the barrier of %s:%d", what, w.barrierSite.file,
           w.barrierSite.line);
  barrier.gathering.add(self);
  ++barrier.arrived;
  barrier.waiting.push_back(self.id);
  w.atBarrier |= 1u << self.id % 32;
  w.barrierSite = site;
}
void release(Block &b, NamedBarrier &barrier) {
  for (u32 id : barrier.waiting)
    (*barrier.gathering).seen[id] = barrier.ended = b.now(), barrier.witness = id;
  if (&barrier == b.barriers)
    b.setFloor(*barrier.gathering);
  KnowledgeRef known = barrier.gathering.take();
  b.tick();
  for (u32 id : barrier.waiting) {
    b.warps[id / 32].atBarrier &= ~(1u << id % 32);
    b.leave(b.threads[id], known);
    if (&b.threads[id] != &b.current())
      b.wake(id);
  }
  barrier.waiting.clear();
  barrier.arrived = 0;
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
  enter(b.barriers[0], "sync_block", site);
  if (b.barriers[0].arrived != b.live)
    return b.wait("sync_block", site);
  releaseBlockBarrier(b);
  b.mayYield();
}

void device::sim_sync_named(u32 id, u32 threads, Site site) {
  Block &b = *here;
  NamedBarrier &barrier = b.barriers[id % 16];
  checkCount(barrier, id, threads, "sync_named", site);
  enter(barrier, "sync_named", site);
  if (barrier.arrived != threads)
    return b.wait("sync_named", site);
  release(b, barrier);
  b.mayYield();
}

void device::sim_arrive_named(u32 id, u32 threads, Site site) {
  Block &b = *here;
  b.collective(Collective::arrive, nullptr, nullptr, site, true, [&](Warp &w) {
    NamedBarrier &barrier = b.barriers[id % 16];
    checkCount(barrier, id, threads, "arrive_named", site);
    for (u32 lanes = w.all; lanes; lanes &= lanes - 1) {
      Thread &thread = b.threads[(b.current().id & ~31u) + __builtin_ctz(lanes)];
      barrier.gathering.add(thread);
      b.tick(thread);
    }
    barrier.arrived += __builtin_popcount(w.all);
    if (barrier.arrived == threads)
      release(b, barrier);
  });
}

void device::sim_sync_warp(Site site) {
  Block &b = *here;
  b.collective(Collective::syncWarp, nullptr, nullptr, site, false, [&](Warp &w) {
    Gathering gathering;
    u32 first = b.current().id & ~31u;
    for (u32 lanes = w.all; lanes; lanes &= lanes - 1)
      gathering.add(b.threads[first + __builtin_ctz(lanes)]);
    KnowledgeRef known = gathering.take();
    b.tick();
    for (u32 lanes = w.all; lanes; lanes &= lanes - 1)
      b.leave(b.threads[first + __builtin_ctz(lanes)], known);
  });
}
