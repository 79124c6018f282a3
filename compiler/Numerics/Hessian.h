// The second moments of a linear's input, as calibration sums them and as the algorithms want them.
#pragma once
#include "compiler/Numerics/LinearAlgebra.h"
#include <string>

namespace lathe::numerics {

/// From the augmented H of [x 1]: the sums of x xᵀ and of x, and the count of tokens.
struct Moments {
  Matrix<double> h;         // [K, K]
  std::vector<double> mean; // E[x]
  double tokens = 0;

  explicit Moments(ConstView<double> augmented);
  /// Σ (x - E[x])(x - E[x])ᵀ.
  Matrix<double> covariance() const;
};

/// H made fit to be factored: an input that was always 0 gets the mean of the others' diagonal, and `damping` times
/// that mean is added to all.
struct Damped {
  Matrix<double> h;
  std::vector<bool> dead;
  int64_t deadCount = 0;
};
Damped damp(ConstView<double> h, double damping);

/// The order in which columns are swept, and the upper U with inverse(H in that order) = Uᵀ U.
struct SweepFactor {
  std::vector<int64_t> order; // position -> column
  Damped damped;
  double damping = 0; // what it took
  Matrix<double> u;
};
/// `descending`: the columns with the greatest diagonal first (act-order). Where the factorisation fails, the damping
/// is raised tenfold up to 1; then, or where H isn't finite or has a negative diagonal, there is none.
std::optional<SweepFactor> factorForSweep(ConstView<double> h, double damping, bool descending);

} // namespace lathe::numerics
