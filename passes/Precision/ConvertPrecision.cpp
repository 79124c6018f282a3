// --lathe-convert-precision: the types in which f32 values are kept between ops.
//
// Each op has a type that it computes in (its operands' and its own) and its result one that it is kept in; a cast
// stands between where they differ. An op's decision depends on what became of its operands, so one walk decides, and a
// second one changes types and adds casts where an operand isn't what the op wants.
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/Passes.h"
#include "passes/Precision/NarrowWeights.h"
#include "passes/Precision/Ranges.h"
#include "llvm/ADT/MapVector.h"

namespace lathe {
#define GEN_PASS_DEF_CONVERTPRECISIONPASS
#include "passes/Passes.h.inc"
} // namespace lathe

using namespace mlir;
using namespace lathe;
using namespace lathe::precision;

namespace {
/// A weight of up to this many elements may be a factor of what is computed from integers (a rotary embedding's
/// frequencies).
constexpr int64_t kSmallWeight = 1024;

/// Of mixed precision: how far within f16's greatest value a bound has to stay, so that rounding doesn't lead beyond it
/// (each op adds 2^-11 of its result at most: 1400 in a row double it); and a calibrated maximum, of which other inputs
/// may be above.
constexpr double kBoundMargin = 2, kObservedMargin = 4;

/// What an f32 value is. Index: computed from integers and constants alone, kept in f32. Wide: kept in f32 as 16 bits
/// can't hold it. Narrow: kept in 16 bits, or an input, which is cast where it is read.
enum class Form { Other, Literal, Weight, Index, Wide, Narrow };

struct Decision {
  Type compute, store; // store: of the result; null where that isn't f32
  std::string why;
};

bool isF32(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  return type && type.getElementType().isF32();
}

Value withElementType(OpBuilder &builder, Location loc, Value value, Type elementType) {
  return tfm::CastOp::create(builder, loc, cast<RankedTensorType>(value.getType()).clone(elementType), value);
}

bool isMovement(Operation *op) {
  return isa<tfm::ReshapeOp, tfm::TransposeOp, tfm::ExpandOp, tfm::SliceOp, tfm::ConcatOp, tfm::PadOp, tfm::GatherOp,
             tfm::GatherElementsOp, tfm::GatherNdOp>(op);
}

/// The ONNX nodes of a location, each with its type.
void forEachNode(Location location, llvm::function_ref<void(StringAttr name, StringAttr type)> callback) {
  if (auto name = dyn_cast<NameLoc>(location)) {
    auto type = dyn_cast<NameLoc>(name.getChildLoc());
    callback(name.getName(), type ? type.getName() : StringAttr::get(location.getContext(), ""));
  } else if (auto fused = dyn_cast<FusedLoc>(location)) {
    for (Location part : fused.getLocations())
      forEachNode(part, callback);
  }
}

/// What is said of each node, in the order of the ops; of several statements the widest type's counts.
class Report {
public:
  void add(Operation *op, Type type, StringRef why) {
    add(op, type.isF32() ? "f32" : type.isF64() ? "f64" : type.isF16() ? "f16" : "bf16", why);
  }
  void add(Operation *op, StringRef precision, StringRef why) {
    forEachNode(op->getLoc(), [&](StringAttr name, StringAttr type) {
      Entry &entry = entries[name];
      if (!entry.precision.empty() && rank(entry.precision) >= rank(precision))
        return;
      entry = {type, precision.str(), why.str()};
    });
  }
  ArrayAttr toAttribute(MLIRContext *context) const {
    Builder builder(context);
    SmallVector<Attribute> list;
    for (auto &[name, entry] : entries)
      list.push_back(
          builder.getDictionaryAttr({builder.getNamedAttr("node", name), builder.getNamedAttr("type", entry.type),
                                     builder.getNamedAttr("precision", builder.getStringAttr(entry.precision)),
                                     builder.getNamedAttr("why", builder.getStringAttr(entry.why))}));
    return builder.getArrayAttr(list);
  }

private:
  struct Entry {
    StringAttr type;
    std::string precision, why;
  };
  static unsigned rank(StringRef precision) {
    static constexpr StringLiteral order[] = {"bf16", "f16", "tf32", "f32", "f64"};
    return llvm::find(order, precision) - std::begin(order);
  }
  llvm::MapVector<StringAttr, Entry> entries;
};

std::string format(double value) {
  std::string text;
  llvm::raw_string_ostream(text) << llvm::format("%g", value);
  return text;
}

class Converter {
public:
  Converter(func::FuncOp function, Type narrow, bool mixed, bool allowFallback, Report &report)
      : function(function), narrow(narrow), wide(Float32Type::get(narrow.getContext())), mixed(mixed),
        allowFallback(mixed || allowFallback), weights(function->getParentOfType<ModuleOp>(), narrow), report(report) {
    if (mixed)
      bounds = getBounds(function);
  }

