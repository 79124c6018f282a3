// Walks the graph: inputs, initializers, nodes in order, subgraphs and functions inlined, outputs.
#include "compiler/Onnx/Importer.h"
#include "compiler/Onnx/NodeLocation.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include <queue>

using namespace mlir;
using namespace lathe;
using namespace lathe::onnxfile;

namespace {
constexpr int kMaxNesting = 16;         // subgraphs and function calls in each other
constexpr uint64_t kMaxNodes = 1000000; // after inlining
// Older ones than 11 are taken where their ops mean what they mean now.
constexpr int64_t kNewestOpset = 24;
// Tensors up to these sizes are literals; integers are mostly shapes, floats mostly weights.
constexpr uint64_t kMaxIntLiteral = 64, kMaxFloatLiteral = 8;

const OpEntry *findOp(StringRef domain, StringRef opType, int64_t version) {
  static const auto *table = [] {
    auto *map = new llvm::StringMap<std::vector<const OpEntry *>>;
    for (ArrayRef<OpEntry> ops : {getElementwiseOps(), getShapeOps(), getDataOps(), getReductionOps(),
                                  getTransformerOps(), getMicrosoftOps(), getQuantizationOps()})
      for (const OpEntry &entry : ops)
        (*map)[(entry.domain + "::" + entry.opType).str()].push_back(&entry);
    return map;
  }();
  auto it = table->find((domain + "::" + opType).str());
  if (it == table->end())
    return nullptr;
  for (const OpEntry *entry : it->second)
    if (entry->since <= version && version <= entry->until)
      return entry;
  return nullptr;
}

/// Every name that a node reads, also from inside its subgraphs if they don't compute it themselves.
void forEachUse(const onnx::NodeProto &node, llvm::function_ref<void(StringRef)> callback) {
  for (const std::string &input : node.input())
    if (!input.empty())
      callback(input);
  for (const onnx::AttributeProto &attribute : node.attribute()) {
    if (!attribute.has_g())
      continue;
    const onnx::GraphProto &graph = attribute.g();
    llvm::StringSet<> own;
    for (const onnx::TensorProto &tensor : graph.initializer())
      own.insert(tensor.name());
    for (const onnx::NodeProto &inner : graph.node())
      for (const std::string &output : inner.output())
        own.insert(output);
    auto captured = [&](StringRef name) {
      if (!own.contains(name))
        callback(name);
    };
    for (const onnx::NodeProto &inner : graph.node())
      forEachUse(inner, captured);
    for (const onnx::ValueInfoProto &output : graph.output())
      captured(output.name());
  }
}

StringRef canonicalDomain(StringRef domain) { return domain == "ai.onnx" ? "" : domain; }

std::string symbolName(StringRef text) {
  std::string name;
  for (char c : text)
    name += llvm::isAlnum(c) ? c : '_';
  if (name.empty() || llvm::isDigit(name[0]))
    name = "_" + name;
  if (name == "min" || name == "max" || name == "floordiv" || name == "ceildiv" || name == "invalid")
    name += "_";
  return name;
}
} // namespace

std::string lathe::onnxfile::nodeName(const onnx::NodeProto &proto, size_t index, StringRef prefix) {
  std::string name = proto.name();
  if (name.empty())
    name = proto.op_type() + "_" + std::to_string(index);
  return prefix.str() + name;
}

Importer::Importer(ModuleOp module, Model &model, StringRef path, const ImportOptions &options, Symbols &symbols,
                   bool compareBytes)
    : builder(module.getContext()), symbols(symbols), module(module), model(model), options(options),
      weights(module, model, path, options, compareBytes) {}

Operand *Importer::lookup(StringRef name, Scope &scope) const {
  for (Scope *current = &scope; current; current = current->outer) {
    auto it = current->values.find(name);
    if (it != current->values.end())
      return it->second;
  }
  return nullptr;
}

