// Prints arith, math, scf and memory ops on scalars as C++.
#pragma once
#include "mlir/IR/Operation.h"
#include <map>

namespace lathe::cuda {

/// The C++ name of a scalar type in generated code: signless integers are signed, i1 is bool.
std::string getTypeName(mlir::Type type);

/// What a table of constants is called in C++.
std::string getTableName(llvm::StringRef prefix, llvm::StringRef name);

/// A scalar attribute as a literal of its type; exact.
std::string printScalar(mlir::Attribute value);

class CppPrinter {
public:
  /// Tables of constants are spelt PREFIX_NAME.
  CppPrinter(llvm::raw_ostream &os, llvm::StringRef prefix) : os(os), prefix(prefix) {}

  /// How a value is spelt; for what isn't computed by an op.
  void name(mlir::Value value, std::string text) { names[value.getAsOpaquePointer()] = std::move(text); }

  /// Prints the ops of a block as statements, its llvm.return as `return`. False, with a diagnostic, on an op that it
  /// doesn't know.
  bool print(mlir::Block &block, unsigned indent);

private:
  bool print(mlir::Operation &op);
  std::string get(mlir::Value value);
  /// What a load of the element reads from: an operand, or a part of one.
  std::string getMemory(mlir::Value base, mlir::Type element);
  std::string getExpression(mlir::Operation *op);
  std::string declare(mlir::Value value);
  void assign(mlir::ValueRange targets, mlir::ValueRange values);
  bool printFor(mlir::Operation &op);
  bool printIf(mlir::Operation &op);
  llvm::raw_ostream &line();

  llvm::raw_ostream &os;
  std::string prefix;
  unsigned indent = 0, next = 0;
  std::map<const void *, std::string> names; // looked up, never walked
};

} // namespace lathe::cuda
