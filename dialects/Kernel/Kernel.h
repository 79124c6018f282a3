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

/// The launch parameters of a kernel: every distinct non-constant dimension of its types and of its ops' #tfm.dims
/// attributes, in order of first occurrence (arguments, then the body, then results). The compiler writes their
/// formulas into the package, the kernel reads their values from lathe_kernel_call::params at the same positions.
llvm::SmallVector<Dim> collectParams(FuncOp kernel);

} // namespace lathe::kernel
