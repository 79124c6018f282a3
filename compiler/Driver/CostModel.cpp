// A few speeds of each target, and what a kernel's schedule makes of them.
#include "compiler/Driver/CostModel.h"
#include "dialects/Tfm/Formats.h"
#include "dialects/Tfm/Weights.h"
#include "passes/Schedule/Cuda.h"
#include "passes/Schedule/Strategy.h"

using namespace mlir;
using namespace lathe;
using schedule::Contraction;
using schedule::Product;

namespace {
/// 1e9 in a second.
struct Speed {
  double f32, halfWeights, bf16, words, bytes, vnni, amxInt8, amxBf16; // operations of products, by schedule::Product
  double unpacked;  // elements of weights that lie in panels of codes, and of tables in 8 bits, decoded
  double spread;    // of weights behind a bitmap that lie in panels: floats
  double expanded;  // the same: codes that stay integers
  double decoded;   // of others in a format
  double quantized; // elements of rows, quantized
  double memory;    // bytes
  double launch;    // launches

  double get(Product product) const {
    return std::array{f32, halfWeights, bf16, words, bytes, vnni, amxInt8, amxBf16}[static_cast<size_t>(product)];
  }
};
} // namespace

/// Of CPUs by measurement of their kernels on one core, linears of 384 x 1,536; of CUDA devices what their maker
/// says of an A100, at half of the peak: no device has been measured.
static Speed getSpeed(StringRef target) {
  if (schedule::isCudaTarget(target))
    return {9700, 156000, 156000, 312000, 312000, 312000, 312000, 156000, 2000, 2000, 2000, 2000, 2000, 1000, 2e-4};
  if (target == "x86-64-v3")
    return {114, 107, 107, 132, 200, 200, 200, 107, 8, 8, 38, 2, 5, 15, 5e-4};
  double expanded = schedule::parseCpuTarget(target)->expandsBytes() ? 86 : 35;
  return {115, 108, 224, 160, 206, 370, 900, 600, 8, 13, expanded, 2, 5, 15, 5e-4};
}

static double getCount(const Dim &dim) { return static_cast<double>(dim.getConstant().value_or(1)); }

/// Of what a kernel reads or writes.
static double getBytes(Value value) {
  return static_cast<double>(tfm::getByteSize(cast<RankedTensorType>(value.getType())).value_or(0));
}

/// How often a CPU decodes a weight: for each block of rows where it lies in panels, else for each tile.
static double getRounds(const Contraction &c, double rows, const schedule::TileSizes &sizes) {
  return std::ceil(rows / (schedule::isDecoded(c) ? sizes.blockRows : sizes.tileRows));
}

static double getProductSeconds(const Contraction &c, const Speed &speed, Product product,
                                const schedule::TileSizes &sizes) {
  double rows = getCount(c.batch) * getCount(c.m), elements = getCount(c.n) * getCount(c.k), seconds = 0;
  Attribute format = tfm::getFormat(c.rhs.getType());
  bool isInPanels = schedule::isDecoded(c) || tfm::getHalfType(c.rhs.getType());
  if (schedule::isBitmap(c) && isInPanels &&
      (schedule::isInteger(product) || !tfm::getPackedCodes(tfm::getValuesFormat(format))))
    seconds += elements * getRounds(c, rows, sizes) / (schedule::isInteger(product) ? speed.expanded : speed.spread);
  else if (format && !schedule::isInteger(product))
    seconds += elements * getRounds(c, rows, sizes) / (isInPanels ? speed.unpacked : speed.decoded);
  if (c.activation)
    seconds += rows * getCount(c.k) / speed.quantized;
  return (seconds + 2 * rows * elements / speed.get(product)) * 1e-9;
}

/// How a CUDA device multiplies, which the schedule doesn't say.
static Product getCudaProduct(const Contraction &c) {
  auto integers = dyn_cast_or_null<tfm::IntFormatAttr>(tfm::getFormat(c.rhs.getType()));
  if (c.activation && integers)
    return Product::Vnni;
  return tfm::getElementType(c.lhs).isF32() ? Product::F32 : Product::Bf16;
}

FailureOr<double> lathe::predictSeconds(kernel::FuncOp kernel, StringRef target) {
  Speed speed = getSpeed(target);
  schedule::TileSizes sizes{};
  sizes.tileRows = sizes.blockRows = 128;
  Product product = Product::F32;
  if (!schedule::isCudaTarget(target)) {
    kernel::ScheduleAttr schedule = kernel.getSchedule(target);
    if (!schedule)
      return kernel.emitOpError("has no schedule for ") << target;
    auto said = schedule::readTileSizes(kernel, schedule);
    if (failed(said))
      return failure();
    sizes = *said;
    auto plan = schedule::planKernel(kernel);
    if (failed(plan))
      return failure();
    product = schedule::getProduct(*plan, *schedule::parseCpuTarget(target));
  }
  double work = 0, bytes = 0;
  for (Operation &op : kernel.getBody().front()) {
    if (auto contraction = schedule::getContraction(&op))
      work += getProductSeconds(*contraction, speed,
                                schedule::isCudaTarget(target) ? getCudaProduct(*contraction) : product, sizes);
    else if (auto attention = dyn_cast<tfm::AttentionOp>(op)) // at about half of the speed of a product
      work += 4e-9 * getCount(tfm::getDims(attention.getKey())[1]) *
              (getCount(Dim::product(tfm::getDims(attention.getQuery()))) +
               getCount(Dim::product(tfm::getDims(attention.getResult())))) /
              speed.f32;
    auto embedding = dyn_cast<tfm::EmbeddingOp>(op);
    for (Value operand : op.getOperands())
      if (isa<BlockArgument>(operand) && !(embedding && operand == embedding.getTable()))
        bytes += getBytes(operand);
    if (embedding) { // rows of the table, and not all of it
      auto table = cast<RankedTensorType>(embedding.getTable().getType());
      double rows = getCount(Dim::product(tfm::getDims(embedding.getIds())));
      bytes += getBytes(embedding.getTable()) / table.getDimSize(0) * rows;
      auto integers = dyn_cast_or_null<tfm::IntFormatAttr>(tfm::getFormat(table));
      if (tfm::getFormat(table))
        work +=
            rows * table.getDimSize(1) / (integers && integers.getBits() == 8 ? speed.unpacked : speed.decoded) * 1e-9;
    }
  }
  for (Value result : kernel.getBody().front().getTerminator()->getOperands())
    bytes += getBytes(result);
  return std::max(work, bytes / speed.memory * 1e-9) + 1e-9 / speed.launch;
}
