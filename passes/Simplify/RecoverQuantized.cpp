// --lathe-recover-quantized: weights that the model stores as integers, as weights in a format; products of quantized
// inputs, as linears of quantized rows.
#include "compiler/Reference/Numbers.h"
#include "dialects/Tfm/Formats.h"
#include "dialects/Tfm/Weights.h"
#include "passes/Passes.h"
#include "passes/Simplify/DeriveWeight.h"
#include "passes/Simplify/Match.h"
#include "passes/Simplify/Patterns.h"

namespace lathe {
#define GEN_PASS_DEF_RECOVERQUANTIZEDPASS
#include "passes/Passes.h.inc"
} // namespace lathe

using namespace mlir;
using namespace lathe;
using namespace lathe::tfm;
using namespace lathe::simplify;

/// Inputs of so many channels at most: their sums fit 32 bits.
static constexpr int64_t kMostChannels = 65536;

/// Whether a value is computed from constants and weights alone, whose bytes can be read; `root` is one of the weights,
/// if there is one.
static bool isConstant(Value value, WeightOp &root) {
  SmallVector<Value> pending{value};
  while (!pending.empty()) {
    Operation *op = pending.pop_back_val().getDefiningOp();
    if (!op || op->getNumResults() != 1 || !cast<RankedTensorType>(op->getResult(0).getType()).hasStaticShape() ||
        !isPure(op) || !reference::isSupported(op))
      return false;
    auto get = dyn_cast<GetOp>(op);
    if (get) {
      auto weight = SymbolTable::lookupNearestSymbolFrom<WeightOp>(get, get.getWeightAttr());
      if (!weight || weight.getTensorType().getEncoding())
        return false;
      auto bytes = op->getContext()->getLoadedDialect<TfmDialect>()->getWeights().getBytes(weight);
      if (!bytes) {
        llvm::consumeError(bytes.takeError());
        return false;
      }
      root = root ? root : weight;
    }
    pending.append(op->operand_begin(), op->operand_end());
  }
  return true;
}

/// What isConstant found to be computable.
static FailureOr<reference::Tensor> compute(Value value) {
  SmallVector<reference::Tensor> operands;
  for (Value operand : value.getDefiningOp()->getOperands()) {
    auto tensor = compute(operand);
    if (failed(tensor))
      return failure();
    operands.push_back(*tensor);
  }
  auto result = reference::evaluate(value.getDefiningOp(), operands);
  return failed(result) ? FailureOr<reference::Tensor>(failure()) : FailureOr<reference::Tensor>(result->front());
}

/// The values of a computed tensor, broadcast to a matrix.
template <typename T, typename Load>
static FailureOr<std::vector<T>> computeMatrix(Value value, ArrayRef<int64_t> shape, Load load) {
  auto tensor = compute(value);
  if (failed(tensor))
    return failure();
  auto values = load(*tensor);
  std::vector<T> result;
  reference::forEachOffset(shape, reference::broadcastStrides(tensor->getShape(), shape), 0,
                           [&](int64_t offset) { result.push_back(static_cast<T>(values[offset])); });
  return result;
}

/// The size along the axis of the blocks in which a matrix repeats itself.
template <typename Same> static int64_t findBlock(ArrayRef<int64_t> shape, unsigned axis, Same same) {
  int64_t size = shape[axis], others = shape[1 - axis];
  auto repeats = [&](int64_t i, int64_t first) {
    for (int64_t j = 0; j < others; ++j)
      if (!(axis == 0 ? same(i * shape[1] + j, first * shape[1] + j) : same(j * shape[1] + i, j * shape[1] + first)))
        return false;
    return true;
  };
  int64_t block = 1;
  while (block < size && repeats(block, 0))
    ++block;
  for (int64_t i = block; i < size; ++i)
    if (!repeats(i, i - i % block))
      return 1;
  return std::max<int64_t>(block, 1);
}

static bool fits(ArrayRef<int64_t> values, int64_t least, int64_t greatest) {
  return llvm::all_of(values, [&](int64_t value) { return least <= value && value <= greatest; });
}

/// A new weight behind `like`.
static Value addWeight(PatternRewriter &rewriter, Location loc, WeightOp like, RankedTensorType type,
                       std::vector<char> bytes) {
  auto module = like->getParentOfType<ModuleOp>();
  std::string base = (like.getSymName() + ".recovered").str(), name = base;
  for (unsigned number = 1; module.lookupSymbol(name); ++number)
    name = base + "." + std::to_string(number);
  tfm::BlobAttr blob =
      like->getContext()->getLoadedDialect<TfmDialect>()->getWeights().addBlob(like->getContext(), std::move(bytes));
  {
    OpBuilder::InsertionGuard guard(rewriter);
    rewriter.setInsertionPointAfter(like);
    WeightOp::create(rewriter, like.getLoc(), name, type, blob, like.getOriginAttr());
  }
  return GetOp::create(rewriter, loc, type, FlatSymbolRefAttr::get(rewriter.getContext(), name));
}

