// Defects in the use of TMA, mbarriers and wgmma, one kernel per class, as in Defects.cu. `map` is of a tensor of 64 x
// 64 f16 with boxes of 8 rows by 64, not swizzled: 1024 bytes.
#include "test/unit/cuda-sim/Kernels.h"

constexpr u32 boxBytes = 1024;

// An mbarrier at `offset`, for all to use.
LATHE_DEVICE u32 make_barrier(u32 offset, u32 count) {
  auto barrier = shared<u64>(offset);
  if (thread() == 0) {
    mbarrier_init(barrier.address(), count);
    fence_mbarrier_init();
  }
  sync_block();
  return barrier.address();
}
LATHE_DEVICE void finish(float *out, float x) { global(out, 512).store(thread(), x); }

KERNEL tma_not_waited_for(float *out, const __grid_constant__ TensorMap map, int fixed) {
  u32 barrier = make_barrier(0, 1);
  auto box = shared<u32>(1024);
  if (thread() == 0) {
    mbarrier_arrive_expect(barrier, boxBytes);
    tma_load_2d(box.address(), &map, barrier, 0, 0); // DEFECT tma_not_waited_for
  }
  if (fixed)
    mbarrier_wait(barrier, 0);
  sync_block();
  float x = float(box.load(thread())); // DEFECT tma_not_waited_for
  finish(out, x);
}
LATHE_SIM_KERNEL(tma_not_waited_for)

// One thread's wait tells the others nothing.
KERNEL tma_waited_for_by_one(float *out, const __grid_constant__ TensorMap map, int fixed) {
  u32 barrier = make_barrier(0, 1);
  auto box = shared<u32>(1024);
  if (thread() == 0) {
    mbarrier_arrive_expect(barrier, boxBytes);
    tma_load_2d(box.address(), &map, barrier, 0, 0); // DEFECT tma_waited_for_by_one
    mbarrier_wait(barrier, 0);
  }
  if (fixed)
    sync_block();
  float x = float(box.load(thread())); // DEFECT tma_waited_for_by_one
  finish(out, x);
}
LATHE_SIM_KERNEL(tma_waited_for_by_one)

KERNEL wrong_bytes(float *out, const __grid_constant__ TensorMap map, int fixed) {
  u32 barrier = make_barrier(0, 1);
  if (thread() == 0) {
    mbarrier_arrive_expect(barrier, fixed ? boxBytes : 2 * boxBytes);
    tma_load_2d(shared<u32>(1024).address(), &map, barrier, 0, 0);
  }
  mbarrier_wait(barrier, 0); // DEFECT wrong_bytes
  finish(out, 0);
}
LATHE_SIM_KERNEL(wrong_bytes)

KERNEL wrong_parity(float *out, const __grid_constant__ TensorMap map, int fixed) {
  u32 barrier = make_barrier(0, 1);
  auto box = shared<u32>(1024);
  for (u32 i = 0; i < 4; ++i) {
    if (thread() == 0) {
      mbarrier_arrive_expect(barrier, boxBytes);
      tma_load_2d(box.address(), &map, barrier, 0, i * 8); // DEFECT wrong_parity
    }
    mbarrier_wait(barrier, fixed ? i & 1 : 0); // DEFECT wrong_parity
    float x = float(box.load(thread()));       // DEFECT wrong_parity
    sync_block();
    finish(out, x);
  }
}
LATHE_SIM_KERNEL(wrong_parity)

// Two stages; the producer has to wait until the consumers are done with the former round.
KERNEL tma_over_readers(float *out, const __grid_constant__ TensorMap map, int fixed) {
  u32 full[2] = {make_barrier(0, 1), make_barrier(8, 1)}, empty[2] = {make_barrier(16, 32), make_barrier(24, 32)};
  auto boxes = shared<u32>(1024);
  float x = 0;
  for (u32 i = 0; i < 6; ++i) {
    u32 stage = i % 2, round = i / 2;
    if (thread() == 32) {
      if (fixed)
        mbarrier_wait(empty[stage], (round & 1) ^ 1);
      mbarrier_arrive_expect(full[stage], boxBytes);                        // DEFECT tma_over_readers
      tma_load_2d(boxes.address(stage * 256), &map, full[stage], 0, i * 8); // DEFECT tma_over_readers
    } else if (warp() == 0) {
      mbarrier_wait(full[stage], round & 1);
      x += float(boxes.load(stage * 256 + lane())); // DEFECT tma_over_readers
      mbarrier_arrive(empty[stage]);
    }
  }
  finish(out, x);
}
LATHE_SIM_KERNEL(tma_over_readers)

