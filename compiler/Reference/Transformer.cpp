// Attention, normalisations, rotary embedding and pooling.
#include "compiler/Reference/Frame.h"
#include <cmath>

using namespace mlir;
using namespace lathe;
using namespace lathe::reference;
using namespace lathe::tfm;

namespace {
/// One op's sizes and values, and the attention of one query of one head.
struct Attention {
  int64_t batch, queries, keys, heads, groupSize, width, valueWidth, offset;
  bool causal;
  std::optional<int64_t> window;
  bool tf32;
  MaskedRow maskedRow;
  double scale, softcap;
  std::vector<double> q, k, v, bias;
  Shape biasStrides;
  std::vector<int64_t> padding;

  /// Whether the set (causal, window, padding) lets query i see key j.
  bool maySee(int64_t b, int64_t i, int64_t j) const {
    if (!padding.empty() && !padding[b * keys + j])
      return false;
    if (causal && j > i + offset)
      return false;
    return !window || j > i + offset - *window;
  }

  double score(int64_t b, int64_t h, int64_t i, int64_t j) const {
    const double *query = &q[((b * queries + i) * heads + h) * width];
    const double *key = &k[((b * keys + j) * (heads / groupSize) + h / groupSize) * width];
    double sum = 0;
    for (int64_t d = 0; d < width; ++d)
      sum += query[d] * key[d];
    sum *= scale;
    if (softcap > 0)
      sum = softcap * std::tanh(sum / softcap);
    if (!bias.empty())
      sum += bias[b * biasStrides[0] + h * biasStrides[1] + i * biasStrides[2] + j * biasStrides[3]];
    return sum;
  }

