// Greedy fusion around anchors.
#include "passes/Fuse/Grouping.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/TypeSwitch.h"
#include <set>

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

namespace {
constexpr size_t kMaxOps = 48;         // of one kernel, so that bodies stay small enough to compile
constexpr int64_t kMaxRow = 8192;      // columns of a contraction's whole row, which a tile keeps in a core's cache
constexpr unsigned kMaxRecomputed = 8; // ops of a chain that is computed again by each kernel that reads it

/// What an op is for fusion.
enum class Role { Contraction, Attention, RowReduction, Reduction, Map, Reshape, Alone };

Role getRole(Operation *op) {
  auto isLastAxis = [](Value value, int64_t axis) {
    return axis == static_cast<int64_t>(tfm::getDims(value).size()) - 1;
  };
  return llvm::TypeSwitch<Operation *, Role>(op)
      .Case<tfm::LinearOp, tfm::MatmulOp, tfm::ConvOp>([](auto) { return Role::Contraction; })
      .Case<tfm::AttentionOp>([](auto) { return Role::Attention; })
      .Case<tfm::LayerNormOp, tfm::RmsNormOp, tfm::L2NormalizeOp>([](auto) { return Role::RowReduction; })
      .Case<tfm::SoftmaxOp>([&](tfm::SoftmaxOp softmax) {
        return isLastAxis(softmax.getInput(), softmax.getAxis()) ? Role::RowReduction : Role::Reduction;
      })
      .Case<tfm::ReduceSumOp, tfm::ReduceMeanOp, tfm::ReduceMaxOp, tfm::ReduceMinOp, tfm::ReduceProdOp>(
          [&](auto reduce) {
            bool rows = reduce.getAxes().size() == 1 && isLastAxis(reduce.getInput(), reduce.getAxes()[0]) &&
                        isa<FloatType>(tfm::getElementType(reduce.getInput()));
            return rows ? Role::RowReduction : Role::Reduction;
          })
      .Case<tfm::ArgMaxOp, tfm::ArgMinOp, tfm::CumSumOp, tfm::MeanPoolOp>([](auto) { return Role::Reduction; })
      .Case<tfm::ReshapeOp>([](auto) { return Role::Reshape; })
      .Case<tfm::ScatterElementsOp, tfm::ScatterNdOp>([](auto) { return Role::Alone; })
      .Default([](auto) { return Role::Map; });
}

/// Whether one element takes much longer than reading it from memory.
bool isExpensive(Operation *op) {
  return isa<tfm::ExpOp, tfm::LogOp, tfm::SinOp, tfm::CosOp, tfm::ErfOp, tfm::TanhOp, tfm::SigmoidOp, tfm::SiluOp,
             tfm::GeluOp, tfm::PowOp, tfm::SwigluOp, tfm::ModOp>(op);
}

/// Ops that read each element of a reduction's input once.
bool readsOnce(Operation *op) {
  return isa<tfm::ReduceSumOp, tfm::ReduceMeanOp, tfm::ReduceMaxOp, tfm::ReduceMinOp, tfm::ReduceProdOp, tfm::ArgMaxOp,
             tfm::ArgMinOp, tfm::MeanPoolOp>(op);
}

class Grouper {
public:
  Grouper(func::FuncOp function) {
    for (Operation &op : function.getBody().front().without_terminator())
      if (!isa<tfm::GetOp, tfm::RequireOp>(op)) {
        position[&op] = ops.size();
        ops.push_back(&op);
      }
  }

  std::vector<Group> run(bool fuse) {
    findFree();
    if (fuse) {
      joinLinears();
      growContractions();
      growReductions();
      growMaps();
    }
    for (Operation *op : ops)
      if (!isTaken(op))
        addGroup(op);
    return sorted();
  }

private:
  struct Draft {
    Group group;
    SmallVector<Dim> dims; // of the results; of a reduction, its input
  };

  bool isTaken(Operation *op) const { return free.contains(op) || groupOf.contains(op); }
  bool isIn(Operation *op, size_t group) const {
    auto it = groupOf.find(op);
    return it != groupOf.end() && it->second == group;
  }

  size_t addGroup(Operation *op) {
    Role role = getRole(op);
    Draft draft;
    draft.group.isAlias = role == Role::Reshape;
    draft.group.anchor = role == Role::Contraction                               ? Anchor::contraction
                         : role == Role::Attention                               ? Anchor::attention
                         : role == Role::RowReduction || role == Role::Reduction ? Anchor::reduction
                         : isa<tfm::EmbeddingOp, tfm::GatherOp, tfm::GatherElementsOp, tfm::GatherNdOp>(op)
                             ? Anchor::gather
                             : Anchor::map;
    draft.dims = tfm::getDims(draft.group.anchor == Anchor::reduction ? op->getOperand(0) : op->getResult(0));
    drafts.push_back(std::move(draft));
    take(op, drafts.size() - 1);
    return drafts.size() - 1;
  }

