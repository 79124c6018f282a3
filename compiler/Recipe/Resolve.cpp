// Which of a recipe's rules each weight of a model has.
#include "compiler/Onnx/NodeLocation.h"
#include "compiler/Recipe/Recipe.h"
#include "llvm/Support/Regex.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::recipe;

/// Names that a weight can be found by: its symbol, what the model called it, and the ONNX nodes that read it.
static SmallVector<std::string> getNames(tfm::WeightOp weight, const WeightUse &use) {
  SmallVector<std::string> names = {weight.getSymName().str()};
  if (weight.getOrigin())
    names.push_back(weight.getOrigin()->str());
  for (Operation *reader : use.readers)
    reader->getLoc()->walk([&](Location location) {
      if (auto name = dyn_cast<NameLoc>(location))
        names.push_back(name.getName().str());
      return WalkResult::advance();
    });
  return names;
}

static bool matches(const Targets &targets, const WeightUse &use, ArrayRef<std::string> names) {
  if (use.is(WeightKind::Head))
    return llvm::is_contained(targets.kinds, WeightKind::Head);
  return llvm::any_of(use.kinds, [&](WeightKind kind) { return llvm::is_contained(targets.kinds, kind); }) ||
         llvm::any_of(targets.patterns, [&](const std::string &pattern) {
           llvm::Regex regex(pattern);
           return llvm::any_of(names, [&](const std::string &name) { return regex.match(name); });
         });
}

static bool isIgnored(const Targets &ignore, const WeightUse &use, ArrayRef<std::string> names) {
  return llvm::any_of(use.kinds, [&](WeightKind kind) { return llvm::is_contained(ignore.kinds, kind); }) ||
         llvm::any_of(ignore.patterns, [&](const std::string &pattern) {
           llvm::Regex regex(pattern);
           return llvm::any_of(names, [&](const std::string &name) { return regex.match(name); });
         });
}

bool Rule::isFor(int64_t layer) const {
  return layers.empty() ||
         llvm::any_of(layers, [&](auto range) { return range.first <= layer && layer <= range.second; });
}

ResolvedStage recipe::resolve(ModuleOp module, const Stage &stage) {
  ResolvedStage result{stage.method, {}};
  std::vector<bool> used(stage.rules.size());
  for (auto &[symbol, use] : classifyWeights(module)) {
    SmallVector<std::string> names = getNames(module.lookupSymbol<tfm::WeightOp>(symbol), use);
    for (auto [i, rule] : llvm::enumerate(stage.rules)) {
      if (isOfLayers(stage.method, rule) || !matches(rule.targets, use, names) || isIgnored(rule.ignore, use, names) ||
          !rule.isFor(use.layer))
        continue;
      result.weights.push_back({symbol, &rule});
      used[i] = true;
      break;
    }
  }
  for (auto [i, rule] : llvm::enumerate(stage.rules))
    if (!used[i] && !isOfLayers(stage.method, rule))
      emitWarning(module.getLoc()) << "the recipe's " << getName(stage.method) << " rule of line " << rule.line
                                   << " is for no weight of this model";
  return result;
}

std::vector<ResolvedStage> recipe::resolve(ModuleOp module, const Recipe &recipe) {
  std::vector<ResolvedStage> stages;
  for (const Stage &stage : recipe.stages)
    stages.push_back(resolve(module, stage));
  return stages;
}
