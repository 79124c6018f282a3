// What the passes of the simplify phase share: constants, chains of scalar factors, data movement, locations.
#pragma once
#include "dialects/Tfm/Tfm.h"
#include "mlir/IR/PatternMatch.h"

namespace lathe::simplify {

/// The value of a floating-point or integer constant (or literal weight) all of whose elements are equal.
std::optional<double> getSplat(mlir::Value value);
/// Whether a constant is `want` but for the rounding that exporters did: 1e-5 of it.
bool isNear(double got, double want);
bool isSplatNear(mlir::Value value, double want);

/// value == factor * input, with one op taken off: a multiplication or division by a constant that doesn't broadcast
/// the input. Nothing for another op.
struct Scaled {
  mlir::Value input;
  double factor;
};
std::optional<Scaled> matchScale(mlir::Value value);
/// x, where value is x * x or x to the power of 2.
mlir::Value matchSquare(mlir::Value value);
/// x, where value is 1/sqrt(x) in any spelling.
mlir::Value matchRsqrt(mlir::Value value);
/// The other operand, where one of a commutative op's two is `known`.
mlir::Value getOther(mlir::Operation *op, mlir::Value known);
/// The operand that is 0 at exactly the places where the value is, or null. A mask's spellings are taken off by it.
mlir::Value getSameZeros(mlir::Value value);

/// All ONNX nodes that went into an op.
mlir::Location fuseLocations(mlir::OpBuilder &builder, llvm::ArrayRef<mlir::Operation *> ops);

/// The same elements under other dimensions; `value` itself where they are the same.
mlir::Value createReshape(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value value, llvm::ArrayRef<Dim> dims);
/// Transposes that value comes from are taken into account, down to none.
mlir::Value createTranspose(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value value,
                            llvm::ArrayRef<int64_t> permutation);
mlir::Value createExpand(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value value, llvm::ArrayRef<Dim> dims);
/// Elements [start, start + size) of one dimension.
mlir::Value createSlice(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value value, int64_t axis, const Dim &start,
                        const Dim &size);
/// The one axis that a slice of step 1 narrows, with its start; nothing for other slices.
struct AxisSlice {
  int64_t axis;
  Dim start, size;
};
std::optional<AxisSlice> matchAxisSlice(mlir::Value value);

/// Runs of dimensions of a reshape's two sides with equal products, as fine as they can be told apart: [fromBegin,
/// fromEnd) becomes [toBegin, toEnd). A dimension of 1 without a partner is a run with an empty other side. Nothing
/// where the products don't line up.
struct ReshapeRun {
  unsigned fromBegin, fromEnd, toBegin, toEnd;
};
std::optional<llvm::SmallVector<ReshapeRun>> alignReshape(llvm::ArrayRef<Dim> from, llvm::ArrayRef<Dim> to);

/// The tfm.get or tfm.constant that defines a value, or null.
mlir::Operation *getWeightOrConstant(mlir::Value value);

} // namespace lathe::simplify
