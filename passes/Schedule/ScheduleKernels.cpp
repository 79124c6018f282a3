// The schedule phase: a strategy, tile sizes and formulas of tiles and scratch for every kernel.
#include "dialects/Tfm/Formats.h"
#include "passes/Passes.h"
#include "passes/Schedule/Cuda.h"
#include "passes/Schedule/Strategy.h"
#include "llvm/ADT/StringExtras.h"

namespace lathe {
#define GEN_PASS_DEF_SCHEDULEKERNELSPASS
#include "passes/Passes.h.inc"
} // namespace lathe

using namespace mlir;
using namespace lathe;
using namespace lathe::schedule;

namespace {
Dim roundUp(const Dim &value, int64_t multiple) { return Dim(multiple) * Dim::ceildiv(value, multiple); }
/// Bytes of that many f32, as the emitter allots them.
Dim floats(const Dim &count) { return roundUp(count, 16) * Dim(4); }

struct Formulas {
  Dim tiles, scratch;
};

Formulas getContractionFormulas(kernel::FuncOp kernel, const KernelPlan &plan, const TileSizes &sizes,
                                Product product) {
  Contraction first = *getContraction(plan.anchors[0]);
  size_t width = 1; // of the widest group
  for (const Group &group : plan.groups)
    width = std::max(width, group.anchors.size());
  Dim tileRows = Dim::ceildiv(first.m, sizes.tileRows), scratch = 0;
  if (first.activation) // and scales and zero points of the block's rows, and a row
    scratch = scratch + floats(Dim(sizes.blockRows) * roundUp(first.k, kIntegerDepth)) +
              Dim(2) * floats(sizes.blockRows) + floats(first.k);
  else if (!readsLhsInPlace(first, product))
    scratch = scratch + floats(Dim(sizes.blockRows) * roundUp(first.k, getStepDepth(product)));
  if (first.kind != Contraction::Kind::Conv && getReadRows(kernel, plan.rows))
    scratch = scratch + floats(Dim(2) * first.m); // numbers of the rows that are read, of 64 bits
  if (!plan.wholeRows) {
    Dim chunks = 0;
    int64_t packed = 0; // columns in f32
    for (const Group &group : plan.groups) {
      chunks = chunks + Dim::ceildiv(getContraction(group.anchors[0])->n, sizes.tileColumns);
      for (Operation *op : group.anchors) {
        Contraction c = *getContraction(op);
        packed = std::max(packed, isDecoded(c) ? sizes.columns : getPanel(c.rhs) ? 0 : sizes.tileColumns);
      }
    }
    Dim accumulators = floats(sizes.rows * sizes.columns), panels = floats(first.k * Dim(packed));
    return {first.batch * chunks * tileRows,
            scratch + Dim(static_cast<int64_t>(width)) * (packed ? accumulators + panels : accumulators)};
  }
  for (Operation *op : plan.anchors) {
    Contraction c = *getContraction(op);
    Dim columns = roundUp(c.n, sizes.columns);
    scratch = scratch + floats(Dim(sizes.blockRows) * columns);
    if (isDecoded(c))
      scratch = scratch + floats(c.k * Dim(sizes.columns));
    else if (!getPanel(c.rhs))
      scratch = scratch + floats(c.k * columns);
  }
  for (Operation *op : plan.rowOps)
    scratch = scratch + floats(getTrailingSize(op->getOperand(0), *getLeadingDims(op->getOperand(0), plan.rows)));
  return {first.batch * tileRows, scratch};
}

Formulas getAttentionFormulas(tfm::AttentionOp op, const TileSizes &sizes) {
  SmallVector<Dim> q = tfm::getDims(op.getQuery()), k = tfm::getDims(op.getKey()), v = tfm::getDims(op.getValue());
  int64_t heads = op.getHeads(), kvHeads = op.getKvHeads();
  Dim d = q[2].exactDiv(heads).value_or(q[2]), dv = v[2].exactDiv(kvHeads).value_or(v[2]);
  Dim keys = roundUp(k[1], sizes.columns), values = roundUp(dv, sizes.columns);
  Dim scratch = floats(d * keys) + floats(keys * values)             // K transposed, V
                + floats(Dim(sizes.queryRows) * d)                   // queries
                + floats(Dim(sizes.queryRows) * Dim(sizes.keyBlock)) // scores
                + floats(Dim(sizes.queryRows) * values)              // sums
                + Dim(3) * floats(Dim(sizes.queryRows));             // maximum, denominator, seen
  return {q[0] * Dim(heads) * Dim::ceildiv(q[1], sizes.queryRows), scratch};
}

Formulas getFormulas(kernel::FuncOp kernel, const KernelPlan &plan, const TileSizes &sizes, Product product) {
  switch (plan.strategy) {
  case Strategy::Contraction:
    return getContractionFormulas(kernel, plan, sizes, product);
  case Strategy::Attention:
    return getAttentionFormulas(cast<tfm::AttentionOp>(plan.anchors[0]), sizes);
  case Strategy::Scatter:
    return {1, 0};
  case Strategy::Rows: {
    Dim scratch = 0;
    for (Operation *op : plan.rowOps)
      scratch = scratch + floats(getTrailingSize(op->getOperand(0), *getLeadingDims(op->getOperand(0), plan.rows)));
    return {Dim::ceildiv(plan.rows, sizes.tileRows), scratch};
  }
  case Strategy::Map:
    break;
  }
  // Tiles of whole rows of the first result, of about kMapElements; a vector is cut itself.
  SmallVector<Dim> dims = tfm::getDims(kernel.getResultTypes()[0]);
  return {Dim::ceildiv(Dim::product(dims), kMapElements), 0};
}

struct ScheduleKernels : lathe::impl::ScheduleKernelsPassBase<ScheduleKernels> {
  using Base::Base;

