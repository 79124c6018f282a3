// Verifiers of the elementwise ops and of the reductions, and what all verifiers share.
#include "dialects/Tfm/Verify.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::tfm;

std::string tfm::toString(ArrayRef<Dim> dims) {
  std::string text = "[";
  for (const Dim &dim : dims)
    text += (text.size() > 1 ? ", " : "") + dim.str().str();
  return text + "]";
}

LogicalResult tfm::verifyResultDims(Operation *op, StringRef constraint, ArrayRef<Dim> expected) {
  SmallVector<Dim> dims = getDims(op->getResult(0));
  if (ArrayRef<Dim>(dims) != expected)
    return op->emitOpError() << constraint << ": expected result dimensions " << toString(expected) << ", got "
                             << toString(dims);
  return success();
}

LogicalResult tfm::verifySameElementType(Operation *op, StringRef constraint, ValueRange values) {
  for (Value value : values)
    if (value && getElementType(value) != getElementType(values.front()))
      return op->emitOpError() << constraint << ": expected one element type, got " << getElementType(values.front())
                               << " and " << getElementType(value);
  return success();
}

LogicalResult tfm::verifyElementwise(Operation *op, bool sameElementType) {
  SmallVector<SmallVector<Dim>> shapes;
  for (Value operand : op->getOperands())
    shapes.push_back(getDims(operand));
  auto dims = broadcastDims(shapes);
  if (!dims) {
    std::string all;
    for (auto &shape : shapes)
      all += (all.empty() ? "" : " and ") + toString(shape);
    return op->emitOpError() << "C1: operands don't broadcast: " << all;
  }
  if (failed(verifyResultDims(op, "C1", *dims)))
    return failure();
  if (!sameElementType)
    return success();
  SmallVector<Value> values(op->getOperands());
  values.push_back(op->getResult(0));
  return verifySameElementType(op, "C2", values);
}

LogicalResult CompareOp::verify() {
  if (failed(verifyElementwise(*this, false)))
    return failure();
  return verifySameElementType(*this, "C2", getOperands());
}
LogicalResult IsNanOp::verify() { return verifyElementwise(*this, false); }
LogicalResult IsInfOp::verify() { return verifyElementwise(*this, false); }
LogicalResult CastOp::verify() { return verifyElementwise(*this, false); }
LogicalResult SelectOp::verify() {
  if (failed(verifyElementwise(*this, false)))
    return failure();
  return verifySameElementType(*this, "C2", {getOnTrue(), getOnFalse(), getResult()});
}

LogicalResult tfm::verifyReduction(Operation *op, ArrayRef<int64_t> axes) {
  SmallVector<Dim> dims = getDims(op->getOperand(0));
  int64_t last = -1;
  for (int64_t axis : axes) {
    if (axis <= last || axis >= static_cast<int64_t>(dims.size()))
      return op->emitOpError() << "C1: expected ascending axes below the rank " << dims.size() << ", got " << axis;
    last = axis;
    dims[axis] = Dim(1);
  }
  if (failed(verifyResultDims(op, "C2", dims)))
    return failure();
  if (isa<ArgMaxOp, ArgMinOp>(op))
    return success();
  return verifySameElementType(op, "C3", {op->getOperand(0), op->getResult(0)});
}

static LogicalResult verifyAxis(Operation *op, int64_t axis, size_t rank) {
  if (axis < 0 || axis >= static_cast<int64_t>(rank))
    return op->emitOpError() << "C1: expected an axis below the rank " << rank << ", got " << axis;
  return success();
}
LogicalResult SoftmaxOp::verify() { return verifyAxis(*this, getAxis(), getDims(getInput()).size()); }
LogicalResult CumSumOp::verify() { return verifyAxis(*this, getAxis(), getDims(getInput()).size()); }
