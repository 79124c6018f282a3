// The CPU backend: kernel.funcs with schedules become one position-independent ELF object per target.
#pragma once
#include "dialects/Kernel/Kernel.h"
#include "mlir/IR/BuiltinOps.h"
#include <functional>

namespace lathe::cpu {

struct EmitOptions {
  /// Where to put each part's MLIR, LLVM IR and assembly (PREFIX.N.mlir, .ll, .s) and the object (PREFIX.so); nowhere
  /// if empty.
  std::string saveTemps;
  /// Told the part of the work that is done, up to 1; from any thread, one at a time.
  std::function<void(double)> progress = [](double) {};
};

struct CpuObject {
  std::vector<char> elf; // ET_DYN; relative relocations only, no undefined symbol, no constructor, no TLS
  std::map<std::string, std::string> symbols; // kernel's name -> exported function, a lathe_kernel_fn
};

/// Compiles every kernel.func of the module for one of schedule::getCpuTargets. All must have a schedule for it. Uses
/// up to `threads` threads, 0 for as many as there are cores; the bytes don't depend on them. What can't be compiled is
/// a diagnostic at its op.
mlir::FailureOr<CpuObject> emitCpu(mlir::ModuleOp module, llvm::StringRef target, unsigned threads = 1,
                                   const EmitOptions &options = {});

} // namespace lathe::cpu
