// ONNX ops that move elements: transposes, slices, concatenation, gathers, scatters, padding.
#include "compiler/Onnx/Importer.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::onnxfile;

/// Known elements moved: `source` says for each of the result's elements where it comes from, given its index.
static std::optional<Abstract> moveKnown(const Abstract &x, ArrayRef<int64_t> shape,
                                         llvm::function_ref<int64_t(ArrayRef<int64_t>)> source) {
  auto count = countElements(shape);
  if (!count)
    return std::nullopt;
  SmallVector<int64_t> index(shape.size(), 0), positions;
  for (int64_t i = 0; i < *count; ++i) {
    positions.push_back(source(index));
    for (size_t axis = shape.size(); axis-- > 0;) {
      if (++index[axis] < shape[axis])
        break;
      index[axis] = 0;
    }
  }
  return x.pick(shape, positions);
}

/// Of known elements; where there are none, strides mean nothing and may wrap.
static SmallVector<int64_t> getStrides(ArrayRef<int64_t> shape) {
  SmallVector<int64_t> strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;)
    strides[i - 1] = static_cast<int64_t>(uint64_t(strides[i]) * uint64_t(shape[i]));
  return strides;
}

static FailureOr<SmallVector<int64_t>> getPermutation(Node &node) {
  if (failed(node.expectInputs(1, 1)))
    return failure();
  auto rank = static_cast<int64_t>(node.getDims(0).size());
  SmallVector<int64_t> permutation;
  if (auto given = node.getInts("perm")) {
    permutation = *given;
    SmallVector<int64_t> sorted(permutation);
    llvm::sort(sorted);
    for (int64_t i = 0; i < rank || i < static_cast<int64_t>(sorted.size()); ++i)
      if (static_cast<int64_t>(sorted.size()) != rank || sorted[i] != i)
        return node.error() << "expected perm to be a permutation of " << rank << " axes";
  } else {
    for (int64_t i = rank; i-- > 0;)
      permutation.push_back(i);
  }
  return permutation;
}

static LogicalResult importTranspose(Node &node) {
  auto permutation = getPermutation(node);
  if (failed(permutation))
    return failure();
  if (const Abstract *x = node.getAbstract(0)) {
    SmallVector<int64_t> shape, strides = getStrides(x->shape);
    for (int64_t axis : *permutation)
      shape.push_back(x->shape[axis]);
    auto known = moveKnown(*x, shape, [&](ArrayRef<int64_t> index) {
      int64_t position = 0;
      for (auto [axis, i] : llvm::zip(*permutation, index))
        position += i * strides[axis];
      return position;
    });
    if (known)
      return node.set(std::move(*known));
  }
  if (llvm::is_sorted(*permutation))
    return node.forward(0);
  return node.set(node.transpose(node.get(0), *permutation));
}

static std::optional<Abstract> foldConcat(Node &node) {
  Abstract result;
  if (node.inputs.empty() || !node.has(0))
    return std::nullopt;
  auto rank = static_cast<int64_t>(node.getDims(0).size());
  int64_t axis = node.getInt("axis", 0);
  axis = axis < 0 ? axis + rank : axis;
  if (axis < 0 || axis >= rank)
    return std::nullopt;
  result.elementType = node.getElementType(0);
  result.shape = node.getAbstract(0)->shape;
  result.shape[axis] = 0;
  size_t total = 0;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    const Abstract *x = node.getAbstract(i);
    if (!x || x->elementType != result.elementType || static_cast<int64_t>(x->shape.size()) != rank)
      return std::nullopt;
    for (int64_t d = 0; d < rank; ++d)
      if (d != axis && x->shape[d] != result.shape[d])
        return std::nullopt;
    result.shape[axis] += x->shape[axis];
    total += x->size();
  }
  if (total > kMaxAbstract || !countElements(result.shape))
    return std::nullopt;
  if (total == 0)
    return result;
  int64_t outer = 1;
  for (int64_t i = 0; i < axis; ++i)
    outer *= result.shape[i];
  for (int64_t o = 0; o < outer; ++o)
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const Abstract &x = *node.getAbstract(i);
      size_t chunk = x.size() / outer;
      for (size_t e = o * chunk; e < (o + 1) * chunk; ++e)
        if (result.isReal())
          result.reals.push_back(x.reals[e]);
        else
          result.ints.push_back(x.ints[e]);
    }
  return result;
}

