// Scores of units, and linears without some of their inputs.
#include "passes/Prune/Structured.h"
#include "compiler/Numerics/Errors.h"
#include "compiler/Numerics/Hessian.h"
#include "compiler/Numerics/Refit.h"
#include "llvm/ADT/StringSwitch.h"
#include <cmath>
#include <numeric>

using namespace mlir;
using namespace lathe;
using namespace lathe::prune;
using numerics::Matrix;

std::optional<Score> prune::parseImportance(StringRef name, double norm) {
  return llvm::StringSwitch<std::optional<Score>>(name)
      .Case("l1", Score{Importance::Norm, 1})
      .Case("l2", Score{Importance::Norm, 2})
      .Case("ln", Score{Importance::Norm, norm})
      .Case("activation", Score{Importance::Activation})
      .Case("whitened", Score{Importance::Whitened})
      .Default(std::nullopt);
}

LogicalResult prune::checkOptions(ModuleOp module, StringRef targets, double ratio, StringRef importance, double norm,
                                  StringRef statistics) {
  std::string wrong;
  if (!llvm::Regex(targets).isValid(wrong))
    return module.emitError("targets: '") << targets << "' is no regular expression: " << wrong;
  if (!(ratio >= 0 && ratio < 1))
    return module.emitError("ratio: expected at least 0 and less than 1, got ") << ratio;
  std::optional<Score> parsed = parseImportance(importance, norm);
  if (!parsed)
    return module.emitError("importance: expected l1, l2, ln, activation or whitened, got '") << importance << "'";
  if (!(parsed->power > 0))
    return module.emitError("norm: expected a power above 0, got ") << norm;
  if (statistics.empty() && parsed->importance != Importance::Norm)
    return module.emitError("importance '") << importance << "' needs statistics; hint: pass their file, or use l2";
  return success();
}

/// What the outputs lose at least by the removal of a unit G: tr(W_G ([H⁻¹]_GG)⁻¹ W_Gᵀ), for each; empty where H can't
/// be factored.
static std::vector<double> getLosses(numerics::ConstView<float> w, const Units &units, const statistics::Entry &entry,
                                     double damping) {
  std::vector<double> losses(units.count, 0);
  auto factor = numerics::factorForSweep(numerics::Moments(entry.moments).h, damping, false);
  if (!factor)
    return {};
  Matrix<double> inverse = numerics::multiply(numerics::Op::Transpose, factor->u, numerics::Op::None, factor->u);
  for (int64_t unit = 0; unit < units.count; ++unit) {
    int64_t begin = unit * units.width;
    Matrix<double> columns = numerics::transposeOf<double>(w.block(0, begin, w.rows, units.width)), solution = columns;
    if (!numerics::solvePositive(inverse.view().block(begin, begin, units.width, units.width), solution))
      continue;
    for (int64_t i = 0; i < units.width; ++i)
      for (int64_t n = 0; n < w.rows; ++n)
        losses[unit] += columns(i, n) * solution(i, n);
  }
  return losses;
}

std::vector<int64_t> prune::selectUnits(numerics::ConstView<float> w, ArrayRef<numerics::ConstView<float>> coupled,
                                        const Units &units, int64_t keep, Score score, const statistics::Entry *entry,
                                        double damping) {
  assert(units.count * units.width == w.columns && keep <= units.count);
  std::vector<double> scores(units.count);
  Importance importance = score.importance;
  if (importance == Importance::Whitened) {
    std::vector<double> losses = getLosses(w, units, *entry, damping);
    if (losses.empty())
      importance = Importance::Activation;
    else
      scores = std::move(losses);
  }
  if (importance != Importance::Whitened) {
    auto add = [&](int64_t j, double value) { scores[j / units.width] += std::pow(std::fabs(value), score.power); };
    for (int64_t n = 0; n < w.rows; ++n)
      for (int64_t j = 0; j < w.columns; ++j)
        add(j, w(n, j) * (importance == Importance::Activation ? std::sqrt(entry->moments(j, j)) : 1.0));
    if (importance == Importance::Norm)
      for (numerics::ConstView<float> rows : coupled)
        for (int64_t j = 0; j < rows.rows; ++j)
          for (int64_t i = 0; i < rows.columns; ++i)
            add(j * w.columns / rows.rows, rows(j, i)); // a shared key's row counts for the first head that reads it
  }
  std::vector<int64_t> order(units.count);
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(),
            [&](int64_t i, int64_t j) { return scores[i] != scores[j] ? scores[i] > scores[j] : i < j; });
  order.resize(keep);
  llvm::sort(order);
  return order;
}

std::vector<int64_t> prune::getInputs(ArrayRef<int64_t> kept, int64_t width) {
  std::vector<int64_t> inputs;
  for (int64_t unit : kept)
    for (int64_t i = 0; i < width; ++i)
      inputs.push_back(unit * width + i);
  return inputs;
}

compress::Parameters prune::takeRows(const compress::Parameters &from, ArrayRef<int64_t> kept) {
  compress::Parameters result{Matrix<float>(kept.size(), from.w.columns()), {}};
  for (size_t i = 0; i < kept.size(); ++i) {
    std::copy(from.w.row(kept[i]), from.w.row(kept[i]) + from.w.columns(), result.w.row(i));
    if (!from.bias.empty())
      result.bias.push_back(from.bias[kept[i]]);
  }
  return result;
}

Shrunk prune::takeColumns(const compress::Parameters &from, ArrayRef<int64_t> kept, const statistics::Entry *entry,
                          bool refit, double damping) {
  Shrunk result;
  if (entry && refit) {
    numerics::Refitted fitted = numerics::refit(from.w, from.bias, entry->moments, kept, damping);
    result.fitted = fitted.solved;
    result.error = fitted.error;
    if (fitted.solved) {
      result.parameters = {std::move(fitted.w), std::move(fitted.bias)};
      return result;
    }
  }
  result.parameters = {Matrix<float>(from.w.rows(), kept.size()), from.bias};
  Matrix<float> whole(from.w.rows(), from.w.columns()); // with zeros
  for (int64_t n = 0; n < from.w.rows(); ++n)
    for (size_t i = 0; i < kept.size(); ++i)
      result.parameters.w(n, i) = whole(n, kept[i]) = from.w(n, kept[i]);
  result.error = entry ? numerics::relativeError(from.w, whole, numerics::Moments(entry->moments).h)
                       : numerics::relativeError(from.w, whole);
  return result;
}
