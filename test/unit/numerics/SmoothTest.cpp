// Scales between an input and its weight, ranges of activations, and means taken back.
#include "compiler/Numerics/Smooth.h"
#include "TestData.h"
#include "compiler/Numerics/BiasCorrection.h"
#include "compiler/Numerics/Hessian.h"
#include "compiler/Numerics/Observers.h"

using namespace lathe::numerics;
using namespace lathe::numerics::testing;

namespace {
struct Layer {
  Matrix<double> x = inputsWithOutliers(400, 128, 3), h = gram(x);
  Matrix<float> w = copyOf<float>(randomMatrix(64, 128, 1, 0.05));
  std::vector<float> inputMax = std::vector<float>(128), inputMean = inputMax;
  Layer() {
    for (int64_t t = 0; t < 400; ++t)
      for (int64_t j = 0; j < 128; ++j) {
        inputMax[j] = std::max(inputMax[j], float(std::fabs(x(t, j))));
        inputMean[j] += float(std::fabs(x(t, j)) / 400);
      }
  }
};
constexpr IntFormat kInt4{4, Granularity::Group, 32};
} // namespace

TEST(Smooth, AFoldedScaleChangesNoOutput) {
  Layer l;
  std::vector<float> s = getSmoothQuantScales(l.inputMax, getColumnMax({l.w.view()}), 0.5);
  Matrix<double> with = multiply(Op::None, copyOf<double>(scaleColumns(copyOf<float>(l.x), s, true)), Op::Transpose,
                                 copyOf<double>(scaleColumns(l.w, s)));
  Matrix<double> exact = multiply(Op::None, l.x, Op::Transpose, copyOf<double>(l.w));
  EXPECT_LT(distance(with, exact), 1e-6);
  // The mutant that multiplies both.
  Matrix<double> wrong = multiply(Op::None, copyOf<double>(scaleColumns(copyOf<float>(l.x), s)), Op::Transpose,
                                  copyOf<double>(scaleColumns(l.w, s)));
  EXPECT_GT(distance(wrong, exact), 0.1);
}

TEST(Smooth, TheScalesAreTheirFormulas) {
  EXPECT_NEAR(getSmoothQuantScales({9.0f, 0.0f}, {4.0f, 1.0f}, 0.5)[0], 1.5, 1e-6);
  EXPECT_EQ(getSmoothQuantScales({9.0f, 0.0f}, {4.0f, 1.0f}, 0.5)[1], 1); // a dead channel
  std::vector<float> awq = getAwqScales({1.0f, 16.0f, 0.0f}, 0.5);
  EXPECT_NEAR(awq[0], 0.5, 1e-6);
  EXPECT_NEAR(awq[1], 2, 1e-6);
  EXPECT_EQ(awq[2], 1);
}

TEST(Smooth, AwqWithAlphaZeroIsRoundingAndTheBestIsNoWorse) {
  Layer l;
  SmoothChoice choice = searchAwq({l.w.view()}, l.h, l.inputMean, kInt4);
  EXPECT_NEAR(choice.baseline / relativeError(l.w, quantize(l.w, kInt4).dequantize(), l.h), 1, 1e-6);
  EXPECT_LT(choice.error, 0.8 * choice.baseline);
  EXPECT_GT(choice.alpha, 0);
  Matrix<float> rounded =
      scaleColumns(quantize(scaleColumns(l.w, choice.scales), kInt4).dequantize(), choice.scales, true);
  EXPECT_NEAR(relativeError(l.w, rounded, l.h) / choice.error, 1, 1e-6);
  // Inputs that are all alike leave nothing to gain.
  EXPECT_EQ(searchAwq({l.w.view()}, identity(128), std::vector<float>(128, 1.0f), kInt4).alpha, 0);
}

TEST(Smooth, SmoothQuantBeatsItsControlOnOutliers) {
  Layer l;
  IntFormat int8{8, Granularity::Row};
  for (bool dynamic : {true, false})
    for (bool symmetric : {true, false}) {
      SmoothChoice choice = searchSmoothQuant({l.w.view()}, copyOf<float>(l.x), l.inputMax, int8,
                                              ActivationFormat{8, symmetric, dynamic, {}});
      EXPECT_LT(choice.error, 0.3 * choice.baseline);
      EXPECT_GT(choice.alpha, 0);
    }
}

TEST(Activations, AreWithinHalfAStepAndZeroIsExact) {
  Matrix<float> x = copyOf<float>(randomMatrix(5, 64, 1));
  for (int64_t i = 0; i < 5; ++i)
    x(i, 7) = 0;
  for (bool symmetric : {true, false}) {
    Matrix<float> q = quantizeActivations(x, {8, symmetric, true, {}});
    for (int64_t i = 0; i < 5; ++i) {
      auto [low, high] = std::minmax_element(x.row(i), x.row(i) + 64);
      float step = symmetric ? std::max(-*low, *high) / 127 : (*high - *low) / 255;
      EXPECT_EQ(q(i, 7), 0);
      for (int64_t j = 0; j < 64; ++j)
        EXPECT_LE(std::fabs(q(i, j) - x(i, j)),
                  step * 1.001f); // half a step, and the zero point's rounding at the ends
    }
  }
  Matrix<float> zero(1, 4);
  EXPECT_EQ(quantizeActivations(zero, {})(0, 3), 0);
}

