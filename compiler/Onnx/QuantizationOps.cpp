// ONNX ops that quantize, in the arithmetic that the specification gives them.
#include "compiler/Onnx/Importer.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::onnxfile;

/// A scale or zero point, of one element, per axis, or per block of an axis, as something that broadcasts to the input.
static Value spread(Node &node, Value x, ArrayRef<Dim> dims, int64_t axis, int64_t block) {
  if (!x)
    return {};
  SmallVector<Dim> own = tfm::getDims(x);
  if (own.empty() || (own.size() == 1 && own[0] == Dim(1)))
    return node.reshape(x, {});
  if (axis < 0 || axis >= static_cast<int64_t>(dims.size())) {
    node.error() << "expected an axis of the input, got " << axis;
    return {};
  }
  if (own.size() == 1) {
    if (!node.require(own[0], dims[axis], "the scales and the dimension they are for"))
      return {};
    SmallVector<Dim> shape(dims.size() - axis, Dim(1));
    shape[0] = dims[axis];
    return node.reshape(x, shape);
  }
  if (own.size() != dims.size() || block < 1) {
    node.error() << "expected a scale of one element, per axis, or per block, got " << x.getType();
    return {};
  }
  // Blocks: [.., n/b, ..] is [.., n/b, 1, ..] expanded to [.., n/b, b, ..] and joined; the last block may be shorter.
  SmallVector<Dim> split(own), wide(own), joined(own), starts(own.size(), Dim(0)), kept(own);
  split.insert(split.begin() + axis + 1, Dim(1));
  wide.insert(wide.begin() + axis + 1, Dim(block));
  joined[axis] = own[axis] * Dim(block);
  kept[axis] = dims[axis];
  if (!node.require(own[axis], Dim::ceildiv(dims[axis], block), "the scales and the number of blocks"))
    return {};
  Value all = node.reshape(node.expand(node.reshape(x, split), wide), joined);
  return joined == kept ? all : node.slice(all, starts, kept);
}

/// x / scale + zero point, rounded to the nearest even and limited to the type's range.
static Value quantize(Node &node, Value x, Value scale, Value zero, Type type) {
  if (!x || !scale)
    return {};
  auto integer = dyn_cast<IntegerType>(type);
  if (!integer || integer.getWidth() > 16) {
    node.error() << "expected to quantize to integers of 8 or 16 bits, got " << type;
    return {};
  }
  Type real = tfm::getElementType(x);
  unsigned width = integer.getWidth();
  double least = integer.isUnsigned() ? 0 : -std::ldexp(1.0, width - 1);
  double greatest = std::ldexp(1.0, integer.isUnsigned() ? width : width - 1) - 1;
  Value rounded = node.unary<tfm::RoundOp>(node.binary<tfm::DivOp>(x, scale));
  if (zero)
    rounded = node.binary<tfm::AddOp>(rounded, node.cast(zero, real));
  Value limited = node.binary<tfm::MinimumOp>(node.binary<tfm::MaximumOp>(rounded, node.scalar(least, real)),
                                              node.scalar(greatest, real));
  return node.cast(limited, type);
}

/// (x - zero point) * scale.
static Value dequantize(Node &node, Value x, Value scale, Value zero) {
  if (!x || !scale)
    return {};
  Type i32 = node.builder.getI32Type();
  Value difference = node.cast(x, i32);
  if (zero)
    difference = node.binary<tfm::SubOp>(difference, node.cast(zero, i32));
  return node.binary<tfm::MulOp>(node.cast(difference, tfm::getElementType(scale)), scale);
}

/// The axis that scales are for: 1 unless given, in so far as the input has it.
static int64_t getAxis(Node &node, size_t rank) {
  int64_t axis = node.getInt("axis", 1);
  return axis < 0 ? axis + static_cast<int64_t>(rank) : axis;
}

static LogicalResult importQuantizeLinear(Node &node) {
  if (failed(node.expectInputs(2, 3)))
    return failure();
  SmallVector<Dim> dims(node.getDims(0));
  int64_t axis = getAxis(node, dims.size()), block = node.getInt("block_size", 0);
  Value x = node.get(0);
  if (!x)
    return failure();
  Type real = isa<FloatType>(tfm::getElementType(x)) ? tfm::getElementType(x) : node.f32();
  Value scale = spread(node, node.cast(node.get(1), real), dims, axis, block), zero;
  Type type = IntegerType::get(node.builder.getContext(), 8, IntegerType::Unsigned);
  if (node.has(2)) {
    type = node.getElementType(2);
    zero = spread(node, node.get(2), dims, axis, block);
    if (!zero)
      return failure();
  } else if (int64_t given = node.getInt("output_dtype", 0)) {
    type = onnxfile::getElementType(node.builder.getContext(), static_cast<int32_t>(given));
    if (!type)
      return node.error() << "quantizing to " << getTypeName(static_cast<int32_t>(given)) << " is not supported";
  }
  return node.set(quantize(node, node.cast(x, real), scale, zero, type));
}

