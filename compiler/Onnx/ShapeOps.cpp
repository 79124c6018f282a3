// ONNX ops about shapes: those that read them, those that make tensors of them, and those that only change them.
#include "compiler/Onnx/Importer.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::onnxfile;

static LogicalResult importShape(Node &node) {
  if (failed(node.expectInputs(1, 1)))
    return failure();
  ArrayRef<Dim> dims = node.getDims(0);
  auto rank = static_cast<int64_t>(dims.size());
  auto clamp = [&](int64_t position) {
    return std::clamp<int64_t>(position < 0 ? position + rank : position, 0, rank);
  };
  int64_t start = clamp(node.getInt("start", 0)), end = clamp(node.getInt("end", rank));
  ArrayRef<Dim> part = dims.slice(start, std::max<int64_t>(end - start, 0));
  return node.set(Abstract::ofDims(node.builder.getContext(), part));
}

static LogicalResult importSize(Node &node) {
  if (failed(node.expectInputs(1, 1)))
    return failure();
  return node.set(Abstract::ofInts(node.i64(), {}, {Dim::product(node.getDims(0))}));
}

static LogicalResult importConstant(Node &node) {
  auto setOperand = [&](Operand *operand) {
    if (!operand->isKnown)
      return failure();
    if (node.isUsed(0))
      node.scope.values[node.proto.output(0)] = operand;
    return success();
  };
  if (node.proto.output_size() < 1)
    return node.error() << "expected an output";
  if (auto *value = node.getAttribute("value"))
    return setOperand(
        node.importer.makeConstant(value->t(), node.proto.output(0), node.importer.nextOrdinal(), node.loc));
  Abstract literal;
  if (auto *value = node.getAttribute("value_int")) {
    literal = Abstract::ofInts(node.i64(), {}, {Dim(value->i())});
  } else if (auto values = node.getInts("value_ints")) {
    literal = Abstract::ofInts(node.i64(), {static_cast<int64_t>(values->size())},
                               std::vector<Dim>(values->begin(), values->end()));
  } else if (auto *value = node.getAttribute("value_float")) {
    literal.elementType = node.f32();
    literal.reals = {value->f()};
  } else if (auto *value = node.getAttribute("value_floats")) {
    literal.elementType = node.f32();
    literal.shape = {value->floats_size()};
    literal.reals.assign(value->floats().begin(), value->floats().end());
  } else {
    return node.error() << "expected a value of numbers; hint: strings and sparse tensors are not supported";
  }
  if (literal.size() > kMaxAbstract)
    return node.set(node.literal(literal.getAttr()));
  return node.set(std::move(literal));
}

static LogicalResult importConstantOfShape(Node &node) {
  auto dims = node.getDimList(0, "the shape");
  if (failed(dims))
    return failure();
  Abstract value;
  value.elementType = node.f32();
  value.reals = {0};
  if (auto *attribute = node.getAttribute("value")) {
    Operand *constant = node.importer.makeConstant(attribute->t(), node.name, node.importer.nextOrdinal(), node.loc);
    if (!constant->isKnown)
      return failure();
    if (!constant->abstract || constant->abstract->size() != 1)
      return node.error() << "expected a value of one element";
    value = constant->abstract->reshaped({});
  }
  SmallVector<int64_t> sizes;
  for (const Dim &dim : *dims) {
    auto range = node.symbols.bounds(dim);
    if (!dim.isValid() || (range && range->max < 0))
      return node.error() << "expected dimensions of 0 or more, got " << dim.str();
    sizes.push_back(dim.getConstant().value_or(-1));
  }
  if (auto count = countElements(sizes))
    return node.set(value.pick(sizes, SmallVector<int64_t>(*count, 0)));
  return node.set(node.expand(node.literal(value.getAttr()), *dims));
}