Value Importer::materialize(Operand &operand) {
  if (operand.value || !operand.isKnown)
    return operand.value;
  Location loc = *operand.loc;
  if (operand.abstract) {
    const Abstract &abstract = *operand.abstract;
    if (DenseElementsAttr attr = abstract.getAttr())
      return operand.value = tfm::ConstantOp::create(builder, loc, attr);
    SmallVector<Dim> dims(abstract.shape.begin(), abstract.shape.end());
    if (llvm::any_of(abstract.ints, [](const Dim &dim) { return !dim.isValid(); })) {
      emitError(loc) << "a dimension overflows 64 bits, or is too complex to be kept as an expression";
      return {};
    }
    auto extents = tfm::DimsAttr::get(builder.getContext(), abstract.ints);
    SmallVector<Dim> flat;
    if (!dims.empty())
      flat.push_back(Dim(static_cast<int64_t>(abstract.ints.size())));
    Value value = tfm::ExtentOp::create(builder, loc, tfm::getTensorType(flat, builder.getI64Type()), extents);
    if (dims != flat)
      value = tfm::ReshapeOp::create(builder, loc, tfm::getTensorType(dims, builder.getI64Type()), value);
    if (!abstract.elementType.isSignlessInteger(64))
      value = tfm::CastOp::create(builder, loc, tfm::getTensorType(dims, abstract.elementType), value);
    return operand.value = value;
  }
  auto type = cast<RankedTensorType>(tfm::getTensorType(operand.dims, operand.elementType));
  operand.value = weights.load(builder, *operand.weight, operand.name, type, operand.ordinal, loc);
  if (!operand.value)
    operand.isKnown = false; // reported once
  return operand.value;
}

Operand *Importer::makeConstant(Abstract value, Location loc) {
  Operand *operand = newOperand();
  operand->isKnown = true;
  operand->loc = loc;
  operand->elementType = value.elementType;
  operand->dims.assign(value.shape.begin(), value.shape.end());
  operand->abstract = std::move(value);
  return operand;
}

Operand *Importer::makeConstant(const onnx::TensorProto &tensor, StringRef name, uint64_t ordinal, Location loc) {
  Operand *operand = newOperand();
  operand->loc = loc;
  RankedTensorType type = weights.getType(tensor, loc);
  if (!type)
    return operand;
  operand->isKnown = true;
  operand->weight = &tensor;
  operand->ordinal = ordinal;
  operand->name = name;
  operand->elementType = type.getElementType();
  operand->dims = tfm::getDims(type);
  uint64_t limit = isa<FloatType>(type.getElementType()) ? kMaxFloatLiteral : kMaxIntLiteral;
  if (static_cast<uint64_t>(type.getNumElements()) <= limit)
    if (DenseElementsAttr literal = weights.getLiteral(tensor, type))
      operand->abstract = toAbstract(literal);
  return operand;
}

LogicalResult Importer::addInitializers(const onnx::GraphProto &graph, Scope &scope) {
  LogicalResult result = success();
  for (auto [index, tensor] : llvm::enumerate(graph.initializer())) {
    Location loc = NameLoc::get(builder.getStringAttr(tensor.name()));
    Operand *operand = makeConstant(tensor, tensor.name(), index, loc);
    if (!operand->isKnown)
      result = failure();
    scope.values[tensor.name()] = operand;
  }
  if (graph.sparse_initializer_size()) {
    emitError(builder.getUnknownLoc()) << "sparse initializers are not supported; hint: store the weights densely";
    return failure();
  }
  return result;
}

