// Verifiers and assembly of the kernel dialect.
#include "dialects/Kernel/Kernel.h"
#include "mlir/Interfaces/FunctionImplementation.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::kernel;

#include "dialects/Kernel/KernelDialect.cpp.inc"
#include "dialects/Kernel/KernelEnums.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/Kernel/KernelAttrs.cpp.inc"
#define GET_OP_CLASSES
#include "dialects/Kernel/KernelOps.cpp.inc"

void KernelDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/Kernel/KernelAttrs.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/Kernel/KernelOps.cpp.inc"
      >();
}

ParseResult FuncOp::parse(OpAsmParser &parser, OperationState &result) {
  auto build = [](Builder &builder, ArrayRef<Type> inputs, ArrayRef<Type> results,
                  function_interface_impl::VariadicFlag,
                  std::string &) { return builder.getFunctionType(inputs, results); };
  return function_interface_impl::parseFunctionOp(parser, result, /*allowVariadic=*/false,
                                                  getFunctionTypeAttrName(result.name), build,
                                                  getArgAttrsAttrName(result.name), getResAttrsAttrName(result.name));
}

void FuncOp::print(OpAsmPrinter &printer) {
  function_interface_impl::printFunctionOp(printer, *this, /*isVariadic=*/false, getFunctionTypeAttrName(),
                                           getArgAttrsAttrName(), getResAttrsAttrName());
}

LogicalResult FuncOp::verify() {
  if (!isa<ReturnOp>(getBody().front().getTerminator()))
    return emitOpError("C1: expected the body to end in kernel.return");
  llvm::StringSet<> targets;
  for (Attribute attr : getSchedulesAttr() ? getSchedulesAttr().getValue() : ArrayRef<Attribute>()) {
    auto schedule = dyn_cast<ScheduleAttr>(attr);
    if (!schedule || !targets.insert(schedule.getTarget().getValue()).second)
      return emitOpError("C2: expected #kernel.schedule of distinct targets, got ") << attr;
    if (schedule.getTiles().getTexts().size() != 1 || schedule.getScratch().getTexts().size() != 1)
      return emitOpError("C2: expected one expression for tiles and for scratch, got ") << attr;
  }
  return success();
}

ScheduleAttr FuncOp::getSchedule(StringRef target) {
  for (Attribute attr : getSchedulesAttr() ? getSchedulesAttr().getValue() : ArrayRef<Attribute>())
    if (auto schedule = cast<ScheduleAttr>(attr); schedule.getTarget().getValue() == target)
      return schedule;
  return {};
}

LogicalResult ReturnOp::verify() {
  if (getOperandTypes() != cast<FuncOp>((*this)->getParentOp()).getResultTypes())
    return emitOpError("C1: expected the function's result types");
  return success();
}

LogicalResult LaunchOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto kernel = symbols.lookupNearestSymbolFrom<FuncOp>(*this, getKernelAttr());
  if (!kernel)
    return emitOpError("C1: expected a kernel.func, got ") << getKernelAttr();
  if (getOperandTypes() != kernel.getArgumentTypes() || getResultTypes() != kernel.getResultTypes())
    return emitOpError("C2: expected the kernel's type ") << kernel.getFunctionType();
  return success();
}

SmallVector<Dim> kernel::collectParams(FuncOp kernel) {
  SmallVector<Dim> params;
  llvm::StringSet<> seen;
  auto addDims = [&](ArrayRef<Dim> dims) {
    for (const Dim &dim : dims)
      if (!dim.isConstant() && seen.insert(dim.str()).second)
        params.push_back(dim);
  };
  for (Type type : kernel.getArgumentTypes())
    addDims(tfm::getDims(type));
  kernel.getBody().walk<WalkOrder::PreOrder>([&](Operation *op) {
    for (NamedAttribute attr : op->getAttrs())
      if (auto dims = dyn_cast<tfm::DimsAttr>(attr.getValue()))
        addDims(dims.getDims());
    for (Type type : op->getResultTypes())
      addDims(tfm::getDims(type));
  });
  for (Type type : kernel.getResultTypes())
    addDims(tfm::getDims(type));
  return params;
}
