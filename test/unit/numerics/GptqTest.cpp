// What must hold of GPTQ whatever the weight; each with a mutant of the algorithm that it catches. The sweep is in f64
// where an identity is exact.
#include "compiler/Numerics/Gptq.h"
#include "TestData.h"
#include "compiler/Numerics/Sweep.h"
#include <gtest/gtest.h>

using namespace lathe::numerics;
using namespace lathe::numerics::testing;

namespace {
struct Layer {
  Matrix<float> w;
  Matrix<double> h;
};
Layer layer(int64_t rows = 96, int64_t size = 256, unsigned seed = 7) {
  return {copyOf<float>(randomMatrix(rows, size, seed, 0.05)), gram(inputsWithOutliers(4 * size, size, seed + 1))};
}

GptqOptions options(unsigned bits, int64_t group = 0) {
  GptqOptions o;
  o.format.bits = bits;
  o.format.granularity = group ? Granularity::Group : Granularity::Row;
  o.format.group = group;
  o.inDouble = true;
  return o;
}

/// tr(Δ H Δᵀ) of values in f64, so that nothing but the sweep rounds.
double energy(const Layer &l, const Quantized &q, double damping) {
  Matrix<double> delta(l.w.rows(), l.w.columns());
  for (int64_t i = 0; i < delta.rows(); ++i)
    for (int64_t j = 0; j < delta.columns(); ++j) {
      int64_t at = q.scaleIndex(i, j);
      double zero = q.zeroPoints.empty() ? 0 : q.zeroPoints[at];
      delta(i, j) = l.w(i, j) - (q.codes[i * delta.columns() + j] - zero) * double(q.scales[at]);
    }
  return outputEnergy(delta, damp(l.h, damping).h);
}

/// The sweep with a factor of the caller's and a step of rounding to 1/16, in blocks of its own.
double sweepWith(const Layer &l, ConstView<double> u, int64_t block, Matrix<double> &result) {
  Matrix<double> columns = transposeOf<double>(l.w);
  double loss = sweep<double>(
      columns, u, block, [](int64_t, int64_t) {},
      [&](int64_t, const double *column, double *out) {
        for (int64_t n = 0; n < l.w.rows(); ++n)
          out[n] = std::nearbyint(column[n] * 16) / 16;
      });
  result = transposeOf<double>(columns);
  return loss;
}
double energyOf(const Layer &l, const Matrix<double> &swept, ConstView<double> h) {
  Matrix<double> delta = copyOf<double>(l.w);
  for (int64_t i = 0; i < delta.rows(); ++i)
    for (int64_t j = 0; j < delta.columns(); ++j)
      delta(i, j) -= swept(i, j);
  return outputEnergy(delta, h);
}
} // namespace

TEST(Gptq, TheSumOfErrorsIsTheEnergyOfTheOutputs) {
  Layer l = layer();
  for (unsigned bits : {2u, 3u, 4u, 8u})
    for (int64_t group : {0, 32, 128})
      for (bool zeroPoints : {false, true})
        for (bool actOrder : {false, true}) {
          GptqOptions o = options(bits, group);
          o.format.zeroPoints = zeroPoints;
          o.actOrder = actOrder;
          GptqResult r = gptq(l.w, l.h, o);
          double expected = energy(l, r.weight, 0.01);
          EXPECT_NEAR(r.loss / expected, 1, 1e-11);
        }
}

TEST(Gptq, MutantAFactorOfHItselfBreaksTheSum) {
  Layer l = layer();
  Matrix<double> h = damp(l.h, 0.01).h, result;
  Matrix<double> right = *inverseCholeskyUpper(h), wrong = transposeOf<double>(*choleskyLower(h));
  EXPECT_NEAR(sweepWith(l, right, 128, result) / energyOf(l, result, h), 1, 1e-11);
  double loss = sweepWith(l, wrong, 128, result);
  EXPECT_GT(std::fabs(loss / energyOf(l, result, h) - 1), 0.5);
}

TEST(Gptq, MutantWithoutDelayedUpdatesBreaksTheSum) {
  Layer l = layer();
  Matrix<double> h = damp(l.h, 0.01).h, result;
  Matrix<double> u = *inverseCholeskyUpper(h);
  for (int64_t i = 0; i < 128; ++i)
    std::fill(u.row(i) + 128, u.row(i) + 256, 0.0); // what leads from one block into the next
  double loss = sweepWith(l, u, 128, result);
  EXPECT_GT(std::fabs(loss / energyOf(l, result, h) - 1), 0.01);
}

