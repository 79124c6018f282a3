// One element of a tensor, as an expression of its index.
#include "passes/Simplify/ElementAt.h"
#include "compiler/Reference/Reference.h"
#include "dialects/Tfm/Weights.h"
#include "passes/Simplify/Match.h"
#include <cmath>

using namespace mlir;
using namespace lathe;
using namespace lathe::tfm;
using namespace lathe::simplify;
using Kind = Element::Kind;

static constexpr unsigned kMaxSteps = 4096, kMaxDepth = 256;
static constexpr int64_t kMaxTable = 1 << 24; // elements, 4096 squared

static ElementRef make(Element element) { return std::make_shared<const Element>(std::move(element)); }
static ElementRef makeBool(bool truth) {
  Element element{Kind::Bool};
  element.truth = truth;
  return make(std::move(element));
}
static ElementRef makeReal(double real) {
  Element element{Kind::Real};
  element.real = real;
  return make(std::move(element));
}
static ElementRef makeInteger(const Dim &integer) {
  Element element{Kind::Integer};
  element.integer = integer;
  return make(std::move(element));
}
static ElementRef makeLoad(Value value, ArrayRef<Dim> indices) {
  Element element{Kind::Load};
  element.value = value;
  element.indices.assign(indices.begin(), indices.end());
  return make(std::move(element));
}
static bool isBool(const Element &element) {
  switch (element.kind) {
  case Kind::Integer:
  case Kind::Real:
  case Kind::Choice:
    return false;
  case Kind::Load:
    return tfm::getElementType(element.value).isInteger(1);
  default:
    return true;
  }
}

bool ElementReader::spend() { return ++steps < kMaxSteps; }

bool ElementReader::isNonNegative(const Dim &dim) const {
  for (const IndexVariable &variable : variables) {
    auto with = [&](const Dim &value) {
      return dim.substitute(
          [&](StringRef name) -> std::optional<Dim> { return name == variable.name ? value : Dim::symbol(name); });
    };
    Dim base = with(0), slope = with(1) - base;
    if (base == dim)
      continue;
    // Linear in the variable and of a known direction, or we don't know.
    if (dim != base + slope * Dim::symbol(variable.name))
      return false;
    if (isNonNegative(slope))
      return isNonNegative(base);
    return isNonNegative(Dim(0) - slope) && isNonNegative(with(variable.extent - Dim(1)));
  }
  auto range = dim.bounds([&](StringRef name) { return getSymbolRange(module, name); });
  return range && range->min >= 0;
}

/// Whether two bools are the same expression; no once too much was looked at.
bool ElementReader::isSame(const ElementRef &a, const ElementRef &b) {
  if (a == b || !a || !b)
    return a == b;
  if (!spend())
    return false;
  return a->kind == b->kind && a->integer == b->integer && a->real == b->real && a->truth == b->truth &&
         a->value == b->value && a->indices == b->indices && a->predicate == b->predicate && isSame(a->a, b->a) &&
         isSame(a->b, b->b) && isSame(a->c, b->c);
}

/// An element where it is known that the condition holds, or doesn't.
ElementRef ElementReader::assume(ElementRef element, const ElementRef &condition, bool truth) {
  if (element->kind != Kind::Choice)
    return element;
  if (isSame(element->a, condition))
    return assume(truth ? element->b : element->c, condition, truth);
  if (isSame(element->a, makeNot(condition)))
    return assume(truth ? element->c : element->b, condition, truth);
  return element;
}

ElementRef ElementReader::makeNot(ElementRef a) {
  if (a->kind == Kind::Bool)
    return makeBool(!a->truth);
  if (a->kind == Kind::Not)
    return a->a;
  Element element{Kind::Not};
  if (a->kind == Kind::NonNegative) { // not(d >= 0) is -d - 1 >= 0
    element.kind = Kind::NonNegative;
    element.integer = Dim(-1) - a->integer;
    return make(std::move(element));
  }
  if ((a->kind == Kind::And || a->kind == Kind::Or) && spend())
    return a->kind == Kind::And ? makeOr(makeNot(a->a), makeNot(a->b)) : makeAnd(makeNot(a->a), makeNot(a->b));
  if (a->kind == Kind::LoadCompare && (a->predicate == Predicate::eq || a->predicate == Predicate::ne)) {
    element = *a;
    element.predicate = a->predicate == Predicate::eq ? Predicate::ne : Predicate::eq;
    return make(std::move(element));
  }
  element.a = a;
  return make(std::move(element));
}
ElementRef ElementReader::makeAnd(ElementRef a, ElementRef b) {
  if (a->isFalse() || b->isTrue())
    return a;
  if (b->isFalse() || a->isTrue())
    return b;
  Element element{Kind::And};
  element.a = a;
  element.b = b;
  return make(std::move(element));
}
ElementRef ElementReader::makeOr(ElementRef a, ElementRef b) {
  if (a->isTrue() || b->isFalse())
    return a;
  if (b->isTrue() || a->isFalse())
    return b;
  Element element{Kind::Or};
  element.a = a;
  element.b = b;
  return make(std::move(element));
}

