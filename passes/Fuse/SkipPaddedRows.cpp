// Marks kernels of which only the rows of real tokens are read: a padded batch then costs what its tokens cost.
//
// Backwards from the outputs, every value of @main is needed not at all, in some rows, or wholly. Pooling asks for real
// rows only. An attention of which real rows are asked, with the same mask as its padding, asks for real queries, keys
// and values only: a real query may see at least itself, so masked_row never applies to it. Any other attention that
// only a mask restricts asks for the keys and values of real rows, and of all rows of a sequence that has no real one,
// for its masked_row may read them. Who reads the first token asks for the first rows.
#include "dialects/Kernel/Kernel.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/Passes.h"
#include "passes/Simplify/Match.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace lathe;

namespace lathe {
#define GEN_PASS_DEF_SKIPPADDEDROWSPASS
#include "passes/Passes.h.inc"
} // namespace lathe

namespace {

/// What is read of a value. Rows: row r only where element r of the mask, a value of @main, isn't 0. With `first`, the
/// first row of each sequence too, and all rows of sequences that the mask is 0 in; without a mask, the first rows
/// alone. Row r is elements [r * n, (r + 1) * n) of a value whose elements are n times the product of `dims`, which are
/// the mask's: batch and sequence. So reshapes don't change it.
struct Need {
  enum Kind { None, Rows, All } kind = None;
  Value mask;
  bool first = false;
  SmallVector<Dim, 2> dims;

  static Need rows(Value mask, bool first = false) { return {Rows, mask, first, tfm::getDims(mask)}; }
  static Need firstRows(ArrayRef<Dim> dims) { return {Rows, {}, true, SmallVector<Dim, 2>(dims)}; }
  static Need all() { return {All, {}, false, {}}; }
  void join(const Need &other) {
    if (kind == None || other.kind == All) {
      *this = other;
    } else if (kind == Rows && other.kind == Rows) {
      if (dims != other.dims || (mask && other.mask && mask != other.mask)) {
        *this = all();
      } else {
        first |= other.first;
        mask = mask ? mask : other.mask;
      }
    }
  }
};

class Analysis {
public:
  Analysis(func::FuncOp function) : symbols(function->getParentOfType<ModuleOp>()) {
    Block &block = function.getBody().front();
    for (Value output : block.getTerminator()->getOperands())
      needs[output] = Need::all();
    for (Operation &op : llvm::reverse(block.without_terminator())) {
      if (auto launch = dyn_cast<kernel::LaunchOp>(op))
        visitLaunch(launch);
      else if (auto reshape = dyn_cast<tfm::ReshapeOp>(op))
        needs[reshape.getInput()].join(needs.lookup(reshape.getResult()));
      else
        for (Value operand : op.getOperands())
          needs[operand].join(Need::all());
    }
  }

  kernel::FuncOp getKernel(kernel::LaunchOp launch) { return symbols.lookup<kernel::FuncOp>(launch.getKernel()); }

  Need getNeed(kernel::LaunchOp launch) {
    Need need;
    for (Value output : launch.getOutputs())
      need.join(needs.lookup(output));
    return need;
  }

private:
  /// Where a mask comes from, as a value of @main that is 0 where the mask is.
  Value getRoot(Value value, kernel::LaunchOp launch) {
    while (true) {
      if (auto argument = dyn_cast<BlockArgument>(value)) {
        if (!launch)
          return value;
        value = launch.getInputs()[argument.getArgNumber()];
        launch = {};
      } else if (Value next = simplify::getSameZeros(value)) {
        value = next;
      } else if (auto outer = launch ? kernel::LaunchOp() : value.getDefiningOp<kernel::LaunchOp>()) {
        Value inside =
            getKernel(outer).getBody().front().getTerminator()->getOperand(cast<OpResult>(value).getResultNumber());
        if (!isa<BlockArgument>(inside) && !simplify::getSameZeros(inside))
          return value;
        value = inside, launch = outer;
      } else {
        return launch ? Value() : value;
      }
    }
  }

  void visitLaunch(kernel::LaunchOp launch) {
    kernel::FuncOp kernel = getKernel(launch);
    Block &body = kernel.getBody().front();
    llvm::DenseMap<Value, Need> inner;
    for (auto [result, output] : llvm::zip_equal(body.getTerminator()->getOperands(), launch.getOutputs()))
      inner[result].join(needs.lookup(output));
    for (Operation &op : llvm::reverse(body.without_terminator())) {
      Need need;
      for (Value result : op.getResults())
        need.join(inner.lookup(result));
      for (OpOperand &operand : op.getOpOperands())
        inner[operand.get()].join(getOperandNeed(operand, need, launch));
    }
    for (auto [argument, input] : llvm::zip_equal(body.getArguments(), launch.getInputs()))
      needs[input].join(inner.lookup(argument));
  }

  /// Whether [.., last] has rows that end at the last dimension or before it.
  static bool hasRowsWithin(Value value, const Need &need, size_t axis) {
    Dim rows = Dim::product(need.dims), product = 1;
    SmallVector<Dim> dims = tfm::getDims(value);
    if (!rows.isValid())
      return false;
    for (size_t i = 0; i <= axis && i < dims.size(); ++i) {
      if (product == rows)
        return true;
      product = product * dims[i];
    }
    return false;
  }

