// Single instructions, their registers taken from and given back to global memory: lane l's i-th at l * count + i.
#include "test/unit/cuda-sim/Kernels.h"

template <u32 Count> LATHE_DEVICE void load(u32 (&to)[Count], const u32 *from) {
  for (u32 i = 0; i < Count; ++i)
    to[i] = from[lane() * Count + i];
}
template <bool Tf32> LATHE_DEVICE void product(float *out, const u32 *a, const u32 *b) {
  u32 left[4], right[2];
  float d[4] = {};
  load(left, a);
  load(right, b);
  if (Tf32)
    mma_m16n8k8_tf32(d, left, right);
  else
    mma_m16n8k16(d, left, right, f16());
  for (u32 i = 0; i < 4; ++i)
    out[lane() * 4 + i] = d[i];
}
KERNEL mma_16(float *out, const u32 *a, const u32 *b) { product<false>(out, a, b); }
LATHE_SIM_KERNEL(mma_16)
KERNEL mma_tf32(float *out, const u32 *a, const u32 *b) { product<true>(out, a, b); }
LATHE_SIM_KERNEL(mma_tf32)

KERNEL mma_e4m3(float *out, const u32 *a, const u32 *b) {
  u32 left[4], right[2];
  float d[4] = {};
  load(left, a);
  load(right, b);
  mma_m16n8k32_e4m3(d, left, right);
  for (u32 i = 0; i < 4; ++i)
    out[lane() * 4 + i] = d[i];
}
LATHE_SIM_KERNEL(mma_e4m3)

// Four matrices whose rows are `pitch` bytes apart; the words are numbered from 0 on.
KERNEL matrices(u32 *out, int pitch, int transposed) {
  auto tile = shared<u16>(0);
  for (u32 i = lane(); i < 32 * 8; i += 32)
    tile.store(i / 8 * (pitch / 2) + i % 8, u16(i));
  sync_warp();
  u32 r[4];
  if (transposed)
    ldmatrix_x4_trans(r, tile.address(lane() * (pitch / 2)));
  else
    ldmatrix_x4(r, tile.address(lane() * (pitch / 2)));
  for (u32 i = 0; i < 4; ++i)
    out[lane() * 4 + i] = r[i];
}
LATHE_SIM_KERNEL(matrices)
