// Recipes: what a compilation may do to which weights, in YAML.
//
//   stages:
//     - prune:
//         - targets: [ffn]
//           layers: 0-4
//           what: channels
//           ratio: 0.3
//     - quantize:
//         - {targets: [embedding], format: int8}
//         - {targets: [linear], ignore: ["re:pooler"], format: int8, activation: dynamic}
//
// A stage is one method with its rules; stages run in their order. Within a stage the first rule that matches a weight
// has it. `targets` and `ignore` are kinds (attention.q, attention.k, attention.v, attention.output, attention, ffn.up,
// ffn.gate, ffn.down, ffn, linear, embedding, head) and regular expressions, `re:...`, of which a part of the weight's
// name or of an ONNX node's that reads it must match. `linear` is every linear but heads, and what a rule without
// targets is for. `layers` is a list of layers and ranges, from 0. A head, which a tied embedding is too, is matched by
// `head` and by nothing else. All other keys are the method's, and options of its pass: see Keys.cpp.
#pragma once
#include "passes/Structure/Kinds.h"
#include "llvm/Support/SourceMgr.h"
#include <string>
#include <vector>

namespace lathe::recipe {

/// In the order in which they make sense: what comes behind needs what is before as it is.
enum class Method { Share, Prune, Factorize, Smooth, Sparsify, Quantize, Precision };
llvm::StringRef getName(Method method);

struct Targets {
  llvm::SmallVector<WeightKind> kinds;
  std::vector<std::string> patterns; // valid regular expressions, without "re:"
};

struct Rule {
  Targets targets, ignore;
  llvm::SmallVector<std::pair<int64_t, int64_t>> layers; // both ends included; empty: all weights
  /// The method's keys, those that are given, in the order of Keys.cpp, as a pass's options take them.
  std::vector<std::pair<std::string, std::string>> options;
  unsigned line = 0;

  std::optional<llvm::StringRef> get(llvm::StringRef key) const;
  /// Whether `layers` has the layer.
  bool isFor(int64_t layer) const;
};

/// Whether a rule is for whole layers, and not for weights: it has no targets then.
bool isOfLayers(Method method, const Rule &rule);

struct Stage {
  Method method;
  std::vector<Rule> rules;
  unsigned line = 0;
};

struct Recipe {
  std::vector<Stage> stages;
};

using Diagnose = llvm::function_ref<void(const llvm::SMDiagnostic &)>;

/// Reads a recipe and checks what can be checked without a model. Every error is told, with its line and column. The
/// buffer may hold anything.
llvm::FailureOr<Recipe> parseRecipe(llvm::MemoryBufferRef buffer, Diagnose diagnose);

/// The recipes that Lathe ships: their names, in the order of what they save, and texts; nothing for another name.
llvm::ArrayRef<llvm::StringRef> getShippedRecipes();
std::optional<llvm::StringRef> getShippedRecipe(llvm::StringRef name);

/// A stage's rule for each weight that has one, in the order of the weights. Rules are the recipe's.
struct Assignment {
  mlir::StringAttr weight;
  const Rule *rule;
};
struct ResolvedStage {
  Method method;
  llvm::SmallVector<Assignment> weights;
};

/// Which weights each of one stage's rules is for, those for whole layers left out. Stages change what weights there
/// are, so each is resolved when its turn comes, on the simplified module as the stages before left it. A rule that
/// matches nothing is a warning at the module.
ResolvedStage resolve(mlir::ModuleOp module, const Stage &stage);
/// All stages, on a module that none has changed.
std::vector<ResolvedStage> resolve(mlir::ModuleOp module, const Recipe &recipe);

} // namespace lathe::recipe
