// Errors in f64, in blocks of rows, so that a tall weight needs no second copy of it in f64.
#include "compiler/Numerics/Errors.h"
#include "compiler/Numerics/LinearAlgebra.h"
#include <algorithm>
#include <numeric>

using namespace lathe;
using namespace lathe::numerics;

double numerics::outputEnergy(ConstView<double> d, ConstView<double> h) {
  assert(h.rows == d.columns && h.columns == d.columns);
  Matrix<double> product = multiply(Op::None, d, Op::None, h);
  double sum = 0;
  for (int64_t i = 0; i < d.rows; ++i)
    sum = std::inner_product(d.row(i), d.row(i) + d.columns, product.row(i), sum);
  return sum;
}

static double ratio(double lost, double whole) { return lost == 0 ? 0 : lost / whole; }

double numerics::relativeError(ConstView<float> w, ConstView<float> compressed, ConstView<double> h) {
  constexpr int64_t step = 1024;
  double lost = 0, whole = 0;
  for (int64_t begin = 0; begin < w.rows; begin += step) {
    int64_t rows = std::min(step, w.rows - begin);
    Matrix<double> was = copyOf<double>(w.block(begin, 0, rows, w.columns)), delta = was;
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < w.columns; ++j)
        delta(i, j) -= compressed(begin + i, j);
    lost += outputEnergy(delta, h);
    whole += outputEnergy(was, h);
  }
  return ratio(lost, whole);
}

double numerics::relativeError(ConstView<float> w, ConstView<float> compressed) {
  double lost = 0, whole = 0;
  for (int64_t i = 0; i < w.rows; ++i)
    for (int64_t j = 0; j < w.columns; ++j) {
      double was = w(i, j), delta = was - compressed(i, j);
      lost += delta * delta;
      whole += was * was;
    }
  return ratio(lost, whole);
}
