// The kernels of Kernels.c for a CUDA device.
#include "compiler/Cuda/Device/Primitives.h"

#include "compiler/Cuda/Device/Memory.h"

#include "compiler/Cuda/Device/AsyncCopy.h"

#include "compiler/Cuda/Device/Support.h"

using namespace device;

#define KERNEL extern "C" __global__ void

// y[i] = table[ids[i]]; a thread is one id. Params rows, width, ids.
KERNEL gather_rows(const index *ids, const float *table, float *y, const index *params, Fault *fault, void *) {
  index rows = params[0], width = params[1], count = params[2];
  index i = index(block()) * 32 + thread();
  if (i >= count)
    return;
  index id = global(ids, count).load(i);
  if (id < -rows || id >= rows)
    return report_index(fault, 0, i, id, rows);
  auto from = global(table, rows * width);
  auto to = global(y, count * width);
  for (index j = 0; j < width; ++j)
    to.store(i * width + j, from.load((id < 0 ? id + rows : id) * width + j));
}
LATHE_SIM_KERNEL(gather_rows)

// y = x * mask * gain; a block is eight rows, which go through its shared memory. Every block counts itself in the
// workspace, and the last one leaves it zero. Params rows, width, which.
KERNEL scale_rows(const float *x, const float *mask, const float *gain, float *y, const index *params, Fault *,
                  u32 *workspace) {
  index rows = params[0], width = params[1];
  auto row = shared<float>(0);
  index first = index(block()) * 8, i = first + thread() / 4;
  if (i < rows)
    for (index j = thread() % 4; j < width; j += 4)
      row.store(thread() / 4 * width + j, global(x, rows * width).load(i * width + j) * global(mask, rows).load(i));
  sync_block();
  if (i < rows)
    for (index j = thread() % 4; j < width; j += 4)
      global(y, rows * width).store(i * width + j, row.load(thread() / 4 * width + j) * global(gain, width).load(j));
  if (thread() == 0 && atomic_add(workspace, 1) == block_count() - 1)
    atomic_add(workspace, u32(0) - block_count());
}
LATHE_SIM_KERNEL(scale_rows)

// As gather_rows, of a table that a tensor map fetches whole: two boxes of 8 rows, of which the second hangs over.
KERNEL gather_fetched(const index *ids, const float *, float *y, const index *params, Fault *, void *,
                      const __grid_constant__ TensorMap map) {
  index width = params[1], count = params[2];
  auto table = shared<float>(0);
  auto barrier = shared<u64>(1024);
  if (thread() == 0) {
    mbarrier_init(barrier.address(0), 1);
    fence_mbarrier_init();
  }
  sync_block();
  if (thread() == 0) {
    mbarrier_arrive_expect(barrier.address(0), 2 * 8 * 4 * 4);
    for (int box = 0; box < 2; ++box)
      tma_load_2d(table.address(box * 32), &map, barrier.address(0), 0, box * 8);
  }
  mbarrier_wait(barrier.address(0), 0);
  index i = index(block()) * 32 + thread();
  for (index j = 0; j < width && i < count; ++j) {
    index id = global(ids, count).load(i);
    global(y, count * width).store(i * width + j, table.load((id < 0 ? id + 10 : id) * width + j));
  }
}
LATHE_SIM_KERNEL(gather_fetched)

// A defect: stores behind the operand's end.
KERNEL store_outside(const index *, const float *, float *y, const index *, Fault *, void *) {
  if (thread() == 0)
    global(y, 4).store(4, 1.0f);
}
LATHE_SIM_KERNEL(store_outside)
