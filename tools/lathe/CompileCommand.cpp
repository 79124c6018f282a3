// lathe compile: an ONNX model, or the IR after a phase, to a package or to the IR after another phase.
#include "compiler/Driver/Report.h"
#include "mlir/IR/MLIRContext.h"
#include "passes/Schedule/Cuda.h"
#include "tools/lathe-run/Progress.h"
#include "tools/lathe/Measure.h"
#include "tools/lathe/TimePackages.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/ToolOutputFile.h"
#include "llvm/Support/raw_ostream.h"

using namespace lathe;
using namespace lathe::tool;
using llvm::StringRef;

static const std::vector<Flag> kFlags = [] {
  std::vector<Flag> flags = {
      {"-o", "FILE", "where the result goes; IR goes to stdout without it"},
      {"--target", "LIST",
       "cpu (all of these, where a model has use for them), or cpu:x86-64-v3, cpu:x86-64-v4, cpu:x86-64-v4+vnni,\n"
       "cpu:x86-64-v4+vnni+bf16, cpu:x86-64-v4+vnni+bf16+amx;\n"
       "cuda:all, or cuda:sm_80, 86, 89, 90a, 100a, 120a"},
      {"--embed-source", nullptr, "also keeps the source of CUDA kernels, for NVRTC at load on an SM without code"},
      {"--nvrtc", "FILE", "NVRTC's library, for CUDA targets; else libnvrtc.so.13 or .12 where the loader finds it"},
      {"--device-library", "DIR", "takes compiler/Cuda/Device from this folder, for work on CUDA kernels"},
      {"-O0", nullptr, "for debugging: a launch for each op of the ONNX graph, constants folded"},
      {"-O1", nullptr, "a launch for each op, with linear, attention, layer_norm ... recovered"},
      {"-O2", nullptr, "the default: ops fused, padded rows left out where no output reads them"},
      {"-O3", nullptr, "today the same as -O2; kept for what takes longer to compile"},
      {"--compile-from", "PHASE", "read IR as it is after PHASE: import, simplify, compress, fuse, schedule, plan"},
      {"--compile-to", "PHASE", "print the IR after PHASE: import, simplify, compress, fuse, schedule, plan; or emit"},
      {"--locations", nullptr, "print IR with the ONNX nodes that each op comes from"},
      {"--emit", "KIND", "package (default), or exe: one file that runs"},
      {"--require-fused", "OP:N,...", "fail if fewer are recovered: attention:6,layer_norm:13"},
      {"--weights-dir", "DIR", "with --compile-from: where the weights' files are"},
      {"--report", "FILE", "writes a report: .html, .md, .json or text by the name"},
      {"--evaluate", "DIR",
       "measures the package on these samples, for the report and the metadata, beside --against or else the model\n"
       "as it was before (default: --metric=cosine); see lathe evaluate"},
      {"--timings", nullptr,
       "for the report: 100 runs of the package and of the model as it was, in turns, by one thread"},
      {"--save-temps", "DIR", "keeps objects and assembly"},
      {"--threads", "N", "threads of the compiler; 0, the default: all cores. The result is the same"},
      {"--dry-run", nullptr,
       "goes up to plan and prints the summary, with an estimate of the package's size; writes nothing"},
      {"--quiet", nullptr, "neither summary nor progress bar"},
  };
  for (const std::vector<Flag> *more : {&metricFlags(), &compressFlags(), &importFlags()})
    flags.insert(flags.end(), more->begin(), more->end());
  return flags;
}();

static bool readPhase(const Arguments &arguments, const char *flag, Phase &phase, std::string &error) {
  auto name = arguments.value(flag);
  if (!name)
    return true;
  auto parsed = parsePhase(*name);
  if (!parsed) {
    error = std::string(flag) + ": unknown phase '" + *name + "'; one of " +
            llvm::join(llvm::map_range(kPhases, [](const PhaseInfo &info) { return info.name.str(); }), ", ");
    return false;
  }
  phase = *parsed;
  return true;
}

