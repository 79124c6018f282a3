// The range of an activation, from a histogram of what it was on calibration data.
#pragma once
#include "compiler/Numerics/Activations.h"
#include "llvm/ADT/ArrayRef.h"

namespace lathe::numerics {

/// Counts of values in bins of equal width over [-limit, limit), a power of two that grows with what comes: bins then
/// join in pairs. So neither the order nor the batches in which values come change it.
class Histogram {
public:
  static constexpr int kBins = 2048;

  Histogram() : counts(kBins) {}
  /// As saved: `counts` of kBins.
  Histogram(int exponent, llvm::ArrayRef<uint64_t> counts, ValueRange range);

  /// Finite values; others are left out.
  void add(llvm::ArrayRef<float> values);
  void add(const Histogram &other);

  int getExponent() const { return exponent; } // limit = 2^exponent
  llvm::ArrayRef<uint64_t> getCounts() const { return counts; }
  /// Of all values and 0.
  ValueRange getRange() const { return range; }
  double getCenter(int bin) const;
  double getBinWidth() const;
  /// The bin of a value in the range.
  int getBin(float value) const;

private:
  void grow(int toExponent);

  int exponent = -126;
  std::vector<uint64_t> counts;
  ValueRange range;
};

/// The range without (100 - percent) / 2 percent of the values at either end.
ValueRange getPercentileRange(const Histogram &histogram, double percent);
/// The range whose integers of `bits` have the least mean square error: each end shrunk in steps of 1/100.
ValueRange getMseRange(const Histogram &histogram, unsigned bits, bool symmetric);
/// The range with the least Kullback-Leibler divergence of what integers of `bits` make of the histogram from it; both
/// ends shrunk alike, in steps of 1/100. (As TensorRT's entropy calibration.)
ValueRange getEntropyRange(const Histogram &histogram, unsigned bits, bool symmetric);

} // namespace lathe::numerics
