#include "passes/Structure/Kinds.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::tfm;

StringRef lathe::getName(WeightKind kind) {
  static constexpr llvm::StringLiteral names[] = {"attention.q", "attention.k", "attention.v", "attention.output",
                                                  "ffn.up",      "ffn.gate",    "ffn.down",    "linear",
                                                  "head",        "embedding"};
  return names[unsigned(kind)];
}

namespace {
struct Attention {
  Operation *op; // whose result is the attention's
  Value query, key, value;
  int64_t layer = 0;
};

/// Classifies the linears of one function.
class Classifier {
public:
  explicit Classifier(func::FuncOp main) : main(main) {}
  void run();

  llvm::DenseMap<Operation *, WeightKind> kinds;
  llvm::DenseMap<Operation *, int64_t> layers;

private:
  func::FuncOp main;
  SmallVector<Attention> attentions;
  SmallVector<LinearOp> linears;
  llvm::DenseMap<Operation *, int64_t> order;

  void findAttentions();
  void classifyAttention(const Attention &attention);
  void classifyFfn(LinearOp down);
  bool isHead(LinearOp linear) const;
  void joinFactors();
  void setLayers();
  void set(LinearOp linear, WeightKind kind) { kinds.try_emplace(linear, kind); }
};
} // namespace

static bool isMovement(Operation *op) {
  return isa<ReshapeOp, TransposeOp, ExpandOp, SliceOp, ConcatOp, PadOp, CastOp>(op);
}
static bool isNorm(Operation *op) { return isa<LayerNormOp, RmsNormOp, L2NormalizeOp>(op); }
/// Whether nothing but weights and constants goes into a value. What was folded is a few ops deep.
static bool isConstant(Value value, unsigned depth = 4) {
  Operation *op = value.getDefiningOp();
  if (!op || depth == 0)
    return false;
  if (isa<GetOp, ConstantOp, ExtentOp, IotaOp>(op))
    return true;
  return (isMovement(op) || isa<ElementwiseOpInterface>(op)) &&
         llvm::all_of(op->getOperands(), [&](Value operand) { return isConstant(operand, depth - 1); });
}

/// Visits what a value is made of, ops that `through` refuses last.
static void walkBack(Value value, llvm::function_ref<bool(Operation *)> through, llvm::SetVector<Operation *> &ends) {
  llvm::SetVector<Operation *> seen;
  SmallVector<Value> stack = {value};
  while (!stack.empty()) {
    Operation *op = stack.pop_back_val().getDefiningOp();
    if (!op || isa<GetOp, ConstantOp>(op) || !seen.insert(op))
      continue;
    if (!through(op)) {
      ends.insert(op);
      continue;
    }
    // The gain of a norm and the angles of a rotary are not what flows.
    unsigned count = isNorm(op) || isa<RotaryOp>(op) ? 1 : op->getNumOperands();
    for (unsigned i = count; i-- > 0;)
      stack.push_back(op->getOperand(i));
  }
}

/// The one linear that a value comes from through movement, rotary, norms and elementwise ops; null where there are
/// several or an attention, which a residual stream has.
static LinearOp findProjection(Value value) {
  llvm::SetVector<Operation *> ends;
  walkBack(
      value, [](Operation *op) { return isMovement(op) || isNorm(op) || isa<RotaryOp, ElementwiseOpInterface>(op); },
      ends);
  LinearOp found;
  for (Operation *end : ends) {
    auto linear = dyn_cast<LinearOp>(end);
    if (isa<AttentionOp>(end) || (linear && found))
      return {};
    if (linear)
      found = linear;
  }
  return found;
}

