// Data movement: expands, slices, transposes and reshapes, brought to where they cost nothing or cancel.
#include "passes/Simplify/Match.h"
#include "passes/Simplify/Patterns.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::tfm;
using namespace lathe::simplify;

namespace {
/// An elementwise op reads what an expand reads, and expands its result if nothing else makes that as large.
struct ExpandThroughElementwise : OpInterfaceRewritePattern<ElementwiseOpInterface> {
  using OpInterfaceRewritePattern::OpInterfaceRewritePattern;
  LogicalResult matchAndRewrite(ElementwiseOpInterface iface, PatternRewriter &rewriter) const override {
    Operation *op = iface;
    SmallVector<Value> operands;
    SmallVector<SmallVector<Dim>> shapes;
    bool changed = false;
    for (Value operand : op->getOperands()) {
      if (auto expand = operand.getDefiningOp<ExpandOp>()) {
        operand = expand.getInput();
        changed = true;
      }
      operands.push_back(operand);
      shapes.push_back(tfm::getDims(operand));
    }
    if (!changed)
      return failure();
    Value result = op->getResult(0);
    SmallVector<Dim> dims = *broadcastDims(shapes);
    if (dims == tfm::getDims(result)) {
      rewriter.modifyOpInPlace(op, [&] { op->setOperands(operands); });
      return success();
    }
    Operation *small = rewriter.clone(*op);
    small->setOperands(operands);
    small->getResult(0).setType(tfm::getTensorType(dims, tfm::getElementType(result)));
    rewriter.replaceOp(op, createExpand(rewriter, op->getLoc(), small->getResult(0), tfm::getDims(result)));
    return success();
  }
};

struct MergeExpands : OpRewritePattern<ExpandOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ExpandOp op, PatternRewriter &rewriter) const override {
    auto inner = op.getInput().getDefiningOp<ExpandOp>();
    if (!inner)
      return failure();
    rewriter.modifyOpInPlace(op, [&] { op.getInputMutable().assign(inner.getInput()); });
    return success();
  }
};

/// Expanded batch dimensions that the other operand has anyway.
struct ExpandIntoMatmul : OpRewritePattern<MatmulOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(MatmulOp op, PatternRewriter &rewriter) const override {
    for (OpOperand &operand : op->getOpOperands()) {
      auto expand = operand.get().getDefiningOp<ExpandOp>();
      if (!expand)
        continue;
      SmallVector<Dim> small = tfm::getDims(expand.getInput()), large = tfm::getDims(expand);
      SmallVector<Dim> other = tfm::getDims(op->getOperand(1 - operand.getOperandNumber()));
      if (small.size() < 2 || ArrayRef(small).take_back(2) != ArrayRef(large).take_back(2))
        continue;
      auto batch = broadcastDims(
          {SmallVector<Dim>(small.begin(), small.end() - 2), SmallVector<Dim>(other.begin(), other.end() - 2)});
      SmallVector<Dim> result = tfm::getDims(op.getResult());
      if (!batch || ArrayRef<Dim>(*batch) != ArrayRef(result).drop_back(2))
        continue;
      rewriter.modifyOpInPlace(op, [&] { operand.set(expand.getInput()); });
      return success();
    }
    return failure();
  }
};

/// A transpose of an operand's last two dimensions is a flag of the matmul.
struct TransposeIntoMatmul : OpRewritePattern<MatmulOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(MatmulOp op, PatternRewriter &rewriter) const override {
    for (OpOperand &operand : op->getOpOperands()) {
      auto transpose = operand.get().getDefiningOp<TransposeOp>();
      if (!transpose)
        continue;
      // The last two go back in order; whatever else the transpose does stays one.
      SmallVector<int64_t> permutation(transpose.getPermutation());
      size_t rank = permutation.size();
      if (permutation[rank - 2] < permutation[rank - 1])
        continue;
      std::swap(permutation[rank - 2], permutation[rank - 1]);
      Value input = createTranspose(rewriter, transpose.getLoc(), transpose.getInput(), permutation);
      rewriter.modifyOpInPlace(op, [&] {
        operand.set(input);
        if (operand.getOperandNumber() == 0)
          op.setTransposeA(!op.getTransposeA());
        else
          op.setTransposeB(!op.getTransposeB());
      });
      return success();
    }
    return failure();
  }
};

