// Between the reference's tensors and those that the tools read from files and get from the runtime. Bytes are copied.
#pragma once
#include "compiler/Reference/Reference.h"
#include "tools/lathe-run/Tensor.h"

namespace lathe::tool {

mlir::Type toType(mlir::MLIRContext *context, ElementType type);
reference::Tensor toReference(mlir::MLIRContext *context, const Tensor &tensor);
Tensor fromReference(const reference::Tensor &tensor);

} // namespace lathe::tool
