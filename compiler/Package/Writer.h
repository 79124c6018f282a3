// Writes a planned module and its code as a package file.
#pragma once
#include "compiler/Package/Summary.h"
#include "runtime/Package/Format.h"
#include <functional>
#include <map>

namespace lathe::package {

/// A kernel's exported function; for CUDA, of how many threads a block is and how much shared memory it takes.
struct KernelCode {
  std::string symbol;
  uint32_t threads = 0, shared = 0;
  /// Matrices in operands' memory that it reads by TMA, in boxes of 64 by 64 with swizzles of 128 bytes.
  struct Map {
    uint32_t operand;
    mlir::Type element; // of 16 bits
    int64_t rows, columns;
  };
  std::vector<Map> maps;
};

/// Code of all kernels for one target.
struct TargetCode {
  std::string target;                        // "x86-64-v4", "cuda:sm_90a", "cuda-sim"
  std::vector<char> code;                    // ET_DYN; for CUDA a cubin, or source
  std::map<std::string, KernelCode> kernels; // by the kernel's name
  uint32_t driver = 0;                       // CUDA: the oldest that takes the code, as cuDriverGetVersion counts
  SegmentKind getKind() const {
    return target == "cuda:source"                       ? SegmentKind::CudaSource
           : llvm::StringRef(target).starts_with("cuda") ? SegmentKind::Cubin
                                                         : SegmentKind::CpuElf;
  }
};

struct WriteOptions {
  std::string name;                     // of the program
  llvm::json::Object metadata;          // compiler version, flags, hashes of the inputs; the summary is added
  std::optional<Evaluation> evaluation; // for the summary
  std::function<void(double)> progress = [](double) {}; // told the part of the weights that is written
};

/// Writes the package: the same bytes for the same module, code and options. Targets in the order in which the runtime
/// tries them. The file appears whole or not at all: it is written under another name in the same folder, then renamed
/// (a path that exists and is no regular file, as /dev/null, is written directly). Weights are laid out and hashed as
/// they are written; no more than a few MiB are held. Failures, a full disk among them, are diagnostics.
mlir::FailureOr<Summary> writePackage(mlir::ModuleOp module, llvm::ArrayRef<TargetCode> code,
                                      const WriteOptions &options, llvm::StringRef path);

} // namespace lathe::package
