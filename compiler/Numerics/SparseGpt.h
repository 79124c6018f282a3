// SparseGPT (Frantar and Alistarh, 2301.00774): prunes a weight column by column and lets the columns to come make up
// for it; what survives may be quantized in the same sweep.
#pragma once
#include "compiler/Numerics/Hessian.h"
#include "compiler/Numerics/Masks.h"
#include "compiler/Numerics/Quantizer.h"

namespace lathe::numerics {

struct SparseGptOptions {
  Sparsity sparsity;               // a ratio holds in each block of columns, over all rows
  std::optional<IntFormat> format; // of the survivors; groups count all columns, pruned ones too
  ScaleSearch search;              // for the format
  double damping = 0.01;           // of the mean of diag(H)
  int64_t block = 128;             // adapted, so that groups and every m nest
  bool inDouble = false;           // the sweep in f64: for proofs
};

struct SparseGptResult {
  Matrix<float> w; // the values, 0 where pruned
  Mask mask;
  std::optional<Quantized> quantized; // in the format, code 0's value where pruned
  bool unswept = false;               // H could not be factored at any damping: pruned by magnitude, and rounded
  double damping = 0, loss = 0;
  int64_t deadInputs = 0;
};

/// w[rows, K], finite, with h[K, K] the second moments of its input.
SparseGptResult sparseGpt(ConstView<float> w, ConstView<double> h, const SparseGptOptions &options);

} // namespace lathe::numerics
