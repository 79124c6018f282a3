// Weights and inputs to try algorithms on: correlated inputs of very different sizes, some of them outliers, always the
// same.
#pragma once
#include "compiler/Numerics/Errors.h"
#include "compiler/Numerics/LinearAlgebra.h"
#include "llvm/ADT/ArrayRef.h"
#include <algorithm>
#include <cmath>
#include <gtest/gtest.h>
#include <random>

namespace lathe::numerics::testing {

inline Matrix<double> randomMatrix(int64_t rows, int64_t columns, unsigned seed, double scale = 1) {
  std::mt19937 generator(seed);
  std::normal_distribution<double> normal;
  Matrix<double> result(rows, columns);
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j)
      result(i, j) = scale * normal(generator);
  return result;
}

/// x[tokens, size]: each input a mix of all, log-normal in size, one in a hundred twenty times as large; with a mean of
/// its own.
inline Matrix<double> inputsWithOutliers(int64_t tokens, int64_t size, unsigned seed, double mean = 0) {
  Matrix<double> mix = randomMatrix(size, size, seed + 1, 1 / std::sqrt(double(size)));
  Matrix<double> sizes = randomMatrix(1, size, seed + 2), means = randomMatrix(1, size, seed + 3);
  for (int64_t i = 0; i < size; ++i)
    mix(i, i) += 0.5;
  Matrix<double> x = multiply(Op::None, randomMatrix(tokens, size, seed), Op::None, mix);
  for (int64_t j = 0; j < size; ++j) {
    double by = std::exp(sizes(0, j)) * (j % 100 == 37 % size ? 20 : 1);
    for (int64_t i = 0; i < tokens; ++i)
      x(i, j) = by * (x(i, j) + mean * means(0, j));
  }
  return x;
}

inline Matrix<double> gram(const Matrix<double> &x) { return multiply(Op::Transpose, x, Op::None, x); }

/// [x 1]ᵀ [x 1].
inline Matrix<double> augmentedGram(const Matrix<double> &x) {
  Matrix<double> with(x.rows(), x.columns() + 1);
  for (int64_t i = 0; i < x.rows(); ++i) {
    std::copy(x.row(i), x.row(i) + x.columns(), with.row(i));
    with(i, x.columns()) = 1;
  }
  return gram(with);
}

inline Matrix<double> difference(ConstView<float> a, ConstView<float> b) {
  Matrix<double> d = copyOf<double>(a);
  for (int64_t i = 0; i < a.rows; ++i)
    for (int64_t j = 0; j < a.columns; ++j)
      d(i, j) -= b(i, j);
  return d;
}

inline double norm(ConstView<double> a) {
  double sum = 0;
  for (int64_t i = 0; i < a.rows; ++i)
    for (int64_t j = 0; j < a.columns; ++j)
      sum += a(i, j) * a(i, j);
  return std::sqrt(sum);
}

/// max|a - b| / max|b|.
inline double distance(ConstView<double> a, ConstView<double> b) {
  EXPECT_EQ(a.rows, b.rows);
  EXPECT_EQ(a.columns, b.columns);
  double most = 0, scale = 0;
  for (int64_t i = 0; i < a.rows; ++i)
    for (int64_t j = 0; j < a.columns; ++j) {
      most = std::max(most, std::fabs(a(i, j) - b(i, j)));
      scale = std::max(scale, std::fabs(b(i, j)));
    }
  return most / scale;
}

inline Matrix<double> identity(int64_t size, double value = 1) {
  Matrix<double> result(size, size);
  for (int64_t i = 0; i < size; ++i)
    result(i, i) = value;
  return result;
}

inline Matrix<double> diagonalOf(ConstView<double> h) {
  Matrix<double> result(h.rows, h.columns);
  for (int64_t i = 0; i < h.rows; ++i)
    result(i, i) = h(i, i);
  return result;
}

/// The share of the codes that differ.
inline double differing(llvm::ArrayRef<int8_t> a, llvm::ArrayRef<int8_t> b) {
  EXPECT_EQ(a.size(), b.size());
  int64_t count = 0;
  for (size_t i = 0; i < a.size(); ++i)
    count += a[i] != b[i];
  return double(count) / a.size();
}

} // namespace lathe::numerics::testing
