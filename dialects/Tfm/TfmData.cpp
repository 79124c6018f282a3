// Verifiers, folds and canonicalisations of the ops that move elements.
#include "dialects/Tfm/Formats.h"
#include "dialects/Tfm/Verify.h"
#include "mlir/IR/PatternMatch.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::tfm;

LogicalResult WeightOp::verify() {
  auto type = dyn_cast<RankedTensorType>(getType());
  if (!type || !type.hasStaticShape())
    return emitOpError("C2: expected a static tensor type, got ") << getType();
  if (auto elements = dyn_cast<ElementsAttr>(getSource())) {
    if (elements.getType() != getPlainType(type))
      return emitOpError("C1: expected a literal of type ") << getPlainType(type) << ", got " << elements.getType();
    return success();
  }
  if (!isa<FileAttr, BlobAttr, RandomAttr>(getSource()))
    return emitOpError("C3: expected #tfm.file, #tfm.blob, #tfm.random or a literal as the source, got ")
           << getSource();
  return success();
}

LogicalResult GetOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto weight = symbols.lookupNearestSymbolFrom<WeightOp>(*this, getWeightAttr());
  if (!weight)
    return emitOpError("C1: expected a tfm.weight, got ") << getWeightAttr();
  if (weight.getType() != getResult().getType())
    return emitOpError("C2: expected the weight's type ") << weight.getType() << ", got " << getResult().getType();
  return success();
}

OpFoldResult ConstantOp::fold(FoldAdaptor) { return getValue(); }

LogicalResult ExtentOp::verify() {
  SmallVector<Dim> dims = getDims(getResult());
  size_t count = getExtents().getTexts().size();
  bool scalar = dims.empty() && count == 1;
  if (!getElementType(getResult()).isSignlessInteger(64) || (!scalar && (dims.size() != 1 || dims[0] != Dim(count))))
    return emitOpError("C1: expected i64 of shape [") << count << "], got " << getResult().getType();
  return success();
}

LogicalResult IotaOp::verify() {
  if (getStart().getTexts().size() != 1)
    return emitOpError("C1: expected one dimension as start, got ") << getStart();
  if (getDims(getResult()).size() != 1)
    return emitOpError("C2: expected a result of rank 1, got ") << getResult().getType();
  return success();
}

LogicalResult RequireOp::verify() {
  if (getLeft().getTexts().size() != getRight().getTexts().size())
    return emitOpError("C1: expected lists of one length, got ") << getLeft() << " and " << getRight();
  return success();
}

LogicalResult ReshapeOp::verify() {
  if (failed(verifySameElementType(*this, "C1", {getInput(), getResult()})))
    return failure();
  auto from = cast<RankedTensorType>(getInput().getType()), to = cast<RankedTensorType>(getResult().getType());
  if (from.hasStaticShape() && to.hasStaticShape() && Dim::product(getDims(from)) != Dim::product(getDims(to)))
    return emitOpError("C2: expected as many elements as in ") << from << ", got " << to;
  return success();
}

OpFoldResult ReshapeOp::fold(FoldAdaptor adaptor) {
  if (getInput().getType() == getResult().getType())
    return getInput();
  auto type = cast<RankedTensorType>(getResult().getType());
  if (auto elements = dyn_cast_or_null<DenseElementsAttr>(adaptor.getInput()); elements && type.hasStaticShape())
    return elements.reshape(type);
  return {};
}

namespace {
/// reshape(reshape(x)) is one reshape.
struct MergeReshapes : OpRewritePattern<ReshapeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ReshapeOp op, PatternRewriter &rewriter) const override {
    auto producer = op.getInput().getDefiningOp<ReshapeOp>();
    if (!producer)
      return failure();
    rewriter.modifyOpInPlace(op, [&] { op.getInputMutable().assign(producer.getInput()); });
    return success();
  }
};

/// transpose(transpose(x)) is one transpose.
struct MergeTransposes : OpRewritePattern<TransposeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(TransposeOp op, PatternRewriter &rewriter) const override {
    auto producer = op.getInput().getDefiningOp<TransposeOp>();
    if (!producer)
      return failure();
    SmallVector<int64_t> permutation;
    for (int64_t axis : op.getPermutation())
      permutation.push_back(producer.getPermutation()[axis]);
    rewriter.replaceOpWithNewOp<TransposeOp>(op, op.getResult().getType(), producer.getInput(),
                                             rewriter.getDenseI64ArrayAttr(permutation));
    return success();
  }
};

/// A transpose that only moves dimensions of 1 is a reshape.
struct TransposeToReshape : OpRewritePattern<TransposeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(TransposeOp op, PatternRewriter &rewriter) const override {
    SmallVector<Dim> dims = getDims(op.getInput());
    int64_t last = -1;
    for (int64_t axis : op.getPermutation()) {
      if (dims[axis] == Dim(1))
        continue;
      if (axis < last)
        return failure();
      last = axis;
    }
    rewriter.replaceOpWithNewOp<ReshapeOp>(op, op.getResult().getType(), op.getInput());
    return success();
  }
};
} // namespace

void ReshapeOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *context) {
  patterns.add<MergeReshapes>(context);
}
void TransposeOp::getCanonicalizationPatterns(RewritePatternSet &patterns, MLIRContext *context) {
  patterns.add<MergeTransposes, TransposeToReshape>(context);
}