/// Through movement and elementwise ops with constants: what a single value becomes.
static Value stripBack(Value value, llvm::function_ref<bool(Operation *)> through) {
  while (Operation *op = value.getDefiningOp()) {
    if (!through(op))
      break;
    SmallVector<Value> flows;
    for (Value operand : isNorm(op) ? op->getOperands().take_front() : op->getOperands())
      if (!isConstant(operand))
        flows.push_back(operand);
    if (flows.size() != 1)
      break;
    value = flows.front();
  }
  return value;
}
void Classifier::findAttentions() {
  main.walk([&](Operation *op) {
    if (auto attention = dyn_cast<AttentionOp>(op)) {
      attentions.push_back({op, attention.getQuery(), attention.getKey(), attention.getValue()});
      return;
    }
    // softmax(q k^T ...) v that was not recovered, with the mask and the guard against NaN that it may have.
    auto product = dyn_cast<MatmulOp>(op);
    if (!product)
      return;
    llvm::SetVector<Operation *> softmaxes, scores;
    walkBack(
        product.getLhs(), [](Operation *op) { return isMovement(op) || isa<ElementwiseOpInterface>(op); }, softmaxes);
    if (softmaxes.size() != 1 || !isa<SoftmaxOp>(softmaxes.front()))
      return;
    walkBack(
        softmaxes.front()->getOperand(0),
        [](Operation *op) { return isMovement(op) || isa<ElementwiseOpInterface>(op); }, scores);
    llvm::SmallVector<MatmulOp> products;
    for (Operation *end : scores)
      if (auto score = dyn_cast<MatmulOp>(end))
        products.push_back(score);
    if (products.size() == 1)
      attentions.push_back({op, products[0].getLhs(), products[0].getRhs(), product.getRhs()});
  });
}

void Classifier::classifyAttention(const Attention &attention) {
  std::pair<Value, WeightKind> operands[] = {{attention.query, WeightKind::AttentionQ},
                                             {attention.key, WeightKind::AttentionK},
                                             {attention.value, WeightKind::AttentionV}};
  for (auto &[operand, kind] : operands)
    if (LinearOp linear = findProjection(operand))
      set(linear, kind);
  // Forward to the first linear.
  llvm::SetVector<Operation *> seen;
  SmallVector<Operation *> stack = {attention.op};
  while (!stack.empty())
    for (Operation *user : stack.pop_back_val()->getUsers()) {
      if (!seen.insert(user))
        continue;
      if (auto linear = dyn_cast<LinearOp>(user))
        set(linear, WeightKind::AttentionOutput);
      else if (isMovement(user) ||
               (isa<ElementwiseOpInterface>(user) && llvm::count_if(user->getOperands(), [](Value operand) {
                                                       return !isConstant(operand);
                                                     }) <= (isa<SelectOp>(user) ? 2 : 1)))
        stack.push_back(user);
    }
}

static bool isActivation(Operation *op) {
  return isa<GeluOp, ReluOp, SiluOp, SigmoidOp, TanhOp, ErfOp, ExpOp, PowOp, MaximumOp, MinimumOp>(op);
}

/// Whether an activation stands between a value and the linear it comes from.
static bool isActivated(Value value, Operation *linear) {
  bool activated = false;
  llvm::SetVector<Operation *> ends;
  walkBack(
      value,
      [&](Operation *op) {
        activated |= isActivation(op);
        return op != linear && (isMovement(op) || isa<ElementwiseOpInterface>(op));
      },
      ends);
  return activated;
}

