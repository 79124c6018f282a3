// Inputs of linears as integers: by the range of each token, or by one range known before.
#pragma once
#include "compiler/Numerics/Matrix.h"

namespace lathe::numerics {

/// A range holds 0: low <= 0 <= high.
struct ValueRange {
  float low = 0, high = 0;
};

struct ActivationFormat {
  unsigned bits = 8;
  bool symmetric = false; // signed codes by max|x|; else unsigned ones with a zero point
  bool dynamic = true;    // each row by its own range
  ValueRange range;       // where not dynamic
};

/// The step between two codes, and the code of 0. With a range of 0 the scale is 1.
struct ActivationScale {
  float scale = 1, zeroPoint = 0;
};
ActivationScale getActivationScale(ValueRange range, unsigned bits, bool symmetric);

/// The values that x[tokens, K] has after rounding and clamping. Each quotient and product is rounded to f32, as
/// #tfm.dynamic and #tfm.static say.
Matrix<float> quantizeActivations(ConstView<float> x, const ActivationFormat &format);

} // namespace lathe::numerics
