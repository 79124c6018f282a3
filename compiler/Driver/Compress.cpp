// Turns a recipe's rules into passes and runs them.
#include "compiler/Driver/Compress.h"
#include "compiler/Driver/CollectStatistics.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/Support/FileSystem.h"

using namespace mlir;
using namespace lathe;
using recipe::Method;
using recipe::Rule;

/// The pass that a rule asks for; empty where there is none yet.
static StringRef getPass(Method method, const Rule &rule) {
  StringRef what = rule.get("what").value_or("");
  switch (method) {
  case Method::Prune:
    return what == "heads" ? "lathe-prune-heads" : what == "channels" ? "lathe-prune-channels" : "";
  case Method::Factorize:
    return rule.get("per-head") == "true" ? "lathe-narrow-attention" : "lathe-factorize-linears";
  case Method::Sparsify:
    return "lathe-sparsify-weights";
  case Method::Quantize:
    return "lathe-quantize-weights";
  case Method::Precision:
    return "lathe-convert-precision";
  case Method::Smooth:
    return "lathe-smooth-linears";
  case Method::Share:
    return "";
  }
  llvm_unreachable("a method");
}

static bool needsStatistics(Method method, const Rule &rule) {
  auto is = [&](StringRef key, StringRef value) { return rule.get(key) == value; };
  switch (method) {
  case Method::Prune:
    return rule.get("refit").value_or("true") == "true" ||
           !(is("importance", "l1") || is("importance", "l2") || is("importance", "ln"));
  case Method::Factorize:
    return !is("method", "svd");
  case Method::Sparsify:
    return !is("method", "magnitude");
  case Method::Quantize:
    return is("method", "gptq") || is("scale-search", "hessian") || is("bias-correction", "true") ||
           rule.get("activation").value_or("").starts_with("static");
  case Method::Smooth:
    return true;
  case Method::Share:
  case Method::Precision:
    return false;
  }
  llvm_unreachable("a method");
}

/// A pattern that matches these names and no other. What a pipeline's text can't hold stands for any character.
static std::string getPattern(ArrayRef<StringRef> names) {
  std::string pattern = "^(";
  for (StringRef name : names) {
    pattern += pattern.size() > 2 ? "|" : "";
    for (char c : name) {
      if (llvm::isAlnum(c) || c == '_')
        pattern += c;
      else if (c > ' ' && c < 127 && !StringRef("'\"{}\\^[]").contains(c))
        pattern += (Twine("[") + Twine(c) + "]").str();
      else
        pattern += '.';
    }
  }
  return pattern + ")$";
}

static LogicalResult runPass(ModuleOp module, StringRef pipeline) {
  PassManager passes(module.getContext());
  return failure(failed(parsePassPipeline(pipeline, passes)) || failed(passes.run(module)));
}

static LogicalResult runStage(ModuleOp module, const recipe::Stage &stage, const CompileOptions &options,
                              StringRef scratch, const std::function<void(double)> &progress) {
  llvm::MapVector<const Rule *, SmallVector<StringRef>> weights;
  for (const Rule &rule : stage.rules)
    weights[&rule] = {};
  for (const recipe::Assignment &assigned : recipe::resolve(module, stage).weights)
    weights[assigned.rule].push_back(assigned.weight.getValue());
  std::string statistics;
  for (auto &[rule, names] : weights) {
    if (names.empty() && stage.method != Method::Precision)
      continue;
    StringRef pass = getPass(stage.method, *rule);
    auto where = [&] { return "recipe, line " + std::to_string(rule->line) + ": "; };
    if (pass.empty())
      return emitError(module.getLoc(), where())
             << recipe::getName(stage.method)
             << " can't be done this way yet; hint: docs/compression.md lists what can";
    std::string text = (pass + "{").str();
    if (stage.method != Method::Precision)
      text += "targets='" + getPattern(names) + "'";
    for (auto &[key, value] : rule->options)
      if (key != "what" && key != "per-head")
        text += " " + (stage.method == Method::Precision && key == "format" ? "precision" : key) + "=" + value;
    if (needsStatistics(stage.method, *rule)) {
      if (options.calibration.empty() && options.statistics.empty())
        return emitError(module.getLoc(), where())
               << recipe::getName(stage.method) << " needs calibration data; hint: --calibration=DIR";
      if (statistics.empty()) {
        auto found = findStatistics(module, options, scratch, progress);
        if (failed(found))
          return failure();
        statistics = *found;
      }
      text += " statistics='" + statistics + "'";
    }
    if (failed(runPass(module, text + "}")))
      return emitError(module.getLoc(), where()) << "this rule's pass failed";
  }
  return success();
}

LogicalResult lathe::runRecipe(ModuleOp module, const CompileOptions &options) {
  SmallString<128> scratch;
  if (std::error_code code = llvm::sys::fs::createUniqueDirectory("lathe", scratch))
    return emitError(module.getLoc(), "can't make a temporary folder: ") << code.message();
  auto remove = llvm::make_scope_exit([&] { llvm::sys::fs::remove_directories(scratch); });
  size_t count = options.recipe->stages.size();
  for (auto [i, stage] : llvm::enumerate(options.recipe->stages)) {
    std::string file = (scratch + "/statistics." + Twine(i)).str();
    auto progress = [&, i = i](double part) { options.progress(Phase::Compress, (i + part) / count); };
    if (failed(runStage(module, stage, options, file, progress)))
      return failure();
  }
  return success();
}
