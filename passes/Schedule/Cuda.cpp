// Schedules for CUDA devices.
#include "passes/Schedule/Cuda.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::schedule;

ArrayRef<StringRef> schedule::getCudaTargets() {
  static constexpr StringRef targets[] = {"cuda:sm_80",     "cuda:sm_86",     "cuda:sm_89",  "cuda:sm_90a",
                                          "cuda:sm_100a",   "cuda:sm_120a",   "cuda:source", "cuda-sim",
                                          "cuda-sim:sm_89", "cuda-sim:sm_90a"};
  return targets;
}
bool schedule::isCudaTarget(StringRef target) { return llvm::is_contained(getCudaTargets(), target); }

namespace {
struct Field {
  StringLiteral name;
  int64_t CudaTile::*size;
  int64_t least, most;
};
constexpr Field kFields[] = {
    {"threads", &CudaTile::threads, 32, 1024},
    {"shared", &CudaTile::shared, 0, 232448}, // 227 KiB, the most that any device gives
    {"many", &CudaTile::many, 0, 1 << 20},
    {"parts", &CudaTile::parts, 1, kMostParts},
    {"float8", &CudaTile::float8, 0, 1},
    {"wgmma", &CudaTile::wgmma, 0, 1},
};

struct Formulas {
  Dim blocks = 1, workspace = 0;
};

bool hasWgmma(StringRef target) { return target.ends_with(":sm_90a"); }
bool hasWgmma(StringRef target, Type element) { return hasWgmma(target) && (element.isF16() || element.isBF16()); }
/// Products of small floats.
bool hasFloat8(StringRef target) {
  return llvm::any_of(ArrayRef<StringRef>{":sm_89", ":sm_90a", ":sm_100a", ":sm_120a"},
                      [&](StringRef sm) { return target.ends_with(sm); });
}
/// Of a persistent kernel. Two for tests, so that a block has several tiles.
int64_t getHopperBlocks(StringRef target) { return target == "cuda-sim:sm_90a" ? 2 : kHopperBlocks; }

/// As Device/HopperAttention.h, where its registers suffice; the queries of a tile.
std::optional<int64_t> scheduleHopperAttention(tfm::AttentionOp op, int64_t depth, int64_t width, CudaTile &tile) {
  auto pad = [](int64_t columns) { return columns <= 16 ? 16 : llvm::alignTo(columns, 32); };
  depth = pad(depth), width = pad(width);
  auto scale = static_cast<float>(op.getScale().convertToDouble()),
       softcap = static_cast<float>(op.getSoftcap().convertToDouble());
  bool scaled = op.getBias() || softcap != 0 || !(scale > 0);
  int64_t queries = 128, wide = std::max(depth, width);
  if (scaled && wide > 224)
    return std::nullopt;
  int64_t keys = wide <= 128 && !scaled ? 128 : wide <= 224 ? 64 : 32;
  int64_t rings = 2 * keys * (depth + width) * 2, queryTile = queries * depth * 2;
  tile.wgmma = 1;
  tile.threads = 384;
  tile.shared = rings + (rings + 2 * queryTile <= 221184 ? 2 : 1) * queryTile + 2 * (keys / 32) * 4 + 16 + 16 + 12 * 8;
  return queries;
}

Formulas scheduleContraction(const KernelPlan &plan, StringRef target, CudaTile &tile) {
  Contraction first = *getContraction(plan.anchors[0]);
  SmallVector<SmallVector<Operation *>> groups;
  for (const Group &group : plan.groups)
    groups.emplace_back(group.anchors);
  if (plan.wholeRows) {
    groups.clear();
    for (Operation *op : plan.anchors)
      groups.push_back({op});
  }
  Dim large = 0, small = 0, columns = 0;
  for (ArrayRef<Operation *> anchors : groups) {
    Dim n = getContraction(anchors[0])->n;
    columns = columns + n;
    large = large + first.batch * Dim::ceildiv(first.m, 128) * Dim::ceildiv(n, anchors.size() == 1 ? 128 : 64);
    small = small + first.batch * Dim::ceildiv(first.m, 32) * Dim::ceildiv(n, 64);
  }
  // Small tiles are taken for fewer than `many` large ones, each of which is at most eight of them.
  tile.many = target == "cuda-sim:sm_90a" ? 1 : target.starts_with("cuda-sim") ? 2 : kManyTiles;
  Formulas formulas;
  int64_t buffers = 0; // of eight warps
  for (int64_t length : getRowBuffers(plan))
    buffers += 32 * length;
  Type element = tfm::getElementType(first.lhs);
  auto depth = first.k.getConstant();
  tile.float8 =
      hasFloat8(target) && llvm::all_of(plan.anchors, [](Operation *op) { return isSmallFloat(*getContraction(op)); });
  bool sparse = llvm::any_of(plan.anchors, [](Operation *op) {
    Contraction c = *getContraction(op);
    return isSparse(c) && isDecoded(c);
  });
  bool codes =
      hasWgmma(target) && llvm::all_of(plan.anchors, [](Operation *op) { return isInteger(*getContraction(op)); });
  tile.wgmma = (codes || (hasWgmma(target, element) && !first.activation && !sparse)) && depth && *depth > 0 &&
               buffers <= 64 * 1024;
  tile.shared = tile.wgmma ? kHopperShared : kContractionShared + (first.activation ? kRowScales : 0);
  tile.shared = std::max(tile.shared, buffers);
  if (tile.wgmma) {
    tile.threads = 384;
    large = Dim::min(large, getHopperBlocks(target));
  }
  formulas.blocks = Dim::max(large, Dim::min(small, 8 * (tile.many - 1)));
  // Parts meet in the workspace: rows of sums behind each other, or as many floats as a tile has.
  int64_t bits = isInteger(first) || tile.float8 ? 8 : element.getIntOrFloatBitWidth();
  int64_t steps = depth ? llvm::divideCeil(*depth, 1024 / bits) : kMostParts * kLeastSteps;
  tile.parts = std::clamp<int64_t>(steps / kLeastSteps, 1, kMostParts);
  int64_t most = getShareBlocks(target);
  Dim parts = Dim::min(small * Dim(tile.parts), most);
  if (tile.parts > 1)
    formulas.blocks = Dim::max(formulas.blocks, parts);
  if (plan.wholeRows) {
    Dim sums = first.batch * first.m * columns;
    formulas.workspace = Dim(4) * (Dim::max(sums, Dim::min(sums * Dim(tile.parts), most * 2048)) +
                                   first.batch * Dim::ceildiv(first.m, 32));
  } else if (tile.parts > 1) {
    size_t anchors = 1;
    for (const Group &group : plan.groups)
      anchors = std::max(anchors, group.anchors.size());
    formulas.workspace = Dim(4) * (Dim(most) + parts * Dim(static_cast<int64_t>(2048 * anchors)));
  }
  if (codes && tile.wgmma) // in front, the left side's codes: Device/HopperCodes.h
    formulas.workspace =
        formulas.workspace + Dim(16) + first.m * Dim(static_cast<int64_t>(llvm::alignTo(*depth, 16)) + 16);
  return formulas;
}
} // namespace

