// Which weights stay: by a score of each, per row, per layer or over many layers, or n of every m.
#pragma once
#include "compiler/Numerics/Matrix.h"
#include "llvm/ADT/ArrayRef.h"

namespace lathe::numerics {

/// 1 where a weight stays, 0 where it is pruned.
using Mask = Matrix<uint8_t>;

/// The share that is pruned, or, where m isn't 0, how many of every m neighbours in a row stay.
struct Sparsity {
  double ratio = 0.5;
  int64_t n = 0, m = 0;
};
enum class MaskScope { Row, Layer };

/// |w|.
Matrix<float> scoreByMagnitude(ConstView<float> w);
/// |w_ij| * norms[j], with the norms of the inputs √H_jj (Wanda, 2306.11695).
Matrix<float> scoreByActivation(ConstView<float> w, llvm::ArrayRef<double> norms);
/// √H_jj.
std::vector<double> getInputNorms(ConstView<double> h);

/// Prunes what scores least: the nearest whole number to the ratio of each row or of the layer, or all but n of every m
/// in a row (of a last group of fewer than m, at most n stay). Of equals the first go. Scores are finite.
Mask selectMask(ConstView<float> scores, const Sparsity &sparsity, MaskScope scope);
/// One threshold for several layers. The scores must be comparable: those of magnitude are, if the layers are
/// normalised.
std::vector<Mask> selectGlobally(llvm::ArrayRef<ConstView<float>> scores, double ratio);

Matrix<float> applyMask(ConstView<float> w, ConstView<uint8_t> mask);

} // namespace lathe::numerics
