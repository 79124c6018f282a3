// lathe-test-models: runs ONNX models in ONNX's test layout (model.onnx, test_data_set_N/{input,output}_K.pb) and
// compares with the stored outputs. One line per model: PASS, UNSUPPORTED and what, or FAIL and why.
#include "compiler/Onnx/Import.h"
#include "dialects/Kernel/Kernel.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Verifier.h"
#include "passes/Passes.h"
#include "passes/Simplify/Pipeline.h"
#include "test/conformance/Device.h"
#include "tools/lathe-run/Compare.h"
#include "tools/lathe-run/TensorProto.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/LineIterator.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include <set>

using namespace mlir;
using namespace lathe;
using namespace lathe::conformance;
namespace cl = llvm::cl;
namespace path = llvm::sys::path;

static cl::OptionCategory category("lathe-test-models");
static cl::list<std::string> roots(cl::Positional, cl::OneOrMore, cl::desc("FOLDER..."), cl::cat(category));
static cl::opt<std::string> deviceName("device", cl::init("reference"), cl::desc("reference or cpu:ISA"),
                                       cl::cat(category));
static cl::opt<bool> simplify("simplify", cl::desc("run the simplify phase first"), cl::cat(category));
static cl::opt<std::string> expectFile("expect", cl::desc("file with the names of models that must pass"),
                                       cl::cat(category));
static cl::opt<std::string> outsideFile("outside", cl::desc("file with names of ops: counts models without them apart"),
                                        cl::cat(category));
static cl::opt<unsigned> atLeast("at-least", cl::desc("exit with 1 if fewer of those models pass"), cl::cat(category));
static cl::opt<std::string> filter("filter", cl::desc("only models whose name contains this"), cl::cat(category));
static cl::opt<std::string> exclude("exclude", cl::desc("no model whose name contains one of these, by commas"),
                                    cl::cat(category));
static cl::opt<bool> quiet("quiet", cl::desc("no line for a model that does what is expected"), cl::cat(category));
static cl::opt<bool> failOnFail("no-fail", cl::desc("exit with 1 if any model fails"), cl::cat(category));
static cl::opt<unsigned> jobs("jobs", cl::init(2), cl::desc("models at a time"), cl::cat(category));
static cl::opt<unsigned> seconds("timeout", cl::init(120), cl::desc("seconds for one model"), cl::cat(category));