SmallVector<int64_t> schedule::getRowBuffers(const KernelPlan &plan) {
  SmallVector<int64_t> lengths;
  int64_t bytes = 0, teams = runsByWarp(plan) ? 8 : 1;
  for (Operation *op : plan.rowOps) {
    Value input = op->getOperand(0);
    auto length = getTrailingSize(input, *getLeadingDims(input, plan.rows)).getConstant();
    if (!length || *length > 16384)
      return {};
    bytes += 4 * *length * teams;
    lengths.push_back(*length);
  }
  return bytes <= 96 * 1024 ? lengths : SmallVector<int64_t>();
}

bool schedule::runsByWarp(const KernelPlan &plan) {
  return plan.strategy != Strategy::Rows || llvm::all_of(plan.rowOps, [&](Operation *op) {
           Value input = op->getOperand(0);
           auto length = getTrailingSize(input, *getLeadingDims(input, plan.rows)).getConstant();
           return !length || *length <= kTeamRow;
         });
}

FailureOr<kernel::ScheduleAttr> schedule::scheduleForCuda(kernel::FuncOp kernel, const KernelPlan &plan,
                                                          StringRef target) {
  CudaTile tile;
  Formulas formulas;
  switch (plan.strategy) {
  case Strategy::Map:
    formulas.blocks = 1;
    for (Type type : kernel.getResultTypes())
      formulas.blocks = Dim::max(formulas.blocks, Dim::ceildiv(Dim::product(tfm::getDims(type)), kCudaMapElements));
    break;
  case Strategy::Rows: {
    bool byWarp = runsByWarp(plan);
    formulas.blocks = byWarp ? Dim::ceildiv(plan.rows, tile.threads / 32) : plan.rows;
    tile.shared = byWarp ? 0 : tile.threads / 32 * 4;
    for (int64_t length : getRowBuffers(plan))
      tile.shared += 4 * length * (byWarp ? tile.threads / 32 : 1);
    break;
  }
  case Strategy::Contraction:
    for (const Group &group : plan.groups)
      if (!plan.wholeRows && group.anchors.size() > 2)
        return group.anchors[2]->emitOpError("is the third product of an epilogue; ")
               << target << " runs two at most; hint: -O1 launches each by itself";
    formulas = scheduleContraction(plan, target, tile);
    break;
  case Strategy::Attention: {
    auto op = cast<tfm::AttentionOp>(plan.anchors[0]);
    SmallVector<Dim> q = tfm::getDims(op.getQuery()), v = tfm::getDims(op.getValue());
    auto d = q[2].exactDiv(static_cast<int64_t>(op.getHeads())),
         dv = v[2].exactDiv(static_cast<int64_t>(op.getKvHeads()));
    auto depth = d ? d->getConstant() : std::nullopt, width = dv ? dv->getConstant() : std::nullopt;
    if (!depth || !width || *depth > kMostHead || *width > kMostHead)
      return op.emitOpError("expected heads of at most ") << kMostHead << " elements for " << target;
    // As Device/Attention.h.
    int64_t element = tfm::getElementType(op.getQuery()).getIntOrFloatBitWidth() / 8;
    int64_t pitchK = llvm::alignTo(*depth * element, 128), pitchV = llvm::alignTo(*width * element, 128);
    int64_t widest = std::max(pitchK, pitchV), warps = widest <= 512 ? 4 : 2;
    int64_t keys = widest <= 256 ? 64 : widest <= 512 ? 32 : 16, queries = 16 * warps;
    int64_t stage = keys * (pitchK + pitchV);
    tile.threads = 32 * warps;
    tile.shared = queries * pitchK + 2 * stage + 4 * warps;
    if (hasWgmma(target, tfm::getElementType(op.getQuery())))
      queries = scheduleHopperAttention(op, *depth, *width, tile).value_or(queries);
    formulas.blocks = q[0] * Dim(static_cast<int64_t>(op.getHeads())) * Dim::ceildiv(q[1], queries);
    if (tile.wgmma)
      formulas.blocks = Dim::min(formulas.blocks, getHopperBlocks(target));
    break;
  }
  case Strategy::Scatter:
    break;
  }
  if (!formulas.blocks.isValid() || !formulas.workspace.isValid())
    return kernel.emitOpError("has dimensions whose product is too large");
  Builder builder(kernel.getContext());
  SmallVector<NamedAttribute> fields;
  for (const Field &field : kFields)
    fields.push_back(builder.getNamedAttr(field.name, builder.getI64IntegerAttr(tile.*field.size)));
  return kernel::ScheduleAttr::get(
      kernel.getContext(), builder.getStringAttr(target), tfm::DimsAttr::get(kernel.getContext(), {formulas.blocks}),
      tfm::DimsAttr::get(kernel.getContext(), {formulas.workspace}),
      builder.getDictionaryAttr({builder.getNamedAttr("strategy", builder.getStringAttr(toString(plan.strategy))),
                                 builder.getNamedAttr("tile", builder.getDictionaryAttr(fields))}));
}

FailureOr<CudaTile> schedule::readCudaTile(kernel::FuncOp kernel, kernel::ScheduleAttr schedule) {
  auto attr = schedule.getOptions().getAs<DictionaryAttr>("tile");
  CudaTile tile;
  for (const Field &field : kFields) {
    auto size = attr ? attr.getAs<IntegerAttr>(field.name) : IntegerAttr();
    if (!size || size.getInt() < field.least || size.getInt() > field.most)
      return kernel.emitOpError("has a schedule for ")
             << schedule.getTarget().getValue() << " whose tile needs a '" << field.name << "' in [" << field.least
             << ", " << field.most << "]; hint: run --lathe-schedule-kernels";
    tile.*field.size = size.getInt();
  }
  return tile;
}
