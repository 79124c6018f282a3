// Matrix products of a warpgroup (four warps, the first a multiple of four; sm_90a only), which run beside the threads:
//   wgmma_fence(); wgmma_m64k16<N, T>(d, a, b, accumulate)...; wgmma_commit(); ... wgmma_wait<0>();
// From the product to the wait nobody may touch d, nor the registers or the shared memory of a and b.
//
// d is 64 x N: warp w of the group holds rows 16w to 16w + 15; with g = lane / 4 and t = lane % 4, d[4j], d[4j + 1] are
// (g, 8j + 2t), (g, 8j + 2t + 1), and d[4j + 2], d[4j + 3] the same of row g + 8. A in registers is laid out as for
// mma_m16n8k16 (tf32: m16n8k8), for the warp's own 16 rows.
//
// An operand in shared memory is given by a descriptor. In units of chunks of 16 bytes (PTX ISA, "strides"):
//   K-major (a row of k of each m or n): rows of 8 form a group, `stride` bytes from group to group. Without swizzle a
//     group's rows are 16 bytes apart, and `leading` bytes lie between the two chunks of 16 values (tf32: 8, codes: 32)
//     of k; with one they are 32, 64 or 128 bytes apart, the chunks side by side, and `leading` is not used.
//   MN-major (Transposed; 16 bits only): without swizzle 8 values of m or n by 8 of k form a group, the k 16 bytes
//   apart;
//     `stride` from group to group along m or n, `leading` along k. With a swizzle of 32, 64 or 128 bytes a group has
//     as many bytes of m or n, its 8 values of k that far apart; `leading` from group to group along m or n, `stride`
//     along k.
// Swizzles permute as TMA's do; the first group starts at a multiple of eight of its rows, plus whole chunks.
#ifndef LATHE_DEVICE_WGMMA_H
#define LATHE_DEVICE_WGMMA_H

#if defined(LATHE_CUDA_SIM) || defined(__CUDA_ARCH_FEAT_SM90_ALL)

