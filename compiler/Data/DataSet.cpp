// Reading, checking and cutting data sets.
#include "compiler/Data/DataSet.h"
#include "compiler/Data/ZipFile.h"
#include "tools/lathe-run/Npy.h"
#include "tools/lathe-run/TensorProto.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SHA256.h"
#include <cmath>
#include <cstring>
#include <numeric>

using namespace lathe;
using namespace lathe::data;
using llvm::ArrayRef;
using llvm::StringRef;
using llvm::Twine;
using tool::Tensor;

namespace lathe::data {

/// Builds a data set from what it finds at a path.
class Opener {
public:
  Opener(const Signature &signature, const OpenOptions &options) : options(options) { set.model = signature; }
  llvm::Expected<DataSet> run(StringRef path);

private:
  using Found = std::vector<std::optional<Tensor>>; // by input

  const OpenOptions &options;
  DataSet set;

  llvm::Error fail(const Twine &message) { return llvm::createStringError(llvm::inconvertibleErrorCode(), message); }
  const Input &input(size_t index) const { return set.model.inputs[index]; }
  std::string describe(size_t index, StringRef path) const {
    return "input '" + input(index).name + "' of '" + path.str() + "'";
  }
  uint64_t wanted() const { return options.maxRows ? options.maxRows : UINT64_MAX; }

  void findBatch();
  llvm::Error readPart(StringRef path);
  llvm::Error readArrays(StringRef path, Found &found, std::optional<Tensor> &labels);
  llvm::Error readArchive(StringRef path, Found &found, std::optional<Tensor> &labels);
  llvm::Error readProtos(StringRef path, Found &found);
  llvm::Error addPart(StringRef path, Found &found, std::optional<Tensor> &labels);
  llvm::Error checkShapes(StringRef path, const std::vector<Tensor> &tensors);
  llvm::Error checkValues(StringRef path, const std::vector<Tensor> &tensors);
  void findMasks();
  llvm::Error checkLengths(StringRef path);
};

} // namespace lathe::data

static std::string join(StringRef directory, const Twine &file) {
  llvm::SmallString<256> path(directory);
  llvm::sys::path::append(path, file);
  return path.str().str();
}

static bool uses(const Dim &dim, StringRef symbol) {
  bool found = false;
  dim.walkSymbols([&](StringRef name) { found |= name == symbol; });
  return found;
}

/// Elements of an axis's index, all further axes included.
static uint64_t getStride(const Tensor &tensor, size_t axis) {
  uint64_t bytes = tool::elementSize(tensor.type);
  for (size_t i = axis + 1; i < tensor.dims.size(); ++i)
    bytes *= tensor.dims[i];
  return bytes;
}

/// Keeps the first rows.
static void cut(Tensor &tensor, uint64_t rows) {
  tensor.bytes.resize(rows * getStride(tensor, 0));
  tensor.dims[0] = rows;
}

/// Which inputs have samples along their first axis: those that begin with the first one's symbol, or all, where they
/// begin with the same constant.
void Opener::findBatch() {
  std::vector<Input> &inputs = set.model.inputs;
  set.isBatched.assign(inputs.size(), false);
  auto first = llvm::find_if(inputs, [](const Input &input) { return !input.dims.empty(); });
  if (first == inputs.end())
    return;
  Dim batch = first->dims[0];
  auto begins = [&](const Input &input) { return !input.dims.empty() && input.dims[0] == batch; };
  if (auto size = batch.getConstant()) {
    if (!llvm::all_of(inputs, begins) || *size < 1)
      return;
    set.batchMin = set.batchMax = *size;
  } else if (auto symbol = batch.getSymbol()) {
    for (const Input &input : inputs)
      if (llvm::any_of(ArrayRef<Dim>(input.dims).drop_front(begins(input)),
                       [&](const Dim &dim) { return uses(dim, *symbol); }))
        return;
    set.batchSymbol = symbol->str();
    if (auto range = set.model.symbols.find(*set.batchSymbol); range != set.model.symbols.end()) {
      set.batchMin = std::max<int64_t>(range->second.min, 1);
      set.batchMax = std::max<int64_t>(range->second.max, 1);
    }
  } else {
    return;
  }
  for (auto [index, input] : llvm::enumerate(inputs))
    set.isBatched[index] = begins(input);
}

