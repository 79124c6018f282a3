// The report of a compilation.
#include "compiler/Driver/Report.h"
#include "mlir/IR/SymbolTable.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/ToolOutputFile.h"

using namespace mlir;
using namespace lathe;

namespace {
struct Row {
  std::string kernel, anchor, nodes, formula;
  double flops;
};

/// The value of a symbol that figures are shown at.
struct Example {
  std::map<std::string, int64_t> values;

  explicit Example(ModuleOp module, const package::Summary &summary) {
    for (const package::Summary::Symbol &symbol : summary.symbols)
      values[symbol.name] = std::clamp<int64_t>(128, symbol.range.min, symbol.range.max);
    module.walk([&](program::InputOp input) {
      SmallVector<Dim> dims = tfm::getDims(input.getTensorType());
      if (!dims.empty())
        if (auto name = dims[0].getSymbol()) {
          int64_t &value = values[name->str()];
          for (const package::Summary::Symbol &symbol : summary.symbols)
            if (symbol.name == *name)
              value = std::max<int64_t>(1, symbol.range.min);
        }
    });
  }
  double evaluate(const Dim &dim) const {
    auto value = dim.evaluate([&](StringRef name) -> std::optional<int64_t> {
      auto it = values.find(name.str());
      return it == values.end() ? std::nullopt : std::optional(it->second);
    });
    return value ? static_cast<double>(*value) : 0;
  }
  std::string str() const {
    std::string text;
    for (auto &[name, value] : values)
      text += (text.empty() ? "" : ", ") + name + " = " + std::to_string(value);
    return text.empty() ? "its fixed shapes" : text;
  }
};

std::string escape(StringRef text) {
  std::string result;
  for (char c : text)
    switch (c) {
    case '<':
      result += "&lt;";
      break;
    case '>':
      result += "&gt;";
      break;
    case '&':
      result += "&amp;";
      break;
    case '"':
      result += "&quot;";
      break;
    default:
      result += c;
    }
  return result;
}

std::vector<Row> getRows(ModuleOp module, const Example &example) {
  SymbolTable symbols(module);
  std::vector<Row> rows;
  module.walk([&](program::LaunchOp launch) {
    Row row{launch.getKernel().str(), "", "", "0", 0};
    row.anchor = kernel::stringifyAnchor(symbols.lookup<kernel::FuncOp>(launch.getKernel()).getAnchor()).str();
    if (auto origins = launch.getOrigins())
      for (auto name : origins->getAsValueRange<StringAttr>())
        row.nodes += (row.nodes.empty() ? "" : "\n") + name.str();
    if (auto flops = launch.getFlops()) {
      row.formula = flops->getDims()[0].str().str();
      row.flops = example.evaluate(flops->getDims()[0]);
    }
    rows.push_back(std::move(row));
  });
  return rows;
}

constexpr StringLiteral kStyle = R"(
body{font:15px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem;color:#222}
h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}
.cards{display:flex;flex-wrap:wrap;gap:1rem}.card{border:1px solid #ddd;border-radius:6px;padding:.6rem 1rem}
.card b{display:block;font-size:1.3rem}table{border-collapse:collapse;width:100%}
td,th{text-align:left;padding:.15rem .6rem .15rem 0;border-bottom:1px solid #eee;vertical-align:top}
td.n{text-align:right;font-variant-numeric:tabular-nums}code{font-size:13px}details{color:#555}
rect.before{fill:#ccc}rect.after{fill:#3b6fb6}
rect.contraction{fill:#3b6fb6}rect.attention{fill:#c2571a}rect.reduction{fill:#4a9b57}rect.map,rect.gather{fill:#999}
)";

std::string kibibytes(double bytes) { return llvm::formatv("{0:F1}", bytes / 1024); }

/// What was done to the weights, and what it cost: bars of each weight's bytes before and after.
void writeCompression(raw_ostream &os, const package::Summary &summary) {
  const package::Compression &compression = summary.compression;
  if (compression.empty())
    return;
  int64_t most = 1;
  unsigned refused = 0;
  for (const package::WeightChange &change : compression.changes) {
    most = std::max({most, change.before, change.after});
    refused += !change.refused.empty();
  }
  os << "<h2>Compression</h2><p>" << escape(getSizes(compression, summary.weightBytes, summary.packageBytes))
     << ".</p>";
  if (!compression.changes.empty())
    os << "\n<table><tr><th>pass<th>changed<th>refused<th>KiB before<th>after";
  for (const package::PassTotal &total : sumPasses(compression))
    os << "\n<tr><td><code>" << escape(total.pass) << "</code><td class=n>" << total.changed << "<td class=n>"
       << total.refused << "<td class=n>" << kibibytes(total.before) << "<td class=n>" << kibibytes(total.after);
  if (!compression.changes.empty())
    os << "\n</table>\n<h3>Weights</h3><table><tr><th>weight<th>ONNX node<th>what<th>KiB before and after<th><th>error";
  for (const package::WeightChange &change : compression.changes)
    if (change.refused.empty())
      os << "\n<tr><td><code>" << escape(change.weight) << "</code><td><code>" << escape(change.node) << "</code><td>"
         << escape(change.what)
         << llvm::formatv("<td><svg width=160 height=14><rect class=before width={0:F1} height=6 /><rect class=after "
                          "y=7 width={1:F1} height=6 /></svg><td class=n>{2} &rarr; {3}<td class=n>{4}",
                          160.0 * change.before / most, 160.0 * change.after / most, kibibytes(change.before),
                          kibibytes(change.after), package::getErrorText(change.error));
  if (!compression.changes.empty())
    os << "\n</table>\n";
  if (refused)
    os << "<h3>Refused</h3><table><tr><th>weight<th>ONNX node<th>pass<th>why";
  for (const package::WeightChange &change : compression.changes)
    if (!change.refused.empty())
      os << "\n<tr><td><code>" << escape(change.weight) << "</code><td><code>" << escape(change.node)
         << "</code><td><code>" << escape(change.pass) << "</code><td>" << escape(change.refused);
  if (refused)
    os << "\n</table>\n";
  if (const std::optional<package::Evaluation> &evaluation = compression.evaluation) {
    os << "<h3>Evaluation</h3><p>" << evaluation->samples << " samples of " << escape(evaluation->data);
    if (!evaluation->against.empty())
      os << ", against " << escape(evaluation->against);
    os << ".</p>\n<table><tr><th>figure<th>value<th>95 % interval";
    for (const package::Evaluation::Figure &figure : evaluation->figures)
      os << "\n<tr><td>" << escape(figure.name) << "<td class=n>" << getText(figure) << "<td class=n>"
         << getInterval(figure);
    os << "\n</table>\n";
  }
}

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

void writeMarkdown(raw_ostream &os, const package::Summary &summary, StringRef model) {
  os << "# " << escapeCell(model) << "\n\n```\n";
  print(summary, os);
  os << "```\n";
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

void writeHtml(raw_ostream &os, const package::Summary &summary, StringRef model, ArrayRef<Row> rows,
               const Example &example) {
  double total = 0, most = 1;
  for (const Row &row : rows) {
    total += row.flops;
    most = std::max(most, row.flops);
  }
  os << "<!doctype html><meta charset=utf-8><title>" << escape(model) << "</title><style>" << kStyle << "</style>\n<h1>"
     << escape(model) << "</h1><div class=cards>";
  auto card = [&](StringRef name, const std::string &value) {
    os << "<div class=card><b>" << value << "</b>" << name << "</div>";
  };
  card("parameters", llvm::formatv("{0:N}", summary.parameters));
  card("package", llvm::formatv("{0:F1} MiB", summary.packageBytes / 1048576.0));
  card("launches", std::to_string(summary.launches));
  card("kernels", std::to_string(summary.kernels.size()));
  card("fused attentions", std::to_string(summary.attentions));
  os << "</div>\n<h2>Memory</h2><p>Besides the mapped weights, a run needs <code>" << escape(summary.arena.str())
     << "</code> bytes; at " << escape(example.str()) << " that is "
     << llvm::formatv("{0:F2}", example.evaluate(summary.arena) / 1048576.0)
     << " MiB.</p>\n<table><tr><th>symbol<th>range";
  for (const package::Summary::Symbol &symbol : summary.symbols)
    os << "<tr><td>" << escape(symbol.name) << "<td>" << symbol.range.min << " to " << symbol.range.max;
  os << "</table>\n<h2>Launches</h2><p>Work at " << escape(example.str()) << ": "
     << llvm::formatv("{0:F3}", total / 1e9) << " GFLOP. Bars are each launch's share.</p>\n"
     << "<table><tr><th>#<th>kernel<th>anchor<th>share<th><th>MFLOP<th>ONNX nodes";
  for (auto [index, row] : llvm::enumerate(rows)) {
    double share = total > 0 ? row.flops / total : 0;
    os << "\n<tr><td class=n>" << index << "<td><code>" << escape(row.kernel) << "</code><td>" << row.anchor
       << "<td class=n>" << llvm::formatv("{0:P1}", share) << "<td><svg width=160 height=12><rect class=" << row.anchor
       << " width=" << llvm::formatv("{0:F1}", 160 * row.flops / most) << " height=12 /></svg><td class=n title=\""
       << escape(row.formula) << "\">" << llvm::formatv("{0:F2}", row.flops / 1e6) << "<td>";
    StringRef nodes = row.nodes;
    size_t count = nodes.empty() ? 0 : nodes.count('\n') + 1;
    if (count > 1)
      os << "<details><summary>" << count << " nodes</summary><code>" << escape(nodes) << "</code></details>";
    else
      os << "<code>" << escape(nodes) << "</code>";
  }
  os << "\n</table>\n";
  writeCompression(os, summary);
  if (summary.precisions.empty())
    return;
  os << "<h2>Precision</h2><p>" << escape(package::countPrecisions(summary))
     << ". Sums are f32 in every precision.</p>\n<table><tr><th>precision<th>type<th>ONNX node<th>why";
  for (const package::Summary::Node &node : summary.precisions)
    os << "\n<tr><td>" << escape(node.precision) << "<td>" << escape(node.type) << "<td><code>" << escape(node.name)
       << "</code><td>" << escape(node.why);
  os << "\n</table>\n";
}
} // namespace

LogicalResult lathe::writeReport(ModuleOp module, const package::Summary &summary, StringRef model, StringRef path) {
  std::error_code code;
  llvm::ToolOutputFile file(path, code, llvm::sys::fs::OF_None);
  if (code)
    return module.emitError("can't write '") << path << "': " << code.message();
  StringRef extension = llvm::sys::path::extension(path);
  if (extension == ".json") {
    file.os() << llvm::formatv("{0:2}\n", package::toJson(summary));
  } else if (extension == ".html") {
    Example example(module, summary);
    writeHtml(file.os(), summary, llvm::sys::path::filename(model), getRows(module, example), example);
  } else if (extension == ".md") {
    writeMarkdown(file.os(), summary, llvm::sys::path::filename(model));
  } else {
    print(summary, file.os());
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
