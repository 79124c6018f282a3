// Attention masks, read back to the set of keys that each query may see.
#include "passes/Simplify/Mask.h"
#include "passes/Simplify/ElementAt.h"
#include "passes/Simplify/Match.h"
#include <cmath>

using namespace mlir;
using namespace lathe;
using namespace lathe::tfm;
using namespace lathe::simplify;
using Kind = Element::Kind;

namespace {
constexpr StringLiteral kBatch = "$b", kHead = "$h", kQuery = "$i", kKey = "$j";

/// What a fill does to a row of which it masks every key.
enum class Fill { Nan, Absorbs, Shifts, Partial };
Fill classify(double fill, Type type, bool chosen) {
  if (fill == -INFINITY)
    return Fill::Nan;
  if (!(fill < 0))
    return Fill::Partial;
  // Scores within 32 vanish beside it: half a unit in the last place is at least that. f16's least is the exporters'
  // "-inf", its last place is 32.
  if (fill <= (type.isF16() ? -65504.0 : type.isBF16() ? -1e4 : -5.4e8))
    return Fill::Absorbs;
  if (fill > -1e4)
    return Fill::Partial;
  if (chosen)
    return Fill::Absorbs; // all scores of the row are the same number
  return fill >= -32768 ? Fill::Shifts : Fill::Partial;
}

class MaskReader {
public:
  MaskReader(PatternRewriter &rewriter, Location loc, ModuleOp module, ArrayRef<Dim> scores, Type type)
      : rewriter(rewriter), loc(loc), scores(scores), type(type),
        variables{
            {kBatch.str(), scores[0]}, {kHead.str(), scores[1]}, {kQuery.str(), scores[2]}, {kKey.str(), scores[3]}},
        reader(module, variables) {}

  std::optional<AttentionMask> recover(ArrayRef<MaskTerm> terms, bool guarded, bool needsSet) {
    for (const MaskTerm &term : terms)
      if (term.isChosen ? !addChosen(term) : !addTerm(term.value, term.factor))
        return std::nullopt;
    AttentionMask mask;
    if (!decideMaskedRow(guarded, mask))
      return std::nullopt;
    mask.causal = upper.has_value();
    Dim offset = upper.value_or(scores[3] - scores[2]);
    if (offset != scores[3] - scores[2])
      mask.offset = offset;
    if (lower) {
      // j > i + lower is j > i + offset - window.
      mask.window = (offset - *lower).getConstant();
      if (!mask.window || *mask.window < 1)
        return std::nullopt;
    }
    if (needsSet && padding.empty() && !upper && !lower)
      return std::nullopt;
    build(mask);
    return mask;
  }

private:
  /// Indices of an operand that broadcasts to the scores.
  SmallVector<Dim> indicesOf(Value value) {
    SmallVector<Dim> dims = tfm::getDims(value), indices;
    for (auto [axis, dim] : llvm::enumerate(dims))
      indices.push_back(dim == Dim(1) ? Dim(0) : Dim::symbol(variables[axis + 4 - dims.size()].name));
    return indices;
  }

  bool addChosen(const MaskTerm &term) {
    ElementRef kept = reader.readBool(term.value, indicesOf(term.value));
    if (!term.keepTrue)
      kept = reader.makeNot(kept);
    return classify(term.fill, type, true) != Fill::Partial && addSet(kept, term.fill, true);
  }

  /// A sum's parts are added one by one; what isn't a set is part of the bias.
  bool addTerm(Value value, double factor) {
    ElementRef element = reader.read(value, indicesOf(value));
    double fill = 0;
    ElementRef kept = keptBy(element, fill);
    if (kept && kept->isTrue())
      return true;
    bool isSet = kept && classify(fill * factor, type, false) != Fill::Partial && addSet(kept, fill * factor, false);
    if (isSet)
      return true;
    Operation *op = value.getDefiningOp();
    if (auto add = dyn_cast_or_null<AddOp>(op))
      return addTerm(add.getLhs(), factor) && addTerm(add.getRhs(), factor);
    if (auto scaled = matchScale(value))
      return addTerm(scaled->input, factor * scaled->factor);
    if (auto expand = dyn_cast_or_null<ExpandOp>(op))
      return addTerm(expand.getInput(), factor);
    bias.push_back({value, factor});
    return true;
  }

