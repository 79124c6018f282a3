// Kernels for the tests, written by hand to the ABI and linked with the restrictions that the loader demands.
#include "lathe/kernel_abi.h"

#define KERNEL __attribute__((visibility("default"))) int32_t

// y[i] = table[ids[i]], rows of `width`; one tile is one id. Operands ids, table, y; params rows, width.
KERNEL gather_rows(const lathe_kernel_call *call) {
  const int64_t *ids = call->operands[0];
  const float *table = call->operands[1];
  float *y = call->operands[2];
  int64_t rows = call->params[0], width = call->params[1];
  for (int64_t i = call->tile_begin; i < call->tile_end; ++i) {
    int64_t id = ids[i];
    if (id < -rows || id >= rows) {
      lathe_kernel_fault fault = {LATHE_FAULT_INDEX_OUT_OF_RANGE, 0, i, id, rows};
      *call->fault = fault;
      return fault.code;
    }
    for (int64_t j = 0; j < width; ++j)
      y[i * width + j] = table[(id < 0 ? id + rows : id) * width + j];
  }
  return LATHE_FAULT_NONE;
}

static float plain(float x) { return x; }
static float doubled(float x) { return x + x; }
// A table of addresses needs relative relocations.
static float (*const treatments[])(float) = {plain, doubled};

// y = x * mask * gain, through scratch memory; one tile is two rows. Operands x, mask, gain, y; params rows, width,
// which.
KERNEL scale_rows(const lathe_kernel_call *call) {
  const float *x = call->operands[0], *mask = call->operands[1], *gain = call->operands[2];
  float *y = call->operands[3], *row = call->scratch;
  int64_t rows = call->params[0], width = call->params[1];
  float (*volatile treat)(float) = treatments[call->params[2] & 1];
  for (int64_t i = 2 * call->tile_begin; i < 2 * call->tile_end && i < rows; ++i) {
    for (int64_t j = 0; j < width; ++j)
      row[j] = x[i * width + j] * mask[i];
    for (int64_t j = 0; j < width; ++j)
      y[i * width + j] = treat(row[j] * gain[j]);
  }
  return LATHE_FAULT_NONE;
}

// y = x + w, whatever order w is stored in; one tile. Operands x, w, y; params n.
KERNEL add_stored(const lathe_kernel_call *call) {
  const float *x = call->operands[0], *w = call->operands[1];
  float *y = call->operands[2];
  for (int64_t i = 0; i < call->params[0]; ++i)
    y[i] = x[i] + w[i];
  return LATHE_FAULT_NONE;
}

// Writes the floating-point control word that it runs under, for each of its tiles. Operand y (u32).
KERNEL float_control(const lathe_kernel_call *call) {
  uint32_t *y = call->operands[0], word;
  __asm__ volatile("stmxcsr %0" : "=m"(word));
  for (int64_t i = call->tile_begin; i < call->tile_end; ++i)
    y[i] = word;
  return LATHE_FAULT_NONE;
}

// Takes about a millisecond for each tile. Operand y (u32).
KERNEL slow(const lathe_kernel_call *call) {
  uint32_t *y = call->operands[0];
  for (int64_t i = call->tile_begin; i < call->tile_end; ++i) {
    for (int k = 0; k < 1000000; ++k)
      __asm__ volatile("" ::: "memory");
    y[i] = 1;
  }
  return LATHE_FAULT_NONE;
}
