// --lathe-smooth-linears: scales between linears' inputs and weights.
#include "compiler/Numerics/Errors.h"
#include "compiler/Numerics/Gptq.h"
#include "compiler/Numerics/Hessian.h"
#include "compiler/Numerics/Smooth.h"
#include "passes/Compress/Linears.h"
#include "passes/Passes.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/Support/FormatVariadic.h"
#include <cmath>

namespace lathe {
#define GEN_PASS_DEF_SMOOTHLINEARSPASS
#include "passes/Passes.h.inc"
} // namespace lathe

using namespace mlir;
using namespace lathe;
using namespace lathe::compress;
using numerics::Matrix;

namespace {
/// What makes channels, and can make them smaller: a norm or a linear.
struct Producer {
  Operation *op = nullptr;
  int64_t repeats = 1, width = 0; // heads that share values, and their width
};

bool isPlainOrNone(Value value) { return !value || isPlain(getWeight(value)); }

/// Of a value that may change, as all that reads it expects that.
Producer findProducer(Value value) {
  Operation *op = value.getDefiningOp();
  if (auto norm = dyn_cast_or_null<tfm::LayerNormOp>(op))
    return {isPlainOrNone(norm.getGain()) && isPlainOrNone(norm.getBias()) ? op : nullptr};
  if (auto norm = dyn_cast_or_null<tfm::RmsNormOp>(op))
    return {isPlainOrNone(norm.getGain()) ? op : nullptr};
  if (auto linear = dyn_cast_or_null<tfm::LinearOp>(op))
    return {getObstacle(linear) ? nullptr : op};
  if (auto attention = dyn_cast_or_null<tfm::AttentionOp>(op)) {
    auto linear = attention.getValue().getDefiningOp<tfm::LinearOp>();
    if (!linear || !linear->hasOneUse() || getObstacle(linear))
      return {};
    int64_t width = getWeight(linear.getWeight()).getTensorType().getDimSize(linear.getTransposed() ? 0 : 1);
    int64_t heads = attention.getHeads(), groups = attention.getKvHeads();
    return {linear, heads / groups, width / groups};
  }
  if (!isa_and_nonnull<tfm::MulOp, tfm::SwigluOp>(op))
    return {};
  for (Value factor : op->getOperands().drop_front(isa<tfm::SwigluOp>(op)))
    if (factor.hasOneUse() && tfm::getDims(factor).back() == tfm::getDims(value).back())
      if (Producer producer = findProducer(factor); producer.op)
        return producer;
  return {};
}

/// Tokens of a normal distribution with these moments, [count, K].
std::optional<Matrix<float>> drawTokens(const numerics::Moments &moments, int64_t count) {
  Matrix<double> covariance = moments.covariance();
  for (double &value : MutableArrayRef(covariance.data(), covariance.rows() * covariance.columns()))
    value /= std::max(moments.tokens, 1.0);
  std::optional<Matrix<double>> factor = numerics::choleskyLower(numerics::damp(covariance, 1e-6).h);
  if (!factor)
    return std::nullopt;
  int64_t channels = covariance.rows();
  Matrix<double> normal(count, channels);
  uint64_t state = 1;
  for (double &value : MutableArrayRef(normal.data(), count * channels)) {
    value = -6; // a sum of twelve uniform numbers: the same bits with any libm
    for (int i = 0; i < 12; ++i) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      value += static_cast<double>(state >> 11) * 0x1p-53;
    }
  }
  Matrix<double> tokens = numerics::multiply(numerics::Op::None, normal, numerics::Op::Transpose, *factor);
  for (int64_t i = 0; i < count; ++i)
    for (int64_t j = 0; j < channels; ++j)
      tokens(i, j) += moments.mean[j];
  return numerics::copyOf<float>(tokens);
}

struct SmoothLinears : lathe::impl::SmoothLinearsPassBase<SmoothLinears> {
  using Base::Base;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    std::string wrong;
    llvm::Regex pattern(targets);
    if (!pattern.isValid(wrong))
      return fail("targets: '" + targets + "' is no regular expression: " + wrong);
    if (method != "smoothquant" && method != "awq")
      return fail("method: expected smoothquant or awq, got '" + method + "'");
    if (!(alpha <= 1))
      return fail("alpha: expected at most 1, got " + Twine(std::to_string(alpha)));
    if (bits != 0 && (bits < 2 || bits > 8))
      return fail("bits: expected 2 to 8, or 0, got " + Twine(int64_t(bits)));
    if (group < 0)
      return fail("group: expected a number of elements, or 0, got " + Twine(int64_t(group)));
    if (clip && method != "awq")
      return fail("clip is a part of method 'awq'");
    if (statistics.empty())
      return fail("scales need statistics; hint: pass their file");
    if (failed(calibration.load(module, statistics)))
      return signalPassFailure();