  void take(Operation *op, size_t group) {
    groupOf[op] = group;
    drafts[group].group.ops.push_back(op);
  }

  /// Ops that are cloned into each kernel that reads them: sources, and short chains of cheap elementwise ops on inputs
  /// of the model and other such ops that make nothing larger (a mask's cast and comparison). Not if an operand that
  /// reads it must be in memory.
  void findFree() {
    llvm::DenseMap<Operation *, unsigned> chain;
    for (Operation *op : ops) {
      unsigned length = 0;
      bool isFree = isSource(op) || isReshapeOfFree(op);
      if (!isFree && isa<tfm::ElementwiseOpInterface>(op) && !isExpensive(op)) {
        length = 1;
        Dim elements = Dim::product(tfm::getDims(op->getResult(0)));
        bool reads = true, grows = true;
        for (Value operand : op->getOperands()) {
          Operation *source = operand.getDefiningOp();
          reads &= !source || free.contains(source);
          grows &= Dim::product(tfm::getDims(operand)) != elements || (source && isa<tfm::ExpandOp>(source));
          length += source ? chain.lookup(source) : 0;
        }
        isFree = reads && !grows && length <= kMaxRecomputed;
      }
      if (isFree) {
        free.insert(op);
        chain[op] = length;
      }
    }
    for (Operation *op : llvm::reverse(ops))
      if (!llvm::all_of(op->getUses(), [&](OpOperand &use) {
            return takesPrologue(use) || (free.contains(use.getOwner()) && isa<tfm::ReshapeOp>(use.getOwner()));
          }))
        free.erase(op);
    for (Operation *op : ops) // a reshape of what is in memory after all stays one
      if (isa<tfm::ReshapeOp>(op) && !isReshapeOfFree(op))
        free.erase(op);
  }

  bool isReshapeOfFree(Operation *op) const {
    auto reshape = dyn_cast<tfm::ReshapeOp>(op);
    Operation *source = reshape ? reshape.getInput().getDefiningOp() : nullptr;
    return source && free.contains(source) && !isa<tfm::ExpandOp>(source);
  }

  /// The ops in groups, or to be, that read a value: directly or through free ops.
  void forEachReader(Operation *op, llvm::function_ref<void(Operation *)> callback) {
    for (Operation *user : op->getUsers()) {
      if (free.contains(user))
        forEachReader(user, callback);
      else
        callback(user);
    }
  }

  /// Whether a value depends on an op of the group; whole groups count as one.
  bool dependsOn(ArrayRef<Value> values, llvm::function_ref<bool(Operation *)> isTarget) {
    llvm::DenseSet<Operation *> seen;
    SmallVector<Operation *> stack;
    auto push = [&](Operation *op) {
      if (op && seen.insert(op).second)
        stack.push_back(op);
    };
    for (Value value : values)
      push(value.getDefiningOp());
    while (!stack.empty()) {
      Operation *op = stack.pop_back_val();
      if (isTarget(op))
        return true;
      for (Value operand : op->getOperands())
        push(operand.getDefiningOp());
      if (auto it = groupOf.find(op); it != groupOf.end())
        for (Operation *other : drafts[it->second].group.ops)
          push(other);
    }
    return false;
  }

  /// Whether an op that reads the group can be in it: what else it reads must not wait for the group.
  bool canFollow(Operation *op, size_t group) {
    SmallVector<Value> others;
    for (Value operand : op->getOperands())
      if (Operation *source = operand.getDefiningOp(); source && !isIn(source, group))
        others.push_back(operand);
    return !dependsOn(others, [&](Operation *target) { return isIn(target, group); });
  }

  /// Whether an op that the group reads can be in it: nothing else that the group reads may wait for the op.
  bool canLead(Operation *op, size_t group) {
    SmallVector<Value> others;
    for (Operation *member : drafts[group].group.ops)
      for (Value operand : member->getOperands())
        if (Operation *source = operand.getDefiningOp(); source && source != op && !isIn(source, group))
          others.push_back(operand);
    return !dependsOn(others, [&](Operation *target) { return target == op; });
  }

