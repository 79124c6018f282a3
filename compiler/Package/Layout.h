// Weights in the order in which kernels read them.
#pragma once
#include "dialects/Kernel/Kernel.h"

namespace lathe::package {

/// Bytes of a weight as it is stored: row-major without a layout, else in panels. Nothing on overflow.
std::optional<uint64_t> getStoredBytes(mlir::RankedTensorType type, kernel::PanelAttr layout);

/// Gives the stored bytes, in order and in pieces, to the sink. `bytes` are the tensor's, row-major. Takes memory for a
/// few rows of a panel only.
void layOut(mlir::RankedTensorType type, kernel::PanelAttr layout, llvm::ArrayRef<char> bytes,
            llvm::function_ref<void(llvm::ArrayRef<char>)> sink);

} // namespace lathe::package
