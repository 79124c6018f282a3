// Makes models ready, and measures them.
#include "tools/lathe/Measure.h"
#include "compiler/Data/Signature.h"
#include "mlir/IR/MLIRContext.h"
#include "runtime/Package/Format.h"
#include "tools/lathe-run/Npy.h"
#include "tools/lathe-run/Progress.h"
#include "tools/lathe-run/ShapeSpec.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"

using namespace lathe;
using namespace lathe::tool;
using llvm::StringRef;

const std::vector<Flag> &tool::metricFlags() {
  static const std::vector<Flag> flags = {
      {"--metric", "LIST", "accuracy, perplexity, cosine, kl, top1-agreement; several with commas between"},
      {"--against", "OTHER", "a package, an ONNX model or an .npy file with outputs of the same samples"},
      {"--output", "NAME", "the output that is measured (default: the first one)"},
      {"--tokens", "NAME", "the input that perplexity is of (default: input_ids, or the first [batch, s])"},
      {"--head-weight", "FILE", "an .npy [classes, width]: all metrics but cosine are of the output times this"},
      {"--head-bias", "FILE", "an .npy [classes] to add"},
      {"--samples", "N", "only the first N (default 0: all)"},
      {"--batch", "N", "samples at a time (default 32); they are sorted by length, and padding is trimmed"},
      {"--metric-command", "COMMAND",
       "runs a shell command, with the folder of the output's .npy file for {predictions} and\n"
       "that of the samples for {data}; the last line that it prints is the figure"},
  };
  return flags;
}

bool tool::loadSubject(const std::string &package, const ModelOptions &options, Subject &subject, std::string &error) {
  if (!subject.model.load({package, std::nullopt}, options, error) || !subject.model.createContext(options, error))
    return false;
  auto described = evaluate::describeInputs(subject.model);
  if (!described) {
    error = llvm::toString(described.takeError());
    return false;
  }
  subject.signature = std::move(*described);
  return true;
}

/// Compiles a model to a package at `package`, and describes its inputs as they are after simplify, which knows more of
/// masks than a package. Failures are diagnostics.
static mlir::LogicalResult compileTo(CompileOptions options, bool quiet, StringRef package,
                                     data::Signature &signature) {
  mlir::DialectRegistry registry;
  registerDialects(registry);
  mlir::MLIRContext context(registry, mlir::MLIRContext::Threading::DISABLED);
  std::optional<Progress> bar;
  if (!quiet)
    bar.emplace("compiling");
  options.progress = [&](Phase phase, double part) {
    if (bar)
      bar->update((int(phase) + part) / (int(Phase::Package) + 1), getName(phase).str());
  };
  DiagnosticPrinter printer(context, [&] {
    if (bar)
      bar->hide();
  });
  options.to = Phase::Simplify;
  auto simplified = compileToModule(context, options);
  if (failed(simplified))
    return mlir::failure();
  auto described = data::describeInputs(simplified->get());
  if (failed(described))
    return mlir::failure();
  signature = std::move(*described);
  options.to = Phase::Package;
  auto module = compileToModule(context, options);
  return mlir::success(succeeded(module) && succeeded(writePackageFile(module->get(), options, package, "")));
}

bool tool::compileSubject(CompileOptions compile, bool quiet, const ModelOptions &options, Subject &subject,
                          std::string &error) {
  llvm::SmallString<128> path;
  if (std::error_code code = llvm::sys::fs::createTemporaryFile("lathe-evaluate", "lathe", path)) {
    error = "can't create a temporary file: " + code.message();
    return false;
  }
  llvm::FileRemover remover(path); // once it is mapped its name may go
  compile.targets = {getHostCpuTarget()};
  data::Signature signature;
  if (failed(compileTo(std::move(compile), quiet, path, signature)) ||
      !loadSubject(path.str().str(), options, subject, error))
    return false;
  subject.signature = std::move(signature);
  return true;
}

static bool isPackage(const std::string &path) {
  auto buffer = llvm::MemoryBuffer::getFileSlice(path, sizeof(package::kMagic), 0);
  return buffer && (*buffer)->getBuffer() == StringRef(package::kMagic, sizeof(package::kMagic));
}

bool tool::prepareSubject(const std::string &path, const Arguments &arguments, bool asItIs, const ModelOptions &options,
                          Subject &subject, std::string &error) {
  if (isPackage(path) || !StringRef(path).ends_with(".onnx"))
    return loadSubject(path, options, subject, error);
  CompileOptions compile;
  compile.input = path;
  compile.threads = llvm::hardware_concurrency().compute_thread_count();
  return readImportFlags(arguments, compile.import, error) &&
         (asItIs || readCompressFlags(arguments, compile, error)) &&
         compileSubject(std::move(compile), arguments.has("--quiet"), options, subject, error);
}

static bool readMetrics(const Arguments &arguments, bool compared, std::vector<evaluate::Metric> &metrics,
                        std::string &error) {
  std::vector<std::string> known;
  for (evaluate::Metric metric : evaluate::allMetrics())
    known.push_back(evaluate::getName(metric).str());
  auto text = arguments.value("--metric");
  if (!text)
    return true;
  for (StringRef name : llvm::split(StringRef(*text), ',')) {
    auto metric = evaluate::parseMetric(name);
    if (!metric) {
      auto meant = nearest(name.str(), known);
      error = "--metric: unknown metric '" + name.str() + "'" +
              (meant ? "; did you mean '" + *meant + "'?" : "; one of " + llvm::join(known, ", "));
      return false;
    }
    if (!compared && *metric != evaluate::Metric::Accuracy && *metric != evaluate::Metric::Perplexity) {
      error = "--metric=" + name.str() + " compares: it needs --against";
      return false;
    }
    if (!llvm::is_contained(metrics, *metric))
      metrics.push_back(*metric);
  }
  return true;
}

