// What the passes of the compress phase share: linears with their weights as numbers, statistics, and what is reported.
#pragma once
#include "compiler/Numerics/Matrix.h"
#include "compiler/Statistics/Statistics.h"
#include "dialects/Tfm/Weights.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/Regex.h"

namespace lathe::compress {

/// The weight that a value is, or null.
tfm::WeightOp getWeight(mlir::Value value);
/// Whether it is one, of f32 elements without a format.
bool isPlain(tfm::WeightOp weight);
/// The elements of a plain weight. Diagnoses bytes that can't be read, and elements that aren't finite, at its user.
mlir::FailureOr<std::vector<float>> readWeight(tfm::WeightOp weight, mlir::Operation *user);
/// Whether the operand is all that reads its weight.
bool isOnlyReader(mlir::OpOperand &operand);
/// Gives the operand's weight other elements if nothing else reads it, else the operand another weight.
void writeWeight(mlir::OpOperand &operand, llvm::ArrayRef<int64_t> shape, llvm::ArrayRef<float> values);

/// Null, or why a linear can't be changed: its weight or bias is no weight of plain f32 elements, or its input is
/// quantized.
const char *getObstacle(tfm::LinearOp linear);

/// A linear's parameters.
struct Parameters {
  numerics::Matrix<float> w; // [N, K]
  std::vector<float> bias;   // [N], or empty
};
/// Of a linear without obstacle. Diagnoses bytes that can't be read, and elements that aren't finite.
mlir::FailureOr<Parameters> readParameters(tfm::LinearOp linear);

/// A new weight right behind `like`, of its origin; the name is `like`'s with the suffix, and a number where that is
/// taken. Small literals stay literals.
tfm::WeightOp addWeight(tfm::WeightOp like, llvm::StringRef suffix, llvm::ArrayRef<int64_t> shape,
                        llvm::ArrayRef<float> values);
/// Gives the linear other parameters: of its old weights' names where nothing else reads them. Its input's and result's
/// types are the caller's to change. An empty bias is none.
void writeParameters(tfm::LinearOp linear, const Parameters &parameters);

/// Adds to the linear's bias, or gives it one. Diagnoses a bias that can't be read.
llvm::LogicalResult addToBias(tfm::LinearOp linear, llvm::ArrayRef<float> values);

/// The type with another size of its last dimension.
mlir::RankedTensorType withLast(mlir::Type type, int64_t size);

/// Whether a pattern matches a weight's symbol, or the name that the model gave it.
bool matches(llvm::Regex &pattern, tfm::WeightOp weight);

/// Statistics, if a file was given.
class Calibration {
public:
  /// An empty path is no file. Diagnoses what can't be read.
  mlir::LogicalResult load(mlir::ModuleOp module, llvm::StringRef path);
  bool isThere() const { return statistics.has_value(); }
  /// Of the linear's input; null without a file. Diagnoses an input that is missing, or has changed since.
  mlir::FailureOr<const statistics::Entry *> find(tfm::LinearOp linear) const;

private:
  std::optional<statistics::Statistics> statistics;
};

/// One entry of the module's `tfm.compression`.
struct Change {
  Change(mlir::Operation *reader, tfm::WeightOp weight, llvm::StringRef pass)
      : where(reader->getLoc()), weight(weight.getSymName().str()), pass(pass) {}
  Change(tfm::LinearOp linear, llvm::StringRef pass) : Change(linear, getWeight(linear.getWeight()), pass) {}

  mlir::Location where; // of what reads the weight
  std::string weight;   // its symbol before
  llvm::StringRef pass;
  std::string what, refused;     // one of them is empty
  double error = 0;              // NaN: not known
  int64_t before = 0, after = 0; // bytes
};
void report(mlir::ModuleOp module, const Change &change);

/// " (3 inputs were always 0: their weights are 0)", or nothing where none was.
std::string describeDeadInputs(int64_t count);

} // namespace lathe::compress
