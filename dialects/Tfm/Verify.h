// Checks that the verifiers of several tfm ops share. Messages cite the constraint of the op's description.
#pragma once
#include "dialects/Tfm/Tfm.h"

namespace lathe::tfm {
/// C1 of elementwise ops and, if sameElementType, C2.
llvm::LogicalResult verifyElementwise(mlir::Operation *op, bool sameElementType);
/// C1 to C2 of reductions, and C3 but for arg reductions.
llvm::LogicalResult verifyReduction(mlir::Operation *op, llvm::ArrayRef<int64_t> axes);
/// The only result has these dimensions.
llvm::LogicalResult verifyResultDims(mlir::Operation *op, llvm::StringRef constraint, llvm::ArrayRef<Dim> expected);
/// All named operands have one element type.
llvm::LogicalResult verifySameElementType(mlir::Operation *op, llvm::StringRef constraint, mlir::ValueRange values);
/// `#tfm.dims`' notation, for messages.
std::string toString(llvm::ArrayRef<Dim> dims);
} // namespace lathe::tfm