/// A transpose that carries dimensions of 1 along works on the others only.
struct SqueezeTranspose : OpRewritePattern<TransposeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(TransposeOp op, PatternRewriter &rewriter) const override {
    SmallVector<Dim> from = tfm::getDims(op.getInput()), squeezed;
    SmallVector<int64_t> position(from.size(), -1), permutation;
    for (auto [axis, dim] : llvm::enumerate(from))
      if (dim != Dim(1)) {
        position[axis] = squeezed.size();
        squeezed.push_back(dim);
      }
    if (squeezed.size() == from.size())
      return failure();
    for (int64_t axis : op.getPermutation())
      if (position[axis] >= 0)
        permutation.push_back(position[axis]);
    Value value = createReshape(rewriter, op.getLoc(), op.getInput(), squeezed);
    if (!llvm::is_sorted(permutation))
      value = createTranspose(rewriter, op.getLoc(), value, permutation);
    rewriter.replaceOp(op, createReshape(rewriter, op.getLoc(), value, tfm::getDims(op.getResult())));
    return success();
  }
};

/// Whether a reshape splits a dimension into several that aren't 1, or we can't tell.
bool splits(ArrayRef<Dim> from, ArrayRef<Dim> to) {
  auto runs = alignReshape(from, to);
  return !runs || llvm::any_of(*runs, [](const ReshapeRun &run) {
    return run.fromEnd - run.fromBegin == 1 && run.toEnd - run.toBegin > 1;
  });
}

/// A reshape that does nothing but split dimensions splits them before a transpose as well.
struct SplitBeforeTranspose : OpRewritePattern<ReshapeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ReshapeOp op, PatternRewriter &rewriter) const override {
    auto transpose = op.getInput().getDefiningOp<TransposeOp>();
    if (!transpose)
      return failure();
    SmallVector<Dim> from = tfm::getDims(transpose.getResult()), to = tfm::getDims(op.getResult());
    auto runs = alignReshape(from, to);
    if (!runs || runs->size() != from.size() || !splits(from, to))
      return failure();
    ArrayRef<int64_t> permutation = transpose.getPermutation();
    SmallVector<SmallVector<Dim>> pieces(from.size());
    for (auto [axis, run] : llvm::enumerate(*runs)) {
      if (run.fromEnd - run.fromBegin != 1 || run.toBegin == run.toEnd)
        return failure();
      pieces[permutation[axis]].assign(to.begin() + run.toBegin, to.begin() + run.toEnd);
    }
    SmallVector<Dim> dims;
    SmallVector<int64_t> begin, finer;
    for (const auto &piece : pieces) {
      begin.push_back(dims.size());
      dims.append(piece.begin(), piece.end());
    }
    for (int64_t axis : permutation)
      for (size_t i = 0; i < pieces[axis].size(); ++i)
        finer.push_back(begin[axis] + i);
    Value value = createReshape(rewriter, op.getLoc(), transpose.getInput(), dims);
    rewriter.replaceOp(op, createTranspose(rewriter, transpose.getLoc(), value, finer));
    return success();
  }
};

/// Runs of axes that a transpose keeps together are one axis to it, if reshapes on both sides take them as one anyway:
/// reshape(transpose(reshape(x))) in its coarsest form, so that what cancels is seen to.
struct CoarsenTranspose : OpRewritePattern<ReshapeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ReshapeOp op, PatternRewriter &rewriter) const override {
    auto transpose = op.getInput().getDefiningOp<TransposeOp>();
    auto inner = transpose ? transpose.getInput().getDefiningOp<ReshapeOp>() : ReshapeOp();
    if (!inner)
      return failure();
    ArrayRef<int64_t> permutation = transpose.getPermutation();
    SmallVector<Dim> dims = tfm::getDims(transpose.getInput());
    // Axis heads in the result's order: an axis that follows its predecessor joins it.
    SmallVector<SmallVector<int64_t>> groups;
    for (int64_t axis : permutation)
      if (!groups.empty() && groups.back().back() + 1 == axis)
        groups.back().push_back(axis);
      else
        groups.push_back({axis});
    if (groups.size() == permutation.size())
      return failure();
    SmallVector<int64_t> order(groups.size()), coarse(groups.size());
    for (size_t i = 0; i < groups.size(); ++i)
      order[i] = i;
    llvm::sort(order, [&](int64_t a, int64_t b) { return groups[a].front() < groups[b].front(); });
    SmallVector<Dim> merged;
    for (auto [place, group] : llvm::enumerate(order)) {
      coarse[group] = place;
      Dim product(1);
      for (int64_t axis : groups[group])
        product = product * dims[axis];
      merged.push_back(product);
    }
    SmallVector<Dim> moved;
    for (int64_t axis : coarse)
      moved.push_back(merged[axis]);
    if (splits(moved, tfm::getDims(op.getResult())))
      return failure();
    Value value = createReshape(rewriter, inner.getLoc(), inner.getInput(), merged);
    if (coarse.size() > 1)
      value = createTranspose(rewriter, transpose.getLoc(), value, coarse);
    rewriter.replaceOp(op, createReshape(rewriter, op.getLoc(), value, tfm::getDims(op.getResult())));
    return success();
  }
};