static LogicalResult importRange(Node &node) {
  if (failed(node.expectInputs(3, 3)))
    return failure();
  const Abstract *start = node.getAbstract(0), *limit = node.getAbstract(1), *delta = node.getAbstract(2);
  for (const Abstract *value : {start, limit, delta})
    if (!value || value->size() != 1)
      return node.error() << "expected the start, limit and delta of a range to follow from the inputs' dimensions; "
                          << "hint: data-dependent shapes are not supported";
  Type type = start->elementType;
  if (limit->elementType != type || delta->elementType != type)
    return node.error() << "expected a start, limit and delta of one element type, got " << type << ", "
                        << limit->elementType << " and " << delta->elementType;
  if (start->isReal()) {
    double count = std::ceil((limit->reals[0] - start->reals[0]) / delta->reals[0]);
    if (!(count <= double(1 << 30)))
      return node.error() << "expected a range of less than 2^30 elements, got " << count;
    auto n = static_cast<int64_t>(std::max(count, 0.0));
    auto vector = tfm::getTensorType({Dim(n)}, node.i64());
    Value index =
        tfm::IotaOp::create(node.builder, node.loc, vector, tfm::DimsAttr::get(node.builder.getContext(), {Dim(0)}), 1);
    Value scaled = node.binary<tfm::MulOp>(node.cast(index, type), node.scalar(delta->reals[0], type));
    return node.set(node.binary<tfm::AddOp>(scaled, node.scalar(start->reals[0], type)));
  }
  auto step = delta->ints[0].getConstant();
  if (!step || *step == 0 || *step == INT64_MIN)
    return node.error() << "expected a constant delta other than 0, got " << delta->ints[0].str();
  Dim first = start->ints[0], distance = *step > 0 ? limit->ints[0] - first : first - limit->ints[0];
  Dim count = node.symbols.max(Dim::ceildiv(distance, Dim(std::abs(*step))), 0);
  if (auto n = count.getConstant(); n && first.isConstant() && static_cast<uint64_t>(*n) <= kMaxAbstract) {
    std::vector<Dim> values;
    for (int64_t i = 0; i < *n; ++i)
      values.push_back(first + Dim(i) * Dim(*step));
    return node.set(Abstract::ofInts(type, {*n}, std::move(values)));
  }
  if (!first.isValid() || !count.isValid())
    return node.error() << "a dimension overflows 64 bits, or is too complex to be kept as an expression";
  Value iota = tfm::IotaOp::create(node.builder, node.loc, tfm::getTensorType({count}, node.i64()),
                                   tfm::DimsAttr::get(node.builder.getContext(), {first}), *step);
  return node.set(node.cast(iota, type));
}

/// Removes from two lists the dimensions that both have.
static void cancel(SmallVector<Dim> &a, SmallVector<Dim> &b) {
  for (size_t i = 0; i < a.size();) {
    auto *it = llvm::find(b, a[i]);
    if (it == b.end()) {
      ++i;
      continue;
    }
    b.erase(it);
    a.erase(a.begin() + i);
  }
}

/// The dimensions that ONNX's Reshape gives, from its shape input.
static FailureOr<SmallVector<Dim>> resolveReshape(Node &node, ArrayRef<Dim> from, ArrayRef<Dim> target) {
  bool allowZero = node.getInt("allowzero", 0);
  SmallVector<Dim> to;
  int64_t inferred = -1;
  for (auto [i, dim] : llvm::enumerate(target)) {
    to.push_back(dim);
    auto constant = dim.getConstant();
    if (constant == 0 && !allowZero) {
      if (i >= from.size())
        return node.error() << "shape element " << i << " is 0, which copies a dimension that the input doesn't have";
      to.back() = from[i];
    } else if (constant && *constant < 0) {
      if (*constant != -1 || inferred >= 0)
        return node.error() << "expected a shape with one -1 and no other negative element";
      inferred = static_cast<int64_t>(i);
    }
  }
  SmallVector<Dim> left(from), right(to);
  if (inferred >= 0)
    right.erase(right.begin() + inferred);
  cancel(left, right);
  Dim elements = Dim::product(left), known = Dim::product(right);
  // Two symbols at one place that both sides are left with are meant to be the same.
  auto unifySymbols = [&] {
    for (auto [a, b] : llvm::zip(from, to))
      if (a != b && a.getSymbol() && b.getSymbol() && llvm::is_contained(left, a) && llvm::is_contained(right, b) &&
          !node.require(a, b, "dimensions of a reshape"))
        return false;
    return true;
  };
  if (inferred >= 0) {
    auto quotient = elements.exactDiv(known);
    if (!quotient) {
      if (!unifySymbols())
        return failure();
      if (known == Dim(0))
        return node.error() << "expected a shape without 0 beside -1";
      quotient = Dim::floordiv(elements, known);
      if (!node.require(*quotient * known, elements, "numbers of elements"))
        return failure();
    }
    to[inferred] = *quotient;
    return to;
  }
  if (elements != known && (!unifySymbols() || !node.require(elements, known, "numbers of elements")))
    return failure();
  return to;
}