FailureOr<SmallVector<Dim>> Importer::declareDims(const onnx::ValueInfoProto &input, Location loc) {
  auto fail = [&] { return emitError(loc) << "input '" << input.name() << "': "; };
  if (!input.type().has_tensor_type())
    return fail() << "expected a tensor; hint: sequences, maps and optionals are not supported";
  if (!input.type().tensor_type().has_shape())
    return fail() << "expected a shape; hint: export the model with the input's rank";
  auto &shape = input.type().tensor_type().shape();
  auto names = options.inputDims.find(input.name());
  auto ranges = options.inputShapes.find(input.name());
  auto rank = static_cast<size_t>(shape.dim_size());
  if (names != options.inputDims.end() && names->second.size() != rank)
    return fail() << "expected " << rank << " dimension names, got " << names->second.size();
  if (ranges != options.inputShapes.end() && ranges->second.size() != rank)
    return fail() << "expected a shape of " << rank << " dimensions, got " << ranges->second.size();
  SmallVector<Dim> dims;
  for (size_t i = 0; i < rank; ++i) {
    auto &dim = shape.dim(i);
    std::optional<Dim::Range> given;
    if (ranges != options.inputShapes.end())
      given = ranges->second[i];
    StringRef renamed = names == options.inputDims.end() ? StringRef() : StringRef(names->second[i]);
    if (dim.has_dim_value() && dim.dim_value() >= 0) {
      if (given && (given->min > dim.dim_value() || given->max < dim.dim_value()))
        return fail() << "dimension " << i << " is " << dim.dim_value() << " in the model, which the given shape isn't";
      dims.push_back(Dim(dim.dim_value()));
      continue;
    }
    // Exporters write `past_sequence_length + sequence_length` as a name.
    auto parsed = renamed.empty() && dim.has_dim_param() ? Dim::parse(dim.dim_param()) : std::nullopt;
    bool isExpression = parsed && parsed->isValid() && !parsed->isConstant() && !parsed->getSymbol();
    bool isInvented = renamed.empty() && dim.dim_param().empty();
    Dim value = isExpression ? *parsed
                             : Dim::symbol(symbolName(!renamed.empty() ? renamed
                                                      : isInvented     ? input.name() + "_dim" + std::to_string(i)
                                                                       : dim.dim_param()));
    bool isPossible = true;
    value.walkSymbols([&](StringRef name) {
      auto user = options.symbols.find(name.str());
      Dim::Range range = user != options.symbols.end() ? user->second : options.defaultRange;
      if (given && !isExpression) // trtexec's shapes say more than the default, and less than the user's symbols
        range = user == options.symbols.end()
                    ? *given
                    : Dim::Range{std::max(range.min, given->min), std::min(range.max, given->max)};
      isPossible &= range.min <= range.max && symbols.declare(name, range, isInvented);
    });
    if (!isPossible)
      return fail() << "no value is left for dimension " << i << ", " << value.str()
                    << "; hint: the model needs another value than the given ranges hold";
    dims.push_back(value);
  }
  return dims;
}

LogicalResult Importer::addInputs(func::FuncOp main, Scope &scope) {
  LogicalResult result = success();
  std::vector<std::pair<const onnx::ValueInfoProto *, SmallVector<Dim>>> declared;
  for (const onnx::ValueInfoProto &input : model.getProto().graph().input()) {
    if (scope.values.count(input.name())) // an initializer's default value; older models list every weight here
      continue;
    Location loc = NameLoc::get(builder.getStringAttr(input.name()));
    auto dims = declareDims(input, loc);
    if (failed(dims)) {
      result = failure();
      dims = SmallVector<Dim>();
    }
    declared.push_back({&input, *dims});
  }
  for (auto &[name, range] : options.symbols)
    if (!llvm::is_contained(symbols.getNames(), name) && symbols.get(name) == Dim::symbol(name)) {
      auto diagnostic = emitError(builder.getUnknownLoc()) << "no input has a dimension '" << name << "'; hint: there ";
      diagnostic << (symbols.getNames().empty() ? "is none" : "is ");
      llvm::interleaveComma(symbols.getNames(), diagnostic);
      result = failure();
    }
  std::vector<std::string> described;
  for (auto &given : options.inputShapes)
    described.push_back(given.first);
  for (auto &given : options.inputDims)
    described.push_back(given.first);
  for (const std::string &name : described)
    if (llvm::none_of(declared, [&](auto &entry) { return entry.first->name() == name; })) {
      emitError(builder.getUnknownLoc()) << "the model has no input '" << name << "', whose dimensions were given";
      result = failure();
    }
  for (auto &[input, dims] : declared) {
    Location loc = NameLoc::get(builder.getStringAttr(input->name()));
    Operand *operand = newOperand();
    scope.values[input->name()] = operand;
    operand->loc = loc;
    int32_t dataType = input->type().tensor_type().elem_type();
    operand->elementType = onnxfile::getElementType(builder.getContext(), dataType);
    if (!operand->elementType) {
      emitError(loc) << "input '" << input->name() << "': element type " << getTypeName(dataType)
                     << " is not supported";
      result = failure();
      continue;
    }
    for (const Dim &dim : dims)
      operand->dims.push_back(dim.substitute([&](StringRef name) { return symbols.get(name); }));
    operand->isKnown = succeeded(result);
    auto type = tfm::getTensorType(operand->dims, operand->elementType);
    operand->value = main.getBody().addArgument(type, loc);
    argumentNames.push_back(input->name());
  }
  return result;
}

