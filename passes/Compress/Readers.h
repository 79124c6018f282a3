// Weights whose format changes, with all that reads them.
#pragma once
#include "passes/Compress/Linears.h"

namespace lathe::compress {

/// A weight, and what reads it.
struct Target {
  tfm::WeightOp weight;
  llvm::SmallVector<tfm::GetOp> gets;
  llvm::SmallVector<tfm::LinearOp> linears;
  mlir::Operation *reader = nullptr; // the first one
  bool isLookedUp = false;           // an embedding reads it
  bool hasOthers = false;            // an op that is neither linear nor embedding

  mlir::RankedTensorType getType() { return weight.getTensorType(); }
  /// The dimension that sums run over: of a linear its input's; of a table that is only looked up in, its columns.
  int64_t getDepthAxis() { return linears.empty() || linears.front().getTransposed() ? 1 : 0; }
};

/// The matrices of f32 that linears or embeddings read and the pattern matches, in the order of the weights.
llvm::SmallVector<Target> findTargets(mlir::ModuleOp module, llvm::Regex &pattern);

/// The elements of a weight without a format, or of one whose zeros are left out. Diagnoses bytes that can't be read,
/// elements that aren't finite, and any other format: compressing twice only loses.
mlir::FailureOr<std::vector<float>> readValues(Target &target);

/// Gives the weight a format (null: none) and its bytes, and its readers the type.
void store(Target &target, mlir::Attribute format, std::vector<char> bytes);
/// The same for elements as f32, whole or with zeros left out. Small literals stay literals.
void storeValues(Target &target, mlir::Attribute format, llvm::ArrayRef<float> values);

/// What a weight's format is once what it keeps is in `values`: of a weight with zeros left out a sparse one.
struct Packed {
  mlir::Attribute format;
  std::vector<char> bytes;
};
/// From all elements as bytes in `values`. Zeros stay left out where that is smaller; what decodes to 0 is one.
Packed packLike(Target &target, mlir::Attribute values, std::vector<char> bytes);

/// "2:4", "bitmap"; empty for other formats.
std::string describeSparse(mlir::Attribute format);

/// [N, K], of elements that lie as the weight, whose sums run over `axis`.
numerics::Matrix<float> getMatrix(mlir::RankedTensorType type, int64_t axis, llvm::ArrayRef<float> values);

} // namespace lathe::compress
