// Scales and rounding against their definitions, in all formats.
#include "compiler/Numerics/Quantizer.h"
#include "TestData.h"
#include <gtest/gtest.h>

using namespace lathe::numerics;
using namespace lathe::numerics::testing;

static IntFormat format(unsigned bits, int64_t group = 0, bool zeroPoints = false, ScaleType type = ScaleType::F32) {
  return {bits, group ? Granularity::Group : Granularity::Row, group, zeroPoints, type};
}

static Matrix<float> weight(int64_t rows, int64_t columns, unsigned seed = 1) {
  return copyOf<float>(randomMatrix(rows, columns, seed, 0.05));
}

TEST(Quantizer, CodesAreTheRoundedQuotientsOfEveryFormat) {
  Matrix<float> w = weight(70, 100);
  for (unsigned bits = 2; bits <= 8; ++bits)
    for (Granularity granularity : {Granularity::Tensor, Granularity::Row, Granularity::Group})
      for (bool zeroPoints : {false, true})
        for (ScaleType type : {ScaleType::F32, ScaleType::F16, ScaleType::BF16}) {
          IntFormat f = {bits, granularity, 32, zeroPoints, type}; // the last group has 4 columns
          Quantized q = quantize(w, f);
          Matrix<float> values = q.dequantize();
          for (int64_t i = 0; i < w.rows(); ++i)
            for (int64_t j = 0; j < w.columns(); ++j) {
              int64_t at = q.scaleIndex(i, j);
              float scale = q.scales[at];
              int zero = zeroPoints ? q.zeroPoints[at] : 0, code = q.codes[i * 100 + j];
              float expected =
                  std::clamp(std::nearbyint(w(i, j) / scale) + zero, float(f.lowest()), float(f.greatest()));
              ASSERT_EQ(code, expected);
              ASSERT_EQ(values(i, j), (code - zero) * scale);
              ASSERT_EQ(roundScale(scale, type), scale); // as stored
              // Half a step, and what rounding the scale (2^-8 of bf16) and the zero point to the grid cut off at an
              // end.
              ASSERT_LE(std::fabs(values(i, j) - w(i, j)), (zeroPoints ? 1.01f : 0.5f) * scale + 0.3f / 256);
            }
        }
}

TEST(Quantizer, TheScaleIsTheGreatestOverTheGreatestCode) {
  Matrix<float> w(2, 4);
  float values[] = {0.5f, -0.75f, 0.25f, 0, 0, 0, 0, 0};
  std::copy(values, values + 8, w.data());
  Quantized q = quantize(w, format(4));
  EXPECT_EQ(q.scales[0], 0.75f / 7);
  EXPECT_EQ(q.scales[1], 1.0f); // of zeros
  EXPECT_EQ(q.codes, (std::vector<int8_t>{5, -7, 2, 0, 0, 0, 0, 0}));
}

TEST(Quantizer, TiesGoToEven) {
  Matrix<float> w(1, 6);
  float values[] = {0.5f, 1.5f, 2.5f, -0.5f, -2.5f, 127};
  std::copy(values, values + 6, w.data());
  EXPECT_EQ(quantize(w, format(8)).codes, (std::vector<int8_t>{0, 2, 2, 0, -2, 127}));
}

TEST(Quantizer, ZeroIsExactAndZeroPointsUseTheWholeRange) {
  Matrix<float> w = weight(8, 64);
  for (int64_t i = 0; i < 8; ++i)
    for (int64_t j = 0; j < 64; ++j)
      w(i, j) = j == 0 ? 0 : std::fabs(w(i, j)); // all on one side
  for (unsigned bits : {2u, 4u, 8u}) {
    Matrix<float> values = quantize(w, format(bits, 0, true)).dequantize();
    EXPECT_EQ(values(3, 0), 0);
    EXPECT_LT(relativeError(w, values), 0.4 * relativeError(w, quantize(w, format(bits)).dequantize()));
  }
}

TEST(Quantizer, ScalesInHalfAreThoseOfIeee) {
  struct {
    float from, to;
  } cases[] = {{1.0f, 1.0f},
               {1.00048828125f, 1.0f},         // a tie, to even
               {1.00146484375f, 1.001953125f}, // a tie, to even
               {65504.0f, 65504.0f},
               {1e9f, 65504.0f},
               {1e-9f, 5.9604644775390625e-08f},
               {3.0e-7f, 2.980232238769531e-07f},
               {6.103515625e-05f, 6.103515625e-05f},
               {6.1e-05f, 6.097555160522461e-05f}};
  for (auto [from, to] : cases)
    EXPECT_EQ(roundScale(from, ScaleType::F16), to) << from;
  EXPECT_EQ(roundScale(1.00390625f, ScaleType::BF16), 1.0f);
  EXPECT_EQ(roundScale(1.01171875f, ScaleType::BF16), 1.015625f);
}

