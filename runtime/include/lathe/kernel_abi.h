/* What a compiled kernel and the runtime agree on. C99, no dependency. Changed only by appending. */
#ifndef LATHE_KERNEL_ABI_H
#define LATHE_KERNEL_ABI_H
#include <stdint.h>

#define LATHE_KERNEL_ABI_VERSION 1

/* Why a kernel stopped. Zero is success; a kernel that faults leaves its outputs unspecified. */
enum {
  LATHE_FAULT_NONE = 0,
  /* An index lies outside the dimension it addresses: `value` was found at flat element `index` of operand `operand`;
     valid indices are [-limit, limit). */
  LATHE_FAULT_INDEX_OUT_OF_RANGE = 1
};

typedef struct lathe_kernel_fault {
  int32_t code;    /* one of LATHE_FAULT_* */
  int32_t operand; /* position in the launch's operands */
  int64_t index;   /* flat element of that operand */
  int64_t value;   /* what was read there */
  int64_t limit;   /* the dimension it had to be below */
} lathe_kernel_fault;

/* One call computes the tiles [tile_begin, tile_end) of a launch. Tiles write disjoint memory and share no sums, so any
   split over threads gives the same bits. All pointers outlive the call; the kernel keeps none. */
typedef struct lathe_kernel_call {
  void *const *operands; /* in the launch's order; each at least 64-byte aligned, except the caller's own tensors */
  const int64_t *params; /* values of the launch's parameter formulas */
  int64_t tile_begin;
  int64_t tile_end;
  void *scratch;             /* 64-byte aligned, this worker's own, at least the kernel's scratch bytes; not zeroed */
  lathe_kernel_fault *fault; /* written before a non-zero return */
} lathe_kernel_call;

/* Returns LATHE_FAULT_NONE or the code that it wrote to call->fault. */
typedef int32_t (*lathe_kernel_fn)(const lathe_kernel_call *call);

/* A CUDA kernel is an extern "C" __global__ function in a cubin. Its parameters, in order:
     a pointer for each operand of the launch, at least 64-byte aligned;
     const long long *params: values of the launch's parameter formulas, in device memory, so that a CUDA graph serves
       all shapes of its bucket: the grid is that of the largest, and a block that has nothing to do returns;
     lathe_kernel_fault *fault: this launch's own, in device memory, zero unless an earlier run of it has faulted; who
       swaps `code` from zero fills in the rest;
     void *workspace: the variant's scratch bytes, zero before the first run; every launch leaves it zero;
     a CUtensorMap by value for each of the variant's tensor maps.
   The grid is `tiles` blocks along x, a block has the variant's threads along x and its dynamic shared memory. An
   `early` kernel waits (griddepcontrol.wait) before it touches what an earlier launch may use, the workspace too.
   Tensor maps are those of the bucket's largest shape: behind the real dimensions lies whatever was there. */

#endif
