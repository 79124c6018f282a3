// ONNX ops at the level of layers: matrix products, convolution, normalization, attention, rotary embedding.
#include "compiler/Onnx/Importer.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::onnxfile;

static LogicalResult expectFloat(Node &node, size_t index) {
  if (!isa<FloatType>(node.getElementType(index)))
    return node.error() << "expected input " << index << " to be float, got " << node.getElementType(index);
  return success();
}

static LogicalResult importMatMul(Node &node) {
  if (failed(node.expectInputs(2, 2)))
    return failure();
  Type type = node.getElementType(0);
  if (!isa<FloatType>(type) && !type.isSignlessInteger(32))
    return node.error() << "expected float or int32 inputs, got " << type;
  return node.set(node.matmul(node.get(0), node.get(1)));
}

/// alpha * A' B' + beta * C; a linear layer where that is all there is.
static LogicalResult importGemm(Node &node) {
  if (failed(node.expectInputs(2, 3)) || failed(expectFloat(node, 0)))
    return failure();
  SmallVector<Dim> a(node.getDims(0)), b(node.getDims(1));
  if (a.size() != 2 || b.size() != 2)
    return node.error() << "expected matrices, got ranks " << a.size() << " and " << b.size();
  bool transA = node.getInt("transA", 0), transB = node.getInt("transB", 0);
  double alpha = node.getFloat("alpha", 1), beta = node.getFloat("beta", 1);
  Dim columns = b[transB ? 0 : 1];
  if (!node.require(a[transA ? 0 : 1], b[transB ? 1 : 0], "the dimensions that are summed over"))
    return failure();
  b[transB ? 1 : 0] = a[transA ? 0 : 1];
  Value x = node.get(0), w = node.reshape(node.get(1), b), c = beta == 0 ? Value() : node.getOptional(2);
  if (!node.sameType({x, w}) || (beta != 0 && node.has(2) && !node.sameType({x, c})))
    return failure();
  if (transA)
    x = node.transpose(x, {1, 0});
  SmallVector<Dim> dims{tfm::getDims(x)[0], columns};
  auto type = tfm::getTensorType(dims, tfm::getElementType(x));
  bool isBias = c && beta == 1 && tfm::getDims(c) == SmallVector<Dim>{columns};
  UnitAttr flag = transB ? node.builder.getUnitAttr() : UnitAttr();
  if (alpha == 1 && (isBias || !c))
    return node.set(
        tfm::LinearOp::create(node.builder, node.loc, type, x, w, c, flag, tfm::PrecisionAttr(), Attribute()));
  Value product =
      tfm::LinearOp::create(node.builder, node.loc, type, x, w, Value(), flag, tfm::PrecisionAttr(), Attribute());
  if (alpha != 1)
    product = node.binary<tfm::MulOp>(product, node.scalar(alpha, tfm::getElementType(x)));
  if (c && beta != 1)
    c = node.binary<tfm::MulOp>(c, node.scalar(beta, tfm::getElementType(x)));
  return node.set(c ? node.binary<tfm::AddOp>(product, c) : product);
}

