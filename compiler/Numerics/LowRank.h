// A linear as two of lower rank: W[rows, K] ≈ A[rows, r] B[r, K], by the singular values of W S.
//
// S = I is the plain SVD (Eckart-Young); a diagonal S weighs inputs, as ASVD (2312.05821); with S the Cholesky factor
// of H = XᵀX, ‖(W - AB) Xᵀ‖ is what is minimal (SVD-LLM, 2403.07378), and equals the root of the squares of the σ left
// out.
#pragma once
#include "compiler/Numerics/LinearAlgebra.h"
#include "llvm/ADT/ArrayRef.h"

namespace lathe::numerics {

struct Factors {
  Matrix<float> a; // [rows, rank]
  Matrix<float> b; // [rank, K]
};

/// A weight decomposed once, to be cut at any rank. Several weights with the same input (q, k and v) are one weight
/// with their rows below each other.
class LowRank {
public:
  /// Each returns nothing where LAPACK fails, or H can't be factored at any damping up to 1.
  static std::optional<LowRank> plain(ConstView<float> w);
  /// `scales` has one positive number per input, such as E|x|^½.
  static std::optional<LowRank> weighted(ConstView<float> w, llvm::ArrayRef<double> scales);
  /// `damping` of the mean of the diagonal is added to h[K, K].
  static std::optional<LowRank> whitened(ConstView<float> w, ConstView<double> h, double damping = 0.001);

  llvm::ArrayRef<double> getSigma() const { return sigma; }
  /// Σ of the σ² left out, over that of all.
  double getError(int64_t rank) const;
  /// The least rank that keeps that share of Σσ², at least 1.
  int64_t getRankForEnergy(double energy) const;
  /// A and B of rank 1 to min(rows, K), with equal Frobenius norms.
  Factors cut(int64_t rank) const;

private:
  static std::optional<LowRank> decompose(ConstView<double> weighted);
  Matrix<double> a, b; // A = U Σ, B = Vᵀ S⁻¹ of all ranks
  std::vector<double> sigma;
};

/// The greatest rank whose factors have at most `share` of the weight's elements; 0 where not even 1 has.
int64_t getRankForShare(int64_t rows, int64_t columns, double share);

} // namespace lathe::numerics
