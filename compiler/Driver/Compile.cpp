// Runs the phases in order.
#include "compiler/Driver/Compile.h"
#include "compiler/Driver/Calibration.h"
#include "compiler/Driver/Compress.h"
#include "compiler/Driver/Places.h"
#include "compiler/Onnx/NodeLocation.h"
#include "dialects/Tfm/Weights.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"
#include "passes/Passes.h"
#include "passes/Schedule/Strategy.h"
#include "passes/Simplify/Pipeline.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/TargetParser/Host.h"

using namespace mlir;
using namespace lathe;

bool lathe::runsOnHost(StringRef cpuTarget) {
  llvm::StringMap<bool> features = llvm::sys::getHostCPUFeatures();
  return llvm::all_of(schedule::getFeatures(*schedule::parseCpuTarget(cpuTarget)),
                      [&](StringRef name) { return features.lookup(name); });
}

std::string lathe::getHostCpuTarget() {
  ArrayRef<StringRef> targets = schedule::getCpuTargets();
  const StringRef *best = llvm::find_if(targets, runsOnHost);
  return (best == targets.end() ? targets.back() : *best).str();
}

void lathe::registerDialects(DialectRegistry &registry) {
  static bool registered = (registerLathePasses(), true); // by name, for pipelines
  (void)registered;
  registry.insert<func::FuncDialect, tfm::TfmDialect, kernel::KernelDialect, program::ProgramDialect>();
}

DiagnosticPrinter::DiagnosticPrinter(MLIRContext &context, std::function<void()> before) : context(context) {
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
  handler = context.getDiagEngine().registerHandler([print, before](Diagnostic &diagnostic) {
    before();
    print(diagnostic);
    return success();
  });
}
DiagnosticPrinter::~DiagnosticPrinter() { context.getDiagEngine().eraseHandler(handler); }

static FailureOr<OwningOpRef<ModuleOp>> readModule(MLIRContext &context, const CompileOptions &options) {
  if (!options.inputIsIr)
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

/// Says on the module what its weights took before they are compressed, for reports. Of the first time that it's said.
static void noteModelBytes(ModuleOp module) {
  if (module->hasAttr(package::kModelBytesAttr))
    return;
  int64_t bytes = 0;
  for (auto weight : module.getOps<tfm::WeightOp>()) {
    RankedTensorType type = weight.getTensorType();
    int64_t of;
    if (isa<FloatType>(type.getElementType()) &&
        (llvm::MulOverflow<int64_t>(type.getNumElements(), sizeof(float), of) || llvm::AddOverflow(bytes, of, bytes)))
      return; // of weights that are made at load, and have no bytes
  }
  module->setAttr(package::kModelBytesAttr, Builder(module.getContext()).getI64IntegerAttr(bytes));
}

/// The passes of a phase between import and emit.
static LogicalResult addPasses(OpPassManager &passes, Phase phase, const CompileOptions &options) {
  if (phase == Phase::Simplify)
    buildSimplifyPipeline(passes, {options.requireFused, options.optimization >= 1});
  if (phase == Phase::Compress && failed(parsePassPipeline(options.compressPasses, passes)))
    return failure();
  if (phase == Phase::Compress && options.precision != "fp32") {
    ConvertPrecisionPassOptions convert;
    convert.precision = options.precision;
    convert.allowFallback = options.allowFallback;
    passes.addPass(createConvertPrecisionPass(convert));
  }
  if (phase == Phase::Fuse) {
    FormKernelsPassOptions fuse;
    fuse.fuse = options.optimization >= 2;
    passes.addPass(createCSEPass()); // before, as afterwards it would join the copies that equal outputs are made by
    passes.addPass(createFormKernelsPass(fuse));
    if (options.optimization >= 2)
      passes.addPass(createSkipPaddedRowsPass());
  }
  if (phase == Phase::Schedule) {
    ScheduleKernelsPassOptions schedule;
    schedule.allowFallback = options.allowFallback;
    schedule.targets.assign(options.targets.begin(), options.targets.end());
    passes.addPass(createScheduleKernelsPass(schedule));
  }
  if (phase == Phase::Plan)
    passes.addPass(createPlanMemoryPass());
  return success();
}

LogicalResult lathe::runPhases(ModuleOp module, const CompileOptions &options, Phase first, Phase last) {
  for (const PhaseInfo &info : kPhases) {
    if (info.phase < first || info.phase > std::min(last, Phase::Plan))
      continue;
    options.progress(info.phase, 0);
    if (info.phase == Phase::Compress && (options.recipe || !options.compressPasses.empty()))
      notePlaces(module);
    if (info.phase == Phase::Compress && options.recipe && failed(runRecipe(module, options)))
      return failure();
    if (info.phase == Phase::Compress && options.precision == "mixed" && !options.calibration.empty() &&
        failed(calibrate(module, options.calibration, options.calibrationSamples,
                         [&](double part) { options.progress(Phase::Compress, part); })))
      return failure();
    PassManager passes(module.getContext());
    if (failed(addPasses(passes, info.phase, options)) || failed(passes.run(module)))
      return failure();
  }
  return success();
}

FailureOr<OwningOpRef<ModuleOp>> lathe::compileToModule(MLIRContext &context, const CompileOptions &options) {
  options.progress(options.from, 0);
  FailureOr<OwningOpRef<ModuleOp>> module = readModule(context, options);
  if (succeeded(module) && options.from < Phase::Compress && (options.recipe || !options.compressPasses.empty()))
    noteModelBytes(module->get());
  // A phase runs if it lies behind the one whose result was read and not behind the one that is asked for.
  Phase first = static_cast<Phase>(static_cast<int>(options.from) + 1);
  if (failed(module) || failed(runPhases(module->get(), options, first, options.to)))
    return failure();
  return module;
}
