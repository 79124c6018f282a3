// Sums one entry of statistics from batches of values.
#pragma once
#include "compiler/Numerics/Matrix.h"
#include "compiler/Statistics/Statistics.h"

namespace lathe::statistics {

/// One thread at a time. The result depends on how tokens are cut into batches and on their order, by rounding alone.
class Observer {
public:
  explicit Observer(int64_t channels);

  /// Adds x[rows, K], densely stored, without the rows that `isReal` says false of; null: all are real. Returns false,
  /// and adds nothing, where a value of them is NaN or infinite.
  bool add(numerics::ConstView<float> x, const uint8_t *isReal);

  /// Gives what was summed, without names of weights.
  Entry take();

private:
  Entry entry;
  numerics::Matrix<float> real, scratch;
  std::vector<float> low, high, sum, sumAbs; // of each channel in a batch
};

} // namespace lathe::statistics