  /// Linears of one input whose results meet in one attention or one gated product are one launch.
  void joinLinears() {
    for (Operation *op : ops) {
      SmallVector<Value> roots;
      if (auto attention = dyn_cast<tfm::AttentionOp>(op))
        roots = {attention.getQuery(), attention.getKey(), attention.getValue()};
      else if (isa<tfm::SwigluOp, tfm::MulOp>(op))
        roots = {op->getOperand(0), op->getOperand(1)};
      llvm::SetVector<Operation *> linears;
      for (Value root : roots)
        if (Operation *linear = findLinear(root); linear && !isTaken(linear))
          linears.insert(linear);
      while (linears.size() > 1) {
        auto first = cast<tfm::LinearOp>(linears.front());
        SmallVector<Operation *> joined;
        for (Operation *linear : linears)
          if (cast<tfm::LinearOp>(linear).getInput() == first.getInput() &&
              cast<tfm::LinearOp>(linear).getActivationAttr() == first.getActivationAttr() &&
              (isa<tfm::AttentionOp>(op) || linear->getResult(0).getType() == first.getType()))
            joined.push_back(linear);
        for (Operation *linear : joined)
          linears.remove(linear);
        if (joined.size() < 2)
          continue;
        size_t group = addGroup(joined.front());
        for (Operation *linear : ArrayRef<Operation *>(joined).drop_front())
          take(linear, group);
      }
    }
  }

  /// The linear that a value is made from by ops on its elements, whose result nothing else reads.
  Operation *findLinear(Value value) {
    for (int step = 0; step < 12; ++step) {
      Operation *op = value.getDefiningOp();
      if (!op || !value.hasOneUse())
        return nullptr;
      if (isa<tfm::LinearOp>(op))
        return op;
      if (isa<tfm::RotaryOp, tfm::ReshapeOp, tfm::TransposeOp, tfm::L2NormalizeOp, tfm::RmsNormOp, tfm::LayerNormOp>(
              op) ||
          (isa<tfm::ElementwiseOpInterface>(op) &&
           llvm::all_of(op->getOperands().drop_front(), [](Value other) { return tfm::getDims(other).empty(); }))) {
        value = op->getOperand(0);
        continue;
      }
      return nullptr;
    }
    return nullptr;
  }

  /// Puts behind the group what reads its results element by element, and normalisations of its rows, `rows` at most.
  void growBehind(size_t group, ArrayRef<Dim> dims, unsigned rows) {
    bool changed = true;
    while (changed && drafts[group].group.ops.size() < kMaxOps) {
      changed = false;
      std::set<std::pair<size_t, Operation *>> readers;
      for (Operation *member : drafts[group].group.ops)
        for (Operation *user : member->getUsers())
          if (position.contains(user) && !isTaken(user))
            readers.insert({position.lookup(user), user});
      for (auto &[at, op] : readers) {
        bool isRows = getRole(op) == Role::RowReduction;
        if (!(isRows ? rows > 0 : isa<tfm::ElementwiseOpInterface>(op)) || !fits(op, group, dims) ||
            !canFollow(op, group))
          continue;
        take(op, group);
        rows -= isRows;
        changed = true;
        break;
      }
    }
  }

  /// Whether an op's result, and all of the group that it reads, have these dimensions; a reduced row may be 1 wide.
  bool fits(Operation *op, size_t group, ArrayRef<Dim> dims) {
    auto isRow = [&](Value value) {
      SmallVector<Dim> own = tfm::getDims(value);
      return own.size() == dims.size() && ArrayRef<Dim>(own).drop_back() == dims.drop_back() &&
             (own.back() == dims.back() || (drafts[group].group.anchor == Anchor::reduction && own.back() == Dim(1)));
    };
    if (dims.empty() || !isRow(op->getResult(0)))
      return dims.empty() && tfm::getDims(op->getResult(0)).empty();
    for (auto [index, operand] : llvm::enumerate(op->getOperands()))
      if (Operation *source = operand.getDefiningOp(); source && isIn(source, group))
        if (!isRow(operand) || (getRole(op) == Role::RowReduction && index > 0))
          return false;
    return true;
  }

  void growContractions() {
    for (Operation *op : ops)
      if (Role role = getRole(op); (role == Role::Contraction || role == Role::Attention) && !isTaken(op))
        addGroup(op);
    for (size_t group = 0; group < drafts.size(); ++group) {
      Group &draft = drafts[group].group;
      SmallVector<Dim> dims = drafts[group].dims;
      bool alike = llvm::all_of(draft.ops, [&](Operation *op) { return tfm::getDims(op->getResult(0)) == dims; });
      bool whole = isa<tfm::LinearOp>(draft.ops[0]) && draft.ops.size() == 1 && !dims.empty() &&
                   dims.back().getConstant().value_or(INT64_MAX) <= kMaxRow;
      if (alike && !isQkv(draft))
        growBehind(group, dims, whole ? 1 : 0);
    }
  }

  /// Joined linears of one attention stay alone: each result goes its own way.
  static bool isQkv(const Group &group) { return group.ops.size() > 2; }