static LogicalResult importConv(Node &node) {
  if (failed(node.expectInputs(2, 3)) || failed(expectFloat(node, 0)))
    return failure();
  SmallVector<Dim> x(node.getDims(0)), w(node.getDims(1));
  if (x.size() < 3 || w.size() != x.size())
    return node.error() << "expected an input and a kernel of one rank, 3 or more, got " << x.size() << " and "
                        << w.size();
  size_t n = x.size() - 2;
  SmallVector<int64_t> ones(n, 1), zeros(2 * n, 0);
  SmallVector<int64_t> strides = node.getInts("strides").value_or(ones);
  SmallVector<int64_t> dilations = node.getInts("dilations").value_or(ones);
  SmallVector<int64_t> pads = node.getInts("pads").value_or(zeros);
  int64_t groups = node.getInt("group", 1);
  auto isBad = [](int64_t value) { return value < 1 || value > INT32_MAX; };
  if (strides.size() != n || dilations.size() != n || pads.size() != 2 * n || llvm::any_of(strides, isBad) ||
      llvm::any_of(dilations, isBad) || isBad(groups) ||
      llvm::any_of(pads, [](int64_t pad) { return pad < 0 || pad > INT32_MAX; }))
    return node.error() << "expected strides, dilations and pads for " << n << " dimensions, and a group of 1 or more";
  if (auto kernel = node.getInts("kernel_shape")) {
    if (kernel->size() != n)
      return node.error() << "expected a kernel_shape of " << n << " dimensions, got " << kernel->size();
    for (size_t i = 0; i < n; ++i)
      if (!node.require(w[i + 2], (*kernel)[i], "kernel_shape and the kernel's dimensions"))
        return failure();
  }
  StringRef autoPad = node.getString("auto_pad", "NOTSET");
  SmallVector<Dim> dims{x[0], w[0]};
  for (size_t i = 0; i < n; ++i) {
    Dim window = (w[i + 2] - Dim(1)) * Dim(dilations[i]) + Dim(1);
    if (autoPad == "SAME_UPPER" || autoPad == "SAME_LOWER") {
      Dim outputs = Dim::ceildiv(x[i + 2], strides[i]);
      Dim missing = node.symbols.max((outputs - Dim(1)) * Dim(strides[i]) + window - x[i + 2], 0);
      auto total = missing.getConstant();
      if (!total)
        return node.error() << "auto_pad " << autoPad << " needs pads that depend on " << x[i + 2].str()
                            << "; hint: fix that dimension, or export the model with pads";
      int64_t less = *total / 2, more = *total - less;
      pads[i] = autoPad == "SAME_UPPER" ? less : more;
      pads[i + n] = *total - pads[i];
    } else if (autoPad == "VALID") {
      pads[i] = pads[i + n] = 0;
    } else if (autoPad != "NOTSET") {
      return node.error() << "expected auto_pad to be NOTSET, VALID, SAME_UPPER or SAME_LOWER, got '" << autoPad << "'";
    }
    Dim free = x[i + 2] + Dim(pads[i]) + Dim(pads[i + n]) - window;
    auto range = node.symbols.bounds(free);
    if (range && range->max < 0)
      return node.error() << "the kernel, " << window.str() << " wide, is larger than the padded dimension " << i + 2;
    dims.push_back(Dim::floordiv(free, strides[i]) + Dim(1));
  }
  auto channels = x[1].exactDiv(groups), filters = w[0].exactDiv(groups);
  if (!channels || !filters)
    return node.error() << "expected " << groups << " groups to divide " << x[1].str() << " channels and " << w[0].str()
                        << " filters";
  if (!node.require(*channels, w[1], "the channels of the input and the kernel"))
    return failure();
  Value input = node.get(0), kernel = node.get(1), bias = node.getOptional(2);
  if (!node.sameType({input, kernel}) || (node.has(2) && !node.sameType({input, bias})))
    return failure();
  if (bias && !node.requireAll(tfm::getDims(bias), {w[0]}, "the bias and the filters"))
    return failure();
  return node.set(tfm::ConvOp::create(
      node.builder, node.loc, tfm::getTensorType(dims, tfm::getElementType(input)), input, kernel, bias,
      node.builder.getDenseI64ArrayAttr(strides), node.builder.getDenseI64ArrayAttr(pads),
      node.builder.getDenseI64ArrayAttr(dilations), node.builder.getI64IntegerAttr(groups), tfm::PrecisionAttr()));
}

