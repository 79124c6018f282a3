// Singular values in f64; S is never inverted, B comes from a triangular system.
#include "compiler/Numerics/LowRank.h"
#include "compiler/Numerics/Hessian.h"
#include <algorithm>
#include <cmath>

using namespace lathe;
using namespace lathe::numerics;

std::optional<LowRank> LowRank::decompose(ConstView<double> weighted) {
  std::optional<Svd> parts = isFinite(weighted) ? svd(weighted) : std::nullopt;
  if (!parts)
    return std::nullopt;
  LowRank result;
  result.sigma = std::move(parts->sigma);
  result.a = std::move(parts->u);
  result.b = std::move(parts->vt);
  for (int64_t i = 0; i < result.a.rows(); ++i)
    for (int64_t k = 0; k < result.a.columns(); ++k)
      result.a(i, k) *= result.sigma[k];
  return result;
}

std::optional<LowRank> LowRank::plain(ConstView<float> w) { return decompose(copyOf<double>(w)); }

std::optional<LowRank> LowRank::weighted(ConstView<float> w, llvm::ArrayRef<double> scales) {
  assert(static_cast<int64_t>(scales.size()) == w.columns);
  Matrix<double> weighted = copyOf<double>(w);
  for (int64_t i = 0; i < w.rows; ++i)
    for (int64_t j = 0; j < w.columns; ++j)
      weighted(i, j) *= scales[j];
  std::optional<LowRank> result = decompose(weighted);
  if (result)
    for (int64_t k = 0; k < result->b.rows(); ++k)
      for (int64_t j = 0; j < w.columns; ++j)
        result->b(k, j) /= scales[j];
  return result;
}

std::optional<LowRank> LowRank::whitened(ConstView<float> w, ConstView<double> h, double damping) {
  assert(h.rows == w.columns && h.columns == w.columns);
  if (!isFinite(h))
    return std::nullopt;
  for (double tried = damping; tried <= std::max(1.0, damping); tried = tried == 0 ? 1e-6 : tried * 10) {
    std::optional<Matrix<double>> s = choleskyLower(damp(h, tried).h);
    if (!s)
      continue;
    std::optional<LowRank> result = decompose(multiply(Op::None, copyOf<double>(w), Op::None, *s));
    if (result)
      solveLowerRight(Op::None, *s, result->b);
    return result;
  }
  return std::nullopt;
}

static double sumOfSquares(llvm::ArrayRef<double> values) {
  double sum = 0;
  for (double value : values)
    sum += value * value;
  return sum;
}

double LowRank::getError(int64_t rank) const {
  double all = sumOfSquares(sigma);
  return all == 0 ? 0 : sumOfSquares(llvm::ArrayRef<double>(sigma).drop_front(rank)) / all;
}

int64_t LowRank::getRankForEnergy(double energy) const {
  double wanted = energy * sumOfSquares(sigma), sum = 0;
  for (size_t k = 0; k < sigma.size(); ++k)
    if ((sum += sigma[k] * sigma[k]) >= wanted)
      return k + 1;
  return std::max<int64_t>(1, sigma.size());
}

Factors LowRank::cut(int64_t rank) const {
  assert(rank >= 1 && rank <= static_cast<int64_t>(sigma.size()));
  ConstView<double> left = a.view().block(0, 0, a.rows(), rank), right = b.view().block(0, 0, rank, b.columns());
  auto norm = [](ConstView<double> m) {
    double sum = 0;
    for (int64_t i = 0; i < m.rows; ++i)
      sum += sumOfSquares({m.row(i), static_cast<size_t>(m.columns)});
    return std::sqrt(sum);
  };
  double of = norm(left), by = norm(right), balance = of > 0 && by > 0 ? std::sqrt(by / of) : 1;
  Factors factors{Matrix<float>(a.rows(), rank), Matrix<float>(rank, b.columns())};
  for (int64_t i = 0; i < a.rows(); ++i)
    for (int64_t k = 0; k < rank; ++k)
      factors.a(i, k) = static_cast<float>(left(i, k) * balance);
  for (int64_t k = 0; k < rank; ++k)
    for (int64_t j = 0; j < b.columns(); ++j)
      factors.b(k, j) = static_cast<float>(right(k, j) / balance);
  return factors;
}

int64_t numerics::getRankForShare(int64_t rows, int64_t columns, double share) {
  double rank = share * static_cast<double>(rows) * static_cast<double>(columns) / static_cast<double>(rows + columns);
  return std::min<int64_t>(std::min(rows, columns), static_cast<int64_t>(rank));
}