namespace device {

enum class Swizzle : u32 { none = 0, bytes128 = 1, bytes64 = 2, bytes32 = 3 };

#ifdef LATHE_CUDA_SIM
extern "C" void sim_wgmma_descriptor(u32 bits, Site);
#endif

// All in bytes, multiples of 16.
LATHE_DEVICE u64 wgmma_descriptor(u32 address, u32 leading, u32 stride, Swizzle swizzle LATHE_AND_SITE) {
#ifdef LATHE_CUDA_SIM
  sim_wgmma_descriptor(address | leading | stride, site);
#endif
  return u64((address & 0x3ffff) >> 4) | u64((leading & 0x3ffff) >> 4) << 16 | u64((stride & 0x3ffff) >> 4) << 32 |
         u64(swizzle) << 62;
}

#ifdef LATHE_CUDA_SIM
struct SimWgmma {
  void *d;
  const u32 *registers; // A's, or null
  u64 a, b;
  u32 n;
  SimType typeA, typeB;
  bool transposedA, transposedB, accumulate;
};
extern "C" {
void sim_wgmma(const SimWgmma &, Site);
void sim_wgmma_fence(Site);
void sim_wgmma_commit(Site);
void sim_wgmma_wait(u32 groups, Site);
void sim_set_max_registers(u32 count, bool increase, Site);
}
#else

// The instruction for each N: I0 to I6 are the numbers of the operands behind d's registers.
template <int N> struct Wgmma;
#define LATHE_F4(i) "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3])
#define LATHE_F8(i) LATHE_F4(i), LATHE_F4(i + 4)
#define LATHE_F16(i) LATHE_F8(i), LATHE_F8(i + 8)
#define LATHE_F32(i) LATHE_F16(i), LATHE_F16(i + 16)
#define LATHE_F64(i) LATHE_F32(i), LATHE_F32(i + 32)
#define LATHE_I4(i) "+r"(d[i]), "+r"(d[i + 1]), "+r"(d[i + 2]), "+r"(d[i + 3])
#define LATHE_I16(i) LATHE_I4(i), LATHE_I4(i + 4), LATHE_I4(i + 8), LATHE_I4(i + 12)
#define LATHE_I32(i) LATHE_I16(i), LATHE_I16(i + 16)
#define LATHE_I64(i) LATHE_I32(i), LATHE_I32(i + 32)
#define LATHE_R4 "%0, %1, %2, %3"
#define LATHE_R8 LATHE_R4 ", %4, %5, %6, %7"
#define LATHE_R16 LATHE_R8 ", %8, %9, %10, %11, %12, %13, %14, %15"
#define LATHE_R32 LATHE_R16 ", %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
#define LATHE_R48 LATHE_R32 ", %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47"
#define LATHE_R64 LATHE_R48 ", %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
#define LATHE_R80 LATHE_R64 ", %64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79"
#define LATHE_R96 LATHE_R80 ", %80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95"
#define LATHE_R112                                                                                                     \
  LATHE_R96 ", %96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111"
#define LATHE_R128                                                                                                     \
  LATHE_R112 ", %112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127"
#define LATHE_WGMMA_SHARED(N, K, TYPE, TRANSPOSED, LIST, FLAG, A, B, ...)                                              \
  asm volatile("{\n .reg .pred p;\n setp.ne.b32 p, %" #FLAG ", 0;\n wgmma.mma_async.sync.aligned.m64n" #N K            \
               ".f32." TYPE "." TYPE " {" LIST "}, %" #A ", %" #B ", p, 1, 1" TRANSPOSED ";\n}"                        \
               : __VA_ARGS__
#define LATHE_WGMMA_REGISTERS(N, K, TYPE, TRANSPOSED, LIST, FLAG, A0, A1, A2, A3, B, ...)                              \
  asm volatile("{\n .reg .pred p;\n setp.ne.b32 p, %" #FLAG ", 0;\n wgmma.mma_async.sync.aligned.m64n" #N K            \
               ".f32." TYPE "." TYPE " {" LIST "}, {%" #A0 ", %" #A1 ", %" #A2 ", %" #A3 "}, %" #B                     \
               ", p, 1, 1" TRANSPOSED ";\n}"                                                                           \
               : __VA_ARGS__
#define LATHE_WGMMA(N, LIST, I0, I1, I2, I3, I4, I5, I6, ...)                                                          \
  template <> struct Wgmma<N> {                                                                                        \
    using D = float[N / 2];                                                                                            \
    template <bool TA, bool TB> static LATHE_DEVICE void run(D &d, u64 a, u64 b, int accumulate, f16) {                \
      LATHE_WGMMA_SHARED(N, "k16", "f16", ", %" #I3 ", %" #I4, LIST, I2, I0, I1, __VA_ARGS__)                          \
          : "l"(a), "l"(b), "r"(accumulate), "n"(int(TA)), "n"(int(TB)));                                              \
    }                                                                                                                  \
    template <bool TA, bool TB> static LATHE_DEVICE void run(D &d, u64 a, u64 b, int accumulate, bf16) {               \
      LATHE_WGMMA_SHARED(N, "k16", "bf16", ", %" #I3 ", %" #I4, LIST, I2, I0, I1, __VA_ARGS__)                         \
          : "l"(a), "l"(b), "r"(accumulate), "n"(int(TA)), "n"(int(TB)));                                              \
    }                                                                                                                  \
    static LATHE_DEVICE void runTf32(D &d, u64 a, u64 b, int accumulate) {                                             \
      LATHE_WGMMA_SHARED(N, "k8", "tf32", "", LIST, I2, I0, I1, __VA_ARGS__) : "l"(a), "l"(b), "r"(accumulate));       \
    }                                                                                                                  \
    template <bool TB> static LATHE_DEVICE void run(D &d, const u32 (&a)[4], u64 b, int accumulate, f16) {             \
      LATHE_WGMMA_REGISTERS(N, "k16", "f16", ", %" #I6, LIST, I5, I0, I1, I2, I3, I4, __VA_ARGS__)                     \
          : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(accumulate), "n"(int(TB)));                        \
    }                                                                                                                  \
    template <bool TB> static LATHE_DEVICE void run(D &d, const u32 (&a)[4], u64 b, int accumulate, bf16) {            \
      LATHE_WGMMA_REGISTERS(N, "k16", "bf16", ", %" #I6, LIST, I5, I0, I1, I2, I3, I4, __VA_ARGS__)                    \
          : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(accumulate), "n"(int(TB)));                        \
    }                                                                                                                  \
    static LATHE_DEVICE void runTf32(D &d, const u32 (&a)[4], u64 b, int accumulate) {                                 \
      LATHE_WGMMA_REGISTERS(N, "k8", "tf32", "", LIST, I5, I0, I1, I2, I3, I4, __VA_ARGS__)                            \
          : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(accumulate));                                      \
    }                                                                                                                  \
  }
LATHE_WGMMA(8, LATHE_R4, 4, 5, 6, 7, 8, 9, 10, LATHE_F4(0));
LATHE_WGMMA(16, LATHE_R8, 8, 9, 10, 11, 12, 13, 14, LATHE_F8(0));
LATHE_WGMMA(32, LATHE_R16, 16, 17, 18, 19, 20, 21, 22, LATHE_F16(0));
LATHE_WGMMA(64, LATHE_R32, 32, 33, 34, 35, 36, 37, 38, LATHE_F32(0));
LATHE_WGMMA(96, LATHE_R48, 48, 49, 50, 51, 52, 53, 54, LATHE_F32(0), LATHE_F16(32));
LATHE_WGMMA(128, LATHE_R64, 64, 65, 66, 67, 68, 69, 70, LATHE_F64(0));
LATHE_WGMMA(160, LATHE_R80, 80, 81, 82, 83, 84, 85, 86, LATHE_F64(0), LATHE_F16(64));
LATHE_WGMMA(192, LATHE_R96, 96, 97, 98, 99, 100, 101, 102, LATHE_F64(0), LATHE_F32(64));
LATHE_WGMMA(224, LATHE_R112, 112, 113, 114, 115, 116, 117, 118, LATHE_F64(0), LATHE_F32(64), LATHE_F16(96));
LATHE_WGMMA(256, LATHE_R128, 128, 129, 130, 131, 132, 133, 134, LATHE_F64(0), LATHE_F64(64));
template <int N> struct WgmmaCodes;
#define LATHE_WGMMA_CODES(N, LIST, A, B, FLAG, ...)                                                                    \
  template <> struct WgmmaCodes<N> {                                                                                   \
    static LATHE_DEVICE void run(int (&d)[N / 2], u64 a, u64 b, int accumulate) {                                      \
      asm volatile("{\n .reg .pred p;\n setp.ne.b32 p, %" #FLAG ", 0;\n wgmma.mma_async.sync.aligned.m64n" #N          \
                   "k32.s32.u8.s8 {" LIST "}, %" #A ", %" #B ", p;\n}"                                                 \
                   : __VA_ARGS__                                                                                       \
                   : "l"(a), "l"(b), "r"(accumulate));                                                                 \
    }                                                                                                                  \
  }
LATHE_WGMMA_CODES(64, LATHE_R32, 32, 33, 34, LATHE_I32(0));
LATHE_WGMMA_CODES(128, LATHE_R64, 64, 65, 66, LATHE_I64(0));
#endif

// Orders what threads did to registers before the products that use them: in front of the first one, and again after
// each wait.
LATHE_DEVICE void wgmma_fence(LATHE_SITE) {
#ifdef LATHE_CUDA_SIM
  sim_wgmma_fence(site);
#else
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
#endif
}
// Makes a group of the products since the last one.
LATHE_DEVICE void wgmma_commit(LATHE_SITE) {
#ifdef LATHE_CUDA_SIM
  sim_wgmma_commit(site);
#else
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
#endif
}
// Until at most N groups, the latest ones, are under way.
template <int N> LATHE_DEVICE void wgmma_wait(LATHE_SITE) {
#ifdef LATHE_CUDA_SIM
  sim_wgmma_wait(N, site);
#else
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(N) : "memory");
#endif
}
// Keeps the compiler from moving d's registers past this point.
template <int Count> LATHE_DEVICE void wgmma_pin([[maybe_unused]] float (&d)[Count]) {
#ifndef LATHE_CUDA_SIM
#pragma unroll
  for (int i = 0; i < Count; ++i)
    asm volatile("" : "+f"(d[i])::"memory");
#endif
}
template <int Count> LATHE_DEVICE void wgmma_pin([[maybe_unused]] int (&d)[Count]) {
#ifndef LATHE_CUDA_SIM
#pragma unroll
  for (int i = 0; i < Count; ++i)
    asm volatile("" : "+r"(d[i])::"memory");
#endif
}
template <class Sum, int Products, int Count> LATHE_DEVICE void wgmma_pin(Sum (&d)[Products][Count]) {
#pragma unroll
  for (int i = 0; i < Products; ++i)
    wgmma_pin(d[i]);
}

