// Histograms that grow by powers of two, and what is read from them. A value counts as its bin's centre.
#include "compiler/Numerics/Observers.h"
#include <algorithm>
#include <cmath>

using namespace lathe;
using namespace lathe::numerics;

Histogram::Histogram(int exponent, llvm::ArrayRef<uint64_t> counts, ValueRange range)
    : exponent(exponent), counts(counts.begin(), counts.end()), range(range) {
  assert(counts.size() == kBins);
}

double Histogram::getBinWidth() const { return std::ldexp(2.0 / kBins, exponent); }
double Histogram::getCenter(int bin) const { return (bin - kBins / 2 + 0.5) * getBinWidth(); }
int Histogram::getBin(float value) const {
  double at = std::floor(std::ldexp(static_cast<double>(value), -exponent) * (kBins / 2)) + kBins / 2;
  return static_cast<int>(std::clamp(at, 0.0, kBins - 1.0));
}

void Histogram::grow(int toExponent) {
  for (; exponent < toExponent; ++exponent) {
    // Bins 2i and 2i + 1 join into one around the middle.
    std::vector<uint64_t> joined(kBins);
    for (int bin = 0; bin < kBins; ++bin)
      joined[kBins / 4 + bin / 2] += counts[bin];
    counts = std::move(joined);
  }
}

void Histogram::add(llvm::ArrayRef<float> values) {
  float low = range.low, high = range.high;
  for (float value : values) {
    bool finite = std::fabs(value) <= std::numeric_limits<float>::max();
    low = finite && value < low ? value : low;
    high = finite && value > high ? value : high;
  }
  range = {low, high};
  float greatest = std::max(-low, high);
  if (greatest > 0) // greatest < 2^(ilogb + 1)
    grow(std::ilogb(greatest) + 1);
  float perUnit = std::ldexp(1.0f, std::min(-exponent, 127)); // small limits: nothing above 2^-127 is told apart
  for (float value : values)
    if (std::fabs(value) <= std::numeric_limits<float>::max()) {
      // In [-1, 1) times half of the bins, made positive, so that truncation rounds down; exact, as all are powers of
      // two.
      double at = static_cast<double>(value) * perUnit * (kBins / 2) + kBins / 2;
      ++counts[std::min(static_cast<int>(at), kBins - 1)];
    }
}

void Histogram::add(const Histogram &other) {
  Histogram same = other;
  int to = std::max(exponent, other.exponent);
  same.grow(to);
  grow(to);
  for (int bin = 0; bin < kBins; ++bin)
    counts[bin] += same.counts[bin];
  range = {std::min(range.low, other.range.low), std::max(range.high, other.range.high)};
}

ValueRange numerics::getPercentileRange(const Histogram &histogram, double percent) {
  double total = 0;
  for (uint64_t count : histogram.getCounts())
    total += static_cast<double>(count);
  double cut = total * (100 - percent) / 200, below = 0, above = 0;
  llvm::ArrayRef<uint64_t> counts = histogram.getCounts();
  int low = 0, high = Histogram::kBins - 1;
  while (low < high && below + static_cast<double>(counts[low]) <= cut)
    below += static_cast<double>(counts[low++]);
  while (high > low && above + static_cast<double>(counts[high]) <= cut)
    above += static_cast<double>(counts[high--]);
  double half = histogram.getBinWidth() / 2;
  ValueRange whole = histogram.getRange();
  return {std::max(whole.low, std::min(0.0f, static_cast<float>(histogram.getCenter(low) - half))),
          std::min(whole.high, std::max(0.0f, static_cast<float>(histogram.getCenter(high) + half)))};
}

static ValueRange shrink(ValueRange range, double low, double high) {
  return {static_cast<float>(range.low * low), static_cast<float>(range.high * high)};
}