  void runOnOperation() override {
    SmallVector<std::string> names(targets.begin(), targets.end());
    if (names.empty())
      names = {"x86-64-v3", "x86-64-v4"};
    for (const std::string &name : names)
      if (!parseCpuTarget(name) && !isCudaTarget(name)) {
        getOperation().emitError("unknown target '")
            << name << "'; hint: " << llvm::join(getCpuTargets(), ", ") << ", cuda:sm_90a";
        return signalPassFailure();
      }
    if (failed(checkPrecision(names)))
      return signalPassFailure();
    SmallVector<kernel::LaunchOp> launches;
    getOperation().walk([&](kernel::LaunchOp launch) { launches.push_back(launch); });
    llvm::StringMap<SmallVector<kernel::LaunchOp>> byKernel;
    for (kernel::LaunchOp launch : launches)
      byKernel[launch.getKernel()].push_back(launch);
    for (auto kernel : getOperation().getOps<kernel::FuncOp>())
      if (failed(scheduleKernel(kernel, byKernel.lookup(kernel.getSymName()), names)))
        return signalPassFailure();
  }

  /// No CPU rounds to tf32.
  LogicalResult checkPrecision(ArrayRef<std::string> names) {
    std::string cpus;
    for (const std::string &name : names)
      if (!isCudaTarget(name))
        cpus += (cpus.empty() ? "" : ", ") + name;
    if (cpus.empty())
      return success();
    bool failed = false, any = false;
    getOperation().walk([&](Operation *op) {
      if (!op->hasAttrOfType<tfm::PrecisionAttr>("precision"))
        return;
      any = true;
      if (allowFallback)
        return;
      op->emitError("expected fp32, fp16 or bf16 on ")
          << cpus << ", got tf32; hint: --precision=fp32, or --allow-fallback to compute in f32 there";
      failed = true;
    });
    auto report = getOperation()->getAttrOfType<ArrayAttr>(tfm::kPrecisionAttr);
    if (failed || !any || !report)
      return failure(failed);
    Builder builder(&getContext());
    SmallVector<Attribute> entries;
    for (auto entry : report.getAsRange<DictionaryAttr>()) {
      NamedAttrList fields(entry);
      if (auto precision = entry.getAs<StringAttr>("precision"); precision && precision.getValue() == "tf32")
        fields.set("why", builder.getStringAttr("f32 on " + cpus));
      entries.push_back(fields.getDictionary(&getContext()));
    }
    getOperation()->setAttr(tfm::kPrecisionAttr, builder.getArrayAttr(entries));
    return success();
  }

