// What a factorization loses is what its singular values say.
#include "compiler/Numerics/LowRank.h"
#include "TestData.h"
#include "compiler/Numerics/Hessian.h"
#include "compiler/Numerics/LowRankAttention.h"
#include <gtest/gtest.h>

using namespace lathe::numerics;
using namespace lathe::numerics::testing;

namespace {
Matrix<float> multiplied(const Factors &f) {
  return copyOf<float>(multiply(Op::None, copyOf<double>(f.a), Op::None, copyOf<double>(f.b)));
}
double tail(llvm::ArrayRef<double> sigma, int64_t rank) {
  double sum = 0;
  for (double s : sigma.drop_front(rank))
    sum += s * s;
  return std::sqrt(sum);
}
/// ‖(W - Ŵ) Xᵀ‖.
double outputNorm(const Matrix<float> &w, const Matrix<float> &other, const Matrix<double> &x) {
  return norm(multiply(Op::None, difference(w, other), Op::Transpose, x));
}
constexpr double kF32 = 1e-5; // the factors are f32
} // namespace

TEST(LowRank, TheWhitenedErrorIsTheTailOfTheSingularValues) {
  for (auto [rows, size] : {std::pair{64, 128}, std::pair{128, 64}}) {
    Matrix<float> w = copyOf<float>(randomMatrix(rows, size, 1, 0.05));
    Matrix<double> x = inputsWithOutliers(600, size, 2), h = gram(x);
    LowRank parts = *LowRank::whitened(w, h, 0);
    for (int64_t rank : {1, 16, 40}) {
      double lost = outputNorm(w, multiplied(parts.cut(rank)), x);
      EXPECT_NEAR(lost / tail(parts.getSigma(), rank), 1, kF32);
      EXPECT_NEAR(parts.getError(rank), relativeError(w, multiplied(parts.cut(rank)), h), kF32);
    }
    EXPECT_LT(outputNorm(w, multiplied(parts.cut(64)), x), 1e-5 * outputNorm(w, Matrix<float>(rows, size), x));
  }
}

TEST(LowRank, MutantTheTransposedFactorIsNoWhitening) {
  Matrix<float> w = copyOf<float>(randomMatrix(64, 128, 1, 0.05));
  Matrix<double> x = inputsWithOutliers(600, 128, 2), h = gram(x), l = *choleskyLower(h);
  // W Sᵀ for W S, and B = Vᵀ S⁻ᵀ.
  Svd parts = *svd(multiply(Op::None, copyOf<double>(w), Op::Transpose, l));
  Matrix<double> b = copyOf<double>(parts.vt.view().block(0, 0, 16, 128));
  solveLowerRight(Op::Transpose, l, b);
  Matrix<double> a(64, 16);
  for (int64_t i = 0; i < 64; ++i)
    for (int64_t k = 0; k < 16; ++k)
      a(i, k) = parts.u(i, k) * parts.sigma[k];
  double lost = outputNorm(w, copyOf<float>(multiply(Op::None, a, Op::None, b)), x);
  EXPECT_GT(std::fabs(lost / tail(parts.sigma, 16) - 1), 0.1);
}

TEST(LowRank, CholeskyAndEigenvectorsWhitenAlike) {
  Matrix<float> w = copyOf<float>(randomMatrix(64, 96, 1, 0.05));
  Matrix<double> h = gram(inputsWithOutliers(400, 96, 3));
  Eigen eigen = *eigenSymmetric(h);
  Matrix<double> root(96, 96); // columns √λ v
  for (int64_t i = 0; i < 96; ++i)
    for (int64_t j = 0; j < 96; ++j)
      root(i, j) = eigen.vectors(j, i) * std::sqrt(eigen.values[j]);
  Svd expected = *svd(multiply(Op::None, copyOf<double>(w), Op::None, root));
  LowRank parts = *LowRank::whitened(w, h, 0);
  for (size_t k = 0; k < expected.sigma.size(); ++k)
    EXPECT_NEAR(parts.getSigma()[k] / expected.sigma[k], 1, 1e-10);
}

TEST(LowRank, PlainIsEckartYoungAndWeighingIsItsOwnNorm) {
  Matrix<float> w = copyOf<float>(randomMatrix(40, 72, 1, 0.05));
  LowRank plain = *LowRank::plain(w);
  EXPECT_NEAR(norm(difference(w, multiplied(plain.cut(16)))) / tail(plain.getSigma(), 16), 1, kF32);

  std::vector<double> scales(72);
  for (int64_t j = 0; j < 72; ++j)
    scales[j] = 1 + j % 5;
  LowRank weighted = *LowRank::weighted(w, scales);
  Matrix<double> delta = difference(w, multiplied(weighted.cut(16)));
  for (int64_t i = 0; i < 40; ++i)
    for (int64_t j = 0; j < 72; ++j)
      delta(i, j) *= scales[j];
  EXPECT_NEAR(norm(delta) / tail(weighted.getSigma(), 16), 1, kF32);
}