static LogicalResult importReshape(Node &node) {
  if (failed(node.expectInputs(2, 2)))
    return failure();
  auto target = node.getDimList(1, "the shape");
  if (failed(target))
    return failure();
  auto dims = resolveReshape(node, node.getDims(0), *target);
  if (failed(dims))
    return failure();
  return node.set(node.reshape(node.get(0), *dims));
}

/// Known elements under other dimensions, where those are static.
static std::optional<Abstract> reshapeKnown(Node &node, ArrayRef<Dim> dims) {
  SmallVector<int64_t> shape;
  for (const Dim &dim : dims) {
    auto constant = dim.getConstant();
    if (!constant)
      return std::nullopt;
    shape.push_back(*constant);
  }
  auto count = countElements(shape);
  if (!count || static_cast<size_t>(*count) != node.getAbstract(0)->size())
    return std::nullopt;
  return node.getAbstract(0)->reshaped(shape);
}

static std::optional<Abstract> foldReshape(Node &node) {
  if (!node.getAbstract(0) || !node.getAbstract(1))
    return std::nullopt;
  // A shape that isn't good is reported by the import.
  SmallVector<Dim> to(node.getAbstract(1)->ints.begin(), node.getAbstract(1)->ints.end());
  Dim known(1), *inferred = nullptr;
  for (auto [i, dim] : llvm::enumerate(to)) {
    if (dim == Dim(0) && i < node.getDims(0).size() && !node.getInt("allowzero", 0))
      dim = node.getDims(0)[i];
    if (dim == Dim(-1) && !inferred)
      inferred = &dim;
    else
      known = known * dim;
  }
  if (inferred) {
    auto quotient = Dim(static_cast<int64_t>(node.getAbstract(0)->size())).exactDiv(known);
    if (!quotient)
      return std::nullopt;
    *inferred = *quotient;
  }
  return reshapeKnown(node, to);
}

/// The axes of Squeeze and Unsqueeze: an attribute up to opset 12, then an input. Nothing if there are none.
static FailureOr<std::optional<SmallVector<int64_t>>> getAxes(Node &node) {
  if (auto axes = node.getInts("axes"))
    return axes;
  if (!node.has(1))
    return std::optional<SmallVector<int64_t>>();
  auto axes = node.getConstants(1, "the axes");
  if (failed(axes))
    return failure();
  return std::optional<SmallVector<int64_t>>(*axes);
}

static FailureOr<SmallVector<Dim>> getSqueezed(Node &node) {
  if (failed(node.expectInputs(1, 2)))
    return failure();
  ArrayRef<Dim> dims = node.getDims(0);
  auto given = getAxes(node);
  if (failed(given))
    return failure();
  SmallVector<int64_t> axes;
  if (*given) {
    auto normal = node.normalizeAxes(**given, static_cast<int64_t>(dims.size()));
    if (failed(normal))
      return failure();
    axes = *normal;
  } else {
    for (auto [axis, dim] : llvm::enumerate(dims))
      if (dim == Dim(1))
        axes.push_back(static_cast<int64_t>(axis));
  }
  SmallVector<Dim> result;
  for (auto [axis, dim] : llvm::enumerate(dims)) {
    if (!llvm::is_contained(axes, static_cast<int64_t>(axis)))
      result.push_back(dim);
    else if (!node.require(dim, 1, "a squeezed dimension and 1"))
      return failure();
  }
  return result;
}

static FailureOr<SmallVector<Dim>> getUnsqueezed(Node &node) {
  if (failed(node.expectInputs(1, 2)))
    return failure();
  SmallVector<Dim> dims(node.getDims(0));
  auto given = getAxes(node);
  if (failed(given))
    return failure();
  if (!*given)
    return node.error() << "expected axes";
  auto axes = node.normalizeAxes(**given, static_cast<int64_t>(dims.size() + (*given)->size()));
  if (failed(axes))
    return failure();
  for (int64_t axis : *axes)
    dims.insert(dims.begin() + axis, Dim(1));
  return dims;
}

static FailureOr<SmallVector<Dim>> getFlattened(Node &node) {
  if (failed(node.expectInputs(1, 1)))
    return failure();
  ArrayRef<Dim> dims = node.getDims(0);
  auto rank = static_cast<int64_t>(dims.size());
  int64_t axis = node.getInt("axis", 1);
  if (axis < -rank || axis > rank)
    return node.error() << "expected an axis in [" << -rank << ", " << rank << "], got " << axis;
  axis = axis < 0 ? axis + rank : axis;
  return SmallVector<Dim>{Dim::product(dims.take_front(axis)), Dim::product(dims.drop_front(axis))};
}

