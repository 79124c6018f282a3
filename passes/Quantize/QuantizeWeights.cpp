// --lathe-quantize-weights: formats for the weights of linears and embeddings, and for linears' inputs.
#include "compiler/Numerics/BiasCorrection.h"
#include "compiler/Numerics/Errors.h"
#include "compiler/Numerics/Gptq.h"
#include "compiler/Numerics/Observers.h"
#include "dialects/Tfm/Formats.h"
#include "passes/Compress/Readers.h"
#include "passes/Passes.h"
#include "llvm/ADT/StringSwitch.h"
#include <cmath>

namespace lathe {
#define GEN_PASS_DEF_QUANTIZEWEIGHTSPASS
#include "passes/Passes.h.inc"
} // namespace lathe

using namespace mlir;
using namespace lathe;
using namespace lathe::compress;
using numerics::Matrix;

namespace {
struct QuantizeWeights : lathe::impl::QuantizeWeightsPassBase<QuantizeWeights> {
  using Base::Base;

  void runOnOperation() override {
    if (failed(checkOptions()) || failed(calibration.load(getOperation(), statistics)))
      return signalPassFailure();
    llvm::Regex pattern(targets);
    for (Target &target : findTargets(getOperation(), pattern))
      if (failed(target.hasOthers ? refuse(target) : quantize(target)))
        return signalPassFailure();
  }

  LogicalResult checkOptions() {
    std::string wrong;
    if (!llvm::Regex(targets).isValid(wrong))
      return getOperation().emitError("targets: '") << targets << "' is no regular expression: " << wrong;
    auto choose = [&](StringRef name, const std::string &value, ArrayRef<StringRef> known) -> LogicalResult {
      if (llvm::is_contained(known, value))
        return success();
      return getOperation().emitError() << name << ": expected one of " << llvm::join(known, ", ") << ", got '" << value
                                        << "'";
    };
    if (failed(
            choose("format", format,
                   {"int8", "int7", "int6", "int5", "int4", "int3", "int2", "fp8e4m3", "fp8e5m2", "fp16", "bf16"})) ||
        failed(choose("scale", scale, {"f32", "f16", "bf16"})) || failed(choose("method", method, {"rtn", "gptq"})) ||
        failed(choose("scale-search", scaleSearch, {"none", "weight", "hessian"})) ||
        failed(choose("activation", activation,
                      {"none", "dynamic", "dynamic-symmetric", "dynamic-fp8e4m3", "static", "static-symmetric"})) ||
        failed(choose("observer", observer, {"minmax", "percentile", "mse", "entropy"})))
      return failure();
    bool needs =
        method == "gptq" || scaleSearch == "hessian" || StringRef(activation).starts_with("static") || biasCorrection;
    if (needs && statistics.empty())
      return getOperation().emitError("gptq, scale-search=hessian, static activations and bias-correction need "
                                      "statistics; hint: give calibration data");
    if (group < -1)
      return getOperation().emitError("group: expected -1, 0 or a number of elements, got ") << group.getValue();
    return success();
  }

  LogicalResult refuse(const Target &target) {
    Change change(target.reader, target.weight, getArgument());
    change.refused = "another op than linears and embeddings reads it";
    change.before = change.after = *tfm::getByteSize(tfm::WeightOp(target.weight).getTensorType());
    report(getOperation(), change);
    return success();
  }

