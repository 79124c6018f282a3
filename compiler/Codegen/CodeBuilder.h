// Builds the arithmetic, loops and memory accesses of generated code: i64 scalars for indices, vectors of `lanes`
// elements for data, llvm.ptr for memory. Knows nothing of tensors.
#pragma once
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

namespace lathe::codegen {
using mlir::Type;
using mlir::Value;
using mlir::ValueRange;
using Values = llvm::SmallVector<Value>;

class CodeBuilder {
public:
  CodeBuilder(mlir::MLIRContext *context, mlir::Location loc, int64_t lanes) : b(context), loc(loc), lanes(lanes) {}
  virtual ~CodeBuilder() = default;

  template <typename Op, typename... Args> auto make(Args &&...args) {
    return Op::create(b, loc, std::forward<Args>(args)...);
  }

  // Types.
  Type i1() { return b.getI1Type(); }
  Type i8() { return b.getI8Type(); }
  Type i32() { return b.getI32Type(); }
  Type i64() { return b.getI64Type(); }
  Type f32() { return b.getF32Type(); }
  Type ptr() { return mlir::LLVM::LLVMPointerType::get(b.getContext()); }
  mlir::VectorType vec(Type element) { return mlir::VectorType::get({lanes}, element); }
  static bool isVector(Value value) { return mlir::isa<mlir::VectorType>(value.getType()); }

  // Constants. A `like` may be a vector; the constant gets its shape.
  Value index(int64_t value);
  Value constant(Type type, double value);
  Value constant(Value like, double value) { return constant(like.getType(), value); }

  // Indices: folded where constant. Division and remainder are unsigned; the divisor isn't 0.
  Value add(Value a, Value c);
  Value sub(Value a, Value c);
  Value mul(Value a, Value c);
  Value div(Value a, Value c);
  Value rem(Value a, Value c);
  Value min(Value a, Value c);
  Value max(Value a, Value c);
  Value add(Value a, int64_t c) { return add(a, like(a, c)); }
  Value sub(Value a, int64_t c) { return sub(a, like(a, c)); }
  Value mul(Value a, int64_t c) { return mul(a, like(a, c)); }
  Value div(Value a, int64_t c) { return div(a, like(a, c)); }
  Value rem(Value a, int64_t c) { return rem(a, like(a, c)); }
  Value ceilDiv(Value a, int64_t c) { return div(add(a, c - 1), c); }
  Value roundUp(Value a, int64_t c) { return mul(ceilDiv(a, c), c); }
  Value product(llvm::ArrayRef<Value> values);
  std::optional<int64_t> getConstant(Value value);

  Value compare(mlir::arith::CmpIPredicate predicate, Value a, Value c);
  Value lessThan(Value a, Value c) { return compare(mlir::arith::CmpIPredicate::slt, a, c); }
  Value equal(Value a, Value c) { return compare(mlir::arith::CmpIPredicate::eq, a, c); }
  Value logicalAnd(Value a, Value c);
  Value logicalOr(Value a, Value c);
  Value logicalNot(Value a);
  /// Whether the code is vectorised, for LLVM, and the type bf16: what LLVM makes of that in selects, branches and
  /// masked loads calls a library, so it passes as integers.
  bool passesAsInteger(Type type);
  Value select(Value condition, Value a, Value c);
  /// The bits as another element type of the same width.
  Value bitcast(Value value, Type element);

  // Floats; scalars meet vectors by broadcast.
  Value addf(Value a, Value c) { return binary<mlir::arith::AddFOp>(a, c); }
  Value subf(Value a, Value c) { return binary<mlir::arith::SubFOp>(a, c); }
  Value mulf(Value a, Value c) { return binary<mlir::arith::MulFOp>(a, c); }
  Value divf(Value a, Value c) { return binary<mlir::arith::DivFOp>(a, c); }
  Value maxf(Value a, Value c) { return binary<mlir::arith::MaximumFOp>(a, c); }
  Value minf(Value a, Value c) { return binary<mlir::arith::MinimumFOp>(a, c); }
  Value fma(Value a, Value c, Value d);
  Value sqrt(Value a) { return make<mlir::math::SqrtOp>(a); }
  Value exp(Value a) { return make<mlir::math::ExpOp>(a); }
  /// a > c ? a : c in one instruction: c where either is NaN.
  Value fastMax(Value a, Value c);
  Value fastMin(Value a, Value c); // a < c ? a : c, likewise

  template <typename Op> Value binary(Value a, Value c) {
    unify(a, c);
    return make<Op>(a, c);
  }
  void unify(Value &a, Value &c);

  // Vectors.
  Value broadcast(Value value);
  Value iota(); // 0, 1, ... of i64
  Value extract(Value vector, int64_t lane) { return make<mlir::vector::ExtractOp>(vector, lane); }
  Value insert(Value scalar, Value vector, int64_t lane) { return make<mlir::vector::InsertOp>(scalar, vector, lane); }
  /// Floats in halves: LLVM would go lane by lane.
  Value reduce(mlir::vector::CombiningKind kind, Value vector);
  /// Lanes below `count`.
  Value laneMask(Value count);
  /// acc op value, only in the lanes of the current mask.
  Value masked(Value value, Value otherwise);

  // Memory, by element.
  Value elementPtr(Value base, Type element, Value offset);
  Value bytePtr(Value base, Value offset) { return elementPtr(base, i8(), offset); }
  Value load(Type type, Value pointer);
  /// Asks for the cache line into L2; any address will do.
  void prefetch(Value line) { make<mlir::LLVM::Prefetch>(line, /*rw=*/0u, /*hint=*/2u, /*cache=*/1u); }
  void store(Value value, Value pointer);
  /// One of LLVM's intrinsics by its name, with a result of the type, or without.
  Value callIntrinsic(llvm::StringRef name, Type result, ValueRange operands);
  /// The vector, of which LLVM can't tell what it is.
  Value hide(Value vector);
  /// `lanes` consecutive elements; under the mask, if there is one, which reads and writes nothing beyond it.
  Value loadVector(Type element, Value pointer);
  void storeVector(Value value, Value pointer);

  // Control flow. Values made inside a body aren't visible behind it.
  using Body = llvm::function_ref<void(Value)>;
  using BodyWithValues = llvm::function_ref<Values(Value, ValueRange)>;
  void loop(Value begin, Value end, int64_t step, Body body);
  Values loop(Value begin, Value end, int64_t step, ValueRange initial, BodyWithValues body);
  void ifThen(Value condition, llvm::function_ref<void()> then);
  Values ifElse(Value condition, llvm::function_ref<Values()> then, llvm::function_ref<Values()> otherwise);
  /// Positions 0, lanes, ... below the count; the last, partial step runs under a mask. Restores the mask.
  void forLanes(Value count, Body body);
  Values forLanes(Value count, ValueRange initial, BodyWithValues body);

  mlir::OpBuilder b;
  mlir::Location loc;
  int64_t lanes;
  Value mask; // lanes x i1, or null: all

protected:
  virtual void enterScope() {}
  virtual void leaveScope() {}

private:
  Value like(Value a, int64_t c) { return isVector(a) ? constant(a.getType(), double(c)) : index(c); }
};

} // namespace lathe::codegen
