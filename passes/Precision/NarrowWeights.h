// Weights and literals in 16 bits.
#pragma once
#include "dialects/Tfm/Weights.h"
#include "mlir/IR/BuiltinOps.h"

namespace lathe::precision {

/// The greatest finite value of f16 or bf16.
double getGreatest(mlir::Type type);

/// What a literal loses to a 16-bit type: a finite value that becomes infinite, or one that isn't 0 and becomes 0.
struct Loss {
  std::optional<double> overflow, underflow; // the first such value
};
Loss getLoss(mlir::ElementsAttr literal, mlir::Type type);

/// The literal's values, rounded to nearest even; a value beyond the type's greatest becomes infinite.
mlir::DenseElementsAttr narrow(mlir::ElementsAttr literal, mlir::Type type);

/// Makes each f32 weight's narrow copy at its first use, beside it and named after it and the type. Bytes pass through
/// in chunks. Random weights stay random.
class NarrowWeights {
public:
  NarrowWeights(mlir::ModuleOp module, mlir::Type type);

  /// The copy, or the first finite value that the type can't hold. Failure, with a diagnostic, if the bytes can't be
  /// read.
  struct Copy {
    tfm::WeightOp weight; // null: `overflow` says why
    double overflow = 0;
  };
  mlir::FailureOr<Copy> get(tfm::GetOp use);

private:
  mlir::FailureOr<Copy> make(tfm::WeightOp weight, mlir::Operation *use);

  mlir::SymbolTable symbols;
  mlir::Type type;
  tfm::Weights &weights;
  llvm::DenseMap<mlir::Operation *, Copy> copies;
};

} // namespace lathe::precision