ElementRef ElementReader::toBool(ElementRef a) {
  if (isBool(*a))
    return a;
  return compare(Predicate::ne, a, makeReal(0));
}

/// A number of constants, where that is known: a bool is 1 or 0, and so is a loaded integer.
ElementRef ElementReader::toReal(ElementRef a) {
  if (a->kind == Kind::Integer)
    if (auto constant = a->integer.getConstant())
      return makeReal(*constant);
  if (a->kind == Kind::Load && isa<IntegerType>(tfm::getElementType(a->value)) && !isBool(*a))
    if (ElementRef isSet = compare(Predicate::ne, a, makeReal(0)))
      return choose(isSet, makeReal(1), makeReal(0));
  return isBool(*a) ? choose(a, makeReal(1), makeReal(0)) : a;
}

ElementRef ElementReader::choose(ElementRef condition, ElementRef a, ElementRef b) {
  if (condition->kind == Kind::Bool)
    return condition->truth ? a : b;
  if (isBool(*a) && isBool(*b))
    return makeOr(makeAnd(condition, a), makeAnd(makeNot(condition), b));
  a = assume(a, condition, true);
  b = assume(b, condition, false);
  Element element{Kind::Choice};
  element.a = condition;
  element.b = a;
  element.c = b;
  return make(std::move(element));
}

static bool holds(Predicate predicate, double a, double b) {
  switch (predicate) {
  case Predicate::eq:
    return a == b;
  case Predicate::ne:
    return a != b;
  case Predicate::lt:
    return a < b;
  case Predicate::le:
    return a <= b;
  case Predicate::gt:
    return a > b;
  case Predicate::ge:
    return a >= b;
  }
  llvm_unreachable("no such predicate");
}
static Predicate swap(Predicate predicate) {
  switch (predicate) {
  case Predicate::lt:
    return Predicate::gt;
  case Predicate::le:
    return Predicate::ge;
  case Predicate::gt:
    return Predicate::lt;
  case Predicate::ge:
    return Predicate::le;
  default:
    return predicate;
  }
}

