// Matrix products of doubles, and of integers modulo 2^64. The sum over K runs from 0 upwards, whatever the sizes.
#pragma once
#include <cstdint>
#include <vector>

namespace lathe::reference {

/// c[m, n] += a[m, k] * b[k, n], all row-major and dense; no aliasing.
template <typename T> void gemm(int64_t m, int64_t n, int64_t k, const T *a, const T *b, T *c) {
  constexpr int64_t rows = 4, columns = 8;
  std::vector<T> panel(k * columns);
  for (int64_t n0 = 0; n0 < n; n0 += columns) {
    int64_t width = n - n0 < columns ? n - n0 : columns;
    for (int64_t p = 0; p < k; ++p)
      for (int64_t j = 0; j < columns; ++j)
        panel[p * columns + j] = j < width ? b[p * n + n0 + j] : T(0);
    for (int64_t m0 = 0; m0 < m; m0 += rows) {
      int64_t height = m - m0 < rows ? m - m0 : rows;
      const T *row[rows];
      for (int64_t i = 0; i < rows; ++i)
        row[i] = a + (m0 + (i < height ? i : 0)) * k;
      T sums[rows][columns] = {};
      for (int64_t p = 0; p < k; ++p)
        for (int64_t i = 0; i < rows; ++i)
          for (int64_t j = 0; j < columns; ++j)
            sums[i][j] += row[i][p] * panel[p * columns + j];
      for (int64_t i = 0; i < height; ++i)
        for (int64_t j = 0; j < width; ++j)
          c[(m0 + i) * n + n0 + j] += sums[i][j];
    }
  }
}

/// The transpose of a dense row-major matrix.
template <typename T> std::vector<T> transposed(const T *matrix, int64_t rows, int64_t columns) {
  std::vector<T> result(rows * columns);
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j)
      result[j * rows + i] = matrix[i * columns + j];
  return result;
}

} // namespace lathe::reference