static LogicalResult importConcat(Node &node) {
  if (failed(node.expectInputs(1, SIZE_MAX)))
    return failure();
  auto axis = node.normalizeAxis(node.getInt("axis", 0), static_cast<int64_t>(node.getDims(0).size()));
  if (failed(axis))
    return failure();
  SmallVector<Value> values;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    // Empty vectors, as left by unused caches, take no part.
    bool isEmpty = node.has(i) && node.getDims(i).size() == 1 && node.getDims(i)[0] == Dim(0);
    if (isEmpty && node.inputs.size() > 1)
      continue;
    values.push_back(node.get(i));
  }
  if (values.empty())
    return node.forward(0);
  return node.set(node.concat(values, *axis));
}

static LogicalResult importSplit(Node &node) {
  if (failed(node.expectInputs(1, 2)))
    return failure();
  SmallVector<Dim> dims(node.getDims(0));
  auto axis = node.normalizeAxis(node.getInt("axis", 0), static_cast<int64_t>(dims.size()));
  if (failed(axis))
    return failure();
  SmallVector<Dim> sizes;
  auto count = static_cast<int64_t>(node.proto.output_size());
  if (node.has(1)) {
    auto given = node.getDimList(1, "the split");
    if (failed(given))
      return failure();
    sizes = *given;
  } else if (auto given = node.getInts("split")) {
    sizes.assign(given->begin(), given->end());
  } else {
    // Equal parts; the last is smaller if they don't divide.
    int64_t parts = node.getInt("num_outputs", count);
    if (parts != count || count == 0)
      return node.error() << "expected " << parts << " outputs, got " << count;
    Dim size = Dim::ceildiv(dims[*axis], parts);
    sizes.assign(count, size);
    sizes.back() = dims[*axis] - size * Dim(count - 1);
  }
  if (static_cast<int64_t>(sizes.size()) != count)
    return node.error() << "expected " << sizes.size() << " outputs, got " << count;
  Dim sum;
  for (const Dim &size : sizes) {
    auto range = node.symbols.bounds(size);
    if (range && range->max < 0)
      return node.error() << "expected parts of 0 or more elements, got " << size.str();
    sum = sum + size;
  }
  if (!node.require(sum, dims[*axis], "the sum of the parts and the dimension that is split"))
    return failure();
  SmallVector<Dim> starts(dims.size(), Dim(0));
  const Abstract *known = node.getAbstract(0);
  for (auto [i, size] : llvm::enumerate(sizes)) {
    auto start = starts[*axis].getConstant(), length = size.getConstant();
    if (known && start && length) {
      SmallVector<int64_t> shape(known->shape), strides = getStrides(known->shape);
      shape[*axis] = *length;
      auto part = moveKnown(*known, shape, [&](ArrayRef<int64_t> index) {
        int64_t position = *start * strides[*axis];
        for (auto [stride, at] : llvm::zip(strides, index))
          position += stride * at;
        return position;
      });
      if (part && succeeded(node.set(std::move(*part), i))) {
        starts[*axis] = starts[*axis] + size;
        continue;
      }
    }
    dims[*axis] = size;
    if (failed(node.set(node.slice(node.get(0), starts, dims), i)))
      return failure();
    starts[*axis] = starts[*axis] + size;
  }
  return success();
}

namespace {
struct SliceBounds {
  SmallVector<Dim> starts, dims;
  SmallVector<int64_t> steps;
};
// Bounds past this many elements mean "to the end", whatever the dimension is.
constexpr int64_t kHuge = 1 << 30;
} // namespace

