// A block of CUDA threads, each a fibre on the calling OS thread. A fibre runs until a primitive makes it wait; then
// the schedule picks another that is ready. Two blocks take turns where they do atomics, and where one ends another
// begins.
//
// What happened before what is known by vector clocks. An *actor* is what accesses shared memory: a thread, an mbarrier
// (for TMA's writes), a warp's tensor cores (for wgmma's reads). An access
// is stamped with its actor and the actor's time then. A thread's Knowledge has, for each actor, the latest of its
// times that happened before the thread's present; synchronising passes knowledge on. Tables are shared and never
// changed once a thread has them, so that a barrier costs one table for all of its threads.
#pragma once
#define LATHE_CUDA_SIM
#include "compiler/Cuda/Device/Primitives.h"

#include "compiler/Cuda/Device/Memory.h"

#include "compiler/Cuda/Device/Mma.h"

#include "compiler/Cuda/Device/AsyncCopy.h"

#include "compiler/Cuda/Device/Wgmma.h"

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

namespace lathe::sim {
using device::index;
using device::sim_state;
using device::Site;
using device::u16;
using device::u32;
using device::u64;
using device::u8;

// Actors behind the threads, whose number is rounded up to whole warps.
constexpr u32 maxThreads = 1024, maxWarps = maxThreads / 32, maxMbarriers = 64;
constexpr u32 maxResident = 2; // blocks that have begun and not ended

struct Knowledge {
  explicit Knowledge(u32 actors) : seen(actors), fenced(actors) {}
  std::vector<u32> seen;
  // The same for what went through a proxy fence on its way: of threads' ordinary writes, those that the asynchronous
  // proxy (TMA, wgmma) sees.
  std::vector<u32> fenced;
  u32 floor = 0; // all actors were seen up to this time

  void join(const Knowledge &other);
};
using KnowledgeRef = std::shared_ptr<const Knowledge>;

// A cp.async under way.
struct Copy {
  u32 offset, size, bytes;
  const void *from;
};

struct Thread {
  u32 id;
  u32 time; // of its accesses now
  KnowledgeRef known;
  void *stackPointer;
  bool exited;
  Site site; // where it waits, and in what
  const char *waitsIn;
  u32 spins;                      // atomics since it last waited for others
  std::vector<Copy> copies;       // cp.async, under way, in order
  std::vector<u32> copyGroupEnds; // how many copies there are up to the end of each group
};

// What a barrier gathers from those that arrive, to hand it to those that wait.
class Gathering {
public:
  // Takes what the thread knows and has done.
  void add(const Thread &);
  // What all of them know and did, once a round.
  KnowledgeRef take();
  Knowledge &operator*() { return *table; }
  bool empty() const { return !table; }

private:
  std::shared_ptr<Knowledge> table;
  KnowledgeRef last; // the table that was merged last: neighbours mostly share one
};

enum class Collective : u32 {
  none,
  syncWarp,
  arrive,
  shuffle,
  ballot,
  ldmatrix,
  mma,
  wgmma,
  wgmmaFence,
  wgmmaCommit,
  wgmmaWait,
  setRegisters
};
const char *nameOf(Collective);

struct Warp {
  u32 all;   // its lanes
  u32 ready; // lanes that may run
  u32 exited;
  // The collective that some lanes wait in, and their operands.
  Collective kind;
  Site site;
  u32 arrived;
  const void *in[32];
  void *out[32];
  u32 atBarrier; // lanes waiting in a barrier of the block, all at one site
  Site barrierSite;
};

struct NamedBarrier {
  Gathering gathering;
  u32 arrived = 0, expected = 0;
  std::vector<u32> waiting;
  // A thread that waited in the last round, and when: who knows of that knows that the round is over.
  u32 witness = 0, ended = 0;
};

struct Launch {
  std::string name;
  void (*kernel)(void *const *values);
  std::vector<u32> parameterSizes;
  u32 blocks, threads, sharedBytes;
};
// Runs all blocks. Returns the report of the first defect found, empty where there is none. Takes a lock: the emulator
// runs one launch at a time.
std::string run(const Launch &, void *const *values);

// LATHE_SIM_SEED and LATHE_SIM_ASYNC as they were at the launch.
struct Options {
  u64 seed = 0;       // 0: threads in order; else they take turns at random
  bool early = false; // asynchronous copies and products happen when they are issued, else as late as they may
};
Options readOptions();

struct AsyncState;

class Block {
public:
  // One of `maxResident`: its place.
  Block(const Launch &, Options, u32 place);
  ~Block();
  void start(u32 number, void *const *values);
  // Runs it up to an atomic or its end, where `live` is 0, or to an error, of which there is a report then.
  void resume();

  Thread &current() { return *running; }
  Warp &warp() { return warps[running->id / 32]; }
  Warp &warpOf(const Thread &thread) { return warps[thread.id / 32]; }

  // Lets others run until somebody wakes this thread.
  void wait(const char *what, Site);
  void wake(u32 thread) {
    warps[thread / 32].ready |= 1u << thread % 32;
    readyWarps |= 1u << thread / 32;
  }
  void wakeLanes(u32 warp, u32 lanes) {
    if (!lanes)
      return;
    warps[warp].ready |= lanes;
    readyWarps |= 1u << warp;
  }
  // Lets others run first, if there are any. With a seed, mayYield does so now and then.
  void yield();
  void mayYield() {
    if (options.seed && random() % 16 == 0)
      yield();
  }
  // Lets another block run up to its next atomic; with a seed, only now and then.
  void park();