LogicalResult TransposeOp::verify() {
  SmallVector<Dim> dims = getDims(getInput()), expected;
  SmallVector<bool> seen(dims.size());
  if (getPermutation().size() != dims.size())
    return emitOpError("C1: expected a permutation of ") << dims.size() << " axes";
  for (int64_t axis : getPermutation()) {
    if (axis < 0 || axis >= static_cast<int64_t>(dims.size()) || seen[axis])
      return emitOpError("C1: expected a permutation of ") << dims.size() << " axes";
    seen[axis] = true;
    expected.push_back(dims[axis]);
  }
  return verifyResultDims(*this, "C2", expected);
}

OpFoldResult TransposeOp::fold(FoldAdaptor) {
  if (getInput().getType() == getResult().getType() && llvm::is_sorted(getPermutation()))
    return getInput();
  return {};
}

LogicalResult ExpandOp::verify() {
  auto dims = broadcastDims({getDims(getInput()), getDims(getResult())});
  if (!dims || *dims != getDims(getResult()))
    return emitOpError("C1: ") << getInput().getType() << " doesn't broadcast to " << getResult().getType();
  return success();
}
OpFoldResult ExpandOp::fold(FoldAdaptor) {
  return getInput().getType() == getResult().getType() ? OpFoldResult(getInput()) : OpFoldResult();
}

LogicalResult SliceOp::verify() {
  size_t rank = getDims(getInput()).size();
  if (getStarts().getTexts().size() != rank || getSteps().size() != rank || getDims(getResult()).size() != rank ||
      llvm::is_contained(getSteps(), 0))
    return emitOpError("C1: expected ") << rank << " starts, non-zero steps and result dimensions";
  return verifySameElementType(*this, "C2", {getInput(), getResult()});
}
OpFoldResult SliceOp::fold(FoldAdaptor) {
  bool whole = llvm::all_of(getStarts().getDims(), [](const Dim &dim) { return dim == Dim(0); }) &&
               llvm::all_of(getSteps(), [](int64_t step) { return step == 1; });
  return whole && getInput().getType() == getResult().getType() ? OpFoldResult(getInput()) : OpFoldResult();
}

LogicalResult ConcatOp::verify() {
  if (getInputs().empty())
    return emitOpError("C1: expected an input");
  SmallVector<Dim> expected = getDims(getInputs().front());
  uint64_t axis = getAxis();
  if (axis >= expected.size())
    return emitOpError("C1: expected an axis below the rank ") << expected.size() << ", got " << axis;
  for (Value input : getInputs().drop_front()) {
    SmallVector<Dim> dims = getDims(input);
    if (dims.size() != expected.size())
      return emitOpError("C1: expected inputs of rank ") << expected.size() << ", got " << input.getType();
    expected[axis] = expected[axis] + dims[axis];
    for (auto [index, dim] : llvm::enumerate(dims))
      if (index != axis && dim != expected[index])
        return emitOpError("C1: expected dimension ")
               << index << " to be " << expected[index].str() << ", got " << dim.str();
  }
  if (failed(verifyResultDims(*this, "C1", expected)))
    return failure();
  SmallVector<Value> values(getInputs());
  values.push_back(getResult());
  return verifySameElementType(*this, "C2", values);
}
OpFoldResult ConcatOp::fold(FoldAdaptor) {
  return getInputs().size() == 1 ? OpFoldResult(getInputs()[0]) : OpFoldResult();
}

LogicalResult PadOp::verify() {
  SmallVector<Dim> dims = getDims(getInput()), low = getLow().getDims(), high = getHigh().getDims();
  if (low.size() != dims.size() || high.size() != dims.size())
    return emitOpError("C1: expected ") << dims.size() << " low and high pads";
  if (!getDims(getValue()).empty())
    return emitOpError("C2: expected a scalar value, got ") << getValue().getType();
  for (auto [dim, l, h] : llvm::zip(dims, low, high))
    dim = dim + l + h;
  if (failed(verifyResultDims(*this, "C1", dims)))
    return failure();
  return verifySameElementType(*this, "C2", {getInput(), getValue(), getResult()});
}

LogicalResult GatherOp::verify() {
  SmallVector<Dim> data = getDims(getData()), indices = getDims(getIndices());
  uint64_t axis = getAxis();
  if (axis >= data.size())
    return emitOpError("C1: expected an axis below the rank ") << data.size() << ", got " << axis;
  SmallVector<Dim> expected(data.begin(), data.begin() + axis);
  expected.append(indices.begin(), indices.end());
  expected.append(data.begin() + axis + 1, data.end());
  return verifyResultDims(*this, "C2", expected);
}

LogicalResult GatherElementsOp::verify() {
  size_t rank = getDims(getData()).size();
  if (static_cast<uint64_t>(getAxis()) >= rank || getDims(getIndices()).size() != rank)
    return emitOpError("C1: expected operands of one rank and an axis below it, got ") << getAxis();
  return verifyResultDims(*this, "C2", getDims(getIndices()));
}

LogicalResult GatherNdOp::verify() {
  SmallVector<Dim> data = getDims(getData()), indices = getDims(getIndices());
  uint64_t batch = getBatchDims();
  if (indices.empty() || batch >= indices.size() || !indices.back().isConstant() || *indices.back().getConstant() < 1 ||
      batch + *indices.back().getConstant() > data.size())
    return emitOpError("C1: expected index tuples of static length that address ")
           << getData().getType() << ", got " << getIndices().getType();
  SmallVector<Dim> expected(indices.begin(), indices.end() - 1);
  expected.append(data.begin() + batch + *indices.back().getConstant(), data.end());
  return verifyResultDims(*this, "C2", expected);
}
