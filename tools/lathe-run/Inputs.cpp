#include "tools/lathe-run/Inputs.h"
#include "tools/lathe-run/Npy.h"
#include "tools/lathe-run/TensorProto.h"
#include <algorithm>
#include <cmath>
#include <map>
#include <unistd.h>

namespace lathe::tool {

namespace {
bool splitAssignment(const std::string &text, const char *flag, std::string &name, std::string &value,
                     std::string &error) {
  size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0 || equals + 1 == text.size()) {
    error = std::string(flag) + ": expected name=value, got '" + text + "'";
    return false;
  }
  name = text.substr(0, equals);
  value = text.substr(equals + 1);
  return true;
}

template <typename List> auto find(const List &list, const std::string &name) {
  return std::find_if(list.begin(), list.end(), [&](const auto &item) { return item.first == name; });
}

// splitmix64, by Sebastiano Vigna: one step.
uint64_t nextRandom(uint64_t &state) {
  uint64_t z = state += 0x9e3779b97f4a7c15;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
  z = (z ^ z >> 27) * 0x94d049bb133111eb;
  return z ^ z >> 31;
}

FillRule defaultRule(const Value &input) {
  auto named = [&](const char *part) { return input.name.find(part) != std::string::npos; };
  if (named("mask") || input.type == ElementType::Bool)
    return {FillRule::Ones};
  if (isFloat(input.type))
    return {FillRule::Random, -1, 1};
  if (named("token_type") || named("segment"))
    return {FillRule::Zeros};
  if (named("position"))
    return {FillRule::Range};
  return {FillRule::Random, 0, 64};
}

void fill(Tensor &tensor, FillRule rule, uint64_t seed) {
  uint64_t count = tensor.count(), last = tensor.dims.empty() ? 1 : uint64_t(tensor.dims.back());
  for (uint64_t i = 0; i < count; ++i) {
    double unit = double(nextRandom(seed) >> 11) * 0x1p-53; // in [0, 1)
    double random = rule.low + unit * (rule.high - rule.low);
    double value = rule.kind == FillRule::Ones    ? 1
                   : rule.kind == FillRule::Zeros ? 0
                   : rule.kind == FillRule::Range ? double(i % last)
                                                  : random;
    if (isInteger(tensor.type))
      storeInteger(tensor, i, tensor.type == ElementType::Bool ? value != 0 : int64_t(std::floor(value)));
    else
      storeDouble(tensor, i, value);
  }
}

bool checkNames(const Model &model, const std::vector<std::string> &names, std::string &error) {
  std::vector<std::string> known;
  for (const Value &input : model.inputs())
    known.push_back(input.name);
  for (const std::string &name : names) {
    if (std::find(known.begin(), known.end(), name) != known.end())
      continue;
    std::optional<std::string> meant = nearest(name, known);
    error = "the model has no input '" + name + "'; ";
    if (meant) {
      error += "did you mean '" + *meant + "'?";
      return false;
    }
    error += "its inputs are";
    for (size_t i = 0; i < known.size(); ++i)
      error += (i ? ", '" : " '") + known[i] + "'";
    return false;
  }
  return true;
}

// The shapes of all inputs: `given` where it has one, else from the symbols that the given ones bind.
bool inferShapes(const Model &model, std::map<size_t, std::vector<int64_t>> &shapes, std::string &error) {
  std::map<std::string, int64_t> values;
  for (auto &[index, dims] : shapes) {
    const Value &input = model.inputs()[index];
    if (dims.size() != input.dims.size()) {
      error = "input '" + input.name + "' is " + input.text() + ", got the shape " + shapeText(dims);
      return false;
    }
    for (size_t d = 0; d < dims.size(); ++d)
      values.emplace(input.formulas[d], dims[d]);
  }
  for (const Symbol &symbol : model.symbols())
    values.emplace(symbol.name, std::min(std::max<int64_t>(symbol.min, 1), symbol.max));
  for (size_t index = 0; index < model.inputs().size(); ++index) {
    const Value &input = model.inputs()[index];
    if (shapes.count(index))
      continue;
    std::vector<int64_t> &dims = shapes[index] = input.dims;
    for (size_t d = 0; d < dims.size(); ++d) {
      auto known = values.find(input.formulas[d]);
      if (dims[d] >= 0)
        continue;
      if (known == values.end()) {
        error = "the shape of input '" + input.name + "', " + input.text() +
                ", does not follow from the others; hint: give it in --shapes";
        return false;
      }
      dims[d] = known->second;
    }
  }
  return true;
}
} // namespace

std::optional<FillRule> parseFill(std::string_view text, std::string &error) {
  if (text == "ones")
    return FillRule{FillRule::Ones};
  if (text == "zeros")
    return FillRule{FillRule::Zeros};
  if (text == "range")
    return FillRule{FillRule::Range};
  size_t colon = text.rfind(':');
  if (text.substr(0, 7) == "random:" && colon > 6) {
    std::optional<double> low = parseNumber(text.substr(7, colon - 7)), high = parseNumber(text.substr(colon + 1));
    // Below 2^62, so that an integer input can hold what is drawn.
    if (low && high && *low < *high && *low > -0x1p62 && *high < 0x1p62)
      return FillRule{FillRule::Random, *low, *high};
  }
  error = "expected ones, zeros, range or random:LOW:HIGH, got '" + std::string(text) + "'";
  return std::nullopt;
}

