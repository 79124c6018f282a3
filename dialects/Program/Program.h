// The program dialect, and what makes a size formula fit for it: monotone in every symbol.
#pragma once
#include "dialects/Kernel/Kernel.h"

#include "dialects/Program/ProgramDialect.h.inc"
#define GET_TYPEDEF_CLASSES
#include "dialects/Program/ProgramTypes.h.inc"
#define GET_OP_CLASSES
#include "dialects/Program/ProgramOps.h.inc"

namespace lathe::program {

/// Alignment in bytes of every buffer of an arena, and of every stored weight.
inline constexpr int64_t kAlignment = 64;

/// Whether the value never falls when a symbol grows, for symbols of 0 and more; decided by structure, so `false` may
/// be said of a formula that is monotone.
bool isMonotone(const Dim &formula);
/// A monotone formula that is at least `formula` for symbols of 0 and more; the formula itself where that is one.
Dim getMonotoneBound(const Dim &formula);

} // namespace lathe::program
