// What generated CUDA kernels are made of: threads, barriers, shuffles, conversions, atomics. Pasted in front of each
// kernel, so it includes nothing but its own parts' texts, which the emitter pastes in this order: Primitives.h,
// Memory.h, Mma.h, AsyncCopy.h, Wgmma.h.
//
// Each primitive is one PTX instruction under NVRTC. With LATHE_CUDA_SIM the same source compiles for the host, and
// each is a call into the emulator (tools/cuda-sim), which runs a CUDA thread as a fibre and knows the caller's line by
// a default argument: LATHE_SITE alone, LATHE_AND_SITE behind other parameters.
#ifndef LATHE_DEVICE_PRIMITIVES_H
#define LATHE_DEVICE_PRIMITIVES_H

#ifdef LATHE_CUDA_SIM
#define __global__
#define __device__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __grid_constant__
#define LATHE_SITE device::Site site = device::Site()
#define LATHE_AND_SITE , device::Site site = device::Site()
#else
#define LATHE_SITE
#define LATHE_AND_SITE
#define LATHE_SIM_KERNEL(kernel)
#endif
#define LATHE_DEVICE __device__ __forceinline__

namespace device {

using index = long long;
using u8 = unsigned char;
using u16 = unsigned short;
using u32 = unsigned;
using u64 = unsigned long long;

struct f16 {
  u16 bits;
};
struct bf16 {
  u16 bits;
};

template <class To, class From> LATHE_DEVICE constexpr To bit_cast(const From &from) {
  return __builtin_bit_cast(To, from);
}

#ifdef LATHE_CUDA_SIM
// Where in the kernel's source a primitive was called.
struct Site {
  const char *file;
  int line;
  constexpr Site(const char *file = __builtin_FILE(), int line = __builtin_LINE()) : file(file), line(line) {}
};

// The running thread as the primitives' fast paths see it; the emulator keeps it up to date. The arrays hold one stamp
// for each two bytes of shared memory: who accessed it last, and when (tools/cuda-sim/SharedMemory.h).
struct SimState {
  u32 thread, block, blocks, threads;
  u8 *memory; // the block's shared memory
  u32 memoryBytes;
  u32 stamp;        // of an access by this thread now
  const u32 *known; // per actor, the latest of its times that happened before now
  u32 floor;        // all of any actor up to that time did
  u32 *writer, *reader, *otherReader;
  u64 globalTag;              // of this launch and block, for stamps of global memory
  Site *writeSite, *readSite; // for reports: the last one in each 16 bytes
};
enum : u32 { simTimeBits = 21, simTimeMask = (1u << simTimeBits) - 1 };

extern "C" {
extern SimState sim_state;
void sim_sync_block(Site);
void sim_sync_warp(Site);
void sim_sync_named(u32 id, u32 threads, Site);
void sim_arrive_named(u32 id, u32 threads, Site);
u32 sim_shuffle(u32 value, u32 lane, Site);
u32 sim_ballot(bool, Site);
u32 sim_atomic_add(u32 *, u32, Site);
int sim_atomic_cas(int *, int, int, Site);
void sim_fence_device(Site);
void sim_unexpected(const char *expected, Site);
}

// What the emulated driver needs of a kernel: its parameters' sizes, and a call with pointers to their values.
template <class> struct SimKernel;
template <class... P> struct SimKernel<void(P...)> {
  template <class, unsigned... I> struct Sequence {
    static void call(void (*kernel)(P...), void *const *values) { kernel(*static_cast<P *>(values[I])...); }
  };
  static void call(void (*kernel)(P...), void *const *values) {
    __make_integer_seq<Sequence, unsigned, sizeof...(P)>::call(kernel, values);
  }
  struct Parameters {
    unsigned count = sizeof...(P), sizes[sizeof...(P)] = {sizeof(P)...};
  };
};
#define LATHE_SIM_KERNEL(kernel)                                                                                       \
  extern "C" void kernel##_sim(void *const *values) { device::SimKernel<decltype(kernel)>::call(kernel, values); }     \
  extern "C" const device::SimKernel<decltype(kernel)>::Parameters kernel##_sim_parameters{};
#endif

// ---- threads: a grid of blocks along x, a block of threads along x

LATHE_DEVICE u32 thread() {
#ifdef LATHE_CUDA_SIM
  return sim_state.thread;
#else
  return threadIdx.x;
#endif
}
LATHE_DEVICE u32 block() {
#ifdef LATHE_CUDA_SIM
  return sim_state.block;
#else
  return blockIdx.x;
#endif
}
LATHE_DEVICE u32 block_count() {
#ifdef LATHE_CUDA_SIM
  return sim_state.blocks;
#else
  return gridDim.x;
#endif
}
LATHE_DEVICE u32 lane() { return thread() % 32; }
LATHE_DEVICE u32 warp() { return thread() / 32; }

// What must hold though no result may show it, such as that somebody needs the work. The emulated device reports it.
#ifdef LATHE_CUDA_SIM
#define LATHE_EXPECT(...) ((__VA_ARGS__) ? void() : device::sim_unexpected(#__VA_ARGS__, device::Site()))
#else
#define LATHE_EXPECT(...) void()
#endif

// N consecutive elements that are loaded and stored in one access; N * sizeof(T) is at most 16.
template <class T, int N> struct alignas(sizeof(T) * N) Vector {
  T values[N];
  LATHE_DEVICE T &operator[](int i) {
    LATHE_EXPECT(i < N);
    return values[i];
  }
  LATHE_DEVICE const T &operator[](int i) const {
    LATHE_EXPECT(i < N);
    return values[i];
  }
};

// ---- barriers

// All threads of the block that have not returned.
LATHE_DEVICE void sync_block(LATHE_SITE) {
#ifdef LATHE_CUDA_SIM
  sim_sync_block(site);
#else
  asm volatile("bar.sync 0;" ::: "memory");
#endif
}
// All 32 lanes; orders their accesses to shared memory, which shuffles and ldmatrix don't.
LATHE_DEVICE void sync_warp(LATHE_SITE) {
#ifdef LATHE_CUDA_SIM
  sim_sync_warp(site);
#else
  asm volatile("bar.warp.sync 0xffffffff;" ::: "memory");
#endif
}
// Barrier `id` (1 to 15) of `threads` threads, whole warps: arrive_named doesn't wait for the others.
LATHE_DEVICE void sync_named(u32 id, u32 threads LATHE_AND_SITE) {
#ifdef LATHE_CUDA_SIM
  sim_sync_named(id, threads, site);
#else
  asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory");
#endif
}
LATHE_DEVICE void arrive_named(u32 id, u32 threads LATHE_AND_SITE) {
#ifdef LATHE_CUDA_SIM
  sim_arrive_named(id, threads, site);
#else
  asm volatile("bar.arrive %0, %1;" ::"r"(id), "r"(threads) : "memory");
#endif
}

// ---- collectives of a warp: all 32 lanes take part

// The value that the lane `from` (below 32) gives; T has 4 bytes.
template <class T> LATHE_DEVICE T shuffle(T value, u32 from LATHE_AND_SITE) {
#ifdef LATHE_CUDA_SIM
  return bit_cast<T>(sim_shuffle(bit_cast<u32>(value), from, site));
#else
  u32 result;
  asm volatile("shfl.sync.idx.b32 %0, %1, %2, 31, 0xffffffff;" : "=r"(result) : "r"(bit_cast<u32>(value)), "r"(from));
  return bit_cast<T>(result);
#endif
}
template <class T> LATHE_DEVICE T shuffle_xor(T value, u32 mask LATHE_AND_SITE) {
#ifdef LATHE_CUDA_SIM
  return bit_cast<T>(sim_shuffle(bit_cast<u32>(value), lane() ^ mask, site));
#else
  u32 result;
  asm volatile("shfl.sync.bfly.b32 %0, %1, %2, 31, 0xffffffff;" : "=r"(result) : "r"(bit_cast<u32>(value)), "r"(mask));
  return bit_cast<T>(result);
#endif
}
// Bit i is lane i's condition.
LATHE_DEVICE u32 ballot(bool condition LATHE_AND_SITE) {
#ifdef LATHE_CUDA_SIM
  return sim_ballot(condition, site);
#else
  u32 result;
  asm volatile("{\n .reg .pred p;\n setp.ne.u32 p, %1, 0;\n vote.sync.ballot.b32 %0, p, 0xffffffff;\n}"
               : "=r"(result)
               : "r"(u32(condition)));
  return result;
#endif
}
#ifdef LATHE_CUDA_SIM
LATHE_DEVICE bool any(bool condition LATHE_AND_SITE) { return ballot(condition, site) != 0; }
LATHE_DEVICE bool all(bool condition LATHE_AND_SITE) { return ballot(condition, site) == ~0u; }
#else
LATHE_DEVICE bool any(bool condition) { return ballot(condition) != 0; }
LATHE_DEVICE bool all(bool condition) { return ballot(condition) == ~0u; }
#endif

// ---- conversions: to 16 bits and to tf32 they round to nearest, ties to even (tf32: away from zero)

LATHE_DEVICE float to_float(f16 value) {
#ifdef LATHE_CUDA_SIM
  // Scaling by 2^112 moves the exponent's bias and makes subnormals normal; infinity and NaN keep all exponent bits.
  u32 sign = u32(value.bits & 0x8000) << 16, rest = u32(value.bits & 0x7fff) << 13;
  float scaled = bit_cast<float>(rest) * bit_cast<float>(u32(239) << 23);
  return bit_cast<float>(sign | (rest >= 0x0f800000 ? rest | 0x7f800000 : bit_cast<u32>(scaled)));
#else
  float result;
  asm("cvt.f32.f16 %0, %1;" : "=f"(result) : "h"(value.bits));
  return result;
#endif
}
LATHE_DEVICE float to_float(bf16 value) { return bit_cast<float>(u32(value.bits) << 16); }
LATHE_DEVICE float to_float(float value) { return value; }

LATHE_DEVICE f16 to_f16(float value) {
#ifdef LATHE_CUDA_SIM
  u32 bits = bit_cast<u32>(value), sign = bits >> 16 & 0x8000, rest = bits & 0x7fffffff;
  if (rest > 0x7f800000)
    return {u16(0x7fff)};
  if (rest >= 0x477ff000) // rounds to 65536 or more
    return {u16(sign | 0x7c00)};
  if (rest < 0x38800000) // subnormal: adding 0.5 aligns the last place, and rounds
    return {u16(sign | (bit_cast<u32>(bit_cast<float>(rest) + 0.5f) - 0x3f000000))};
  return {u16(sign | ((rest - 0x38000000 + 0xfff + (rest >> 13 & 1)) >> 13))};
#else
  f16 result;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(result.bits) : "f"(value));
  return result;
#endif
}
LATHE_DEVICE bf16 to_bf16(float value) {
#ifdef LATHE_CUDA_SIM
  u32 bits = bit_cast<u32>(value);
  return {(bits & 0x7fffffff) > 0x7f800000 ? u16(0x7fff) : u16((bits + 0x7fff + (bits >> 16 & 1)) >> 16)};
#else
  bf16 result;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(result.bits) : "f"(value));
  return result;