TEST(Gptq, BlocksChangeNothing) {
  Layer l = layer();
  for (int64_t group : {0, 32, 128}) {
    GptqOptions o = options(4, group);
    GptqResult whole = gptq(l.w, l.h, o);
    for (int64_t block : {1, 32, 256}) {
      o.block = block;
      GptqResult r = gptq(l.w, l.h, o);
      EXPECT_EQ(r.weight.codes, whole.weight.codes) << group << ", " << block;
      EXPECT_NEAR(r.loss / whole.loss, 1, 1e-11);
    }
  }
}

TEST(Gptq, AGroupThatNoBlockNestsWithSeesAllUpdates) {
  Layer l = layer();
  GptqOptions o = options(4, 48); // adapted: blocks of 96
  GptqResult r = gptq(l.w, l.h, o);
  o.block = 48;
  EXPECT_EQ(gptq(l.w, l.h, o).weight.codes, r.weight.codes);
  EXPECT_EQ(adaptBlock(128, 48), 96);
  EXPECT_EQ(adaptBlock(128, 192), 192);
  EXPECT_EQ(adaptBlock(128, 256), 128);
}

TEST(Gptq, WithoutCorrelationItIsRounding) {
  Layer l = layer();
  for (const Matrix<double> &h : {identity(256, 3.7), diagonalOf(l.h)})
    for (int64_t group : {0, 32})
      for (bool actOrder : {false, true}) {
        GptqOptions o = options(4, group);
        o.actOrder = actOrder;
        Quantized swept = gptq(l.w, h, o).weight, rounded = quantize(l.w, o.format);
        EXPECT_EQ(swept.codes, rounded.codes);
        EXPECT_EQ(swept.scales, rounded.scales);
      }
}

TEST(Gptq, MutantTheWrongGroupsScaleIsNotRounding) {
  // In the order of diag(H), a column's group is that of its own place, not of its position. The mutant: groups by
  // position, as sweeping a weight with sorted columns would have them.
  Layer l = layer();
  GptqOptions o = options(4, 32);
  Matrix<double> h = diagonalOf(l.h);
  std::vector<int64_t> order = factorForSweep(h, 0.01, true)->order;
  Matrix<float> sorted(l.w.rows(), 256);
  for (int64_t i = 0; i < l.w.rows(); ++i)
    for (int64_t j = 0; j < 256; ++j)
      sorted(i, j) = l.w(i, order[j]);
  Quantized wrong = quantize(sorted, o.format), right = quantize(l.w, o.format);
  int64_t different = 0;
  for (int64_t i = 0; i < l.w.rows(); ++i)
    for (int64_t j = 0; j < 256; ++j)
      different += wrong.codes[i * 256 + j] != right.codes[i * 256 + order[j]];
  EXPECT_GT(different, 1000);
}

TEST(Gptq, ScalingHScalesTheLossAlone) {
  Layer l = layer();
  Matrix<double> larger = l.h;
  for (int64_t i = 0; i < 256; ++i)
    for (int64_t j = 0; j < 256; ++j)
      larger(i, j) *= 17;
  for (auto metric : {ScaleSearch::Metric::None, ScaleSearch::Metric::Importance}) {
    GptqOptions o = options(4, 32);
    o.search.metric = metric;
    GptqResult one = gptq(l.w, l.h, o), other = gptq(l.w, larger, o);
    EXPECT_EQ(one.weight.codes, other.weight.codes);
    EXPECT_NEAR(other.loss / one.loss, 17, 1e-9);
  }
}

TEST(Gptq, TheSweepInF32AgreesWithF64) {
  Layer l = layer();
  for (int64_t group : {0, 32}) {
    GptqOptions o = options(4, group);
    GptqResult exact = gptq(l.w, l.h, o);
    o.inDouble = false;
    GptqResult fast = gptq(l.w, l.h, o);
    EXPECT_LE(differing(fast.weight.codes, exact.weight.codes), 0.001);
    EXPECT_NEAR(energy(l, fast.weight, 0.01) / energy(l, exact.weight, 0.01), 1, 1e-4);
  }
}

