// The tfm dialect's attributes, types with symbolic dimensions, and the definitions that TableGen generates.
#include "dialects/Tfm/Tfm.h"
#include "dialects/Tfm/Verify.h"
#include "dialects/Tfm/Weights.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::tfm;

#include "dialects/Tfm/TfmDialect.cpp.inc"
#include "dialects/Tfm/TfmEnums.cpp.inc"
#include "dialects/Tfm/TfmInterfaces.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/Tfm/TfmAttrs.cpp.inc"
#define GET_OP_CLASSES
#include "dialects/Tfm/TfmOps.cpp.inc"

TfmDialect::~TfmDialect() = default;

void TfmDialect::initialize() {
  weights = std::make_unique<Weights>();
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/Tfm/TfmAttrs.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/Tfm/TfmOps.cpp.inc"
      >();
}

Operation *TfmDialect::materializeConstant(OpBuilder &builder, Attribute value, Type type, Location loc) {
  if (auto elements = dyn_cast<ElementsAttr>(value); elements && elements.getType() == type)
    return ConstantOp::create(builder, loc, elements);
  return nullptr;
}

DimsAttr DimsAttr::get(MLIRContext *context, ArrayRef<Dim> dims) {
  SmallVector<StringAttr> texts;
  for (const Dim &dim : dims)
    texts.push_back(StringAttr::get(context, dim.str()));
  return Base::get(context, texts);
}

SmallVector<Dim> DimsAttr::getDims() const {
  SmallVector<Dim> dims;
  for (StringAttr text : getTexts())
    dims.push_back(*Dim::parse(text.getValue()));
  return dims;
}

namespace {
/// The grammar of Dim::parse over MLIR's tokens.
FailureOr<Dim> parseSum(AsmParser &parser, int depth);

FailureOr<Dim> parseFactor(AsmParser &parser, int depth) {
  if (depth > 32)
    return parser.emitError(parser.getCurrentLocation(), "dimension nests too deeply"), failure();
  if (succeeded(parser.parseOptionalLParen())) {
    auto inner = parseSum(parser, depth + 1);
    if (failed(inner) || parser.parseRParen())
      return failure();
    return inner;
  }
  int64_t value;
  OptionalParseResult integer = parser.parseOptionalInteger(value);
  if (integer.has_value())
    return failed(*integer) ? FailureOr<Dim>(failure()) : FailureOr<Dim>(Dim(value));
  StringRef name;
  if (parser.parseKeyword(&name))
    return failure();
  Dim (*function)(const Dim &, const Dim &) = llvm::StringSwitch<Dim (*)(const Dim &, const Dim &)>(name)
                                                  .Case("floordiv", Dim::floordiv)
                                                  .Case("ceildiv", Dim::ceildiv)
                                                  .Case("min", Dim::min)
                                                  .Case("max", Dim::max)
                                                  .Default(nullptr);
  if (!function)
    return Dim::symbol(name);
  if (parser.parseLParen())
    return failure();
  auto a = parseSum(parser, depth + 1);
  if (failed(a) || parser.parseComma())
    return failure();
  auto b = parseSum(parser, depth + 1);
  if (failed(b) || parser.parseRParen())
    return failure();
  return function(*a, *b);
}

FailureOr<Dim> parseProduct(AsmParser &parser, int depth) {
  auto left = parseFactor(parser, depth);
  while (succeeded(left) && succeeded(parser.parseOptionalStar())) {
    auto right = parseFactor(parser, depth);
    if (failed(right))
      return failure();
    left = *left * *right;
  }
  return left;
}

FailureOr<Dim> parseSum(AsmParser &parser, int depth) {
  auto left = parseProduct(parser, depth);
  while (succeeded(left)) {
    bool plus = succeeded(parser.parseOptionalPlus());
    if (!plus && failed(parser.parseOptionalMinus()))
      break;
    auto right = parseProduct(parser, depth);
    if (failed(right))
      return failure();
    left = plus ? *left + *right : *left - *right;
  }
  return left;
}
} // namespace

Attribute DimsAttr::parse(AsmParser &parser, Type) {
  SmallVector<Dim> dims;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseCommaSeparatedList(AsmParser::Delimiter::LessGreater, [&]() -> ParseResult {
        auto dim = parseSum(parser, 0);
        if (failed(dim))
          return failure();
        dims.push_back(*dim);
        return success();
      }))
    return {};
  if (llvm::any_of(dims, [](const Dim &dim) { return !dim.isValid(); })) {
    parser.emitError(loc, "dimension overflows 64 bits");
    return {};
  }
  return get(parser.getContext(), dims);
}

void DimsAttr::print(AsmPrinter &printer) const {
  printer << "<";
  llvm::interleaveComma(getTexts(), printer, [&](StringAttr text) { printer << text.getValue(); });
  printer << ">";
}

LogicalResult DimsAttr::verifyEncoding(ArrayRef<int64_t> shape, Type,
                                       function_ref<InFlightDiagnostic()> emitError) const {
  SmallVector<Dim> dims = getDims();
  if (dims.size() != shape.size())
    return emitError() << "expected " << shape.size() << " dimensions in the encoding, got " << dims.size();
  for (auto [index, dim, size] : llvm::enumerate(dims, shape))
    if (ShapedType::isDynamic(size) ? dim.isConstant() : dim.getConstant() != size)
      return emitError() << "dimension " << index << " is " << dim.str()
                         << " in the encoding, which the shape contradicts";
  return success();
}

RankedTensorType tfm::getTensorType(ArrayRef<Dim> dims, Type elementType) {
  SmallVector<int64_t> shape;
  for (const Dim &dim : dims)
    shape.push_back(dim.getConstant().value_or(ShapedType::kDynamic));
  Attribute encoding;
  if (llvm::any_of(shape, ShapedType::isDynamic))
    encoding = DimsAttr::get(elementType.getContext(), dims);
  return RankedTensorType::get(shape, elementType, encoding);
}

SmallVector<Dim> tfm::getDims(Type type) {
  auto tensor = cast<RankedTensorType>(type);
  if (auto encoding = dyn_cast_or_null<DimsAttr>(tensor.getEncoding()))
    return encoding.getDims();
  SmallVector<Dim> dims;
  for (int64_t size : tensor.getShape())
    dims.push_back(ShapedType::isDynamic(size) ? Dim::invalid() : Dim(size));
  return dims;
}

std::optional<SmallVector<Dim>> tfm::broadcastDims(ArrayRef<SmallVector<Dim>> shapes) {
  SmallVector<Dim> result;
  for (const SmallVector<Dim> &shape : shapes) {
    if (shape.size() > result.size())
      result.insert(result.begin(), shape.size() - result.size(), Dim(1));
    for (auto [dim, other] : llvm::zip(llvm::reverse(result), llvm::reverse(shape))) {
      if (!other.isValid())
        return std::nullopt;
      if (dim == Dim(1))
        dim = other;
      else if (other != Dim(1) && other != dim)
        return std::nullopt;
    }
  }
  return result;
}

std::optional<Dim::Range> tfm::getSymbolRange(ModuleOp module, StringRef name) {
  auto symbols = module->getAttrOfType<DictionaryAttr>(kSymbolsAttr);
  auto range = symbols ? symbols.getAs<DenseI64ArrayAttr>(name) : DenseI64ArrayAttr();
  if (!range || range.size() != 2)
    return std::nullopt;
  return Dim::Range{range[0], range[1]};
}
