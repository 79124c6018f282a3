// --lathe-factorize-linears: linears of lower rank.
#include "compiler/Numerics/BiasCorrection.h"
#include "compiler/Numerics/Errors.h"
#include "compiler/Numerics/Hessian.h"
#include "compiler/Numerics/LowRank.h"
#include "passes/Compress/Linears.h"
#include "passes/Passes.h"
#include <cmath>

namespace lathe {
#define GEN_PASS_DEF_FACTORIZELINEARSPASS
#include "passes/Passes.h.inc"
} // namespace lathe

using namespace mlir;
using namespace lathe;
using namespace lathe::compress;
using numerics::Matrix;

namespace {
/// Linears that are factorized as one: their rows below each other.
struct Group {
  SmallVector<tfm::LinearOp> linears;
  SmallVector<Parameters> parameters;
  Matrix<float> w;
};

struct FactorizeLinears : lathe::impl::FactorizeLinearsPassBase<FactorizeLinears> {
  using Base::Base;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    std::string wrong;
    llvm::Regex pattern(targets);
    if (!pattern.isValid(wrong))
      return fail("targets: '" + targets + "' is no regular expression: " + wrong);
    if (method != "svd" && method != "activation" && method != "whitened")
      return fail("method: expected svd, activation or whitened, got '" + method + "'");
    if ((rank != 0) + (energy != 0) + (size != 0) != 1 || rank < 0 || energy < 0 || energy > 1 || size < 0 ||
        !(size <= 1))
      return fail("expected one of rank, at least 1, and energy and size, above 0 and at most 1");
    if (method != "svd" && statistics.empty())
      return fail("method '" + method + "' needs statistics; hint: pass their file, or use svd");
    if (failed(calibration.load(module, statistics)))
      return signalPassFailure();

    SmallVector<Group> groups;
    DenseSet<Operation *> taken;
    module.walk([&](tfm::LinearOp linear) {
      tfm::WeightOp weight = getWeight(linear.getWeight());
      if (!weight || !matches(pattern, weight) || !taken.insert(linear).second)
        return;
      Group group{{linear}, {}, {}};
      if (joint)
        for (tfm::LinearOp sibling : getSiblings(linear))
          if (matches(pattern, getWeight(sibling.getWeight())) && taken.insert(sibling).second)
            group.linears.push_back(sibling);
      groups.push_back(std::move(group));
    });
    for (Group &group : groups)
      if (failed(factorize(group)))
        return signalPassFailure();
  }

  void fail(const Twine &message) {
    getOperation().emitError(message);
    signalPassFailure();
  }

  /// The other projections of an attention that reads the linear, if they have its input.
  SmallVector<tfm::LinearOp> getSiblings(tfm::LinearOp linear) {
    SmallVector<tfm::LinearOp> siblings;
    SmallVector<Value> values{linear.getResult()};
    for (Operation *user : linear->getUsers())
      if (auto rotary = dyn_cast<tfm::RotaryOp>(user))
        values.push_back(rotary.getResult());
    for (Value value : values)
      for (Operation *user : value.getUsers())
        if (auto attention = dyn_cast<tfm::AttentionOp>(user))
          for (Value operand : {attention.getQuery(), attention.getKey(), attention.getValue()}) {
            if (auto rotary = operand.getDefiningOp<tfm::RotaryOp>())
              operand = rotary.getInput();
            auto other = operand.getDefiningOp<tfm::LinearOp>();
            if (other && other != linear && other.getInput() == linear.getInput() && getWeight(other.getWeight()) &&
                !llvm::is_contained(siblings, other))
              siblings.push_back(other);
          }
    return siblings;
  }

  std::optional<numerics::LowRank> decompose(const Group &group, const statistics::Entry *entry) {
    if (method == "svd")
      return numerics::LowRank::plain(group.w);
    if (method == "whitened")
      return numerics::LowRank::whitened(group.w, numerics::Moments(entry->moments).h, damping);
    std::vector<double> scales(entry->channels());
    double greatest = 0;
    for (int64_t j = 0; j < entry->channels(); ++j)
      greatest = std::max(greatest, scales[j] = std::sqrt(entry->meanAbs(j)));
    for (double &scale : scales) // an input that is always 0 matters little, but its weights stay finite
      scale = greatest > 0 ? std::max(scale, 1e-6 * greatest) : 1;
    return numerics::LowRank::weighted(group.w, scales);
  }

  LogicalResult refuse(const Group &group, const Twine &why) {
    for (tfm::LinearOp linear : group.linears) {
      Change change(linear, getArgument());
      change.refused = why.str();
      change.before = change.after = getWeight(linear.getWeight()).getTensorType().getNumElements() * 4;
      report(getOperation(), change);
    }
    return success();
  }

