// Watches the reference executor on a data set.
#include "compiler/Driver/Calibration.h"
#include "compiler/Data/ImpliedInputs.h"
#include "compiler/Data/Signature.h"
#include "compiler/Reference/Numbers.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "tools/lathe/ReferenceTensor.h"
#include <cmath>

using namespace mlir;
using namespace lathe;

namespace {
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

LogicalResult lathe::calibrate(ModuleOp module, StringRef directory, uint64_t maxRows,
                               std::function<void(double)> progress) {
  auto signature = data::describeInputs(module);
  if (failed(signature))
    return failure();
  data::ImpliedInputs implied(*signature, directory);
  data::OpenOptions open;
  open.maxRows = maxRows;
  auto set = data::DataSet::open(directory, implied.given(), open);
  if (!set)
    return emitError(UnknownLoc::get(module.getContext())) << "calibration: " << llvm::toString(set.takeError());
  auto main = module.lookupSymbol<func::FuncOp>("main");
  constexpr uint64_t batchRows = 4; // the reference keeps whole products of queries and keys
  auto batches = set->plan(batchRows, data::Order::ByLength);

  llvm::DenseMap<Operation *, double> most;
  std::vector<double> inputMost(main.getNumArguments());
  size_t done = 0, count = batches.size() * main.getBody().front().getOperations().size();
  reference::Options options;
  options.observer = [&](Operation *op, ArrayRef<reference::Tensor> results) {
    progress(static_cast<double>(++done) / count);
    if (results.size() == 1 && results[0].getElementType().isF32())
      most[op] = std::max(most[op], getMagnitude(results[0]));
  };
  for (const std::vector<uint64_t> &rows : batches) {
    data::Batch batch = set->batch(rows);
    if (llvm::Error lacking = implied.fill(batch))
      return emitError(UnknownLoc::get(module.getContext())) << "calibration: " << llvm::toString(std::move(lacking));
    SmallVector<reference::Tensor> inputs;
    for (const tool::Tensor &tensor : batch.inputs)
      inputs.push_back(tool::toReference(module.getContext(), tensor));
    if (failed(reference::run(main, inputs, options)))
      return failure();
    for (auto [input, greatest] : llvm::zip_equal(inputs, inputMost))
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
