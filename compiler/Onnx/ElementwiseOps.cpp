// ONNX ops that work element by element: arithmetic, comparison, logic, activations, casts.
#include "compiler/Onnx/Importer.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::onnxfile;

/// Any elementwise op of ONNX on known elements.
static std::optional<Abstract> foldElementwise(Node &node) {
  SmallVector<ArrayRef<int64_t>> shapes;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    if (!node.has(i))
      return std::nullopt;
    shapes.push_back(node.getAbstract(i)->shape);
  }
  auto index = broadcastIndex(shapes);
  if (!index || shapes.empty())
    return std::nullopt;
  StringRef op = node.opType();
  Type type = node.getElementType(0);
  bool isPredicate = op == "Equal" || op == "Less" || op == "LessOrEqual" || op == "Greater" ||
                     op == "GreaterOrEqual" || op == "IsNaN";
  Abstract result;
  result.elementType = isPredicate ? node.i1() : type;
  result.shape = index->shape;
  for (size_t element = 0; element < index->positions[0].size(); ++element) {
    SmallVector<Scalar> operands;
    for (size_t i = 0; i < shapes.size(); ++i) {
      const Abstract &operand = *node.getAbstract(i);
      if (operand.elementType != type)
        return std::nullopt;
      int64_t position = index->positions[i][element];
      operands.push_back(operand.isReal() ? Scalar{0, operand.reals[position]} : Scalar{operand.ints[position]});
    }
    auto scalar = evaluateScalar(op, type, operands, node.symbols);
    if (!scalar)
      return std::nullopt;
    if (result.isReal())
      result.reals.push_back(scalar->real);
    else
      result.ints.push_back(scalar->dim);
  }
  return result;
}

template <typename OpTy> static LogicalResult importUnary(Node &node) {
  if (failed(node.expectInputs(1, 1)))
    return failure();
  return node.set(node.unary<OpTy>(node.get(0)));
}

template <typename OpTy> static LogicalResult importFloat(Node &node) {
  if (failed(node.expectInputs(1, 1)))
    return failure();
  if (!isa<FloatType>(node.getElementType(0)))
    return node.error() << "expected a float input, got " << node.getElementType(0);
  return node.set(node.unary<OpTy>(node.get(0)));
}

template <typename OpTy> static LogicalResult importBinary(Node &node) {
  if (failed(node.expectInputs(2, 2)))
    return failure();
  return node.set(node.binary<OpTy>(node.get(0), node.get(1)));
}

template <typename OpTy> static LogicalResult importVariadic(Node &node) {
  if (failed(node.expectInputs(1, SIZE_MAX)))
    return failure();
  Value value = node.get(0);
  for (size_t i = 1; i < node.inputs.size(); ++i)
    value = node.binary<OpTy>(value, node.get(i));
  return node.set(value);
}

static LogicalResult importMean(Node &node) {
  if (failed(node.expectInputs(1, SIZE_MAX)))
    return failure();
  Value sum = node.get(0);
  for (size_t i = 1; i < node.inputs.size(); ++i)
    sum = node.binary<tfm::AddOp>(sum, node.get(i));
  if (!sum)
    return failure();
  Value count = node.scalar(static_cast<double>(node.inputs.size()), tfm::getElementType(sum));
  return node.set(node.binary<tfm::DivOp>(sum, count));
}

template <tfm::Predicate predicate> static LogicalResult importCompare(Node &node) {
  if (failed(node.expectInputs(2, 2)))
    return failure();
  return node.set(node.compare(predicate, node.get(0), node.get(1)));
}

/// ONNX divides integers towards zero, as tfm does.
static LogicalResult importMod(Node &node) {
  if (failed(node.expectInputs(2, 2)))
    return failure();
  Value x = node.get(0), y = node.get(1);
  if (!node.sameType({x, y}))
    return failure();
  Type type = tfm::getElementType(x);
  bool isFloat = isa<FloatType>(type), isFmod = node.getInt("fmod", 0) != 0;
  if (isFmod == isFloat)
    return node.set(node.binary<tfm::ModOp>(x, y));
  if (isFloat)
    return node.error() << "expected fmod=1 for " << type;
  // C's remainder of integers, whose sign is the dividend's: x - trunc(x/y)*y.
  Value quotient = node.binary<tfm::DivOp>(x, y);
  return node.set(node.binary<tfm::SubOp>(x, node.binary<tfm::MulOp>(quotient, y)));
}

