// What a register tile does for each step of its sum over K, with any of the products.
#pragma once
#include "compiler/Cpu/Gemm.h"

namespace lathe::cpu {

constexpr int64_t kWord = 4; // bytes of a column that a step reads

/// Columns of a vector of sums: of words two sums for each column, which are added up at the end.
int64_t getVectorColumns(const schedule::TileSizes &sizes, Product product);

/// Sums are vectors, row by row.
class Step {
public:
  Step(Emitter &e, Product product, Type half, int64_t columns);

  /// Adds step k of each row. `weightsAt` gives a vector's columns from one on, in as many parts as they are multiplied
  /// in.
  Values run(mlir::ValueRange sums, mlir::ValueRange rowsOfA, Value k,
             llvm::function_ref<Values(int64_t column)> weightsAt);
  /// A vector's columns as they lie in a panel.
  Values loadWeights(Value panel);
  /// The same of integers that aren't in memory: kWord bytes a column.
  Value convertCodes(Value codes);
  Type getSumType() { return e.vec(schedule::isInteger(product) ? e.i32() : e.f32()); }
  /// LLVM would add up several steps' products of integers before it adds them to the sums, and spill those.
  Values pin(mlir::ValueRange sums);
  /// Stores a row's sums.
  void store(mlir::ValueRange sums, llvm::function_ref<Value(int64_t column)> place);

  Emitter &e;
  Product product;
  Type half;                  // of HalfWeights
  int64_t perVector, vectors; // columns of a vector, and vectors of a row

private:
  mlir::VectorType words();
  Values loadHalves(Value panel);
  Values loadRow(Value row, Value k);
  bool hasRegisters();
  Value callWide(llvm::StringRef half, llvm::StringRef whole, mlir::VectorType type, Value x, Value y);
  Value addPairs(Value x, Value y);
  Value add(Value sum, Value x, Value w);
};

} // namespace lathe::cpu