LogicalResult Importer::importNodes(const google::protobuf::RepeatedPtrField<onnx::NodeProto> &nodes,
                                    ArrayRef<StringRef> outputs, Scope &scope) {
  llvm::StringMap<int> producers;
  for (auto [index, node] : llvm::enumerate(nodes))
    for (const std::string &output : node.output())
      if (!output.empty() && (!producers.try_emplace(output, index).second || scope.values.count(output)))
        return emitError(nodeLocation(builder.getContext(), nodeName(node, index, scope.prefix), node.op_type()))
               << "expected each value to be computed once, got '" << output << "' again";

  // The nodes that the outputs need, and how many others each of them waits for.
  std::vector<int> waiting(nodes.size(), -1);
  std::vector<std::vector<int>> users(nodes.size());
  std::vector<int> stack;
  auto need = [&](StringRef name) {
    auto it = producers.find(name);
    if (it == producers.end())
      return -1;
    if (waiting[it->second] < 0) {
      waiting[it->second] = 0;
      stack.push_back(it->second);
    }
    return it->second;
  };
  for (StringRef output : outputs)
    need(output);
  size_t needed = 0;
  while (!stack.empty()) {
    int index = stack.back();
    stack.pop_back();
    ++needed;
    forEachUse(nodes[index], [&](StringRef name) {
      int producer = need(name);
      if (producer >= 0) {
        users[producer].push_back(index);
        ++waiting[index];
      }
    });
  }

  // In the file's order as far as it is one in which values are computed before they are used.
  std::priority_queue<int, std::vector<int>, std::greater<int>> ready;
  for (int index = 0; index < nodes.size(); ++index)
    if (waiting[index] == 0)
      ready.push(index);
  LogicalResult result = success();
  for (; !ready.empty(); --needed) {
    int index = ready.top();
    ready.pop();
    if (failed(importNode(nodes[index], index, scope)))
      result = failure();
    if (symbols.hasNewFacts() || importedNodes > kMaxNodes)
      return failure();
    for (int user : users[index])
      if (--waiting[user] == 0)
        ready.push(user);
  }
  if (needed == 0)
    return result;
  for (int index = 0; index < nodes.size(); ++index)
    if (waiting[index] > 0)
      return emitError(nodeLocation(builder.getContext(), nodeName(nodes[index], index, scope.prefix),
                                    nodes[index].op_type()))
             << "expected a graph without cycles, but this node's inputs depend on its outputs";
  return failure();
}

