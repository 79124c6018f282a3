// Row-major matrices for the column-major Fortran interface: it sees the transpose of everything.
#include "compiler/Numerics/LinearAlgebra.h"
#include <algorithm>
#include <climits>
#include <cmath>
#include <functional>

using namespace lathe;
using namespace lathe::numerics;

extern "C" {
using FortranLength = size_t; // of each CHARACTER argument, after all others
void sgemm_(const char *transA, const char *transB, const int *m, const int *n, const int *k, const float *alpha,
            const float *a, const int *lda, const float *b, const int *ldb, const float *beta, float *c, const int *ldc,
            FortranLength, FortranLength);
void dgemm_(const char *transA, const char *transB, const int *m, const int *n, const int *k, const double *alpha,
            const double *a, const int *lda, const double *b, const int *ldb, const double *beta, double *c,
            const int *ldc, FortranLength, FortranLength);
void ssyrk_(const char *uplo, const char *trans, const int *n, const int *k, const float *alpha, const float *a,
            const int *lda, const float *beta, float *c, const int *ldc, FortranLength, FortranLength);
void dtrsm_(const char *side, const char *uplo, const char *trans, const char *diag, const int *m, const int *n,
            const double *alpha, const double *a, const int *lda, double *b, const int *ldb, FortranLength,
            FortranLength, FortranLength, FortranLength);
void dpotrf_(const char *uplo, const int *n, double *a, const int *lda, int *info, FortranLength);
void dtrtri_(const char *uplo, const char *diag, const int *n, double *a, const int *lda, int *info, FortranLength,
             FortranLength);
void dsyevd_(const char *jobz, const char *uplo, const int *n, double *a, const int *lda, double *w, double *work,
             const int *lwork, int *iwork, const int *liwork, int *info, FortranLength, FortranLength);
void dgesdd_(const char *jobz, const int *m, const int *n, double *a, const int *lda, double *s, double *u,
             const int *ldu, double *vt, const int *ldvt, double *work, const int *lwork, int *iwork, int *info,
             FortranLength);
}

static int toInt(int64_t value) {
  assert(value >= 0 && value <= INT_MAX);
  return static_cast<int>(value);
}
/// A leading dimension is at least 1, also of what is empty.
static int toStride(int64_t value) { return toInt(std::max<int64_t>(value, 1)); }
static const char *letter(Op op) { return op == Op::None ? "N" : "T"; }

template <typename T, typename Gemm>
static void callGemm(Gemm gemm, Op opA, Op opB, T alpha, ConstView<T> a, ConstView<T> b, T beta, MatrixView<T> c) {
  int64_t inner = opA == Op::None ? a.columns : a.rows;
  assert((opA == Op::None ? a.rows : a.columns) == c.rows && (opB == Op::None ? b.columns : b.rows) == c.columns &&
         (opB == Op::None ? b.rows : b.columns) == inner);
  // cᵀ = opB(b)ᵀ opA(a)ᵀ, and Fortran sees aᵀ, bᵀ and cᵀ.
  int m = toInt(c.columns), n = toInt(c.rows), k = toInt(inner);
  int lda = toStride(a.stride), ldb = toStride(b.stride), ldc = toStride(c.stride);
  gemm(letter(opB), letter(opA), &m, &n, &k, &alpha, b.data, &ldb, a.data, &lda, &beta, c.data, &ldc, 1, 1);
}

void numerics::gemm(Op opA, Op opB, float alpha, ConstView<float> a, ConstView<float> b, float beta,
                    MatrixView<float> c) {
  callGemm<float>(sgemm_, opA, opB, alpha, a, b, beta, c);
}

void numerics::gemm(Op opA, Op opB, double alpha, ConstView<double> a, ConstView<double> b, double beta,
                    MatrixView<double> c) {
  callGemm<double>(dgemm_, opA, opB, alpha, a, b, beta, c);
}

