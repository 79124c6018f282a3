// Finds the strategy that runs a kernel's body on a CPU.
#include "passes/Schedule/Strategy.h"
#include "dialects/Tfm/Formats.h"
#include "llvm/ADT/StringSwitch.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::schedule;

StringRef schedule::toString(Strategy strategy) {
  static constexpr StringLiteral names[] = {"map", "rows", "contraction", "attention", "scatter"};
  return names[static_cast<unsigned>(strategy)];
}

StringRef schedule::toString(Product product) {
  static constexpr StringLiteral names[] = {"f32",   "half_weights", "bf16",     "words",
                                            "bytes", "vnni",         "amx_int8", "amx_bf16"};
  return names[static_cast<unsigned>(product)];
}

bool schedule::isInteger(Product product) {
  return product == Product::Words || product == Product::Bytes || product == Product::Vnni ||
         product == Product::AmxInt8;
}

bool schedule::isAmx(Product product) { return product == Product::AmxInt8 || product == Product::AmxBf16; }

int64_t schedule::getStepDepth(Product product) {
  if (product == Product::F32)
    return 1;
  return isInteger(product) ? kIntegerDepth : kHalfDepth;
}

ArrayRef<StringRef> schedule::getCpuTargets() {
  static constexpr StringRef targets[] = {"x86-64-v4+vnni+bf16+amx", "x86-64-v4+vnni+bf16", "x86-64-v4+vnni",
                                          "x86-64-v4", "x86-64-v3"};
  return targets;
}

std::optional<CpuTarget> schedule::parseCpuTarget(StringRef target) {
  if (!llvm::is_contained(getCpuTargets(), target))
    return std::nullopt;
  return CpuTarget{target.take_until([](char c) { return c == '+'; }), target.contains("+vnni"),
                   target.contains("+bf16"), target.contains("+amx")};
}

SmallVector<StringRef> schedule::getFeatures(const CpuTarget &target) {
  SmallVector<StringRef> features{"avx2", "fma", "bmi", "bmi2", "f16c", "lzcnt", "movbe"};
  if (target.level == "x86-64-v4")
    features.append({"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"});
  if (target.vnni)
    features.push_back("avx512vnni");
  if (target.bf16)
    features.append({"avx512bf16", "avx512vbmi2"});
  if (target.amx)
    features.append({"amx-tile", "amx-int8", "amx-bf16"});
  return features;
}

TileSizes schedule::getTileSizes(const CpuTarget &target, Product product) {
  if (isAmx(product)) // two by two tiles of sums
    return {16, 2 * kAmxRows, 32, 1, 4 * kAmxRows, 8, 128, 2 * kAmxRows, 512};
  if (target.level == "x86-64-v3")
    return {8, 6, 16, 8, 48, 8, 128, 24, 128};
  return {16, 14, 32, 1, 56, 8, 128, 14, 512};
}

namespace {
struct SizeField {
  StringLiteral name;
  int64_t TileSizes::*size;
  int64_t least, most;
};
constexpr SizeField kSizeFields[] = {
    {"lanes", &TileSizes::lanes, 8, 16},
    {"rows", &TileSizes::rows, 1, 32},
    {"columns", &TileSizes::columns, kPanelWidth, 64},
    {"unroll", &TileSizes::unroll, 1, 32},
    {"block_rows", &TileSizes::blockRows, 1, 4096},
    {"tile_rows", &TileSizes::tileRows, 1, 4096},
    {"tile_columns", &TileSizes::tileColumns, kPanelWidth, 4096},
    {"query_rows", &TileSizes::queryRows, 1, 4096},
    {"key_block", &TileSizes::keyBlock, kPanelWidth, 4096},
};
} // namespace

NamedAttribute schedule::getTileAttr(MLIRContext *context, const TileSizes &sizes) {
  Builder builder(context);
  SmallVector<NamedAttribute> fields;
  for (const SizeField &field : kSizeFields)
    fields.push_back(builder.getNamedAttr(field.name, builder.getI64IntegerAttr(sizes.*field.size)));
  return builder.getNamedAttr("tile", builder.getDictionaryAttr(fields));
}

