// What a warp does together: shuffles, ballots, ldmatrix and mma.
#include "tools/cuda-sim/Block.h"

#include <algorithm>
#include <array>
#include <cstring>

using namespace lathe::sim;
using device::SimType;

namespace {
struct MmaOperands {
  const u32 *a, *b;
};

// Fragments put together: in 16 bits, a register holds two neighbours along k.
struct Tiles {
  u32 a[16][8], b[8][8];
};

// product (16 x 8) = a (16 x k) * b (k x 8)
__attribute__((target_clones("avx2", "default"))) void multiply(float (*product)[8], const Tiles &tiles, SimType type) {
  constexpr u32 countA = 128, countB = 64;
  float a[2][16][8], b[2][8][8];
  auto convert = [](float *low, float *high, const u32 *bits, u32 count, SimType type) {
    if (type == SimType::f16)
      for (u32 i = 0; i < count; ++i)
        low[i] = to_float(device::f16{u16(bits[i])}), high[i] = to_float(device::f16{u16(bits[i] >> 16)});
    else if (type == SimType::bf16)
      for (u32 i = 0; i < count; ++i)
        low[i] = device::bit_cast<float>(bits[i] << 16), high[i] = device::bit_cast<float>(bits[i] & 0xffff0000);
    else
      for (u32 i = 0; i < count; ++i)
        low[i] = device::bit_cast<float>(bits[i] & ~0x1fffu), high[i] = 0;
  };
  convert(a[0][0], a[1][0], tiles.a[0], countA, type);
  convert(b[0][0], b[1][0], tiles.b[0], countB, type);
  for (int i = 0; i < 16; ++i) {
    float sum[8] = {};
    for (int half = 0; half < (type == SimType::tf32 ? 1 : 2); ++half)
      for (int k = 0; k < 8; ++k)
        for (int n = 0; n < 8; ++n)
          sum[n] += a[half][i][k] * b[half][k][n];
    for (int n = 0; n < 8; ++n)
      product[i][n] = sum[n];
  }
}
} // namespace

namespace lathe::sim {
const char *nameOf(Collective kind) {
  static const char *const names[] = {"nothing",  "sync_warp", "arrive_named", "a shuffle",
                                      "a ballot", "ldmatrix",  "mma"};
  return names[u32(kind)];
}
} // namespace lathe::sim

u32 device::sim_shuffle(u32 value, u32 lane, Site site) {
  u32 result = 0;
  if (lane > 31)
    here->fail(site, "shuffle from lane %u", lane);
  struct Operand {
    u32 value, lane;
  } operand{value, lane};
  here->collective(Collective::shuffle, &operand, &result, site, false, [&](Warp &w) {
    for (u32 lanes = w.all; lanes; lanes &= lanes - 1) {
      u32 i = __builtin_ctz(lanes), from = static_cast<const Operand *>(w.in[i])->lane;
      if (!(w.all >> from & 1))
        here->fail(site, "shuffle from lane %u, which the warp doesn't have", from);
      *static_cast<u32 *>(w.out[i]) = static_cast<const Operand *>(w.in[from])->value;
    }
  });
  return result;
}

u32 device::sim_ballot(bool condition, Site site) {
  u32 result = 0;
  here->collective(Collective::ballot, &condition, &result, site, false, [&](Warp &w) {
    u32 bits = 0;
    for (u32 lanes = w.all; lanes; lanes &= lanes - 1)
      bits |= u32(*static_cast<const bool *>(w.in[__builtin_ctz(lanes)])) << __builtin_ctz(lanes);
    for (u32 lanes = w.all; lanes; lanes &= lanes - 1)
      *static_cast<u32 *>(w.out[__builtin_ctz(lanes)]) = bits;
  });
  return result;
}

static u64 bankConflicts;
// For tests: how often ldmatrix had to repeat a read, since rows of a matrix lie in the same banks, in the last launch.
extern "C" unsigned long long sim_bank_conflicts() { return bankConflicts; }
void lathe::sim::resetBankConflicts() { bankConflicts = 0; }
static void countConflicts(const Warp &w, u32 matrices) {
  for (u32 m = 0; m < matrices; ++m) {
    u32 rows[8] = {}, most = 0;
    for (u32 i = 0; i < 8; ++i)
      most = std::max(most, ++rows[*static_cast<const u32 *>(w.in[m * 8 + i]) / 16 % 8]);
    bankConflicts += most - 1;
  }
}

static void wholeWarp(const char *what, Site site) {
  if (here->warp().all != ~0u)
    here->fail(site, "%s in a warp of fewer than 32 threads", what);
}

void device::sim_ldmatrix(u32 *r, u32 address, u32 matrices, bool transposed, Site site) {
  wholeWarp("ldmatrix", site);
  here->collective(Collective::ldmatrix, &address, r, site, true, [&](Warp &w) {
    Block &b = *here;
    countConflicts(w, matrices);
    u32 first = b.current().id & ~31u;
    const u8 *rows[32];
    for (u32 i = 0; i < 8 * matrices; ++i) {
      b.pose(b.threads[first + i]);
      u32 offset = sharedOffset(*static_cast<const u32 *>(w.in[i]), 16, 16, "ldmatrix", site);
      simRead<16>(offset, site);
      rows[i] = sim_state.memory + offset;
    }
    b.pose(b.current());
    for (u32 m = 0; m < matrices; ++m)
      for (u32 lane = 0; lane < 32; ++lane) {
        u32 *to = static_cast<u32 *>(w.out[lane]) + m;
        if (!transposed) {
          memcpy(to, rows[m * 8 + lane / 4] + lane % 4 * 4, 4);
          continue;
        }
        u16 low, high;
        memcpy(&low, rows[m * 8 + lane % 4 * 2] + lane / 4 * 2, 2);
        memcpy(&high, rows[m * 8 + lane % 4 * 2 + 1] + lane / 4 * 2, 2);
        *to = low | u32(high) << 16;
      }
  });
}

