// Scales per input channel that move range from activations to weights (SmoothQuant, 2211.10438), or precision to the
// weights that matter (AWQ, 2306.00978): the weight's column j is multiplied by s_j, its input's channel j divided by
// it.
#pragma once
#include "compiler/Numerics/Activations.h"
#include "compiler/Numerics/Quantizer.h"

namespace lathe::numerics {

/// max over the rows of all weights (which read one input) of |w_j|.
std::vector<float> getColumnMax(llvm::ArrayRef<ConstView<float>> weights);

/// max|x_j|^alpha / max|w_j|^(1 - alpha); 1 for a channel that is always 0 on either side.
std::vector<float> getSmoothQuantScales(llvm::ArrayRef<float> inputMax, llvm::ArrayRef<float> weightMax, double alpha);
/// mean|x_j|^alpha, normalised by the root of greatest times least; 1 for channels that are always 0. All 1 with alpha
/// = 0.
std::vector<float> getAwqScales(llvm::ArrayRef<float> inputMean, double alpha);

/// w[rows, K] with its columns multiplied by s, or divided.
Matrix<float> scaleColumns(ConstView<float> w, llvm::ArrayRef<float> s, bool divide = false);

struct SmoothChoice {
  double alpha = 0;
  std::vector<float> scales;
  double error = 0;    // of the outputs, relative, with the scales
  double baseline = 0; // and without any; never less than `error`
};

/// The alpha of 0, 1/steps, … with the least Σ tr(Δ H Δᵀ) over the weights that read an input, Δ = Q(W s)/s - W.
/// Without a gain alpha is 0.
SmoothChoice searchAwq(llvm::ArrayRef<ConstView<float>> weights, ConstView<double> h, llvm::ArrayRef<float> inputMean,
                       const IntFormat &format, const ScaleSearch &search = {}, int steps = 20);

/// The alpha of 0, 1/steps, …, 1 (or no scales at all: alpha < 0) with the least error of Q(x / s) Q(W s)ᵀ over the
/// samples x[tokens, K]. A static activation's range is taken from the samples, scaled.
SmoothChoice searchSmoothQuant(llvm::ArrayRef<ConstView<float>> weights, ConstView<float> x,
                               llvm::ArrayRef<float> inputMax, const IntFormat &format, ActivationFormat activation,
                               int steps = 10);

} // namespace lathe::numerics
