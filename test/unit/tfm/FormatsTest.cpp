// Formats of weights: every code of the small types, nearest values, sizes, and what sparse formats keep.
#include "mlir/AsmParser/AsmParser.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"

#include "dialects/Tfm/Formats.h"
#include "mlir/IR/MLIRContext.h"
#include <cmath>
#include <gtest/gtest.h>

using namespace mlir;
using namespace lathe;

namespace {
class Formats : public testing::Test {
protected:
  Formats() { context.loadDialect<tfm::TfmDialect>(); }

  RankedTensorType type(ArrayRef<int64_t> shape, StringRef format) {
    return RankedTensorType::get(shape, Float32Type::get(&context), parseAttribute(format, &context));
  }
  std::vector<float> roundTrip(RankedTensorType type, ArrayRef<float> values) {
    std::vector<char> bytes = tfm::encode(type, values);
    EXPECT_EQ(bytes.size(), tfm::getFormatLayout(type)->size);
    return tfm::decode(type, bytes);
  }
  /// Different values of both signs.
  static std::vector<float> some(size_t count) {
    std::vector<float> values;
    for (size_t i = 0; i < count; ++i)
      values.push_back(std::sin(static_cast<float>(7 * i + 1)) * static_cast<float>(1 + i % 5));
    return values;
  }

