// Executes functions: binds symbols, walks the ops, keeps values for as long as they are needed.
#include "compiler/Reference/Reference.h"
#include "compiler/Reference/Frame.h"
#include "dialects/Kernel/Kernel.h"
#include "llvm/ADT/StringMap.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::reference;

Tensor::Tensor(Type elementType, ArrayRef<int64_t> shape, std::vector<char> data)
    : elementType(elementType), shape(shape), owner(std::make_shared<const std::vector<char>>(std::move(data))),
      bytes(*owner) {
  assert(static_cast<int64_t>(bytes.size()) == getNumElements() * getElementBytes(elementType));
}

Tensor Tensor::view(Type elementType, ArrayRef<int64_t> shape, ArrayRef<char> bytes) {
  Tensor tensor;
  tensor.elementType = elementType;
  tensor.shape.assign(shape.begin(), shape.end());
  tensor.bytes = bytes;
  return tensor;
}

Tensor Tensor::get(ElementsAttr literal) {
  auto type = cast<RankedTensorType>(literal.getShapedType());
  Type element = type.getElementType();
  if (isa<FloatType>(element)) {
    std::vector<double> values;
    for (APFloat value : literal.getValues<APFloat>()) {
      bool lost;
      value.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &lost);
      values.push_back(value.convertToDouble());
    }
    return storeFloats(element, type.getShape(), values);
  }
  std::vector<int64_t> values;
  for (const APInt &value : literal.getValues<APInt>())
    values.push_back(isUnsigned(element) ? static_cast<int64_t>(value.getZExtValue()) : value.getSExtValue());
  return storeIntegers(element, type.getShape(), values);
}

DenseElementsAttr Tensor::toLiteral() const {
  auto type = RankedTensorType::get(shape, elementType);
  if (elementType.isInteger(1))
    return DenseElementsAttr::get(type, ArrayRef<bool>(reinterpret_cast<const bool *>(bytes.data()), bytes.size()));
  return DenseElementsAttr::getFromRawBuffer(type, bytes);
}

int64_t Tensor::getNumElements() const { return *countElements(shape); }

Tensor Tensor::reshaped(ArrayRef<int64_t> newShape) const {
  Tensor result = *this;
  result.shape.assign(newShape.begin(), newShape.end());
  assert(result.getNumElements() == getNumElements());
  return result;
}

std::optional<int64_t> Frame::getSymbol(StringRef name) const {
  auto it = symbols.find(name);
  return it == symbols.end() ? std::nullopt : std::optional<int64_t>(it->second);
}

FailureOr<int64_t> Frame::evaluate(Operation *op, const Dim &dim) const {
  if (auto value = dim.evaluate([&](StringRef name) { return getSymbol(name); }))
    return *value;
  return op->emitError("dimension ") << dim.str() << " has no value for these inputs";
}

FailureOr<Shape> Frame::evaluate(Operation *op, ArrayRef<Dim> dims) const {
  Shape shape;
  for (const Dim &dim : dims) {
    FailureOr<int64_t> value = evaluate(op, dim);
    if (failed(value))
      return failure();
    shape.push_back(*value);
  }
  return shape;
}

FailureOr<Shape> Frame::resultShape(Operation *op, unsigned index) const {
  SmallVector<Dim> dims = tfm::getDims(op->getResult(index));
  FailureOr<Shape> shape = evaluate(op, dims);
  if (failed(shape))
    return failure();
  for (auto [dim, size] : llvm::zip(dims, *shape))
    if (size < 0)
      return op->emitError("dimension ") << dim.str() << " is " << size << " for these inputs";
  std::optional<int64_t> count = countElements(*shape);
  unsigned bytes = getElementBytes(tfm::getElementType(op->getResult(index)));
  if (!count || static_cast<uint64_t>(*count) > options.maxTensorBytes / bytes)
    return op->emitError("expected a result of at most ")
           << options.maxTensorBytes << " bytes, got " << op->getResult(index).getType();
  return shape;
}

