// The CUDA backend's driver: one source for all kernels of a module and target, compiled at once.
#include "compiler/Cuda/Cuda.h"
#include "compiler/Cuda/DeviceSource.h"
#include "compiler/Cuda/KernelWriter.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/FileSystem.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::cuda;

FailureOr<std::string> cuda::writeSource(ModuleOp module, StringRef target,
                                         std::map<std::string, CudaKernel> &kernels) {
  MLIRContext *context = module.getContext();
  context->loadDialect<arith::ArithDialect, math::MathDialect, scf::SCFDialect, LLVM::LLVMDialect>();
  std::string source, text;
  for (StringRef part : kDeviceSource)
    source += part;
  source += "\nusing namespace device;\n\n";
  bool failed = false;
  for (auto kernel : module.getOps<kernel::FuncOp>()) {
    kernel::ScheduleAttr schedule = kernel.getSchedule(target);
    if (!schedule)
      kernel.emitOpError("has no schedule for ") << target;
    auto tile = schedule ? schedule::readCudaTile(kernel, schedule) : FailureOr<schedule::CudaTile>();
    if (mlir::failed(tile)) {
      failed = true;
      continue;
    }
    // Names of kernels are the model's; symbols are ours.
    std::string symbol = "k" + std::to_string(kernels.size());
    kernels[kernel.getSymName().str()] = {symbol, tile->threads, tile->shared};
    OwningOpRef<ModuleOp> scratch = ModuleOp::create(UnknownLoc::get(context));
    auto written = KernelWriter(kernel, *tile, *scratch).write(symbol);
    failed |= mlir::failed(written);
    if (succeeded(written))
      source += *written;
  }
  if (failed)
    return failure();
  return source;
}

static void save(const std::string &path, StringRef text) {
  std::error_code error;
  llvm::raw_fd_ostream os(path, error);
  if (!error)
    os << text;
}

FailureOr<CudaObject> cuda::emitCuda(ModuleOp module, StringRef target, const EmitOptions &options) {
  CudaObject object;
  auto source = writeSource(module, target, object.kernels);
  if (failed(source))
    return failure();
  if (!options.saveTemps.empty())
    save(options.saveTemps + ".cu", *source);
  StringRef sm = target;
  bool simulated = !sm.consume_front("cuda:");
  auto code = simulated ? compileForSimulator(*source, object.log)
                        : compileWithNvrtc(*source, sm, options, object.log, object.driver);
  if (!options.saveTemps.empty() && !object.log.empty())
    save(options.saveTemps + ".log", object.log);
  if (!code) {
    std::string what = llvm::toString(code.takeError());
    // The first lines say most; the rest is kept on request.
    InFlightDiagnostic diagnostic = mlir::emitError(module.getLoc(), "can't compile the kernels for ");
    diagnostic << target << ": " << what;
    if (!object.log.empty())
      diagnostic.attachNote() << StringRef(object.log).take_front(2000)
                              << "\nhint: --save-temps=DIR keeps the source and the whole log";
    return failure();
  }
  object.code = std::move(*code);
  return object;
}