/// The exponent may be of another type than the base.
static LogicalResult importPow(Node &node) {
  if (failed(node.expectInputs(2, 2)))
    return failure();
  Value x = node.get(0), y = node.get(1);
  if (!x || !y)
    return failure();
  Type base = tfm::getElementType(x), exponent = tfm::getElementType(y);
  if (base == exponent && isa<FloatType>(base))
    return node.set(node.binary<tfm::PowOp>(x, y));
  if (isa<FloatType>(base))
    return node.set(node.binary<tfm::PowOp>(x, node.cast(y, base)));
  // Integer powers are computed as float64, which is exact up to 2^53.
  Type wide = node.builder.getF64Type();
  return node.set(node.cast(node.binary<tfm::PowOp>(node.cast(x, wide), node.cast(y, wide)), base));
}

static LogicalResult importClip(Node &node) {
  if (failed(node.expectInputs(1, 3)))
    return failure();
  Value x = node.get(0);
  if (x && node.has(1))
    x = node.binary<tfm::MaximumOp>(x, node.get(1));
  if (x && node.has(2))
    x = node.binary<tfm::MinimumOp>(x, node.get(2));
  return node.set(x);
}

static LogicalResult importWhere(Node &node) {
  if (failed(node.expectInputs(3, 3)))
    return failure();
  // A condition that is known picks one side, which still is broadcast.
  if (const Abstract *condition = node.getAbstract(0))
    if (auto constants = condition->getConstants(); constants && constants->size() == 1) {
      size_t taken = constants->front() ? 1 : 2;
      auto dims = node.broadcast(
          {SmallVector<Dim>(node.getDims(0)), SmallVector<Dim>(node.getDims(1)), SmallVector<Dim>(node.getDims(2))});
      if (failed(dims))
        return failure();
      if (ArrayRef<Dim>(*dims) == node.getDims(taken))
        return node.forward(taken);
      return node.set(node.expand(node.get(taken), *dims));
    }
  return node.set(node.select(node.get(0), node.get(1), node.get(2)));
}

static std::optional<Abstract> foldWhere(Node &node) {
  if (node.inputs.size() != 3 || !node.has(0) || !node.has(1) || !node.has(2))
    return std::nullopt;
  const Abstract &condition = *node.getAbstract(0), &x = *node.getAbstract(1), &y = *node.getAbstract(2);
  auto index = broadcastIndex({condition.shape, x.shape, y.shape});
  auto constants = condition.getConstants();
  if (!index || !constants || x.elementType != y.elementType)
    return std::nullopt;
  Abstract result;
  result.elementType = x.elementType;
  result.shape = index->shape;
  for (size_t i = 0; i < index->positions[0].size(); ++i) {
    bool taken = (*constants)[index->positions[0][i]];
    const Abstract &from = taken ? x : y;
    int64_t position = index->positions[taken ? 1 : 2][i];
    if (from.isReal())
      result.reals.push_back(from.reals[position]);
    else
      result.ints.push_back(from.ints[position]);
  }
  return result;
}

static Type getCastType(Node &node) {
  if (node.opType() == "CastLike")
    return node.has(1) ? node.getElementType(1) : Type();
  auto dataType = static_cast<int32_t>(node.getInt("to", 0));
  Type type = onnxfile::getElementType(node.builder.getContext(), dataType);
  if (!type)
    node.error() << "conversion to " << getTypeName(dataType) << " is not supported";
  return type;
}

static LogicalResult importCast(Node &node) {
  if (failed(node.expectInputs(1, 2)))
    return failure();
  Type type = getCastType(node);
  if (!type)
    return failure();
  if (node.getElementType(0) == type)
    return node.forward(0);
  return node.set(node.cast(node.get(0), type));
}

