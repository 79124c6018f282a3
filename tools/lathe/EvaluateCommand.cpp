// lathe evaluate: what a model is worth on a data set, alone and beside another.
#include "compiler/Data/Signature.h"
#include "compiler/Evaluate/Evaluate.h"
#include "mlir/IR/MLIRContext.h"
#include "runtime/Package/Format.h"
#include "tools/lathe-run/Json.h"
#include "tools/lathe-run/Npy.h"
#include "tools/lathe-run/Progress.h"
#include "tools/lathe-run/ShapeSpec.h"
#include "tools/lathe-run/Table.h"
#include "tools/lathe/Commands.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"
#include <cmath>

using namespace lathe;
using namespace lathe::tool;
using evaluate::Figure;
using llvm::StringRef;

static const std::vector<Flag> kFlags = [] {
  std::vector<Flag> flags = {
      {"--data", "DIR", "the samples: NAME.npy for each input and labels.npy, an .npz, or ONNX test data sets"},
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
      {"--json", "FILE", "writes the figures as JSON"},
      {"--quiet", nullptr, "no progress bar"},
  };
  std::vector<Flag> more = ModelOptions::runFlags();
  for (const std::vector<Flag> *list : {&compressFlags(), &importFlags()})
    more.insert(more.end(), list->begin(), list->end());
  for (const Flag &flag : more)
    if (llvm::none_of(flags, [&](const Flag &known) { return StringRef(known.name) == flag.name; }))
      flags.push_back(flag);
  return flags;
}();

namespace {
/// A model that is ready to run, and what it says of its inputs.
struct Subject {
  Model model;
  data::Signature signature;
};
} // namespace

