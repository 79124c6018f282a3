// What the passes of the simplify phase share.
#include "passes/Simplify/Match.h"
#include <cmath>

using namespace mlir;
using namespace lathe;
using namespace lathe::tfm;
using namespace lathe::simplify;

static std::optional<double> getSplat(Attribute attribute) {
  auto elements = dyn_cast_or_null<DenseElementsAttr>(attribute);
  if (!elements || !elements.isSplat())
    return std::nullopt;
  if (isa<FloatType>(elements.getElementType()))
    return elements.getSplatValue<APFloat>().convertToDouble();
  if (!isa<IntegerType>(elements.getElementType()))
    return std::nullopt;
  APInt value = elements.getSplatValue<APInt>();
  bool isUnsigned = elements.getElementType().isUnsignedInteger() || value.getBitWidth() == 1;
  return isUnsigned ? value.roundToDouble(false) : value.roundToDouble(true);
}

std::optional<double> simplify::getSplat(Value value) {
  if (auto constant = value.getDefiningOp<ConstantOp>())
    return ::getSplat(constant.getValue());
  if (auto get = value.getDefiningOp<GetOp>())
    if (auto weight = SymbolTable::lookupNearestSymbolFrom<WeightOp>(get, get.getWeightAttr()))
      return ::getSplat(weight.getSource());
  return std::nullopt;
}

bool simplify::isNear(double got, double want) { return std::abs(got - want) <= 1e-5 * std::abs(want); }
bool simplify::isSplatNear(Value value, double want) {
  auto got = simplify::getSplat(value);
  return got && isNear(*got, want);
}

std::optional<Scaled> simplify::matchScale(Value value) {
  Operation *op = value.getDefiningOp();
  if (!op || !isa<MulOp, DivOp>(op) || !isa<FloatType>(tfm::getElementType(value)))
    return std::nullopt;
  for (unsigned constant : {1, 0}) {
    if (constant == 0 && isa<DivOp>(op))
      break;
    Value input = op->getOperand(1 - constant);
    auto factor = simplify::getSplat(op->getOperand(constant));
    if (factor && input.getType() == value.getType() && std::isfinite(*factor) && *factor != 0)
      return Scaled{input, isa<DivOp>(op) ? 1 / *factor : *factor};
  }
  return std::nullopt;
}

Value simplify::matchSquare(Value value) {
  if (auto mul = value.getDefiningOp<MulOp>(); mul && mul.getLhs() == mul.getRhs())
    return mul.getLhs();
  if (auto pow = value.getDefiningOp<PowOp>(); pow && simplify::getSplat(pow.getRhs()) == 2.0)
    return pow.getLhs().getType() == value.getType() ? pow.getLhs() : Value();
  return {};
}

static Value matchSqrt(Value value) {
  if (auto sqrt = value.getDefiningOp<SqrtOp>())
    return sqrt.getInput();
  if (auto pow = value.getDefiningOp<PowOp>(); pow && simplify::getSplat(pow.getRhs()) == 0.5)
    return pow.getLhs();
  return {};
}

Value simplify::matchRsqrt(Value value) {
  if (auto rsqrt = value.getDefiningOp<RsqrtOp>())
    return rsqrt.getInput();
  if (auto reciprocal = value.getDefiningOp<ReciprocalOp>())
    return matchSqrt(reciprocal.getInput());
  if (auto div = value.getDefiningOp<DivOp>(); div && simplify::getSplat(div.getLhs()) == 1.0)
    return matchSqrt(div.getRhs());
  if (auto pow = value.getDefiningOp<PowOp>(); pow && simplify::getSplat(pow.getRhs()) == -0.5)
    return pow.getLhs();
  return {};
}

Value simplify::getOther(Operation *op, Value known) {
  if (op->getOperand(0) == known)
    return op->getOperand(1);
  return op->getOperand(1) == known ? op->getOperand(0) : Value();
}

Value simplify::getSameZeros(Value value) {
  Operation *op = value.getDefiningOp();
  if (auto reshape = dyn_cast_or_null<tfm::ReshapeOp>(op))
    return reshape.getInput();
  if (auto cast = dyn_cast_or_null<tfm::CastOp>(op)) {
    // A narrower integer wraps to 0, a narrower float rounds to it, a float becomes an integer 0 below 1.
    Type from = tfm::getElementType(cast.getInput()), to = tfm::getElementType(value);
    bool keeps =
        to.isInteger(1) ||
        (isa<IntegerType>(from) && (isa<FloatType>(to) || to.getIntOrFloatBitWidth() >= from.getIntOrFloatBitWidth()));
    return keeps ? cast.getInput() : Value();
  }
  auto compare = dyn_cast_or_null<tfm::CompareOp>(op);
  if (!compare || compare.getPredicate() != tfm::Predicate::ne)
    return {};
  for (unsigned side = 0; side < 2; ++side)
    if (getSplat(op->getOperand(1 - side)) == 0.0 && tfm::getDims(op->getOperand(side)) == tfm::getDims(value))
      return op->getOperand(side);
  return {};
}

