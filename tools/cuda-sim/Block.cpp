// Fibres, their schedule, knowledge, and the end of a launch.
#include "tools/cuda-sim/Block.h"
#include "tools/cuda-sim/AsyncState.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <numeric>
#include <random>
#include <sys/mman.h>

device::SimState device::sim_state;

// Saves the callee's registers on this stack and its pointer at *save, and goes on from another stack.
extern "C" void lathe_sim_switch(void **save, void *load);
asm(R"(
.text
.globl lathe_sim_switch
.hidden lathe_sim_switch
.type lathe_sim_switch,@function
lathe_sim_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
)");

// Of the leak sanitizer, where there is one.
extern "C" {
__attribute__((weak)) void __lsan_disable();
__attribute__((weak)) void __lsan_enable();
}

namespace lathe::sim {
Block *here;

namespace {
// The fibres' stacks, kept between launches; a page that can't be touched lies under each. They start at different
// offsets of a page, lest neighbours' frames compete for the same lines of the cache.
class Stacks {
public:
  void *top(u32 thread) {
    if (!memory) {
      memory = static_cast<char *>(mmap(nullptr, pitch * maxThreads, PROT_READ | PROT_WRITE,
                                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
      if (memory == MAP_FAILED)
        abort();
      for (u32 i = 0; i < maxThreads; ++i)
        mprotect(memory + pitch * i, 4096, PROT_NONE);
    }
    return memory + pitch * (thread + 1) - (thread * 9 % 64) * 64;
  }

private:
  static constexpr size_t pitch = 256 << 10;
  char *memory = nullptr;
};
Stacks stacks[maxResident];

// Fibres that a defect has stopped are never resumed, and leave behind what they had allocated.
struct LeaksAllowed {
  LeaksAllowed() {
    if (__lsan_disable)
      __lsan_disable();
  }
  ~LeaksAllowed() {
    if (__lsan_enable)
      __lsan_enable();
  }
};

void joinMax(std::vector<u32> &to, const std::vector<u32> &from) {
  for (size_t i = 0; i < to.size(); ++i)
    to[i] = std::max(to[i], from[i]);
}
u32 anyBit(u32 bits, u32 first) {
  u32 rotated = bits >> first | bits << (32 - first) % 32;
  return (__builtin_ctz(rotated) + first) % 32;
}
} // namespace

void Knowledge::join(const Knowledge &other) {
  floor = std::max(floor, other.floor);
  joinMax(seen, other.seen);
  joinMax(fenced, other.fenced);
}

void Gathering::add(const Thread &thread) {
  if (!table)
    table = std::make_shared<Knowledge>(*thread.known);
  else if (thread.known != last)
    table->join(*thread.known);
  last = thread.known;
  table->seen[thread.id] = thread.time;
}
KnowledgeRef Gathering::take() {
  last = nullptr;
  return std::move(table);
}

void fibreMain() {
  Block &b = *here;
  b.launch.kernel(b.values);
  b.exit();
}

Block::Block(const Launch &launch, Options options, u32 place)
    : launch(launch), options(options), place(place), roundedThreads((launch.threads + 31) / 32 * 32),
      threads(launch.threads), warps(roundedThreads / 32) {}
Block::~Block() = default;

void Block::reset(u32 number) {
  resetSharedMemory(*this);
  beginBlock(*this, number);
  rng = (options.seed + 1) * 0x9e3779b97f4a7c15ull + number;
  auto nothing = std::make_shared<const Knowledge>(actors());
  for (u32 i = 0; i < threads.size(); ++i) {
    // As lathe_sim_switch left it: six registers, then where to return to, with the stack aligned as behind a call.
    void **stack = static_cast<void **>(stacks[place].top(i));
    *--stack = nullptr;
    *--stack = reinterpret_cast<void *>(fibreMain);
    stack -= 6;
    threads[i] = Thread{i, 1, nothing, stack, false, Site("", 0), "", 0, {}, {}};
  }
  for (u32 i = 0; i < warps.size(); ++i) {
    u32 lanes = std::min<u32>(32, threads.size() - i * 32), all = lanes == 32 ? ~0u : (1u << lanes) - 1;
    warps[i] = Warp();
    warps[i].all = warps[i].ready = all;
  }
  readyWarps = warps.size() == 32 ? ~0u : (1u << warps.size()) - 1;
  for (NamedBarrier &barrier : barriers)
    barrier = NamedBarrier();
  live = threads.size();
  clock = 1;
  async = std::make_unique<AsyncState>();
  report.clear();
}

void Block::start(u32 number, void *const *parameterValues) {
  values = parameterValues;
  reset(number);
  running = nullptr;
  running = pick(false);
  state = sim_state;
}

void Block::resume() {
  here = this;
  sim_state = state;
  switchTo(*running, &schedulerStack);
  state = sim_state;
  here = nullptr;
}

void Block::park() {
  if (!options.seed || random() % 2)
    lathe_sim_switch(&running->stackPointer, schedulerStack);
}

u32 Block::tick() {
  if (++clock == device::simTimeMask)
    fail(running->site, "the emulator counts no more than %u synchronisations of a block", device::simTimeMask);
  return clock;
}
void Block::tick(Thread &thread) {
  thread.time = tick();
  if (&thread == running)
    sim_state.stamp = stamp(thread.id, thread.time);
}

void Block::setFloor(Knowledge &known) const {
  u32 floor = device::simTimeMask;
  auto see = [&](u32 first, u32 count) {
    for (u32 i = first; i < first + count; ++i)
      floor = std::min(floor, known.seen[i]);
  };
  see(0, threads.size());
  see(mbarrierActor(0), async->mbarriers.size());
  see(tensorActor(0), async->wgmma.size());
  known.floor = floor;
}

void Block::pose(const Thread &thread) {
  sim_state.thread = thread.id;
  sim_state.stamp = stamp(thread.id, thread.time);
  sim_state.known = thread.known->seen.data();
  sim_state.floor = thread.known->floor;
}

void Block::acquire(Thread &thread, const KnowledgeRef &known) {
  thread.known = known;
  if (&thread == running)
    pose(thread);
}

void Block::leave(Thread &thread, const KnowledgeRef &known) {
  thread.time = clock;
  acquire(thread, known);
}

void Block::switchTo(Thread &thread, void **from) {
  running = &thread;
  pose(thread);
  lathe_sim_switch(from, thread.stackPointer);
}

Thread *Block::pick(bool otherWarp) {
  while (!readyWarps)
    if (!landSomething(*this))
      return nullptr;
  u32 at = running ? running->id : threads.size() - 1, w = at / 32, lane = (at + 1) % 32;
  if (options.seed)
    lane = random() % 32, otherWarp |= random() % 32 == 0;
  if (otherWarp || !warps[w].ready)
    w = anyBit(readyWarps, options.seed ? random() % 32 : (w + 1) % 32);
  lane = anyBit(warps[w].ready, lane);
  warps[w].ready &= ~(1u << lane);
  if (!warps[w].ready)
    readyWarps &= ~(1u << w);
  return &threads[w * 32 + lane];
}

void Block::wait(const char *what, Site site) {
  Thread &self = *running;
  self.waitsIn = what, self.site = site, self.spins = 0;
  Thread *next = pick(false);
  if (!next)
    deadlock();
  if (next == &self)
    return pose(self);
  switchTo(*next, &self.stackPointer);
}

void Block::yield() {
  Thread &self = *running;
  if (!readyWarps)
    return;
  Thread *next = pick(true);
  wake(self.id);
  switchTo(*next, &self.stackPointer);
}

void Block::exit() {
  Thread &self = *running;
  Warp &w = warp();
  u32 lane = self.id % 32;
  if (w.arrived)
    fail(w.site, "lane %u has returned while others wait in %s", lane, nameOf(w.kind));
  if (w.atBarrier)
    fail(w.barrierSite, "lane %u has returned while others of its warp wait in a barrier", lane);
  checkWarpAtExit(*this);
  self.exited = true;
  w.exited |= 1u << lane;
  void *unused;
  if (!--live) {
    checkAsyncAtExit(*this);
    lathe_sim_switch(&unused, schedulerStack);
  }
  releaseBlockBarrier(*this);
  Thread *next = pick(false);
  if (!next)
    deadlock();
  switchTo(*next, &unused);
  __builtin_unreachable();
}

void Block::fail(Site site, const char *format, ...) {
  char what[512], line[1024];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(what, sizeof what, format, arguments);
  va_end(arguments);
  snprintf(line, sizeof line, "cuda-sim: kernel %s, block %u, thread %u: %s:%d: %s", launch.name.c_str(),
           sim_state.block, sim_state.thread, site.file, site.line, what);
  report = line;
  void *unused;
  lathe_sim_switch(&unused, schedulerStack);
  __builtin_unreachable();
}

void Block::diverges(Collective kind, Site site) {
  Warp &w = warp();
  if (w.atBarrier)
    fail(site, "divergence: %s, while other lanes wait in the barrier of %s:%d", nameOf(kind), w.barrierSite.file,
         w.barrierSite.line);
  if (w.exited)
    fail(site, "divergence: %s, while other lanes have returned", nameOf(kind));
  fail(site, "divergence: %s, while other lanes wait in %s of %s:%d", nameOf(kind), nameOf(w.kind), w.site.file,
       w.site.line);
}

void Block::deadlock() {
  u32 waiting = 0;
  const Thread *first = nullptr;
  for (const Thread &thread : threads)
    if (!thread.exited && !waiting++)
      first = &thread;
  // Somebody who waits elsewhere tells the other half of the story.
  const Thread *other = nullptr;
  for (const Thread &thread : threads)
    if (!thread.exited && !other && !sameSite(thread.site, first->site))
      other = &thread;
  sim_state.thread = first->id;
  std::string what = first->waitsIn + describeWait(*this, *first);
  if (other)
    fail(first->site, "deadlock: %u threads wait for ever, this one in %s, thread %u in %s%s of %s:%d", waiting,
         what.c_str(), other->id, other->waitsIn, describeWait(*this, *other).c_str(), other->site.file,
         other->site.line);
  fail(first->site, "deadlock: %u threads wait for ever in %s", waiting, what.c_str());
}

Options readOptions() {
  Options options;
  if (const char *seed = getenv("LATHE_SIM_SEED"))
    options.seed = strtoull(seed, nullptr, 10);
  if (const char *mode = getenv("LATHE_SIM_ASYNC"))
    options.early = !strcmp(mode, "early");
  return options;
}

std::string run(const Launch &launch, void *const *values) {
  static std::mutex mutex;
  std::lock_guard<std::mutex> lock(mutex);
  LeaksAllowed leaks;
  resetBankConflicts();
  sim_state.blocks = launch.blocks;
  sim_state.threads = launch.threads;
  beginLaunch(nextLaunch());
  Options options = readOptions();
  // With a seed blocks come in any order.
  std::vector<u32> order(launch.blocks);
  std::iota(order.begin(), order.end(), 0);
  if (options.seed)
    std::shuffle(order.begin(), order.end(), std::mt19937_64(options.seed));
  std::deque<Block> blocks;
  while (blocks.size() < std::min(maxResident, launch.blocks))
    blocks.emplace_back(launch, options, blocks.size());
  for (u32 at = 0, begun = 0, ended = 0; ended < launch.blocks; at = (at + 1) % blocks.size()) {
    Block &b = blocks[at];
    do {
      if (!b.live && begun == launch.blocks)
        break;
      if (!b.live)
        b.start(order[begun++], values);
      b.resume();
      if (!b.report.empty())
        return b.report;
      ended += !b.live;
    } while (!b.live);
  }
  return {};
}
} // namespace lathe::sim