  Attribute getFormat(RankedTensorType type, int64_t axis) {
    Builder b(&getContext());
    Type scaleType = scale == "f32" ? Type(b.getF32Type()) : scale == "f16" ? Type(b.getF16Type()) : b.getBF16Type();
    SmallVector<int64_t> block{1, 1};
    block[axis] = group > 0 ? std::min<int64_t>(group, type.getDimSize(axis)) : type.getDimSize(axis);
    if (group < 0)
      block.assign(type.getShape().begin(), type.getShape().end());
    for (int64_t &size : block)
      size = std::max<int64_t>(size, 1);
    DenseI64ArrayAttr blocks = b.getDenseI64ArrayAttr(block);
    if (StringRef name = format; name.consume_front("int"))
      return tfm::IntFormatAttr::get(&getContext(), getBits(), blocks, scaleType, zeroPoints);
    if (format == "fp16" || format == "bf16")
      return tfm::FloatFormatAttr::get(&getContext(), format == "fp16" ? Type(b.getF16Type()) : b.getBF16Type(), {},
                                       {});
    Type small = format == "fp8e4m3" ? Type(Float8E4M3FNType::get(&getContext())) : Float8E5M2Type::get(&getContext());
    return tfm::FloatFormatAttr::get(&getContext(), small, blocks, scaleType);
  }
  unsigned getBits() const { return static_cast<unsigned>(format.getValue().back() - '0'); }

  LogicalResult quantize(Target &target) {
    tfm::WeightOp weight = target.weight;
    RankedTensorType type = weight.getTensorType();
    FailureOr<std::vector<float>> values = readValues(target);
    if (failed(values))
      return failure();
    int64_t axis = target.getDepthAxis();
    if (group > 0 && type.getDimSize(axis) % group != 0)
      return weight.emitOpError("has ") << type.getDimSize(axis) << " inputs, which groups of " << group.getValue()
                                        << " don't divide; hint: another group, or align pruned widths to it";
    const statistics::Entry *entry = nullptr;
    if (!target.linears.empty()) {
      auto found = calibration.find(target.linears.front());
      if (failed(found))
        return failure();
      entry = *found;
    }

    RankedTensorType to = tfm::withFormat(type, getFormat(type, axis));
    std::string note;
    std::vector<char> encoded;
    if (isa<tfm::IntFormatAttr>(to.getEncoding()))
      encoded = tfm::packInt(to, roundToIntegers(type, axis, *values, entry, note));
    else
      encoded = tfm::encode(to, *values);
    std::vector<float> decoded = tfm::decode(to, encoded);
    Matrix<float> before = getMatrix(type, axis, *values), after = getMatrix(type, axis, decoded);
    double error = entry ? numerics::relativeError(before, after, numerics::Moments(entry->moments).h)
                         : numerics::relativeError(before, after);
    Change change(target.reader, weight, getArgument());
    change.error = error;
    change.before = *tfm::getByteSize(type);
    Packed packed = packLike(target, to.getEncoding(), std::move(encoded));
    change.after = packed.bytes.size();
    if (std::string sparse = describeSparse(tfm::getFormat(type)); !sparse.empty())
      note += tfm::isSparse(packed.format) ? ", " + sparse : " (zeros have codes: smaller than a " + sparse + ")";
    change.what = describe(target) + note;
    report(getOperation(), change);
    store(target, packed.format, std::move(packed.bytes));
    for (tfm::LinearOp linear : target.linears) {
      if (biasCorrection && failed(correctBias(linear, before, after, *entry)))
        return failure();
      if (activation != "none")
        linear.setActivationAttr(getActivation(entry));
    }
    return success();
  }

  std::string describe(const Target &target) const {
    std::string text = format;
    if (group > 0)
      text += ", groups of " + std::to_string(group);
    if (method != "rtn")
      text += ", " + method;
    if (activation != "none" && !target.linears.empty())
      text += ", activations " + activation;
    return text;
  }