KERNEL init_not_ordered(float *out, const __grid_constant__ TensorMap map, int fixed) {
  auto barrier = shared<u64>(0);
  if (thread() == 0) {
    mbarrier_init(barrier.address(), 64);
    fence_mbarrier_init();
  }
  if (fixed)
    sync_block();
  mbarrier_arrive(barrier.address()); // DEFECT init_not_ordered
  mbarrier_wait(barrier.address(), 0);
  finish(out, 0);
}
LATHE_SIM_KERNEL(init_not_ordered)

KERNEL init_not_fenced(float *out, const __grid_constant__ TensorMap map, int fixed) {
  auto barrier = shared<u64>(0);
  if (thread() == 0) {
    mbarrier_init(barrier.address(), 1);
    if (fixed)
      fence_mbarrier_init();
    mbarrier_arrive_expect(barrier.address(), boxBytes);
    tma_load_2d(shared<u32>(1024).address(), &map, barrier.address(), 0, 0); // DEFECT init_not_fenced
  }
  sync_block();
  mbarrier_wait(barrier.address(), 0);
  finish(out, 0);
}
LATHE_SIM_KERNEL(init_not_fenced)

KERNEL too_many_arrivals(float *out, const __grid_constant__ TensorMap map, int fixed) {
  u32 barrier = make_barrier(0, fixed ? 64 : 63);
  mbarrier_expect(barrier, 0);
  if (thread() == 0)
    mbarrier_expect(barrier, boxBytes);
  sync_block();
  mbarrier_arrive(barrier); // DEFECT too_many_arrivals
  if (thread() == 0)
    tma_load_2d(shared<u32>(1024).address(), &map, barrier, 0, 0);
  mbarrier_wait(barrier, 0);
  finish(out, 0);
}
LATHE_SIM_KERNEL(too_many_arrivals)

// Who doesn't wait may arrive twice in a phase, in place of another.
KERNEL arrival_too_soon(float *out, const __grid_constant__ TensorMap map, int fixed) {
  u32 barrier = make_barrier(0, 2);
  if (lane() == 0)
    for (u32 i = 0; i < 3; ++i) {
      mbarrier_arrive(barrier); // DEFECT arrival_too_soon
      if (fixed || thread() == 0)
        mbarrier_wait(barrier, i & 1);
    }
  finish(out, 0);
}
LATHE_SIM_KERNEL(arrival_too_soon)

KERNEL tma_alignment(float *out, const __grid_constant__ TensorMap map, int fixed) {
  u32 barrier = make_barrier(0, 1);
  if (thread() == 0) {
    mbarrier_arrive_expect(barrier, boxBytes);
    tma_load_2d(shared<u32>(fixed ? 1024 : 1040).address(), &map, barrier, 0, 0); // DEFECT tma_alignment
  }
  mbarrier_wait(barrier, 0);
  finish(out, 0);
}
LATHE_SIM_KERNEL(tma_alignment)

KERNEL left_under_way(float *out, const __grid_constant__ TensorMap map, int fixed) {
  u32 barrier = make_barrier(0, 1);
  if (thread() == 0) {
    mbarrier_arrive_expect(barrier, boxBytes);
    tma_load_2d(shared<u32>(1024).address(), &map, barrier, 0, 0); // DEFECT left_under_way
    if (fixed)
      mbarrier_wait(barrier, 0);
  }
  finish(out, 0);
}
LATHE_SIM_KERNEL(left_under_way)

// Ordinary writes, then TMA over them.
KERNEL tma_over_writes(float *out, const __grid_constant__ TensorMap map, int fixed) {
  u32 barrier = make_barrier(0, 1);
  auto box = shared<u32>(1024);
  box.store(thread(), 1); // DEFECT tma_over_writes
  if (fixed)
    fence_async_proxy();
  sync_block();
  if (thread() == 0) {
    mbarrier_arrive_expect(barrier, boxBytes);
    tma_load_2d(box.address(), &map, barrier, 0, 0); // DEFECT tma_over_writes
  }
  mbarrier_wait(barrier, 0);
  finish(out, 0);
}
LATHE_SIM_KERNEL(tma_over_writes)

