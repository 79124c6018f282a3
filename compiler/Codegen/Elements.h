// Reads tensors at indices, whatever computes them: what every backend's kernels are made of.
//
// An Index says where along one dimension the lanes of a vector stand: all at one place (Uniform), one after another
// (Lane), or anywhere (Vector). evaluate(tensor, indices) gives the tensor's elements there: a scalar if every index is
// uniform, else a vector. It follows the kernel's body backwards, to the arguments' memory or to values that a strategy
// has at hand (`overrides`: accumulators, rows in scratch), so prologues and epilogues need no code of their own.
#pragma once
#include "compiler/Codegen/CodeBuilder.h"
#include "dialects/Kernel/Kernel.h"

namespace lathe::codegen {

struct Index {
  enum Kind { Uniform, Lane, Vector } kind = Uniform;
  Value value;          // Uniform: i64; Lane: i64, of lane 0; Vector: lanes x i64
  int64_t multiple = 1; // Lane: lane 0's place is a multiple of this
};
using Indices = llvm::SmallVector<Index, 4>;

class Elements : public CodeBuilder {
public:
  /// Tables of constants go to the output module.
  Elements(kernel::FuncOp kernel, int64_t lanes, mlir::ModuleOp output)
      : CodeBuilder(kernel.getContext(), mlir::UnknownLoc::get(kernel.getContext()), lanes), kernel(kernel),
        output(output) {} // locations of the model would only travel through lowering

  // The kernel's surroundings.
  kernel::FuncOp kernel;
  Value getDim(const Dim &dim);
  Values getDims(Value tensor) { return getDims(tensor.getType()); }
  Values getDims(Type type);
  /// Memory of the kernel's arguments, then of its results.
  Value getOperand(unsigned position) { return operands[position]; }
  Value getResultMemory(unsigned result) { return operands[kernel.getNumArguments() + result]; }
  mlir::OperandRange getResults() { return kernel.getBody().front().getTerminator()->getOperands(); }
  /// Whether the row is read, by what a kernel's argument says (schedule::getReadRows).
  Value isRead(mlir::BlockArgument readRows, Value row);

  // Indices.
  Index uniform(Value value) { return {Index::Uniform, value}; }
  Index uniform(int64_t value) { return uniform(index(value)); }
  Index lane(Value base, int64_t multiple = 1) { return {Index::Lane, base, multiple}; }
  Value toVector(const Index &index);
  Index add(const Index &a, const Index &c);
  Index mul(const Index &a, Value factor);
  Index divide(const Index &a, int64_t divisor);
  Index linearize(llvm::ArrayRef<Index> indices, llvm::ArrayRef<Value> dims);
  Indices delinearize(const Index &flat, llvm::ArrayRef<Value> dims);
  using CodeBuilder::add;
  using CodeBuilder::mul;

  // Elements.
  using Override = std::function<Value(llvm::ArrayRef<Index>)>;
  std::map<const void *, Override> overrides; // looked up, never walked
  void override(Value tensor, Override value) { overrides[tensor.getAsOpaquePointer()] = std::move(value); }
  Value evaluate(Value tensor, llvm::ArrayRef<Index> indices);
  /// The same in the type that sums are kept in: f32 for f16 and bf16.
  Value evaluateWide(Value tensor, llvm::ArrayRef<Index> indices) { return widen(evaluate(tensor, indices)); }
  virtual Value widen(Value value);
  virtual Value narrow(Value value, Type elementType);
  Type getSignless(Type elementType);
  Type getWide(Type elementType);
  /// Loads elements of a row-major tensor from memory, and stores them.
  Value loadElements(Value base, Type elementType, const Index &flat);
  /// Loads elements of a weight that lies row by row, decoded from its type's format if it has one.
  Value loadWeight(Value base, mlir::RankedTensorType type, llvm::ArrayRef<Index> indices);
  /// Elements of a literal, which becomes a table of the output module.
  Value evaluateConstant(mlir::ElementsAttr value, llvm::ArrayRef<Index> indices);
  void storeElements(Value value, Value base, Type elementType, const Index &flat);
  /// Stores a result's elements at the indices.
  void storeResult(unsigned result, Value value, llvm::ArrayRef<Index> indices);

  /// An index that data holds, made non-negative and checked; a fault names the operand that it comes from.
  Index getCheckedIndex(Value tensor, llvm::ArrayRef<Index> at, Value limit);

