// Taps are results: fusion writes a result to memory, and so what a tap reads exists, whatever it is fused with.
#include "compiler/Statistics/Taps.h"
#include "dialects/Tfm/Formats.h"
#include "dialects/Tfm/Weights.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/MapVector.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::statistics;

/// The value of the same rows that is not reshaped: its reshapes share one tap.
static Value getRows(Value value) {
  auto reshape = value.getDefiningOp<tfm::ReshapeOp>();
  while (reshape && !tfm::getDims(reshape.getInput()).empty() &&
         tfm::getDims(reshape.getInput()).back() == tfm::getDims(value).back()) {
    value = reshape.getInput();
    reshape = value.getDefiningOp<tfm::ReshapeOp>();
  }
  return value;
}

/// For each shape that paddings of attentions have, one value that is true where any of them is.
static llvm::MapVector<Value, SmallVector<Dim>> findPaddings(func::FuncOp main) {
  llvm::MapVector<Value, SmallVector<Dim>> paddings;
  SmallVector<Value> values;
  for (auto attention : main.getOps<tfm::AttentionOp>())
    if (Value padding = attention.getPadding(); padding && !llvm::is_contained(values, padding))
      values.push_back(padding);
  while (!values.empty()) {
    Value all = values.front();
    SmallVector<Dim> dims = tfm::getDims(all);
    OpBuilder builder(main.getBody().front().getTerminator());
    for (Value value : ArrayRef<Value>(values).drop_front())
      if (tfm::getDims(value) == dims)
        all = tfm::OrOp::create(builder, value.getLoc(), value.getType(), all, value);
    llvm::erase_if(values, [&](Value value) { return tfm::getDims(value) == dims; });
    paddings[all] = dims;
  }
  return paddings;
}

/// Gives weights whose zeros are left out all their elements as f32: the values are the same, and read faster.
static LogicalResult expandSparse(ModuleOp module) {
  auto &weights = module.getContext()->getLoadedDialect<tfm::TfmDialect>()->getWeights();
  llvm::StringMap<RankedTensorType> types;
  for (auto weight : module.getOps<tfm::WeightOp>()) {
    RankedTensorType type = weight.getTensorType();
    if (!tfm::isSparse(tfm::getFormat(type)) || !type.getElementType().isF32())
      continue;
    auto bytes = weights.getBytes(weight);
    if (!bytes)
      return weight.emitError(llvm::toString(bytes.takeError()));
    std::vector<float> values = tfm::decode(type, *bytes);
    std::vector<char> plain(values.size() * sizeof(float));
    std::memcpy(plain.data(), values.data(), plain.size());
    weight.setSourceAttr(weights.addBlob(module.getContext(), std::move(plain)));
    types[weight.getSymName()] = tfm::getPlainType(type);
    weight.setType(types[weight.getSymName()]);
  }
  module.walk([&](tfm::GetOp get) {
    if (RankedTensorType type = types.lookup(get.getWeight()))
      get.getResult().setType(type);
  });
  return success();
}

FailureOr<TappedModule> statistics::tapLinears(ModuleOp module) {
  TappedModule result;
  result.module = module.clone();
  auto main = result.module->lookupSymbol<func::FuncOp>("main");
  if (!main || !main.getBody().hasOneBlock())
    return module.emitError("expected func.func @main of one block");
  if (failed(expandSparse(*result.module)))
    return failure();

  llvm::MapVector<Value, std::vector<std::string>> readers;
  for (auto linear : main.getOps<tfm::LinearOp>()) {
    auto get = linear.getWeight().getDefiningOp<tfm::GetOp>();
    if (!get || !tfm::getElementType(linear.getInput()).isF32())
      continue;
    auto &weights = readers[getRows(linear.getInput())];
    if (!llvm::is_contained(weights, get.getWeight()))
      weights.push_back(get.getWeight().str());
  }
  if (readers.empty())
    return emitError(UnknownLoc::get(module.getContext()), "the model has no linear of f32 with a weight: there is "
                                                           "nothing to take statistics of");
  auto paddings = findPaddings(main);
  SmallVector<Value> results;
  for (auto &[value, weights] : readers) {
    Tap tap{weights, tfm::getDims(value)};
    Dim rows = Dim::product(ArrayRef<Dim>(tap.dims).drop_back());
    for (auto [index, padding] : llvm::enumerate(paddings))
      if (Dim::product(padding.second) == rows)
        tap.padding = readers.size() + index;
    results.push_back(value);
    result.taps.push_back(std::move(tap));
  }
  for (auto &[value, dims] : paddings) {
    results.push_back(value);
    result.paddings.push_back(dims);
  }
  Operation *terminator = main.getBody().front().getTerminator();
  terminator->setOperands(results);
  main.setFunctionType(FunctionType::get(module.getContext(), main.getArgumentTypes(), terminator->getOperandTypes()));
  // What only led to the model's own results.
  SmallVector<Operation *> ops = llvm::map_to_vector(main.getBody().front(), [](Operation &op) { return &op; });
  for (Operation *op : llvm::reverse(ops))
    if (isOpTriviallyDead(op))
      op->erase();
  SmallVector<Attribute> names;
  Builder builder(module.getContext());
  for (size_t i = 0; i < results.size(); ++i)
    names.push_back(builder.getDictionaryAttr(builder.getNamedAttr(
        tfm::kNameAttr, builder.getStringAttr((i < readers.size() ? "tap." : "padding.") + Twine(i)))));
  main.setAllResultAttrs(names);
  return std::move(result);
}
