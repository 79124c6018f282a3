// A kernel's frame: its arguments, dimensions, scratch and faults.
#include "compiler/Cpu/Amx.h"
#include "lathe/kernel_abi.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::cpu;

LogicalResult Emitter::emit(StringRef symbol) {
  auto planned = schedule::planKernel(kernel);
  if (mlir::failed(planned))
    return failure();
  plan = *planned;
  productKind = schedule::getProduct(plan, target);
  if (mlir::failed(schedule::checkProduct(kernel, schedule, productKind)))
    return failure();
  b.setInsertionPointToEnd(output.getBody());
  auto type = LLVM::LLVMFunctionType::get(i32(), {ptr()});
  auto function = make<LLVM::LLVMFuncOp>(symbol, type);
  // The stack is never run out of by a kernel, and its probes would be calls.
  Block *entry = function.addEntryBlock(b);
  b.setInsertionPointToStart(entry);
  enterScope();
  Value call = entry->getArgument(0);
  auto field = [&](Type fieldType, size_t offset) { return load(fieldType, bytePtr(call, index(offset))); };
  Value operandArray = field(ptr(), offsetof(lathe_kernel_call, operands));
  Value paramArray = field(ptr(), offsetof(lathe_kernel_call, params));
  tileBegin = field(i64(), offsetof(lathe_kernel_call, tile_begin));
  tileEnd = field(i64(), offsetof(lathe_kernel_call, tile_end));
  scratchNext = field(ptr(), offsetof(lathe_kernel_call, scratch));
  faultRecord = field(ptr(), offsetof(lathe_kernel_call, fault));
  faultFlag = make<LLVM::AllocaOp>(ptr(), i32(), index(1), 4u);
  store(constant(i32(), LATHE_FAULT_NONE), faultFlag);
  for (unsigned i = 0, n = kernel.getNumArguments() + kernel.getNumResults(); i < n; ++i)
    operands.push_back(load(ptr(), elementPtr(operandArray, ptr(), index(i))));
  for (const Dim &dim : kernel::collectParams(kernel))
    params.emplace_back(dim, load(i64(), elementPtr(paramArray, i64(), index(params.size()))));
  bool hasTiles = schedule::isAmx(productKind);
  if (hasTiles)
    configureTiles(*this);
  switch (plan.strategy) {
  case schedule::Strategy::Map:
    emitMap(*this);
    break;
  case schedule::Strategy::Rows:
    emitRows(*this);
    break;
  case schedule::Strategy::Contraction:
    emitContraction(*this);
    break;
  case schedule::Strategy::Attention:
    emitAttention(*this);
    break;
  case schedule::Strategy::Scatter:
    emitScatter(*this);
    break;
  }
  if (hasTiles)
    releaseTiles(*this);
  make<LLVM::ReturnOp>(load(i32(), faultFlag));
  leaveScope();
  if (failed)
    return failure();
  expandMath(function);
  return success();
}

Value Emitter::takeScratch(Value count) {
  Value part = scratchNext;
  scratchNext = elementPtr(part, f32(), roundUp(count, 16));
  return part;
}

Value Emitter::narrow(Value value, Type elementType) {
  auto from = dyn_cast<VectorType>(value.getType());
  if (!target.bf16 || !elementType.isBF16() || !from || !from.getElementType().isF32() || from.getNumElements() != 16)
    return Elements::narrow(value, elementType);
  return callIntrinsic("llvm.x86.avx512bf16.cvtneps2bf16.512", vec(elementType), value);
}

Value Emitter::buildScalar(Operation *op, ValueRange values) {
  auto vector = dyn_cast<VectorType>(values[0].getType());
  auto gelu = dyn_cast<tfm::GeluOp>(op);
  if (gelu && gelu.getKind() == tfm::GeluKind::erf && target.level == "x86-64-v4" && vector &&
      vector.getNumElements() == 16 && vector.getElementType().isF32())
    return geluByTable(*this, values[0]);
  return Elements::buildScalar(op, values);
}

void Emitter::forReadRows(const Dim &rows, Value begin, Value count, llvm::function_ref<void(Value)> body) {
  BlockArgument readRows = schedule::getReadRows(kernel, rows);
  if (!readRows)
    return body(count);
  Value read = loop(index(0), count, 1, index(0), [&](Value i, ValueRange values) {
    return Values{select(isRead(readRows, add(begin, i)), add(i, 1), values[0])};
  })[0];
  ifThen(lessThan(index(0), read), [&] { body(read); });
}

void Emitter::callHelper(StringRef name, ValueRange operands, llvm::function_ref<void(ValueRange)> build) {
  SmallVector<Type> types(operands.getTypes());
  make<LLVM::CallOp>(getHelper(name, types, build), operands);
}

LLVM::LLVMFuncOp Emitter::getHelper(StringRef name, ArrayRef<Type> arguments,
                                    llvm::function_ref<void(ValueRange)> build) {
  if (auto known = output.lookupSymbol<LLVM::LLVMFuncOp>(name))
    return known;
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(output.getBody());
  auto type = LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(b.getContext()), arguments);
  auto function = make<LLVM::LLVMFuncOp>(name, type, LLVM::Linkage::Internal);
  function.setPassthroughAttr(b.getArrayAttr(b.getStringAttr("noinline")));
  Block *entry = function.addEntryBlock(b);
  b.setInsertionPointToStart(entry);
  Value outerMask = std::exchange(mask, Value());
  auto outerMemo = std::exchange(memo, {});
  enterScope();
  build(entry->getArguments());
  make<LLVM::ReturnOp>(ValueRange());
  memo = std::move(outerMemo);
  mask = outerMask;
  expandMath(function);
  return function;
}

void Emitter::recordFault(Value outside, Value raw, const Index &flat, Value limit, int32_t operand) {
  auto record = [&](Value condition, Value value, Value place) {
    Value first = equal(load(i32(), faultFlag), constant(i32(), 0));
    ifThen(logicalAnd(condition, first), [&] {
      store(constant(i32(), LATHE_FAULT_INDEX_OUT_OF_RANGE), faultFlag);
      auto field = [&](Value v, size_t offset) { store(v, bytePtr(faultRecord, index(offset))); };
      field(constant(i32(), LATHE_FAULT_INDEX_OUT_OF_RANGE), offsetof(lathe_kernel_fault, code));
      field(constant(i32(), operand), offsetof(lathe_kernel_fault, operand));
      field(place, offsetof(lathe_kernel_fault, index));
      field(value, offsetof(lathe_kernel_fault, value));
      field(limit, offsetof(lathe_kernel_fault, limit));
    });
  };
  if (!isVector(outside)) {
    ifThen(outside, [&] { record(outside, raw, flat.value); });
    return;
  }
  outside = mask ? logicalAnd(outside, mask) : outside;
  ifThen(reduce(vector::CombiningKind::OR, outside), [&] {
    Value places = toVector(flat);
    for (int64_t i = 0; i < lanes; ++i)
      record(extract(outside, i), extract(raw, i), extract(places, i));
  });
}