  void growReductions() {
    for (Operation *op : ops) {
      Role role = getRole(op);
      if ((role != Role::RowReduction && role != Role::Reduction) || isTaken(op))
        continue;
      size_t group = addGroup(op);
      if (role == Role::RowReduction || readsOnce(op))
        growBefore(group, role == Role::RowReduction);
      SmallVector<Dim> dims = role == Role::RowReduction ? drafts[group].dims : tfm::getDims(op->getResult(0));
      growBehind(group, dims, role == Role::RowReduction ? 3 : 0);
      if (role == Role::RowReduction) // what came along may read more
        growBefore(group, true);
    }
  }

  /// Puts before the group what it reads: element by element and look-ups. What others read too may come along, as one
  /// more result, if it has the group's dimensions and `share`; and nothing that would be computed more often.
  void growBefore(size_t group, bool share) {
    Dim elements = Dim::product(drafts[group].dims);
    bool changed = true;
    while (changed) {
      changed = false;
      SmallVector<Operation *> members(drafts[group].group.ops);
      for (Operation *member : members)
        for (OpOperand &operand : member->getOpOperands())
          changed |= takesPrologue(operand) && takeProducer(operand.get().getDefiningOp(), group, elements, share);
    }
  }

  bool takeProducer(Operation *op, size_t group, const Dim &elements, bool share) {
    if (!op || !position.contains(op) || drafts[group].group.ops.size() >= kMaxOps)
      return false;
    if (free.contains(op)) {
      bool taken = false;
      for (OpOperand &operand : op->getOpOperands())
        taken |= takesPrologue(operand) && takeProducer(operand.get().getDefiningOp(), group, elements, share);
      return taken;
    }
    if (groupOf.contains(op))
      return false;
    // A reshape comes along only with what it reshapes; alone it is free.
    Operation *source = op;
    if (getRole(op) == Role::Reshape) {
      source = op->getOperand(0).getDefiningOp();
      if (drafts[group].group.anchor != Anchor::map || !source || !position.contains(source) || isTaken(source) ||
          !source->hasOneUse())
        return false;
    }
    if (getRole(source) != Role::Map || (source == op && isa<tfm::ConcatOp, tfm::PadOp>(op) && !isMap(group)))
      return false;
    bool isLarge = Dim::product(tfm::getDims(op->getResult(0))) == elements;
    if (!isLarge && isExpensive(source))
      return false;
    bool escapes = false;
    forEachReader(op, [&](Operation *reader) { escapes |= !isIn(reader, group); });
    if (escapes &&
        !(share && source == op && tfm::getDims(op->getResult(0)) == drafts[group].dims && canLead(op, group)))
      return false;
    take(op, group);
    if (source != op)
      take(source, group);
    return true;
  }

  bool isMap(size_t group) const {
    return drafts[group].group.anchor == Anchor::map || drafts[group].group.anchor == Anchor::gather;
  }

  /// What is left, consumers first, each with what only it reads.
  void growMaps() {
    for (Operation *op : llvm::reverse(ops)) {
      if (isTaken(op) || getRole(op) != Role::Map)
        continue;
      size_t group = addGroup(op);
      growBefore(group, true);
      if (drafts[group].group.ops.size() > 1)
        drafts[group].group.anchor = Anchor::map;
    }
  }

  /// Every group after those that it reads, else in the order of their last ops.
  std::vector<Group> sorted() {
    std::vector<std::set<size_t>> readers(drafts.size());
    std::vector<unsigned> missing(drafts.size());
    std::set<std::pair<size_t, size_t>> ready;
    std::vector<size_t> key(drafts.size());
    for (size_t group = 0; group < drafts.size(); ++group) {
      llvm::sort(drafts[group].group.ops, [&](Operation *a, Operation *b) { return position[a] < position[b]; });
      key[group] = position[drafts[group].group.ops.back()];
    }
    for (size_t group = 0; group < drafts.size(); ++group)
      for (Operation *op : drafts[group].group.ops)
        forEachReader(op, [&](Operation *reader) {
          auto it = groupOf.find(reader);
          if (it != groupOf.end() && it->second != group && readers[group].insert(it->second).second)
            ++missing[it->second];
        });
    for (size_t group = 0; group < drafts.size(); ++group)
      if (!missing[group])
        ready.insert({key[group], group});
    std::vector<Group> result;
    while (!ready.empty()) {
      size_t group = ready.begin()->second;
      ready.erase(ready.begin());
      result.push_back(std::move(drafts[group].group));
      for (size_t reader : readers[group])
        if (!--missing[reader])
          ready.insert({key[reader], reader});
    }
    assert(result.size() == drafts.size() && "groups depend on each other");
    return result;
  }

  SmallVector<Operation *> ops;
  llvm::DenseMap<Operation *, size_t> position;
  llvm::DenseSet<Operation *> free;
  llvm::DenseMap<Operation *, size_t> groupOf;
  std::vector<Draft> drafts;
};
} // namespace

std::vector<Group> fuse::getGroups(func::FuncOp function, bool fuse) { return Grouper(function).run(fuse); }