llvm::Error Opener::readArrays(StringRef path, Found &found, std::optional<Tensor> &labels) {
  std::string error;
  auto read = [&](const std::string &name, std::optional<Tensor> &tensor) {
    std::string file = join(path, name + ".npy");
    return !llvm::sys::fs::exists(file) || tool::readNpy(file, tensor.emplace(), error);
  };
  for (size_t i = 0; i < found.size(); ++i)
    if (!read(input(i).name, found[i]))
      return fail(error);
  if (!read("labels", labels))
    return fail(error);
  return llvm::Error::success();
}

llvm::Error Opener::readArchive(StringRef path, Found &found, std::optional<Tensor> &labels) {
  std::string error;
  std::vector<uint8_t> bytes;
  if (!tool::readFile(path.str(), bytes, error, options.maxBytes))
    return fail(error);
  auto members = readZip(bytes, options.maxBytes);
  if (!members)
    return fail("can't read '" + path + "': " + llvm::toString(members.takeError()));
  for (ZipMember &member : *members) {
    StringRef name = member.name;
    name.consume_back(".npy");
    auto wanted = llvm::find_if(set.model.inputs, [&](const Input &input) { return input.name == name; });
    bool isInput = wanted != set.model.inputs.end();
    if (!isInput && name != "labels")
      continue;
    std::optional<Tensor> &tensor = isInput ? found[wanted - set.model.inputs.begin()] : labels;
    if (tensor)
      return fail("'" + path + "' holds '" + member.name + "' twice");
    if (!tool::parseNpy(member.bytes.data(), member.bytes.size(), tensor.emplace(), error))
      return fail("can't read '" + member.name + "' of '" + path + "': " + error);
    member.bytes = {};
  }
  return llvm::Error::success();
}

llvm::Error Opener::readProtos(StringRef path, Found &found) {
  std::string error;
  for (size_t i = 0; i < found.size(); ++i) {
    std::string file = join(path, "input_" + Twine(i) + ".pb");
    Tensor tensor;
    if (!llvm::sys::fs::exists(file))
      return llvm::Error::success(); // addPart names what is missing
    if (!tool::readTensorProto(file, tensor, error))
      return fail(error);
    size_t index = i;
    for (size_t named = 0; named < found.size(); ++named)
      if (!tensor.name.empty() && tensor.name == input(named).name)
        index = named;
    if (found[index])
      return fail("two files of '" + path + "' are meant for the input '" + input(index).name + "'");
    found[index] = std::move(tensor);
  }
  return llvm::Error::success();
}

/// Symbols are bound by the dimensions that are one alone; the others must then follow.
llvm::Error Opener::checkShapes(StringRef path, const std::vector<Tensor> &tensors) {
  struct Binding {
    int64_t value;
    size_t input;
  };
  std::map<std::string, Binding> bound;
  for (auto [i, tensor] : llvm::enumerate(tensors)) {
    const auto &dims = input(i).dims;
    if (tensor.dims.size() != dims.size()) {
      std::string want = llvm::join(llvm::map_range(dims, [](const Dim &dim) { return dim.str().str(); }), ", ");
      return fail(describe(i, path) + " is " + tool::shapeText(tensor.dims) + "; expected [" + want + "]" +
                  (set.isBatched[i] ? ", samples along axis 0" : ""));
    }
    for (size_t axis = set.isBatched[i]; axis < dims.size(); ++axis) {
      auto symbol = dims[axis].getSymbol();
      if (!symbol)
        continue;
      auto [entry, isNew] = bound.try_emplace(symbol->str(), Binding{tensor.dims[axis], i});
      if (!isNew && entry->second.value != tensor.dims[axis])
        return fail(describe(i, path) + " has " + Twine(tensor.dims[axis]) + " along axis " + Twine(axis) + " (" +
                    *symbol + "), input '" + input(entry->second.input).name + "' has " + Twine(entry->second.value));
    }
  }
  auto value = [&](StringRef symbol) -> std::optional<int64_t> {
    auto entry = bound.find(symbol.str());
    return entry == bound.end() ? std::nullopt : std::optional<int64_t>(entry->second.value);
  };
  for (auto [i, tensor] : llvm::enumerate(tensors))
    for (size_t axis = set.isBatched[i]; axis < tensor.dims.size(); ++axis) {
      const Dim &dim = input(i).dims[axis];
      auto want = dim.evaluate(value);
      if (want && *want != tensor.dims[axis])
        return fail(describe(i, path) + " has " + Twine(tensor.dims[axis]) + " along axis " + Twine(axis) +
                    "; expected " + (dim.isConstant() ? "" : dim.str() + " = ") + Twine(*want));
    }
  return llvm::Error::success();
}

