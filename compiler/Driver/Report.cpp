// The report of a compilation.
#include "compiler/Driver/Report.h"
#include "compiler/Driver/Example.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/ToolOutputFile.h"

using namespace mlir;
using namespace lathe;

namespace {
/// Of a table's cell in Markdown: what would end it, or the line, stands as itself.
std::string escapeCell(StringRef text) {
  std::string result;
  for (char c : text) {
    if (StringRef("\\|`*_<[&").contains(c))
      result += '\\';
    result += c == '\n' || c == '\r' ? ' ' : c;
  }
  return result;
}

/// `name`, then what the runs took and what they need, before and after.
std::vector<std::array<std::string, 3>> getRows(const Timings &timings) {
  auto row = [&](StringRef name, auto value) {
    return std::array<std::string, 3>{name.str(), value(timings.before), value(timings.after)};
  };
  auto milliseconds = [&](double Timings::Side::*field) {
    return [=](const Timings::Side &side) { return llvm::formatv("{0:F3} ms", side.*field).str(); };
  };
  auto bytes = [&](uint64_t Timings::Side::*field) {
    return [=](const Timings::Side &side) { return llvm::formatv("{0:F2} MiB", side.*field / 1048576.0).str(); };
  };
  return {row("average", milliseconds(&Timings::Side::average)), row("least", milliseconds(&Timings::Side::least)),
          row("greatest", milliseconds(&Timings::Side::greatest)), row("package", bytes(&Timings::Side::packageBytes)),
          row("memory of a run", bytes(&Timings::Side::memoryBytes))};
}

llvm::json::Value toJson(const Timings &timings) {
  auto side = [](const Timings::Side &side) {
    llvm::json::Array launches;
    for (const Timings::Launch &launch : side.launches) {
      llvm::json::Array weights;
      for (const std::string &name : launch.weights)
        weights.push_back(llvm::json::fixUTF8(name));
      launches.push_back(llvm::json::Object{{"weights", std::move(weights)}, {"ms", launch.milliseconds}});
    }
    return llvm::json::Object{{"average_ms", side.average},
                              {"min_ms", side.least},
                              {"max_ms", side.greatest},
                              {"package_bytes", static_cast<int64_t>(side.packageBytes)},
                              {"memory_bytes", static_cast<int64_t>(side.memoryBytes)},
                              {"launches", std::move(launches)}};
  };
  return llvm::json::Object{{"runs", timings.runs},
                            {"target", timings.target},
                            {"before", side(timings.before)},
                            {"after", side(timings.after)}};
}

void writeMarkdown(raw_ostream &os, const package::Summary &summary, StringRef model, const Timings *timings) {
  os << "# " << escapeCell(model) << "\n\n```\n";
  print(summary, os);
  os << "```\n";
  if (timings) {
    os << "\n## Time\n\n"
       << timings->runs << " runs of each, in turns, by one thread on " << timings->target
       << ".\n\n| | before | after |\n|---|---:|---:|\n";
    for (auto &[name, before, after] : getRows(*timings))
      os << "| " << name << " | " << before << " | " << after << " |\n";
  }
  const package::Compression &compression = summary.compression;
  if (!compression.changes.empty()) {
    os << "\n## Compression\n\n"
       << getSizes(compression, summary.weightBytes, summary.packageBytes) << ".\n\n"
       << "| pass | changed | refused | bytes before | after |\n|---|---:|---:|---:|---:|\n";
    for (const package::PassTotal &total : sumPasses(compression))
      os << "| " << escapeCell(total.pass) << " | " << total.changed << " | " << total.refused << " | " << total.before
         << " | " << total.after << " |\n";
    os << "\n| weight | ONNX node | pass | what | bytes before | after | error |\n|---|---|---|---|---:|---:|---:|\n";
    for (const package::WeightChange &change : compression.changes) {
      bool isRefused = !change.refused.empty();
      os << "| " << escapeCell(change.weight) << " | " << escapeCell(change.node) << " | " << escapeCell(change.pass)
         << " | " << (isRefused ? "refused: " + escapeCell(change.refused) : escapeCell(change.what)) << " | "
         << change.before << " | " << change.after << " | " << (isRefused ? "" : package::getErrorText(change.error))
         << " |\n";
    }
  }
  if (std::string text = getGeneric(compression); !text.empty())
    os << "\nWeights " << escapeCell(text) << ".\n";
  if (const std::optional<package::Evaluation> &evaluation = compression.evaluation) {
    os << "\n## Evaluation\n\n" << evaluation->samples << " samples of " << escapeCell(evaluation->data);
    if (!evaluation->against.empty())
      os << ", against " << escapeCell(evaluation->against);
    os << ".\n\n| figure | value | 95 % interval |\n|---|---:|---:|\n";
    for (const package::Evaluation::Figure &figure : evaluation->figures)
      os << "| " << escapeCell(figure.name) << " | " << getText(figure) << " | " << getInterval(figure) << " |\n";
  }
  if (summary.precisions.empty())
    return;
  os << "\n## Precision\n\n| precision | type | ONNX node | why |\n|---|---|---|---|\n";
  for (const package::Summary::Node &node : summary.precisions)
    os << "| " << escapeCell(node.precision) << " | " << escapeCell(node.type) << " | " << escapeCell(node.name)
       << " | " << escapeCell(node.why) << " |\n";
}

} // namespace

LogicalResult lathe::writeReport(ModuleOp module, const package::Summary &summary, StringRef model, StringRef path,
                                 const Timings *timings) {
  std::error_code code;
  llvm::ToolOutputFile file(path, code, llvm::sys::fs::OF_None);
  if (code)
    return module.emitError("can't write '") << path << "': " << code.message();
  StringRef extension = llvm::sys::path::extension(path);
  if (extension == ".json") {
    llvm::json::Value value = package::toJson(summary);
    if (timings)
      (*value.getAsObject())["timings"] = toJson(*timings);
    file.os() << llvm::formatv("{0:2}\n", value);
  } else if (extension == ".html") {
    writeHtml(file.os(), module, summary, llvm::sys::path::filename(model), timings);
  } else if (extension == ".md") {
    writeMarkdown(file.os(), summary, llvm::sys::path::filename(model), timings);
  } else {
    print(summary, file.os());
    if (timings) {
      file.os() << "\n" << timings->runs << " runs of each, in turns, by one thread on " << timings->target << "\n";
      for (auto &[name, before, after] : getRows(*timings))
        file.os() << llvm::left_justify(name, 16) << before << " before, " << after << " after\n";
    }
    if (!summary.compression.empty())
      file.os() << "\n";
    print(summary.compression, summary.weightBytes, summary.packageBytes, file.os());
    if (!summary.precisions.empty())
      file.os() << "\n";
    printPrecisions(summary, file.os());
  }
  file.os().flush();
  if (file.os().has_error()) {
    code = file.os().error();
    file.os().clear_error();
    return module.emitError("can't write '") << path << "': " << code.message();
  }
  file.keep();
  return success();
}