  /// The condition under which a number is 0, if else it is `fill`. Null where it is something else.
  ElementRef keptBy(const ElementRef &element, double &fill) {
    if (!reader.spend())
      return nullptr;
    auto truth = [&](bool value) {
      Element result{Kind::Bool};
      result.truth = value;
      return std::make_shared<const Element>(result);
    };
    if (element->kind == Kind::Integer || element->kind == Kind::Real) {
      auto constant = element->kind == Kind::Real ? std::optional<double>(element->real) : std::nullopt;
      if (element->kind == Kind::Integer)
        if (auto integer = element->integer.getConstant())
          constant = static_cast<double>(*integer);
      if (!constant || std::isnan(*constant) || *constant > 0)
        return nullptr;
      if (*constant == 0)
        return truth(true);
      if (fill != 0 && fill != *constant)
        return nullptr;
      fill = *constant;
      return truth(false);
    }
    if (element->kind != Kind::Choice)
      return nullptr;
    ElementRef a = keptBy(element->b, fill), b = keptBy(element->c, fill);
    if (!a || !b)
      return nullptr;
    return reader.makeOr(reader.makeAnd(element->a, a), reader.makeAnd(reader.makeNot(element->a), b));
  }

  struct Set {
    std::optional<Dim> upper, lower;
    SmallVector<ElementRef> padding;
  };
  bool addSet(const ElementRef &kept, double fill, bool chosen) {
    Set set{upper, lower, padding};
    if (!intersect(kept, set))
      return false;
    if (kept->isTrue())
      return true;
    upper = set.upper;
    lower = set.lower;
    padding = set.padding;
    Set own;
    intersect(kept, own);
    layers.push_back({own, fill, chosen});
    return true;
  }

  /// Adds an atom of a conjunction; false where tfm.attention has no word for it.
  bool intersect(const ElementRef &kept, Set &set) {
    if (!reader.spend())
      return false;
    switch (kept->kind) {
    case Kind::Bool:
      return kept->truth;
    case Kind::And:
      return intersect(kept->a, set) && intersect(kept->b, set);
    case Kind::NonNegative: {
      // c + i - j >= 0: a causal bound; c + j - i >= 0: a window.
      Dim i = Dim::symbol(kQuery), j = Dim::symbol(kKey);
      Dim offset = kept->integer - i + j, start = i - j + kept->integer;
      if (!mentionsIndex(offset)) {
        if (set.upper && *set.upper != offset)
          return false;
        set.upper = offset;
        return true;
      }
      if (!mentionsIndex(start) && !set.lower) {
        // start + j - i >= 0, j > i - start - 1
        set.lower = Dim(-1) - start;
        return true;
      }
      return false;
    }
    case Kind::Load:
    case Kind::LoadCompare:
      if (!isPadding(*kept))
        return false;
      for (const ElementRef &other : set.padding)
        if (other->value == kept->value && other->indices == kept->indices && other->kind == kept->kind &&
            other->predicate == kept->predicate && other->real == kept->real)
          return true;
      set.padding.push_back(kept);
      return true;
    case Kind::Not:
      if (kept->a->kind != Kind::Load && kept->a->kind != Kind::LoadCompare)
        return false;
      if (!isPadding(*kept->a))
        return false;
      set.padding.push_back(kept);
      return true;
    default:
      return false;
    }
  }

  static bool mentionsIndex(const Dim &dim) {
    bool found = false;
    dim.walkSymbols([&](StringRef name) { found |= name.starts_with("$"); });
    return found;
  }

  /// A load at [b, j] (dimensions of 1 aside, j perhaps shifted): what depends on the key alone.
  bool isPadding(const Element &load) {
    bool sawKey = false, sawBatch = false;
    for (const Dim &index : load.indices) {
      if (index == Dim::symbol(kBatch) && !sawBatch && !sawKey)
        sawBatch = true;
      else if (!mentionsIndex(index - Dim::symbol(kKey)) && !sawKey)
        sawKey = true;
      else if (mentionsIndex(index))
        return false;
    }
    return sawKey;
  }

  bool decideMaskedRow(bool guarded, AttentionMask &mask) {
    SmallVector<Fill> kinds;
    for (const Layer &layer : layers)
      kinds.push_back(classify(layer.fill, type, layer.chosen));
    bool allNan = llvm::all_of(kinds, [](Fill kind) { return kind == Fill::Nan; });
    if (allNan) {
      // A guard without a set may act on a bias of -inf; then only the model's own ops say what it does.
      mask.maskedRow = guarded && !kinds.empty() ? MaskedRow::zero : MaskedRow::nan;
      return !guarded || bias.empty();
    }
    if (layers.size() > 1)
      return decideLayers(kinds);
    mask.maskedRow = kinds.front() == Fill::Absorbs ? MaskedRow::mean : MaskedRow::unmasked;
    return true;
  }

  /// Several fills leave a row that they mask together in layers. One arrangement can be said: a causal layer, under
  /// which every query sees itself, and one that masks the same and padding as well. A row of padding alone is then the
  /// mean of what the causal layer shows: the padding is a bias, beside which scores vanish.
  bool decideLayers(ArrayRef<Fill> kinds) {
    if (layers.size() != 2 || llvm::any_of(kinds, [](Fill kind) { return kind != Fill::Absorbs; }))
      return false;
    const Layer &inner = layers[0].set.padding.empty() ? layers[0] : layers[1];
    const Layer &outer = &inner == &layers[0] ? layers[1] : layers[0];
    if (lower || !inner.set.padding.empty() || !inner.set.upper || inner.set.upper != outer.set.upper || outer.chosen ||
        !reader.isNonNegative(*inner.set.upper))
      return false;
    if (!outer.set.padding.empty())
      fillPadding = outer.fill;
    return true;
  }