void Classifier::classifyFfn(LinearOp down) {
  llvm::SetVector<Operation *> ends;
  bool activated = false;
  walkBack(
      down.getInput(),
      [&](Operation *op) {
        activated |= isActivation(op) || isa<SwigluOp>(op);
        return isMovement(op) || isa<ElementwiseOpInterface>(op);
      },
      ends);
  SmallVector<LinearOp> inner;
  for (Operation *end : ends)
    if (auto linear = dyn_cast<LinearOp>(end))
      inner.push_back(linear);
  if (!activated || inner.size() != ends.size() || inner.empty() || inner.size() > 2)
    return;
  for (LinearOp linear : inner)
    if (kinds.count(linear))
      return;
  // The residual stream: what the inner ones read, norms taken off, and what the result is added to.
  auto stripNorms = [](Value value) {
    return stripBack(value, [](Operation *op) { return isNorm(op) || isMovement(op); });
  };
  llvm::SetVector<Value> stream;
  for (Value value = inner[0].getInput();;) {
    stream.insert(value);
    Operation *op = value.getDefiningOp();
    if (!op || !(isNorm(op) || isMovement(op)))
      break;
    value = op->getOperand(0);
  }
  Value result = down.getResult();
  bool isResidual = false;
  while (result.hasOneUse() && !isResidual) {
    Operation *user = *result.getUsers().begin();
    bool scales = isMovement(user) || isNorm(user) ||
                  (isa<AddOp, MulOp, DivOp>(user) &&
                   llvm::count_if(user->getOperands(), [](Value v) { return isConstant(v); }) == 1);
    if (auto add = dyn_cast<AddOp>(user); add && !scales) {
      // Where attention and ffn stand side by side the other operand is a sum itself.
      SmallVector<Value> terms = {add.getOperand(add.getOperand(0) == result ? 1 : 0)};
      for (size_t i = 0; i < terms.size() && i < 8; ++i) {
        Value term = terms[i];
        isResidual |=
            stream.contains(term) || stream.contains(stripNorms(term)) || stream.contains(stripBack(term, isMovement));
        if (auto sum = term.getDefiningOp<AddOp>())
          llvm::append_range(terms, sum->getOperands());
      }
      if (isResidual)
        break;
      // x + attention + ffn, whichever way it is summed.
      scales = true;
    }
    if (!scales || user->getNumResults() != 1)
      break;
    result = user->getResult(0);
  }
  if (!isResidual)
    return;
  set(down, WeightKind::FfnDown);
  if (inner.size() == 1) {
    set(inner[0], WeightKind::FfnUp);
    return;
  }
  // The product that joins them: one factor is activated.
  LinearOp gate;
  ends.clear();
  walkBack(
      down.getInput(),
      [&](Operation *op) {
        if (auto swiglu = dyn_cast<SwigluOp>(op))
          gate = findProjection(swiglu.getOperand(0));
        if (auto product = dyn_cast<MulOp>(op))
          for (Value factor : product->getOperands())
            if (LinearOp linear = findProjection(factor); linear && isActivated(factor, linear))
              gate = linear;
        return isMovement(op) || isa<ElementwiseOpInterface>(op);
      },
      ends);
  for (LinearOp linear : inner)
    set(linear, linear == gate ? WeightKind::FfnGate : WeightKind::FfnUp);
}

bool Classifier::isHead(LinearOp linear) const {
  if (!attentions.empty() && order.lookup(linear) < order.lookup(attentions.back().op))
    return false;
  bool returned = false;
  llvm::SetVector<Operation *> seen;
  SmallVector<Operation *> stack = {linear};
  while (!stack.empty())
    for (Operation *user : stack.pop_back_val()->getUsers()) {
      if (!seen.insert(user))
        continue;
      if (isa<func::ReturnOp>(user)) {
        returned = true;
        continue;
      }
      // tanh with a factor before it is a soft cap; alone it makes a hidden state.
      auto isCap = [](Operation *op) {
        return isa<TanhOp>(op) && op->getOperand(0).getDefiningOp() &&
               isa<MulOp, DivOp>(op->getOperand(0).getDefiningOp());
      };
      bool byConstant = isa<AddOp, SubOp, MulOp, DivOp>(user) &&
                        llvm::any_of(user->getOperands(), [](Value v) { return isConstant(v); });
      if (!isMovement(user) && !byConstant && !isa<SoftmaxOp, SigmoidOp, LogOp>(user) && !isCap(user))
        return false;
      stack.push_back(user);
    }
  return returned;
}

void Classifier::joinFactors() {
  // Towards the input, then towards the result, so that chains of any length are one.
  auto join = [&](LinearOp second) {
    auto first = stripBack(second.getInput(), isMovement).getDefiningOp<LinearOp>();
    if (!first || first.getBias())
      return;
    auto kind = kinds.find(second), firstKind = kinds.find(first);
    if (kind != kinds.end() && firstKind == kinds.end())
      set(first, WeightKind(kind->second));
    else if (kind == kinds.end() && firstKind != kinds.end())
      set(second, WeightKind(firstKind->second));
  };
  for (LinearOp linear : llvm::reverse(linears))
    join(linear);
  for (LinearOp linear : linears)
    join(linear);
}

