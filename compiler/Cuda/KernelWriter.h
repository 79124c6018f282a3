// Writes one kernel as CUDA C++: a struct of the kernel's memory, dimensions and what its body computes at an index,
// and a __global__ function that hands it to the skeleton (Device/) of the kernel's strategy.
#pragma once
#include "compiler/Codegen/Elements.h"
#include "compiler/Cuda/Cuda.h"
#include "passes/Schedule/Cuda.h"
#include "passes/Schedule/Strategy.h"

namespace lathe::cuda {
using namespace codegen;

class KernelWriter : public Elements {
public:
  /// The module takes functions and tables while they are printed.
  KernelWriter(kernel::FuncOp kernel, const schedule::CudaTile &tile, mlir::ModuleOp module)
      : Elements(kernel, /*lanes=*/1, module), tile(tile) {}

  /// The kernel's source. What can't be printed is a diagnostic at its op.
  mlir::FailureOr<std::string> write(llvm::StringRef symbol);

  struct Parameter {
    const char *type, *name; // "index", "float" or the name of a class that is loaded from and stored to
  };
  using Build = llvm::function_ref<Value(ValueRange parameters)>;
  /// Adds a const method to the struct. A method of a team (Device/Rows.h) has one more parameter: `team`.
  void method(llvm::StringRef resultType, llvm::StringRef name, llvm::ArrayRef<Parameter> parameters, Build build,
              bool ofTeam = false);
  /// A method that gives a size.
  void size(llvm::StringRef name, llvm::function_ref<Value()> build) {
    method("index", name, {}, [&](ValueRange) { return build(); });
  }

  // In a team's method.
  Value reduce(llvm::StringRef operation, Value value); // Sum, Product, Maximum, Minimum
  void sync() { call("team.sync", Type(), {}); }
  /// The team's elements of [0, length).
  Values teamLoop(Value length, ValueRange initial, BodyWithValues body);

  Value call(const llvm::Twine &callee, Type result, ValueRange arguments);

  Value widen(Value value) override;
  Value narrow(Value value, Type elementType) override;

  /// The C++ type of a tensor's elements in memory.
  std::string getStoredType(Value tensor);
  /// A C++ expression of a dimension of the kernel, of a product of some, of a type's elements; of members of `kernel`.
  std::string print(const Dim &dim);
  std::string print(llvm::ArrayRef<Dim> product);
  std::string printCount(Type type) { return print(tfm::getDims(type)); }

  schedule::KernelPlan plan;
  const schedule::CudaTile &tile;
  std::string name;            // of the struct
  std::string body;            // of the __global__ function
  std::vector<MatrixMap> maps; // its parameters m0, m1, …
  std::string helpers;         // what stands between the struct and the function

private:
  void recordFault(Value outside, Value raw, const Index &flat, Value limit, int32_t operand) override;

  std::vector<Dim> dims;
  std::string members;
};

// The strategies: they add methods, and set the body.
void writeMap(KernelWriter &w);
void writeScatter(KernelWriter &w);
void writeRows(KernelWriter &w);
void writeContraction(KernelWriter &w);
void writeAttention(KernelWriter &w);

/// The body of a team's method that computes a row of every result (and reads its row ops' inputs through overrides).
/// `buffers` take a row of each row op's input, or is empty: then inputs are computed at every use.
void writeRow(KernelWriter &w, llvm::ArrayRef<Value> buffers, Value row);

} // namespace lathe::cuda
