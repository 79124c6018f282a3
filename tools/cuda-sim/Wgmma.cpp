// wgmma. Each warp of the group works by itself: it reads its 16 rows of A and all of B, and holds its part of d. What
// it was told has to be what the group's other warps are told.
#include "tools/cuda-sim/AsyncState.h"

#include <algorithm>
#include <cinttypes>
#include <cstring>

using namespace lathe::sim;
using device::SimType;
using device::SimWgmma;

namespace {
constexpr u32 poison = 0x7fa5a5a5; // a NaN

// An operand in shared memory.
struct Operand {
  Operand(u64 descriptor, SimType type, bool transposed)
      : start((descriptor & 0x3fff) << 4), leading((descriptor >> 16 & 0x3fff) << 4),
        stride((descriptor >> 32 & 0x3fff) << 4), swizzleBits((4 - u32(descriptor >> 62)) % 4),
        values(type == SimType::tf32 ? 4
               : type >= SimType::u8 ? 16
                                     : 8),
        transposed(transposed) {}

  // Calls chunk(address, i, k) for the 16-byte chunks of rows [first, first + count) of m or n: the chunk's first value
  // is of row i and column k, the next ones are of the next columns, or rows if transposed.
  template <class Chunk> void forEachChunk(u32 first, u32 count, Chunk chunk) const {
    u32 rowBytes = 16u << swizzleBits;
    if (transposed) {
      u32 wide = 1u << swizzleBits;
      for (u32 i = first; i < first + count; i += 8)
        for (u32 k = 0; k < 16; ++k)
          chunk(at(swizzleBits ? i / 8 % wide * 16 + i / 8 / wide * leading + k % 8 * rowBytes + k / 8 * stride
                               : i / 8 * stride + k % 8 * 16 + k / 8 * leading),
                i, k);
      return;
    }
    for (u32 i = first; i < first + count; ++i)
      for (u32 c = 0; c < 2; ++c)
        chunk(at(i % 8 * rowBytes + i / 8 * stride + c * (swizzleBits ? 16 : leading)), i, c * values);
  }
  u32 at(u32 offset) const { return swizzled(start + offset, swizzleBits); }