/// A slice of one axis goes through what its producer does to the others: transposes, reshapes that split the axis off
/// another, concats and earlier slices.
struct SliceTowardsSource : OpRewritePattern<SliceOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(SliceOp op, PatternRewriter &rewriter) const override {
    auto slice = matchAxisSlice(op.getResult());
    Operation *producer = op.getInput().getDefiningOp();
    if (!slice || !producer)
      return failure();
    Location loc = op.getLoc();
    SmallVector<Dim> dims = tfm::getDims(op.getResult());
    if (auto transpose = dyn_cast<TransposeOp>(producer)) {
      // A transpose that is also read whole stays the common source of its pieces.
      if (!llvm::all_of(transpose->getUsers(), [](Operation *user) { return isa<SliceOp, GatherOp>(user); }))
        return failure();
      Value inner = createSlice(rewriter, loc, transpose.getInput(), transpose.getPermutation()[slice->axis],
                                slice->start, slice->size);
      rewriter.replaceOp(op, createTranspose(rewriter, loc, inner, transpose.getPermutation()));
      return success();
    }
    if (auto earlier = matchAxisSlice(op.getInput()); earlier && earlier->axis == slice->axis) {
      rewriter.replaceOp(op, createSlice(rewriter, loc, producer->getOperand(0), slice->axis,
                                         earlier->start + slice->start, slice->size));
      return success();
    }
    if (auto iota = dyn_cast<IotaOp>(producer)) {
      Dim start = iota.getStart().getDims()[0] + slice->start * Dim(iota.getStep());
      rewriter.replaceOpWithNewOp<IotaOp>(op, op.getType(), DimsAttr::get(getContext(), start), iota.getStep());
      return success();
    }
    if (auto concat = dyn_cast<ConcatOp>(producer))
      return throughConcat(op, concat, *slice, rewriter);
    if (auto reshape = dyn_cast<ReshapeOp>(producer))
      return throughReshape(op, reshape, *slice, rewriter);
    return failure();
  }

  static LogicalResult throughConcat(SliceOp op, ConcatOp concat, const AxisSlice &slice, PatternRewriter &rewriter) {
    int64_t axis = concat.getAxis();
    if (axis != slice.axis)
      return failure();
    Dim begin(0);
    for (Value input : concat.getInputs()) {
      Dim size = tfm::getDims(input)[axis], start = slice.start - begin;
      begin = begin + size;
      if (start == Dim(0) && slice.size == size) {
        rewriter.replaceOp(op, input);
        return success();
      }
      auto first = start.getConstant(), count = slice.size.getConstant(), whole = size.getConstant();
      if (first && count && whole && *first >= 0 && *first + *count <= *whole) {
        rewriter.replaceOp(op, createSlice(rewriter, op.getLoc(), input, axis, start, slice.size));
        return success();
      }
    }
    return failure();
  }

  /// [.., 3*H*D] -> [.., 3, H, D], slice of the 3: a slice of the 3*H*D.
  static LogicalResult throughReshape(SliceOp op, ReshapeOp reshape, const AxisSlice &slice,
                                      PatternRewriter &rewriter) {
    SmallVector<Dim> from = tfm::getDims(reshape.getInput()), to = tfm::getDims(reshape);
    auto runs = alignReshape(from, to);
    if (!runs)
      return failure();
    for (const ReshapeRun &run : *runs) {
      if (slice.axis < run.toBegin || slice.axis >= run.toEnd)
        continue;
      if (run.fromEnd - run.fromBegin != 1 || slice.axis != run.toBegin)
        return failure();
      Dim inner = Dim::product(ArrayRef(to).slice(run.toBegin + 1, run.toEnd - run.toBegin - 1));
      Value value = createSlice(rewriter, op.getLoc(), reshape.getInput(), run.fromBegin, slice.start * inner,
                                slice.size * inner);
      rewriter.replaceOp(op, createReshape(rewriter, op.getLoc(), value, tfm::getDims(op.getResult())));
      return success();
    }
    return failure();
  }
};

