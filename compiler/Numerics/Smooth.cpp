// Grids over alpha; the error of each is computed, not estimated.
#include "compiler/Numerics/Smooth.h"
#include "compiler/Numerics/Errors.h"
#include "compiler/Numerics/Gptq.h"
#include "compiler/Numerics/LinearAlgebra.h"
#include <cmath>

using namespace lathe;
using namespace lathe::numerics;

std::vector<float> numerics::getColumnMax(llvm::ArrayRef<ConstView<float>> weights) {
  std::vector<float> greatest(weights.front().columns);
  for (ConstView<float> w : weights)
    for (int64_t i = 0; i < w.rows; ++i)
      for (int64_t j = 0; j < w.columns; ++j)
        greatest[j] = std::max(greatest[j], std::fabs(w(i, j)));
  return greatest;
}

std::vector<float> numerics::getSmoothQuantScales(llvm::ArrayRef<float> inputMax, llvm::ArrayRef<float> weightMax,
                                                  double alpha) {
  assert(inputMax.size() == weightMax.size());
  std::vector<float> scales(inputMax.size(), 1.0f);
  for (size_t j = 0; j < scales.size(); ++j)
    if (inputMax[j] > 0 && weightMax[j] > 0)
      scales[j] = static_cast<float>(std::pow(inputMax[j], alpha) / std::pow(weightMax[j], 1 - alpha));
  return scales;
}

std::vector<float> numerics::getAwqScales(llvm::ArrayRef<float> inputMean, double alpha) {
  double least = INFINITY, greatest = 0;
  std::vector<double> powers(inputMean.size());
  for (size_t j = 0; j < powers.size(); ++j) {
    if (!(inputMean[j] > 0))
      continue;
    powers[j] = std::pow(inputMean[j], alpha);
    least = std::min(least, powers[j]);
    greatest = std::max(greatest, powers[j]);
  }
  double unit = std::sqrt(least) * std::sqrt(greatest);
  std::vector<float> scales(inputMean.size(), 1.0f);
  for (size_t j = 0; j < powers.size(); ++j)
    if (inputMean[j] > 0)
      scales[j] = static_cast<float>(powers[j] / unit);
  return scales;
}

Matrix<float> numerics::scaleColumns(ConstView<float> w, llvm::ArrayRef<float> s, bool divide) {
  Matrix<float> result(w.rows, w.columns);
  for (int64_t i = 0; i < w.rows; ++i)
    for (int64_t j = 0; j < w.columns; ++j)
      result(i, j) = divide ? w(i, j) / s[j] : w(i, j) * s[j];
  return result;
}

static double ratio(double lost, double all) { return all > 0 ? lost / all : 0; }

SmoothChoice numerics::searchAwq(llvm::ArrayRef<ConstView<float>> weights, ConstView<double> h,
                                 llvm::ArrayRef<float> inputMean, const IntFormat &format, const ScaleSearch &search,
                                 int steps) {
  SmoothChoice best;
  std::vector<float> importance = getImportance(h);
  double all = 0;
  for (ConstView<float> w : weights)
    all += outputEnergy(copyOf<double>(w), h);
  for (int step = 0; step < steps; ++step) {
    double alpha = static_cast<double>(step) / steps, lost = 0;
    std::vector<float> scales = getAwqScales(inputMean, alpha), scaled = importance;
    for (size_t j = 0; j < scaled.size(); ++j)
      scaled[j] /= scales[j] * scales[j]; // of a column that is s times as large
    for (ConstView<float> w : weights) {
      Matrix<float> rounded =
          scaleColumns(quantize(scaleColumns(w, scales), format, search, scaled).dequantize(), scales, true);
      Matrix<double> delta = copyOf<double>(w);
      for (int64_t i = 0; i < w.rows; ++i)
        for (int64_t j = 0; j < w.columns; ++j)
          delta(i, j) -= rounded(i, j);
      lost += outputEnergy(delta, h);
    }
    if (step == 0)
      best.baseline = ratio(lost, all);
    if (step == 0 || ratio(lost, all) < best.error) {
      best.alpha = alpha;
      best.scales = std::move(scales);
      best.error = ratio(lost, all);
    }
  }
  return best;
}

/// ‖y‖² of y = x wᵀ, or of the difference to `from`.
static double getEnergy(ConstView<float> x, ConstView<float> w, const Matrix<float> *from, Matrix<float> &y) {
  y = Matrix<float>(x.rows, w.rows);
  gemm(Op::None, Op::Transpose, 1.0f, x, w, 0.0f, y);
  double sum = 0;
  for (int64_t i = 0; i < y.rows(); ++i)
    for (int64_t j = 0; j < y.columns(); ++j) {
      double value = y(i, j) - (from ? (*from)(i, j) : 0);
      sum += value * value;
    }
  return sum;
}

SmoothChoice numerics::searchSmoothQuant(llvm::ArrayRef<ConstView<float>> weights, ConstView<float> x,
                                         llvm::ArrayRef<float> inputMax, const IntFormat &format,
                                         ActivationFormat activation, int steps) {
  std::vector<float> weightMax = getColumnMax(weights);
  std::vector<Matrix<float>> exact(weights.size());
  double all = 0;
  for (size_t i = 0; i < weights.size(); ++i)
    all += getEnergy(x, weights[i], nullptr, exact[i]);
  SmoothChoice best;
  for (int step = -1; step <= steps; ++step) {
    double alpha = static_cast<double>(step) / steps, lost = 0;
    std::vector<float> scales =
        step < 0 ? std::vector<float>(inputMax.size(), 1.0f) : getSmoothQuantScales(inputMax, weightMax, alpha);
    Matrix<float> smooth = scaleColumns(x, scales, true);
    activation.range = {};
    for (int64_t i = 0; i < x.rows; ++i)
      for (int64_t j = 0; j < x.columns; ++j)
        activation.range = {std::min(activation.range.low, smooth(i, j)),
                            std::max(activation.range.high, smooth(i, j))};
    Matrix<float> input = quantizeActivations(smooth, activation), output;
    for (size_t i = 0; i < weights.size(); ++i)
      lost += getEnergy(input, quantize(scaleColumns(weights[i], scales), format).dequantize(), &exact[i], output);
    if (step < 0)
      best.baseline = ratio(lost, all);
    if (step < 0 || ratio(lost, all) < best.error) {
      best.alpha = alpha;
      best.scales = std::move(scales);
      best.error = ratio(lost, all);
    }
  }
  return best;
}
