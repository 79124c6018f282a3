// Plots of a report as SVG, which the page's style colours: light or dark, as the reader has it.
#pragma once
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include <optional>
#include <string>
#include <vector>

namespace lathe::report {

/// Text as HTML has it.
std::string escape(llvm::StringRef text);
extern const llvm::StringLiteral kPlotStyle;

/// A number before and after, of what the label names; nothing: not known, and no bar.
struct Pair {
  std::string label;
  std::optional<double> before, after;
};
/// Two bars for each label, side by side. `unit` is behind the numbers.
std::string plotPairs(llvm::ArrayRef<Pair> pairs, llvm::StringRef unit);

/// What became of a weight: a cell at its kind and layer.
struct Cell {
  std::string row, column;
  std::optional<double> error; // nothing: refused
  std::string title;           // what a pointer over it shows
};
/// Rows and columns in the order of their first cells; of several cells at one place the last one that was changed, or
/// else refused, is seen. The greater the error, the darker.
std::string plotMatrix(llvm::ArrayRef<Cell> cells);
/// Errors over columns, a line for each row, on a logarithmic scale; of several cells at one place the last.
std::string plotErrors(llvm::ArrayRef<Cell> cells);

/// The least, the average and the greatest of several runs.
struct Spread {
  std::string label;
  double least, average, greatest;
};
std::string plotSpreads(llvm::ArrayRef<Spread> spreads, llvm::StringRef unit);

} // namespace lathe::report