FailureOr<TileSizes> schedule::readTileSizes(kernel::FuncOp kernel, kernel::ScheduleAttr schedule) {
  for (BlockArgument argument : kernel.getBody().getArguments())
    if (auto panel = getPanel(argument); panel && panel.getWidth() != kPanelWidth)
      return kernel.emitOpError("argument ") << argument.getArgNumber() << " is in panels of " << panel.getWidth()
                                             << " columns, expected " << kPanelWidth;
  auto tile = schedule.getOptions().getAs<DictionaryAttr>("tile");
  TileSizes sizes;
  for (const SizeField &field : kSizeFields) {
    auto size = tile ? tile.getAs<IntegerAttr>(field.name) : IntegerAttr();
    if (!size || size.getInt() < field.least || size.getInt() > field.most)
      return kernel.emitOpError("has a schedule for ")
             << schedule.getTarget().getValue() << " whose tile needs a '" << field.name << "' in [" << field.least
             << ", " << field.most << "]; hint: run --lathe-schedule-kernels";
    sizes.*field.size = size.getInt();
  }
  if (kPanelWidth % sizes.lanes || sizes.columns % kPanelWidth || sizes.tileColumns % sizes.columns ||
      sizes.keyBlock % sizes.columns)
    return kernel.emitOpError("has a schedule for ")
           << schedule.getTarget().getValue() << " whose tile isn't made of panels of " << kPanelWidth << " columns";
  return sizes;
}

LogicalResult schedule::checkProduct(kernel::FuncOp kernel, kernel::ScheduleAttr schedule, Product product) {
  auto said = schedule.getOptions().getAs<StringAttr>("product");
  if (said && said.getValue() == toString(product))
    return success();
  return kernel.emitOpError("has a schedule for ")
         << schedule.getTarget().getValue() << " whose product is '" << (said ? said.getValue() : "") << "', expected '"
         << toString(product) << "'; hint: run --lathe-schedule-kernels";
}

BlockArgument schedule::getMemory(Value value) {
  while (auto reshape = value.getDefiningOp<tfm::ReshapeOp>())
    value = reshape.getInput();
  return tfm::getFormat(value.getType()) ? BlockArgument() : dyn_cast<BlockArgument>(value);
}

bool schedule::readsLhsInPlace(const Contraction &c, Product product) {
  Type element = tfm::getElementType(c.lhs);
  int64_t depth = c.k.getConstant().value_or(1);
  return getMemory(c.lhs) && !c.transposeLhs && !c.activation && depth % getStepDepth(product) == 0 &&
         (product == Product::Bf16 || product == Product::AmxBf16 ? element.isBF16() : element.isF32());
}

bool schedule::isInteger(const Contraction &c) {
  kernel::PanelAttr panel = getPanel(c.rhs);
  return c.activation && panel && panel.getDepth() == kIntegerDepth;
}

bool schedule::isDecoded(const Contraction &c) {
  kernel::PanelAttr panel = getPanel(c.rhs);
  return panel && ((panel.getDepth() == 1 && tfm::getFormat(c.rhs.getType())) || isBitmap(c));
}

/// Of contractions of one kernel, which share the lhs and have panels of one depth.
static Product getContractionProduct(ArrayRef<Contraction> contractions, const CpuTarget &target) {
  kernel::PanelAttr panel = getPanel(contractions.front().rhs);
  // Tiles of 64 bytes along K, with nothing behind a row's end.
  auto fillsTiles = [&](int64_t elements) {
    auto depth = contractions.front().k.getConstant();
    return target.amx && depth && *depth % elements == 0;
  };
  if (llvm::all_of(contractions, [](const Contraction &c) { return isInteger(c); })) {
    bool isNarrow = llvm::all_of(contractions, [](const Contraction &c) { return getIntegers(c).getBits() <= 7; });
    return fillsTiles(64) ? Product::AmxInt8 : target.vnni ? Product::Vnni : isNarrow ? Product::Bytes : Product::Words;
  }
  if (!panel || panel.getDepth() != kHalfDepth)
    return Product::F32;
  bool isBf16 =
      tfm::getElementType(contractions.front().lhs).isBF16() &&
      llvm::all_of(contractions, [](const Contraction &c) { return tfm::getHalfType(c.rhs.getType()).isBF16(); });
  return !target.bf16 || !isBf16 ? Product::HalfWeights : fillsTiles(32) ? Product::AmxBf16 : Product::Bf16;
}