static LogicalResult importDequantizeLinear(Node &node) {
  if (failed(node.expectInputs(2, 3)))
    return failure();
  SmallVector<Dim> dims(node.getDims(0));
  int64_t axis = getAxis(node, dims.size()), block = node.getInt("block_size", 0);
  Value x = node.get(0), scale = spread(node, node.get(1), dims, axis, block), zero;
  if (node.has(2) && !(zero = spread(node, node.get(2), dims, axis, block)))
    return failure();
  return node.set(dequantize(node, x, scale, zero));
}

/// To uint8, with a scale and zero point from the least and greatest element and 0.
static LogicalResult importDynamicQuantize(Node &node) {
  if (failed(node.expectInputs(1, 1)))
    return failure();
  Value x = node.get(0);
  if (!x)
    return failure();
  SmallVector<int64_t> axes;
  for (size_t i = 0; i < tfm::getDims(x).size(); ++i)
    axes.push_back(static_cast<int64_t>(i));
  Type real = tfm::getElementType(x);
  Value zero = node.scalar(0, real), full = node.scalar(255, real);
  Value least = node.binary<tfm::MinimumOp>(node.reduce<tfm::ReduceMinOp>(x, axes, false), zero);
  Value greatest = node.binary<tfm::MaximumOp>(node.reduce<tfm::ReduceMaxOp>(x, axes, false), zero);
  Value scale = node.binary<tfm::DivOp>(node.binary<tfm::SubOp>(greatest, least), full);
  Value middle = node.unary<tfm::NegOp>(node.binary<tfm::DivOp>(least, scale));
  middle = node.binary<tfm::MinimumOp>(node.binary<tfm::MaximumOp>(node.unary<tfm::RoundOp>(middle), zero), full);
  Type type = IntegerType::get(node.builder.getContext(), 8, IntegerType::Unsigned);
  Value point = node.cast(middle, type);
  if (failed(node.set(quantize(node, x, scale, point, type))) || failed(node.set(scale, 1)))
    return failure();
  return node.set(point, 2);
}

/// An 8-bit operand as int32 without its zero point, which is one for all, or one for each row or column.
static Value centre(Node &node, size_t input, size_t zeroInput, bool isLeft) {
  Value x = node.get(input);
  if (!x)
    return {};
  Type i32 = node.builder.getI32Type();
  Value wide = node.cast(x, i32);
  if (!node.has(zeroInput))
    return wide;
  Value zero = node.cast(node.get(zeroInput), i32);
  if (!zero)
    return {};
  SmallVector<Dim> dims = tfm::getDims(zero);
  if (dims.size() == 1 && dims[0] == Dim(1))
    zero = node.reshape(zero, {});
  else if (dims.size() == 1 && isLeft)
    zero = node.reshape(zero, {dims[0], Dim(1)});
  return node.binary<tfm::SubOp>(wide, zero);
}

static LogicalResult importMatMulInteger(Node &node) {
  if (failed(node.expectInputs(2, 4)))
    return failure();
  return node.set(node.matmul(centre(node, 0, 2, true), centre(node, 1, 3, false)));
}

static LogicalResult importQLinearMatMul(Node &node) {
  if (failed(node.expectInputs(8, 8)))
    return failure();
  // a, a_scale, a_zero_point, b, b_scale, b_zero_point, y_scale, y_zero_point
  Value product = node.cast(node.matmul(centre(node, 0, 2, true), centre(node, 3, 5, false)), node.f32());
  auto getScale = [&](size_t input, bool isLeft) -> Value {
    Value scale = node.cast(node.get(input), node.f32());
    if (!scale)
      return {};
    SmallVector<Dim> dims = tfm::getDims(scale);
    if (dims.size() == 1 && dims[0] == Dim(1))
      return node.reshape(scale, {});
    return dims.size() == 1 && isLeft ? node.reshape(scale, {dims[0], Dim(1)}) : scale;
  };
  Value scale = node.binary<tfm::MulOp>(getScale(1, true), getScale(4, false));
  Value zero = node.get(7);
  if (!zero)
    return failure();
  return node.set(quantize(node, node.binary<tfm::MulOp>(product, scale), getScale(6, true),
                           tfm::getDims(zero) == SmallVector<Dim>{Dim(1)} ? node.reshape(zero, {}) : zero,
                           tfm::getElementType(zero)));
}