TEST(Gptq, BeatsRoundingAndEachRefinementBeatsItWithout) {
  Layer l = layer(128, 384);
  for (unsigned bits : {3u, 4u}) {
    GptqOptions o = options(bits, 32);
    auto error = [&](const Quantized &q) { return relativeError(l.w, q.dequantize(), l.h); };
    double rounded = error(quantize(l.w, o.format)), plain = error(gptq(l.w, l.h, o).weight);
    EXPECT_LT(plain, 0.85 * rounded);
    o.search.metric = ScaleSearch::Metric::Importance;
    double searched = error(gptq(l.w, l.h, o).weight);
    EXPECT_LT(searched, plain);
    o.actOrder = true;
    EXPECT_LT(error(gptq(l.w, l.h, o).weight), searched);
  }
}

TEST(Gptq, DeadInputsBecomeZero) {
  Layer l = layer();
  for (int64_t j : {0, 100, 255})
    for (int64_t i = 0; i < 256; ++i)
      l.h(i, j) = l.h(j, i) = 0;
  GptqResult r = gptq(l.w, l.h, options(4, 32));
  EXPECT_EQ(r.deadInputs, 3);
  EXPECT_FALSE(r.rounded);
  Matrix<float> values = r.weight.dequantize();
  for (int64_t i = 0; i < l.w.rows(); ++i)
    EXPECT_TRUE(values(i, 0) == 0 && values(i, 100) == 0 && values(i, 255) == 0);
}

// The sum of errors holds with the zeros' own among them, and what is kept makes up for what isn't: it beats rounding.
TEST(Gptq, ZerosStayWhereTheyAreToStay) {
  Layer l = layer();
  for (int64_t i = 0; i < l.w.rows(); ++i)
    for (int64_t j = 0; j < l.w.columns(); ++j)
      if ((i + j) % 3 == 0)
        l.w(i, j) = 0;
  for (bool zeroPoints : {false, true})
    for (bool actOrder : {false, true}) {
      GptqOptions o = options(4, 32);
      o.format.zeroPoints = zeroPoints;
      o.actOrder = actOrder;
      auto countMoved = [&](const Quantized &q) {
        Matrix<float> values = q.dequantize();
        int64_t moved = 0;
        for (int64_t i = 0; i < l.w.rows(); ++i)
          for (int64_t j = 0; j < l.w.columns(); ++j)
            moved += l.w(i, j) == 0 && values(i, j) != 0;
        return moved;
      };
      EXPECT_GT(countMoved(gptq(l.w, l.h, o).weight), 0);
      o.keepZeros = true;
      GptqResult kept = gptq(l.w, l.h, o);
      EXPECT_EQ(countMoved(kept.weight), 0);
      EXPECT_NEAR(kept.loss, energy(l, kept.weight, kept.damping), 1e-9 * kept.loss);
      EXPECT_LT(relativeError(l.w, kept.weight.dequantize(), l.h),
                relativeError(l.w, quantize(l.w, o.format).dequantize(), l.h));
    }
}

TEST(Gptq, ASingularHIsDampedAndABrokenOneRoundsToNearest) {
  Layer l = layer();
  l.h = gram(inputsWithOutliers(3, 256, 5)); // of rank 3
  GptqOptions o = options(4, 32);
  o.damping = 0;
  GptqResult r = gptq(l.w, l.h, o);
  EXPECT_FALSE(r.rounded);
  EXPECT_GT(r.damping, 0);

  // Indefinite, as no sum of squares is, but a file of statistics may be: it takes more damping.
  Matrix<double> indefinite = identity(256);
  indefinite(0, 1) = indefinite(1, 0) = 1.05;
  EXPECT_EQ(gptq(l.w, indefinite, options(4, 32)).damping, 0.1);

  l = layer();
  for (double bad : {std::nan(""), double(INFINITY), -1.0}) {
    Matrix<double> broken = l.h;
    broken(3, 3) = bad;
    GptqResult rounded = gptq(l.w, broken, options(4, 32));
    EXPECT_TRUE(rounded.rounded);
    EXPECT_EQ(rounded.weight.codes, quantize(l.w, options(4, 32).format).codes);
  }
}

TEST(Gptq, OneScaleForATensor) {
  Layer l = layer();
  GptqOptions o = options(8);
  o.format.granularity = Granularity::Tensor;
  GptqResult r = gptq(l.w, l.h, o);
  EXPECT_EQ(r.weight.scales.size(), 1u);
  EXPECT_NEAR(r.loss / energy(l, r.weight, 0.01), 1, 1e-11);
}
