// Turns a recipe's rules into passes and runs them.
#include "compiler/Driver/Compress.h"
#include "compiler/Driver/ChooseLayers.h"
#include "compiler/Driver/CollectStatistics.h"
#include "compiler/Driver/Objective.h"
#include "dialects/Tfm/Tfm.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "passes/Structure/Layers.h"
#include "tools/lathe-run/Table.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include <cmath>

using namespace mlir;
using namespace lathe;
using recipe::Method;
using recipe::Rule;

/// The pass that a rule asks for.
static StringRef getPass(Method method, const Rule &rule) {
  StringRef what = rule.get("what").value_or("");
  switch (method) {
  case Method::Prune:
    return what == "heads" ? "lathe-prune-heads" : what == "channels" ? "lathe-prune-channels" : "lathe-prune-layers";
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
    return rule.get("method") == "codebook" ? "lathe-cluster-weights"
           : rule.get("method") == "layers" ? "lathe-share-layers"
                                            : "lathe-tie-weights";
  }
  llvm_unreachable("a method");
}

/// Whether a key is an option of the pass, and doesn't say which pass, or when.
static bool isOption(Method method, StringRef key) {
  return key != "what" && key != "per-head" && key != "propagation" && !(method == Method::Share && key == "method");
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
    return is("importance", "activation");
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
  bool isGlobal = method == Method::Sparsify && rule.get("scope") == "global";
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

namespace {
/// Runs one stage's rules.
class StageRunner {
public:
  StageRunner(ModuleOp module, const recipe::Stage &stage, const CompileOptions &options, StringRef scratch,
              Judge &judge, const std::function<void(double)> &progress)
      : module(module), stage(stage), options(options), scratch(scratch), judge(judge), progress(progress) {}

  LogicalResult run() {
    for (const Rule &rule : stage.rules)
      if (isOfLayers(stage.method, rule) && failed(runOnLayers(rule)))
        return failure();
    std::vector<Step> steps = planSteps();
    for (auto [i, step] : llvm::enumerate(steps)) {
      auto part = [&, i = i](double done) { progress((i + done) / steps.size()); };
      if (i == 0 || step.layer != steps[i - 1].layer) { // what is before is compressed by now
        auto first = llvm::find_if(steps, [&](const Step &each) {
          return each.layer == step.layer && needsStatistics(stage.method, *each.rule);
        });
        if (first != steps.end() && failed(takeStatistics(*first->rule, part)))
          return failure();
      }
      if (failed(runOnWeights(*step.rule, step.weights)))
        return failure();
    }
    return success();
  }

private:
  /// A rule and weights that it is for: of one layer, or -1 where later layers needn't see earlier ones compressed.
  struct Step {
    const Rule *rule;
    int64_t layer;
    SmallVector<StringRef> weights;
  };

  ModuleOp module;
  const recipe::Stage &stage;
  const CompileOptions &options;
  StringRef scratch;
  Judge &judge;
  const std::function<void(double)> &progress;
  std::string statistics; // of the module as the stage found it, or its rules for a layer

  std::vector<Step> planSteps() {
    std::vector<Step> steps;
    auto uses = classifyWeights(module);
    auto assignments = recipe::resolve(module, stage).weights;
    for (const Rule &rule : stage.rules) {
      if (isOfLayers(stage.method, rule))
        continue;
      // Passes of the whole model take no weights.
      if (stage.method == Method::Precision || rule.get("method") == "exact") {
        steps.push_back({&rule, -1, {}});
        continue;
      }
      size_t begin = steps.size();
      for (const recipe::Assignment &assigned : assignments) {
        if (assigned.rule != &rule)
          continue;
        // What no layer has reads the model's inputs, or the last layer's result.
        bool isSequential = rule.get("propagation") == "sequential";
        const WeightUse &use = uses.find(assigned.weight)->second;
        int64_t layer = !isSequential || use.is(WeightKind::Embedding) ? -1 : use.layer < 0 ? INT64_MAX : use.layer;
        auto step = std::find_if(steps.begin() + begin, steps.end(), [&](Step &each) { return each.layer == layer; });
        if (step == steps.end())
          step = steps.insert(steps.end(), {&rule, layer, {}});
        step->weights.push_back(assigned.weight.getValue());
      }
    }
    std::stable_sort(steps.begin(), steps.end(), [](const Step &a, const Step &b) { return a.layer < b.layer; });
    return steps;
  }

  InFlightDiagnostic fail(const Rule &rule) {
    return emitError(module.getLoc(), "recipe, line " + std::to_string(rule.line) + ": ");
  }

  LogicalResult takeStatistics(const Rule &rule, const std::function<void(double)> &part) {
    if (options.calibration.empty() && options.statistics.empty())
      return fail(rule) << recipe::getName(stage.method) << " needs calibration data; hint: --calibration=DIR";
    auto found = findStatistics(module, options, scratch, part);
    if (succeeded(found))
      statistics = *found;
    return success(succeeded(found));
  }

  LogicalResult runOnWeights(const Rule &rule, ArrayRef<StringRef> names) {
    std::string text;
    for (auto &[key, value] : rule.options)
      if (isOption(stage.method, key))
        text += " " + (stage.method == Method::Precision && key == "format" ? "precision" : key) + "=" + value;
    if (needsStatistics(stage.method, rule))
      text += " statistics='" + statistics + "'";
    StringRef pass = getPass(stage.method, rule);
    if (names.empty())
      return run(rule, (pass + "{" + text + "}").str());
    SmallVector<SmallVector<StringRef>> units{SmallVector<StringRef>(names)};
    if (isJudged())
      units = getUnits(module, stage.method, rule, names);
    for (ArrayRef<StringRef> unit : units)
      if (failed(run(rule, (pass + "{targets='" + getPattern(unit) + "'" + text + "}").str())))
        return failure();
    return success();
  }

  /// Smoothing only makes ready for what comes, and a precision is of the whole model: neither is judged.
  bool isJudged() const {
    return !options.objective.empty() && stage.method != Method::Smooth && stage.method != Method::Precision;
  }

  LogicalResult run(const Rule &rule, StringRef pipeline) {
    if (failed(isJudged() ? runAndJudge(module, pipeline, judge) : runPass(module, pipeline)))
      return fail(rule) << "this rule's pass failed";
    return success();
  }

  /// Left out, or with another layer's weights; which ones the recipe says, or calibration data.
  LogicalResult runOnLayers(const Rule &rule) {
    SmallVector<int64_t> layers;
    for (const Layer &layer : findLayers(module))
      if (rule.isFor(layer.number))
        layers.push_back(layer.number);
    bool shares = stage.method == Method::Share;
    if (layers.empty())
      return fail(rule) << "expected layers, the model has none that the rule is for";
    int64_t count = layers.size();
    if (auto ratio = rule.get("ratio")) {
      double share;
      (void)ratio->getAsDouble(share);
      count = std::llround(share * count);
    } else if (shares) {
      int64_t remain;
      (void)rule.get("count")->getAsInteger(10, remain);
      count -= remain;
    }
    if (count < 1)
      return fail(rule) << "none of " << layers.size()
                        << " layers is to go; hint: " << (shares ? "a lower count" : "a higher ratio");
    if (!shares && !rule.get("ratio"))
      return run(rule, "lathe-prune-layers{layers=" + join(layers) + "}");
    if (options.calibration.empty())
      return fail(rule) << recipe::getName(stage.method)
                        << " of layers runs the model to choose them: it needs calibration data; hint: "
                           "--calibration=DIR"
                        << (shares ? "" : ", or layers: and no ratio");
    auto changes = chooseLayers(module, layers, count, shares, options, progress);
    if (failed(changes))
      return fail(rule) << "no layers could be chosen";
    return shares ? share(rule, *changes) : leaveOut(rule, *changes);
  }

  LogicalResult leaveOut(const Rule &rule, ArrayRef<LayerChange> changes) {
    SmallVector<int64_t> layers;
    std::string errors;
    for (const LayerChange &change : changes) {
      layers.push_back(change.layer);
      errors += (errors.empty() ? "" : ",") + tool::numberText(change.error, 6);
    }
    return run(rule, "lathe-prune-layers{layers=" + join(layers) + " errors=" + errors + "}");
  }

  LogicalResult share(const Rule &rule, ArrayRef<LayerChange> changes) {
    for (const LayerChange &change : changes) {
      std::string numbers = "layer " + std::to_string(change.layer) + " with layer " + std::to_string(change.from) +
                            "'s weights changes the outputs by " + llvm::formatv("{0:F4}", change.error).str();
      std::string dropped = change.dropped < 0 ? std::string("it can't be left out")
                                               : llvm::formatv("left out: {0:F4}", change.dropped).str();
      emitWarning(module.getLoc(), "recipe, line " + std::to_string(rule.line) + ": ")
          << numbers << " (1 - cosine; " << dropped
          << "): without training sharing costs much; hint: prune: {what: layers} leaves layers out";
      if (failed(run(rule, llvm::formatv("lathe-share-layers{{from={0} to={1} error={2} note='{3}'}", change.from,
                                         change.layer, tool::numberText(change.error, 6), dropped)
                               .str())))
        return failure();
    }
    return success();
  }

  static std::string join(ArrayRef<int64_t> numbers) {
    std::string text;
    for (int64_t number : numbers)
      text += (text.empty() ? "" : ",") + std::to_string(number);
    return text;
  }
};
} // namespace

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
    if (failed(StageRunner(module, stage, options, file, judge, progress).run()))
      return failure();
  }
  return success();
}