/// Compiles an ONNX model to a package at `package`, and describes its inputs. Failures are diagnostics.
static mlir::LogicalResult compileOnnx(const std::string &path, const Arguments &arguments, bool quiet,
                                       StringRef package, data::Signature &signature, std::string &error) {
  CompileOptions options;
  options.input = path;
  if (!readImportFlags(arguments, options.import, error) || !readCompressFlags(arguments, options, error))
    return mlir::failure();
  options.targets = {getHostCpuTarget()};
  options.threads = llvm::hardware_concurrency().compute_thread_count();
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

static bool isPackage(const std::string &path) {
  auto buffer = llvm::MemoryBuffer::getFileSlice(path, sizeof(package::kMagic), 0);
  return buffer && (*buffer)->getBuffer() == StringRef(package::kMagic, sizeof(package::kMagic));
}

/// Loads a package, or compiles an ONNX model first. False with a message, or after a diagnostic with none.
static bool prepare(const std::string &path, const Arguments &arguments, const ModelOptions &options, Subject &subject,
                    std::string &error) {
  std::string package = path;
  llvm::FileRemover remover;
  if (!isPackage(path) && StringRef(path).ends_with(".onnx")) {
    llvm::SmallString<128> temporary;
    if (std::error_code code = llvm::sys::fs::createTemporaryFile("lathe-evaluate", "lathe", temporary)) {
      error = "can't create a temporary file: " + code.message();
      return false;
    }
    remover.setFile(temporary); // once it is mapped its name may go
    package = temporary.str();
    if (failed(compileOnnx(path, arguments, arguments.has("--quiet"), package, subject.signature, error)))
      return false;
  }
  if (!subject.model.load({package, std::nullopt}, options, error) || !subject.model.createContext(options, error))
    return false;
  if (package == path) {
    auto described = evaluate::describeInputs(subject.model);
    if (!described) {
      error = llvm::toString(described.takeError());
      return false;
    }
    subject.signature = std::move(*described);
  }
  return true;
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

/// "67.92 %", "-0.08 points", "0.9977".
static std::string getText(double value, const std::string &unit) {
  if (!std::isfinite(value))
    return "-";
  char text[64];
  if (unit == "share" || unit == "difference")
    std::snprintf(text, sizeof text, unit == "share" ? "%.2f %%" : "%+.2f points", value * 100);
  else if (unit == "count")
    std::snprintf(text, sizeof text, "%.0f", value);
  else
    return numberText(value, unit == "" ? 6 : 4) + (unit == "nats" ? " nats" : "");
  return text;
}

static void printFigures(const evaluate::Evaluation &evaluation) {
  std::vector<std::vector<std::string>> rows = {{"figure", ">value", ">95 % interval"}};
  for (const Figure &figure : evaluation.figures) {
    const evaluate::Estimate &estimate = figure.estimate;
    bool hasInterval = figure.hasInterval && std::isfinite(estimate.low) && std::isfinite(estimate.high);
    rows.push_back(
        {figure.name, getText(estimate.value, figure.unit),
         hasInterval ? getText(estimate.low, figure.unit) + " to " + getText(estimate.high, figure.unit) : ""});
  }
  printTable(rows);
  std::printf("%llu samples\n", static_cast<unsigned long long>(evaluation.rows));
}

static bool writeJson(const evaluate::Evaluation &evaluation, const std::string &model, const Arguments &arguments,
                      const std::string &path, std::string &error) {
  JsonWriter json;
  json.beginObject().field("model", std::string_view(model));
  for (const char *flag : {"--data", "--against", "--output"})
    if (auto value = arguments.value(flag))
      json.field(flag + 2, std::string_view(*value));
  json.field("samples", evaluation.rows).key("figures").beginObject();
  for (const Figure &figure : evaluation.figures) {
    json.key(figure.name).beginObject().field("value", figure.estimate.value);
    if (figure.hasInterval)
      json.field("low", figure.estimate.low).field("high", figure.estimate.high);
    json.field("unit", std::string_view(figure.unit)).endObject();
  }
  json.endObject().endObject();
  std::string text = json.take();
  return writeFile(path, text.data(), text.size(), error);
}

static int evaluateModel(const ModelSource &source, const Arguments &arguments) {
  std::string error;
  ModelOptions modelOptions;
  evaluate::Options options;
  int64_t samples, batch;
  auto against = arguments.value("--against"), data = arguments.value("--data"),
       command = arguments.value("--metric-command");
  if (!modelOptions.parse(arguments, error) || !arguments.integer("--samples", 0, 0, INT64_MAX, samples, error) ||
      !arguments.integer("--batch", 32, 1, INT64_MAX, batch, error) ||
      !readMetrics(arguments, against.has_value(), options.metrics, error))
    return fail(error, kUsage);
  if (!data)
    return fail("on which samples? give --data=DIR", kUsage);
  if (options.metrics.empty() && !command)
    return fail("which figure? give --metric or --metric-command", kUsage);
  if (arguments.has("--head-bias") && !arguments.has("--head-weight"))
    return fail("--head-bias needs --head-weight", kUsage);
  options.samples = uint64_t(samples);
  options.batch = uint64_t(batch);
  options.output = arguments.value("--output").value_or("");
  options.tokens = arguments.value("--tokens").value_or("");
  if (auto weight = arguments.value("--head-weight")) {
    auto head = evaluate::readHead(*weight, arguments.value("--head-bias").value_or(""));
    if (!head)
      return fail(llvm::toString(head.takeError()));
    options.head = std::move(*head);
  }

  Subject subject, otherSubject;
  Tensor array;
  evaluate::Other other;
  if (!prepare(source.path, arguments, modelOptions, subject, error))
    return error.empty() ? kFailed : fail(error);
  if (against && StringRef(*against).ends_with(".npy")) {
    if (!readNpy(*against, array, error))
      return fail(error);
    other.array = &array;
  } else if (against) {
    if (!prepare(*against, arguments, modelOptions, otherSubject, error))
      return error.empty() ? kFailed : fail(error);
    other.model = &otherSubject.model;
  }

  llvm::SmallString<128> folder;
  llvm::scope_exit removeFolder([&] {
    if (!folder.empty())
      llvm::sys::fs::remove_directories(folder);
  });
  if (command) {
    if (std::error_code code = llvm::sys::fs::createUniqueDirectory("lathe-predictions", folder))
      return fail("can't create a temporary folder: " + code.message());
    options.predictions = (folder + "/predictions").str();
    if (std::error_code code = llvm::sys::fs::create_directory(options.predictions))
      return fail("can't create a temporary folder: " + code.message());
    options.predictions += "/output.npy";
  }
  std::optional<Progress> bar;
  if (!arguments.has("--quiet"))
    bar.emplace("evaluating");
  options.progress = [&](double done) {
    if (bar)
      bar->update(done);
  };
  auto evaluation = evaluate::evaluate(subject.model, subject.signature, *data, other, options);
  bar.reset();
  if (!evaluation)
    return fail(llvm::toString(evaluation.takeError()));
  if (command) {
    auto value = runMetricCommand(*command, llvm::sys::path::parent_path(options.predictions).str(), *data,
                                  folder.str().str(), error);
    if (!value)
      return fail(error);
    evaluation->figures.push_back({"command", "", {*value, *value, *value}, /*hasInterval=*/false});
  }
  if (auto path = arguments.value("--json"))
    if (!writeJson(*evaluation, source.path, arguments, *path, error))
      return fail(error);
  printFigures(*evaluation);
  return 0;
}

const Command tool::evaluateCommand = {
    "evaluate",
    "--data=DIR --metric=LIST",
    "measures the accuracy of a package or an ONNX model on a data set, also beside another",
    "An ONNX model is compiled for this machine first, with the flags of compile. Shares have Wilson's interval; the\n"
    "difference of two accuracies is paired, with Agresti and Min's interval and McNemar's exact test; other figures\n"
    "have the normal one over samples. flips: samples whose label differs from the other's. kl: of the other's\n"
    "distribution to the model's. Positions that a mask (an integer input [batch, s] with 'mask' in its name) has 0 "
    "for\n"
    "don't count. A folder needn't have files for masks, token types, positions and an empty cache.",
    0,
    kFlags,
    evaluateModel};