TEST(Quantizer, ASearchedScaleIsTheBestOfItsSteps) {
  Matrix<float> w = weight(5, 48);
  std::vector<float> importance(48);
  for (int64_t j = 0; j < 48; ++j)
    importance[j] = j % 7 == 0 ? 10 : 0.5;
  for (auto metric : {ScaleSearch::Metric::Power, ScaleSearch::Metric::Importance})
    for (bool zeroPoints : {false, true}) {
      IntFormat f = format(3, 0, zeroPoints);
      ScaleSearch search;
      search.metric = metric;
      Quantized found = quantize(w, f, search, importance);
      for (int64_t i = 0; i < 5; ++i) {
        // What a choice of p costs in f64, with the scale that it stands for.
        auto cost = [&](float scale, float zero) {
          double sum = 0;
          for (int64_t j = 0; j < 48; ++j) {
            float code = std::clamp(std::nearbyint(w(i, j) / scale) + zero, float(f.lowest()), float(f.greatest()));
            double delta = std::fabs(w(i, j) - (code - zero) * scale);
            sum += metric == ScaleSearch::Metric::Power ? std::pow(delta, 2.4) : importance[j] * delta * delta;
          }
          return sum;
        };
        float low = 0, high = 0;
        for (int64_t j = 0; j < 48; ++j) {
          low = std::min(low, w(i, j));
          high = std::max(high, w(i, j));
        }
        double best = 1e300;
        for (int step = 0; step < 80; ++step) {
          float p = 1.0f - step / 100.0f;
          float scale = zeroPoints ? (p * high - p * low) / 7 : p * std::max(-low, high) / 3;
          float zero = zeroPoints ? std::nearbyint(std::clamp(-4 - p * low / scale, -4.0f, 3.0f)) : 0;
          best = std::min(best, cost(scale, zero));
        }
        double got = cost(found.scales[i], zeroPoints ? found.zeroPoints[i] : 0);
        EXPECT_LE(got, best * (1 + 1e-4)); // the metric's polynomial is good to 1e-5
        EXPECT_GE(got, best * (1 - 1e-4));
      }
    }
}

TEST(Quantizer, ASearchBeatsTheFullRangeWhereThereAreOutliers) {
  Matrix<float> w = weight(64, 128);
  for (int64_t i = 0; i < 64; ++i)
    w(i, (5 * i) % 128) = 0.5f;
  ScaleSearch search;
  search.metric = ScaleSearch::Metric::Power;
  search.power = 2;
  for (Granularity granularity : {Granularity::Tensor, Granularity::Row, Granularity::Group}) {
    IntFormat f = {3, granularity, 128};
    EXPECT_LT(relativeError(w, quantize(w, f, search).dequantize()),
              0.9 * relativeError(w, quantize(w, f).dequantize()));
  }
}

TEST(Quantizer, ATallWeightIsTheSameAsItsParts) {
  Matrix<float> w = weight(2500, 16); // more rows than are transposed at once
  Quantized all = quantize(w, format(4, 8)), part = quantize(w.view().block(1020, 0, 10, 16), format(4, 8));
  EXPECT_TRUE(std::equal(part.codes.begin(), part.codes.end(), all.codes.begin() + 1020 * 16));
  EXPECT_TRUE(std::equal(part.scales.begin(), part.scales.end(), all.scales.begin() + 1020 * 2));
}

TEST(Quantizer, ExtremeWeightsKeepTheirFormat) {
  Matrix<float> w(3, 2);
  float values[] = {1e30f, -1e30f, 1e-30f, 1e-38f, 3e38f, 1e-45f};
  std::copy(values, values + 6, w.data());
  for (ScaleType type : {ScaleType::F32, ScaleType::F16, ScaleType::BF16})
    for (bool zeroPoints : {false, true})
      for (float value : quantize(w, format(4, 0, zeroPoints, type)).dequantize().takeElements())
        EXPECT_TRUE(std::isfinite(value));
}
