// The inputs of a module, and which of them are masks.
#include "compiler/Data/Signature.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/Simplify/Match.h"
#include "tools/lathe/ReferenceTensor.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::data;

static bool uses(const Dim &dim, StringRef symbol) {
  bool found = false;
  dim.walkSymbols([&](StringRef name) { found |= name == symbol; });
  return found;
}

namespace {
/// Whether what is behind a row's last 1 in the mask, along the symbol, changes nothing in front of it.
class MaskCheck {
public:
  MaskCheck(BlockArgument mask, StringRef symbol) : mask(mask), symbol(symbol) {}

  bool run(Block &block) {
    return llvm::all_of(block.without_terminator(), [&](Operation &op) { return isPrefixStable(&op); }) && isUsed;
  }

private:
  BlockArgument mask;
  StringRef symbol;
  bool isUsed = false; // as a mask

  bool has(const Dim &dim) const { return uses(dim, symbol); }
  bool has(ArrayRef<Dim> dims) const {
    return llvm::any_of(dims, [&](const Dim &dim) { return has(dim); });
  }
  bool isMask(Value value) {
    while (Value next = value ? simplify::getSameZeros(value) : Value())
      value = next;
    bool found = value == mask;
    isUsed |= found;
    return found;
  }

  bool isPrefixStable(Operation *op) {
    bool touches = llvm::any_of(op->getOperands(), [&](Value value) { return has(tfm::getDims(value)); });
    if (auto extent = dyn_cast<tfm::ExtentOp>(op))
      return !has(extent.getExtents().getDims());
    if (auto iota = dyn_cast<tfm::IotaOp>(op))
      return !has(iota.getStart().getDims());
    if (auto slice = dyn_cast<tfm::SliceOp>(op))
      return !has(slice.getStarts().getDims()) &&
             (!touches || llvm::all_of(slice.getSteps(), [](int64_t step) { return step > 0; }));
    if (!touches)
      return true;
    auto along = [&](Value value, int64_t axis) {
      SmallVector<Dim> dims = tfm::getDims(value);
      return has(dims[axis < 0 ? axis + dims.size() : axis]);
    };
    return llvm::TypeSwitch<Operation *, bool>(op)
        .Case([&](tfm::AttentionOp attention) {
          bool isDiagonal = !attention.getOffset() || attention.getOffset()->getDims()[0] == Dim(0);
          bool isCausal = attention.getCausal() && isDiagonal &&
                          tfm::getDims(attention.getQuery())[1] == tfm::getDims(attention.getKey())[1];
          bool isMasked = isMask(attention.getPadding());
          return !along(attention.getKey(), 1) || isMasked || isCausal;
        })
        .Case([&](tfm::MeanPoolOp pool) { return !along(pool.getInput(), 1) || isMask(pool.getMask()); })
        .Case([&](tfm::SoftmaxOp softmax) { return !along(softmax.getInput(), softmax.getAxis()); })
        .Case<tfm::ReduceSumOp, tfm::ReduceMeanOp, tfm::ReduceMaxOp, tfm::ReduceMinOp, tfm::ReduceProdOp>(
            [&](auto reduce) {
              return llvm::none_of(reduce.getAxes(), [&](int64_t axis) { return along(reduce.getInput(), axis); });
            })
        .Case([&](tfm::CumSumOp sum) { return !sum.getReverse() || !along(sum.getInput(), sum.getAxis()); })
        .Case<tfm::LayerNormOp, tfm::RmsNormOp, tfm::L2NormalizeOp, tfm::LinearOp>(
            [&](auto rows) { return !along(rows.getInput(), -1); })
        .Case([&](tfm::MatmulOp matmul) {
          return !along(matmul.getLhs(), matmul.getTransposeA() ? -2 : -1) &&
                 !along(matmul.getRhs(), matmul.getTransposeB() ? -1 : -2);
        })
        .Case([&](tfm::ConcatOp concat) { return !along(concat.getResult(), concat.getAxis()); })
        .Case<tfm::RequireOp, tfm::ReshapeOp, tfm::TransposeOp, tfm::ExpandOp, tfm::EmbeddingOp, tfm::RotaryOp,
              tfm::ElementwiseOpInterface>([](auto) { return true; })
        .Default([](Operation *) { return false; });
  }
};
} // namespace

FailureOr<Signature> data::describeInputs(ModuleOp module) {
  auto main = module.lookupSymbol<func::FuncOp>("main");
  if (!main || !main.getBody().hasOneBlock())
    return module.emitError("expected func.func @main of one block");
  Signature signature;
  for (BlockArgument argument : main.getArguments()) {
    Input input;
    if (auto name = main.getArgAttrOfType<StringAttr>(argument.getArgNumber(), tfm::kNameAttr))
      input.name = name.str();
    Type type = tfm::getElementType(argument);
    auto known = llvm::find_if(llvm::seq<unsigned>(0, tool::kElementTypes), [&](unsigned kind) {
      return tool::toType(module.getContext(), tool::ElementType(kind)) == type;
    });
    if (*known == tool::kElementTypes)
      return main.emitError("input '") << input.name << "' is of " << type << ", which no data set can hold";
    input.type = tool::ElementType(*known);
    for (const Dim &dim : tfm::getDims(argument)) {
      input.dims.push_back(dim);
      dim.walkSymbols([&](StringRef name) {
        if (auto range = tfm::getSymbolRange(module, name))
          signature.symbols[name.str()] = *range;
      });
    }
    if (auto symbol = input.dims.size() == 2 ? input.dims[1].getSymbol() : std::nullopt)
      input.isMask = tool::isInteger(input.type) && !uses(input.dims[0], *symbol) &&
                     MaskCheck(argument, *symbol).run(main.getBody().front());
    signature.inputs.push_back(std::move(input));
  }
  return signature;
}
