// From tensors to symbols to sizes: what the shapes of a run imply. Nothing here allocates.
#pragma once
#include "runtime/Program/Program.h"

namespace lathe::runtime {

// Binds every symbol that the entry's inputs name to `symbols` (others get their minimum) and checks ranges, the other
// dimensions and the requirements. `tensors` hold one tensor of the right type and rank per input. `batchLimit`
// replaces the range's maximum of the entry's batch symbol when it is larger.
Status bindSymbols(const Program &program, const package::Entry &entry, const lathe_tensor *tensors, int64_t batchLimit,
                   int64_t *symbols);

// The value of a formula, or a failure that names `what`.
Status evaluateFor(const Program &program, const package::Formula &formula, const int64_t *symbols, const char *what,
                   int64_t &value, Sign sign = Sign::nonNegative);

// Type, rank and dimensions of a value; data is left alone. `bytes` may not be needed.
Status shapeOf(const Program &program, const package::Value &value, const int64_t *symbols, lathe_tensor &tensor,
               int64_t &bytes);

// Arena, scratch for `threads` workers, and outputs; on a device, what the default bucket of these shapes takes.
Status memoryFor(const Program &program, const package::Entry &entry, const int64_t *symbols, uint32_t threads,
                 lathe_memory &memory);

// Bytes of scratch for one worker, rounded up so that workers share no cache line; the largest of all launches.
Status scratchFor(const Program &program, const package::Entry &entry, const int64_t *symbols, int64_t &bytes);

} // namespace lathe::runtime
