#include "compiler/Driver/Plots.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"
#include <cmath>

using namespace lathe;
using namespace lathe::report;
using llvm::ArrayRef;
using llvm::StringRef;

const llvm::StringLiteral report::kPlotStyle = R"(
svg.plot{display:block;width:100%;height:auto;font:12px system-ui,sans-serif;overflow:visible}
svg.plot text{fill:var(--soft)}svg.plot text.strong{fill:var(--text);font-weight:600}
svg.plot .grid{stroke:var(--line);stroke-width:1}svg.plot .axis{stroke:var(--soft);stroke-width:1}
svg.plot rect.before,svg.plot line.before{fill:var(--before);stroke:var(--before)}
svg.plot rect.after,svg.plot line.after{fill:var(--after);stroke:var(--after)}
svg.plot rect.before,svg.plot rect.after{stroke:none}
svg.plot circle.before{fill:var(--before)}svg.plot circle.after{fill:var(--after)}
svg.plot rect.refused{fill:url(#hatch);stroke:var(--refused);stroke-width:1.2}
svg.plot rect.none{fill:none;stroke:var(--line)}svg.plot text.in{fill:#fff;font-size:11px}svg.plot text.on{fill:#123;font-size:11px}
svg.plot path{fill:none;stroke-width:2;stroke-linejoin:round}
)";

std::string report::escape(StringRef text) {
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
    case '\n':
      result += "&#10;";
      break;
    default:
      result += c;
    }
  return result;
}

namespace {
/// An SVG as it grows.
class Canvas {
public:
  Canvas(double width, double height) : os(body) {
    os << llvm::formatv("<svg class=plot role=img viewBox=\"0 0 {0:F0} {1:F0}\">", width, height);
  }
  void rect(double x, double y, double width, double height, StringRef style, StringRef title = "") {
    os << llvm::formatv("<rect x={0:F1} y={1:F1} width={2:F1} height={3:F1} rx=2 {4}", x, y, std::max(width, 0.0),
                        std::max(height, 0.0), style);
    end(title, "rect");
  }
  void line(double x1, double y1, double x2, double y2, StringRef style) {
    os << llvm::formatv("<line x1={0:F1} y1={1:F1} x2={2:F1} y2={3:F1} {4} />", x1, y1, x2, y2, style);
  }
  void circle(double x, double y, double radius, StringRef style, StringRef title = "") {
    os << llvm::formatv("<circle cx={0:F1} cy={1:F1} r={2:F1} {3}", x, y, radius, style);
    end(title, "circle");
  }
  /// `anchor`: start, middle, end.
  void text(double x, double y, StringRef anchor, const std::string &text, StringRef style = "") {
    os << llvm::formatv("<text x={0:F1} y={1:F1} text-anchor={2} {3}>{4}</text>", x, y, anchor, style, escape(text));
  }
  void raw(const std::string &text) { os << text; }
  std::string take() { return body + "</svg>\n"; }

private:
  std::string body;
  llvm::raw_string_ostream os;

  void end(StringRef title, StringRef element) {
    if (title.empty())
      os << " />";
    else
      os << "><title>" << escape(title) << "</title></" << element << ">";
  }
};

/// In three digits: 0.000123, 1.23, 12.3, 1230.
std::string number(double value) {
  std::string text;
  llvm::raw_string_ostream os(text);
  double magnitude = std::fabs(value);
  if (magnitude >= 100 || value == 0)
    os << llvm::format("%.0f", value);
  else if (magnitude >= 0.01)
    os << llvm::format(magnitude >= 10 ? "%.1f" : magnitude >= 1 ? "%.2f" : "%.3f", value);
  else
    return llvm::formatv("{0:F1}e{1}", value / std::pow(10, std::floor(std::log10(magnitude))),
                         static_cast<int>(std::floor(std::log10(magnitude))));
  return text;
}

/// A step of 1, 2 or 5 times a power of ten, four or so of which make up the range.
double getStep(double range) {
  double power = std::pow(10, std::floor(std::log10(range / 4)));
  double steps = range / 4 / power;
  return power * (steps > 5 ? 10 : steps > 2 ? 5 : steps > 1 ? 2 : 1);
}

constexpr llvm::StringLiteral kColours[] = {"#2f6fde", "#c2571a", "#2f9e6e", "#8a4fd0",
                                            "#c43b6d", "#8c7a1f", "#1c93a8", "#777f8c"};

/// From a pale to a dark blue.
std::string getShade(double part) {
  part = std::clamp(part, 0.0, 1.0);
  return llvm::formatv("rgb({0:F0},{1:F0},{2:F0})", 214 - 186 * part, 230 - 180 * part, 250 - 130 * part);
}
} // namespace

std::string report::plotPairs(ArrayRef<Pair> pairs, StringRef unit) {
  constexpr double kWidth = 960, kHeight = 250, kLeft = 56, kTop = 18, kBottom = 26;
  double most = 0;
  for (const Pair &pair : pairs)
    most = std::max({most, pair.before.value_or(0), pair.after.value_or(0)});
  if (most <= 0)
    return "";
  Canvas canvas(kWidth, kHeight);
  double height = kHeight - kTop - kBottom, group = (kWidth - kLeft) / pairs.size(), bar = std::min(group * 0.36, 34.0);
  auto y = [&](double value) { return kTop + height * (1 - value / most); };
  double step = getStep(most);
  for (double at = 0; at <= most * 1.0001; at += step) {
    canvas.line(kLeft, y(at), kWidth, y(at), at == 0 ? "class=axis" : "class=grid");
    canvas.text(kLeft - 8, y(at) + 4, "end", number(at));
  }
  canvas.text(kLeft - 8, kTop - 6, "end", unit.str());
  bool crowded = pairs.size() > 14;
  for (auto [i, pair] : llvm::enumerate(pairs)) {
    double middle = kLeft + group * (i + 0.5);
    std::string text = pair.label + ": ";
    auto show = [&](const std::optional<double> &value) {
      return value ? number(*value) + " " + unit.str() : std::string("not known");
    };
    text += show(pair.before) + " before, " + show(pair.after) + " after";
    if (pair.before)
      canvas.rect(middle - bar - 1, y(*pair.before), bar, kTop + height - y(*pair.before), "class=before", text);
    if (pair.after) {
      canvas.rect(middle + 1, y(*pair.after), bar, kTop + height - y(*pair.after), "class=after", text);
      if (!crowded)
        canvas.text(middle + 1 + bar / 2, y(*pair.after) - 5, "middle", number(*pair.after), "class=strong");
    }
    if (!crowded || i % (pairs.size() / 14 + 1) == 0)
      canvas.text(middle, kHeight - 8, "middle", pair.label);
  }
  return canvas.take();
}

/// Between the least and the greatest error, on a logarithmic scale.
static std::pair<double, double> getLogRange(ArrayRef<double> errors) {
  double low = INFINITY, high = -INFINITY;
  for (double error : errors)
    if (error > 0) {
      low = std::min(low, std::log10(error));
      high = std::max(high, std::log10(error));
    }
  if (!(low <= high))
    return {0, 0};
  if (high - low < 0.5)
    return {(low + high) / 2 - 0.25, (low + high) / 2 + 0.25};
  return {low, high};
}

std::string report::plotMatrix(ArrayRef<Cell> cells) {
  llvm::SetVector<StringRef> rows, columns;
  llvm::MapVector<std::pair<StringRef, StringRef>, const Cell *> places;
  for (const Cell &cell : cells) {
    rows.insert(cell.row);
    columns.insert(cell.column);
    const Cell *&seen = places[{cell.row, cell.column}];
    if (!seen || cell.error || !seen->error)
      seen = &cell;
  }
  if (cells.empty())
    return "";
  constexpr double kLeft = 130, kCellHeight = 26, kTop = 22;
  double width = std::min((960 - kLeft) / columns.size(), 110.0);
  llvm::SmallVector<double> errors;
  for (auto &[place, cell] : places)
    errors.push_back(cell->error.value_or(0));
  auto [low, high] = getLogRange(errors);
  Canvas canvas(960, kTop + kCellHeight * rows.size() + 8);
  canvas.raw("<defs><pattern id=hatch width=6 height=6 patternUnits=userSpaceOnUse patternTransform=rotate(45)><line "
             "x1=0 y1=0 x2=0 y2=6 style=\"stroke:var(--refused);stroke-width:2\" /></pattern></defs>");
  bool crowded = width < 44;
  for (auto [i, column] : llvm::enumerate(columns))
    if (!crowded || i % (columns.size() / 14 + 1) == 0)
      canvas.text(kLeft + width * (i + 0.5), kTop - 8, "middle", column.str());
  for (auto [i, row] : llvm::enumerate(rows)) {
    double y = kTop + kCellHeight * i;
    canvas.text(kLeft - 10, y + 17, "end", row.str());
    for (auto [j, column] : llvm::enumerate(columns)) {
      double x = kLeft + width * j;
      auto found = places.find({row, column});
      if (found == places.end()) {
        canvas.rect(x + 1, y + 1, width - 3, kCellHeight - 3, "class=none");
        continue;
      }
      const Cell &cell = *found->second;
      if (!cell.error) {
        canvas.rect(x + 1, y + 1, width - 3, kCellHeight - 3, "class=refused", cell.title);
        continue;
      }
      double part = *cell.error > 0 && high > low ? (std::log10(*cell.error) - low) / (high - low) : 0;
      canvas.rect(x + 1, y + 1, width - 3, kCellHeight - 3, "fill=\"" + getShade(part) + "\"", cell.title);
      if (!crowded)
        canvas.text(x + width / 2 - 0.5, y + 17, "middle", number(*cell.error), part > 0.45 ? "class=in" : "class=on");
    }
  }
  return canvas.take();
}

std::string report::plotErrors(ArrayRef<Cell> cells) {
  llvm::SetVector<StringRef> columns;
  llvm::MapVector<StringRef, llvm::MapVector<StringRef, double>> rows;
  for (const Cell &cell : cells)
    if (cell.error && *cell.error > 0 && std::isfinite(*cell.error)) {
      columns.insert(cell.column);
      rows[cell.row][cell.column] = *cell.error;
    }
  if (rows.empty() || columns.size() < 2)
    return "";
  constexpr double kWidth = 960, kHeight = 260, kLeft = 56, kRight = 140, kTop = 14, kBottom = 26;
  llvm::SmallVector<double> errors;
  for (auto &[name, row] : rows)
    for (auto &[column, error] : row)
      errors.push_back(error);
  auto range = getLogRange(errors);
  double margin = 0.08 * (range.second - range.first), height = kHeight - kTop - kBottom;
  double low = range.first - margin, high = range.second + margin;
  Canvas canvas(kWidth, kHeight);
  auto x = [&](StringRef column) {
    size_t at = llvm::find(columns, column) - columns.begin();
    return kLeft + (kWidth - kLeft - kRight) * (at + 0.5) / columns.size();
  };
  auto y = [&](double error) { return kTop + height * (high - std::log10(error)) / (high - low); };
  for (int power = static_cast<int>(std::floor(low)); power <= std::ceil(high); ++power)
    for (double digit : {1.0, 2.0, 5.0}) {
      double value = digit * std::pow(10, power);
      if (std::log10(value) < low || std::log10(value) > high)
        continue;
      canvas.line(kLeft, y(value), kWidth - kRight, y(value), "class=grid");
      canvas.text(kLeft - 8, y(value) + 4, "end", number(value));
    }
  bool crowded = columns.size() > 16;
  for (auto [i, column] : llvm::enumerate(columns))
    if (!crowded || i % (columns.size() / 14 + 1) == 0)
      canvas.text(x(column), kHeight - 8, "middle", column.str());
  // Names stand in a column of their own, in the order of the lines' ends.
  std::vector<std::tuple<double, StringRef, size_t>> names;
  for (auto [i, row] : llvm::enumerate(rows)) {
    std::string colour = kColours[i % std::size(kColours)].str(), path;
    for (auto &[column, error] : row.second) {
      path += llvm::formatv("{0}{1:F1} {2:F1}", path.empty() ? "M" : "L", x(column), y(error));
      canvas.circle(x(column), y(error), 3.5, "fill=\"" + colour + "\"",
                    (row.first + ", " + column + ": ").str() + number(error));
    }
    canvas.raw("<path d=\"" + path + "\" stroke=\"" + colour + "\" />");
    names.emplace_back(y(row.second.back().second), row.first, i);
  }
  llvm::sort(names);
  std::vector<double> heights;
  for (auto &name : names)
    heights.push_back(std::max(std::get<0>(name) + 4, heights.empty() ? 0 : heights.back() + 15));
  double lowest = kHeight - kBottom + 4;
  for (double &at : llvm::reverse(heights)) {
    at = std::min(at, lowest);
    lowest = at - 15;
  }
  for (auto [name, at] : llvm::zip_equal(names, heights)) {
    StringRef colour = kColours[std::get<2>(name) % std::size(kColours)];
    canvas.circle(kWidth - kRight + 12, at - 4, 4, ("fill=\"" + colour + "\"").str());
    canvas.text(kWidth - kRight + 22, at, "start", std::get<1>(name).str());
  }
  return canvas.take();
}

std::string report::plotSpreads(ArrayRef<Spread> spreads, StringRef unit) {
  constexpr double kWidth = 960, kLeft = 90, kRight = 260, kRow = 34, kTop = 8;
  double most = 0;
  for (const Spread &spread : spreads)
    most = std::max(most, spread.greatest);
  if (most <= 0)
    return "";
  double height = kTop + kRow * spreads.size();
  Canvas canvas(kWidth, height + 24);
  auto x = [&](double value) { return kLeft + (kWidth - kLeft - kRight) * value / most; };
  double step = getStep(most);
  for (double at = 0; at <= most * 1.0001; at += step) {
    canvas.line(x(at), kTop, x(at), height, at == 0 ? "class=axis" : "class=grid");
    canvas.text(x(at), height + 16, "middle", number(at) + (at == 0 ? " " + unit.str() : ""));
  }
  for (auto [i, spread] : llvm::enumerate(spreads)) {
    double middle = kTop + kRow * (i + 0.5);
    std::string style = i + 1 == spreads.size() ? "class=after" : "class=before";
    canvas.text(kLeft - 10, middle + 4, "end", spread.label, "class=strong");
    canvas.rect(kLeft, middle - 9, x(spread.average) - kLeft, 18, style);
    canvas.line(x(spread.least), middle, x(spread.greatest), middle, "style=\"stroke:var(--text);stroke-width:1.5\"");
    for (double end : {spread.least, spread.greatest})
      canvas.line(x(end), middle - 6, x(end), middle + 6, "style=\"stroke:var(--text);stroke-width:1.5\"");
    canvas.text(kWidth - kRight + 16, middle + 4, "start",
                number(spread.average) + " " + unit.str() + " on average, " + number(spread.least) + " to " +
                    number(spread.greatest));
  }
  return canvas.take();
}
