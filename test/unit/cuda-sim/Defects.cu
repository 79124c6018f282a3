// One kernel per class of defects in shared and global memory, barriers and collectives; `fixed` says whether this run
// is of the right form. Lines with a defect are marked, so that the test finds them: the report has to name one of
// them.
#include "test/unit/cuda-sim/Kernels.h"

KERNEL missing_barrier(float *out, int fixed) {
  auto tile = shared<float>(0);
  tile.store(thread(), 0);
  sync_block();
  tile.store(thread(), float(thread())); // DEFECT missing_barrier
  if (fixed)
    sync_block();
  global(out, 256).store(thread(), tile.load((thread() + 100) % 256)); // DEFECT missing_barrier
}
LATHE_SIM_KERNEL(missing_barrier)

// The second barrier of a loop over tiles: the next tile is stored while others still read.
KERNEL overwritten_too_soon(float *out, int fixed) {
  auto tile = shared<float>(0);
  float sum = 0;
  for (int step = 0; step < 3; ++step) {
    tile.store(thread(), float(step)); // DEFECT overwritten_too_soon
    sync_block();
    sum += tile.load(255 - thread()); // DEFECT overwritten_too_soon
    if (fixed)
      sync_block();
  }
  global(out, 256).store(thread(), sum);
}
LATHE_SIM_KERNEL(overwritten_too_soon)

// Shuffles and ldmatrix order no memory accesses.
KERNEL missing_warp_sync(float *out, int fixed) {
  auto tile = shared<u32>(0);
  tile.store(thread() % 32, lane());
  if (fixed)
    sync_warp();
  u32 r[2];
  ldmatrix_x2(r, tile.address(lane() % 8 * 4)); // DEFECT missing_warp_sync
  global(out, 32).store(thread(), float(r[0]));
}
LATHE_SIM_KERNEL(missing_warp_sync)

// Two halves of a word are different memory; a whole one is not.
KERNEL halves_of_a_word(float *out, int fixed) {
  auto halves = shared<u16>(0);
  auto words = shared<u32>(0);
  if (thread() / 32 == 0)
    halves.store(2 * lane(), u16(1)); // DEFECT halves_of_a_word
  else if (fixed)
    halves.store(2 * lane() + 1, u16(2));
  else
    words.store(lane(), 3); // DEFECT halves_of_a_word
  sync_block();
  global(out, 64).store(thread(), float(words.load(lane())));
}
LATHE_SIM_KERNEL(halves_of_a_word)

KERNEL unwritten(float *out, int fixed) {
  auto tile = shared<float>(0);
  if (fixed || thread() != 7)
    tile.store(thread(), 1);
  sync_block();
  global(out, 64).store(thread(), tile.load(63 - thread())); // DEFECT unwritten
}
LATHE_SIM_KERNEL(unwritten)

KERNEL shared_bounds(float *out, int fixed) {
  auto tile = shared<float>(0);
  tile.store(thread() + (fixed ? 0 : 1), 1); // DEFECT shared_bounds
  global(out, 64).store(thread(), 0);
}
LATHE_SIM_KERNEL(shared_bounds)

KERNEL shared_alignment(float *out, int fixed) {
  auto tile = shared<float>(0);
  if (thread() < 8)
    tile.store(4 * thread() + (fixed ? 0 : 2), Vector<float, 4>{}); // DEFECT shared_alignment
  global(out, 64).store(thread(), 0);
}
LATHE_SIM_KERNEL(shared_alignment)

KERNEL global_bounds(float *out, int fixed) {
  global(out, 64).store(thread() + (fixed ? 0 : 1), 0); // DEFECT global_bounds
}
LATHE_SIM_KERNEL(global_bounds)

KERNEL global_alignment(float *out, int fixed) {
  if (thread() < 8)
    global(out, 64).store(4 * thread() + (fixed ? 0 : 2), Vector<float, 4>{}); // DEFECT global_alignment
}
LATHE_SIM_KERNEL(global_alignment)

KERNEL not_allocated(float *out, int fixed) {
  global(out, fixed ? 64 : 1000000).store(thread(), 0); // DEFECT not_allocated
}
LATHE_SIM_KERNEL(not_allocated)

