// Where in a model's layers its weights are: said on the module while it can be told, for reports, which are written
// when fusion has been.
#pragma once
#include "mlir/IR/BuiltinOps.h"
#include <optional>

namespace lathe {

struct Place {
  llvm::StringRef kind; // of passes/Structure/Kinds.h
  int64_t layer = -1;   // or none: embeddings, heads, what is behind the last layer
  int64_t bytes = 0;    // of a weight, in f32, as the model had it
};

/// Says it, of matrices, on a module that is as it is after simplify, of the first time that it's said.
void notePlaces(mlir::ModuleOp module);

class Places {
public:
  explicit Places(mlir::ModuleOp module);
  bool empty() const { return !weights; }
  /// Of each weight that the model had.
  llvm::SmallVector<Place> all() const;
  /// Of a weight, or of the one that it was made of, whose symbol its own begins with.
  std::optional<Place> find(llvm::StringRef symbol) const;

private:
  mlir::DictionaryAttr weights;
  static std::optional<Place> read(mlir::Attribute place);
};

} // namespace lathe
