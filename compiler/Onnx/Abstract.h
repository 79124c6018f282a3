// Values that the importer knows: the elements of a small tensor, integers as expressions of the model's symbols.
//
// Shape arithmetic (Shape -> Gather -> Concat -> Reshape) runs on these, and no IR is built for it.
#pragma once
#include "dialects/Tfm/Tfm.h"
#include <vector>

namespace lathe::onnxfile {
class Symbols;

/// No value grows past this many elements; what is larger is a tensor.
inline constexpr uint64_t kMaxAbstract = 256;

struct Abstract {
  mlir::Type elementType;
  llvm::SmallVector<int64_t> shape;
  std::vector<Dim> ints;     // of integer types and i1, row-major
  std::vector<double> reals; // of float types

  static Abstract ofInts(mlir::Type elementType, llvm::ArrayRef<int64_t> shape, std::vector<Dim> ints);
  /// The i64 vector that Shape gives.
  static Abstract ofDims(mlir::MLIRContext *context, llvm::ArrayRef<Dim> dims);

  bool isReal() const { return llvm::isa<mlir::FloatType>(elementType); }
  size_t size() const { return isReal() ? reals.size() : ints.size(); }
  /// All integers, if they are constants.
  std::optional<llvm::SmallVector<int64_t>> getConstants() const;
  /// Whether every element is a constant.
  bool isConstant() const;
  /// Elements at these positions under another shape.
  Abstract pick(llvm::ArrayRef<int64_t> newShape, llvm::ArrayRef<int64_t> positions) const;
  Abstract reshaped(llvm::ArrayRef<int64_t> newShape) const;
  /// A literal, if every element is a constant that fits the element type (integers wrap).
  mlir::DenseElementsAttr getAttr() const;
};

/// A literal of rank `shape`; nothing if it has more than kMaxAbstract elements or a type that isn't a number.
std::optional<Abstract> toAbstract(mlir::DenseElementsAttr attr);

/// One element, integer or real as the type says.
struct Scalar {
  Dim dim;
  double real = 0;
};
/// The elementwise ops of ONNX on one element each; nothing where the op is unknown or the symbols leave it open.
/// `type` is the operands' element type.
std::optional<Scalar> evaluateScalar(llvm::StringRef opType, mlir::Type type, llvm::ArrayRef<Scalar> operands,
                                     const Symbols &symbols);
/// Converts as ONNX's Cast does.
std::optional<Scalar> castScalar(const Scalar &scalar, mlir::Type from, mlir::Type to);
/// A value rounded to a float type.
double roundTo(double value, mlir::Type type);

/// For each element of the broadcast of several static shapes, in row-major order: the position of the element in each
/// operand. Nothing if they don't broadcast, or to more than kMaxAbstract elements.
struct BroadcastIndex {
  llvm::SmallVector<int64_t> shape;
  std::vector<llvm::SmallVector<int64_t>> positions; // [operand][element]
};
std::optional<BroadcastIndex> broadcastIndex(llvm::ArrayRef<llvm::ArrayRef<int64_t>> shapes);

/// The product of static dimensions; nothing on overflow or above the limit.
std::optional<int64_t> countElements(llvm::ArrayRef<int64_t> shape, uint64_t limit = kMaxAbstract);

} // namespace lathe::onnxfile
