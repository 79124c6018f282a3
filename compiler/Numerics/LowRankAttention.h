// Narrower heads: the product of two projections of a head, W_qᵀ W_k or W_o W_v, cut to a lower rank.
#pragma once
#include "compiler/Numerics/LinearAlgebra.h"

namespace lathe::numerics {

/// How to make aᵀb, a and b of width d, from vectors of width r: a' = left a, b' = right b with left[r, d] and right[r,
/// d].
struct NarrowProduct {
  Matrix<double> left, right;
  double error = 0; // E(aᵀb - a'ᵀb')² over E(aᵀb)²
};

/// The left and right of rank r that minimise Σ(aᵀb - a'ᵀb')² over all pairs, for left moments Σaaᵀ and right moments
/// Σbbᵀ, [d, d] each, r <= d. Nothing where LAPACK fails.
///
/// Scores: a is the query and b the key of a head. A part of the score that depends on the query alone does nothing,
/// since softmax ignores it: so the keys' moments may be their covariance. Queries of several heads that share a key
/// are summed. Values: a is a row of W_o, so the left moments are W_oᵀ W_o, and b the value of a head; W_o' = W_o
/// leftᵀ, v' = right v. Weights of attention sum to 1, so values may be centred too if W_o (I - leftᵀ right) E[v] is
/// added to the output's bias.
std::optional<NarrowProduct> narrowProduct(ConstView<double> leftMoments, ConstView<double> rightMoments, int64_t rank);

} // namespace lathe::numerics