Product schedule::getProduct(const KernelPlan &plan, const CpuTarget &target) {
  if (plan.strategy == Strategy::Attention) {
    auto op = cast<tfm::AttentionOp>(plan.anchors[0]);
    auto isBf16 = [](Value value) { return tfm::getElementType(value).isBF16(); };
    auto width = tfm::getDims(op.getQuery())[2].getConstant();
    auto fills = [&](int64_t elements) { return width && *width % (elements * int64_t(op.getHeads())) == 0; };
    if (!target.bf16 || !fills(2) || !isBf16(op.getQuery()) || !isBf16(op.getKey()) || !isBf16(op.getValue()))
      return Product::F32;
    return target.amx && fills(32) ? Product::AmxBf16 : Product::Bf16;
  }
  if (plan.strategy != Strategy::Contraction)
    return Product::F32;
  std::vector<Contraction> contractions;
  for (Operation *op : plan.anchors)
    contractions.push_back(*getContraction(op));
  return getContractionProduct(contractions, target);
}

bool schedule::isSparse(const Contraction &c) {
  auto format = dyn_cast_or_null<tfm::SparseFormatAttr>(tfm::getFormat(c.rhs.getType()));
  if (!format || format.getN() != 2 || format.getM() != 4 || format.getAxis() != (c.transposeRhs ? 1 : 0) ||
      tfm::getElementType(c.rhs).getIntOrFloatBitWidth() != 16 ||
      !tfm::getKeptType(cast<RankedTensorType>(c.rhs.getType())))
    return false;
  auto floats = dyn_cast_or_null<tfm::FloatFormatAttr>(format.getValues());
  return !format.getValues() || tfm::getPackedCodes(format.getValues()) || (floats && !floats.getBlock());
}

/// A weight's bitmap, if it isn't so large that places in its panels don't fit into 32 bits; or null.
static tfm::BitmapFormatAttr getBitmap(const Contraction &c) {
  auto format = dyn_cast_or_null<tfm::BitmapFormatAttr>(tfm::getFormat(c.rhs.getType()));
  auto depth = c.k.getConstant(), columns = c.n.getConstant();
  bool isSmall = format && depth && columns && *depth <= INT32_MAX && *columns <= INT32_MAX &&
                 llvm::alignTo(*depth, 4) * llvm::alignTo(*columns, kPanelWidth) <= UINT32_MAX;
  return isSmall ? format : tfm::BitmapFormatAttr();
}

tfm::IntFormatAttr schedule::getIntegers(const Contraction &c) {
  constexpr int64_t kMost = 65536; // times 255 * 128 is below 2^31
  tfm::BitmapFormatAttr bitmap = getBitmap(c);
  auto integers = dyn_cast_or_null<tfm::IntFormatAttr>(bitmap ? bitmap.getValues() : tfm::getFormat(c.rhs.getType()));
  int64_t depth = c.k.getConstant().value_or(INT64_MAX);
  bool isWhole = c.activation && !isa<tfm::DynamicFloatAttr>(c.activation) && integers && integers.getBits() > 4 &&
                 !integers.getZeroPoints() && integers.getBlock()[c.transposeRhs ? 1 : 0] >= depth && depth <= kMost;
  return isWhole ? integers : tfm::IntFormatAttr();
}

bool schedule::isBitmap(const Contraction &c) {
  tfm::BitmapFormatAttr bitmap = getBitmap(c);
  auto floats = dyn_cast_or_null<tfm::FloatFormatAttr>(bitmap ? bitmap.getValues() : Attribute());
  return bitmap && (!bitmap.getValues() || tfm::getPackedCodes(bitmap.getValues()) ||
                    (floats && !floats.getBlock() && floats.getType().getIntOrFloatBitWidth() == 16) || isInteger(c));
}