LogicalResult Importer::importNode(const onnx::NodeProto &proto, size_t index, Scope &scope) {
  StringRef domain = canonicalDomain(proto.domain());
  auto opset = scope.opsets->find(domain.str());
  Node node(*this, scope, proto, nodeName(proto, index, scope.prefix),
            opset == scope.opsets->end() ? 1 : opset->second);
  if (++importedNodes > kMaxNodes)
    return node.error() << "the model has more than " << kMaxNodes << " nodes after functions are inlined";
  // Whatever happens, the outputs have an operand, unknown at first.
  for (const std::string &output : proto.output())
    if (!output.empty())
      scope.values[output] = newOperand();

  auto function = functions.find((domain + "::" + proto.op_type()).str());
  const OpEntry *entry = findOp(domain, proto.op_type(), node.version);
  if (!entry && function == functions.end()) {
    auto diagnostic = node.error() << "op '" << (domain.empty() ? "" : (domain + "::").str()) << proto.op_type()
                                   << "' of opset " << node.version << " is not supported";
    if (domain.empty() && findOp("", proto.op_type(), kNewestOpset))
      diagnostic << "; hint: convert the model to a newer opset with onnx.version_converter";
    else if (domain.empty() && findOp(kMicrosoft, proto.op_type(), 1))
      diagnostic << "; hint: it is known in the domain com.microsoft";
    return diagnostic;
  }
  for (auto [position, name] : llvm::enumerate(proto.input())) {
    Operand *operand = name.empty() ? nullptr : lookup(name, scope);
    if (!name.empty() && !operand && !scope.values.count(name)) // an optional input that a function's call leaves out
      return node.error() << "input " << position << " is '" << name << "', which nothing computes";
    if (operand && !operand->isKnown)
      return failure(); // reported where it failed
    node.inputs.push_back(operand);
  }
  if (!entry)
    return importCall(node, *function->second);
  if (entry->fold &&
      llvm::all_of(node.inputs, [](Operand *operand) { return !operand || operand->abstract.has_value(); }))
    if (std::optional<Abstract> value = entry->fold(node))
      return node.set(std::move(*value));
  return entry->import(node);
}

LogicalResult Importer::importCall(Node &node, const onnx::FunctionProto &function) {
  if (node.scope.depth >= kMaxNesting)
    return node.error() << "functions and subgraphs nest more than " << kMaxNesting << " deep";
  std::map<std::string, int64_t> bodyOpsets;
  for (const onnx::OperatorSetIdProto &opset : function.opset_import())
    bodyOpsets[canonicalDomain(opset.domain()).str()] = opset.version();
  for (auto &[domain, version] : opsets)
    bodyOpsets.try_emplace(domain, version);
  llvm::StringMap<const onnx::AttributeProto *> attributes;
  for (const onnx::AttributeProto &attribute : node.proto.attribute())
    attributes[attribute.name()] = node.getAttribute(attribute.name());
  Scope body;
  body.attributes = &attributes;
  body.opsets = &bodyOpsets;
  body.prefix = node.name + "/";
  body.depth = node.scope.depth + 1;
  for (auto [index, name] : llvm::enumerate(function.input()))
    body.values[name] = index < node.inputs.size() ? node.inputs[index] : nullptr;
  SmallVector<StringRef> outputs(function.output().begin(), function.output().end());
  LogicalResult result = importNodes(function.node(), outputs, body);
  for (auto [index, name] : llvm::enumerate(outputs)) {
    Operand *value = lookup(name, body);
    if (node.isUsed(index) && value)
      node.scope.values[node.proto.output(index)] = value;
    else if (node.isUsed(index) && succeeded(result))
      return node.error() << "its function doesn't compute its output '" << name << "'";
  }
  return result;
}

