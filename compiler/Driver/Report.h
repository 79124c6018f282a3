// What a compilation made, for people: one self-contained HTML page, or Markdown; as JSON or text for tools.
#pragma once
#include "compiler/Package/Summary.h"

namespace lathe {

/// What runs of a package took beside those of the model as it was, at getExampleSizes, by one thread.
struct Timings {
  struct Launch {
    std::vector<std::string> weights; // that it reads
    double milliseconds;              // on average
  };
  struct Side {
    double average = 0, least = 0, greatest = 0; // milliseconds of a run
    uint64_t packageBytes = 0, memoryBytes = 0;
    std::vector<Launch> launches; // in their order
  };
  unsigned runs = 0; // of each side, in turns
  std::string target;
  Side before, after;
};

/// Writes the report of a planned module; `.html`, `.md`, `.json` or anything else (text) by the path's extension.
/// Figures that depend on symbols are shown at getExampleSizes; the page says so. `timings` may be null.
mlir::LogicalResult writeReport(mlir::ModuleOp module, const package::Summary &summary, llvm::StringRef model,
                                llvm::StringRef path, const Timings *timings = nullptr);

/// The page alone.
void writeHtml(llvm::raw_ostream &os, mlir::ModuleOp module, const package::Summary &summary, llvm::StringRef model,
               const Timings *timings);

} // namespace lathe