namespace {
/// Folders with a model.onnx below the root, in order of their names.
std::vector<std::string> findModels(StringRef root) {
  std::vector<std::string> models;
  std::error_code error;
  for (llvm::sys::fs::recursive_directory_iterator it(root, error), end; it != end && !error; it.increment(error))
    if (path::filename(it->path()) == "model.onnx")
      models.push_back(path::parent_path(it->path()).str());
  llvm::sort(models);
  return models;
}

/// ONNX's own runner uses 1e-3 and 1e-7; a meta.json may say something else.
tool::Tolerance readTolerance(StringRef folder) {
  tool::Tolerance tolerance{1e-3, 1e-7};
  auto text = llvm::MemoryBuffer::getFile(folder + "/meta.json");
  if (!text)
    return tolerance;
  auto json = llvm::json::parse((*text)->getBuffer());
  if (!json) {
    llvm::consumeError(json.takeError());
    return tolerance;
  }
  auto *object = json->getAsObject();
  if (auto *given = object ? object->getObject("tolerance") : nullptr) {
    tolerance.relative = given->getNumber("rtol").value_or(tolerance.relative);
    tolerance.absolute = given->getNumber("atol").value_or(tolerance.absolute);
  }
  return tolerance;
}

/// The tensors FOLDER/PREFIX_0.pb, PREFIX_1.pb, ...; nothing after a message.
bool readTensors(StringRef folder, StringRef prefix, std::vector<tool::Tensor> &tensors, std::string &message) {
  for (unsigned i = 0;; ++i) {
    std::string file = (folder + "/" + prefix + "_" + Twine(i) + ".pb").str();
    if (!llvm::sys::fs::exists(file))
      return true;
    tool::Tensor tensor;
    if (!tool::readTensorProto(file, tensor, message))
      return false;
    tensors.push_back(std::move(tensor));
  }
}

std::string compareAll(ArrayRef<reference::Tensor> got, ArrayRef<tool::Tensor> expected, tool::Tolerance tolerance) {
  std::string text;
  llvm::raw_string_ostream os(text);
  if (got.size() < expected.size())
    os << "expected " << expected.size() << " outputs, got " << got.size();
  for (auto [index, result, stored] : llvm::enumerate(got, expected)) {
    tool::Tensor tensor = fromReference(result);
    if (tensor.dims != stored.dims || tensor.type != stored.type) {
      os << "output " << index << ": expected " << tool::shapeText(stored.dims) << " " << tool::typeName(stored.type)
         << ", got " << tool::shapeText(tensor.dims) << " " << tool::typeName(tensor.type);
      return text;
    }
    tool::Difference difference = tool::compare(tensor, stored, tolerance);
    if (!difference.matches()) {
      os << "output " << index << ": " << difference.mismatches << " of " << difference.count << " differ, element "
         << difference.first << ": expected " << difference.expectedFirst << ", got " << difference.gotFirst
         << "; max abs " << difference.maxAbsolute;
      return text;
    }
  }
  return text;
}

void takeBits(tool::Tensor &tensor, Type type) {
  if (tensor.type == tool::ElementType::U16 && type.isBF16())
    tensor.type = tool::ElementType::BF16;
}

/// Whether an input of any data set has no elements, as the cache of a first step.
bool hasEmptyInput(StringRef folder) {
  std::string message;
  for (unsigned set = 0;; ++set) {
    std::string data = (folder + "/test_data_set_" + Twine(set)).str();
    std::vector<tool::Tensor> inputs;
    if (!llvm::sys::fs::is_directory(data) || !readTensors(data, "input", inputs, message))
      return false;
    if (llvm::any_of(inputs, [](const tool::Tensor &input) { return llvm::is_contained(input.dims, 0); }))
      return true;
  }
}

/// Inputs are given in the order of the graph's inputs. Test data of ONNX up to 1.12 has bf16 as 16-bit integers.
std::string runDataSet(ModuleOp module, Executable &executable, StringRef folder, tool::Tolerance tolerance,
                       std::string &diagnostics) {
  std::vector<tool::Tensor> inputs, outputs;
  std::string message;
  if (!readTensors(folder, "input", inputs, message) || !readTensors(folder, "output", outputs, message))
    return "UNSUPPORTED data: " + message;
  auto main = module.lookupSymbol<func::FuncOp>("main");
  SmallVector<reference::Tensor> arguments;
  for (auto [index, input] : llvm::enumerate(inputs)) {
    auto type = index < main.getNumArguments() ? dyn_cast<RankedTensorType>(main.getArgumentTypes()[index]) : nullptr;
    if (!type || type.getRank() != static_cast<int64_t>(input.dims.size()))
      return "UNSUPPORTED data: input " + std::to_string(index) + " is not what the model declares";
    takeBits(input, type.getElementType());
    arguments.push_back(toReference(module.getContext(), input));
  }
  for (auto [output, type] : llvm::zip(outputs, main.getResultTypes()))
    takeBits(output, cast<RankedTensorType>(type).getElementType());
  auto results = executable.run(arguments);
  if (failed(results))
    return "FAIL run: " + diagnostics;
  std::string difference = compareAll(*results, outputs, tolerance);
  return difference.empty() ? "" : "FAIL " + path::filename(folder).str() + ": " + difference;
}

std::string runModel(StringRef folder) {
  MLIRContext context(MLIRContext::Threading::DISABLED);
  context.loadDialect<func::FuncDialect, tfm::TfmDialect, kernel::KernelDialect>();
  std::string diagnostics;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    if (diagnostics.empty() && diagnostic.getSeverity() == DiagnosticSeverity::Error) {
      llvm::raw_string_ostream os(diagnostics);
      os << diagnostic.getLocation() << ": " << diagnostic;
    }
    return success();
  });
  ImportOptions options;
  if (hasEmptyInput(folder))
    options.defaultRange.min = 0;
  auto module = importOnnx(context, (folder + "/model.onnx").str(), options);
  if (failed(module))
    return "UNSUPPORTED " + diagnostics;
  if (failed(verify(**module)))
    return "FAIL verify: " + diagnostics;
  if (simplify) {
    PassManager manager(&context);
    buildSimplifyPipeline(manager, {});
    if (failed(manager.run(**module)))
      return "FAIL simplify: " + diagnostics;
  }
  auto executable = createDevice(deviceName)->loadFile(**module, (folder + "/model.onnx").str());
  if (failed(executable))
    return "FAIL load: " + diagnostics;
  tool::Tolerance tolerance = readTolerance(folder);
  unsigned sets = 0;
  for (;; ++sets) {
    std::string data = (folder + "/test_data_set_" + Twine(sets)).str();
    if (!llvm::sys::fs::is_directory(data))
      break;
    std::string result = runDataSet(**module, **executable, data, tolerance, diagnostics);
    if (!result.empty())
      return result;
  }
  return sets ? "PASS " + std::to_string(sets) : "FAIL no test data";
}

