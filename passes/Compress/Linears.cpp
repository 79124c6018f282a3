// Parameters of linears, out of weights and into them.
#include "passes/Compress/Linears.h"
#include <cmath>

using namespace mlir;
using namespace lathe;
using namespace lathe::compress;

tfm::WeightOp compress::getWeight(Value value) {
  auto get = value ? value.getDefiningOp<tfm::GetOp>() : tfm::GetOp();
  return get ? SymbolTable::lookupNearestSymbolFrom<tfm::WeightOp>(get, get.getWeightAttr()) : tfm::WeightOp();
}

bool compress::isPlain(tfm::WeightOp weight) {
  return weight && weight.getTensorType().getElementType().isF32() && !weight.getTensorType().getEncoding();
}

const char *compress::getObstacle(tfm::LinearOp linear) {
  if (!isPlain(getWeight(linear.getWeight())))
    return "its weight is no constant of plain f32 elements";
  if (linear.getBias() && !isPlain(getWeight(linear.getBias())))
    return "its bias is no constant of plain f32 elements";
  return linear.getActivation() ? "its input is quantized already" : nullptr;
}

FailureOr<std::vector<float>> compress::readWeight(tfm::WeightOp weight, Operation *user) {
  auto bytes = weight->getContext()->getLoadedDialect<tfm::TfmDialect>()->getWeights().getBytes(weight);
  if (!bytes)
    return user->emitError(llvm::toString(bytes.takeError()));
  std::vector<float> values(weight.getTensorType().getNumElements());
  std::memcpy(values.data(), bytes->data(), values.size() * sizeof(float));
  if (!llvm::all_of(values, [](float value) { return std::isfinite(value); }))
    return user->emitError("weight '") << weight.getSymName() << "' has an element that is not finite";
  return values;
}

FailureOr<Parameters> compress::readParameters(tfm::LinearOp linear) {
  tfm::WeightOp weight = getWeight(linear.getWeight());
  ArrayRef<int64_t> shape = weight.getTensorType().getShape();
  FailureOr<std::vector<float>> values = readWeight(weight, linear);
  if (failed(values))
    return failure();
  Parameters result;
  numerics::ConstView<float> view(values->data(), shape[0], shape[1]);
  result.w = linear.getTransposed() ? numerics::copyOf<float>(view) : numerics::transposeOf<float>(view);
  if (linear.getBias()) {
    FailureOr<std::vector<float>> bias = readWeight(getWeight(linear.getBias()), linear);
    if (failed(bias))
      return failure();
    result.bias = std::move(*bias);
  }
  return result;
}

static Attribute makeSource(tfm::WeightOp like, RankedTensorType type, ArrayRef<float> values) {
  if (isa<DenseElementsAttr>(like.getSource()))
    return DenseElementsAttr::get(type, values);
  std::vector<char> bytes(values.size() * sizeof(float));
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return like->getContext()->getLoadedDialect<tfm::TfmDialect>()->getWeights().addBlob(like->getContext(),
                                                                                       std::move(bytes));
}

tfm::WeightOp compress::addWeight(tfm::WeightOp like, StringRef suffix, ArrayRef<int64_t> shape,
                                  ArrayRef<float> values) {
  auto module = like->getParentOfType<ModuleOp>();
  std::string base = (like.getSymName() + suffix).str(), name = base;
  for (unsigned number = 1; module.lookupSymbol(name); ++number)
    name = base + "." + std::to_string(number);
  OpBuilder builder(like->getContext());
  builder.setInsertionPointAfter(like);
  auto type = RankedTensorType::get(shape, builder.getF32Type());
  return tfm::WeightOp::create(builder, like.getLoc(), name, type, makeSource(like, type, values),
                               like.getOriginAttr());
}

static Value makeGet(OpBuilder &builder, Location loc, tfm::WeightOp weight) {
  return tfm::GetOp::create(builder, loc, weight.getType(), FlatSymbolRefAttr::get(weight.getSymNameAttr()));
}

bool compress::isOnlyReader(OpOperand &operand) {
  auto get = operand.get().getDefiningOp<tfm::GetOp>();
  if (!operand.get().hasOneUse())
    return false;
  auto uses = SymbolTable::getSymbolUses(get.getWeightAttr().getAttr(), get->getParentOfType<ModuleOp>());
  return uses && llvm::hasSingleElement(*uses);
}

void compress::writeWeight(OpOperand &operand, ArrayRef<int64_t> shape, ArrayRef<float> values) {
  tfm::WeightOp weight = getWeight(operand.get());
  if (isOnlyReader(operand)) {
    auto type = RankedTensorType::get(shape, weight.getTensorType().getElementType());
    weight.setSourceAttr(makeSource(weight, type, values));
    weight.setType(type);
    operand.get().setType(type);
    return;
  }
  OpBuilder builder(operand.getOwner());
  operand.set(makeGet(builder, operand.getOwner()->getLoc(), addWeight(weight, ".compressed", shape, values)));
}

