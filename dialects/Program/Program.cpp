// Verifiers of the program dialect.
#include "dialects/Program/Program.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::program;

#include "dialects/Program/ProgramDialect.cpp.inc"
#define GET_TYPEDEF_CLASSES
#include "dialects/Program/ProgramTypes.cpp.inc"
#define GET_OP_CLASSES
#include "dialects/Program/ProgramOps.cpp.inc"

void ProgramDialect::initialize() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialects/Program/ProgramTypes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/Program/ProgramOps.cpp.inc"
      >();
}

/// The expression of an attribute that must hold exactly one, monotone.
static FailureOr<Dim> getFormula(Operation *op, tfm::DimsAttr attr, StringRef what) {
  SmallVector<Dim> dims = attr.getDims();
  if (dims.size() != 1 || !isMonotone(dims[0])) {
    op->emitOpError("C1: expected ") << what << " to be one expression that grows with its symbols, got " << attr;
    return failure();
  }
  return dims[0];
}

LogicalResult EntryOp::verify() {
  FailureOr<Dim> arena = getFormula(*this, getArena(), "the arena");
  if (failed(arena))
    return failure();
  llvm::StringSet<> inputs, outputs;
  auto module = (*this)->getParentOfType<ModuleOp>();
  for (Operation &op : getBody().front()) {
    if (op.getDialect() != (*this)->getDialect() && !isa<tfm::RequireOp>(op))
      return op.emitError("C2: expected an op of the program dialect or tfm.require in program.entry");
    if (auto input = dyn_cast<InputOp>(op); input && !inputs.insert(input.getName()).second)
      return input.emitOpError("C3: another input has the name '") << input.getName() << "'";
    if (auto output = dyn_cast<OutputOp>(op); output && !outputs.insert(output.getName()).second)
      return output.emitOpError("C3: another output has the name '") << output.getName() << "'";
    auto buffer = dyn_cast<BufferOp>(op);
    if (!buffer || !module || buffer.getOffset().getTexts().size() != 1 || buffer.getSize().getTexts().size() != 1)
      continue;
    Dim end = buffer.getOffset().getDims()[0] + buffer.getSize().getDims()[0];
    for (bool greatest : {false, true}) {
      auto value = [&](StringRef name) -> std::optional<int64_t> {
        auto range = tfm::getSymbolRange(module, name);
        return range ? std::optional(greatest ? range->max : range->min) : std::nullopt;
      };
      auto last = end.evaluate(value), size = arena->evaluate(value);
      if (!last || !size || *last > *size)
        return buffer.emitOpError("C4: expected it to end within the arena of ")
               << arena->str() << " bytes, got " << end.str();
    }
  }
  return success();
}

LogicalResult BufferOp::verify() {
  FailureOr<Dim> offset = getFormula(*this, getOffset(), "the offset");
  if (failed(offset) || failed(getFormula(*this, getSize(), "the size")))
    return failure();
  for (const Dim::Term &term : offset->getTerms())
    if (term.coefficient % kAlignment)
      return emitOpError("C2: expected an offset that is a multiple of ") << kAlignment << ", got " << offset->str();
  return success();
}

LogicalResult WeightOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto weight = symbols.lookupNearestSymbolFrom<tfm::WeightOp>((*this)->getParentOp(), getWeightAttr());
  if (!weight)
    return emitOpError("C1: expected a tfm.weight, got ") << getWeightAttr();
  if (getLayout() && weight.getTensorType().getRank() != 2)
    return emitOpError("C2: expected a matrix to lay out, got ") << weight.getTensorType();
  return success();
}

LogicalResult LaunchOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto kernel = symbols.lookupNearestSymbolFrom<kernel::FuncOp>((*this)->getParentOp(), getKernelAttr());
  if (!kernel)
    return emitOpError("C1: expected a kernel.func, got ") << getKernelAttr();
  if (getInputs().size() != kernel.getArgumentTypes().size() || getOutputs().size() != kernel.getResultTypes().size())
    return emitOpError("C2: expected ") << kernel.getArgumentTypes().size() << " inputs and "
                                        << kernel.getResultTypes().size() << " outputs, got " << getInputs().size()
                                        << " and " << getOutputs().size();
  for (auto [index, output] : llvm::enumerate(getOutputs())) {
    if (!isa_and_nonnull<BufferOp, OutputOp>(output.getDefiningOp()))
      return emitOpError("C3: expected output ") << index << " to be a buffer or an output of the entry";
    if (llvm::is_contained(getInputs(), output) || llvm::is_contained(getOutputs().take_front(index), output))
      return emitOpError("C3: output ") << index << " is also an input or another output of the launch";
  }
  return success();
}
