// --lathe-recover-pooling: mean_pool and l2_normalize from sums and divisions.
#include "passes/Passes.h"
#include "passes/Simplify/Match.h"
#include "passes/Simplify/Patterns.h"

namespace lathe {
#define GEN_PASS_DEF_RECOVERPOOLINGPASS
#include "passes/Passes.h.inc"
} // namespace lathe

using namespace mlir;
using namespace lathe;
using namespace lathe::tfm;
using namespace lathe::simplify;

namespace {
/// max(x, floor): both, for a floor above 0.
std::optional<std::pair<Value, double>> matchFloor(Value value) {
  auto maximum = value.getDefiningOp<MaximumOp>();
  if (!maximum)
    return std::nullopt;
  for (unsigned side : {0, 1})
    if (auto floor = getSplat(maximum->getOperand(1 - side)); floor && *floor > 0)
      return std::pair(maximum->getOperand(side), *floor);
  return std::nullopt;
}

/// reshape or not, which only drops or adds dimensions of 1: what it reads.
Value skipUnitReshape(Value value) {
  auto isUnit = [](const Dim &dim) { return dim == Dim(1); };
  auto reshape = value.getDefiningOp<ReshapeOp>();
  if (!reshape)
    return value;
  SmallVector<Dim> from = tfm::getDims(reshape.getInput()), to = tfm::getDims(value);
  llvm::erase_if(from, isUnit);
  llvm::erase_if(to, isUnit);
  return from == to ? reshape.getInput() : value;
}

Value skipUnitAndExpand(Value value) {
  for (unsigned i = 0; i < 4; ++i) {
    Value inner = skipUnitReshape(value);
    if (auto expand = inner.getDefiningOp<ExpandOp>())
      inner = expand.getInput();
    if (inner == value)
      break;
    value = inner;
  }
  return value;
}

ReduceSumOp matchSum(Value value, int64_t axis) {
  auto sum = value.getDefiningOp<ReduceSumOp>();
  return sum && sum.getAxes() == ArrayRef<int64_t>{axis} ? sum : ReduceSumOp();
}

/// sum(x * mask, 1) / max(sum(mask, 1), floor)
struct FormMeanPool : OpRewritePattern<DivOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(DivOp op, PatternRewriter &rewriter) const override {
    auto sum = matchSum(skipUnitReshape(op.getLhs()), 1);
    auto floor = matchFloor(skipUnitAndExpand(op.getRhs()));
    auto count = floor ? matchSum(skipUnitAndExpand(floor->first), 1) : ReduceSumOp();
    auto product = sum ? sum.getInput().getDefiningOp<MulOp>() : MulOp();
    if (!count || !product)
      return failure();
    SmallVector<Dim> dims = tfm::getDims(sum.getInput());
    Value counted = skipUnitAndExpand(count.getInput());
    if (dims.size() != 3)
      return failure();
    SmallVector<Dim> maskDims{dims[0], dims[1]}, columnDims{dims[0], dims[1], Dim(1)};
    if ((tfm::getDims(counted) != maskDims && tfm::getDims(counted) != columnDims) ||
        Dim::product(tfm::getDims(op.getResult())) != dims[0] * dims[2])
      return failure();
    for (unsigned side : {0, 1}) {
      Value x = product->getOperand(side), mask = product->getOperand(1 - side);
      SmallVector<Dim> broadcast = tfm::getDims(mask);
      if (x.getType() != product.getType() || broadcast.size() != 3 || broadcast[0] != dims[0] ||
          broadcast[1] != dims[1] || broadcast[2] != Dim(1) || skipUnitAndExpand(mask) != counted)
        continue;
      Location loc = fuseLocations(rewriter, {product, sum, count, op.getRhs().getDefiningOp(), op});
      auto type = tfm::getTensorType({dims[0], dims[2]}, tfm::getElementType(op));
      Value rows = createReshape(rewriter, loc, counted, maskDims);
      Value pool = MeanPoolOp::create(rewriter, loc, type, x, rows, llvm::APFloat(floor->second));
      rewriter.replaceOp(op, createReshape(rewriter, loc, pool, tfm::getDims(op.getResult())));
      return success();
    }
    return failure();
  }
};

/// x / max(sqrt(sum(x^2, -1)), floor)
struct FormL2Normalize : OpRewritePattern<DivOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(DivOp op, PatternRewriter &rewriter) const override {
    Value x = op.getLhs();
    auto floor = matchFloor(skipUnitAndExpand(op.getRhs()));
    auto sqrt = floor ? skipUnitAndExpand(floor->first).getDefiningOp<SqrtOp>() : SqrtOp();
    int64_t last = static_cast<int64_t>(tfm::getDims(x).size()) - 1;
    auto sum = sqrt ? matchSum(skipUnitAndExpand(sqrt.getInput()), last) : ReduceSumOp();
    if (!sum || matchSquare(sum.getInput()) != x || x.getType() != op.getType())
      return failure();
    // The norm has one element per row of x, whatever its spelling: a broadcast along the last dimension alone.
    SmallVector<Dim> norm = tfm::getDims(op.getRhs());
    if (norm.size() != static_cast<size_t>(last + 1) || (norm[last] != Dim(1) && norm != tfm::getDims(x)))
      return failure();
    Location loc =
        fuseLocations(rewriter, {sum.getInput().getDefiningOp(), sum, sqrt, op.getRhs().getDefiningOp(), op});
    rewriter.replaceOp(op, L2NormalizeOp::create(rewriter, loc, op.getType(), x, llvm::APFloat(floor->second)));
    return success();
  }
};

struct RecoverPoolingPass : lathe::impl::RecoverPoolingPassBase<RecoverPoolingPass> {
  void runOnOperation() override {
    if (failed(rewrite<FormMeanPool, FormL2Normalize>(getOperation())))
      signalPassFailure();
  }
};
} // namespace
