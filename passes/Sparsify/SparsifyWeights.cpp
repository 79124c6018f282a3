// --lathe-sparsify-weights: elements of linears' weights become 0.
#include "compiler/Numerics/Errors.h"
#include "compiler/Numerics/SparseGpt.h"
#include "passes/Compress/Linears.h"
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
/// A linear whose weight is to lose elements.
struct Target {
  tfm::LinearOp linear;
  Parameters parameters;
  const statistics::Entry *entry;
};

struct SparsifyWeights : lathe::impl::SparsifyWeightsPassBase<SparsifyWeights> {
  using Base::Base;

  void runOnOperation() override {
    if (failed(checkOptions()) || failed(calibration.load(getOperation(), statistics)))
      return signalPassFailure();
    llvm::Regex regex(targets);
    SmallVector<Target> chosen;
    DenseSet<Operation *> seen;
    WalkResult walked = getOperation().walk([&](tfm::LinearOp linear) {
      tfm::WeightOp weight = getWeight(linear.getWeight());
      if (!weight || !matches(regex, weight) || !seen.insert(weight).second)
        return WalkResult::advance();
      if (const char *obstacle = getObstacle(linear)) {
        Change change(linear, getArgument());
        change.refused = obstacle;
        change.before = change.after = *tfm::getByteSize(weight.getTensorType());
        report(getOperation(), change);
        return WalkResult::advance();
      }
      auto parameters = readParameters(linear);
      auto entry = calibration.find(linear);
      if (failed(parameters) || failed(entry))
        return WalkResult::interrupt();
      chosen.push_back({linear, std::move(*parameters), *entry});
      return WalkResult::advance();
    });
    if (walked.wasInterrupted())
      return signalPassFailure();
    std::vector<numerics::Mask> masks;
    if (scope == "global")
      masks = selectTogether(chosen);
    for (auto [i, target] : llvm::enumerate(chosen))
      if (failed(sparsify(target, masks.empty() ? nullptr : &masks[i])))
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

  Matrix<float> getScores(const Target &target) {
    if (method == "magnitude")
      return numerics::scoreByMagnitude(target.parameters.w);
    return numerics::scoreByActivation(target.parameters.w,
                                       numerics::getInputNorms(numerics::Moments(target.entry->moments).h));
  }

  std::vector<numerics::Mask> selectTogether(ArrayRef<Target> chosen) {
    std::vector<Matrix<float>> scores;
    for (const Target &target : chosen)
      scores.push_back(getScores(target));
    std::vector<numerics::ConstView<float>> views(scores.begin(), scores.end());
    return numerics::selectGlobally(views, ratio);
  }

  LogicalResult sparsify(Target &target, const numerics::Mask *mask) {
    tfm::LinearOp linear = target.linear;
    const Matrix<float> &w = target.parameters.w;
    tfm::WeightOp weight = getWeight(linear.getWeight());
    if (sparsity.m && w.columns() % sparsity.m)
      return linear.emitError("weight '")
             << weight.getSymName() << "' has " << w.columns() << " inputs, which " << sparsity.m << " doesn't divide";
    std::string note;
    Matrix<float> after;
    if (method == "sparsegpt") {
      numerics::SparseGptOptions options;
      options.sparsity = sparsity;
      options.damping = damping;
      numerics::SparseGptResult result = numerics::sparseGpt(w, numerics::Moments(target.entry->moments).h, options);
      if (result.unswept)
        note = " (by magnitude: the moments can't be factored)";
      after = std::move(result.w);
    } else {
      auto perRow = method == "wanda" ? numerics::MaskScope::Row : numerics::MaskScope::Layer;
      after = numerics::applyMask(w, mask ? *mask : numerics::selectMask(getScores(target), sparsity, perRow));
    }
    double error = target.entry ? numerics::relativeError(w, after, numerics::Moments(target.entry->moments).h)
                                : numerics::relativeError(w, after);
    int64_t bytes = w.rows() * w.columns() * 4;
    uint64_t kept =
        llvm::count_if(ArrayRef<float>(after.data(), w.rows() * w.columns()), [](float value) { return value != 0; });
    Change change(linear, getArgument());
    change.what = (pattern.empty() ? std::to_string(kept) + " of " + std::to_string(bytes / 4) : pattern.getValue()) +
                  " stay, " + method + note;
    change.error = error;
    change.before = change.after = bytes;
    report(getOperation(), change);
    // The elements stay plain, as a later pass may quantize what is left.
    writeParameters(linear, {std::move(after), target.parameters.bias});
    return success();
  }

  numerics::Sparsity sparsity;
  Calibration calibration;
};
} // namespace
