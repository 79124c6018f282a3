// Kernels of sm_90a without defects: TMA, mbarriers, wgmma in all layouts.
#include "test/unit/cuda-sim/Kernels.h"

// Copies a box through shared memory, byte by byte as it lies there.
KERNEL tma_box(u32 *out, const __grid_constant__ TensorMap map, int c0, int c1, int words) {
  auto barrier = shared<u64>(0);
  auto box = shared<u32>(1024);
  if (thread() == 0) {
    mbarrier_init(barrier.address(), 1);
    fence_mbarrier_init();
  }
  sync_block();
  if (thread() == 0) {
    mbarrier_arrive_expect(barrier.address(), words * 4);
    tma_load_2d(box.address(), &map, barrier.address(), c0, c1);
  }
  mbarrier_wait(barrier.address(), 0);
  for (int i = thread(); i < words; i += 64)
    global(out, words).store(i, box.load(i));
}
LATHE_SIM_KERNEL(tma_box)

KERNEL tma_box_4d(u32 *out, const __grid_constant__ TensorMap map, int c0, int c1, int c2, int c3, int words) {
  auto barrier = shared<u64>(0);
  auto box = shared<u32>(1024);
  if (thread() == 0) {
    mbarrier_init(barrier.address(), 1);
    fence_async_proxy();
  }
  sync_block();
  if (thread() == 0) {
    prefetch_tensor_map(&map);
    mbarrier_expect(barrier.address(), words * 4);
    tma_load_4d(box.address(), &map, barrier.address(), c0, c1, c2, c3);
    mbarrier_arrive(barrier.address());
  }
  mbarrier_wait(barrier.address(), 0);
  for (int i = thread(); i < words; i += 64)
    global(out, words).store(i, box.load(i));
}
LATHE_SIM_KERNEL(tma_box_4d)

// One product of 64 x N x 16, c = a (64 x 16) * b (16 x N), both given with k innermost and stored into shared memory
// in the layout that a swizzle and a major dimension ask for.
template <int N, class T, int Rows, Swizzle S, bool Transposed>
LATHE_DEVICE u64 place_operand(u32 offset, const T *from) {
  constexpr u32 width = S == Swizzle::none ? 16 : S == Swizzle::bytes32 ? 32 : S == Swizzle::bytes64 ? 64 : 128;
  constexpr u32 values = 16 / sizeof(T), depth = 2 * values;
  auto tile = shared<T>(offset);
  for (u32 e = thread(); e < Rows * depth; e += 128) {
    u32 i = e / depth, k = e % depth, at;
    if constexpr (!Transposed && S == Swizzle::none) // 8 x 16 bytes side by side: first along m or n, then along k
      at = k / values * Rows * 16 + i * 16 + k % values * sizeof(T);
    else if constexpr (!Transposed) // rows of `width` bytes, of which the product uses the first 32
      at = i * width + ((k / values ^ (i * width / 128 % (width / 16))) * 16) + k % values * sizeof(T);
    else if constexpr (S == Swizzle::none)
      at = (k / 8 * (Rows / 8) + i / 8) * 128 + k % 8 * 16 + i % 8 * 2;
    else { // columns of `width` bytes; behind 8 of them the next ones of k, then the next ones of m or n
      u32 per = width / 2;
      at = i / per * (2 * 8 * width) + k * width + ((i % per / 8 ^ (k % 8 * width / 128 % (width / 16))) * 16) +
           i % 8 * 2;
    }
    tile.store(at / sizeof(T), from[i * depth + k]);
  }
  if constexpr (!Transposed && S == Swizzle::none)
    return wgmma_descriptor(tile.address(), Rows * 16, 128, S);
  else if constexpr (!Transposed)
    return wgmma_descriptor(tile.address(), 16, 8 * width, S);
  else if constexpr (S == Swizzle::none)
    return wgmma_descriptor(tile.address(), Rows * 16, 128, S);
  else
    return wgmma_descriptor(tile.address(), 16 * width, 8 * width, S);
}
template <int N, class Sum> LATHE_DEVICE void store_product(Sum *c, const Sum (&d)[N / 2]) {
  auto to = global(c, 64 * N);
  for (u32 i = 0; i < N / 2; ++i)
    to.store((warp() * 16 + lane() / 4 + i / 2 % 2 * 8) * N + i / 4 * 8 + lane() % 4 * 2 + i % 2, d[i]);
}
template <Swizzle S, bool TransposedA, bool TransposedB, class T>
LATHE_DEVICE void product_16(float *c, const T *a, const T *b) {
  constexpr int n = 96;
  u64 left = place_operand<n, T, 64, S, TransposedA>(0, a);
  u64 right = place_operand<n, T, n, S, TransposedB>(16384, b);
  fence_async_proxy();
  sync_block();
  float d[n / 2];
  wgmma_fence();
  wgmma_m64k16<n, T, TransposedA, TransposedB>(d, left, right, false);
  wgmma_commit();
  wgmma_wait<0>();
  store_product<n>(c, d);
}
#define PRODUCT(name, S, TransposedA, TransposedB, T)                                                                  \
  KERNEL name(float *c, const T *a, const T *b) { product_16<S, TransposedA, TransposedB>(c, a, b); }                  \
  LATHE_SIM_KERNEL(name)
