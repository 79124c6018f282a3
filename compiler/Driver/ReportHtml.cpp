// The report as one page that needs nothing else.
#include "compiler/Driver/Example.h"
#include "compiler/Driver/Places.h"
#include "compiler/Driver/Plots.h"
#include "compiler/Driver/Report.h"
#include "compiler/Package/Layout.h"
#include "mlir/IR/SymbolTable.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/Support/FormatVariadic.h"
#include <cmath>

using namespace mlir;
using namespace lathe;
using report::escape;

namespace {
constexpr StringLiteral kStyle = R"(
:root{--text:#1d2433;--soft:#667085;--line:#e4e7ec;--card:#fff;--page:#f6f7f9;--before:#b9c0cc;--after:#2f6fde;--refused:#d9822b;--good:#1a7f4b}
@media(prefers-color-scheme:dark){:root{--text:#e8eaf0;--soft:#98a2b3;--line:#2b3242;--card:#171c28;--page:#0f131c;--before:#5b6476;--after:#5b93f5;--refused:#e39a4f;--good:#55c58a}}
body{font:15px/1.5 system-ui,sans-serif;margin:0;background:var(--page);color:var(--text)}
main{max-width:64rem;margin:0 auto;padding:2.2rem 1.2rem 4rem}
h1{font-size:1.6rem;margin:0}h2{font-size:1.15rem;margin:2.4rem 0 .2rem}h3{font-size:1rem;margin:1.2rem 0 .3rem}
p{margin:.2rem 0 .8rem;color:var(--soft);max-width:46rem}p.sub{margin-bottom:1.4rem}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(11rem,1fr));gap:.8rem}
.card{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:.8rem 1rem;color:var(--soft);font-size:.85rem}
.card b{display:block;font-size:1.45rem;line-height:1.3;color:var(--text);font-variant-numeric:tabular-nums}
.card b i{display:block;font-style:normal;color:var(--soft);font-weight:400;font-size:.95rem}.card em{font-style:normal;color:var(--good);font-weight:600}
.plot-box{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:1rem 1.1rem .7rem;margin:.6rem 0}
.key{font-size:.8rem;color:var(--soft);margin-bottom:.4rem}.key span{display:inline-block;width:.7rem;height:.7rem;border-radius:2px;margin:0 .35rem 0 .9rem}
.key span:first-child{margin-left:0}.key .b{background:var(--before)}.key .a{background:var(--after)}
.key .r{background:repeating-linear-gradient(45deg,var(--refused) 0 2px,transparent 2px 4px);border:1px solid var(--refused)}
.key .g{width:4rem;background:linear-gradient(90deg,rgb(214,230,250),rgb(28,50,120))}
table{border-collapse:collapse;width:100%;font-size:.9rem}
td,th{text-align:left;padding:.25rem .8rem .25rem 0;border-bottom:1px solid var(--line);vertical-align:top}th{color:var(--soft);font-weight:500}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}code{font-size:.85em;overflow-wrap:anywhere}
details{margin:.5rem 0}summary{cursor:pointer;color:var(--soft)}
rect.contraction{fill:var(--after)}rect.attention{fill:#c2571a}rect.reduction{fill:#4a9b57}rect.map,rect.gather{fill:var(--before)}
)";

std::string mebibytes(double bytes) {
  return llvm::formatv(bytes < 1 << 20    ? "{0:F3} MiB"
                       : bytes < 10 << 20 ? "{0:F2} MiB"
                                          : "{0:F1} MiB",
                       bytes / 1048576);
}
std::string kibibytes(double bytes) { return llvm::formatv("{0:F1}", bytes / 1024); }
std::string milliseconds(double value) { return llvm::formatv(value < 10 ? "{0:F3} ms" : "{0:F1} ms", value); }

/// Sums by layer, in the order of layers: embeddings, then 0, 1, 2 ..., then what is behind or in none.
class Layers {
public:
  double &operator()(std::optional<Place> place, bool isAfter) {
    int64_t layer = place ? place->layer : -1;
    bool isEmbedding = place && place->kind == "embedding";
    auto &sums = rows[layer >= 0 ? layer : isEmbedding ? -1 : INT64_MAX];
    return isAfter ? sums.second : sums.first;
  }
  static std::string getName(int64_t key) {
    return key < 0 ? "embeddings" : key == INT64_MAX ? "rest" : "layer " + std::to_string(key);
  }
  std::vector<report::Pair> getPairs(double unit) const {
    std::vector<report::Pair> pairs;
    for (auto &[key, sums] : rows)
      pairs.push_back({getName(key), sums.first / unit, sums.second / unit});
    return pairs;
  }

private:
  std::map<int64_t, std::pair<double, double>> rows;
};

class Page {
public:
  Page(raw_ostream &os, ModuleOp module, const package::Summary &summary, const Timings *timings)
      : os(os), module(module), summary(summary), timings(timings), symbols(module), places(module),
        example(getExampleSizes(module)) {}

