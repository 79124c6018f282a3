// GPTQ (Frantar et al., 2210.17323): rounds a weight column by column and lets the columns to come make up for each
// error.
#pragma once
#include "compiler/Numerics/Hessian.h"
#include "compiler/Numerics/Quantizer.h"

namespace lathe::numerics {

struct GptqOptions {
  IntFormat format;
  ScaleSearch search;    // by importance: that of diag(H)
  double damping = 0.01; // of the mean of diag(H)
  bool actOrder = false; // columns with the greatest diag(H) first; the groups are static then
  bool staticGroups =
      false;              // scales of all groups from the weight as it was, not at a group's start from the updated one
  bool keepZeros = false; // what is 0 in w stays 0, as in SparseGPT's sweep
  int64_t block = 128;    // adapted, so that groups and blocks nest
  bool inDouble = false;  // the sweep in f64: for proofs, half as fast
};

struct GptqResult {
  Quantized weight;
  bool rounded = false;   // H could not be factored at any damping: rounded to nearest instead
  double damping = 0;     // what it took, where H could be factored
  double loss = 0;        // tr(Δ H Δᵀ) with the damped H; 0 where rounded
  int64_t deadInputs = 0; // always 0 in the calibration data: their columns became 0, except where rounded
};

/// w[rows, K], finite, with h[K, K] the second moments of its input.
GptqResult gptq(ConstView<float> w, ConstView<double> h, const GptqOptions &options);

/// The importance of each column that a search by importance takes: diag(h) over its mean.
std::vector<float> getImportance(ConstView<double> h);

/// The block next to `block` with which groups nest, so that a group's start sees all updates of its columns.
int64_t adaptBlock(int64_t block, int64_t group);

} // namespace lathe::numerics