KERNEL touched_barrier(float *out, const __grid_constant__ TensorMap map, int fixed) {
  u32 barrier = make_barrier(0, 64);
  if (!fixed)
    shared<u32>(0).store(0, 1); // DEFECT touched_barrier
  mbarrier_arrive(barrier);
  mbarrier_wait(barrier, 0);
  finish(out, 0);
}
LATHE_SIM_KERNEL(touched_barrier)

// ---- wgmma: ones (64 x 16) by ones (16 x 8), not swizzled

struct Operands {
  u64 a, b;
};
LATHE_DEVICE Operands make_operands(bool fence = true) {
  auto tiles = shared<f16>(0);
  for (u32 i = thread(); i < 72 * 16; i += 128)
    tiles.store(i, f16{0x3c00}); // DEFECT unfenced_operands
  if (fence)
    fence_async_proxy();
  sync_block();
  return {wgmma_descriptor(tiles.address(), 1024, 128, Swizzle::none),
          wgmma_descriptor(tiles.address(1024), 128, 128, Swizzle::none)};
}
LATHE_DEVICE void finish(float *out, const float (&d)[4]) {
  global(out, 512).store(4 * thread(), Vector<float, 4>{d[0], d[1], d[2], d[3]});
}

KERNEL unfenced_operands(float *out, const __grid_constant__ TensorMap map, int fixed) {
  Operands operands = make_operands(fixed);
  float d[4];
  wgmma_fence();
  wgmma_m64k16<8, f16>(d, operands.a, operands.b, false); // DEFECT unfenced_operands
  wgmma_commit();
  wgmma_wait<0>();
  finish(out, d);
}
LATHE_SIM_KERNEL(unfenced_operands)

KERNEL unfenced_registers(float *out, const __grid_constant__ TensorMap map, int fixed) {
  Operands operands = make_operands();
  float d[4] = {};
  if (fixed)
    wgmma_fence();
  wgmma_m64k16<8, f16>(d, operands.a, operands.b, true); // DEFECT unfenced_registers
  wgmma_commit();
  wgmma_wait<0>();
  finish(out, d);
}
LATHE_SIM_KERNEL(unfenced_registers)

KERNEL product_not_waited_for(float *out, const __grid_constant__ TensorMap map, int fixed) {
  Operands operands = make_operands();
  float d[4];
  wgmma_fence();
  wgmma_m64k16<8, f16>(d, operands.a, operands.b, false); // DEFECT product_not_waited_for
  if (fixed)
    wgmma_commit();
  wgmma_wait<0>();
  finish(out, d);
}
LATHE_SIM_KERNEL(product_not_waited_for)

KERNEL operands_overwritten(float *out, const __grid_constant__ TensorMap map, int fixed) {
  Operands operands = make_operands();
  float d[4];
  wgmma_fence();
  wgmma_m64k16<8, f16>(d, operands.a, operands.b, false); // DEFECT operands_overwritten
  wgmma_commit();
  if (fixed)
    wgmma_wait<0>();
  sync_block();
  shared<f16>(0).store(thread(), f16{0}); // DEFECT operands_overwritten
  wgmma_wait<0>();
  finish(out, d);
}
LATHE_SIM_KERNEL(operands_overwritten)

KERNEL operands_differ(float *out, const __grid_constant__ TensorMap map, int fixed) {
  Operands operands = make_operands();
  float d[4];
  wgmma_fence();
  wgmma_m64k16<8, f16>(d, operands.a, operands.b - (fixed ? 0 : warp()), false); // DEFECT operands_differ
  wgmma_commit();
  wgmma_wait<0>();
  finish(out, d);
}
LATHE_SIM_KERNEL(operands_differ)

KERNEL three_warps(float *out, const __grid_constant__ TensorMap map, int fixed) {
  Operands operands = make_operands();
  float d[4];
  if (!fixed && warp() == 2)
    return;
  wgmma_fence();
  wgmma_m64k16<8, f16>(d, operands.a, operands.b, false); // DEFECT three_warps
  wgmma_commit();
  wgmma_wait<0>();
  finish(out, d);
}
LATHE_SIM_KERNEL(three_warps)