static std::optional<Abstract> foldCast(Node &node) {
  const Abstract *x = node.getAbstract(0);
  Type type = node.opType() == "CastLike"
                  ? (node.has(1) ? node.getElementType(1) : Type())
                  : onnxfile::getElementType(node.builder.getContext(), static_cast<int32_t>(node.getInt("to", 0)));
  if (!x || !type)
    return std::nullopt;
  Abstract result;
  result.elementType = type;
  result.shape = x->shape;
  for (size_t i = 0; i < x->size(); ++i) {
    auto scalar = castScalar(x->isReal() ? Scalar{0, x->reals[i]} : Scalar{x->ints[i]}, x->elementType, type);
    if (!scalar)
      return std::nullopt;
    if (result.isReal())
      result.reals.push_back(scalar->real);
    else
      result.ints.push_back(scalar->dim);
  }
  return result;
}

static LogicalResult importGelu(Node &node) {
  if (failed(node.expectInputs(1, 1)))
    return failure();
  StringRef kind = node.getString("approximate", "none");
  if (kind != "none" && kind != "tanh")
    return node.error() << "expected approximate to be 'none' or 'tanh', got '" << kind << "'";
  auto attr =
      tfm::GeluKindAttr::get(node.builder.getContext(), kind == "tanh" ? tfm::GeluKind::tanh : tfm::GeluKind::erf);
  return node.set(node.unary<tfm::GeluOp>(node.get(0), std::pair<StringRef, Attribute>("kind", attr)));
}

static LogicalResult importIsInf(Node &node) {
  if (failed(node.expectInputs(1, 1)))
    return failure();
  Value x = node.get(0);
  if (!x || !isa<FloatType>(tfm::getElementType(x)))
    return x ? node.error() << "expected a float input, got " << tfm::getElementType(x) : failure();
  return node.set(node.elementwise<tfm::IsInfOp>(
      {x}, node.i1(),
      std::pair<StringRef, Attribute>("positive", node.builder.getBoolAttr(node.getInt("detect_positive", 1))),
      std::pair<StringRef, Attribute>("negative", node.builder.getBoolAttr(node.getInt("detect_negative", 1)))));
}

static LogicalResult importIsNan(Node &node) {
  if (failed(node.expectInputs(1, 1)))
    return failure();
  Value x = node.get(0);
  if (!x || !isa<FloatType>(tfm::getElementType(x)))
    return x ? node.error() << "expected a float input, got " << tfm::getElementType(x) : failure();
  return node.set(node.elementwise<tfm::IsNanOp>({x}, node.i1()));
}

// Activations that tfm has no op for, from their definitions in the ONNX specification.

static Value scalarLike(Node &node, Value x, double value) { return node.scalar(value, tfm::getElementType(x)); }

/// log(1 + e^x), without overflow: max(x, 0) + log(1 + e^-|x|).
static Value softplus(Node &node, Value x) {
  Value small = node.unary<tfm::ExpOp>(node.unary<tfm::NegOp>(node.unary<tfm::AbsOp>(x)));
  Value log = node.unary<tfm::LogOp>(node.binary<tfm::AddOp>(small, scalarLike(node, x, 1)));
  return node.binary<tfm::AddOp>(node.unary<tfm::ReluOp>(x), log);
}

/// x where x > 0, else scale * (e^x - 1).
static Value exponential(Node &node, Value x, double scale) {
  Value negative = node.binary<tfm::SubOp>(node.unary<tfm::ExpOp>(x), scalarLike(node, x, 1));
  if (scale != 1)
    negative = node.binary<tfm::MulOp>(negative, scalarLike(node, x, scale));
  return node.select(node.compare(tfm::Predicate::gt, x, scalarLike(node, x, 0)), x, negative);
}

