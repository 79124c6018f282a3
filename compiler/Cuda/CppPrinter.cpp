// Each op is one statement, but for arithmetic that is used once: it stands where it is used.
#include "compiler/Cuda/CppPrinter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/Error.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::cuda;

std::string cuda::getTypeName(Type type) {
  if (type.isF16())
    return "f16";
  if (type.isBF16())
    return "bf16";
  if (type.isF32())
    return "float";
  if (type.isF64())
    return "double";
  unsigned width = cast<IntegerType>(type).getWidth();
  if (width == 1)
    return "bool";
  return (type.isUnsignedInteger() ? "u" : "i") + std::to_string(width);
}

static std::string getUnsignedName(Type type) {
  unsigned width = cast<IntegerType>(type).getWidth();
  return width == 1 ? "bool" : "u" + std::to_string(width);
}

/// A constant expression, as tables are initialised by it.
static std::string printFloat(const APFloat &value, Type type) {
  bool wide = type.isF64();
  if (value.isNaN())
    return wide ? "bit_cast<double>(0x7ff8000000000000ull)" : "bit_cast<float>(0x7fc00000u)";
  if (value.isInfinity())
    return std::string(value.isNegative() ? "-" : "") +
           (wide ? "bit_cast<double>(0x7ff0000000000000ull)" : "bit_cast<float>(0x7f800000u)");
  // Hexadecimal floats are exact.
  char text[64];
  unsigned length = value.convertToHexString(text, 0, false, APFloat::rmNearestTiesToEven);
  SmallString<32> decimal;
  value.toString(decimal);
  APFloat back(value.getSemantics());
  auto read = back.convertFromString(decimal, APFloat::rmNearestTiesToEven);
  bool exact = !llvm::errorToBool(read.takeError()) && back.bitwiseIsEqual(value);
  std::string result = exact ? std::string(decimal) : std::string(text, length);
  if (result.find_first_of(".eEp") == std::string::npos)
    result += ".0";
  return result + (wide ? "" : "f");
}

std::string cuda::getTableName(StringRef prefix, StringRef name) {
  std::string text = (prefix + "_" + name).str();
  std::replace(text.begin(), text.end(), '.', '_');
  return text;
}

std::string cuda::printScalar(Attribute attr) {
  Type type = cast<TypedAttr>(attr).getType();
  if (auto value = dyn_cast<FloatAttr>(attr)) {
    if (type.isF32() || type.isF64())
      return printFloat(value.getValue(), type);
    return getTypeName(type) + "{" + std::to_string(value.getValue().bitcastToAPInt().getZExtValue()) + "}";
  }
  APInt value = cast<IntegerAttr>(attr).getValue();
  if (value.getBitWidth() == 1)
    return value.isZero() ? "false" : "true";
  if (value.getBitWidth() == 64 && value.isMinSignedValue())
    return "(-9223372036854775807ll - 1)";
  std::string text = std::to_string(value.getSExtValue());
  if (value.getBitWidth() == 64 && !value.isSignedIntN(31))
    text += "ll";
  return value.isNegative() ? "(" + text + ")" : text;
}

/// Whether the op's expression may stand where its value is used: the same wherever it is computed.
static bool isInlined(Operation *op) {
  if (isa<arith::ConstantOp, LLVM::AddressOfOp, LLVM::GEPOp>(op))
    return true;
  if (op->getNumResults() != 1 || !op->hasOneUse() || op->getNumRegions() ||
      !isa_and_nonnull<arith::ArithDialect, math::MathDialect>(op->getDialect()))
    return false;
  // Into a loop it would be computed again and again.
  return op->getBlock() == op->use_begin()->getOwner()->getBlock();
}

std::string CppPrinter::get(Value value) {
  auto it = names.find(value.getAsOpaquePointer());
  if (it != names.end())
    return it->second;
  return getExpression(value.getDefiningOp());
}

llvm::raw_ostream &CppPrinter::line() { return os.indent(indent); }

std::string CppPrinter::declare(Value value) {
  std::string text = "v" + std::to_string(next++);
  name(value, text);
  return getTypeName(value.getType()) + " " + text;
}