KERNEL descriptor_bounds(float *out, const __grid_constant__ TensorMap map, int fixed) {
  Operands operands = make_operands();
  float d[4];
  u64 far = wgmma_descriptor(shared<f16>(0).address(), 1024, 512, Swizzle::none);
  wgmma_fence();
  wgmma_m64k16<8, f16>(d, fixed ? operands.a : far, operands.b, false); // DEFECT descriptor_bounds
  wgmma_commit();
  wgmma_wait<0>();
  finish(out, d);
}
LATHE_SIM_KERNEL(descriptor_bounds)

KERNEL descriptor_pattern(float *out, const __grid_constant__ TensorMap map, int fixed) {
  Operands operands = make_operands();
  float d[4];
  u64 shifted = wgmma_descriptor(shared<f16>(128).address(), 16, 1024, Swizzle::bytes128);
  wgmma_fence();
  wgmma_m64k16<8, f16>(d, operands.a, fixed ? operands.b : shifted, false); // DEFECT descriptor_pattern
  wgmma_commit();
  wgmma_wait<0>();
  finish(out, d);
}
LATHE_SIM_KERNEL(descriptor_pattern)

// Codes: ones (64 x 32) by ones (32 x 64).
KERNEL codes_pattern(float *out, const __grid_constant__ TensorMap map, int fixed) {
  auto tiles = shared<u32>(0);
  for (u32 i = thread(); i < 128 * 8; i += 128)
    tiles.store(i, 0x01010101);
  fence_async_proxy();
  sync_block();
  u64 a = wgmma_descriptor(tiles.address(), 1024, 128, Swizzle::none);
  u64 b = fixed ? wgmma_descriptor(tiles.address(512), 1024, 128, Swizzle::none)
                : wgmma_descriptor(tiles.address(32), 16, 1024, Swizzle::bytes128);
  int d[32];
  wgmma_fence();
  wgmma_m64k32<64>(d, a, b, false); // DEFECT codes_pattern
  wgmma_commit();
  wgmma_wait<0>();
  wgmma_pin(d);
  finish(out, float(d[0]));
}
LATHE_SIM_KERNEL(codes_pattern)

// Nobody wrote the right side's last column.
KERNEL codes_not_written(float *out, const __grid_constant__ TensorMap map, int fixed) {
  auto tiles = shared<u32>(0);
  for (u32 i = thread(); i < 128 * 8 - (fixed ? 0 : 1); i += 128)
    tiles.store(i, 0x01010101);
  fence_async_proxy();
  sync_block();
  int d[32];
  wgmma_fence();
  wgmma_m64k32<64>(d, wgmma_descriptor(tiles.address(), 1024, 128, Swizzle::none), // DEFECT codes_not_written
                   wgmma_descriptor(tiles.address(512), 1024, 128, Swizzle::none), false);
  wgmma_commit();
  wgmma_wait<0>();
  wgmma_pin(d);
  finish(out, float(d[0]));
}
LATHE_SIM_KERNEL(codes_not_written)

KERNEL descriptor_bits(float *out, const __grid_constant__ TensorMap map, int fixed) {
  Operands operands = make_operands();
  float d[4];
  u64 a = wgmma_descriptor(shared<f16>(0).address(fixed ? 0 : 1), 1024, 128, Swizzle::none); // DEFECT descriptor_bits
  wgmma_fence();
  wgmma_m64k16<8, f16>(d, a, operands.b, false);
  wgmma_commit();
  wgmma_wait<0>();
  finish(out, d);
}
LATHE_SIM_KERNEL(descriptor_bits)

KERNEL sums_touched(float *out, const __grid_constant__ TensorMap map, int fixed) {
  Operands operands = make_operands();
  float d[4];
  wgmma_fence();
  wgmma_m64k16<8, f16>(d, operands.a, operands.b, false); // DEFECT sums_touched
  wgmma_commit();
  if (!fixed)
    d[1] *= 2;
  wgmma_wait<0>();
  finish(out, d);
}
LATHE_SIM_KERNEL(sums_touched)

KERNEL too_many_registers(float *out, const __grid_constant__ TensorMap map, int fixed) {
  if (warp() < 4 || !fixed)
    set_max_registers<232>(true); // DEFECT too_many_registers
  else
    set_max_registers<40>(false);
  finish(out, 0.0f);
}
LATHE_SIM_KERNEL(too_many_registers)