  Need getOperandNeed(OpOperand &operand, const Need &need, kernel::LaunchOp launch) {
    Operation *op = operand.getOwner();
    Value value = operand.get();
    if (need.kind == Need::None)
      return need;
    if (auto pool = dyn_cast<tfm::MeanPoolOp>(op)) {
      Value mask = getRoot(pool.getMask(), launch);
      bool rows = operand.getOperandNumber() == 0 && mask &&
                  Dim::product(tfm::getDims(mask)) == Dim::product(tfm::getDims(pool.getMask()));
      return rows ? Need::rows(mask) : Need::all();
    }
    // What is in rows that nothing reads is anything: integers of it might be taken for indices.
    if (!isa<FloatType>(tfm::getElementType(value)))
      return Need::all();
    if (auto attention = dyn_cast<tfm::AttentionOp>(op))
      return getAttentionNeed(attention, operand.getOperandNumber(), need, launch);
    if (auto slice = dyn_cast<tfm::SliceOp>(op); slice && takesFirstRows(slice))
      return Need::firstRows(ArrayRef<Dim>(tfm::getDims(value)).take_front(2));
    if (need.kind == Need::All)
      return need;
    size_t last = std::max<size_t>(tfm::getDims(value).size(), 1) - 1;
    bool rows =
        llvm::TypeSwitch<Operation *, bool>(op)
            .Case<tfm::ReshapeOp>([](auto) { return true; })
            .Case<tfm::LinearOp, tfm::LayerNormOp, tfm::RmsNormOp, tfm::L2NormalizeOp>([&](auto) {
              return operand.getOperandNumber() == 0 && hasRowsWithin(value, need, last) &&
                     hasRowsWithin(op->getResult(0), need, last);
            })
            .Case([&](tfm::RotaryOp rotary) {
              return operand.getOperandNumber() == 0 && hasRowsWithin(rotary.getInput(), need, last);
            })
            .Case([&](tfm::SliceOp slice) {
              SmallVector<Dim> from = tfm::getDims(value), to = tfm::getDims(slice.getResult());
              for (size_t i = 0; i < last; ++i)
                if (from[i] != to[i] || slice.getStarts().getDims()[i] != Dim(0) || slice.getSteps()[i] != 1)
                  return false;
              return hasRowsWithin(value, need, last);
            })
            .Case([&](tfm::ConcatOp concat) {
              return static_cast<size_t>(concat.getAxis()) == last && hasRowsWithin(value, need, last);
            })
            .Default([&](Operation *) {
              return isa<tfm::ElementwiseOpInterface>(op) && tfm::getDims(value) == tfm::getDims(op->getResult(0));
            });
    return rows ? need : Need::all();
  }

  /// x[:, 0:1, :]
  static bool takesFirstRows(tfm::SliceOp slice) {
    SmallVector<Dim> from = tfm::getDims(slice.getInput()), to = tfm::getDims(slice.getResult());
    return from.size() == 3 && from[0] == to[0] && to[1] == Dim(1) && from[2] == to[2] &&
           llvm::all_of(slice.getStarts().getDims(), [](const Dim &start) { return start == Dim(0); });
  }

  Need getAttentionNeed(tfm::AttentionOp attention, unsigned operand, const Need &need, kernel::LaunchOp launch) {
    auto fits = [&](ArrayRef<Dim> rows, Value value) {
      return rows.size() == 2 && rows == ArrayRef<Dim>(tfm::getDims(value)).take_front(2);
    };
    if (operand > 2 || (need.kind == Need::Rows && !fits(need.dims, attention.getResult())))
      return Need::all();
    if (operand == 0)
      return need.kind == Need::Rows && !fits(need.dims, attention.getQuery()) ? Need::all() : need;
    Value padding = attention.getPadding() ? getRoot(attention.getPadding(), launch) : Value();
    if (!padding || !fits(tfm::getDims(padding), attention.getKey()))
      return Need::all();
    bool diagonal = !attention.getOffset() || attention.getOffset()->getDims()[0] == Dim(0);
    if (need.kind == Need::Rows && need.mask == padding && !need.first)
      return diagonal && attention.getWindow().value_or(1) >= 1 ? need : Need::all();
    return attention.getCausal() || attention.getWindow() ? Need::all() : Need::rows(padding, /*first=*/true);
  }

