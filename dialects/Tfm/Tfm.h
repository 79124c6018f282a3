// The tfm dialect and what every user of it needs: types with symbolic dimensions.
#pragma once
#include "dialects/Tfm/Dim.h"
#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/IR/TensorEncoding.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

namespace lathe::tfm {
class Weights;
}
#include "dialects/Tfm/TfmDialect.h.inc"
#include "dialects/Tfm/TfmEnums.h.inc"
#include "dialects/Tfm/TfmInterfaces.h.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/Tfm/TfmAttrs.h.inc"
#define GET_OP_CLASSES
#include "dialects/Tfm/TfmOps.h.inc"

namespace lathe::tfm {

/// Attribute names on modules and functions.
inline constexpr llvm::StringLiteral kSymbolsAttr = "tfm.symbols";     // on the module: {name = array<i64: min, max>}
inline constexpr llvm::StringLiteral kPrecisionAttr = "tfm.precision"; // on the module: [{node, type, precision, why}]
inline constexpr llvm::StringLiteral kCompressionAttr =
    "tfm.compression"; // on the module: what was done to each weight
inline constexpr llvm::StringLiteral kObservedMaxAttr = "tfm.observed_max"; // on an op: f64, max|x| of its result
inline constexpr llvm::StringLiteral kNameAttr = "tfm.name"; // on @main's arguments and results: the ONNX name

/// A tensor type of these dimensions; those that are not constant become dynamic and go into the encoding.
mlir::RankedTensorType getTensorType(llvm::ArrayRef<Dim> dims, mlir::Type elementType);
/// The dimensions of a tensor type that getTensorType made.
llvm::SmallVector<Dim> getDims(mlir::Type type);
inline llvm::SmallVector<Dim> getDims(mlir::Value value) { return getDims(value.getType()); }
inline mlir::Type getElementType(mlir::Value value) {
  return llvm::cast<mlir::RankedTensorType>(value.getType()).getElementType();
}
/// numpy's broadcast of several shapes; nothing where two dimensions differ and neither is 1.
std::optional<llvm::SmallVector<Dim>> broadcastDims(llvm::ArrayRef<llvm::SmallVector<Dim>> shapes);
/// Ranges of the module's symbols, or nothing for an unknown name.
std::optional<Dim::Range> getSymbolRange(mlir::ModuleOp module, llvm::StringRef name);

/// Builds an elementwise, broadcasting op; the result has the broadcast dimensions and, unless another is given, the
/// last operand's element type. Asserts that the operands broadcast.
template <typename OpTy, typename... Attrs>
mlir::Value buildElementwise(mlir::OpBuilder &builder, mlir::Location loc, mlir::ValueRange operands,
                             mlir::Type elementType = {}, Attrs... attrs) {
  llvm::SmallVector<llvm::SmallVector<Dim>> shapes;
  for (mlir::Value operand : operands)
    shapes.push_back(getDims(operand));
  auto dims = broadcastDims(shapes);
  assert(dims && "operands don't broadcast");
  auto type = getTensorType(*dims, elementType ? elementType : getElementType(operands.back()));
  mlir::OperationState state(loc, OpTy::getOperationName());
  state.addOperands(operands);
  state.addTypes(type);
  (state.addAttribute(attrs.first, attrs.second), ...);
  return builder.create(state)->getResult(0);
}

} // namespace lathe::tfm