// d = a * b, plus d where `accumulate`. T is f16 or bf16, N a multiple of 32, or 8 or 16.
template <int N, class T, bool TransposedA = false, bool TransposedB = false>
LATHE_DEVICE void wgmma_m64k16(float (&d)[N / 2], u64 a, u64 b, bool accumulate LATHE_AND_SITE) {
#ifdef LATHE_CUDA_SIM
  sim_wgmma({d, nullptr, a, b, N, simType(T()), simType(T()), TransposedA, TransposedB, accumulate}, site);
#else
  Wgmma<N>::template run<TransposedA, TransposedB>(d, a, b, accumulate, T());
#endif
}
template <int N, class T, bool TransposedB = false>
LATHE_DEVICE void wgmma_m64k16(float (&d)[N / 2], const u32 (&a)[4], u64 b, bool accumulate LATHE_AND_SITE) {
#ifdef LATHE_CUDA_SIM
  sim_wgmma({d, a, 0, b, N, simType(T()), simType(T()), false, TransposedB, accumulate}, site);
#else
  Wgmma<N>::template run<TransposedB>(d, a, b, accumulate, T());
#endif
}
template <int N> LATHE_DEVICE void wgmma_m64k8_tf32(float (&d)[N / 2], u64 a, u64 b, bool accumulate LATHE_AND_SITE) {
#ifdef LATHE_CUDA_SIM
  sim_wgmma({d, nullptr, a, b, N, SimType::tf32, SimType::tf32, false, false, accumulate}, site);
#else
  Wgmma<N>::runTf32(d, a, b, accumulate);
#endif
}
template <int N>
LATHE_DEVICE void wgmma_m64k8_tf32(float (&d)[N / 2], const u32 (&a)[4], u64 b, bool accumulate LATHE_AND_SITE) {
#ifdef LATHE_CUDA_SIM
  sim_wgmma({d, a, 0, b, N, SimType::tf32, SimType::tf32, false, false, accumulate}, site);
#else
  Wgmma<N>::runTf32(d, a, b, accumulate);
#endif
}

// Of codes, A's unsigned and B's signed, both K-major; sums in 32 bits. N is 64 or 128.
template <int N> LATHE_DEVICE void wgmma_m64k32(int (&d)[N / 2], u64 a, u64 b, bool accumulate LATHE_AND_SITE) {
#ifdef LATHE_CUDA_SIM
  sim_wgmma({d, nullptr, a, b, N, SimType::u8, SimType::s8, false, false, accumulate}, site);
#else
  WgmmaCodes<N>::run(d, a, b, accumulate);
#endif
}

// The registers of each of this warpgroup's threads, a multiple of 8: taken from, or given back to, the block's others.
// The kernel needs __launch_bounds__(threads, 1).
template <int N> LATHE_DEVICE void set_max_registers(bool increase LATHE_AND_SITE) {
  static_assert(N >= 24 && N <= 256 && N % 8 == 0, "setmaxnreg's range");
#ifdef LATHE_CUDA_SIM
  sim_set_max_registers(N, increase, site);
#else
  if (increase)
    asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(N));
  else
    asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(N));
#endif
}

} // namespace device

#endif
#endif
