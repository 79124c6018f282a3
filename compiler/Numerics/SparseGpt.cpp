// Masks of a block, or of every m columns, by w² / U_jj² of the weights as updated so far.
#include "compiler/Numerics/SparseGpt.h"
#include "compiler/Numerics/Gptq.h"
#include "compiler/Numerics/ScaleTable.h"
#include "compiler/Numerics/Sweep.h"
#include <numeric>

using namespace lathe;
using namespace lathe::numerics;

namespace {
template <typename T> class Sweeper {
public:
  Sweeper(ConstView<float> w, const SweepFactor &factor, ConstView<double> h, const SparseGptOptions &options)
      : options(options), factor(factor), importance(getImportance(h)), columns(transposeOf<T>(w)),
        mask(w.columns, w.rows), table(options.format.value_or(IntFormat()), w.rows, w.columns),
        codes(options.format ? w.columns : 0, w.rows) {
    for (int64_t j = 0; j < w.columns; ++j)
      if (factor.damped.dead[j])
        std::fill(columns.row(j), columns.row(j) + w.rows, T(0));
  }

  SparseGptResult run() {
    int64_t unit = std::max<int64_t>(options.sparsity.m, 1);
    int64_t group = options.format ? table.groupSize() : 1;
    // A group as wide as the weight, or one scale for all: fitted at the first column, when all is up to date.
    int64_t nest = table.groupCount() == 1 ? unit : std::lcm(unit, group);
    SparseGptResult result;
    result.loss = sweep<T>(
        columns, factor.u, adaptBlock(options.block, nest),
        [&](int64_t begin, int64_t end) {
          blockEnd = end;
          if (options.sparsity.m == 0)
            select(begin, end, mask.view().block(begin, 0, end - begin, mask.columns()));
        },
        [&](int64_t j, const T *column, T *replacement) { replace(j, column, replacement); });
    result.w = transposeOf<float>(columns);
    result.mask = transposeOf<uint8_t>(mask);
    if (options.format) {
      result.quantized.emplace(*options.format, result.w.rows(), result.w.columns());
      store(codes, table, 0, *result.quantized);
    }
    result.damping = factor.damping;
    result.deadInputs = factor.damped.deadCount;
    return result;
  }

private:
  /// Marks in selected[end - begin, rows] which of the columns stay.
  void select(int64_t begin, int64_t end, MatrixView<uint8_t> selected) {
    int64_t rows = columns.columns();
    Matrix<float> scores(rows, end - begin); // rows as selectMask has them
    for (int64_t j = begin; j < end; ++j)
      for (int64_t n = 0; n < rows; ++n) {
        T ratio = columns(j, n) / static_cast<T>(factor.u(j, j));
        scores(n, j - begin) = static_cast<float>(std::min<double>(ratio * ratio, std::numeric_limits<float>::max()));
      }
    Mask kept = selectMask(scores, options.sparsity, MaskScope::Layer);
    for (int64_t j = begin; j < end; ++j)
      for (int64_t n = 0; n < rows; ++n)
        selected(j - begin, n) = kept(n, j - begin);
  }

  void replace(int64_t j, const T *column, T *replacement) {
    int64_t rows = columns.columns(), size = columns.rows(), m = options.sparsity.m;
    if (m != 0 && j % m == 0) {
      int64_t width = std::min(m, size - j);
      select(j, j + width, mask.view().block(j, 0, width, rows));
    }
    const uint8_t *kept = mask.row(j);
    for (int64_t n = 0; n < rows; ++n)
      replacement[n] = kept[n] ? column[n] : T(0);
    if (!options.format)
      return;
    if (j % table.groupSize() == 0)
      fit(j, std::min(table.groupSize(), size - j));
    quantizeColumn(replacement, table.getScales(j), table.getZeroPoints(j), rows, *options.format, codes.row(j),
                   replacement);
  }

  /// Scales of a group from what will be kept of it as far as can be said now.
  void fit(int64_t begin, int64_t width) {
    int64_t rows = columns.columns();
    Mask expected = copyOf<uint8_t>(mask.view().block(begin, 0, width, rows));
    if (options.sparsity.m != 0 || begin + width > blockEnd)
      select(begin, begin + width, expected);
    Matrix<T> survivors(width, rows);
    for (int64_t j = 0; j < width; ++j)
      for (int64_t n = 0; n < rows; ++n)
        survivors(j, n) = expected(j, n) ? columns(begin + j, n) : T(0);
    table.fit<T>(begin / table.groupSize(), survivors, importance.data() + begin, options.search);
  }

  const SparseGptOptions &options;
  const SweepFactor &factor;
  std::vector<float> importance;
  Matrix<T> columns;
  Matrix<uint8_t> mask; // [K, rows], as the columns
  int64_t blockEnd = 0;
  ScaleTable table;
  Matrix<int8_t> codes;
};
} // namespace

SparseGptResult numerics::sparseGpt(ConstView<float> w, ConstView<double> h, const SparseGptOptions &options) {
  assert(h.rows == w.columns && h.columns == w.columns);
  if (std::optional<SweepFactor> factor = factorForSweep(h, options.damping, false))
    return options.inDouble ? Sweeper<double>(w, *factor, h, options).run()
                            : Sweeper<float>(w, *factor, h, options).run();
  SparseGptResult result;
  result.unswept = true;
  result.mask = selectMask(scoreByMagnitude(w), options.sparsity, MaskScope::Layer);
  result.w = applyMask(w, result.mask);
  if (options.format) {
    result.quantized = quantize(result.w, *options.format, options.search, getImportance(h));
    result.w = result.quantized->dequantize();
  }
  return result;
}
