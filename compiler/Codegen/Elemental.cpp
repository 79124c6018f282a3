// Elements of tensors at indices: elementwise ops, and ops that move elements.
#include "compiler/Codegen/Elements.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::codegen;

Elements::Key Elements::getKey(Value tensor, ArrayRef<Index> indices) {
  std::vector<std::pair<int, int64_t>> places;
  for (const Index &index : indices) {
    auto constant = getConstant(index.value);
    places.emplace_back(index.kind * 2 + constant.has_value(),
                        constant ? *constant : reinterpret_cast<int64_t>(index.value.getAsOpaquePointer()));
  }
  return {tensor.getAsOpaquePointer(), mask ? mask.getAsOpaquePointer() : nullptr, std::move(places)};
}

Value Elements::evaluate(Value tensor, ArrayRef<Index> indices) {
  if (auto it = overrides.find(tensor.getAsOpaquePointer()); it != overrides.end())
    return it->second(indices);
  Key key = getKey(tensor, indices);
  for (auto &scope : memo)
    if (auto it = scope.find(key); it != scope.end())
      return it->second;
  Value value;
  if (auto argument = dyn_cast<BlockArgument>(tensor))
    value = narrow(loadWeight(operands[argument.getArgNumber()], cast<RankedTensorType>(tensor.getType()), indices),
                   tfm::getElementType(tensor)); // of a format the values are f32
  else
    value = evaluateOp(tensor.getDefiningOp(), indices);
  memo.back()[std::move(key)] = value;
  return value;
}

Value Elements::evaluateElementwise(Operation *op, ArrayRef<Index> indices) {
  Values values;
  bool vector = false;
  size_t rank = indices.size();
  for (Value operand : op->getOperands()) {
    SmallVector<Dim> dims = tfm::getDims(operand);
    Indices at;
    for (size_t d = 0; d < dims.size(); ++d)
      at.push_back(dims[d] == Dim(1) ? uniform(0) : indices[rank - dims.size() + d]);
    values.push_back(evaluate(operand, at));
    vector |= isVector(values.back());
  }
  Type element = tfm::getElementType(op->getResult(0));
  auto cast = dyn_cast<tfm::CastOp>(op);
  bool same = cast && tfm::getElementType(cast.getInput()) == element;
  for (Value &value : values) {
    if (!same)
      value = widen(value);
    if (vector)
      value = broadcast(value);
  }
  if (same)
    return values[0];
  if (cast && (element.isF16() || element.isBF16())) {
    // Through f32, which CastOp can't be told.
    Value x = values[0];
    Type wide = vector ? Type(vec(f32())) : f32();
    if (auto integer = dyn_cast<IntegerType>(tfm::getElementType(cast.getInput())))
      x = integer.isUnsigned() || integer.getWidth() == 1 ? Value(make<arith::UIToFPOp>(wide, x))
                                                          : Value(make<arith::SIToFPOp>(wide, x));
    return narrow(x, element);
  }
  Value result = buildScalar(op, values);
  return narrow(result, element);
}

Indices Elements::getReshapedIndices(tfm::ReshapeOp op, ArrayRef<Index> indices) {
  SmallVector<Dim> from = tfm::getDims(op.getResult()), to = tfm::getDims(op.getInput());
  Indices result(to.size());
  // Runs of dimensions with equal products map to each other; 1s don't matter.
  auto nextRun = [](ArrayRef<Dim> dims, size_t &next) -> std::optional<size_t> {
    while (next < dims.size() && dims[next] == Dim(1))
      ++next;
    return next < dims.size() ? std::optional<size_t>(next++) : std::nullopt;
  };
  size_t i = 0, j = 0;
  while (true) {
    SmallVector<size_t> outer, inner;
    Dim outerSize = 1, innerSize = 1;
    auto extend = [&](SmallVector<size_t> &run, Dim &size, ArrayRef<Dim> dims, size_t &next) {
      auto d = nextRun(dims, next);
      if (d) {
        run.push_back(*d);
        size = size * dims[*d];
      }
      return d.has_value();
    };
    bool more = extend(outer, outerSize, from, i);
    more |= extend(inner, innerSize, to, j);
    if (!more)
      break;
    while (outerSize != innerSize) {
      bool grown = innerSize.exactDiv(outerSize)   ? extend(outer, outerSize, from, i)
                   : outerSize.exactDiv(innerSize) ? extend(inner, innerSize, to, j)
                                                   : false;
      if (grown)
        continue;
      // Not to be told apart: all that is left is one run.
      while (extend(outer, outerSize, from, i))
        ;
      while (extend(inner, innerSize, to, j))
        ;
      break;
    }
    Indices part;
    Values partDims, targetDims;
    for (size_t d : outer) {
      part.push_back(indices[d]);
      partDims.push_back(getDim(from[d]));
    }
    for (size_t d : inner)
      targetDims.push_back(getDim(to[d]));
    Indices mapped = delinearize(linearize(part, partDims), targetDims);
    for (auto [d, index] : llvm::zip_equal(inner, mapped))
      result[d] = index;
  }
  for (Index &index : result)
    if (!index.value)
      index = uniform(0);
  return result;
}

