// Scalars of generated code: what C++ has no word for, or another meaning than the model.
#ifdef LATHE_CUDA_SIM
extern "C" {
float expf(float), logf(float), sqrtf(float), sinf(float), cosf(float), erff(float), tanhf(float), floorf(float);
float ceilf(float), rintf(float), fabsf(float), powf(float, float), fmaf(float, float, float), fmodf(float, float);
float fmaxf(float, float), fminf(float, float);
double exp(double), log(double), sqrt(double), sin(double), cos(double), erf(double), tanh(double), floor(double);
double ceil(double), rint(double), fabs(double), pow(double, double), fma(double, double, double), fmod(double, double);
double fmax(double, double), fmin(double, double);
}
#endif

namespace device {
using i8 = signed char;
using i16 = short;
using i32 = int;
using i64 = index;

/// As lathe_kernel_fault.
struct Fault {
  int code, operand;
  index place, value, limit;
};

/// The first one who reports fills in the rest.
__device__ inline void report_index(Fault *fault, int operand, index place, index value, index limit) {
  if (atomic_cas(&fault->code, 0, 1) != 0)
    return;
  fault->operand = operand;
  fault->place = place;
  fault->value = value;
  fault->limit = limit;
}

/// A table of constants.
template <class T, index kCount> struct Table {
  const T *values;
  __device__ __forceinline__ T load(index i) const { return values[i]; }
};
template <class T, index kCount> __device__ __forceinline__ Table<T, kCount> table(const T (&values)[kCount]) {
  return {values};
}

/// Bit by bit: the compiler's own division of 64 bits is a call, for which a kernel would need a stack.
__device__ inline u64 divide_wide(u64 x, u64 y) {
  u64 quotient = 0, rest = 0;
#pragma unroll 1
  for (int i = 63; i >= 0; --i) {
    rest = rest << 1 | (x >> i & 1);
    if (rest >= y) {
      rest -= y;
      quotient |= u64(1) << i;
    }
  }
  return quotient;
}

/// Unsigned division. Indices fit in 32 bits but in the largest tensors.
template <class A, class B> LATHE_DEVICE auto divide(A a, B b) {
  if constexpr (sizeof(A) == 8 || sizeof(B) == 8) {
    u64 x = u64(a), y = u64(b);
    return (x | y) >> 32 ? index(divide_wide(x, y)) : index(u32(x) / u32(y));
  } else {
    constexpr u32 kMask = ~0u >> (32 - 8 * sizeof(A));
    return A((u32(a) & kMask) / (u32(b) & kMask));
  }
}
template <class A, class B> LATHE_DEVICE auto remainder(A a, B b) {
  if constexpr (sizeof(A) == 8 || sizeof(B) == 8) {
    u64 x = u64(a), y = u64(b);
    return (x | y) >> 32 ? index(x - divide_wide(x, y) * y) : index(u32(x) % u32(y));
  } else {
    constexpr u32 kMask = ~0u >> (32 - 8 * sizeof(A));
    return A((u32(a) & kMask) % (u32(b) & kMask));
  }
}

LATHE_DEVICE float infinity() { return bit_cast<float>(0x7f800000u); }

/// Of floats: NaN if either is.
template <class A, class B> LATHE_DEVICE auto maximum(A a, B b) { return a > b || a != a ? a : b; }
template <class A, class B> LATHE_DEVICE auto minimum(A a, B b) { return a < b || a != a ? a : b; }

/// base^exponent modulo 2^n; 1 / base^-exponent, rounded towards zero, for negative ones.
template <class T> __device__ inline T power(T base, T exponent) {
  if (exponent < 0)
    return base == 1 ? T(1) : base == T(-1) ? (exponent & 1 ? T(-1) : T(1)) : T(0);
  T result = 1;
  for (; exponent; exponent >>= 1) {
    if (exponent & 1)
      result = T(result * base);
    base = T(base * base);
  }
  return result;
}
} // namespace device