bool schedule::isSmallFloat(const Contraction &c) {
  auto format = dyn_cast_or_null<tfm::FloatFormatAttr>(tfm::getFormat(c.rhs.getType()));
  auto activation = dyn_cast_or_null<tfm::DynamicFloatAttr>(c.activation);
  return activation && format && isDecoded(c) && format.getType() == activation.getType() &&
         format.getBlock()[c.transposeRhs ? 1 : 0] >= c.k.getConstant().value_or(INT64_MAX);
}

BlockArgument schedule::getReadRows(kernel::FuncOp kernel, const Dim &rows) {
  for (BlockArgument argument : kernel.getBody().getArguments())
    if (kernel.getArgAttr(argument.getArgNumber(), kernel::kRowsAttr) && Dim::product(tfm::getDims(argument)) == rows)
      return argument;
  return BlockArgument();
}

kernel::PanelAttr schedule::getPanel(Value value) {
  auto argument = dyn_cast<BlockArgument>(value);
  auto kernel = argument ? dyn_cast<kernel::FuncOp>(argument.getOwner()->getParentOp()) : kernel::FuncOp();
  return kernel ? kernel.getArgAttrOfType<kernel::PanelAttr>(argument.getArgNumber(), kernel::kLayoutAttr)
                : kernel::PanelAttr();
}

std::optional<size_t> schedule::getLeadingDims(Value value, const Dim &rows) {
  Dim product = 1;
  SmallVector<Dim> dims = tfm::getDims(value);
  for (size_t i = 0; i <= dims.size(); ++i) {
    // The last of several that fit takes the 1s along, so that a row is as short as can be.
    if (product == rows && (i == dims.size() || dims[i] != Dim(1)))
      return i;
    if (i < dims.size())
      product = product * dims[i];
  }
  return std::nullopt;
}

Dim schedule::getTrailingSize(Value value, size_t first) {
  SmallVector<Dim> dims = tfm::getDims(value);
  return Dim::product(ArrayRef<Dim>(dims).drop_front(std::min(first, dims.size())));
}

std::optional<Contraction> schedule::getContraction(Operation *op) {
  if (op->getNumResults() != 1 || tfm::getElementType(op->getResult(0)).isF64())
    return std::nullopt; // buffers hold f32
  Contraction c;
  c.op = op;
  if (auto linear = dyn_cast<tfm::LinearOp>(op)) {
    SmallVector<Dim> x = tfm::getDims(linear.getInput()), result = tfm::getDims(linear.getResult());
    c.kind = Contraction::Kind::Linear;
    c.lhs = linear.getInput(), c.rhs = linear.getWeight();
    c.batch = 1, c.k = x.back(), c.n = result.back();
    c.m = Dim::product(ArrayRef<Dim>(x).drop_back());
    c.transposeRhs = linear.getTransposed();
    c.activation = linear.getActivationAttr();
    return c;
  }
  if (auto matmul = dyn_cast<tfm::MatmulOp>(op)) {
    if (!isa<FloatType>(tfm::getElementType(matmul.getResult())))
      return std::nullopt;
    SmallVector<Dim> result = tfm::getDims(matmul.getResult()), a = tfm::getDims(matmul.getLhs());
    c.kind = Contraction::Kind::Matmul;
    c.lhs = matmul.getLhs(), c.rhs = matmul.getRhs();
    c.transposeLhs = matmul.getTransposeA(), c.transposeRhs = matmul.getTransposeB();
    c.n = result.back(), c.m = result[result.size() - 2];
    c.k = a[a.size() - (c.transposeLhs ? 2 : 1)];
    c.batch = Dim::product(ArrayRef<Dim>(result).drop_back(2));
    if (tfm::getDims(c.rhs).size() == 2 && !c.transposeLhs && a.size() == result.size()) {
      c.m = c.batch * c.m;
      c.batch = 1;
    }
    return c;
  }
  if (auto conv = dyn_cast<tfm::ConvOp>(op)) {
    SmallVector<Dim> result = tfm::getDims(conv.getResult()), w = tfm::getDims(conv.getWeight());
    auto channels = result[1].getConstant();
    int64_t groups = static_cast<int64_t>(conv.getGroups());
    if (!channels || *channels % groups != 0)
      return std::nullopt;
    c.kind = Contraction::Kind::Conv;
    c.lhs = conv.getWeight(), c.rhs = conv.getInput();
    c.batch = result[0] * Dim(groups);
    c.m = *channels / groups;
    c.n = Dim::product(ArrayRef<Dim>(result).drop_front(2));
    c.k = Dim::product(ArrayRef<Dim>(w).drop_front(1));
    return c;
  }
  return std::nullopt;
}

