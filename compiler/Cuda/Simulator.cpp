// For tests on machines without a GPU: the kernels' source as a shared object that tools/cuda-sim runs.
#include "compiler/Cuda/Cuda.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/raw_ostream.h"

using namespace lathe;
using llvm::StringRef;

llvm::Expected<std::vector<char>> cuda::compileForSimulator(StringRef source, std::string &log) {
  auto fail = [](const llvm::Twine &message) { return llvm::createStringError(message); };
  auto clang = llvm::sys::findProgramByName("clang++-22");
  if (!clang)
    return fail("cuda-sim needs clang++-22, which isn't in the PATH");
  llvm::SmallString<128> folder;
  if (llvm::sys::fs::createUniqueDirectory("lathe-cuda-sim", folder))
    return fail("can't make a temporary folder");
  auto remove = llvm::make_scope_exit([&] { llvm::sys::fs::remove_directories(folder); });
  std::string base = folder.str().str(), input = base + "/kernels.cu", output = base + "/kernels.so",
              errors = base + "/log";
  {
    std::error_code error;
    llvm::raw_fd_ostream os(input, error);
    os << source;
    os.close();
    if (error || os.has_error())
      return fail("can't write '" + input + "'");
  }
  // Products stay products and sums sums, as the device's instructions are; what isn't initialised is poisoned. Loops
  // that a device needs unrolled stay loops, which compile three times as fast and run no slower here.
  StringRef arguments[] = {*clang,
                           "-x",
                           "c++",
                           "-std=c++17",
                           "-O1",
                           "-fPIC",
                           "-shared",
                           "-DLATHE_CUDA_SIM",
                           "-nostdinc",
                           "-w",
                           "-march=x86-64-v3",
                           "-ffp-contract=off",
                           "-fno-exceptions",
                           "-ftrivial-auto-var-init=pattern",
                           "-fsanitize=array-bounds", // of registers, which the emulator doesn't see
                           "-fsanitize-trap=array-bounds",
                           "-fstrict-flex-arrays=3", // a struct's last array has bounds too
                           "-mllvm",
                           "-pragma-unroll-threshold=0",
                           "-o",
                           output,
                           input};
  std::optional<StringRef> redirects[] = {std::nullopt, StringRef(""), StringRef(errors)};
  std::string message;
  int code = llvm::sys::ExecuteAndWait(*clang, arguments, std::nullopt, redirects, 0, 0, &message);
  if (auto text = llvm::MemoryBuffer::getFile(errors))
    log = (*text)->getBuffer().str();
  if (code)
    return fail("clang++ failed" + (message.empty() ? "" : ": " + message));
  auto object = llvm::MemoryBuffer::getFile(output);
  if (!object)
    return fail("clang++ left no object");
  StringRef bytes = (*object)->getBuffer();
  return std::vector<char>(bytes.begin(), bytes.end());
}
