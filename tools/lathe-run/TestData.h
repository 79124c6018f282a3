// ONNX's test data sets: folders with input_0.pb, input_1.pb ... and output_0.pb ...
#pragma once
#include "tools/lathe-run/Model.h"

namespace lathe::tool {

struct TestDataSet {
  std::vector<Tensor> inputs;                       // one for each input of the model, in order
  std::vector<std::pair<uint32_t, Tensor>> outputs; // the model's output that each is meant for, in the files' order
};

// Reads a set for a model. A file belongs to the value that its tensor is named after, else to the one at its position.
// It is an error where an input has no file, a number is missing, or two files are meant for one value; and, for a set
// that is to be compared with, where there is no output at all.
bool readTestData(const std::string &dir, const Model &model, bool compared, TestDataSet &set, std::string &error);

} // namespace lathe::tool