Matrix<double> numerics::multiply(Op opA, ConstView<double> a, Op opB, ConstView<double> b) {
  Matrix<double> c(opA == Op::None ? a.rows : a.columns, opB == Op::None ? b.columns : b.rows);
  gemm(opA, opB, 1.0, a, b, 0.0, c.view());
  return c;
}

void numerics::accumulateGram(ConstView<float> x, MatrixView<double> h, Matrix<float> &scratch) {
  assert(h.rows == x.columns && h.columns == x.columns);
  if (scratch.rows() != h.rows || scratch.columns() != h.columns)
    scratch = Matrix<float>(h.rows, h.columns);
  // Fortran's a is xᵀ[K, tokens]; its lower triangle is our upper one.
  int n = toInt(x.columns), k = toInt(x.rows), lda = toStride(x.stride), ldc = toStride(h.rows);
  float one = 1, zero = 0;
  ssyrk_("L", "N", &n, &k, &one, x.data, &lda, &zero, scratch.data(), &ldc, 1, 1);
  for (int64_t i = 0; i < h.rows; ++i)
    for (int64_t j = i; j < h.columns; ++j)
      h.row(i)[j] += scratch.row(i)[j];
  constexpr int64_t square = 32; // the other triangle, in squares that stay in the first cache
  for (int64_t i0 = 0; i0 < h.rows; i0 += square)
    for (int64_t j0 = 0; j0 <= i0; j0 += square)
      for (int64_t i = i0; i < std::min(i0 + square, h.rows); ++i)
        for (int64_t j = j0; j < std::min(j0 + square, i); ++j)
          h.row(i)[j] = h.row(j)[i];
}

std::optional<Matrix<double>> numerics::choleskyLower(ConstView<double> a) {
  assert(a.rows == a.columns);
  Matrix<double> l = copyOf<double>(a);
  int n = toInt(a.rows), lda = toStride(a.rows), info = 0;
  dpotrf_("U", &n, l.data(), &lda, &info, 1); // Fortran's upper triangle is our lower one
  if (info != 0)
    return std::nullopt;
  for (int64_t i = 0; i < a.rows; ++i)
    std::fill(l.row(i) + i + 1, l.row(i) + a.rows, 0.0);
  return l;
}

std::optional<Matrix<double>> numerics::inverseCholeskyUpper(ConstView<double> a) {
  assert(a.rows == a.columns);
  int64_t size = a.rows;
  // With J the reversal of rows, J a J = L Lᵀ gives R = J L J, and U = R⁻¹ = J L⁻¹ J.
  Matrix<double> l(size, size);
  for (int64_t i = 0; i < size; ++i)
    std::reverse_copy(a.row(size - 1 - i), a.row(size - 1 - i) + size, l.row(i));
  int n = toInt(size), lda = toStride(size), info = 0;
  dpotrf_("U", &n, l.data(), &lda, &info, 1);
  if (info != 0)
    return std::nullopt;
  dtrtri_("U", "N", &n, l.data(), &lda, &info, 1, 1);
  if (info != 0)
    return std::nullopt;
  Matrix<double> u(size, size);
  for (int64_t i = 0; i < size; ++i)
    std::reverse_copy(l.row(size - 1 - i), l.row(size - 1 - i) + size - i, u.row(i) + i);
  return u;
}

void numerics::solveLower(Op op, ConstView<double> l, MatrixView<double> b) {
  assert(l.rows == l.columns && l.rows == b.rows);
  // bᵀ = bᵀ l⁻ᵀ, and Fortran sees lᵀ, which is upper.
  int m = toInt(b.columns), n = toInt(b.rows), lda = toStride(l.stride), ldb = toStride(b.stride);
  double one = 1;
  dtrsm_("R", "U", letter(op), "N", &m, &n, &one, l.data, &lda, b.data, &ldb, 1, 1, 1, 1);
}