llvm::Error Opener::checkValues(StringRef path, const std::vector<Tensor> &tensors) {
  for (auto [i, tensor] : llvm::enumerate(tensors)) {
    if (!tool::isFloat(tensor.type))
      continue;
    for (uint64_t at = 0, count = tensor.count(); at < count; ++at) {
      double value = tensor.asDouble(at);
      if (!std::isfinite(value))
        return fail(describe(i, path) + " holds " + (std::isnan(value) ? "a NaN" : "an infinity") + " (element " +
                    Twine(at) + (set.isBatched[i] ? ", sample " + Twine(at / (count / tensor.dims[0])) : Twine()) +
                    ")");
    }
  }
  return llvm::Error::success();
}

llvm::Error Opener::addPart(StringRef path, Found &found, std::optional<Tensor> &labels) {
  std::vector<std::string> missing;
  for (auto [i, tensor] : llvm::enumerate(found))
    if (!tensor)
      missing.push_back("'" + input(i).name + "'");
  if (!missing.empty())
    return fail("'" + path + "' has no data for the input" + (missing.size() > 1 ? "s " : " ") +
                llvm::join(missing, ", ") + "; hint: a data set holds NAME.npy for each input, samples along axis 0");

  DataSet::Part part;
  std::string error;
  for (size_t i = 0; i < found.size(); ++i) {
    found[i]->name = input(i).name;
    part.tensors.push_back(std::move(*found[i]));
  }
  if (llvm::Error shapes = checkShapes(path, part.tensors))
    return shapes;
  std::optional<size_t> first;
  for (size_t i = 0; i < part.tensors.size(); ++i) {
    if (!set.isBatched[i])
      continue;
    uint64_t count = part.tensors[i].dims[0];
    if (!first) {
      first = i;
      part.rows = count;
    } else if (count != part.rows) {
      return fail(describe(i, path) + " has " + Twine(count) + " samples, input '" + input(*first).name + "' has " +
                  Twine(part.rows));
    }
  }
  if (!first)
    part.rows = 1;
  if (labels && (labels->dims.empty() || uint64_t(labels->dims[0]) != part.rows))
    return fail("'labels' of '" + path + "' is " + tool::shapeText(labels->dims) + " for " + Twine(part.rows) +
                " samples");
  uint64_t rows = std::min(part.rows, wanted() - set.rowCount);
  if (set.batchMin == set.batchMax && first) {
    if (rows < part.rows)
      rows -= rows % set.batchMax;
    if (rows % set.batchMax)
      return fail("'" + path + "' has " + Twine(rows) + " samples; expected a multiple of " + Twine(set.batchMax) +
                  ", the batch of the model");
  }
  if (first && rows && rows < set.batchMin)
    return fail("'" + path + "' has " + Twine(rows) + " samples; the model takes at least " + Twine(set.batchMin) +
                " at once");
  for (size_t i = 0; i < part.tensors.size(); ++i) {
    if (set.isBatched[i])
      cut(part.tensors[i], rows);
    if (!tool::convertLossless(part.tensors[i], input(i).type, error))
      return fail(describe(i, path) + " " + error);
  }
  if (labels)
    cut(*labels, rows);
  if (llvm::Error values = checkValues(path, part.tensors))
    return values;
  part.rows = rows;
  part.firstRow = set.rowCount;
  set.rowCount += rows;
  if (rows)
    set.parts.push_back(std::move(part));
  return llvm::Error::success();
}

llvm::Error Opener::readPart(StringRef path) {
  Found found(set.model.inputs.size());
  std::optional<Tensor> labels;
  bool isFolder = llvm::sys::fs::is_directory(path);
  bool isOnnx = isFolder && llvm::sys::fs::exists(join(path, "input_0.pb"));
  llvm::Error error = !isFolder ? readArchive(path, found, labels)
                      : isOnnx  ? readProtos(path, found)
                                : readArrays(path, found, labels);
  if (error)
    return error;
  if (llvm::Error bad = addPart(path, found, labels))
    return bad;
  if (set.parts.size() == 1)
    set.labelTensor = std::move(labels);
  return llvm::Error::success();
}