/// A slice's bound as a position in [low, dimension + high], as numpy clamps it.
static FailureOr<Dim> clampBound(Node &node, const Dim &bound, const Dim &size, int64_t low, int64_t high) {
  auto constant = bound.getConstant();
  if (constant && *constant >= kHuge)
    return size + Dim(high);
  if (constant && *constant <= -kHuge)
    return Dim(low);
  auto range = node.symbols.bounds(bound);
  Dim position = bound;
  if (range && range->max <= 0 && range->min < 0) {
    // From the back. 0 would be from the front, which is the same place if the bound is the whole dimension.
    position = size + bound;
    if (range->max == 0 && position != Dim(0) &&
        !node.require(Dim::min(bound, -1), bound, "a slice's bound and itself or -1, the lesser"))
      return failure();
  } else if (!range || range->min < 0) { // its sign depends on symbols: it must not be negative
    if (!node.require(Dim::max(bound, 0), bound, "a slice's bound and itself or 0, the greater"))
      return failure();
  }
  return node.symbols.min(node.symbols.max(position, low), size + Dim(high));
}

static FailureOr<SliceBounds> getSlice(Node &node) {
  if (failed(node.expectInputs(3, 5)))
    return failure();
  SmallVector<Dim> dims(node.getDims(0));
  auto rank = static_cast<int64_t>(dims.size());
  auto starts = node.getDimList(1, "the starts"), ends = node.getDimList(2, "the ends");
  if (failed(starts) || failed(ends))
    return failure();
  SmallVector<int64_t> axes, steps(starts->size(), 1);
  if (node.has(3)) {
    auto given = node.getConstants(3, "the axes");
    if (failed(given))
      return failure();
    axes = *given;
  } else {
    for (size_t i = 0; i < starts->size(); ++i)
      axes.push_back(static_cast<int64_t>(i));
  }
  if (node.has(4)) {
    auto given = node.getConstants(4, "the steps");
    if (failed(given))
      return failure();
    steps = *given;
  }
  if (starts->size() != ends->size() || starts->size() != axes.size() || starts->size() != steps.size())
    return node.error() << "expected as many starts as ends, axes and steps";
  if (failed(node.normalizeAxes(axes, rank)))
    return failure();
  SliceBounds result{SmallVector<Dim>(rank, Dim(0)), dims, SmallVector<int64_t>(rank, 1)};
  for (size_t i = 0; i < axes.size(); ++i) {
    int64_t axis = axes[i] < 0 ? axes[i] + rank : axes[i], step = steps[i];
    if (step == 0 || step == INT64_MIN)
      return node.error() << "expected steps other than 0, got " << step;
    const Dim &size = dims[axis];
    auto start = clampBound(node, (*starts)[i], size, 0, step > 0 ? 0 : -1);
    // Towards the front, the end -1 (after counting from the back) is the place before the first element.
    auto end = clampBound(node, (*ends)[i], size, step > 0 ? 0 : -1, step > 0 ? 0 : -1);
    if (failed(start) || failed(end))
      return failure();
    Dim distance = step > 0 ? *end - *start : *start - *end;
    result.starts[axis] = *start;
    result.dims[axis] = node.symbols.max(Dim::ceildiv(distance, Dim(std::abs(step))), 0);
    result.steps[axis] = step;
  }
  return result;
}

static LogicalResult importSlice(Node &node) {
  auto bounds = getSlice(node);
  if (failed(bounds))
    return failure();
  if (const Abstract *x = node.getAbstract(0)) {
    SmallVector<int64_t> shape, strides = getStrides(x->shape), starts;
    for (auto [start, dim] : llvm::zip(bounds->starts, bounds->dims)) {
      starts.push_back(start.getConstant().value_or(-1));
      shape.push_back(start.isConstant() ? dim.getConstant().value_or(-1) : -1);
    }
    if (countElements(shape)) {
      auto known = moveKnown(*x, shape, [&](ArrayRef<int64_t> index) {
        int64_t position = 0;
        for (size_t d = 0; d < index.size(); ++d)
          position += (starts[d] + index[d] * bounds->steps[d]) * strides[d];
        return position;
      });
      if (known)
        return node.set(std::move(*known));
    }
  }
  return node.set(node.slice(node.get(0), bounds->starts, bounds->dims, bounds->steps));
}

/// Indices as tfm takes them.
static Value getIndices(Node &node, size_t input) {
  Value indices = node.get(input);
  if (!indices)
    return {};
  Type type = tfm::getElementType(indices);
  if (!type.isSignlessInteger(32) && !type.isSignlessInteger(64)) {
    node.error() << "expected indices of int32 or int64, got " << type;
    return {};
  }
  return indices;
}

