#include "compiler/Evaluate/Evaluate.h"
#include "compiler/Data/ImpliedInputs.h"
#include "tools/lathe-run/Npy.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"

using namespace lathe;
using namespace lathe::evaluate;
using llvm::StringRef;
using llvm::Twine;
using tool::Tensor;

static llvm::Error fail(const Twine &message) { return llvm::createStringError(message); }

static bool isTokenLike(tool::ElementType type, size_t rank) { return tool::isInteger(type) && rank == 2; }
static bool isMaskLike(StringRef name, tool::ElementType type, size_t rank) {
  return isTokenLike(type, rank) && name.contains("mask");
}

llvm::Expected<data::Signature> evaluate::describeInputs(const tool::Model &model) {
  data::Signature signature;
  for (const tool::Symbol &symbol : model.symbols())
    signature.symbols[symbol.name] = {symbol.min, symbol.max};
  for (const tool::Value &value : model.inputs()) {
    data::Input input;
    input.name = value.name;
    input.type = value.type;
    input.isMask = isMaskLike(value.name, value.type, value.dims.size());
    for (const std::string &formula : value.formulas) {
      auto dim = Dim::parse(formula);
      if (!dim)
        return fail("input '" + value.name + "' has a dimension that can't be read: " + formula);
      input.dims.push_back(*dim);
    }
    signature.inputs.push_back(std::move(input));
  }
  return signature;
}

/// A tensor's elements as f32.
static std::vector<float> toFloats(const Tensor &tensor) {
  std::vector<float> values(tensor.count());
  if (tensor.type == tool::ElementType::F32)
    std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
  else
    for (size_t i = 0; i < values.size(); ++i)
      values[i] = float(tensor.asDouble(i));
  return values;
}

llvm::Expected<Head> evaluate::readHead(const std::string &weightPath, const std::string &biasPath) {
  Tensor weight, bias;
  std::string error;
  if (!tool::readNpy(weightPath, weight, error) || (!biasPath.empty() && !tool::readNpy(biasPath, bias, error)))
    return fail(error);
  if (!tool::isFloat(weight.type) || weight.dims.size() != 2 || weight.bytes.empty())
    return fail("'" + weightPath + "': expected floats [classes, width], got " + tool::typeName(weight.type) + " " +
                tool::shapeText(weight.dims));
  if (!biasPath.empty() && (!tool::isFloat(bias.type) || bias.dims != std::vector<int64_t>{weight.dims[0]}))
    return fail("'" + biasPath + "': expected " + Twine(weight.dims[0]) + " floats, got " + tool::typeName(bias.type) +
                " " + tool::shapeText(bias.dims));
  Head head;
  head.weight = toFloats(weight);
  if (!biasPath.empty())
    head.bias = toFloats(bias);
  head.classes = weight.dims[0];
  head.width = weight.dims[1];
  return head;
}

namespace {
/// Writes samples to a .npy file, at their row; what a sample lacks of the widest is zero.
class PredictionFile {
public:
  /// `first` has the greatest dimensions of all.
  llvm::Error open(StringRef path, uint64_t rows, const Tensor &first) {
    Tensor header;
    header.type = first.type;
    header.dims = first.dims;
    header.dims[0] = rows;
    std::vector<uint8_t> bytes = tool::formatNpy(header);
    dims.assign(first.dims.begin() + 1, first.dims.end());
    sample.resize(first.bytes.size() / first.dims[0]);
    begin = bytes.size();
    std::error_code code;
    file.emplace(path, code);
    if (code)
      return fail("can't write '" + path + "': " + code.message());
    file->write(reinterpret_cast<const char *>(bytes.data()), bytes.size());
    return llvm::Error::success();
  }

  llvm::Error write(const Tensor &tensor, llvm::ArrayRef<uint64_t> rows) {
    llvm::ArrayRef<int64_t> own = llvm::ArrayRef<int64_t>(tensor.dims).drop_front();
    // Only the first axis of a sample may differ: elsewhere a row of the array would not be contiguous.
    if (own.size() != dims.size() || (!own.empty() && own.drop_front() != llvm::ArrayRef<int64_t>(dims).drop_front()) ||
        (!own.empty() && own[0] > dims[0]))
      return fail("the samples' outputs have other shapes, " + tool::shapeText(own.vec()) + " and " +
                  tool::shapeText(dims) + ", so no array can hold them");
    size_t size = tensor.bytes.size() / rows.size();
    for (auto [i, row] : llvm::enumerate(rows)) {
      std::fill(std::copy_n(tensor.bytes.begin() + i * size, size, sample.begin()), sample.end(), 0);
      file->seek(begin + row * sample.size());
      file->write(reinterpret_cast<const char *>(sample.data()), sample.size());
    }
    return llvm::Error::success();
  }

