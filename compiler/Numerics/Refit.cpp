// Normal equations in f64.
#include "compiler/Numerics/Refit.h"
#include "compiler/Numerics/Errors.h"
#include "compiler/Numerics/LinearAlgebra.h"
#include <algorithm>

using namespace lathe;
using namespace lathe::numerics;

/// E‖(W, b) - (W', b')‖² over E‖(W, b)‖², with the columns that are gone as 0.
static double getError(ConstView<double> whole, ConstView<double> solution, llvm::ArrayRef<int64_t> at,
                       ConstView<double> augmented) {
  Matrix<double> delta = copyOf<double>(whole);
  for (size_t s = 0; s < at.size(); ++s)
    for (int64_t n = 0; n < whole.rows; ++n)
      delta(n, at[s]) -= solution(s, n);
  double lost = outputEnergy(delta, augmented), all = outputEnergy(whole, augmented);
  return all > 0 ? lost / all : 0;
}

Refitted numerics::refit(ConstView<float> w, llvm::ArrayRef<float> bias, ConstView<double> augmented,
                         llvm::ArrayRef<int64_t> kept, double damping) {
  int64_t rows = w.rows, size = w.columns, count = kept.size();
  assert(augmented.rows == size + 1 && augmented.columns == size + 1);
  Matrix<double> whole(rows, size + 1); // [w bias]
  for (int64_t n = 0; n < rows; ++n) {
    std::copy(w.row(n), w.row(n) + size, whole.row(n));
    whole(n, size) = bias.empty() ? 0 : bias[n];
  }
  std::vector<int64_t> at(kept.begin(), kept.end());
  at.push_back(size);

  Matrix<double> equations(count + 1, count + 1), rowsOfH(count + 1, size + 1);
  double mean = 0;
  for (int64_t i = 0; i <= count; ++i) {
    std::copy(augmented.row(at[i]), augmented.row(at[i]) + size + 1, rowsOfH.row(i));
    for (int64_t j = 0; j <= count; ++j)
      equations(i, j) = augmented(at[i], at[j]);
    mean += i < count ? equations(i, i) / count : 0;
  }
  Matrix<double> right = multiply(Op::None, rowsOfH, Op::Transpose, whole), solution;

  Refitted result{Matrix<float>(rows, count), std::vector<float>(rows)};
  for (double tried = damping; isFinite(augmented) && !result.solved && tried <= std::max(1.0, damping);
       tried = tried == 0 ? 1e-4 : tried * 10) {
    Matrix<double> damped = equations;
    solution = right;
    for (int64_t i = 0; i < count; ++i) {
      damped(i, i) += tried * mean;
      for (int64_t n = 0; n < rows; ++n)
        solution(i, n) += tried * mean * whole(n, at[i]);
    }
    result.solved = solvePositive(damped, solution) && isFinite(solution);
  }
  if (!result.solved) {
    solution = Matrix<double>(count + 1, rows);
    for (int64_t i = 0; i <= count; ++i)
      for (int64_t n = 0; n < rows; ++n)
        solution(i, n) = whole(n, at[i]);
  }
  for (int64_t n = 0; n < rows; ++n) {
    for (int64_t i = 0; i < count; ++i)
      result.w(n, i) = static_cast<float>(solution(i, n));
    result.bias[n] = static_cast<float>(solution(count, n));
  }
  result.error = getError(whole, solution, at, augmented);
  return result;
}

Matrix<float> numerics::solveMasked(ConstView<float> w, ConstView<uint8_t> mask, ConstView<double> damped) {
  Matrix<double> target = multiply(Op::None, copyOf<double>(w), Op::None, damped);
  Matrix<float> result(w.rows, w.columns);
  std::vector<int64_t> kept;
  for (int64_t n = 0; n < w.rows; ++n) {
    kept.clear();
    for (int64_t j = 0; j < w.columns; ++j)
      if (mask(n, j))
        kept.push_back(j);
    int64_t count = kept.size();
    Matrix<double> equations(count, count), solution(count, 1);
    for (int64_t i = 0; i < count; ++i) {
      solution(i, 0) = target(n, kept[i]);
      for (int64_t j = 0; j < count; ++j)
        equations(i, j) = damped(kept[i], kept[j]);
    }
    bool solved = solvePositive(equations, solution) && isFinite(solution);
    for (int64_t i = 0; i < count; ++i)
      result(n, kept[i]) = solved ? static_cast<float>(solution(i, 0)) : w(n, kept[i]);
  }
  return result;
}
