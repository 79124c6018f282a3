// lathe-test-threads: runs a package RUNS times with one thread and with THREADS, each time with other shapes of its
// profile (up to 8 and 64 for the first two symbols) and other values, and compares the bits of all outputs. Inputs
// named as masks have rows of ones of random lengths.
#include "tools/lathe-run/Inputs.h"
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <random>

using namespace lathe::tool;

namespace {
// The same numbers everywhere: std::uniform_int_distribution differs between libraries.
class Random {
public:
  int64_t between(int64_t low, int64_t high) {
    return low + int64_t(engine() % uint64_t(std::max<int64_t>(high - low, 0) + 1));
  }

private:
  std::mt19937_64 engine{1};
};

std::vector<ShapeSpec> drawShapes(const Model &model, Random &random) {
  std::vector<int64_t> values;
  for (const Symbol &symbol : model.symbols())
    values.push_back(random.between(symbol.min, std::min<int64_t>(symbol.max, values.empty() ? 8 : 64)));
  std::vector<ShapeSpec> shapes;
  for (const Value &input : model.inputs()) {
    shapes.push_back({input.name, input.dims});
    for (size_t d = 0; d < input.dims.size(); ++d)
      for (size_t i = 0; i < values.size(); ++i)
        if (input.formulas[d] == model.symbols()[i].name)
          shapes.back().dims[d] = values[i];
  }
  return shapes;
}

void drawMask(Tensor &mask, Random &random) {
  int64_t columns = mask.dims.back(), rows = columns ? int64_t(mask.count()) / columns : 0;
  for (int64_t row = 0; row < rows; ++row) {
    int64_t length = random.between(1, columns);
    for (int64_t column = 0; column < columns; ++column)
      storeInteger(mask, uint64_t(row * columns + column), column < length);
  }
}

// The outputs' bytes.
bool run(Model &model, std::vector<Tensor> inputs, std::vector<Tensor> &outputs, std::string &error) {
  if (!model.setInputs(inputs, error) || !model.run(error))
    return false;
  outputs.resize(model.outputs().size());
  for (uint32_t i = 0; i < outputs.size(); ++i)
    if (!model.output(i, outputs[i], error))
      return false;
  return true;
}
} // namespace

int main(int argc, char **argv) {
  if (argc != 4)
    return fail("usage: lathe-test-threads MODEL.lathe THREADS RUNS", kUsage);
  ModelOptions options;
  std::string error;
  Model models[2];
  for (Model &model : models) {
    options.threads = &model == models ? 1 : uint32_t(std::atoi(argv[2]));
    if (!model.load({argv[1], {}}, options, error) || !model.createContext(options, error))
      return fail(error);
  }
  Random random;
  int runs = std::atoi(argv[3]);
  size_t bytes = 0;
  for (int i = 0; i < runs; ++i) {
    InputOptions draw;
    draw.shapes = drawShapes(models[0], random);
    draw.seed = i;
    std::vector<Tensor> inputs, outputs[2];
    if (!makeInputs(models[0], draw, true, inputs, error))
      return fail(error);
    for (Tensor &input : inputs)
      if (input.name.find("mask") != std::string::npos && isInteger(input.type) && !input.dims.empty())
        drawMask(input, random);
    for (int m = 0; m < 2; ++m)
      if (!run(models[m], inputs, outputs[m], error))
        return fail(error);
    for (size_t o = 0; o < outputs[0].size(); ++o) {
      if (outputs[0][o].dims != outputs[1][o].dims || outputs[0][o].bytes != outputs[1][o].bytes)
        return fail("run " + std::to_string(i) + ": output '" + models[0].outputs()[o].name + "' of shape " +
                    shapeText(outputs[0][o].dims) + " differs between 1 and " + argv[2] + " threads");
      bytes += outputs[0][o].bytes.size();
    }
  }
  std::printf("%d runs with 1 and %s threads: %zu bytes of outputs are equal\n", runs, argv[2], bytes);
}
