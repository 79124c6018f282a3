// Ops that are sums of products: linear, matmul, conv.
#include "compiler/Reference/Frame.h"
#include "compiler/Reference/Gemm.h"
#include "llvm/ADT/APFloat.h"
#include <cmath>
#include <limits>

using namespace mlir;
using namespace lathe;
using namespace lathe::reference;
using namespace lathe::tfm;

namespace {
/// As quantize(), in small floats.
void quantizeToFloats(std::vector<double> &x, int64_t inner, FloatType type) {
  const llvm::fltSemantics &semantics = type.getFloatSemantics();
  auto greatest = static_cast<float>(llvm::APFloat::getLargest(semantics).convertToDouble());
  for (size_t row = 0; row < x.size(); row += inner) {
    float most = 0;
    bool isFinite = true;
    for (int64_t k = 0; k < inner; ++k) {
      most = std::max(most, static_cast<float>(std::fabs(x[row + k])));
      isFinite &= std::isfinite(x[row + k]);
    }
    float scale = most / greatest;
    scale = scale < std::numeric_limits<float>::min() ? 1 : scale;
    float inverse = 1 / scale;
    for (int64_t k = 0; k < inner; ++k) {
      llvm::APFloat code(std::clamp(static_cast<float>(x[row + k]) * inverse, -greatest, greatest));
      bool loses;
      code.convert(semantics, llvm::APFloat::rmNearestTiesToEven, &loses);
      x[row + k] = isFinite ? code.convertToDouble() * scale : std::numeric_limits<double>::quiet_NaN();
    }
  }
}

/// What a quantized input is multiplied as: (code - zero) * scale. Rows of `inner` elements; steps as the attributes
/// say.
void quantize(std::vector<double> &x, int64_t inner, Attribute activation) {
  if (auto small = dyn_cast<DynamicFloatAttr>(activation))
    return quantizeToFloats(x, inner, cast<FloatType>(small.getType()));
  auto fixed = dyn_cast<StaticAttr>(activation);
  auto dynamic = dyn_cast<DynamicAttr>(activation);
  unsigned bits = fixed ? fixed.getBits() : dynamic.getBits();
  for (size_t row = 0; row < x.size(); row += inner) {
    float lo = 0, hi = 0, least = 0, most = static_cast<float>((1 << bits) - 1);
    bool isNan = false;
    for (int64_t k = 0; k < inner; ++k) {
      float value = static_cast<float>(x[row + k]);
      lo = std::min(lo, value);
      hi = std::max(hi, value);
      isNan |= std::isnan(value);
    }
    float scale, zero;
    if (fixed) {
      scale = static_cast<float>(fixed.getScale().getValueAsDouble());
      zero = static_cast<float>(fixed.getZero());
    } else if (dynamic.getSymmetric()) {
      most = static_cast<float>((1 << (bits - 1)) - 1);
      least = -most;
      scale = std::max(hi, -lo) / most;
      zero = 0;
    } else {
      scale = (hi - lo) / most;
      scale = scale == 0 ? 1 : scale;
      zero = std::nearbyint(-lo * (1 / scale));
    }
    scale = scale == 0 ? 1 : scale;
    float inverse = 1 / scale;
    for (int64_t k = 0; k < inner; ++k) {
      float value = static_cast<float>(x[row + k]);
      float code = std::isnan(value) ? least : std::nearbyint(value * inverse) + zero;
      x[row + k] = (static_cast<double>(std::min(std::max(code, least), most)) - zero) * scale;
      if (dynamic && (isNan || !std::isfinite(scale)))
        x[row + k] = std::numeric_limits<double>::quiet_NaN();
    }
  }
}

Result linear(LinearOp op, ArrayRef<int64_t> shape, const Frame &frame) {
  const Tensor &input = frame[op.getInput()], &weight = frame[op.getWeight()];
  std::vector<double> x = loadFactors(input, op.getPrecision()), w = loadFactors(weight, op.getPrecision());
  int64_t inner = input.getShape().back(), columns = shape.back(), rows = *countElements(shape.drop_back());
  if (auto activation = op.getActivation(); activation && inner)
    quantize(x, inner, *activation);
  if (op.getTransposed())
    w = transposed(w.data(), columns, inner);
  std::vector<double> result(rows * columns);
  if (op.getBias())
    result = broadcast(loadFloats(frame[op.getBias()]), {columns}, {rows, columns});
  gemm(rows, columns, inner, x.data(), w.data(), result.data());
  return storeFloats(input.getElementType(), shape, result);
}

/// The matrices of both operands along the broadcast batch dimensions.
template <typename T>
std::vector<T> multiply(MatmulOp op, ArrayRef<int64_t> shape, const Tensor &lhs, const Tensor &rhs, std::vector<T> a,
                        std::vector<T> b) {
  int64_t rows = shape[shape.size() - 2], columns = shape.back();
  int64_t inner = lhs.getShape()[lhs.getShape().size() - (op.getTransposeA() ? 2 : 1)];
  ArrayRef<int64_t> batch = shape.drop_back(2);
  std::vector<int64_t> fromA, fromB;
  auto matrices = [&](const Tensor &operand, std::vector<int64_t> &offsets) {
    Shape strides = broadcastStrides(operand.getShape().drop_back(2), batch);
    forEachOffset(batch, strides, 0, [&](int64_t offset) { offsets.push_back(offset); });
  };
  matrices(lhs, fromA);
  matrices(rhs, fromB);
  std::vector<T> result(*countElements(shape)), swapped;
  for (size_t i = 0; i < fromA.size(); ++i) {
    const T *x = a.data() + fromA[i] * rows * inner, *y = b.data() + fromB[i] * inner * columns;
    std::vector<T> ownX, ownY;
    if (op.getTransposeA())
      x = (ownX = transposed(x, inner, rows)).data();
    if (op.getTransposeB())
      y = (ownY = transposed(y, columns, inner)).data();
    gemm(rows, columns, inner, x, y, result.data() + i * rows * columns);
  }
  return result;
}

Result matmul(MatmulOp op, ArrayRef<int64_t> shape, const Frame &frame) {
  const Tensor &lhs = frame[op.getLhs()], &rhs = frame[op.getRhs()];
  Type type = tfm::getElementType(op.getResult());
  if (isa<FloatType>(lhs.getElementType()))
    return storeFloats(
        type, shape,
        multiply(op, shape, lhs, rhs, loadFactors(lhs, op.getPrecision()), loadFactors(rhs, op.getPrecision())));
  auto unsignedBits = [](const Tensor &tensor) { // unsigned, so that products wrap
    std::vector<int64_t> values = loadIntegers(tensor);
    return std::vector<uint64_t>(values.begin(), values.end());
  };
  std::vector<uint64_t> result = multiply(op, shape, lhs, rhs, unsignedBits(lhs), unsignedBits(rhs));
  return storeIntegers(type, shape, std::vector<int64_t>(result.begin(), result.end()));
}

/// Positions along the spatial dimensions of a convolution.
struct Window {
  Shape input, kernel, output, strides, pads, dilations;

