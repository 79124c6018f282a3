// --lathe-classify-weights: writes down what each weight is there for.
#include "mlir/IR/Builders.h"
#include "passes/Passes.h"
#include "passes/Structure/Kinds.h"

namespace lathe {
#define GEN_PASS_DEF_CLASSIFYWEIGHTSPASS
#include "passes/Passes.h.inc"
} // namespace lathe

using namespace mlir;
using namespace lathe;

namespace {
struct ClassifyWeightsPass : lathe::impl::ClassifyWeightsPassBase<ClassifyWeightsPass> {
  void runOnOperation() override {
    Builder builder(&getContext());
    for (auto &[symbol, use] : classifyWeights(getOperation())) {
      Operation *weight = getOperation().lookupSymbol(symbol);
      SmallVector<StringRef> kinds;
      for (WeightKind kind : use.kinds)
        kinds.push_back(lathe::getName(kind));
      weight->setAttr("tfm.kinds", builder.getStrArrayAttr(kinds));
      if (use.layer >= 0)
        weight->setAttr("tfm.layer", builder.getI64IntegerAttr(use.layer));
    }
  }
};
} // namespace
