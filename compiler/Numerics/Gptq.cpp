// Where the scales of a sweep come from, and in which order the columns go.
#include "compiler/Numerics/Gptq.h"
#include "compiler/Numerics/ScaleTable.h"
#include "compiler/Numerics/Sweep.h"
#include <cmath>

using namespace lathe;
using namespace lathe::numerics;

std::vector<float> numerics::getImportance(ConstView<double> h) {
  double sum = 0;
  for (int64_t i = 0; i < h.rows; ++i)
    sum += h(i, i);
  std::vector<float> importance(h.rows, 1.0f);
  if (sum > 0 && std::isfinite(sum))
    for (int64_t i = 0; i < h.rows; ++i)
      importance[i] = static_cast<float>(h(i, i) * h.rows / sum);
  return importance;
}

int64_t numerics::adaptBlock(int64_t block, int64_t group) {
  if (group <= block)
    return block / group * group;
  return group % block == 0 ? block : group;
}

template <typename T>
static GptqResult sweepIn(ConstView<float> w, const SweepFactor &factor, const std::vector<float> &importance,
                          const GptqOptions &options) {
  int64_t rows = w.rows, size = w.columns;
  GptqResult result{Quantized(options.format, rows, size), false, factor.damping, 0, factor.damped.deadCount};
  Matrix<T> columns = transposeOf<T>(w);
  for (int64_t j = 0; j < size; ++j)
    if (factor.damped.dead[j])
      std::fill(columns.row(j), columns.row(j) + rows, T(0));
  ScaleTable table(options.format, rows, size);
  bool fitFirst = options.staticGroups || options.actOrder || table.groupCount() == 1;
  if (fitFirst)
    table.fitAll<T>(columns, importance.data(), options.search);

  Matrix<T> swept(size, rows);
  for (int64_t j = 0; j < size; ++j)
    std::copy(columns.row(factor.order[j]), columns.row(factor.order[j]) + rows, swept.row(j));
  Matrix<int8_t> codes(size, rows);
  int64_t group = table.groupSize();
  // Columns as they are by now, from the position on, but 0 where they stay 0.
  auto take = [&](int64_t position, int64_t count) {
    Matrix<T> taken = copyOf<T>(swept.view().block(position, 0, count, rows));
    for (int64_t i = 0; options.keepZeros && i < count; ++i)
      for (int64_t n = 0; n < rows; ++n)
        taken(i, n) = w(n, factor.order[position + i]) == 0 ? T(0) : taken(i, n);
    return taken;
  };
  auto replace = [&](int64_t position, const T *, T *replacement) {
    int64_t j = factor.order[position];
    if (!fitFirst && j % group == 0)
      table.fit<T>(j / group, take(j, std::min(group, size - j)), importance.data() + j, options.search);
    quantizeColumn(take(position, 1).data(), table.getScales(j), table.getZeroPoints(j), rows, options.format,
                   codes.row(j), replacement);
  };
  int64_t block = fitFirst ? options.block : adaptBlock(options.block, group);
  result.loss = sweep<T>(swept, factor.u, block, [](int64_t, int64_t) {}, replace);
  store(codes, table, 0, result.weight);
  return result;
}

GptqResult numerics::gptq(ConstView<float> w, ConstView<double> h, const GptqOptions &options) {
  assert(h.rows == w.columns && h.columns == w.columns);
  std::vector<float> importance = getImportance(h);
  std::optional<SweepFactor> factor = factorForSweep(h, options.damping, options.actOrder);
  if (!factor)
    return {quantize(w, options.format, options.search, importance), true};
  return options.inDouble ? sweepIn<double>(w, *factor, importance, options)
                          : sweepIn<float>(w, *factor, importance, options);
}
