// --lathe-recover-activations: gelu, silu, swiglu, relu from any spelling.
#include "passes/Passes.h"
#include "passes/Simplify/Match.h"
#include "passes/Simplify/Patterns.h"
#include <array>
#include <cmath>

namespace lathe {
#define GEN_PASS_DEF_RECOVERACTIVATIONSPASS
#include "passes/Passes.h.inc"
} // namespace lathe

using namespace mlir;
using namespace lathe;
using namespace lathe::tfm;
using namespace lathe::simplify;

namespace {
/// c0 + c1*x + c2*x^2 + c3*x^3
using Polynomial = std::array<double, 4>;

std::optional<Polynomial> multiply(const Polynomial &a, const Polynomial &b) {
  Polynomial result{};
  for (unsigned i = 0; i < 4; ++i)
    for (unsigned j = 0; j < 4; ++j) {
      double product = a[i] * b[j];
      if (product != 0 && i + j > 3)
        return std::nullopt;
      if (product != 0)
        result[i + j] += product;
    }
  return result;
}

/// value as a polynomial of x; the ops in between are noted.
std::optional<Polynomial> matchPolynomial(Value value, Value x, SmallVectorImpl<Operation *> &ops, unsigned depth = 0) {
  if (value == x)
    return Polynomial{0, 1, 0, 0};
  if (auto constant = getSplat(value))
    return Polynomial{*constant, 0, 0, 0};
  Operation *op = value.getDefiningOp();
  if (!op || depth > 8 || !isa<AddOp, SubOp, MulOp, DivOp, PowOp, NegOp>(op))
    return std::nullopt;
  ops.push_back(op);
  auto a = matchPolynomial(op->getOperand(0), x, ops, depth + 1);
  if (!a)
    return std::nullopt;
  if (isa<NegOp>(op))
    return multiply(*a, {-1, 0, 0, 0});
  if (isa<DivOp, PowOp>(op)) {
    auto constant = getSplat(op->getOperand(1));
    if (!constant)
      return std::nullopt;
    if (isa<DivOp>(op))
      return *constant == 0 ? std::nullopt : multiply(*a, {1 / *constant, 0, 0, 0});
    if (*constant != 2 && *constant != 3)
      return std::nullopt;
    auto square = multiply(*a, *a);
    return !square || *constant == 2 ? square : multiply(*square, *a);
  }
  auto b = matchPolynomial(op->getOperand(1), x, ops, depth + 1);
  if (!b)
    return std::nullopt;
  if (isa<MulOp>(op))
    return multiply(*a, *b);
  for (unsigned i = 0; i < 4; ++i)
    (*a)[i] += isa<SubOp>(op) ? -(*b)[i] : (*b)[i];
  return a;
}

bool isNear(const Polynomial &got, const Polynomial &want) {
  for (unsigned i = 0; i < 4; ++i)
    if (want[i] == 0 ? std::abs(got[i]) > 1e-12 : !simplify::isNear(got[i], want[i]))
      return false;
  return true;
}
constexpr double kSqrtHalf = 0.70710678118654752, kSqrt2OverPi = 0.79788456080286536, kCubic = 0.044715;

/// A product's factors that aren't constant, and the product of those that are.
void collectFactors(Value value, SmallVectorImpl<Value> &factors, double &coefficient,
                    SmallVectorImpl<Operation *> &ops, bool root = true) {
  Operation *op = value.getDefiningOp();
  if (auto scaled = matchScale(value); scaled && (root || op->hasOneUse())) {
    coefficient *= scaled->factor;
    ops.push_back(op);
    return collectFactors(scaled->input, factors, coefficient, ops, false);
  }
  if (op && isa<MulOp>(op) && (root || op->hasOneUse()) && op->getOperand(0).getType() == value.getType() &&
      op->getOperand(1).getType() == value.getType()) {
    ops.push_back(op);
    for (Value operand : op->getOperands())
      collectFactors(operand, factors, coefficient, ops, false);
    return;
  }
  factors.push_back(value);
}

/// gelu as x * coefficient * (1 + erf or tanh(p(x))) and x * sigmoid(p(x)); silu.
struct FormActivation : RewritePattern {
  FormActivation(MLIRContext *context) : RewritePattern(MatchAnyOpTypeTag(), 1, context) {}
  LogicalResult matchAndRewrite(Operation *op, PatternRewriter &rewriter) const override {
    if (!isa<MulOp, DivOp>(op) || !isa<FloatType>(tfm::getElementType(op->getResult(0))))
      return failure();
    SmallVector<Value> factors;
    SmallVector<Operation *> ops;
    double coefficient = 1;
    collectFactors(op->getResult(0), factors, coefficient, ops);
    if (factors.size() != 2)
      return failure();
    for (unsigned side : {0, 1}) {
      Value x = factors[side], gate = factors[1 - side];
      SmallVector<Operation *> gateOps;
      auto activation = matchGate(gate, x, coefficient, gateOps);
      if (!activation || x.getType() != op->getResult(0).getType())
        continue;
      ops.append(gateOps);
      Location loc = fuseLocations(rewriter, ops);
      if (*activation == Activation::silu)
        rewriter.replaceOp(op, SiluOp::create(rewriter, loc, x.getType(), x));
      else
        rewriter.replaceOp(op, GeluOp::create(rewriter, loc, x.getType(), x,
                                              *activation == Activation::erf    ? GeluKind::erf
                                              : *activation == Activation::tanh ? GeluKind::tanh
                                                                                : GeluKind::quick));
      return success();
    }
    return failure();
  }

