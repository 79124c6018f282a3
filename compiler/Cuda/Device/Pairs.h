// Two elements of 16 bits in one register, and bytes of registers: what codes of weights are decoded with. Each product
// and difference is rounded once; subnormals are kept.
namespace device {

// Byte i of the result is the byte of b:a (b's are 4 to 7) that selector's i-th four bits name.
LATHE_DEVICE u32 permute_bytes(u32 a, u32 b, u32 selector) {
#ifdef LATHE_CUDA_SIM
  u64 both = u64(b) << 32 | a;
  u32 result = 0;
  for (u32 i = 0; i < 4; ++i)
    result |= u32(both >> (selector >> 4 * i & 7) * 8 & 255) << 8 * i;
  return result;
#else
  u32 result;
  asm("prmt.b32 %0, %1, %2, %3;" : "=r"(result) : "r"(a), "r"(b), "r"(selector));
  return result;
#endif
}
// (a & mask) ^ by
LATHE_DEVICE u32 mask_xor(u32 a, u32 mask, u32 by) {
#ifdef LATHE_CUDA_SIM
  return (a & mask) ^ by;
#else
  u32 result;
  asm("lop3.b32 %0, %1, %2, %3, 0x6a;" : "=r"(result) : "r"(a), "r"(mask), "r"(by));
  return result;
#endif
}

// Four words whose i-th holds the i-th bytes of these.
LATHE_DEVICE Vector<u32, 4> transpose_bytes(u32 a, u32 b, u32 c, u32 d) {
  u32 low0 = permute_bytes(a, b, 0x5140), low1 = permute_bytes(c, d, 0x5140); // bytes 0 and 1 of two
  u32 high0 = permute_bytes(a, b, 0x7362), high1 = permute_bytes(c, d, 0x7362);
  return {permute_bytes(low0, low1, 0x5410), permute_bytes(low0, low1, 0x7632), permute_bytes(high0, high1, 0x5410),
          permute_bytes(high0, high1, 0x7632)};
}

#ifdef LATHE_CUDA_SIM
LATHE_DEVICE u16 to_bits(float value, f16) { return to_f16(value).bits; }
LATHE_DEVICE u16 to_bits(float value, bf16) { return to_bf16(value).bits; }
// Of each half: of operands whose exact result has at most 24 bits, as these are used for.
template <class T, class Function> LATHE_DEVICE u32 each_half(u32 a, u32 b, T, Function function) {
  u32 low = to_bits(function(to_float(T{u16(a)}), to_float(T{u16(b)})), T());
  u32 high = to_bits(function(to_float(T{u16(a >> 16)}), to_float(T{u16(b >> 16)})), T());
  return low | high << 16;
}
#endif
LATHE_DEVICE u32 subtract_pair(u32 a, u32 b, f16) {
#ifdef LATHE_CUDA_SIM
  return each_half(a, b, f16(), [](float x, float y) { return x - y; });
#else
  u32 result;
  asm("sub.rn.f16x2 %0, %1, %2;" : "=r"(result) : "r"(a), "r"(b));
  return result;
#endif
}
LATHE_DEVICE u32 subtract_pair(u32 a, u32 b, bf16) { // b * -1 + a
#ifdef LATHE_CUDA_SIM
  return each_half(a, b, bf16(), [](float x, float y) { return x - y; });
#else
  u32 result;
  asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(result) : "r"(b), "r"(0xbf80bf80), "r"(a));
  return result;
#endif
}
LATHE_DEVICE u32 multiply_pair(u32 a, u32 b, f16) {
#ifdef LATHE_CUDA_SIM
  return each_half(a, b, f16(), [](float x, float y) { return x * y; });
#else
  u32 result;
  asm("mul.rn.f16x2 %0, %1, %2;" : "=r"(result) : "r"(a), "r"(b));
  return result;
#endif
}
LATHE_DEVICE u32 multiply_pair(u32 a, u32 b, bf16) { // a * b + -0
#ifdef LATHE_CUDA_SIM
  return each_half(a, b, bf16(), [](float x, float y) { return x * y; });
#else
  u32 result;
  asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(result) : "r"(a), "r"(b), "r"(0x80008000));
  return result;
#endif
}

// ---- f8E4M3FN

/// The nearest value of what is at most 464 in magnitude, halves to even: a float whose last place is the result's,
/// added and taken off again.
LATHE_DEVICE float round_to_e4m3(float value) {
  u32 bits = bit_cast<u32>(value), exponent = bits & 0x7f800000;
  float size = bit_cast<float>(bits & 0x7fffffff);
  float grid = bit_cast<float>((exponent > (121u << 23) ? exponent : 121u << 23) + (20u << 23)); // of 2^-6 at least
  return bit_cast<float>(bit_cast<u32>(size + grid - grid) | (bits & 0x80000000));
}
// Four codes, the first in the low bits; each the nearest, at most 448 in magnitude. sm_89 and later.
LATHE_DEVICE u32 pack_e4m3(const Vector<float, 4> &values) {
#ifdef LATHE_CUDA_SIM
  u32 result = 0;
  for (int i = 0; i < 4; ++i) {
    float most = values[i] > 448.0f ? 448.0f : values[i] < -448.0f ? -448.0f : values[i];
    u32 bits = bit_cast<u32>(round_to_e4m3(most)), rest = bits & 0x7fffffff;
    u32 code = values[i] != values[i] ? 0x7f
               : rest < (121u << 23)  ? u32(int(bit_cast<float>(rest) * 512.0f)) // subnormal
                                      : (rest >> 20) - (120 << 3);
    result |= (code | (bits >> 24 & 0x80)) << 8 * i;
  }
  return result;
#else
  u16 low, high;
  asm("cvt.rn.satfinite.e4m3x2.f32 %0, %1, %2;" : "=h"(low) : "f"(values[1]), "f"(values[0]));
  asm("cvt.rn.satfinite.e4m3x2.f32 %0, %1, %2;" : "=h"(high) : "f"(values[3]), "f"(values[2]));
  return low | u32(high) << 16;
#endif
}

} // namespace device