KERNEL divergent_collective(float *out, int fixed) {
  float x = float(thread()), d[4] = {};
  u32 a[4] = {}, b[2] = {};
  if (fixed || lane() < 16)
    x = shuffle_xor(x, 1); // DEFECT divergent_collective
  if (fixed || lane() >= 16)
    mma_m16n8k16(d, a, b, f16()); // DEFECT divergent_collective
  global(out, 64).store(thread(), x + d[0]);
}
LATHE_SIM_KERNEL(divergent_collective)

KERNEL divergent_barrier(float *out, int fixed) {
  float x = float(thread());
  if (fixed || lane() < 16)
    sync_block();        // DEFECT divergent_barrier
  x = shuffle_xor(x, 1); // DEFECT divergent_barrier
  global(out, 64).store(thread(), x);
}
LATHE_SIM_KERNEL(divergent_barrier)

KERNEL lanes_returned(float *out, int fixed) {
  if (!fixed && lane() == 5)
    return;
  sync_warp(); // DEFECT lanes_returned
  global(out, 64).store(thread(), 0);
}
LATHE_SIM_KERNEL(lanes_returned)

// Whole warps may leave before a barrier of the block; lanes of one may not.
KERNEL returned_before_barrier(float *out, int fixed) {
  if (fixed ? warp() == 1 : thread() == 40)
    return;
  sync_block(); // DEFECT returned_before_barrier
  global(out, 64).store(thread(), 0);
}
LATHE_SIM_KERNEL(returned_before_barrier)

// A producer warp and a consumer warp, two buffers: full barriers 1 and 2, empty ones 3 and 4. A producer that doesn't
// wait overwrites what is being read, or arrives twice, so that it completes the consumer's barriers without him.
KERNEL named_barriers(float *out, int fixed) {
  auto buffers = shared<float>(0);
  float sum = 0;
  for (u32 i = 0; i < 8; ++i) {
    u32 at = i % 2;
    if (warp() == 0) {
      if (i >= 2 && fixed)
        sync_named(3 + at, 64);
      buffers.store(at * 32 + lane(), float(i)); // DEFECT named_barriers
      arrive_named(1 + at, 64);                  // DEFECT named_barriers
    } else {
      sync_named(1 + at, 64);                     // DEFECT named_barriers
      sum += buffers.load(at * 32 + 31 - lane()); // DEFECT named_barriers
      if (i < 6 && fixed)
        arrive_named(3 + at, 64);
    }
  }
  global(out, 64).store(thread(), sum);
}
LATHE_SIM_KERNEL(named_barriers)

// Two pairs of warps that have one barrier: whose turn it is only chance says.
KERNEL shared_barrier(float *out, int fixed) {
  sync_named(fixed ? 1 + warp() / 2 : 1, 64); // DEFECT shared_barrier
  global(out, 128).store(thread(), 0);
}
LATHE_SIM_KERNEL(shared_barrier)

KERNEL barrier_deadlock(float *out, int fixed) {
  sync_named(1, fixed ? 64 : 96); // DEFECT barrier_deadlock
  global(out, 64).store(thread(), 0);
}
LATHE_SIM_KERNEL(barrier_deadlock)

KERNEL copy_not_waited_for(float *out, const float *in, int fixed) {
  auto tile = shared<float>(0);
  cp_async_4(tile.address(thread()), in + thread(), 4); // DEFECT copy_not_waited_for
  cp_async_commit();
  if (fixed)
    cp_async_wait<0>();
  else
    cp_async_wait<1>();
  sync_block();
  global(out, 64).store(thread(), tile.load(63 - thread())); // DEFECT copy_not_waited_for
}
LATHE_SIM_KERNEL(copy_not_waited_for)

// Who waited sees the copy; the others after a barrier behind the wait.
KERNEL copy_without_barrier(float *out, const float *in, int fixed) {
  auto tile = shared<float>(0);
  cp_async_4(tile.address(thread()), in + thread(), 4);
  cp_async_commit();
  if (!fixed)
    sync_block();
  cp_async_wait<0>();
  if (fixed)
    sync_block();
  global(out, 64).store(thread(), tile.load(63 - thread())); // DEFECT copy_without_barrier
}
LATHE_SIM_KERNEL(copy_without_barrier)