  LogicalResult factorize(Group &group) {
    for (tfm::LinearOp linear : group.linears)
      if (const char *obstacle = getObstacle(linear))
        return refuse(group, obstacle);
    int64_t rows = 0;
    for (tfm::LinearOp linear : group.linears) {
      FailureOr<Parameters> parameters = readParameters(linear);
      if (failed(parameters))
        return failure();
      rows += parameters->w.rows();
      group.parameters.push_back(std::move(*parameters));
    }
    int64_t columns = group.parameters[0].w.columns(), at = 0;
    group.w = Matrix<float>(rows, columns);
    for (const Parameters &part : group.parameters) {
      std::copy(part.w.data(), part.w.data() + part.w.rows() * columns, group.w.row(at));
      at += part.w.rows();
    }
    FailureOr<const statistics::Entry *> entry = calibration.find(group.linears[0]);
    if (failed(entry))
      return failure();
    // A rank that is known beforehand may be refused before the work.
    int64_t most = std::min(rows, columns);
    int64_t chosen = rank != 0 ? rank : size != 0 ? numerics::getRankForShare(rows, columns, size) : 1;
    if (most == 0 || chosen < 1)
      return refuse(group, "no rank is that small");
    auto saves = [&](int64_t r) { return force || r * (rows + columns) < rows * columns; };
    if (chosen > most || !saves(chosen))
      return refuse(group, "rank " + Twine(chosen) + " saves nothing");
    std::optional<numerics::LowRank> parts = decompose(group, *entry);
    if (!parts)
      return refuse(group, "its singular values could not be computed");
    if (energy != 0)
      chosen = parts->getRankForEnergy(energy);
    if (!saves(chosen))
      return refuse(group, "rank " + Twine(chosen) + " saves nothing");
    replace(group, parts->cut(chosen), *entry);
    return success();
  }

  /// [rows, columns] as the linear has its weight.
  static tfm::WeightOp addFactor(tfm::LinearOp linear, StringRef suffix, numerics::ConstView<float> w) {
    bool across = !linear.getTransposed();
    Matrix<float> values = across ? numerics::transposeOf<float>(w) : numerics::copyOf<float>(w);
    return addWeight(getWeight(linear.getWeight()), suffix, {values.rows(), values.columns()},
                     {values.data(), static_cast<size_t>(w.rows * w.columns)});
  }

  static tfm::LinearOp addLinear(OpBuilder &builder, tfm::LinearOp like, Value input, tfm::WeightOp weight,
                                 int64_t width, Value bias) {
    Value get =
        tfm::GetOp::create(builder, like.getLoc(), weight.getType(), FlatSymbolRefAttr::get(weight.getSymNameAttr()));
    return tfm::LinearOp::create(builder, like.getLoc(), withLast(like.getType(), width), input, get, bias,
                                 like.getTransposedAttr(), like.getPrecisionAttr(), Attribute());
  }

  void replace(Group &group, const numerics::Factors &factors, const statistics::Entry *entry) {
    int64_t rank = factors.b.rows(), columns = factors.b.columns(), at = 0;
    auto product = [&](numerics::ConstView<float> a) {
      return numerics::copyOf<float>(numerics::multiply(numerics::Op::None, numerics::copyOf<double>(a),
                                                        numerics::Op::None, numerics::copyOf<double>(factors.b)));
    };
    std::optional<numerics::Moments> moments;
    if (entry)
      moments.emplace(entry->moments);
    // The first of them in the block: all of them see what it makes.
    tfm::LinearOp first = *llvm::min_element(
        group.linears, [](tfm::LinearOp a, tfm::LinearOp b) { return a != b && a->isBeforeInBlock(b); });
    OpBuilder builder(first);
    Value narrow = addLinear(builder, first, first.getInput(), addFactor(first, ".in", factors.b), rank, {});
    for (auto [linear, parameters] : llvm::zip_equal(group.linears, group.parameters)) {
      int64_t rows = parameters.w.rows();
      numerics::ConstView<float> a = factors.a.view().block(at, 0, rows, rank);
      at += rows;
      Matrix<float> approximate = product(a);
      Change change(linear, getArgument());
      change.what = "rank " + std::to_string(rank) + " of " + std::to_string(std::min(group.w.rows(), columns));
      if (group.linears.size() > 1)
        change.what += ", with " + std::to_string(group.linears.size() - 1) + " others of its input";
      change.error = moments ? numerics::relativeError(parameters.w, approximate, moments->h)
                             : numerics::relativeError(parameters.w, approximate);
      change.before = rows * columns * 4;
      change.after = (rows * rank + (linear == first ? rank * columns : 0)) * 4;
      report(getOperation(), change);

      tfm::WeightOp weight = getWeight(linear.getWeight());
      Parameters output{numerics::copyOf<float>(a), parameters.bias};
      if (moments) {
        output.bias.resize(rows);
        std::vector<double> correction = numerics::getBiasCorrection(parameters.w, approximate, moments->mean);
        for (int64_t n = 0; n < rows; ++n)
          output.bias[n] = static_cast<float>(output.bias[n] + correction[n]);
      }
      OpBuilder here(linear);
      tfm::LinearOp wide = addLinear(here, linear, narrow, addFactor(linear, ".out", a), rows, linear.getBias());
      linear.getResult().replaceAllUsesWith(wide.getResult());
      Value get = linear.getWeight();
      linear.erase();
      if (get.use_empty())
        get.getDefiningOp()->erase();
      if (SymbolTable::symbolKnownUseEmpty(weight.getSymNameAttr(), getOperation()))
        weight.erase();
      if (moments)
        writeParameters(wide, output);
    }
  }

  Calibration calibration;
};
} // namespace
