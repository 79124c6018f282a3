// The last two phases: code for each target, and the file that holds it all.
#include "compiler/Cpu/Cpu.h"
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

/// The code of all kernels, an object for each target.
static FailureOr<std::vector<cpu::CpuObject>> emitTargets(ModuleOp module, const CompileOptions &options) {
  std::vector<cpu::CpuObject> objects;
  for (auto [index, target] : llvm::enumerate(options.targets)) {
    cpu::EmitOptions emit;
    emit.progress = [&, index = index](double part) {
      options.progress(Phase::Emit, (index + part) / options.targets.size());
    };
    emit.progress(0);
    if (!options.saveTemps.empty())
      emit.saveTemps = options.saveTemps + "/" + target;
    FailureOr<cpu::CpuObject> object = cpu::emitCpu(module, target, options.threads, emit);
    if (failed(object))
      return failure();
    objects.push_back(std::move(*object));
  }
  return objects;
}

LogicalResult lathe::writeObjects(ModuleOp module, const CompileOptions &options, StringRef output) {
  FailureOr<std::vector<cpu::CpuObject>> objects = emitTargets(module, options);
  if (failed(objects))
    return failure();
  for (auto [target, object] : llvm::zip(options.targets, *objects)) {
    std::string path = (output + "." + target + ".so").str();
    if (llvm::Error error = llvm::writeToOutput(path, [&, &elf = object.elf](llvm::raw_ostream &os) {
          os.write(elf.data(), elf.size());
          return llvm::Error::success();
        }))
      return module.emitError("can't write '") << path << "': " << llvm::toString(std::move(error));
  }
  return success();
}

FailureOr<package::Summary> lathe::writePackageFile(ModuleOp module, const CompileOptions &options, StringRef output,
                                                    StringRef runner) {
  FailureOr<std::vector<cpu::CpuObject>> objects = emitTargets(module, options);
  if (failed(objects))
    return failure();
  SmallVector<package::TargetCode> code;
  for (auto [target, object] : llvm::zip(options.targets, *objects))
    code.push_back({target, object.elf, object.symbols});

  package::WriteOptions write;
  write.name = llvm::sys::path::stem(options.input).str();
  write.progress = [&](double part) { options.progress(Phase::Package, part); };
  write.metadata["compiler"] = "lathe " LATHE_VERSION;
  write.metadata["optimization"] = static_cast<int64_t>(options.optimization);
  if (auto hash = hashFile(options.input))
    write.metadata["input_sha256"] = *hash;
  FailureOr<package::Summary> summary = package::writePackage(module, code, write, output);
  std::string error;
  if (succeeded(summary) && !runner.empty() && !tool::appendPackage(runner.str(), output.str(), output.str(), error)) {
    (void)llvm::sys::fs::remove(output);
    return module.emitError(error);
  }
  return summary;
}
