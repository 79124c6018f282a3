// Least squares for what is left of a linear when some of its inputs are removed.
#pragma once
#include "compiler/Numerics/Matrix.h"
#include "llvm/ADT/ArrayRef.h"

namespace lathe::numerics {

struct Refitted {
  Matrix<float> w;         // [rows, kept]
  std::vector<float> bias; // [rows]
  /// False where the normal equations could not be solved at any damping: the columns were only dropped.
  bool solved = false;
  double error = 0; // E‖change of the output‖² over E‖output‖²
};

/// The w' and bias' that minimise Σ‖w x + bias - w' x_kept - bias'‖² + damping * mean(diag(H_kept)) * ‖w' - w_kept‖²,
/// for w[rows, K], bias[rows] (empty for 0) and the augmented H of [x 1], [K+1, K+1]. `kept` ascends. Damping draws
/// towards the old weights, so that keeping all inputs changes nothing.
Refitted refit(ConstView<float> w, llvm::ArrayRef<float> bias, ConstView<double> augmented,
               llvm::ArrayRef<int64_t> kept, double damping = 0.01);

/// The best weights with the zeros of `mask` (0 where pruned; [rows, K]) for a damped h[K, K]: per row, H_SS w_S = (H
/// w)_S. O(K³) for each row. A row whose system can't be solved keeps its weights, masked.
Matrix<float> solveMasked(ConstView<float> w, ConstView<uint8_t> mask, ConstView<double> damped);

} // namespace lathe::numerics
