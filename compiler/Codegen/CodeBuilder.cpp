// Arithmetic, loops and memory accesses of generated code.
#include "compiler/Codegen/CodeBuilder.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::codegen;

Value CodeBuilder::index(int64_t value) { return make<arith::ConstantOp>(b.getI64IntegerAttr(value)); }

Value CodeBuilder::constant(Type type, double value) {
  Type element = getElementTypeOrSelf(type);
  TypedAttr attr = isa<FloatType>(element) ? TypedAttr(b.getFloatAttr(element, value))
                                           : TypedAttr(b.getIntegerAttr(element, static_cast<int64_t>(value)));
  if (auto vector = dyn_cast<VectorType>(type))
    attr = DenseElementsAttr::get(vector, Attribute(attr));
  return make<arith::ConstantOp>(attr);
}

std::optional<int64_t> CodeBuilder::getConstant(Value value) {
  APInt constant;
  if (!isVector(value) && matchPattern(value, m_ConstantInt(&constant)))
    return constant.getSExtValue();
  return std::nullopt;
}

void CodeBuilder::unify(Value &a, Value &c) {
  if (isVector(a) && !isVector(c))
    c = make<vector::BroadcastOp>(VectorType::get(cast<VectorType>(a.getType()).getShape(), c.getType()), c);
  else if (isVector(c) && !isVector(a))
    a = make<vector::BroadcastOp>(VectorType::get(cast<VectorType>(c.getType()).getShape(), a.getType()), a);
}

template <typename Op> static Value fold(CodeBuilder &builder, Value a, Value c) {
  builder.unify(a, c);
  return builder.b.createOrFold<Op>(builder.loc, a, c);
}
Value CodeBuilder::add(Value a, Value c) { return fold<arith::AddIOp>(*this, a, c); }
Value CodeBuilder::sub(Value a, Value c) { return fold<arith::SubIOp>(*this, a, c); }
Value CodeBuilder::mul(Value a, Value c) { return fold<arith::MulIOp>(*this, a, c); }
Value CodeBuilder::div(Value a, Value c) { return fold<arith::DivUIOp>(*this, a, c); }
Value CodeBuilder::rem(Value a, Value c) { return fold<arith::RemUIOp>(*this, a, c); }
Value CodeBuilder::min(Value a, Value c) { return fold<arith::MinSIOp>(*this, a, c); }
Value CodeBuilder::max(Value a, Value c) { return fold<arith::MaxSIOp>(*this, a, c); }

Value CodeBuilder::product(ArrayRef<Value> values) {
  Value result = index(1);
  for (Value value : values)
    result = mul(result, value);
  return result;
}

Value CodeBuilder::compare(arith::CmpIPredicate predicate, Value a, Value c) {
  unify(a, c);
  return b.createOrFold<arith::CmpIOp>(loc, predicate, a, c);
}
Value CodeBuilder::logicalAnd(Value a, Value c) { return !a ? c : !c ? a : fold<arith::AndIOp>(*this, a, c); }
Value CodeBuilder::logicalOr(Value a, Value c) { return fold<arith::OrIOp>(*this, a, c); }
Value CodeBuilder::logicalNot(Value a) { return make<arith::XOrIOp>(a, constant(a.getType(), -1)); }

Value CodeBuilder::bitcast(Value value, Type element) {
  auto vector = dyn_cast<VectorType>(value.getType());
  return make<arith::BitcastOp>(vector ? Type(vector.clone(element)) : element, value);
}

bool CodeBuilder::passesAsInteger(Type type) { return lanes > 1 && getElementTypeOrSelf(type).isBF16(); }

Value CodeBuilder::select(Value condition, Value a, Value c) {
  unify(a, c);
  if (passesAsInteger(a.getType()))
    return bitcast(select(condition, bitcast(a, b.getI16Type()), bitcast(c, b.getI16Type())), b.getBF16Type());
  if (isVector(condition) && !isVector(a)) {
    a = broadcast(a);
    c = broadcast(c);
  }
  return b.createOrFold<arith::SelectOp>(loc, condition, a, c);
}

Value CodeBuilder::fma(Value a, Value c, Value d) {
  unify(a, c);
  unify(a, d);
  unify(a, c);
  return make<math::FmaOp>(a, c, d);
}

Value CodeBuilder::fastMax(Value a, Value c) {
  unify(a, c);
  return make<arith::SelectOp>(make<arith::CmpFOp>(arith::CmpFPredicate::OGT, a, c), a, c);
}