static LogicalResult importGather(Node &node) {
  if (failed(node.expectInputs(2, 2)))
    return failure();
  ArrayRef<Dim> data = node.getDims(0), indices = node.getDims(1);
  auto axis = node.normalizeAxis(node.getInt("axis", 0), static_cast<int64_t>(data.size()));
  if (failed(axis))
    return failure();
  const Abstract *x = node.getAbstract(0), *at = node.getAbstract(1);
  auto constants = at ? at->getConstants() : std::nullopt;
  if (x && constants) {
    SmallVector<int64_t> shape(x->shape.begin(), x->shape.begin() + *axis), strides = getStrides(x->shape);
    shape.append(at->shape);
    shape.append(x->shape.begin() + *axis + 1, x->shape.end());
    for (int64_t &i : *constants) {
      if (i < -x->shape[*axis] || i >= x->shape[*axis])
        return node.error() << "expected an index in [" << -x->shape[*axis] << ", " << x->shape[*axis] << "), got "
                            << i;
      i = i < 0 ? i + x->shape[*axis] : i;
    }
    SmallVector<int64_t> indexStrides = getStrides(at->shape);
    auto known = moveKnown(*x, shape, [&](ArrayRef<int64_t> index) {
      int64_t position = 0, which = 0;
      for (int64_t d = 0; d < *axis; ++d)
        position += index[d] * strides[d];
      for (size_t d = 0; d < at->shape.size(); ++d)
        which += index[*axis + d] * indexStrides[d];
      position += (*constants)[which] * strides[*axis];
      for (size_t d = *axis + 1; d < x->shape.size(); ++d)
        position += index[d - 1 + at->shape.size()] * strides[d];
      return position;
    });
    if (known)
      return node.set(std::move(*known));
  }
  SmallVector<Dim> dims(data.take_front(*axis));
  dims.append(indices.begin(), indices.end());
  dims.append(data.begin() + *axis + 1, data.end());
  Value from = node.get(0), which = getIndices(node, 1);
  if (!from || !which)
    return failure();
  return node.set(tfm::GatherOp::create(node.builder, node.loc, tfm::getTensorType(dims, tfm::getElementType(from)),
                                        from, which, node.builder.getI64IntegerAttr(*axis)));
}

static LogicalResult importGatherElements(Node &node) {
  if (failed(node.expectInputs(2, 2)))
    return failure();
  ArrayRef<Dim> data = node.getDims(0), indices = node.getDims(1);
  auto axis = node.normalizeAxis(node.getInt("axis", 0), static_cast<int64_t>(data.size()));
  if (failed(axis))
    return failure();
  if (data.size() != indices.size())
    return node.error() << "expected data and indices of one rank, got " << data.size() << " and " << indices.size();
  Value from = node.get(0), which = getIndices(node, 1);
  if (!from || !which)
    return failure();
  return node.set(tfm::GatherElementsOp::create(node.builder, node.loc,
                                                tfm::getTensorType(indices, tfm::getElementType(from)), from, which,
                                                node.builder.getI64IntegerAttr(*axis)));
}

static LogicalResult importGatherNd(Node &node) {
  if (failed(node.expectInputs(2, 2)))
    return failure();
  SmallVector<Dim> data(node.getDims(0)), indices(node.getDims(1));
  int64_t batch = node.getInt("batch_dims", 0);
  auto length = indices.empty() ? std::nullopt : indices.back().getConstant();
  if (!length || *length < 1 || batch < 0 || batch >= static_cast<int64_t>(indices.size()) ||
      batch + *length > static_cast<int64_t>(data.size()))
    return node.error() << "expected index tuples of a static length that address data of rank " << data.size();
  if (!node.requireAll(ArrayRef(data).take_front(batch), ArrayRef(indices).take_front(batch), "batch dimensions"))
    return failure();
  SmallVector<Dim> dims(indices.begin(), indices.end() - 1);
  dims.append(data.begin() + batch + *length, data.end());
  Value from = node.get(0), which = getIndices(node, 1);
  if (!from || !which)
    return failure();
  return node.set(tfm::GatherNdOp::create(node.builder, node.loc, tfm::getTensorType(dims, tfm::getElementType(from)),
                                          from, which, node.builder.getI64IntegerAttr(batch)));
}

