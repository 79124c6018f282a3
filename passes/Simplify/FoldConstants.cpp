// Executes what depends on constants and weights alone, by the reference. Small results become literals, others
// weights.
#include "compiler/Reference/Reference.h"
#include "dialects/Tfm/Weights.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/Passes.h"
#include "llvm/ADT/SetVector.h"

namespace lathe {
#define GEN_PASS_DEF_FOLDCONSTANTSPASS
#include "passes/Passes.h.inc"
} // namespace lathe

using namespace mlir;
using namespace lathe;

namespace {
/// Results of up to this many elements become literals.
constexpr int64_t kLiteralElements = 1024;
/// A larger result is folded only if its bytes are at most this many times its operands': a cast from f16 pays, an
/// expand or the decoding of 8-bit weights doesn't.
constexpr uint64_t kGrowth = 2;

bool isSource(Operation *op) { return isa_and_nonnull<tfm::ConstantOp, tfm::GetOp>(op); }

uint64_t getBytes(Value value) { return *tfm::getByteSize(cast<RankedTensorType>(value.getType())); }

/// The bytes that an operand takes in the package.
uint64_t getStoredBytes(Value value) {
  auto constant = value.getDefiningOp<tfm::ConstantOp>();
  bool splat = constant && constant.getValue().isSplat();
  return splat ? tfm::getElementType(value).getIntOrFloatBitWidth() / 8 : getBytes(value);
}

bool isStatic(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  return type && type.hasStaticShape() && tfm::getByteSize(type);
}

/// Whether to execute the op now, given which ops before it are.
bool shouldFold(Operation *op, const llvm::DenseSet<Operation *> &folded) {
  if (isSource(op) || !isPure(op) || op->getNumResults() != 1 || !reference::isSupported(op) ||
      !isStatic(op->getResult(0)))
    return false;
  uint64_t operandBytes = 0;
  for (Value operand : op->getOperands()) {
    Operation *producer = operand.getDefiningOp();
    if (!isStatic(operand) || !(isSource(producer) || folded.contains(producer)))
      return false;
    operandBytes += getStoredBytes(operand);
  }
  auto hasSymbols = [](ArrayRef<Dim> dims) { return !llvm::all_of(dims, [](const Dim &d) { return d.isConstant(); }); };
  if (auto extent = dyn_cast<tfm::ExtentOp>(op); extent && hasSymbols(extent.getExtents().getDims()))
    return false;
  if (auto iota = dyn_cast<tfm::IotaOp>(op); iota && hasSymbols(iota.getStart().getDims()))
    return false;
  if (cast<RankedTensorType>(op->getResult(0).getType()).getNumElements() <= kLiteralElements)
    return true;
  // Another layout of a weight that is needed in its own would be a second copy of it.
  if (isa<tfm::TransposeOp>(op) && !op->getOperand(0).hasOneUse())
    return false;
  return getBytes(op->getResult(0)) / kGrowth <= operandBytes;
}

class Folder {
public:
  Folder(ModuleOp module, tfm::Weights &weights) : module(module), symbols(module), weights(weights) {}

  LogicalResult foldAll(func::FuncOp function) {
    for (Operation &op : function.getOps())
      if (shouldFold(&op, folded))
        folded.insert(&op);
    for (Operation &op : llvm::make_early_inc_range(function.getOps()))
      if (folded.contains(&op) && failed(execute(&op)))
        return failure();
    for (Operation &op : llvm::make_early_inc_range(llvm::reverse(function.getBody().front())))
      if ((folded.contains(&op) || isSource(&op)) && op.use_empty())
        op.erase();
    return success();
  }

private:
  FailureOr<reference::Tensor> load(Operation *source) {
    FailureOr<SmallVector<reference::Tensor>> result = reference::evaluate(source, {});
    return failed(result) ? FailureOr<reference::Tensor>(failure()) : FailureOr<reference::Tensor>(result->front());
  }