TEST(LowRank, WhiteningBeatsWeighingBeatsPlainOnOutliers) {
  Matrix<float> w = copyOf<float>(randomMatrix(128, 128, 1, 0.05));
  Matrix<double> x = inputsWithOutliers(1000, 128, 4), h = gram(x);
  std::vector<double> scales(128);
  for (int64_t j = 0; j < 128; ++j)
    scales[j] = std::sqrt(h(j, j)); // of mean |x|, near enough
  auto error = [&](const LowRank &parts) { return relativeError(w, multiplied(parts.cut(32)), h); };
  double plain = error(*LowRank::plain(w)), weighted = error(*LowRank::weighted(w, scales));
  double whitened = error(*LowRank::whitened(w, h));
  EXPECT_LT(weighted, 0.9 * plain);
  EXPECT_LT(whitened, 0.9 * weighted);
}

TEST(LowRank, RanksByEnergyAndByShare) {
  Matrix<float> w = copyOf<float>(randomMatrix(40, 72, 1, 0.05));
  LowRank parts = *LowRank::plain(w);
  int64_t rank = parts.getRankForEnergy(0.9);
  EXPECT_LE(parts.getError(rank), 0.1);
  EXPECT_GT(parts.getError(rank - 1), 0.1);
  EXPECT_EQ(parts.getRankForEnergy(0), 1);
  EXPECT_EQ(getRankForShare(384, 384, 1), 192);
  EXPECT_EQ(getRankForShare(384, 384, 0.5), 96);
  EXPECT_EQ(getRankForShare(384, 1536, 0.0001), 0);
}

TEST(LowRank, ASingularHIsDampedAndABrokenOneIsRefused) {
  Matrix<float> w = copyOf<float>(randomMatrix(16, 32, 1));
  EXPECT_TRUE(LowRank::whitened(w, gram(inputsWithOutliers(2, 32, 5)), 0));
  Matrix<double> broken = identity(32);
  broken(1, 1) = std::nan("");
  EXPECT_FALSE(LowRank::whitened(w, broken));
  EXPECT_TRUE(LowRank::whitened(w, Matrix<double>(32, 32))); // no input at all: as plain
}

TEST(LowRankAttention, TheErrorOfAllPairsIsTheTailOfTheEigenvalues) {
  constexpr int64_t width = 32, rank = 12;
  Matrix<double> a = inputsWithOutliers(200, width, 6), b = inputsWithOutliers(150, width, 7);
  NarrowProduct cut = *narrowProduct(gram(a), gram(b), rank);
  Matrix<double> exact = multiply(Op::None, a, Op::Transpose, b);
  Matrix<double> narrow = multiply(Op::None, multiply(Op::None, a, Op::Transpose, cut.left), Op::Transpose,
                                   multiply(Op::None, b, Op::Transpose, cut.right));
  for (int64_t i = 0; i < 200; ++i)
    for (int64_t j = 0; j < 150; ++j)
      narrow(i, j) -= exact(i, j);
  double error = norm(narrow) * norm(narrow) / (norm(exact) * norm(exact));
  EXPECT_NEAR(error / cut.error, 1, 1e-9);
  // The best of rank r, by the singular values of the product itself.
  Svd parts = *svd(exact);
  EXPECT_NEAR(norm(narrow) / tail(parts.sigma, rank), 1, 1e-9);
  // The mutant that ignores what the inputs are: the leading dimensions of each.
  Matrix<double> leading = multiply(Op::None, copyOf<double>(a.view().block(0, 0, 200, rank)), Op::Transpose,
                                    copyOf<double>(b.view().block(0, 0, 150, rank)));
  for (int64_t i = 0; i < 200; ++i)
    for (int64_t j = 0; j < 150; ++j)
      leading(i, j) -= exact(i, j);
  EXPECT_GT(norm(leading), 1.5 * norm(narrow));
}

TEST(LowRankAttention, FullRankIsExactAndDeadDimensionsAreNoTrouble) {
  Matrix<double> a = inputsWithOutliers(100, 16, 8), b = inputsWithOutliers(100, 16, 9);
  for (int64_t i = 0; i < 100; ++i)
    b(i, 3) = 0;
  NarrowProduct cut = *narrowProduct(gram(a), gram(b), 16);
  Matrix<double> narrow = multiply(Op::None, multiply(Op::None, a, Op::Transpose, cut.left), Op::Transpose,
                                   multiply(Op::None, b, Op::Transpose, cut.right));
  EXPECT_LT(distance(narrow, multiply(Op::None, a, Op::Transpose, b)), 1e-9);
  EXPECT_TRUE(narrowProduct(Matrix<double>(4, 4), Matrix<double>(4, 4), 2));
}