/// Null where the operands are of no known kind.
ElementRef ElementReader::compare(Predicate predicate, ElementRef a, ElementRef b) {
  if (!a || !b || !spend())
    return nullptr;
  if (a->kind == Kind::Choice || b->kind == Kind::Choice) {
    const Element &choice = a->kind == Kind::Choice ? *a : *b;
    ElementRef x = a->kind == Kind::Choice ? compare(predicate, choice.b, b) : compare(predicate, a, choice.b);
    ElementRef y = a->kind == Kind::Choice ? compare(predicate, choice.c, b) : compare(predicate, a, choice.c);
    return x && y ? choose(choice.a, x, y) : nullptr;
  }
  if (isBool(*a) && isBool(*b)) {
    if (predicate != Predicate::eq && predicate != Predicate::ne)
      return nullptr;
    ElementRef equal = makeOr(makeAnd(a, b), makeAnd(makeNot(a), makeNot(b)));
    return predicate == Predicate::eq ? equal : makeNot(equal);
  }
  auto asReal = [](const Element &element) -> std::optional<double> {
    if (element.kind == Kind::Real)
      return element.real;
    if (element.kind == Kind::Integer)
      if (auto constant = element.integer.getConstant())
        return static_cast<double>(*constant);
    return std::nullopt;
  };
  auto x = asReal(*a), y = asReal(*b);
  if (x && y)
    return makeBool(holds(predicate, *x, *y));
  if (a->kind == Kind::Load && y) {
    Element element = *a;
    element.kind = Kind::LoadCompare;
    element.predicate = predicate;
    element.real = *y;
    return make(std::move(element));
  }
  if (b->kind == Kind::Load && x)
    return compare(swap(predicate), b, a);
  auto asInteger = [](const Element &element) -> std::optional<Dim> {
    if (element.kind == Kind::Integer)
      return element.integer;
    if (element.kind == Kind::Real && std::abs(element.real) < 1e15 && element.real == std::floor(element.real))
      return Dim(static_cast<int64_t>(element.real));
    return std::nullopt;
  };
  auto left = asInteger(*a), right = asInteger(*b);
  if (!left || !right)
    return nullptr;
  auto nonNegative = [&](const Dim &dim) {
    if (isNonNegative(dim))
      return makeBool(true);
    if (isNonNegative(Dim(-1) - dim))
      return makeBool(false);
    Element element{Kind::NonNegative};
    element.integer = dim;
    return make(std::move(element));
  };
  switch (predicate) {
  case Predicate::ge:
    return nonNegative(*left - *right);
  case Predicate::gt:
    return nonNegative(*left - *right - Dim(1));
  case Predicate::le:
    return nonNegative(*right - *left);
  case Predicate::lt:
    return nonNegative(*right - *left - Dim(1));
  default:
    break;
  }
  Dim difference = *left - *right;
  ElementRef equal;
  if (difference == Dim(0)) {
    equal = makeBool(true);
  } else if (isNonNegative(difference - Dim(1)) || isNonNegative(Dim(-1) - difference)) {
    equal = makeBool(false);
  } else {
    Element element{Kind::Zero};
    element.integer = difference;
    equal = make(std::move(element));
  }
  return predicate == Predicate::eq ? equal : makeNot(equal);
}

/// Null where the operands are of no known kind.
ElementRef ElementReader::arithmetic(Operation *op, ElementRef a, ElementRef b) {
  if (!a || !b || !spend())
    return nullptr;
  if (a->kind == Kind::Choice || b->kind == Kind::Choice || isBool(*a) || isBool(*b)) {
    a = toReal(a);
    b = toReal(b);
  }
  if (a->kind == Kind::Choice || b->kind == Kind::Choice) {
    const Element &choice = a->kind == Kind::Choice ? *a : *b;
    ElementRef x = a->kind == Kind::Choice ? arithmetic(op, choice.b, b) : arithmetic(op, a, choice.b);
    ElementRef y = a->kind == Kind::Choice ? arithmetic(op, choice.c, b) : arithmetic(op, a, choice.c);
    return x && y ? choose(choice.a, x, y) : nullptr;
  }
  if (a->kind == Kind::Integer && b->kind == Kind::Integer) {
    const Dim &x = a->integer, &y = b->integer;
    if (isa<AddOp>(op))
      return makeInteger(x + y);
    if (isa<SubOp>(op))
      return makeInteger(x - y);
    if (isa<MulOp>(op))
      return makeInteger(x * y);
    if (isa<MaximumOp, MinimumOp>(op)) {
      bool maximum = isa<MaximumOp>(op);
      if (isNonNegative(x - y))
        return maximum ? a : b;
      if (isNonNegative(y - x))
        return maximum ? b : a;
    }
    if (isa<DivOp>(op) && isNonNegative(x) && isNonNegative(y - Dim(1)))
      return makeInteger(Dim::floordiv(x, y));
    return nullptr;
  }
  auto asReal = [](const Element &element) -> std::optional<double> {
    if (element.kind == Kind::Real)
      return element.real;
    if (element.kind == Kind::Integer)
      if (auto constant = element.integer.getConstant())
        return static_cast<double>(*constant);
    return std::nullopt;
  };
  auto x = asReal(*a), y = asReal(*b);
  // 1 - mask, in integers.
  if (isa<SubOp>(op) && x == 1.0 && b->kind == Kind::Load)
    return arithmetic(op, a, toReal(b));
  if (!x || !y)
    return nullptr;
  if (isa<AddOp>(op))
    return makeReal(*x + *y);
  if (isa<SubOp>(op))
    return makeReal(*x - *y);
  // 0 * -inf would be NaN in the model as well.
  if (isa<MulOp>(op))
    return makeReal(*x * *y);
  if (isa<DivOp>(op) && *y != 0)
    return makeReal(*x / *y);
  if (isa<MaximumOp>(op))
    return makeReal(std::max(*x, *y));
  if (isa<MinimumOp>(op))
    return makeReal(std::min(*x, *y));
  return nullptr;
}

