// From a module of arith, math, vector, scf and llvm to machine code, and from objects to one ELF.
#pragma once
#include "compiler/Cpu/Cpu.h"
#include "passes/Schedule/Strategy.h"

namespace lathe::cpu {

/// Lowers the module to the LLVM dialect in place, then to an ELF relocatable for the target. One thread per call.
mlir::FailureOr<std::vector<char>> compileModule(mlir::ModuleOp module, const schedule::CpuTarget &target,
                                                 const std::string &saveTemps);

/// Links relocatables, in this order, into a shared object that needs nothing. Calls lld, which is not reentrant: calls
/// wait for each other.
mlir::FailureOr<std::vector<char>> linkObjects(llvm::ArrayRef<std::vector<char>> objects, mlir::Location loc);

} // namespace lathe::cpu
