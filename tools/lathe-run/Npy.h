// NumPy's .npy files, https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html: versions 1 to 3,
// little-endian, C order. bf16, which NumPy has no type for, is written and read as two-byte voids (V2).
#pragma once
#include "tools/lathe-run/Tensor.h"

namespace lathe::tool {

// Reads a whole .npy file from memory. The bytes may be anything; nothing is allocated beyond their size.
bool parseNpy(const uint8_t *data, uint64_t size, Tensor &tensor, std::string &error);
std::vector<uint8_t> formatNpy(const Tensor &tensor);

// The same from and to a file; errors name it.
bool readNpy(const std::string &path, Tensor &tensor, std::string &error);
bool writeNpy(const std::string &path, const Tensor &tensor, std::string &error);

} // namespace lathe::tool
