// The inputs of `run` and `bench`: from files, else made up from shapes and rules.
//
// A shape that is not given follows from the symbols that the given ones bind; a symbol that none binds takes the
// smallest value of its range, but 1 rather than 0. What is not read from a file is filled by --fill's rule for it, or
// by its type and name: a name with "mask" in it gets ones, "token_type" or "segment" zeros, "position" 0, 1, 2 ...
// along the last dimension, booleans ones, other integers random ids in [0, 64), which every vocabulary has, floats
// random values in [-1, 1). The same seed gives the same values on every machine.
#pragma once
#include "tools/lathe-run/Model.h"
#include "tools/lathe-run/ShapeSpec.h"

namespace lathe::tool {

struct FillRule {
  enum Kind { Ones, Zeros, Range, Random } kind;
  double low = 0, high = 0; // Random: values in [low, high)
};
std::optional<FillRule> parseFill(std::string_view text, std::string &error);

struct InputOptions {
  std::vector<std::pair<std::string, std::string>> files; // input, path of a .npy or .pb
  std::vector<ShapeSpec> shapes;
  std::vector<std::pair<std::string, FillRule>> fills;
  int64_t seed = 0;

  static std::vector<Flag> flags();
  bool parse(const Arguments &arguments, std::string &error);
};

// One tensor for each input of the model, in order. Where `mayFill` is false an input without a file, a shape and a
// rule is an error, and all such inputs are named at once.
bool makeInputs(const Model &model, const InputOptions &options, bool mayFill, std::vector<Tensor> &tensors,
                std::string &error);

} // namespace lathe::tool
