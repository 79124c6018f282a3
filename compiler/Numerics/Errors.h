// How far a compressed weight is from the weight, as its outputs are.
#pragma once
#include "compiler/Numerics/Matrix.h"

namespace lathe::numerics {

/// tr(D H Dᵀ) = ‖X Dᵀ‖² for d[rows, K] and h = XᵀX, in f64.
double outputEnergy(ConstView<double> d, ConstView<double> h);

/// tr(Δ H Δᵀ) / tr(W H Wᵀ) of Δ = W - Ŵ: the share of the outputs' energy that is lost. 0 where nothing is to be lost.
double relativeError(ConstView<float> w, ConstView<float> compressed, ConstView<double> h);
/// ‖W - Ŵ‖² / ‖W‖²: the same without statistics.
double relativeError(ConstView<float> w, ConstView<float> compressed);

} // namespace lathe::numerics
