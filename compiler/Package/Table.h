// The package's table of contents, from a planned module.
#pragma once
#include "compiler/Package/Writer.h"
#include "dialects/Tfm/Formats.h"

namespace lathe::package {

/// A weight of the program and its place among the stored bytes. Equal weights share a place.
struct StoredWeight {
  tfm::WeightOp weight;
  kernel::PanelAttr layout;
  std::string name;    // unique
  uint64_t size;       // bytes as laid out
  uint64_t offset = 0; // in the weights' segment
  /// Whether it is made when the package is loaded.
  bool isRandom() const {
    tfm::WeightOp op = weight;
    return llvm::isa<tfm::RandomAttr>(op.getSource()) && !tfm::getFormat(op.getType());
  }
  /// Whether the package says that several rows of its panels lie together.
  bool isDeep() const {
    tfm::WeightOp op = weight;
    return layout && layout.getDepth() > 1 && !tfm::getFormat(op.getType());
  }
};

/// The FlatBuffer of the module; `weights` in the order in which entries first use them. Targets' code is in the
/// segments 0, 1, ..., weights in `weightSegment`. A formula that is too long, or names a symbol that no input binds,
/// is a diagnostic.
mlir::FailureOr<std::vector<uint8_t>> buildTable(mlir::ModuleOp module, llvm::ArrayRef<TargetCode> code,
                                                 llvm::ArrayRef<StoredWeight> weights, uint32_t weightSegment,
                                                 llvm::StringRef name);

} // namespace lathe::package
