// --lathe-prune-heads: attention with fewer heads.
#include "passes/Passes.h"
#include "passes/Prune/Structured.h"
#include <cmath>

namespace lathe {
#define GEN_PASS_DEF_PRUNEHEADSPASS
#include "passes/Passes.h.inc"
} // namespace lathe

using namespace mlir;
using namespace lathe;
using namespace lathe::compress;
using namespace lathe::prune;

namespace {
/// A projection, and the rotation of its result if there is one.
struct Projection {
  tfm::LinearOp linear;
  tfm::RotaryOp rotary;
};

/// Of an attention's operand that nothing else reads.
std::optional<Projection> findProjection(Value value) {
  Projection projection;
  if (!value.hasOneUse())
    return std::nullopt;
  if ((projection.rotary = value.getDefiningOp<tfm::RotaryOp>())) {
    value = projection.rotary.getInput();
    if (!value.hasOneUse())
      return std::nullopt;
  }
  projection.linear = value.getDefiningOp<tfm::LinearOp>();
  return projection.linear ? std::optional(projection) : std::nullopt;
}

struct PruneHeads : lathe::impl::PruneHeadsPassBase<PruneHeads> {
  using Base::Base;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    if (failed(checkOptions(module, targets, ratio, importance, norm, statistics)) ||
        failed(calibration.load(module, statistics)))
      return signalPassFailure();
    llvm::Regex pattern(targets);
    SmallVector<std::pair<tfm::AttentionOp, tfm::LinearOp>> found;
    module.walk([&](tfm::AttentionOp attention) {
      if (!attention->hasOneUse())
        return;
      auto output = dyn_cast<tfm::LinearOp>(*attention->user_begin());
      if (output && output.getInput() == attention.getResult() && getWeight(output.getWeight()) &&
          matches(pattern, getWeight(output.getWeight())))
        found.push_back({attention, output});
    });
    for (auto [attention, output] : found)
      if (failed(prune(attention, output)))
        return signalPassFailure();
  }

  LogicalResult prune(tfm::AttentionOp attention, tfm::LinearOp output) {
    int64_t groups = attention.getKvHeads(), perGroup = attention.getHeads() / groups;
    int64_t keep = std::clamp<int64_t>(std::llround((1 - ratio) * groups), 1, groups);
    tfm::WeightOp weight = getWeight(output.getWeight());
    Change change(output, getArgument());
    change.before = change.after = weight.getTensorType().getNumElements() * 4;
    auto refuse = [&](const Twine &why) {
      change.refused = why.str();
      report(getOperation(), change);
      return success();
    };
    if (keep == groups)
      return refuse("no head is to go");
    if (Value bias = attention.getBias()) {
      SmallVector<Dim> dims = tfm::getDims(bias);
      if (dims.size() >= 3 && dims[dims.size() - 3] != Dim(1))
        return refuse("its scores have a bias for each head");
    }
    SmallVector<Projection> projections; // query, key, value
    for (Value value : {attention.getQuery(), attention.getKey(), attention.getValue()}) {
      std::optional<Projection> projection = findProjection(value);
      if (!projection)
        return refuse("its queries, keys or values are more than a projection that it alone reads, such as a cache");
      projections.push_back(*projection);
    }
    for (tfm::LinearOp linear : {projections[0].linear, projections[1].linear, projections[2].linear, output})
      if (const char *obstacle = getObstacle(linear))
        return refuse(Twine("it or one of its projections: ") + obstacle);

    FailureOr<Parameters> old = readParameters(output);
    FailureOr<const statistics::Entry *> entry = calibration.find(output);
    if (failed(old) || failed(entry))
      return failure();
    SmallVector<Parameters> parameters;
    for (Projection &projection : projections) {
      FailureOr<Parameters> read = readParameters(projection.linear);
      if (failed(read))
        return failure();
      parameters.push_back(std::move(*read));
    }
    std::vector<numerics::ConstView<float>> coupled(parameters.size());
    for (size_t i = 0; i < parameters.size(); ++i)
      coupled[i] = parameters[i].w;
    int64_t width = old->w.columns() / groups; // of the output's inputs, for a group
    std::vector<int64_t> kept =
        selectUnits(old->w, coupled, {groups, width}, keep, *parseImportance(importance, norm), *entry, damping);
    Shrunk shrunk = takeColumns(*old, getInputs(kept, width), *entry, refit, damping);

    for (auto [projection, from] : llvm::zip_equal(projections, parameters)) {
      Parameters rows = takeRows(from, getInputs(kept, from.w.rows() / groups));
      change.before += from.w.rows() * from.w.columns() * 4;
      change.after += rows.w.rows() * rows.w.columns() * 4;
      writeParameters(projection.linear, rows);
      projection.linear.getResult().setType(withLast(projection.linear.getType(), rows.w.rows()));
      if (projection.rotary) {
        projection.rotary.setHeads(projection.rotary.getHeads() / groups * keep);
        projection.rotary.getResult().setType(withLast(projection.rotary.getType(), rows.w.rows()));
      }
    }
    attention.setHeads(keep * perGroup);
    attention.setKvHeads(keep);
    attention.getResult().setType(withLast(attention.getType(), keep * width));
    writeParameters(output, shrunk.parameters);
    change.after -= (groups - keep) * width * old->w.rows() * 4;
    change.error = shrunk.error;
    change.what = "heads " + std::to_string(groups * perGroup) + " to " + std::to_string(keep * perGroup) +
                  (shrunk.fitted ? ", refitted" : "");
    report(getOperation(), change);
    return success();
  }

  Calibration calibration;
};
} // namespace
