// Emits one kernel for a CPU: the frame of its function, and the loops of its strategy.
#pragma once
#include "compiler/Codegen/Elements.h"
#include "passes/Schedule/Strategy.h"

namespace lathe::cpu {
using namespace codegen;

class Emitter : public Elements {
public:
  Emitter(kernel::FuncOp kernel, const schedule::CpuTarget &target, mlir::ModuleOp output,
          kernel::ScheduleAttr schedule, const schedule::TileSizes &sizes)
      : Elements(kernel, sizes.lanes, output), target(target), schedule(schedule), sizes(sizes) {}

  /// Adds the exported function `symbol` to the output module.
  mlir::LogicalResult emit(llvm::StringRef symbol);

  schedule::CpuTarget target;
  kernel::ScheduleAttr schedule;
  schedule::TileSizes sizes;
  schedule::KernelPlan plan;
  schedule::Product productKind = schedule::Product::F32;
  Value tileBegin, tileEnd;
  /// The next `count` f32 of scratch, 64-byte aligned; in the order in which the schedule's formula counts them.
  Value takeScratch(Value count);
  Value scratchNext; // what is not taken yet
  /// Runs the body for the rows [begin, begin + count) of results that have `rows` rows: with their number up to the
  /// last one that is read, and not at all if none is. All are, but for what `kernel.rows` says.
  void forReadRows(const Dim &rows, Value begin, Value count, llvm::function_ref<void(Value count)> body);

  /// Calls a function of the output module, internal to the object, whose body `build` makes once.
  void callHelper(llvm::StringRef name, ValueRange operands, llvm::function_ref<void(ValueRange arguments)> build);

  /// To bf16 in one instruction where there is one, which takes subnormal values for 0 as all arithmetic here does.
  Value narrow(Value value, Type elementType) override;

private:
  mlir::LLVM::LLVMFuncOp getHelper(llvm::StringRef name, llvm::ArrayRef<Type> arguments,
                                   llvm::function_ref<void(ValueRange)> build);
  Value buildScalar(mlir::Operation *op, ValueRange operands) override;
  void recordFault(Value outside, Value raw, const Index &flat, Value limit, int32_t operand) override;

  Value faultFlag, faultRecord;
};

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

/// gelu(x) by erf, of 16 lanes, with AVX-512's permutations: to 9e-8 |x|.
Value geluByTable(CodeBuilder &e, Value x);

/// Replaces the math ops that no instruction computes. After this nothing calls a library.
void expandMath(mlir::Operation *root);

} // namespace lathe::cpu
