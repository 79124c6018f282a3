// --lathe-recover-linear: tfm.linear from matmul, add, conv, and packed projections.
#include "passes/Passes.h"
#include "passes/Simplify/DeriveWeight.h"
#include "passes/Simplify/Match.h"
#include "passes/Simplify/Patterns.h"

namespace lathe {
#define GEN_PASS_DEF_RECOVERLINEARPASS
#include "passes/Passes.h.inc"
} // namespace lathe

using namespace mlir;
using namespace lathe;
using namespace lathe::tfm;
using namespace lathe::simplify;

namespace {
/// matmul(x, w), w of rank 2 and not computed.
struct MatmulToLinear : OpRewritePattern<MatmulOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(MatmulOp op, PatternRewriter &rewriter) const override {
    if (op.getTransposeA() || !getWeightOrConstant(op.getRhs()) || tfm::getDims(op.getRhs()).size() != 2 ||
        !isa<FloatType>(tfm::getElementType(op.getRhs())))
      return failure();
    rewriter.replaceOpWithNewOp<LinearOp>(op, op.getType(), op.getLhs(), op.getRhs(), Value(), op.getTransposeB(),
                                          op.getPrecisionAttr(), Attribute());
    return success();
  }
};

/// The vector [N] that a bias is: a weight or constant, perhaps of shape [1, .., N] or [1].
Value matchVector(Value value, const Dim &size, PatternRewriter &rewriter) {
  SmallVector<Dim> dims = tfm::getDims(value);
  if (!getWeightOrConstant(value) || dims.empty() || dims.back() != size ||
      Dim::product(ArrayRef(dims).drop_back()) != Dim(1))
    return {};
  return createReshape(rewriter, value.getLoc(), value, {size});
}

/// linear(x, w) + b
struct AddToBias : OpRewritePattern<AddOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(AddOp op, PatternRewriter &rewriter) const override {
    for (unsigned side : {0, 1}) {
      auto linear = op->getOperand(side).getDefiningOp<LinearOp>();
      if (!linear || linear.getBias() || !linear->hasOneUse() || linear.getType() != op.getType())
        continue;
      Value bias = matchVector(op->getOperand(1 - side), tfm::getDims(linear.getResult()).back(), rewriter);
      if (!bias)
        continue;
      auto fused = LinearOp::create(rewriter, fuseLocations(rewriter, {linear, op}), op.getType(), linear.getInput(),
                                    linear.getWeight(), bias, linear.getTransposed(), linear.getPrecisionAttr(),
                                    linear.getActivationAttr());
      rewriter.replaceOp(op, fused);
      return success();
    }
    return failure();
  }
};

/// A slice of the columns of a linear, all of whose uses are such slices: a linear by a slice of the weight.
struct SplitLinear : OpRewritePattern<SliceOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(SliceOp op, PatternRewriter &rewriter) const override {
    auto linear = op.getInput().getDefiningOp<LinearOp>();
    if (!linear || !linear.getWeight().getDefiningOp<GetOp>())
      return failure();
    int64_t last = tfm::getDims(linear.getResult()).size() - 1;
    for (Operation *user : linear->getUsers()) {
      auto slice = isa<SliceOp>(user) ? matchAxisSlice(user->getResult(0)) : std::nullopt;
      if (!slice || slice->axis != last || !slice->start.isConstant() || !slice->size.isConstant())
        return failure();
    }
    auto slice = matchAxisSlice(op.getResult());
    Value weight = createSlice(rewriter, linear.getLoc(), linear.getWeight(), linear.getTransposed() ? 0 : 1,
                               slice->start, slice->size);
    Value bias = linear.getBias();
    if (bias)
      bias = createSlice(rewriter, linear.getLoc(), bias, 0, slice->start, slice->size);
    rewriter.replaceOp(op, LinearOp::create(rewriter, fuseLocations(rewriter, {linear, op}), op.getType(),
                                            linear.getInput(), weight, bias, linear.getTransposed(),
                                            linear.getPrecisionAttr(), linear.getActivationAttr()));
    return success();
  }
};

