// Teams of threads that share a row: element i is the thread's whose rank is i modulo the team's size.
namespace device {
struct Sum {
  __device__ static float apply(float a, float b) { return a + b; }
};
struct Product {
  __device__ static float apply(float a, float b) { return a * b; }
};
struct Maximum {
  __device__ static float apply(float a, float b) { return device::maximum(a, b); }
};
struct Minimum {
  __device__ static float apply(float a, float b) { return device::minimum(a, b); }
};

template <class Operation> __device__ __forceinline__ float reduce_warp(float x) {
  for (u32 mask = 16; mask; mask >>= 1)
    x = Operation::apply(x, shuffle_xor(x, mask));
  return x;
}

/// The warp.
struct Warp {
  __device__ static index rank() { return lane(); }
  __device__ static constexpr index size() { return 32; }
  __device__ static void sync() { sync_warp(); }
  template <class Operation> __device__ static float reduce(float x) { return reduce_warp<Operation>(x); }
};

/// A block of kWarps warps, with as many floats of shared memory at `partial`.
template <u32 kWarps> struct Block {
  Shared<float> partial;
  __device__ static index rank() { return thread(); }
  __device__ static constexpr index size() { return kWarps * 32; }
  __device__ static void sync() { sync_block(); }
  template <class Operation> __device__ float reduce(float x) const {
    x = reduce_warp<Operation>(x);
    if (lane() == 0)
      partial.store(warp(), x);
    sync_block();
    x = partial.load(0);
    for (u32 i = 1; i < kWarps; ++i)
      x = Operation::apply(x, partial.load(i));
    sync_block(); // before the next one writes
    return x;
  }
};

/// Rows [0, rows), one for each warp of the grid.
template <u32 kWarps, class Row> __device__ __forceinline__ void rows_by_warp(index rows, Row row) {
  index i = index(block()) * kWarps + warp();
  if (i < rows)
    row(Warp(), i);
}
/// One for each block.
template <u32 kWarps, class Row>
__device__ __forceinline__ void rows_by_block(index rows, Shared<float> partial, Row row) {
  if (index(block()) < rows)
    row(Block<kWarps>{partial}, index(block()));
}
} // namespace device
