// Turns a recipe's rules into passes and runs them.
#include "compiler/Driver/Compress.h"
#include "compiler/Driver/CollectStatistics.h"
#include "compiler/Driver/Objective.h"
#include "dialects/Tfm/Tfm.h"
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

/// The weights that a rule changes together, and that are therefore kept or taken back together: what is pruned or
/// narrowed of a layer's attention or ffn, factors of one input, what one threshold is for. Else each by itself.
static SmallVector<SmallVector<StringRef>> getUnits(ModuleOp module, Method method, const Rule &rule,
                                                    ArrayRef<StringRef> names) {
  bool isPerHead = rule.get("per-head") == "true", isJoint = rule.get("joint").value_or("true") == "true";
  bool isGlobal = (method == Method::Sparsify && rule.get("scope") == "global") ||
                  (method == Method::Share && rule.get("method") == "layers") ||
                  (method == Method::Prune && rule.get("what") == "layers");
  auto uses = classifyWeights(module);
  llvm::StringMap<size_t> places;
  SmallVector<SmallVector<StringRef>> units;
  for (StringRef name : names) {
    const WeightUse &use = uses[StringAttr::get(module.getContext(), name)];
    auto isAny = [&](std::initializer_list<WeightKind> kinds) {
      return llvm::any_of(kinds, [&](WeightKind kind) { return use.is(kind); });
    };
    bool isInput = isAny({WeightKind::AttentionQ, WeightKind::AttentionK, WeightKind::AttentionV});
    bool isAttention = isInput || use.is(WeightKind::AttentionOutput);
    bool isFfn = isAny({WeightKind::FfnUp, WeightKind::FfnGate, WeightKind::FfnDown});
    bool together = isGlobal || (method == Method::Prune && (isAttention || isFfn)) ||
                    (method == Method::Factorize && (isPerHead ? isAttention : isJoint && isInput));
    std::string unit = isGlobal ? "all" : (Twine(use.layer) + (isAttention ? " attention" : " ffn")).str();
    auto [place, isNew] = places.try_emplace(together ? unit : ("weight " + name).str(), units.size());
    if (isNew)
      units.emplace_back();
    units[place->second].push_back(name);
  }
  return units;
}

/// Makes the module what it was before a pass, but keeps what the pass reported, as refused.
static void takeBack(ModuleOp module, ModuleOp before, StringRef why) {
  Builder b(module.getContext());
  auto getChanges = [](ModuleOp of) {
    auto changes = of->getAttrOfType<ArrayAttr>(tfm::kCompressionAttr);
    return changes ? changes.getValue() : ArrayRef<Attribute>();
  };
  SmallVector<Attribute> changes(getChanges(module));
  for (Attribute &change : MutableArrayRef(changes).drop_front(getChanges(before).size())) {
    NamedAttrList fields(cast<DictionaryAttr>(change));
    if (!cast<StringAttr>(fields.get("refused")).empty())
      continue;
    fields.set("refused", b.getStringAttr(why));
    fields.set("what", b.getStringAttr(""));
    fields.set("error", b.getF64FloatAttr(0));
    fields.set("after", fields.get("before"));
    change = fields.getDictionary(module.getContext());
  }
  module.getBodyRegion().takeBody(before.getBodyRegion());
  module->setAttrs(before->getAttrDictionary());
  module->setAttr(tfm::kCompressionAttr, b.getArrayAttr(changes));
}

/// Runs a rule's pass on a unit's weights, and takes back what doesn't pay.
static LogicalResult runAndJudge(ModuleOp module, StringRef pipeline, Judge &judge) {
  OwningOpRef<ModuleOp> before = module.clone();
  if (failed(runPass(module, pipeline)))
    return failure();
  auto objection = judge.getObjection(*before, module);
  if (failed(objection))
    return failure();
  if (*objection)
    takeBack(module, *before, **objection);
  return success();
}

static LogicalResult runStage(ModuleOp module, const recipe::Stage &stage, const CompileOptions &options,
                              StringRef scratch, Judge &judge, const std::function<void(double)> &progress) {
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
    std::string text;
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
    // Smoothing only makes ready for what comes, and a precision is of the whole model: neither is judged.
    bool isJudged = !options.objective.empty() && stage.method != Method::Smooth && stage.method != Method::Precision;
    SmallVector<SmallVector<StringRef>> units{names};
    if (isJudged)
      units = getUnits(module, stage.method, *rule, names);
    for (ArrayRef<StringRef> unit : units) {
      std::string chosen = stage.method == Method::Precision ? "" : "targets='" + getPattern(unit) + "'";
      std::string pipeline = (pass + "{" + chosen + text + "}").str();
      if (failed(isJudged ? runAndJudge(module, pipeline, judge) : runPass(module, pipeline)))
        return emitError(module.getLoc(), where()) << "this rule's pass failed";
    }
  }
  return success();
}

LogicalResult lathe::runRecipe(ModuleOp module, const CompileOptions &options) {
  SmallString<128> scratch;
  if (std::error_code code = llvm::sys::fs::createUniqueDirectory("lathe", scratch))
    return emitError(module.getLoc(), "can't make a temporary folder: ") << code.message();
  auto remove = llvm::make_scope_exit([&] { llvm::sys::fs::remove_directories(scratch); });
  Judge judge(options);
  size_t count = options.recipe->stages.size();
  for (auto [i, stage] : llvm::enumerate(options.recipe->stages)) {
    std::string file = (scratch + "/statistics." + Twine(i)).str();
    auto progress = [&, i = i](double part) { options.progress(Phase::Compress, (i + part) / count); };
    if (failed(runStage(module, stage, options, file, judge, progress)))
      return failure();
  }
  return success();
}
