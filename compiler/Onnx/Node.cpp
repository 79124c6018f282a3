// What handlers of ONNX ops share: inputs and attributes read, ops built with dimensions that fit.
#include "compiler/Onnx/Importer.h"
#include "compiler/Onnx/NodeLocation.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::onnxfile;

Node::Node(Importer &importer, Scope &scope, const onnx::NodeProto &proto, std::string name, int64_t version)
    : importer(importer), scope(scope), proto(proto), name(std::move(name)), version(version),
      loc(nodeLocation(importer.builder.getContext(), this->name, proto.op_type())), builder(importer.builder),
      symbols(importer.symbols) {}

Value Node::get(size_t index) {
  if (!has(index)) {
    error() << "expected an input " << index;
    return {};
  }
  return importer.materialize(*inputs[index]);
}

LogicalResult Node::expectInputs(size_t least, size_t most) const {
  for (size_t i = 0; i < least; ++i)
    if (!has(i))
      return error() << "expected at least " << least << (least == 1 ? " input" : " inputs") << ", got no input " << i;
  if (inputs.size() > most)
    return error() << "expected at most " << most << " inputs, got " << inputs.size();
  return success();
}

FailureOr<SmallVector<Dim>> Node::getDimList(size_t index, StringRef what) const {
  if (!has(index))
    return error() << "expected an input " << index << " with " << what;
  const Abstract *abstract = getAbstract(index);
  if (!abstract || abstract->isReal())
    return error() << "expected " << what << " to follow from the inputs' dimensions, but it depends on their data; "
                   << "hint: data-dependent shapes are not supported";
  return SmallVector<Dim>(abstract->ints.begin(), abstract->ints.end());
}

FailureOr<SmallVector<int64_t>> Node::getConstants(size_t index, StringRef what) const {
  if (!has(index))
    return error() << "expected an input " << index << " with " << what;
  const Abstract *abstract = getAbstract(index);
  auto constants = abstract ? abstract->getConstants() : std::nullopt;
  if (!constants)
    return error() << "expected " << what << " to be constant";
  return *constants;
}

const onnx::AttributeProto *Node::getAttribute(StringRef attributeName) const {
  for (const onnx::AttributeProto &attribute : proto.attribute()) {
    if (attribute.name() != attributeName)
      continue;
    if (attribute.ref_attr_name().empty())
      return &attribute;
    if (!scope.attributes)
      return nullptr;
    auto it = scope.attributes->find(attribute.ref_attr_name());
    return it == scope.attributes->end() ? nullptr : it->second;
  }
  return nullptr;
}

int64_t Node::getInt(StringRef attribute, int64_t otherwise) const {
  auto *found = getAttribute(attribute);
  return found ? found->i() : otherwise;
}
double Node::getFloat(StringRef attribute, double otherwise) const {
  auto *found = getAttribute(attribute);
  return found ? found->f() : otherwise;
}
StringRef Node::getString(StringRef attribute, StringRef otherwise) const {
  auto *found = getAttribute(attribute);
  return found ? StringRef(found->s()) : otherwise;
}
std::optional<SmallVector<int64_t>> Node::getInts(StringRef attribute) const {
  auto *found = getAttribute(attribute);
  if (!found)
    return std::nullopt;
  return SmallVector<int64_t>(found->ints().begin(), found->ints().end());
}

FailureOr<int64_t> Node::normalizeAxis(int64_t axis, int64_t rank) const {
  if (axis < -rank || axis >= rank)
    return error() << "expected an axis in [" << -rank << ", " << rank << "), got " << axis;
  return axis < 0 ? axis + rank : axis;
}

FailureOr<SmallVector<int64_t>> Node::normalizeAxes(ArrayRef<int64_t> axes, int64_t rank) const {
  SmallVector<int64_t> result;
  for (int64_t axis : axes) {
    auto normal = normalizeAxis(axis, rank);
    if (failed(normal))
      return failure();
    result.push_back(*normal);
  }
  llvm::sort(result);
  if (std::adjacent_find(result.begin(), result.end()) != result.end())
    return error() << "expected axes that differ";
  return result;
}

LogicalResult Node::set(Value value, size_t index) {
  if (!value)
    return failure();
  if (!isUsed(index))
    return success();
  for (const Dim &dim : tfm::getDims(value)) {
    if (!dim.isValid())
      return error() << "output " << index << " has a dimension that overflows 64 bits, or is too complex";
    if (auto constant = dim.getConstant(); constant && *constant < 0)
      return error() << "expected dimensions of 0 or more, got " << *constant;
  }
  Operand *operand = importer.lookup(proto.output(index), scope);
  operand->isKnown = true;
  operand->value = value;
  operand->dims = tfm::getDims(value);
  operand->elementType = tfm::getElementType(value);
  operand->loc = loc;
  return success();
}

LogicalResult Node::set(Abstract value, size_t index) {
  if (isUsed(index))
    scope.values[proto.output(index)] = importer.makeConstant(std::move(value), loc);
  return success();
}