namespace {
enum class Relation { Independent, Aligned, RowWise, Unknown };

/// The first axis that a reduction combines, if it combines all from there on.
std::optional<size_t> getSuffixAxis(Operation *op) {
  if (op->getNumOperands() == 0)
    return std::nullopt;
  size_t rank = tfm::getDims(op->getOperand(0)).size();
  if (isa<tfm::LayerNormOp, tfm::RmsNormOp, tfm::L2NormalizeOp>(op))
    return rank - 1;
  if (auto softmax = dyn_cast<tfm::SoftmaxOp>(op))
    return softmax.getAxis() + 1 == rank ? std::optional<size_t>(rank - 1) : std::nullopt;
  if (isa<tfm::ReduceSumOp, tfm::ReduceMeanOp, tfm::ReduceMaxOp, tfm::ReduceMinOp, tfm::ReduceProdOp>(op) &&
      isa<FloatType>(tfm::getElementType(op->getOperand(0)))) {
    ArrayRef<int64_t> axes = op->getAttrOfType<DenseI64ArrayAttr>("axes").asArrayRef();
    if (axes.empty() || axes.back() != static_cast<int64_t>(rank) - 1 ||
        axes.back() - axes.front() + 1 != static_cast<int64_t>(axes.size()))
      return std::nullopt;
    return axes.front();
  }
  return std::nullopt;
}

/// How values of a body relate to its anchors' results.
class Relations {
public:
  Relations(Dim rows) : rows(std::move(rows)) {}
  Relation operator[](Value value) const { return relations.lookup(value); }
  void set(Value value, Relation relation) { relations[value] = relation; }

  void visit(Operation *op) {
    Relation worst = Relation::Independent;
    for (Value operand : op->getOperands())
      worst = std::max(worst, relations.lookup(operand));
    for (Value result : op->getResults())
      relations[result] = worst == Relation::Independent ? worst : getRelation(op, result, worst);
  }

private:
  Relation getRelation(Operation *op, Value result, Relation worst) const {
    auto leading = getLeadingDims(result, rows);
    if (worst == Relation::Unknown || !leading)
      return Relation::Unknown;
    SmallVector<Value> dependent;
    for (Value operand : op->getOperands())
      if (relations.lookup(operand) != Relation::Independent)
        dependent.push_back(operand);
    auto keepsLeading = [&](Value operand) {
      SmallVector<Dim> from = tfm::getDims(operand), to = tfm::getDims(result);
      return from.size() >= *leading &&
             ArrayRef<Dim>(from).take_front(*leading) == ArrayRef<Dim>(to).take_front(*leading);
    };
    if (isa<tfm::ElementwiseOpInterface>(op)) {
      bool aligned = worst == Relation::Aligned;
      for (Value operand : dependent) {
        aligned &= tfm::getDims(operand) == tfm::getDims(result);
        if (tfm::getDims(operand).size() != tfm::getDims(result).size() || !keepsLeading(operand))
          return Relation::Unknown;
      }
      return aligned ? Relation::Aligned : Relation::RowWise;
    }
    if (isa<tfm::ReshapeOp>(op)) // the same rows, under other names
      return getLeadingDims(op->getOperand(0), rows) ? Relation::RowWise : Relation::Unknown;
    for (Value operand : dependent)
      if (!keepsLeading(operand))
        return Relation::Unknown;
    if (auto axis = getSuffixAxis(op))
      return *axis >= *leading && dependent.size() == 1 ? Relation::RowWise : Relation::Unknown;
    if (auto slice = dyn_cast<tfm::SliceOp>(op)) {
      SmallVector<Dim> starts = slice.getStarts().getDims();
      for (size_t i = 0; i < *leading; ++i)
        if (starts[i] != Dim(0) || slice.getSteps()[i] != 1)
          return Relation::Unknown;
      return Relation::RowWise;
    }
    if (auto concat = dyn_cast<tfm::ConcatOp>(op))
      return static_cast<size_t>(concat.getAxis()) >= *leading ? Relation::RowWise : Relation::Unknown;
    if (auto transpose = dyn_cast<tfm::TransposeOp>(op)) {
      for (size_t i = 0; i < *leading; ++i)
        if (transpose.getPermutation()[i] != static_cast<int64_t>(i))
          return Relation::Unknown;
      return Relation::RowWise;
    }
    if (auto rotary = dyn_cast<tfm::RotaryOp>(op)) // its tables are indexed by position, its row is the last dimension
      return *leading == 2 && dependent.size() == 1 ? Relation::RowWise : Relation::Unknown;
    return Relation::Unknown;
  }