/// What the signature calls a mask is one where its values are 0 and 1. A symbol's padding can be trimmed where it is
/// nothing but whole axes.
void Opener::findMasks() {
  for (auto [i, mask] : llvm::enumerate(set.model.inputs)) {
    auto symbol = mask.dims.size() == 2 ? mask.dims[1].getSymbol() : std::nullopt;
    if (!mask.isMask || !symbol || !set.isBatched[i] || !tool::isInteger(mask.type))
      continue;
    bool isBinary = llvm::all_of(set.parts, [i = i](const DataSet::Part &part) {
      const Tensor &tensor = part.tensors[i];
      for (uint64_t at = 0; at < tensor.count(); ++at)
        if (tensor.asInteger(at) != 0 && tensor.asInteger(at) != 1)
          return false;
      return true;
    });
    bool isAxis = llvm::all_of(set.model.inputs, [&](const Input &input) {
      return llvm::all_of(input.dims, [&](const Dim &dim) { return dim.getSymbol() == symbol || !uses(dim, *symbol); });
    });
    if (isBinary && isAxis)
      set.masks[symbol->str()].push_back(i);
  }
  set.rowLengths.assign(set.rowCount, 0);
  for (uint64_t row = 0; row < set.rowCount; ++row)
    for (auto &[symbol, inputs] : set.masks)
      set.rowLengths[row] += set.trimmedSize(symbol, row);
}

/// After trimming, every symbol must be in its range.
llvm::Error Opener::checkLengths(StringRef path) {
  for (const DataSet::Part &part : set.parts)
    for (auto [i, tensor] : llvm::enumerate(part.tensors))
      for (size_t axis = set.isBatched[i]; axis < tensor.dims.size(); ++axis) {
        auto symbol = input(i).dims[axis].getSymbol();
        auto range = symbol ? set.model.symbols.find(symbol->str()) : set.model.symbols.end();
        if (range == set.model.symbols.end())
          continue;
        int64_t size = tensor.dims[axis];
        if (set.masks.count(symbol->str())) {
          std::vector<uint64_t> rows(part.rows);
          std::iota(rows.begin(), rows.end(), part.firstRow);
          size = set.trimmedSize(symbol->str(), rows);
        }
        if (size < range->second.min || size > range->second.max)
          return fail(describe(i, path) + " has " + Twine(size) + " along axis " + Twine(axis) + " (" + *symbol +
                      "); expected " + Twine(range->second.min) + " to " + Twine(range->second.max));
      }
  return llvm::Error::success();
}

llvm::Expected<DataSet> Opener::run(StringRef path) {
  namespace fs = llvm::sys::fs;
  findBatch();
  fs::file_status status;
  if (std::error_code code = fs::status(path, status))
    return fail("can't read '" + path + "': " + code.message());
  std::vector<std::pair<uint64_t, std::string>> numbered;
  if (fs::is_directory(status)) {
    std::error_code code;
    for (fs::directory_iterator it(path, code), end; !code && it != end; it.increment(code)) {
      StringRef name = llvm::sys::path::filename(it->path());
      uint64_t number;
      if (name.consume_front("test_data_set_") && !name.getAsInteger(10, number))
        numbered.push_back({number, it->path()});
    }
    if (code)
      return fail("can't read '" + path + "': " + code.message());
    llvm::sort(numbered);
  }
  if (numbered.empty())
    numbered.push_back({0, path.str()});
  for (auto &[number, part] : numbered)
    if (set.rowCount < wanted())
      if (llvm::Error error = readPart(part))
        return error;
  if (numbered.size() > 1)
    set.labelTensor.reset(); // those of one test data set
  if (set.rowCount < std::max<uint64_t>(options.minRows, 1))
    return fail("'" + path + "' has " + Twine(set.rowCount) + " samples; expected at least " +
                Twine(std::max<uint64_t>(options.minRows, 1)));
  findMasks();
  if (llvm::Error error = checkLengths(path))
    return error;
  return std::move(set);
}

llvm::Expected<DataSet> DataSet::open(StringRef path, const Signature &signature, const OpenOptions &options) {
  return Opener(signature, options).run(path);
}

const DataSet::Part &DataSet::partOf(uint64_t row) const {
  return *std::prev(llvm::upper_bound(parts, row, [](uint64_t row, const Part &part) { return row < part.firstRow; }));
}

uint64_t DataSet::maskLength(size_t mask, uint64_t row) const {
  const Part &part = partOf(row);
  const Tensor &tensor = part.tensors[mask];
  uint64_t width = tensor.dims[1], begin = (row - part.firstRow) * width, length = width;
  while (length && tensor.asInteger(begin + length - 1) == 0)
    --length;
  return length;
}

/// What remains of an axis of these rows: their longest mask, but what the model takes at least.
uint64_t DataSet::trimmedSize(const std::string &symbol, ArrayRef<uint64_t> rows) const {
  uint64_t size = 1, width = UINT64_MAX;
  for (size_t mask : masks.at(symbol)) {
    width = partOf(rows[0]).tensors[mask].dims[1];
    for (uint64_t row : rows)
      size = std::max(size, maskLength(mask, row));
  }
  if (auto range = model.symbols.find(symbol); range != model.symbols.end())
    size = std::max<uint64_t>(size, std::max<int64_t>(range->second.min, 0));
  return std::min(size, width);
}