Value CodeBuilder::fastMin(Value a, Value c) {
  unify(a, c);
  return make<arith::SelectOp>(make<arith::CmpFOp>(arith::CmpFPredicate::OLT, a, c), a, c);
}

Value CodeBuilder::reduce(vector::CombiningKind kind, Value vector) {
  auto type = cast<VectorType>(vector.getType());
  if (!isa<FloatType>(type.getElementType()))
    return make<vector::ReductionOp>(kind, vector);
  auto combine = [&](Value a, Value c) -> Value {
    switch (kind) {
    case vector::CombiningKind::ADD:
      return make<arith::AddFOp>(a, c);
    case vector::CombiningKind::MUL:
      return make<arith::MulFOp>(a, c);
    case vector::CombiningKind::MAXNUMF:
      return make<arith::MaxNumFOp>(a, c);
    case vector::CombiningKind::MINNUMF:
      return make<arith::MinNumFOp>(a, c);
    case vector::CombiningKind::MAXIMUMF:
      return make<arith::MaximumFOp>(a, c);
    case vector::CombiningKind::MINIMUMF:
      return make<arith::MinimumFOp>(a, c);
    default:
      llvm_unreachable("a kind that combines floats");
    }
  };
  for (int64_t half = type.getNumElements() / 2; half >= 1; half /= 2) {
    SmallVector<int64_t> low, high;
    for (int64_t i = 0; i < half; ++i) {
      low.push_back(i);
      high.push_back(half + i);
    }
    vector = combine(make<vector::ShuffleOp>(vector, vector, low), make<vector::ShuffleOp>(vector, vector, high));
  }
  return extract(vector, 0);
}

Value CodeBuilder::broadcast(Value value) {
  return isVector(value) ? value : Value(make<vector::BroadcastOp>(vec(value.getType()), value));
}

Value CodeBuilder::iota() {
  SmallVector<int64_t> values(lanes);
  for (int64_t i = 0; i < lanes; ++i)
    values[i] = i;
  return make<arith::ConstantOp>(DenseElementsAttr::get(vec(i64()), ArrayRef<int64_t>(values)));
}

Value CodeBuilder::laneMask(Value count) {
  SmallVector<int32_t> values(lanes);
  for (int64_t i = 0; i < lanes; ++i)
    values[i] = static_cast<int32_t>(i);
  Value lane = make<arith::ConstantOp>(DenseElementsAttr::get(vec(i32()), ArrayRef<int32_t>(values)));
  Value small = make<arith::TruncIOp>(i32(), min(count, index(lanes)));
  return compare(arith::CmpIPredicate::slt, lane, broadcast(small));
}

Value CodeBuilder::masked(Value value, Value otherwise) { return mask ? select(mask, value, otherwise) : value; }

Value CodeBuilder::elementPtr(Value base, Type element, Value offset) {
  return make<LLVM::GEPOp>(ptr(), element, base, ValueRange{offset});
}

static unsigned getAlignment(Type type) {
  Type element = getElementTypeOrSelf(type);
  return element.isIntOrFloat() ? std::max(1u, element.getIntOrFloatBitWidth() / 8) : 8; // a pointer
}

Value CodeBuilder::load(Type type, Value pointer) { return make<LLVM::LoadOp>(type, pointer, getAlignment(type)); }
void CodeBuilder::store(Value value, Value pointer) {
  make<LLVM::StoreOp>(value, pointer, getAlignment(value.getType()));
}

Value CodeBuilder::callIntrinsic(StringRef name, Type result, ValueRange operands) {
  if (result)
    return make<LLVM::CallIntrinsicOp>(result, b.getStringAttr(name), operands).getResult(0);
  make<LLVM::CallIntrinsicOp>(b.getStringAttr(name), operands);
  return Value();
}

Value CodeBuilder::hide(Value vector) {
  return make<LLVM::InlineAsmOp>(TypeRange(vector.getType()), ValueRange{vector}, "", "=v,0", false, false,
                                 LLVM::TailCallKind::None, LLVM::AsmDialectAttr(), ArrayAttr())
      .getResult(0);
}