KERNEL copy_over_readers(float *out, const float *in, int fixed) {
  auto tile = shared<float>(0);
  tile.store(thread(), 1);
  sync_block();
  float x = tile.load(63 - thread()); // DEFECT copy_over_readers
  if (fixed)
    sync_block();
  cp_async_4(tile.address(thread()), in + thread(), 4); // DEFECT copy_over_readers
  cp_async_commit();
  cp_async_wait<0>();
  global(out, 64).store(thread(), x);
}
LATHE_SIM_KERNEL(copy_over_readers)

KERNEL copy_alignment(float *out, const float *in, int fixed) {
  auto tile = shared<float>(0);
  if (thread() < 8)
    cp_async_16(tile.address(4 * thread()), in + (fixed ? 0 : 1), 16); // DEFECT copy_alignment
  cp_async_commit();
  cp_async_wait<0>();
  global(out, 64).store(thread(), 0);
}
LATHE_SIM_KERNEL(copy_alignment)

// An offset taken for an address.
KERNEL offset_for_address(float *out, int fixed) {
  auto tile = shared<u32>(0);
  tile.store(thread(), 0);
  sync_block();
  u32 r[2];
  ldmatrix_x2(r, fixed ? tile.address(lane() % 8 * 4) : lane() % 8 * 16); // DEFECT offset_for_address
  global(out, 64).store(thread(), float(r[0]));
}
LATHE_SIM_KERNEL(offset_for_address)

// A lock that nobody frees.
KERNEL endless_loop(float *out, int *lock, int fixed) {
  if (thread() == 0) {
    while (atomic_cas(lock, 0, 1)) { // DEFECT endless_loop
    }
    if (fixed)
      atomic_cas(lock, 1, 0);
  }
  global(out, 64).store(thread(), 0);
}
LATHE_SIM_KERNEL(endless_loop)

KERNEL unexpected(float *out, int fixed) {
  LATHE_EXPECT(fixed || thread() != 7); // DEFECT unexpected
  global(out, 64).store(thread(), 0);
}
LATHE_SIM_KERNEL(unexpected)

// ---- between blocks: `memory` is 64 zeros; the last block sums what the others wrote

LATHE_DEVICE float sum_of_blocks(int *memory, bool release, bool acquire) {
  auto partial = global(reinterpret_cast<float *>(memory), 32);
  auto last = shared<u32>(0);
  if (thread() < 8)
    partial.store(block() * 8 + thread(), 1);
  sync_block();
  if (thread() == 0) {
    if (release)
      fence_device();
    last.store(0, atomic_add(reinterpret_cast<u32 *>(memory + 63), 1) + 1 == block_count());
    if (acquire)
      fence_device();
  }
  sync_block();
  float sum = 0;
  if (last.load(0))
    for (u32 i = 0; i < 8 * block_count(); ++i)
      sum += partial.load(i); // DEFECT missing_release DEFECT missing_acquire
  return sum;
}
KERNEL missing_release(float *out, int *memory, int fixed) {
  float sum = sum_of_blocks(memory, fixed, true);
  if (thread() == 0)
    global(out, 4).store(block(), sum);
}
LATHE_SIM_KERNEL(missing_release)
KERNEL missing_acquire(float *out, int *memory, int fixed) {
  float sum = sum_of_blocks(memory, true, fixed);
  if (thread() == 0)
    global(out, 4).store(block(), sum);
}
LATHE_SIM_KERNEL(missing_acquire)

KERNEL overlapping_tiles(float *out, int *memory, int fixed) {
  global(out, 256).store(block() * (fixed ? 64 : 60) + thread(), 1); // DEFECT overlapping_tiles
}
LATHE_SIM_KERNEL(overlapping_tiles)

KERNEL written_constant(float *out, int *memory, int fixed) {
  auto all = global(out, 256);
  auto constant = global(static_cast<const float *>(out), 256);
  all.store(thread(), 1);
  all.store(fixed ? thread() : thread() + 64, constant.load(thread() + 128 * fixed)); // DEFECT written_constant
}
LATHE_SIM_KERNEL(written_constant)

// The block's threads tell each other by barriers, in global memory too.
KERNEL global_race(float *out, int *memory, int fixed) {
  auto all = global(out, 256);
  all.store(thread(), 1);
  if (fixed)
    sync_block();
  float x = all.load(63 - thread()); // DEFECT global_race
  all.store(64 + thread(), x);
}
LATHE_SIM_KERNEL(global_race)
