// Places buffers in one arena, with formulas for offsets.
#pragma once
#include "dialects/Program/Program.h"

namespace lathe::plan {

/// A buffer: its bytes, and the first and last step at which it holds something, both included.
struct Buffer {
  Dim size;
  unsigned begin, end;
  Dim offset; // out: a multiple of 64
};

using RangeOf = llvm::function_ref<std::optional<Dim::Range>(llvm::StringRef)>;

/// Whether a <= b for all values of the symbols in their ranges. `false` may be said of what holds.
bool isLessEqual(const Dim &a, const Dim &b, RangeOf rangeOf);

/// Sets the offsets, so that buffers that live at the same time do not overlap for any values of the symbols, and
/// returns the arena's size in bytes, a multiple of 64. Sizes are monotone; so is what comes out. Larger buffers are
/// placed first, each at the least offset that is proven free (Pisarchyk and Lee: Efficient memory management for deep
/// neural net inference, 2020, with formulas for numbers). Nothing where the arena's size at the greatest values
/// overflows.
std::optional<Dim> placeBuffers(llvm::MutableArrayRef<Buffer> buffers, RangeOf rangeOf);

} // namespace lathe::plan
