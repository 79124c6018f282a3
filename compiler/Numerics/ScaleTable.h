// The scales of a weight while its columns are swept: as the loops over rows read them, a vector of all rows per group.
#pragma once
#include "compiler/Numerics/Quantizer.h"

namespace lathe::numerics {

class ScaleTable {
public:
  ScaleTable(const IntFormat &format, int64_t rows, int64_t columns)
      : format(format), size(format.groupSize(columns)), scales(format.groupCount(columns), rows),
        zeroPoints(format.zeroPoints ? format.groupCount(columns) : 0, rows) {}

  int64_t groupSize() const { return size; }
  int64_t groupCount() const { return scales.rows(); }

  /// Fits the group from its columns[its size, rows]; `importance` is that of the group's first column onwards.
  template <typename T>
  void fit(int64_t group, ConstView<T> columns, const float *importance, const ScaleSearch &search) {
    float *zeros = format.zeroPoints ? zeroPoints.row(group) : nullptr;
    if (format.granularity != Granularity::Tensor)
      return fitGroup(columns, importance, format, search, scales.row(group), zeros);
    float scale = 1, zero = 0;
    fitTensor(columns, importance, format, search, scale, zero);
    std::fill(scales.row(0), scales.row(0) + scales.columns(), scale);
    if (zeros)
      std::fill(zeros, zeros + scales.columns(), zero);
  }

  /// Fits all groups from the weight's transpose[columns, rows].
  template <typename T> void fitAll(ConstView<T> transpose, const float *importance, const ScaleSearch &search) {
    for (int64_t group = 0; group < groupCount(); ++group) {
      int64_t begin = group * size, width = std::min(size, transpose.rows - begin);
      fit(group, transpose.block(begin, 0, width, transpose.columns), importance ? importance + begin : nullptr,
          search);
    }
  }

  /// Of the group that the column is in, one per row.
  const float *getScales(int64_t column) const { return scales.row(column / size); }
  /// Null without.
  const float *getZeroPoints(int64_t column) const {
    return format.zeroPoints ? zeroPoints.row(column / size) : nullptr;
  }

private:
  IntFormat format;
  int64_t size;
  Matrix<float> scales, zeroPoints;
};

/// Puts codes[columns, rows] and the table into the rows of `result` from `firstRow`.
inline void store(const Matrix<int8_t> &codes, const ScaleTable &table, int64_t firstRow, Quantized &result) {
  for (int64_t n = 0; n < codes.columns(); ++n)
    for (int64_t group = 0; group < table.groupCount(); ++group) {
      int64_t column = group * table.groupSize(), at = result.scaleIndex(firstRow + n, column);
      result.scales[at] = table.getScales(column)[n];
      if (!result.zeroPoints.empty())
        result.zeroPoints[at] = static_cast<int8_t>(table.getZeroPoints(column)[n]);
    }
  Matrix<int8_t> rows = transposeOf<int8_t>(codes);
  std::copy(rows.data(), rows.data() + rows.rows() * rows.columns(), result.codes.begin() + firstRow * result.columns);
}

} // namespace lathe::numerics