/// A slice or a reshape of a weight is a weight.
struct SliceOfWeight : OpRewritePattern<SliceOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(SliceOp op, PatternRewriter &rewriter) const override {
    auto get = op.getInput().getDefiningOp<GetOp>();
    auto slice = get ? matchAxisSlice(op.getResult()) : std::nullopt;
    if (!slice || !slice->start.isConstant() || !slice->size.isConstant())
      return failure();
    Value piece = deriveSlice(rewriter, get, slice->axis, *slice->start.getConstant(), *slice->size.getConstant());
    if (!piece)
      return failure();
    rewriter.replaceOp(op, piece);
    return success();
  }
};
struct ReshapeOfWeight : OpRewritePattern<ReshapeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ReshapeOp op, PatternRewriter &rewriter) const override {
    auto get = op.getInput().getDefiningOp<GetOp>();
    auto type = cast<RankedTensorType>(op.getType());
    Value view = get && type.hasStaticShape() ? deriveReshape(rewriter, get, type) : Value();
    if (!view)
      return failure();
    rewriter.replaceOp(op, view);
    return success();
  }
};

/// Rows may lie in any number of dimensions: reshape([M, N]) of linear(reshape([M, K]) of x) needs neither.
struct ReshapeAroundLinear : OpRewritePattern<LinearOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(LinearOp op, PatternRewriter &rewriter) const override {
    auto reshape = op.getInput().getDefiningOp<ReshapeOp>();
    if (!reshape)
      return failure();
    SmallVector<Dim> from = tfm::getDims(reshape.getInput()), to = tfm::getDims(reshape);
    if (from.size() <= to.size() || from.back() != to.back())
      return failure();
    SmallVector<Dim> dims = from;
    dims.back() = tfm::getDims(op.getResult()).back();
    auto linear = LinearOp::create(rewriter, op.getLoc(), tfm::getTensorType(dims, tfm::getElementType(op)),
                                   reshape.getInput(), op.getWeight(), op.getBias(), op.getTransposed(),
                                   op.getPrecisionAttr(), op.getActivationAttr());
    rewriter.replaceOp(op, createReshape(rewriter, op.getLoc(), linear, tfm::getDims(op.getResult())));
    return success();
  }
};

/// A convolution with one-element kernels: [B, C, L...] -> linear over C.
struct ConvToLinear : OpRewritePattern<ConvOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ConvOp op, PatternRewriter &rewriter) const override {
    auto get = op.getWeight().getDefiningOp<GetOp>();
    auto isOne = [](int64_t value) { return value == 1; };
    SmallVector<Dim> kernel = tfm::getDims(op.getWeight()), input = tfm::getDims(op.getInput());
    if (!get || op.getGroups() != 1 || !llvm::all_of(op.getStrides(), isOne) ||
        !llvm::all_of(op.getPads(), [](int64_t value) { return value == 0; }) ||
        Dim::product(ArrayRef(kernel).drop_front(2)) != Dim(1))
      return failure();
    SmallVector<int64_t> toLast{0}, fromLast{0, static_cast<int64_t>(input.size()) - 1};
    for (size_t axis = 2; axis < input.size(); ++axis) {
      toLast.push_back(axis);
      fromLast.push_back(axis - 1);
    }
    toLast.push_back(1);
    Location loc = op.getLoc();
    Value x = createTranspose(rewriter, loc, op.getInput(), toLast);
    Value weight = createReshape(rewriter, loc, op.getWeight(), {kernel[0], kernel[1]});
    SmallVector<Dim> dims = tfm::getDims(x);
    dims.back() = kernel[0];
    Value linear = LinearOp::create(rewriter, loc, tfm::getTensorType(dims, tfm::getElementType(x)), x, weight,
                                    op.getBias(), /*transposed=*/true, op.getPrecisionAttr(), Attribute());
    rewriter.replaceOp(op, createTranspose(rewriter, loc, linear, fromLast));
    return success();
  }
};

/// A weight that is used only transposed is read transposed.
struct TransposedWeight : OpRewritePattern<LinearOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(LinearOp op, PatternRewriter &rewriter) const override {
    auto transpose = op.getWeight().getDefiningOp<TransposeOp>();
    if (!transpose || !getWeightOrConstant(transpose.getInput()))
      return failure();
    rewriter.modifyOpInPlace(op, [&] {
      op.getWeightMutable().assign(transpose.getInput());
      op.setTransposed(!op.getTransposed());
    });
    return success();
  }
};

struct RecoverLinearPass : lathe::impl::RecoverLinearPassBase<RecoverLinearPass> {
  void runOnOperation() override {
    if (failed(rewrite<MatmulToLinear, AddToBias, SplitLinear, SliceOfWeight, ReshapeOfWeight, ReshapeAroundLinear,
                       ConvToLinear, TransposedWeight>(getOperation())))
      return signalPassFailure();
    eraseUnusedWeights(getOperation());
  }
};
} // namespace
