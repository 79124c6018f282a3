// Ops that move elements, and the sources of values. They move bytes and never look at them.
#include "compiler/Reference/Frame.h"
#include "dialects/Tfm/Formats.h"
#include "dialects/Tfm/Weights.h"
#include <cstring>

using namespace mlir;
using namespace lathe;
using namespace lathe::reference;
using namespace lathe::tfm;

namespace {
/// Elements of `input` at start + sum(index * stride), for every index of the shape.
Tensor readStrided(const Tensor &input, ArrayRef<int64_t> shape, ArrayRef<int64_t> strides, int64_t start = 0) {
  size_t size = getElementBytes(input.getElementType());
  std::vector<char> bytes(*countElements(shape) * size);
  char *target = bytes.data();
  forEachOffset(shape, strides, start, [&](int64_t offset) {
    std::memcpy(target, input.getBytes().data() + offset * size, size);
    target += size;
  });
  return Tensor(input.getElementType(), shape, std::move(bytes));
}

/// Puts all elements of `input` into `bytes`, a tensor with these strides.
void writeStrided(const Tensor &input, std::vector<char> &bytes, ArrayRef<int64_t> strides, int64_t start) {
  size_t size = getElementBytes(input.getElementType());
  const char *source = input.getBytes().data();
  forEachOffset(input.getShape(), strides, start, [&](int64_t offset) {
    std::memcpy(bytes.data() + offset * size, source, size);
    source += size;
  });
}

/// The model's input that a value is computed from, for messages; empty if there is none.
std::string originOf(Value value) {
  for (int depth = 0; depth < 64; ++depth) {
    if (auto argument = dyn_cast<BlockArgument>(value)) {
      auto function = dyn_cast<FunctionOpInterface>(argument.getOwner()->getParentOp());
      auto name = function ? function.getArgAttrOfType<StringAttr>(argument.getArgNumber(), kNameAttr) : StringAttr();
      return name ? (" from input '" + name.getValue() + "'").str() : "";
    }
    Operation *op = value.getDefiningOp();
    if (op->getNumOperands() == 0)
      return "";
    value = op->getOperand(0);
  }
  return "";
}

/// Indices made non-negative; a fault where one is outside [-size, size).
FailureOr<std::vector<int64_t>> loadIndices(Operation *op, Value value, const Frame &frame, int64_t size) {
  std::vector<int64_t> indices = loadIntegers(frame[value]);
  for (auto [position, index] : llvm::enumerate(indices)) {
    if (index < -size || index >= size)
      return op->emitError("expected indices in [")
             << -size << ", " << size << "), got " << index << " at element " << position << originOf(value);
    index += index < 0 ? size : 0;
  }
  return indices;
}

Result get(GetOp op, ArrayRef<int64_t> shape, const Frame &frame) {
  auto weight = SymbolTable::lookupNearestSymbolFrom<WeightOp>(op, op.getWeightAttr());
  if (!weight)
    return op.emitError("expected a tfm.weight, got ") << op.getWeightAttr();
  auto bytes = cast<TfmDialect>(op->getDialect())->getWeights().getBytes(weight);
  if (!bytes)
    return op.emitError(llvm::toString(bytes.takeError()));
  Type type = tfm::getElementType(op.getResult());
  if (!tfm::getFormat(weight.getType()))
    return Tensor::view(type, shape, *bytes);
  std::vector<float> values = tfm::decode(weight.getTensorType(), *bytes);
  return storeFloats(type, shape, std::vector<double>(values.begin(), values.end()));
}

Result constant(ConstantOp op, ArrayRef<int64_t> shape, const Frame &frame) { return Tensor::get(op.getValue()); }

Result extent(ExtentOp op, ArrayRef<int64_t> shape, const Frame &frame) {
  FailureOr<Shape> values = frame.evaluate(op, op.getExtents().getDims());
  if (failed(values))
    return failure();
  return storeIntegers(tfm::getElementType(op.getResult()), shape, *values);
}

Result iota(IotaOp op, ArrayRef<int64_t> shape, const Frame &frame) {
  FailureOr<int64_t> start = frame.evaluate(op, op.getStart().getDims().front());
  if (failed(start))
    return failure();
  Type type = tfm::getElementType(op.getResult());
  std::vector<int64_t> values(shape[0]);
  for (auto [i, value] : llvm::enumerate(values))
    value = static_cast<uint64_t>(*start) + static_cast<uint64_t>(op.getStep()) * i;
  if (isa<FloatType>(type))
    return storeFloats(type, shape, std::vector<double>(values.begin(), values.end()));
  return storeIntegers(type, shape, values);
}

Result reshape(ReshapeOp op, ArrayRef<int64_t> shape, const Frame &frame) {
  const Tensor &input = frame[op.getInput()];
  if (input.getNumElements() != *countElements(shape))
    return op.emitError("can't reshape ") << input.getNumElements() << " elements to " << op.getResult().getType()
                                          << ", which has " << *countElements(shape) << " for these inputs";
  return input.reshaped(shape);
}

Result transpose(TransposeOp op, ArrayRef<int64_t> shape, const Frame &frame) {
  const Tensor &input = frame[op.getInput()];
  Shape own = rowMajorStrides(input.getShape()), strides;
  for (int64_t axis : op.getPermutation())
    strides.push_back(own[axis]);
  return readStrided(input, shape, strides);
}

Result expand(ExpandOp op, ArrayRef<int64_t> shape, const Frame &frame) {
  const Tensor &input = frame[op.getInput()];
  return readStrided(input, shape, broadcastStrides(input.getShape(), shape));
}

Result slice(SliceOp op, ArrayRef<int64_t> shape, const Frame &frame) {
  const Tensor &input = frame[op.getInput()];
  FailureOr<Shape> starts = frame.evaluate(op, op.getStarts().getDims());
  if (failed(starts))
    return failure();
  Shape strides = rowMajorStrides(input.getShape());
  int64_t offset = 0;
  bool empty = llvm::is_contained(shape, 0);
  for (size_t i = 0; i < shape.size() && !empty; ++i) {
    int64_t first = (*starts)[i], step = op.getSteps()[i], size = input.getShape()[i], last;
    if (__builtin_mul_overflow(shape[i] - 1, step, &last) || __builtin_add_overflow(last, first, &last) ||
        std::min(first, last) < 0 || std::max(first, last) >= size)
      return op.emitError("expected elements within dimension ")
             << i << " of size " << size << ", got " << shape[i] << " from " << first << " by " << step;
    offset += first * strides[i];
    strides[i] *= step;
  }
  return readStrided(input, shape, strides, offset);
}

Result concat(ConcatOp op, ArrayRef<int64_t> shape, const Frame &frame) {
  Type type = tfm::getElementType(op.getResult());
  std::vector<char> bytes(*countElements(shape) * getElementBytes(type));
  Shape strides = rowMajorStrides(shape);
  int64_t axis = op.getAxis(), position = 0;
  for (Value input : op.getInputs()) {
    writeStrided(frame[input], bytes, strides, position * strides[axis]);
    position += frame[input].getShape()[axis];
  }
  return Tensor(type, shape, std::move(bytes));
}

Result pad(PadOp op, ArrayRef<int64_t> shape, const Frame &frame) {
  const Tensor &input = frame[op.getInput()];
  FailureOr<Shape> low = frame.evaluate(op, op.getLow().getDims());
  FailureOr<Shape> high = frame.evaluate(op, op.getHigh().getDims());
  if (failed(low) || failed(high))
    return failure();
  // Negative pads cut elements off.
  Tensor kept = input;
  Shape keptShape, strides = rowMajorStrides(input.getShape()), target = rowMajorStrides(shape);
  int64_t from = 0, to = 0;
  for (size_t i = 0; i < shape.size(); ++i) {
    int64_t cutLow = std::max<int64_t>(0, -(*low)[i]), cutHigh = std::max<int64_t>(0, -(*high)[i]);
    keptShape.push_back(std::max<int64_t>(0, input.getShape()[i] - cutLow - cutHigh));
    from += cutLow * strides[i];
    to += std::max<int64_t>(0, (*low)[i]) * target[i];
  }
  kept = readStrided(input, keptShape, strides, from);
  Shape zeros(shape.size(), 0);
  Tensor filled = readStrided(frame[op.getValue()], shape, zeros);
  std::vector<char> bytes(filled.getBytes().begin(), filled.getBytes().end());
  writeStrided(kept, bytes, target, to);
  return Tensor(input.getElementType(), shape, std::move(bytes));
}

/// Rows of `count` groups: for each group, the row at each index.
Tensor gatherRows(const Tensor &data, ArrayRef<int64_t> shape, int64_t groups, int64_t axisSize, size_t rowBytes,
                  ArrayRef<int64_t> indices) {
  std::vector<char> bytes(groups * indices.size() * rowBytes);
  char *target = bytes.data();
  for (int64_t group = 0; group < groups; ++group)
    for (int64_t index : indices) {
      if (rowBytes != 0)
        std::memcpy(target, data.getBytes().data() + (group * axisSize + index) * rowBytes, rowBytes);
      target += rowBytes;
    }
  return Tensor(data.getElementType(), shape, std::move(bytes));
}

Result gather(GatherOp op, ArrayRef<int64_t> shape, const Frame &frame) {
  const Tensor &data = frame[op.getData()];
  int64_t axis = op.getAxis(), size = data.getShape()[axis];
  auto indices = loadIndices(op, op.getIndices(), frame, size);
  if (failed(indices))
    return failure();
  int64_t groups = *countElements(data.getShape().take_front(axis));
  size_t row = *countElements(data.getShape().drop_front(axis + 1)) * getElementBytes(data.getElementType());
  return gatherRows(data, shape, groups, size, row, *indices);
}

Result embedding(EmbeddingOp op, ArrayRef<int64_t> shape, const Frame &frame) {
  const Tensor &table = frame[op.getTable()];
  int64_t size = table.getShape()[0];
  auto indices = loadIndices(op, op.getIds(), frame, size);
  if (failed(indices))
    return failure();
  return gatherRows(table, shape, 1, size, table.getShape()[1] * getElementBytes(table.getElementType()), *indices);
}

/// For each element of `indices`, the flat position in data that it names along the axis.
FailureOr<std::vector<int64_t>> elementPositions(Operation *op, Value indicesValue, const Tensor &data, int64_t axis,
                                                 const Frame &frame) {
  auto indices = loadIndices(op, indicesValue, frame, data.getShape()[axis]);
  if (failed(indices))
    return failure();
  ArrayRef<int64_t> shape = frame[indicesValue].getShape();
  for (auto [i, sizes] : llvm::enumerate(llvm::zip(shape, data.getShape())))
    if (static_cast<int64_t>(i) != axis && std::get<0>(sizes) > std::get<1>(sizes))
      return op->emitError("expected dimension ")
             << i << " of the indices to be at most " << std::get<1>(sizes) << ", got " << std::get<0>(sizes);
  Shape strides = rowMajorStrides(data.getShape());
  int64_t axisStride = strides[axis];
  strides[axis] = 0;
  size_t i = 0;
  forEachOffset(shape, strides, 0, [&](int64_t offset) {
    (*indices)[i] = offset + (*indices)[i] * axisStride;
    ++i;
  });
  return indices;
}

Result gatherElements(GatherElementsOp op, ArrayRef<int64_t> shape, const Frame &frame) {
  const Tensor &data = frame[op.getData()];
  auto positions = elementPositions(op, op.getIndices(), data, op.getAxis(), frame);
  if (failed(positions))
    return failure();
  return gatherRows(data, shape, 1, 0, getElementBytes(data.getElementType()), *positions);
}

/// For each tuple of the last dimension, the number of the slice of data that it names; `inner` elements a slice.
FailureOr<std::vector<int64_t>> tuplePositions(Operation *op, Value indicesValue, const Tensor &data, int64_t batchDims,
                                               const Frame &frame, int64_t &inner) {
  ArrayRef<int64_t> shape = frame[indicesValue].getShape(), sizes = data.getShape();
  int64_t width = shape.back(), tuples = *countElements(shape.drop_back());
  if (batchDims + width > static_cast<int64_t>(sizes.size()))
    return op->emitError("expected tuples of at most ") << sizes.size() - batchDims << " indices, got " << width;
  if (shape.take_front(batchDims) != sizes.take_front(batchDims))
    return op->emitError("expected equal batch dimensions of data and indices");
  int64_t batch = *countElements(shape.take_front(batchDims));
  inner = *countElements(sizes.drop_front(batchDims + width));
  std::vector<int64_t> indices = loadIntegers(frame[indicesValue]), positions(tuples);
  for (int64_t tuple = 0; tuple < tuples; ++tuple) {
    int64_t position = tuple / (tuples / batch);
    for (int64_t i = 0; i < width; ++i) {
      int64_t size = sizes[batchDims + i], index = indices[tuple * width + i];
      if (index < -size || index >= size)
        return op->emitError("expected indices in [") << -size << ", " << size << "), got " << index << " at element "
                                                      << tuple * width + i << originOf(indicesValue);
      position = position * size + index + (index < 0 ? size : 0);
    }
    positions[tuple] = position;
  }
  return positions;
}

Result gatherNd(GatherNdOp op, ArrayRef<int64_t> shape, const Frame &frame) {
  const Tensor &data = frame[op.getData()];
  int64_t inner;
  auto positions = tuplePositions(op, op.getIndices(), data, op.getBatchDims(), frame, inner);
  if (failed(positions))
    return failure();
  return gatherRows(data, shape, 1, 0, inner * getElementBytes(data.getElementType()), *positions);
}

template <typename T> T combine(Accumulate accumulate, T old, T update) {
  switch (accumulate) {
  case Accumulate::none:
    return update;
  case Accumulate::add:
    return old + update;
  case Accumulate::mul:
    return old * update;
  case Accumulate::min:
    return std::min(old, update);
  case Accumulate::max:
    return std::max(old, update);
  }
  llvm_unreachable("all cases are listed");
}

/// A copy of data in which slice positions[i] of `inner` elements is combined with slice i of updates, in order.
template <typename Op>
Result scatter(Op op, const Tensor &data, const Tensor &updates, ArrayRef<int64_t> positions, int64_t inner) {
  if (updates.getNumElements() != static_cast<int64_t>(positions.size()) * inner)
    return op.emitError("expected ") << positions.size() * inner << " updates, got " << updates.getNumElements();
  Type type = data.getElementType();
  auto apply = [&](auto values, const auto &news) {
    for (auto [i, position] : llvm::enumerate(positions))
      for (int64_t j = 0; j < inner; ++j) {
        auto &value = values[position * inner + j];
        value = combine(op.getAccumulate(), value, news[i * inner + j]);
      }
    return values;
  };
  if (isa<FloatType>(type))
    return storeFloats(type, data.getShape(), apply(loadFloats(data), loadFloats(updates)));
  std::vector<int64_t> values = loadIntegers(data), news = loadIntegers(updates);
  if (!isUnsigned(type) && op.getAccumulate() != Accumulate::add && op.getAccumulate() != Accumulate::mul)
    return storeIntegers(type, data.getShape(), apply(values, news));
  // Unsigned, so that sums and products wrap.
  std::vector<uint64_t> result =
      apply(std::vector<uint64_t>(values.begin(), values.end()), std::vector<uint64_t>(news.begin(), news.end()));
  return storeIntegers(type, data.getShape(), std::vector<int64_t>(result.begin(), result.end()));
}

Result scatterElements(ScatterElementsOp op, ArrayRef<int64_t> shape, const Frame &frame) {
  const Tensor &data = frame[op.getData()];
  int64_t axis = op.getAxis(), rank = data.getShape().size();
  if (axis < 0 || axis >= rank || frame[op.getIndices()].getShape().size() != data.getShape().size())
    return op.emitError("expected indices of rank ") << rank << " and an axis below it, got " << axis;
  auto positions = elementPositions(op, op.getIndices(), data, axis, frame);
  if (failed(positions))
    return failure();
  return scatter(op, data, frame[op.getUpdates()], *positions, 1);
}

Result scatterNd(ScatterNdOp op, ArrayRef<int64_t> shape, const Frame &frame) {
  const Tensor &data = frame[op.getData()];
  if (frame[op.getIndices()].getShape().empty())
    return op.emitError("expected indices of rank 1 or more");
  int64_t inner;
  auto positions = tuplePositions(op, op.getIndices(), data, 0, frame, inner);
  if (failed(positions))
    return failure();
  return scatter(op, data, frame[op.getUpdates()], *positions, inner);
}
} // namespace

ArrayRef<Rule> reference::getDataRules() {
  static const Rule rules[] = {
      rule<GetOp, get>(),
      rule<ConstantOp, constant>(),
      rule<ExtentOp, extent>(),
      rule<IotaOp, iota>(),
      rule<ReshapeOp, reshape>(),
      rule<TransposeOp, transpose>(),
      rule<ExpandOp, expand>(),
      rule<SliceOp, slice>(),
      rule<ConcatOp, concat>(),
      rule<PadOp, pad>(),
      rule<GatherOp, gather>(),
      rule<EmbeddingOp, embedding>(),
      rule<GatherElementsOp, gatherElements>(),
      rule<GatherNdOp, gatherNd>(),
      rule<ScatterElementsOp, scatterElements>(),
      rule<ScatterNdOp, scatterNd>(),
  };
  return rules;
}
