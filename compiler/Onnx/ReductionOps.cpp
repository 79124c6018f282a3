// ONNX ops that combine elements along axes: reductions, softmax, running sums.
#include "compiler/Onnx/Importer.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::onnxfile;

/// The axes of a reduction: an attribute, or from opset 13 and 18 an input. All axes if there are none; nothing if an
/// empty list means that the input stays as it is.
static FailureOr<std::optional<SmallVector<int64_t>>> getAxes(Node &node) {
  auto rank = static_cast<int64_t>(node.getDims(0).size());
  SmallVector<int64_t> axes;
  if (auto given = node.getInts("axes")) {
    axes = *given;
  } else if (node.has(1)) {
    auto constants = node.getConstants(1, "the axes");
    if (failed(constants))
      return failure();
    axes = *constants;
  }
  if (axes.empty()) {
    if (node.getInt("noop_with_empty_axes", 0))
      return std::optional<SmallVector<int64_t>>();
    for (int64_t i = 0; i < rank; ++i)
      axes.push_back(i);
  }
  auto normal = node.normalizeAxes(axes, rank);
  if (failed(normal))
    return failure();
  return std::optional<SmallVector<int64_t>>(*normal);
}

static LogicalResult importReduce(Node &node) {
  if (failed(node.expectInputs(1, 2)))
    return failure();
  auto axes = getAxes(node);
  Value x = node.get(0);
  if (failed(axes) || !x)
    return failure();
  StringRef op = node.opType();
  bool keep = node.getInt("keepdims", 1);
  Type type = tfm::getElementType(x);
  auto reduce = [&](Value value) { // the sum, of what is reduced at all
    return *axes ? node.reduce<tfm::ReduceSumOp>(value, **axes, keep) : value;
  };
  bool needsFloat = op == "ReduceL2" || op == "ReduceLogSum" || op == "ReduceLogSumExp";
  if (needsFloat && !isa<FloatType>(type))
    return node.error() << "expected a float input, got " << type;
  if (op == "ReduceL1")
    return node.set(reduce(node.unary<tfm::AbsOp>(x)));
  if (op == "ReduceL2")
    return node.set(node.unary<tfm::SqrtOp>(reduce(node.binary<tfm::MulOp>(x, x))));
  if (op == "ReduceSumSquare")
    return node.set(reduce(node.binary<tfm::MulOp>(x, x)));
  if (op == "ReduceLogSum")
    return node.set(node.unary<tfm::LogOp>(reduce(x)));
  if (op == "ReduceLogSumExp") {
    if (!*axes)
      return node.forward(0);
    // Without overflow: the maximum (0 if it isn't finite) is taken out first.
    Value top = node.reduce<tfm::ReduceMaxOp>(x, **axes, true);
    Value bounded = node.select(node.elementwise<tfm::IsInfOp>({top}, node.i1()), node.scalar(0, type), top);
    Value sum = reduce(node.unary<tfm::ExpOp>(node.binary<tfm::SubOp>(x, bounded)));
    Value shift = sum ? node.reshape(bounded, tfm::getDims(sum)) : Value();
    return node.set(node.binary<tfm::AddOp>(node.unary<tfm::LogOp>(sum), shift));
  }
  if (!*axes)
    return node.forward(0);
  if (op == "ReduceSum")
    return node.set(reduce(x));
  if (op == "ReduceMean") {
    if (isa<FloatType>(type))
      return node.set(node.reduce<tfm::ReduceMeanOp>(x, **axes, keep));
    return node.error() << "expected a float input, got " << type;
  }
  if (op == "ReduceProd")
    return node.set(node.reduce<tfm::ReduceProdOp>(x, **axes, keep));
  if (type.isInteger(1)) { // any and all
    Value wide = node.cast(x, node.builder.getI32Type());
    Value result = op == "ReduceMax" ? node.reduce<tfm::ReduceMaxOp>(wide, **axes, keep)
                                     : node.reduce<tfm::ReduceMinOp>(wide, **axes, keep);
    return node.set(node.cast(result, type));
  }
  return node.set(op == "ReduceMax" ? node.reduce<tfm::ReduceMaxOp>(x, **axes, keep)
                                    : node.reduce<tfm::ReduceMinOp>(x, **axes, keep));
}

/// Sums, products and extrema of all known integers.
static std::optional<Abstract> foldReduce(Node &node) {
  const Abstract *x = node.getAbstract(0);
  if (!x || x->isReal() || x->ints.empty())
    return std::nullopt;
  SmallVector<int64_t> axes;
  if (auto given = node.getInts("axes"))
    axes = *given;
  else if (const Abstract *input = node.getAbstract(1))
    axes = input->getConstants().value_or(SmallVector<int64_t>());
  bool isAll = axes.empty() && !node.getInt("noop_with_empty_axes", 0);
  bool isVector = x->shape.size() == 1 && axes.size() == 1 && (axes[0] == 0 || axes[0] == -1);
  if (!isAll && !isVector)
    return std::nullopt;
  StringRef scalarOp = llvm::StringSwitch<StringRef>(node.opType())
                           .Case("ReduceSum", "Add")
                           .Case("ReduceProd", "Mul")
                           .Case("ReduceMax", "Max")
                           .Case("ReduceMin", "Min")
                           .Default("");
  if (scalarOp.empty())
    return std::nullopt;
  Scalar result{x->ints[0]};
  for (const Dim &dim : ArrayRef(x->ints).drop_front()) {
    auto next = evaluateScalar(scalarOp, x->elementType, {result, Scalar{dim}}, node.symbols);
    if (!next)
      return std::nullopt;
    result = *next;
  }
  SmallVector<int64_t> shape;
  if (node.getInt("keepdims", 1))
    shape.assign(x->shape.size(), 1);
  return Abstract::ofInts(x->elementType, shape, {result.dim});
}