  MLIRContext context;
};

// OCP 8-bit Floating Point Specification 1.0: 4 bits of exponent, bias 7, no infinity; 5 bits, bias 15.
TEST_F(Formats, everySmallFloat) {
  for (unsigned code = 0; code < 256; ++code) {
    float sign = code & 128 ? -1 : 1;
    unsigned exponent = code >> 3 & 15, fraction = code & 7;
    float e4m3 = exponent ? std::ldexp(1 + fraction / 8.0f, int(exponent) - 7) : std::ldexp(fraction / 8.0f, -6);
    if (exponent == 15 && fraction == 7)
      EXPECT_TRUE(std::isnan(tfm::getFloatTable(Float8E4M3FNType::get(&context))[code]));
    else
      EXPECT_EQ(tfm::getFloatTable(Float8E4M3FNType::get(&context))[code], sign * e4m3) << code;
    exponent = code >> 2 & 31, fraction = code & 3;
    float e5m2 = exponent ? std::ldexp(1 + fraction / 4.0f, int(exponent) - 15) : std::ldexp(fraction / 4.0f, -14);
    if (exponent < 31)
      EXPECT_EQ(tfm::getFloatTable(Float8E5M2Type::get(&context))[code], sign * e5m2) << code;
  }
}

TEST_F(Formats, everyFiniteSmallFloatStays) {
  for (StringRef name : {"f8E4M3FN", "f8E5M2"}) {
    auto element = cast<FloatType>(parseType(name, &context));
    for (float value : tfm::getFloatTable(element))
      if (std::isfinite(value)) {
        auto one = type({1}, ("#tfm.float<type = " + name + ">").str());
        EXPECT_EQ(roundTrip(one, value)[0], value);
      }
  }
}

TEST_F(Formats, smallFloatsRoundToNearestEvenAndSaturate) {
  auto e4m3 = type({4}, "#tfm.float<type = f8E4M3FN>");
  EXPECT_EQ(roundTrip(e4m3, {1.0625f, 1.1875f, 1.07f, 1e9f}), (std::vector<float>{1.0f, 1.25f, 1.125f, 448.0f}));
}

TEST_F(Formats, everyIntegerCode) {
  for (unsigned bits = 2; bits <= 8; ++bits)
    for (bool zeroPoints : {false, true}) {
      int64_t count = 1 << bits;
      auto of = type({2, count}, "#tfm.int<bits = " + std::to_string(bits) + ", block = [1, " + std::to_string(count) +
                                     "], scale = f32" + (zeroPoints ? ", zero_points = true>" : ">"));
      tfm::IntCodes codes;
      for (int64_t i = 0; i < 2 * count; ++i)
        codes.codes.push_back(static_cast<int8_t>(i % count - (zeroPoints ? 0 : count / 2)));
      codes.scales = {0.5f, 3};
      if (zeroPoints)
        codes.zeros = {1, 2};
      std::vector<char> bytes = tfm::packInt(of, codes);
      tfm::IntCodes again = tfm::unpackInt(of, bytes);
      EXPECT_EQ(again.codes, codes.codes) << bits;
      EXPECT_EQ(again.scales, codes.scales);
      EXPECT_EQ(again.zeros, codes.zeros);
      std::vector<float> values = tfm::decode(of, bytes);
      EXPECT_EQ(values[count], 3.0f * (zeroPoints ? -2 : -count / 2)); // the first code of the second row
    }
}

// An element is off by at most half a step, and the greatest of a block by nothing.
TEST_F(Formats, integersAreNearest) {
  std::vector<float> values = some(6 * 10);
  auto of = type({6, 10}, "#tfm.int<bits = 4, block = [1, 4], scale = f32>");
  std::vector<float> near = roundTrip(of, values);
  for (size_t i = 0; i < values.size(); ++i) {
    size_t begin = i / 10 * 10 + i % 10 / 4 * 4, end = std::min(begin + 4, i / 10 * 10 + 10);
    float greatest = 0;
    for (size_t j = begin; j < end; ++j)
      greatest = std::max(greatest, std::fabs(values[j]));
    EXPECT_LE(std::fabs(near[i] - values[i]), greatest / 7 / 2 * 1.0001f);
    if (std::fabs(values[i]) == greatest)
      EXPECT_NEAR(near[i], values[i], 1e-6f * greatest);
  }
}

TEST_F(Formats, sparseKeepsTheGreatestOfEachGroup) {
  std::vector<float> values = some(8 * 6);
  for (auto [axis, stride] : {std::pair(0, 6), std::pair(1, 1)}) {
    auto shape = axis ? SmallVector<int64_t>{6, 8} : SmallVector<int64_t>{8, 6};
    auto of = type(shape, "#tfm.nm<n = 2, m = 4, axis = " + std::to_string(axis) + ">");
    std::vector<float> kept = roundTrip(of, values);
    for (int64_t line = 0; line < 6; ++line)
      for (int64_t group = 0; group < 2; ++group) {
        int zeros = 0;
        float leastKept = 1e9f, greatestGone = 0;
        for (int64_t i = 0; i < 4; ++i) {
          size_t at = axis ? line * 8 + group * 4 + i : (group * 4 + i) * stride + line;
          zeros += kept[at] == 0;
          if (kept[at] == 0)
            greatestGone = std::max(greatestGone, std::fabs(values[at]));
          else {
            EXPECT_EQ(kept[at], values[at]);
            leastKept = std::min(leastKept, std::fabs(values[at]));
          }
        }
        EXPECT_EQ(zeros, 2);
        EXPECT_GE(leastKept, greatestGone);
      }
  }
}

TEST_F(Formats, bitmapKeepsWhatItSays) {
  std::vector<float> values = some(3 * 67);
  std::vector<float> kept = roundTrip(type({3, 67}, "#tfm.bitmap<kept = 50>"), values);
  size_t count = 0;
  for (size_t i = 0; i < values.size(); ++i)
    if (kept[i] != 0) {
      EXPECT_EQ(kept[i], values[i]);
      ++count;
    }
  EXPECT_EQ(count, 50u);
}

// Blocks of a sparse format's values are those of the whole tensor: what is kept has the codes and scales that it has
// in the dense format, whatever goes beside it.
TEST_F(Formats, whatIsKeptIsAsInTheDenseFormat) {
  std::vector<float> values = some(6 * 8);
  for (size_t i = 0; i < values.size(); ++i)
    if (i % 4 == 1 || i % 4 == 2)
      values[i] = 0;
  for (StringRef inner :
       {"#tfm.int<bits = 4, block = [1, 4], scale = f16>", "#tfm.int<bits = 8, block = [6, 1], scale = f32>",
        "#tfm.int<bits = 3, block = [1, 8], scale = f32, zero_points = true>",
        "#tfm.float<type = f8E4M3FN, block = [3, 4], scale = f32>", "#tfm.float<type = bf16>"}) {
    std::vector<char> whole = tfm::encode(type({6, 8}, inner), values);
    std::vector<float> dense = tfm::decode(type({6, 8}, inner), whole);
    for (StringRef outer : {"#tfm.bitmap<kept = 24, values = ", "#tfm.nm<n = 2, m = 4, axis = 1, values = "}) {
      auto of = type({6, 8}, (outer + inner + ">").str());
      EXPECT_EQ(roundTrip(of, values), dense) << inner.str() << outer.str();
      EXPECT_EQ(tfm::packSparse(of, whole, values), tfm::encode(of, values));
    }
  }
}

// So what is kept is a tensor of its own, at the same bytes, with n / m of a block.
TEST_F(Formats, whatIsKeptOfFourIsATensor) {
  std::vector<float> values = some(6 * 24);
  for (auto [inner, block] : {std::pair("#tfm.int<bits = 4, block = [1, 8], scale = f16, zero_points = true>", 4),
                              std::pair("#tfm.int<bits = 8, block = [6, 16], scale = f32>", 8),
                              std::pair("#tfm.float<type = f8E4M3FN, block = [2, 25], scale = bf16>", 12),
                              std::pair("#tfm.float<type = bf16>", 0)}) {
    auto of = type({6, 24}, std::string("#tfm.nm<n = 2, m = 4, axis = 1, values = ") + inner + ">");
    RankedTensorType kept = *tfm::getKeptType(of);
    EXPECT_EQ(kept.getDimSize(0), 6);
    EXPECT_EQ(kept.getDimSize(1), 12);
    if (auto packed = tfm::getPackedCodes(tfm::getFormat(kept)))
      EXPECT_EQ(packed->block[1], block) << inner;
    std::vector<char> bytes = tfm::encode(of, values);
    std::vector<float> all = tfm::decode(of, bytes);
    bytes.resize(tfm::getFormatLayout(kept)->size);
    std::vector<float> few = tfm::decode(kept, bytes);
    for (size_t place = 0, i = 0; i < all.size(); i += 4) {
      std::vector<float> four(all.begin() + i, all.begin() + i + 4), two(few.begin() + place, few.begin() + place + 2);
      llvm::erase(four, 0.0f);
      llvm::erase(two, 0.0f); // what was rounded to 0
      EXPECT_EQ(four, two) << inner << " at " << i;
      place += 2;
    }
  }
  // 18 is no whole number of fours, though half of it is a whole number.
  for (int size : {1, 2, 6, 18})
    EXPECT_FALSE(
        tfm::getKeptType(type({6, 24}, "#tfm.nm<n = 2, m = 4, axis = 1, values = #tfm.int<bits = 8, block = [1, " +
                                           std::to_string(size) + "], scale = f32>>")));
}

TEST_F(Formats, codesOfACodebookAreTheTables) {
  auto of = type({2, 3}, "#tfm.codebook<bits = 2, type = f32>");
  std::vector<float> values = tfm::decode(of, tfm::packCodebook(of, {-1, 0.5f, 7}, {0, 1, 2, 2, 1, 0}));
  EXPECT_EQ(values, (std::vector<float>{-1, 0.5f, 7, 7, 0.5f, -1}));
  auto sparse = type({2, 3}, "#tfm.bitmap<kept = 2, values = #tfm.codebook<bits = 2, type = f32>>");
  std::vector<char> whole = tfm::packCodebook(of, {-1, 0.5f, 7}, {0, 1, 2, 2, 1, 0});
  EXPECT_EQ(tfm::decode(sparse, tfm::packSparse(sparse, whole, {0, 0.5f, 0, 7, 0, 0})),
            (std::vector<float>{0, 0.5f, 0, 7, 0, 0}));
}

TEST_F(Formats, codebookTakesTheNearestEntry) {
  // As many values as entries: each is one.
  std::vector<float> values{1, -2, 0.5f, 3};
  EXPECT_EQ(roundTrip(type({4}, "#tfm.codebook<bits = 2, type = f32>"), values), values);
}

TEST_F(Formats, sizes) {
  auto size = [&](ArrayRef<int64_t> shape, StringRef format) {
    return tfm::getFormatLayout(type(shape, format))->size;
  };
  // Codes and a byte, then at multiples of 64 the scales and zero points.
  EXPECT_EQ(size({384, 384}, "#tfm.int<bits = 4, block = [32, 1], scale = f16>"), 73792u + 12u * 384 * 2);
  EXPECT_EQ(size({3, 5}, "#tfm.int<bits = 3, block = [3, 5], scale = f32, zero_points = true>"), 64u + 64 + 1);
  EXPECT_EQ(size({3, 5}, "#tfm.float<type = bf16>"), 31u);
  // What is kept, an index for each; a bit for each element, and a count for each 64.
  EXPECT_EQ(
      size({64, 64}, "#tfm.nm<n = 2, m = 4, axis = 0, values = #tfm.int<bits = 4, block = [32, 1], scale = f16>>"),
      1088u + 256 + 513);
  EXPECT_EQ(size({64, 64}, "#tfm.bitmap<kept = 1024>"), 4096u + 512 + 256);
  auto huge = type({int64_t(1) << 40, int64_t(1) << 40}, "#tfm.int<bits = 8, block = [1, 1], scale = f32>");
  EXPECT_FALSE(tfm::getFormatLayout(huge));
}
} // namespace
