// The linear algebra that compression needs, over OpenBLAS and its LAPACK.
//
// A call runs on the caller's thread alone, and calls from several threads at once are allowed. On all processors with
// AVX2 and FMA the same kernels are used, so that the same input gives the same bits on each of them.
#pragma once
#include "compiler/Numerics/Matrix.h"
#include <optional>

namespace lathe::numerics {

enum class Op { None, Transpose };

/// c = alpha * opA(a) * opB(b) + beta * c. No aliasing of c.
void gemm(Op opA, Op opB, float alpha, ConstView<float> a, ConstView<float> b, float beta, MatrixView<float> c);
void gemm(Op opA, Op opB, double alpha, ConstView<double> a, ConstView<double> b, double beta, MatrixView<double> c);

/// opA(a) * opB(b).
Matrix<double> multiply(Op opA, ConstView<double> a, Op opB, ConstView<double> b);

/// h[K, K] += xᵀx for x[tokens, K]: summed in f32 inside of x, added in f64; both triangles. So a caller hands over
/// batches of bounded length. `scratch` keeps its memory from call to call.
void accumulateGram(ConstView<float> x, MatrixView<double> h, Matrix<float> &scratch);

/// The lower L with a = L Lᵀ, the upper triangle 0; nothing where `a` isn't positive definite. Reads one triangle of
/// `a`.
[[nodiscard]] std::optional<Matrix<double>> choleskyLower(ConstView<double> a);

/// The upper U with a⁻¹ = Uᵀ U, the lower triangle 0; nothing where `a` isn't positive definite. Computed as the
/// inverse of the upper factor R of a = R Rᵀ, so that a⁻¹ is never formed.
[[nodiscard]] std::optional<Matrix<double>> inverseCholeskyUpper(ConstView<double> a);

/// b = l⁻¹ b, or l⁻ᵀ b with Op::Transpose. `l` is lower triangular; its upper triangle isn't read.
void solveLower(Op op, ConstView<double> l, MatrixView<double> b);
/// b = b l⁻¹, or b l⁻ᵀ with Op::Transpose.
void solveLowerRight(Op op, ConstView<double> l, MatrixView<double> b);

/// Solves a x = b for a symmetric positive definite `a`, in place of b; false (and b undefined) where it isn't.
[[nodiscard]] bool solvePositive(ConstView<double> a, MatrixView<double> b);

/// a = Σ values[i] vᵢ vᵢᵀ of a symmetric `a`: values ascend, row i of `vectors` is vᵢ. Nothing where LAPACK doesn't
/// converge.
struct Eigen {
  std::vector<double> values;
  Matrix<double> vectors;
};
[[nodiscard]] std::optional<Eigen> eigenSymmetric(ConstView<double> a);

/// a[m, n] = u diag(sigma) vt with u[m, k], vt[k, n], k = min(m, n); sigma descends. Each row of vt has its greatest
/// element positive, so that signs are no accident. Nothing where LAPACK doesn't converge.
struct Svd {
  Matrix<double> u, vt;
  std::vector<double> sigma;
};
[[nodiscard]] std::optional<Svd> svd(ConstView<double> a);

/// Adds `fraction` of the mean of the diagonal to the diagonal. Returns what was added.
double dampDiagonal(MatrixView<double> h, double fraction);

bool isFinite(ConstView<float> a);
bool isFinite(ConstView<double> a);

} // namespace lathe::numerics
