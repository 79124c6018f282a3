// Each routine against its definition, on shapes that a swap of rows and columns would not survive.
#include "TestData.h"
#include <gtest/gtest.h>
#include <thread>

using namespace lathe::numerics;
using namespace lathe::numerics::testing;

// f64 sums of up to 100 products of numbers around 1, over a condition of up to 1e4.
constexpr double kTolerance = 1e-11;

static Matrix<double> naive(Op opA, const Matrix<double> &a, Op opB, const Matrix<double> &b) {
  Matrix<double> left = opA == Op::None ? a : transposeOf<double>(a),
                 right = opB == Op::None ? b : transposeOf<double>(b);
  Matrix<double> c(left.rows(), right.columns());
  for (int64_t i = 0; i < c.rows(); ++i)
    for (int64_t j = 0; j < c.columns(); ++j)
      for (int64_t k = 0; k < left.columns(); ++k)
        c(i, j) += left(i, k) * right(k, j);
  return c;
}

TEST(LinearAlgebra, ProductsOfAllTranspositions) {
  for (Op opA : {Op::None, Op::Transpose})
    for (Op opB : {Op::None, Op::Transpose}) {
      Matrix<double> a = opA == Op::None ? randomMatrix(5, 7, 1) : randomMatrix(7, 5, 1);
      Matrix<double> b = opB == Op::None ? randomMatrix(7, 3, 2) : randomMatrix(3, 7, 2);
      EXPECT_LT(distance(multiply(opA, a, opB, b), naive(opA, a, opB, b)), kTolerance);
    }
}

TEST(LinearAlgebra, AProductOfBlocksOfLargerMatricesAddsToWhatIsThere) {
  Matrix<float> a = copyOf<float>(randomMatrix(6, 9, 1)), b = copyOf<float>(randomMatrix(8, 9, 2)), c(7, 7);
  std::fill(c.data(), c.data() + 49, 1.0f);
  gemm(Op::None, Op::Transpose, 2.0f, a.view().block(1, 2, 3, 5), b.view().block(3, 1, 4, 5), 3.0f,
       c.view().block(2, 1, 3, 4));
  for (int64_t i = 0; i < 7; ++i)
    for (int64_t j = 0; j < 7; ++j) {
      float expected = 1;
      if (i >= 2 && i < 5 && j >= 1 && j < 5) {
        expected = 3;
        for (int64_t k = 0; k < 5; ++k)
          expected += 2 * a(i - 1, 2 + k) * b(j + 2, 1 + k);
      }
      EXPECT_NEAR(c(i, j), expected, 1e-5);
    }
}

TEST(LinearAlgebra, AGramAccumulatesBothTriangles) {
  Matrix<double> x = randomMatrix(50, 37, 1), y = randomMatrix(3, 37, 2), h(37, 37), expected = gram(x);
  Matrix<double> second = gram(y);
  Matrix<float> scratch;
  accumulateGram(copyOf<float>(x), h, scratch);
  accumulateGram(copyOf<float>(y), h, scratch);
  for (int64_t i = 0; i < 37; ++i)
    for (int64_t j = 0; j < 37; ++j)
      expected(i, j) += second(i, j);
  EXPECT_LT(distance(h, expected), 1e-6); // f32 sums of 50
  for (int64_t i = 0; i < 37; ++i)
    for (int64_t j = 0; j < 37; ++j)
      EXPECT_EQ(h(i, j), h(j, i));
}

TEST(LinearAlgebra, CholeskyFactors) {
  Matrix<double> a = gram(randomMatrix(60, 40, 3));
  auto l = choleskyLower(a);
  ASSERT_TRUE(l);
  EXPECT_LT(distance(multiply(Op::None, *l, Op::Transpose, *l), a), kTolerance);
  auto u = inverseCholeskyUpper(a);
  ASSERT_TRUE(u);
  for (int64_t i = 0; i < 40; ++i)
    for (int64_t j = 0; j < i; ++j) {
      EXPECT_EQ((*l)(j, i), 0);
      EXPECT_EQ((*u)(i, j), 0);
    }
  Matrix<double> inverse = multiply(Op::Transpose, *u, Op::None, *u);
  EXPECT_LT(distance(multiply(Op::None, inverse, Op::None, a), identity(40)), kTolerance);
  // U U^T is another inverse's factor: the order of the factors is what GPTQ hangs on.
  EXPECT_GT(distance(multiply(Op::None, multiply(Op::None, *u, Op::Transpose, *u), Op::None, a), identity(40)), 0.1);
}

