// Kernels without defects, for the emulator and NVRTC alike.
#include "test/unit/cuda-sim/Kernels.h"

KERNEL saxpy(float *y, const float *x, float a, int n) {
  auto to = global(y, n);
  auto from = global(x, n);
  for (int i = block() * 64 + thread(); i < n; i += block_count() * 64)
    to.store(i, a * from.load(i) + to.load(i));
}
LATHE_SIM_KERNEL(saxpy)

// Sums n floats: shuffles in a warp, shared memory between warps.
KERNEL block_sum(float *sum, const float *x, int n) {
  auto from = global(x, n);
  auto partial = shared<float>(0);
  float mine = 0;
  for (int i = thread(); i < n; i += 256)
    mine += from.load(i);
  for (u32 d = 16; d; d /= 2)
    mine += shuffle_xor(mine, d);
  if (lane() == 0)
    partial.store(warp(), mine);
  sync_block();
  if (warp() == 0) {
    float total = lane() < 8 ? partial.load(lane()) : 0;
    for (u32 d = 4; d; d /= 2)
      total += shuffle_xor(total, d);
    if (lane() == 0)
      global(sum, 1).store(0, total);
  }
}
LATHE_SIM_KERNEL(block_sum)

// Two blocks wait for each other's values, each round.
KERNEL exchange(float *sums, float *values, u32 *counter, int rounds) {
  float sum = 0;
  for (int i = 0; i < rounds; ++i) {
    auto both = global(values + i * 128, 128);
    both.store(block() * 64 + thread(), float(i + block() * 1000 + thread()));
    sync_block();
    if (thread() == 0) {
      fence_device();
      atomic_add(counter, 1);
      while (atomic_add(counter, 0) < 2 * u32(i + 1)) {
      }
      fence_device();
    }
    sync_block();
    sum += both.load((1 - block()) * 64 + thread());
  }
  global(sums, 128).store(block() * 64 + thread(), sum);
}
LATHE_SIM_KERNEL(exchange)

// c (m x n, float) = a (m x k) * b (n x k, transposed); 128 x 128 tiles of 256 threads, k in steps of 32, two stages of
// cp.async. Rows of 64 bytes, their 16-byte chunks swizzled.
template <class T> LATHE_DEVICE void gemm(float *c, const T *a, const T *b, int m, int n, int k) {
  constexpr u32 tileBytes = 128 * 64, stageBytes = 2 * tileBytes;
  u32 rowTile = block() / (n / 128) * 128, columnTile = block() % (n / 128) * 128;
  auto left = global(a, index(m) * k);
  auto right = global(b, index(n) * k);
  auto chunk = [](u32 row, u32 c) { return row * 64 + ((c ^ (row >> 1 & 3)) * 16); };
  auto load = [&](int step) {
    auto tiles = shared<u16>(step % 2 * stageBytes);
    for (u32 i = 0; i < 2; ++i) {
      u32 row = (thread() + 256 * i) / 4, c = (thread() + 256 * i) % 4;
      cp_async_16(tiles.address(chunk(row, c) / 2), left.address(index(rowTile + row) * k + step * 32 + c * 8, 8), 16);
      cp_async_16(tiles.address((tileBytes + chunk(row, c)) / 2),
                  right.address(index(columnTile + row) * k + step * 32 + c * 8, 8), 16);
    }
    cp_async_commit();
  };
  u32 w = warp(), l = lane();
  float sum[4][4][4] = {};
  load(0);
  for (int step = 0; step < k / 32; ++step) {
    if (step + 1 < k / 32)
      load(step + 1);
    else
      cp_async_commit();
    cp_async_wait<1>();
    sync_block();
    auto tiles = shared<u16>(step % 2 * stageBytes);
    for (u32 kk = 0; kk < 2; ++kk) {
      u32 fragmentA[4][4], fragmentB[2][4];
      for (u32 i = 0; i < 4; ++i) {
        u32 row = w % 2 * 64 + i * 16 + l % 16;
        ldmatrix_x4(fragmentA[i], tiles.address(chunk(row, kk * 2 + l / 16) / 2));
      }
      for (u32 i = 0; i < 2; ++i) {
        u32 row = w / 2 * 32 + i * 16 + l % 8 + l / 16 * 8;
        ldmatrix_x4(fragmentB[i], tiles.address((tileBytes + chunk(row, kk * 2 + l / 8 % 2)) / 2));
      }
      for (u32 i = 0; i < 4; ++i)
        for (u32 j = 0; j < 4; ++j) {
          u32 pair[2] = {fragmentB[j / 2][j % 2 * 2], fragmentB[j / 2][j % 2 * 2 + 1]};
          mma_m16n8k16(sum[i][j], fragmentA[i], pair, T());
        }
    }
    sync_block();
  }
  auto to = global(c, index(m) * n);
  for (u32 i = 0; i < 4; ++i)
    for (u32 j = 0; j < 4; ++j)
      for (u32 q = 0; q < 2; ++q) {
        u32 row = rowTile + w % 2 * 64 + i * 16 + l / 4 + q * 8, column = columnTile + w / 2 * 32 + j * 8 + l % 4 * 2;
        to.store(index(row) * n + column, Vector<float, 2>{sum[i][j][2 * q], sum[i][j][2 * q + 1]});
      }
}
KERNEL gemm_f16(float *c, const f16 *a, const f16 *b, int m, int n, int k) { gemm(c, a, b, m, n, k); }
LATHE_SIM_KERNEL(gemm_f16)
KERNEL gemm_bf16(float *c, const bf16 *a, const bf16 *b, int m, int n, int k) { gemm(c, a, b, m, n, k); }
LATHE_SIM_KERNEL(gemm_bf16)