std::vector<Flag> InputOptions::flags() {
  return {{"--input", "NAME=FILE", "read an input from a .npy or .pb file; may be given for each input", true},
          {"--shapes", "SPEC", "shapes of inputs, as input_ids:1x128,attention_mask:1x128;\nwhat is left out follows"},
          {"--fill", "NAME=RULE",
           "fill an input by a rule: ones, zeros, range, random:LOW:HIGH;\ndefault: by its name and type", true},
          {"--seed", "N", "of random values (default 0)"}};
}

bool InputOptions::parse(const Arguments &arguments, std::string &error) {
  for (const std::string &text : arguments.values("--input")) {
    std::string name, path;
    if (!splitAssignment(text, "--input", name, path, error))
      return false;
    if (find(files, name) != files.end()) {
      error = "--input: '" + name + "' is given twice";
      return false;
    }
    files.emplace_back(name, path);
  }
  for (const std::string &text : arguments.values("--fill")) {
    std::string name, rule;
    if (!splitAssignment(text, "--fill", name, rule, error))
      return false;
    std::optional<FillRule> parsed = parseFill(rule, error);
    if (!parsed) {
      error.insert(0, "--fill: ");
      return false;
    }
    if (find(fills, name) != fills.end()) {
      error = "--fill: '" + name + "' is given twice";
      return false;
    }
    fills.emplace_back(name, *parsed);
  }
  if (std::optional<std::string> text = arguments.value("--shapes")) {
    std::optional<std::vector<ShapeSpec>> parsed = parseShapes(*text, error);
    if (!parsed) {
      error = "--shapes: " + error;
      return false;
    }
    shapes = std::move(*parsed);
  }
  return arguments.integer("--seed", 0, INT64_MIN, INT64_MAX, seed, error);
}

bool makeInputs(const Model &model, const InputOptions &options, bool mayFill, std::vector<Tensor> &tensors,
                std::string &error) {
  const std::vector<Value> &inputs = model.inputs();
  std::vector<std::string> names;
  names.reserve(options.files.size() + options.shapes.size() + options.fills.size());
  for (auto &[name, path] : options.files)
    names.push_back(name);
  for (const ShapeSpec &spec : options.shapes)
    names.push_back(spec.name);
  for (auto &[name, rule] : options.fills)
    names.push_back(name);
  if (!checkNames(model, names, error))
    return false;

  tensors.assign(inputs.size(), {});
  std::map<size_t, std::vector<int64_t>> shapes;
  std::string missing;
  for (size_t i = 0; i < inputs.size(); ++i) {
    auto spec = std::find_if(options.shapes.begin(), options.shapes.end(),
                             [&](const ShapeSpec &s) { return s.name == inputs[i].name; });
    if (spec != options.shapes.end())
      shapes[i] = spec->dims;
    auto file = find(options.files, inputs[i].name);
    if (file == options.files.end()) {
      if (!mayFill && spec == options.shapes.end() && find(options.fills, inputs[i].name) == options.fills.end())
        missing += (missing.empty() ? "'" : ", '") + inputs[i].name + "' (" + inputs[i].text() + ")";
      continue;
    }
    const std::string &path = file->second;
    bool proto = path.size() > 3 && path.compare(path.size() - 3, 3, ".pb") == 0;
    if (!(proto ? readTensorProto : readNpy)(path, tensors[i], error))
      return false;
    if (spec != options.shapes.end() && spec->dims != tensors[i].dims) {
      error = "input '" + inputs[i].name + "': --shapes says " + shapeText(spec->dims) + ", '" + path + "' has " +
              shapeText(tensors[i].dims);
      return false;
    }
    shapes[i] = tensors[i].dims;
  }
  if (!missing.empty()) {
    error = "no --input for " + missing;
    return false;
  }
  if (!inferShapes(model, shapes, error))
    return false;

  uint64_t machine = uint64_t(sysconf(_SC_PHYS_PAGES)) * uint64_t(sysconf(_SC_PAGESIZE));
  for (size_t i = 0; i < inputs.size(); ++i) {
    Tensor &tensor = tensors[i];
    tensor.name = inputs[i].name;
    if (find(options.files, tensor.name) != options.files.end())
      continue;
    tensor.type = inputs[i].type;
    tensor.dims = shapes[i];
    std::optional<uint64_t> bytes = byteCount(tensor.type, tensor.dims);
    if (!bytes || *bytes > machine) {
      error = "input '" + tensor.name + "' of shape " + shapeText(tensor.dims) + " is larger than the machine's memory";
      return false;
    }
    tensor.bytes.resize(*bytes);
    auto rule = find(options.fills, tensor.name);
    fill(tensor, rule != options.fills.end() ? rule->second : defaultRule(inputs[i]), uint64_t(options.seed) + i);
  }
  return true;
}

} // namespace lathe::tool