  void write(StringRef model) {
    os << "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\"><title>"
       << escape(model) << "</title><style>" << kStyle << report::kPlotStyle << "</style>\n<main><h1>" << escape(model)
       << "</h1><p class=sub>What this compilation made.</p>";
    writeCards();
    writeTimings();
    writeCompression();
    writeLaunches();
    writeMemory();
    writePrecision();
    os << "</main></html>\n";
  }

private:
  raw_ostream &os;
  ModuleOp module;
  const package::Summary &summary;
  const Timings *timings;
  SymbolTable symbols;
  Places places;
  std::map<std::string, int64_t> example;

  double evaluate(const Dim &dim) const {
    auto value = dim.evaluate([&](StringRef name) -> std::optional<int64_t> {
      auto it = example.find(name.str());
      return it == example.end() ? std::nullopt : std::optional(it->second);
    });
    return value ? static_cast<double>(*value) : 0;
  }
  std::string getExample() const {
    std::string text;
    for (auto &[name, value] : example)
      text += (text.empty() ? "" : ", ") + name + " = " + std::to_string(value);
    return text.empty() ? "its fixed shapes" : text;
  }

  void card(const std::string &value, const std::string &name) {
    os << "<div class=card><b>" << value << "</b>" << name << "</div>";
  }
  /// "90.3 MiB -> 23.1 MiB".
  static std::string change(const std::string &from, const std::string &to) {
    return "<i>" + from + " &rarr;</i>" + to;
  }

  void writeCards() {
    const package::Compression &compression = summary.compression;
    double bytes = static_cast<double>(summary.packageBytes);
    os << "<div class=cards>";
    if (timings) {
      double from = timings->before.average, to = timings->after.average;
      card(change(milliseconds(from), milliseconds(to)),
           llvm::formatv("a run, <em>{0:F2}&times;</em> as fast", to > 0 ? from / to : 0));
    }
    if (compression.modelBytes && bytes)
      card(change(mebibytes(compression.modelBytes), mebibytes(bytes)),
           llvm::formatv("package, <em>{0:P1}</em> of the model's weights in f32", bytes / compression.modelBytes));
    else
      card(mebibytes(bytes), "package");
    if (timings)
      card(change(mebibytes(timings->before.memoryBytes), mebibytes(timings->after.memoryBytes)),
           "memory of a run, weights included");
    if (compression.evaluation)
      for (const package::Evaluation::Figure &figure : compression.evaluation->figures)
        if (llvm::is_contained({"cosine.mean", "accuracy.difference", "perplexity.ratio"}, figure.name)) {
          std::string interval = getInterval(figure);
          card(escape(getText(figure)), escape(figure.name) + (interval.empty() ? "" : ", " + escape(interval)));
        }
    card(llvm::formatv("{0:N}", summary.parameters), "parameters");
    card(std::to_string(summary.launches),
         llvm::formatv("launches of {0} kernels, {1} fused attentions", summary.kernels.size(), summary.attentions));
    os << "</div>\n";
  }

  void key(StringRef text) { os << "<div class=key>" << text << "</div>"; }
  void plot(const std::string &svg, StringRef keys) {
    os << "<div class=plot-box>";
    key(keys);
    os << svg << "</div>\n";
  }
  static constexpr StringLiteral kBeforeAfter = "<span class=b></span>before<span class=a></span>after";

  /// Of the matrices that a launch reads; else that of the launch before it.
  std::optional<Place> getPlace(ArrayRef<std::string> weights, std::optional<Place> last) const {
    for (const std::string &weight : weights)
      if (auto place = places.find(weight))
        return place;
    return last;
  }

  void writeTimings() {
    if (!timings)
      return;
    os << "<h2>Time</h2><p>" << timings->runs << " runs of each, in turns, by one thread on " << escape(timings->target)
       << " at " << escape(getExample()) << ": the model as it was, and this package.</p>";
    auto spread = [](const char *label, const Timings::Side &side) {
      return report::Spread{label, side.least, side.average, side.greatest};
    };
    plot(report::plotSpreads({spread("before", timings->before), spread("after", timings->after)}, "ms"),
         "the average; from the least to the greatest");
    Layers layers;
    for (bool isAfter : {false, true}) {
      std::optional<Place> place;
      for (const Timings::Launch &launch : isAfter ? timings->after.launches : timings->before.launches) {
        place = getPlace(launch.weights, place);
        layers(place, isAfter) += launch.milliseconds;
      }
    }
    if (!places.empty()) {
      os << "<h3>Time by layer</h3>";
      plot(report::plotPairs(layers.getPairs(1), "ms"), kBeforeAfter);
    }
  }