namespace {
const llvm::StringMap<Rule> &getRules() {
  static const llvm::StringMap<Rule> rules = [] {
    llvm::StringMap<Rule> all;
    for (ArrayRef<Rule> group :
         {getElementwiseRules(), getReductionRules(), getDataRules(), getContractionRules(), getTransformerRules()})
      for (const Rule &rule : group)
        all.try_emplace(rule.name, rule);
    return all;
  }();
  return rules;
}

LogicalResult checkRequire(tfm::RequireOp require, const Frame &frame) {
  for (auto [left, right] : llvm::zip(require.getLeft().getDims(), require.getRight().getDims())) {
    FailureOr<int64_t> a = frame.evaluate(require, left), b = frame.evaluate(require, right);
    if (failed(a) || failed(b))
      return failure();
    if (*a != *b)
      return require.emitError(require.getMessage())
             << ": expected " << left.str() << " == " << right.str() << ", got " << *a << " and " << *b;
  }
  return success();
}

LogicalResult executeBody(FunctionOpInterface function, Frame &frame, SmallVector<Tensor> &results);

/// A kernel's body runs in a frame of its own, with the caller's symbols.
LogicalResult executeLaunch(kernel::LaunchOp launch, Frame &frame, SmallVector<Tensor> &results) {
  auto callee = SymbolTable::lookupNearestSymbolFrom<kernel::FuncOp>(launch, launch.getKernelAttr());
  if (!callee)
    return launch.emitError("expected a kernel.func, got ") << launch.getKernelAttr();
  Frame inner(&frame);
  for (auto [argument, input] : llvm::zip(callee.getBody().getArguments(), launch.getInputs()))
    inner.set(argument, frame[input]);
  return executeBody(callee, inner, results);
}

LogicalResult executeOp(Operation *op, Frame &frame) {
  if (auto require = dyn_cast<tfm::RequireOp>(op))
    return checkRequire(require, frame);
  if (auto launch = dyn_cast<kernel::LaunchOp>(op)) {
    SmallVector<Tensor> results;
    if (failed(executeLaunch(launch, frame, results)))
      return failure();
    for (auto [value, tensor] : llvm::zip(launch.getOutputs(), results))
      frame.set(value, tensor);
    return success();
  }
  auto it = getRules().find(op->getName().getStringRef());
  if (it == getRules().end())
    return op->emitError("the reference has no op ") << op->getName();
  FailureOr<Shape> shape = frame.resultShape(op);
  if (failed(shape))
    return failure();
  Result result = it->second.execute(op, *shape, frame);
  if (failed(result))
    return failure();
  assert(result->getShape() == ArrayRef<int64_t>(*shape) &&
         result->getElementType() == tfm::getElementType(op->getResult(0)));
  frame.set(op->getResult(0), std::move(*result));
  return success();
}

std::string describe(FunctionOpInterface function, unsigned index) {
  auto name = function.getArgAttrOfType<StringAttr>(index, tfm::kNameAttr);
  return name ? ("input '" + name.getValue() + "'").str() : "input " + std::to_string(index);
}

/// Gives each symbol that is an input's dimension its value, then checks every input's every dimension.
LogicalResult bindInputs(FunctionOpInterface function, ArrayRef<Tensor> inputs, Frame &frame) {
  if (inputs.size() != function.getNumArguments())
    return function.emitError("expected ") << function.getNumArguments() << " inputs, got " << inputs.size();
  for (auto [index, input, argument] : llvm::enumerate(inputs, function.getArguments())) {
    auto type = dyn_cast<RankedTensorType>(argument.getType());
    if (!type || type.getElementType() != input.getElementType() ||
        type.getRank() != static_cast<int64_t>(input.getShape().size()))
      return function.emitError(describe(function, index))
             << ": expected " << argument.getType() << ", got rank " << input.getShape().size() << " of "
             << input.getElementType();
    for (auto [dim, size] : llvm::zip(tfm::getDims(argument), input.getShape()))
      if (auto symbol = dim.getSymbol(); symbol && !frame.getSymbol(*symbol))
        frame.setSymbol(*symbol, size);
    frame.set(argument, input);
  }
  auto module = function->getParentOfType<ModuleOp>();
  for (auto [index, input, argument] : llvm::enumerate(inputs, function.getArguments()))
    for (auto [axis, dim, size] : llvm::enumerate(tfm::getDims(argument), input.getShape())) {
      FailureOr<int64_t> expected = frame.evaluate(function, dim);
      if (failed(expected))
        return failure();
      if (*expected != size)
        return function.emitError(describe(function, index))
               << ": expected dimension " << axis << " to be " << dim.str() << " = " << *expected << ", got " << size;
      auto symbol = dim.getSymbol();
      auto range = symbol && module ? tfm::getSymbolRange(module, *symbol) : std::nullopt;
      if (range && (size < range->min || size > range->max))
        return function.emitError(describe(function, index))
               << ": expected " << *symbol << " in [" << range->min << ", " << range->max << "], got " << size;
    }
  return success();
}

/// For each op of the block, the values that it is the last to read.
llvm::DenseMap<Operation *, SmallVector<Value>> findLastUses(Block &block) {
  llvm::DenseMap<Operation *, SmallVector<Value>> lastUses;
  llvm::DenseSet<Value> seen;
  for (Operation &op : llvm::reverse(block))
    for (Value operand : op.getOperands())
      if (seen.insert(operand).second)
        lastUses[&op].push_back(operand);
  return lastUses;
}

LogicalResult executeBody(FunctionOpInterface function, Frame &frame, SmallVector<Tensor> &results) {
  if (function.isExternal() || !llvm::hasSingleElement(function.getFunctionBody()))
    return function.emitError("expected a body of one block");
  Block &block = function.getFunctionBody().front();
  auto lastUses = findLastUses(block);
  for (Operation &op : block.without_terminator()) {
    if (failed(executeOp(&op, frame)))
      return failure();
    if (frame.options.observer) {
      SmallVector<Tensor> values;
      for (Value result : op.getResults())
        values.push_back(frame[result]);
      frame.options.observer(&op, values);
    }
    for (Value value : lastUses[&op])
      frame.erase(value);
    for (Value result : op.getResults())
      if (result.use_empty())
        frame.erase(result);
  }
  for (Value value : block.getTerminator()->getOperands())
    results.push_back(frame[value]);
  return success();
}
} // namespace

FailureOr<SmallVector<Tensor>> reference::run(FunctionOpInterface function, ArrayRef<Tensor> inputs,
                                              const Options &options) {
  Frame frame(options);
  SmallVector<Tensor> results;
  if (failed(bindInputs(function, inputs, frame)) || failed(executeBody(function, frame, results)))
    return failure();
  return results;
}

FailureOr<SmallVector<Tensor>> reference::evaluate(Operation *op, ArrayRef<Tensor> operands, const Options &options) {
  Frame frame(options);
  for (auto [value, tensor] : llvm::zip(op->getOperands(), operands))
    frame.set(value, tensor);
  if (failed(executeOp(op, frame)))
    return failure();
  SmallVector<Tensor> results;
  for (Value result : op->getResults())
    results.push_back(frame[result]);
  return results;
}

bool reference::isSupported(Operation *op) {
  return isa<tfm::RequireOp, kernel::LaunchOp>(op) || getRules().contains(op->getName().getStringRef());
}
