// The frame of a kernel's source.
#include "compiler/Cuda/KernelWriter.h"
#include "compiler/Cuda/CppPrinter.h"
#include "compiler/Package/Layout.h"
#include "dialects/Tfm/Formats.h"
#include "dialects/Tfm/Weights.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::cuda;

std::string KernelWriter::getStoredType(Value tensor) {
  if (tfm::getFormat(tensor.getType()))
    return "u8";
  Type element = getSignless(tfm::getElementType(tensor));
  return element.isInteger(1) ? "i8" : getTypeName(element);
}

std::string KernelWriter::print(const Dim &dim) {
  if (auto constant = dim.getConstant())
    return std::to_string(*constant);
  for (auto [index, known] : llvm::enumerate(dims))
    if (known == dim)
      return "kernel.d" + std::to_string(index);
  kernel.emitOpError("has no parameter for the dimension ") << dim.str();
  failed = true;
  return "0";
}

std::string KernelWriter::print(ArrayRef<Dim> product) {
  std::string text;
  for (const Dim &dim : product)
    text += (text.empty() ? "" : " * ") + print(dim);
  return text.empty() ? "1" : text;
}

void KernelWriter::method(StringRef resultType, StringRef methodName, ArrayRef<Parameter> parameters, Build build,
                          bool ofTeam) {
  auto getType = [&](StringRef text) { return text == "index" ? i64() : text == "float" ? f32() : ptr(); };
  SmallVector<Type> types(kernel.getNumArguments() + kernel.getNumResults(), ptr());
  types.append(dims.size(), i64());
  for (const Parameter &parameter : parameters)
    types.push_back(getType(parameter.type));
  b.setInsertionPointToEnd(output.getBody());
  auto function =
      make<LLVM::LLVMFuncOp>(methodName, LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(b.getContext()), types));
  Block *entry = function.addEntryBlock(b);
  b.setInsertionPointToStart(entry);
  enterScope();

  std::string text;
  llvm::raw_string_ostream os(text);
  CppPrinter printer(os, name);
  operands.clear();
  params.clear();
  unsigned next = 0;
  for (unsigned i = 0; i < kernel.getNumArguments(); ++i) {
    operands.push_back(entry->getArgument(next++));
    printer.name(operands.back(), "a" + std::to_string(i));
  }
  for (unsigned i = 0; i < kernel.getNumResults(); ++i) {
    operands.push_back(entry->getArgument(next++));
    printer.name(operands.back(), "r" + std::to_string(i));
  }
  for (auto [i, dim] : llvm::enumerate(dims)) {
    params.emplace_back(dim, entry->getArgument(next++));
    printer.name(params.back().second, "d" + std::to_string(i));
  }
  SmallVector<Value> values;
  std::string list = ofTeam ? "const Team &team" : "";
  for (const Parameter &parameter : parameters) {
    values.push_back(entry->getArgument(next++));
    printer.name(values.back(), parameter.name);
    list += (list.empty() ? "" : ", ") + std::string(parameter.type) + " " + parameter.name;
  }
  Value result = build(values);
  make<LLVM::ReturnOp>(result ? ValueRange(result) : ValueRange());
  leaveScope();
  failed |= !printer.print(*entry, 4);
  if (ofTeam)
    members += "  template <class Team>\n";
  members += ("  __device__ __forceinline__ " + resultType + " " + methodName + "(" + list + ") const {\n").str();
  members += text + "  }\n";
  function.erase();
}

Value KernelWriter::call(const Twine &callee, Type result, ValueRange arguments) {
  auto op = make<LLVM::CallOp>(result ? TypeRange(result) : TypeRange(), StringRef(callee.str()), arguments);
  return result ? op.getResult() : Value();
}

Value KernelWriter::reduce(StringRef operation, Value value) {
  return call("team.template reduce<" + operation + ">", f32(), value);
}

Values KernelWriter::teamLoop(Value length, ValueRange initial, BodyWithValues build) {
  Value rank = call("team.rank", i64(), {}), size = call("team.size", i64(), {});
  auto loop = make<scf::ForOp>(rank, length, size, initial);
  OpBuilder::InsertionGuard guard(b);
  if (initial.empty())
    loop.getBody()->getTerminator()->erase();
  b.setInsertionPointToEnd(loop.getBody());
  enterScope();
  Values results = build(loop.getInductionVar(), loop.getRegionIterArgs());
  leaveScope();
  make<scf::YieldOp>(results);
  return Values(loop.getResults());
}

Value KernelWriter::widen(Value value) {
  Type type = value.getType();
  return type.isF16() || type.isBF16() ? Value(make<arith::ExtFOp>(f32(), value)) : value;
}
Value KernelWriter::narrow(Value value, Type elementType) {
  bool half = elementType.isF16() || elementType.isBF16();
  return half && value.getType() != elementType ? Value(make<arith::TruncFOp>(elementType, value)) : value;
}

void KernelWriter::recordFault(Value outside, Value raw, const Index &flat, Value limit, int32_t operand) {
  ifThen(outside, [&] {
    Value position = make<arith::ConstantOp>(b.getI32IntegerAttr(operand));
    call("report_index", Type(), {position, flat.value, raw, limit});
  });
}

