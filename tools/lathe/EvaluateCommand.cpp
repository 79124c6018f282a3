// lathe evaluate: what a model is worth on a data set, alone and beside another.
#include "tools/lathe-run/Json.h"
#include "tools/lathe-run/Table.h"
#include "tools/lathe/Measure.h"
#include "llvm/ADT/STLExtras.h"

using namespace lathe;
using namespace lathe::tool;
using evaluate::Figure;
using llvm::StringRef;

static const std::vector<Flag> kFlags = [] {
  std::vector<Flag> flags = {
      {"--data", "DIR", "the samples: NAME.npy for each input and labels.npy, an .npz, or ONNX test data sets"},
      {"--json", "FILE", "writes the figures as JSON"},
      {"--quiet", nullptr, "no progress bar"},
  };
  flags.insert(flags.begin() + 1, metricFlags().begin(), metricFlags().end());
  std::vector<Flag> more = ModelOptions::runFlags();
  for (const std::vector<Flag> *list : {&compressFlags(), &importFlags()})
    more.insert(more.end(), list->begin(), list->end());
  for (const Flag &flag : more)
    if (llvm::none_of(flags, [&](const Flag &known) { return StringRef(known.name) == flag.name; }))
      flags.push_back(flag);
  return flags;
}();

static void printFigures(const package::Evaluation &evaluation) {
  std::vector<std::vector<std::string>> rows = {{"figure", ">value", ">95 % interval"}};
  for (const package::Evaluation::Figure &figure : evaluation.figures)
    rows.push_back({figure.name, getText(figure), getInterval(figure)});
  printTable(rows);
  std::printf("%llu samples\n", static_cast<unsigned long long>(evaluation.samples));
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
  auto data = arguments.value("--data");
  if (!modelOptions.parse(arguments, error) || !readMetricFlags(arguments, arguments.has("--against"), options, error))
    return fail(error, kUsage);
  if (!data)
    return fail("on which samples? give --data=DIR", kUsage);
  if (options.metrics.empty() && !arguments.has("--metric-command"))
    return fail("which figure? give --metric or --metric-command", kUsage);
  Subject subject;
  evaluate::Evaluation evaluation;
  if (!prepareSubject(source.path, arguments, /*asItIs=*/false, modelOptions, subject, error) ||
      !measure(subject, *data, arguments, modelOptions, nullptr, options, evaluation, error))
    return error.empty() ? kFailed : fail(error);
  if (auto path = arguments.value("--json"))
    if (!writeJson(evaluation, source.path, arguments, *path, error))
      return fail(error);
  printFigures(describe(evaluation));
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