static LogicalResult importActivation(Node &node) {
  if (failed(node.expectInputs(1, 1)))
    return failure();
  Value x = node.get(0);
  if (!x)
    return failure();
  if (!isa<FloatType>(tfm::getElementType(x)))
    return node.error() << "expected a float input, got " << tfm::getElementType(x);
  StringRef op = node.opType();
  auto constant = [&](double value) { return scalarLike(node, x, value); };
  auto clamp01 = [&](Value value) {
    return node.binary<tfm::MinimumOp>(node.binary<tfm::MaximumOp>(value, constant(0)), constant(1));
  };
  if (op == "Softplus")
    return node.set(softplus(node, x));
  if (op == "Softsign")
    return node.set(node.binary<tfm::DivOp>(x, node.binary<tfm::AddOp>(node.unary<tfm::AbsOp>(x), constant(1))));
  if (op == "Mish")
    return node.set(node.binary<tfm::MulOp>(x, node.unary<tfm::TanhOp>(softplus(node, x))));
  if (op == "Elu")
    return node.set(exponential(node, x, node.getFloat("alpha", 1)));
  if (op == "Selu") {
    Value inner = exponential(node, x, node.getFloat("alpha", 1.67326319217681884765625));
    return node.set(node.binary<tfm::MulOp>(inner, constant(node.getFloat("gamma", 1.05070102214813232421875))));
  }
  if (op == "Celu") {
    double alpha = node.getFloat("alpha", 1);
    Value negative = exponential(node, node.binary<tfm::DivOp>(x, constant(alpha)), alpha);
    return node.set(node.select(node.compare(tfm::Predicate::gt, x, constant(0)), x, negative));
  }
  if (op == "LeakyRelu") {
    Value negative = node.binary<tfm::MulOp>(x, constant(node.getFloat("alpha", 0.01f)));
    return node.set(node.select(node.compare(tfm::Predicate::lt, x, constant(0)), negative, x));
  }
  if (op == "ThresholdedRelu") {
    Value isAbove = node.compare(tfm::Predicate::gt, x, constant(node.getFloat("alpha", 1)));
    return node.set(node.select(isAbove, x, constant(0)));
  }
  if (op == "HardSigmoid" || op == "HardSwish") {
    bool isSwish = op == "HardSwish";
    double alpha = isSwish ? 1.0 / 6 : node.getFloat("alpha", 0.2f), beta = isSwish ? 0.5 : node.getFloat("beta", 0.5f);
    Value gate = clamp01(node.binary<tfm::AddOp>(node.binary<tfm::MulOp>(x, constant(alpha)), constant(beta)));
    return node.set(isSwish ? node.binary<tfm::MulOp>(x, gate) : gate);
  }
  if (op == "Shrink") {
    double lambda = node.getFloat("lambd", 0.5), bias = node.getFloat("bias", 0);
    Value above = node.select(node.compare(tfm::Predicate::gt, x, constant(lambda)),
                              node.binary<tfm::SubOp>(x, constant(bias)), constant(0));
    return node.set(node.select(node.compare(tfm::Predicate::lt, x, constant(-lambda)),
                                node.binary<tfm::AddOp>(x, constant(bias)), above));
  }
  if (op == "Tan")
    return node.set(node.binary<tfm::DivOp>(node.unary<tfm::SinOp>(x), node.unary<tfm::CosOp>(x)));
  if (op == "Asinh" || op == "Acosh") { // log(x + sqrt(x^2 +- 1))
    Value square = node.binary<tfm::MulOp>(x, x);
    Value root = node.unary<tfm::SqrtOp>(node.binary<tfm::AddOp>(square, constant(op == "Asinh" ? 1 : -1)));
    return node.set(node.unary<tfm::LogOp>(node.binary<tfm::AddOp>(x, root)));
  }
  if (op == "Atanh") { // log((1 + x) / (1 - x)) / 2
    Value ratio =
        node.binary<tfm::DivOp>(node.binary<tfm::AddOp>(constant(1), x), node.binary<tfm::SubOp>(constant(1), x));
    return node.set(node.binary<tfm::MulOp>(node.unary<tfm::LogOp>(ratio), constant(0.5)));
  }
  // Sinh and Cosh.
  Value grown = node.unary<tfm::ExpOp>(x), shrunk = node.unary<tfm::ExpOp>(node.unary<tfm::NegOp>(x));
  Value sum = op == "Sinh" ? node.binary<tfm::SubOp>(grown, shrunk) : node.binary<tfm::AddOp>(grown, shrunk);
  return node.set(node.binary<tfm::MulOp>(sum, constant(0.5)));
}

static LogicalResult importPRelu(Node &node) {
  if (failed(node.expectInputs(2, 2)))
    return failure();
  Value x = node.get(0), slope = node.get(1);
  if (!node.sameType({x, slope}))
    return failure();
  Value isNegative = node.compare(tfm::Predicate::lt, x, scalarLike(node, x, 0));
  return node.set(node.select(isNegative, node.binary<tfm::MulOp>(x, slope), x));
}

