// The last two phases: code for each target, and the file that holds it all.
#include "compiler/Cpu/Cpu.h"
#include "compiler/Driver/Compile.h"
#include "compiler/Package/Writer.h"
#include "tools/lathe-run/AppendedPackage.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SHA256.h"

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

/// The runner, zeros up to the alignment, the package, the trailer: what AppendedPackage.h describes.
static LogicalResult appendToRunner(Location loc, StringRef runner, StringRef package, StringRef output) {
  auto fail = [&](const Twine &what, std::error_code code) {
    return emitError(loc, "can't " + what + ": " + code.message());
  };
  auto program = llvm::MemoryBuffer::getFile(runner, false, false), body = llvm::MemoryBuffer::getFile(package, false, false);
  if (!program || !body)
    return fail("read '" + (program ? package : runner) + "'", (program ? body : program).getError());
  uint64_t begin = llvm::alignTo((*program)->getBufferSize(), tool::kPackageAlignment);
  SmallString<256> temporary;
  int fd;
  if (auto code = llvm::sys::fs::createUniqueFile(output + ".%%%%%%", fd, temporary))
    return fail("write beside '" + output + "'", code);
  llvm::raw_fd_ostream os(fd, /*shouldClose=*/true);
  os << (*program)->getBuffer();
  os.write_zeros(begin - (*program)->getBufferSize());
  os << (*body)->getBuffer();
  os.write(tool::kTrailerMagic, sizeof(tool::kTrailerMagic));
  char offset[8];
  llvm::support::endian::write64le(offset, begin);
  os.write(offset, sizeof(offset));
  os.close();
  std::error_code code = os.error();
  os.clear_error();
  if (!code)
    code = llvm::sys::fs::setPermissions(temporary, static_cast<llvm::sys::fs::perms>(0755));
  if (!code)
    code = llvm::sys::fs::rename(temporary, output);
  if (code) {
    llvm::sys::fs::remove(temporary);
    return fail("write '" + output + "'", code);
  }
  return success();
}

FailureOr<package::Summary> lathe::writePackageFile(ModuleOp module, const CompileOptions &options, StringRef output,
                                                    StringRef runner) {
  std::vector<cpu::CpuObject> objects;
  for (const std::string &target : options.targets) {
    cpu::EmitOptions emit;
    if (!options.saveTemps.empty())
      emit.saveTemps = options.saveTemps + "/" + target;
    FailureOr<cpu::CpuObject> object = cpu::emitCpu(module, target, options.threads, emit);
    if (failed(object))
      return failure();
    objects.push_back(std::move(*object));
  }
  SmallVector<package::TargetCode> code;
  for (auto [target, object] : llvm::zip(options.targets, objects))
    code.push_back({target, object.elf, object.symbols});

  package::WriteOptions write;
  write.name = llvm::sys::path::stem(options.input).str();
  write.metadata["compiler"] = "lathe " LATHE_VERSION;
  write.metadata["optimization"] = static_cast<int64_t>(options.optimization);
  if (auto hash = hashFile(options.input))
    write.metadata["input_sha256"] = *hash;
  if (runner.empty())
    return package::writePackage(module, code, write, output);

  std::string temporary = (output + ".package").str();
  FailureOr<package::Summary> summary = package::writePackage(module, code, write, temporary);
  if (succeeded(summary) && failed(appendToRunner(module.getLoc(), runner, temporary, output)))
    summary = failure();
  llvm::sys::fs::remove(temporary);
  return summary;
}
