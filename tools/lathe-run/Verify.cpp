// lathe-run verify: runs a model on ONNX test data sets and compares what comes out.
#include "tools/lathe-run/Compare.h"
#include "tools/lathe-run/Model.h"
#include "tools/lathe-run/Progress.h"
#include "tools/lathe-run/ShapeSpec.h"
#include "tools/lathe-run/Table.h"
#include "tools/lathe-run/TensorProto.h"
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <dirent.h>

namespace lathe::tool {

namespace {
struct TestDataSet {
  std::vector<Tensor> inputs, outputs; // by the N of input_N.pb
};

// Reads DIR/PREFIX_0.pb, PREFIX_1.pb ...; a gap in the numbers is an error, for a file may be lost.
bool readNumbered(const std::string &dir, const std::string &prefix, std::vector<Tensor> &tensors, std::string &error) {
  DIR *handle = opendir(dir.c_str());
  if (!handle) {
    error = "can't read the test data set '" + dir + "': " + std::strerror(errno);
    return false;
  }
  auto fileName = [&](int64_t number) { return prefix + std::to_string(number) + ".pb"; };
  std::vector<int64_t> numbers;
  while (const dirent *item = readdir(handle)) {
    std::string name = item->d_name;
    if (name.size() <= prefix.size() + 3 || name.compare(0, prefix.size(), prefix) != 0 ||
        name.compare(name.size() - 3, 3, ".pb") != 0)
      continue;
    if (auto number = parseInteger(std::string_view(name).substr(prefix.size(), name.size() - prefix.size() - 3)))
      numbers.push_back(*number);
  }
  closedir(handle);
  std::sort(numbers.begin(), numbers.end());
  for (size_t i = 0; i < numbers.size(); ++i) {
    if (numbers[i] != int64_t(i)) {
      error = "the test data set '" + dir + "' has no " + fileName(int64_t(i)) + ", but " + fileName(numbers[i]);
      return false;
    }
    Tensor tensor;
    if (!readTensorProto(dir + "/" + fileName(numbers[i]), tensor, error))
      return false;
    tensors.push_back(std::move(tensor));
  }
  return true;
}

// For each tensor the index of the value it belongs to: the one of its name, else, where the names of the set say
// nothing, the one at its position.
bool match(const std::vector<Tensor> &tensors, const std::vector<Value> &values, const char *kind,
           const std::string &dir, std::vector<size_t> &indices, std::string &error) {
  if (tensors.size() > values.size()) {
    error = "the test data set '" + dir + "' has " + std::to_string(tensors.size()) + " " + kind + "s, the model has " +
            std::to_string(values.size());
    return false;
  }
  for (size_t i = 0; i < tensors.size(); ++i) {
    auto named = std::find_if(values.begin(), values.end(), [&](const Value &v) { return v.name == tensors[i].name; });
    size_t index = named != values.end() ? size_t(named - values.begin()) : i;
    if (std::find(indices.begin(), indices.end(), index) != indices.end()) {
      error =
          "two files of the test data set '" + dir + "' are meant for the " + kind + " '" + values[index].name + "'";
      return false;
    }
    indices.push_back(index);
  }
  return true;
}

// Runs one set. Appends a row for each output to `rows` and a sentence for each mismatch to `notes`.
bool verifySet(Model &model, const std::string &dir, Tolerance tolerance, std::vector<std::vector<std::string>> &rows,
               std::vector<std::string> &notes, std::string &error) {
  TestDataSet set;
  std::vector<size_t> inputIndices, outputIndices;
  if (!readNumbered(dir, "input_", set.inputs, error) || !readNumbered(dir, "output_", set.outputs, error) ||
      !match(set.inputs, model.inputs(), "input", dir, inputIndices, error) ||
      !match(set.outputs, model.outputs(), "output", dir, outputIndices, error))
    return false;
  if (set.outputs.empty()) {
    error = "the test data set '" + dir + "' has no output_0.pb: nothing to compare with";
    return false;
  }
  std::vector<Tensor> inputs(model.inputs().size());
  for (size_t i = 0; i < inputIndices.size(); ++i)
    inputs[inputIndices[i]] = std::move(set.inputs[i]);
  for (size_t i = 0; i < inputs.size(); ++i)
    if (std::find(inputIndices.begin(), inputIndices.end(), i) == inputIndices.end()) {
      error = "the test data set '" + dir + "' has no file for the input '" + model.inputs()[i].name + "'";
      return false;
    }
  if (!model.setInputs(inputs, error) || !model.run(error)) {
    error = "test data set '" + dir + "': " + error;
    return false;
  }
  for (size_t i = 0; i < outputIndices.size(); ++i) {
    const Tensor &expected = set.outputs[i];
    const Value &value = model.outputs()[outputIndices[i]];
    Tensor got;
    if (!model.output(uint32_t(outputIndices[i]), got, error))
      return false;
    std::string where = "'" + dir + "', output '" + value.name + "': ";
    std::string shape = std::string(typeName(got.type)) + " " + shapeText(got.dims);
    if (got.type != expected.type || got.dims != expected.dims) {
      notes.push_back(where + "expected " + typeName(expected.type) + " " + shapeText(expected.dims) + ", got " +
                      shape);
      rows.push_back({dir, value.name, shape, "-", "-", "-", "MISMATCH"});
      continue;
    }
    Difference d = compare(got, expected, tolerance);
    rows.push_back({dir, value.name, shape, numberText(d.maxAbsolute, 3), numberText(d.maxRelative, 3),
                    numberText(d.cosine, 9), d.matches() ? "ok" : "MISMATCH"});
    if (!d.matches())
      notes.push_back(where + std::to_string(d.mismatches) + " of " + std::to_string(d.count) +
                      " elements differ; the first is element " + std::to_string(d.first) + ": expected " +
                      numberText(d.expectedFirst, 9) + ", got " + numberText(d.gotFirst, 9));
  }
  return true;
}

int runVerify(const ModelSource &source, const Arguments &arguments) {
  std::string error;
  ModelOptions options;
  Tolerance tolerance;
  double largest = 1e300;
  if (!options.parse(arguments, error) || !arguments.number("--rtol", 1e-3, 0, largest, tolerance.relative, error) ||
      !arguments.number("--atol", 1e-4, 0, largest, tolerance.absolute, error))
    return fail(error, kUsage);
  const std::vector<std::string> &sets = arguments.positional;
  if (sets.empty())
    return fail("which test data set? expected a folder with input_0.pb, output_0.pb ...", kUsage);
  Model model;
  if (!model.load(source, options, error) || !model.createContext(options, error))
    return fail(error);
  std::vector<std::vector<std::string>> rows = {
      {"test data set", "output", "shape", ">max abs", ">max rel", ">cosine", "result"}};
  std::vector<std::string> notes;
  {
    Progress progress("verifying");
    for (size_t i = 0; i < sets.size(); ++i) {
      if (!verifySet(model, sets[i], tolerance, rows, notes, error))
        return fail(error);
      progress.update(double(i + 1) / double(sets.size()));
    }
  }
  printTable(rows);
  for (const std::string &note : notes)
    fail(note);
  return notes.empty() ? 0 : kFailed;
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
      std::vector<Flag> flags = {{"--rtol", "X", "relative tolerance (default 1e-3)"},
                                 {"--atol", "X", "absolute tolerance (default 1e-4)"}};
      for (const Flag &flag : ModelOptions::runFlags())
        flags.push_back(flag);
      return flags;
    }(),
    runVerify};

} // namespace lathe::tool