Value Elements::evaluateConcat(tfm::ConcatOp op, ArrayRef<Index> indices) {
  int64_t axis = op.getAxis();
  Value offset = index(0);
  SmallVector<std::pair<Value, Value>> parts; // input, where it begins
  for (Value input : op.getInputs()) {
    parts.emplace_back(input, offset);
    offset = add(offset, getDims(input)[axis]);
  }
  auto evaluatePart = [&](size_t part) {
    Indices at(indices);
    at[axis] = add(at[axis], uniform(sub(index(0), parts[part].second)));
    return evaluate(parts[part].first, at);
  };
  if (indices[axis].kind == Index::Uniform) {
    std::function<Value(size_t)> choose = [&](size_t part) -> Value {
      if (part + 1 == parts.size())
        return evaluatePart(part);
      return ifElse(
          lessThan(indices[axis].value, parts[part + 1].second), [&] { return Values{evaluatePart(part)}; },
          [&] { return Values{choose(part + 1)}; })[0];
    };
    return choose(0);
  }
  // Lanes may lie in several inputs: each is read under the mask of its own.
  Value place = toVector(indices[axis]), outer = mask, result;
  for (size_t part = 0; part < parts.size(); ++part) {
    Value inside = compare(arith::CmpIPredicate::sge, place, parts[part].second);
    if (part + 1 < parts.size())
      inside = logicalAnd(inside, lessThan(place, parts[part + 1].second));
    // A part may be empty: what is uniform in it must not be read either.
    Value reads = outer ? logicalAnd(outer, inside) : inside;
    auto read = [&] {
      mask = reads;
      Value value = broadcast(evaluatePart(part));
      mask = outer;
      return Values{result ? select(inside, value, result) : value};
    };
    if (!result) {
      Type element = getSignless(tfm::getElementType(op.getResult()));
      result = constant(vec(element), 0);
    }
    result = ifElse(reduce(vector::CombiningKind::OR, reads), read, [&] { return Values{result}; })[0];
  }
  return result;
}

Value Elements::evaluatePad(tfm::PadOp op, ArrayRef<Index> indices) {
  Values dims = getDims(op.getInput());
  SmallVector<Dim> low = op.getLow().getDims();
  Indices at(indices);
  Value allLanes, someLanes; // conditions on uniform and on other indices
  for (size_t d = 0; d < dims.size(); ++d) {
    if (low[d] == Dim(0) && op.getHigh().getDims()[d] == Dim(0))
      continue;
    at[d] = add(at[d], uniform(sub(index(0), getDim(low[d]))));
    Value place = at[d].kind == Index::Uniform ? at[d].value : toVector(at[d]);
    Value size = isVector(place) ? broadcast(dims[d]) : dims[d];
    Value inside = compare(arith::CmpIPredicate::ult, place, size);
    Value &condition = isVector(inside) ? someLanes : allLanes;
    condition = logicalAnd(condition, inside);
  }
  Value padding = evaluate(op.getValue(), {});
  auto evaluateLanes = [&]() -> Value {
    if (!someLanes)
      return evaluate(op.getInput(), at);
    Value outer = mask;
    mask = outer ? logicalAnd(outer, someLanes) : someLanes;
    auto read = [&] { return Values{broadcast(evaluate(op.getInput(), at))}; };
    Value any = reduce(vector::CombiningKind::OR, mask);
    Value value = ifElse(any, read, [&] { return Values{broadcast(padding)}; })[0];
    mask = outer;
    return select(someLanes, value, broadcast(padding));
  };
  if (!allLanes)
    return evaluateLanes();
  return ifElse(allLanes, [&] { return Values{evaluateLanes()}; }, [&] { return Values{padding}; })[0];
}

Value Elements::evaluateConstant(ElementsAttr value, ArrayRef<Index> indices) {
  Type element = getSignless(value.getElementType());
  auto toAttr = [&](Attribute attr) -> TypedAttr {
    if (auto integer = dyn_cast<IntegerAttr>(attr))
      return b.getIntegerAttr(element, integer.getValue());
    return cast<TypedAttr>(attr);
  };
  if (value.isSplat() || value.getNumElements() == 1)
    return make<arith::ConstantOp>(toAttr(*value.getValues<Attribute>().begin()));
  // A table in the object's constants.
  std::string &name = constants[value.getAsOpaquePointer()];
  if (name.empty()) {
    do
      name = "constant." + std::to_string(nextConstant++);
    while (output.lookupSymbol(name));
    bool boolean = element.isInteger(1);
    auto type = RankedTensorType::get({value.getNumElements()}, boolean ? i8() : element);
    SmallVector<Attribute> elements;
    for (Attribute attr : value.getValues<Attribute>())
      elements.push_back(boolean ? b.getI8IntegerAttr(cast<IntegerAttr>(attr).getValue().isZero() ? 0 : 1)
                                 : Attribute(toAttr(attr)));
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(output.getBody());
    make<LLVM::GlobalOp>(Type(LLVM::LLVMArrayType::get(type.getElementType(), value.getNumElements())), true,
                         LLVM::Linkage::Private, name, Attribute(DenseElementsAttr::get(type, elements)), uint64_t(64));
  }
  Value base = make<LLVM::AddressOfOp>(ptr(), name);
  Values dims;
  for (int64_t size : value.getShapedType().getShape())
    dims.push_back(index(size));
  return loadElements(base, value.getElementType(), linearize(indices, dims));
}