PRODUCT(product_kk_0, Swizzle::none, false, false, f16)
PRODUCT(product_kk_32, Swizzle::bytes32, false, false, bf16)
PRODUCT(product_kk_64, Swizzle::bytes64, false, false, f16)
PRODUCT(product_kk_128, Swizzle::bytes128, false, false, bf16)
PRODUCT(product_mn_0, Swizzle::none, true, true, f16)
PRODUCT(product_mn_32, Swizzle::bytes32, true, true, f16)
PRODUCT(product_mn_64, Swizzle::bytes64, true, true, f16)
PRODUCT(product_kn_128, Swizzle::bytes128, false, true, f16)
PRODUCT(product_mk_128, Swizzle::bytes128, true, false, f16)

KERNEL product_tf32(float *c, const float *a, const float *b) {
  u64 left = place_operand<64, float, 64, Swizzle::bytes128, false>(0, a);
  u64 right = place_operand<64, float, 64, Swizzle::bytes64, false>(16384, b);
  fence_async_proxy();
  sync_block();
  float d[32] = {};
  wgmma_fence();
  wgmma_m64k8_tf32<64>(d, left, right, true);
  wgmma_commit();
  wgmma_wait<0>();
  store_product<64>(c, d);
}
LATHE_SIM_KERNEL(product_tf32)

// Codes, a (64 x 32) unsigned and b (32 x n) signed, four in a word: c = 2 * a * b, plus 2^28 + 1 where `accumulate`.
template <int N, Swizzle S> LATHE_DEVICE void product_codes(int *c, const u32 *a, const u32 *b, int accumulate) {
  u64 left = place_operand<N, u32, 64, S, false>(0, a);
  u64 right = place_operand<N, u32, N, S, false>(16384, b);
  fence_async_proxy();
  sync_block();
  int d[N / 2];
  for (int &sum : d)
    sum = (1 << 28) + 1;
  wgmma_pin(d);
  wgmma_fence();
  wgmma_m64k32<N>(d, left, right, accumulate);
  wgmma_m64k32<N>(d, left, right, true);
  wgmma_commit();
  wgmma_wait<0>();
  wgmma_pin(d);
  store_product<N>(c, d);
}
#define PRODUCT_CODES(name, N, S)                                                                                      \
  KERNEL name(int *c, const u32 *a, const u32 *b, int accumulate) { product_codes<N, S>(c, a, b, accumulate); }        \
  LATHE_SIM_KERNEL(name)
PRODUCT_CODES(product_codes_0, 64, Swizzle::none)
PRODUCT_CODES(product_codes_32, 128, Swizzle::bytes32)
PRODUCT_CODES(product_codes_64, 64, Swizzle::bytes64)
PRODUCT_CODES(product_codes_128, 128, Swizzle::bytes128)