  /// Of matrices: vectors are as they were.
  Layers getBytes() {
    Layers layers;
    for (const Place &place : places.all())
      layers(place, false) += place.bytes;
    module.walk([&](program::WeightOp use) {
      auto weight = symbols.lookup<tfm::WeightOp>(use.getWeight());
      if (weight.getTensorType().getRank() >= 2)
        layers(places.find(weight.getSymName()), true) +=
            static_cast<double>(package::getStoredBytes(weight.getTensorType(), use.getLayoutAttr()).value_or(0));
    });
    return layers;
  }
  std::vector<report::Cell> getCells() const {
    std::vector<report::Cell> cells;
    for (const package::WeightChange &change : summary.compression.changes) {
      std::optional<Place> place = places.find(change.weight);
      bool isRefused = !change.refused.empty();
      std::string title = change.weight + "\n" + change.pass + ": " +
                          (isRefused ? "refused: " + change.refused
                                     : change.what + "\nerror " + package::getErrorText(change.error) + ", " +
                                           kibibytes(change.before) + " to " + kibibytes(change.after) + " KiB");
      int64_t layer = place ? place->layer : -1;
      cells.push_back({place ? place->kind.str() : change.weight, layer < 0 ? "-" : std::to_string(layer),
                       isRefused || !std::isfinite(change.error) ? std::nullopt : std::optional(change.error), title});
    }
    // As data flows through a layer.
    auto getOrder = [](const report::Cell &cell) {
      static const StringRef order[] = {"embedding", "attention.q", "attention.k", "attention.v", "attention.output",
                                        "ffn.gate",  "ffn.up",      "ffn.down",    "linear",      "head"};
      size_t column = cell.column == "-" ? SIZE_MAX : std::stoul(cell.column);
      return std::pair(llvm::find(order, StringRef(cell.row)) - std::begin(order), column);
    };
    llvm::stable_sort(cells, [&](const auto &a, const auto &b) { return getOrder(a) < getOrder(b); });
    return cells;
  }

  void writeCompression() {
    const package::Compression &compression = summary.compression;
    if (compression.empty())
      return;
    os << "<h2>Compression</h2><p>" << escape(getSizes(compression, summary.weightBytes, summary.packageBytes))
       << ".</p>\n";
    if (!compression.changes.empty()) {
      if (!places.empty()) {
        os << "<h3>Bytes by layer</h3>";
        plot(report::plotPairs(getBytes().getPairs(1024), "KiB"), kBeforeAfter);
      }
      std::vector<report::Cell> cells = getCells();
      os << "<h3>What became of each weight</h3>";
      plot(report::plotMatrix(cells),
           "relative error of the last change, by kind and layer: <span class=g></span>greater"
           "<span class=r></span>refused");
      if (std::string errors = report::plotErrors(cells); !errors.empty()) {
        os << "<h3>Error by layer</h3>";
        plot(errors, "relative error, of the weight or of the linear's result on the calibration data");
      }
      writeRefused();
      writeChanges();
    }
    if (std::string text = getGeneric(compression); !text.empty())
      os << "<p>Weights " << escape(text) << ".</p>\n";
    writeEvaluation();
  }

  void writeRefused() {
    llvm::MapVector<std::pair<StringRef, StringRef>, std::vector<const package::WeightChange *>> reasons;
    for (const package::WeightChange &change : summary.compression.changes)
      if (!change.refused.empty())
        reasons[{change.pass, change.refused}].push_back(&change);
    if (reasons.empty())
      return;
    os << "<h3>Refused</h3><table><tr><th>pass<th>why<th>weights";
    for (auto &[reason, changes] : reasons) {
      os << "\n<tr><td><code>" << escape(reason.first) << "</code><td>" << escape(reason.second) << "<td>";
      if (changes.size() > 1)
        os << "<details><summary>" << changes.size() << " weights</summary>";
      for (const package::WeightChange *change : changes)
        os << "<code title=\"" << escape(change->node) << "\">" << escape(change->weight) << "</code> ";
      if (changes.size() > 1)
        os << "</details>";
    }
    os << "\n</table>\n";
  }

  void writeChanges() {
    os << "<h3>Passes</h3><table><tr><th>pass<th class=n>changed<th class=n>refused<th class=n>KiB before<th "
          "class=n>after";
    for (const package::PassTotal &total : sumPasses(summary.compression))
      os << "\n<tr><td><code>" << escape(total.pass) << "</code><td class=n>" << total.changed << "<td class=n>"
         << total.refused << "<td class=n>" << kibibytes(total.before) << "<td class=n>" << kibibytes(total.after);
    os << "\n</table>\n<details><summary>every change</summary><table><tr><th>weight<th>ONNX node<th>what<th "
          "class=n>KiB "
          "before<th class=n>after<th class=n>error";
    for (const package::WeightChange &change : summary.compression.changes)
      if (change.refused.empty())
        os << "\n<tr><td><code>" << escape(change.weight) << "</code><td><code>" << escape(change.node) << "</code><td>"
           << escape(change.what) << "<td class=n>" << kibibytes(change.before) << "<td class=n>"
           << kibibytes(change.after) << "<td class=n>" << package::getErrorText(change.error);
    os << "\n</table></details>\n";
  }