/// Σ count * (value - its integer's value)².
static double getSquareError(const Histogram &histogram, ValueRange range, unsigned bits, bool symmetric) {
  auto [scale, zero] = getActivationScale(range, bits, symmetric);
  double low = symmetric ? -((1 << (bits - 1)) - 1) : 0, high = (1 << (symmetric ? bits - 1 : bits)) - 1, sum = 0;
  for (int bin = 0; bin < Histogram::kBins; ++bin) {
    uint64_t count = histogram.getCounts()[bin];
    if (count == 0)
      continue;
    double value = histogram.getCenter(bin);
    double delta = value - (std::clamp(std::nearbyint(value / scale) + zero, low, high) - zero) * scale;
    sum += static_cast<double>(count) * delta * delta;
  }
  return sum;
}

ValueRange numerics::getMseRange(const Histogram &histogram, unsigned bits, bool symmetric) {
  ValueRange whole = histogram.getRange();
  double low = 1, high = 1, least = getSquareError(histogram, whole, bits, symmetric);
  // Both ends together, then either end alone.
  for (auto [moveLow, moveHigh] : {std::pair(true, true), std::pair(true, false), std::pair(false, true)}) {
    double fromLow = low, fromHigh = high;
    for (int step = 1; step < 100; ++step) {
      double by = 1 - step / 100.0, tryLow = moveLow ? by * fromLow : low, tryHigh = moveHigh ? by * fromHigh : high;
      double error = getSquareError(histogram, shrink(whole, tryLow, tryHigh), bits, symmetric);
      if (error < least) {
        least = error;
        low = tryLow;
        high = tryHigh;
      }
    }
  }
  return shrink(whole, low, high);
}

/// What is lost by telling the bins of one integer apart no more, and by putting all that is out of range into its
/// ends.
static double getDivergence(const Histogram &histogram, ValueRange range, unsigned bits, bool symmetric) {
  ActivationScale by = getActivationScale(range, bits, symmetric);
  double low = symmetric ? -((1 << (bits - 1)) - 1) : 0, high = (1 << (symmetric ? bits - 1 : bits)) - 1;
  llvm::ArrayRef<uint64_t> counts = histogram.getCounts();
  int first = histogram.getBin(range.low), last = histogram.getBin(range.high);
  std::vector<double> clipped(counts.begin(), counts.end());
  double total = 0, inside = 0;
  for (int bin = 0; bin < Histogram::kBins; ++bin) {
    total += static_cast<double>(counts[bin]);
    int to = std::clamp(bin, first, last);
    if (to != bin) {
      clipped[to] += clipped[bin];
      clipped[bin] = 0;
    } else {
      inside += static_cast<double>(counts[bin]);
    }
  }
  if (inside == 0)
    return INFINITY;
  double divergence = 0;
  for (int begin = first, end; begin <= last; begin = end) {
    auto codeOf = [&](int bin) {
      return std::clamp(std::nearbyint(histogram.getCenter(bin) / by.scale) + by.zeroPoint, low, high);
    };
    double mass = 0;
    int used = 0;
    for (end = begin; end <= last && codeOf(end) == codeOf(begin); ++end) {
      mass += static_cast<double>(counts[end]);
      used += counts[end] != 0;
    }
    for (int bin = begin; bin < end; ++bin)
      if (clipped[bin] > 0) {
        // A bin that only clipping filled has no share of its own: as if it had a thousandth of a value.
        double p = clipped[bin] / total, q = (counts[bin] ? mass / used : 1e-3) / inside;
        divergence += p * std::log(p / q);
      }
  }
  return divergence;
}

ValueRange numerics::getEntropyRange(const Histogram &histogram, unsigned bits, bool symmetric) {
  ValueRange whole = histogram.getRange(), best = whole;
  double least = getDivergence(histogram, whole, bits, symmetric);
  for (int step = 1; step < 100; ++step) {
    ValueRange tried = shrink(whole, 1 - step / 100.0, 1 - step / 100.0);
    double divergence = getDivergence(histogram, tried, bits, symmetric);
    if (divergence < least) {
      least = divergence;
      best = tried;
    }
  }
  return best;
}