  tfm::IntCodes roundToIntegers(RankedTensorType type, int64_t axis, ArrayRef<float> values,
                                const statistics::Entry *entry, std::string &note) {
    numerics::IntFormat as;
    as.bits = getBits();
    as.granularity = group > 0   ? numerics::Granularity::Group
                     : group < 0 ? numerics::Granularity::Tensor
                                 : numerics::Granularity::Row;
    as.group = group;
    as.zeroPoints = zeroPoints;
    as.scaleType = scale == "f32"   ? numerics::ScaleType::F32
                   : scale == "f16" ? numerics::ScaleType::F16
                                    : numerics::ScaleType::BF16;
    numerics::ScaleSearch search;
    bool byHessian = scaleSearch == "hessian" && entry;
    if (byHessian)
      search.metric = numerics::ScaleSearch::Metric::Importance;
    else if (scaleSearch != "none")
      search.metric = numerics::ScaleSearch::Metric::Power;
    Matrix<float> w = getMatrix(type, axis, values);
    numerics::Quantized quantized;
    if (method == "gptq" && entry) {
      numerics::GptqOptions options;
      options.format = as;
      options.search = search;
      options.damping = damping;
      options.actOrder = actOrder;
      options.keepZeros = true;
      numerics::GptqResult result = numerics::gptq(w, numerics::Moments(entry->moments).h, options);
      if (result.rounded)
        note = " (rounded to nearest: the moments can't be factored)";
      note += describeDeadInputs(result.deadInputs);
      quantized = std::move(result.weight);
    } else {
      std::vector<float> importance;
      if (byHessian)
        importance = numerics::getImportance(numerics::Moments(entry->moments).h);
      quantized = numerics::quantize(w, as, search, importance);
    }
    return arrange(type, axis, quantized);
  }

  /// As the weight lies: its rows are outputs, or inputs.
  tfm::IntCodes arrange(RankedTensorType type, int64_t axis, const numerics::Quantized &from) {
    int64_t rows = type.getDimSize(0), columns = type.getDimSize(1);
    int shift = zeroPoints ? 1 << (getBits() - 1) : 0; // unsigned
    tfm::IntCodes codes;
    codes.codes.resize(rows * columns);
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < columns; ++j)
        codes.codes[i * columns + j] =
            static_cast<int8_t>((axis ? from.codes[i * columns + j] : from.codes[j * rows + i]) + shift);
    size_t count = from.scales.size(), groups = from.format.groupCount(from.columns);
    for (size_t block = 0; block < count; ++block) {
      // Groups along rows, [groups, outputs] here and [outputs, groups] there.
      size_t outputs = count / std::max<size_t>(groups, 1);
      bool moves = axis == 0 && group >= 0;
      size_t place = moves ? block % outputs * groups + block / outputs : block;
      codes.scales.push_back(from.scales[place]);
      if (zeroPoints)
        codes.zeros.push_back(static_cast<uint8_t>(from.zeroPoints[place] + shift));
    }
    return codes;
  }

  static LogicalResult correctBias(tfm::LinearOp linear, const Matrix<float> &before, const Matrix<float> &after,
                                   const statistics::Entry &entry) {
    std::vector<double> correction = numerics::getBiasCorrection(before, after, numerics::Moments(entry.moments).mean);
    std::vector<float> bias(correction.begin(), correction.end());
    return addToBias(linear, bias);
  }

  Attribute getActivation(const statistics::Entry *entry) {
    if (activation == "dynamic-fp8e4m3")
      return tfm::DynamicFloatAttr::get(&getContext(), Float8E4M3FNType::get(&getContext()));
    bool isSymmetric = StringRef(activation).ends_with("symmetric");
    if (StringRef(activation).starts_with("dynamic"))
      return tfm::DynamicAttr::get(&getContext(), 8, isSymmetric);
    const numerics::Histogram &histogram = entry->histogram;
    numerics::ValueRange range = observer == "percentile" ? numerics::getPercentileRange(histogram, percentile)
                                 : observer == "mse"      ? numerics::getMseRange(histogram, 8, isSymmetric)
                                 : observer == "entropy"  ? numerics::getEntropyRange(histogram, 8, isSymmetric)
                                                          : histogram.getRange();
    numerics::ActivationScale found = numerics::getActivationScale(range, 8, isSymmetric);
    // Signed codes are unsigned ones with half of the range as zero point.
    return tfm::StaticAttr::get(&getContext(), 8, Builder(&getContext()).getF32FloatAttr(found.scale),
                                static_cast<int64_t>(found.zeroPoint) + (isSymmetric ? 128 : 0));
  }

  Calibration calibration;
};
} // namespace
