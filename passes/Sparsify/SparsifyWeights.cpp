// --lathe-sparsify-weights: elements of linears' weights become 0.
#include "compiler/Numerics/Errors.h"
#include "compiler/Numerics/SparseGpt.h"
#include "dialects/Tfm/Formats.h"
#include "passes/Compress/Readers.h"
#include "passes/Passes.h"

namespace lathe {
#define GEN_PASS_DEF_SPARSIFYWEIGHTSPASS
#include "passes/Passes.h.inc"
} // namespace lathe

using namespace mlir;
using namespace lathe;
using namespace lathe::compress;
using numerics::Matrix;

namespace {
/// A weight that is to lose elements.
struct Chosen {
  Target target;
  Matrix<float> w; // [N, K]
  const statistics::Entry *entry;
};

struct SparsifyWeights : lathe::impl::SparsifyWeightsPassBase<SparsifyWeights> {
  using Base::Base;

  void runOnOperation() override {
    if (failed(checkOptions()) || failed(calibration.load(getOperation(), statistics)))
      return signalPassFailure();
    llvm::Regex regex(targets);
    SmallVector<Chosen> chosen;
    for (Target &target : findTargets(getOperation(), regex)) {
      if (target.linears.empty())
        continue;
      const char *obstacle = target.hasOthers || target.isLookedUp ? "another op than linears reads it" : nullptr;
      for (tfm::LinearOp linear : target.linears)
        obstacle = obstacle ? obstacle : getObstacle(linear);
      if (obstacle) {
        Change change(target.linears.front(), getArgument());
        change.refused = obstacle;
        change.before = change.after = *tfm::getByteSize(target.getType());
        report(getOperation(), change);
        continue;
      }
      auto values = readValues(target);
      auto entry = calibration.find(target.linears.front());
      if (failed(values) || failed(entry))
        return signalPassFailure();
      Matrix<float> w = getMatrix(target.getType(), target.getDepthAxis(), *values);
      chosen.push_back({std::move(target), std::move(w), *entry});
    }
    std::vector<numerics::Mask> masks;
    if (scope == "global")
      masks = selectTogether(chosen);
    for (auto [i, each] : llvm::enumerate(chosen))
      if (failed(sparsify(each, masks.empty() ? nullptr : &masks[i])))
        return signalPassFailure();
  }

  LogicalResult checkOptions() {
    std::string wrong;
    if (!llvm::Regex(targets).isValid(wrong))
      return getOperation().emitError("targets: '") << targets << "' is no regular expression: " << wrong;
    if (method != "magnitude" && method != "wanda" && method != "sparsegpt")
      return getOperation().emitError("method: expected magnitude, wanda or sparsegpt, got '") << method << "'";
    if (method != "magnitude" && statistics.empty())
      return getOperation().emitError("method '") << method << "' needs statistics; hint: give calibration data";
    if (scope != "layer" && (scope != "global" || method == "sparsegpt"))
      return getOperation().emitError("scope: expected layer, or global with magnitude or wanda, got '")
             << scope << "'";
    if (format != "auto" && format != "dense" && format != "nm" && format != "bitmap")
      return getOperation().emitError("format: expected auto, dense, nm or bitmap, got '") << format << "'";
    if (format == "nm" && pattern.empty())
      return getOperation().emitError("format nm needs an n:m pattern");
    if (!pattern.empty()) {
      auto [n, m] = StringRef(pattern).split(':');
      if (n.getAsInteger(10, sparsity.n) || m.getAsInteger(10, sparsity.m) || sparsity.n < 1 ||
          sparsity.n >= sparsity.m || sparsity.m > 16)
        return getOperation().emitError("pattern: expected n:m with 1 <= n < m <= 16, got '") << pattern << "'";
    }
    if (!(ratio >= 0 && ratio < 1))
      return getOperation().emitError("ratio: expected a share below 1, got ") << ratio.getValue();
    sparsity.ratio = ratio;
    return success();
  }

  Matrix<float> getScores(const Chosen &chosen) {
    if (method == "magnitude")
      return numerics::scoreByMagnitude(chosen.w);
    return numerics::scoreByActivation(chosen.w, numerics::getInputNorms(numerics::Moments(chosen.entry->moments).h));
  }

  std::vector<numerics::Mask> selectTogether(ArrayRef<Chosen> chosen) {
    std::vector<Matrix<float>> scores;
    for (const Chosen &each : chosen)
      scores.push_back(getScores(each));
    std::vector<numerics::ConstView<float>> views(scores.begin(), scores.end());
    return numerics::selectGlobally(views, ratio);
  }

  /// What leaves the zeros out, if that is asked for or smaller; null: nothing does.
  Attribute chooseFormat(Target &target, uint64_t kept) {
    if (format == "dense")
      return {};
    Attribute chosen = tfm::BitmapFormatAttr::get(&getContext(), kept, {});
    if (sparsity.m && format != "bitmap")
      chosen = tfm::SparseFormatAttr::get(&getContext(), sparsity.n, sparsity.m, target.getDepthAxis(), {});
    bool isSmaller = *tfm::getByteSize(tfm::withFormat(target.getType(), chosen)) < *tfm::getByteSize(target.getType());
    return isSmaller || format != "auto" ? chosen : Attribute();
  }

  LogicalResult sparsify(Chosen &chosen, const numerics::Mask *mask) {
    Target &target = chosen.target;
    const Matrix<float> &w = chosen.w;
    tfm::LinearOp linear = target.linears.front();
    if (sparsity.m && w.columns() % sparsity.m)
      return linear.emitError("weight '") << target.weight.getSymName() << "' has " << w.columns() << " inputs, which "
                                          << sparsity.m << " doesn't divide";
    std::string note;
    Matrix<float> after;
    if (method == "sparsegpt") {
      numerics::SparseGptOptions options;
      options.sparsity = sparsity;
      options.damping = damping;
      numerics::SparseGptResult result = numerics::sparseGpt(w, numerics::Moments(chosen.entry->moments).h, options);
      if (result.unswept)
        note = " (by magnitude: the moments can't be factored)";
      note += describeDeadInputs(result.deadInputs);
      after = std::move(result.w);
    } else {
      auto perRow = method == "wanda" ? numerics::MaskScope::Row : numerics::MaskScope::Layer;
      after = numerics::applyMask(w, mask ? *mask : numerics::selectMask(getScores(chosen), sparsity, perRow));
    }
    ArrayRef<float> elements(after.data(), w.rows() * w.columns());
    uint64_t kept = llvm::count_if(elements, [](float value) { return value != 0; });
    Change change(linear, getArgument());
    change.error = chosen.entry ? numerics::relativeError(w, after, numerics::Moments(chosen.entry->moments).h)
                                : numerics::relativeError(w, after);
    change.before = *tfm::getByteSize(target.getType());
    Attribute as = chooseFormat(target, kept);
    bool isTransposed = target.getDepthAxis() == 0;
    Matrix<float> across = isTransposed ? numerics::transposeOf<float>(after) : Matrix<float>();
    storeValues(target, as, isTransposed ? ArrayRef<float>(across.data(), elements.size()) : elements);
    change.after = *tfm::getByteSize(target.getType());
    std::string sparse = describeSparse(as);
    change.what =
        (pattern.empty() ? std::to_string(kept) + " of " + std::to_string(elements.size()) : pattern.getValue()) +
        " stay, " + method + note + (sparse.empty() ? "" : ", kept as " + sparse);
    report(getOperation(), change);
    return success();
  }

  numerics::Sparsity sparsity;
  Calibration calibration;
};
} // namespace
