// lathe recipe: prints a recipe that ships, or reads one and says what is wrong with it, or what it is for in a model.
#include "compiler/Recipe/Recipe.h"
#include "mlir/IR/MLIRContext.h"
#include "passes/Structure/Kinds.h"
#include "tools/lathe-run/Table.h"
#include "tools/lathe/Commands.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/raw_ostream.h"

using namespace lathe;
using namespace lathe::tool;

mlir::FailureOr<recipe::Recipe> tool::readRecipe(const std::string &nameOrPath, std::string &error) {
  std::unique_ptr<llvm::MemoryBuffer> buffer;
  if (auto shipped = recipe::getShippedRecipe(nameOrPath)) {
    buffer = llvm::MemoryBuffer::getMemBuffer(*shipped, nameOrPath);
  } else {
    auto file = llvm::MemoryBuffer::getFile(nameOrPath, /*IsText=*/true);
    if (!file) {
      error = "can't read '" + nameOrPath + "': " + file.getError().message() + "; hint: recipes that ship are " +
              llvm::join(recipe::getShippedRecipes(), ", ");
      return mlir::failure();
    }
    buffer = std::move(*file);
  }
  return recipe::parseRecipe(*buffer, [](const llvm::SMDiagnostic &diagnostic) {
    diagnostic.print(nullptr, llvm::errs(), /*ShowColors=*/false);
  });
}

/// "format=int8 scale=f16": what a rule does.
static std::string getText(const recipe::Rule &rule) {
  return llvm::join(
      llvm::map_range(rule.options, [](const auto &option) { return option.first + "=" + option.second; }), " ");
}

/// Prints which weights of a model each stage is for.
static int printAssignments(const recipe::Recipe &recipe, const std::string &path, const Arguments &arguments) {
  CompileOptions options;
  std::string error;
  options.input = path;
  options.inputIsIr = llvm::StringRef(path).ends_with(".mlir");
  options.from = options.inputIsIr ? Phase::Simplify : Phase::Import;
  options.to = Phase::Simplify;
  if (!readImportFlags(arguments, options.import, error))
    return fail(error, kUsage);
  mlir::DialectRegistry registry;
  registerDialects(registry);
  mlir::MLIRContext context(registry, mlir::MLIRContext::Threading::DISABLED);
  DiagnosticPrinter printer(context);
  auto module = compileToModule(context, options);
  if (failed(module))
    return kFailed;
  auto uses = classifyWeights(module->get());
  std::vector<std::vector<std::string>> rows = {{"stage", "weight", "kind", ">layer", "rule"}};
  for (const recipe::ResolvedStage &stage : recipe::resolve(module->get(), recipe))
    for (const recipe::Assignment &assignment : stage.weights) {
      const WeightUse &use = uses.find(assignment.weight)->second;
      std::string kinds =
          llvm::join(llvm::map_range(use.kinds, [](WeightKind kind) { return lathe::getName(kind); }), ", ");
      rows.push_back({recipe::getName(stage.method).str(), assignment.weight.str(), kinds,
                      use.layer < 0 ? "" : std::to_string(use.layer),
                      "line " + std::to_string(assignment.rule->line) + ": " + getText(*assignment.rule)});
    }
  printTable(rows);
  return 0;
}

static int runRecipe(const ModelSource &source, const Arguments &arguments) {
  std::string error;
  auto recipe = readRecipe(source.path, error);
  if (failed(recipe))
    return error.empty() ? kFailed : fail(error);
  if (auto model = arguments.value("--model"))
    return printAssignments(*recipe, *model, arguments);
  if (auto shipped = recipe::getShippedRecipe(source.path)) {
    llvm::outs() << *shipped;
    return 0;
  }
  for (const recipe::Stage &stage : recipe->stages)
    llvm::outs() << recipe::getName(stage.method) << ": " << stage.rules.size()
                 << (stage.rules.size() == 1 ? " rule\n" : " rules\n");
  return 0;
}

static const std::vector<Flag> kFlags = [] {
  std::vector<Flag> flags = {{"--model", "FILE", "prints which weights of this ONNX model the recipe is for, and how"}};
  flags.insert(flags.end(), importFlags().begin(), importFlags().end());
  return flags;
}();

const Command tool::recipeCommand = {
    "recipe",
    "",
    "prints a recipe that ships, or checks one of your own",
    "light, light-avx2, medium, medium-sparse, full and full-sparse ship. They can be edited\n"
    "and given back: lathe recipe medium > my.yaml. docs/recipes.md has the keys.",
    0,
    kFlags,
    runRecipe,
    "NAME-OR-FILE"};