/// Bits of a code that are as quick to read as fewer.
static unsigned roundBits(ArrayRef<int64_t> codes) { return fits(codes, -8, 7) ? 4 : fits(codes, -64, 63) ? 7 : 8; }

namespace {
/// (integers [- zero points]) * scales, of constants: the weight itself, in a format. All that reads it must take one.
struct DequantizedWeight : OpRewritePattern<MulOp> {
  using OpRewritePattern::OpRewritePattern;

  static bool takesFormats(Value value) {
    return !value.use_empty() && llvm::all_of(value.getUses(), [&](OpOperand &use) {
      Operation *user = use.getOwner();
      if (auto transpose = dyn_cast<TransposeOp>(user))
        return llvm::all_of(transpose->getUses(), [](OpOperand &of) {
          return isa<MatmulOp, LinearOp>(of.getOwner()) && of.getOperandNumber() == 1;
        });
      auto gather = dyn_cast<GatherOp>(user);
      return (isa<MatmulOp, LinearOp>(user) && use.getOperandNumber() == 1) ||
             (gather && gather.getAxis() == 0 && use.getOperandNumber() == 0);
    });
  }

  LogicalResult matchAndRewrite(MulOp op, PatternRewriter &rewriter) const override {
    auto type = dyn_cast<RankedTensorType>(op.getType());
    if (!type || !type.hasStaticShape() || type.getRank() != 2 || !type.getElementType().isF32() ||
        type.getNumElements() == 0 || !takesFormats(op))
      return failure();
    for (unsigned side : {0, 1}) {
      auto real = op->getOperand(side).getDefiningOp<CastOp>();
      if (!real || !isa<IntegerType>(tfm::getElementType(real.getInput())) || real.getType() != type)
        continue;
      WeightOp root, other;
      Value scale = op->getOperand(1 - side);
      if (isConstant(real.getInput(), root) && root && isConstant(scale, other))
        return rewriteTo(op, root, real.getInput(), scale, rewriter);
    }
    return failure();
  }

