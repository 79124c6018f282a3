#include "compiler/Driver/Places.h"
#include "passes/Structure/Kinds.h"

using namespace mlir;
using namespace lathe;

/// On the module: {symbol = {bytes, kind, layer}}.
static constexpr StringLiteral kPlacesAttr = "tfm.places";

void lathe::notePlaces(ModuleOp module) {
  if (module->hasAttr(kPlacesAttr))
    return;
  Builder b(module.getContext());
  NamedAttrList weights;
  auto uses = classifyWeights(module);
  for (auto weight : module.getOps<tfm::WeightOp>()) {
    RankedTensorType type = weight.getTensorType();
    if (type.getRank() < 2)
      continue;
    auto use = uses.find(weight.getSymNameAttr());
    bool isKnown = use != uses.end();
    auto place = b.getDictionaryAttr(
        {b.getNamedAttr("bytes", b.getI64IntegerAttr(4 * type.getNumElements())),
         b.getNamedAttr("kind", b.getStringAttr(isKnown ? getName(use->second.kinds.front()) : "other")),
         b.getNamedAttr("layer", b.getI64IntegerAttr(isKnown ? use->second.layer : -1))});
    weights.set(weight.getSymNameAttr(), place);
  }
  module->setAttr(kPlacesAttr, weights.getDictionary(module.getContext()));
}

Places::Places(ModuleOp module) : weights(module->getAttrOfType<DictionaryAttr>(kPlacesAttr)) {}

SmallVector<Place> Places::all() const {
  SmallVector<Place> result;
  for (NamedAttribute weight : weights ? weights.getValue() : ArrayRef<NamedAttribute>())
    if (auto place = read(weight.getValue()))
      result.push_back(*place);
  return result;
}

std::optional<Place> Places::find(StringRef symbol) const {
  while (weights) {
    if (auto place = read(weights.get(symbol)))
      return place;
    if (!symbol.contains('.'))
      break;
    symbol = symbol.rsplit('.').first;
  }
  return std::nullopt;
}

std::optional<Place> Places::read(Attribute attr) {
  auto place = dyn_cast_or_null<DictionaryAttr>(attr);
  auto kind = place ? place.getAs<StringAttr>("kind") : StringAttr();
  auto layer = place ? place.getAs<IntegerAttr>("layer") : IntegerAttr();
  auto bytes = place ? place.getAs<IntegerAttr>("bytes") : IntegerAttr();
  if (!kind || !layer || !bytes)
    return std::nullopt;
  return Place{kind.getValue(), layer.getInt(), bytes.getInt()};
}