/// A gather of one constant index is a slice.
struct GatherToSlice : OpRewritePattern<GatherOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(GatherOp op, PatternRewriter &rewriter) const override {
    auto index = getSplat(op.getIndices());
    SmallVector<Dim> dims = tfm::getDims(op.getData());
    if (!index || Dim::product(tfm::getDims(op.getIndices())) != Dim(1))
      return failure();
    Dim start(static_cast<int64_t>(*index));
    if (*index < 0)
      start = start + dims[op.getAxis()];
    Value slice = createSlice(rewriter, op.getLoc(), op.getData(), op.getAxis(), start, Dim(1));
    rewriter.replaceOp(op, createReshape(rewriter, op.getLoc(), slice, tfm::getDims(op.getResult())));
    return success();
  }
};

/// concat(concat(a, b), c) along one axis is one concat; pieces of extent 0 go.
struct MergeConcats : OpRewritePattern<ConcatOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ConcatOp op, PatternRewriter &rewriter) const override {
    SmallVector<Value> inputs;
    bool changed = false;
    for (Value input : op.getInputs()) {
      auto inner = input.getDefiningOp<ConcatOp>();
      if (inner && inner.getAxis() == op.getAxis()) {
        inputs.append(inner.getInputs().begin(), inner.getInputs().end());
        changed = true;
      } else if (tfm::getDims(input)[op.getAxis()] == Dim(0) && op.getInputs().size() > 1) {
        changed = true;
      } else {
        inputs.push_back(input);
      }
    }
    if (!changed || inputs.empty())
      return failure();
    rewriter.modifyOpInPlace(op, [&] { op.getInputsMutable().assign(inputs); });
    return success();
  }
};

/// cast(reshape(x)) is reshape(cast(x)).
struct CastBeforeReshape : OpRewritePattern<CastOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(CastOp op, PatternRewriter &rewriter) const override {
    auto reshape = op.getInput().getDefiningOp<ReshapeOp>();
    if (!reshape)
      return failure();
    auto type = tfm::getTensorType(tfm::getDims(reshape.getInput()), tfm::getElementType(op));
    Value cast = CastOp::create(rewriter, op.getLoc(), type, reshape.getInput());
    rewriter.replaceOp(op, createReshape(rewriter, op.getLoc(), cast, tfm::getDims(op.getResult())));
    return success();
  }
};

/// A matmul over K = 1 is a product.
struct OuterProduct : OpRewritePattern<MatmulOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(MatmulOp op, PatternRewriter &rewriter) const override {
    SmallVector<Dim> lhs = tfm::getDims(op.getLhs());
    if (!isa<FloatType>(tfm::getElementType(op)) || lhs[lhs.size() - (op.getTransposeA() ? 2 : 1)] != Dim(1))
      return failure();
    auto flip = [&](Value value) {
      SmallVector<Dim> dims = tfm::getDims(value);
      std::swap(dims[dims.size() - 1], dims[dims.size() - 2]);
      return createReshape(rewriter, op.getLoc(), value, dims); // one of the two is 1
    };
    Value a = op.getTransposeA() ? flip(op.getLhs()) : op.getLhs();
    Value b = op.getTransposeB() ? flip(op.getRhs()) : op.getRhs();
    rewriter.replaceOp(op, buildElementwise<MulOp>(rewriter, op.getLoc(), {a, b}));
    return success();
  }
};

struct DropPad : OpRewritePattern<PadOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(PadOp op, PatternRewriter &rewriter) const override {
    auto isZero = [](const Dim &dim) { return dim == Dim(0); };
    if (!llvm::all_of(op.getLow().getDims(), isZero) || !llvm::all_of(op.getHigh().getDims(), isZero))
      return failure();
    rewriter.replaceOp(op, op.getInput());
    return success();
  }
};
} // namespace

void simplify::populateMovementPatterns(RewritePatternSet &patterns) {
  MLIRContext *context = patterns.getContext();
  patterns.add<ExpandThroughElementwise, MergeExpands, ExpandIntoMatmul, TransposeIntoMatmul, SqueezeTranspose,
               SplitBeforeTranspose, CoarsenTranspose, CastBeforeReshape, OuterProduct, SliceTowardsSource,
               GatherToSlice, MergeConcats, DropPad>(context);
  ReshapeOp::getCanonicalizationPatterns(patterns, context);
  TransposeOp::getCanonicalizationPatterns(patterns, context);
}