/// The polynomial's terms that `divisor` divides, divided, and the rest.
static std::pair<Dim, Dim> splitBy(const Dim &dim, const Dim &divisor) {
  Dim quotient, rest;
  for (const Dim::Term &term : dim.getTerms()) {
    Dim value(term.coefficient);
    for (const auto &atom : term.atoms)
      value = value * (atom->kind == Dim::Kind::Symbol ? Dim::symbol(atom->name)
                                                       : Dim::parse(atom->text).value_or(Dim::invalid()));
    if (auto divided = value.exactDiv(divisor))
      quotient = quotient + *divided;
    else
      rest = rest + value;
  }
  return {quotient, rest};
}

std::optional<SmallVector<Dim>> ElementReader::throughReshape(ArrayRef<Dim> from, ArrayRef<Dim> to,
                                                              ArrayRef<Dim> indices) {
  auto runs = alignReshape(from, to);
  if (!runs)
    return std::nullopt;
  SmallVector<Dim> result;
  for (const ReshapeRun &run : *runs) {
    Dim flat(0);
    for (unsigned axis = run.toBegin; axis < run.toEnd; ++axis)
      flat = flat * to[axis] + indices[axis];
    for (unsigned axis = run.fromBegin; axis < run.fromEnd; ++axis) {
      Dim inner = Dim::product(from.slice(axis + 1, run.fromEnd - axis - 1));
      if (inner == Dim(1)) {
        result.push_back(from[axis] == Dim(1) ? Dim(0) : flat);
        flat = 0;
        continue;
      }
      auto [quotient, rest] = splitBy(flat, inner);
      if (!isNonNegative(rest) || !isNonNegative(inner - Dim(1) - rest))
        return std::nullopt;
      result.push_back(quotient);
      flat = rest;
    }
  }
  return result;
}

std::optional<Dim> ElementReader::normalizeIndex(const Dim &index, const Dim &size) {
  if (isNonNegative(index))
    return index;
  if (isNonNegative(Dim(-1) - index))
    return index + size;
  return std::nullopt;
}

/// A literal table: an arithmetic progression, or two values below and above a diagonal.
ElementRef ElementReader::readConstant(DenseElementsAttr elements, ArrayRef<Dim> indices) {
  Type type = elements.getElementType();
  auto at = [&](ArrayRef<uint64_t> position) -> double {
    if (isa<FloatType>(type))
      return elements.getValues<APFloat>()[position].convertToDouble();
    APInt value = elements.getValues<APInt>()[position];
    return type.isUnsignedInteger() || type.isInteger(1) ? value.roundToDouble(false) : value.roundToDouble(true);
  };
  auto number = [&](double value) {
    if (type.isInteger(1))
      return makeBool(value != 0);
    return isa<IntegerType>(type) ? makeInteger(Dim(static_cast<int64_t>(value))) : makeReal(value);
  };
  ArrayRef<int64_t> shape = elements.getType().getShape();
  if (llvm::is_contained(shape, 0) || elements.getNumElements() > kMaxTable)
    return nullptr;
  SmallVector<uint64_t> position(shape.size(), 0);
  if (elements.isSplat())
    return number(at(position));
  SmallVector<unsigned> varying;
  for (unsigned axis = 0; axis < shape.size(); ++axis) {
    auto constant = indices[axis].getConstant();
    if (constant && *constant >= 0 && *constant < shape[axis])
      position[axis] = *constant;
    else if (shape[axis] != 1)
      varying.push_back(axis);
  }
  if (varying.empty())
    return number(at(position));
  if (varying.size() == 1 && isa<IntegerType>(type) && !type.isInteger(1)) {
    unsigned axis = varying[0];
    double first = at(position);
    position[axis] = 1;
    double step = at(position) - first;
    for (int64_t i = 2; i < shape[axis]; ++i) {
      position[axis] = i;
      if (at(position) != first + i * step)
        return nullptr;
    }
    return makeInteger(Dim(static_cast<int64_t>(first)) + Dim(static_cast<int64_t>(step)) * indices[axis]);
  }
  if (varying.size() != 2)
    return nullptr;
  unsigned row = varying[0], column = varying[1];
  auto cell = [&](int64_t i, int64_t j) {
    position[row] = i;
    position[column] = j;
    return at(position);
  };
  // Column - row <= diagonal has the value of the lower left corner, the others that of the upper right.
  double lower = cell(shape[row] - 1, 0), upper = cell(0, shape[column] - 1);
  int64_t diagonal = -shape[row];
  while (diagonal + 1 < shape[column] && (diagonal + 1 < 0 ? cell(-diagonal - 1, 0) : cell(0, diagonal + 1)) == lower)
    ++diagonal;
  for (int64_t i = 0; i < shape[row]; ++i)
    for (int64_t j = 0; j < shape[column]; ++j)
      if (cell(i, j) != (j - i <= diagonal ? lower : upper))
        return nullptr;
  ElementRef below =
      compare(Predicate::ge, makeInteger(indices[row] - indices[column] + Dim(diagonal)), makeInteger(Dim(0)));
  return below ? choose(below, number(lower), number(upper)) : nullptr;
}

