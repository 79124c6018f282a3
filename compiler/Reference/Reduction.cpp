// Ops that combine elements along axes.
#include "compiler/Reference/Frame.h"
#include <cmath>
#include <limits>

using namespace mlir;
using namespace lathe;
using namespace lathe::reference;
using namespace lathe::tfm;

namespace {
/// For each element of the input, in row-major order, the element of the result that it goes into.
template <typename Body> void forEachReduced(const Tensor &input, ArrayRef<int64_t> resultShape, Body body) {
  int64_t position = 0;
  forEachOffset(input.getShape(), broadcastStrides(resultShape, input.getShape()), 0,
                [&](int64_t target) { body(position++, target); });
}

/// A function of a float's running value and next element, and one of an integer's.
template <typename Value> Value sumStep(Value a, Value b) {
  if constexpr (std::is_same_v<Value, int64_t>)
    return static_cast<uint64_t>(a) + static_cast<uint64_t>(b);
  return a + b;
}
template <typename Value> Value productStep(Value a, Value b) {
  if constexpr (std::is_same_v<Value, int64_t>)
    return static_cast<uint64_t>(a) * static_cast<uint64_t>(b);
  return a * b;
}
double maximumStep(double a, double b) { return std::isnan(a) || a > b ? a : b; }
double minimumStep(double a, double b) { return std::isnan(a) || a < b ? a : b; }

template <typename T, typename Step>
std::vector<T> fold(const Tensor &input, const std::vector<T> &values, ArrayRef<int64_t> shape, T start, Step step) {
  std::vector<T> result(*countElements(shape), start);
  forEachReduced(input, shape, [&](int64_t from, int64_t to) { result[to] = step(result[to], values[from]); });
  return result;
}

Result reduce(Operation *op, ArrayRef<int64_t> shape, const Frame &frame, double floatStart,
              double (*floatStep)(double, double), int64_t signedStart, int64_t (*signedStep)(int64_t, int64_t),
              int64_t unsignedStart, int64_t (*unsignedStep)(int64_t, int64_t)) {
  const Tensor &input = frame[op->getOperand(0)];
  Type type = input.getElementType();
  if (isa<FloatType>(type))
    return storeFloats(type, shape, fold(input, loadFloats(input), shape, floatStart, floatStep));
  bool isUnsigned = reference::isUnsigned(type);
  return storeIntegers(type, shape,
                       fold(input, loadIntegers(input), shape, isUnsigned ? unsignedStart : signedStart,
                            isUnsigned ? unsignedStep : signedStep));
}

Result reduceSum(ReduceSumOp op, ArrayRef<int64_t> shape, const Frame &frame) {
  auto step = sumStep<int64_t>;
  return reduce(op, shape, frame, 0, sumStep<double>, 0, step, 0, step);
}
Result reduceProd(ReduceProdOp op, ArrayRef<int64_t> shape, const Frame &frame) {
  auto step = productStep<int64_t>;
  return reduce(op, shape, frame, 1, productStep<double>, 1, step, 1, step);
}

/// The least and the greatest value of an integer type, as loadIntegers gives it.
int64_t leastOf(Type type) {
  return isUnsigned(type) ? 0 : APInt::getSignedMinValue(type.getIntOrFloatBitWidth()).getSExtValue();
}
int64_t greatestOf(Type type) {
  unsigned bits = type.getIntOrFloatBitWidth();
  return isUnsigned(type) ? static_cast<int64_t>(APInt::getMaxValue(bits).getZExtValue())
                          : APInt::getSignedMaxValue(bits).getSExtValue();
}

Result reduceMax(ReduceMaxOp op, ArrayRef<int64_t> shape, const Frame &frame) {
  Type type = tfm::getElementType(op.getResult());
  int64_t least = isa<FloatType>(type) ? 0 : leastOf(type);
  return reduce(
      op, shape, frame, -INFINITY, maximumStep, least, [](int64_t a, int64_t b) { return std::max(a, b); }, least,
      [](int64_t a, int64_t b) { return static_cast<uint64_t>(a) > static_cast<uint64_t>(b) ? a : b; });
}
Result reduceMin(ReduceMinOp op, ArrayRef<int64_t> shape, const Frame &frame) {
  Type type = tfm::getElementType(op.getResult());
  int64_t greatest = isa<FloatType>(type) ? 0 : greatestOf(type);
  return reduce(
      op, shape, frame, INFINITY, minimumStep, greatest, [](int64_t a, int64_t b) { return std::min(a, b); }, greatest,
      [](int64_t a, int64_t b) { return static_cast<uint64_t>(a) < static_cast<uint64_t>(b) ? a : b; });
}

Result reduceMean(ReduceMeanOp op, ArrayRef<int64_t> shape, const Frame &frame) {
  const Tensor &input = frame[op.getInput()];
  Type type = input.getElementType();
  int64_t count = 1;
  for (int64_t axis : op.getAxes())
    count *= input.getShape()[axis];
  if (isa<FloatType>(type)) {
    std::vector<double> sums = fold(input, loadFloats(input), shape, 0.0, sumStep<double>);
    for (double &sum : sums)
      sum /= static_cast<double>(count);
    return storeFloats(type, shape, sums);
  }
  std::vector<int64_t> sums = fold(input, loadIntegers(input), shape, int64_t(0), sumStep<int64_t>);
  for (int64_t &sum : sums)
    sum = count == 0 ? 0 : sum / count;
  return storeIntegers(type, shape, sums);
}

/// Calls `body(start, stride)` for each line along the axis.
template <typename Body> void forEachLine(ArrayRef<int64_t> shape, int64_t axis, Body body) {
  Shape lines(shape), strides = rowMajorStrides(shape);
  lines[axis] = 1;
  if (shape[axis] != 0)
    forEachOffset(lines, strides, 0, [&](int64_t start) { body(start, strides[axis]); });
}

template <typename Op, typename T, typename Better>
Result argReduce(Op op, ArrayRef<int64_t> shape, const Tensor &input, const std::vector<T> &values, Better better) {
  int64_t axis = op.getAxis(), size = input.getShape()[axis];
  bool last = op.getLast();
  std::vector<int64_t> result;
  if (size == 0 && *countElements(shape) != 0)
    return op.emitError("expected at least one element along axis ") << axis << ", got none";
  forEachLine(input.getShape(), axis, [&](int64_t start, int64_t stride) {
    int64_t best = 0;
    for (int64_t i = 1; i < size; ++i) {
      T value = values[start + i * stride], bestValue = values[start + best * stride];
      if (better(value, bestValue) || (last && value == bestValue))
        best = i;
    }
    result.push_back(best);
  });
  return storeIntegers(tfm::getElementType(op.getResult()), shape, result);
}

template <typename Op, typename Order>
Result argReduce(Op op, ArrayRef<int64_t> shape, const Frame &frame, Order better) {
  const Tensor &input = frame[op.getInput()];
  if (isa<FloatType>(input.getElementType()))
    return argReduce(op, shape, input, loadFloats(input), better);
  std::vector<int64_t> values = loadIntegers(input);
  if (!isUnsigned(input.getElementType()))
    return argReduce(op, shape, input, values, better);
  return argReduce(op, shape, input, std::vector<uint64_t>(values.begin(), values.end()), better);
}
Result argMax(ArgMaxOp op, ArrayRef<int64_t> shape, const Frame &frame) {
  return argReduce(op, shape, frame, [](auto a, auto b) { return a > b; });
}
Result argMin(ArgMinOp op, ArrayRef<int64_t> shape, const Frame &frame) {
  return argReduce(op, shape, frame, [](auto a, auto b) { return a < b; });
}

Result softmax(SoftmaxOp op, ArrayRef<int64_t> shape, const Frame &frame) {
  const Tensor &input = frame[op.getInput()];
  std::vector<double> values = loadFloats(input);
  int64_t size = shape[op.getAxis()];
  forEachLine(shape, op.getAxis(), [&](int64_t start, int64_t stride) {
    double maximum = -INFINITY, sum = 0;
    for (int64_t i = 0; i < size; ++i)
      maximum = maximumStep(maximum, values[start + i * stride]);
    for (int64_t i = 0; i < size; ++i)
      sum += values[start + i * stride] = std::exp(values[start + i * stride] - maximum);
    for (int64_t i = 0; i < size; ++i)
      values[start + i * stride] /= sum;
  });
  return storeFloats(input.getElementType(), shape, values);
}

template <typename T> void accumulate(CumSumOp op, ArrayRef<int64_t> shape, std::vector<T> &values) {
  int64_t size = shape[op.getAxis()];
  bool exclusive = op.getExclusive(), reverse = op.getReverse();
  forEachLine(shape, op.getAxis(), [&](int64_t start, int64_t stride) {
    T sum = 0;
    for (int64_t i = 0; i < size; ++i) {
      T &value = values[start + (reverse ? size - 1 - i : i) * stride];
      T next = sumStep(sum, value);
      value = exclusive ? sum : next;
      sum = next;
    }
  });
}
Result cumSum(CumSumOp op, ArrayRef<int64_t> shape, const Frame &frame) {
  const Tensor &input = frame[op.getInput()];
  Type type = input.getElementType();
  if (isa<FloatType>(type)) {
    std::vector<double> values = loadFloats(input);
    accumulate(op, shape, values);
    return storeFloats(type, shape, values);
  }
  std::vector<int64_t> values = loadIntegers(input);
  accumulate(op, shape, values);
  return storeIntegers(type, shape, values);
}
} // namespace

ArrayRef<Rule> reference::getReductionRules() {
  static const Rule rules[] = {
      rule<ReduceSumOp, reduceSum>(), rule<ReduceMeanOp, reduceMean>(), rule<ReduceMaxOp, reduceMax>(),
      rule<ReduceMinOp, reduceMin>(), rule<ReduceProdOp, reduceProd>(), rule<ArgMaxOp, argMax>(),
      rule<ArgMinOp, argMin>(),       rule<SoftmaxOp, softmax>(),       rule<CumSumOp, cumSum>(),
  };
  return rules;
}
