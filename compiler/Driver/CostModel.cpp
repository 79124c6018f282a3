// A few speeds of each target, and what a kernel's schedule makes of them.
#include "compiler/Driver/CostModel.h"
#include "dialects/Tfm/Formats.h"
#include "dialects/Tfm/Weights.h"
#include "passes/Schedule/Cuda.h"
#include "passes/Schedule/Strategy.h"

using namespace mlir;
using namespace lathe;
using schedule::Contraction;

namespace {
/// 1e9 in a second.
struct Speed {
  double products; // operations of products in f32
  double integers; // of 8-bit codes; `narrow` where a weight's have at most 7 bits
  double narrow;
  double halves;    // of f16 or bf16
  double unpacked;  // elements of weights that lie in panels of codes, and of tables in 8 bits, decoded
  double decoded;   // of others in a format
  double quantized; // elements of rows, quantized
  double bytes;     // from memory
  double launch;    // launches
};
} // namespace

/// Of CPUs by measurement of their kernels on one core, linears of 384 x 1,536; of CUDA devices what their maker
/// says of an A100, at half of the peak: no device has been measured.
static Speed getSpeed(StringRef target) {
  if (schedule::isCudaTarget(target))
    return {9700, 312000, 312000, 156000, 2000, 2000, 2000, 1000, 2e-4};
  if (target == "x86-64-v4")
    return {115, 160, 210, 70, 8, 2, 5, 15, 5e-4};
  return {114, 134, 210, 70, 8, 2, 5, 15, 5e-4};
}

static double getCount(const Dim &dim) { return static_cast<double>(dim.getConstant().value_or(1)); }

/// Of what a kernel reads or writes.
static double getBytes(Value value) {
  return static_cast<double>(tfm::getByteSize(cast<RankedTensorType>(value.getType())).value_or(0));
}

static double getProductSeconds(const Contraction &c, const Speed &speed, int64_t tileRows) {
  double rows = getCount(c.batch) * getCount(c.m), elements = getCount(c.n) * getCount(c.k);
  Attribute format = tfm::getFormat(c.rhs.getType());
  auto integers = dyn_cast_or_null<tfm::IntFormatAttr>(format);
  double rate = speed.products, seconds = 0;
  if (schedule::isInteger(c))
    rate = integers && integers.getBits() < 8 ? speed.narrow : speed.integers;
  else if (!tfm::getElementType(c.lhs).isF32())
    rate = speed.halves;
  if (format && !schedule::isInteger(c)) // each tile decodes what it multiplies by
    seconds += elements * std::ceil(rows / tileRows) / (schedule::isDecoded(c) ? speed.unpacked : speed.decoded);
  if (c.activation)
    seconds += rows * getCount(c.k) / speed.quantized;
  return (seconds + 2 * rows * elements / rate) * 1e-9;
}

FailureOr<double> lathe::predictSeconds(kernel::FuncOp kernel, StringRef target) {
  Speed speed = getSpeed(target);
  int64_t tileRows = 128;
  if (!schedule::isCudaTarget(target)) {
    kernel::ScheduleAttr schedule = kernel.getSchedule(target);
    if (!schedule)
      return kernel.emitOpError("has no schedule for ") << target;
    auto sizes = schedule::readTileSizes(kernel, schedule);
    if (failed(sizes))
      return failure();
    tileRows = sizes->tileRows;
  }
  double work = 0, bytes = 0;
  for (Operation &op : kernel.getBody().front()) {
    if (auto contraction = schedule::getContraction(&op))
      work += getProductSeconds(*contraction, speed, tileRows);
    else if (auto attention = dyn_cast<tfm::AttentionOp>(op)) // at about half of the speed of a product
      work += 4e-9 * getCount(tfm::getDims(attention.getKey())[1]) *
              (getCount(Dim::product(tfm::getDims(attention.getQuery()))) +
               getCount(Dim::product(tfm::getDims(attention.getResult())))) /
              speed.products;
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
  return std::max(work, bytes / speed.bytes * 1e-9) + 1e-9 / speed.launch;
}