// Register i of a lane holds of A row g + 8 (i % 2), and of each row's eight words t + 4 (i / 2), in 8 and 16 bits as
// in tf32.
static Tiles gather(const Warp &w) {
  Tiles tiles;
  for (u32 lane = 0; lane < 32; ++lane) {
    const MmaOperands &from = *static_cast<const MmaOperands *>(w.in[lane]);
    u32 g = lane / 4, t = lane % 4;
    for (u32 i = 0; i < 4; ++i)
      tiles.a[g + i % 2 * 8][t + i / 2 * 4] = from.a[i];
    for (u32 i = 0; i < 2; ++i)
      tiles.b[t + i * 4][g] = from.b[i];
  }
  return tiles;
}

template <class T> static void addProduct(const Warp &w, const T (&product)[16][8]) {
  for (u32 lane = 0; lane < 32; ++lane)
    for (u32 i = 0; i < 4; ++i)
      static_cast<T *>(w.out[lane])[i] += product[lane / 4 + i / 2 * 8][lane % 4 * 2 + i % 2];
}

void device::sim_mma(float *d, const u32 *a, const u32 *b, SimType type, Site site) {
  wholeWarp("mma", site);
  MmaOperands operands{a, b};
  here->collective(Collective::mma, &operands, d, site, true, [&](Warp &w) {
    float product[16][8];
    multiply(product, gather(w), type);
    addProduct(w, product);
  });
}

void device::sim_mma_sparse(float *d, const u32 *a, const u32 *b, u32 metadata, SimType type, Site site) {
  wholeWarp("mma", site);
  struct Operands {
    const u32 *a, *b;
    u32 metadata;
  } operands{a, b, metadata};
  here->collective(Collective::mma, &operands, d, site, true, [&](Warp &w) {
    auto valueOf = [&](const u32 *words, u32 i) {
      u16 bits = u16(words[i / 2] >> i % 2 * 16);
      return type == SimType::f16 ? to_float(device::f16{bits}) : to_float(device::bf16{bits});
    };
    float left[16][32] = {}, right[32][8], product[16][8] = {};
    for (u32 lane = 0; lane < 32; ++lane) {
      const Operands &from = *static_cast<const Operands *>(w.in[lane]);
      u32 g = lane / 4, t = lane % 4;
      for (u32 i = 0; i < 8; ++i)
        right[i / 2 * 8 + 2 * t + i % 2][g] = valueOf(from.b, i);
      for (u32 i = 0; i < 8; ++i) {
        u32 row = g + i / 2 % 2 * 8, kept = i / 4 * 8 + 2 * t + i % 2; // of 16
        u32 bits = static_cast<const Operands *>(w.in[g * 4 + kept / 8])->metadata >> row / 8 * 16;
        u32 place = bits >> kept % 8 * 2 & 3;
        if (kept % 2 == 1 && (bits >> (kept % 8 - 1) * 2 & 3) >= place)
          here->fail(site, "metadata of row %u: elements %u and %u of the kept ones aren't in order", row, kept - 1,
                     kept);
        left[row][kept / 2 * 4 + place] = valueOf(from.a, i);
      }
    }
    for (u32 i = 0; i < 16; ++i)
      for (u32 k = 0; k < 32; ++k)
        for (u32 n = 0; n < 8; ++n)
          product[i][n] += left[i][k] * right[k][n];
    addProduct(w, product);
  });
}

static float fromE4m3(u8 code) {
  int exponent = code >> 3 & 15, fraction = code & 7;
  float size = (code & 0x7f) == 0x7f ? __builtin_nanf("")
               : exponent            ? float(8 + fraction) * float(1 << exponent) / 1024
                                     : float(fraction) / 512;
  return code & 0x80 ? -size : size;
}

void device::sim_mma_e4m3(float *d, const u32 *a, const u32 *b, Site site) {
  wholeWarp("mma", site);
  MmaOperands operands{a, b};
  here->collective(Collective::mma, &operands, d, site, true, [&](Warp &w) {
    static const std::array<float, 256> values = [] {
      std::array<float, 256> table;
      for (u32 code = 0; code < 256; ++code)
        table[code] = fromE4m3(u8(code));
      return table;
    }();
    Tiles tiles = gather(w);
    float product[16][8] = {};
    for (u32 i = 0; i < 16; ++i)
      for (u32 k = 0; k < 8; ++k)
        for (u32 n = 0; n < 8; ++n)
          for (u32 byte = 0; byte < 32; byte += 8)
            product[i][n] += values[tiles.a[i][k] >> byte & 255] * values[tiles.b[k][n] >> byte & 255];
    addProduct(w, product);
  });
}

void device::sim_mma_codes(int *d, const u32 *a, const u32 *b, Site site) {
  wholeWarp("mma", site);
  MmaOperands operands{a, b};
  here->collective(Collective::mma, &operands, d, site, true, [&](Warp &w) {
    Tiles tiles = gather(w);
    int product[16][8] = {};
    for (u32 i = 0; i < 16; ++i)
      for (u32 k = 0; k < 8; ++k)
        for (u32 n = 0; n < 8; ++n)
          for (u32 byte = 0; byte < 32; byte += 8)
            product[i][n] += int(tiles.a[i][k] >> byte & 255) * int(static_cast<signed char>(tiles.b[k][n] >> byte));
    addProduct(w, product);
  });
}