static FailureOr<tfm::AccumulateAttr> getReduction(Node &node) {
  StringRef name = node.getString("reduction", "none");
  auto kind = tfm::symbolizeAccumulate(name);
  if (!kind)
    return node.error() << "expected reduction to be none, add, mul, min or max, got '" << name << "'";
  return tfm::AccumulateAttr::get(node.builder.getContext(), *kind);
}

static LogicalResult importScatterElements(Node &node) {
  if (failed(node.expectInputs(3, 3)))
    return failure();
  auto rank = static_cast<int64_t>(node.getDims(0).size());
  auto axis = node.normalizeAxis(node.getInt("axis", 0), rank);
  auto kind = getReduction(node);
  if (failed(axis) || failed(kind))
    return failure();
  if (static_cast<int64_t>(node.getDims(1).size()) != rank ||
      !node.requireAll(node.getDims(1), node.getDims(2), "dimensions of indices and updates"))
    return static_cast<int64_t>(node.getDims(1).size()) != rank ? node.error()
                                                                      << "expected data and indices of one rank, got "
                                                                      << rank << " and " << node.getDims(1).size()
                                                                : failure();
  Value data = node.get(0), indices = getIndices(node, 1), updates = node.get(2);
  if (!indices || !node.sameType({data, updates}))
    return failure();
  return node.set(tfm::ScatterElementsOp::create(node.builder, node.loc, data.getType(), data, indices, updates,
                                                 node.builder.getI64IntegerAttr(*axis), *kind));
}

static LogicalResult importScatterNd(Node &node) {
  if (failed(node.expectInputs(3, 3)))
    return failure();
  auto kind = getReduction(node);
  if (failed(kind))
    return failure();
  SmallVector<Dim> data(node.getDims(0)), indices(node.getDims(1));
  auto length = indices.empty() ? std::nullopt : indices.back().getConstant();
  if (!length || *length < 1 || *length > static_cast<int64_t>(data.size()))
    return node.error() << "expected index tuples of a static length that address data of rank " << data.size();
  SmallVector<Dim> dims(indices.begin(), indices.end() - 1);
  dims.append(data.begin() + *length, data.end());
  if (!node.requireAll(dims, node.getDims(2), "dimensions of indices and updates"))
    return failure();
  Value from = node.get(0), which = getIndices(node, 1), updates = node.get(2);
  if (!which || !node.sameType({from, updates}))
    return failure();
  return node.set(tfm::ScatterNdOp::create(node.builder, node.loc, from.getType(), from, which,
                                           node.reshape(updates, dims), *kind));
}

