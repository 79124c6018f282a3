// Where the conformance suite and the models run: the reference, or generated code for one target.
#pragma once
#include "tools/lathe/ReferenceTensor.h"

namespace lathe::conformance {

/// A module that is ready to run its @main.
class Executable {
public:
  virtual ~Executable() = default;
  using Check = llvm::function_ref<mlir::LogicalResult(llvm::ArrayRef<reference::Tensor> results)>;
  static mlir::LogicalResult accept(llvm::ArrayRef<reference::Tensor>) { return mlir::success(); }
  using Results = llvm::SmallVector<reference::Tensor>;
  /// Failure after a diagnostic, or when `check` fails. A device that runs more than once checks what the first run
  /// gave before the others.
  virtual mlir::FailureOr<Results> run(llvm::ArrayRef<reference::Tensor> inputs, Check check = accept) = 0;
};

class Device {
public:
  virtual ~Device() = default;
  virtual std::string getName() const = 0;
  /// Why tests can't run on it here; empty if they can.
  virtual std::string whyUnavailable() const { return ""; }
  /// The module holds tfm ops and may be changed; it outlives the result. Failure after a diagnostic.
  virtual mlir::FailureOr<std::unique_ptr<Executable>> load(mlir::ModuleOp module) = 0;
  /// Compiles the module to a package at that path, to be run elsewhere; not on every device.
  virtual mlir::LogicalResult writePackage(mlir::ModuleOp module, llvm::StringRef path) {
    return module.emitError("no package can be written for ") << getName();
  }
  /// Loads what writePackage wrote for the module.
  virtual mlir::FailureOr<std::unique_ptr<Executable>> loadPackage(mlir::ModuleOp module, llvm::StringRef path) {
    return module.emitError("no package can be loaded on ") << getName();
  }
  /// The same as `load` for a module that was imported from a file, if the device would rather have that.
  virtual mlir::FailureOr<std::unique_ptr<Executable>> loadFile(mlir::ModuleOp module, llvm::StringRef onnxFile) {
    return load(module);
  }
};

/// `reference`; `cpu:ISA`, or `cpu:ISA:SCHEDULE` for the schedule of another instruction set; `cuda-sim`,
/// `cuda-sim:sm_89` and `cuda-sim:sm_90a`; `cuda`, the machine's first device; `cuda:sm_90a,...`, to write packages
/// for. Null for other names.
std::unique_ptr<Device> createDevice(llvm::StringRef name);
std::unique_ptr<Device> createCompiledDevice(llvm::StringRef name);

using tool::fromReference;
using tool::toReference;
using tool::toType;

/// Runs `body` in a child process, so that a crash or a hang is a result like another. Returns what it wrote to the
/// stream, or "CRASH signal N", "TIMEOUT".
class ChildPool {
public:
  ChildPool(unsigned jobs, unsigned seconds) : jobs(jobs), seconds(seconds) {}
  /// For each of `count` tasks: `task(i, os)` in a child; `done(i, text)` here, in the order of i.
  void run(size_t count, llvm::function_ref<void(size_t, llvm::raw_ostream &)> task,
           llvm::function_ref<void(size_t, llvm::StringRef)> done);

private:
  unsigned jobs, seconds;
};

} // namespace lathe::conformance
