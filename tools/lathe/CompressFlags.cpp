// The flags that say what a compilation may lose.
#include "compiler/Driver/CollectStatistics.h"
#include "tools/lathe/Commands.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

using namespace lathe;
using namespace lathe::tool;

const std::vector<Flag> &tool::compressFlags() {
  static const std::vector<Flag> flags = {
      {"--precision", "KIND",
       "fp32 (default: what the model has), tf32, fp16, bf16; mixed: fp16 where its range suffices"},
      {"--calibration", "DIR",
       "for recipes and for mixed: a data set; a folder with NAME.npy for each input, samples along axis 0, or an\n"
       ".npz, or test_data_set_N"},
      {"--calibration-samples", "N",
       "only its first N samples (default: 1024; 64 without a recipe, for the reference executor runs them)"},
      {"--statistics", "FILE", "for recipes, in place of --calibration: what lathe statistics has taken of this model"},
      {"--statistics-cache", "DIR",
       "where those of calibration data are kept (default: ~/.cache/lathe); none: nowhere"},
      {"--compress", "LEVEL",
       "a recipe that ships: light, light-avx2, medium, medium-sparse, full, full-sparse; see lathe recipe"},
      {"--recipe", "FILE", "a recipe of your own: docs/recipes.md"},
      {"--objective", "WHAT",
       "latency or size: what a recipe does to a weight is taken back, and reported, unless it lowers that"},
      {"--tune", "HOW", "measure: latency is measured on this machine; else it is predicted"},
      {"--compress-passes", "PASSES", "passes that compress runs, as lathe-opt takes them, for work on one of them"},
      {"--allow-fallback", nullptr, "what can't be had in the precision asked for is f32, and reported"},
  };
  return flags;
}

bool tool::readCompressFlags(const Arguments &arguments, CompileOptions &options, std::string &error) {
  static const std::vector<std::string> known = {"fp32", "tf32", "fp16", "bf16", "mixed"};
  options.precision = arguments.value("--precision").value_or("fp32");
  if (!llvm::is_contained(known, options.precision)) {
    error = "--precision: expected one of " + llvm::join(known, ", ") + ", got '" + options.precision + "'";
    return false;
  }
  auto level = arguments.value("--compress"), file = arguments.value("--recipe");
  if (level && file) {
    error = "--compress and --recipe are both recipes; hint: lathe recipe " + *level + " prints one to edit";
    return false;
  }
  if (level && !recipe::getShippedRecipe(*level)) {
    error = "--compress: expected one of " + llvm::join(recipe::getShippedRecipes(), ", ") + ", got '" + *level + "'";
    return false;
  }
  if (level || file) {
    auto recipe = readRecipe(level ? *level : *file, error);
    if (failed(recipe)) {
      if (error.empty())
        error = "the recipe makes no sense";
      return false;
    }
    options.recipe = std::move(*recipe);
  }
  options.calibration = arguments.value("--calibration").value_or("");
  options.statistics = arguments.value("--statistics").value_or("");
  options.statisticsCache = arguments.value("--statistics-cache").value_or(getDefaultCache());
  if (options.statisticsCache == "none")
    options.statisticsCache = "";
  for (const char *flag : {"--statistics", "--statistics-cache"})
    if (arguments.has(flag) && !options.recipe) {
      error = std::string(flag) + " needs a recipe; hint: --compress=LEVEL or --recipe=FILE";
      return false;
    }
  int64_t samples;
  if (!arguments.integer("--calibration-samples", options.recipe ? 1024 : 64, 1, INT64_MAX, samples, error))
    return false;
  options.calibrationSamples = samples;
  if (arguments.has("--calibration-samples") && !arguments.has("--calibration")) {
    error = "--calibration-samples needs --calibration";
    return false;
  }
  if (arguments.has("--calibration") && options.precision != "mixed" && !options.recipe) {
    error = "--calibration needs a recipe or --precision=mixed, got " + options.precision;
    return false;
  }
  options.objective = arguments.value("--objective").value_or("");
  if (arguments.has("--objective") && options.objective != "latency" && options.objective != "size") {
    error = "--objective: expected latency or size, got '" + options.objective + "'";
    return false;
  }
  if (arguments.has("--objective") && !options.recipe) {
    error = "--objective judges what a recipe does; hint: --compress=LEVEL or --recipe=FILE";
    return false;
  }
  auto tune = arguments.value("--tune");
  if (tune && *tune != "measure") {
    error = "--tune: expected measure, got '" + *tune + "'";
    return false;
  }
  if (tune && options.objective != "latency") {
    error = "--tune=measure says how latency is told; hint: --objective=latency";
    return false;
  }
  options.measure = tune.has_value();
  options.compressPasses = arguments.value("--compress-passes").value_or("");
  options.allowFallback = arguments.has("--allow-fallback");
  return true;
}
