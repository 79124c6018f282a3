// Initializers and Constant nodes, turned into module-level tfm.weight ops, each distinct content once.
#pragma once
#include "compiler/Onnx/ExternalData.h"
#include "compiler/Onnx/Import.h"
#include "compiler/Onnx/Model.h"
#include "dialects/Tfm/Tfm.h"
#include "dialects/Tfm/Weights.h"

namespace lathe::onnxfile {

/// The MLIR type of an element; null for what tfm has no type for (strings, complex, below 8 bits, fp8).
mlir::Type getElementType(mlir::MLIRContext *context, int32_t dataType);

class WeightTable {
public:
  /// `modelName` is the name that #tfm.file gives the model itself.
  WeightTable(mlir::ModuleOp module, Model &model, llvm::StringRef modelPath, const ImportOptions &options,
              bool compareBytes);

  /// Checks a tensor's type, dimensions and sizes, without touching its bytes; emits a diagnostic if they are bad.
  mlir::RankedTensorType getType(const onnx::TensorProto &tensor, mlir::Location loc);
  /// The literal of a tensor of a type that getType gave, if its bytes are in the model. Null, without a diagnostic, if
  /// they are in a file beside it or are damaged.
  mlir::DenseElementsAttr getLiteral(const onnx::TensorProto &tensor, mlir::RankedTensorType type);
  /// The weight's value at the builder's place; null after a diagnostic. `name` is the model's name for
  /// it, `ordinal` its index among the graph's initializers.
  mlir::Value load(mlir::OpBuilder &builder, const onnx::TensorProto &tensor, llvm::StringRef name,
                   mlir::RankedTensorType type, uint64_t ordinal, mlir::Location loc);
  /// Hands the model's and the external files' mappings to the context's store: weights can be read from now on.
  void publish();
  /// External files that were asked for and aren't there, each with the weights it should hold.
  const std::map<std::string, std::vector<std::string>> &getMissing() const { return missing; }

private:
  struct Entry {
    tfm::WeightOp weight;
    llvm::StringRef bytes; // empty if unknown
  };
  struct Bytes {
    mlir::Attribute source;
    llvm::StringRef view;
  };
  mlir::FailureOr<Bytes> find(const onnx::TensorProto &tensor, llvm::StringRef name, mlir::RankedTensorType type,
                              uint64_t ordinal, mlir::Location loc);
  tfm::WeightOp findEqual(mlir::RankedTensorType type, llvm::StringRef bytes);
  tfm::WeightOp findTransposed(mlir::RankedTensorType type, llvm::StringRef bytes);
  std::string getSymbolName(llvm::StringRef name);

  mlir::ModuleOp module;
  Model &model;
  std::string modelName;
  ExternalData externalData;
  const ImportOptions &options;
  bool compareBytes;
  std::map<std::string, std::unique_ptr<llvm::MemoryBuffer>> files; // external ones; null if missing
  std::map<std::string, std::vector<std::string>> missing;
  std::vector<Entry> entries;                                            // in order of the module
  std::map<std::pair<uint64_t, uint64_t>, std::vector<size_t>> bySample; // (bytes, hash of a sample) -> entries
  std::map<std::string, tfm::WeightOp> bySource;                         // printed source and type
  llvm::StringMap<unsigned> symbolNames;
};

} // namespace lathe::onnxfile
