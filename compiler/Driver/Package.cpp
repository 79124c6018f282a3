// The last two phases: code for each target, and the file that holds it all.
#include "compiler/Cpu/Cpu.h"
#include "compiler/Cuda/Cuda.h"
#include "compiler/Driver/Compile.h"
#include "compiler/Package/Writer.h"
#include "passes/Schedule/Cuda.h"
#include "passes/Schedule/Strategy.h"
#include "tools/lathe-run/AppendedPackage.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SHA256.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace lathe;

/// SHA-256 of a file in hexadecimal, or nothing if it can't be read.
static std::optional<std::string> hashFile(StringRef path) {
  auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!buffer)
    return std::nullopt;
  StringRef bytes = (*buffer)->getBuffer();
  return llvm::toHex(llvm::SHA256::hash(llvm::arrayRefFromStringRef(bytes)), /*LowerCase=*/true);
}

/// Whether another CPU target of those that are asked for, with fewer features, runs every kernel in the same way.
static bool isSuperfluous(ModuleOp module, StringRef name, ArrayRef<std::string> targets) {
  auto target = schedule::parseCpuTarget(name);
  return target && llvm::any_of(targets, [&](StringRef otherName) {
           auto other = schedule::parseCpuTarget(otherName);
           if (!other || other->level != target->level || other->vnni > target->vnni || other->bf16 > target->bf16 ||
               other->amx > target->amx || otherName == name)
             return false;
           return llvm::all_of(module.getOps<kernel::FuncOp>(), [&](kernel::FuncOp kernel) {
             kernel::ScheduleAttr mine = kernel.getSchedule(name), its = kernel.getSchedule(otherName);
             return mine && its && mine.getOptions() == its.getOptions() && mine.getTiles() == its.getTiles() &&
                    mine.getScratch() == its.getScratch();
           });
         });
}

std::vector<std::string> lathe::getUsedTargets(ModuleOp module, ArrayRef<std::string> targets) {
  std::vector<std::string> used = targets;
  llvm::erase_if(used, [&](StringRef target) { return isSuperfluous(module, target, targets); });
  return used;
}

/// The code of all kernels for each target that is of use.
static FailureOr<std::vector<package::TargetCode>> emitTargets(ModuleOp module, const CompileOptions &options) {
  std::vector<package::TargetCode> codes;
  std::vector<std::string> cudaTargets;
  size_t done = 0;
  std::vector<std::string> targets = getUsedTargets(module, options.targets);
  auto progress = [&](double part) { options.progress(Phase::Emit, (done + part) / targets.size()); };
  for (const std::string &target : targets) {
    if (schedule::isCudaTarget(target)) {
      cudaTargets.push_back(target);
      continue;
    }
    progress(0);
    std::string temps = options.saveTemps.empty() ? "" : options.saveTemps + "/" + target;
    auto object = cpu::emitCpu(module, target, options.threads, {temps, progress});
    if (failed(object))
      return failure();
    package::TargetCode code{target, std::move(object->elf), {}};
    for (auto &[name, symbol] : object->symbols)
      code.kernels[name].symbol = symbol;
    codes.push_back(std::move(code));
    ++done;
  }
  progress(0);
  auto objects =
      cuda::emitCuda(module, cudaTargets, options.threads, {options.saveTemps, options.nvrtc, options.deviceLibrary},
                     [&](double part) { progress(part * cudaTargets.size()); });
  if (failed(objects))
    return failure();
  for (auto [target, object] : llvm::zip(cudaTargets, *objects)) {
    package::TargetCode code{target, std::move(object.code), {}, object.driver};
    for (auto &[name, kernel] : object.kernels) {
      code.kernels[name] = {
          kernel.symbol, static_cast<uint32_t>(kernel.threads), static_cast<uint32_t>(kernel.shared), {}};
      for (const cuda::MatrixMap &map : kernel.maps)
        code.kernels[name].maps.push_back({map.operand, map.element, map.rows, map.columns});
    }
    codes.push_back(std::move(code));
  }
  return codes;
}

LogicalResult lathe::writeObjects(ModuleOp module, const CompileOptions &options, StringRef output) {
  auto targets = emitTargets(module, options);
  if (failed(targets))
    return failure();
  for (const package::TargetCode &target : *targets) {
    std::string name = target.target;
    std::replace(name.begin(), name.end(), ':', '-');
    bool isCubin = target.getKind() == package::SegmentKind::Cubin;
    std::string path = (output + "." + name + (isCubin ? ".cubin" : ".so")).str();
    if (llvm::Error error = llvm::writeToOutput(path, [&](llvm::raw_ostream &os) {
          os.write(target.code.data(), target.code.size());
          return llvm::Error::success();
        }))
      return module.emitError("can't write '") << path << "': " << llvm::toString(std::move(error));
  }
  return success();
}

FailureOr<std::string> lathe::writeCudaSource(ModuleOp module, const CompileOptions &options) {
  std::map<std::string, cuda::CudaKernel> kernels;
  return cuda::writeKernels(module, options.targets.front(), kernels);
}

FailureOr<package::Summary> lathe::writePackageFile(ModuleOp module, const CompileOptions &options, StringRef output,
                                                    StringRef runner) {
  auto code = emitTargets(module, options);
  if (failed(code))
    return failure();
  package::WriteOptions write;
  write.name = llvm::sys::path::stem(options.input).str();
  write.progress = [&](double part) { options.progress(Phase::Package, part); };
  write.metadata["compiler"] = "lathe " LATHE_VERSION;
  write.metadata["precision"] = options.precision;
  write.metadata["allow_fallback"] = options.allowFallback;
  write.metadata["optimization"] = static_cast<int64_t>(options.optimization);
  if (auto hash = hashFile(options.input))
    write.metadata["input_sha256"] = *hash;
  if (options.evaluate) {
    SmallString<128> path;
    if (std::error_code error = llvm::sys::fs::createTemporaryFile("lathe-evaluate", "lathe", path))
      return module.emitError("can't make a temporary file: ") << error.message();
    llvm::FileRemover remover(path);
    if (failed(package::writePackage(module, *code, write, path)))
      return failure();
    auto evaluation = options.evaluate(path);
    if (failed(evaluation))
      return failure();
    write.evaluation = std::move(*evaluation);
  }
  FailureOr<package::Summary> summary = package::writePackage(module, *code, write, output);
  std::string error;
  if (succeeded(summary) && !runner.empty() && !tool::appendPackage(runner.str(), output.str(), output.str(), error)) {
    (void)llvm::sys::fs::remove(output);
    return module.emitError(error);
  }
  return summary;
}
