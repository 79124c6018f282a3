// A compilation from one phase to another.
#pragma once
#include "compiler/Driver/Phases.h"
#include "compiler/Onnx/Import.h"
#include "compiler/Package/Summary.h"
#include "compiler/Recipe/Recipe.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"
#include <functional>
#include <string>
#include <vector>

namespace lathe {

struct CompileOptions {
  std::string input; // an ONNX file; MLIR text with `inputIsIr`
  bool inputIsIr = false;
  Phase from = Phase::Import; // of what is read
  Phase to = Phase::Package;
  ImportOptions import;
  std::vector<std::string> targets; // "x86-64-v4", "cuda:sm_90a" …; the runtime takes the first that a machine can run
  std::string deviceLibrary;        // in place of compiler/Cuda/Device, for work on it
  std::string nvrtc;                // NVRTC's library, for CUDA targets; empty: where the loader finds it
  unsigned optimization = 2;        // 0: one primitive op a launch; 1: one recovered op; 2 and 3: fused
  std::string precision = "fp32";   // fp32 (what the model has), tf32, fp16, bf16, mixed
  std::string compressPasses;       // a pipeline that compress runs first: "lathe-quantize-weights{format=int8}"
  std::string calibration;          // a data set: compiler/Data/DataSet.h
  uint64_t calibrationSamples = 0;  // only its first rows; 0: all
  std::string statistics;           // a file of them, taken before: compiler/Driver/CollectStatistics.h
  std::string statisticsCache;      // a folder that keeps them; empty: they are not kept
  uint64_t statisticsMemory = uint64_t(256) << 20; // bytes for the linears' inputs of a batch
  /// "latency" or "size": what a recipe's compressions must lower, or they are taken back; empty: nothing is.
  std::string objective;
  bool measure = false;         // latency by running ops, on targets that this machine runs; else it is predicted
  bool allowFallback = false;   // what can't be had as asked for is done as it can be, and reported
  std::string requireFused;     // "attention:6,layer_norm:13": fail if fewer are recovered
  std::string weightsDirectory; // of the files that #tfm.file names, with `inputIsIr`
  std::string saveTemps;        // a folder for objects and assembly; empty: nothing is kept
  unsigned threads = 1;
  /// Told at the start of each phase (of what is read, for `from`), and as emit and package go on: the phase, and the
  /// part of it that is done, from 0 to 1. May be called from other threads, one at a time.
  std::function<void(Phase, double)> progress = [](Phase, double) {};
  /// What the phase compress does to which weights.
  std::optional<recipe::Recipe> recipe;
  /// Where there is one: says what a package, the path of whose file it is given, is worth. It goes into the metadata
  /// of the package that is written then. Failures are its to print; then nothing is written.
  std::function<mlir::FailureOr<package::Evaluation>(llvm::StringRef)> evaluate;
};

/// Whether this machine has what a target of schedule::getCpuTargets needs.
bool runsOnHost(llvm::StringRef cpuTarget);
/// The CPU target that suits this machine best; the least of all where it can run none.
std::string getHostCpuTarget();

/// A context with all of Lathe's dialects.
void registerDialects(mlir::DialectRegistry &registry);

/// Prints diagnostics as `error: node 'x' (MatMul): message` on stderr, notes indented below; calls `before` before
/// each.
class DiagnosticPrinter {
public:
  explicit DiagnosticPrinter(mlir::MLIRContext &context, std::function<void()> before = [] {});
  ~DiagnosticPrinter();

private:
  mlir::MLIRContext &context;
  mlir::DiagnosticEngine::HandlerID handler;
};

/// Runs the phases from `options.from` up to `options.to`, or up to `plan` if that is before. Failures are diagnostics.
mlir::FailureOr<mlir::OwningOpRef<mlir::ModuleOp>> compileToModule(mlir::MLIRContext &context,
                                                                   const CompileOptions &options);

/// Runs the phases from `first` to `last` on a module, of those between import and emit.
llvm::LogicalResult runPhases(mlir::ModuleOp module, const CompileOptions &options, Phase first, Phase last);

/// Those of the targets whose code a scheduled module's package holds: CPU targets are left out whose features no
/// kernel has use for.
std::vector<std::string> getUsedTargets(mlir::ModuleOp module, llvm::ArrayRef<std::string> targets);

/// The phase emit: writes the code of a planned module to OUTPUT.TARGET.so, one ELF object for each target;
/// OUTPUT.TARGET.cubin for CUDA.
mlir::LogicalResult writeObjects(mlir::ModuleOp module, const CompileOptions &options, llvm::StringRef output);

/// The source of a planned module's kernels for the one target, a CUDA one.
mlir::FailureOr<std::string> writeCudaSource(mlir::ModuleOp module, const CompileOptions &options);

/// The phases emit and package: writes the package of a planned module to a file, which appears whole or not at all.
/// With `runner`, the path of an executable, the file is that with the package appended: one file that runs.
mlir::FailureOr<package::Summary> writePackageFile(mlir::ModuleOp module, const CompileOptions &options,
                                                   llvm::StringRef output, llvm::StringRef runner);

} // namespace lathe
