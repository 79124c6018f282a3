// The CPU backend's driver: kernels are emitted into a few modules, which are compiled side by side and linked.
#include "compiler/Cpu/Cpu.h"
#include "compiler/Cpu/Emitter.h"
#include "compiler/Cpu/Lower.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/ThreadPool.h"
#include <mutex>

using namespace mlir;
using namespace lathe;
using namespace lathe::cpu;

/// Kernels per module. The split depends on the kernels alone, so that the bytes don't depend on the threads.
static constexpr size_t kKernelsPerModule = 4;

FailureOr<CpuObject> cpu::emitCpu(ModuleOp module, StringRef target, unsigned threads, const EmitOptions &options) {
  auto cpuTarget = schedule::parseCpuTarget(target);
  if (!cpuTarget)
    return module.emitError("unknown CPU target '")
           << target << "'; hint: one of " << llvm::join(schedule::getCpuTargets(), ", ");
  MLIRContext *context = module.getContext();
  DialectRegistry registry;
  registerBuiltinDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
  context->appendDialectRegistry(registry);
  context->loadDialect<arith::ArithDialect, math::MathDialect, scf::SCFDialect, vector::VectorDialect,
                       LLVM::LLVMDialect, cf::ControlFlowDialect>();

  CpuObject result;
  SmallVector<OwningOpRef<ModuleOp>> parts;
  size_t count = 0;
  bool failed = false;
  for (auto kernel : module.getOps<kernel::FuncOp>()) {
    kernel::ScheduleAttr schedule = kernel.getSchedule(target);
    if (!schedule)
      kernel.emitOpError("has no schedule for ") << target;
    auto sizes = schedule ? schedule::readTileSizes(kernel, schedule) : FailureOr<schedule::TileSizes>();
    if (mlir::failed(sizes)) {
      failed = true;
      continue;
    }
    if (count % kKernelsPerModule == 0)
      parts.push_back(ModuleOp::create(UnknownLoc::get(context)));
    // Names of kernels are the model's; symbols are ours.
    std::string symbol = "k" + std::to_string(count++);
    result.symbols[kernel.getSymName().str()] = symbol;
    failed |= mlir::failed(Emitter(kernel, *cpuTarget, *parts.back(), schedule, *sizes).emit(symbol));
  }
  if (failed)
    return failure();

  std::vector<std::vector<char>> objects(parts.size());
  std::vector<char> done(parts.size());
  std::mutex mutex;
  size_t finished = 0; // by the mutex
  auto compile = [&](size_t i) {
    std::string temps = options.saveTemps.empty() ? "" : options.saveTemps + "." + std::to_string(i);
    auto object = compileModule(*parts[i], *cpuTarget, temps);
    if (succeeded(object)) {
      objects[i] = std::move(*object);
      done[i] = true;
    }
    parts[i] = {};
    std::lock_guard<std::mutex> lock(mutex);
    options.progress(static_cast<double>(++finished) / parts.size());
  };
  if (threads != 1 && parts.size() > 1 && !context->isMultithreadingEnabled()) {
    llvm::DefaultThreadPool pool(llvm::hardware_concurrency(threads));
    context->setThreadPool(pool); // the parts share its types and attributes: it must lock
    for (size_t i = 0; i < parts.size(); ++i)
      pool.async([&, i] { compile(i); });
    pool.wait();
    context->disableMultithreading();
  } else {
    for (size_t i = 0; i < parts.size(); ++i)
      compile(i);
  }
  if (llvm::is_contained(done, 0))
    return module.emitError("can't compile the kernels for ") << target;
  auto elf = linkObjects(objects, module.getLoc());
  if (mlir::failed(elf))
    return failure();
  result.elf = std::move(*elf);
  if (!options.saveTemps.empty()) {
    std::error_code error;
    llvm::raw_fd_ostream os(options.saveTemps + ".so", error);
    if (!error)
      os.write(result.elf.data(), result.elf.size());
  }
  return result;
}