static LogicalResult importPad(Node &node) {
  if (failed(node.expectInputs(2, 4)))
    return failure();
  StringRef mode = node.getString("mode", "constant");
  SmallVector<Dim> dims(node.getDims(0));
  auto rank = static_cast<int64_t>(dims.size());
  auto pads = node.getDimList(1, "the pads");
  if (failed(pads))
    return failure();
  SmallVector<int64_t> axes;
  if (node.has(3)) {
    auto given = node.getConstants(3, "the axes");
    if (failed(given) || failed(node.normalizeAxes(*given, rank)))
      return failure();
    for (int64_t axis : *given)
      axes.push_back(axis < 0 ? axis + rank : axis);
  } else {
    for (int64_t i = 0; i < rank; ++i)
      axes.push_back(i);
  }
  if (pads->size() != 2 * axes.size())
    return node.error() << "expected " << 2 * axes.size() << " pads, got " << pads->size();
  Value x = node.get(0);
  if (!x)
    return failure();
  SmallVector<Dim> low(rank, Dim(0)), high(rank, Dim(0));
  bool isCrop = false;
  for (auto [i, axis] : llvm::enumerate(axes)) {
    low[axis] = (*pads)[i];
    high[axis] = (*pads)[i + axes.size()];
    for (const Dim &pad : {low[axis], high[axis]}) {
      auto range = node.symbols.bounds(pad);
      if (!range || (range->min < 0 && range->max >= 0))
        return node.error() << "expected pads of a known sign, got " << pad.str();
      isCrop |= range->max < 0;
    }
  }
  auto isNegative = [&](const Dim &dim) { return *node.symbols.isLess(dim, 0); };
  if (isCrop) {
    // Negative pads remove elements first.
    SmallVector<Dim> starts(rank, Dim(0)), cropped(dims);
    for (int64_t i = 0; i < rank; ++i) {
      if (isNegative(low[i])) {
        starts[i] = Dim(0) - low[i];
        cropped[i] = cropped[i] + low[i];
        low[i] = 0;
      }
      if (isNegative(high[i])) {
        cropped[i] = cropped[i] + high[i];
        high[i] = 0;
      }
    }
    x = node.slice(x, starts, cropped);
    dims = cropped;
  }
  auto isZero = [](const Dim &dim) { return dim == Dim(0); };
  if (mode == "edge" || mode == "reflect" || mode == "wrap") {
    // Pieces of the input around it, an axis at a time.
    for (int64_t axis = 0; axis < rank; ++axis) {
      if (isZero(low[axis]) && isZero(high[axis]))
        continue;
      SmallVector<Dim> from = tfm::getDims(x), starts(rank, Dim(0)), part;
      SmallVector<int64_t> steps(rank, 1);
      const Dim size = from[axis];
      bool isEdge = mode == "edge", isWrap = mode == "wrap";
      auto piece = [&](const Dim &start, const Dim &length) {
        starts[axis] = start;
        part = from;
        part[axis] = isEdge ? Dim(1) : length;
        steps[axis] = isEdge || isWrap ? 1 : -1;
        Value value = node.slice(x, starts, part, steps);
        if (isEdge) {
          part[axis] = length;
          value = node.expand(value, part);
        }
        return value;
      };
      Dim limit = isWrap ? size : size - Dim(1);
      for (const Dim &pad : {low[axis], high[axis]})
        if (!isEdge && !isZero(pad) &&
            !node.require(node.symbols.min(pad, limit), pad, "a pad and what the input can fill"))
          return failure();
      SmallVector<Value> pieces;
      if (!isZero(low[axis]))
        pieces.push_back(piece(isEdge ? Dim(0) : isWrap ? size - low[axis] : low[axis], low[axis]));
      pieces.push_back(x);
      if (!isZero(high[axis]))
        pieces.push_back(piece(isEdge ? size - Dim(1) : isWrap ? Dim(0) : size - Dim(2), high[axis]));
      x = node.concat(pieces, axis);
      if (!x)
        return failure();
    }
    return node.set(x);
  }
  if (mode != "constant")
    return node.error() << "expected mode to be constant, edge, reflect or wrap, got '" << mode << "'";
  Type type = tfm::getElementType(x);
  Value value = node.has(2) ? node.reshape(node.get(2), {}) : node.scalar(0, type);
  if (!node.sameType({x, value}))
    return failure();
  for (int64_t i = 0; i < rank; ++i)
    dims[i] = dims[i] + low[i] + high[i];
  auto *context = node.builder.getContext();
  return node.set(tfm::PadOp::create(node.builder, node.loc, tfm::getTensorType(dims, type), x, value,
                                     tfm::DimsAttr::get(context, low), tfm::DimsAttr::get(context, high)));
}

/// An axis [n] repeated r times is [1, n] expanded to [r, n] and joined.
static LogicalResult importTile(Node &node) {
  if (failed(node.expectInputs(2, 2)))
    return failure();
  auto repeats = node.getDimList(1, "the repeats");
  if (failed(repeats))
    return failure();
  ArrayRef<Dim> dims = node.getDims(0);
  if (repeats->size() != dims.size())
    return node.error() << "expected " << dims.size() << " repeats, got " << repeats->size();
  SmallVector<int64_t> shape;
  for (auto [dim, repeat] : llvm::zip(dims, *repeats))
    shape.push_back((dim * repeat).getConstant().value_or(-1));
  if (const Abstract *x = node.getAbstract(0)) {
    SmallVector<int64_t> strides = getStrides(x->shape);
    if (countElements(shape))
      if (auto known = moveKnown(*x, shape, [&](ArrayRef<int64_t> index) {
            int64_t position = 0;
            for (size_t d = 0; d < index.size(); ++d)
              position += index[d] % x->shape[d] * strides[d];
            return position;
          }))
        return node.set(std::move(*known));
  }
  SmallVector<Dim> split, expanded, joined;
  for (auto [dim, repeat] : llvm::zip(dims, *repeats)) {
    if (repeat != Dim(1)) {
      split.push_back(Dim(1));
      expanded.push_back(repeat);
    }
    split.push_back(dim);
    expanded.push_back(dim);
    joined.push_back(dim * repeat);
  }
  return node.set(node.reshape(node.expand(node.reshape(node.get(0), split), expanded), joined));
}

