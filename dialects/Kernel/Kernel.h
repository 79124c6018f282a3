// The kernel dialect.
#pragma once
#include "dialects/Tfm/Tfm.h"
#include "mlir/Interfaces/FunctionInterfaces.h"

#include "dialects/Kernel/KernelDialect.h.inc"
#include "dialects/Kernel/KernelEnums.h.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/Kernel/KernelAttrs.h.inc"
#define GET_OP_CLASSES
#include "dialects/Kernel/KernelOps.h.inc"

namespace lathe::kernel {

/// Argument attribute: the #kernel.panel in which a weight is stored.
inline constexpr llvm::StringLiteral kLayoutAttr = "kernel.layout";

/// Argument attribute (unit): where this argument's element r is 0, nothing reads row r of the results, which a target
/// may leave unwritten. Row r of a result is its elements [r * n, (r + 1) * n), n its elements by the argument's.
inline constexpr llvm::StringLiteral kRowsAttr = "kernel.rows";

/// The launch parameters of a kernel: every distinct non-constant dimension of its types and of its ops' #tfm.dims
/// attributes, in order of first occurrence (arguments, then the body, then results). The compiler writes their
/// formulas into the package, the kernel reads their values from lathe_kernel_call::params at the same positions.
llvm::SmallVector<Dim> collectParams(FuncOp kernel);

} // namespace lathe::kernel