LogicalResult Node::forward(size_t input, size_t index) {
  if (isUsed(index))
    scope.values[proto.output(index)] = inputs[input];
  return success();
}

bool Node::require(const Dim &a, const Dim &b, StringRef what) {
  switch (symbols.unify(a, b)) {
  case Symbols::Unified::Same:
    return true;
  case Symbols::Unified::NewFact:
    return false;
  case Symbols::Unified::Different:
    error() << "expected " << what << " to be equal, got " << a.str() << " and " << b.str();
    return false;
  case Symbols::Unified::Check:
    break;
  }
  if (!a.isValid() || !b.isValid()) {
    error() << "a dimension overflows 64 bits, or is too complex to be kept as an expression";
    return false;
  }
  if (importer.isFirstRequirement(a, b))
    tfm::RequireOp::create(builder, loc, tfm::DimsAttr::get(builder.getContext(), {a}),
                           tfm::DimsAttr::get(builder.getContext(), {b}),
                           builder.getStringAttr("node '" + name + "' (" + opType() + "): " + what + " must be equal"));
  return true;
}

bool Node::requireAll(ArrayRef<Dim> a, ArrayRef<Dim> b, StringRef what) {
  if (a.size() != b.size()) {
    error() << "expected " << what << " to be of one rank, got " << a.size() << " and " << b.size();
    return false;
  }
  for (auto [x, y] : llvm::zip(a, b))
    if (!require(x, y, what))
      return false;
  return true;
}

FailureOr<SmallVector<Dim>> Node::broadcast(ArrayRef<SmallVector<Dim>> shapes) {
  SmallVector<Dim> result;
  for (const SmallVector<Dim> &shape : shapes) {
    if (shape.size() > result.size())
      result.insert(result.begin(), shape.size() - result.size(), Dim(1));
    for (auto [dim, other] : llvm::zip(llvm::reverse(result), llvm::reverse(shape))) {
      if (other == Dim(1) || dim == other)
        continue;
      if (dim == Dim(1)) {
        dim = other;
        continue;
      }
      if (!require(dim, other, "dimensions that broadcast"))
        return failure();
      // They may be equal at run time: the one that is said in fewer words stands for both.
      if (std::make_pair(other.str().size(), other) < std::make_pair(dim.str().size(), dim))
        dim = other;
    }
  }
  return result;
}

bool Node::align(ArrayRef<Value> operands, SmallVectorImpl<Value> &aligned, size_t skipLast) {
  SmallVector<SmallVector<Dim>> shapes;
  for (Value operand : operands) {
    if (!operand)
      return false;
    shapes.push_back(tfm::getDims(operand));
    shapes.back().pop_back_n(skipLast);
  }
  auto dims = broadcast(shapes);
  if (failed(dims))
    return false;
  for (auto [operand, shape] : llvm::zip(operands, shapes)) {
    SmallVector<Dim> fitting = tfm::getDims(operand);
    for (size_t i = 0; i < shape.size(); ++i)
      if (shape[i] != Dim(1))
        fitting[i] = (*dims)[dims->size() - shape.size() + i];
    aligned.push_back(reshape(operand, fitting));
  }
  return true;
}

bool Node::sameType(ArrayRef<Value> values) const {
  for (Value value : values) {
    if (!value)
      return false;
    if (tfm::getElementType(value) != tfm::getElementType(values.front())) {
      error() << "expected operands of one element type, got " << tfm::getElementType(values.front()) << " and "
              << tfm::getElementType(value);
      return false;
    }
  }
  return true;
}

Value Node::compare(tfm::Predicate predicate, Value x, Value y) {
  SmallVector<Value> aligned;
  if (!sameType({x, y}) || !align({x, y}, aligned))
    return {};
  auto dims = tfm::broadcastDims({tfm::getDims(aligned[0]), tfm::getDims(aligned[1])});
  return tfm::CompareOp::create(builder, loc, tfm::getTensorType(*dims, i1()), predicate, aligned[0], aligned[1]);
}

Value Node::select(Value condition, Value x, Value y) {
  if (!condition || !sameType({x, y}))
    return {};
  if (!tfm::getElementType(condition).isInteger(1)) {
    error() << "expected a condition of booleans, got " << tfm::getElementType(condition);
    return {};
  }
  return elementwise<tfm::SelectOp>({condition, x, y}, tfm::getElementType(x));
}

Value Node::cast(Value x, Type elementType) {
  if (!x || tfm::getElementType(x) == elementType)
    return x;
  return elementwise<tfm::CastOp>({x}, elementType);
}

Value Node::scalar(double value, Type elementType) {
  auto type = RankedTensorType::get({}, elementType);
  if (auto floatType = dyn_cast<FloatType>(elementType)) {
    APFloat real(value);
    bool lost;
    real.convert(floatType.getFloatSemantics(), APFloat::rmNearestTiesToEven, &lost);
    return literal(DenseElementsAttr::get(type, real));
  }
  APInt integer(64, static_cast<int64_t>(value), true);
  return literal(DenseElementsAttr::get(type, integer.trunc(elementType.getIntOrFloatBitWidth())));
}