  u32 start, leading, stride, swizzleBits, values;
  bool transposed;
};

void checkDescriptor(u64 descriptor, const char *name, SimType type, bool transposed, Site site) {
  if (descriptor & ~(u64(3) << 62 | u64(7) << 49 | u64(0x3fff) << 32 | 0x3fff3fff))
    here->fail(site, "wgmma: the descriptor of %s, 0x%" PRIx64 ", has reserved bits set", name, uint64_t(descriptor));
  Operand operand(descriptor, type, transposed);
  if (descriptor >> 49 & 7 || operand.start >> 7 & ((1u << operand.swizzleBits) - 1))
    here->fail(site, "wgmma: %s starts at address %u, in the midst of its swizzle's pattern of %u bytes", name,
               operand.start, 128u << operand.swizzleBits);
}

// Checks the reads of an operand's chunks, in the name of all lanes, and stamps them.
void checkReads(const Operand &operand, u32 first, u32 count, u32 firstThread, u32 stamp, Site site) {
  // Lanes that know the same needn't be asked twice.
  std::vector<const Thread *> threads;
  for (u32 i = firstThread; i < firstThread + 32; ++i)
    if (threads.empty() || here->threads[i].known != threads.back()->known)
      threads.push_back(&here->threads[i]);
  u32 checked = 0;
  operand.forEachChunk(first, count, [&](u32 address, u32, u32) {
    asyncRead(sharedOffset(address, 16, 16, "wgmma", site), threads, checked, stamp, site);
  });
}

float value(const u8 *at, SimType type) {
  if (type == SimType::u8 || type == SimType::s8)
    return type == SimType::u8 ? float(*at) : float(static_cast<signed char>(*at));
  if (type == SimType::tf32) {
    u32 bits;
    memcpy(&bits, at, 4);
    return device::bit_cast<float>(bits & ~0x1fffu);
  }
  u16 bits;
  memcpy(&bits, at, 2);
  return type == SimType::f16 ? to_float(device::f16{bits}) : to_float(device::bf16{bits});
}

// to[k * pitch + i] for rows [first, first + count)
void gather(const Operand &operand, SimType type, u32 first, u32 count, u32 pitch, float *to) {
  u32 bytes = 16 / operand.values;
  operand.forEachChunk(first, count, [&](u32 address, u32 i, u32 k) {
    const u8 *from = sim_state.memory + address - device::simSharedBase;
    for (u32 v = 0; v < operand.values; ++v) {
      u32 row = operand.transposed ? i + v : i, column = operand.transposed ? k : k + v;
      to[column * pitch + row - first] = value(from + v * bytes, type);
    }
  });
}

// sum (16 x n) += a (k x 16, transposed) * b (k x n). Products of codes are exact, and their sums are whole.
template <class Sum>
__attribute__((always_inline)) inline void addProduct(Sum *sum, const float *a, const float *b, u32 n, u32 depth) {
  for (u32 i = 0; i < 16; ++i)
    for (u32 k = 0; k < depth; ++k) {
      float factor = a[k * 16 + i];
      for (u32 j = 0; j < n; ++j)
        sum[i * n + j] += Sum(factor * b[k * n + j]);
    }
}
__attribute__((target_clones("avx2", "default"))) void multiply(float *sum, const float *a, const float *b, u32 n,
                                                                u32 depth) {
  addProduct(sum, a, b, n, depth);
}
__attribute__((target_clones("avx2", "default"))) void multiply(int *sum, const float *a, const float *b, u32 n,
                                                                u32 depth) {
  addProduct(sum, a, b, n, depth);
}

// Where lane and register of d lie in the warp's 16 rows.
u32 place(u32 lane, u32 i, u32 n) { return (lane / 4 + i / 2 % 2 * 8) * n + i / 4 * 8 + lane % 4 * 2 + i % 2; }

void fillA(const WgmmaProduct &product, float *a) {
  if (!product.inRegisters)
    return gather(Operand(product.what.a, product.what.typeA, product.what.transposedA), product.what.typeA,
                  product.firstRow, 16, 16, a);
  bool wide = product.what.typeA == SimType::tf32;
  for (u32 lane = 0; lane < 32; ++lane)
    for (u32 r = 0; r < 4; ++r) {
      u32 row = lane / 4 + r % 2 * 8, word = lane % 4 + r / 2 * 4, bits = product.registers[lane][r];
      if (wide) {
        a[word * 16 + row] = device::bit_cast<float>(bits & ~0x1fffu);
        continue;
      }
      for (u32 half = 0; half < 2; ++half, bits >>= 16) {
        u16 low = bits;
        a[(2 * word + half) * 16 + row] = value(reinterpret_cast<const u8 *>(&low), product.what.typeA);
      }
    }
}

template <class Sum> void computeSums(const WgmmaProduct &product, WgmmaAccumulator &to) {
  static float a[16 * 32], b[32 * 256];
  static Sum sum[16 * 256];
  u32 n = product.what.n;
  fillA(product, a);
  Operand right(product.what.b, product.what.typeB, product.what.transposedB);
  gather(right, product.what.typeB, 0, n, n, b);
  for (u32 lane = 0; lane < 32; ++lane)
    for (u32 i = 0; i < n / 2; ++i)
      sum[place(lane, i, n)] = product.what.accumulate ? device::bit_cast<Sum>(to.values[lane * (n / 2) + i]) : Sum(0);
  multiply(sum, a, b, n, 2 * right.values);
  for (u32 lane = 0; lane < 32; ++lane)
    for (u32 i = 0; i < n / 2; ++i)
      to.values[lane * (n / 2) + i] = device::bit_cast<u32>(sum[place(lane, i, n)]);
}
void compute(const WgmmaProduct &product, WgmmaAccumulator &to) {
  if (product.what.typeB == SimType::s8)
    computeSums<int>(product, to);
  else
    computeSums<float>(product, to);
}

// The threads' registers get the values.
void deliver(const WgmmaAccumulator &accumulator) {
  for (u32 lane = 0; lane < 32; ++lane)
    memcpy(accumulator.registers[lane], &accumulator.values[lane * accumulator.count], accumulator.count * 4);
}

void checkUntouched(const WgmmaAccumulator &accumulator, u32 firstThread) {
  for (u32 lane = 0; lane < 32; ++lane)
    for (u32 i = 0; i < accumulator.count; ++i) {
      u32 bits;
      memcpy(&bits, static_cast<const u32 *>(accumulator.registers[lane]) + i, 4);
      if (bits == poison)
        continue;
      sim_state.thread = firstThread + lane;
      here->fail(accumulator.site, "d[%u] of this wgmma was changed in front of wgmma_wait", i);
    }
}

// The state of the running thread's warp.
WgmmaWarp &state(const char *what, Site site) {
  Block &b = *here;
  u32 warp = b.current().id / 32;
  if (warp / 4 * 4 + 4 > b.warps.size() || b.warps[warp].all != ~0u)
    b.fail(site, "%s: warp %u is in no group of four whole warps", what, warp);
  b.async->wgmma.resize(b.warps.size());
  return b.async->wgmma[warp];
}

// All warps of a group have to issue the same products.
void compareWithGroup(const WgmmaProduct &product, u32 warp, Site site) {
  Block &b = *here;
  std::vector<WgmmaRecord> &records = b.async->wgmmaRecords[warp / 4];
  WgmmaWarp &own = b.async->wgmma[warp];
  WgmmaRecord record{product.what.a, product.what.b, site};
  if (own.issued == records.size())
    records.push_back(record);
  const WgmmaRecord &first = records[own.issued++];
  if (first.a != record.a || first.b != record.b || !Block::sameSite(first.site, site))
    b.fail(site, "wgmma: the descriptors or the instruction differ between the warps of the group (see %s:%d)",
           first.site.file, first.site.line);
}

void issue(Warp &w, Site site) {
  Block &b = *here;
  u32 warp = b.current().id / 32;
  WgmmaWarp &own = state("wgmma", site);
  const SimWgmma &what = *static_cast<const SimWgmma *>(w.in[0]);
  WgmmaProduct product{};
  product.what = what;
  product.inRegisters = what.registers;
  product.firstRow = warp % 4 * 16;
  product.time = b.tick();
  for (u32 lane = 0; lane < 32; ++lane) {
    const SimWgmma &other = *static_cast<const SimWgmma *>(w.in[lane]);
    if (other.a != what.a || other.b != what.b || other.accumulate != what.accumulate)
      b.fail(site, "wgmma: the descriptors or `accumulate` differ between lanes 0 and %u", lane);
    if (what.registers)
      memcpy(product.registers[lane], other.registers, sizeof product.registers[lane]);
  }
  if (!own.fenced)
    b.fail(site, "wgmma without wgmma_fence in front of it since the last wgmma_wait");
  compareWithGroup(product, warp, site);

  u32 stamp = Block::stamp(b.tensorActor(warp), product.time);
  if (!what.registers) {
    checkDescriptor(what.a, "A", what.typeA, what.transposedA, site);
    checkReads(Operand(what.a, what.typeA, what.transposedA), product.firstRow, 16, warp * 32, stamp, site);
  }
  checkDescriptor(what.b, "B", what.typeB, what.transposedB, site);
  checkReads(Operand(what.b, what.typeB, what.transposedB), 0, what.n, warp * 32, stamp, site);

  auto found = std::find_if(own.accumulators.begin(), own.accumulators.end(),
                            [&](const WgmmaAccumulator &a) { return a.registers[0] == what.d; });
  if (found == own.accumulators.end()) {
    found = own.accumulators.emplace(found);
    found->count = what.n / 2;
    found->values.resize(32 * found->count);
    for (u32 lane = 0; lane < 32; ++lane) {
      found->registers[lane] = static_cast<const SimWgmma *>(w.in[lane])->d;
      memcpy(&found->values[lane * found->count], found->registers[lane], found->count * 4);
    }
  } else if (found->count != what.n / 2)
    b.fail(site, "wgmma with n = %u on registers that one with n = %u is under way to", what.n, found->count * 2);
  found->site = site;
  ++found->underWay;
  product.accumulator = what.d;
  if (b.options.early) {
    compute(product, *found);
    deliver(*found);
  } else {
    for (u32 lane = 0; lane < 32; ++lane)
      std::fill_n(static_cast<u32 *>(found->registers[lane]), found->count, poison);
  }
  own.products.push_back(product);
}

void finish(WgmmaWarp &own, u32 warp) {
  Block &b = *here;
  WgmmaProduct product = own.products.front();
  own.products.pop_front();
  auto at = std::find_if(own.accumulators.begin(), own.accumulators.end(),
                         [&](const WgmmaAccumulator &a) { return a.registers[0] == product.accumulator; });
  if (!b.options.early)
    compute(product, *at);
  if (--at->underWay)
    return;
  if (!b.options.early) {
    checkUntouched(*at, warp * 32);
    deliver(*at);
  }
  own.accumulators.erase(at);
}
} // namespace

