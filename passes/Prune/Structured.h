// What structured pruning shares: which inputs of a linear stay, and the linear without the others.
#pragma once
#include "passes/Compress/Linears.h"

namespace lathe::prune {

enum class Importance { Norm, Activation, Whitened };
/// How units are scored; the norm is of weights: Σ|w|^power.
struct Score {
  Importance importance;
  double power = 2;
};
/// l1, l2, ln (with `norm` as the power), activation or whitened.
std::optional<Score> parseImportance(llvm::StringRef name, double norm);

/// The units that a linear's inputs are removed in: input j belongs to unit j / width.
struct Units {
  int64_t count = 0, width = 1;
};

/// The units that stay, ascending: `keep` of them. `coupled` are the weights whose rows go with the linear's columns,
/// [K, *] each, for the norms. Activation and error need an entry.
std::vector<int64_t> selectUnits(numerics::ConstView<float> w, llvm::ArrayRef<numerics::ConstView<float>> coupled,
                                 const Units &units, int64_t keep, Score score, const statistics::Entry *entry,
                                 double damping);

/// The inputs of the units.
std::vector<int64_t> getInputs(llvm::ArrayRef<int64_t> kept, int64_t width);

/// The rows of parameters that stay.
compress::Parameters takeRows(const compress::Parameters &from, llvm::ArrayRef<int64_t> kept);

struct Shrunk {
  compress::Parameters parameters;
  double error = 0; // of the outputs with an entry, else of the weights
  bool fitted = false;
};
/// The linear that reads the inputs that stay alone; fitted where there is an entry and `refit`.
Shrunk takeColumns(const compress::Parameters &from, llvm::ArrayRef<int64_t> kept, const statistics::Entry *entry,
                   bool refit, double damping);

/// Diagnoses options that no pass of this kind takes.
mlir::LogicalResult checkOptions(mlir::ModuleOp module, llvm::StringRef targets, double ratio,
                                 llvm::StringRef importance, double norm, llvm::StringRef statistics);

} // namespace lathe::prune