ArrayRef<OpEntry> lathe::onnxfile::getElementwiseOps() {
  static const OpEntry ops[] = {
      {"Add", importBinary<tfm::AddOp>, foldElementwise, 7},
      {"Sub", importBinary<tfm::SubOp>, foldElementwise, 7},
      {"Mul", importBinary<tfm::MulOp>, foldElementwise, 7},
      {"Div", importBinary<tfm::DivOp>, foldElementwise, 7},
      {"Mod", importMod, foldElementwise},
      {"Pow", importPow, foldElementwise, 7},
      {"Min", importVariadic<tfm::MinimumOp>, foldElementwise, 8},
      {"Max", importVariadic<tfm::MaximumOp>, foldElementwise, 8},
      {"Sum", importVariadic<tfm::AddOp>, nullptr, 8},
      {"Mean", importMean, nullptr, 8},
      {"And", importBinary<tfm::AndOp>, foldElementwise, 7},
      {"Or", importBinary<tfm::OrOp>, foldElementwise, 7},
      {"Xor", importBinary<tfm::XorOp>, foldElementwise, 7},
      {"BitwiseAnd", importBinary<tfm::AndOp>},
      {"BitwiseOr", importBinary<tfm::OrOp>},
      {"BitwiseXor", importBinary<tfm::XorOp>},
      {"BitwiseNot", importUnary<tfm::NotOp>},
      {"Equal", importCompare<tfm::Predicate::eq>, foldElementwise, 7},
      {"Less", importCompare<tfm::Predicate::lt>, foldElementwise, 7},
      {"LessOrEqual", importCompare<tfm::Predicate::le>, foldElementwise},
      {"Greater", importCompare<tfm::Predicate::gt>, foldElementwise, 7},
      {"GreaterOrEqual", importCompare<tfm::Predicate::ge>, foldElementwise},
      {"Not", importUnary<tfm::NotOp>, foldElementwise},
      {"Abs", importUnary<tfm::AbsOp>, foldElementwise, 6},
      {"Neg", importUnary<tfm::NegOp>, foldElementwise, 6},
      {"Sqrt", importFloat<tfm::SqrtOp>, foldElementwise, 6},
      {"Reciprocal", importFloat<tfm::ReciprocalOp>, foldElementwise, 6},
      {"Floor", importFloat<tfm::FloorOp>, foldElementwise, 6},
      {"Ceil", importFloat<tfm::CeilOp>, foldElementwise, 6},
      {"Round", importFloat<tfm::RoundOp>},
      {"Sign", importUnary<tfm::SignOp>},
      {"Exp", importFloat<tfm::ExpOp>, nullptr, 6},
      {"Log", importFloat<tfm::LogOp>, nullptr, 6},
      {"Sin", importFloat<tfm::SinOp>},
      {"Cos", importFloat<tfm::CosOp>},
      {"Erf", importFloat<tfm::ErfOp>},
      {"Tanh", importFloat<tfm::TanhOp>, nullptr, 6},
      {"Sigmoid", importFloat<tfm::SigmoidOp>, nullptr, 6},
      {"Relu", importUnary<tfm::ReluOp>, nullptr, 6},
      {"IsNaN", importIsNan, foldElementwise},
      {"IsInf", importIsInf},
      {"Clip", importClip, nullptr, 11},
      {"Where", importWhere, foldWhere},
      {"Cast", importCast, foldCast, 6},
      {"CastLike", importCast, foldCast},
      {"Gelu", importGelu},
      {"PRelu", importPRelu, nullptr, 7},
      {"Softplus", importActivation},
      {"Softsign", importActivation},
      {"Mish", importActivation},
      {"Elu", importActivation, nullptr, 6},
      {"Selu", importActivation, nullptr, 6},
      {"Celu", importActivation},
      {"LeakyRelu", importActivation, nullptr, 6},
      {"ThresholdedRelu", importActivation},
      {"HardSigmoid", importActivation, nullptr, 6},
      {"HardSwish", importActivation},
      {"Shrink", importActivation},
      {"Tan", importActivation},
      {"Sinh", importActivation},
      {"Cosh", importActivation},
      {"Asinh", importActivation},
      {"Acosh", importActivation},
      {"Atanh", importActivation},
  };
  return ops;
}