static const char *getCompare(arith::CmpIPredicate predicate) {
  using P = arith::CmpIPredicate;
  switch (predicate) {
  case P::eq:
    return "==";
  case P::ne:
    return "!=";
  case P::slt:
  case P::ult:
    return "<";
  case P::sle:
  case P::ule:
    return "<=";
  case P::sgt:
  case P::ugt:
    return ">";
  case P::sge:
  case P::uge:
    return ">=";
  }
  llvm_unreachable("all predicates are listed");
}

static std::string printCompare(arith::CmpFPredicate predicate, const std::string &a, const std::string &b) {
  using P = arith::CmpFPredicate;
  auto with = [&](const char *op) { return "(" + a + " " + op + " " + b + ")"; };
  switch (predicate) {
  case P::OEQ:
    return with("==");
  case P::UNE:
    return with("!=");
  case P::OLT:
    return with("<");
  case P::OLE:
    return with("<=");
  case P::OGT:
    return with(">");
  case P::OGE:
    return with(">=");
  case P::ULT:
    return "!" + with(">=");
  case P::ULE:
    return "!" + with(">");
  case P::UGT:
    return "!" + with("<=");
  case P::UGE:
    return "!" + with("<");
  case P::UNO:
    return a == b ? "(" + a + " != " + a + ")" : "(" + a + " != " + a + " || " + b + " != " + b + ")";
  default:
    return "";
  }
}

