// Updates inside of a block as vectors of all rows, those after it as one product.
#include "compiler/Numerics/Sweep.h"
#include <algorithm>

using namespace lathe;
using namespace lathe::numerics;

template <typename T>
double numerics::sweep(MatrixView<T> transpose, ConstView<double> u, int64_t block, BeginBlock beginBlock,
                       ReplaceColumn<T> replace) {
  int64_t size = transpose.rows, rows = transpose.columns;
  assert(u.rows == size && u.columns == size && block > 0);
  Matrix<T> factor = copyOf<T>(u), errors(std::min(block, size), rows);
  std::vector<T> replacement(rows);
  double loss = 0;
  for (int64_t begin = 0; begin < size; begin += block) {
    int64_t end = std::min(begin + block, size);
    beginBlock(begin, end);
    for (int64_t j = begin; j < end; ++j) {
      T *column = transpose.row(j), *error = errors.row(j - begin);
      replace(j, column, replacement.data());
      T inverse = T(1) / factor(j, j);
      for (int64_t n = 0; n < rows; ++n)
        error[n] = (column[n] - replacement[n]) * inverse;
      for (int64_t n = 0; n < rows; ++n)
        loss += static_cast<double>(error[n]) * error[n];
      std::copy(replacement.begin(), replacement.end(), column);
      for (int64_t k = j + 1; k < end; ++k) {
        T *later = transpose.row(k), by = factor(j, k);
        for (int64_t n = 0; n < rows; ++n)
          later[n] -= by * error[n];
      }
    }
    if (end < size)
      gemm(Op::Transpose, Op::None, T(-1), factor.view().block(begin, end, end - begin, size - end),
           errors.view().block(0, 0, end - begin, rows), T(1), transpose.block(end, 0, size - end, rows));
  }
  return loss;
}

template double numerics::sweep(MatrixView<float>, ConstView<double>, int64_t, BeginBlock, ReplaceColumn<float>);
template double numerics::sweep(MatrixView<double>, ConstView<double>, int64_t, BeginBlock, ReplaceColumn<double>);
