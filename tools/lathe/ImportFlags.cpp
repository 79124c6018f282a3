// The flags that say how to read a model.
#include "tools/lathe-run/ShapeSpec.h"
#include "tools/lathe/Commands.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringRef.h"

using namespace lathe;
using namespace lathe::tool;
using llvm::StringRef;

const std::vector<Flag> &tool::importFlags() {
  static const std::vector<Flag> flags = {
      {"--dim", "NAME=RANGE", "fixes or bounds a symbol: batch=4, batch=1:32", true},
      {"--min-shapes", "INPUT:1x16,...", "the least dimensions of inputs"},
      {"--max-shapes", "INPUT:8x512,...", "the greatest dimensions of inputs; --shapes of both"},
      {"--shapes", "INPUT:1x128,...", "fixes the dimensions of inputs"},
      {"--dim-names", "INPUT=A,B", "names an input's dimensions: input_ids=batch,sequence", true},
      {"--external-data", "DIR", "where the model's external data is, instead of its own folder"},
      {"--weights", "random:SEED", "makes up the weights whose file is missing"},
  };
  return flags;
}

/// `4` or `1:32`.
static bool parseRange(StringRef text, Dim::Range &range) {
  auto [low, high] = text.split(':');
  if (low.getAsInteger(10, range.min))
    return false;
  range.max = range.min;
  if (text.contains(':') && high.getAsInteger(10, range.max))
    return false;
  return range.min >= 0 && range.min <= range.max;
}

/// Adds one side of the ranges of inputs: their least dimensions, their greatest, or both.
static bool readShapes(const Arguments &arguments, const char *flag, bool low, bool high, ImportOptions &options,
                       std::string &error) {
  auto text = arguments.value(flag);
  if (!text)
    return true;
  auto shapes = parseShapes(*text, error);
  if (!shapes) {
    error = std::string(flag) + ": " + error;
    return false;
  }
  for (const ShapeSpec &shape : *shapes) {
    auto &ranges = options.inputShapes[shape.name];
    if (ranges.empty())
      ranges.assign(shape.dims.size(), Dim::Range{options.defaultRange.min, options.defaultRange.max});
    if (ranges.size() != shape.dims.size()) {
      error = std::string(flag) + ": " + shape.name + " has another number of dimensions elsewhere";
      return false;
    }
    for (size_t i = 0; i < ranges.size(); ++i) {
      if (low)
        ranges[i].min = shape.dims[i];
      if (high)
        ranges[i].max = shape.dims[i];
      if (ranges[i].min > ranges[i].max) {
        error = std::string(flag) + ": dimension " + std::to_string(i) + " of " + shape.name + " would be in [" +
                std::to_string(ranges[i].min) + ", " + std::to_string(ranges[i].max) + "]";
        return false;
      }
    }
  }
  return true;
}

bool tool::readImportFlags(const Arguments &arguments, ImportOptions &options, std::string &error) {
  for (const std::string &text : arguments.values("--dim")) {
    auto [name, value] = StringRef(text).split('=');
    Dim::Range range;
    if (name.empty() || !parseRange(value, range)) {
      error = "--dim: expected NAME=N or NAME=MIN:MAX, got '" + text + "'";
      return false;
    }
    options.symbols[name.str()] = range;
  }
  for (const std::string &text : arguments.values("--dim-names")) {
    auto [name, value] = StringRef(text).split('=');
    std::vector<std::string> names;
    for (StringRef dim : llvm::split(value, ','))
      names.push_back(dim.str());
    if (name.empty() || value.empty()) {
      error = "--dim-names: expected INPUT=A,B, got '" + text + "'";
      return false;
    }
    options.inputDims[name.str()] = names;
  }
  if (!readShapes(arguments, "--min-shapes", true, false, options, error) ||
      !readShapes(arguments, "--max-shapes", false, true, options, error) ||
      !readShapes(arguments, "--shapes", true, true, options, error))
    return false;
  options.externalData = arguments.value("--external-data").value_or("");
  if (auto weights = arguments.value("--weights")) {
    StringRef seed = *weights;
    uint64_t number;
    if (!seed.consume_front("random:") || seed.getAsInteger(10, number)) {
      error = "--weights: expected random:SEED, got '" + *weights + "'";
      return false;
    }
    options.randomSeed = number;
  }
  return true;
}
