// The second stage of loading: what the table says makes sense. After it, indices can be followed and formulas
// evaluated without further checks; values that depend on symbols are checked again for each shape (Program/Plan.h).
#pragma once
#include "runtime/Package/Image.h"

namespace lathe::runtime {

inline constexpr uint32_t kMaxSymbols = 1024;

Status verifyProgram(const Allocator &allocator, const Image &image);

} // namespace lathe::runtime
