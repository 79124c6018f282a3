// The mean error of a compressed linear, taken back by its bias.
#pragma once
#include "compiler/Numerics/Matrix.h"
#include "llvm/ADT/ArrayRef.h"

namespace lathe::numerics {

/// What is added to the bias so that the mean output is what it was: (W - Ŵ) E[x], in f64. (Nagel et al., 1906.04721.)
inline std::vector<double> getBiasCorrection(ConstView<float> w, ConstView<float> compressed,
                                             llvm::ArrayRef<double> mean) {
  assert(static_cast<int64_t>(mean.size()) == w.columns);
  std::vector<double> correction(w.rows);
  for (int64_t i = 0; i < w.rows; ++i)
    for (int64_t j = 0; j < w.columns; ++j)
      correction[i] += (static_cast<double>(w(i, j)) - compressed(i, j)) * mean[j];
  return correction;
}

} // namespace lathe::numerics
