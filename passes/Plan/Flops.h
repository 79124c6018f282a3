// How many floating-point operations a kernel needs.
#pragma once
#include "dialects/Kernel/Kernel.h"

namespace lathe::plan {

/// Multiplications and additions of the contractions, attentions and convolutions in the body; what is element by
/// element is not counted. 0 for a kernel without them.
Dim countFlops(kernel::FuncOp kernel);

} // namespace lathe::plan