/// Elements on one side of a diagonal, by comparing row and column numbers.
static LogicalResult importTrilu(Node &node) {
  if (failed(node.expectInputs(1, 2)))
    return failure();
  SmallVector<Dim> dims(node.getDims(0));
  if (dims.size() < 2)
    return node.error() << "expected an input of rank 2 or more, got " << dims.size();
  // A diagonal that isn't known is added to the row numbers at run time.
  Dim offset;
  Value diagonal;
  if (const Abstract *k = node.getAbstract(1)) {
    if (k->size() != 1 || k->isReal())
      return node.error() << "expected one diagonal, got " << k->size();
    offset = k->ints.front();
  } else if (node.has(1)) {
    diagonal = node.cast(node.get(1), node.i64());
    if (!diagonal ||
        !node.requireAll({Dim::product(tfm::getDims(diagonal))}, {Dim(1)}, "the number of diagonals and 1"))
      return failure();
  }
  Dim rows = dims[dims.size() - 2], columns = dims.back();
  auto iota = [&](const Dim &start, const Dim &count) -> Value {
    return tfm::IotaOp::create(node.builder, node.loc, tfm::getTensorType({count}, node.i64()),
                               tfm::DimsAttr::get(node.builder.getContext(), {start}), 1);
  };
  Value row = node.reshape(iota(offset, rows), {rows, Dim(1)}), column = iota(0, columns);
  if (diagonal)
    row = node.binary<tfm::AddOp>(row, node.reshape(diagonal, {}));
  auto side = node.getInt("upper", 1) ? tfm::Predicate::ge : tfm::Predicate::le;
  Value x = node.get(0);
  if (!x)
    return failure();
  Value zero = node.scalar(0, tfm::getElementType(x));
  return node.set(node.select(node.compare(side, column, row), x, zero));
}

/// on where the index (negative ones from the back) equals the position along a new axis.
static LogicalResult importOneHot(Node &node) {
  if (failed(node.expectInputs(3, 3)))
    return failure();
  const Abstract *count = node.getAbstract(1);
  if (!count || count->size() != 1)
    return node.error() << "expected the depth to follow from the inputs' dimensions";
  Dim depth = count->isReal() ? Dim(static_cast<int64_t>(std::clamp(count->reals[0], 0.0, 1e9))) : count->ints[0];
  SmallVector<Dim> dims(node.getDims(0));
  auto axis = node.normalizeAxis(node.getInt("axis", -1), static_cast<int64_t>(dims.size()) + 1);
  if (failed(axis))
    return failure();
  dims.insert(dims.begin() + *axis, Dim(1));
  Value indices = node.reshape(node.cast(node.get(0), node.i64()), dims), values = node.get(2);
  if (!indices || !values)
    return failure();
  if (tfm::getDims(values) != SmallVector<Dim>{Dim(2)})
    return node.error() << "expected values of 2 elements, got " << values.getType();
  auto *context = node.builder.getContext();
  auto extent = tfm::ExtentOp::create(node.builder, node.loc, tfm::getTensorType({}, node.i64()),
                                      tfm::DimsAttr::get(context, {depth}));
  Value wrapped = node.select(node.compare(tfm::Predicate::lt, indices, node.scalar(0, node.i64())),
                              node.binary<tfm::AddOp>(indices, extent), indices);
  SmallVector<Dim> along(dims.size(), Dim(1));
  along[*axis] = depth;
  Value position = tfm::IotaOp::create(node.builder, node.loc, tfm::getTensorType({depth}, node.i64()),
                                       tfm::DimsAttr::get(context, {Dim(0)}), 1);
  Value isHot = node.compare(tfm::Predicate::eq, wrapped, node.reshape(position, along));
  auto pick = [&](int64_t i) { return node.reshape(node.slice(values, {Dim(i)}, {Dim(1)}), {}); };
  return node.set(node.select(isHot, pick(1), pick(0)));
}

