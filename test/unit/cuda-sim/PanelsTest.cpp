// Codes of weights, decoded two at a time: every code, beside its value by the formats' definition times the scale,
// rounded once from f32. And every rounding to f8E4M3FN.
#include "tools/cuda-sim/Block.h"

#include "compiler/Cuda/Device/Pairs.h"

#include "compiler/Cuda/Device/Panels.h"

#include <cmath>
#include <gtest/gtest.h>

using namespace device;

namespace {
float valueOf(Code code, unsigned bits, unsigned byte, unsigned zero) {
  if (code == Code::Signed)
    return float(int(byte << (32 - bits)) >> (32 - bits));
  if (code == Code::Unsigned)
    return float(int(byte) - int(zero));
  int fractionBits = code == Code::E4M3 ? 3 : 2, bias = code == Code::E4M3 ? 7 : 15;
  int exponent = (byte & 0x7f) >> fractionBits, fraction = byte & ((1 << fractionBits) - 1);
  float size = std::ldexp(float(exponent ? (1 << fractionBits) + fraction : fraction),
                          std::max(exponent, 1) - bias - fractionBits);
  if (code == Code::E4M3 && (byte & 0x7f) == 0x7f)
    size = std::nanf("");
  if (code == Code::E5M2 && exponent == 31)
    size = fraction ? std::nanf("") : INFINITY;
  return byte & 0x80 ? -size : size;
}

template <Code kCode, u32 kBits, class T, class Scale> void expectExact() {
  using Codes = PanelCodes<kCode, kBits, 32, 32, 32, Scale, 0, 0>;
  // Of f16 and bf16: one, its neighbours, a subnormal, a great and a negative one.
  float scales[] = {1.0f, 1.0078125f, 0.37109375f, 0x1p-20f, 5000.0f, -0.0123291015625f};
  for (u32 low : {0u, 5u, 9u, 14u})
    for (u32 high : {low, low ^ 1})
      for (size_t s = 0; s < std::size(scales); ++s)
        for (u32 code = 0; code < 1u << kBits; ++code) {
          u32 other = (code * 7 + 3) & ((1u << kBits) - 1),
              zeros[2] = {code * 3 % 16, high == low ? code * 3 % 16 : other};
          float by[2] = {scales[s], high == low ? scales[s] : scales[(s + 2) % std::size(scales)]};
          typename Codes::Factors factors{};
          for (u32 i = 0; i < 2; ++i) {
            u32 column = i ? high : low;
            if constexpr (sizeof(Scale) == 4)
              factors.scales[column / 4][int(column % 4)] = bit_cast<u32>(by[i]);
            else {
              u32 &word = factors.scales[column / 8][int(column % 8 / 2)];
              word = (word & ~(0xffffu << column % 2 * 16)) | u32(to_bits(by[i], Scale())) << column % 2 * 16;
            }
            factors.zeros[int(column / 4)] &= ~(255u << column % 4 * 8);
            factors.zeros[int(column / 4)] |= zeros[i] << column % 4 * 8;
          }
          u32 above = 0xa5a5u << kBits & 0xffff; // other codes
          u32 pair = Codes::template pair<T>(code | above | (other | above) << 16, factors, low, high);
          for (u32 i = 0; i < 2; ++i) {
            float scale = to_float(from_float<Scale>(by[i]));
            float expected = to_float(from_float<T>(valueOf(kCode, kBits, i ? other : code, zeros[i]) * scale));
            float got = to_float(T{u16(pair >> 16 * i)});
            ASSERT_TRUE(got == expected || (got != got && expected != expected))
                << "code " << (i ? other : code) << ", zero " << zeros[i] << ", scale " << scale << ": " << got
                << ", expected " << expected;
          }
        }
}

template <Code kCode, u32 kBits> void expectExactInAll() {
  expectExact<kCode, kBits, f16, f16>();
  expectExact<kCode, kBits, f16, bf16>();
  expectExact<kCode, kBits, f16, float>();
  expectExact<kCode, kBits, bf16, bf16>();
  expectExact<kCode, kBits, bf16, f16>();
  expectExact<kCode, kBits, bf16, float>();
}
} // namespace

TEST(Panels, PairsAreExact) {
  expectExactInAll<Code::Signed, 4>();
  expectExactInAll<Code::Unsigned, 4>();
  expectExactInAll<Code::Signed, 8>();
  expectExactInAll<Code::Unsigned, 8>();
  expectExactInAll<Code::E4M3, 8>();
  expectExactInAll<Code::E5M2, 8>();
}

TEST(Panels, RoundsToTheNearestSmallFloat) {
  std::vector<float> values; // those of f8E4M3FN from 0 on
  for (unsigned code = 0; code < 0x7f; ++code)
    values.push_back(valueOf(Code::E4M3, 8, code, 0));
  for (unsigned i = 0; i + 1 < values.size(); ++i) {
    float middle = (values[i] + values[i + 1]) / 2;
    unsigned even = i % 2 ? i + 1 : i;
    for (float sign : {1.0f, -1.0f})
      for (auto [x, nearest] : {std::pair(values[i], i), std::pair(std::nextafter(middle, 0.0f), i),
                                std::pair(middle, even), std::pair(std::nextafter(middle, 1000.0f), i + 1)}) {
        EXPECT_EQ(round_to_e4m3(sign * x), sign * values[nearest]) << x;
        EXPECT_EQ(pack_e4m3({sign * x, 0, 1000, -1000}), (nearest | (sign < 0 ? 0x80u : 0u)) | 0xfe7e0000u) << x;
      }
  }
}

TEST(Panels, TransposesBytes) {
  Vector<u32, 4> words = transpose_bytes(0x03020100, 0x13121110, 0x23222120, 0x33323130);
  for (u32 i = 0; i < 4; ++i)
    EXPECT_EQ(words[int(i)], 0x30201000 + i * 0x01010101);
}
