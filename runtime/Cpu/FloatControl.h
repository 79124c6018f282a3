// The floating-point mode that kernels are compiled for: round to nearest, no traps, denormals kept.
#pragma once
#include <cstdint>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace lathe::runtime {

class FloatControl {
#if defined(__x86_64__)
public:
  FloatControl() : saved(_mm_getcsr()) { _mm_setcsr(0x1f80); }
  ~FloatControl() { _mm_setcsr(saved); }

private:
  uint32_t saved;
#else
public:
  FloatControl() {}
#endif
  FloatControl(const FloatControl &) = delete;
  FloatControl &operator=(const FloatControl &) = delete;
};

} // namespace lathe::runtime
