// --lathe-recover-rotary: tfm.rotary from halves swapped, negated, multiplied and added.
#include "passes/Passes.h"
#include "passes/Simplify/Match.h"
#include "passes/Simplify/Patterns.h"

namespace lathe {
#define GEN_PASS_DEF_RECOVERROTARYPASS
#include "passes/Passes.h.inc"
} // namespace lathe

using namespace mlir;
using namespace lathe;
using namespace lathe::tfm;
using namespace lathe::simplify;

namespace {
/// x, where value is concat(-x[.., D/2:], x[.., :D/2]).
Value matchRotateHalf(Value value, SmallVectorImpl<Operation *> &ops) {
  auto concat = value.getDefiningOp<ConcatOp>();
  int64_t last = static_cast<int64_t>(tfm::getDims(value).size()) - 1;
  if (!concat || concat.getInputs().size() != 2 || static_cast<int64_t>(concat.getAxis()) != last)
    return {};
  auto neg = concat.getInputs()[0].getDefiningOp<NegOp>();
  auto upper = neg ? matchAxisSlice(neg.getInput()) : std::nullopt, lower = matchAxisSlice(concat.getInputs()[1]);
  if (!upper || !lower || upper->axis != last || lower->axis != last)
    return {};
  Operation *upperOp = neg.getInput().getDefiningOp(), *lowerOp = concat.getInputs()[1].getDefiningOp();
  Value x = upperOp->getOperand(0);
  auto width = tfm::getDims(value)[last].getConstant();
  if (lowerOp->getOperand(0) != x || x.getType() != value.getType() || !width || *width % 2 != 0 ||
      lower->start != Dim(0) || lower->size != Dim(*width / 2) || upper->start != Dim(*width / 2))
    return {};
  ops.append({concat, neg, upperOp, lowerOp});
  return x;
}

/// The first half along the last dimension of a value whose two halves are the same: rebuilt from what was copied.
/// Null, with nothing built, where that isn't seen.
bool hasEqualHalves(Value value, unsigned depth = 0) {
  Operation *op = value.getDefiningOp();
  if (!op || depth > 16)
    return false;
  int64_t last = static_cast<int64_t>(tfm::getDims(value).size()) - 1;
  if (auto concat = dyn_cast<ConcatOp>(op)) {
    if (static_cast<int64_t>(concat.getAxis()) == last)
      return concat.getInputs().size() == 2 && concat.getInputs()[0] == concat.getInputs()[1];
    return false;
  }
  auto keepsLast = [&](Value input) {
    SmallVector<Dim> from = tfm::getDims(input);
    return !from.empty() && from.back() == tfm::getDims(value).back();
  };
  if (isa<ElementwiseOpInterface>(op)) {
    for (Value operand : op->getOperands())
      if (keepsLast(operand) ? !hasEqualHalves(operand, depth + 1)
                             : !tfm::getDims(operand).empty() && tfm::getDims(operand).back() != Dim(1))
        return false;
    return true;
  }
  if (auto slice = matchAxisSlice(value))
    return slice->axis != last && hasEqualHalves(op->getOperand(0), depth + 1);
  if (auto gather = dyn_cast<GatherOp>(op))
    return static_cast<size_t>(gather.getAxis()) + 1 < tfm::getDims(gather.getData()).size() &&
           hasEqualHalves(gather.getData(), depth + 1);
  if (auto transpose = dyn_cast<TransposeOp>(op))
    return transpose.getPermutation().back() == last && hasEqualHalves(transpose.getInput(), depth + 1);
  return isa<ReshapeOp, ExpandOp>(op) && keepsLast(op->getOperand(0)) && hasEqualHalves(op->getOperand(0), depth + 1);
}
Value buildHalf(PatternRewriter &rewriter, Value value) {
  Operation *op = value.getDefiningOp();
  if (auto concat = dyn_cast<ConcatOp>(op))
    return concat.getInputs()[0];
  SmallVector<Dim> dims = tfm::getDims(value);
  OpBuilder::InsertionGuard guard(rewriter);
  rewriter.setInsertionPointAfter(op);
  SmallVector<Value> operands;
  for (auto [index, operand] : llvm::enumerate(op->getOperands())) {
    bool isIndices = isa<GatherOp>(op) && index == 1;
    bool halves = !isIndices && !tfm::getDims(operand).empty() && tfm::getDims(operand).back() == dims.back();
    operands.push_back(halves ? buildHalf(rewriter, operand) : operand);
  }
  dims.back() = *dims.back().exactDiv(2);
  Operation *clone = rewriter.clone(*op);
  clone->setOperands(operands);
  clone->getResult(0).setType(tfm::getTensorType(dims, tfm::getElementType(value)));
  return clone->getResult(0);
}

/// [.., S, D] of cos or sin that is the same for all heads of [B, H, S, D]: [B or 1, S, D/2].
bool isTable(Value value, ArrayRef<Dim> x) {
  SmallVector<Dim> dims = tfm::getDims(value);
  while (dims.size() < 4)
    dims.insert(dims.begin(), Dim(1));
  return dims.size() == 4 && (dims[0] == Dim(1) || dims[0] == x[0]) && dims[1] == Dim(1) && dims[2] == x[2] &&
         dims[3] == x[3] && hasEqualHalves(value);
}

/// x * cos + rotate_half(x) * sin over [B, H, S, D].
struct FormRotary : OpRewritePattern<AddOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(AddOp op, PatternRewriter &rewriter) const override {
    SmallVector<Dim> dims = tfm::getDims(op.getResult());
    if (dims.size() != 4 || !dims[1].isConstant() || !dims[3].isConstant())
      return failure();
    for (unsigned side : {0, 1}) {
      auto straight = op->getOperand(side).getDefiningOp<MulOp>(),
           turned = op->getOperand(1 - side).getDefiningOp<MulOp>();
      if (!straight || !turned)
        return failure();
      for (unsigned turnedSide : {0, 1}) {
        SmallVector<Operation *> ops{op, straight, turned};
        Value x = matchRotateHalf(turned->getOperand(turnedSide), ops);
        Value sin = turned->getOperand(1 - turnedSide), cos = x ? getOther(straight, x) : Value();
        if (!cos || x.getType() != op.getType() || !isTable(cos, dims) || !isTable(sin, dims))
          continue;
        return build(op, x, cos, sin, fuseLocations(rewriter, ops), rewriter);
      }
    }
    return failure();
  }

