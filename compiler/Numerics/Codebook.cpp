// Lloyd's algorithm in one dimension: clusters are runs of the sorted weights, so sums of prefixes give their means.
#include "compiler/Numerics/Codebook.h"
#include <algorithm>
#include <cassert>
#include <numeric>

using namespace lathe;
using namespace lathe::numerics;

Codebook numerics::clusterWeights(llvm::ArrayRef<float> weights, llvm::ArrayRef<float> importance, int64_t size,
                                  int rounds) {
  assert(size >= 2 && size <= 256 && (importance.empty() || importance.size() == weights.size()));
  std::vector<int64_t> order(weights.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(),
            [&](int64_t i, int64_t j) { return weights[i] != weights[j] ? weights[i] < weights[j] : i < j; });
  // Different values, ascending, and the sums of importance and of importance times value before each.
  std::vector<float> sorted;
  std::vector<double> mass{0}, moment{0};
  for (int64_t i : order) {
    double by = importance.empty() ? 1 : importance[i];
    if (sorted.empty() || sorted.back() != weights[i]) {
      sorted.push_back(weights[i]);
      mass.push_back(mass.back());
      moment.push_back(moment.back());
    }
    mass.back() += by;
    moment.back() += by * weights[i];
  }
  int64_t count = sorted.size();
  size = std::min(size, count);
  std::vector<int64_t> starts(size + 1); // of the clusters, in `sorted`
  for (int64_t k = 0; k < size; ++k) {
    // Equal shares of the importance, but at least one value for each.
    int64_t at = std::lower_bound(mass.begin(), mass.end(), mass.back() * k / size) - mass.begin();
    starts[k] = std::clamp<int64_t>(at, k == 0 ? 0 : starts[k - 1] + 1, count - size + k);
  }
  if (size > 0)
    starts[0] = 0;
  starts[size] = count;

  Codebook result;
  result.values.resize(size);
  for (int round = 0; round < rounds; ++round) {
    for (int64_t k = 0; k < size; ++k) {
      double whole = mass[starts[k + 1]] - mass[starts[k]];
      result.values[k] = static_cast<float>(whole > 0 ? (moment[starts[k + 1]] - moment[starts[k]]) / whole
                                                      : sorted[starts[k]]); // nothing in it matters
    }
    bool moved = false;
    for (int64_t k = 1; k < size; ++k) {
      double middle = (static_cast<double>(result.values[k - 1]) + result.values[k]) / 2;
      int64_t start = std::lower_bound(sorted.begin(), sorted.end(), middle) - sorted.begin();
      start = std::clamp<int64_t>(start, starts[k - 1] + 1, count - size + k);
      moved |= start != starts[k];
      starts[k] = start;
    }
    if (!moved)
      break;
  }
  std::sort(result.values.begin(), result.values.end()); // already, but for what rounding to f32 made equal
  result.codes.resize(weights.size());
  for (size_t i = 0; i < weights.size(); ++i) {
    auto above = std::lower_bound(result.values.begin(), result.values.end(), weights[i]);
    int64_t code = above - result.values.begin();
    if (code == size || (code > 0 && weights[i] - result.values[code - 1] <= result.values[code] - weights[i]))
      --code;
    result.codes[i] = static_cast<uint8_t>(code);
  }
  return result;
}
