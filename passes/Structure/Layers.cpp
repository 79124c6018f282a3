// Follows the residual stream from the linears that write to it.
#include "passes/Structure/Layers.h"
#include "dialects/Tfm/Weights.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/Simplify/DeriveWeight.h"
#include "passes/Structure/Kinds.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace lathe;

namespace {
/// A sum that a branch is added to the stream by.
struct Branch {
  Value stream; // what it is added to
  Value sum;
};
} // namespace

static bool isNorm(Operation *op) { return isa_and_nonnull<tfm::LayerNormOp, tfm::RmsNormOp>(op); }

/// Whether an op turns a branch's value into another one of it alone: reshapes, norms, scales it by a weight.
static bool carriesBranch(Operation *op) {
  auto isConstant = [](Value value) { return isa_and_nonnull<tfm::GetOp, tfm::ConstantOp>(value.getDefiningOp()); };
  return isa<tfm::ReshapeOp, tfm::TransposeOp, tfm::CastOp>(op) || isNorm(op) ||
         (isa<tfm::AddOp, tfm::MulOp>(op) && llvm::count_if(op->getOperands(), isConstant) == 1);
}

/// The sum that a linear's result is added to the stream by; nothing where it goes another way.
static std::optional<Branch> findBranch(tfm::LinearOp linear) {
  Value value = linear.getResult();
  while (value.hasOneUse()) {
    Operation *user = *value.user_begin();
    if (carriesBranch(user)) {
      value = user->getResult(0);
      continue;
    }
    auto add = dyn_cast<tfm::AddOp>(user);
    if (!add)
      return std::nullopt;
    return Branch{add.getOperand(add.getOperand(0) == value ? 1 : 0), add.getResult()};
  }
  return std::nullopt;
}

/// The norm of a sum, if it is what the stream goes on as.
static bool isNormOf(Value value, Value sum) {
  return isNorm(value.getDefiningOp()) && value.getDefiningOp()->getOperand(0) == sum;
}

static Value getOnlyNorm(Value sum) {
  if (!sum.hasOneUse() || !isNorm(*sum.user_begin()) || (*sum.user_begin())->getOperand(0) != sum)
    return {};
  return (*sum.user_begin())->getResult(0);
}