/// A table that is too large for a literal: GPT-2's causal mask.
ElementRef ElementReader::readWeight(GetOp get, ArrayRef<Dim> indices) {
  auto weight = module.lookupSymbol<WeightOp>(get.getWeight());
  RankedTensorType type = weight ? weight.getTensorType() : RankedTensorType();
  if (!type || type.getNumElements() > kMaxTable || !type.getElementType().isIntOrFloat())
    return nullptr;
  auto bytes = weight.getContext()->getLoadedDialect<TfmDialect>()->getWeights().getBytes(weight);
  if (!bytes) {
    llvm::consumeError(bytes.takeError());
    return nullptr;
  }
  auto table = reference::Tensor::view(type.getElementType(), type.getShape(), *bytes);
  return readConstant(table.toLiteral(), indices);
}

ElementRef ElementReader::read(Value value, ArrayRef<Dim> indices) {
  Operation *op = value.getDefiningOp();
  ElementRef result;
  if (op && depth < kMaxDepth && spend()) {
    ++depth;
    result = readOp(op, indices);
    --depth;
  }
  return result ? result : makeLoad(value, indices);
}
ElementRef ElementReader::readBool(Value value, ArrayRef<Dim> indices) {
  ElementRef result = toBool(read(value, indices));
  return result ? result : makeLoad(value, indices);
}