static void writeBias(tfm::LinearOp linear, ArrayRef<float> values) {
  int64_t size = values.size();
  if (linear.getBias())
    return writeWeight(linear.getBiasMutable()[0], size, values);
  OpBuilder builder(linear);
  tfm::WeightOp bias = addWeight(getWeight(linear.getWeight()), ".bias", size, values);
  linear.getBiasMutable().assign(makeGet(builder, linear.getLoc(), bias));
}

void compress::writeParameters(tfm::LinearOp linear, const Parameters &parameters) {
  const numerics::Matrix<float> &w = parameters.w;
  if (linear.getTransposed()) {
    writeWeight(linear.getWeightMutable(), {w.rows(), w.columns()}, {w.data(), size_t(w.rows() * w.columns())});
  } else {
    numerics::Matrix<float> across = numerics::transposeOf<float>(w);
    writeWeight(linear.getWeightMutable(), {w.columns(), w.rows()}, {across.data(), size_t(w.rows() * w.columns())});
  }
  if (parameters.bias.empty())
    linear.getBiasMutable().clear();
  else
    writeBias(linear, parameters.bias);
}

LogicalResult compress::addToBias(tfm::LinearOp linear, ArrayRef<float> values) {
  std::vector<float> bias(values);
  if (linear.getBias()) {
    if (!isPlain(getWeight(linear.getBias())))
      return linear.emitError("expected a bias of plain f32 elements to correct");
    FailureOr<std::vector<float>> before = readWeight(getWeight(linear.getBias()), linear);
    if (failed(before))
      return failure();
    for (auto [value, old] : llvm::zip_equal(bias, *before))
      value += old;
  }
  writeBias(linear, bias);
  return success();
}

RankedTensorType compress::withLast(Type type, int64_t size) {
  SmallVector<Dim> dims = tfm::getDims(type);
  dims.back() = Dim(size);
  return tfm::getTensorType(dims, cast<RankedTensorType>(type).getElementType());
}

bool compress::matches(llvm::Regex &pattern, tfm::WeightOp weight) {
  return pattern.match(weight.getSymName()) || (weight.getOrigin() && pattern.match(*weight.getOrigin()));
}

LogicalResult Calibration::load(ModuleOp module, StringRef path) {
  if (path.empty())
    return success();
  auto read = statistics::readStatistics(path);
  if (!read)
    return module.emitError(llvm::toString(read.takeError()));
  statistics = std::move(*read);
  return success();
}

FailureOr<const statistics::Entry *> Calibration::find(tfm::LinearOp linear) const {
  if (!statistics)
    return static_cast<const statistics::Entry *>(nullptr);
  StringRef symbol = getWeight(linear.getWeight()).getSymName();
  const statistics::Entry *entry = statistics->find(symbol);
  if (!entry)
    return linear.emitError("expected statistics of the input of weight '")
           << symbol << "', the file has none; hint: collect them from this model";
  int64_t size = tfm::getDims(linear.getInput()).back().getConstant().value_or(-1);
  if (entry->channels() != size)
    return linear.emitError("expected statistics of ")
           << size << " channels at the input of weight '" << symbol << "', got " << entry->channels()
           << "; hint: collect them again after a pass that changes shapes";
  return entry;
}

static StringRef getNode(Location location) {
  StringRef name;
  location->walk([&](Location part) {
    auto named = dyn_cast<NameLoc>(part);
    name = named ? named.getName().getValue() : name;
    return named ? WalkResult::interrupt() : WalkResult::advance();
  });
  return name;
}

void compress::report(ModuleOp module, const Change &change) {
  Builder b(module.getContext());
  SmallVector<NamedAttribute> fields = {
      b.getNamedAttr("after", b.getI64IntegerAttr(change.after)),
      b.getNamedAttr("before", b.getI64IntegerAttr(change.before)),
      b.getNamedAttr("error", b.getF64FloatAttr(change.error)),
      b.getNamedAttr("node", b.getStringAttr(getNode(change.where))),
      b.getNamedAttr("pass", b.getStringAttr(change.pass)),
      b.getNamedAttr("refused", b.getStringAttr(change.refused)),
      b.getNamedAttr("weight", b.getStringAttr(change.weight)),
      b.getNamedAttr("what", b.getStringAttr(change.what)),
  };
  SmallVector<Attribute> all;
  if (auto before = module->getAttrOfType<ArrayAttr>(tfm::kCompressionAttr))
    llvm::append_range(all, before);
  all.push_back(b.getDictionaryAttr(fields));
  module->setAttr(tfm::kCompressionAttr, b.getArrayAttr(all));
}

std::string compress::describeDeadInputs(int64_t count) {
  if (count == 0)
    return "";
  return " (" + std::to_string(count) + (count == 1 ? " input was" : " inputs were") +
         " always 0: their weights are 0)";
}
