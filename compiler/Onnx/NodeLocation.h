// The location of what an ONNX node became: the node's name over its op type, `loc("/layer.0/MatMul"("MatMul"))`.
#pragma once
#include "mlir/IR/Location.h"
#include <string>

namespace lathe {

mlir::Location nodeLocation(mlir::MLIRContext *context, llvm::StringRef name, llvm::StringRef opType);

/// `node '/layer.0/MatMul' (MatMul)` for a node's location, also one inside a fused or call-site location (the first);
/// `model.onnx` for a file's; empty for what names nothing. Drivers put it before a diagnostic's message.
std::string describeLocation(mlir::Location location);

} // namespace lathe
