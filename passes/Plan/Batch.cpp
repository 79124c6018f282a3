// Follows the batch forwards through @main: along which dimension of each value, if along any, its samples lie.
#include "passes/Plan/Batch.h"
#include "mlir/IR/SymbolTable.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace lathe;

namespace {

/// Nowhere: the same for every batch. Along: slice i of the axis, which is the batch times something that no symbol of
/// the batch is in, depends on sample i alone; row-major, so that a sample's elements of a merged axis are neighbours.
/// Unknown: anything else.
struct Place {
  enum Kind { Nowhere, Along, Unknown } kind = Nowhere;
  size_t axis = 0;

  static Place unknown() { return {Unknown, 0}; }
  static Place along(size_t axis) { return {Along, axis}; }
  bool operator==(const Place &other) const { return kind == other.kind && axis == other.axis; }
  /// The same axis where the last dimensions are aligned, as for a broadcast.
  Place aligned(size_t from, size_t to) const { return kind == Along ? along(axis + to - from) : *this; }
};

class BatchFinder {
public:
  BatchFinder(func::FuncOp main, StringRef batch)
      : symbols(main->getParentOfType<ModuleOp>()), name(batch), batch(Dim::symbol(batch)) {}

  bool leads(Type type) const {
    SmallVector<Dim> dims = tfm::getDims(type);
    return !dims.empty() && dims[0] == batch && leaves(dims, 0);
  }

  void setLeading(Value value) { places[value] = Place::along(0); }
  Place operator[](Value value) const { return places.lookup(value); }

  void visit(Block &block) {
    for (Operation &op : block.without_terminator()) {
      if (auto launch = dyn_cast<kernel::LaunchOp>(op)) {
        Block &body = symbols.lookup<kernel::FuncOp>(launch.getKernel()).getBody().front();
        for (auto [argument, input] : llvm::zip_equal(body.getArguments(), launch.getInputs()))
          places[argument] = places.lookup(input);
        visit(body);
        for (auto [output, result] : llvm::zip_equal(launch.getOutputs(), body.getTerminator()->getOperands()))
          places[output] = places.lookup(result);
        continue;
      }
      for (Value result : op.getResults())
        places[result] = getPlace(&op, result);
    }
  }

  bool uses(const Dim &dim) const {
    bool found = false;
    dim.walkSymbols([&](StringRef symbol) { found |= symbol == name; });
    return found || !dim.isValid();
  }

private:
  /// Whether the batch is in no dimension but that one.
  bool leaves(ArrayRef<Dim> dims, size_t axis) const {
    for (auto [i, dim] : llvm::enumerate(dims))
      if (i != axis && uses(dim))
        return false;
    return true;
  }

  bool fits(ArrayRef<Dim> dims, size_t axis) const {
    auto rest = axis < dims.size() ? dims[axis].exactDiv(batch) : std::nullopt;
    return rest && !uses(*rest) && leaves(dims, axis);
  }

  Place getPlace(Operation *op, Value result) {
    SmallVector<Dim> dims = tfm::getDims(result);
    for (Value operand : op->getOperands())
      if (places.lookup(operand).kind == Place::Unknown)
        return Place::unknown();
    for (NamedAttribute attribute : op->getAttrs())
      if (auto values = dyn_cast<tfm::DimsAttr>(attribute.getValue()))
        if (llvm::any_of(values.getDims(), [&](const Dim &dim) { return uses(dim); }))
          return Place::unknown();
    bool constant = llvm::all_of(op->getOperands(), [&](Value v) { return places.lookup(v).kind == Place::Nowhere; });
    if (constant && llvm::none_of(dims, [&](const Dim &dim) { return uses(dim); }))
      return Place();
    Place place = constant && !isa<tfm::ExpandOp>(op) ? Place::unknown() : carry(op, dims);
    return place.kind == Place::Along && fits(dims, place.axis) ? place : Place::unknown();
  }