  // Ends the launch with a report.
  [[noreturn]] void fail(Site, const char *format, ...) __attribute__((format(printf, 3, 4)));

  // Makes sim_state that of a thread, for accesses in its name.
  void pose(const Thread &);
  void acquire(Thread &, const KnowledgeRef &);
  u32 now() const { return clock; }
  u32 random() {
    rng ^= rng << 13, rng ^= rng >> 7, rng ^= rng << 17;
    return u32(rng >> 16);
  }

  u32 mbarrierActor(u32 i) const { return roundedThreads + i; }
  u32 tensorActor(u32 i) const { return roundedThreads + maxMbarriers + i; }
  u32 neverActor() const { return roundedThreads + maxMbarriers + maxWarps; } // of memory not yet written
  u32 pendingActor() const { return neverActor() + 1; }                       // of memory being written
  u32 objectActor() const { return neverActor() + 2; }                        // of mbarriers
  u32 actors() const { return neverActor() + 3; }
  static u32 stamp(u32 actor, u32 time) { return actor << device::simTimeBits | time; }
  // What a thread does from now on is later than what a barrier has gathered.
  void tick(Thread &);
  u32 tick();
  // Ends the wait of a thread that was gathered, did nothing since, and learns what was gathered. All that leave a
  // barrier have one time, so that the floor rises with it.
  void leave(Thread &, const KnowledgeRef &);
  // Sets the floor of what all threads have gathered.
  void setFloor(Knowledge &) const;

  const Launch &launch;
  const Options options;
  const u32 place, roundedThreads;
  std::vector<Thread> threads;
  std::vector<Warp> warps;
  NamedBarrier barriers[16];
  u32 live = 0;
  std::unique_ptr<AsyncState> async;
  std::string report;

  // A collective of the running thread's warp: the last lane to come acts for all, with what each gave. Aligned ones
  // have to be the same instruction for all lanes.
  template <class Act> void collective(Collective kind, const void *in, void *out, Site site, bool aligned, Act act) {
    Warp &w = warp();
    u32 lane = running->id % 32;
    if (w.atBarrier | w.exited || (w.arrived && (w.kind != kind || (aligned && !sameSite(w.site, site)))))
      diverges(kind, site);
    w.kind = kind, w.site = site;
    w.in[lane] = in, w.out[lane] = out;
    w.arrived |= 1u << lane;
    if (w.arrived != w.all)
      return wait(nameOf(kind), site);
    act(w);
    w.arrived = 0;
    wakeLanes(running->id / 32, w.all & ~(1u << lane));
    mayYield();
  }
  static bool sameSite(Site a, Site b) { return a.line == b.line && a.file == b.file; }

private:
  friend void fibreMain();
  [[noreturn]] void diverges(Collective, Site);
  [[noreturn]] void exit();
  Thread *pick(bool otherWarp);
  void switchTo(Thread &, void **from);
  [[noreturn]] void deadlock();
  void reset(u32 number);

  Thread *running = nullptr;
  u32 readyWarps = 0;
  u64 rng;
  u32 clock = 0;
  void *schedulerStack = nullptr;
  void *const *values = nullptr;
  device::SimState state = {}; // while others run
};
// The one that runs.
extern Block *here;

// Collectives.cpp
void resetBankConflicts();

// Barriers.cpp
// Where all that are left wait in a barrier of the block, lets them on.
void releaseBlockBarrier(Block &);

// SharedMemory.cpp
void resetSharedMemory(Block &);
// As the accesses of sim_state's thread; offsets are from the start of shared memory.
void readShared(u32 offset, u32 bytes, Site);
// What is at a shared address, after checking that `bytes` lie in the block's shared memory, aligned to `alignment`.
u32 sharedOffset(u32 address, u32 bytes, u32 alignment, const char *what, Site);
// An asynchronous write begins (the memory is under way until it lands) and lands, then stamped with `stamp`.
// `asyncProxy`: ordinary writes there before need a proxy fence.
void beginWrite(u32 offset, u32 bytes, bool asyncProxy, Site);
void landWrite(u32 offset, u32 bytes, u32 stamp);
// Memory that only mbarrier operations may access from now on.
void markObject(u32 offset, u32 bytes);
// That the asynchronous proxy sees an ordinary write with that stamp, as far as the thread knows.
void requireFence(u32 stamp, u32 offset, const Thread &, const char *access, Site);
// The tensor cores read 16 bytes in the name of threads, with that stamp. `checked` is the stamp of a write that all of
// them are known to see: neighbours mostly have one writer; at first 0.
void asyncRead(u32 offset, const std::vector<const Thread *> &, u32 &checked, u32 stamp, Site);

// AsyncCopy.cpp
// Lets one of the copies under way arrive; false where there is none.
bool landSomething(Block &);
void checkAsyncAtExit(Block &);
// Wgmma.cpp: what a thread, and a block, must not leave behind.
void checkWarpAtExit(Block &);
void checkWgmmaAtExit(Block &);
// AsyncCopy.cpp: what the mbarrier that a thread waits for lacks, for the report of a deadlock.
std::string describeWait(const Block &, const Thread &);

// GlobalMemory.cpp
void beginLaunch(u32 launch);
void beginBlock(Block &, u32 number);
// That what others of this launch wrote there is known.
void checkGlobalRead(const void *, u32 bytes, Site);

// Driver.cpp: whether the bytes lie in an allocation of the driver; the cells of what lies there (GlobalMemory.cpp),
// null where there are none; and a number for a launch, below 2^16, that no cell has.
bool inAllocation(const void *, u64 bytes);
u64 *globalShadow(const void *);
u32 nextLaunch();
} // namespace lathe::sim