  void build(AttentionMask &mask) {
    for (const ElementRef &element : padding) {
      Value value = buildPadding(element);
      mask.padding = mask.padding ? buildElementwise<AndOp>(rewriter, loc, {mask.padding, value}) : value;
    }
    if (fillPadding) {
      Value condition = createReshape(rewriter, loc, mask.padding, {scores[0], Dim(1), Dim(1), scores[3]});
      bias.push_back({SelectOp::create(rewriter, loc, tfm::getTensorType(tfm::getDims(condition), type), condition,
                                       buildScalar(0), buildScalar(*fillPadding)),
                      1});
      mask.padding = {};
    }
    for (auto [value, factor] : bias) {
      if (factor != 1) {
        value = buildElementwise<MulOp>(rewriter, loc, {value, buildScalar(factor)});
      }
      mask.bias = mask.bias ? buildElementwise<AddOp>(rewriter, loc, {mask.bias, value}) : value;
    }
  }

  Value buildScalar(double value) {
    auto scalar = RankedTensorType::get({}, type);
    return ConstantOp::create(rewriter, loc,
                              DenseElementsAttr::get(scalar, Attribute(rewriter.getFloatAttr(type, value))));
  }

  /// [batch, keys] of a predicate that depends on the key.
  Value buildPadding(const ElementRef &element) {
    if (element->kind == Kind::Not) {
      Value inner = buildPadding(element->a);
      return NotOp::create(rewriter, loc, inner.getType(), inner);
    }
    SmallVector<Dim> dims = tfm::getDims(element->value), starts, sizes, kept{Dim(1), scores[3]};
    for (const Dim &index : element->indices) {
      bool isBatch = index == Dim::symbol(kBatch), isKey = !mentionsIndex(index - Dim::symbol(kKey));
      starts.push_back(isBatch ? Dim(0) : isKey ? index - Dim::symbol(kKey) : index);
      sizes.push_back(isBatch ? scores[0] : isKey ? scores[3] : Dim(1));
      if (isBatch)
        kept[0] = scores[0];
    }
    Value value = element->value;
    bool whole = llvm::all_of(starts, [](const Dim &start) { return start == Dim(0); }) && sizes == dims;
    if (!whole)
      value = SliceOp::create(rewriter, loc, tfm::getTensorType(sizes, tfm::getElementType(value)), value,
                              DimsAttr::get(rewriter.getContext(), starts),
                              rewriter.getDenseI64ArrayAttr(SmallVector<int64_t>(dims.size(), 1)));
    value = createReshape(rewriter, loc, value, kept);
    if (element->kind == Kind::LoadCompare) {
      Type elementType = tfm::getElementType(value);
      auto scalar = RankedTensorType::get({}, elementType);
      Attribute number = isa<FloatType>(elementType)
                             ? Attribute(rewriter.getFloatAttr(elementType, element->real))
                             : Attribute(rewriter.getIntegerAttr(elementType, static_cast<int64_t>(element->real)));
      Value constant = ConstantOp::create(rewriter, loc, DenseElementsAttr::get(scalar, number));
      auto resultType = tfm::getTensorType(kept, rewriter.getI1Type());
      value = CompareOp::create(rewriter, loc, resultType, element->predicate, value, constant);
    }
    return createExpand(rewriter, loc, value, {scores[0], scores[3]});
  }

  PatternRewriter &rewriter;
  Location loc;
  ArrayRef<Dim> scores;
  Type type;
  SmallVector<IndexVariable> variables;
  ElementReader reader;

  std::optional<Dim> upper, lower; // j <= i + upper; j > i + lower
  SmallVector<ElementRef> padding; // all must hold
  struct Layer {
    Set set;
    double fill;
    bool chosen;
  };
  std::vector<Layer> layers;
  std::optional<double> fillPadding; // the padding is a bias of this
  SmallVector<std::pair<Value, double>> bias;
};
} // namespace

std::optional<AttentionMask> simplify::recoverMask(PatternRewriter &rewriter, Location loc, ArrayRef<MaskTerm> terms,
                                                   bool guarded, ArrayRef<Dim> scores, bool needsSet) {
  if (terms.empty())
    return AttentionMask();
  auto module = rewriter.getInsertionBlock()->getParentOp()->getParentOfType<ModuleOp>();
  Type type = tfm::getElementType(terms.front().value);
  for (const MaskTerm &term : terms)
    if (!term.isChosen)
      type = tfm::getElementType(term.value);
  if (!isa<FloatType>(type))
    type = rewriter.getF32Type();
  return MaskReader(rewriter, loc, module, scores, type).recover(terms, guarded, needsSet);
}
