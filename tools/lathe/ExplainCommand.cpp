// lathe explain: where each ONNX node of a model went.
#include "mlir/IR/MLIRContext.h"
#include "tools/lathe/Commands.h"
#include "llvm/ADT/StringMap.h"

using namespace lathe;
using namespace lathe::tool;

static const std::vector<Flag> kFlags = [] {
  std::vector<Flag> flags = {{"--node", "TEXT", "only nodes whose name contains this"}};
  for (const std::vector<Flag> *more : {&compressFlags(), &importFlags()})
    flags.insert(flags.end(), more->begin(), more->end());
  return flags;
}();

static int explain(const ModelSource &model, const Arguments &arguments) {
  CompileOptions options;
  options.input = model.path;
  options.to = Phase::Plan;
  options.targets = {"x86-64-v3"}; // every target runs the same launches
  std::string error;
  if (!readImportFlags(arguments, options.import, error) || !readCompressFlags(arguments, options, error))
    return fail(error, kUsage);
  mlir::DialectRegistry registry;
  registerDialects(registry);
  mlir::MLIRContext context(registry, mlir::MLIRContext::Threading::DISABLED);
  DiagnosticPrinter printer(context);
  auto nodes = listNodes(context, model.path);
  if (failed(nodes))
    return kFailed;
  auto module = compileToModule(context, options);
  if (failed(module))
    return kFailed;

  llvm::StringMap<std::string> places; // by node: the launches that compute it
  unsigned number = 0;
  (*module)->walk([&](program::LaunchOp launch) {
    std::string place = std::to_string(number++) + " " + launch.getKernel().str();
    if (auto origins = launch.getOrigins())
      for (auto name : origins->getAsValueRange<mlir::StringAttr>()) {
        std::string &text = places[name];
        text += (text.empty() ? "" : ", ") + place;
      }
  });
  std::string wanted = arguments.value("--node").value_or("");
  unsigned folded = 0, shown = 0;
  std::printf("%-18s %-40s %s\n", "op", "launch", "node");
  for (const OnnxNode &node : *nodes) {
    auto it = places.find(node.name);
    folded += it == places.end();
    if (node.name.find(wanted) == std::string::npos)
      continue;
    ++shown;
    std::printf("%-18s %-40s %s\n", node.opType.c_str(),
                it == places.end() ? "- (folded: shapes, constants, no-ops)" : it->second.c_str(), node.name.c_str());
  }
  if (!wanted.empty() && shown == 0)
    return fail("no node's name contains '" + wanted + "'");
  std::printf("\n%zu nodes: %zu computed by %u launches, %u folded away while compiling\n", nodes->size(),
              nodes->size() - folded, number, folded);
  return 0;
}

const Command tool::explainCommand = {
    "explain",
    "",
    "says for each ONNX node which launch computes it",
    "A launch is named by its place in the program and its kernel, as `lathe-run inspect --launches` lists them.",
    0,
    kFlags,
    explain};