static std::string quote(StringRef text) {
  std::string quoted = "'";
  for (char c : text)
    quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

/// Runs the user's command; the number in the last line of what it prints.
static std::optional<double> runMetricCommand(std::string command, const std::string &predictions,
                                              const std::string &data, const std::string &folder, std::string &error) {
  for (auto &[key, path] : {std::pair<StringRef, StringRef>("{predictions}", predictions), {"{data}", data}}) {
    std::string quoted = quote(path);
    for (size_t at = command.find(key); at != std::string::npos; at = command.find(key, at + quoted.size()))
      command.replace(at, key.size(), quoted);
  }
  std::string printed = folder + "/stdout.txt";
  std::optional<StringRef> redirects[] = {std::nullopt, StringRef(printed), std::nullopt};
  std::string message;
  std::fflush(stdout);
  int code = llvm::sys::ExecuteAndWait("/bin/sh", {"/bin/sh", "-c", command}, std::nullopt, redirects, 0, 0, &message);
  if (code != 0) {
    error =
        "the metric command failed" + (message.empty() ? " with exit code " + std::to_string(code) : ": " + message);
    return std::nullopt;
  }
  std::vector<uint8_t> bytes;
  if (!readFile(printed, bytes, error, 1 << 24))
    return std::nullopt;
  StringRef text = StringRef(reinterpret_cast<const char *>(bytes.data()), bytes.size()).rtrim();
  StringRef last = text.substr(text.rfind('\n') + 1).trim();
  auto number = parseNumber(std::string_view(last.data(), last.size()));
  if (!number)
    error = "the last line that the metric command prints should be a number, got '" + last.substr(0, 80).str() + "'";
  return number;
}

bool tool::readMetricFlags(const Arguments &arguments, bool compared, evaluate::Options &options, std::string &error) {
  int64_t samples, batch;
  if (!arguments.integer("--samples", 0, 0, INT64_MAX, samples, error) ||
      !arguments.integer("--batch", 32, 1, INT64_MAX, batch, error) ||
      !readMetrics(arguments, compared, options.metrics, error))
    return false;
  if (arguments.has("--head-bias") && !arguments.has("--head-weight")) {
    error = "--head-bias needs --head-weight";
    return false;
  }
  options.samples = uint64_t(samples);
  options.batch = uint64_t(batch);
  options.output = arguments.value("--output").value_or("");
  options.tokens = arguments.value("--tokens").value_or("");
  return true;
}

bool tool::measure(Subject &subject, const std::string &data, const Arguments &arguments,
                   const ModelOptions &modelOptions, Subject *otherSubject, evaluate::Options options,
                   evaluate::Evaluation &evaluation, std::string &error) {
  auto against = arguments.value("--against"), command = arguments.value("--metric-command");
  if (auto weight = arguments.value("--head-weight")) {
    auto head = evaluate::readHead(*weight, arguments.value("--head-bias").value_or(""));
    if (!head) {
      error = llvm::toString(head.takeError());
      return false;
    }
    options.head = std::move(*head);
  }
  Subject read;
  Tensor array;
  evaluate::Other other;
  if (against && StringRef(*against).ends_with(".npy")) {
    if (!readNpy(*against, array, error))
      return false;
    other.array = &array;
  } else if (against) {
    if (!prepareSubject(*against, arguments, /*asItIs=*/true, modelOptions, read, error))
      return false;
    other.model = &read.model;
  } else if (otherSubject) {
    other.model = &otherSubject->model;
  }
  llvm::SmallString<128> folder;
  llvm::scope_exit removeFolder([&] {
    if (!folder.empty())
      llvm::sys::fs::remove_directories(folder);
  });
  if (command) {
    std::error_code code = llvm::sys::fs::createUniqueDirectory("lathe-predictions", folder);
    options.predictions = (folder + "/predictions").str();
    if (!code)
      code = llvm::sys::fs::create_directory(options.predictions);
    if (code) {
      error = "can't create a temporary folder: " + code.message();
      return false;
    }
    options.predictions += "/output.npy";
  }
  std::optional<Progress> bar;
  if (!arguments.has("--quiet"))
    bar.emplace("evaluating");
  options.progress = [&](double done) {
    if (bar)
      bar->update(done);
  };
  auto evaluated = evaluate::evaluate(subject.model, subject.signature, data, other, options);
  bar.reset();
  if (!evaluated) {
    error = llvm::toString(evaluated.takeError());
    return false;
  }
  evaluation = std::move(*evaluated);
  if (command) {
    auto value = runMetricCommand(*command, llvm::sys::path::parent_path(options.predictions).str(), data,
                                  folder.str().str(), error);
    if (!value)
      return false;
    evaluation.figures.push_back({"command", "", {*value, *value, *value}, /*hasInterval=*/false});
  }
  return true;
}

package::Evaluation tool::describe(const evaluate::Evaluation &evaluation) {
  package::Evaluation result;
  result.samples = evaluation.rows;
  for (const evaluate::Figure &figure : evaluation.figures) {
    const evaluate::Estimate &estimate = figure.estimate;
    result.figures.push_back({figure.name, figure.unit, estimate.value, std::nullopt, std::nullopt});
    if (figure.hasInterval) {
      result.figures.back().low = estimate.low;
      result.figures.back().high = estimate.high;
    }
  }
  return result;
}