static bool readTargets(const Arguments &arguments, std::vector<std::string> &targets, std::string &error) {
  // In the order in which the runtime tries them.
  llvm::ArrayRef<StringRef> cpus = schedule::getCpuTargets(), cudas = schedule::getCudaTargets();
  std::vector<std::string> all, asked;
  for (llvm::ArrayRef<StringRef> some : {cpus, cudas})
    for (StringRef target : some)
      all.push_back(target.str());
  std::string text = arguments.value("--target").value_or("cpu");
  for (StringRef part : llvm::split(StringRef(text), ',')) {
    StringRef name = part;
    if (part == "cpu") {
      for (StringRef target : cpus)
        asked.push_back(target.str());
    } else if (part == "cuda:all") {
      for (StringRef target : cudas)
        if (target.starts_with("cuda:sm_"))
          asked.push_back(target.str());
    } else if ((name.consume_front("cpu:") && llvm::is_contained(cpus, name)) || llvm::is_contained(cudas, part)) {
      asked.push_back(name.str());
    } else {
      error = "--target: unknown target '" + part.str() + "'; one of cpu, cpu:" + llvm::join(cpus, ", cpu:") +
              ", cuda:all, " + llvm::join(cudas, ", ");
      return false;
    }
  }
  if (arguments.has("--embed-source"))
    asked.push_back("cuda:source");
  for (const std::string &target : all)
    if (llvm::is_contained(asked, target))
      targets.push_back(target);
  return true;
}

/// Prints IR to a file or to stdout.
static int printModule(mlir::ModuleOp module, const Arguments &arguments) {
  std::error_code code;
  llvm::ToolOutputFile file(arguments.value("-o").value_or("-"), code, llvm::sys::fs::OF_Text);
  if (code)
    return fail("can't write '" + *arguments.value("-o") + "': " + code.message());
  mlir::OpPrintingFlags flags;
  flags.elideLargeElementsAttrs(1024);
  if (arguments.has("--locations"))
    flags.enableDebugInfo(true, /*prettyForm=*/false);
  module.print(file.os(), flags);
  file.os() << "\n";
  file.os().flush();
  if (file.os().has_error())
    return fail("can't write '" + arguments.value("-o").value_or("stdout") + "': " + file.os().error().message());
  file.keep();
  return 0;
}

/// What the model is before anything is done to its weights.
static CompileOptions withoutCompression(CompileOptions options) {
  options.recipe.reset();
  options.compressPasses.clear();
  options.precision = "fp32";
  options.saveTemps.clear();
  options.evaluate = nullptr;
  options.progress = [](Phase, double) {};
  return options;
}

/// Makes the options evaluate what is compiled, if that is asked for. False with a message.
static bool readEvaluation(const Arguments &arguments, CompileOptions &options, std::string &error) {
  auto data = arguments.value("--evaluate");
  if (!data) {
    for (const Flag &flag : metricFlags())
      if (arguments.has(flag.name)) {
        error = std::string(flag.name) + " says what is measured; hint: --evaluate=DIR says on what";
        return false;
      }
    return true;
  }
  evaluate::Options measured;
  if (!readMetricFlags(arguments, /*compared=*/true, measured, error))
    return false;
  if (options.to != Phase::Package) {
    error = "--evaluate measures a package, and none is written";
    return false;
  }
  if (options.from >= Phase::Compress && !arguments.has("--against")) {
    error = "what is read is compressed already; hint: --against=MODEL for --evaluate";
    return false;
  }
  if (measured.metrics.empty())
    measured.metrics = {evaluate::Metric::Cosine};
  CompileOptions plain = withoutCompression(options);
  options.evaluate = [=](StringRef path) -> mlir::FailureOr<package::Evaluation> {
    std::string error;
    ModelOptions how;
    Subject subject, other;
    evaluate::Evaluation evaluation;
    bool isAgainst = arguments.has("--against");
    how.threads = plain.threads;
    bool done = loadSubject(path.str(), how, subject, error);
    if (done && !isAgainst) {
      done = compileSubject(plain, /*quiet=*/true, how, other, error);
      subject.signature = other.signature;
    }
    if (!done || !measure(subject, *data, arguments, how, isAgainst ? nullptr : &other, measured, evaluation, error)) {
      if (!error.empty())
        fail("--evaluate: " + error);
      return mlir::failure();
    }
    package::Evaluation result = describe(evaluation);
    auto getName = [](StringRef path) { return llvm::sys::path::filename(path.rtrim('/')).str(); };
    result.data = getName(*data);
    result.against = isAgainst ? getName(*arguments.value("--against")) : "the model as it was";
    return result;
  };
  return true;
}