  /// The value of one element of an im2col matrix: x[image, group's channel and tap of k, position n]; 0 in the
  /// padding.
  Value evaluateTap(tfm::ConvOp op, Index image, Value group, Value k, Index position);

  mlir::ModuleOp output;
  bool failed = false; // a diagnostic was emitted
  void fail(mlir::Operation *op, const llvm::Twine &message) {
    op->emitOpError(message);
    failed = true;
  }

protected:
  /// An elementwise op's computation, on scalars or vectors.
  virtual Value buildScalar(mlir::Operation *op, ValueRange operands) {
    return mlir::cast<tfm::ElementwiseOpInterface>(op).buildScalar(b, loc, operands);
  }
  void enterScope() override { memo.emplace_back(); }
  void leaveScope() override {
    memo.pop_back();
    if (memo.empty()) // of a function, which may be erased: another's values may get the same addresses
      parts.clear();
  }
  /// Reports that lanes of `raw`, found at the flat element of the kernel's operand (-1: none), are not below `limit`.
  virtual void recordFault(Value outside, Value raw, const Index &flat, Value limit, int32_t operand) = 0;

  Values operands;
  std::vector<std::pair<Dim, Value>> params;
  using Key = std::tuple<const void *, const void *, std::vector<std::pair<int, int64_t>>>;
  llvm::SmallVector<std::map<Key, Value>> memo; // by scope; looked up, never walked

private:
  // Elemental.cpp: ops that move elements.
  Value evaluateOp(mlir::Operation *op, llvm::ArrayRef<Index> indices);
  Value evaluateElementwise(mlir::Operation *op, llvm::ArrayRef<Index> indices);
  Indices getReshapedIndices(tfm::ReshapeOp op, llvm::ArrayRef<Index> indices);
  Value evaluateConcat(tfm::ConcatOp op, llvm::ArrayRef<Index> indices);
  Value evaluatePad(tfm::PadOp op, llvm::ArrayRef<Index> indices);
  Value evaluateGatherNd(tfm::GatherNdOp op, llvm::ArrayRef<Index> indices);
  // Formats.cpp: weights in formats.
  /// Unsigned codes of so many bits, packed, as i32.
  Value loadCodes(Value base, unsigned bits, const Index &flat);
  /// The values of a format's codes at `flat`, with the scales of the elements at the indices.
  Value loadCode(Value base, mlir::RankedTensorType type, const Index &flat, llvm::ArrayRef<Index> indices);
  Value loadBitmap(Value base, mlir::RankedTensorType type, llvm::ArrayRef<Index> indices);
  Value loadSparse(Value base, mlir::RankedTensorType type, llvm::ArrayRef<Index> indices);
  // ElementalLoops.cpp: ops that combine elements, by a loop per element.
  Value evaluateLoop(mlir::Operation *op, llvm::ArrayRef<Index> indices);
  Value evaluateReduction(mlir::Operation *op, llvm::ArrayRef<Index> indices);
  Value evaluateNorm(mlir::Operation *op, llvm::ArrayRef<Index> indices);
  Value evaluateProduct(mlir::Operation *op, llvm::ArrayRef<Index> indices);
  Value evaluateConv(tfm::ConvOp op, llvm::ArrayRef<Index> indices);
  Value evaluateRotary(tfm::RotaryOp op, llvm::ArrayRef<Index> indices);
  Value evaluateCumSum(tfm::CumSumOp op, llvm::ArrayRef<Index> indices);
  Value evaluateArg(mlir::Operation *op, llvm::ArrayRef<Index> indices);
  Value accumulate(Value begin, Value end, Value initial, bool vector,
                   llvm::function_ref<Value(Value index, Value accumulator)> step);

  bool anyLane(llvm::ArrayRef<Index> indices) {
    return llvm::any_of(indices, [](const Index &i) { return i.kind != Index::Uniform; });
  }

  /// What a uniform index is one of the parts of: its place among them.
  struct Part {
    Value flat;
    Values dims;
    size_t position;
  };
  bool isSplit(llvm::ArrayRef<Index> indices, llvm::ArrayRef<Value> dims, const Part &first);
  std::map<const void *, Part> parts;            // by the index' value; looked up, never walked
  std::map<const void *, std::string> constants; // globals by literal; looked up, never walked
  unsigned nextConstant = 0;
  Key getKey(Value tensor, llvm::ArrayRef<Index> indices);
};

} // namespace lathe::codegen