/// Tables of constants that the methods left in the module.
static void printTables(ModuleOp module, StringRef prefix, llvm::raw_ostream &os) {
  for (auto global : module.getOps<LLVM::GlobalOp>()) {
    auto values = cast<DenseElementsAttr>(global.getValueAttr());
    os << "__device__ const " << getTypeName(values.getElementType()) << " "
       << getTableName(prefix, global.getSymName()) << "[] = {";
    llvm::interleaveComma(values.getValues<Attribute>(), os, [&](Attribute value) { os << printScalar(value); });
    os << "};\n";
  }
}

FailureOr<std::string> KernelWriter::write(StringRef symbol) {
  auto planned = schedule::planKernel(kernel);
  if (mlir::failed(planned))
    return failure();
  plan = *planned;
  name = "Kernel_" + symbol.str();
  dims.assign({});
  for (const Dim &dim : kernel::collectParams(kernel))
    dims.push_back(dim);
  switch (plan.strategy) {
  case schedule::Strategy::Map:
    writeMap(*this);
    break;
  case schedule::Strategy::Rows:
    writeRows(*this);
    break;
  case schedule::Strategy::Contraction:
    writeContraction(*this);
    break;
  case schedule::Strategy::Attention:
    writeAttention(*this);
    break;
  case schedule::Strategy::Scatter:
    writeScatter(*this);
    break;
  }

  std::string text;
  llvm::raw_string_ostream os(text);
  auto comment = [&](const Twine &text) { // a model's names may hold anything
    std::string line = text.str();
    for (char &c : line)
      c = llvm::isPrint(c) && c != '\\' ? c : '?';
    os << "// " << line << "\n";
  };
  comment("---- " + symbol + ": " + kernel.getSymName().str() + ", " + toString(plan.strategy).str() + ", " +
          std::to_string(tile.threads) + " threads, " + std::to_string(tile.shared) + " bytes of shared memory");
  if (auto origins = kernel.getOrigins())
    for (auto origin : origins->getAsValueRange<StringAttr>())
      comment("  " + origin.str());
  printTables(output, name, os);
  os << "struct " << name << " {\n";
  std::string list, fill;
  auto addOperand = [&](const std::string &operand, Value tensor, bool isResult, int64_t panelWidth) {
    std::string type = (isResult ? "" : "const ") + getStoredType(tensor);
    os << "  Global<" << type << "> " << operand << "; // " << tensor.getType() << "\n";
    list += type + " *" + operand + ", ";
    bool hasFormat = static_cast<bool>(tfm::getFormat(tensor.getType()));
    std::string count = hasFormat ? std::to_string(*tfm::getByteSize(cast<RankedTensorType>(tensor.getType())))
                                  : printCount(tensor.getType());
    if (panelWidth && hasFormat) {
      count = std::to_string(
          *package::getStoredBytes(cast<RankedTensorType>(tensor.getType()), schedule::getPanel(tensor)));
    } else if (panelWidth) {
      auto matrix = cast<RankedTensorType>(tensor.getType());
      auto panel = schedule::getPanel(tensor);
      int64_t n = matrix.getDimSize(panel.getTransposed() ? 0 : 1),
              k = matrix.getDimSize(panel.getTransposed() ? 1 : 0);
      count = std::to_string(llvm::alignTo(n, panelWidth) * k);
    }
    fill += "  kernel." + operand + " = global(" + operand + ", " + count + ");\n";
  };
  for (BlockArgument argument : kernel.getBody().getArguments()) {
    auto panel = schedule::getPanel(argument);
    addOperand("a" + std::to_string(argument.getArgNumber()), argument, false, panel ? panel.getWidth() : 0);
  }
  for (auto [i, result] : llvm::enumerate(getResults()))
    addOperand("r" + std::to_string(i), result, true, 0);
  for (auto [i, dim] : llvm::enumerate(dims))
    os << "  index d" << i << "; // " << dim.str() << "\n";
  os << "  Fault *fault;\n"
     << "  __device__ void report_index(int operand, index place, index value, index limit) const {\n"
     << "    device::report_index(fault, operand, place, value, limit);\n  }\n"
     << members << "};\n"
     << helpers;
  os << "extern \"C\" __global__ void __launch_bounds__(" << tile.threads << ", 1) " << symbol << "(" << list
     << "const index *params, Fault *fault, void *workspace";
  for (size_t i = 0; i < maps.size(); ++i)
    os << ", const __grid_constant__ TensorMap m" << i;
  // The next grid may start, and waits in its turn for what this one writes.
  os << ") {\n  grid_dependency_launch();\n  grid_dependency_wait();\n  " << name << " kernel;\n";
  for (size_t i = 0; i < dims.size(); ++i)
    os << "  kernel.d" << i << " = params[" << i << "];\n";
  os << fill << "  kernel.fault = fault;\n" << body << "}\nLATHE_SIM_KERNEL(" << symbol << ")\n\n";
  if (failed)
    return failure();
  return text;
}