void Classifier::setLayers() {
  // An attention over its own sequence: query and key are projections of one value.
  auto isSelf = [](const Attention &attention) {
    LinearOp query = findProjection(attention.query), key = findProjection(attention.key);
    auto source = [](LinearOp linear) { return stripBack(linear.getInput(), isMovement); };
    return query && key && source(query) == source(key);
  };
  int64_t layer = -1;
  bool hasSelf = false, hasFfn = false;
  auto attention = attentions.begin();
  main.walk([&](Operation *op) {
    if (attention != attentions.end() && attention->op == op) {
      bool self = isSelf(*attention);
      if (layer < 0 || hasFfn || (self && hasSelf)) {
        ++layer;
        hasSelf = hasFfn = false;
      }
      hasSelf |= self;
      attention++->layer = layer;
    }
    auto kind = kinds.find(op);
    if (kind != kinds.end() && kind->second == WeightKind::FfnDown) {
      hasFfn = true;
      layers[op] = std::max<int64_t>(layer, 0);
    }
  });
  for (Attention &each : attentions)
    for (Value operand : {each.query, each.key, each.value})
      if (LinearOp linear = findProjection(operand))
        layers.try_emplace(linear, each.layer);
  // All others stand in the layer of the next classified linear behind them that has one: a layer's parts end with the
  // linear that writes to the residual stream.
  int64_t next = -1;
  for (LinearOp linear : llvm::reverse(linears)) {
    auto kind = kinds.find(linear);
    if (auto known = layers.find(linear); known != layers.end()) {
      next = known->second;
    } else if (kind != kinds.end() && kind->second == WeightKind::AttentionOutput) {
      for (const Attention &each : attentions)
        if (order[each.op] < order[linear])
          layers[linear] = each.layer;
      next = layers.lookup(linear);
    } else if (kind == kinds.end() || kind->second != WeightKind::Head) {
      layers[linear] = next;
    }
  }
}

void Classifier::run() {
  main.walk([&](Operation *op) {
    order[op] = order.size();
    if (auto linear = dyn_cast<LinearOp>(op))
      linears.push_back(linear);
  });
  findAttentions();
  for (const Attention &attention : attentions)
    classifyAttention(attention);
  for (LinearOp linear : linears)
    if (!kinds.count(linear))
      classifyFfn(linear);
  for (LinearOp linear : linears)
    if (!kinds.count(linear) && isHead(linear))
      set(linear, WeightKind::Head);
  joinFactors();
  setLayers();
}

/// The weight that an operand is, straight or transposed.
static GetOp getWeight(Value value) {
  while (auto transpose = value.getDefiningOp<TransposeOp>())
    value = transpose.getOperand();
  return value.getDefiningOp<GetOp>();
}

llvm::MapVector<Operation *, LinearUse> lathe::classifyLinears(ModuleOp module) {
  llvm::MapVector<Operation *, LinearUse> uses;
  auto main = module.lookupSymbol<func::FuncOp>("main");
  if (!main || main.isDeclaration())
    return uses;
  Classifier classifier(main);
  classifier.run();
  main.walk([&](LinearOp linear) {
    auto kind = classifier.kinds.find(linear);
    auto layer = classifier.layers.find(linear);
    uses.insert({linear,
                 {kind == classifier.kinds.end() ? WeightKind::Linear : kind->second,
                  layer == classifier.layers.end() ? -1 : layer->second}});
  });
  return uses;
}

llvm::MapVector<StringAttr, WeightUse> lathe::classifyWeights(ModuleOp module) {
  llvm::MapVector<StringAttr, WeightUse> uses;
  auto main = module.lookupSymbol<func::FuncOp>("main");
  if (!main || main.isDeclaration())
    return uses;
  Classifier classifier(main);
  classifier.run();
  llvm::DenseMap<StringRef, WeightUse> found;
  auto add = [&](Value operand, Operation *reader, WeightKind kind, int64_t layer) {
    GetOp get = getWeight(operand);
    if (!get || cast<RankedTensorType>(get.getType()).getRank() != 2)
      return;
    WeightUse &use = found[get.getWeight()];
    if (use.readers.empty() || (use.layer < 0 && layer >= 0))
      use.layer = layer;
    use.readers.push_back(reader);
    if (!use.is(kind))
      use.kinds.push_back(kind);
  };
  main.walk([&](Operation *op) {
    if (auto linear = dyn_cast<LinearOp>(op)) {
      auto kind = classifier.kinds.find(op);
      auto layer = classifier.layers.find(op);
      add(linear.getWeight(), op, kind == classifier.kinds.end() ? WeightKind::Linear : kind->second,
          layer == classifier.layers.end() ? -1 : layer->second);
    } else if (auto embedding = dyn_cast<EmbeddingOp>(op)) {
      add(embedding.getTable(), op, WeightKind::Embedding, -1);
    }
  });
  for (auto weight : module.getOps<WeightOp>()) {
    auto use = found.find(weight.getSymName());
    if (use == found.end())
      continue;
    llvm::sort(use->second.kinds);
    uses.insert({weight.getSymNameAttr(), std::move(use->second)});
  }
  return uses;
}
