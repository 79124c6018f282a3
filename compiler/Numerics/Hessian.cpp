// Damping and factoring of second moments.
#include "compiler/Numerics/Hessian.h"
#include <algorithm>
#include <numeric>

using namespace lathe;
using namespace lathe::numerics;

Moments::Moments(ConstView<double> augmented)
    : h(copyOf<double>(augmented.block(0, 0, augmented.rows - 1, augmented.columns - 1))),
      mean(augmented.row(augmented.rows - 1), augmented.row(augmented.rows - 1) + augmented.columns - 1),
      tokens(augmented(augmented.rows - 1, augmented.columns - 1)) {
  for (double &value : mean)
    value = tokens > 0 ? value / tokens : 0;
}

Matrix<double> Moments::covariance() const {
  Matrix<double> result = h;
  for (int64_t i = 0; i < h.rows(); ++i)
    for (int64_t j = 0; j < h.columns(); ++j)
      result(i, j) -= tokens * mean[i] * mean[j];
  return result;
}

Damped numerics::damp(ConstView<double> h, double damping) {
  int64_t size = h.rows;
  Damped result{copyOf<double>(h), std::vector<bool>(size)};
  double sum = 0;
  for (int64_t i = 0; i < size; ++i) {
    sum += h(i, i);
    result.dead[i] = h(i, i) == 0;
    result.deadCount += result.dead[i];
  }
  int64_t alive = size - result.deadCount;
  double mean = alive == 0 ? 1 : sum / alive;
  for (int64_t i = 0; i < size; ++i)
    result.h(i, i) += damping * mean + (result.dead[i] ? mean : 0);
  return result;
}

std::optional<SweepFactor> numerics::factorForSweep(ConstView<double> h, double damping, bool descending) {
  int64_t size = h.rows;
  if (!isFinite(h))
    return std::nullopt;
  for (int64_t i = 0; i < size; ++i)
    if (h(i, i) < 0)
      return std::nullopt;
  SweepFactor result;
  result.order.resize(size);
  std::iota(result.order.begin(), result.order.end(), 0);
  if (descending)
    std::sort(result.order.begin(), result.order.end(),
              [&](int64_t i, int64_t j) { return h(i, i) != h(j, j) ? h(i, i) > h(j, j) : i < j; });
  for (double tried = damping; tried <= std::max(1.0, damping); tried = tried == 0 ? 1e-4 : tried * 10) {
    Damped damped = damp(h, tried);
    Matrix<double> sorted(size, size);
    for (int64_t i = 0; i < size; ++i)
      for (int64_t j = 0; j < size; ++j)
        sorted(i, j) = damped.h(result.order[i], result.order[j]);
    std::optional<Matrix<double>> u = inverseCholeskyUpper(sorted);
    if (!u || !isFinite(*u))
      continue;
    result.damped = std::move(damped);
    result.damping = tried;
    result.u = std::move(*u);
    return result;
  }
  return std::nullopt;
}
