// One pass over the values for what is kept of each channel, the histogram's, and BLAS for the products.
#include "compiler/Statistics/Observer.h"
#include "compiler/Numerics/LinearAlgebra.h"
#include <algorithm>
#include <cmath>
#include <cstring>

using namespace lathe;
using namespace lathe::statistics;

Observer::Observer(int64_t channels) : low(channels), high(channels), sum(channels), sumAbs(channels) {
  entry.moments = numerics::Matrix<double>(channels + 1, channels + 1);
  entry.maxAbs.resize(channels);
  entry.sumAbs.resize(channels);
}

Entry Observer::take() { return std::move(entry); }

bool Observer::add(numerics::ConstView<float> x, const uint8_t *isReal) {
  int64_t channels = x.columns;
  if (isReal && std::find(isReal, isReal + x.rows, 0) != isReal + x.rows) {
    int64_t kept = x.rows - std::count(isReal, isReal + x.rows, 0);
    if (real.rows() < kept || real.columns() != channels)
      real = numerics::Matrix<float>(kept, channels);
    float *row = real.data();
    for (int64_t i = 0; i < x.rows; ++i)
      if (isReal[i]) {
        std::memcpy(row, x.row(i), channels * sizeof(float));
        row += channels;
      }
    x = {real.data(), kept, channels};
  }
  if (x.rows == 0)
    return true;
  std::fill(low.begin(), low.end(), INFINITY);
  std::fill(high.begin(), high.end(), -INFINITY);
  std::fill(sum.begin(), sum.end(), 0.0f);
  std::fill(sumAbs.begin(), sumAbs.end(), 0.0f);
  for (int64_t i = 0; i < x.rows; ++i) {
    const float *row = x.row(i);
    for (int64_t j = 0; j < channels; ++j) {
      low[j] = std::min(low[j], row[j]);
      high[j] = std::max(high[j], row[j]);
      sum[j] += row[j];
      sumAbs[j] += std::fabs(row[j]);
    }
  }
  // A NaN or an infinity makes its channel's sum one.
  if (!std::all_of(sumAbs.begin(), sumAbs.end(), [](float sum) { return std::isfinite(sum); }))
    return false;

  numerics::MatrixView<double> moments = entry.moments;
  numerics::accumulateGram(x, moments.block(0, 0, channels, channels), scratch);
  float least = INFINITY, most = -INFINITY;
  for (int64_t j = 0; j < channels; ++j) {
    moments(j, channels) = moments(channels, j) += sum[j];
    entry.maxAbs[j] = std::max<double>(entry.maxAbs[j], std::max(-low[j], high[j]));
    entry.sumAbs[j] += sumAbs[j];
    least = std::min(least, low[j]);
    most = std::max(most, high[j]);
  }
  moments(channels, channels) += x.rows;
  if (channels > 0) {
    entry.min = entry.tokens ? std::min<double>(entry.min, least) : least;
    entry.max = entry.tokens ? std::max<double>(entry.max, most) : most;
    entry.histogram.add(llvm::ArrayRef<float>(x.data, x.rows * channels));
  }
  entry.tokens += x.rows;
  return true;
}