Value Elements::evaluateGatherNd(tfm::GatherNdOp op, ArrayRef<Index> indices) {
  Values dataDims = getDims(op.getData());
  SmallVector<Dim> indexDims = tfm::getDims(op.getIndices());
  int64_t tuple = *indexDims.back().getConstant();
  size_t batch = op.getBatchDims(), outer = indexDims.size() - 1;
  Indices at;
  for (size_t d = 0; d < batch; ++d)
    at.push_back(indices[d]);
  for (int64_t i = 0; i < tuple; ++i) {
    Indices place(indices.begin(), indices.begin() + outer);
    place.push_back(uniform(i));
    at.push_back(getCheckedIndex(op.getIndices(), place, dataDims[batch + i]));
  }
  at.append(indices.begin() + outer, indices.end());
  return evaluate(op.getData(), at);
}

Value Elements::evaluateOp(Operation *op, ArrayRef<Index> indices) {
  if (isa<tfm::ElementwiseOpInterface>(op))
    return evaluateElementwise(op, indices);
  return llvm::TypeSwitch<Operation *, Value>(op)
      .Case([&](tfm::ReshapeOp op) { return evaluate(op.getInput(), getReshapedIndices(op, indices)); })
      .Case([&](tfm::TransposeOp op) {
        Indices at(indices.size());
        for (auto [d, source] : llvm::enumerate(op.getPermutation()))
          at[source] = indices[d];
        return evaluate(op.getInput(), at);
      })
      .Case([&](tfm::ExpandOp op) {
        SmallVector<Dim> dims = tfm::getDims(op.getInput());
        Indices at(indices.take_back(dims.size()));
        for (size_t d = 0; d < dims.size(); ++d)
          if (dims[d] == Dim(1))
            at[d] = uniform(0);
        return evaluate(op.getInput(), at);
      })
      .Case([&](tfm::SliceOp op) {
        Indices at(indices);
        SmallVector<Dim> starts = op.getStarts().getDims();
        for (size_t d = 0; d < at.size(); ++d)
          at[d] = add(mul(at[d], index(op.getSteps()[d])), uniform(getDim(starts[d])));
        return evaluate(op.getInput(), at);
      })
      .Case([&](tfm::ConcatOp op) { return evaluateConcat(op, indices); })
      .Case([&](tfm::PadOp op) { return evaluatePad(op, indices); })
      .Case([&](tfm::ConstantOp op) { return evaluateConstant(op.getValue(), indices); })
      .Case([&](tfm::ExtentOp op) -> Value {
        SmallVector<Dim> extents = op.getExtents().getDims();
        if (indices.empty() || extents.size() == 1)
          return getDim(extents[0]);
        bool vector = indices[0].kind != Index::Uniform;
        Value place = vector ? toVector(indices[0]) : indices[0].value, value = getDim(extents[0]);
        for (size_t i = 1; i < extents.size(); ++i)
          value = select(equal(place, constant(place, double(i))), getDim(extents[i]), value);
        return value;
      })
      .Case([&](tfm::IotaOp op) -> Value {
        Value place = indices[0].kind == Index::Uniform ? indices[0].value : toVector(indices[0]);
        Value value = add(mul(place, op.getStep()), getDim(op.getStart().getDims()[0]));
        Type element = getSignless(tfm::getElementType(op.getResult()));
        if (element == i64())
          return value;
        Type type = isVector(value) ? Type(vec(element)) : element;
        if (isa<FloatType>(element))
          return narrow(make<arith::SIToFPOp>(isVector(value) ? Type(vec(getWide(element))) : getWide(element), value),
                        element);
        return make<arith::TruncIOp>(type, value);
      })
      .Case([&](tfm::GatherOp op) {
        size_t axis = op.getAxis(), count = tfm::getDims(op.getIndices()).size();
        Indices at(indices.take_front(axis));
        at.push_back(getCheckedIndex(op.getIndices(), indices.slice(axis, count), getDims(op.getData())[axis]));
        at.append(indices.begin() + axis + count, indices.end());
        return evaluate(op.getData(), at);
      })
      .Case([&](tfm::EmbeddingOp op) {
        Index row = getCheckedIndex(op.getIds(), indices.drop_back(), getDims(op.getTable())[0]);
        return evaluate(op.getTable(), {row, indices.back()});
      })
      .Case([&](tfm::GatherElementsOp op) {
        Indices at(indices);
        at[op.getAxis()] = getCheckedIndex(op.getIndices(), indices, getDims(op.getData())[op.getAxis()]);
        return evaluate(op.getData(), at);
      })
      .Case([&](tfm::GatherNdOp op) { return evaluateGatherNd(op, indices); })
      .Default([&](Operation *) { return evaluateLoop(op, indices); });
}