  void writeEvaluation() {
    const std::optional<package::Evaluation> &evaluation = summary.compression.evaluation;
    if (!evaluation)
      return;
    os << "<h3>Evaluation</h3><p>" << evaluation->samples << " samples of " << escape(evaluation->data);
    if (!evaluation->against.empty())
      os << ", against " << escape(evaluation->against);
    os << ".</p>\n<table><tr><th>figure<th class=n>value<th class=n>95 % interval";
    for (const package::Evaluation::Figure &figure : evaluation->figures)
      os << "\n<tr><td>" << escape(figure.name) << "<td class=n>" << getText(figure) << "<td class=n>"
         << getInterval(figure);
    os << "\n</table>\n";
  }

  void writeLaunches() {
    double total = 0, most = 1;
    module.walk([&](program::LaunchOp launch) {
      double flops = launch.getFlops() ? evaluate(launch.getFlops()->getDims()[0]) : 0;
      total += flops;
      most = std::max(most, flops);
    });
    os << "<h2>Launches</h2><p>Work at " << escape(getExample()) << ": " << llvm::formatv("{0:F3}", total / 1e9)
       << " GFLOP. Bars are each launch's share.</p>\n<details" << (summary.compression.empty() ? " open" : "")
       << "><summary>" << summary.launches << " launches</summary><table><tr><th>#<th>kernel<th>anchor<th class=n>share"
       << "<th><th class=n>MFLOP<th>ONNX nodes";
    size_t index = 0;
    module.walk([&](program::LaunchOp launch) { writeLaunch(launch, index++, total, most); });
    os << "\n</table></details>\n";
  }

  void writeLaunch(program::LaunchOp launch, size_t index, double total, double most) {
    StringRef anchor = kernel::stringifyAnchor(symbols.lookup<kernel::FuncOp>(launch.getKernel()).getAnchor());
    Dim flops = launch.getFlops() ? launch.getFlops()->getDims()[0] : Dim(0);
    double work = evaluate(flops);
    os << "\n<tr><td class=n>" << index << "<td><code>" << escape(launch.getKernel()) << "</code><td>" << anchor
       << "<td class=n>" << llvm::formatv("{0:P1}", total > 0 ? work / total : 0)
       << "<td><svg width=120 height=12><rect class=" << anchor
       << " width=" << llvm::formatv("{0:F1}", 120 * work / most) << " height=12 /></svg><td class=n title=\""
       << escape(flops.str()) << "\">" << llvm::formatv("{0:F2}", work / 1e6) << "<td>";
    std::string nodes;
    size_t count = 0;
    if (auto origins = launch.getOrigins())
      for (auto name : origins->getAsValueRange<StringAttr>()) {
        nodes += (count++ ? "<br>" : "") + escape(name);
      }
    if (count > 1)
      os << "<details><summary>" << count << " nodes</summary><code>" << nodes << "</code></details>";
    else
      os << "<code>" << nodes << "</code>";
  }

  void writeMemory() {
    os << "<h2>Memory</h2><p>Besides the mapped weights, a run needs <code>" << escape(summary.arena.str())
       << "</code> bytes; at " << escape(getExample()) << " that is "
       << llvm::formatv("{0:F2}", evaluate(summary.arena) / 1048576.0) << " MiB.</p>\n<table><tr><th>symbol<th>range";
    for (const package::Summary::Symbol &symbol : summary.symbols)
      os << "<tr><td>" << escape(symbol.name) << "<td>" << symbol.range.min << " to " << symbol.range.max;
    os << "</table>\n";
  }

  void writePrecision() {
    if (summary.precisions.empty())
      return;
    os << "<h2>Precision</h2><p>" << escape(package::countPrecisions(summary))
       << ". Sums are f32 in every precision.</p>\n<table><tr><th>precision<th>type<th>ONNX node<th>why";
    for (const package::Summary::Node &node : summary.precisions)
      os << "\n<tr><td>" << escape(node.precision) << "<td>" << escape(node.type) << "<td><code>" << escape(node.name)
         << "</code><td>" << escape(node.why);
    os << "\n</table>\n";
  }
};
} // namespace

void lathe::writeHtml(raw_ostream &os, ModuleOp module, const package::Summary &summary, StringRef model,
                      const Timings *timings) {
  Page(os, module, summary, timings).write(model);
}
