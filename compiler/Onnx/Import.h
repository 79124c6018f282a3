// ONNX to tfm: the import phase.
#pragma once
#include "dialects/Tfm/Dim.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace lathe {

struct ImportOptions {
  /// What the user says of a symbol, by its name (`batch=4`, `batch=1:32`). A symbol that no input has is an error.
  std::map<std::string, Dim::Range> symbols;
  /// What the user says of an input's dimensions, by the input's name: one per dimension, `min == max` fixes it. These
  /// are trtexec's minShapes and maxShapes. The number of dimensions must be the input's.
  std::map<std::string, std::vector<Dim::Range>> inputShapes;
  /// New names for an input's dimensions, by the input's name; an empty one keeps the model's. Equal names are one
  /// symbol.
  std::map<std::string, std::vector<std::string>> inputDims;
  /// The range of a symbol of which nothing is said.
  Dim::Range defaultRange{1, 65536};
  /// Where external data is, instead of the model's folder.
  std::string externalData;
  /// Weights whose file is missing become #tfm.random of this seed; without it they are an error. The tensor's number
  /// is its index among the graph's initializers, and the scale kRandomScale.
  std::optional<uint64_t> randomSeed;
};
inline constexpr float kRandomScale = 0.02f;

/// Imports a model: `@main` with one argument and result per ONNX input and output (`tfm.name`), weights at module
/// level, their bytes in the context's weight store, no shape arithmetic left. ONNX nodes become ops one to one where
/// there is an op, and several where not; each op's location is nodeLocation (NodeLocation.h).
///
/// Errors are diagnostics, all that is unsupported at once; a node behind an unsupported one is not judged. Loads the
/// dialects it needs. Not thread-safe for one context.
mlir::FailureOr<mlir::OwningOpRef<mlir::ModuleOp>> importOnnx(mlir::MLIRContext &context, llvm::StringRef path,
                                                              const ImportOptions &options);

/// The same without a module: reads the graph and no weights, reports everything that an import would refuse.
mlir::LogicalResult checkOnnx(mlir::MLIRContext &context, llvm::StringRef path, const ImportOptions &options);

struct OnnxNode {
  std::string name, opType;
};
/// The nodes of a model's graph, in its order, named as locations name them.
mlir::FailureOr<std::vector<OnnxNode>> listNodes(mlir::MLIRContext &context, llvm::StringRef path);

/// importOnnx of bytes in memory, for tests and fuzzing. `name` stands for the path: external data is looked for beside
/// it, and #tfm.file has its last part.
mlir::FailureOr<mlir::OwningOpRef<mlir::ModuleOp>> importOnnx(mlir::MLIRContext &context,
                                                              std::unique_ptr<llvm::MemoryBuffer> bytes,
                                                              llvm::StringRef name, const ImportOptions &options);

} // namespace lathe
