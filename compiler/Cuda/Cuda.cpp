// The CUDA backend's driver: one source for all kernels of a module and target, compiled at once.
#include "compiler/Cuda/Cuda.h"
#include "compiler/Cuda/DeviceSource.h"
#include "compiler/Cuda/KernelWriter.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/ThreadPool.h"
#include <mutex>

using namespace mlir;
using namespace lathe;
using namespace lathe::cuda;

FailureOr<std::string> cuda::writeKernels(ModuleOp module, StringRef target,
                                          std::map<std::string, CudaKernel> &kernels) {
  MLIRContext *context = module.getContext();
  context->loadDialect<arith::ArithDialect, math::MathDialect, scf::SCFDialect, LLVM::LLVMDialect>();
  std::string source = "using namespace device;\n\n";
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
    CudaKernel &emitted = kernels[kernel.getSymName().str()];
    emitted = {symbol, tile->threads, tile->shared, {}};
    OwningOpRef<ModuleOp> scratch = ModuleOp::create(UnknownLoc::get(context));
    KernelWriter writer(kernel, *tile, *scratch);
    auto written = writer.write(symbol);
    emitted.maps = std::move(writer.maps);
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

namespace {
/// What becomes of one target's source.
struct Job {
  std::string source, error;
  CudaObject object;
};
} // namespace

static void compile(StringRef target, const EmitOptions &options, Job &job) {
  if (target == "cuda:source") {
    job.object.code.assign(job.source.begin(), job.source.end());
    return;
  }
  StringRef sm = target;
  auto code = sm.consume_front("cuda:") ? compileWithNvrtc(job.source, sm, options, job.object.log, job.object.driver)
                                        : compileForSimulator(job.source, job.object.log);
  if (code)
    job.object.code = std::move(*code);
  else
    job.error = llvm::toString(code.takeError());
  if (options.saveTemps.empty())
    return;
  std::string prefix = target.str();
  std::replace(prefix.begin(), prefix.end(), ':', '-');
  save(options.saveTemps + "/" + prefix + ".cu", job.source);
  save(options.saveTemps + "/" + prefix + ".log", job.object.log);
}

FailureOr<std::vector<CudaObject>> cuda::emitCuda(ModuleOp module, ArrayRef<std::string> targets, unsigned threads,
                                                  const EmitOptions &options,
                                                  llvm::function_ref<void(double)> progress) {
  std::string library;
  for (const DeviceFile &file : kDeviceSource) {
    library += ("#line 1 \"Device/" + file.name + "\"\n").str();
    if (options.deviceLibrary.empty()) {
      library += file.text;
      continue;
    }
    std::string path = options.deviceLibrary + "/" + file.name.str();
    auto text = llvm::MemoryBuffer::getFile(path);
    if (!text)
      return mlir::emitError(module.getLoc(), "can't read '") << path << "': " << text.getError().message(), failure();
    library += (*text)->getBuffer();
  }
  std::vector<Job> jobs(targets.size());
  for (auto [target, job] : llvm::zip(targets, jobs)) {
    auto source = writeKernels(module, target, job.object.kernels);
    if (failed(source))
      return failure();
    // Lines of the kernels count from their own beginning.
    job.source = library + "#line 1 \"kernels.cu\"\n" + *source;
  }
  std::mutex mutex;
  size_t finished = 0; // by the mutex
  llvm::DefaultThreadPool pool(llvm::hardware_concurrency(threads));
  for (auto [target, job] : llvm::zip(targets, jobs))
    pool.async([&, target = StringRef(target), job = &job] {
      compile(target, options, *job);
      std::lock_guard<std::mutex> lock(mutex);
      progress(static_cast<double>(++finished) / jobs.size());
    });
  pool.wait();
  std::vector<CudaObject> objects;
  for (auto [target, job] : llvm::zip(targets, jobs)) {
    if (!job.error.empty()) {
      InFlightDiagnostic diagnostic = mlir::emitError(module.getLoc(), "can't compile the kernels for ");
      diagnostic << target << ": " << job.error;
      // The first lines say most; the rest is kept on request.
      if (!job.object.log.empty())
        diagnostic.attachNote() << StringRef(job.object.log).take_front(2000)
                                << "\nhint: --save-temps=DIR keeps the source and the whole log";
      return failure();
    }
    objects.push_back(std::move(job.object));
  }
  return objects;
}
