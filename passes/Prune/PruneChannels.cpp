// --lathe-prune-channels: narrower feed-forward layers.
#include "passes/Passes.h"
#include "passes/Prune/Structured.h"
#include "llvm/ADT/SetVector.h"
#include <cmath>

namespace lathe {
#define GEN_PASS_DEF_PRUNECHANNELSPASS
#include "passes/Passes.h.inc"
} // namespace lathe

using namespace mlir;
using namespace lathe;
using namespace lathe::compress;
using namespace lathe::prune;

namespace {
/// The channels that a linear reads: what makes them, and the values that carry them.
struct Channels {
  llvm::SetVector<Operation *> makers;  // linears
  llvm::SetVector<Operation *> passers; // elementwise ops
};

/// The channels of the linear's input; nothing where something mixes them, adds to them by channel, or reads them
/// elsewhere.
std::optional<Channels> findChannels(tfm::LinearOp reader) {
  std::optional<int64_t> size = tfm::getDims(reader.getInput()).back().getConstant();
  if (!size || *size < 1)
    return std::nullopt;
  Channels channels;
  SmallVector<Value> values{reader.getInput()};
  while (!values.empty()) {
    Value value = values.pop_back_val();
    Operation *op = value.getDefiningOp();
    if (isa_and_nonnull<tfm::LinearOp>(op)) {
      channels.makers.insert(op);
      continue;
    }
    if (!isa_and_nonnull<tfm::ElementwiseOpInterface>(op) || !channels.passers.insert(op))
      return std::nullopt;
    for (Value operand : op->getOperands()) {
      SmallVector<Dim> dims = tfm::getDims(operand);
      if (dims.empty() || dims.back() == Dim(1))
        continue; // the same for all channels
      if (dims.back() != Dim(*size))
        return std::nullopt;
      values.push_back(operand);
    }
  }
  for (auto *ops : {&channels.makers, &channels.passers})
    for (Operation *op : *ops)
      for (Operation *user : op->getUsers())
        if (user != reader && !channels.passers.contains(user))
          return std::nullopt;
  return channels.makers.empty() || channels.makers.contains(reader) ? std::nullopt : std::optional(channels);
}

struct PruneChannels : lathe::impl::PruneChannelsPassBase<PruneChannels> {
  using Base::Base;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    if (failed(checkOptions(module, targets, ratio, importance, norm, statistics)) ||
        failed(calibration.load(module, statistics)))
      return signalPassFailure();
    if (align < 1) {
      module.emitError("align: expected at least 1, got ") << int64_t(align);
      return signalPassFailure();
    }
    llvm::Regex pattern(targets);
    SmallVector<std::pair<tfm::LinearOp, Channels>> found;
    module.walk([&](tfm::LinearOp linear) {
      tfm::WeightOp weight = getWeight(linear.getWeight());
      if (!weight || !matches(pattern, weight))
        return;
      if (std::optional<Channels> channels = findChannels(linear))
        found.push_back({linear, std::move(*channels)});
    });
    for (auto &[linear, channels] : found)
      if (failed(prune(linear, channels)))
        return signalPassFailure();
  }

  LogicalResult prune(tfm::LinearOp reader, const Channels &channels) {
    int64_t size = *tfm::getDims(reader.getInput()).back().getConstant();
    int64_t keep = std::max<int64_t>(1, std::llround((1 - ratio) * size));
    keep = std::min<int64_t>(llvm::divideCeil(keep, align) * align, size);
    Change change(reader, getArgument());
    change.before = change.after = getWeight(reader.getWeight()).getTensorType().getNumElements() * 4;
    SmallVector<tfm::LinearOp> makers;
    const char *obstacle = getObstacle(reader);
    for (Operation *op : channels.makers) {
      makers.push_back(cast<tfm::LinearOp>(op));
      obstacle = obstacle ? obstacle : getObstacle(makers.back());
    }
    if (obstacle || keep == size) {
      change.refused = obstacle ? std::string("it or a linear that it reads: ") + obstacle : "no channel is to go";
      report(getOperation(), change);
      return success();
    }
    FailureOr<Parameters> old = readParameters(reader);
    FailureOr<const statistics::Entry *> entry = calibration.find(reader);
    if (failed(old) || failed(entry))
      return failure();
    SmallVector<Parameters> made;
    std::vector<numerics::ConstView<float>> coupled;
    for (tfm::LinearOp maker : makers) {
      FailureOr<Parameters> parameters = readParameters(maker);
      if (failed(parameters))
        return failure();
      made.push_back(std::move(*parameters));
    }
    for (const Parameters &parameters : made)
      coupled.push_back(parameters.w);

    std::vector<int64_t> kept =
        selectUnits(old->w, coupled, {size, 1}, keep, *parseImportance(importance, norm), *entry, damping);
    Shrunk shrunk = takeColumns(*old, kept, *entry, refit, damping);
    for (auto [maker, parameters] : llvm::zip_equal(makers, made)) {
      Parameters rows = takeRows(parameters, kept);
      change.before += parameters.w.rows() * parameters.w.columns() * 4;
      change.after += rows.w.rows() * rows.w.columns() * 4;
      writeParameters(maker, rows);
      maker.getResult().setType(withLast(maker.getType(), keep));
    }
    for (Operation *op : channels.passers)
      op->getResult(0).setType(withLast(op->getResult(0).getType(), keep));
    writeParameters(reader, shrunk.parameters);
    change.after -= (size - keep) * old->w.rows() * 4;
    change.error = shrunk.error;
    change.what =
        "channels " + std::to_string(size) + " to " + std::to_string(keep) + (shrunk.fitted ? ", refitted" : "");
    report(getOperation(), change);
    return success();
  }

  Calibration calibration;
};
} // namespace
