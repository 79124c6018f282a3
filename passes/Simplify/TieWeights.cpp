// --lathe-tie-weights: one weight for a matrix that the model stores twice.
#include "dialects/Tfm/Weights.h"
#include "passes/Passes.h"
#include "passes/Simplify/DeriveWeight.h"

namespace lathe {
#define GEN_PASS_DEF_TIEWEIGHTSPASS
#include "passes/Passes.h.inc"
} // namespace lathe

using namespace mlir;
using namespace lathe;
using namespace lathe::tfm;

namespace {
/// a[i][j] == b[j][i] for all, a of [rows, columns].
bool isTransposed(ArrayRef<char> a, ArrayRef<char> b, int64_t rows, int64_t columns, size_t width) {
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j)
      if (std::memcmp(a.data() + (i * columns + j) * width, b.data() + (j * rows + i) * width, width) != 0)
        return false;
  return true;
}

struct TieWeightsPass : lathe::impl::TieWeightsPassBase<TieWeightsPass> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    Weights &weights = getContext().getLoadedDialect<TfmDialect>()->getWeights();
    // All uses of a matrix, if each is one whose operand can be read transposed or is read as it is.
    llvm::StringMap<SmallVector<GetOp>> gets;
    module.walk([&](GetOp get) { gets[get.getWeight()].push_back(get); });
    SmallVector<WeightOp> kept;
    for (auto weight : llvm::make_early_inc_range(module.getOps<WeightOp>())) {
      RankedTensorType type = weight.getTensorType();
      // Random numbers differ, and expanding them to see it takes long.
      if (type.getRank() != 2 || type.getNumElements() < 2 || isa<RandomAttr>(weight.getSource()))
        continue;
      auto bytes = weights.getBytes(weight);
      if (!bytes) {
        llvm::consumeError(bytes.takeError());
        continue;
      }
      if (!tie(weight, *bytes, kept, weights, gets))
        kept.push_back(weight);
    }
    simplify::eraseUnusedWeights(module);
  }

  static bool tie(WeightOp weight, ArrayRef<char> bytes, ArrayRef<WeightOp> kept, Weights &weights,
                  llvm::StringMap<SmallVector<GetOp>> &gets) {
    RankedTensorType type = weight.getTensorType();
    for (WeightOp other : kept) {
      RankedTensorType otherType = other.getTensorType();
      if (otherType.getElementType() != type.getElementType() || otherType.getNumElements() != type.getNumElements())
        continue;
      auto otherBytes = weights.getBytes(other);
      if (!otherBytes) {
        llvm::consumeError(otherBytes.takeError());
        continue;
      }
      size_t width = bytes.size() / type.getNumElements();
      if (otherType == type && bytes == *otherBytes) {
        for (GetOp get : gets[weight.getSymName()])
          get.setWeight(other.getSymName());
        return true;
      }
      // In a format, elements are no bytes that could be compared.
      bool transposed = !type.getEncoding() && !otherType.getEncoding() &&
                        otherType.getDimSize(0) == type.getDimSize(1) &&
                        isTransposed(bytes, *otherBytes, type.getDimSize(0), type.getDimSize(1), width);
      if (transposed && tieTransposed(gets[weight.getSymName()], other))
        return true;
    }
    return false;
  }

  /// Linears read the other matrix with the flag turned; a weight that anything else reads stays.
  static bool tieTransposed(ArrayRef<GetOp> uses, WeightOp other) {
    for (GetOp get : uses)
      for (OpOperand &use : get->getUses())
        if (!isa<LinearOp>(use.getOwner()) || use.getOperandNumber() != 1)
          return false;
    for (GetOp get : uses) {
      OpBuilder builder(get);
      Value value = GetOp::create(builder, get.getLoc(), other.getTensorType(),
                                  FlatSymbolRefAttr::get(builder.getContext(), other.getSymName()));
      for (OpOperand &use : llvm::make_early_inc_range(get->getUses())) {
        auto linear = cast<LinearOp>(use.getOwner());
        linear.setTransposed(!linear.getTransposed());
        use.set(value);
      }
      get.erase();
    }
    return true;
  }
};
} // namespace
