// What the code of an op sees: its operands' values, the symbols' values, and ways to report a fault.
#pragma once
#include "compiler/Reference/Numbers.h"
#include "llvm/ADT/DenseMap.h"

namespace lathe::reference {

/// The values of one function's execution.
class Frame {
public:
  explicit Frame(const Options &options) : options(options) {}
  /// A frame for a function that the given one calls: its symbols, none of its values.
  explicit Frame(const Frame *caller) : options(caller->options), symbols(caller->symbols) {}

  const Tensor &operator[](mlir::Value value) const { return values.find(value)->second; }
  void set(mlir::Value value, Tensor tensor) { values[value] = std::move(tensor); }
  void erase(mlir::Value value) { values.erase(value); }

  std::optional<int64_t> getSymbol(llvm::StringRef name) const;
  void setSymbol(llvm::StringRef name, int64_t value) { symbols[name] = value; }
  /// The value of a dimension; a diagnostic where it has none.
  mlir::FailureOr<int64_t> evaluate(mlir::Operation *op, const Dim &dim) const;
  mlir::FailureOr<Shape> evaluate(mlir::Operation *op, llvm::ArrayRef<Dim> dims) const;
  /// The shape of the op's result; a diagnostic where it is negative or too large.
  mlir::FailureOr<Shape> resultShape(mlir::Operation *op, unsigned index = 0) const;

  const Options &options;

private:
  llvm::DenseMap<mlir::Value, Tensor> values;
  llvm::StringMap<int64_t> symbols;
};

/// One op's code. The result has the shape that is given, which is its type's with the symbols' values.
using Result = mlir::FailureOr<Tensor>;
struct Rule {
  llvm::StringRef name;
  Result (*execute)(mlir::Operation *op, llvm::ArrayRef<int64_t> shape, const Frame &frame);
};

/// Makes a rule of a function on a concrete op.
template <typename Op, Result (*function)(Op, llvm::ArrayRef<int64_t>, const Frame &)> Rule rule() {
  return {Op::getOperationName(), [](mlir::Operation *op, llvm::ArrayRef<int64_t> shape, const Frame &frame) {
            return function(llvm::cast<Op>(op), shape, frame);
          }};
}

llvm::ArrayRef<Rule> getElementwiseRules();
llvm::ArrayRef<Rule> getReductionRules();
llvm::ArrayRef<Rule> getDataRules();
llvm::ArrayRef<Rule> getContractionRules();
llvm::ArrayRef<Rule> getTransformerRules();

} // namespace lathe::reference