Value lathe::onnxfile::buildLayerNorm(Node &node, Value x, Value gain, Value bias, double epsilon, bool isRms,
                                      int64_t axis) {
  if (!x)
    return {};
  SmallVector<Dim> dims = tfm::getDims(x), rows(ArrayRef(dims).take_front(axis)),
                   columns(ArrayRef(dims).drop_front(axis));
  Type type = tfm::getElementType(x);
  Dim width = Dim::product(columns);
  rows.push_back(width);
  auto vector = [&](Value value) -> Value {
    if (!value)
      return {};
    auto fits = node.broadcast({tfm::getDims(value), columns});
    if (failed(fits))
      return {};
    if (*fits != columns) {
      node.error() << "expected a scale and bias that broadcast to the normalized dimensions, got " << value.getType();
      return {};
    }
    return node.reshape(node.expand(node.cast(value, type), columns), {width});
  };
  Value flat = node.reshape(x, rows), g = vector(gain), b = vector(bias);
  if ((gain && !g) || (bias && !b))
    return {};
  auto eps = node.builder.getF64FloatAttr(epsilon);
  if (!isRms)
    return node.reshape(tfm::LayerNormOp::create(node.builder, node.loc, flat.getType(), flat, g, b, eps), dims);
  Value result = tfm::RmsNormOp::create(node.builder, node.loc, flat.getType(), flat, g, eps);
  return node.reshape(b ? node.binary<tfm::AddOp>(result, b) : result, dims);
}

/// The second and third outputs of normalizations: the mean, and 1/sqrt(variance + epsilon), in float32.
static LogicalResult setNormStatistics(Node &node, Value x, double epsilon, int64_t axis, bool isRms) {
  size_t scaleOutput = isRms ? 1 : 2;
  if (!node.isUsed(1) && !node.isUsed(2))
    return success();
  SmallVector<int64_t> axes;
  for (auto i = axis; i < static_cast<int64_t>(tfm::getDims(x).size()); ++i)
    axes.push_back(i);
  Value wide = isa<Float64Type>(tfm::getElementType(x)) ? x : node.cast(x, node.f32());
  if (!isRms) {
    Value mean = node.reduce<tfm::ReduceMeanOp>(wide, axes, true);
    if (node.isUsed(1) && failed(node.set(mean, 1)))
      return failure();
    wide = node.binary<tfm::SubOp>(wide, mean);
  }
  if (!node.isUsed(scaleOutput))
    return success();
  Value variance = node.reduce<tfm::ReduceMeanOp>(node.binary<tfm::MulOp>(wide, wide), axes, true);
  Value shifted = node.binary<tfm::AddOp>(variance, node.scalar(epsilon, tfm::getElementType(wide)));
  return node.set(node.unary<tfm::RsqrtOp>(shifted), scaleOutput);
}

static LogicalResult importLayerNorm(Node &node) {
  bool isRms = node.opType() != "LayerNormalization";
  if (failed(node.expectInputs(2, isRms ? 2 : 3)) || failed(expectFloat(node, 0)))
    return failure();
  auto axis = node.normalizeAxis(node.getInt("axis", -1), static_cast<int64_t>(node.getDims(0).size()));
  Value x = node.get(0), gain = node.get(1), bias = node.getOptional(2);
  if (failed(axis) || !x || !gain || (node.has(2) && !bias))
    return failure();
  double epsilon = node.getFloat("epsilon", 1e-5f);
  if (failed(node.set(buildLayerNorm(node, x, gain, bias, epsilon, isRms, *axis))))
    return failure();
  return setNormStatistics(node, x, epsilon, *axis, isRms);
}

/// Inference only: a scale and a shift per channel.
static LogicalResult importBatchNorm(Node &node) {
  if (failed(node.expectInputs(5, 5)) || failed(expectFloat(node, 0)))
    return failure();
  if (node.getInt("training_mode", 0) || node.isUsed(1))
    return node.error() << "expected inference mode; hint: export the model for inference";
  Value x = node.get(0);
  size_t rank = node.getDims(0).size();
  if (!x || rank < 2)
    return x ? node.error() << "expected an input of rank 2 or more, got " << rank : failure();
  Type type = tfm::getElementType(x);
  auto channel = [&](size_t input) -> Value {
    Value value = node.cast(node.get(input), type);
    SmallVector<Dim> dims(rank - 1, Dim(1));
    if (!value || !node.requireAll(tfm::getDims(value), {node.getDims(0)[1]}, "channels"))
      return {};
    dims[0] = node.getDims(0)[1];
    return node.reshape(value, dims);
  };
  Value variance = node.binary<tfm::AddOp>(channel(4), node.scalar(node.getFloat("epsilon", 1e-5f), type));
  Value scale = node.binary<tfm::MulOp>(channel(1), node.unary<tfm::RsqrtOp>(variance));
  Value centred = node.binary<tfm::SubOp>(x, channel(3));
  return node.set(node.binary<tfm::AddOp>(node.binary<tfm::MulOp>(centred, scale), channel(2)));
}

