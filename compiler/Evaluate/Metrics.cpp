#include "compiler/Evaluate/Metrics.h"
#include <algorithm>
#include <cmath>
#include <limits>

namespace lathe::evaluate {

static constexpr double kNormal95 = 1.959963984540054; // the normal distribution's 97.5 % quantile

size_t argMax(llvm::ArrayRef<float> values) {
  size_t best = 0;
  for (size_t i = 1; i < values.size(); ++i)
    if (values[i] > values[best] || (std::isnan(values[best]) && !std::isnan(values[i])))
      best = i;
  return best;
}

double cosine(llvm::ArrayRef<float> a, llvm::ArrayRef<float> b) {
  double product = 0, squareA = 0, squareB = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    product += double(a[i]) * b[i];
    squareA += double(a[i]) * a[i];
    squareB += double(b[i]) * b[i];
  }
  if (squareA == 0 || squareB == 0)
    return squareA == squareB;
  return product / (std::sqrt(squareA) * std::sqrt(squareB));
}

double logSumExp(llvm::ArrayRef<float> logits) {
  if (logits.empty())
    return -std::numeric_limits<double>::infinity();
  double greatest = logits[argMax(logits)], sum = 0;
  if (std::isinf(greatest))
    return greatest;
  for (float logit : logits)
    sum += std::exp(logit - greatest);
  return greatest + std::log(sum);
}

double divergence(llvm::ArrayRef<float> reference, llvm::ArrayRef<float> logits) {
  double referenceSum = logSumExp(reference), sum = logSumExp(logits), result = 0;
  for (size_t i = 0; i < logits.size(); ++i) {
    double logP = reference[i] - referenceSum, p = std::exp(logP);
    if (p > 0) // p log p is 0 at 0, whatever the other's logit
      result += p * (logP - (logits[i] - sum));
  }
  return std::max(result, 0.0);
}

Estimate proportion(uint64_t hits, uint64_t count) {
  if (count == 0)
    return {};
  double n = double(count), p = double(hits) / n, z2 = kNormal95 * kNormal95;
  double center = (p + z2 / (2 * n)) / (1 + z2 / n);
  double half = kNormal95 / (1 + z2 / n) * std::sqrt(p * (1 - p) / n + z2 / (4 * n * n));
  return {p, std::max(center - half, 0.0), std::min(center + half, 1.0)};
}

Estimate ratio(llvm::ArrayRef<double> numerators, llvm::ArrayRef<double> denominators) {
  double numerator = 0, denominator = 0;
  for (size_t i = 0; i < numerators.size(); ++i) {
    numerator += numerators[i];
    denominator += denominators[i];
  }
  double value = numerator / denominator, n = double(numerators.size());
  if (n < 2)
    return {value, -std::numeric_limits<double>::infinity(), std::numeric_limits<double>::infinity()};
  double squares = 0;
  for (size_t i = 0; i < numerators.size(); ++i) {
    double residual = numerators[i] - value * denominators[i];
    squares += residual * residual;
  }
  double half = kNormal95 * std::sqrt(n / (n - 1) * squares) / denominator;
  return {value, value - half, value + half};
}

PairedDifference comparePaired(uint64_t gained, uint64_t lost, uint64_t count) {
  PairedDifference result;
  result.gained = gained;
  result.lost = lost;
  if (count == 0)
    return result;
  double difference = double(gained) - double(lost), n = double(count) + 2;
  double half = kNormal95 * std::sqrt(double(gained + lost) + 1 - difference * difference / n) / n;
  result.difference = {difference / double(count), difference / n - half, difference / n + half};
  // 2 Σ_{i <= fewer} C(discordant, i) / 2^discordant; terms as logarithms, for 2^-1075 is no double.
  uint64_t discordant = gained + lost, fewer = std::min(gained, lost);
  double logTerm = -double(discordant) * std::log(2.0), sum = 0;
  for (uint64_t i = 0; i <= fewer; ++i) {
    sum += std::exp(logTerm);
    logTerm += std::log(double(discordant - i)) - std::log(double(i + 1));
  }
  result.probability = std::min(2 * sum, 1.0);
  return result;
}

} // namespace lathe::evaluate