Value Node::literal(ElementsAttr value) { return tfm::ConstantOp::create(builder, loc, value); }

Value Node::reshape(Value x, ArrayRef<Dim> dims) {
  if (!x || ArrayRef<Dim>(tfm::getDims(x)) == dims)
    return x;
  return tfm::ReshapeOp::create(builder, loc, tfm::getTensorType(dims, tfm::getElementType(x)), x);
}

Value Node::transpose(Value x, ArrayRef<int64_t> permutation) {
  if (!x)
    return {};
  SmallVector<Dim> from = tfm::getDims(x), dims;
  for (int64_t axis : permutation)
    dims.push_back(from[axis]);
  return tfm::TransposeOp::create(builder, loc, tfm::getTensorType(dims, tfm::getElementType(x)), x,
                                  builder.getDenseI64ArrayAttr(permutation));
}

Value Node::expand(Value x, ArrayRef<Dim> dims) {
  if (!x || ArrayRef<Dim>(tfm::getDims(x)) == dims)
    return x;
  return tfm::ExpandOp::create(builder, loc, tfm::getTensorType(dims, tfm::getElementType(x)), x);
}

Value Node::slice(Value x, ArrayRef<Dim> starts, ArrayRef<Dim> dims, ArrayRef<int64_t> steps) {
  if (!x)
    return {};
  SmallVector<int64_t> ones(starts.size(), 1);
  return tfm::SliceOp::create(builder, loc, tfm::getTensorType(dims, tfm::getElementType(x)), x,
                              tfm::DimsAttr::get(builder.getContext(), starts),
                              builder.getDenseI64ArrayAttr(steps.empty() ? ArrayRef<int64_t>(ones) : steps));
}

Value Node::concat(ArrayRef<Value> values, int64_t axis) {
  if (!sameType(values))
    return {};
  SmallVector<Dim> dims = tfm::getDims(values.front());
  Dim sum;
  SmallVector<SmallVector<Dim>> shapes;
  for (Value value : values) {
    shapes.push_back(tfm::getDims(value));
    if (shapes.back().size() != dims.size()) {
      error() << "expected inputs of one rank, got " << values.front().getType() << " and " << value.getType();
      return {};
    }
    sum = sum + shapes.back()[axis];
    for (auto [index, dim] : llvm::enumerate(shapes.back()))
      if (static_cast<int64_t>(index) != axis && !require(dims[index], dim, "dimensions of what is concatenated"))
        return {};
  }
  SmallVector<Value> fitting;
  for (auto [value, shape] : llvm::zip(values, shapes)) {
    dims[axis] = shape[axis];
    fitting.push_back(reshape(value, dims));
  }
  dims[axis] = sum;
  return tfm::ConcatOp::create(builder, loc, tfm::getTensorType(dims, tfm::getElementType(values.front())), fitting,
                               builder.getI64IntegerAttr(axis));
}

/// numpy's rules: a vector on the left is a row, on the right a column, and its dimension is dropped from the result.
Value Node::matmul(Value x, Value y) {
  if (!sameType({x, y}))
    return {};
  SmallVector<Dim> a = tfm::getDims(x), b = tfm::getDims(y);
  if (a.empty() || b.empty()) {
    error() << "expected operands of rank 1 or more, got " << x.getType() << " and " << y.getType();
    return {};
  }
  bool isRow = a.size() == 1, isColumn = b.size() == 1;
  if (isRow)
    a.insert(a.begin(), Dim(1));
  if (isColumn)
    b.push_back(Dim(1));
  if (!require(a.back(), b[b.size() - 2], "the dimensions that are summed over"))
    return {};
  b[b.size() - 2] = a.back();
  SmallVector<Value> aligned;
  if (!align({reshape(x, a), reshape(y, b)}, aligned, 2))
    return {};
  a = tfm::getDims(aligned[0]);
  b = tfm::getDims(aligned[1]);
  auto dims = tfm::broadcastDims({SmallVector<Dim>(a.begin(), a.end() - 2), SmallVector<Dim>(b.begin(), b.end() - 2)});
  SmallVector<Dim> result = *dims;
  result.push_back(a[a.size() - 2]);
  result.push_back(b.back());
  Type elementType = tfm::getElementType(x);
  if (!isa<FloatType>(elementType))
    elementType = builder.getI32Type();
  Value product = tfm::MatmulOp::create(builder, loc, tfm::getTensorType(result, elementType), aligned[0], aligned[1],
                                        false, false, tfm::PrecisionAttr());
  if (isColumn)
    result.pop_back();
  if (isRow)
    result.erase(result.end() - (isColumn ? 1 : 2));
  return reshape(product, result);
}