  /// Where an op, one of whose operands has a place, puts the batch.
  Place carry(Operation *op, ArrayRef<Dim> dims) {
    auto at = [&](Value value) { return places.lookup(value); };
    auto rank = [](Value value) { return tfm::getDims(value).size(); };
    /// The operand's own place, if that is before `end` and nothing else has one.
    auto keep = [&](Value operand, size_t end) {
      for (Value other : op->getOperands())
        if (other != operand && at(other).kind != Place::Nowhere)
          return Place::unknown();
      return at(operand).axis < end ? at(operand) : Place::unknown();
    };
    auto keepBut = [&](Value operand, ArrayRef<int64_t> axes) {
      return llvm::is_contained(axes, static_cast<int64_t>(at(operand).axis)) ? Place::unknown()
                                                                              : keep(operand, rank(operand));
    };
    /// One place for all operands that have one, their last dimensions aligned.
    auto align = [&](ValueRange operands) {
      Place place;
      for (Value operand : operands) {
        Place next = at(operand).aligned(rank(operand), dims.size());
        if (next.kind == Place::Nowhere)
          continue;
        if (place.kind != Place::Nowhere && !(place == next))
          return Place::unknown();
        place = next;
      }
      return place;
    };
    return llvm::TypeSwitch<Operation *, Place>(op)
        .Case<tfm::LinearOp, tfm::LayerNormOp, tfm::RmsNormOp, tfm::L2NormalizeOp>(
            [&](auto) { return keep(op->getOperand(0), dims.size() - 1); })
        .Case([&](tfm::ConvOp conv) { return keep(conv.getInput(), 1); })
        .Case([&](tfm::EmbeddingOp embedding) { return keep(embedding.getIds(), dims.size()); })
        .Case<tfm::SoftmaxOp, tfm::CumSumOp, tfm::ArgMaxOp, tfm::ArgMinOp>(
            [&](auto axisOp) { return keepBut(axisOp.getInput(), {static_cast<int64_t>(axisOp.getAxis())}); })
        .Case<tfm::ReduceSumOp, tfm::ReduceMeanOp, tfm::ReduceMaxOp, tfm::ReduceMinOp, tfm::ReduceProdOp>(
            [&](auto reduce) { return keepBut(reduce.getInput(), reduce.getAxes()); })
        .Case<tfm::AttentionOp, tfm::RotaryOp, tfm::MeanPoolOp>([&](auto) {
          // A bias or a table of angles may have fewer dimensions, or a batch of 1.
          for (Value operand : op->getOperands())
            if (at(operand).kind == Place::Along && (at(operand).axis != 0 || tfm::getDims(operand)[0] != batch))
              return Place::unknown();
          bool rows = at(op->getOperand(0)).kind == Place::Along;
          if (auto attention = dyn_cast<tfm::AttentionOp>(op))
            rows &= at(attention.getKey()).kind == Place::Along && at(attention.getValue()).kind == Place::Along;
          return rows ? Place::along(0) : Place::unknown();
        })
        .Case([&](tfm::MatmulOp matmul) {
          // Along a dimension of the batches, or along the rows or columns of the result.
          Place a = at(matmul.getLhs()), b = at(matmul.getRhs());
          size_t rows = rank(matmul.getLhs()) - (matmul.getTransposeA() ? 1 : 2);
          size_t columns = rank(matmul.getRhs()) - (matmul.getTransposeB() ? 2 : 1);
          if (b.kind == Place::Nowhere && a.axis == rows)
            return Place::along(dims.size() - 2);
          if (a.kind == Place::Nowhere && b.axis == columns)
            return Place::along(dims.size() - 1);
          Place place = align({matmul.getLhs(), matmul.getRhs()});
          return place.kind == Place::Along && place.axis + 2 < dims.size() ? place : Place::unknown();
        })
        .Case([&](tfm::ReshapeOp reshape) {
          SmallVector<Dim> from = tfm::getDims(reshape.getInput());
          size_t axis = at(reshape.getInput()).axis;
          // What comes before stays, or the batch leads; what comes after may be cut anew, for it is a sample's.
          bool same = axis < dims.size() && ArrayRef<Dim>(from).take_front(axis) == dims.take_front(axis);
          return same && (axis == 0 || from[axis] == dims[axis]) ? Place::along(axis) : Place::unknown();
        })
        .Case([&](tfm::TransposeOp transpose) {
          const int64_t *found = llvm::find(transpose.getPermutation(), int64_t(at(transpose.getInput()).axis));
          return Place::along(found - transpose.getPermutation().begin());
        })
        .Case([&](tfm::ExpandOp expand) {
          if (at(expand.getInput()).kind == Place::Along)
            return align({expand.getInput()});
          const Dim *found = llvm::find_if(dims, [&](const Dim &dim) { return uses(dim); });
          return found != dims.end() ? Place::along(found - dims.begin()) : Place::unknown();
        })
        .Case([&](tfm::SliceOp slice) {
          size_t axis = at(slice.getInput()).axis;
          bool whole = tfm::getDims(slice.getInput())[axis] == dims[axis] &&
                       slice.getStarts().getDims()[axis] == Dim(0) && slice.getSteps()[axis] == 1;
          return whole ? Place::along(axis) : Place::unknown();
        })
        .Case([&](tfm::PadOp pad) {
          size_t axis = at(pad.getInput()).axis;
          bool whole = pad.getLow().getDims()[axis] == Dim(0) && pad.getHigh().getDims()[axis] == Dim(0);
          return whole && at(pad.getValue()).kind == Place::Nowhere ? Place::along(axis) : Place::unknown();
        })
        .Case([&](tfm::ConcatOp concat) {
          Place place = align(concat.getInputs());
          bool all = llvm::all_of(concat.getInputs(), [&](Value v) { return at(v).kind == Place::Along; });
          return all && place.axis != static_cast<size_t>(concat.getAxis()) ? place : Place::unknown();
        })
        .Case([&](tfm::GatherOp gather) {
          auto axis = static_cast<size_t>(gather.getAxis());
          Place data = at(gather.getData()), indices = at(gather.getIndices());
          if (data.kind == Place::Nowhere)
            return Place::along(axis + indices.axis);
          if (indices.kind != Place::Nowhere || data.axis == axis)
            return Place::unknown();
          return Place::along(data.axis < axis ? data.axis : data.axis + rank(gather.getIndices()) - 1);
        })
        .Case([&](tfm::GatherElementsOp gather) {
          Place place = align({gather.getData(), gather.getIndices()});
          bool both = at(gather.getData()).kind == at(gather.getIndices()).kind;
          return both && place.axis != static_cast<size_t>(gather.getAxis()) ? place : Place::unknown();
        })
        .Default([&](Operation *) {
          return isa<tfm::ElementwiseOpInterface>(op) ? align(op->getOperands()) : Place::unknown();
        });
  }

  SymbolTable symbols;
  StringRef name;
  Dim batch;
  llvm::DenseMap<Value, Place> places;
};
} // namespace

StringAttr plan::findBatch(func::FuncOp main) {
  if (main.getNumArguments() == 0)
    return {};
  SmallVector<Dim> dims = tfm::getDims(main.getArgument(0));
  auto symbol = dims.empty() ? std::nullopt : dims[0].getSymbol();
  if (!symbol)
    return {};
  auto name = StringAttr::get(main.getContext(), *symbol);
  BatchFinder finder(main, name.getValue());
  for (BlockArgument argument : main.getArguments()) {
    if (!finder.leads(argument.getType()))
      return {};
    finder.setLeading(argument);
  }
  for (auto require : main.getOps<tfm::RequireOp>())
    for (tfm::DimsAttr side : {require.getLeft(), require.getRight()})
      if (llvm::any_of(side.getDims(), [&](const Dim &dim) { return finder.uses(dim); }))
        return {};
  Block &block = main.getBody().front();
  finder.visit(block);
  for (Value output : block.getTerminator()->getOperands())
    if (!finder.leads(output.getType()) || !(finder[output] == Place::along(0)))
      return {};
  return name;
}
