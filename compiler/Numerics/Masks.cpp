// Selection by partial sorting, with the index as the last word, so that it is the same everywhere.
#include "compiler/Numerics/Masks.h"
#include <algorithm>
#include <cmath>

using namespace lathe;
using namespace lathe::numerics;

Matrix<float> numerics::scoreByMagnitude(ConstView<float> w) {
  Matrix<float> scores(w.rows, w.columns);
  for (int64_t i = 0; i < w.rows; ++i)
    for (int64_t j = 0; j < w.columns; ++j)
      scores(i, j) = std::fabs(w(i, j));
  return scores;
}

Matrix<float> numerics::scoreByActivation(ConstView<float> w, llvm::ArrayRef<double> norms) {
  assert(static_cast<int64_t>(norms.size()) == w.columns);
  Matrix<float> scores(w.rows, w.columns);
  for (int64_t i = 0; i < w.rows; ++i)
    for (int64_t j = 0; j < w.columns; ++j)
      scores(i, j) = static_cast<float>(std::fabs(w(i, j)) * norms[j]);
  return scores;
}

std::vector<double> numerics::getInputNorms(ConstView<double> h) {
  std::vector<double> norms(h.rows);
  for (int64_t j = 0; j < h.rows; ++j)
    norms[j] = std::sqrt(std::max(h(j, j), 0.0));
  return norms;
}

/// Calls prune(i) for the `count` of least score(i), i < size.
template <typename Score, typename Prune>
static void pruneLeast(int64_t size, int64_t count, std::vector<std::pair<float, int64_t>> &scratch, Score score,
                       Prune prune) {
  if (count <= 0)
    return;
  scratch.resize(size);
  for (int64_t i = 0; i < size; ++i)
    scratch[i] = {score(i), i};
  if (count < size)
    std::nth_element(scratch.begin(), scratch.begin() + count, scratch.end());
  for (int64_t i = 0; i < std::min(count, size); ++i)
    prune(scratch[i].second);
}

static int64_t getCount(double ratio, int64_t size) { return std::llround(ratio * static_cast<double>(size)); }

static Mask keepAll(int64_t rows, int64_t columns) {
  Mask mask(rows, columns);
  std::fill(mask.data(), mask.data() + rows * columns, 1);
  return mask;
}

Mask numerics::selectMask(ConstView<float> scores, const Sparsity &sparsity, MaskScope scope) {
  Mask mask = keepAll(scores.rows, scores.columns);
  std::vector<std::pair<float, int64_t>> scratch;
  if (sparsity.m == 0 && scope == MaskScope::Layer) {
    int64_t size = scores.rows * scores.columns;
    pruneLeast(
        size, getCount(sparsity.ratio, size), scratch,
        [&](int64_t i) { return scores(i / scores.columns, i % scores.columns); },
        [&](int64_t i) { mask.data()[i] = 0; });
    return mask;
  }
  int64_t width = sparsity.m == 0 ? scores.columns : sparsity.m;
  for (int64_t i = 0; i < scores.rows; ++i)
    for (int64_t begin = 0; begin < scores.columns; begin += width) {
      int64_t size = std::min(width, scores.columns - begin);
      int64_t count = sparsity.m == 0 ? getCount(sparsity.ratio, size) : size - sparsity.n;
      const float *row = scores.row(i) + begin;
      uint8_t *kept = mask.row(i) + begin;
      pruneLeast(size, count, scratch, [&](int64_t j) { return row[j]; }, [&](int64_t j) { kept[j] = 0; });
    }
  return mask;
}

std::vector<Mask> numerics::selectGlobally(llvm::ArrayRef<ConstView<float>> scores, double ratio) {
  std::vector<Mask> masks;
  std::vector<std::pair<const float *, uint8_t *>> rows; // of all layers, one after another
  std::vector<std::pair<int64_t, size_t>> starts;        // the index of a row's first weight, and the row
  int64_t size = 0;
  for (ConstView<float> layer : scores)
    masks.push_back(keepAll(layer.rows, layer.columns));
  std::vector<std::pair<float, int64_t>> all;
  for (size_t l = 0; l < scores.size(); ++l)
    for (int64_t i = 0; i < scores[l].rows; ++i) {
      starts.push_back({size, rows.size()});
      rows.push_back({scores[l].row(i), masks[l].row(i)});
      for (int64_t j = 0; j < scores[l].columns; ++j)
        all.push_back({scores[l](i, j), size++});
    }
  int64_t count = std::min(getCount(ratio, size), size);
  if (count < size)
    std::nth_element(all.begin(), all.begin() + count, all.end());
  for (int64_t i = 0; i < count; ++i) {
    auto after = std::upper_bound(starts.begin(), starts.end(), std::pair(all[i].second, SIZE_MAX));
    auto [first, row] = *std::prev(after);
    rows[row].second[all[i].second - first] = 0;
  }
  return masks;
}

Matrix<float> numerics::applyMask(ConstView<float> w, ConstView<uint8_t> mask) {
  assert(w.rows == mask.rows && w.columns == mask.columns);
  Matrix<float> result(w.rows, w.columns);
  for (int64_t i = 0; i < w.rows; ++i)
    for (int64_t j = 0; j < w.columns; ++j)
      result(i, j) = mask(i, j) ? w(i, j) : 0;
  return result;
}