std::string CppPrinter::getExpression(Operation *op) {
  SmallVector<std::string> v;
  for (Value operand : op->getOperands())
    v.push_back(isa<LLVM::LLVMPointerType>(operand.getType()) && !names.count(operand.getAsOpaquePointer())
                    ? ""
                    : get(operand));
  Type type = op->getNumResults() ? op->getResult(0).getType() : Type();
  auto infix = [&](const char *text) { return "(" + v[0] + " " + text + " " + v[1] + ")"; };
  auto call = [&](std::string name) { return name + "(" + llvm::join(v, ", ") + ")"; };
  bool wide = type && type.isF64();
  auto math = [&](StringRef name) { return call(name.str() + (wide ? "" : "f")); };
  auto convert = [&](std::string to) { return to + "(" + v[0] + ")"; };
  auto asUnsigned = [&](size_t i) { return getUnsignedName(op->getOperand(i).getType()) + "(" + v[i] + ")"; };
  bool boolean = type && type.isInteger(1);
  return llvm::TypeSwitch<Operation *, std::string>(op)
      .Case([&](arith::ConstantOp op) { return printScalar(op.getValue()); })
      .Case<arith::AddFOp, arith::AddIOp>([&](auto) { return infix("+"); })
      .Case<arith::SubFOp, arith::SubIOp>([&](auto) { return infix("-"); })
      .Case<arith::MulFOp, arith::MulIOp>([&](auto) { return infix("*"); })
      .Case<arith::DivFOp, arith::DivSIOp>([&](auto) { return infix("/"); })
      .Case([&](arith::RemSIOp) { return infix("%"); })
      .Case([&](arith::DivUIOp) { return call("divide"); })
      .Case([&](arith::RemUIOp) { return call("remainder"); })
      .Case([&](arith::AndIOp) { return infix(boolean ? "&&" : "&"); })
      .Case([&](arith::OrIOp) { return infix(boolean ? "||" : "|"); })
      .Case([&](arith::XOrIOp) { return infix(boolean ? "!=" : "^"); })
      .Case([&](arith::ShLIOp) { return infix("<<"); })
      .Case([&](arith::ShRSIOp) { return infix(">>"); })
      .Case([&](arith::ShRUIOp) { return getTypeName(type) + "(" + asUnsigned(0) + " >> " + v[1] + ")"; })
      .Case<arith::MaxSIOp, arith::MaximumFOp>([&](auto) { return call("maximum"); })
      .Case<arith::MinSIOp, arith::MinimumFOp>([&](auto) { return call("minimum"); })
      .Case(
          [&](arith::MaxUIOp) { return getTypeName(type) + "(maximum(" + asUnsigned(0) + ", " + asUnsigned(1) + "))"; })
      .Case(
          [&](arith::MinUIOp) { return getTypeName(type) + "(minimum(" + asUnsigned(0) + ", " + asUnsigned(1) + "))"; })
      .Case([&](arith::MaxNumFOp) { return math("fmax"); })
      .Case([&](arith::MinNumFOp) { return math("fmin"); })
      .Case([&](arith::NegFOp) { return "(-" + v[0] + ")"; })
      .Case([&](arith::RemFOp) { return math("fmod"); })
      .Case([&](arith::SelectOp) { return "(" + v[0] + " ? " + v[1] + " : " + v[2] + ")"; })
      .Case([&](arith::CmpIOp op) {
        using P = arith::CmpIPredicate;
        P p = op.getPredicate();
        bool isUnsigned = p == P::ult || p == P::ule || p == P::ugt || p == P::uge;
        std::string a = isUnsigned ? asUnsigned(0) : v[0], b = isUnsigned ? asUnsigned(1) : v[1];
        return "(" + a + " " + getCompare(p) + " " + b + ")";
      })
      .Case([&](arith::CmpFOp op) { return printCompare(op.getPredicate(), v[0], v[1]); })
      .Case([&](arith::ExtFOp op) {
        Type from = op.getIn().getType();
        bool half = from.isF16() || from.isBF16();
        return half ? (wide ? "double(to_float(" + v[0] + "))" : call("to_float")) : convert(getTypeName(type));
      })
      .Case([&](arith::TruncFOp op) {
        if (!type.isF16() && !type.isBF16())
          return convert("float");
        std::string x = op.getIn().getType().isF64() ? "float(" + v[0] + ")" : v[0];
        return "to_" + getTypeName(type) + "(" + x + ")";
      })
      .Case<arith::ExtSIOp, arith::SIToFPOp>([&](Operation *op) {
        // A true i1 is -1 when it is signed.
        std::string x = op->getOperand(0).getType().isInteger(1) ? "-i32(" + v[0] + ")" : v[0];
        return getTypeName(type) + "(" + x + ")";
      })
      .Case<arith::ExtUIOp, arith::UIToFPOp>([&](auto) { return getTypeName(type) + "(" + asUnsigned(0) + ")"; })
      .Case([&](arith::TruncIOp) { return boolean ? "((" + v[0] + " & 1) != 0)" : convert(getTypeName(type)); })
      .Case([&](arith::FPToSIOp) { return convert(getTypeName(type)); })
      .Case([&](arith::FPToUIOp) { return getTypeName(type) + "(" + getUnsignedName(type) + "(" + v[0] + "))"; })
      .Case([&](arith::BitcastOp) { return call("bit_cast<" + getTypeName(type) + ">"); })
      .Case([&](math::ExpOp) { return math("exp"); })
      .Case([&](math::LogOp) { return math("log"); })
      .Case([&](math::SqrtOp) { return math("sqrt"); })
      .Case([&](math::SinOp) { return math("sin"); })
      .Case([&](math::CosOp) { return math("cos"); })
      .Case([&](math::ErfOp) { return math("erf"); })
      .Case([&](math::TanhOp) { return math("tanh"); })
      .Case([&](math::FloorOp) { return math("floor"); })
      .Case([&](math::CeilOp) { return math("ceil"); })
      .Case([&](math::RoundEvenOp) { return math("rint"); })
      .Case([&](math::AbsFOp) { return math("fabs"); })
      .Case([&](math::PowFOp) { return math("pow"); })
      .Case([&](math::FmaOp) { return math("fma"); })
      .Case([&](math::AbsIOp) { return "(" + v[0] + " < 0 ? -" + v[0] + " : " + v[0] + ")"; })
      .Case([&](math::IPowIOp) { return call("power"); })
      .Case([&](LLVM::AddressOfOp op) { return "table(" + getTableName(prefix, op.getGlobalName()) + ")"; })
      .Case([&](LLVM::GEPOp op) {
        std::string place = op.getDynamicIndices().empty() ? "0" : get(op.getDynamicIndices()[0]);
        return "(" + get(op.getBase()) + " + " + place + ")";
      })
      .Case([&](LLVM::CallOp op) { return call(op.getCallee()->str()); })
      .Default([](Operation *) { return ""; });
}

void CppPrinter::assign(ValueRange targets, ValueRange values) {
  // All at once: a target may be another's value.
  SmallVector<std::string> texts;
  for (Value value : values)
    texts.push_back(get(value));
  if (targets.size() > 1)
    for (auto [target, text] : llvm::zip_equal(targets, texts)) {
      std::string temporary = "v" + std::to_string(next++);
      line() << "const " << getTypeName(target.getType()) << " " << temporary << " = " << text << ";\n";
      text = temporary;
    }
  for (auto [target, text] : llvm::zip_equal(targets, texts))
    line() << get(target) << " = " << text << ";\n";
}