// The same in fp32 with plain multiplications: 64 x 64 tiles of 64 threads, 8 x 8 sums each, k in steps of 16.
KERNEL gemm_f32(float *c, const float *a, const float *b, int m, int n, int k) {
  u32 rowTile = block() / (n / 64) * 64, columnTile = block() % (n / 64) * 64;
  auto left = global(a, index(m) * k);
  auto right = global(b, index(n) * k);
  auto tileA = shared<float>(0), tileB = shared<float>(64 * 16 * 4);
  u32 x = thread() % 8, y = thread() / 8;
  float sum[8][8] = {};
  for (int step = 0; step < k; step += 16) {
    for (u32 i = 0; i < 4; ++i) {
      auto va = left.load<4>(index(rowTile + thread()) * k + step + i * 4);
      auto vb = right.load<4>(index(columnTile + thread()) * k + step + i * 4);
      for (u32 j = 0; j < 4; ++j) {
        tileA.store((i * 4 + j) * 64 + thread(), va[j]);
        tileB.store((i * 4 + j) * 64 + thread(), vb[j]);
      }
    }
    sync_block();
    for (u32 kk = 0; kk < 16; ++kk) {
      Vector<float, 4> va[2], vb[2];
      for (u32 i = 0; i < 2; ++i) {
        va[i] = tileA.load<4>(kk * 64 + y * 8 + i * 4);
        vb[i] = tileB.load<4>(kk * 64 + x * 8 + i * 4);
      }
#pragma unroll
      for (u32 i = 0; i < 8; ++i)
#pragma unroll
        for (u32 j = 0; j < 8; ++j)
          sum[i][j] += va[i / 4][i % 4] * vb[j / 4][j % 4];
    }
    sync_block();
  }
  auto to = global(c, index(m) * n);
  for (u32 i = 0; i < 8; ++i)
    for (u32 j = 0; j < 8; ++j)
      to.store(index(rowTile + y * 8 + i) * n + columnTile + x * 8 + j, sum[i][j]);
}
LATHE_SIM_KERNEL(gemm_f32)