  enum class Activation { erf, tanh, quick, silu };
  static std::optional<Activation> matchGate(Value gate, Value x, double coefficient,
                                             SmallVectorImpl<Operation *> &ops) {
    if (auto sigmoid = gate.getDefiningOp<SigmoidOp>(); sigmoid && simplify::isNear(coefficient, 1)) {
      ops.push_back(sigmoid);
      auto inner = matchPolynomial(sigmoid.getInput(), x, ops);
      if (!inner)
        return std::nullopt;
      if (isNear(*inner, {0, 1, 0, 0}))
        return Activation::silu;
      if (isNear(*inner, {0, 1.702, 0, 0}))
        return Activation::quick;
      if (isNear(*inner, {0, 2 * kSqrt2OverPi, 0, 2 * kSqrt2OverPi * kCubic}))
        return Activation::tanh;
      return std::nullopt;
    }
    // a + b*t of t = erf or tanh.
    Operation *curve = findCurve(gate, 0);
    if (!curve)
      return std::nullopt;
    ops.push_back(curve);
    auto outer = matchPolynomial(gate, curve->getResult(0), ops);
    auto inner = matchPolynomial(curve->getOperand(0), x, ops);
    if (!outer || !inner || !isNear(*multiply(*outer, {coefficient, 0, 0, 0}), {0.5, 0.5, 0, 0}))
      return std::nullopt;
    if (isa<ErfOp>(curve) && isNear(*inner, {0, kSqrtHalf, 0, 0}))
      return Activation::erf;
    if (isa<TanhOp>(curve) && isNear(*inner, {0, kSqrt2OverPi, 0, kSqrt2OverPi * kCubic}))
      return Activation::tanh;
    return std::nullopt;
  }
  static Operation *findCurve(Value value, unsigned depth) {
    Operation *op = value.getDefiningOp();
    if (!op || depth > 4)
      return nullptr;
    if (isa<ErfOp, TanhOp>(op))
      return op;
    if (!isa<AddOp, MulOp, DivOp, SubOp>(op))
      return nullptr;
    for (Value operand : op->getOperands())
      if (Operation *found = findCurve(operand, depth + 1))
        return found;
    return nullptr;
  }
};

/// 1/(1 + e^-x)
struct FormSigmoid : RewritePattern {
  FormSigmoid(MLIRContext *context) : RewritePattern(MatchAnyOpTypeTag(), 1, context) {}
  LogicalResult matchAndRewrite(Operation *op, PatternRewriter &rewriter) const override {
    Value denominator;
    if (auto div = dyn_cast<DivOp>(op); div && getSplat(div.getLhs()) == 1.0)
      denominator = div.getRhs();
    else if (auto reciprocal = dyn_cast<ReciprocalOp>(op))
      denominator = reciprocal.getInput();
    auto add = denominator ? denominator.getDefiningOp<AddOp>() : AddOp();
    auto exp = add && getSplat(add.getRhs()) == 1.0 ? add.getLhs().getDefiningOp<ExpOp>() : ExpOp();
    auto neg = exp ? exp.getInput().getDefiningOp<NegOp>() : NegOp();
    if (!neg || neg.getType() != op->getResult(0).getType())
      return failure();
    rewriter.replaceOp(
        op, SigmoidOp::create(rewriter, fuseLocations(rewriter, {neg, exp, add, op}), neg.getType(), neg.getInput()));
    return success();
  }
};

struct FormRelu : OpRewritePattern<MaximumOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(MaximumOp op, PatternRewriter &rewriter) const override {
    for (unsigned side : {0, 1})
      if (getSplat(op->getOperand(1 - side)) == 0.0 && op->getOperand(side).getType() == op.getType() &&
          isa<FloatType>(tfm::getElementType(op))) {
        rewriter.replaceOpWithNewOp<ReluOp>(op, op.getType(), op->getOperand(side));
        return success();
      }
    return failure();
  }
};

/// silu(gate) * up
struct FormSwiglu : OpRewritePattern<MulOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(MulOp op, PatternRewriter &rewriter) const override {
    for (unsigned side : {0, 1}) {
      auto silu = op->getOperand(side).getDefiningOp<SiluOp>();
      Value up = op->getOperand(1 - side);
      if (!silu || !silu->hasOneUse() || silu.getType() != op.getType() || up.getType() != op.getType())
        continue;
      rewriter.replaceOp(
          op, SwigluOp::create(rewriter, fuseLocations(rewriter, {silu, op}), op.getType(), silu.getInput(), up));
      return success();
    }
    return failure();
  }
};

struct RecoverActivationsPass : lathe::impl::RecoverActivationsPassBase<RecoverActivationsPass> {
  void runOnOperation() override {
    if (failed(rewrite<FormActivation, FormSigmoid, FormRelu, FormSwiglu>(getOperation())))
      signalPassFailure();
  }
};
} // namespace