// A in registers, twice in a row into the same sums: c = 2 * a * b.
KERNEL product_registers(float *c, const f16 *a, const f16 *b) {
  u64 right = place_operand<32, f16, 32, Swizzle::none, false>(0, b);
  fence_async_proxy();
  sync_block();
  u32 registers[4];
  for (u32 r = 0; r < 4; ++r) {
    u32 at = (warp() * 16 + lane() / 4 + r % 2 * 8) * 16 + lane() % 4 * 2 + r / 2 * 8;
    registers[r] = a[at].bits | u32(a[at + 1].bits) << 16;
  }
  float d[16];
  wgmma_fence();
  wgmma_m64k16<32, f16>(d, registers, right, false);
  wgmma_m64k16<32, f16>(d, registers, right, true);
  wgmma_commit();
  wgmma_wait<0>();
  store_product<32>(c, d);
}
LATHE_SIM_KERNEL(product_registers)

// c (m x n) = a (m x k) * b (n x k, transposed), 128 x 128 tiles, warp-specialised: two warpgroups multiply, a warp
// loads three stages ahead. Edges are filled with zeros by TMA.
extern "C" __global__ void __launch_bounds__(384, 1)
    gemm_tma(float *c, const __grid_constant__ TensorMap a, const __grid_constant__ TensorMap b, int m, int n, int k) {
  constexpr u32 stages = 3, tileBytes = 128 * 128, stageBytes = 2 * tileBytes;
  auto full = shared<u64>(stages * stageBytes), empty = full + stages;
  auto tile = [](u32 stage, u32 which) {
    return shared<Vector<u32, 4>>(stage * stageBytes + which * tileBytes).address();
  };
  u32 columns = (n + 127) / 128, row = block() / columns * 128, column = block() % columns * 128;
  u32 steps = (k + 63) / 64;
  if (thread() == 0) {
    for (u32 i = 0; i < stages; ++i) {
      mbarrier_init(full.address(i), 1);
      mbarrier_init(empty.address(i), 8);
    }
    fence_mbarrier_init();
  }
  sync_block();
  if (warp() >= 8) {
    set_max_registers<40>(false);
    if (thread() == 256)
      for (u32 step = 0; step < steps; ++step) {
        u32 stage = step % stages, round = step / stages;
        mbarrier_wait(empty.address(stage), (round & 1) ^ 1);
        mbarrier_arrive_expect(full.address(stage), stageBytes);
        tma_load_2d(tile(stage, 0), &a, full.address(stage), step * 64, row);
        tma_load_2d(tile(stage, 1), &b, full.address(stage), step * 64, column);
      }
    return;
  }
  set_max_registers<232>(true);
  float d[64];
  u32 group = warp() / 4;
  for (u32 step = 0; step < steps; ++step) {
    u32 stage = step % stages, round = step / stages;
    mbarrier_wait(full.address(stage), round & 1);
    wgmma_fence();
    for (u32 kk = 0; kk < 4; ++kk)
      wgmma_m64k16<128, f16>(d, wgmma_descriptor(tile(stage, 0) + group * 8192 + kk * 32, 16, 1024, Swizzle::bytes128),
                             wgmma_descriptor(tile(stage, 1) + kk * 32, 16, 1024, Swizzle::bytes128), step || kk);
    wgmma_commit();
    wgmma_wait<0>();
    if (lane() == 0)
      mbarrier_arrive(empty.address(stage));
  }
  auto to = global(c, index(m) * n);
  for (u32 i = 0; i < 64; ++i) {
    u32 y = row + warp() * 16 + lane() / 4 + i / 2 % 2 * 8, x = column + i / 4 * 8 + lane() % 4 * 2 + i % 2;
    if (y < u32(m) && x < u32(n))
      to.store(index(y) * n + x, d[i]);
  }
}
LATHE_SIM_KERNEL(gemm_tma)
