// A table of a few values for all weights of a tensor, by k-means.
#pragma once
#include "llvm/ADT/ArrayRef.h"
#include <cstdint>
#include <vector>

namespace lathe::numerics {

struct Codebook {
  std::vector<float> values;  // ascending; at most as many as asked for, fewer where the weights have fewer
  std::vector<uint8_t> codes; // the nearest of the values, of each weight
};

/// At most `size` values, 2 to 256, that locally minimise Σ importance * (w - value)²; an importance for each weight,
/// or none for 1 each. Starts from quantiles and ends when nothing moves or after `rounds`; no chance is involved.
/// Weights are finite.
Codebook clusterWeights(llvm::ArrayRef<float> weights, llvm::ArrayRef<float> importance, int64_t size,
                        int rounds = 100);

} // namespace lathe::numerics