void numerics::solveLowerRight(Op op, ConstView<double> l, MatrixView<double> b) {
  assert(l.rows == l.columns && l.rows == b.columns);
  int m = toInt(b.columns), n = toInt(b.rows), lda = toStride(l.stride), ldb = toStride(b.stride);
  double one = 1;
  dtrsm_("L", "U", letter(op), "N", &m, &n, &one, l.data, &lda, b.data, &ldb, 1, 1, 1, 1);
}

bool numerics::solvePositive(ConstView<double> a, MatrixView<double> b) {
  std::optional<Matrix<double>> l = choleskyLower(a);
  if (!l)
    return false;
  solveLower(Op::None, *l, b);
  solveLower(Op::Transpose, *l, b);
  return true;
}

std::optional<Eigen> numerics::eigenSymmetric(ConstView<double> a) {
  assert(a.rows == a.columns);
  Eigen result{std::vector<double>(a.rows), copyOf<double>(a)};
  int n = toInt(a.rows), lda = toStride(a.rows), info = 0, ask = -1, integerSize = 0;
  double size = 0;
  dsyevd_("V", "L", &n, result.vectors.data(), &lda, result.values.data(), &size, &ask, &integerSize, &ask, &info, 1,
          1);
  int workSize = toInt(static_cast<int64_t>(size));
  std::vector<double> work(workSize);
  std::vector<int> integers(integerSize);
  dsyevd_("V", "L", &n, result.vectors.data(), &lda, result.values.data(), work.data(), &workSize, integers.data(),
          &integerSize, &info, 1, 1);
  return info == 0 ? std::optional(std::move(result)) : std::nullopt;
}

std::optional<Svd> numerics::svd(ConstView<double> a) {
  int64_t rank = std::min(a.rows, a.columns);
  Svd result{Matrix<double>(a.rows, rank), Matrix<double>(rank, a.columns), std::vector<double>(rank)};
  if (rank == 0)
    return result;
  // Fortran sees aᵀ = vtᵀ sigma uᵀ, so its U is what we read as vt, and its VT as u.
  Matrix<double> scratch = copyOf<double>(a);
  int m = toInt(a.columns), n = toInt(a.rows), lda = m, ldu = m, ldvt = toInt(rank), info = 0, workSize = -1;
  std::vector<int> integers(8 * rank);
  double size = 0;
  dgesdd_("S", &m, &n, scratch.data(), &lda, result.sigma.data(), result.vt.data(), &ldu, result.u.data(), &ldvt, &size,
          &workSize, integers.data(), &info, 1);
  workSize = toInt(static_cast<int64_t>(size));
  std::vector<double> work(workSize);
  dgesdd_("S", &m, &n, scratch.data(), &lda, result.sigma.data(), result.vt.data(), &ldu, result.u.data(), &ldvt,
          work.data(), &workSize, integers.data(), &info, 1);
  if (info != 0)
    return std::nullopt;
  for (int64_t k = 0; k < rank; ++k) {
    double *row = result.vt.row(k);
    double *greatest =
        std::max_element(row, row + a.columns, [](double x, double y) { return std::fabs(x) < std::fabs(y); });
    if (*greatest >= 0)
      continue;
    std::transform(row, row + a.columns, row, std::negate<>());
    for (int64_t i = 0; i < a.rows; ++i)
      result.u(i, k) = -result.u(i, k);
  }
  return result;
}

double numerics::dampDiagonal(MatrixView<double> h, double fraction) {
  double sum = 0;
  for (int64_t i = 0; i < h.rows; ++i)
    sum += h(i, i);
  double added = h.rows == 0 ? 0 : fraction * sum / h.rows;
  for (int64_t i = 0; i < h.rows; ++i)
    h(i, i) += added;
  return added;
}

template <typename T> static bool allFinite(ConstView<T> a) {
  for (int64_t i = 0; i < a.rows; ++i)
    if (!std::all_of(a.row(i), a.row(i) + a.columns, [](T x) { return std::isfinite(x); }))
      return false;
  return true;
}
bool numerics::isFinite(ConstView<float> a) { return allFinite(a); }
bool numerics::isFinite(ConstView<double> a) { return allFinite(a); }
