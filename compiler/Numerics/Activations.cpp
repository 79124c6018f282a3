// Rounding of activations, as compiled programs do it.
#include "compiler/Numerics/Activations.h"
#include <algorithm>
#include <cmath>

using namespace lathe;
using namespace lathe::numerics;

ActivationScale numerics::getActivationScale(ValueRange range, unsigned bits, bool symmetric) {
  ActivationScale result;
  float levels = static_cast<float>((1 << bits) - 1);
  float width = symmetric ? std::max(-range.low, range.high) / static_cast<float>((1 << (bits - 1)) - 1)
                          : (range.high - range.low) / levels;
  if (!(width > 0))
    return result;
  result.scale = width;
  if (!symmetric)
    result.zeroPoint = std::clamp(std::nearbyint(-range.low / width), 0.0f, levels);
  return result;
}

Matrix<float> numerics::quantizeActivations(ConstView<float> x, const ActivationFormat &format) {
  float low = format.symmetric ? -static_cast<float>((1 << (format.bits - 1)) - 1) : 0;
  float high = static_cast<float>((1 << (format.symmetric ? format.bits - 1 : format.bits)) - 1);
  Matrix<float> result(x.rows, x.columns);
  for (int64_t i = 0; i < x.rows; ++i) {
    const float *row = x.row(i);
    ValueRange range = format.range;
    if (format.dynamic) {
      range = {};
      for (int64_t j = 0; j < x.columns; ++j)
        range = {std::min(range.low, row[j]), std::max(range.high, row[j])};
    }
    auto [scale, zero] = getActivationScale(range, format.bits, format.symmetric);
    for (int64_t j = 0; j < x.columns; ++j)
      result(i, j) = (std::clamp(std::nearbyint(row[j] / scale) + zero, low, high) - zero) * scale;
  }
  return result;
}