static int compile(const ModelSource &model, const Arguments &arguments) {
  CompileOptions options;
  options.input = model.path;
  options.inputIsIr = arguments.has("--compile-from");
  std::string error;
  int64_t threads;
  if (!readImportFlags(arguments, options.import, error) || !readCompressFlags(arguments, options, error) ||
      !readTargets(arguments, options.targets, error) || !readPhase(arguments, "--compile-from", options.from, error) ||
      !readPhase(arguments, "--compile-to", options.to, error) ||
      !arguments.integer("--threads", 0, 0, 1024, threads, error))
    return fail(error, kUsage);
  bool dryRun = arguments.has("--dry-run");
  if (dryRun && arguments.has("--compile-to"))
    return fail("--dry-run goes up to plan and prints a summary: it takes no --compile-to", kUsage);
  if (dryRun)
    options.to = Phase::Plan;
  if (options.to < options.from)
    return fail("--" + std::string(dryRun ? "dry-run" : "compile-to") + " ends before --compile-from begins", kUsage);
  options.threads = threads ? threads : llvm::hardware_concurrency().compute_thread_count();
  for (unsigned level = 0; level <= 3; ++level)
    if (arguments.has("-O" + std::to_string(level)))
      options.optimization = level;
  options.requireFused = arguments.value("--require-fused").value_or("");
  options.weightsDirectory = arguments.value("--weights-dir").value_or("");
  options.saveTemps = arguments.value("--save-temps").value_or("");
  options.deviceLibrary = arguments.value("--device-library").value_or("");
  options.nvrtc = arguments.value("--nvrtc").value_or("");

  if (!readEvaluation(arguments, options, error))
    return fail(error, kUsage);

  bool isTimed = arguments.has("--timings");
  if (isTimed && (options.to != Phase::Package || !arguments.has("--report")))
    return fail("--timings are for the report of a package; hint: --report=FILE", kUsage);
  if (isTimed && options.from >= Phase::Compress)
    return fail("--timings: what is read is compressed already, and the model as it was is not there", kUsage);

  std::string kind = arguments.value("--emit").value_or("package"), runner;
  if (kind == "exe") {
    std::string self = executablePath();
    runner = self.substr(0, self.rfind('/') + 1) + "lathe-run";
    if (!llvm::sys::fs::exists(runner))
      return fail("--emit=exe needs lathe-run beside lathe, and '" + runner + "' is not there");
  } else if (kind != "package") {
    return fail("--emit: expected package or exe, got '" + kind + "'", kUsage);
  }
  auto output = arguments.value("-o");
  // The source of one CUDA target can be shown.
  bool showSource = options.to == Phase::Emit && !output && options.targets.size() == 1 &&
                    schedule::isCudaTarget(options.targets.front());
  if (options.to >= Phase::Emit && !output && !showSource)
    return fail("where should the result go? give -o FILE", kUsage);

  mlir::DialectRegistry registry;
  registerDialects(registry);
  mlir::MLIRContext context(registry, mlir::MLIRContext::Threading::DISABLED);
  std::optional<Progress> bar;
  if (!arguments.has("--quiet"))
    bar.emplace("compiling");
  options.progress = [&](Phase phase, double part) {
    int done = int(phase) - int(options.from), count = int(options.to) - int(options.from) + 1;
    std::string step = getName(phase).str() + ", " + std::to_string(done + 1) + " of " + std::to_string(count);
    if (bar)
      bar->update((done + part) / count, step);
  };
  DiagnosticPrinter printer(context, [&] {
    if (bar)
      bar->hide();
  });
  auto module = compileToModule(context, options);
  if (failed(module))
    return kFailed;
  if (dryRun) {
    bar.reset();
    package::Summary summary = package::summarize(module->get());
    package::estimatePackage(summary, getUsedTargets(module->get(), options.targets).size());
    print(summary, llvm::outs());
    return 0;
  }
  if (options.to < Phase::Emit) {
    bar.reset();
    return printModule(module->get(), arguments);
  }
  if (showSource) {
    bar.reset();
    auto source = writeCudaSource(module->get(), options);
    if (failed(source))
      return kFailed;
    llvm::outs() << *source;
    return 0;
  }
  if (options.to == Phase::Emit)
    return failed(writeObjects(module->get(), options, *output)) ? kFailed : 0;
  auto summary = writePackageFile(module->get(), options, *output, runner);
  if (failed(summary))
    return kFailed;
  Timings timings;
  if (isTimed && !timePackages(withoutCompression(options), *output, module->get(), timings, error))
    return error.empty() ? kFailed : fail("--timings: " + error);
  if (auto report = arguments.value("--report"))
    if (failed(writeReport(module->get(), *summary, model.path, *report, isTimed ? &timings : nullptr)))
      return kFailed;
  bar.reset();
  if (!arguments.has("--quiet"))
    print(*summary, llvm::outs());
  return 0;
}

const Command tool::compileCommand = {"compile",
                                      "-o FILE",
                                      "compiles an ONNX model to one file that runs",
                                      "Phases: import, simplify, compress, fuse, schedule, plan, emit, package.\n"
                                      "--compile-to=emit writes the code of each target to FILE.TARGET.so or .cubin;\n"
                                      "without -o it prints the source of one CUDA target.\n"
                                      "No -O level changes results beyond float rounding; --precision does.\n"
                                      "The same inputs and flags give the same bytes.",
                                      0,
                                      kFlags,
                                      compile};
