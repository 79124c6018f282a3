// With right = U Λ Uᵀ and T = Λ^½ Uᵀ left U Λ^½ = V Γ Vᵀ, the eigenvalues of T are the squares of the singular values
// of the product; its leading eigenvectors V_r give left = V_rᵀ Λ^½ Uᵀ and right = V_rᵀ Λ^-½ Uᵀ.
#include "compiler/Numerics/LowRankAttention.h"
#include <algorithm>
#include <cmath>

using namespace lathe;
using namespace lathe::numerics;

std::optional<NarrowProduct> numerics::narrowProduct(ConstView<double> leftMoments, ConstView<double> rightMoments,
                                                     int64_t rank) {
  int64_t width = leftMoments.rows;
  assert(rightMoments.rows == width && rank >= 1 && rank <= width);
  if (!isFinite(leftMoments) || !isFinite(rightMoments))
    return std::nullopt;
  std::optional<Eigen> right = eigenSymmetric(rightMoments);
  if (!right)
    return std::nullopt;
  // A direction that b never takes: what rounding leaves of its eigenvalue says nothing.
  double least = 1e-14 * width * std::max(right->values.back(), 0.0);
  Matrix<double> grow = right->vectors, shrink = right->vectors; // Λ^½ Uᵀ and Λ^-½ Uᵀ
  for (int64_t i = 0; i < width; ++i) {
    double root = right->values[i] > least ? std::sqrt(right->values[i]) : 0;
    for (int64_t j = 0; j < width; ++j) {
      grow(i, j) *= root;
      shrink(i, j) = root > 0 ? shrink(i, j) / root : 0;
    }
  }
  std::optional<Eigen> product =
      eigenSymmetric(multiply(Op::None, multiply(Op::None, grow, Op::None, leftMoments), Op::Transpose, grow));
  if (!product)
    return std::nullopt;
  ConstView<double> leading = product->vectors.view().block(width - rank, 0, rank, width);
  NarrowProduct result{multiply(Op::None, leading, Op::None, grow), multiply(Op::None, leading, Op::None, shrink)};
  double lost = 0, all = 0;
  for (int64_t i = 0; i < width; ++i) {
    double energy = std::max(product->values[i], 0.0);
    all += energy;
    lost += i < width - rank ? energy : 0;
  }
  result.error = all > 0 ? lost / all : 0;
  // Both sides with equal norms: neither needs more range than the other.
  double of = 0, by = 0;
  for (int64_t i = 0; i < rank; ++i)
    for (int64_t j = 0; j < width; ++j) {
      of += result.left(i, j) * result.left(i, j);
      by += result.right(i, j) * result.right(i, j);
    }
  double balance = of > 0 && by > 0 ? std::pow(by / of, 0.25) : 1;
  for (int64_t i = 0; i < rank; ++i)
    for (int64_t j = 0; j < width; ++j) {
      result.left(i, j) *= balance;
      result.right(i, j) /= balance;
    }
  return result;
}
