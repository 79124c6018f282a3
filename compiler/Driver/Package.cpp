// The last two phases: code for each target, and the file that holds it all.
#include "compiler/Cpu/Cpu.h"
#include "compiler/Cuda/Cuda.h"
#include "compiler/Driver/Compile.h"
#include "compiler/Package/Writer.h"
#include "tools/lathe-run/AppendedPackage.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
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

/// The code of all kernels for a target.
static FailureOr<package::TargetCode> emitTarget(ModuleOp module, StringRef target, const CompileOptions &options,
                                                 std::function<void(double)> progress) {
  package::TargetCode code;
  code.target = target.str();
  std::string temps = target.str();
  std::replace(temps.begin(), temps.end(), ':', '-');
  if (!options.saveTemps.empty())
    temps = options.saveTemps + "/" + temps;
  else
    temps.clear();
  if (code.isCuda()) {
    auto object = cuda::emitCuda(module, target, {temps, options.nvrtc});
    if (failed(object))
      return failure();
    code.code = std::move(object->code);
    code.driver = object->driver;
    for (auto &[name, kernel] : object->kernels)
      code.kernels[name] = {kernel.symbol, static_cast<uint32_t>(kernel.threads), static_cast<uint32_t>(kernel.shared)};
    return code;
  }
  auto object = cpu::emitCpu(module, target, options.threads, {temps, std::move(progress)});
  if (failed(object))
    return failure();
  code.code = std::move(object->elf);
  for (auto &[name, symbol] : object->symbols)
    code.kernels[name] = {symbol};
  return code;
}

static FailureOr<SmallVector<package::TargetCode>> emitTargets(ModuleOp module, const CompileOptions &options) {
  SmallVector<package::TargetCode> targets;
  for (auto [index, target] : llvm::enumerate(options.targets)) {
    auto progress = [&, index = index](double part) {
      options.progress(Phase::Emit, (index + part) / options.targets.size());
    };
    progress(0);
    auto code = emitTarget(module, target, options, progress);
    if (failed(code))
      return failure();
    targets.push_back(std::move(*code));
  }
  return targets;
}

LogicalResult lathe::writeObjects(ModuleOp module, const CompileOptions &options, StringRef output) {
  auto targets = emitTargets(module, options);
  if (failed(targets))
    return failure();
  for (const package::TargetCode &target : *targets) {
    std::string name = target.target;
    std::replace(name.begin(), name.end(), ':', '-');
    std::string path = (output + "." + name + (target.isCuda() ? ".cubin" : ".so")).str();
    if (llvm::Error error = llvm::writeToOutput(path, [&](llvm::raw_ostream &os) {
          os.write(target.code.data(), target.code.size());
          return llvm::Error::success();
        }))
      return module.emitError("can't write '") << path << "': " << llvm::toString(std::move(error));
  }
  return success();
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
  write.metadata["optimization"] = static_cast<int64_t>(options.optimization);
  if (auto hash = hashFile(options.input))
    write.metadata["input_sha256"] = *hash;
  FailureOr<package::Summary> summary = package::writePackage(module, *code, write, output);
  std::string error;
  if (succeeded(summary) && !runner.empty() && !tool::appendPackage(runner.str(), output.str(), output.str(), error)) {
    (void)llvm::sys::fs::remove(output);
    return module.emitError(error);
  }
  return summary;
}
