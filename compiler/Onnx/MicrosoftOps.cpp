// com.microsoft ops that ONNX Runtime's optimizer fuses encoders into, as the tfm ops they stand for.
// https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md
#include "compiler/Onnx/Importer.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::onnxfile;

static Value gelu(Node &node, Value x, tfm::GeluKind kind) {
  return node.unary<tfm::GeluOp>(
      x, std::pair<StringRef, Attribute>("kind", tfm::GeluKindAttr::get(node.builder.getContext(), kind)));
}

/// Gelu, FastGelu (both with an optional bias before it) and BiasGelu.
static LogicalResult importGelu(Node &node) {
  if (failed(node.expectInputs(1, 2)))
    return failure();
  Value x = node.get(0);
  if (node.has(1))
    x = node.binary<tfm::AddOp>(x, node.get(1));
  return node.set(gelu(node, x, node.opType() == "FastGelu" ? tfm::GeluKind::tanh : tfm::GeluKind::erf));
}

/// x * sigmoid(alpha * x).
static LogicalResult importQuickGelu(Node &node) {
  if (failed(node.expectInputs(1, 1)))
    return failure();
  Value x = node.get(0);
  if (!x)
    return failure();
  double alpha = node.getFloat("alpha", 1.702f);
  if (static_cast<float>(alpha) == 1.702f)
    return node.set(gelu(node, x, tfm::GeluKind::quick));
  if (alpha == 1)
    return node.set(node.unary<tfm::SiluOp>(x));
  Value scaled = node.binary<tfm::MulOp>(x, node.scalar(alpha, tfm::getElementType(x)));
  return node.set(node.binary<tfm::MulOp>(x, node.unary<tfm::SigmoidOp>(scaled)));
}

/// A sum of input, skip and bias, and its normalization; the fourth output is the sum.
static LogicalResult importSkipNorm(Node &node) {
  bool isRms = node.opType() == "SkipSimplifiedLayerNormalization";
  if (failed(node.expectInputs(3, 5)))
    return failure();
  size_t biasInput = isRms ? 3 : 4;
  if (node.isUsed(1) || node.isUsed(2))
    return node.error() << "the outputs mean and inv_std_var are for training, which is not supported";
  Value sum = node.binary<tfm::AddOp>(node.get(0), node.get(1));
  if (node.has(biasInput))
    sum = node.binary<tfm::AddOp>(sum, node.get(biasInput));
  Value gain = node.get(2), beta = isRms ? Value() : node.getOptional(3);
  if (!sum || !gain || (!isRms && node.has(3) && !beta))
    return failure();
  auto rank = static_cast<int64_t>(tfm::getDims(sum).size());
  if (rank < 1)
    return node.error() << "expected an input of rank 1 or more";
  double epsilon = node.getFloat("epsilon", 1e-12f);
  if (failed(node.set(buildLayerNorm(node, sum, gain, beta, epsilon, isRms, rank - 1))))
    return failure();
  return node.isUsed(3) ? node.set(sum, 3) : success();
}

/// Rows of a table.
static Value lookUp(Node &node, Value table, Value ids) {
  if (!table || !ids)
    return {};
  SmallVector<Dim> from = tfm::getDims(table), dims = tfm::getDims(ids);
  if (from.size() != 2) {
    node.error() << "expected an embedding table of rank 2, got " << table.getType();
    return {};
  }
  dims.push_back(from[1]);
  return tfm::GatherOp::create(node.builder, node.loc, tfm::getTensorType(dims, tfm::getElementType(table)), table, ids,
                               node.builder.getI64IntegerAttr(0));
}

/// Word, position and segment embeddings (the last optional), their sum normalized. The second output is the number of
/// real tokens of each row, the third the sum.
static LogicalResult importEmbedding(Node &node) {
  for (size_t required : {0, 2, 3, 5, 6})
    if (!node.has(required))
      return node.error() << "expected an input " << required;
  SmallVector<Dim> ids(node.getDims(0));
  if (ids.size() != 2)
    return node.error() << "expected input_ids of rank 2, got " << ids.size();
  Value sum = lookUp(node, node.get(2), node.get(0));
  Value positions;
  if (node.has(8)) {
    positions = node.get(8);
  } else {
    positions = tfm::IotaOp::create(node.builder, node.loc, tfm::getTensorType({ids[1]}, node.i64()),
                                    tfm::DimsAttr::get(node.builder.getContext(), {Dim(0)}), 1);
    // The table has a row for every position; a longer sequence would be out of its range.
    Dim rows = node.getDims(3).empty() ? Dim(0) : node.getDims(3)[0];
    if (!node.require(node.symbols.min(ids[1], rows), ids[1], "a sequence and the positions that the model has for it"))
      return failure();
  }
  sum = node.binary<tfm::AddOp>(sum, lookUp(node, node.get(3), positions));
  if (node.has(1) && node.has(4))
    sum = node.binary<tfm::AddOp>(sum, lookUp(node, node.get(4), node.get(1)));
  Value gain = node.get(5), beta = node.get(6);
  if (!sum || !gain || !beta)
    return failure();
  double epsilon = node.getFloat("epsilon", 1e-12f);
  if (failed(node.set(buildLayerNorm(node, sum, gain, beta, epsilon, /*isRms=*/false, 2))))
    return failure();
  if (node.isUsed(1)) {
    Type i32 = node.builder.getI32Type();
    Value count = node.has(7) ? node.reduce<tfm::ReduceSumOp>(node.cast(node.get(7), i32), {1}, false)
                              : node.expand(node.scalar(0, i32), {ids[0]});
    if (failed(node.set(count, 1)))
      return failure();
  }
  return node.isUsed(2) ? node.set(sum, 2) : success();
}

