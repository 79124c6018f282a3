// Weights and literals in 16 bits.
#include "passes/Precision/NarrowWeights.h"
#include "compiler/Reference/Numbers.h"
#include "dialects/Tfm/Formats.h"
#include <cmath>

using namespace mlir;
using namespace lathe;
using namespace lathe::tfm;
using namespace lathe::precision;

static const llvm::fltSemantics &getSemantics(Type type) { return cast<FloatType>(type).getFloatSemantics(); }

static APFloat round(APFloat value, Type type) {
  bool lost;
  value.convert(getSemantics(type), APFloat::rmNearestTiesToEven, &lost);
  return value;
}

double precision::getGreatest(Type type) {
  APFloat greatest = APFloat::getLargest(getSemantics(type));
  bool lost;
  greatest.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &lost);
  return greatest.convertToDouble();
}

Loss precision::getLoss(ElementsAttr literal, Type type) {
  Loss loss;
  if (!isa<DenseElementsAttr>(literal))
    return loss; // a resource: its elements aren't to be had
  auto visit = [&](const APFloat &value) {
    APFloat rounded = round(value, type);
    std::optional<double> &which = rounded.isInfinity() ? loss.overflow : loss.underflow;
    if (value.isFinite() && !value.isZero() && (rounded.isInfinity() || rounded.isZero()) && !which)
      which = static_cast<double>(value.convertToFloat());
  };
  if (literal.isSplat()) {
    if (literal.getNumElements() != 0)
      visit(literal.getSplatValue<APFloat>());
  } else {
    for (const APFloat &value : literal.getValues<APFloat>())
      visit(value);
  }
  return loss;
}

DenseElementsAttr precision::narrow(ElementsAttr literal, Type type) {
  auto to = RankedTensorType::get(literal.getShapedType().getShape(), type);
  if (literal.isSplat() && literal.getNumElements() != 0)
    return DenseElementsAttr::get(to, round(literal.getSplatValue<APFloat>(), type));
  SmallVector<APFloat> values;
  for (const APFloat &value : literal.getValues<APFloat>())
    values.push_back(round(value, type));
  return DenseElementsAttr::get(to, values);
}

NarrowWeights::NarrowWeights(ModuleOp module, Type type)
    : symbols(module), type(type), weights(module.getContext()->getLoadedDialect<TfmDialect>()->getWeights()) {}

FailureOr<NarrowWeights::Copy> NarrowWeights::get(GetOp use) {
  auto weight = symbols.lookup<WeightOp>(use.getWeight());
  auto it = copies.find(weight);
  if (it != copies.end())
    return it->second;
  FailureOr<Copy> copy = make(weight, use);
  if (succeeded(copy))
    copies[weight] = *copy;
  return copy;
}

FailureOr<NarrowWeights::Copy> NarrowWeights::make(WeightOp weight, Operation *use) {
  RankedTensorType from = weight.getTensorType();
  Attribute source = weight.getSource();
  if (auto random = dyn_cast<RandomAttr>(source); random && !getFormat(from)) {
    if (double scale = std::fabs(random.getScale().getValueAsDouble()); scale > getGreatest(type))
      return Copy{{}, scale};
  } else if (auto literal = dyn_cast<DenseElementsAttr>(source); literal && !getFormat(from)) {
    if (Loss loss = getLoss(literal, type); loss.overflow)
      return Copy{{}, *loss.overflow};
    source = narrow(literal, type);
  } else if (getFormat(from)) { // the same bytes, whose values are rounded where they are read
    auto bytes = weights.getBytes(weight);
    if (!bytes)
      return use->emitError(llvm::toString(bytes.takeError()));
    for (float value : decode(from, *bytes))
      if (std::isfinite(value) && round(APFloat(value), type).isInfinity())
        return Copy{{}, value};
    if (isa<ElementsAttr>(source))
      source = weights.addBlob(weight.getContext(), std::vector<char>(bytes->begin(), bytes->end()));
  } else {
    auto bytes = weights.getBytes(weight);
    if (!bytes)
      return use->emitError(llvm::toString(bytes.takeError()));
    constexpr size_t kChunk = 1 << 14; // elements
    std::vector<char> narrowed;
    narrowed.reserve(bytes->size() / 2);
    for (size_t begin = 0, count = bytes->size() / sizeof(float); begin < count; begin += kChunk) {
      int64_t size = std::min(kChunk, count - begin);
      auto chunk = reference::Tensor::view(from.getElementType(), size,
                                           bytes->slice(begin * sizeof(float), size * sizeof(float)));
      std::vector<double> values = reference::loadFloats(chunk);
      reference::Tensor rounded = reference::storeFloats(type, size, values);
      for (auto [before, after] : llvm::zip_equal(values, reference::loadFloats(rounded)))
        if (std::isinf(after) && std::isfinite(before))
          return Copy{{}, before};
      narrowed.insert(narrowed.end(), rounded.getBytes().begin(), rounded.getBytes().end());
    }
    source = weights.addBlob(weight.getContext(), std::move(narrowed));
  }
  OpBuilder builder(weight->getContext());
  std::string name = weight.getSymName().str() + (type.isF16() ? ".f16" : ".bf16");
  auto copy = WeightOp::create(builder, weight.getLoc(), name, from.clone(type), source, weight.getOriginAttr());
  symbols.insert(copy, std::next(weight->getIterator()));
  return Copy{copy};
}
