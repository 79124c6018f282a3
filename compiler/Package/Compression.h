// What compression did to a model's weights and what it cost, as reports and the package's metadata say it.
#pragma once
#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/JSON.h"
#include <optional>
#include <string>
#include <vector>

namespace lathe::package {

/// On the module: i64, the bytes of the model's floating-point weights in f32, before anything was done to them.
inline constexpr llvm::StringLiteral kModelBytesAttr = "tfm.model_bytes";

/// What one pass did to one weight, or why it did nothing. A weight that was shrunk with others of its layer stands for
/// them.
struct WeightChange {
  std::string weight, node, pass; // the weight's symbol, the ONNX node that reads it
  std::string what, refused;      // one of them is empty
  double error = 0;               // relative, of the weight or of what reads it
  int64_t before = 0, after = 0;  // bytes
};

/// What the compiled model is worth on a data set.
struct Evaluation {
  struct Figure {
    std::string name, unit; // as in compiler/Evaluate/Scores.h
    double value = 0;
    std::optional<double> low, high; // of its interval of 95 %, where it has one
  };
  std::string data, against; // names of the data set and of what it is compared with, or ""
  uint64_t samples = 0;
  std::vector<Figure> figures;
};

struct Compression {
  int64_t modelBytes = 0; // kModelBytesAttr; 0: not known
  std::vector<WeightChange> changes;
  /// Weights, as they are named in changes, that products read by the kernel for every format: element by element.
  std::vector<std::string> generic;
  std::optional<Evaluation> evaluation;

  bool empty() const { return changes.empty() && !evaluation; }
};

/// All the passes' changes, in the order in which they were made.
struct PassTotal {
  std::string pass;
  unsigned changed = 0, refused = 0;
  int64_t before = 0, after = 0; // bytes, of changed weights
};
std::vector<PassTotal> sumPasses(const Compression &compression);

/// From the module's attributes.
Compression getCompression(mlir::ModuleOp module);

llvm::json::Value toJson(const Compression &compression);
/// What toJson made; what is of another form, as another compiler's, is left out.
Compression compressionFromJson(const llvm::json::Value &value);

/// "67.92 %", "-0.08 points", "0.9977".
std::string getText(const Evaluation::Figure &figure);
/// "67.11 % to 68.70 %", or nothing.
std::string getInterval(const Evaluation::Figure &figure);
/// An error for people, in three digits.
std::string getErrorText(double error);

/// For people: totals, a line for each weight, what was refused, the evaluation. Nothing where nothing was done.
/// `packageBytes` and `weightBytes` may be 0: not known.
void print(const Compression &compression, int64_t weightBytes, uint64_t packageBytes, llvm::raw_ostream &os);
/// "read by the kernel for every format, element by element: a, b", or nothing.
std::string getGeneric(const Compression &compression);
/// "90.3 MiB as f32 in the model, 23.1 MiB now; the package is 0.261 of the model", of what is known.
std::string getSizes(const Compression &compression, int64_t weightBytes, uint64_t packageBytes);

} // namespace lathe::package