  LogicalResult convert();

private:
  // Deciding.
  LogicalResult decide(Operation *op);
  LogicalResult decideCast(tfm::CastOp op);
  bool isIndex(Operation *op, ArrayRef<Value> operands);
  /// Looks at a constant or weight that an op reads; sets what it asks for.
  LogicalResult judgeOperand(Operation *op, Value operand, Decision &decision, bool &refused);
  /// The op can't be 16 bits wide: an error, or an op in f32.
  LogicalResult refuse(Operation *op, Decision &decision, bool &refused, const Twine &why);
  SmallVector<Value> getData(Operation *op);
  bool isKeptByReaders(Value value);
  /// Whether 16 bits hold the value, and why they do or don't. Always, but for mixed precision.
  bool fits(Value value, std::string &why);

  // Changing.
  void rewrite(Operation *op);
  Value getAs(Value original, Type type);

  func::FuncOp function;
  Type narrow, wide;
  bool mixed, allowFallback;
  llvm::DenseMap<Value, Bound> bounds; // of mixed precision
  NarrowWeights weights;
  Report &report;
  llvm::DenseMap<Value, Form> forms;
  llvm::DenseSet<Value> saturating; // f32 values that hold a mask's constant, beyond 16 bits
  llvm::DenseMap<Operation *, Decision> decisions;
  llvm::DenseMap<Value, Value> kept; // by what the op's result was: what it is kept as
  llvm::DenseMap<std::pair<Value, Type>, Value> copies;
};

/// The f32 operands that have to be of the op's type. An attention's bias may have one of its own.
SmallVector<Value> Converter::getData(Operation *op) {
  SmallVector<Value> data;
  auto attention = dyn_cast<tfm::AttentionOp>(op);
  for (Value operand : op->getOperands())
    if (isF32(operand) && !(attention && operand == attention.getBias()))
      data.push_back(operand);
  return data;
}

bool Converter::isIndex(Operation *op, ArrayRef<Value> operands) {
  bool elementwise = isa<tfm::ElementwiseOpInterface>(op), any = false, constant = true;
  if (isa<tfm::IotaOp>(op))
    return true;
  if (!elementwise && !isMovement(op) &&
      !isa<tfm::MatmulOp, tfm::CumSumOp, tfm::ReduceSumOp, tfm::ReduceMeanOp, tfm::ReduceMaxOp, tfm::ReduceMinOp>(op))
    return false;
  for (Value operand : operands) {
    Form form = forms.lookup(operand);
    any |= form == Form::Index;
    constant &= form == Form::Literal;
    bool small = form == Form::Weight && !isMovement(op) &&
                 cast<RankedTensorType>(operand.getType()).getNumElements() <= kSmallWeight;
    if (form != Form::Index && form != Form::Literal && !small)
      return false;
  }
  // A choice of constants by integers; but constants that are only moved are what they are.
  return any || (constant && elementwise && op->getNumOperands() > operands.size());
}

LogicalResult Converter::refuse(Operation *op, Decision &decision, bool &refused, const Twine &why) {
  if (!allowFallback)
    return op->emitError(why) << "; hint: --precision=mixed" << (narrow.isF16() ? " or bf16" : "")
                              << ", or --allow-fallback to compute this node in f32";
  decision.compute = wide;
  decision.why = why.str();
  refused = true;
  return success();
}

static std::optional<double> getObserved(Value value) {
  FloatAttr observed;
  if (Operation *op = value.getDefiningOp())
    observed = op->getAttrOfType<FloatAttr>(tfm::kObservedMaxAttr);
  else if (auto argument = cast<BlockArgument>(value))
    observed = cast<func::FuncOp>(argument.getOwner()->getParentOp())
                   .getArgAttrOfType<FloatAttr>(argument.getArgNumber(), tfm::kObservedMaxAttr);
  return observed ? std::optional(observed.getValueAsDouble()) : std::nullopt;
}

bool Converter::fits(Value value, std::string &why) {
  if (!mixed)
    return true;
  double bound = bounds.lookup(value).magnitude(), greatest = getGreatest(narrow);
  bool isBounded = bound <= greatest / kBoundMargin;
  why = std::isinf(bound) ? "no bound is known" : "bound " + format(bound);
  auto observed = getObserved(value);
  if (isBounded || !observed)
    return isBounded;
  why += ", calibrated maximum " + format(*observed);
  return *observed <= greatest / kObservedMargin;
}

LogicalResult Converter::judgeOperand(Operation *op, Value operand, Decision &decision, bool &refused) {
  std::string name = narrow.isF16() ? "f16" : "bf16";
  if (auto get = operand.getDefiningOp<tfm::GetOp>()) {
    auto copy = weights.get(get);
    if (failed(copy))
      return failure();
    if (!copy->weight)
      return refuse(op, decision, refused,
                    "expected a weight within " + name + "'s range, got " + format(copy->overflow) + " in '" +
                        get.getWeight() + "'");
    return success();
  }
  auto constant = operand.getDefiningOp<tfm::ConstantOp>();
  if (!constant)
    return success();
  Loss loss = getLoss(constant.getValue(), narrow);
  if (!loss.overflow && !loss.underflow)
    return success();
  if (isa<tfm::ElementwiseOpInterface>(op)) {
    decision.compute = wide; // the op itself loses nothing
    if (loss.overflow && isa<tfm::SelectOp, tfm::MinimumOp, tfm::MaximumOp>(op)) {
      saturating.insert(op->getResult(0));
      return success();
    }
    if (!isa<tfm::AddOp, tfm::SubOp, tfm::MaximumOp>(op))
      return success();
  } else if (!loss.overflow) {
    return success();
  }
  if (loss.overflow)
    return refuse(op, decision, refused,
                  "expected a constant within " + name + "'s range, got " + format(*loss.overflow));
  return refuse(op, decision, refused, "the constant " + format(*loss.underflow) + " is 0 in " + name);
}

LogicalResult Converter::decideCast(tfm::CastOp op) {
  Value input = op.getInput(), result = op.getResult();
  if (!isF32(result))
    return success(); // reads what there is
  if (isa<IntegerType>(tfm::getElementType(input))) {
    forms[result] = Form::Index;
    return success();
  }
  forms[result] = isF32(input) ? forms.lookup(input) : Form::Narrow;
  return success();
}

LogicalResult Converter::decide(Operation *op) {
  for (Value result : op->getResults())
    if (isF32(result) && isa<tfm::ConstantOp, tfm::GetOp>(op))
      forms[result] = isa<tfm::ConstantOp>(op) ? Form::Literal : Form::Weight;
  if (isa<tfm::ConstantOp, tfm::GetOp>(op))
    return success();
  if (auto cast = dyn_cast<tfm::CastOp>(op))
    return decideCast(cast);
  Value result = op->getNumResults() == 1 ? op->getResult(0) : Value();
  SmallVector<Value> data = getData(op);
  if (!result || (data.empty() && !isF32(result))) {
    if (result && isa<FloatType>(tfm::getElementType(result)))
      report.add(op, tfm::getElementType(result), "as in the model");
    return success();
  }
  bool holds = llvm::any_of(data, [&](Value operand) {
    auto constant = operand.getDefiningOp<tfm::ConstantOp>();
    return saturating.contains(operand) || (constant && getLoss(constant.getValue(), narrow).overflow);
  });
  if (isIndex(op, data)) {
    if (isF32(result)) {
      forms[result] = Form::Index;
      if (holds)
        saturating.insert(result);
    }
    decisions[op] = {wide, isF32(result) ? wide : Type(), "computed from integers"};
    return success();
  }
  bool elementwise = isa<tfm::ElementwiseOpInterface>(op), refused = false;
  Decision decision{narrow, {}, ""};
  auto linear = dyn_cast<tfm::LinearOp>(op);
  bool quantizes = linear && linear.getActivation(); // from f32
  if (quantizes)
    decision = {wide, {}, "quantizes its input"};
  bool anyWide = false, allWide = true;
  std::string why;
  for (Value operand : data) {
    Form form = forms.lookup(operand);
    anyWide |= form == Form::Wide;
    allWide &= form != Form::Narrow;
    if (form == Form::Index && elementwise) {
      decision.compute = wide;
      decision.why = "reads what is computed from integers";
    }
    if (form == Form::Index && !elementwise && !fits(operand, why)) {
      decision.compute = wide;
      decision.why = "reads what is computed from integers: " + why;
    }
    if (!quantizes && failed(judgeOperand(op, operand, decision, refused)))
      return failure();
  }
  if (anyWide) {
    decision.compute = wide;
    if (decision.why.empty())
      decision.why = "reads what is kept in f32";
  }
  if (isF32(result)) {
    // What only repeats wide values stays so; what meets 16 bits is rounded.
    bool repeats = anyWide && allWide && (elementwise || isMovement(op));
    bool isWide = refused || repeats || (decision.compute.isF32() && isKeptByReaders(result));
    if (bool isHeld = fits(result, why); !refused && (!isHeld || decision.why.empty())) {
      if (!isHeld)
        decision.compute = wide, isWide = true;
      decision.why = why;
    }
    decision.store = isWide ? wide : narrow;
    forms[result] = isWide ? Form::Wide : Form::Narrow;
    if (holds && (elementwise || isMovement(op)) && decision.compute.isF32())
      saturating.insert(result);
  }
  decisions[op] = decision;
  return success();
}

/// Whether a value is only returned: then rounding it to 16 bits gains nothing.
bool Converter::isKeptByReaders(Value value) {
  return llvm::all_of(value.getUsers(), [](Operation *user) { return isa<func::ReturnOp>(user); });
}

/// The value as an op wants it: a literal or weight in another type, or a cast.
Value Converter::getAs(Value original, Type type) {
  Value value = kept.lookup(original) ? kept.lookup(original) : original;
  if (tfm::getElementType(value) == type)
    return value;
  Value &copy = copies[{original, type}];
  if (copy)
    return copy;
  OpBuilder builder(value.getContext());
  builder.setInsertionPointAfterValue(value);
  Location loc = value.getLoc();
  if (auto constant = value.getDefiningOp<tfm::ConstantOp>();
      constant && type == narrow && isa<DenseElementsAttr>(constant.getValue()))
    return copy = tfm::ConstantOp::create(builder, loc, ElementsAttr(precision::narrow(constant.getValue(), narrow)));
  if (auto get = value.getDefiningOp<tfm::GetOp>(); get && type == narrow)
    if (auto narrowed = weights.get(get); succeeded(narrowed) && narrowed->weight)
      return copy = tfm::GetOp::create(builder, loc, narrowed->weight.getTensorType(),
                                       FlatSymbolRefAttr::get(narrowed->weight.getSymNameAttr()));
  // Of integers directly: an integer that isn't 0 can be seen not to become 0.
  if (auto cast = value.getDefiningOp<tfm::CastOp>();
      cast && type == narrow && isa<IntegerType>(tfm::getElementType(cast.getInput())))
    return copy = withElementType(builder, loc, cast.getInput(), type);
  if (type == narrow && saturating.contains(original)) {
    auto limit = [&](double bound) -> Value {
      return tfm::ConstantOp::create(
          builder, loc, DenseElementsAttr::get(RankedTensorType::get({}, wide), static_cast<float>(bound)));
    };
    double greatest = getGreatest(narrow);
    value = tfm::MaximumOp::create(builder, loc, value.getType(), value, limit(-greatest));
    value = tfm::MinimumOp::create(builder, loc, value.getType(), value, limit(greatest));
  }
  return copy = withElementType(builder, loc, value, type);
}

void Converter::rewrite(Operation *op) {
  op->removeAttr(tfm::kObservedMaxAttr);
  auto it = decisions.find(op);
  auto getOperandAs = [&](OpOperand &operand) {
    Form form = forms.lookup(operand.get());
    if (form == Form::Other || it == decisions.end() || isa<tfm::CastOp>(op))
      return kept.lookup(operand.get()) ? kept.lookup(operand.get()) : operand.get();
    bool isBias = isa<tfm::AttentionOp>(op) && operand.getOperandNumber() > 2;
    return getAs(operand.get(), !isBias                                        ? it->second.compute
                                : form == Form::Narrow || form == Form::Weight ? narrow
                                                                               : wide);
  };
  for (OpOperand &operand : op->getOpOperands())
    operand.set(getOperandAs(operand));
  if (auto cast = dyn_cast<tfm::CastOp>(op)) {
    auto type = llvm::cast<RankedTensorType>(cast.getType());
    if (forms.lookup(cast.getResult()) == Form::Narrow)
      cast.getResult().setType(type = type.clone(narrow));
    if (cast.getInput().getType() == type)
      kept[cast.getResult()] = cast.getInput();
  }
  if (it == decisions.end())
    return;
  const Decision &decision = it->second;
  report.add(op, decision.compute, decision.why);
  if (!decision.store)
    return;
  Value result = op->getResult(0);
  result.setType(cast<RankedTensorType>(result.getType()).clone(decision.compute));
  if (decision.store != decision.compute)
    kept[result] = getAs(result, decision.store);
}

LogicalResult Converter::convert() {
  std::string why;
  for (BlockArgument argument : function.getArguments())
    if (isF32(argument))
      forms[argument] = fits(argument, why) ? Form::Narrow : Form::Wide;
  Block &block = function.getBody().front();
  bool failed = false; // all that can't be converted is said at once
  for (Operation &op : block.without_terminator())
    failed |= mlir::failed(decide(&op));
  if (failed)
    return failure();
  SmallVector<Type> results(function.getResultTypes());
  SmallVector<Operation *> ops;
  for (Operation &op : block.without_terminator())
    ops.push_back(&op);
  for (Operation *op : ops)
    rewrite(op);
  for (unsigned i = 0; i < function.getNumArguments(); ++i)
    function.removeArgAttr(i, tfm::kObservedMaxAttr);
  for (auto [operand, type] : llvm::zip_equal(block.getTerminator()->getOpOperands(), results))
    operand.set(getAs(operand.get(), cast<RankedTensorType>(type).getElementType()));
  for (Operation *op : llvm::reverse(ops))
    if (isPure(op) && op->use_empty())
      op->erase();
  return success();
}

struct ConvertPrecisionPass : lathe::impl::ConvertPrecisionPassBase<ConvertPrecisionPass> {
  using ConvertPrecisionPassBase::ConvertPrecisionPassBase;