Value CodeBuilder::loadVector(Type element, Value pointer) {
  VectorType type = vec(element);
  if (!mask)
    return load(type, pointer);
  return make<LLVM::MaskedLoadOp>(Type(type), pointer, mask, constant(type, 0), uint32_t(getAlignment(type)));
}
void CodeBuilder::storeVector(Value value, Value pointer) {
  value = broadcast(value);
  // LLVM 22 makes a truncation that is stored under a constant mask of one lane, which AVX-512 has in one instruction,
  // a scalar store of the wide element: it writes beyond. So it must not see both at once.
  unsigned bits = getElementTypeOrSelf(value).getIntOrFloatBitWidth();
  if (mask && lanes == 16 && bits < 32)
    value = hide(bitcast(value, b.getIntegerType(bits)));
  if (mask)
    make<LLVM::MaskedStoreOp>(value, pointer, mask, uint32_t(getAlignment(value.getType())));
  else
    store(value, pointer);
}

void CodeBuilder::loop(Value begin, Value end, int64_t step, Body body) {
  loop(begin, end, step, ValueRange(), [&](Value iv, ValueRange) {
    body(iv);
    return Values();
  });
}

Values CodeBuilder::loop(Value begin, Value end, int64_t step, ValueRange initial, BodyWithValues body) {
  auto forOp = make<scf::ForOp>(begin, end, index(step), initial);
  OpBuilder::InsertionGuard guard(b);
  if (initial.empty())
    forOp.getBody()->getTerminator()->erase();
  b.setInsertionPointToEnd(forOp.getBody());
  enterScope();
  Values results = body(forOp.getInductionVar(), forOp.getRegionIterArgs());
  leaveScope();
  make<scf::YieldOp>(results);
  return Values(forOp.getResults());
}

void CodeBuilder::ifThen(Value condition, llvm::function_ref<void()> then) {
  auto ifOp = make<scf::IfOp>(condition, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPoint(ifOp.thenBlock()->getTerminator());
  enterScope();
  then();
  leaveScope();
}

Values CodeBuilder::ifElse(Value condition, llvm::function_ref<Values()> then, llvm::function_ref<Values()> otherwise) {
  // The results' types are known only when the regions are built.
  Region regions[2];
  Values results[2];
  SmallVector<bool> narrow; // of each result, whether it is bf16, which passes as an integer
  {
    OpBuilder::InsertionGuard guard(b);
    llvm::function_ref<Values()> builders[] = {then, otherwise};
    for (int i = 0; i < 2; ++i) {
      b.setInsertionPointToEnd(&regions[i].emplaceBlock());
      enterScope();
      results[i] = builders[i]();
      leaveScope();
    }
    for (size_t i = 0; i < results[0].size(); ++i)
      for (int side = 0; side < 2; ++side)
        if (isVector(results[1 - side][i]) && !isVector(results[side][i])) {
          b.setInsertionPointToEnd(&regions[side].back());
          results[side][i] = broadcast(results[side][i]);
        }
    for (Value value : results[0])
      narrow.push_back(passesAsInteger(value.getType()));
    for (int i = 0; i < 2; ++i) {
      b.setInsertionPointToEnd(&regions[i].back());
      for (auto [value, isNarrow] : llvm::zip(results[i], narrow))
        if (isNarrow)
          value = bitcast(value, b.getI16Type());
      make<scf::YieldOp>(results[i]);
    }
  }
  SmallVector<Type> types;
  for (Value value : results[0])
    types.push_back(value.getType());
  auto ifOp = make<scf::IfOp>(TypeRange(types), condition, false, false);
  ifOp.getThenRegion().takeBody(regions[0]);
  ifOp.getElseRegion().takeBody(regions[1]);
  Values outside(ifOp.getResults());
  for (auto [value, isNarrow] : llvm::zip(outside, narrow))
    if (isNarrow)
      value = bitcast(value, b.getBF16Type());
  return outside;
}

void CodeBuilder::forLanes(Value count, Body body) {
  forLanes(count, ValueRange(), [&](Value iv, ValueRange) {
    body(iv);
    return Values();
  });
}

Values CodeBuilder::forLanes(Value count, ValueRange initial, BodyWithValues body) {
  assert(!mask && "loops over lanes don't nest");
  Value whole = mul(div(count, lanes), lanes);
  Values results(initial);
  auto constant = getConstant(count);
  if (!constant || *constant >= lanes)
    results = loop(index(0), whole, lanes, results, body);
  if (constant && *constant % lanes == 0)
    return results;
  auto partial = [&] {
    mask = laneMask(sub(count, whole));
    Values values = body(whole, results);
    mask = Value();
    return values;
  };
  if (constant)
    return partial();
  Value rest = lessThan(whole, count);
  if (initial.empty()) {
    ifThen(rest, [&] { partial(); });
    return {};
  }
  return ifElse(rest, partial, [&] { return results; });
}