/// The mean and variance of each row and channel.
static LogicalResult importInstanceNorm(Node &node) {
  if (failed(node.expectInputs(3, 3)) || failed(expectFloat(node, 0)))
    return failure();
  SmallVector<Dim> dims(node.getDims(0));
  Value x = node.get(0), gain = node.get(1), bias = node.get(2);
  if (!node.sameType({x, gain, bias}))
    return failure();
  if (dims.size() < 3)
    return node.error() << "expected an input of rank 3 or more, got " << dims.size();
  SmallVector<Dim> channels(dims.size() - 1, Dim(1));
  channels[0] = dims[1];
  for (Value vector : {gain, bias})
    if (!node.requireAll(tfm::getDims(vector), {dims[1]}, "channels"))
      return failure();
  Value normal = buildLayerNorm(node, x, Value(), Value(), node.getFloat("epsilon", 1e-5f), /*isRms=*/false, 2);
  Value scaled = node.binary<tfm::MulOp>(normal, node.reshape(gain, channels));
  return node.set(node.binary<tfm::AddOp>(scaled, node.reshape(bias, channels)));
}

/// x / max(norm, ...) along an axis, p = 1 or 2.
static LogicalResult importLpNorm(Node &node) {
  if (failed(node.expectInputs(1, 1)) || failed(expectFloat(node, 0)))
    return failure();
  auto axis = node.normalizeAxis(node.getInt("axis", -1), static_cast<int64_t>(node.getDims(0).size()));
  Value x = node.get(0);
  int64_t p = node.getInt("p", 2);
  if (failed(axis) || !x)
    return failure();
  if (p != 1 && p != 2)
    return node.error() << "expected p to be 1 or 2, got " << p;
  Value norm =
      p == 1 ? node.reduce<tfm::ReduceSumOp>(node.unary<tfm::AbsOp>(x), {*axis}, true)
             : node.unary<tfm::SqrtOp>(node.reduce<tfm::ReduceSumOp>(node.binary<tfm::MulOp>(x, x), {*axis}, true));
  return node.set(node.binary<tfm::DivOp>(x, norm));
}

