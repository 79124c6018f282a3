#include "compiler/Data/ImpliedInputs.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

using namespace lathe;
using namespace lathe::data;
using llvm::StringRef;

static bool hasFile(StringRef path, StringRef input) {
  llvm::SmallString<256> file(path);
  llvm::sys::path::append(file, input + ".npy");
  return llvm::sys::fs::exists(file);
}

enum class Rule { None, Ones, Zeros, Range };
static Rule getRule(const Input &input) {
  StringRef name = input.name;
  if (!tool::isInteger(input.type) || input.dims.size() != 2)
    return Rule::None;
  return name.contains("mask")                                     ? Rule::Ones
         : name.contains("token_type") || name.contains("segment") ? Rule::Zeros
         : name.contains("position")                               ? Rule::Range
                                                                   : Rule::None;
}

ImpliedInputs::ImpliedInputs(const Signature &signature, StringRef path) : signature(signature) {
  givenSignature.symbols = signature.symbols;
  isImplied.assign(signature.inputs.size(), false);
  // An archive and test data sets hold everything.
  bool mayLack = llvm::sys::fs::is_directory(path) &&
                 llvm::any_of(signature.inputs, [&](const Input &input) { return hasFile(path, input.name); });
  llvm::StringSet<> bound;
  for (const Input &input : signature.inputs)
    if (mayLack && hasFile(path, input.name))
      for (const Dim &dim : input.dims)
        dim.walkSymbols([&](StringRef symbol) { bound.insert(symbol); });
  auto mayBeEmpty = [&](const Dim &dim) {
    if (dim == Dim(0))
      return true;
    auto symbol = dim.getSymbol();
    if (!symbol || bound.contains(*symbol))
      return false;
    auto range = signature.symbols.find(symbol->str());
    return range == signature.symbols.end() || range->second.min <= 0;
  };
  for (auto [i, input] : llvm::enumerate(signature.inputs)) {
    isImplied[i] = mayLack && !hasFile(path, input.name) &&
                   (tool::isFloat(input.type) ? llvm::any_of(input.dims, mayBeEmpty) : getRule(input) != Rule::None);
    if (!isImplied[i])
      givenSignature.inputs.push_back(input);
  }
}

llvm::Error ImpliedInputs::fill(Batch &batch) const {
  std::map<std::string, int64_t> values;
  for (auto [input, tensor] : llvm::zip(givenSignature.inputs, batch.inputs))
    for (auto [dim, size] : llvm::zip(input.dims, tensor.dims))
      if (auto symbol = dim.getSymbol())
        values.try_emplace(symbol->str(), size);
  auto value = [&](StringRef symbol) -> std::optional<int64_t> {
    auto known = values.find(symbol.str());
    if (known != values.end())
      return known->second;
    auto range = signature.symbols.find(symbol.str());
    return range == signature.symbols.end() ? 0 : std::max<int64_t>(range->second.min, 0);
  };
  std::vector<tool::Tensor> all;
  auto given = batch.inputs.begin();
  for (auto [i, input] : llvm::enumerate(signature.inputs)) {
    if (!isImplied[i]) {
      all.push_back(std::move(*given++));
      continue;
    }
    tool::Tensor tensor;
    tensor.name = input.name;
    tensor.type = input.type;
    for (const Dim &dim : input.dims)
      tensor.dims.push_back(dim.evaluate(value).value_or(-1));
    auto bytes = tool::byteCount(tensor.type, tensor.dims);
    if (!bytes || *bytes > uint64_t(1) << 36 || (tool::isFloat(tensor.type) && *bytes))
      return llvm::createStringError("the data set has no input '" + input.name +
                                     "', and its shape doesn't follow from the others");
    tensor.bytes.assign(*bytes, 0);
    Rule rule = getRule(input);
    for (uint64_t at = 0, width = tensor.dims.back(); at < tensor.count() && rule != Rule::Zeros; ++at)
      tool::storeInteger(tensor, at, rule == Rule::Ones ? 1 : at % width);
    all.push_back(std::move(tensor));
  }
  batch.inputs = std::move(all);
  return llvm::Error::success();
}
