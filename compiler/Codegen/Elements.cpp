// Dimensions, indices, and elements in memory.
#include "compiler/Codegen/Elements.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::codegen;

Value Elements::getDim(const Dim &dim) {
  if (auto constant = dim.getConstant())
    return index(*constant);
  for (auto &[known, value] : params)
    if (known == dim)
      return value;
  kernel.emitOpError("has no parameter for the dimension ") << dim.str();
  failed = true;
  return index(1);
}

Values Elements::getDims(Type type) {
  Values values;
  for (const Dim &dim : tfm::getDims(type))
    values.push_back(getDim(dim));
  return values;
}
Value Elements::isRead(BlockArgument readRows, Value row) {
  Type type = tfm::getElementType(readRows);
  Value x = widen(loadElements(getOperand(readRows.getArgNumber()), type, uniform(row))), zero = constant(x, 0);
  return isa<FloatType>(x.getType()) ? Value(make<arith::CmpFOp>(arith::CmpFPredicate::UNE, x, zero))
                                     : compare(arith::CmpIPredicate::ne, x, zero);
}

Value Elements::toVector(const Index &index) {
  if (index.kind == Index::Vector)
    return index.value;
  Value vector = broadcast(index.value);
  return index.kind == Index::Uniform ? vector : add(vector, iota());
}

Index Elements::add(const Index &a, const Index &c) {
  if (a.kind == Index::Uniform && c.kind == Index::Uniform)
    return uniform(add(a.value, c.value));
  if (a.kind == Index::Uniform && c.kind == Index::Lane) {
    auto offset = getConstant(a.value);
    return lane(add(a.value, c.value), offset && *offset % c.multiple == 0 ? c.multiple : 1);
  }
  if (a.kind == Index::Lane && c.kind == Index::Uniform)
    return add(c, a);
  return {Index::Vector, add(toVector(a), toVector(c))};
}

Index Elements::mul(const Index &a, Value factor) {
  if (a.kind == Index::Uniform)
    return uniform(mul(a.value, factor));
  if (getConstant(factor) == 1)
    return a;
  return {Index::Vector, mul(toVector(a), broadcast(factor))};
}

/// Whether the indices begin with all parts of one number, in order.
bool Elements::isSplit(ArrayRef<Index> indices, ArrayRef<Value> dims, const Part &first) {
  if (first.position != 0 || first.dims.size() > indices.size())
    return false;
  for (size_t d = 0; d < first.dims.size(); ++d) {
    auto it = indices[d].kind == Index::Uniform ? parts.find(indices[d].value.getAsOpaquePointer()) : parts.end();
    if (it == parts.end() || it->second.flat != first.flat || it->second.position != d)
      return false;
    auto size = getConstant(dims[d]);
    if (dims[d] != first.dims[d] && (!size || size != getConstant(first.dims[d])))
      return false;
  }
  return true;
}

Index Elements::linearize(ArrayRef<Index> indices, ArrayRef<Value> dims) {
  Index flat = uniform(0);
  bool started = false;
  for (size_t d = 0; d < indices.size();) {
    // The parts of a number make that number again.
    Index next = indices[d];
    Value size = dims[d];
    size_t count = 1;
    auto it = next.kind == Index::Uniform ? parts.find(next.value.getAsOpaquePointer()) : parts.end();
    if (it != parts.end() && isSplit(indices.drop_front(d), dims.drop_front(d), it->second)) {
      next = uniform(it->second.flat);
      count = it->second.dims.size();
      size = product(dims.slice(d, count));
    }
    d += count;
    if (!started) {
      flat = next;
      started = true;
      continue;
    }
    auto constant = getConstant(size);
    Index scaled = mul(flat, size);
    if (scaled.kind == Index::Uniform && next.kind == Index::Lane) {
      bool zero = getConstant(scaled.value) == 0;
      int64_t multiple = zero ? next.multiple : constant ? std::gcd(*constant, next.multiple) : 1;
      flat = lane(add(scaled.value, next.value), multiple);
    } else {
      flat = add(scaled, next);
    }
  }
  return flat;
}

Indices Elements::delinearize(const Index &flat, ArrayRef<Value> dims) {
  Indices indices(dims.size());
  Index rest = flat;
  for (size_t d = dims.size(); d-- > 0;) {
    auto size = getConstant(dims[d]);
    bool outermost = llvm::all_of(dims.take_front(d), [&](Value dim) { return getConstant(dim) == 1; });
    if (size == 1) {
      indices[d] = uniform(0);
    } else if (outermost) {
      indices[d] = rest;
      rest = uniform(0);
    } else if (rest.kind == Index::Uniform) {
      indices[d] = uniform(rem(rest.value, dims[d]));
      rest = uniform(div(rest.value, dims[d]));
    } else if (rest.kind == Index::Lane && size && *size % lanes == 0 && rest.multiple % lanes == 0) {
      // A vector doesn't cross from one run of this dimension into the next.
      indices[d] = lane(rem(rest.value, dims[d]), lanes);
      rest = uniform(div(rest.value, dims[d]));
    } else {
      Value vector = toVector(rest), divisor = broadcast(dims[d]);
      indices[d] = {Index::Vector, rem(vector, divisor)};
      rest = {Index::Vector, div(vector, divisor)};
    }
  }
  if (flat.kind == Index::Uniform && dims.size() > 1)
    for (size_t d = 0; d < dims.size(); ++d)
      parts[indices[d].value.getAsOpaquePointer()] = {flat.value, Values(dims), d};
  return indices;
}

Type Elements::getSignless(Type elementType) {
  if (auto integer = dyn_cast<IntegerType>(elementType))
    return b.getIntegerType(integer.getWidth());
  return elementType;
}
Type Elements::getWide(Type elementType) {
  return elementType.isF16() || elementType.isBF16() ? f32() : getSignless(elementType);
}

