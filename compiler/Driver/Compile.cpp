// Runs the phases in order.
#include "compiler/Driver/Compile.h"
#include "compiler/Onnx/NodeLocation.h"
#include "dialects/Tfm/Weights.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Transforms/Passes.h"
#include "passes/Passes.h"
#include "passes/Simplify/Pipeline.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace lathe;

void lathe::registerDialects(DialectRegistry &registry) {
  registry.insert<func::FuncDialect, tfm::TfmDialect, kernel::KernelDialect, program::ProgramDialect>();
}

DiagnosticPrinter::DiagnosticPrinter(MLIRContext &context) : context(context) {
  auto print = [](Diagnostic &diagnostic) {
    auto &os = llvm::errs();
    auto one = [&](Diagnostic &d, StringRef indent) {
      StringRef severity = d.getSeverity() == DiagnosticSeverity::Error     ? "error"
                           : d.getSeverity() == DiagnosticSeverity::Warning ? "warning"
                                                                            : "note";
      std::string where = describeLocation(d.getLocation());
      os << indent << severity << ": " << where << (where.empty() ? "" : ": ") << d.str() << "\n";
    };
    one(diagnostic, "");
    for (Diagnostic &note : diagnostic.getNotes())
      one(note, "  ");
  };
  handler = context.getDiagEngine().registerHandler([print](Diagnostic &diagnostic) {
    print(diagnostic);
    return success();
  });
}
DiagnosticPrinter::~DiagnosticPrinter() { context.getDiagEngine().eraseHandler(handler); }

static FailureOr<OwningOpRef<ModuleOp>> readModule(MLIRContext &context, const CompileOptions &options) {
  if (options.from == Phase::Import)
    return importOnnx(context, options.input, options.import);
  OwningOpRef<ModuleOp> module = parseSourceFile<ModuleOp>(options.input, &context);
  if (!module)
    return failure();
  StringRef directory = options.weightsDirectory;
  if (directory.empty())
    directory = llvm::sys::path::parent_path(options.input);
  context.getOrLoadDialect<tfm::TfmDialect>()->getWeights().setDirectory(directory);
  return module;
}

FailureOr<OwningOpRef<ModuleOp>> lathe::compileToModule(MLIRContext &context, const CompileOptions &options) {
  FailureOr<OwningOpRef<ModuleOp>> module = readModule(context, options);
  if (failed(module))
    return failure();
  // A phase runs if it lies behind the one whose result was read and not behind the one that is asked for.
  PassManager passes(&context);
  auto runs = [&](Phase phase) { return phase > options.from && phase <= options.to; };
  if (runs(Phase::Simplify))
    buildSimplifyPipeline(passes, {options.requireFused, options.optimization >= 1});
  if (runs(Phase::Fuse)) {
    FormKernelsPassOptions fuse;
    fuse.fuse = options.optimization >= 2;
    passes.addPass(createCSEPass()); // before, as afterwards it would join the copies that equal outputs are made by
    passes.addPass(createFormKernelsPass(fuse));
    if (options.optimization >= 2)
      passes.addPass(createSkipPaddedRowsPass());
  }
  if (runs(Phase::Schedule)) {
    ScheduleKernelsPassOptions schedule;
    schedule.targets.assign(options.targets.begin(), options.targets.end());
    passes.addPass(createScheduleKernelsPass(schedule));
  }
  if (runs(Phase::Plan))
    passes.addPass(createPlanMemoryPass());
  if (failed(passes.run(module->get())))
    return failure();
  return module;
}
