#include "tools/lathe-run/Statistics.h"
#include <algorithm>
#include <cstddef>

namespace lathe::tool {

Statistics summarize(std::vector<double> samples) {
  Statistics s;
  if (samples.empty())
    return s;
  std::sort(samples.begin(), samples.end());
  auto percentile = [&](double p) {
    double rank = p / 100 * double(samples.size() - 1);
    size_t low = size_t(rank), high = std::min(low + 1, samples.size() - 1);
    return samples[low] + (rank - double(low)) * (samples[high] - samples[low]);
  };
  double sum = 0;
  for (double x : samples)
    sum += x;
  s.min = samples.front();
  s.mean = sum / double(samples.size());
  s.median = percentile(50);
  s.p90 = percentile(90);
  s.p95 = percentile(95);
  s.p99 = percentile(99);
  s.max = samples.back();
  return s;
}

} // namespace lathe::tool