  bool isOpen() const { return file.has_value(); }
  llvm::Error close() {
    file->close();
    if (!file->has_error())
      return llvm::Error::success();
    std::error_code code = file->error();
    file->clear_error();
    return fail("can't write the predictions: " + code.message());
  }

private:
  std::optional<llvm::raw_fd_ostream> file;
  std::vector<int64_t> dims;
  std::vector<uint8_t> sample;
  uint64_t begin = 0;
};

class Runner {
public:
  Runner(tool::Model &model, const data::Signature &signature, const Other &other, const Options &options)
      : model(model), signature(signature), other(other), options(options) {}
  llvm::Expected<Evaluation> run(StringRef path);

private:
  tool::Model &model;
  const data::Signature &signature;
  const Other &other;
  const Options &options;
  uint32_t output = 0, otherOutput = 0;
  std::optional<size_t> tokens; // index of an input

  bool has(Metric metric) const { return llvm::is_contained(options.metrics, metric); }
  llvm::Error findOutputs();
  llvm::Error findTokens();
  llvm::Error checkLabels(const data::DataSet &set, StringRef path) const;
  llvm::Expected<Tensor> runModel(tool::Model &which, uint32_t index, const data::Batch &batch) const;
  llvm::Error score(const data::DataSet &set, const data::Batch &batch, const Tensor &result, Scores &scores) const;
  llvm::SmallVector<bool> getPresent(const data::Batch &batch, size_t sample, int64_t count) const;
};
} // namespace

static llvm::Expected<uint32_t> findOutput(const tool::Model &model, StringRef name) {
  std::vector<std::string> known;
  for (auto [i, value] : llvm::enumerate(model.outputs())) {
    if (name.empty() || value.name == name)
      return i;
    known.push_back(value.name);
  }
  auto meant = tool::nearest(name, known);
  return fail("there is no output '" + name + "'" + (meant ? "; did you mean '" + *meant + "'?" : ""));
}

llvm::Error Runner::findOutputs() {
  auto found = findOutput(model, options.output);
  if (!found)
    return found.takeError();
  output = *found;
  const tool::Value &value = model.outputs()[output];
  if (!options.metrics.empty() && (!tool::isFloat(value.type) || value.dims.size() < 2))
    return fail("output '" + value.name + "' is " + value.text() +
                "; metrics need floats [batch, ...]; hint: --output names another output");
  if (!other.model)
    return llvm::Error::success();
  // By the name, or, where it is another model's, at the position.
  auto named = findOutput(*other.model, value.name);
  if (named) {
    otherOutput = *named;
    return llvm::Error::success();
  }
  if (!options.output.empty() || other.model->outputs().size() != 1)
    return llvm::joinErrors(fail("the other model"), named.takeError());
  llvm::consumeError(named.takeError());
  return llvm::Error::success();
}

llvm::Error Runner::findTokens() {
  if (!has(Metric::Perplexity))
    return llvm::Error::success();
  StringRef wanted = options.tokens.empty() ? "input_ids" : StringRef(options.tokens);
  for (auto [i, input] : llvm::enumerate(signature.inputs))
    if (isTokenLike(input.type, input.dims.size()) && (input.name == wanted || (!tokens && options.tokens.empty())))
      tokens = i;
  if (!tokens)
    return fail("perplexity needs tokens, " +
                (options.tokens.empty() ? "and the model has no integer input [batch, s]"
                                        : "and the model has no integer input '" + options.tokens + "' [batch, s]"));
  return llvm::Error::success();
}

llvm::Error Runner::checkLabels(const data::DataSet &set, StringRef path) const {
  if (!has(Metric::Accuracy))
    return llvm::Error::success();
  const Tensor *labels = set.labels();
  if (!labels)
    return fail("accuracy needs labels, and '" + path + "' has no labels.npy");
  if (!tool::isInteger(labels->type) || labels->dims.size() != 1)
    return fail("'labels' of '" + path + "': expected an integer for each sample, got " + tool::typeName(labels->type) +
                " " + tool::shapeText(labels->dims));
  return llvm::Error::success();
}

llvm::Expected<Tensor> Runner::runModel(tool::Model &which, uint32_t index, const data::Batch &batch) const {
  std::vector<Tensor> inputs;
  for (const tool::Value &value : which.inputs()) {
    auto input = llvm::find_if(batch.inputs, [&](const Tensor &tensor) { return tensor.name == value.name; });
    if (input == batch.inputs.end())
      return fail("the other model has an input '" + value.name + "' that this one has not");
    inputs.push_back(*input);
  }
  std::string error;
  Tensor result;
  if (!which.setInputs(inputs, error) || !which.run(error) || !which.output(index, result, error))
    return fail(error);
  if (result.dims.empty() || uint64_t(result.dims[0]) != batch.rows.size())
    return fail("output '" + result.name + "' is " + tool::shapeText(result.dims) + " for " + Twine(batch.rows.size()) +
                " samples; expected them along axis 0; hint: --output names another output");
  return result;
}