template <typename OpTy> static LogicalResult importArgReduce(Node &node) {
  if (failed(node.expectInputs(1, 1)))
    return failure();
  SmallVector<Dim> dims(node.getDims(0)), dropped(dims);
  auto axis = node.normalizeAxis(node.getInt("axis", 0), static_cast<int64_t>(dims.size()));
  Value x = node.get(0);
  if (failed(axis) || !x)
    return failure();
  dims[*axis] = 1;
  dropped.erase(dropped.begin() + *axis);
  Value result = OpTy::create(node.builder, node.loc, tfm::getTensorType(dims, node.i64()), x,
                              node.builder.getI64IntegerAttr(*axis),
                              node.builder.getBoolAttr(node.getInt("select_last_index", 0)));
  return node.set(node.getInt("keepdims", 1) ? result : node.reshape(result, dropped));
}

/// Up to opset 12 softmax runs over all dimensions from the axis on, seen as one; from 13 along the axis.
static LogicalResult importSoftmax(Node &node) {
  if (failed(node.expectInputs(1, 1)))
    return failure();
  SmallVector<Dim> dims(node.getDims(0));
  auto rank = static_cast<int64_t>(dims.size());
  auto axis = node.normalizeAxis(node.getInt("axis", node.version < 13 ? 1 : -1), rank);
  Value x = node.get(0);
  if (failed(axis) || !x)
    return failure();
  if (!isa<FloatType>(tfm::getElementType(x)))
    return node.error() << "expected a float input, got " << tfm::getElementType(x);
  int64_t along = *axis;
  if (node.version < 13 && *axis != rank - 1) {
    x = node.reshape(x,
                     {Dim::product(ArrayRef(dims).take_front(*axis)), Dim::product(ArrayRef(dims).drop_front(*axis))});
    along = 1;
  }
  Value result;
  if (node.opType() == "Softmax") {
    result = tfm::SoftmaxOp::create(node.builder, node.loc, x.getType(), x, node.builder.getI64IntegerAttr(along));
  } else if (node.opType() == "LogSoftmax") {
    Value shifted = node.binary<tfm::SubOp>(x, node.reduce<tfm::ReduceMaxOp>(x, {along}, true));
    Value sum = node.reduce<tfm::ReduceSumOp>(node.unary<tfm::ExpOp>(shifted), {along}, true);
    result = node.binary<tfm::SubOp>(shifted, node.unary<tfm::LogOp>(sum));
  } else { // Hardmax: 1 at the first maximum
    SmallVector<Dim> from = tfm::getDims(x), kept(from), shape(from.size(), Dim(1));
    kept[along] = 1;
    shape[along] = from[along];
    Value top = tfm::ArgMaxOp::create(node.builder, node.loc, tfm::getTensorType(kept, node.i64()), x,
                                      node.builder.getI64IntegerAttr(along), node.builder.getBoolAttr(false));
    Value position = tfm::IotaOp::create(node.builder, node.loc, tfm::getTensorType({from[along]}, node.i64()),
                                         tfm::DimsAttr::get(node.builder.getContext(), {Dim(0)}), 1);
    result = node.cast(node.compare(tfm::Predicate::eq, top, node.reshape(position, shape)), tfm::getElementType(x));
  }
  return node.set(node.reshape(result, dims));
}

static LogicalResult importCumSum(Node &node) {
  if (failed(node.expectInputs(2, 2)))
    return failure();
  auto given = node.getConstants(1, "the axis");
  if (failed(given))
    return failure();
  if (given->size() != 1)
    return node.error() << "expected one axis, got " << given->size();
  auto axis = node.normalizeAxis(given->front(), static_cast<int64_t>(node.getDims(0).size()));
  Value x = node.get(0);
  if (failed(axis) || !x)
    return failure();
  return node.set(tfm::CumSumOp::create(node.builder, node.loc, x.getType(), x, node.builder.getI64IntegerAttr(*axis),
                                        node.builder.getBoolAttr(node.getInt("exclusive", 0)),
                                        node.builder.getBoolAttr(node.getInt("reverse", 0))));
}

/// The mean of everything behind the channels.
static LogicalResult importGlobalPool(Node &node) {
  if (failed(node.expectInputs(1, 1)))
    return failure();
  SmallVector<int64_t> axes;
  for (size_t i = 2; i < node.getDims(0).size(); ++i)
    axes.push_back(static_cast<int64_t>(i));
  Value x = node.get(0);
  return node.set(node.opType() == "GlobalAveragePool" ? node.reduce<tfm::ReduceMeanOp>(x, axes, true)
                                                       : node.reduce<tfm::ReduceMaxOp>(x, axes, true));
}

ArrayRef<OpEntry> lathe::onnxfile::getReductionOps() {
  static const OpEntry ops[] = {
      {"ReduceSum", importReduce, foldReduce},
      {"ReduceProd", importReduce, foldReduce},
      {"ReduceMax", importReduce, foldReduce},
      {"ReduceMin", importReduce, foldReduce},
      {"ReduceMean", importReduce},
      {"ReduceL1", importReduce},
      {"ReduceL2", importReduce},
      {"ReduceSumSquare", importReduce},
      {"ReduceLogSum", importReduce},
      {"ReduceLogSumExp", importReduce},
      {"ArgMax", importArgReduce<tfm::ArgMaxOp>},
      {"ArgMin", importArgReduce<tfm::ArgMinOp>},
      {"Softmax", importSoftmax},
      {"LogSoftmax", importSoftmax},
      {"Hardmax", importSoftmax},
      {"CumSum", importCumSum},
      {"GlobalAveragePool", importGlobalPool},
      {"GlobalMaxPool", importGlobalPool},
  };
  return ops;
}