  LogicalResult scheduleKernel(kernel::FuncOp kernel, ArrayRef<kernel::LaunchOp> launches,
                               ArrayRef<std::string> names) {
    auto plan = planKernel(kernel);
    if (failed(plan))
      return failure();
    Builder builder(&getContext());
    if (plan->strategy == Strategy::Contraction)
      layOutWeights(kernel, plan->anchors, launches, llvm::any_of(names, isCudaTarget));
    SmallVector<Attribute> schedules;
    for (const std::string &name : names) {
      if (isCudaTarget(name)) {
        auto schedule = scheduleForCuda(kernel, *plan, name);
        if (failed(schedule))
          return failure();
        schedules.push_back(*schedule);
        continue;
      }
      CpuTarget target = *parseCpuTarget(name);
      Product product = getProduct(*plan, target);
      TileSizes sizes = getTileSizes(target, product);
      // To spread a bitmap's integers takes long enough to share it among more rows.
      bool spreads = isInteger(product) &&
                     llvm::any_of(plan->anchors, [](Operation *op) { return isBitmap(*getContraction(op)); });
      if (spreads)
        sizes.blockRows = 128;
      Formulas formulas = getFormulas(kernel, *plan, sizes, product);
      if (!formulas.tiles.isValid() || !formulas.scratch.isValid())
        return kernel.emitOpError("has dimensions whose product is too large");
      SmallVector<NamedAttribute> options{
          builder.getNamedAttr("product", builder.getStringAttr(toString(product))),
          builder.getNamedAttr("strategy", builder.getStringAttr(toString(plan->strategy))),
          getTileAttr(&getContext(), sizes)};
      if (spreads && target.expandsBytes())
        options.push_back(builder.getNamedAttr("expand", builder.getStringAttr("vpexpandb")));
      schedules.push_back(kernel::ScheduleAttr::get(
          &getContext(), builder.getStringAttr(name), tfm::DimsAttr::get(&getContext(), {formulas.tiles}),
          tfm::DimsAttr::get(&getContext(), {formulas.scratch}), builder.getDictionaryAttr(options)));
    }
    kernel.setSchedulesAttr(builder.getArrayAttr(schedules));
    return success();
  }

  /// Panels for weights that nothing else in the kernel reads and that every launch passes as they are stored. Weights
  /// in a format have some where all of the kernel's products are integers', or all are of 16 bits.
  void layOutWeights(kernel::FuncOp kernel, ArrayRef<Operation *> anchors, ArrayRef<kernel::LaunchOp> launches,
                     bool hasCuda) {
    auto isLaidOut = [&](Operation *op) {
      Contraction c = *getContraction(op);
      auto argument = dyn_cast<BlockArgument>(c.rhs);
      if (!argument || c.kind == Contraction::Kind::Conv || tfm::getDims(c.rhs).size() != 2 || !argument.hasOneUse() ||
          !cast<RankedTensorType>(c.rhs.getType()).hasStaticShape())
        return false;
      return !launches.empty() && llvm::all_of(launches, [&](kernel::LaunchOp launch) {
        return launch.getInputs()[argument.getArgNumber()].getDefiningOp<tfm::GetOp>();
      });
    };
    // Devices decode what is behind a bitmap, and have no integers then.
    auto hasCodes = [&](const Contraction &c) {
      return getIntegers(c) && !(hasCuda && tfm::isSparse(tfm::getFormat(c.rhs.getType())));
    };
    bool integers =
        llvm::all_of(anchors, [&](Operation *op) { return isLaidOut(op) && hasCodes(*getContraction(op)); });
    // Devices read rows of 16 bits.
    bool halves = !hasCuda && llvm::all_of(anchors, [&](Operation *op) {
      Contraction c = *getContraction(op);
      return isLaidOut(op) && !c.activation && tfm::getHalfType(c.rhs.getType());
    });
    int64_t depth = integers ? kIntegerDepth : halves ? kHalfDepth : 1;
    for (Operation *op : anchors) {
      Contraction c = *getContraction(op);
      bool isPlain = tfm::getElementType(c.rhs).isF32() && !tfm::getFormat(c.rhs.getType());
      if (isLaidOut(op) && (depth > 1 || isPlain || isUnpackable(c)))
        kernel.setArgAttr(cast<BlockArgument>(c.rhs).getArgNumber(), kernel::kLayoutAttr,
                          kernel::PanelAttr::get(&getContext(), kPanelWidth, c.transposeRhs, depth));
    }
  }

  /// Whether its codes, of whole or half bytes, or what is kept of it can lie in panels.
  static bool isUnpackable(const Contraction &c) {
    return tfm::getPackedCodes(tfm::getFormat(c.rhs.getType())) || isSparse(c) || isBitmap(c);
  }
};
} // namespace