/// A name on each line; none for no file.
std::optional<std::set<std::string>> readNames(StringRef file) {
  if (file.empty())
    return std::set<std::string>();
  auto text = llvm::MemoryBuffer::getFile(file);
  if (!text) {
    llvm::errs() << "error: can't read '" << file << "': " << text.getError().message() << "\n";
    return std::nullopt;
  }
  std::set<std::string> names;
  for (llvm::line_iterator line(**text, /*SkipBlanks=*/true, '#'), end; line != end; ++line)
    names.insert(line->trim().str());
  return names;
}

bool usesNone(StringRef folder, const std::set<std::string> &ops) {
  MLIRContext context(MLIRContext::Threading::DISABLED);
  ScopedDiagnosticHandler quietly(&context, [](Diagnostic &) { return success(); });
  auto nodes = listNodes(context, (folder + "/model.onnx").str());
  return succeeded(nodes) && llvm::none_of(*nodes, [&](const OnnxNode &node) { return ops.count(node.opType); });
}

struct Counts {
  unsigned total = 0, passed = 0, unsupported = 0;
  void add(StringRef result) {
    ++total;
    passed += result.starts_with("PASS");
    unsupported += result.starts_with("UNSUPPORTED");
  }
  unsigned failed() const { return total - passed - unsupported; }
  void print(StringRef what) const {
    llvm::outs() << what << ": " << passed << " of " << total << " pass, " << unsupported << " unsupported, "
                 << failed() << " fail\n";
  }
};
} // namespace

int main(int argc, char **argv) {
  cl::HideUnrelatedOptions(category);
  cl::ParseCommandLineOptions(argc, argv, "runs ONNX models and compares with their stored outputs\n");
  auto device = createDevice(deviceName);
  if (!device) {
    llvm::errs() << "error: no device '" << deviceName << "'; hint: reference, cpu:x86-64-v3, cpu:x86-64-v4\n";
    return 2;
  }
  if (std::string why = device->whyUnavailable(); !why.empty()) {
    llvm::outs() << "UNSUPPORTED device " << device->getName() << ": " << why << "\n";
    return 0;
  }
  auto expected = readNames(expectFile), outside = readNames(outsideFile);
  if (!expected || !outside)
    return 2;
  SmallVector<StringRef> excluded;
  StringRef(exclude).split(excluded, ',', -1, /*KeepEmpty=*/false);
  std::vector<std::string> models, names;
  for (const std::string &root : roots)
    for (const std::string &model : findModels(root)) {
      std::string name = StringRef(model).drop_front(root.size()).ltrim('/').str();
      if (name.find(filter) == std::string::npos ||
          llvm::any_of(excluded, [&](StringRef part) { return StringRef(name).contains(part); }))
        continue;
      models.push_back(model);
      names.push_back(name.empty() ? path::filename(model).str() : name);
    }
  Counts all, inside;
  unsigned lost = 0;
  ChildPool(jobs, seconds)
      .run(
          models.size(), [&](size_t i, llvm::raw_ostream &os) { os << runModel(models[i]); },
          [&](size_t i, StringRef text) {
            bool pass = text.starts_with("PASS"), regression = !pass && expected->count(names[i]);
            all.add(text);
            if (!outside->empty() && usesNone(models[i], *outside))
              inside.add(text);
            lost += regression;
            if (!quiet || regression || (!pass && !text.starts_with("UNSUPPORTED")))
              llvm::outs() << names[i] << ": " << text << (regression ? " (expected to pass)" : "") << "\n";
            llvm::outs().flush();
          });
  all.print(device->getName());
  if (!outside->empty())
    inside.print("without the ops of " + path::filename(outsideFile).str());
  if (models.empty())
    llvm::errs() << "error: no model found\n";
  if (lost)
    llvm::errs() << "error: " << lost << " models that passed before don't\n";
  if (inside.passed < atLeast)
    llvm::errs() << "error: expected at least " << atLeast << " of these to pass\n";
  return models.empty() || lost || inside.passed < atLeast || (failOnFail && all.failed());
}