    llvm::MapVector<Value, SmallVector<tfm::LinearOp>> inputs;
    module.walk([&](tfm::LinearOp linear) {
      tfm::WeightOp weight = getWeight(linear.getWeight());
      if (!weight || !matches(pattern, weight))
        return;
      const char *obstacle = getObstacle(linear);
      if (!obstacle && !isOnlyReader(linear.getWeightMutable()))
        obstacle = "something else reads its weight, which would have to be stored twice";
      if (obstacle)
        reportOf(linear, "", obstacle, 0);
      else
        inputs[linear.getInput()].push_back(linear);
    });
    for (auto &[input, linears] : inputs)
      if (failed(smooth(input, linears)))
        return signalPassFailure();
  }

  void fail(const Twine &message) {
    getOperation().emitError(message);
    signalPassFailure();
  }

  void reportOf(tfm::LinearOp linear, StringRef what, StringRef refused, double error) {
    Change change(linear, getArgument());
    change.what = what.str();
    change.refused = refused.str();
    change.error = error;
    change.before = change.after = *tfm::getByteSize(getWeight(linear.getWeight()).getTensorType());
    report(getOperation(), change);
  }

  numerics::IntFormat getFormat() const {
    numerics::IntFormat format;
    format.bits = bits != 0 ? bits : method == "awq" ? 4 : 8;
    format.granularity = group > 0 ? numerics::Granularity::Group : numerics::Granularity::Row;
    format.group = group;
    return format;
  }

  numerics::SmoothChoice choose(ArrayRef<numerics::ConstView<float>> weights, const statistics::Entry &entry) const {
    numerics::Moments moments(entry.moments);
    std::vector<float> greatest(entry.maxAbs.begin(), entry.maxAbs.end()), mean(entry.channels());
    for (int64_t j = 0; j < entry.channels(); ++j)
      mean[j] = static_cast<float>(entry.meanAbs(j));
    numerics::SmoothChoice choice;
    choice.alpha = alpha;
    if (method == "awq") {
      if (alpha < 0)
        return numerics::searchAwq(weights, moments.h, mean, getFormat());
      choice.scales = numerics::getAwqScales(mean, alpha);
      return choice;
    }
    if (alpha < 0) {
      if (std::optional<Matrix<float>> tokens = drawTokens(moments, 256))
        return numerics::searchSmoothQuant(weights, *tokens, greatest, getFormat(), {});
      choice.alpha = 0.5;
    }
    choice.scales = numerics::getSmoothQuantScales(greatest, numerics::getColumnMax(weights), choice.alpha);
    return choice;
  }

  LogicalResult smooth(Value input, ArrayRef<tfm::LinearOp> linears) {
    FailureOr<const statistics::Entry *> entry = calibration.find(linears.front());
    if (failed(entry))
      return failure();
    SmallVector<Parameters> parameters;
    std::vector<numerics::ConstView<float>> weights;
    for (tfm::LinearOp linear : linears) {
      FailureOr<Parameters> read = readParameters(linear);
      if (failed(read))
        return failure();
      parameters.push_back(std::move(*read));
    }
    for (const Parameters &from : parameters)
      weights.push_back(from.w);
    numerics::SmoothChoice choice = choose(weights, **entry);
    for (float &scale : choice.scales) // so that nothing overflows
      scale = std::clamp(scale, 1e-5f, 1e5f);
    bool isOne = llvm::all_of(choice.scales, [](float scale) { return scale == 1; });
    if (isOne && !clip) {
      for (tfm::LinearOp linear : linears)
        reportOf(linear, "", "no scales lessen what rounding loses", 0);
      return success();
    }

    std::string where = "by factors of its input";
    bool isWhole = llvm::all_of(input.getUsers(), [&](Operation *user) {
      return llvm::any_of(linears, [&](tfm::LinearOp linear) { return linear.getOperation() == user; });
    });
    Producer producer = isWhole ? findProducer(input) : Producer();
    if (isOne) {
      where = "without scales";
    } else if (producer.op) {
      if (failed(divide(producer, choice.scales, linears.front())))
        return failure();
      where = "with factors in " + std::string(isa<tfm::LinearOp>(producer.op) ? "the linear" : "the norm") + " before";
    } else {
      multiplyInput(input, choice.scales, linears);
    }
    for (auto [linear, from] : llvm::zip_equal(linears, parameters)) {
      Parameters to{numerics::scaleColumns(from.w, choice.scales), from.bias};
      double error = 0;
      if (clip && !isScored(linear)) {
        limit(to.w, **entry, choice.scales);
        error = numerics::relativeError(from.w, numerics::scaleColumns(to.w, choice.scales, true),
                                        numerics::Moments((*entry)->moments).h);
      }
      reportOf(linear, llvm::formatv("{0}, alpha {1:f2}, {2}", method.getValue(), choice.alpha, where).str(), "",
               error);
      writeParameters(linear, to);
    }
    return success();
  }

  /// Whether the linear makes queries or keys.
  static bool isScored(tfm::LinearOp linear) {
    SmallVector<Value> values{linear.getResult()};
    for (Operation *user : linear->getUsers())
      if (auto rotary = dyn_cast<tfm::RotaryOp>(user))
        values.push_back(rotary.getResult());
    return llvm::any_of(values, [](Value value) {
      return llvm::any_of(value.getUses(), [](OpOperand &use) {
        return isa<tfm::AttentionOp>(use.getOwner()) && use.getOperandNumber() < 2;
      });
    });
  }

  /// Clamps each group to the range with which rounding loses least; the input is divided by the scales.
  void limit(Matrix<float> &w, const statistics::Entry &entry, ArrayRef<float> scales) const {
    std::vector<float> importance = numerics::getImportance(numerics::Moments(entry.moments).h);
    for (auto [value, scale] : llvm::zip_equal(importance, scales))
      value /= scale * scale;
    numerics::ScaleSearch search;
    search.metric = numerics::ScaleSearch::Metric::Importance;
    search.steps = 20;
    search.tried = 10;
    numerics::Quantized rounded = numerics::quantize(w, getFormat(), search, importance);
    for (int64_t i = 0; i < w.rows(); ++i)
      for (int64_t j = 0; j < w.columns(); ++j) {
        float range = rounded.scales[rounded.scaleIndex(i, j)] * rounded.format.greatest();
        w(i, j) = std::clamp(w(i, j), -range, range);
      }
  }

  /// Heads that share values get the geometric mean of their scales, which `scales` has then.
  LogicalResult divide(const Producer &producer, std::vector<float> &scales, tfm::LinearOp like) {
    std::vector<float> of = scales;
    if (producer.repeats > 1) {
      of.resize(scales.size() / producer.repeats);
      for (size_t j = 0; j < of.size(); ++j) {
        size_t first = j / producer.width * producer.repeats * producer.width + j % producer.width;
        double logarithm = 0;
        for (int64_t i = 0; i < producer.repeats; ++i)
          logarithm += std::log(scales[first + i * producer.width]) / producer.repeats;
        of[j] = static_cast<float>(std::exp(logarithm));
        for (int64_t i = 0; i < producer.repeats; ++i)
          scales[first + i * producer.width] = of[j];
      }
    }
    if (auto linear = dyn_cast<tfm::LinearOp>(producer.op)) {
      FailureOr<Parameters> parameters = readParameters(linear);
      if (failed(parameters))
        return failure();
      for (int64_t i = 0; i < parameters->w.rows(); ++i) {
        for (int64_t j = 0; j < parameters->w.columns(); ++j)
          parameters->w(i, j) /= of[i];
        if (!parameters->bias.empty())
          parameters->bias[i] /= of[i];
      }
      writeParameters(linear, *parameters);
      return success();
    }
    auto divideVector = [&](MutableOperandRange operand) -> LogicalResult {
      FailureOr<std::vector<float>> values = readWeight(getWeight(operand[0].get()), producer.op);
      if (failed(values))
        return failure();
      for (auto [value, scale] : llvm::zip_equal(*values, of))
        value /= scale;
      writeWeight(operand[0], static_cast<int64_t>(values->size()), *values);
      return success();
    };
    auto layerNorm = dyn_cast<tfm::LayerNormOp>(producer.op);
    MutableOperandRange gain =
        layerNorm ? layerNorm.getGainMutable() : cast<tfm::RmsNormOp>(producer.op).getGainMutable();
    if (layerNorm && layerNorm.getBias() && failed(divideVector(layerNorm.getBiasMutable())))
      return failure();
    if (gain.size() != 0)
      return divideVector(gain);
    OpBuilder builder(producer.op);
    gain.assign(makeFactor(builder, of, like));
    return success();
  }

  /// 1/scales.
  static Value makeFactor(OpBuilder &builder, std::vector<float> scales, tfm::LinearOp like) {
    for (float &scale : scales)
      scale = 1 / scale;
    tfm::WeightOp weight =
        addWeight(getWeight(like.getWeight()), ".smooth", static_cast<int64_t>(scales.size()), scales);
    return tfm::GetOp::create(builder, like.getLoc(), weight.getType(),
                              FlatSymbolRefAttr::get(weight.getSymNameAttr()));
  }

  static void multiplyInput(Value input, const std::vector<float> &scales, ArrayRef<tfm::LinearOp> linears) {
    OpBuilder builder(linears.front()->getContext());
    builder.setInsertionPointAfterValue(input);
    Value factor = makeFactor(builder, scales, linears.front());
    Value product = tfm::MulOp::create(builder, linears.front()->getLoc(), input.getType(), input, factor);
    for (tfm::LinearOp linear : linears)
      linear.getInputMutable().assign(product);
  }

  Calibration calibration;
};
} // namespace
