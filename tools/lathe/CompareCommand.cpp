// lathe compare: an ONNX model on the reference executor beside packages made of it, on the same inputs.
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/MLIRContext.h"
#include "tools/lathe-run/ComparisonTable.h"
#include "tools/lathe-run/Inputs.h"
#include "tools/lathe-run/Progress.h"
#include "tools/lathe-run/TestData.h"
#include "tools/lathe/Commands.h"
#include "tools/lathe/ReferenceTensor.h"

using namespace lathe;
using namespace lathe::tool;
using llvm::StringRef;

/// Those of import that don't contradict the inputs' --shapes.
static std::vector<Flag> getModelFlags() {
  std::vector<Flag> flags = importFlags();
  llvm::erase_if(flags, [](const Flag &flag) { return StringRef(flag.name).ends_with("shapes"); });
  return flags;
}

static const std::vector<Flag> kFlags = [] {
  std::vector<Flag> flags = {{"--data", "DIR", "inputs from an ONNX test data set, instead of made up ones"}};
  for (const auto &more : {InputOptions::flags(), ComparisonTable::flags(), ModelOptions::runFlags(), getModelFlags()})
    flags.insert(flags.end(), more.begin(), more.end());
  return flags;
}();

static std::string getName(mlir::DictionaryAttr attributes) {
  auto name = attributes ? attributes.getAs<mlir::StringAttr>("tfm.name") : nullptr;
  return name ? name.str() : "";
}

/// Executes the model as imported, so that nothing but the importer stands between it and ONNX. Inputs are found by
/// name; results are named. False with a message, or after a diagnostic with none.
static bool runReference(mlir::ModuleOp module, const std::vector<Tensor> &inputs, std::vector<Tensor> &outputs,
                         std::string &error) {
  auto main = module.lookupSymbol<mlir::func::FuncOp>("main");
  llvm::SmallVector<reference::Tensor> arguments;
  for (unsigned i = 0; i < main.getNumArguments(); ++i) {
    std::string name = getName(main.getArgAttrDict(i));
    auto input = llvm::find_if(inputs, [&](const Tensor &tensor) { return tensor.name == name; });
    if (input == inputs.end()) {
      error = "the package has no input '" + name + "': was it made of this model?";
      return false;
    }
    arguments.push_back(toReference(module.getContext(), *input));
  }
  Progress bar("reference");
  size_t done = 0, count = std::distance(main.getBody().front().begin(), main.getBody().front().end());
  reference::Options options;
  options.observer = [&](mlir::Operation *op, llvm::ArrayRef<reference::Tensor>) {
    bar.update(double(++done) / double(count), op->getName().getStringRef().str());
  };
  auto results = reference::run(main, arguments, options);
  if (failed(results))
    return false;
  for (auto [index, result] : llvm::enumerate(*results)) {
    outputs.push_back(fromReference(result));
    outputs.back().name = getName(main.getResultAttrDict(index));
  }
  return true;
}

/// Runs a package on those of the inputs that it has, and adds its outputs to the table.
static bool comparePackage(Model &model, const std::string &path, const std::vector<Tensor> &inputs,
                           const std::vector<Tensor> &expected, ComparisonTable &table, std::string &error) {
  std::vector<Tensor> own;
  for (const Value &value : model.inputs()) {
    auto input = llvm::find_if(inputs, [&](const Tensor &tensor) { return tensor.name == value.name; });
    if (input == inputs.end()) {
      error = "it has an input '" + value.name + "' that the others don't have";
      return false;
    }
    own.push_back(*input);
  }
  if (!model.setInputs(own, error) || !model.run(error))
    return false;
  for (const Tensor &output : expected) {
    auto value = llvm::find_if(model.outputs(), [&](const Value &v) { return v.name == output.name; });
    Tensor got;
    if (value == model.outputs().end()) {
      error = "it has no output '" + output.name + "'";
      return false;
    }
    if (!model.output(uint32_t(value - model.outputs().begin()), got, error))
      return false;
    table.add(path, output.name, got, output);
  }
  return true;
}

static int compareModels(const ModelSource &onnx, const Arguments &arguments) {
  std::string error;
  ImportOptions importOptions;
  ModelOptions modelOptions;
  InputOptions inputOptions;
  ComparisonTable table("package");
  if (!readImportFlags(arguments, importOptions, error) || !modelOptions.parse(arguments, error) ||
      !inputOptions.parse(arguments, error) || !table.parse(arguments, error))
    return fail(error, kUsage);
  const std::vector<std::string> &paths = arguments.positional;
  if (paths.empty())
    return fail("which package? usage: lathe compare MODEL PACKAGE...", kUsage);
  auto data = arguments.value("--data");
  for (const char *flag : {"--input", "--shapes", "--fill", "--seed"})
    if (data && arguments.has(flag))
      return fail(std::string("--data gives all inputs: it takes no ") + flag, kUsage);

  std::vector<Model> packages(paths.size());
  for (auto [path, package] : llvm::zip(paths, packages))
    if (!package.load({path, std::nullopt}, modelOptions, error) || !package.createContext(modelOptions, error))
      return fail(error);
  TestDataSet set;
  if (data ? !readTestData(*data, packages[0], /*compared=*/false, set, error)
           : !makeInputs(packages[0], inputOptions, /*mayFill=*/true, set.inputs, error))
    return fail(error);
  for (auto [input, value] : llvm::zip(set.inputs, packages[0].inputs()))
    if (!convertLossless(input, value.type, error))
      return fail("input '" + value.name + "': " + error);

  mlir::DialectRegistry registry;
  registerDialects(registry);
  mlir::MLIRContext context(registry, mlir::MLIRContext::Threading::DISABLED);
  DiagnosticPrinter printer(context);
  auto module = importOnnx(context, onnx.path, importOptions);
  if (failed(module))
    return kFailed;
  std::vector<Tensor> expected;
  if (!runReference(module->get(), set.inputs, expected, error))
    return error.empty() ? kFailed : fail(error);
  for (auto [path, package] : llvm::zip(paths, packages))
    if (!comparePackage(package, path, set.inputs, expected, table, error))
      return fail("'" + path + "': " + error);
  return table.finish();
}

const Command tool::compareCommand = {
    "compare",
    "PACKAGE...",
    "runs an ONNX model by the reference executor, and packages made of it, on the same inputs",
    "The reference computes each ONNX op in double precision, slowly. Inputs are made up as `bench` makes them, from "
    "the\n"
    "first package's inputs, unless --data or --input gives them. An element matches when\n"
    "|got - expected| <= atol + rtol * |expected|. Exit code 1 where an output does not match.",
    SIZE_MAX,
    kFlags,
    compareModels};
