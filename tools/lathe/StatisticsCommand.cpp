// lathe statistics: what calibration data look like at the inputs of a model's linears, as a file.
#include "compiler/Data/Signature.h"
#include "compiler/Driver/CollectStatistics.h"
#include "mlir/IR/MLIRContext.h"
#include "tools/lathe-run/Progress.h"
#include "tools/lathe/Commands.h"
#include "llvm/Support/Threading.h"

using namespace lathe;
using namespace lathe::tool;

static const std::vector<Flag> kFlags = [] {
  std::vector<Flag> flags = {
      {"-o", "FILE", "where the statistics go"},
      {"--calibration", "DIR",
       "the data set: a folder with NAME.npy for each input, samples along axis 0, or an .npz, or test_data_set_N"},
      {"--calibration-samples", "N", "only its first N samples (default: 1024)"},
      {"--compile-from", "PHASE", "reads MLIR instead of ONNX: the result of import or simplify"},
      {"--weights-dir", "DIR", "with --compile-from: where the weights' files are"},
      {"--threads", "N", "0, the default: all cores. The result is the same"},
      {"--quiet", nullptr, "neither summary nor progress bar"},
  };
  flags.insert(flags.end(), importFlags().begin(), importFlags().end());
  return flags;
}();

static int takeStatistics(const ModelSource &model, const Arguments &arguments) {
  CompileOptions options;
  std::string error;
  int64_t threads, samples;
  if (!readImportFlags(arguments, options.import, error) ||
      !arguments.integer("--threads", 0, 0, 1024, threads, error) ||
      !arguments.integer("--calibration-samples", 1024, 1, INT64_MAX, samples, error))
    return fail(error, kUsage);
  auto output = arguments.value("-o"), calibration = arguments.value("--calibration");
  if (!output || !calibration)
    return fail("usage: lathe statistics MODEL --calibration=DIR -o FILE", kUsage);
  options.input = model.path;
  options.inputIsIr = arguments.has("--compile-from");
  auto from = parsePhase(arguments.value("--compile-from").value_or("import"));
  if (!from || *from > Phase::Simplify)
    return fail("--compile-from: expected import or simplify, got '" + *arguments.value("--compile-from") + "'",
                kUsage);
  options.from = *from;
  options.to = Phase::Simplify;
  options.weightsDirectory = arguments.value("--weights-dir").value_or("");
  options.threads = threads ? threads : llvm::hardware_concurrency().compute_thread_count();
  mlir::DialectRegistry registry;
  registerDialects(registry);
  mlir::MLIRContext context(registry, mlir::MLIRContext::Threading::DISABLED);
  std::optional<Progress> bar;
  if (!arguments.has("--quiet"))
    bar.emplace("statistics");
  DiagnosticPrinter printer(context, [&] {
    if (bar)
      bar->hide();
  });
  auto module = compileToModule(context, options);
  if (failed(module))
    return kFailed;
  auto signature = data::describeInputs(module->get());
  if (failed(signature))
    return kFailed;
  data::ImpliedInputs implied(*signature, *calibration);
  data::OpenOptions open;
  open.maxRows = samples;
  auto set = data::DataSet::open(*calibration, implied.given(), open);
  if (!set)
    return fail("calibration: " + llvm::toString(set.takeError()));
  auto taken = collectStatistics(module->get(), *set, implied, options, [&](double part) {
    if (bar)
      bar->update(part, "running " + std::to_string(set->rows()) + " samples");
  });
  if (failed(taken))
    return kFailed;
  if (llvm::Error failed = statistics::writeStatistics(*taken, *output))
    return fail(llvm::toString(std::move(failed)));
  bar.reset();
  if (!arguments.has("--quiet")) {
    size_t weights = 0;
    uint64_t tokens = 0;
    for (const statistics::Entry &entry : taken->entries) {
      weights += entry.weights.size();
      tokens = std::max(tokens, entry.tokens);
    }
    std::printf("%llu samples, %llu tokens: %zu inputs of %zu weights, on %s\n",
                static_cast<unsigned long long>(taken->rows), static_cast<unsigned long long>(tokens),
                taken->entries.size(), weights, taken->target.c_str());
  }
  return 0;
}

const Command tool::statisticsCommand = {
    "statistics",
    "--calibration=DIR -o FILE",
    "runs an ONNX model over calibration data and keeps what compression needs",
    "For each distinct input of a linear: the second moments, the greatest and the mean magnitude of each channel, a\n"
    "histogram. Padded tokens are left out. `lathe compile --statistics=FILE` reads the file, on any machine.",
    0,
    kFlags,
    takeStatistics};