  Dim rows;
  llvm::DenseMap<Value, Relation> relations;
};
} // namespace

/// Row ops whose rows are the kernel's. Others, and those over a part of a row, are computed in place.
static SmallVector<Operation *> getRowOps(kernel::FuncOp kernel, const Dim &rows) {
  SmallVector<Operation *> ops;
  for (Operation &op : kernel.getBody().front()) {
    auto axis = getSuffixAxis(&op);
    if (!axis || tfm::getElementType(op.getOperand(0)).isF64()) // buffers hold f32
      continue;
    SmallVector<Dim> dims = tfm::getDims(op.getOperand(0));
    if (Dim::product(ArrayRef<Dim>(dims).take_front(*axis)) == rows)
      ops.push_back(&op);
  }
  return ops;
}

/// Which anchors each result is computed from; results that share one share a group.
static SmallVector<Group> getGroups(kernel::FuncOp kernel, ArrayRef<Operation *> anchors) {
  SmallVector<Group> groups;
  for (auto [number, result] : llvm::enumerate(kernel.getBody().front().getTerminator()->getOperands())) {
    llvm::DenseSet<Operation *> seen;
    SmallVector<Value> pending{result};
    while (!pending.empty())
      if (Operation *op = pending.pop_back_val().getDefiningOp(); op && seen.insert(op).second)
        pending.append(op->operand_begin(), op->operand_end());
    Group group;
    group.results.push_back(number);
    for (Operation *anchor : anchors)
      if (seen.contains(anchor))
        group.anchors.push_back(anchor);
    for (Group &other : groups)
      if (llvm::any_of(group.anchors, [&](Operation *op) { return llvm::is_contained(other.anchors, op); })) {
        for (Operation *op : other.anchors)
          if (!llvm::is_contained(group.anchors, op))
            group.anchors.push_back(op);
        group.results.insert(group.results.begin(), other.results.begin(), other.results.end());
        other = Group();
      }
    llvm::erase_if(groups, [](const Group &g) { return g.anchors.empty(); });
    groups.push_back(std::move(group));
  }
  return groups;
}

