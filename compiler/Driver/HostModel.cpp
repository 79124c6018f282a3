// Through a package, as any program runs a model.
#include "compiler/Driver/HostModel.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Process.h"

using namespace mlir;
using namespace lathe;

/// The target with the widest vectors that this processor runs, or "". No other features: what they add up in another
/// way would not repeat on a machine without them.
static std::string getHostTarget() {
  for (StringRef target : {"x86-64-v4", "x86-64-v3"})
    if (runsOnHost(target))
      return target.str();
  return "";
}

LogicalResult lathe::loadOnHost(ModuleOp module, const CompileOptions &options, tool::Model &model,
                                std::string &target) {
  auto diagnose = [&] { return emitError(UnknownLoc::get(module.getContext())); };
  target = getHostTarget();
  if (target.empty())
    return diagnose() << "statistics are taken on the CPU, and this one lacks what x86-64-v3 has";
  SmallString<128> path;
  int file;
  if (std::error_code code = llvm::sys::fs::createTemporaryFile("lathe-statistics", "lathe", file, path))
    return diagnose() << "can't make a temporary file: " << code.message();
  llvm::sys::Process::SafelyCloseFileDescriptor(file);
  llvm::scope_exit remove([&] { (void)llvm::sys::fs::remove(path); });
  CompileOptions compile;
  compile.targets = {target};
  compile.threads = options.threads;
  if (failed(runPhases(module, compile, Phase::Fuse, Phase::Plan)) ||
      failed(writePackageFile(module, compile, path, /*runner=*/"")))
    return failure();
  tool::ModelOptions how;
  how.threads = options.threads;
  how.target = target;
  std::string error;
  if (!model.load({path.str().str(), std::nullopt}, how, error) || !model.createContext(how, error))
    return diagnose() << "calibration: " << error;
  return success();
}
