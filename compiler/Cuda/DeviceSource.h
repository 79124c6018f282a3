// The texts of Device/, in the order in which a kernel's source begins with them.
#pragma once
#include "llvm/ADT/StringRef.h"

namespace lathe::cuda {
struct DeviceFile {
  llvm::StringRef name, text;
};
extern const llvm::ArrayRef<DeviceFile> kDeviceSource;
} // namespace lathe::cuda