  static LogicalResult build(AddOp op, Value x, Value cos, Value sin, Location loc, PatternRewriter &rewriter) {
    SmallVector<Dim> dims = tfm::getDims(x);
    Dim heads = dims[1];
    auto table = [&](Value value) {
      Value half = buildHalf(rewriter, value);
      SmallVector<Dim> small = tfm::getDims(half);
      Dim batch = small.size() == 4 ? small[0] : Dim(1);
      return createReshape(rewriter, loc, half, {batch, dims[2], small.back()});
    };
    Value cosTable = table(cos), sinTable = table(sin);
    if (tfm::getDims(cosTable) != tfm::getDims(sinTable)) {
      cosTable = createExpand(rewriter, loc, cosTable, {dims[0], dims[2], tfm::getDims(cosTable).back()});
      sinTable = createExpand(rewriter, loc, sinTable, tfm::getDims(cosTable));
    }
    Value rows = createReshape(rewriter, loc, createTranspose(rewriter, loc, x, {0, 2, 1, 3}),
                               {dims[0], dims[2], heads * dims[3]});
    Value rotary = RotaryOp::create(rewriter, loc, rows.getType(), rows, cosTable, sinTable, *heads.getConstant());
    Value result = createReshape(rewriter, loc, rotary, {dims[0], dims[2], heads, dims[3]});
    rewriter.replaceOp(op, createTranspose(rewriter, loc, result, {0, 2, 1, 3}));
    return success();
  }
};

struct RecoverRotaryPass : lathe::impl::RecoverRotaryPassBase<RecoverRotaryPass> {
  void runOnOperation() override {
    if (failed(rewrite<FormRotary>(getOperation())))
      signalPassFailure();
  }
};
} // namespace