static LogicalResult importEyeLike(Node &node) {
  if (failed(node.expectInputs(1, 1)))
    return failure();
  ArrayRef<Dim> dims = node.getDims(0);
  if (dims.size() != 2)
    return node.error() << "expected an input of rank 2, got " << dims.size();
  auto dataType = static_cast<int32_t>(node.getInt("dtype", 0));
  Type type = dataType ? onnxfile::getElementType(node.builder.getContext(), dataType) : node.getElementType(0);
  if (!type)
    return node.error() << "conversion to " << getTypeName(dataType) << " is not supported";
  auto iota = [&](const Dim &start, const Dim &count) -> Value {
    return tfm::IotaOp::create(node.builder, node.loc, tfm::getTensorType({count}, node.i64()),
                               tfm::DimsAttr::get(node.builder.getContext(), {start}), 1);
  };
  Value row = node.reshape(iota(node.getInt("k", 0), dims[0]), {dims[0], Dim(1)}), column = iota(0, dims[1]);
  return node.set(node.cast(node.compare(tfm::Predicate::eq, row, column), type));
}

/// Blocks of pixels to channels and back, as the reshapes and transposes of the ONNX specification.
static LogicalResult importDepthSpace(Node &node) {
  if (failed(node.expectInputs(1, 1)))
    return failure();
  SmallVector<Dim> d(node.getDims(0));
  int64_t block = node.getInt("blocksize", 0);
  if (d.size() != 4 || block < 1 || block > kHuge)
    return node.error() << "expected an input of rank 4 and a blocksize of 1 or more, got rank " << d.size() << " and "
                        << block;
  Dim b(block);
  if (node.opType() == "SpaceToDepth") {
    Dim h = Dim::floordiv(d[2], b), w = Dim::floordiv(d[3], b);
    if (!node.require(h * b, d[2], "a dimension and a multiple of blocksize") ||
        !node.require(w * b, d[3], "a dimension and a multiple of blocksize"))
      return failure();
    Value split = node.transpose(node.reshape(node.get(0), {d[0], d[1], h, b, w, b}), {0, 3, 5, 1, 2, 4});
    return node.set(node.reshape(split, {d[0], d[1] * b * b, h, w}));
  }
  Dim c = Dim::floordiv(d[1], b * b);
  if (!node.require(c * b * b, d[1], "the channels and a multiple of the squared blocksize"))
    return failure();
  bool isDepthFirst = node.getString("mode", "DCR") == "DCR";
  Value split = isDepthFirst
                    ? node.transpose(node.reshape(node.get(0), {d[0], b, b, c, d[2], d[3]}), {0, 3, 4, 1, 5, 2})
                    : node.transpose(node.reshape(node.get(0), {d[0], c, b, b, d[2], d[3]}), {0, 1, 4, 2, 5, 3});
  return node.set(node.reshape(split, {d[0], c, d[2] * b, d[3] * b}));
}

static LogicalResult importDataDependent(Node &node) {
  return node.error() << "its result's shape depends on the input's data, which is not supported; hint: export the "
                         "model without it, or cut the graph before it";
}

ArrayRef<OpEntry> lathe::onnxfile::getDataOps() {
  static const OpEntry ops[] = {
      {"Transpose", importTranspose},
      {"Concat", importConcat, foldConcat, 4},
      {"Split", importSplit, nullptr, 2},
      {"Slice", importSlice, nullptr, 10},
      {"Gather", importGather},
      {"GatherElements", importGatherElements},
      {"GatherND", importGatherNd},
      {"ScatterElements", importScatterElements},
      {"Scatter", importScatterElements, nullptr, 9},
      {"ScatterND", importScatterNd},
      {"Pad", importPad, nullptr, 11},
      {"Tile", importTile, nullptr, 6},
      {"Trilu", importTrilu},
      {"OneHot", importOneHot},
      {"EyeLike", importEyeLike},
      {"DepthToSpace", importDepthSpace},
      {"SpaceToDepth", importDepthSpace},
      {"NonZero", importDataDependent},
      {"Unique", importDataDependent},
      {"Compress", importDataDependent},
      {"NonMaxSuppression", importDataDependent},
  };
  return ops;
}