  LogicalResult execute(Operation *op) {
    SmallVector<reference::Tensor> operands;
    for (Value operand : op->getOperands()) {
      auto kept = values.find(operand);
      FailureOr<reference::Tensor> tensor = kept == values.end() ? load(operand.getDefiningOp()) : kept->second;
      if (failed(tensor))
        return failure();
      operands.push_back(*tensor);
    }
    auto result = reference::evaluate(op, operands);
    if (failed(result))
      return failure();
    Value value = op->getResult(0);
    bool isRead = llvm::any_of(value.getUsers(), [&](Operation *user) { return !folded.contains(user); });
    if (isRead)
      value.replaceUsesWithIf(materialize(op, result->front()),
                              [&](OpOperand &use) { return !folded.contains(use.getOwner()); });
    if (!value.use_empty())
      values[value] = result->front();
    for (Value operand : op->getOperands()) // what no later op reads is freed
      if (llvm::all_of(operand.getUsers(), [&](Operation *user) { return user == op || user->isBeforeInBlock(op); }))
        values.erase(operand);
    return success();
  }

  /// A literal or a weight that stands for the op's result.
  Value materialize(Operation *op, const reference::Tensor &tensor) {
    OpBuilder builder(op);
    auto type = cast<RankedTensorType>(op->getResult(0).getType());
    if (tensor.getNumElements() <= kLiteralElements)
      return tfm::ConstantOp::create(builder, op->getLoc(), tensor.toLiteral());
    auto base = findWeight(op);
    Attribute source;
    if (isa<tfm::ReshapeOp>(op) && isa_and_nonnull<tfm::GetOp>(op->getOperand(0).getDefiningOp()) && base &&
        !isa<ElementsAttr>(base.getSource()))
      source = base.getSource(); // the same bytes
    else
      source =
          weights.addBlob(module.getContext(), std::vector<char>(tensor.getBytes().begin(), tensor.getBytes().end()));
    std::string name = (base ? base.getSymName() : "constant").str() + "." + op->getName().stripDialect().str();
    builder.setInsertionPoint(base ? base.getOperation() : &module.getBody()->front());
    auto weight =
        tfm::WeightOp::create(builder, op->getLoc(), name, type, source, base ? base.getOriginAttr() : StringAttr());
    symbols.insert(weight, weight->getIterator());
    builder.setInsertionPoint(op);
    return tfm::GetOp::create(builder, op->getLoc(), type, FlatSymbolRefAttr::get(weight.getSymNameAttr()));
  }

  /// A weight that the op's result is computed from, or null.
  tfm::WeightOp findWeight(Operation *op) {
    llvm::SetVector<Operation *> producers;
    producers.insert(op);
    for (size_t i = 0; i < producers.size(); ++i) {
      if (auto get = dyn_cast<tfm::GetOp>(producers[i]))
        return symbols.lookup<tfm::WeightOp>(get.getWeight());
      for (Value operand : producers[i]->getOperands())
        producers.insert(operand.getDefiningOp());
    }
    return {};
  }

  ModuleOp module;
  SymbolTable symbols;
  tfm::Weights &weights;
  llvm::DenseSet<Operation *> folded;
  llvm::DenseMap<Value, reference::Tensor> values;
};

struct FoldConstantsPass : lathe::impl::FoldConstantsPassBase<FoldConstantsPass> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto usedWeights = [&] {
      llvm::DenseSet<StringAttr> used;
      module.walk([&](tfm::GetOp get) { used.insert(get.getWeightAttr().getAttr()); });
      return used;
    };
    llvm::DenseSet<StringAttr> before = usedWeights();
    Folder folder(module, getContext().getLoadedDialect<tfm::TfmDialect>()->getWeights());
    for (auto function : module.getOps<func::FuncOp>())
      if (!function.isExternal() && failed(folder.foldAll(function)))
        return signalPassFailure();
    // Weights that nothing reads any more; those that nothing read before are not this pass's matter.
    llvm::DenseSet<StringAttr> after = usedWeights();
    for (auto weight : llvm::make_early_inc_range(module.getOps<tfm::WeightOp>()))
      if (before.contains(weight.getSymNameAttr()) && !after.contains(weight.getSymNameAttr()))
        weight.erase();
  }
};
} // namespace