static Type withElement(Value like, Type element) {
  auto vector = dyn_cast<VectorType>(like.getType());
  return vector ? Type(VectorType::get(vector.getShape(), element)) : element;
}

Value Elements::widen(Value value) {
  Type element = getElementTypeOrSelf(value.getType());
  if (element.isF16())
    return make<arith::ExtFOp>(withElement(value, f32()), value);
  if (!element.isBF16())
    return value;
  Value bits = make<arith::BitcastOp>(withElement(value, b.getI16Type()), value);
  Value high = make<arith::ExtUIOp>(withElement(value, i32()), bits);
  high = make<arith::ShLIOp>(high, constant(high, 16));
  return make<arith::BitcastOp>(withElement(value, f32()), high);
}

Value Elements::narrow(Value value, Type elementType) {
  Type from = getElementTypeOrSelf(value.getType());
  if (from == elementType || !(elementType.isF16() || elementType.isBF16()))
    return value;
  if (from.isF64())
    value = make<arith::TruncFOp>(withElement(value, f32()), value);
  if (elementType.isF16())
    return make<arith::TruncFOp>(withElement(value, elementType), value);
  // Rounds to nearest, halves to even; a NaN stays one.
  Value bits = make<arith::BitcastOp>(withElement(value, i32()), value);
  Value odd = make<arith::AndIOp>(make<arith::ShRUIOp>(bits, constant(bits, 16)), constant(bits, 1));
  Value rounded = make<arith::AddIOp>(make<arith::AddIOp>(bits, constant(bits, 0x7fff)), odd);
  Value nan = make<arith::CmpFOp>(arith::CmpFPredicate::UNO, value, value);
  rounded = make<arith::SelectOp>(nan, make<arith::OrIOp>(bits, constant(bits, 0x400000)), rounded);
  Value high =
      make<arith::TruncIOp>(withElement(value, b.getI16Type()), make<arith::ShRUIOp>(rounded, constant(bits, 16)));
  return make<arith::BitcastOp>(withElement(value, elementType), high);
}

Value Elements::loadElements(Value base, Type elementType, const Index &flat) {
  Type element = getSignless(elementType);
  Type stored = element.isInteger(1) ? i8() : passesAsInteger(element) ? b.getI16Type() : element;
  Value value;
  if (flat.kind == Index::Uniform) {
    value = load(stored, elementPtr(base, stored, flat.value));
  } else if (flat.kind == Index::Lane) {
    value = loadVector(stored, elementPtr(base, stored, flat.value));
  } else {
    // Lanes that are off read the first element, which exists: a tensor without elements is never read.
    Value offsets = mask ? select(mask, flat.value, constant(flat.value, 0)) : flat.value;
    value = constant(vec(stored), 0);
    for (int64_t i = 0; i < lanes; ++i)
      value = insert(load(stored, elementPtr(base, stored, extract(offsets, i))), value, i);
  }
  if (passesAsInteger(element))
    return bitcast(value, element);
  return element.isInteger(1) ? compare(arith::CmpIPredicate::ne, value, constant(value, 0)) : value;
}

void Elements::storeElements(Value value, Value base, Type elementType, const Index &flat) {
  Type element = getSignless(elementType);
  if (element.isInteger(1)) {
    value = make<arith::ExtUIOp>(withElement(value, i8()), value);
    element = i8();
  } else if (passesAsInteger(element)) {
    element = b.getI16Type();
    value = bitcast(value, element);
  }
  if (flat.kind == Index::Uniform)
    return store(value, elementPtr(base, element, flat.value));
  if (flat.kind == Index::Lane)
    return storeVector(value, elementPtr(base, element, flat.value));
  value = broadcast(value);
  for (int64_t i = 0; i < lanes; ++i) {
    auto put = [&] { store(extract(value, i), elementPtr(base, element, extract(flat.value, i))); };
    if (mask)
      ifThen(extract(mask, i), put);
    else
      put();
  }
}

void Elements::storeResult(unsigned result, Value value, ArrayRef<Index> indices) {
  auto type = cast<RankedTensorType>(kernel.getResultTypes()[result]);
  storeElements(value, getResultMemory(result), type.getElementType(), linearize(indices, getDims(type)));
}

/// The argument that indices come from, followed through ops that keep them element by element; -1 if there is none.
static int32_t findOperand(Value tensor) {
  for (int depth = 0; depth < 64; ++depth) {
    if (auto argument = dyn_cast<BlockArgument>(tensor))
      return argument.getArgNumber();
    Operation *op = tensor.getDefiningOp();
    Value next;
    for (Value operand : op->getOperands())
      if (!next && !operand.getDefiningOp<tfm::ConstantOp>() && !tfm::getElementType(operand).isInteger(1))
        next = operand;
    if (!next)
      return -1;
    tensor = next;
  }
  return -1;
}

Index Elements::getCheckedIndex(Value tensor, ArrayRef<Index> at, Value limit) {
  Value raw = evaluate(tensor, at);
  Type wide = withElement(raw, i64());
  if (raw.getType() != wide)
    raw = make<arith::ExtSIOp>(wide, raw);
  Value size = isVector(raw) ? broadcast(limit) : limit;
  Value wrapped = select(lessThan(raw, constant(raw, 0)), add(raw, size), raw);
  // As unsigned, negatives are too large as well.
  Value outside = compare(arith::CmpIPredicate::uge, wrapped, size);
  recordFault(outside, raw, linearize(at, getDims(tensor)), limit, findOperand(tensor));
  Value safe = select(outside, constant(raw, 0), wrapped);
  return {isVector(raw) ? Index::Vector : Index::Uniform, safe};
}
