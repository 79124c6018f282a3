// Every primitive once, for NVRTC. Nobody runs it. (any, all and ballot are also builtins there, in no namespace.)
#include "test/unit/cuda-sim/Kernels.h"

template <class T> LATHE_DEVICE void halves(float *out, const T *in) {
  auto from = global(in, 64);
  auto tile = shared<T>(0);
  float d[4] = {};
  u32 a[4], b[2];
  tile.store(thread(), from.load(thread()));
  tile.store(8 * thread(), from.template load<8>(8 * thread()));
  cp_async_16(tile.address(8), from.address(0, 8), 16);
  cp_async_4((tile + 16).address(), from.address(0, 2), 2);
  cp_async_commit();
  cp_async_wait<0>();
  sync_block();
  ldmatrix_x4(a, tile.address(8 * lane()));
  ldmatrix_x2(b, tile.address(8 * lane()));
  mma_m16n8k16(d, a, b, T());
  ldmatrix_x4_trans(a, tile.address(8 * lane()));
  ldmatrix_x2_trans(b, tile.address(8 * lane()));
  mma_m16n8k16(d, a, b, T());
  auto v = tile.template load<2>(2 * thread());
  u32 packed = pack(d[0], d[1], T());
  packed = multiply_pair(subtract_pair(mask_xor(packed, 0x000f000f, 0x64006400), permute_bytes(packed, 0, 0x4140), T()),
                         packed, T());
  out[thread()] = d[0] + d[1] + d[2] + d[3] + to_float(v[0]) + to_float(from_float<T>(d[0])) + float(packed);
}
KERNEL all_f16(float *out, const f16 *in) { halves(out, in); }
LATHE_SIM_KERNEL(all_f16)
KERNEL all_bf16(float *out, const bf16 *in) { halves(out, in); }
LATHE_SIM_KERNEL(all_bf16)

#if defined(LATHE_CUDA_SIM) || __CUDA_ARCH__ >= 890
KERNEL all_e4m3(float *out) {
  Vector<float, 4> values{0, 1, 2, float(thread())};
  u32 a[4] = {pack_e4m3(values), 0, 0, 0}, b[2] = {transpose_bytes(a[0], 1, 2, 3)[1], 0};
  float d[4] = {round_to_e4m3(values[3])};
  mma_m16n8k32_e4m3(d, a, b);
  out[thread()] = d[0];
}
LATHE_SIM_KERNEL(all_e4m3)
#endif

KERNEL all_basic(float *out, const float *in, u32 *counter, int *lock) {
  auto from = global(in, 64);
  auto to = global(out, 64);
  auto tile = shared<float>(0);
  grid_dependency_wait();
  float x = from.load(thread()), d[4] = {};
  u32 a[4] = {to_tf32(x), to_tf32(x), to_tf32(x), to_tf32(x)}, b[2] = {a[0], a[1]};
  mma_m16n8k8_tf32(d, a, b);
  tile.store(4 * thread(), Vector<float, 4>{x, x, d[0], d[1]});
  sync_warp();
  sync_named(1, 64);
  arrive_named(2, 64);
  sync_named(2, 64);
  x = shuffle(x, 3) + shuffle_xor(x, 1) + bit_cast<float>(shuffle(bit_cast<u32>(x), 0));
  if (device::any(x > 0) && device::all(x > 1) && device::ballot(x > 2) == 3)
    x = exp2_approx(x) + log2_approx(x) + reciprocal_approx(x) + rsqrt_approx(x);
  x += float(atomic_add(counter, 1)) + float(atomic_cas(lock, 0, 1));
  fence_device();
  grid_dependency_launch();
  auto v = tile.load<4>(4 * thread());
  to.store(4 * thread(), v);
  to.store(thread(), x + v[0] + float(block_count()));
}
LATHE_SIM_KERNEL(all_basic)