static FailureOr<KernelPlan> planContraction(kernel::FuncOp kernel, ArrayRef<Operation *> anchors) {
  KernelPlan plan;
  plan.strategy = Strategy::Contraction;
  plan.anchors.assign(anchors.begin(), anchors.end());
  Contraction first = *getContraction(anchors.front());
  plan.rows = first.batch * first.m;
  if (first.kind == Contraction::Kind::Conv) // its result has the groups inside the channels
    plan.rows = Dim::product(ArrayRef<Dim>(tfm::getDims(first.op->getResult(0))).take_front(2));
  for (Operation *op : anchors.drop_front()) {
    Contraction c = *getContraction(op);
    if (c.kind == Contraction::Kind::Conv || c.lhs != first.lhs || c.batch != Dim(1) || first.batch != Dim(1) ||
        c.activation != first.activation)
      return op->emitOpError("can't run in one kernel with ")
             << first.op->getName() << ": expected linears of one input";
  }
  Relations relations(plan.rows);
  for (Operation &op : kernel.getBody().front()) {
    if (!llvm::is_contained(anchors, &op)) {
      relations.visit(&op);
      continue;
    }
    for (Value operand : op.getOperands())
      if (relations[operand] != Relation::Independent)
        return op.emitOpError("can't run in one kernel with the contraction that it depends on");
    relations.set(op.getResult(0), Relation::Aligned);
  }
  for (Value result : kernel.getBody().front().getTerminator()->getOperands()) {
    Relation relation = relations[result];
    if (relation == Relation::Independent || relation == Relation::Unknown)
      return emitError(result.getLoc(), "kernel '")
             << kernel.getSymName() << "': a result that is not computed row by row from its contraction";
    plan.wholeRows |= relation == Relation::RowWise;
  }
  plan.groups = getGroups(kernel, anchors);
  if (!plan.wholeRows)
    return plan;
  plan.rowOps = getRowOps(kernel, plan.rows);
  Group all;
  all.anchors = plan.anchors;
  for (unsigned i = 0; i < kernel.getNumResults(); ++i)
    all.results.push_back(i);
  plan.groups = {all};
  return plan;
}

FailureOr<KernelPlan> schedule::planKernel(kernel::FuncOp kernel) {
  SmallVector<Operation *> contractions, attentions, scatters;
  Operation *rowOp = nullptr;
  for (Operation &op : kernel.getBody().front()) {
    if (isa<tfm::AttentionOp>(op))
      attentions.push_back(&op);
    else if (isa<tfm::ScatterElementsOp, tfm::ScatterNdOp>(op))
      scatters.push_back(&op);
    else if (getContraction(&op))
      contractions.push_back(&op);
    else if (!rowOp && getSuffixAxis(&op) && !tfm::getElementType(op.getOperand(0)).isF64())
      rowOp = &op;
  }
  if (attentions.size() + scatters.size() + !contractions.empty() > 1)
    return kernel.emitOpError("can't run several of attention, scatter and contraction in one kernel");
  KernelPlan plan;
  if (!attentions.empty() || !scatters.empty()) {
    plan.strategy = attentions.empty() ? Strategy::Scatter : Strategy::Attention;
    plan.anchors = attentions.empty() ? scatters : attentions;
    Value anchor = plan.anchors[0]->getResult(0);
    Dim rows = Dim::product(ArrayRef<Dim>(tfm::getDims(anchor)).drop_back(tfm::getDims(anchor).empty() ? 0 : 1));
    Relations relations(rows);
    relations.set(anchor, Relation::Aligned);
    for (Operation &op : kernel.getBody().front())
      if (&op != plan.anchors[0])
        relations.visit(&op);
    for (Value result : kernel.getBody().front().getTerminator()->getOperands())
      if (relations[result] != Relation::Aligned || (!scatters.empty() && result != anchor))
        return emitError(result.getLoc(), "kernel '")
               << kernel.getSymName() << "': a result that is not computed element by element from "
               << plan.anchors[0]->getName();
    return plan;
  }
  if (!contractions.empty())
    return planContraction(kernel, contractions);
  if (!rowOp)
    return plan;
  // Whole rows where every result is row-wise; else each element on its own, which is slow and always right.
  SmallVector<Dim> dims = tfm::getDims(rowOp->getOperand(0));
  plan.rows = Dim::product(ArrayRef<Dim>(dims).take_front(*getSuffixAxis(rowOp)));
  plan.rowOps = getRowOps(kernel, plan.rows);
  Relations relations(plan.rows);
  for (Operation &op : kernel.getBody().front()) {
    relations.visit(&op);
    if (&op == rowOp)
      relations.set(op.getResult(0), Relation::RowWise);
    else if (llvm::is_contained(plan.rowOps, &op) && relations[op.getResult(0)] == Relation::Independent)
      relations.set(op.getResult(0), Relation::RowWise);
  }
  bool rowWise = true;
  for (Value result : kernel.getBody().front().getTerminator()->getOperands())
    rowWise &= relations[result] != Relation::Unknown && getLeadingDims(result, plan.rows).has_value();
  plan.strategy = rowWise ? Strategy::Rows : Strategy::Map;
  return plan;
}