ElementRef ElementReader::readOp(Operation *op, ArrayRef<Dim> indices) {
  SmallVector<Dim> to = tfm::getDims(op->getResult(0));
  if (auto constant = dyn_cast<ConstantOp>(op)) {
    auto elements = dyn_cast<DenseElementsAttr>(constant.getValue());
    return elements ? readConstant(elements, indices) : nullptr;
  }
  if (auto get = dyn_cast<GetOp>(op))
    return readWeight(get, indices);
  if (auto extent = dyn_cast<ExtentOp>(op)) {
    auto index = indices.empty() ? std::optional<int64_t>(0) : indices[0].getConstant();
    SmallVector<Dim> dims = extent.getExtents().getDims();
    return index && *index >= 0 && *index < static_cast<int64_t>(dims.size()) ? makeInteger(dims[*index]) : nullptr;
  }
  if (auto iota = dyn_cast<IotaOp>(op))
    return makeInteger(iota.getStart().getDims()[0] + Dim(iota.getStep()) * indices[0]);
  if (auto transpose = dyn_cast<TransposeOp>(op)) {
    SmallVector<Dim> inner(indices.size());
    for (auto [axis, from] : llvm::enumerate(transpose.getPermutation()))
      inner[from] = indices[axis];
    return read(transpose.getInput(), inner);
  }
  if (auto reshape = dyn_cast<ReshapeOp>(op)) {
    auto inner = throughReshape(tfm::getDims(reshape.getInput()), to, indices);
    return inner ? read(reshape.getInput(), *inner) : nullptr;
  }
  if (auto expand = dyn_cast<ExpandOp>(op)) {
    SmallVector<Dim> from = tfm::getDims(expand.getInput()), inner;
    for (auto [axis, dim] : llvm::enumerate(from))
      inner.push_back(dim == Dim(1) ? Dim(0) : indices[axis + indices.size() - from.size()]);
    return read(expand.getInput(), inner);
  }
  if (auto slice = dyn_cast<SliceOp>(op)) {
    SmallVector<Dim> inner, starts = slice.getStarts().getDims();
    for (auto [start, step, index] : llvm::zip(starts, slice.getSteps(), indices))
      inner.push_back(start + Dim(step) * index);
    return read(slice.getInput(), inner);
  }
  if (auto concat = dyn_cast<ConcatOp>(op)) {
    int64_t axis = concat.getAxis();
    Dim begin(0);
    for (Value input : concat.getInputs()) {
      Dim size = tfm::getDims(input)[axis];
      SmallVector<Dim> inner(indices);
      inner[axis] = indices[axis] - begin;
      begin = begin + size;
      if (isNonNegative(inner[axis]) && isNonNegative(size - Dim(1) - inner[axis]))
        return read(input, inner);
    }
    return nullptr;
  }
  if (auto gather = dyn_cast<GatherOp>(op)) {
    int64_t axis = gather.getAxis(), rank = tfm::getDims(gather.getIndices()).size();
    ElementRef index = read(gather.getIndices(), indices.slice(axis, rank));
    auto position = index->kind == Kind::Integer ? normalizeIndex(index->integer, tfm::getDims(gather.getData())[axis])
                                                 : std::nullopt;
    if (!position)
      return nullptr;
    SmallVector<Dim> inner(indices.take_front(axis));
    inner.push_back(*position);
    inner.append(indices.begin() + axis + rank, indices.end());
    return read(gather.getData(), inner);
  }
  if (auto gather = dyn_cast<GatherNdOp>(op)) {
    SmallVector<Dim> data = tfm::getDims(gather.getData()), tuple = tfm::getDims(gather.getIndices());
    int64_t batch = gather.getBatchDims(), outer = tuple.size() - 1;
    SmallVector<Dim> inner(indices.take_front(batch)), at(indices.take_front(outer));
    for (int64_t i = 0; i < *tuple.back().getConstant(); ++i) {
      SmallVector<Dim> component(at);
      component.push_back(Dim(i));
      ElementRef index = read(gather.getIndices(), component);
      auto position = index->kind == Kind::Integer ? normalizeIndex(index->integer, data[batch + i]) : std::nullopt;
      if (!position)
        return nullptr;
      inner.push_back(*position);
    }
    inner.append(indices.begin() + outer, indices.end());
    return read(gather.getData(), inner);
  }
  return isa<ElementwiseOpInterface>(op) ? readElementwise(op, indices) : nullptr;
}

ElementRef ElementReader::readElementwise(Operation *op, ArrayRef<Dim> indices) {
  SmallVector<ElementRef, 3> operands;
  for (Value operand : op->getOperands()) {
    SmallVector<Dim> from = tfm::getDims(operand), inner;
    for (auto [axis, dim] : llvm::enumerate(from))
      inner.push_back(dim == Dim(1) ? Dim(0) : indices[axis + indices.size() - from.size()]);
    operands.push_back(read(operand, inner));
  }
  Type type = tfm::getElementType(op->getResult(0));
  bool allBool = llvm::all_of(operands, [](const ElementRef &operand) { return isBool(*operand); });
  if (isa<CastOp>(op)) {
    if (type.isInteger(1))
      return toBool(operands[0]);
    if (isa<FloatType>(type))
      return toReal(operands[0]);
    // Truncation of what isn't an integer is not followed.
    bool isInteger = operands[0]->kind == Kind::Integer || isa<IntegerType>(tfm::getElementType(op->getOperand(0)));
    return isInteger ? operands[0] : nullptr;
  }
  if (isa<NotOp>(op))
    return allBool ? makeNot(operands[0]) : nullptr;
  if (isa<AndOp>(op))
    return allBool ? makeAnd(operands[0], operands[1]) : nullptr;
  if (isa<OrOp>(op))
    return allBool ? makeOr(operands[0], operands[1]) : nullptr;
  if (auto comparison = dyn_cast<CompareOp>(op))
    return compare(comparison.getPredicate(), operands[0], operands[1]);
  if (isa<SelectOp>(op))
    return isBool(*operands[0]) ? choose(operands[0], operands[1], operands[2]) : nullptr;
  if (isa<NegOp>(op)) {
    if (operands[0]->kind == Kind::Integer)
      return makeInteger(Dim(0) - operands[0]->integer);
    return operands[0]->kind == Kind::Real ? makeReal(-operands[0]->real) : nullptr;
  }
  if (isa<AddOp, SubOp, MulOp, DivOp, MinimumOp, MaximumOp>(op))
    return arithmetic(op, operands[0], operands[1]);
  return nullptr;
}