  SymbolTable symbols;
  llvm::DenseMap<Value, Need> needs;
};

/// Whether a body looks for indices that data holds: a bad one is reported wherever it stands.
bool checksIndices(kernel::FuncOp kernel) {
  return llvm::any_of(kernel.getBody().front(), [](Operation &op) {
    return isa<tfm::EmbeddingOp, tfm::GatherOp, tfm::GatherElementsOp, tfm::GatherNdOp, tfm::ScatterElementsOp,
               tfm::ScatterNdOp>(op);
  });
}

struct SkipPaddedRows : lathe::impl::SkipPaddedRowsPassBase<SkipPaddedRows> {
  void runOnOperation() override {
    auto function = getOperation().lookupSymbol<func::FuncOp>("main");
    if (!function || !function.getBody().hasOneBlock()) {
      getOperation().emitError("expected func.func @main of one block");
      return signalPassFailure();
    }
    Analysis analysis(function);
    llvm::DenseMap<kernel::FuncOp, SmallVector<kernel::LaunchOp>> launches;
    for (auto launch : function.getOps<kernel::LaunchOp>())
      launches[analysis.getKernel(launch)].push_back(launch);
    for (auto kernel : getOperation().getOps<kernel::FuncOp>())
      mark(kernel, launches.lookup(kernel), analysis);
  }

  /// Gives the kernel the mask, if every launch of it has one.
  void mark(kernel::FuncOp kernel, ArrayRef<kernel::LaunchOp> users, Analysis &analysis) {
    if (users.empty() || checksIndices(kernel))
      return;
    SmallVector<Need, 0> needs;
    for (kernel::LaunchOp launch : users) {
      Need need = analysis.getNeed(launch);
      Operation *source = need.mask ? need.mask.getDefiningOp() : nullptr;
      if (need.kind != Need::Rows || !need.mask ||
          (source && (!isa<kernel::LaunchOp>(source) || !source->isBeforeInBlock(launch))) ||
          (!needs.empty() && (need.first != needs[0].first || need.mask.getType() != needs[0].mask.getType())))
        return;
      needs.push_back(need);
    }
    auto masks =
        llvm::map_to_vector(needs, [&](const Need &need) { return need.first ? addFirst(need.mask) : need.mask; });
    unsigned position = 0, count = kernel.getNumArguments();
    auto isMask = [&](unsigned argument) {
      return llvm::all_of(llvm::zip_equal(users, masks), [&](auto entry) {
        auto [launch, mask] = entry;
        return kernel::LaunchOp(launch).getInputs()[argument] == mask;
      });
    };
    while (position < count && !isMask(position))
      ++position;
    if (position == count) {
      if (failed(kernel.insertArgument(count, masks[0].getType(), DictionaryAttr(), masks[0].getLoc())))
        return;
      for (auto [launch, mask] : llvm::zip_equal(users, masks))
        kernel::LaunchOp(launch).getInputsMutable().append(mask);
    }
    kernel.setArgAttr(position, kernel::kRowsAttr, UnitAttr::get(&getContext()));
    marked += 1;
  }

  /// A launch behind the mask: where it isn't 0, the first of each sequence, and sequences in which it is 0 everywhere.
  Value addFirst(Value mask) {
    Value &result = withFirst[mask];
    if (result)
      return result;
    SmallVector<Dim> dims = tfm::getDims(mask);
    Location loc = mask.getLoc();
    OpBuilder b(&getContext());
    Type i1 = b.getI1Type(), i32 = b.getI32Type(), i64 = b.getI64Type(), all = tfm::getTensorType(dims, i1);
    auto function = getOperation().lookupSymbol<func::FuncOp>("main");
    b.setInsertionPoint(function);
    auto kernel = kernel::FuncOp::create(b, loc, "read_rows", b.getFunctionType(mask.getType(), all),
                                         kernel::Anchor::reduction, ArrayAttr(), ArrayAttr(), ArrayAttr(), ArrayAttr());
    Value x = kernel.getBody().emplaceBlock().addArgument(mask.getType(), loc);
    b.setInsertionPointToEnd(&kernel.getBody().front());
    auto compare = [&](tfm::Predicate predicate, Value value) {
      auto type = RankedTensorType::get({}, tfm::getElementType(value));
      Value zero = tfm::ConstantOp::create(b, loc, DenseElementsAttr::get(type, b.getZeroAttr(type.getElementType())));
      return tfm::CompareOp::create(b, loc, tfm::getTensorType(tfm::getDims(value), i1), predicate, value, zero);
    };
    Value real = compare(tfm::Predicate::ne, x);
    Value count = tfm::CastOp::create(b, loc, tfm::getTensorType(dims, i32), real);
    Value most =
        tfm::ReduceMaxOp::create(b, loc, tfm::getTensorType({dims[0], Dim(1)}, i32), count, ArrayRef<int64_t>{1});
    Value place =
        tfm::IotaOp::create(b, loc, tfm::getTensorType(dims[1], i64), tfm::DimsAttr::get(&getContext(), Dim(0)), 1);
    real = tfm::OrOp::create(b, loc, all, real, compare(tfm::Predicate::eq, most));
    real = tfm::OrOp::create(b, loc, all, real, compare(tfm::Predicate::eq, place));
    kernel::ReturnOp::create(b, loc, real);
    SymbolTable(getOperation()).insert(kernel);
    b.setInsertionPointAfterValue(mask);
    result = kernel::LaunchOp::create(b, loc, all, kernel.getSymName(), mask, ArrayAttr()).getOutputs()[0];
    return result;
  }

  llvm::DenseMap<Value, Value> withFirst;
};

} // namespace
