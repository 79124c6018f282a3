// Counts what a planned module has.
#include "compiler/Package/Summary.h"
#include "compiler/Package/Layout.h"
#include "dialects/Tfm/Formats.h"
#include "mlir/IR/SymbolTable.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/FormatVariadic.h"
#include <map>
#include <set>

using namespace mlir;
using namespace lathe;
using namespace lathe::package;

/// Whether a product reads the kernel's argument by the kernel for every format: in a format, and in no panels, which
/// processors and CUDA devices share.
static bool isReadGenerically(kernel::FuncOp kernel, BlockArgument argument) {
  if (!tfm::getFormat(argument.getType()) || kernel.getArgAttr(argument.getArgNumber(), kernel::kLayoutAttr))
    return false;
  return llvm::any_of(argument.getUsers(), [](Operation *user) { return isa<tfm::LinearOp, tfm::MatmulOp>(user); });
}

Summary package::summarize(ModuleOp module) {
  Summary summary;
  SymbolTable symbols(module);
  llvm::StringMap<size_t> kernels;
  std::set<std::pair<const void *, const void *>> stored; // only asked, never walked
  std::set<const void *> counted;
  llvm::SetVector<StringRef> generic;
  if (auto ranges = module->getAttrOfType<DictionaryAttr>(tfm::kSymbolsAttr))
    for (NamedAttribute symbol : ranges)
      if (auto range = tfm::getSymbolRange(module, symbol.getName()))
        summary.symbols.push_back({symbol.getName().str(), *range});
  if (auto report = module->getAttrOfType<ArrayAttr>(tfm::kPrecisionAttr))
    for (auto entry : report.getAsRange<DictionaryAttr>()) {
      auto get = [&](StringRef field) {
        auto text = entry.getAs<StringAttr>(field);
        return text ? text.str() : std::string();
      };
      summary.precisions.push_back({get("node"), get("type"), get("precision"), get("why")});
    }
  summary.compression = getCompression(module);
  module.walk([&](program::EntryOp entry) {
    Dim arena = entry.getArena().getDims()[0];
    summary.arena = summary.arena == Dim() ? arena : Dim::max(summary.arena, arena);
    entry.walk([&](program::WeightOp use) {
      auto weight = symbols.lookup<tfm::WeightOp>(use.getWeight());
      if (counted.insert(weight.getOperation()).second)
        summary.parameters += weight.getTensorType().getNumElements();
      if (stored.insert({weight.getOperation(), use.getLayoutAttr().getAsOpaquePointer()}).second) {
        int64_t bytes = getStoredBytes(weight.getTensorType(), use.getLayoutAttr()).value_or(0);
        summary.weightBytes += bytes;
        summary.storedBytes += isa<tfm::RandomAttr>(weight.getSource()) ? 0 : bytes;
      }
    });
    entry.walk([&](program::LaunchOp launch) {
      ++summary.launches;
      auto kernel = symbols.lookup<kernel::FuncOp>(launch.getKernel());
      auto [it, inserted] = kernels.try_emplace(launch.getKernel(), summary.kernels.size());
      if (inserted) {
        Dim flops = launch.getFlops() ? launch.getFlops()->getDims()[0] : Dim();
        summary.kernels.push_back({launch.getKernel().str(), kernel.getAnchor(), 0, flops});
      }
      ++summary.kernels[it->second].launches;
      for (BlockArgument argument : kernel.getBody().getArguments())
        if (auto use = launch->getOperand(argument.getArgNumber()).getDefiningOp<program::WeightOp>();
            use && isReadGenerically(kernel, argument))
          generic.insert(use.getWeight());
      bool attends = false;
      kernel.walk([&](tfm::AttentionOp) { attends = true; });
      summary.attentions += attends;
    });
  });
  for (StringRef weight : generic)
    summary.compression.generic.push_back(weight.str());
  summary.arenaAtGreatest = summary.arena.evaluate([&](StringRef name) -> std::optional<int64_t> {
    auto range = tfm::getSymbolRange(module, name);
    return range ? std::optional(range->max) : std::nullopt;
  });
  return summary;
}

