#include "tools/lathe-run/TestData.h"
#include "tools/lathe-run/ShapeSpec.h"
#include "tools/lathe-run/TensorProto.h"
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <dirent.h>

namespace lathe::tool {

namespace {
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
} // namespace

bool readTestData(const std::string &dir, const Model &model, bool compared, TestDataSet &set, std::string &error) {
  std::vector<Tensor> inputs, outputs;
  std::vector<size_t> inputIndices, outputIndices;
  if (!readNumbered(dir, "input_", inputs, error) || !readNumbered(dir, "output_", outputs, error) ||
      !match(inputs, model.inputs(), "input", dir, inputIndices, error) ||
      !match(outputs, model.outputs(), "output", dir, outputIndices, error))
    return false;
  if (compared && outputs.empty()) {
    error = "the test data set '" + dir + "' has no output_0.pb: nothing to compare with";
    return false;
  }
  set.inputs.assign(model.inputs().size(), {});
  for (size_t i = 0; i < inputIndices.size(); ++i)
    set.inputs[inputIndices[i]] = std::move(inputs[i]);
  for (size_t i = 0; i < set.inputs.size(); ++i) {
    if (std::find(inputIndices.begin(), inputIndices.end(), i) == inputIndices.end()) {
      error = "the test data set '" + dir + "' has no file for the input '" + model.inputs()[i].name + "'";
      return false;
    }
    set.inputs[i].name = model.inputs()[i].name;
  }
  set.outputs.clear();
  for (size_t i = 0; i < outputIndices.size(); ++i)
    set.outputs.emplace_back(uint32_t(outputIndices[i]), std::move(outputs[i]));
  return true;
}

} // namespace lathe::tool
