// Emits one kernel: reads tensors at indices, whatever computes them, and runs the strategy's loops.
//
// An Index says where along one dimension the lanes of a vector stand: all at one place (Uniform), one after another
// (Lane), or anywhere (Vector). evaluate(tensor, indices) gives the tensor's elements there: a scalar if every index is
// uniform, else a vector. It follows the kernel's body backwards, to the arguments' memory or to values that a strategy
// has at hand (`overrides`: accumulators, rows in scratch), so prologues and epilogues need no code of their own.
#pragma once
#include "compiler/Cpu/CodeBuilder.h"
#include "dialects/Kernel/Kernel.h"
#include "passes/Schedule/Strategy.h"

namespace lathe::cpu {

struct Index {
  enum Kind { Uniform, Lane, Vector } kind = Uniform;
  Value value;          // Uniform: i64; Lane: i64, of lane 0; Vector: lanes x i64
  int64_t multiple = 1; // Lane: lane 0's place is a multiple of this
};
using Indices = llvm::SmallVector<Index, 4>;

class Emitter : public CodeBuilder {
public:
  Emitter(kernel::FuncOp kernel, const schedule::TileSizes &sizes, mlir::ModuleOp output);

  /// Adds the exported function `symbol` to the output module.
  mlir::LogicalResult emit(llvm::StringRef symbol);

  // The kernel's surroundings.
  kernel::FuncOp kernel;
  schedule::KernelPlan plan;
  schedule::TileSizes sizes;
  Value tileBegin, tileEnd;
  Value getDim(const Dim &dim);
  Values getDims(Value tensor);
  Values getDims(Type type);
  Value getOperand(unsigned position) { return operands[position]; }
  Value getResultMemory(unsigned result) { return operands[kernel.getNumArguments() + result]; }
  mlir::OperandRange getResults() { return kernel.getBody().front().getTerminator()->getOperands(); }
  /// The next `count` f32 of scratch, 64-byte aligned; in the order in which the schedule's formula counts them.
  Value takeScratch(Value count);
  Value scratchNext; // what is not taken yet
  /// Whether the row is read, by what a kernel's argument says (schedule::getReadRows).
  Value isRead(mlir::BlockArgument readRows, Value row);
  /// Runs the body for the rows [begin, begin + count) of results that have `rows` rows: with their number up to the
  /// last one that is read, and not at all if none is. All are, but for what `kernel.rows` says.
  void forReadRows(const Dim &rows, Value begin, Value count, llvm::function_ref<void(Value count)> body);

  // Indices.
  Index uniform(Value value) { return {Index::Uniform, value}; }
  Index uniform(int64_t value) { return uniform(index(value)); }
  Index lane(Value base, int64_t multiple = 1) { return {Index::Lane, base, multiple}; }
  Value toVector(const Index &index);
  Index add(const Index &a, const Index &c);
  Index mul(const Index &a, Value factor);
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
  Value widen(Value value);
  Value narrow(Value value, Type elementType);
  Type getSignless(Type elementType);
  Type getWide(Type elementType);
  /// Loads elements of a row-major tensor from memory, and stores them.
  Value loadElements(Value base, Type elementType, const Index &flat);
  void storeElements(Value value, Value base, Type elementType, const Index &flat);
  /// Stores a result's elements at the indices.
  void storeResult(unsigned result, Value value, llvm::ArrayRef<Index> indices);

  /// An index that data holds, made non-negative and checked; a fault names the operand that it comes from.
  Index getCheckedIndex(Value tensor, llvm::ArrayRef<Index> at, Value limit);

  /// A function of the output module, made once by `build`; internal to the object.
  mlir::LLVM::LLVMFuncOp getHelper(llvm::StringRef name, llvm::ArrayRef<Type> arguments,
                                   llvm::function_ref<void(ValueRange)> build);

  mlir::ModuleOp output;
  bool failed = false; // a diagnostic was emitted
  void fail(mlir::Operation *op, const llvm::Twine &message) {
    op->emitOpError(message);
    failed = true;
  }

protected:
  void enterScope() override { memo.emplace_back(); }
  void leaveScope() override { memo.pop_back(); }

private:
  // Elemental.cpp: ops that move elements.
  Value evaluateOp(mlir::Operation *op, llvm::ArrayRef<Index> indices);
  Value evaluateElementwise(mlir::Operation *op, llvm::ArrayRef<Index> indices);
  Indices getReshapedIndices(tfm::ReshapeOp op, llvm::ArrayRef<Index> indices);
  Value evaluateConcat(tfm::ConcatOp op, llvm::ArrayRef<Index> indices);
  Value evaluatePad(tfm::PadOp op, llvm::ArrayRef<Index> indices);
  Value evaluateConstant(mlir::ElementsAttr value, llvm::ArrayRef<Index> indices);
  Value evaluateGatherNd(tfm::GatherNdOp op, llvm::ArrayRef<Index> indices);
  void recordFault(Value outside, Value raw, const Index &flat, Value limit, Value tensor);
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

  Values operands;
  std::map<const void *, std::string> constants; // globals by literal; looked up, never walked
  unsigned nextConstant = 0;
  std::vector<std::pair<Dim, Value>> params;
  Value faultFlag, faultRecord;
  using Key = std::tuple<const void *, const void *, std::vector<std::pair<int, int64_t>>>;
  llvm::SmallVector<std::map<Key, Value>> memo; // by scope; looked up, never walked
  Key getKey(Value tensor, llvm::ArrayRef<Index> indices);
};

/// The value of one element of an im2col matrix: x[image, group's channel and tap of k, position n]; 0 in the padding.
Value evaluateTap(Emitter &e, tfm::ConvOp op, Index image, Value group, Value k, Index position);

// The strategies. They emit the code of the tiles [tileBegin, tileEnd).
void emitMap(Emitter &e);
void emitScatter(Emitter &e);
void emitRows(Emitter &e);
void emitContraction(Emitter &e);
void emitAttention(Emitter &e);

/// One pass over whole rows: statistics of each row op, then the results. Reads through the emitter's overrides.
/// `rowBuffers`: one per row op of the plan, of a row's f32. `leading`: index of the row along all leading dimensions.
void emitRow(Emitter &e, llvm::ArrayRef<Value> rowBuffers, Value row);

/// Scratch for a row of each row op's input.
Values takeRowBuffers(Emitter &e);

/// e^x for x <= 0, in fewer instructions: 0 below -86; NaN stays.
Value expNonPositive(CodeBuilder &e, Value x);

/// Replaces the math ops that no instruction computes. After this nothing calls a library.
void expandMath(mlir::Operation *root);

} // namespace lathe::cpu