std::vector<std::vector<uint64_t>> DataSet::plan(uint64_t size, Order order, uint64_t elements) const {
  bool isBatch = llvm::is_contained(isBatched, true);
  size = isBatch ? std::clamp(size, batchMin, batchMax) : 1;
  std::vector<std::vector<uint64_t>> batches;
  for (const Part &part : parts) {
    std::vector<uint64_t> rows(part.rows);
    std::iota(rows.begin(), rows.end(), part.firstRow);
    if (order == Order::ByLength)
      llvm::sort(rows, [&](uint64_t a, uint64_t b) {
        return rowLengths[a] != rowLengths[b] ? rowLengths[a] > rowLengths[b] : a < b;
      });
    size_t before = batches.size();
    uint64_t longest = 0;
    for (uint64_t row : rows) {
      uint64_t count = batches.size() == before ? size : batches.back().size();
      longest = std::max(longest, rowLengths[row]);
      if (count >= size || (count >= batchMin && longest > elements / (count + 1))) {
        batches.emplace_back();
        longest = rowLengths[row];
      }
      batches.back().push_back(row);
    }
    // The last one must have what the model takes at least.
    while (isBatch && batches.size() - before > 1 && batches.back().size() < batchMin) {
      auto &last = batches.back(), &other = batches[batches.size() - 2];
      if (other.size() <= batchMin) {
        other.insert(other.end(), last.begin(), last.end());
        batches.pop_back();
        break;
      }
      last.insert(last.begin(), other.back());
      other.pop_back();
    }
  }
  return batches;
}

std::array<uint8_t, 32> DataSet::digest() const {
  llvm::SHA256 hash;
  for (const Part &part : parts)
    for (const Tensor &tensor : part.tensors) {
      hash.update(tensor.name + " " + tool::typeName(tensor.type) + " " + tool::shapeText(tensor.dims) + "\n");
      hash.update(tensor.bytes);
    }
  return hash.final();
}

/// Copies the corner of `to` dimensions out of an array of `from`.
static uint8_t *crop(const uint8_t *source, ArrayRef<int64_t> from, ArrayRef<int64_t> to, uint64_t element,
                     uint8_t *target) {
  auto bytes = [&](ArrayRef<int64_t> dims) {
    uint64_t count = element;
    for (int64_t dim : dims)
      count *= dim;
    return count;
  };
  if (from.size() <= 1 || from.drop_front() == to.drop_front()) {
    uint64_t size = bytes(to);
    if (size)
      std::memcpy(target, source, size);
    return target + size;
  }
  uint64_t step = bytes(from.drop_front());
  for (int64_t i = 0; i < to[0]; ++i)
    target = crop(source + i * step, from.drop_front(), to.drop_front(), element, target);
  return target;
}

Batch DataSet::batch(ArrayRef<uint64_t> rows) const {
  const Part &part = partOf(rows[0]);
  std::map<std::string, uint64_t> sizes;
  for (auto &[symbol, inputs] : masks)
    sizes[symbol] = trimmedSize(symbol, rows);
  Batch result;
  result.rows.assign(rows.begin(), rows.end());
  for (auto [i, tensor] : llvm::enumerate(part.tensors)) {
    Tensor out;
    out.name = tensor.name;
    out.type = tensor.type;
    out.dims = tensor.dims;
    for (size_t axis = isBatched[i]; axis < out.dims.size(); ++axis)
      if (auto symbol = model.inputs[i].dims[axis].getSymbol())
        if (auto size = sizes.find(symbol->str()); size != sizes.end())
          out.dims[axis] = size->second;
    if (isBatched[i])
      out.dims[0] = rows.size();
    out.bytes.resize(*tool::byteCount(out.type, out.dims));
    uint64_t element = tool::elementSize(out.type);
    uint8_t *target = out.bytes.data();
    if (!isBatched[i])
      crop(tensor.bytes.data(), tensor.dims, out.dims, element, target);
    for (uint64_t row : isBatched[i] ? rows : ArrayRef<uint64_t>())
      target =
          crop(tensor.bytes.data() + (row - part.firstRow) * getStride(tensor, 0),
               ArrayRef<int64_t>(tensor.dims).drop_front(), ArrayRef<int64_t>(out.dims).drop_front(), element, target);
    result.inputs.push_back(std::move(out));
  }
  return result;
}