Location simplify::fuseLocations(OpBuilder &builder, ArrayRef<Operation *> ops) {
  SmallVector<Location> locations;
  for (Operation *op : ops)
    if (op && !isa<GetOp, ConstantOp>(op))
      locations.push_back(op->getLoc());
  return builder.getFusedLoc(locations);
}

Value simplify::createReshape(OpBuilder &builder, Location loc, Value value, ArrayRef<Dim> dims) {
  auto type = tfm::getTensorType(dims, tfm::getElementType(value));
  return type == value.getType() ? value : ReshapeOp::create(builder, loc, type, value).getResult();
}

Value simplify::createTranspose(OpBuilder &builder, Location loc, Value value, ArrayRef<int64_t> permutation) {
  SmallVector<int64_t> order(permutation);
  while (auto inner = value.getDefiningOp<TransposeOp>()) {
    for (int64_t &axis : order)
      axis = inner.getPermutation()[axis];
    value = inner.getInput();
  }
  if (llvm::is_sorted(order))
    return value;
  SmallVector<Dim> from = tfm::getDims(value), to;
  for (int64_t axis : order)
    to.push_back(from[axis]);
  return TransposeOp::create(builder, loc, tfm::getTensorType(to, tfm::getElementType(value)), value,
                             builder.getDenseI64ArrayAttr(order));
}

Value simplify::createExpand(OpBuilder &builder, Location loc, Value value, ArrayRef<Dim> dims) {
  auto type = tfm::getTensorType(dims, tfm::getElementType(value));
  return type == value.getType() ? value : ExpandOp::create(builder, loc, type, value).getResult();
}

Value simplify::createSlice(OpBuilder &builder, Location loc, Value value, int64_t axis, const Dim &start,
                            const Dim &size) {
  SmallVector<Dim> dims = tfm::getDims(value), starts(dims.size());
  starts[axis] = start;
  dims[axis] = size;
  return SliceOp::create(builder, loc, tfm::getTensorType(dims, tfm::getElementType(value)), value,
                         DimsAttr::get(builder.getContext(), starts),
                         builder.getDenseI64ArrayAttr(SmallVector<int64_t>(dims.size(), 1)));
}

std::optional<AxisSlice> simplify::matchAxisSlice(Value value) {
  auto slice = value.getDefiningOp<SliceOp>();
  if (!slice || !llvm::all_of(slice.getSteps(), [](int64_t step) { return step == 1; }))
    return std::nullopt;
  SmallVector<Dim> from = tfm::getDims(slice.getInput()), to = tfm::getDims(value),
                   starts = slice.getStarts().getDims();
  std::optional<AxisSlice> result;
  for (unsigned axis = 0; axis < to.size(); ++axis) {
    if (from[axis] == to[axis] && starts[axis] == Dim(0))
      continue;
    if (result)
      return std::nullopt;
    result = AxisSlice{axis, starts[axis], to[axis]};
  }
  return result;
}

std::optional<SmallVector<ReshapeRun>> simplify::alignReshape(ArrayRef<Dim> from, ArrayRef<Dim> to) {
  SmallVector<ReshapeRun> runs;
  unsigned i = 0, j = 0;
  while (i < from.size() || j < to.size()) {
    unsigned iBegin = i, jBegin = j;
    bool unitFrom = i < from.size() && from[i] == Dim(1), unitTo = j < to.size() && to[j] == Dim(1);
    if (unitFrom != unitTo) {
      unitFrom ? ++i : ++j;
      runs.push_back({iBegin, i, jBegin, j});
      continue;
    }
    if (i == from.size() || j == to.size())
      return std::nullopt;
    Dim a = from[i++], b = to[j++];
    while (a != b) {
      bool takeFrom = b.exactDiv(a).has_value(), takeTo = a.exactDiv(b).has_value();
      if (!takeFrom && !takeTo)
        takeFrom = takeTo = true;
      if ((takeFrom && i == from.size()) || (takeTo && j == to.size()))
        return std::nullopt;
      if (takeFrom)
        a = a * from[i++];
      if (takeTo)
        b = b * to[j++];
    }
    if (!a.isValid())
      return std::nullopt;
    runs.push_back({iBegin, i, jBegin, j});
  }
  return runs;
}

Operation *simplify::getWeightOrConstant(Value value) {
  Operation *op = value.getDefiningOp();
  return op && isa<GetOp, ConstantOp>(op) ? op : nullptr;
}