static LogicalResult importFusedMatMul(Node &node) {
  if (failed(node.expectInputs(2, 2)))
    return failure();
  if (node.getInt("transBatchA", 0) || node.getInt("transBatchB", 0))
    return node.error() << "transBatchA and transBatchB are not supported";
  auto swapped = [&](Value x, StringRef attribute) -> Value {
    if (!x || !node.getInt(attribute, 0) || tfm::getDims(x).size() < 2)
      return x;
    SmallVector<int64_t> permutation;
    for (size_t i = 0; i < tfm::getDims(x).size(); ++i)
      permutation.push_back(static_cast<int64_t>(i));
    std::swap(permutation.back(), permutation[permutation.size() - 2]);
    return node.transpose(x, permutation);
  };
  Value product = node.matmul(swapped(node.get(0), "transA"), swapped(node.get(1), "transB"));
  double alpha = node.getFloat("alpha", 1);
  if (product && alpha != 1)
    product = node.binary<tfm::MulOp>(product, node.scalar(alpha, tfm::getElementType(product)));
  return node.set(product);
}

/// What `mask_index` or `key_padding_mask` says of the keys. ONNX Runtime adds mask_filter_value to the scores of
/// masked keys, so a row of masked keys only is as if none were; lengths of rows are masks too.
static LogicalResult addMask(Node &node, size_t input, const Dim &batch, const Dim &keys, AttentionParts &parts) {
  if (!node.has(input))
    return success();
  Value mask = node.get(input);
  if (!mask)
    return failure();
  SmallVector<Dim> dims = tfm::getDims(mask);
  parts.maskedRow = tfm::MaskedRow::unmasked;
  if (dims.size() == 1 && dims[0] == batch) {
    Value position = tfm::IotaOp::create(node.builder, node.loc, tfm::getTensorType({keys}, node.i64()),
                                         tfm::DimsAttr::get(node.builder.getContext(), {Dim(0)}), 1);
    Value length = node.reshape(node.cast(mask, node.i64()), {batch, Dim(1)});
    parts.padding = node.compare(tfm::Predicate::lt, position, length);
    return success(bool(parts.padding));
  }
  Value isReal = node.cast(mask, node.i1());
  if (dims.size() == 2) {
    if (!node.requireAll(dims, {batch, keys}, "dimensions of the mask, and the batch and the keys"))
      return failure();
    parts.padding = node.reshape(isReal, {batch, keys});
    return success();
  }
  if (dims.size() != 3)
    return node.error() << "expected a mask of shape [batch], [batch, keys] or [batch, queries, keys], got "
                        << mask.getType() << "; hint: keep the mask 2-D when fusing";
  Type type = tfm::getElementType(parts.query);
  Value bias = node.select(isReal, node.scalar(0, type), node.scalar(node.getFloat("mask_filter_value", -10000), type));
  bias = node.reshape(bias, {dims[0], Dim(1), dims[1], dims[2]});
  parts.bias = parts.bias ? node.binary<tfm::AddOp>(parts.bias, bias) : bias;
  return success(bool(parts.bias));
}