namespace lathe::sim {
void checkWarpAtExit(Block &b) {
  if (b.async->wgmma.empty())
    return;
  const WgmmaWarp &own = b.async->wgmma[b.current().id / 32];
  if (!own.products.empty())
    b.fail(own.accumulators.front().site, "the thread returns while this wgmma is under way: nothing waits for it");
}
void checkWgmmaAtExit(Block &b) {
  for (u32 warp = 0; warp < b.async->wgmma.size(); ++warp) {
    u32 issued = b.async->wgmma[warp].issued;
    const std::vector<WgmmaRecord> &records = b.async->wgmmaRecords[warp / 4];
    if (issued < records.size())
      b.fail(records[issued].site, "wgmma: warp %u returns without it, but others of its group issue it", warp);
  }
}
} // namespace lathe::sim

void device::sim_wgmma_descriptor(u32 bits, Site site) {
  if (bits % 16)
    here->fail(site, "wgmma_descriptor of bytes that aren't multiples of 16: the last four bits are lost");
}
void device::sim_wgmma(const SimWgmma &what, Site site) {
  here->collective(Collective::wgmma, &what, nullptr, site, true, [&](Warp &w) { issue(w, site); });
}
void device::sim_wgmma_fence(Site site) {
  here->collective(Collective::wgmmaFence, nullptr, nullptr, site, true,
                   [&](Warp &) { state("wgmma_fence", site).fenced = true; });
}
void device::sim_wgmma_commit(Site site) {
  here->collective(Collective::wgmmaCommit, nullptr, nullptr, site, true, [&](Warp &) {
    WgmmaWarp &own = state("wgmma_commit", site);
    own.groupSizes.push_back(own.products.size() - own.committed);
    own.committed = own.products.size();
  });
}
void device::sim_wgmma_wait(u32 groups, Site site) {
  here->collective(Collective::wgmmaWait, nullptr, nullptr, site, true, [&](Warp &) {
    Block &b = *here;
    WgmmaWarp &own = state("wgmma_wait", site);
    u32 warp = b.current().id / 32, time = 0;
    while (own.groupSizes.size() > groups) {
      for (u32 i = 0; i < own.groupSizes.front(); ++i) {
        time = own.products.front().time;
        finish(own, warp);
      }
      own.committed -= own.groupSizes.front();
      own.groupSizes.pop_front();
    }
    if (!time)
      return;
    own.fenced = false;
    // The lanes know that the reads are over.
    KnowledgeRef former, known;
    for (u32 i = warp * 32; i < warp * 32 + 32; ++i) {
      Thread &thread = b.threads[i];
      if (thread.known != former || !known) {
        former = thread.known;
        auto more = std::make_shared<Knowledge>(*former);
        more->seen[b.tensorActor(warp)] = time;
        known = std::move(more);
      }
      b.acquire(thread, known);
    }
    b.tick();
  });
}
void device::sim_set_max_registers(u32 count, bool, Site site) {
  here->collective(Collective::setRegisters, nullptr, nullptr, site, true, [&](Warp &) {
    WgmmaWarp &own = state("set_max_registers", site);
    own.registers = count;
    // Who asks for more waits until others have given back theirs; in the end each has what it asked for.
    Block &b = *here;
    u32 all = 0;
    for (const WgmmaWarp &warp : b.async->wgmma)
      all += 32 * warp.registers;
    if (all > 65536)
      b.fail(site, "set_max_registers: the block's warps ask for %u registers in all, more than 65536", all);
  });
}