#endif
}
LATHE_DEVICE u32 to_tf32(float value) {
#ifdef LATHE_CUDA_SIM
  u32 bits = bit_cast<u32>(value);
  return (bits & 0x7f800000) == 0x7f800000 ? bits : (bits + 0x1000) & ~0x1fffu;
#else
  u32 result;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(result) : "f"(value));
  return result;
#endif
}
// Two values in one register, `low` in its low half.
LATHE_DEVICE u32 pack_f16(float low, float high) {
#ifdef LATHE_CUDA_SIM
  return to_f16(low).bits | u32(to_f16(high).bits) << 16;
#else
  u32 result;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(result) : "f"(high), "f"(low));
  return result;
#endif
}
LATHE_DEVICE u32 pack_bf16(float low, float high) {
#ifdef LATHE_CUDA_SIM
  return to_bf16(low).bits | u32(to_bf16(high).bits) << 16;
#else
  u32 result;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(result) : "f"(high), "f"(low));
  return result;
#endif
}
// The same, chosen by a tag's type.
LATHE_DEVICE u32 pack(float low, float high, f16) { return pack_f16(low, high); }
LATHE_DEVICE u32 pack(float low, float high, bf16) { return pack_bf16(low, high); }
template <class T> LATHE_DEVICE T from_float(float value);
template <> LATHE_DEVICE float from_float<float>(float value) { return value; }
template <> LATHE_DEVICE f16 from_float<f16>(float value) { return to_f16(value); }
template <> LATHE_DEVICE bf16 from_float<bf16>(float value) { return to_bf16(value); }