/// Packed projection, mask and attention.
static LogicalResult importAttention(Node &node) {
  if (failed(node.expectInputs(2, 7)))
    return failure();
  if (node.has(4) || node.has(6) || node.isUsed(1))
    return node.error()
           << "past and present keys are not supported in Attention; hint: export the model without a cache";
  if (node.getInt("do_rotary", 0))
    return node.error() << "do_rotary is not supported in Attention";
  SmallVector<Dim> x(node.getDims(0)), w(node.getDims(1));
  if (x.size() != 3 || w.size() != 2)
    return node.error() << "expected an input of rank 3 and weights of rank 2, got " << x.size() << " and " << w.size();
  int64_t heads = node.getInt("num_heads", 0);
  auto width = w[1].getConstant();
  if (heads < 1 || !width)
    return node.error() << "expected num_heads of 1 or more, got " << heads;
  SmallVector<int64_t> sizes = node.getInts("qkv_hidden_sizes").value_or(SmallVector<int64_t>(3, *width / 3));
  if (sizes.size() != 3 || llvm::any_of(sizes, [](int64_t s) { return s < 1; }) || sizes[0] > *width ||
      sizes[1] > *width || sizes[0] + sizes[1] + sizes[2] != *width)
    return node.error() << "expected weights as wide as query, key and value together, got " << *width;
  if (!node.require(x[2], w[0], "the dimensions that are summed over"))
    return failure();
  Value input = node.get(0), weights = node.get(1), bias = node.getOptional(2);
  if (!node.sameType({input, weights}) || (node.has(2) && !node.sameType({input, bias})))
    return failure();
  if (bias && !node.requireAll(tfm::getDims(bias), {w[1]}, "the bias and the weights' columns"))
    return failure();
  Value packed =
      tfm::LinearOp::create(node.builder, node.loc, tfm::getTensorType({x[0], x[1], w[1]}, tfm::getElementType(input)),
                            input, weights, bias, UnitAttr(), tfm::PrecisionAttr(), Attribute());
  Value qkv[3];
  int64_t start = 0;
  for (int i = 0; i < 3; ++i) {
    qkv[i] = node.slice(packed, {Dim(0), Dim(0), Dim(start)}, {x[0], x[1], Dim(sizes[i])});
    start += sizes[i];
  }
  AttentionParts parts;
  parts.query = qkv[0];
  parts.key = qkv[1];
  parts.value = qkv[2];
  parts.heads = parts.kvHeads = heads;
  parts.scale = node.getFloat("scale", 0);
  if (node.has(5) && !(parts.bias = node.get(5)))
    return failure();
  if (node.getInt("unidirectional", 0))
    parts.offset = Dim(0);
  if (failed(addMask(node, 3, x[0], x[1], parts)))
    return failure();
  return node.set(buildAttention(node, parts));
}

/// Attention over projected query, key and value [B, S, H]; a bias holds all three's.
static LogicalResult importMultiHeadAttention(Node &node) {
  if (failed(node.expectInputs(3, 8)))
    return failure();
  if (node.has(6) || node.has(7) || node.isUsed(1) || node.isUsed(2))
    return node.error() << "past and present keys are not supported in MultiHeadAttention; hint: export the model "
                           "without a cache";
  int64_t heads = node.getInt("num_heads", 0);
  if (heads < 1)
    return node.error() << "expected num_heads of 1 or more, got " << heads;
  AttentionParts parts;
  Value *ports[] = {&parts.query, &parts.key, &parts.value};
  Dim start;
  for (size_t i = 0; i < 3; ++i) {
    Value x = node.get(i);
    if (!x)
      return failure();
    SmallVector<Dim> dims = tfm::getDims(x);
    if (dims.size() == 4 && i > 0) { // [B, heads, S, D]
      x = node.reshape(node.transpose(x, {0, 2, 1, 3}), {dims[0], dims[2], dims[1] * dims[3]});
      dims = tfm::getDims(x);
    }
    if (dims.size() != 3)
      return node.error() << "expected query, key and value of rank 3, got " << dims.size()
                          << "; hint: packed ones are not supported";
    if (node.has(3)) {
      if (node.getDims(3).size() != 1)
        return node.error() << "expected a bias of rank 1, got " << node.getDims(3).size();
      x = node.binary<tfm::AddOp>(x, node.slice(node.get(3), {start}, {dims[2]}));
    }
    start = start + dims[2];
    *ports[i] = x;
  }
  if (!parts.query || !parts.key || !parts.value)
    return failure();
  parts.heads = parts.kvHeads = heads;
  parts.scale = node.getFloat("scale", 0);
  if (node.has(5) && !(parts.bias = node.get(5)))
    return failure();
  if (node.getInt("unidirectional", 0))
    parts.offset = Dim(0);
  SmallVector<Dim> keys = tfm::getDims(parts.key);
  if (failed(addMask(node, 4, keys[0], keys[1], parts)))
    return failure();
  return node.set(buildAttention(node, parts));
}

ArrayRef<OpEntry> lathe::onnxfile::getMicrosoftOps() {
  auto entry = [](llvm::StringLiteral op, LogicalResult (*import)(Node &)) {
    return OpEntry{op, import, nullptr, 1, 1000, kMicrosoft};
  };
  static const OpEntry ops[] = {
      entry("Gelu", importGelu),
      entry("FastGelu", importGelu),
      entry("BiasGelu", importGelu),
      entry("QuickGelu", importQuickGelu),
      entry("SkipLayerNormalization", importSkipNorm),
      entry("SkipSimplifiedLayerNormalization", importSkipNorm),
      entry("EmbedLayerNormalization", importEmbedding),
      entry("FusedMatMul", importFusedMatMul),
      entry("Attention", importAttention),
      entry("MultiHeadAttention", importMultiHeadAttention),
  };
  return ops;
}
