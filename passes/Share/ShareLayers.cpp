// --lathe-share-layers: a layer uses another layer's weights.
#include "passes/Compress/Linears.h"
#include "passes/Passes.h"
#include "passes/Structure/Layers.h"
#include <cmath>

namespace lathe {
#define GEN_PASS_DEF_SHARELAYERSPASS
#include "passes/Passes.h.inc"
} // namespace lathe

using namespace mlir;
using namespace lathe;
using namespace lathe::compress;

namespace {
struct ShareLayers : lathe::impl::ShareLayersPassBase<ShareLayers> {
  using Base::Base;

  void runOnOperation() override {
    SmallVector<Layer> layers = findLayers(getOperation());
    auto find = [&](StringRef option, int64_t number) -> const Layer * {
      auto *layer = llvm::find_if(layers, [&](const Layer &each) { return each.number == number; });
      if (layer != layers.end())
        return layer;
      getOperation().emitError() << option << ": expected a layer of the model, which has " << layers.size()
                                 << ", counted from 0, got " << number;
      return nullptr;
    };
    const Layer *giver = find("from", from), *taker = find("to", to);
    if (!giver || !taker)
      return signalPassFailure();
    if (giver == taker) {
      getOperation().emitError("from, to: expected two layers, got one: ") << int64_t(from);
      return signalPassFailure();
    }
    Change change(tfm::LinearOp(taker->writers.front()), getArgument());
    std::string why;
    auto pairs = pairWeights(*giver, *taker, why);
    if (!pairs) {
      change.refused = why;
      return report(getOperation(), change);
    }
    DenseSet<Operation *> others;
    for (const Layer &layer : layers)
      if (&layer != taker)
        others.insert(layer.ops.begin(), layer.ops.end());
    for (auto &[given, taken] : *pairs) {
      OpBuilder builder(taken);
      Value value = tfm::GetOp::create(builder, taken.getLoc(), given.getType(), given.getWeightAttr());
      taken.getResult().replaceUsesWithIf(value, [&](OpOperand &use) { return !others.contains(use.getOwner()); });
    }
    change.what = "layer " + std::to_string(to) + " uses the weights of layer " + std::to_string(from) +
                  (note.empty() ? "" : " (" + note + ")");
    change.error = error < 0 ? NAN : error.getValue();
    change.before = eraseUnread(getOperation());
    report(getOperation(), change);
  }
};
} // namespace
