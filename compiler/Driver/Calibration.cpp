// Reads samples and watches the reference executor.
#include "compiler/Driver/Calibration.h"
#include "compiler/Reference/Numbers.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "tools/lathe-run/Npy.h"
#include "tools/lathe-run/TensorProto.h"
#include "tools/lathe/ReferenceTensor.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include <cmath>

using namespace mlir;
using namespace lathe;

namespace {
/// The folders with a sample each, in the order of their numbers.
std::vector<std::string> findSamples(StringRef directory, std::error_code &error) {
  std::vector<std::pair<uint64_t, std::string>> numbered;
  for (llvm::sys::fs::directory_iterator it(directory, error), end; !error && it != end; it.increment(error)) {
    StringRef name = llvm::sys::path::filename(it->path());
    uint64_t number;
    if (name.consume_front("test_data_set_") && !name.getAsInteger(10, number))
      numbered.push_back({number, it->path()});
  }
  llvm::sort(numbered);
  std::vector<std::string> samples;
  for (auto &[number, path] : numbered)
    samples.push_back(path);
  if (samples.empty() && !error)
    samples.push_back(directory.str());
  return samples;
}

std::string join(StringRef directory, const Twine &file) {
  SmallString<256> path(directory);
  llvm::sys::path::append(path, file);
  return path.str().str();
}

StringRef getName(func::FuncOp main, unsigned input) {
  auto name = main.getArgAttrOfType<StringAttr>(input, tfm::kNameAttr);
  return name ? name.getValue() : "";
}

/// One tensor for each input of @main.
FailureOr<SmallVector<reference::Tensor>> readSample(func::FuncOp main, StringRef folder) {
  unsigned count = main.getNumArguments();
  std::vector<std::optional<tool::Tensor>> tensors(count);
  std::string error;
  bool isOnnx = llvm::sys::fs::exists(join(folder, "input_0.pb"));
  for (unsigned i = 0; i < count; ++i) {
    tool::Tensor tensor;
    std::string path = join(folder, isOnnx ? "input_" + Twine(i) + ".pb" : getName(main, i) + ".npy");
    if (!(isOnnx ? tool::readTensorProto(path, tensor, error) : tool::readNpy(path, tensor, error)))
      return main.emitError("calibration: ") << error;
    unsigned input = i;
    for (unsigned named = 0; isOnnx && named < count; ++named)
      if (!tensor.name.empty() && tensor.name == getName(main, named))
        input = named;
    if (tensors[input])
      return main.emitError("calibration: two files of '")
             << folder << "' are meant for the input '" << getName(main, input) << "'";
    tensors[input] = std::move(tensor);
  }
  SmallVector<reference::Tensor> inputs;
  for (auto [i, tensor] : llvm::enumerate(tensors)) {
    Type wanted = tfm::getElementType(main.getArgument(i));
    for (unsigned kind = 0; kind < tool::kElementTypes; ++kind) {
      auto type = static_cast<tool::ElementType>(kind);
      if (tool::toType(main.getContext(), type) == wanted && !tool::convertLossless(*tensor, type, error))
        return main.emitError("calibration: input '") << getName(main, i) << "' of '" << folder << "': " << error;
    }
    inputs.push_back(tool::toReference(main.getContext(), *tensor));
  }
  return inputs;
}

bool isF32(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && tensor.getElementType().isF32();
}

double getMagnitude(const reference::Tensor &tensor) {
  double most = 0;
  for (double value : reference::loadFloats(tensor))
    most = std::isfinite(value) ? std::max(most, std::fabs(value)) : INFINITY;
  return most;
}
} // namespace

LogicalResult lathe::calibrate(ModuleOp module, StringRef directory, std::function<void(double)> progress) {
  auto main = module.lookupSymbol<func::FuncOp>("main");
  if (!main || !main.getBody().hasOneBlock())
    return module.emitError("expected func.func @main of one block");
  std::error_code code;
  std::vector<std::string> samples = findSamples(directory, code);
  if (code)
    return module.emitError("calibration: can't read '") << directory << "': " << code.message();

  llvm::DenseMap<Operation *, double> most;
  std::vector<double> inputMost(main.getNumArguments());
  size_t done = 0, count = samples.size() * main.getBody().front().getOperations().size();
  reference::Options options;
  options.observer = [&](Operation *op, ArrayRef<reference::Tensor> results) {
    progress(static_cast<double>(++done) / count);
    if (results.size() == 1 && results[0].getElementType().isF32())
      most[op] = std::max(most[op], getMagnitude(results[0]));
  };
  for (const std::string &sample : samples) {
    auto inputs = readSample(main, sample);
    if (failed(inputs) || failed(reference::run(main, *inputs, options)))
      return failure();
    for (auto [input, greatest] : llvm::zip_equal(*inputs, inputMost))
      if (input.getElementType().isF32())
        greatest = std::max(greatest, getMagnitude(input));
  }
  Builder builder(module.getContext());
  for (Operation &op : main.getBody().front())
    if (auto it = most.find(&op); it != most.end())
      op.setAttr(tfm::kObservedMaxAttr, builder.getF64FloatAttr(it->second));
  for (auto [i, greatest] : llvm::enumerate(inputMost))
    if (isF32(main.getArgument(i).getType()))
      main.setArgAttr(i, tfm::kObservedMaxAttr, builder.getF64FloatAttr(greatest));
  return success();
}