TEST(BiasCorrection, TheMeanOfTheOutputsIsWhatItWas) {
  Matrix<double> x = inputsWithOutliers(300, 64, 5, 1);
  Matrix<float> w = copyOf<float>(randomMatrix(16, 64, 1, 0.05));
  Matrix<float> rounded = quantize(w, IntFormat{3, Granularity::Row}).dequantize();
  Moments moments(augmentedGram(x));
  std::vector<double> correction = getBiasCorrection(w, rounded, moments.mean);
  Matrix<double> error = multiply(Op::None, x, Op::Transpose, difference(w, rounded));
  double before = 0, after = 0;
  for (int64_t n = 0; n < 16; ++n) {
    double mean = 0;
    for (int64_t t = 0; t < 300; ++t)
      mean += error(t, n) / 300;
    before = std::max(before, std::fabs(mean));
    after = std::max(after, std::fabs(mean - correction[n])); // the mutant with the other sign doubles it
  }
  EXPECT_LT(after, 1e-12 * (1 + before));
  EXPECT_GT(before, 1e-3);
}

TEST(Hessian, MomentsAndCovarianceAreThoseOfTheInput) {
  Matrix<double> x = inputsWithOutliers(300, 20, 5, 1);
  Moments moments(augmentedGram(x));
  EXPECT_EQ(moments.tokens, 300);
  EXPECT_LT(distance(moments.h, gram(x)), 1e-12);
  Matrix<double> centred = x;
  for (int64_t t = 0; t < 300; ++t)
    for (int64_t j = 0; j < 20; ++j)
      centred(t, j) -= moments.mean[j];
  EXPECT_LT(distance(moments.covariance(), gram(centred)), 1e-11);
}

namespace {
Histogram histogramOf(llvm::ArrayRef<float> values) {
  Histogram h;
  h.add(values);
  return h;
}
double meanSquareError(llvm::ArrayRef<float> values, ValueRange range, unsigned bits) {
  Matrix<float> x(1, values.size());
  std::copy(values.begin(), values.end(), x.data());
  Matrix<double> delta = difference(quantizeActivations(x, {bits, false, false, range}), x);
  return norm(delta) * norm(delta) / values.size();
}
std::vector<float> withOutliers() {
  Matrix<double> normal = randomMatrix(1, 100000, 9);
  std::vector<float> values(normal.data(), normal.data() + 100000);
  values[17] = 60;
  values[18] = -40;
  return values;
}
} // namespace

TEST(Observers, TheHistogramKnowsNoOrder) {
  std::vector<float> values = withOutliers(), sorted = values;
  std::sort(sorted.begin(), sorted.end());
  Histogram whole = histogramOf(values), parts, one;
  for (size_t i = 0; i < sorted.size(); i += 777)
    parts.add(llvm::ArrayRef<float>(sorted).slice(i, std::min<size_t>(777, sorted.size() - i)));
  for (size_t i = 0; i < sorted.size(); i += 10000)
    one.add(histogramOf(llvm::ArrayRef<float>(sorted).slice(i, 10000)));
  for (const Histogram &h : {parts, one}) {
    EXPECT_EQ(h.getExponent(), whole.getExponent());
    EXPECT_EQ(h.getCounts(), whole.getCounts());
    EXPECT_EQ(h.getRange().low, -40);
    EXPECT_EQ(h.getRange().high, 60);
  }
  for (float value : {0.0f, -0.01f, 3.3f, 60.0f, -40.0f}) {
    double center = whole.getCenter(whole.getBin(value));
    EXPECT_LE(std::fabs(center - value), whole.getBinWidth() / 2) << value;
  }
  Histogram empty;
  empty.add({std::nanf(""), INFINITY});
  EXPECT_EQ(std::count(empty.getCounts().begin(), empty.getCounts().end(), 0u), Histogram::kBins);
  EXPECT_EQ(getMseRange(empty, 8, false).high, 0);
  EXPECT_EQ(getEntropyRange(empty, 8, false).high, 0);
  EXPECT_EQ(getPercentileRange(empty, 99.9).low, 0);
  empty.add({1e-40f, 0.0f, 3e38f, -3e38f});
  EXPECT_EQ(empty.getExponent(), 128);
}

TEST(Observers, APercentileLeavesOutThatShare) {
  std::vector<float> values = withOutliers();
  ValueRange range = getPercentileRange(histogramOf(values), 99);
  int64_t out = std::count_if(values.begin(), values.end(), [&](float v) { return v < range.low || v > range.high; });
  EXPECT_LE(out, 1000);
  EXPECT_GT(out, 800);
  EXPECT_EQ(getPercentileRange(histogramOf(values), 100).high, 60);
  EXPECT_EQ(getPercentileRange(histogramOf({1.0f, 2.0f}), 50).low, 0); // a range holds 0
}

TEST(Observers, EachBeatsTheWholeRangeOnOutliers) {
  std::vector<float> values = withOutliers();
  Histogram h = histogramOf(values);
  for (unsigned bits : {4u, 8u}) {
    double whole = meanSquareError(values, h.getRange(), bits),
           mse = meanSquareError(values, getMseRange(h, bits, false), bits);
    EXPECT_LE(mse, whole * (1 + 1e-6));
    if (bits == 4) {
      EXPECT_LT(mse, 0.2 * whole);
      EXPECT_LT(meanSquareError(values, getEntropyRange(h, bits, false), bits), 0.5 * whole);
      EXPECT_LT(meanSquareError(values, getPercentileRange(h, 99.9), bits), 0.5 * whole);
      EXPECT_LE(mse, meanSquareError(values, getEntropyRange(h, bits, false), bits) * 1.05);
    }
  }
  EXPECT_LT(getEntropyRange(h, 8, true).high, 30);
}
