// Tries each change on a copy, which is compiled for this machine and run.
#include "compiler/Driver/ChooseLayers.h"
#include "compiler/Data/ImpliedInputs.h"
#include "compiler/Data/Signature.h"
#include "compiler/Driver/HostModel.h"
#include "compiler/Evaluate/Evaluate.h"
#include "mlir/Pass/PassManager.h"
#include "passes/Passes.h"
#include "passes/Structure/Layers.h"

using namespace mlir;
using namespace lathe;

/// Samples that layers are chosen by: enough to tell a layer that matters from one that doesn't.
static constexpr uint64_t kSamples = 256;

namespace {
/// Runs changed copies of a module beside it.
class Trials {
public:
  Trials(ModuleOp module, const CompileOptions &options) : module(module), options(options) {}

  LogicalResult prepare() {
    auto described = data::describeInputs(module);
    if (failed(described))
      return failure();
    signature = std::move(*described);
    data::OpenOptions open;
    open.maxRows = options.calibrationSamples;
    data::ImpliedInputs implied(signature, options.calibration);
    auto set = data::DataSet::open(options.calibration, implied.given(), open);
    if (!set)
      return emitError(module.getLoc(), "calibration: ") << llvm::toString(set.takeError());
    samples = std::min(set->rows(), kSamples);
    OwningOpRef<ModuleOp> copy = module.clone();
    return loadOnHost(*copy, options, original, target);
  }

  /// 1 - the mean cosine of a module's first output with the original's. The module stays as it is.
  FailureOr<double> measure(ModuleOp changed) {
    OwningOpRef<ModuleOp> copy = changed.clone();
    tool::Model model;
    if (failed(loadOnHost(*copy, options, model, target)))
      return failure();
    evaluate::Other other;
    other.model = &original;
    evaluate::Options how;
    how.metrics = {evaluate::Metric::Cosine};
    how.samples = samples;
    auto evaluated = evaluate::evaluate(model, signature, options.calibration, other, how);
    if (!evaluated)
      return emitError(module.getLoc(), "calibration: ") << llvm::toString(evaluated.takeError()), failure();
    return std::max(1 - evaluated->figures.front().estimate.value, 0.0);
  }

private:
  ModuleOp module;
  const CompileOptions &options;
  data::Signature signature;
  uint64_t samples = 0;
  tool::Model original;
  std::string target;
};
} // namespace

/// A copy of the module with the change; null where the structure doesn't allow it.
static OwningOpRef<ModuleOp> apply(ModuleOp module, const LayerChange &change) {
  SmallVector<Layer> layers = findLayers(module);
  auto find = [&](int64_t number) {
    auto *layer = llvm::find_if(layers, [&](const Layer &each) { return each.number == number; });
    return layer == layers.end() || !layer->obstacle.empty() ? nullptr : layer;
  };
  std::string why;
  Layer *layer = find(change.layer), *giver = change.from < 0 ? nullptr : find(change.from);
  if (!layer || layers.size() < 2 || (change.from >= 0 && (!giver || !pairWeights(*giver, *layer, why))))
    return {};
  OwningOpRef<ModuleOp> copy = module.clone();
  PassManager passes(module.getContext());
  if (giver) {
    ShareLayersPassOptions share;
    share.from = change.from;
    share.to = change.layer;
    passes.addPass(createShareLayersPass(share));
  } else {
    PruneLayersPassOptions prune;
    prune.layers = {change.layer};
    passes.addPass(createPruneLayersPass(prune));
  }
  return succeeded(passes.run(*copy)) ? std::move(copy) : OwningOpRef<ModuleOp>();
}

FailureOr<std::vector<LayerChange>> lathe::chooseLayers(ModuleOp module, ArrayRef<int64_t> candidates, int64_t count,
                                                        bool shares, const CompileOptions &options,
                                                        const std::function<void(double)> &progress) {
  SmallVector<int64_t> left(candidates); // that may still be changed
  if (left.empty())
    for (const Layer &layer : findLayers(module))
      left.push_back(layer.number);
  // Those behind a layer that was left out have moved up.
  SmallVector<int64_t> gone;
  auto countNow = [&](int64_t layer) {
    return layer - llvm::count_if(gone, [&](int64_t other) { return other < layer; });
  };
  Trials trials(module, options);
  if (failed(trials.prepare()))
    return failure();
  OwningOpRef<ModuleOp> current = module.clone();
  std::vector<LayerChange> chosen;
  for (int64_t round = 0; round < count; ++round) {
    std::optional<LayerChange> best;
    OwningOpRef<ModuleOp> next;
    for (auto [i, layer] : llvm::enumerate(left)) {
      progress((round + double(i) / left.size()) / count);
      SmallVector<LayerChange> ways;
      if (shares)
        ways = {{layer, layer - 1}, {layer, layer + 1}};
      else
        ways = {{layer}};
      for (LayerChange &way : ways) {
        OwningOpRef<ModuleOp> changed;
        if (!shares || way.from >= 0)
          changed = apply(*current, {countNow(way.layer), way.from});
        if (!changed)
          continue;
        FailureOr<double> error = trials.measure(*changed);
        if (failed(error))
          return failure();
        way.error = *error;
        if (!best || way.error < best->error) {
          best = way;
          next = std::move(changed);
        }
      }
    }
    if (!best)
      return emitError(module.getLoc(), "expected ")
             << count << " layers that can " << (shares ? "share a neighbour's weights" : "be left out") << ", got "
             << round << "; hint: lathe-opt --lathe-" << (shares ? "share" : "prune")
             << "-layers says of a layer why it can't";
    if (shares) {
      if (OwningOpRef<ModuleOp> without = apply(*current, {best->layer})) {
        FailureOr<double> error = trials.measure(*without);
        if (failed(error))
          return failure();
        best->dropped = *error;
      }
    }
    llvm::erase(left, best->layer);
    if (shares)
      llvm::erase(left, best->from); // whose weights are read twice now
    else
      gone.push_back(best->layer);
    chosen.push_back(*best);
    current = std::move(next);
  }
  return chosen;
}