FailureOr<SmallVector<Operand *>> Importer::importSubgraph(const onnx::GraphProto &graph, Node &node) {
  if (node.scope.depth >= kMaxNesting)
    return node.error() << "functions and subgraphs nest more than " << kMaxNesting << " deep";
  Scope inner;
  inner.outer = &node.scope;
  inner.attributes = node.scope.attributes;
  inner.opsets = node.scope.opsets;
  inner.prefix = node.name + "/";
  inner.depth = node.scope.depth + 1;
  if (failed(addInitializers(graph, inner)))
    return failure();
  SmallVector<StringRef> names;
  for (const onnx::ValueInfoProto &output : graph.output())
    names.push_back(output.name());
  if (failed(importNodes(graph.node(), names, inner)))
    return failure();
  SmallVector<Operand *> values;
  for (StringRef name : names) {
    values.push_back(lookup(name, inner));
    if (!values.back())
      return node.error() << "its subgraph's output '" << name << "' is computed by nothing";
  }
  return values;
}

LogicalResult Importer::run() {
  const onnx::ModelProto &proto = model.getProto();
  for (const onnx::OperatorSetIdProto &opset : proto.opset_import())
    opsets[canonicalDomain(opset.domain()).str()] = opset.version();
  Location unknown = builder.getUnknownLoc();
  if (auto it = opsets.find(""); it != opsets.end() && it->second > kNewestOpset)
    return emitError(unknown) << "expected opset 11 to " << kNewestOpset << ", got " << it->second
                              << "; hint: export the model for an older opset";
  for (const onnx::FunctionProto &function : proto.functions())
    functions[(canonicalDomain(function.domain()) + "::" + function.name()).str()] = &function;

  builder.setInsertionPointToEnd(module.getBody());
  auto main = func::FuncOp::create(builder, unknown, "main", builder.getFunctionType({}, {}));
  builder.setInsertionPointToStart(main.addEntryBlock());
  Scope scope;
  scope.opsets = &opsets;
  LogicalResult result = addInitializers(proto.graph(), scope);
  if (failed(addInputs(main, scope)))
    return failure();
  SmallVector<StringRef> names;
  for (const onnx::ValueInfoProto &output : proto.graph().output())
    names.push_back(output.name());
  if (failed(importNodes(proto.graph().node(), names, scope)))
    result = failure();
  if (symbols.hasNewFacts())
    return failure();

  SmallVector<Value> results;
  for (StringRef name : names) {
    Operand *operand = lookup(name, scope);
    if (!operand) {
      result = emitError(unknown) << "output '" << name << "' is computed by nothing";
      continue;
    }
    Value value = materialize(*operand);
    if (value)
      results.push_back(value);
    else
      result = failure();
  }
  for (auto &[file, tensors] : weights.getMissing()) {
    auto diagnostic = emitError(unknown) << "external data '" << file << "' is missing, which holds " << tensors.size()
                                         << (tensors.size() == 1 ? " tensor" : " tensors") << ": ";
    constexpr size_t kShown = 8;
    llvm::interleaveComma(ArrayRef(tensors).take_front(kShown), diagnostic,
                          [&](const std::string &tensor) { diagnostic << "'" << tensor << "'"; });
    diagnostic << (tensors.size() > kShown ? ", ..." : "")
               << "; hint: put it beside the model, name its folder with --external-data=DIR, or generate weights with "
                  "--weights=random:SEED";
    result = failure();
  }
  if (failed(result))
    return failure();

  func::ReturnOp::create(builder, unknown, results);
  SmallVector<Type> types(ValueRange(results).getTypes());
  main.setFunctionType(builder.getFunctionType(main.getBody().getArgumentTypes(), types));
  for (auto [index, name] : llvm::enumerate(argumentNames))
    main.setArgAttr(index, tfm::kNameAttr, builder.getStringAttr(name));
  for (auto [index, name] : llvm::enumerate(names))
    main.setResultAttr(index, tfm::kNameAttr, builder.getStringAttr(name));
  SmallVector<NamedAttribute> ranges;
  for (const std::string &name : symbols.getNames()) {
    Dim::Range range = symbols.getRange(name);
    ranges.push_back(builder.getNamedAttr(name, builder.getDenseI64ArrayAttr({range.min, range.max})));
  }
  module->setAttr(tfm::kSymbolsAttr, builder.getDictionaryAttr(ranges));
  return success();
}
