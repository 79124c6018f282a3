// Weights that are pieces of, or other views on, weights of the model.
#include "passes/Simplify/DeriveWeight.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::tfm;
using namespace lathe::simplify;

/// A tfm.get of the weight of this name, type and source, which is added behind `like` if there is none.
static Value getOrAdd(PatternRewriter &rewriter, GetOp get, WeightOp like, const Twine &suffix, RankedTensorType type,
                      Attribute source) {
  auto module = get->getParentOfType<ModuleOp>();
  std::string base = (like.getSymName() + suffix).str(), name = base;
  for (unsigned number = 0;; ++number) {
    auto existing = module.lookupSymbol(name);
    auto weight = dyn_cast_or_null<WeightOp>(existing);
    if (weight && weight.getType() == type && weight.getSource() == source)
      break;
    if (!existing) {
      OpBuilder::InsertionGuard guard(rewriter);
      rewriter.setInsertionPointAfter(like);
      WeightOp::create(rewriter, like.getLoc(), name, type, source, like.getOriginAttr());
      break;
    }
    name = base + "." + std::to_string(number);
  }
  return GetOp::create(rewriter, get.getLoc(), type, FlatSymbolRefAttr::get(rewriter.getContext(), name));
}

Value simplify::deriveReshape(PatternRewriter &rewriter, GetOp get, RankedTensorType type) {
  auto weight = SymbolTable::lookupNearestSymbolFrom<WeightOp>(get, get.getWeightAttr());
  if (!weight || weight.getTensorType().getEncoding() ||
      weight.getTensorType().getNumElements() != type.getNumElements())
    return {};
  Attribute source = weight.getSource();
  if (auto elements = dyn_cast<DenseElementsAttr>(source))
    source = elements.reshape(type);
  std::string suffix;
  for (int64_t size : type.getShape())
    suffix += (suffix.empty() ? "." : "x") + std::to_string(size);
  return getOrAdd(rewriter, get, weight, suffix, type, source);
}

Value simplify::deriveSlice(PatternRewriter &rewriter, GetOp get, int64_t axis, int64_t start, int64_t size) {
  auto weight = SymbolTable::lookupNearestSymbolFrom<WeightOp>(get, get.getWeightAttr());
  if (!weight || weight.getTensorType().getEncoding())
    return {};
  RankedTensorType from = weight.getTensorType();
  SmallVector<int64_t> shape(from.getShape());
  if (start < 0 || size < 0 || start > shape[axis] || size > shape[axis] - start)
    return {};
  int64_t outer = 1, inner = llvm::divideCeil(from.getElementTypeBitWidth(), 8), whole = shape[axis];
  for (int64_t i = 0; i < axis; ++i)
    outer *= shape[i];
  for (size_t i = axis + 1; i < shape.size(); ++i)
    inner *= shape[i];
  shape[axis] = size;
  auto type = RankedTensorType::get(shape, from.getElementType());
  std::string suffix = "." + std::to_string(start) + "_" + std::to_string(start + size);
  if (auto file = dyn_cast<FileAttr>(weight.getSource()); file && outer == 1)
    return getOrAdd(rewriter, get, weight, suffix, type,
                    FileAttr::get(rewriter.getContext(), file.getPath(), file.getOffset() + start * inner));
  auto &weights = rewriter.getContext()->getLoadedDialect<TfmDialect>()->getWeights();
  auto bytes = weights.getBytes(weight);
  if (!bytes) {
    llvm::consumeError(bytes.takeError());
    return {};
  }
  std::vector<char> piece;
  piece.reserve(outer * size * inner);
  for (int64_t i = 0; i < outer; ++i) {
    const char *begin = bytes->data() + (i * whole + start) * inner;
    piece.insert(piece.end(), begin, begin + size * inner);
  }
  Attribute source;
  if (isa<DenseElementsAttr>(weight.getSource()))
    source = DenseElementsAttr::getFromRawBuffer(type, piece);
  else
    source = weights.addBlob(rewriter.getContext(), std::move(piece));
  return getOrAdd(rewriter, get, weight, suffix, type, source);
}

void simplify::eraseUnusedWeights(ModuleOp module) {
  llvm::StringSet<> used;
  module.walk([&](GetOp get) { used.insert(get.getWeight()); });
  for (auto weight : llvm::make_early_inc_range(module.getOps<WeightOp>()))
    if (!used.contains(weight.getSymName()))
      weight.erase();
}
