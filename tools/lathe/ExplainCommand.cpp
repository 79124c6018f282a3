// lathe explain: where each ONNX node of a model went, and in which precision.
#include "mlir/IR/MLIRContext.h"
#include "runtime/Package/Format.h"
#include "tools/lathe-run/Model.h"
#include "tools/lathe/Commands.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"
#include <cstring>
#include <fstream>

using namespace lathe;
using namespace lathe::tool;

static const std::vector<Flag> kFlags = [] {
  std::vector<Flag> flags = {{"--node", "TEXT", "only nodes whose name contains this"}};
  for (const std::vector<Flag> *more : {&compressFlags(), &importFlags()})
    flags.insert(flags.end(), more->begin(), more->end());
  return flags;
}();

namespace {
/// The launches that compute each node, and what was said of its precision.
struct Places {
  llvm::StringMap<std::string> launches;
  llvm::StringMap<package::Summary::Node> precisions;
  unsigned count = 0;

  void addLaunch(const std::string &kernel, llvm::ArrayRef<std::string> origins) {
    std::string place = std::to_string(count++) + " " + kernel;
    for (const std::string &name : origins) {
      std::string &text = launches[name];
      text += (text.empty() ? "" : ", ") + place;
    }
  }
  /// `precision (why)` of a node, or nothing.
  std::string describe(llvm::StringRef node) const {
    auto it = precisions.find(node);
    if (it == precisions.end())
      return "";
    const package::Summary::Node &entry = it->second;
    return entry.precision + (entry.why.empty() ? "" : " (" + entry.why + ")");
  }
};
} // namespace

static int print(llvm::ArrayRef<OnnxNode> nodes, const Places &places, const Arguments &arguments) {
  std::string wanted = arguments.value("--node").value_or("");
  unsigned folded = 0, shown = 0;
  std::printf("%-18s %-40s %s\n", "op", "launch", places.precisions.empty() ? "node" : "node: precision");
  for (const OnnxNode &node : nodes) {
    auto it = places.launches.find(node.name);
    folded += it == places.launches.end();
    if (node.name.find(wanted) == std::string::npos)
      continue;
    ++shown;
    std::string precision = places.describe(node.name);
    std::printf("%-18s %-40s %s%s%s\n", node.opType.c_str(),
                it == places.launches.end() ? "- (folded: shapes, constants, no-ops)" : it->second.c_str(),
                node.name.c_str(), precision.empty() ? "" : ": ", precision.c_str());
  }
  if (!wanted.empty() && shown == 0)
    return fail("no node's name contains '" + wanted + "'");
  std::printf("\n%zu nodes: %zu computed by %u launches, %u folded away while compiling\n", nodes.size(),
              nodes.size() - folded, places.count, folded);
  return 0;
}

static bool isPackage(const ModelSource &model) {
  char magic[sizeof package::kMagic] = {};
  std::ifstream file(model.path, std::ios::binary);
  return model.part || (file.read(magic, sizeof magic) && std::memcmp(magic, package::kMagic, sizeof magic) == 0);
}

/// A package knows the nodes that its launches compute, and what its metadata say of precision; not what was folded.
static int explainPackage(const ModelSource &source, const Arguments &arguments) {
  for (const Flag &flag : kFlags)
    if (llvm::StringRef(flag.name) != "--node" && arguments.has(flag.name))
      return fail(std::string(flag.name) + " says how to compile: a package takes none", kUsage);
  std::string error;
  Model model;
  if (!model.load(source, {}, error))
    return fail(error);
  lathe_program_info info = {};
  info.struct_size = sizeof info;
  lathe_entry_info entry = {};
  entry.struct_size = sizeof entry;
  if (!succeeded(api().program_info(model.program(), &info), error) ||
      !succeeded(api().entry_info(model.program(), model.entry(), &entry), error))
    return fail(error);

  Places places;
  package::Compression compression;
  int64_t weightBytes = 0;
  auto metadata = llvm::json::parse(llvm::StringRef(info.metadata, info.metadata_size));
  if (!metadata) {
    llvm::consumeError(metadata.takeError()); // of another compiler
  } else if (auto *summary = metadata->getAsObject() ? metadata->getAsObject()->getObject("summary") : nullptr) {
    if (auto *list = summary->getArray("precisions"))
      for (const llvm::json::Value &value : *list)
        if (auto *node = value.getAsObject()) {
          auto get = [&](llvm::StringRef field) { return node->getString(field).value_or("").str(); };
          places.precisions[get("node")] = {get("node"), get("type"), get("precision"), get("why")};
        }
    if (auto *done = summary->get("compression"))
      compression = package::compressionFromJson(*done);
    weightBytes = summary->getInteger("weight_bytes").value_or(0);
  }
  std::vector<OnnxNode> nodes;
  for (uint32_t i = 0; i < entry.launch_count; ++i) {
    lathe_launch_info launch = {};
    launch.struct_size = sizeof launch;
    if (!succeeded(api().launch_info(model.program(), model.entry(), i, &launch), error))
      return fail(error);
    std::vector<std::string> origins(launch.origins, launch.origins + launch.origin_count);
    for (const std::string &name : origins)
      if (!places.launches.contains(name))
        nodes.push_back({name, places.precisions.lookup(name).type});
    places.addLaunch(launch.kernel, origins);
  }
  int status = print(nodes, places, arguments);
  if (status == 0 && !compression.empty()) {
    uint64_t bytes = 0;
    if (!source.part)
      (void)llvm::sys::fs::file_size(source.path, bytes);
    std::printf("\n");
    std::fflush(stdout);
    print(compression, weightBytes, bytes, llvm::outs());
    llvm::outs().flush();
  }
  return status;
}

static int explain(const ModelSource &model, const Arguments &arguments) {
  if (isPackage(model))
    return explainPackage(model, arguments);
  CompileOptions options;
  options.input = model.path;
  options.to = Phase::Plan;
  std::string error;
  if (!readImportFlags(arguments, options.import, error) || !readCompressFlags(arguments, options, error))
    return fail(error, kUsage);
  // Every target runs the same launches, but CPUs have no tf32.
  options.targets = {options.precision == "tf32" ? "cuda:sm_80" : "x86-64-v3"};
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

  Places places;
  (*module)->walk([&](program::LaunchOp launch) {
    std::vector<std::string> names;
    if (auto origins = launch.getOrigins())
      for (auto name : origins->getAsValueRange<mlir::StringAttr>())
        names.push_back(name.str());
    places.addLaunch(launch.getKernel().str(), names);
  });
  package::Summary summary = package::summarize(module->get());
  for (const package::Summary::Node &node : summary.precisions)
    places.precisions[node.name] = node;
  int status = print(*nodes, places, arguments);
  if (status == 0 && !summary.compression.empty()) {
    std::printf("\n");
    std::fflush(stdout);
    print(summary.compression, summary.weightBytes, 0, llvm::outs());
    llvm::outs().flush();
  }
  return status;
}

const Command tool::explainCommand = {
    "explain",
    "",
    "says for each ONNX node which launch computes it, in which precision; what became of weights",
    "MODEL is an ONNX model, or a package, which says what it was compiled to.\n"
    "A launch is named by its place in the program and its kernel, as `lathe-run inspect --launches` lists them.",
    0,
    kFlags,
    explain};