  static LogicalResult rewriteTo(MulOp op, WeightOp root, Value integers, Value scale, PatternRewriter &rewriter) {
    auto type = cast<RankedTensorType>(op.getType());
    ArrayRef<int64_t> shape = type.getShape();
    auto codes = computeMatrix<int64_t>(integers, shape, reference::loadIntegers);
    auto scales = computeMatrix<float>(scale, shape, reference::loadFloats);
    if (failed(codes) || failed(scales) || !llvm::all_of(*scales, [](float s) { return std::isfinite(s); }))
      return failure();
    std::vector<int64_t> zeros;
    unsigned bits = fits(*codes, -128, 127) ? roundBits(*codes) : 9;
    if (auto difference = integers.getDefiningOp<SubOp>(); difference && bits > 4) { // unsigned, if that takes less
      auto unsignedCodes = computeMatrix<int64_t>(difference.getLhs(), shape, reference::loadIntegers);
      auto points = computeMatrix<int64_t>(difference.getRhs(), shape, reference::loadIntegers);
      if (failed(unsignedCodes) || failed(points))
        return failure();
      unsigned needed = fits(*unsignedCodes, 0, 15) && fits(*points, 0, 15)     ? 4
                        : fits(*unsignedCodes, 0, 255) && fits(*points, 0, 255) ? 8
                                                                                : 9;
      if (needed < bits && (needed == 4 || bits == 9)) {
        bits = needed;
        codes = std::move(unsignedCodes);
        zeros = std::move(*points);
      }
    }
    if (bits > 8)
      return failure();
    auto same = [&](int64_t a, int64_t b) {
      return (*scales)[a] == (*scales)[b] && (zeros.empty() || zeros[a] == zeros[b]);
    };
    int64_t block[] = {findBlock(shape, 0, same), findBlock(shape, 1, same)};
    IntCodes packed;
    for (int64_t code : *codes)
      packed.codes.push_back(static_cast<int8_t>(code));
    for (int64_t i = 0; i < shape[0]; i += block[0])
      for (int64_t j = 0; j < shape[1]; j += block[1]) {
        packed.scales.push_back((*scales)[i * shape[1] + j]);
        if (!zeros.empty())
          packed.zeros.push_back(static_cast<uint8_t>(zeros[i * shape[1] + j]));
      }
    MLIRContext *context = rewriter.getContext();
    auto to = withFormat(type, IntFormatAttr::get(context, bits, DenseI64ArrayAttr::get(context, block),
                                                  rewriter.getF32Type(), !zeros.empty()));
    rewriter.replaceOp(op, addWeight(rewriter, op.getLoc(), root, to, packInt(to, packed)));
    return success();
  }
};

/// Codes of 8 bits as they are made of x.
struct Quantized {
  Value x;
  double scale;
  int64_t zero;
  bool isSigned;
};

/// min(max(round(x / scale) + zero, least), greatest) in 8 bits.
std::optional<Quantized> matchQuantize(Value codes) {
  auto narrow = codes.getDefiningOp<CastOp>();
  auto type = dyn_cast<IntegerType>(tfm::getElementType(codes));
  if (!narrow || !type || type.getWidth() != 8)
    return std::nullopt;
  Quantized result{{}, 0, 0, !type.isUnsigned()};
  auto least = narrow.getInput().getDefiningOp<MinimumOp>();
  if (!least || getSplat(least.getRhs()) != (result.isSigned ? 127.0 : 255.0))
    return std::nullopt;
  Operation *limit = least.getLhs().getDefiningOp();
  bool isLimited = isa_and_nonnull<ReluOp>(limit) && !result.isSigned;
  if (auto greatest = dyn_cast_or_null<MaximumOp>(limit))
    isLimited = getSplat(greatest.getRhs()) == (result.isSigned ? -128.0 : 0.0);
  if (!isLimited)
    return std::nullopt;
  Value rounded = limit->getOperand(0);
  if (auto sum = rounded.getDefiningOp<AddOp>()) {
    auto zero = getSplat(sum.getRhs());
    if (!zero || *zero != std::nearbyint(*zero))
      return std::nullopt;
    result.zero = static_cast<int64_t>(*zero);
    rounded = sum.getLhs();
  }
  auto round = rounded.getDefiningOp<RoundOp>();
  auto quotient = round ? round.getInput().getDefiningOp<DivOp>() : DivOp();
  auto scale = quotient ? getSplat(quotient.getRhs()) : std::nullopt;
  if (!scale || !(*scale > 0) || !std::isfinite(*scale) || !tfm::getElementType(quotient.getLhs()).isF32() ||
      quotient.getType() != quotient.getLhs().getType())
    return std::nullopt;
  result.x = quotient.getLhs();
  result.scale = *scale;
  return result;
}

/// The 8-bit codes that an i32 or f32 value widens; `zero` is what is taken from them, or null.
Value matchWiden(Value value, Value &zero) {
  if (auto difference = value.getDefiningOp<SubOp>()) {
    zero = difference.getRhs();
    value = difference.getLhs();
  }
  auto wide = value.getDefiningOp<CastOp>();
  auto type = wide ? dyn_cast<IntegerType>(tfm::getElementType(wide.getInput())) : IntegerType();
  return type && type.getWidth() == 8 ? wide.getInput() : Value();
}

/// A product of a weight in integers and of what QuantizeLinear and DequantizeLinear stand before.
template <typename OpTy> struct QuantizedInput : OpRewritePattern<OpTy> {
  using OpRewritePattern<OpTy>::OpRewritePattern;

  LogicalResult matchAndRewrite(OpTy op, PatternRewriter &rewriter) const override {
    Value weight = op->getOperand(1);
    auto scaled = op->getOperand(0).template getDefiningOp<MulOp>();
    if (!scaled || !isa_and_nonnull<IntFormatAttr>(getFormat(weight.getType())) || !weight.getDefiningOp<GetOp>())
      return failure();
    auto real = scaled.getLhs().template getDefiningOp<CastOp>();
    if (!real || !tfm::getElementType(real).isF32() || real.getType() != scaled.getType())
      return failure();
    Value zero, codes = tfm::getElementType(real.getInput()).isInteger(32) ? matchWiden(real.getInput(), zero)
                                                                           : matchWiden(real, zero);
    auto quantized = codes ? matchQuantize(codes) : std::nullopt;
    auto point = zero ? getSplat(zero) : std::optional(0.0);
    if (!quantized || point != static_cast<double>(quantized->zero) || getSplat(scaled.getRhs()) != quantized->scale)
      return failure();
    auto activation =
        StaticAttr::get(rewriter.getContext(), 8, rewriter.getF32FloatAttr(static_cast<float>(quantized->scale)),
                        quantized->zero + (quantized->isSigned ? 128 : 0));
    return replace(op, quantized->x, activation, rewriter);
  }

  static LogicalResult replace(MatmulOp op, Value x, Attribute activation, PatternRewriter &rewriter) {
    if (op.getTransposeA())
      return failure();
    rewriter.replaceOpWithNewOp<LinearOp>(op, op.getType(), x, op.getRhs(), Value(), op.getTransposeB(),
                                          op.getPrecisionAttr(), activation);
    return success();
  }
  static LogicalResult replace(LinearOp op, Value x, Attribute activation, PatternRewriter &rewriter) {
    if (op.getActivation())
      return failure();
    rewriter.modifyOpInPlace(op, [&] {
      op.getInputMutable().assign(x);
      op.setActivationAttr(activation);
    });
    return success();
  }
};

/// The real value of an integer product (MatMulInteger): a linear of the codes, which are their own quantization, less
/// what the zero point adds to each column.
struct IntegerProduct : OpRewritePattern<CastOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(CastOp op, PatternRewriter &rewriter) const override {
    auto product = op.getInput().getDefiningOp<MatmulOp>();
    if (!product || !tfm::getElementType(op).isF32() || product.getTransposeA())
      return failure();
    auto type = cast<RankedTensorType>(product.getRhs().getType());
    Value zero, codes = matchWiden(product.getLhs(), zero);
    if (!codes || type.getRank() != 2 || !type.hasStaticShape() || type.getNumElements() == 0 ||
        (zero && Dim::product(tfm::getDims(zero)) != Dim(1)))
      return failure();
    WeightOp root;
    if (!isConstant(product.getRhs(), root) || !root)
      return failure();
    auto integers = computeMatrix<int64_t>(product.getRhs(), type.getShape(), reference::loadIntegers);
    bool isTransposed = product.getTransposeB();
    int64_t columns = type.getDimSize(isTransposed ? 0 : 1), channels = type.getDimSize(isTransposed ? 1 : 0);
    if (failed(integers) || !fits(*integers, -128, 127) || channels > kMostChannels)
      return failure();