/// The ops on the ways from entry to exit, or an obstacle where something outside reads one of them.
static void findOps(Layer &layer) {
  llvm::SetVector<Operation *> ahead;
  SmallVector<Value> stack = {layer.entry};
  while (!stack.empty())
    for (Operation *user : stack.pop_back_val().getUsers())
      if (ahead.insert(user))
        llvm::append_range(stack, user->getResults());
  DenseSet<Operation *> seen;
  stack = {layer.exit};
  while (!stack.empty()) {
    Value value = stack.pop_back_val();
    Operation *op = value.getDefiningOp();
    if (value == layer.entry || !op || !ahead.contains(op) || !seen.insert(op).second)
      continue;
    layer.ops.push_back(op);
    llvm::append_range(stack, op->getOperands());
  }
  llvm::sort(layer.ops, [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
  for (Operation *op : layer.ops)
    for (Operation *user : op->getUsers())
      if (op != layer.exit.getDefiningOp() && !seen.contains(user)) {
        layer.obstacle = "something outside of it reads what it computes inside, such as keys and values of a cache";
        layer.ops.clear();
        return;
      }
}

SmallVector<Layer> lathe::findLayers(ModuleOp module) {
  SmallVector<Layer> layers;
  std::map<int64_t, SmallVector<Branch>> branches;
  std::map<int64_t, SmallVector<tfm::LinearOp>> writers;
  for (auto &[op, use] : classifyLinears(module)) {
    if (use.layer < 0 || (use.kind != WeightKind::AttentionOutput && use.kind != WeightKind::FfnDown))
      continue;
    auto linear = cast<tfm::LinearOp>(op);
    // The first of two factors is followed by the other.
    if (linear->hasOneUse() && isa<tfm::LinearOp>(*linear->user_begin()))
      continue;
    writers[use.layer].push_back(linear);
    auto &own = branches[use.layer];
    if (std::optional<Branch> branch = findBranch(linear))
      own.push_back(*branch);
    else
      own.push_back({});
  }
  bool hasNorms = false; // behind sums
  for (auto &[number, own] : branches) {
    Layer &layer = layers.emplace_back();
    layer.number = number;
    layer.writers = writers[number];
    layer.entry = own.front().stream;
    Value sum;
    for (const Branch &branch : own) {
      if (!branch.sum || (sum && branch.stream != sum && !isNormOf(branch.stream, sum))) {
        layer.obstacle = "its branches aren't added one after another to what it reads";
        break;
      }
      hasNorms |= sum && branch.stream != sum;
      sum = branch.sum;
    }
    layer.exit = sum;
  }
  for (size_t i = 0; i < layers.size(); ++i) {
    Layer &layer = layers[i];
    if (!layer.obstacle.empty())
      continue;
    Value sum = layer.exit;
    if (i + 1 < layers.size() && layers[i + 1].obstacle.empty())
      layer.exit = layers[i + 1].entry;
    else if (hasNorms)
      layer.exit = getOnlyNorm(sum);
    if (layer.exit != sum && (!layer.exit || !isNormOf(layer.exit, sum)))
      layer.obstacle = "what comes behind reads its result another way than the next layer's input";
    else if (layer.exit.getType() != layer.entry.getType())
      layer.obstacle = "its result has another shape than its input";
    else
      findOps(layer);
  }
  return layers;
}

namespace {
/// Walks two layers' ops side by side.
class Pairing {
public:
  Pairing(const Layer &a, const Layer &b) : a(a), b(b) { values[a.entry] = b.entry; }

  bool run(std::string &why) {
    if (a.ops.size() != b.ops.size()) {
      why = "they have " + std::to_string(a.ops.size()) + " and " + std::to_string(b.ops.size()) + " ops";
      return false;
    }
    for (auto [first, second] : llvm::zip_equal(a.ops, b.ops))
      if (!match(first, second)) {
        why = "'" + first->getName().getStringRef().str() + "' and '" + second->getName().getStringRef().str() +
              "' at the same place differ, in what they do or in the shapes of their weights";
        return false;
      }
    return values.lookup(a.exit) == b.exit;
  }

  SmallVector<std::pair<tfm::GetOp, tfm::GetOp>> gets;

private:
  const Layer &a, &b;
  llvm::DenseMap<Value, Value> values;

  bool match(Operation *first, Operation *second) {
    if (first->getName() != second->getName() || first->getNumOperands() != second->getNumOperands() ||
        first->getResultTypes() != second->getResultTypes() || first->getNumRegions() || second->getNumRegions())
      return false;
    auto get = dyn_cast<tfm::GetOp>(first);
    if (!get && first->getAttrDictionary() != second->getAttrDictionary())
      return false;
    for (auto [from, to] : llvm::zip_equal(first->getOperands(), second->getOperands()))
      if (!match(from, to))
        return false;
    if (get)
      gets.push_back({get, cast<tfm::GetOp>(second)});
    for (auto [from, to] : llvm::zip_equal(first->getResults(), second->getResults()))
      values[from] = to;
    return true;
  }

  /// The same value, counterparts, or computed from weights and constants alike.
  bool match(Value first, Value second) {
    if (auto known = values.find(first); known != values.end())
      return known->second == second;
    if (first == second)
      return true;
    Operation *from = first.getDefiningOp(), *to = second.getDefiningOp();
    return from && to && !llvm::is_contained(a.ops, from) && !llvm::is_contained(b.ops, to) && match(from, to);
  }
};
} // namespace

std::optional<SmallVector<std::pair<tfm::GetOp, tfm::GetOp>>> lathe::pairWeights(const Layer &a, const Layer &b,
                                                                                 std::string &why) {
  why = a.obstacle.empty() ? b.obstacle : a.obstacle;
  if (!why.empty())
    return std::nullopt;
  Pairing pairing(a, b);
  if (!pairing.run(why))
    return std::nullopt;
  return std::move(pairing.gets);
}

int64_t lathe::eraseUnread(ModuleOp module) {
  for (auto function : module.getOps<func::FuncOp>())
    for (Operation &op : llvm::make_early_inc_range(llvm::reverse(function.getBody().front())))
      if (isOpTriviallyDead(&op))
        op.erase();
  auto countBytes = [&] {
    int64_t bytes = 0;
    for (auto weight : module.getOps<tfm::WeightOp>())
      bytes += tfm::getByteSize(weight.getTensorType()).value_or(0);
    return bytes;
  };
  int64_t before = countBytes();
  simplify::eraseUnusedWeights(module);
  return before - countBytes();
}