  /// The matrix [channels * kernel, output] of the elements that each output reads; 0 in the padding.
  std::vector<double> unfold(const double *x, int64_t channels) const {
    int64_t inputSize = *countElements(input), kernelSize = *countElements(kernel);
    int64_t outputSize = *countElements(output);
    std::vector<double> matrix(channels * kernelSize * outputSize);
    for (int64_t k = 0; k < kernelSize; ++k)
      for (int64_t o = 0; o < outputSize; ++o) {
        int64_t position = 0, restK = k, restO = o, scale = 1;
        bool inside = true;
        for (size_t d = input.size(); d-- > 0; scale *= input[d]) {
          int64_t at = restO % output[d] * strides[d] + restK % kernel[d] * dilations[d] - pads[d];
          restO /= output[d];
          restK /= kernel[d];
          inside &= at >= 0 && at < input[d];
          position += at * scale;
        }
        if (inside)
          for (int64_t c = 0; c < channels; ++c)
            matrix[(c * kernelSize + k) * outputSize + o] = x[c * inputSize + position];
      }
    return matrix;
  }
};

Result conv(ConvOp op, ArrayRef<int64_t> shape, const Frame &frame) {
  const Tensor &input = frame[op.getInput()], &weight = frame[op.getWeight()];
  Window window{Shape(input.getShape().drop_front(2)),
                Shape(weight.getShape().drop_front(2)),
                Shape(shape.drop_front(2)),
                Shape(op.getStrides()),
                Shape(op.getPads()),
                Shape(op.getDilations())};
  int64_t batch = shape[0], groups = op.getGroups(), outputs = shape[1] / groups, channels = weight.getShape()[1];
  int64_t inputSize = *countElements(window.input), outputSize = *countElements(window.output);
  int64_t kernelSize = *countElements(window.kernel);
  std::vector<double> x = loadFactors(input, op.getPrecision()), w = loadFactors(weight, op.getPrecision());
  std::vector<double> result(*countElements(shape));
  if (op.getBias())
    result = broadcast(loadFloats(frame[op.getBias()]), {1, shape[1], 1}, {batch, shape[1], outputSize});
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t g = 0; g < groups; ++g) {
      std::vector<double> columns = window.unfold(x.data() + (b * groups + g) * channels * inputSize, channels);
      gemm(outputs, outputSize, channels * kernelSize, w.data() + g * outputs * channels * kernelSize, columns.data(),
           result.data() + (b * groups + g) * outputs * outputSize);
    }
  return storeFloats(input.getElementType(), shape, result);
}
} // namespace

ArrayRef<Rule> reference::getContractionRules() {
  static const Rule rules[] = {rule<LinearOp, linear>(), rule<MatmulOp, matmul>(), rule<ConvOp, conv>()};
  return rules;
}
