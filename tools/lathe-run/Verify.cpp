// lathe-run verify: runs a model on ONNX test data sets and compares what comes out.
#include "tools/lathe-run/ComparisonTable.h"
#include "tools/lathe-run/Progress.h"
#include "tools/lathe-run/TestData.h"

namespace lathe::tool {

namespace {
// Runs one set and adds its outputs to the table.
bool verifySet(Model &model, const std::string &dir, ComparisonTable &table, std::string &error) {
  TestDataSet set;
  if (!readTestData(dir, model, /*compared=*/true, set, error))
    return false;
  if (!model.setInputs(set.inputs, error) || !model.run(error)) {
    error = "test data set '" + dir + "': " + error;
    return false;
  }
  for (auto &[index, expected] : set.outputs) {
    Tensor got;
    if (!model.output(index, got, error))
      return false;
    table.add(dir, model.outputs()[index].name, got, expected);
  }
  return true;
}

int runVerify(const ModelSource &source, const Arguments &arguments) {
  std::string error;
  ModelOptions options;
  ComparisonTable table("test data set");
  if (!options.parse(arguments, error) || !table.parse(arguments, error))
    return fail(error, kUsage);
  const std::vector<std::string> &sets = arguments.positional;
  if (sets.empty())
    return fail("which test data set? expected a folder with input_0.pb, output_0.pb ...", kUsage);
  Model model;
  if (!model.load(source, options, error) || !model.createContext(options, error))
    return fail(error);
  {
    Progress progress("verifying");
    for (size_t i = 0; i < sets.size(); ++i) {
      progress.update(double(i) / double(sets.size()), sets[i]);
      if (!verifySet(model, sets[i], table, error))
        break;
    }
  }
  return error.empty() ? table.finish() : fail(error);
}
} // namespace

const Command verifyCommand = {
    "verify",
    "TEST_DATA_SET...",
    "Runs the model on ONNX test data sets and compares the outputs.",
    "A test data set is a folder with input_0.pb, input_1.pb ... and output_0.pb ...; a file belongs to the input or\n"
    "output that its tensor is named after, else to the one at its position. An element matches when\n"
    "|got - expected| <= atol + rtol * |expected|. Exit code 1 where an output does not match.",
    SIZE_MAX,
    [] {
      std::vector<Flag> flags = ComparisonTable::flags();
      for (const Flag &flag : ModelOptions::runFlags())
        flags.push_back(flag);
      return flags;
    }(),
    runVerify};

} // namespace lathe::tool
