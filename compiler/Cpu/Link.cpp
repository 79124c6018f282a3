// lld as a library: relocatables become one shared object without dependencies.
#include "compiler/Cpu/Lower.h"
#include "lld/Common/Driver.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include <mutex>

LLD_HAS_DRIVER(elf)

using namespace mlir;
using namespace lathe;

FailureOr<std::vector<char>> cpu::linkObjects(ArrayRef<std::vector<char>> objects, Location loc) {
  static std::mutex mutex;
  std::lock_guard<std::mutex> lock(mutex);
  // lld reads and writes files. The folder's name is random, and nothing of it gets into the result.
  SmallString<128> folder;
  if (std::error_code error = llvm::sys::fs::createUniqueDirectory("lathe-link", folder)) {
    emitError(loc, "can't make a temporary folder: ") << error.message();
    return failure();
  }
  auto cleanUp = llvm::scope_exit([&] { (void)llvm::sys::fs::remove_directories(folder); });
  std::vector<std::string> arguments = {"ld.lld",
                                        "-shared",
                                        "-z",
                                        "defs",
                                        "-z",
                                        "noexecstack",
                                        "-z",
                                        "relro",
                                        "-z",
                                        "now",
                                        "-z",
                                        "separate-code",
                                        "--build-id=none",
                                        "--hash-style=gnu",
                                        "-z",
                                        "max-page-size=4096",
                                        "--gc-sections",
                                        "-s",
                                        "--no-rosegment",
                                        "--threads=1",
                                        "-Bsymbolic",
                                        "--fatal-warnings",
                                        "-z",
                                        "text"};
  arguments.erase(llvm::find(arguments, "--no-rosegment"));
  auto path = [&](StringRef name) {
    SmallString<128> full(folder);
    llvm::sys::path::append(full, name);
    return std::string(full);
  };
  for (auto [i, object] : llvm::enumerate(objects)) {
    std::string name = path(std::to_string(i) + ".o");
    std::error_code error;
    llvm::raw_fd_ostream os(name, error);
    os.write(object.data(), object.size());
    os.close();
    if (error || os.has_error()) {
      os.clear_error();
      emitError(loc, "can't write '") << name << "'";
      return failure();
    }
    arguments.push_back(name);
  }
  std::string result = path("kernels.so");
  arguments.push_back("-o");
  arguments.push_back(result);
  std::vector<const char *> pointers;
  pointers.reserve(arguments.size());
  for (const std::string &argument : arguments)
    pointers.push_back(argument.c_str());
  std::string messages;
  llvm::raw_string_ostream os(messages);
  lld::Result outcome = lld::lldMain(pointers, os, os, {{lld::Gnu, &lld::elf::link}});
  if (outcome.retCode != 0) {
    emitError(loc, "can't link the kernels: ") << StringRef(messages).trim();
    return failure();
  }
  auto buffer = llvm::MemoryBuffer::getFile(result, false, false);
  if (!buffer) {
    emitError(loc, "can't read the linked kernels: ") << buffer.getError().message();
    return failure();
  }
  return std::vector<char>((*buffer)->getBufferStart(), (*buffer)->getBufferEnd());
}