/// Bytes [..., n] of codes, low bits first, as i32 [rows, columns], without what fills the last byte of a row.
static Value unpackCodes(Node &node, Value bytes, int64_t bits, const Dim &rows, const Dim &columns) {
  if (!bytes)
    return {};
  Type i32 = node.builder.getI32Type();
  Value wide = node.cast(bytes, i32);
  SmallVector<Dim> dims = tfm::getDims(wide);
  dims.push_back(Dim(1));
  SmallVector<Value> parts;
  for (int64_t shift = 0; shift < 8; shift += bits) {
    Value part = shift ? node.binary<tfm::DivOp>(wide, node.scalar(1 << shift, i32)) : wide;
    if (bits < 8)
      part = node.binary<tfm::AndOp>(part, node.scalar((1 << bits) - 1, i32));
    parts.push_back(node.reshape(part, dims));
  }
  Dim all = Dim::product(tfm::getDims(wide)) * Dim(8 / bits);
  auto width = all.exactDiv(rows.getConstant().value_or(0));
  if (!width || !width->isConstant() || !columns.isConstant() || *width->getConstant() < *columns.getConstant()) {
    node.error() << "expected codes of " << bits << " bits for [" << rows.str() << ", " << columns.str() << "], got "
                 << bytes.getType();
    return {};
  }
  Value matrix = node.reshape(node.concat(parts, dims.size() - 1), {rows, *width});
  return *width == columns ? matrix : node.slice(matrix, {Dim(0), Dim(0)}, {rows, columns});
}

/// a times the transposed matrix [N, K] that blocks of codes along K are: (code - zero point) * scale.
static LogicalResult importMatMulNBits(Node &node) {
  if (failed(node.expectInputs(3, 6)))
    return failure();
  int64_t k = node.getInt("K", 0), n = node.getInt("N", 0), bits = node.getInt("bits", 4);
  int64_t block = node.getInt("block_size", 0);
  if (k < 1 || n < 1 || block < 1 || (bits != 2 && bits != 4 && bits != 8))
    return node.error() << "expected positive K, N and block_size, and 2, 4 or 8 bits, got K = " << k << ", N = " << n
                        << ", block_size = " << block << ", bits = " << bits;
  if (node.has(4))
    return node.error() << "g_idx, an order of the columns, is not supported; hint: quantize without act-order";
  if (node.has(3) && !isa<IntegerType>(node.getElementType(3)))
    return node.error() << "expected zero points in codes, got " << node.getElementType(3);
  Dim blocks = llvm::divideCeil(k, block);
  SmallVector<Dim> dims{Dim(n), Dim(k)};
  Value codes = unpackCodes(node, node.get(1), bits, n, k), zero;
  Value scale = node.get(2);
  if (!codes || !scale)
    return failure();
  Type real = tfm::getElementType(scale);
  if (Dim::product(tfm::getDims(scale)) != Dim(n) * blocks)
    return node.error() << "expected " << n << " x " << blocks.str() << " scales, got " << scale.getType();
  scale = spread(node, node.reshape(scale, {Dim(n), blocks}), dims, 1, block);
  if (node.has(3))
    zero = spread(node, unpackCodes(node, node.get(3), bits, n, blocks), dims, 1, block);
  else
    zero = node.scalar(1 << (bits - 1), node.builder.getI32Type());
  if (!scale || !zero)
    return failure();
  Value weight = node.binary<tfm::MulOp>(node.cast(node.binary<tfm::SubOp>(codes, zero), real), scale);
  Value product = node.matmul(node.get(0), node.transpose(weight, {1, 0}));
  return node.set(node.has(5) ? node.binary<tfm::AddOp>(product, node.get(5)) : product);
}

ArrayRef<OpEntry> lathe::onnxfile::getQuantizationOps() {
  static const OpEntry ops[] = {
      {"QuantizeLinear", importQuantizeLinear},
      {"DequantizeLinear", importDequantizeLinear},
      {"DynamicQuantizeLinear", importDynamicQuantize},
      {"MatMulInteger", importMatMulInteger},
      {"QLinearMatMul", importQLinearMatMul},
      {"MatMulNBits", importMatMulNBits, nullptr, 1, 1000, kMicrosoft},
  };
  return ops;
}
