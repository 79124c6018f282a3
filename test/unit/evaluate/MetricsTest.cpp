// The metrics against values worked out by hand or by other programs.
#include "compiler/Evaluate/Metrics.h"
#include <cmath>
#include <gtest/gtest.h>
#include <limits>

using namespace lathe::evaluate;

static const float kNan = std::numeric_limits<float>::quiet_NaN();

TEST(Metrics, ArgMaxTakesTheFirstOfEqualsAndNoNan) {
  EXPECT_EQ(argMax({1.0f, 3.0f, 3.0f}), 1u);
  EXPECT_EQ(argMax({kNan, -5.0f, kNan, -4.0f}), 3u);
  EXPECT_EQ(argMax({-1.0f, kNan}), 0u);
  EXPECT_EQ(argMax({}), 0u);
}

TEST(Metrics, Cosine) {
  EXPECT_DOUBLE_EQ(cosine({3.0f, 4.0f}, {6.0f, 8.0f}), 1);
  EXPECT_DOUBLE_EQ(cosine({3.0f, 4.0f}, {-4.0f, 3.0f}), 0);
  EXPECT_DOUBLE_EQ(cosine({3.0f, 4.0f}, {4.0f, 3.0f}), 24.0 / 25);
  EXPECT_EQ(cosine({0.0f, 0.0f}, {0.0f, 0.0f}), 1);
  EXPECT_EQ(cosine({0.0f, 0.0f}, {1.0f, 0.0f}), 0);
  // Squares beyond f32.
  EXPECT_DOUBLE_EQ(cosine({3e30f, 4e30f}, {3e30f, 4e30f}), 1);
}

TEST(Metrics, LogSumExp) {
  EXPECT_NEAR(logSumExp({std::log(2.0f), std::log(6.0f)}), std::log(8.0), 1e-7);
  EXPECT_NEAR(logSumExp({1000.0f, 1000.0f}), 1000 + std::log(2.0), 1e-12);
}

TEST(Metrics, DivergenceIsOfTheReferenceToTheOther) {
  // p = (1/2, 1/2), q = (1/4, 3/4).
  float logThree = std::log(3.0f);
  EXPECT_NEAR(divergence({0.0f, 0.0f}, {0.0f, logThree}), 0.5 * std::log(2.0) + 0.5 * std::log(2.0 / 3), 1e-7);
  EXPECT_NEAR(divergence({0.0f, logThree}, {0.0f, 0.0f}), 0.25 * std::log(0.5) + 0.75 * std::log(1.5), 1e-7);
  EXPECT_NEAR(divergence({5.0f, 7.0f}, {105.0f, 107.0f}), 0, 1e-12) << "logits may be shifted";
}

TEST(Metrics, WilsonsInterval) {
  // Wilson 1927; the figures are those of statsmodels' proportion_confint(method='wilson').
  Estimate seven = proportion(7, 10), none = proportion(0, 10), all = proportion(10, 10);
  EXPECT_DOUBLE_EQ(seven.value, 0.7);
  EXPECT_NEAR(seven.low, 0.39677815, 1e-8);
  EXPECT_NEAR(seven.high, 0.89220873, 1e-8);
  EXPECT_EQ(none.low, 0);
  EXPECT_NEAR(none.high, 0.27753280, 1e-8);
  EXPECT_DOUBLE_EQ(all.high, 1);
  EXPECT_EQ(proportion(0, 0).high, 0);
}

TEST(Metrics, RatioOfOnesIsAMean) {
  // Mean 2, sample variance 1, so the standard error is 1/sqrt(3).
  Estimate mean = ratio({1.0, 2.0, 3.0}, {1.0, 1.0, 1.0});
  EXPECT_DOUBLE_EQ(mean.value, 2);
  EXPECT_NEAR(mean.high - 2, 1.959963984540054 / std::sqrt(3.0), 1e-12);
  EXPECT_NEAR(2 - mean.low, mean.high - 2, 1e-12);
}

TEST(Metrics, RatioTakesASampleForOneObservation) {
  // Tokens of a text that are all alike are one observation: the interval is that of three texts, not of thirty tokens.
  Estimate texts = ratio({1.0, 2.0, 3.0}, {1.0, 1.0, 1.0}), tokens = ratio({10.0, 20.0, 30.0}, {10.0, 10.0, 10.0});
  EXPECT_DOUBLE_EQ(texts.low, tokens.low);
  // A sample in proportion adds no doubt: all have the ratio 1/2.
  EXPECT_DOUBLE_EQ(ratio({1.0, 5.0}, {2.0, 10.0}).low, 0.5);
  EXPECT_TRUE(std::isinf(ratio({1.0}, {2.0}).high));
}

TEST(Metrics, PairedDifference) {
  PairedDifference paired = comparePaired(3, 9, 100);
  EXPECT_DOUBLE_EQ(paired.difference.value, -0.06);
  // Agresti and Min: (3 - 9)/102 -+ 1.96 sqrt(13 - 36/102)/102.
  EXPECT_NEAR(paired.difference.low, -0.12715845, 1e-8);
  EXPECT_NEAR(paired.difference.high, 0.00951139, 1e-8);
  // 2 (C(12,0) + C(12,1) + C(12,2) + C(12,3)) / 2^12.
  EXPECT_NEAR(paired.probability, 598.0 / 4096, 1e-12);
  EXPECT_DOUBLE_EQ(comparePaired(9, 3, 100).probability, paired.probability);
  EXPECT_EQ(comparePaired(4, 4, 100).probability, 1);
  EXPECT_EQ(comparePaired(0, 0, 100).probability, 1);
  EXPECT_GT(comparePaired(0, 0, 100).difference.high, 0) << "no difference among 100 is not none at all";
  EXPECT_LT(comparePaired(2000, 0, 4000).probability, 1e-300);
}
