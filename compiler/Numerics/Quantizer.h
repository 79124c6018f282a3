// Integer formats of weights: their scales and zero points, and rounding to them.
//
// A weight w[rows, columns] has its outputs in rows. Its value is (code - zero point) * scale, with codes and zero
// points in
// [-2^(bits-1), 2^(bits-1) - 1]; without zero points they are 0, and scale = max|w| / (2^(bits-1) - 1). Ties round to
// even.
#pragma once
#include "compiler/Numerics/Matrix.h"
#include "llvm/ADT/ArrayRef.h"
#include <algorithm>

namespace lathe::numerics {

enum class Granularity { Tensor, Row, Group };
enum class ScaleType { F32, F16, BF16 };

struct IntFormat {
  unsigned bits = 8; // 2 to 8
  Granularity granularity = Granularity::Row;
  int64_t group = 0; // columns of a group, where the granularity is Group; the last group may be shorter
  bool zeroPoints = false;
  ScaleType scaleType = ScaleType::F32;

  int lowest() const { return -(1 << (bits - 1)); }
  int greatest() const { return (1 << (bits - 1)) - 1; }
  int64_t groupSize(int64_t columns) const {
    return granularity == Granularity::Group ? std::min(group, columns) : columns;
  }
  int64_t groupCount(int64_t columns) const {
    return columns == 0 ? 0 : (columns + groupSize(columns) - 1) / groupSize(columns);
  }
};

/// Which multiples p = 1 - i/steps, i < tried, of the full range are tried for a group, and what is minimised: nothing
/// (p = 1), Σ|Δ|^power, or Σ importance * Δ² with an importance of each column, as diag(H) is. The first of equals
/// wins.
struct ScaleSearch {
  enum class Metric { None, Power, Importance } metric = Metric::None;
  double power = 2.4;
  int steps = 100, tried = 80;
};

/// The scales are as stored: rounded to the format's scale type, and rounding used them so.
struct Quantized {
  IntFormat format;
  int64_t rows = 0, columns = 0;
  std::vector<int8_t> codes;      // [rows, columns]
  std::vector<float> scales;      // [rows, groupCount], one where it is the tensor's
  std::vector<int8_t> zeroPoints; // as scales; empty without
  Quantized() = default;
  Quantized(const IntFormat &format, int64_t rows, int64_t columns);

  int64_t scaleIndex(int64_t row, int64_t column) const {
    return format.granularity == Granularity::Tensor
               ? 0
               : row * format.groupCount(columns) + column / format.groupSize(columns);
  }
  Matrix<float> dequantize() const;
};

/// Rounds to nearest. With a search by importance, one of it per column.
Quantized quantize(ConstView<float> w, const IntFormat &format, const ScaleSearch &search = {},
                   llvm::ArrayRef<float> importance = {});

/// As stored in the type; where that is 0 or infinite, the smallest or greatest that isn't. So codes of it always
/// decode.
float roundScale(float scale, ScaleType type);

/// The scales of one group of every row, from the group's columns[size, rows], each row of which is a column of the
/// weight. Writes scales[rows] and, where the format has them, zeroPoints[rows]. An importance has `size` elements.
/// What is all zero gets the scale 1.
template <typename T>
void fitGroup(ConstView<T> columns, const float *importance, const IntFormat &format, const ScaleSearch &search,
              float *scales, float *zeroPoints);
/// The same for one scale of all rows.
template <typename T>
void fitTensor(ConstView<T> columns, const float *importance, const IntFormat &format, const ScaleSearch &search,
               float &scale, float &zeroPoint);

/// The codes of column[rows] by scales[rows] (and zeroPoints[rows], null without), and the values that they stand for.
template <typename T>
void quantizeColumn(const T *column, const float *scales, const float *zeroPoints, int64_t rows,
                    const IntFormat &format, int8_t *codes, T *values);

} // namespace lathe::numerics
