// What outputs are worth: figures of one vector, and what figures of many samples say with which certainty. Plain
// functions without state; every interval is a 95 % one in closed form.
#pragma once
#include "llvm/ADT/ArrayRef.h"
#include <cstdint>

namespace lathe::evaluate {

/// The index of the greatest value, the first of equals; NaN counts as the least. 0 for an empty vector.
size_t argMax(llvm::ArrayRef<float> values);

/// The cosine of the angle between two vectors of one length; 1 where both are zero, 0 where one is.
double cosine(llvm::ArrayRef<float> a, llvm::ArrayRef<float> b);

/// log Σ exp(logits), without overflow. -infinity for an empty vector.
double logSumExp(llvm::ArrayRef<float> logits);

/// KL(softmax(reference) ‖ softmax(logits)) in nats, of one length; never negative.
double divergence(llvm::ArrayRef<float> reference, llvm::ArrayRef<float> logits);

struct Estimate {
  double value = 0, low = 0, high = 0;
};

/// hits of count, with Wilson's score interval. All zero where count is.
Estimate proportion(uint64_t hits, uint64_t count);

/// Σ numerators / Σ denominators over independent samples, each of which may hold several figures (a text's tokens),
/// which aren't independent: the standard error is the linearised one of a ratio, over samples (Cochran, Sampling
/// Techniques, 6.3; the sandwich estimator with a cluster for each sample). With denominators of 1 it is a mean's usual
/// one. NaN where the denominators are zero; the interval is infinite with fewer than two samples.
Estimate ratio(llvm::ArrayRef<double> numerators, llvm::ArrayRef<double> denominators);

/// How two share the samples that just one of them has right.
struct PairedDifference {
  uint64_t gained = 0, lost = 0; // samples that only the first, and only the other, has right
  /// (gained - lost) / count. The interval is Agresti and Min's: Wald's of paired proportions with half a sample added
  /// to each of the four cells (Statistics in Medicine 24, 2005), which also holds where few or none differ.
  Estimate difference;
  /// McNemar's exact test: the two-sided binomial probability that as unequal a split comes of chance.
  double probability = 1;
};
/// Of `count` samples in all, `gained + lost` of them at most.
PairedDifference comparePaired(uint64_t gained, uint64_t lost, uint64_t count);

} // namespace lathe::evaluate