// ---- approximations: relative error below 2^-22 (exp2 of normal results), 2^-23

LATHE_DEVICE float exp2_approx(float value) {
#ifdef LATHE_CUDA_SIM
  return __builtin_exp2f(value);
#else
  float result;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(value));
  return result;
#endif
}
LATHE_DEVICE float log2_approx(float value) {
#ifdef LATHE_CUDA_SIM
  return __builtin_log2f(value);
#else
  float result;
  asm("lg2.approx.f32 %0, %1;" : "=f"(result) : "f"(value));
  return result;
#endif
}
LATHE_DEVICE float reciprocal_approx(float value) {
#ifdef LATHE_CUDA_SIM
  return 1 / value;
#else
  float result;
  asm("rcp.approx.f32 %0, %1;" : "=f"(result) : "f"(value));
  return result;
#endif
}
LATHE_DEVICE float rsqrt_approx(float value) {
#ifdef LATHE_CUDA_SIM
  return 1 / __builtin_sqrtf(value);
#else
  float result;
  asm("rsqrt.approx.f32 %0, %1;" : "=f"(result) : "f"(value));
  return result;
#endif
}

// ---- between blocks

// Return what was there before.
LATHE_DEVICE u32 atomic_add(u32 *global, u32 value LATHE_AND_SITE) {
#ifdef LATHE_CUDA_SIM
  return sim_atomic_add(global, value, site);
#else
  u32 result;
  asm volatile("atom.global.add.u32 %0, [%1], %2;" : "=r"(result) : "l"(global), "r"(value) : "memory");
  return result;
#endif
}
LATHE_DEVICE int atomic_cas(int *global, int expected, int value LATHE_AND_SITE) {
#ifdef LATHE_CUDA_SIM
  return sim_atomic_cas(global, expected, value, site);
#else
  int result;
  asm volatile("atom.global.cas.b32 %0, [%1], %2, %3;"
               : "=r"(result)
               : "l"(global), "r"(expected), "r"(value)
               : "memory");
  return result;
#endif
}
// What this thread knows of writes before is known to whom an atomic behind the fence tells, and what atomics in front
// of it told is known from here on: a fence in front of the atomic that releases, and one behind that which acquires.
LATHE_DEVICE void fence_device(LATHE_SITE) {
#ifdef LATHE_CUDA_SIM
  sim_fence_device(site);
#else
  asm volatile("fence.acq_rel.gpu;" ::: "memory");
#endif
}

// ---- programmatic dependent launch (sm_90 and later; nothing elsewhere)

// Waits until the grids in front of this one have ended and what they wrote can be read.
LATHE_DEVICE void grid_dependency_wait() {
#if !defined(LATHE_CUDA_SIM) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}
// Lets the grid behind this one start, once all blocks have called it or ended.
LATHE_DEVICE void grid_dependency_launch() {
#if !defined(LATHE_CUDA_SIM) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

} // namespace device

#endif