bool CppPrinter::printFor(Operation &op) {
  auto loop = cast<scf::ForOp>(op);
  for (auto [argument, result, initial] :
       llvm::zip_equal(loop.getRegionIterArgs(), loop.getResults(), loop.getInitArgs())) {
    std::string value = get(initial);
    line() << declare(result) << " = " << value << ";\n";
    name(argument, get(result));
  }
  std::string i = "i" + std::to_string(next++);
  name(loop.getInductionVar(), i);
  line() << "for (index " << i << " = " << get(loop.getLowerBound()) << "; " << i << " < " << get(loop.getUpperBound())
         << "; " << i << " += " << get(loop.getStep()) << ") {\n";
  indent += 2;
  for (Operation &inner : loop.getBody()->without_terminator())
    if (!print(inner))
      return false;
  assign(loop.getResults(), loop.getBody()->getTerminator()->getOperands());
  indent -= 2;
  line() << "}\n";
  return true;
}

bool CppPrinter::printIf(Operation &op) {
  auto choice = cast<scf::IfOp>(op);
  for (Value result : choice.getResults()) {
    std::string text = declare(result);
    line() << text << ";\n";
  }
  line() << "if (" << get(choice.getCondition()) << ") {\n";
  for (Region *region : {&choice.getThenRegion(), &choice.getElseRegion()}) {
    if (region->empty())
      continue;
    if (region == &choice.getElseRegion())
      line() << "} else {\n";
    indent += 2;
    for (Operation &inner : region->front().without_terminator())
      if (!print(inner))
        return false;
    assign(choice.getResults(), region->front().getTerminator()->getOperands());
    indent -= 2;
  }
  line() << "}\n";
  return true;
}

std::string CppPrinter::getMemory(Value base, Type element) {
  std::string bytes;
  for (auto part = base.getDefiningOp<LLVM::GEPOp>(); part; part = base.getDefiningOp<LLVM::GEPOp>()) {
    bytes += (bytes.empty() ? "" : " + ") + get(part.getDynamicIndices()[0]);
    base = part.getBase();
  }
  return bytes.empty() ? get(base) : get(base) + ".part<" + getTypeName(element) + ">(" + bytes + ")";
}

bool CppPrinter::print(Operation &op) {
  if (isInlined(&op) || (op.use_empty() && isa_and_nonnull<arith::ArithDialect, math::MathDialect>(op.getDialect())))
    return true;
  if (isa<scf::ForOp>(op))
    return printFor(op);
  if (isa<scf::IfOp>(op))
    return printIf(op);
  if (auto load = dyn_cast<LLVM::LoadOp>(op)) {
    auto gep = load.getAddr().getDefiningOp<LLVM::GEPOp>();
    std::string text = gep ? getMemory(gep.getBase(), load.getType()) + ".load(" + get(gep.getDynamicIndices()[0]) + ")"
                           : get(load.getAddr()) + ".load(0)";
    line() << "const " << declare(load.getResult()) << " = " << text << ";\n";
    return true;
  }
  if (auto store = dyn_cast<LLVM::StoreOp>(op)) {
    auto gep = store.getAddr().getDefiningOp<LLVM::GEPOp>();
    std::string base = get(gep ? gep.getBase() : store.getAddr()), place = gep ? get(gep.getDynamicIndices()[0]) : "0";
    line() << base << ".store(" << place << ", " << get(store.getValue()) << ");\n";
    return true;
  }
  if (isa<LLVM::ReturnOp>(op)) {
    line() << "return" << (op.getNumOperands() ? " " + get(op.getOperand(0)) : "") << ";\n";
    return true;
  }
  std::string text = getExpression(&op);
  if (text.empty()) {
    op.emitOpError("can't be printed as C++");
    return false;
  }
  if (op.getNumResults() == 0)
    line() << text << ";\n";
  else
    line() << "const " << declare(op.getResult(0)) << " = " << text << ";\n";
  return true;
}

bool CppPrinter::print(Block &block, unsigned depth) {
  indent = depth;
  for (Operation &op : block)
    if (!print(op))
      return false;
  return true;
}