    MLIRContext *context = rewriter.getContext();
    Location loc = fuseLocations(rewriter, {product, op});
    IntCodes packed;
    packed.scales = {1};
    std::vector<float> sums(columns);
    for (auto [i, code] : llvm::enumerate(*integers)) {
      packed.codes.push_back(static_cast<int8_t>(code));
      sums[isTransposed ? i / channels : i % columns] += static_cast<float>(code);
    }
    unsigned bits = fits(*integers, -64, 63) ? 7 : 8;
    auto plain = RankedTensorType::get(type.getShape(), rewriter.getF32Type());
    auto to = withFormat(plain, IntFormatAttr::get(context, bits, DenseI64ArrayAttr::get(context, type.getShape()),
                                                   rewriter.getF32Type(), /*zeroPoints=*/false));
    Value weight = addWeight(rewriter, loc, root, to, packInt(to, packed));
    bool isUnsigned = tfm::getElementType(codes).isUnsignedInteger();
    auto activation = StaticAttr::get(context, 8, rewriter.getF32FloatAttr(1), isUnsigned ? 0 : 128);
    auto toReal = [&](Value value) -> Value {
      return CastOp::create(rewriter, loc, tfm::getTensorType(tfm::getDims(value), rewriter.getF32Type()), value);
    };
    Value result = LinearOp::create(rewriter, loc, op.getType(), toReal(codes), weight, Value(), isTransposed,
                                    PrecisionAttr(), activation);
    if (zero) {
      auto sumType = RankedTensorType::get({columns}, rewriter.getF32Type());
      Value sum = ConstantOp::create(rewriter, loc, DenseElementsAttr::get(sumType, ArrayRef<float>(sums)));
      Value shift = tfm::buildElementwise<MulOp>(rewriter, loc, {createReshape(rewriter, loc, toReal(zero), {}), sum});
      result = tfm::buildElementwise<SubOp>(rewriter, loc, {result, shift});
    }
    rewriter.replaceOp(op, result);
    return success();
  }
};

struct RecoverQuantizedPass : lathe::impl::RecoverQuantizedPassBase<RecoverQuantizedPass> {
  void runOnOperation() override {
    if (failed(rewrite<DequantizedWeight, QuantizedInput<MatmulOp>, QuantizedInput<LinearOp>, IntegerProduct>(
            getOperation())))
      return signalPassFailure();
    eraseUnusedWeights(getOperation());
  }
};
} // namespace
