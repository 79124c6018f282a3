// The oracle: executes tfm ops in plain C++. It defines what every op means; constants are folded by it, and backends,
// fusion and compression are tested against it.
//
// Inside an op floats are f64; each result is rounded once, to its element type, to nearest with halves to even.
// Integers are exact and wrap. What a model or its inputs can cause (an index out of range, dimensions that contradict
// each other) is a diagnostic at the op's location.
#pragma once
#include "dialects/Tfm/Tfm.h"
#include "mlir/Interfaces/FunctionInterfaces.h"

namespace lathe::reference {

/// A dense, row-major, little-endian tensor; i1 takes a byte. Copies share the bytes, which never change.
class Tensor {
public:
  Tensor() = default;
  /// Takes the bytes. Asserts that there are as many as the shape needs.
  Tensor(mlir::Type elementType, llvm::ArrayRef<int64_t> shape, std::vector<char> bytes);
  /// A view of bytes that outlive every copy of it.
  static Tensor view(mlir::Type elementType, llvm::ArrayRef<int64_t> shape, llvm::ArrayRef<char> bytes);
  static Tensor get(mlir::ElementsAttr literal);
  mlir::DenseElementsAttr toLiteral() const;

  mlir::Type getElementType() const { return elementType; }
  llvm::ArrayRef<int64_t> getShape() const { return shape; }
  int64_t getNumElements() const;
  llvm::ArrayRef<char> getBytes() const { return bytes; }
  /// The same bytes under another shape of as many elements.
  Tensor reshaped(llvm::ArrayRef<int64_t> newShape) const;

private:
  mlir::Type elementType;
  llvm::SmallVector<int64_t, 4> shape;
  std::shared_ptr<const std::vector<char>> owner;
  llvm::ArrayRef<char> bytes;
};

struct Options {
  /// A value above this is refused before it is allocated.
  uint64_t maxTensorBytes = uint64_t(1) << 32;
  /// Called after each op with its results, in order of execution.
  std::function<void(mlir::Operation *, llvm::ArrayRef<Tensor>)> observer;
};

/// Executes a function on inputs of its argument types. Symbols get their values from the inputs' dimensions; they must
/// agree with each other, with the module's ranges and with every tfm.require. A value is freed after its last use.
mlir::FailureOr<llvm::SmallVector<Tensor>> run(mlir::FunctionOpInterface function, llvm::ArrayRef<Tensor> inputs,
                                               const Options &options = {});

/// Executes one op whose result types are static.
mlir::FailureOr<llvm::SmallVector<Tensor>> evaluate(mlir::Operation *op, llvm::ArrayRef<Tensor> operands,
                                                    const Options &options = {});
/// Whether the reference knows the op.
bool isSupported(mlir::Operation *op);

} // namespace lathe::reference
