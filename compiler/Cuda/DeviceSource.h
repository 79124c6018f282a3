// The texts of Device/, in the order in which a kernel's source begins with them.
#pragma once
#include "llvm/ADT/StringRef.h"

namespace lathe::cuda {
extern const llvm::ArrayRef<llvm::StringRef> kDeviceSource;
} // namespace lathe::cuda
