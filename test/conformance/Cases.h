// The conformance suite's cases: small functions, the shapes that they run at, and how their inputs are filled.
#pragma once
#include "dialects/Tfm/Tfm.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include <map>

namespace lathe::conformance {

/// How an input is filled; the numbers depend on the input's index, its shape and nothing else.
struct Fill {
  enum Kind {
    Uniform,  // in [low, high)
    Special,  // as Uniform, with NaN, infinities, zeros of both signs, and the type's bounds strewn in
    Prefixes, // booleans, [rows, columns]: row r holds ones up to a length that changes by row; one row has none
    Holes,    // Prefixes, but a single row lacks one inside
    Suffixes, // booleans, [rows, columns]: row r holds zeros up to 5r + 5 behind its middle, then ones
    Mask,     // Prefixes as numbers 1 and 0
  };
  Kind kind = Uniform;
  double low = -1, high = 1;
};

/// Builds one case's @main.
class CaseBuilder {
public:
  CaseBuilder(mlir::OpBuilder &builder, mlir::func::FuncOp main) : builder(builder), main(main) {}

  /// `shape` is as "batch, sequence, 384"; "" is a scalar. `type` is as "f32".
  mlir::RankedTensorType type(llvm::StringRef shape, llvm::StringRef element = "f32");
  mlir::Value input(llvm::StringRef shape, llvm::StringRef element = "f32", Fill fill = {});
  /// A weight with generated values in [-scale, scale), in a format as "#tfm.int<...>" if one is given.
  mlir::Value weight(llvm::StringRef shape, double scale = 1, llvm::StringRef format = "");
  /// `literal` is as "dense<[1, 2]> : tensor<2xi64>".
  mlir::Value constant(llvm::StringRef literal);
  /// An op by its name in the dialect; `attributes` is as "axis = 1 : i64, last = true".
  mlir::Value op(llvm::StringRef name, mlir::ValueRange operands, mlir::RankedTensorType result,
                 llvm::StringRef attributes = "");
  /// The same with the broadcast of the operands as the result's dimensions.
  mlir::Value map(llvm::StringRef name, mlir::ValueRange operands, llvm::StringRef element = "f32",
                  llvm::StringRef attributes = "");

  void require(llvm::StringRef left, llvm::StringRef right, llvm::StringRef message);

  std::vector<Fill> fills; // by input
  unsigned weights = 0;

private:
  mlir::OpBuilder &builder;
  mlir::func::FuncOp main;
};

using Build = std::function<llvm::SmallVector<mlir::Value>(CaseBuilder &)>;
using Binding = std::map<std::string, int64_t>; // values of symbols

struct Case {
  std::string name;
  Build build;
  std::vector<Binding> bindings = {};
  /// Terms of the longest sum that an output element is made of; 0 where results must be equal to the bit.
  int64_t terms = 0;
  /// The same computation in other ops, for ops that have no other check; it has the same inputs and weights.
  Build equivalent = nullptr;
  /// Part of the diagnostic that the inputs must cause; then there are no results.
  std::string fault = {};
  /// Bound of the magnitude of terms that are computed in f32 at least.
  double magnitude = 1;
};

std::vector<Case> getElementwiseCases();
std::vector<Case> getDataCases();
std::vector<Case> getTransformerCases();
std::vector<Case> getCompressionCases();
std::vector<Case> getPackedCases();
/// All, in an order that doesn't change.
std::vector<Case> getCases();

/// The module of a case, or of its equivalent; `fills` is by input. A symbol's range starts at 0 if a binding has it
/// so, else at 1. Asserts that the module verifies.
mlir::OwningOpRef<mlir::ModuleOp> buildModule(mlir::MLIRContext &context, const Case &one, bool equivalent,
                                              std::vector<Fill> &fills);

} // namespace lathe::conformance
