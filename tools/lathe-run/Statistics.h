// The figures that a benchmark reports of a list of measurements.
#pragma once
#include <vector>

namespace lathe::tool {

struct Statistics {
  double min = 0, mean = 0, median = 0, p90 = 0, p95 = 0, p99 = 0, max = 0;
};

// Percentiles interpolate linearly between the two nearest ranks, as NumPy's default does. All zero for an empty list.
Statistics summarize(std::vector<double> samples);

} // namespace lathe::tool