void package::estimatePackage(Summary &summary, size_t targets) {
  // What packages of encoders and decoders have come to: 6 to 11 KiB of code a kernel, and their tables.
  constexpr uint64_t codeBytes = 9 << 10, launchBytes = 1200, otherBytes = 4 << 10;
  summary.packageBytes =
      summary.storedBytes + summary.kernels.size() * targets * codeBytes + summary.launches * launchBytes + otherBytes;
  summary.estimated = true;
}

static std::string mebibytes(double bytes) {
  std::string text;
  llvm::raw_string_ostream(text) << llvm::format(bytes < 1e5 ? "%.2f MiB" : "%.1f MiB", bytes / (1 << 20));
  return text;
}

void package::print(const Summary &summary, llvm::raw_ostream &os) {
  os << "parameters  " << summary.parameters << " (" << mebibytes(summary.weightBytes) << ")\n";
  os << "launches    " << summary.launches << " of " << summary.kernels.size() << " kernels, " << summary.attentions
     << " fused attention" << (summary.attentions == 1 ? "" : "s") << "\n";
  if (!summary.precisions.empty())
    os << "precision   " << countPrecisions(summary) << "\n";
  if (!summary.compression.empty())
    os << "compressed  " << getSizes(summary.compression, summary.weightBytes, summary.packageBytes) << "\n";
  if (summary.packageBytes)
    os << "package     " << (summary.estimated ? "about " : "") << mebibytes(summary.packageBytes) << "\n";
  os << "peak memory weights + " << summary.arena << " bytes";
  if (summary.arenaAtGreatest && !summary.symbols.empty()) {
    os << " (" << mebibytes(*summary.arenaAtGreatest) << " at ";
    llvm::interleaveComma(summary.symbols, os,
                          [&](const Summary::Symbol &symbol) { os << symbol.name << "=" << symbol.range.max; });
    os << ")";
  }
  os << "\n";
}

std::string package::countPrecisions(const Summary &summary) {
  std::map<std::string, unsigned> counts;
  for (const Summary::Node &node : summary.precisions)
    ++counts[node.precision];
  std::string text;
  for (auto &[precision, count] : counts)
    text += (text.empty() ? "" : ", ") + precision + ": " + std::to_string(count) + (count == 1 ? " node" : " nodes");
  return text;
}

void package::printPrecisions(const Summary &summary, llvm::raw_ostream &os) {
  for (const Summary::Node &node : summary.precisions)
    os << llvm::left_justify(node.precision, 5) << llvm::left_justify(node.type, 20) << " " << node.name
       << (node.why.empty() ? "" : ": ") << node.why << "\n";
}

llvm::json::Value package::toJson(const Summary &summary) {
  llvm::json::Array kernels, symbols, precisions;
  for (const Summary::Kernel &kernel : summary.kernels)
    kernels.push_back(llvm::json::Object{{"name", kernel.name},
                                         {"anchor", kernel::stringifyAnchor(kernel.anchor)},
                                         {"launches", kernel.launches},
                                         {"flops", kernel.flops.str()}});
  for (const Summary::Symbol &symbol : summary.symbols)
    symbols.push_back(llvm::json::Object{{"name", symbol.name}, {"min", symbol.range.min}, {"max", symbol.range.max}});
  for (const Summary::Node &node : summary.precisions)
    precisions.push_back(llvm::json::Object{{"node", llvm::json::fixUTF8(node.name)},
                                            {"type", llvm::json::fixUTF8(node.type)},
                                            {"precision", node.precision},
                                            {"why", node.why}});
  llvm::json::Object result{{"parameters", summary.parameters}, {"weight_bytes", summary.weightBytes},
                            {"launches", summary.launches},     {"attentions", summary.attentions},
                            {"arena", summary.arena.str()},     {"kernels", std::move(kernels)},
                            {"symbols", std::move(symbols)},    {"precisions", std::move(precisions)}};
  if (!summary.compression.empty())
    result["compression"] = toJson(summary.compression);
  return result;
}
