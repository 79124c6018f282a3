// Least squares: what must hold of the best, and that others are worse.
#include "compiler/Numerics/Refit.h"
#include "TestData.h"
#include "compiler/Numerics/Hessian.h"
#include <gtest/gtest.h>

using namespace lathe::numerics;
using namespace lathe::numerics::testing;

namespace {
struct Layer {
  Matrix<double> x = inputsWithOutliers(800, 64, 3, 1), augmented = augmentedGram(x);
  Matrix<float> w = copyOf<float>(randomMatrix(24, 64, 1, 0.05));
  std::vector<float> bias = std::vector<float>(24, 0.25f);
  std::vector<int64_t> kept;
  Layer() {
    for (int64_t j = 0; j < 64; ++j)
      if (j % 4 != 1)
        kept.push_back(j);
  }
  /// w x + bias - w' x_kept - bias' of each token: [tokens, rows].
  Matrix<double> residual(const Matrix<float> &fitted, llvm::ArrayRef<float> fittedBias) const {
    Matrix<double> r = multiply(Op::None, x, Op::Transpose, copyOf<double>(w));
    for (int64_t t = 0; t < r.rows(); ++t)
      for (int64_t n = 0; n < r.columns(); ++n) {
        r(t, n) += bias[n] - fittedBias[n];
        for (size_t i = 0; i < kept.size(); ++i)
          r(t, n) -= fitted(n, i) * x(t, kept[i]);
      }
    return r;
  }
  Matrix<float> dropped() const {
    Matrix<float> result(24, kept.size());
    for (int64_t n = 0; n < 24; ++n)
      for (size_t i = 0; i < kept.size(); ++i)
        result(n, i) = w(n, kept[i]);
    return result;
  }
};
} // namespace

TEST(Refit, ResidualsOfTheBestAreOrthogonalToWhatIsKept) {
  Layer l;
  Refitted r = refit(l.w, l.bias, l.augmented, l.kept, 0);
  ASSERT_TRUE(r.solved);
  Matrix<double> residual = l.residual(r.w, r.bias), products = multiply(Op::Transpose, residual, Op::None, l.x);
  double scale = norm(residual) * norm(l.x);
  for (int64_t n = 0; n < 24; ++n) {
    for (int64_t j : l.kept)
      EXPECT_LT(std::fabs(products(n, j)) / scale, 1e-6); // f32 weights
    double mean = 0;
    for (int64_t t = 0; t < 800; ++t)
      mean += residual(t, n) / 800;
    EXPECT_LT(std::fabs(mean), 1e-5 * norm(residual)); // the bias is fitted, too
  }
  double lost = norm(residual) * norm(residual);
  Matrix<double> whole = multiply(Op::None, l.x, Op::Transpose, copyOf<double>(l.w));
  double all = 0;
  for (int64_t t = 0; t < 800; ++t)
    for (int64_t n = 0; n < 24; ++n)
      all += (whole(t, n) + 0.25) * (whole(t, n) + 0.25);
  EXPECT_NEAR(r.error / (lost / all), 1, 1e-4);
}

TEST(Refit, BeatsDroppingAndMutantsThatForgetTheBias) {
  Layer l;
  Refitted r = refit(l.w, l.bias, l.augmented, l.kept, 0);
  double fitted = norm(l.residual(r.w, r.bias)), dropped = norm(l.residual(l.dropped(), l.bias));
  EXPECT_LT(fitted, 0.7 * dropped);
  EXPECT_GT(norm(l.residual(r.w, l.bias)), 1.05 * fitted); // the weights of one fit with the bias of none
  // H without its last row and column: a fit that knows no mean.
  Matrix<double> centred = l.augmented;
  for (int64_t i = 0; i < 64; ++i)
    centred(i, 64) = centred(64, i) = 0;
  Refitted mutant = refit(l.w, l.bias, centred, l.kept, 0);
  EXPECT_GT(norm(l.residual(mutant.w, mutant.bias)), 1.01 * fitted);
}

TEST(Refit, KeepingEverythingChangesNothing) {
  Layer l;
  std::vector<int64_t> all(64);
  for (int64_t j = 0; j < 64; ++j)
    all[j] = j;
  Refitted r = refit(l.w, l.bias, l.augmented, all, 0.01);
  EXPECT_LT(norm(difference(r.w, l.w)), 1e-6);
  for (float b : r.bias)
    EXPECT_NEAR(b, 0.25, 1e-5);
  EXPECT_LT(r.error, 1e-12);
}

TEST(Refit, AnInputThatAnotherOneRepeatsCostsNothing) {
  Layer l;
  for (int64_t t = 0; t < 800; ++t)
    l.x(t, 5) = 2 * l.x(t, 6) - 3; // 5 is removed: 5 % 4 == 1
  for (int64_t j = 1; j < 64; j += 4)
    if (j != 5)
      for (int64_t n = 0; n < 24; ++n)
        l.w(n, j) = 0; // the others that are removed did nothing
  l.augmented = augmentedGram(l.x);
  EXPECT_LT(refit(l.w, l.bias, l.augmented, l.kept, 0).error, 1e-10);
}

TEST(Refit, BrokenStatisticsLeaveTheRest) {
  Layer l;
  Matrix<double> broken = l.augmented;
  broken(2, 2) = std::nan("");
  Refitted r = refit(l.w, l.bias, broken, l.kept);
  EXPECT_FALSE(r.solved);
  EXPECT_EQ(norm(difference(r.w, l.dropped())), 0);
  // Nothing was ever seen: dropping is all that can be said.
  Refitted none = refit(l.w, l.bias, Matrix<double>(65, 65), l.kept);
  EXPECT_EQ(norm(difference(none.w, l.dropped())), 0);
}

TEST(Refit, TheBestOfAMaskIsNoWorseThanAnyOther) {
  Layer l;
  Matrix<double> h = damp(gram(l.x), 0.01).h;
  Matrix<uint8_t> mask(24, 64);
  Matrix<float> masked(24, 64);
  std::mt19937 generator(1);
  for (int64_t i = 0; i < 24; ++i)
    for (int64_t j = 0; j < 64; ++j) {
      mask(i, j) = generator() % 2;
      masked(i, j) = mask(i, j) ? l.w(i, j) : 0;
    }
  Matrix<float> best = solveMasked(l.w, mask, h);
  double least = outputEnergy(difference(l.w, best), h);
  EXPECT_LT(least, 0.5 * outputEnergy(difference(l.w, masked), h));
  for (int step = 0; step < 20; ++step) {
    Matrix<float> other = best;
    for (int64_t i = 0; i < 24; ++i)
      for (int64_t j = 0; j < 64; ++j) {
        EXPECT_TRUE(mask(i, j) || best(i, j) == 0);
        other(i, j) += mask(i, j) ? 1e-3f * (int(generator() % 3) - 1) : 0;
      }
    EXPECT_GT(outputEnergy(difference(l.w, other), h), least);
  }
}
