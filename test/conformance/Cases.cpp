// Building the cases' modules.
#include "test/conformance/Cases.h"
#include "dialects/Tfm/Formats.h"
#include "mlir/AsmParser/AsmParser.h"
#include "mlir/IR/Verifier.h"
#include "llvm/Support/ErrorHandling.h"
#include <set>

using namespace mlir;
using namespace lathe;
using namespace lathe::conformance;

static SmallVector<Dim> parseDims(StringRef shape) {
  SmallVector<Dim> dims;
  SmallVector<StringRef> texts;
  int depth = 0; // a comma in parentheses belongs to min or floordiv
  std::string separated = shape.str();
  for (char &c : separated) {
    depth += (c == '(') - (c == ')');
    if (c == ',' && depth == 0)
      c = ';';
  }
  StringRef(separated).split(texts, ';', -1, /*KeepEmpty=*/false);
  for (StringRef text : texts)
    dims.push_back(*Dim::parse(text));
  return dims;
}

RankedTensorType CaseBuilder::type(StringRef shape, StringRef element) {
  return tfm::getTensorType(parseDims(shape), parseType(element, builder.getContext()));
}

Value CaseBuilder::input(StringRef shape, StringRef element, Fill fill) {
  fills.push_back(fill);
  unsigned index = main.getNumArguments();
  if (failed(main.insertArgument(index, type(shape, element), {}, main.getLoc())))
    llvm::report_fatal_error("can't add an argument");
  main.setArgAttr(index, tfm::kNameAttr, builder.getStringAttr("x" + Twine(index)));
  return main.getArgument(index);
}

Value CaseBuilder::weight(StringRef shape, double scale, StringRef format) {
  RankedTensorType tensor = type(shape);
  if (!format.empty())
    tensor = tfm::withFormat(tensor, parseAttribute(format, builder.getContext()));
  std::string name = "w" + std::to_string(weights++);
  OpBuilder atModule(main);
  auto source =
      tfm::RandomAttr::get(builder.getContext(), /*seed=*/1, /*tensor=*/weights, builder.getF32FloatAttr(scale));
  tfm::WeightOp::create(atModule, main.getLoc(), name, tensor, source, StringAttr());
  return tfm::GetOp::create(builder, main.getLoc(), tensor, name);
}

Value CaseBuilder::constant(StringRef literal) {
  auto value = cast<ElementsAttr>(parseAttribute(literal, builder.getContext()));
  return tfm::ConstantOp::create(builder, main.getLoc(), value);
}

Value CaseBuilder::op(StringRef name, ValueRange operands, RankedTensorType result, StringRef attributes) {
  OperationState state(main.getLoc(), ("tfm." + name).str());
  state.addOperands(operands);
  state.addTypes(result);
  auto dictionary = cast<DictionaryAttr>(parseAttribute(("{" + attributes + "}").str(), builder.getContext()));
  state.addAttributes(dictionary.getValue());
  return builder.create(state)->getResult(0);
}

Value CaseBuilder::map(StringRef name, ValueRange operands, StringRef element, StringRef attributes) {
  SmallVector<SmallVector<Dim>> shapes;
  for (Value operand : operands)
    shapes.push_back(tfm::getDims(operand));
  return op(name, operands, tfm::getTensorType(*tfm::broadcastDims(shapes), parseType(element, builder.getContext())),
            attributes);
}

void CaseBuilder::require(StringRef left, StringRef right, StringRef message) {
  MLIRContext *context = builder.getContext();
  tfm::RequireOp::create(builder, main.getLoc(), tfm::DimsAttr::get(context, parseDims(left)),
                         tfm::DimsAttr::get(context, parseDims(right)), message);
}

OwningOpRef<ModuleOp> conformance::buildModule(MLIRContext &context, const Case &one, bool equivalent,
                                               std::vector<Fill> &fills) {
  OpBuilder builder(&context);
  Location loc = builder.getUnknownLoc();
  OwningOpRef<ModuleOp> module = ModuleOp::create(loc);
  builder.setInsertionPointToEnd(module->getBody());
  auto main = func::FuncOp::create(builder, loc, "main", builder.getFunctionType({}, {}));
  builder.setInsertionPointToStart(main.addEntryBlock());
  CaseBuilder caseBuilder(builder, main);
  SmallVector<Value> results = (equivalent ? one.equivalent : one.build)(caseBuilder);
  func::ReturnOp::create(builder, loc, results);
  main.setFunctionType(builder.getFunctionType(main.getArgumentTypes(), ValueRange(results).getTypes()));
  for (size_t i = 0; i < results.size(); ++i)
    main.setResultAttr(i, tfm::kNameAttr, builder.getStringAttr("y" + Twine(i)));
  std::set<std::string> symbols;
  for (Type type : main.getArgumentTypes())
    for (const Dim &dim : tfm::getDims(type))
      dim.walkSymbols([&](StringRef name) { symbols.insert(name.str()); });
  SmallVector<NamedAttribute> ranges;
  for (const std::string &name : symbols) {
    bool empty = llvm::any_of(one.bindings, [&](const Binding &binding) { return binding.at(name) == 0; });
    ranges.push_back({builder.getStringAttr(name), builder.getDenseI64ArrayAttr({empty ? 0 : 1, 1024})});
  }
  (*module)->setAttr(tfm::kSymbolsAttr, builder.getDictionaryAttr(ranges));
  if (failed(verify(*module)))
    llvm::report_fatal_error("a case of the conformance suite is invalid");
  fills = caseBuilder.fills;
  return module;
}

std::vector<Case> conformance::getCases() {
  std::vector<Case> cases;
  for (auto get : {getElementwiseCases, getDataCases, getTransformerCases, getCompressionCases, getPackedCases})
    for (Case &one : get())
      cases.push_back(std::move(one));
  return cases;
}
