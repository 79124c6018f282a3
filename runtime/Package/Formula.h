// Formulas over the program's symbols: well-formedness, values, bounds over ranges, and text.
#pragma once
#include "runtime/Package/Format.h"
#include "runtime/Package/Package_generated.h"
#include <cstddef>
#include <cstdint>

namespace lathe::runtime {

struct Range {
  int64_t min, max;
};

// Null when evaluating can neither leave the steps' stack nor name a symbol that does not exist; else what is wrong.
const char *malformed(const package::Formula &formula, size_t symbolCount);

// Sizes, offsets and grids are not negative; a kernel's parameters may be (m + n - 1 where both are 0).
enum class Sign : bool { nonNegative, any };

// For well-formed formulas. False on overflow, division by less than one, or a result of the wrong sign.
bool evaluate(const package::Formula &formula, const int64_t *symbols, int64_t &result, Sign sign = Sign::nonNegative);

// Bounds of the formula (before the test of its sign) for symbols in `ranges`, by interval arithmetic; false
// when a step might overflow or divide by less than one.
bool bounds(const package::Formula &formula, const Range *ranges, Range &result);

// The index of the symbol that the formula consists of, or -1.
int32_t bareSymbol(const package::Formula &formula);

bool uses(const package::Formula &formula, uint32_t symbol);

// Writes "512*batch*sequence" into buffer, cut to `size` with its final zero; returns the length without it, which is
// at least `size` when the text was cut.
size_t printFormula(const package::Formula &formula, const package::Program &program, char *buffer, size_t size);

} // namespace lathe::runtime