  void computeRow(int64_t b, int64_t h, int64_t i, std::vector<double> &weights, double *result) const {
    double maximum = -INFINITY;
    for (int64_t j = 0; j < keys; ++j) {
      weights[j] = maySee(b, i, j) ? score(b, h, i, j) : -INFINITY;
      maximum = std::isnan(maximum) || maximum > weights[j] ? maximum : weights[j];
    }
    // A key whose bias is -inf can't be seen either, so that a mask has one meaning in both spellings.
    if (maximum == -INFINITY) {
      switch (maskedRow) {
      case MaskedRow::zero:
        return;
      case MaskedRow::nan:
        std::fill_n(result, valueWidth, NAN);
        return;
      case MaskedRow::mean:
        std::fill(weights.begin(), weights.end(), 0.0);
        maximum = 0;
        break;
      case MaskedRow::unmasked:
        for (int64_t j = 0; j < keys; ++j) {
          weights[j] = score(b, h, i, j);
          maximum = std::isnan(maximum) || maximum > weights[j] ? maximum : weights[j];
        }
        break;
      }
    }
    double sum = 0;
    for (double &weight : weights) {
      sum += weight = std::exp(weight - maximum);
      if (tf32)
        weight = roundToTf32(static_cast<float>(weight));
    }
    for (int64_t j = 0; j < keys; ++j)
      for (int64_t d = 0; d < valueWidth; ++d)
        if (weights[j] != 0) // what isn't seen may be anything, also NaN
          result[d] += weights[j] * v[((b * keys + j) * (heads / groupSize) + h / groupSize) * valueWidth + d];
    for (int64_t d = 0; d < valueWidth; ++d)
      result[d] /= sum;
  }
};

Result attention(AttentionOp op, ArrayRef<int64_t> shape, const Frame &frame) {
  const Tensor &query = frame[op.getQuery()], &key = frame[op.getKey()], &value = frame[op.getValue()];
  Attention a;
  a.causal = op.getCausal();
  a.window = op.getWindow();
  a.maskedRow = op.getMaskedRow();
  a.batch = shape[0];
  a.queries = shape[1];
  a.keys = key.getShape()[1];
  a.heads = op.getHeads();
  a.groupSize = a.heads / static_cast<int64_t>(op.getKvHeads());
  a.width = query.getShape()[2] / a.heads;
  a.valueWidth = shape[2] / a.heads;
  a.offset = a.keys - a.queries;
  if (auto offset = op.getOffset()) {
    FailureOr<int64_t> given = frame.evaluate(op, offset->getDims().front());
    if (failed(given))
      return failure();
    a.offset = *given;
  }
  a.scale = op.getScale().convertToDouble();
  a.softcap = op.getSoftcap().convertToDouble();
  a.tf32 = op.getPrecision() == Precision::tf32;
  a.q = loadFactors(query, op.getPrecision());
  a.k = loadFactors(key, op.getPrecision());
  a.v = loadFactors(value, op.getPrecision());
  if (op.getBias()) {
    const Tensor &bias = frame[op.getBias()];
    a.bias = loadFloats(bias);
    a.biasStrides = broadcastStrides(bias.getShape(), {a.batch, a.heads, a.queries, a.keys});
  }
  if (op.getPadding())
    a.padding = loadIntegers(frame[op.getPadding()]);

  std::vector<double> result(*countElements(shape)), weights(a.keys);
  for (int64_t b = 0; b < a.batch; ++b)
    for (int64_t h = 0; h < a.heads; ++h)
      for (int64_t i = 0; i < a.queries; ++i)
        a.computeRow(b, h, i, weights, result.data() + ((b * a.queries + i) * a.heads + h) * a.valueWidth);
  return storeFloats(query.getElementType(), shape, result);
}

/// Calls `body(row, size)` on each line of the last dimension and stores what it makes of the values.
template <typename Body> Tensor mapRows(const Tensor &input, Body body) {
  std::vector<double> values = loadFloats(input);
  int64_t size = input.getShape().back();
  for (size_t start = 0; start < values.size(); start += size)
    body(values.data() + start, size);
  return storeFloats(input.getElementType(), input.getShape(), values);
}

std::vector<double> loadOptional(Value value, const Frame &frame) {
  return value ? loadFloats(frame[value]) : std::vector<double>();
}

Result layerNorm(LayerNormOp op, ArrayRef<int64_t> shape, const Frame &frame) {
  std::vector<double> gain = loadOptional(op.getGain(), frame), bias = loadOptional(op.getBias(), frame);
  double epsilon = op.getEpsilon().convertToDouble();
  return mapRows(frame[op.getInput()], [&](double *row, int64_t size) {
    double mean = 0, variance = 0;
    for (int64_t i = 0; i < size; ++i)
      mean += row[i] / size;
    for (int64_t i = 0; i < size; ++i)
      variance += (row[i] - mean) * (row[i] - mean) / size;
    double scale = 1 / std::sqrt(variance + epsilon);
    for (int64_t i = 0; i < size; ++i)
      row[i] = (row[i] - mean) * scale * (gain.empty() ? 1 : gain[i]) + (bias.empty() ? 0 : bias[i]);
  });
}

Result rmsNorm(RmsNormOp op, ArrayRef<int64_t> shape, const Frame &frame) {
  std::vector<double> gain = loadOptional(op.getGain(), frame);
  double epsilon = op.getEpsilon().convertToDouble();
  return mapRows(frame[op.getInput()], [&](double *row, int64_t size) {
    double mean = 0;
    for (int64_t i = 0; i < size; ++i)
      mean += row[i] * row[i] / size;
    double scale = 1 / std::sqrt(mean + epsilon);
    for (int64_t i = 0; i < size; ++i)
      row[i] *= scale * (gain.empty() ? 1 : gain[i]);
  });
}

Result l2Normalize(L2NormalizeOp op, ArrayRef<int64_t> shape, const Frame &frame) {
  if (shape.empty())
    return op.emitError("expected an input of rank 1 or more");
  double floor = op.getFloor().convertToDouble();
  return mapRows(frame[op.getInput()], [&](double *row, int64_t size) {
    double sum = 0;
    for (int64_t i = 0; i < size; ++i)
      sum += row[i] * row[i];
    double norm = std::max(std::sqrt(sum), floor);
    for (int64_t i = 0; i < size; ++i)
      row[i] /= norm;
  });
}

Result rotary(RotaryOp op, ArrayRef<int64_t> shape, const Frame &frame) {
  const Tensor &table = frame[op.getCos()];
  std::vector<double> x = loadFloats(frame[op.getInput()]), cos = loadFloats(table),
                      sin = loadFloats(frame[op.getSin()]);
  int64_t heads = op.getHeads(), width = shape[2] / heads, half = table.getShape()[2];
  bool interleaved = op.getInterleaved(), shared = table.getShape()[0] == 1;
  for (int64_t b = 0; b < shape[0]; ++b)
    for (int64_t s = 0; s < shape[1]; ++s)
      for (int64_t h = 0; h < heads; ++h) {
        double *head = x.data() + (b * shape[1] + s) * shape[2] + h * width;
        int64_t angles = ((shared ? 0 : b) * shape[1] + s) * half;
        for (int64_t i = 0; i < half; ++i) {
          double &first = head[interleaved ? 2 * i : i], &second = head[interleaved ? 2 * i + 1 : i + half];
          double a = first, c = cos[angles + i], d = sin[angles + i];
          first = a * c - second * d;
          second = second * c + a * d;
        }
      }
  return storeFloats(tfm::getElementType(op.getResult()), shape, x);
}

Result meanPool(MeanPoolOp op, ArrayRef<int64_t> shape, const Frame &frame) {
  const Tensor &input = frame[op.getInput()];
  std::vector<double> x = loadFloats(input), mask = loadFloats(frame[op.getMask()]), result(*countElements(shape));
  int64_t length = input.getShape()[1], width = shape[1];
  double floor = op.getFloor().convertToDouble();
  for (int64_t b = 0; b < shape[0]; ++b) {
    double weight = 0;
    for (int64_t s = 0; s < length; ++s) {
      if (mask[b * length + s] == 0) // not read: 0 even if x isn't finite
        continue;
      weight += mask[b * length + s];
      for (int64_t h = 0; h < width; ++h)
        result[b * width + h] += x[(b * length + s) * width + h] * mask[b * length + s];
    }
    for (int64_t h = 0; h < width; ++h)
      result[b * width + h] /= std::max(weight, floor);
  }
  return storeFloats(input.getElementType(), shape, result);
}
} // namespace

ArrayRef<Rule> reference::getTransformerRules() {
  static const Rule rules[] = {
      rule<AttentionOp, attention>(),     rule<LayerNormOp, layerNorm>(), rule<RmsNormOp, rmsNorm>(),
      rule<L2NormalizeOp, l2Normalize>(), rule<RotaryOp, rotary>(),       rule<MeanPoolOp, meanPool>(),
  };
  return rules;
}