  void runOnOperation() override {
    if (failed(run()))
      signalPassFailure();
  }

  LogicalResult run() {
    ModuleOp module = getOperation();
    MLIRContext *context = &getContext();
    Report report;
    if (precision == "fp32")
      return success();
    auto function = module.lookupSymbol<func::FuncOp>("main");
    if (!function || !function.getBody().hasOneBlock())
      return module.emitError("expected func.func @main of one block");
    if (precision == "tf32") {
      setTf32(function, report);
    } else if (precision == "fp16" || precision == "bf16" || precision == "mixed") {
      Type narrow = precision == "bf16" ? Type(BFloat16Type::get(context)) : Float16Type::get(context);
      if (failed(Converter(function, narrow, precision == "mixed", allowFallback, report).convert()))
        return failure();
    } else {
      return module.emitError("expected the precision to be fp32, tf32, fp16, bf16 or mixed, got '")
             << precision << "'";
    }
    eraseUnusedWeights(module);
    module->setAttr(tfm::kPrecisionAttr, report.toAttribute(context));
    return success();
  }

  static void setTf32(func::FuncOp function, Report &report) {
    auto tf32 = tfm::PrecisionAttr::get(function.getContext(), tfm::Precision::tf32);
    function.walk([&](Operation *op) {
      if (isa<tfm::LinearOp, tfm::MatmulOp, tfm::ConvOp, tfm::AttentionOp>(op) && isF32(op->getOperand(0))) {
        op->setAttr("precision", tf32);
        report.add(op, "tf32", "");
      } else if (isa<tfm::TfmDialect>(op->getDialect()) && op->getNumResults() == 1 &&
                 !isa<tfm::GetOp, tfm::ConstantOp>(op) && isa<FloatType>(tfm::getElementType(op->getResult(0)))) {
        report.add(op, tfm::getElementType(op->getResult(0)), "sums no products");
      }
    });
  }

  static void eraseUnusedWeights(ModuleOp module) {
    llvm::DenseSet<StringAttr> used;
    module.walk([&](tfm::GetOp get) { used.insert(get.getWeightAttr().getAttr()); });
    for (auto weight : llvm::make_early_inc_range(module.getOps<tfm::WeightOp>()))
      if (!used.contains(weight.getSymNameAttr()))
        weight.erase();
  }
};
} // namespace