Value lathe::onnxfile::buildAttention(Node &node, const AttentionParts &parts) {
  if (!node.sameType({parts.query, parts.key, parts.value}))
    return {};
  SmallVector<Dim> q = tfm::getDims(parts.query), k = tfm::getDims(parts.key), v = tfm::getDims(parts.value);
  if (q.size() != 3 || k.size() != 3 || v.size() != 3) {
    node.error() << "expected query, key and value of rank 3, got " << q.size() << ", " << k.size() << " and "
                 << v.size();
    return {};
  }
  auto headDim = q[2].exactDiv(parts.heads), keyDim = k[2].exactDiv(parts.kvHeads),
       valueDim = v[2].exactDiv(parts.kvHeads);
  if (!headDim || !keyDim || !valueDim || parts.heads % parts.kvHeads != 0) {
    node.error() << "expected " << parts.heads << " heads and " << parts.kvHeads
                 << " key-value heads to divide the widths " << q[2].str() << ", " << k[2].str() << " and "
                 << v[2].str();
    return {};
  }
  if (!node.require(q[0], k[0], "batches of query and key") || !node.require(k[0], v[0], "batches of key and value") ||
      !node.require(k[1], v[1], "lengths of key and value") ||
      !node.require(*headDim, *keyDim, "widths of a head of query and key"))
    return {};
  Value query = parts.query, key = node.reshape(parts.key, {q[0], k[1], k[2]});
  Value value = node.reshape(parts.value, {q[0], k[1], v[2]});
  Value bias = parts.bias;
  if (bias) {
    SmallVector<Dim> scores{q[0], Dim(parts.heads), q[1], k[1]};
    auto dims = node.broadcast({tfm::getDims(bias), scores});
    if (failed(dims))
      return {};
    if (dims->size() != 4 || *dims != scores) {
      node.error() << "expected a mask that broadcasts to the scores, got " << bias.getType();
      return {};
    }
    bias = node.cast(bias, tfm::getElementType(query));
  }
  double scale = parts.scale;
  if (scale == 0) {
    auto width = headDim->getConstant();
    if (!width || *width < 1) {
      node.error() << "expected heads of a static width, got " << headDim->str();
      return {};
    }
    scale = 1 / std::sqrt(static_cast<double>(*width));
  }
  OpBuilder &b = node.builder;
  auto result = tfm::getTensorType({q[0], q[1], *valueDim * Dim(parts.heads)}, tfm::getElementType(query));
  return tfm::AttentionOp::create(
      b, node.loc, result, query, key, value, bias, parts.padding, b.getI64IntegerAttr(parts.heads),
      b.getI64IntegerAttr(parts.kvHeads), b.getF64FloatAttr(scale), parts.offset ? b.getUnitAttr() : UnitAttr(),
      parts.offset ? tfm::DimsAttr::get(b.getContext(), {*parts.offset}) : tfm::DimsAttr(), IntegerAttr(),
      b.getF64FloatAttr(parts.softcap), tfm::MaskedRowAttr::get(b.getContext(), parts.maskedRow), tfm::PrecisionAttr());
}

/// [B, heads, S, D] as [B, S, heads*D].
static Value joinHeads(Node &node, Value x) {
  if (!x)
    return {};
  SmallVector<Dim> d = tfm::getDims(x);
  return node.reshape(node.transpose(x, {0, 2, 1, 3}), {d[0], d[2], d[1] * d[3]});
}

/// [B, S, heads*D] as [B, heads, S, D].
static Value splitHeads(Node &node, Value x, int64_t heads) {
  if (!x)
    return {};
  SmallVector<Dim> d = tfm::getDims(x);
  auto width = d[2].exactDiv(heads);
  if (!width) {
    node.error() << "expected " << heads << " heads to divide the width " << d[2].str();
    return {};
  }
  return node.transpose(node.reshape(x, {d[0], d[1], Dim(heads), *width}), {0, 2, 1, 3});
}

/// A boolean mask says which scores count; tfm.attention's sets don't hold any such mask, so the ops are spelled out.
/// Rows that see nothing give 0.
static Value buildMaskedAttention(Node &node, Value q, Value k, Value v, Value mask, double scale, double softcap) {
  SmallVector<Dim> dims = tfm::getDims(q), keys = tfm::getDims(k);
  auto groups = dims[1].exactDiv(keys[1]);
  auto width = dims[3].getConstant();
  if (!groups || !width || *width < 1) {
    node.error() << "expected heads of a static width and number, got " << q.getType() << " and " << k.getType();
    return {};
  }
  if (*groups != Dim(1))
    for (Value *value : {&k, &v}) {
      SmallVector<Dim> d = tfm::getDims(*value);
      Value spread =
          node.expand(node.reshape(*value, {d[0], d[1], Dim(1), d[2], d[3]}), {d[0], d[1], *groups, d[2], d[3]});
      *value = node.reshape(spread, {d[0], d[1] * *groups, d[2], d[3]});
    }
  Type type = tfm::getElementType(q);
  if (scale == 0)
    scale = 1 / std::sqrt(static_cast<double>(*width));
  Value scores = node.matmul(q, node.transpose(k, {0, 1, 3, 2}));
  scores = node.binary<tfm::MulOp>(scores, node.scalar(scale, type));
  if (softcap > 0)
    scores =
        node.binary<tfm::MulOp>(node.unary<tfm::TanhOp>(node.binary<tfm::DivOp>(scores, node.scalar(softcap, type))),
                                node.scalar(softcap, type));
  Value seen = node.select(mask, scores, node.scalar(-INFINITY, type));
  if (!seen)
    return {};
  Value weights =
      tfm::SoftmaxOp::create(node.builder, node.loc, seen.getType(), seen, node.builder.getI64IntegerAttr(3));
  Value isNan = node.elementwise<tfm::IsNanOp>({weights}, node.i1());
  return node.matmul(node.select(isNan, node.scalar(0, type), weights), v);
}

