// Weights that a package names by a seed instead of storing them. The same numbers everywhere: integer arithmetic, one
// exact conversion and one rounding multiplication.
#pragma once
#include <cstdint>
#include <cstring>

namespace lathe::package {

// splitmix64's output function (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
inline uint64_t mix64(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

// u(seed, tensor, index) in [-1, 1), a multiple of 2^-23, so exact in an f32. Counter-based: any element on its own.
inline float randomUnit(uint64_t seed, uint64_t tensor, uint64_t index) {
  constexpr uint64_t golden = 0x9e3779b97f4a7c15u;
  uint64_t stream = mix64(seed + golden * (tensor + 1));
  uint64_t bits = mix64(stream + golden * (index + 1));
  return static_cast<float>(static_cast<int64_t>(bits >> 40) - (int64_t(1) << 23)) * 0x1p-23f;
}

// The bits of a finite value in f16 and in bf16, to nearest, ties to even; f16 becomes infinite from 65520 on.
inline uint16_t toHalfBits(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  uint32_t sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;
  if (magnitude >= 0x47800000) // 2^16
    return static_cast<uint16_t>(sign | 0x7c00);
  if (magnitude < 0x38800000) { // 2^-14: what is added makes the last place 2^-24, that of f16's subnormals
    float shifted = (value < 0 ? -value : value) + 0.5f;
    std::memcpy(&bits, &shifted, sizeof bits);
    return static_cast<uint16_t>(sign | (bits - 0x3f000000));
  }
  magnitude += 0xfff + (magnitude >> 13 & 1);
  return static_cast<uint16_t>(sign | ((magnitude - (112u << 23)) >> 13));
}
inline uint16_t toBfloatBits(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

} // namespace lathe::package
