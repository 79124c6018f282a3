/* What one core can do at most: f32 fused multiply-adds on registers alone, in the widest vectors that it has.
   Built as a shared library, so that the benchmark asks for it in the process and on the core that it measures. */
#include <immintrin.h>
#include <stdint.h>
#include <time.h>

enum { kChains = 12, kSteps = 100000 }; /* 12 independent sums cover the latency of two units */

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

#define DEFINE_BURST(name, isa, type, lanes, set1, fmadd)                                                              \
  __attribute__((target(isa), noinline)) static double name(void) {                                                    \
    type sums[kChains], factor = set1(0.999f), addend = set1(0.001f);                                                  \
    for (int i = 0; i < kChains; ++i) {                                                                                \
      sums[i] = set1((float)i);                                                                                        \
      __asm__ volatile("" : "+x"(sums[i])); /* what a sum is must not be known: 1 stays 1 */                           \
    }                                                                                                                  \
    double begin = seconds();                                                                                          \
    for (int64_t step = 0; step < kSteps; ++step) {                                                                    \
      _Pragma("GCC unroll 12") for (int i = 0; i < kChains; ++i) sums[i] = fmadd(sums[i], factor, addend);             \
    }                                                                                                                  \
    double time = seconds() - begin;                                                                                   \
    for (int i = 0; i < kChains; ++i)                                                                                  \
      __asm__ volatile("" ::"x"(sums[i]));                                                                             \
    return 2.0 * lanes * kChains * kSteps / time * 1e-9;                                                               \
  }
DEFINE_BURST(burst256, "avx2,fma", __m256, 8, _mm256_set1_ps, _mm256_fmadd_ps)
DEFINE_BURST(burst512, "avx512f", __m512, 16, _mm512_set1_ps, _mm512_fmadd_ps)

/* The best of several bursts in `duration` seconds, in GFLOP/s. */
double lathe_fma_peak(double duration) {
  double best = 0, end = seconds() + duration;
  int wide = __builtin_cpu_supports("avx512f");
  do {
    double rate = wide ? burst512() : burst256();
    best = rate > best ? rate : best;
  } while (seconds() < end);
  return best;
}
