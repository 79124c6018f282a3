// The CUDA backend: kernel.funcs with schedules become CUDA C++, and that a cubin for each target.
#pragma once
#include "dialects/Kernel/Kernel.h"
#include "mlir/IR/BuiltinOps.h"
#include <map>

namespace lathe::cuda {

struct EmitOptions {
  /// A folder for the sources (TARGET.cu) and their compiler's logs (TARGET.log); empty: nothing is kept.
  std::string saveTemps;
  /// NVRTC's library; empty: libnvrtc.so.13 or libnvrtc.so.12, where the loader finds them or in /usr/local/cuda/lib64.
  std::string nvrtc;
  /// A folder with the files of Device/, in place of those that are built in; for work on them. Empty: built in.
  std::string deviceLibrary;
};

/// A matrix in an operand's memory that a kernel reads by TMA: `rows` runs of `columns` elements, in boxes of 64 by 64
/// with swizzles of 128 bytes.
struct MatrixMap {
  unsigned operand;
  mlir::Type element; // of 16 bits
  int64_t rows, columns;
};

struct CudaKernel {
  std::string symbol;              // extern "C" __global__
  int64_t threads = 0, shared = 0; // of a block; bytes
  std::vector<MatrixMap> maps;     // parameters behind the others
};

struct CudaObject {
  std::vector<char> code;                    // a cubin; of "cuda:source" the source; of "cuda-sim" a shared object
  std::map<std::string, CudaKernel> kernels; // by the kernel's name
  std::string log;                           // what the compiler said, registers and spills of each kernel among it
  unsigned driver = 0;                       // the oldest that takes the code, as cuDriverGetVersion counts
};

/// The source of all kernels of the module for a target (passes/Schedule/Cuda.h), behind the texts of Device/. All must
/// have a schedule for it. What can't be written is a diagnostic at its op.
mlir::FailureOr<std::string> writeKernels(mlir::ModuleOp module, llvm::StringRef target,
                                          std::map<std::string, CudaKernel> &kernels);

/// Writes and compiles the kernels for each target, up to `threads` of them at a time. Needs NVRTC, or for "cuda-sim"
/// clang++; neither needs a GPU. `progress` is told the part of the work that is done, one call at a time.
mlir::FailureOr<std::vector<CudaObject>> emitCuda(mlir::ModuleOp module, llvm::ArrayRef<std::string> targets,
                                                  unsigned threads, const EmitOptions &options,
                                                  llvm::function_ref<void(double)> progress);

/// Compile the source; failures say what the compiler did, and are in `log`. Thread-safe.
llvm::Expected<std::vector<char>> compileWithNvrtc(llvm::StringRef source, llvm::StringRef sm,
                                                   const EmitOptions &options, std::string &log, unsigned &driver);
llvm::Expected<std::vector<char>> compileForSimulator(llvm::StringRef source, std::string &log);

} // namespace lathe::cuda