static LogicalResult importAttention(Node &node) {
  if (failed(node.expectInputs(3, 7)) || failed(expectFloat(node, 0)))
    return failure();
  if (node.has(6))
    return node.error() << "nonpad_kv_seqlen is not supported; hint: give the padding as attn_mask";
  if (node.isUsed(3))
    return node.error() << "the output qk_matmul_output is not supported";
  Value q = node.get(0), k = node.get(1), v = node.get(2);
  if (!node.sameType({q, k, v}))
    return failure();
  size_t rank = node.getDims(0).size();
  if ((rank != 3 && rank != 4) || node.getDims(1).size() != rank || node.getDims(2).size() != rank)
    return node.error() << "expected query, key and value of rank 3 or 4, got " << rank << ", "
                        << node.getDims(1).size() << " and " << node.getDims(2).size();
  int64_t heads, kvHeads;
  if (rank == 4) {
    heads = node.getDims(0)[1].getConstant().value_or(0);
    kvHeads = node.getDims(1)[1].getConstant().value_or(0);
  } else {
    heads = node.getInt("q_num_heads", 0);
    kvHeads = node.getInt("kv_num_heads", 0);
  }
  if (heads < 1 || kvHeads < 1)
    return node.error() << "expected a static number of heads";
  double scale = node.getFloat("scale", 0), softcap = node.getFloat("softcap", 0);
  bool isCausal = node.getInt("is_causal", 0);
  if (rank == 3) {
    q = splitHeads(node, q, heads);
    k = splitHeads(node, k, kvHeads);
    v = splitHeads(node, v, kvHeads);
  }
  Dim offset;
  if (node.has(4) != node.has(5))
    return node.error() << "expected past_key and past_value together";
  if (node.has(4)) {
    Value pastKey = node.get(4), pastValue = node.get(5);
    if (!pastKey || !pastValue || !k || !v)
      return failure();
    if (tfm::getDims(pastKey).size() != 4 || tfm::getDims(pastValue).size() != 4)
      return node.error() << "expected past_key and past_value of rank 4";
    offset = tfm::getDims(pastKey)[2];
    k = node.concat({pastKey, k}, 2);
    v = node.concat({pastValue, v}, 2);
  }
  if (!q || !k || !v)
    return failure();
  if ((node.isUsed(1) && failed(node.set(k, 1))) || (node.isUsed(2) && failed(node.set(v, 2))))
    return failure();
  Value mask = node.getOptional(3);
  if (node.has(3) && !mask)
    return failure();
  bool isBoolean = mask && tfm::getElementType(mask).isInteger(1);
  Value result;
  if (isBoolean) {
    if (isCausal) {
      Dim rows = tfm::getDims(q)[2], columns = tfm::getDims(k)[2];
      auto iota = [&](const Dim &start, const Dim &count) -> Value {
        return tfm::IotaOp::create(node.builder, node.loc, tfm::getTensorType({count}, node.i64()),
                                   tfm::DimsAttr::get(node.builder.getContext(), {start}), 1);
      };
      Value row = node.reshape(iota(offset, rows), {rows, Dim(1)});
      mask = node.binary<tfm::AndOp>(mask, node.compare(tfm::Predicate::le, iota(0, columns), row));
    }
    result = buildMaskedAttention(node, q, k, v, mask, scale, softcap);
  } else {
    AttentionParts parts;
    parts.query = joinHeads(node, q);
    parts.key = joinHeads(node, k);
    parts.value = joinHeads(node, v);
    parts.bias = mask;
    parts.heads = heads;
    parts.kvHeads = kvHeads;
    parts.scale = scale;
    parts.softcap = softcap;
    if (isCausal)
      parts.offset = offset;
    result = splitHeads(node, buildAttention(node, parts), heads);
  }
  return node.set(rank == 4 ? result : joinHeads(node, result));
}

