// What a compilation made, for people: one self-contained HTML page, or Markdown; as JSON or text for tools.
#pragma once
#include "compiler/Package/Summary.h"

namespace lathe {

/// Writes the report of a planned module; `.html`, `.md`, `.json` or anything else (text) by the path's extension.
/// Figures that depend on symbols are shown at 1 for the first symbol of every input and, for the others, at 128 or the
/// nearest value of their range; the page says so.
mlir::LogicalResult writeReport(mlir::ModuleOp module, const package::Summary &summary, llvm::StringRef model,
                                llvm::StringRef path);

} // namespace lathe