TEST(LinearAlgebra, WhatIsNotPositiveDefiniteHasNoFactor) {
  Matrix<double> a = identity(5);
  a(3, 3) = -1;
  EXPECT_FALSE(choleskyLower(a));
  EXPECT_FALSE(inverseCholeskyUpper(a));
  Matrix<double> b(5, 2);
  EXPECT_FALSE(solvePositive(a, b));
}

TEST(LinearAlgebra, TriangularSystemsFromBothSides) {
  Matrix<double> l = *choleskyLower(gram(randomMatrix(50, 20, 4))), b = randomMatrix(20, 7, 5),
                 c = randomMatrix(7, 20, 6);
  for (Op op : {Op::None, Op::Transpose}) {
    Matrix<double> x = b, y = c;
    solveLower(op, l, x);
    EXPECT_LT(distance(naive(op, l, Op::None, x), b), kTolerance);
    solveLowerRight(op, l, y);
    EXPECT_LT(distance(naive(Op::None, y, op, l), c), kTolerance);
  }
  Matrix<double> x = b, a = multiply(Op::None, l, Op::Transpose, l);
  ASSERT_TRUE(solvePositive(a, x));
  EXPECT_LT(distance(multiply(Op::None, a, Op::None, x), b), kTolerance);
}

TEST(LinearAlgebra, EigenvaluesAscendAndVectorsAreRows) {
  Matrix<double> a = gram(randomMatrix(30, 25, 7));
  auto e = eigenSymmetric(a);
  ASSERT_TRUE(e);
  EXPECT_TRUE(std::is_sorted(e->values.begin(), e->values.end()));
  Matrix<double> scaled = e->vectors;
  for (int64_t i = 0; i < 25; ++i)
    for (int64_t j = 0; j < 25; ++j)
      scaled(i, j) *= e->values[i];
  EXPECT_LT(distance(multiply(Op::Transpose, e->vectors, Op::None, scaled), a), kTolerance);
}

TEST(LinearAlgebra, SingularValuesOfTallAndWide) {
  for (auto [m, n] : {std::pair{9, 31}, std::pair{31, 9}, std::pair{1, 5}, std::pair{12, 12}}) {
    Matrix<double> a = randomMatrix(m, n, m + n);
    auto s = svd(a);
    ASSERT_TRUE(s);
    EXPECT_TRUE(std::is_sorted(s->sigma.rbegin(), s->sigma.rend()));
    Matrix<double> scaled = s->u;
    for (int64_t i = 0; i < scaled.rows(); ++i)
      for (int64_t k = 0; k < scaled.columns(); ++k)
        scaled(i, k) *= s->sigma[k];
    EXPECT_LT(distance(multiply(Op::None, scaled, Op::None, s->vt), a), kTolerance);
    EXPECT_LT(distance(multiply(Op::None, s->vt, Op::Transpose, s->vt), identity(std::min(m, n))), kTolerance);
  }
}

TEST(LinearAlgebra, EmptyMatrices) {
  Matrix<double> none(0, 0), wide(0, 4);
  EXPECT_TRUE(choleskyLower(none));
  EXPECT_TRUE(inverseCholeskyUpper(none));
  EXPECT_TRUE(eigenSymmetric(none));
  EXPECT_TRUE(svd(wide));
  EXPECT_EQ(multiply(Op::Transpose, wide, Op::None, wide)(3, 3), 0);
}

extern "C" char *openblas_get_corename();

TEST(LinearAlgebra, AllProcessorsWithAvx2UseTheSameKernels) {
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma"))
    GTEST_SKIP();
  EXPECT_STREQ(openblas_get_corename(), "Haswell");
}

TEST(LinearAlgebra, ThreadsGetTheSameBits) {
  Matrix<double> a = gram(randomMatrix(200, 150, 8));
  std::vector<Matrix<double>> results(4);
  std::vector<std::thread> threads;
  for (Matrix<double> &result : results)
    threads.emplace_back([&] {
      for (int i = 0; i < 10; ++i)
        result = *inverseCholeskyUpper(a);
    });
  for (std::thread &thread : threads)
    thread.join();
  for (const Matrix<double> &result : results)
    EXPECT_TRUE(std::equal(result.data(), result.data() + 150 * 150, results[0].data()));
}
