// Cuts @main into kernels and launches.
#include "passes/Fuse/Grouping.h"
#include "passes/Fuse/Outline.h"
#include "passes/Passes.h"

using namespace mlir;
using namespace lathe;

namespace lathe {
#define GEN_PASS_DEF_FORMKERNELSPASS
#include "passes/Passes.h.inc"
} // namespace lathe

namespace {

/// Constants that kernels can't hold become weights: all but splats, and what must be in memory anyway.
void hoistConstants(func::FuncOp function) {
  SymbolTable symbols(function->getParentOp());
  SmallVector<tfm::ConstantOp> constants(function.getOps<tfm::ConstantOp>());
  for (tfm::ConstantOp constant : constants) {
    auto value = dyn_cast<DenseElementsAttr>(constant.getValue());
    bool inMemory = !value || !value.isSplat() ||
                    llvm::any_of(constant->getUses(), [](OpOperand &use) { return !fuse::takesPrologue(use); });
    if (!inMemory)
      continue;
    OpBuilder builder(constant);
    auto weight = tfm::WeightOp::create(builder, constant.getLoc(), "constant", constant.getType(), constant.getValue(),
                                        /*origin=*/StringAttr());
    weight->remove();
    symbols.insert(weight, function->getParentOfType<ModuleOp>().getBody()->begin());
    auto get = tfm::GetOp::create(builder, constant.getLoc(), constant.getType(), weight.getSymName());
    constant.replaceAllUsesWith(get.getResult());
    constant.erase();
  }
}

/// The operand through which a reshape of the op's result can be reshaped instead, and the dimensions that it then has:
/// f(x, scalars), and a linear's rows.
std::pair<OpOperand *, SmallVector<Dim>> getReshapedOperand(Operation *op, ArrayRef<Dim> dims) {
  if (auto linear = dyn_cast<tfm::LinearOp>(op)) {
    if (dims.empty() || dims.back() != tfm::getDims(linear.getResult()).back())
      return {};
    SmallVector<Dim> rows(dims);
    rows.back() = tfm::getDims(linear.getInput()).back();
    return {&linear.getInputMutable(), rows};
  }
  if (!isa<tfm::ElementwiseOpInterface>(op))
    return {};
  OpOperand *whole = nullptr;
  for (OpOperand &operand : op->getOpOperands()) {
    if (cast<RankedTensorType>(operand.get().getType()).getRank() == 0)
      continue;
    if (whole || tfm::getDims(operand.get()) != tfm::getDims(op->getResult(0)))
      return {};
    whole = &operand;
  }
  return {whole, SmallVector<Dim>(dims)};
}

/// Reshapes go up until they rename memory, so that none lies between a linear and what follows it.
void hoistReshapes(func::FuncOp function) {
  SmallVector<tfm::ReshapeOp> reshapes(function.getOps<tfm::ReshapeOp>());
  for (tfm::ReshapeOp reshape : reshapes) {
    while (Operation *op = reshape.getInput().getDefiningOp()) {
      if (!op->hasOneUse())
        break;
      auto [operand, dims] = getReshapedOperand(op, tfm::getDims(reshape.getResult()));
      if (!operand)
        break;
      Value input = operand->get();
      while (auto earlier = input.getDefiningOp<tfm::ReshapeOp>())
        input = earlier.getInput();
      OpBuilder builder(op);
      op->getResult(0).setType(reshape.getType());
      reshape.replaceAllUsesWith(op->getResult(0));
      reshape.erase();
      if (tfm::getDims(input) == dims) {
        operand->set(input);
        break;
      }
      reshape =
          tfm::ReshapeOp::create(builder, op->getLoc(), tfm::getTensorType(dims, tfm::getElementType(input)), input);
      operand->set(reshape.getResult());
    }
  }
}

struct FormKernels : lathe::impl::FormKernelsPassBase<FormKernels> {
  using Base::Base;

  void runOnOperation() override {
    auto function = getOperation().lookupSymbol<func::FuncOp>("main");
    if (!function || !function.getBody().hasOneBlock()) {
      getOperation().emitError("expected func.func @main of one block");
      return signalPassFailure();
    }
    for (Operation &op : function.getBody().front().without_terminator())
      if (!isa<tfm::TfmDialect>(op.getDialect())) {
        op.emitError("expected an op of the tfm dialect in @main, got '") << op.getName() << "'";
        return signalPassFailure();
      }
    hoistReshapes(function);
    hoistConstants(function);
    fuse::OutlineStatistics result = fuse::outline(function, fuse::getGroups(function, fuse));
    launches += result.launches;
    kernels += result.kernels;
  }
};

} // namespace
