// --lathe-prune-layers: whole layers are left out.
#include "passes/Compress/Linears.h"
#include "passes/Passes.h"
#include "passes/Structure/Layers.h"
#include <cmath>

namespace lathe {
#define GEN_PASS_DEF_PRUNELAYERSPASS
#include "passes/Passes.h.inc"
} // namespace lathe

using namespace mlir;
using namespace lathe;
using namespace lathe::compress;

namespace {
struct PruneLayers : lathe::impl::PruneLayersPassBase<PruneLayers> {
  using Base::Base;

  void runOnOperation() override {
    SmallVector<Layer> found = findLayers(getOperation());
    SmallVector<std::pair<Layer *, double>> going;
    if (!errors.empty() && errors.size() != layers.size()) {
      getOperation().emitError("errors: expected one for each of ")
          << layers.size() << " layers, got " << errors.size();
      return signalPassFailure();
    }
    for (auto [i, number] : llvm::enumerate(layers)) {
      auto *layer = llvm::find_if(found, [&, number = number](const Layer &each) { return each.number == number; });
      if (layer == found.end()) {
        getOperation().emitError("layers: expected a layer of the model, which has ")
            << found.size() << ", counted from 0, got " << number;
        return signalPassFailure();
      }
      if (llvm::none_of(going, [&](auto &other) { return other.first == layer; }))
        going.push_back({layer, errors.empty() ? NAN : errors[i]});
    }
    if (!going.empty() && going.size() == found.size()) {
      getOperation().emitError("layers: expected to leave a layer, got all ") << found.size();
      return signalPassFailure();
    }
    // From the last one, so that those before stay as they were found.
    llvm::sort(going, [](auto &a, auto &b) { return a.first->number > b.first->number; });
    for (auto &[layer, error] : going)
      drop(*layer, error);
  }

  void drop(Layer &layer, double error) {
    Change change(layer.writers.front(), getArgument());
    if (!layer.obstacle.empty()) {
      change.refused = layer.obstacle;
      return report(getOperation(), change);
    }
    layer.exit.replaceAllUsesWith(layer.entry);
    for (Operation *op : llvm::reverse(layer.ops))
      op->erase();
    change.what = "layer " + std::to_string(layer.number) + " left out";
    change.error = error;
    change.before = eraseUnread(getOperation());
    report(getOperation(), change);
  }
};
} // namespace
