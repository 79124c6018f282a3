// Scalars of generated code: what C++ has no word for, or another meaning than the model.
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

/// Unsigned division; most indices fit in 32 bits, which divide much faster.
__device__ __forceinline__ index divide(index a, index b) {
  u64 x = u64(a), y = u64(b);
  return (x | y) >> 32 ? index(x / y) : index(u32(x) / u32(y));
}
__device__ __forceinline__ index remainder(index a, index b) {
  u64 x = u64(a), y = u64(b);
  return (x | y) >> 32 ? index(x % y) : index(u32(x) % u32(y));
}
__device__ __forceinline__ i32 divide(i32 a, i32 b) { return i32(u32(a) / u32(b)); }
__device__ __forceinline__ i32 remainder(i32 a, i32 b) { return i32(u32(a) % u32(b)); }
__device__ __forceinline__ i16 divide(i16 a, i16 b) { return i16(u16(a) / u16(b)); }
__device__ __forceinline__ i16 remainder(i16 a, i16 b) { return i16(u16(a) % u16(b)); }
__device__ __forceinline__ i8 divide(i8 a, i8 b) { return i8(u8(a) / u8(b)); }
__device__ __forceinline__ i8 remainder(i8 a, i8 b) { return i8(u8(a) % u8(b)); }

/// Of floats: NaN if either is.
template <class T> __device__ __forceinline__ T maximum(T a, T b) { return a > b || a != a ? a : b; }
template <class T> __device__ __forceinline__ T minimum(T a, T b) { return a < b || a != a ? a : b; }

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