/// Which of a sample's `count` vectors a mask has no 0 for; empty: all.
llvm::SmallVector<bool> Runner::getPresent(const data::Batch &batch, size_t sample, int64_t count) const {
  llvm::SmallVector<bool> present;
  for (const Tensor &tensor : batch.inputs) {
    if (!isMaskLike(tensor.name, tensor.type, tensor.dims.size()) || tensor.dims[1] != count || count == 1)
      continue;
    present.resize(count, true);
    for (int64_t i = 0; i < count; ++i)
      present[i] &= tensor.asInteger(sample * count + i) != 0;
  }
  return present;
}

/// One of `samples` along the first axis; the last axis is the vectors' width.
static Vectors getVectors(llvm::ArrayRef<float> values, llvm::ArrayRef<int64_t> dims, size_t sample) {
  size_t size = values.size() / dims[0];
  int64_t width = dims.back();
  return {values.data() + sample * size, width ? int64_t(size) / width : 0, width};
}

llvm::Error Runner::score(const data::DataSet &set, const data::Batch &batch, const Tensor &result,
                          Scores &scores) const {
  std::vector<float> values = toFloats(result), otherValues;
  std::vector<int64_t> otherDims;
  if (other.model) {
    auto otherResult = runModel(*other.model, otherOutput, batch);
    if (!otherResult)
      return otherResult.takeError();
    otherValues = toFloats(*otherResult);
    otherDims = otherResult->dims;
  }
  for (auto [i, row] : llvm::enumerate(batch.rows)) {
    Sample sample;
    sample.output = getVectors(values, result.dims, i);
    if (other.model)
      sample.other = getVectors(otherValues, otherDims, i);
    if (other.array) {
      const Tensor &array = *other.array;
      uint64_t size = array.count() / array.dims[0];
      otherValues.resize(size);
      for (uint64_t k = 0; k < size; ++k)
        otherValues[k] = float(array.asDouble(row * size + k));
      int64_t width = array.dims.back();
      sample.other = Vectors{otherValues.data(), int64_t(size) / width, width};
      // It holds the padding that was trimmed.
      if (array.dims.size() == 3 && sample.other->count > sample.output.count)
        sample.other->count = sample.output.count;
    }
    if (has(Metric::Accuracy)) {
      __int128 label = set.labels()->asInteger(row);
      sample.label = label < 0 || label > INT64_MAX ? -1 : int64_t(label);
    }
    llvm::SmallVector<bool> present = getPresent(batch, i, sample.output.count);
    sample.present = present;
    std::vector<int64_t> ids;
    if (tokens) {
      const Tensor &input = batch.inputs[*tokens];
      for (int64_t k = 0, width = input.dims[1]; k < width; ++k)
        ids.push_back(int64_t(input.asInteger(i * width + k)));
      sample.tokens = ids;
    }
    std::string error;
    if (!scores.add(row, sample, error))
      return fail(error);
  }
  return llvm::Error::success();
}

llvm::Expected<Evaluation> Runner::run(StringRef path) {
  if (llvm::Error error = findOutputs())
    return error;
  if (llvm::Error error = findTokens())
    return error;
  data::ImpliedInputs implied(signature, path);
  data::OpenOptions open;
  open.maxRows = options.samples;
  auto set = data::DataSet::open(path, implied.given(), open);
  if (!set)
    return set.takeError();
  if (llvm::Error error = checkLabels(*set, path))
    return error;
  if (options.samples > set->rows())
    return fail("'" + path + "' has " + Twine(set->rows()) + " samples; expected " + Twine(options.samples));
  if (other.array &&
      (other.array->dims.size() < 2 || uint64_t(other.array->dims[0]) < set->rows() || other.array->bytes.empty()))
    return fail("the array to compare with is " + tool::shapeText(other.array->dims) + "; expected the output of " +
                Twine(set->rows()) + " samples along axis 0");

  Scores scores(options.metrics, set->rows(), other.model || other.array, options.head);
  PredictionFile predictions;
  uint64_t done = 0;
  for (const std::vector<uint64_t> &rows : set->plan(options.batch, data::Order::ByLength)) {
    data::Batch batch = set->batch(rows);
    if (llvm::Error error = implied.fill(batch))
      return error;
    auto result = runModel(model, output, batch);
    if (!result)
      return result.takeError();
    if (!options.metrics.empty())
      if (llvm::Error error = score(*set, batch, *result, scores))
        return error;
    if (!options.predictions.empty()) {
      if (!predictions.isOpen()) // the longest come first
        if (llvm::Error error = predictions.open(options.predictions, set->rows(), *result))
          return error;
      if (llvm::Error error = predictions.write(*result, rows))
        return error;
    }
    done += rows.size();
    options.progress(double(done) / double(set->rows()));
  }
  if (predictions.isOpen())
    if (llvm::Error error = predictions.close())
      return error;
  return Evaluation{set->rows(), scores.finish()};
}

llvm::Expected<Evaluation> evaluate::evaluate(tool::Model &model, const data::Signature &signature, StringRef path,
                                              const Other &other, const Options &options) {
  return Runner(model, signature, other, options).run(path);
}