using DimsFunction = FailureOr<SmallVector<Dim>> (*)(Node &);

template <DimsFunction getNewDims> static LogicalResult importRelabel(Node &node) {
  auto dims = getNewDims(node);
  if (failed(dims))
    return failure();
  if (node.getAbstract(0))
    if (auto known = reshapeKnown(node, *dims))
      return node.set(std::move(*known));
  return node.set(node.reshape(node.get(0), *dims));
}

static LogicalResult importExpand(Node &node) {
  if (failed(node.expectInputs(2, 2)))
    return failure();
  auto target = node.getDimList(1, "the shape");
  if (failed(target))
    return failure();
  auto dims = node.broadcast({SmallVector<Dim>(node.getDims(0)), *target});
  if (failed(dims))
    return failure();
  SmallVector<int64_t> shape;
  for (const Dim &dim : *dims)
    shape.push_back(dim.getConstant().value_or(-1));
  if (const Abstract *known = node.getAbstract(0))
    if (countElements(shape))
      if (auto index = broadcastIndex({known->shape, shape}))
        return node.set(known->pick(shape, index->positions[0]));
  SmallVector<Value> aligned;
  Value x = node.get(0);
  if (!x)
    return failure();
  // Dimensions that only are required to be equal take the result's name first.
  SmallVector<Dim> fitting = tfm::getDims(x);
  for (size_t i = 0; i < fitting.size(); ++i)
    if (fitting[i] != Dim(1))
      fitting[i] = (*dims)[dims->size() - fitting.size() + i];
  return node.set(node.expand(node.reshape(x, fitting), *dims));
}

static LogicalResult importIdentity(Node &node) {
  if (failed(node.expectInputs(1, 1)))
    return failure();
  return node.forward(0);
}

/// At inference nothing is dropped, and the mask is all true.
static LogicalResult importDropout(Node &node) {
  if (failed(node.expectInputs(1, 3)))
    return failure();
  if (node.has(2)) {
    auto training = node.getConstants(2, "training_mode");
    if (failed(training))
      return failure();
    if (llvm::any_of(*training, [](int64_t value) { return value != 0; }))
      return node.error() << "expected training_mode to be false; hint: export the model for inference";
  }
  if (node.isUsed(1) && failed(node.set(node.expand(node.scalar(1, node.i1()), node.getDims(0)), 1)))
    return failure();
  return node.forward(0);
}

static LogicalResult importIf(Node &node) {
  if (failed(node.expectInputs(1, 1)))
    return failure();
  const Abstract *condition = node.getAbstract(0);
  auto constants = condition ? condition->getConstants() : std::nullopt;
  if (!constants || constants->size() != 1)
    return node.error() << "expected a condition that is known when the model is compiled; hint: a branch on data is "
                           "not supported, export the branches as models of their own";
  auto *branch = node.getAttribute(constants->front() ? "then_branch" : "else_branch");
  if (!branch || !branch->has_g())
    return node.error() << "expected a then_branch and an else_branch";
  auto values = node.importer.importSubgraph(branch->g(), node);
  if (failed(values))
    return failure();
  if (values->size() < static_cast<size_t>(node.proto.output_size()))
    return node.error() << "expected branches with " << node.proto.output_size() << " outputs, got " << values->size();
  for (int i = 0; i < node.proto.output_size(); ++i)
    if (node.isUsed(i))
      node.scope.values[node.proto.output(i)] = (*values)[i];
  return success();
}

ArrayRef<OpEntry> lathe::onnxfile::getShapeOps() {
  static const OpEntry ops[] = {
      {"Shape", importShape},
      {"Size", importSize},
      {"Constant", importConstant},
      {"ConstantOfShape", importConstantOfShape},
      {"Range", importRange},
      {"Reshape", importReshape, foldReshape, 5},
      {"Squeeze", importRelabel<getSqueezed>},
      {"Unsqueeze", importRelabel<getUnsqueezed>},
      {"Flatten", importRelabel<getFlattened>},
      {"Expand", importExpand, nullptr, 8},
      {"Identity", importIdentity},
      {"Dropout", importDropout, nullptr, 7},
      {"If", importIf},
  };
  return ops;
}
