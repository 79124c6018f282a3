// Greedy fusion around anchors.
#include "passes/Fuse/Grouping.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::fuse;
using kernel::Anchor;

bool fuse::isSource(Operation *op) { return isa<tfm::ConstantOp, tfm::ExtentOp, tfm::IotaOp, tfm::ExpandOp>(op); }

bool fuse::takesPrologue(OpOperand &operand) {
  Operation *op = operand.getOwner();
  unsigned index = operand.getOperandNumber();
  if (!isa<tfm::TfmDialect>(op->getDialect()) ||
      isa<tfm::LinearOp, tfm::MatmulOp, tfm::ConvOp, tfm::ReshapeOp, tfm::ScatterElementsOp, tfm::ScatterNdOp>(op))
    return false;
  if (isa<tfm::AttentionOp>(op))
    return index >= 3;
  if (isa<tfm::EmbeddingOp>(op))
    return index == 0;
  if (isa<tfm::GatherOp, tfm::GatherElementsOp, tfm::GatherNdOp>(op))
    return index == 1;
  return true;
}

static std::optional<Anchor> getAnchor(Operation *op) {
  return llvm::TypeSwitch<Operation *, std::optional<Anchor>>(op)
      .Case<tfm::LinearOp, tfm::MatmulOp, tfm::ConvOp>([](auto) { return Anchor::contraction; })
      .Case<tfm::AttentionOp>([](auto) { return Anchor::attention; })
      .Case<tfm::LayerNormOp, tfm::RmsNormOp, tfm::SoftmaxOp, tfm::L2NormalizeOp, tfm::ReduceSumOp, tfm::ReduceMeanOp,
            tfm::ReduceMaxOp, tfm::ReduceMinOp, tfm::ReduceProdOp, tfm::ArgMaxOp, tfm::ArgMinOp, tfm::CumSumOp,
            tfm::MeanPoolOp>([](auto) { return Anchor::reduction; })
      .Default([](auto) { return std::nullopt; });
}

std::vector<Group> fuse::getGroups(func::FuncOp function) {
  std::vector<Group> groups;
  for (Operation &op : function.getBody().front().without_terminator()) {
    if (isa<tfm::GetOp, tfm::RequireOp>(op))
      continue;
    if (isSource(&op) && llvm::all_of(op.getUses(), [](OpOperand &use) { return takesPrologue(use); }))
      continue;
    Group group;
    group.ops = {&op};
    group.isAlias = isa<tfm::ReshapeOp>(op);
    group.anchor = getAnchor(&op).value_or(Anchor::map);
    groups.push_back(group);
  }
  return groups;
}