static LogicalResult importRotary(Node &node) {
  if (failed(node.expectInputs(3, 4)) || failed(expectFloat(node, 0)))
    return failure();
  Value x = node.get(0), cos = node.get(1), sin = node.get(2), positions = node.getOptional(3);
  if (!node.sameType({x, cos, sin}) || (node.has(3) && !positions))
    return failure();
  size_t rank = node.getDims(0).size();
  int64_t heads = rank == 4 ? node.getDims(0)[1].getConstant().value_or(0) : node.getInt("num_heads", 0);
  if ((rank != 3 && rank != 4) || heads < 1)
    return node.error() << "expected an input of rank 3 or 4 with a static number of heads";
  if (rank == 4)
    x = joinHeads(node, x);
  SmallVector<Dim> dims = tfm::getDims(x);
  auto fetch = [&](Value cache) -> Value {
    if (!positions)
      return cache;
    SmallVector<Dim> table = tfm::getDims(cache), at = tfm::getDims(positions);
    if (table.size() != 2 || at.size() != 2) {
      node.error() << "expected caches and position ids of rank 2, got " << table.size() << " and " << at.size();
      return {};
    }
    at.push_back(table[1]);
    return tfm::GatherOp::create(node.builder, node.loc, tfm::getTensorType(at, tfm::getElementType(cache)), cache,
                                 positions, node.builder.getI64IntegerAttr(0));
  };
  cos = fetch(cos);
  sin = fetch(sin);
  if (!cos || !sin)
    return failure();
  for (Value *table : {&cos, &sin}) {
    SmallVector<Dim> d = tfm::getDims(*table);
    if (d.size() != 3)
      return node.error() << "expected cos and sin of rank 3, got " << d.size();
    if ((d[0] != Dim(1) && !node.require(d[0], dims[0], "batches of the input and cos, sin")) ||
        !node.require(d[1], dims[1], "lengths of the input and cos, sin"))
      return failure();
    *table = node.reshape(*table, {d[0] == Dim(1) ? d[0] : dims[0], dims[1], d[2]});
  }
  UnitAttr interleaved = node.getInt("interleaved", 0) ? node.builder.getUnitAttr() : UnitAttr();
  Value result = tfm::RotaryOp::create(node.builder, node.loc, x.getType(), x, cos, sin,
                                       node.builder.getI64IntegerAttr(heads), interleaved);
  return node.set(rank == 4 ? splitHeads(node, result, heads) : result);
}

ArrayRef<OpEntry> lathe::onnxfile::getTransformerOps() {
  static const OpEntry ops[] = {
      {"MatMul", importMatMul},
      {"Gemm", importGemm, nullptr, 7},
      {"Conv", importConv},
      {"LayerNormalization", importLayerNorm},
      {"RMSNormalization", importLayerNorm},
      {"SimplifiedLayerNormalization", importLayerNorm},
      {"SimplifiedLayerNormalization", importLayerNorm, nullptr, 1, 1000, kMicrosoft},
      {"LayerNormalization", importLayerNorm, nullptr, 1, 1000, kMicrosoft},
      {"BatchNormalization", importBatchNorm, nullptr, 9},
      {"InstanceNormalization", importInstanceNorm, nullptr, 6},
      {"LpNormalization", importLpNorm},
      {"Attention", importAttention, nullptr, 23},
      {"RotaryEmbedding", importRotary, nullptr, 23},
  };
  return ops;
}
