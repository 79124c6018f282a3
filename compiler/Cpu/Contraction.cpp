// The strategy for products of matrices. A tile of the launch is a block of rows by a chunk of columns, or by all of
// them where the epilogue needs whole rows. The lhs is read in place, or packed a block at a time (a prologue, a
// transpose); the rhs lies in panels of columns, as a weight or packed a chunk at a time (a matmul's, an im2col'd
// input). A register tile's accumulators go through a small buffer in L1 to the epilogue, which reads them by an
// override: it costs a store and a load per K multiply-adds, and the tile's code is shared by all kernels.
#include "compiler/Cpu/Packed.h"
#include "compiler/Cpu/Quantized.h"
#include "compiler/Package/Layout.h"
#include "dialects/Tfm/Formats.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::cpu;
using schedule::Contraction;

namespace {
constexpr int64_t kWidth = schedule::kPanelWidth;

class ContractionEmitter {
public:
  ContractionEmitter(Emitter &e) : e(e), first(*schedule::getContraction(e.plan.anchors[0])) {
    for (Operation *op : e.plan.anchors)
      contractions.push_back(*schedule::getContraction(op));
  }
  void emit();

private:
  /// A contraction and where its panels and sums are for the current tile; of integers also the scales of its columns
  /// and the sums of their codes.
  struct Operand {
    Contraction c;
    Value n, panels, buffer, scales = {}, codeSums = {};
  };
  void findScales(Operand &operand);
  /// Whether tiles of so many rows decode as they go: where one has all of them; or two, if an instruction spreads what
  /// a bitmap keeps, as to do that twice costs less than to store it and read it back.
  Value areFew(const Operand &operand, Value rowCount) {
    Attribute values = tfm::getValuesFormat(tfm::getFormat(operand.c.rhs.getType()));
    bool isCheap = integers ? e.target.expandsBytes() && !schedule::isAmx(e.productKind)
                            : e.lanes == kWidth && !tfm::getPackedCodes(values);
    int64_t rows = cpu::getTileRows(e.sizes, getDecodedProduct());
    return e.lessThan(rowCount, e.index((isCheap ? 2 : 1) * rows + 1));
  }
  /// Of tiles that decode panels as they go.
  Product getDecodedProduct() { return e.productKind == Product::AmxInt8 ? Product::Vnni : e.productKind; }
  /// Whether tiles decode panels as they go where there are few of them.
  bool decodesInTile(const Operand &operand) {
    return schedule::isDecoded(operand.c) && !schedule::isSparse(operand.c);
  }
  /// Decodes the panels of a tile's columns, from `column` of the matrix on, where several tiles of rows read them.
  void decodeColumns(const Operand &operand, Value column, Value rowCount);
  /// A tile of the product: rows from `row` of the block that begins at `begin`, columns from `column` of `count`.
  struct Tile {
    Value begin, row, rows, column, count, next; // `next`: the columns after these
    Value rowCount, columnBegin;                 // rows of the block; the matrix' column of column 0
  };
  void emitProduct(const Operand &operand, const Tile &at, Value share, Value target, Value stride);
  /// What belongs to columns of integers.
  struct Column {
    Value scales, codeSums;
  };
  Column loadColumn(const Operand &operand, const Index &column);
  Value loadSums(Value memory, const Index &flat, Value position, const Column &column);
  int64_t getTileRows() { return cpu::getTileRows(e.sizes, e.productKind); }
  void forTiles(Value rowCount, llvm::function_ref<void(Value begin, Value count)> body);
  void packRow(Value batch, Value row, Value position);
  void emitColumns(const schedule::Group &group, Value tileOffset, Value tileCount);
  void emitQuantizedColumns();
  std::vector<Operand> getOperands(const schedule::Group &group);
  Value getColumns(const Contraction &c, Value column);
  void emitWholeRows();
  /// For each run of tiles with one job (batch, chunk): its number and its rows.
  void forJobs(Value begin, Value end, llvm::function_ref<void(Value job, Value rowBegin, Value rowEnd)> body);
  void packPanels(const Contraction &c, Value batch, Value columnBegin, Value columnCount, Value panels);
  /// Blocks of those rows [begin, end) of a batch that are read. Their positions are the rows' own numbers, or count
  /// the rows that are read: getRow() tells.
  void forRowBlocks(Value batch, Value begin, Value end, llvm::function_ref<void(Value begin, Value count)> body);
  Value getRow(Value position) {
    return readRows ? e.load(e.i64(), e.elementPtr(readNumbers, e.i64(), position)) : position;
  }
  Value getRows(Value batch, Value begin, Value count);
  Value getShare(Value rowCount);
  void emitBlock(MutableArrayRef<Operand> operands, const schedule::Group &group, Value batch, Value rowBegin,
                 Value rowCount, Value columnBegin, Value columnEnd);
  void emitEpilogue(ArrayRef<Operand> operands, const schedule::Group &group, Value batch, Value rowBegin,
                    Value rowCount, Value columnBegin, Value columnCount);
  Value getN(const Contraction &c);
  Value evaluateLhs(Value batch, Value row, const Index &k);
  Value evaluateRhs(const Contraction &c, Value batch, Value k, const Index &column);
  Indices getResultIndices(const Contraction &c, Value batch, Value row, const Index &column);
  Value addBias(const Contraction &c, Value sum, ArrayRef<Index> indices);

  Emitter &e;
  Contraction first;
  std::vector<Contraction> contractions;
  Value batches, rows, depth, packedRows;
  BlockArgument readRows;                          // or null: all are
  Value readNumbers;                               // of the current job's rows that are read
  Value lhs;                                       // of the current row block
  Value steps;                                     // of the sum over K
  Value rowStride;                                 // bytes between rows of the lhs
  bool integers = false;                           // the lhs' codes meet the weights' own
  Value blockBegin, rowScales, rowZeros, floatRow; // of a quantized lhs
};
} // namespace

Value ContractionEmitter::getN(const Contraction &c) {
  Values dims = e.getDims(c.op->getResult(0));
  if (c.kind == Contraction::Kind::Conv)
    return e.product(ArrayRef<Value>(dims).drop_front(2));
  return dims.back();
}

/// A convolution's batch is image * groups + group.
static Value getGroups(Emitter &e, const Contraction &c) {
  return e.index(static_cast<int64_t>(cast<tfm::ConvOp>(c.op).getGroups()));
}

Indices ContractionEmitter::getResultIndices(const Contraction &c, Value batch, Value row, const Index &column) {
  Values dims = e.getDims(c.op->getResult(0));
  ArrayRef<Value> sizes(dims);
  Indices at;
  if (c.kind == Contraction::Kind::Conv) {
    Value groups = getGroups(e, c);
    at.push_back(e.uniform(e.div(batch, groups)));
    at.push_back(e.uniform(e.add(e.mul(e.rem(batch, groups), rows), row)));
    at.append(e.delinearize(column, sizes.drop_front(2)));
    return at;
  }
  if (first.batch == Dim(1)) {
    at = e.delinearize(e.uniform(row), sizes.drop_back());
  } else {
    at = e.delinearize(e.uniform(batch), sizes.drop_back(2));
    at.push_back(e.uniform(row));
  }
  at.push_back(column);
  return at;
}

Value ContractionEmitter::evaluateLhs(Value batch, Value row, const Index &k) {
  SmallVector<Dim> dims = tfm::getDims(first.lhs);
  Values sizes = e.getDims(first.lhs);
  Indices at;
  if (first.kind == Contraction::Kind::Conv) {
    at.push_back(e.uniform(e.add(e.mul(e.rem(batch, getGroups(e, first)), rows), row)));
    at.append(e.delinearize(k, ArrayRef<Value>(sizes).drop_front()));
  } else if (first.batch == Dim(1) && !first.transposeLhs) {
    at = e.delinearize(e.uniform(row), ArrayRef<Value>(sizes).drop_back());
    at.push_back(k);
  } else {
    Values result = e.getDims(first.op->getResult(0));
    Indices outer = e.delinearize(e.uniform(batch), ArrayRef<Value>(result).drop_back(2));
    for (size_t d = 0; d + 2 < dims.size(); ++d)
      at.push_back(dims[d] == Dim(1) ? e.uniform(0) : outer[outer.size() + 2 - dims.size() + d]);
    at.push_back(first.transposeLhs ? k : e.uniform(row));
    at.push_back(first.transposeLhs ? e.uniform(row) : k);
  }
  return e.evaluateWide(first.lhs, at);
}

Value ContractionEmitter::evaluateRhs(const Contraction &c, Value batch, Value k, const Index &column) {
  if (c.kind == Contraction::Kind::Conv) {
    Value groups = getGroups(e, c);
    return e.widen(
        e.evaluateTap(cast<tfm::ConvOp>(c.op), e.uniform(e.div(batch, groups)), e.rem(batch, groups), k, column));
  }
  SmallVector<Dim> dims = tfm::getDims(c.rhs);
  Indices at;
  if (dims.size() > 2) {
    Values result = e.getDims(c.op->getResult(0));
    Indices outer = e.delinearize(e.uniform(batch), ArrayRef<Value>(result).drop_back(2));
    for (size_t d = 0; d + 2 < dims.size(); ++d)
      at.push_back(dims[d] == Dim(1) ? e.uniform(0) : outer[outer.size() + 2 - dims.size() + d]);
  }
  at.push_back(c.transposeRhs ? column : e.uniform(k));
  at.push_back(c.transposeRhs ? e.uniform(k) : column);
  return e.evaluateWide(c.rhs, at);
}

Value ContractionEmitter::addBias(const Contraction &c, Value sum, ArrayRef<Index> indices) {
  if (auto linear = dyn_cast<tfm::LinearOp>(c.op); linear && linear.getBias())
    sum = e.addf(sum, e.evaluateWide(linear.getBias(), indices.take_back(1)));
  if (auto conv = dyn_cast<tfm::ConvOp>(c.op); conv && conv.getBias())
    sum = e.addf(sum, e.evaluateWide(conv.getBias(), indices[1]));
  return e.narrow(sum, tfm::getElementType(c.op->getResult(0)));
}

void ContractionEmitter::packPanels(const Contraction &c, Value batch, Value columnBegin, Value columnCount,
                                    Value panels) {
  Value vectors = e.div(e.roundUp(columnCount, kWidth), e.lanes);
  e.loop(e.index(0), vectors, 1, [&](Value v) {
    Value column = e.mul(v, e.lanes);
    Value panel = e.elementPtr(panels, e.f32(), e.mul(e.mul(e.div(column, kWidth), depth), kWidth));
    Value target = e.elementPtr(panel, e.f32(), e.rem(column, kWidth));
    auto pack = [&] {
      e.loop(e.index(0), depth, 1, [&](Value k) {
        Value x = e.broadcast(evaluateRhs(c, batch, k, e.lane(e.add(columnBegin, column), e.lanes)));
        Value inside = e.masked(x, e.constant(x, 0)), outer = std::exchange(e.mask, Value());
        e.storeVector(inside, e.elementPtr(target, e.f32(), e.mul(k, kWidth)));
        e.mask = outer;
      });
    };
    Value rest = e.sub(columnCount, column);
    Value whole = e.lessThan(e.index(e.lanes - 1), rest);
    e.ifThen(whole, pack);
    e.ifThen(e.logicalNot(whole), [&] {
      e.mask = e.laneMask(rest);
      pack();
      e.mask = Value();
    });
  });
}

void ContractionEmitter::forRowBlocks(Value batch, Value begin, Value end,
                                      llvm::function_ref<void(Value, Value)> body) {
  Value count = e.sub(end, begin);
  if (readRows) {
    count = e.loop(begin, end, 1, e.index(0), [&](Value row, ValueRange read) {
      e.store(row, e.elementPtr(readNumbers, e.i64(), read[0]));
      return Values{e.select(e.isRead(readRows, e.add(e.mul(batch, rows), row)), e.add(read[0], 1), read[0])};
    })[0];
    begin = e.index(0);
  }
  e.loop(e.index(0), count, e.sizes.blockRows,
         [&](Value block) { body(e.add(begin, block), e.min(e.sub(count, block), e.index(e.sizes.blockRows))); });
}

/// Where the rows of the lhs lie, `rowStride` apart: in place, or in scratch after packing them.
Value ContractionEmitter::getRows(Value batch, Value begin, Value count) {
  if (schedule::readsLhsInPlace(first, e.productKind)) {
    Value row = readRows ? e.index(0) : begin;
    if (first.kind == Contraction::Kind::Conv) {
      row = e.add(e.mul(e.rem(batch, getGroups(e, first)), rows), row);
    } else if (first.batch != Dim(1)) {
      SmallVector<Dim> dims = tfm::getDims(first.lhs);
      Values sizes = e.getDims(first.lhs), result = e.getDims(first.op->getResult(0));
      Indices outer = e.delinearize(e.uniform(batch), ArrayRef<Value>(result).drop_back(2)), at;
      for (size_t d = 0; d + 2 < dims.size(); ++d)
        at.push_back(dims[d] == Dim(1) ? e.uniform(0) : outer[outer.size() + 2 - dims.size() + d]);
      at.push_back(e.uniform(row));
      row = e.linearize(at, ArrayRef<Value>(sizes).drop_back()).value;
    }
    Value base = e.getOperand(schedule::getMemory(first.lhs).getArgNumber());
    return e.bytePtr(base, e.mul(row, rowStride));
  }
  blockBegin = begin;
  e.loop(e.index(0), count, 1, [&](Value i) { packRow(batch, getRow(e.add(begin, i)), i); });
  return packedRows;
}

/// Puts a row at a position of the packed ones: as it is, quantized and in f32 again, or as codes.
void ContractionEmitter::packRow(Value batch, Value row, Value position) {
  auto load = [&](Value k) { return e.broadcast(evaluateLhs(batch, row, e.lane(k, e.lanes))); };
  Type type = getRowType(e, e.productKind);
  Value target = e.bytePtr(packedRows, e.mul(position, rowStride));
  if (!first.activation) {
    // What lies behind the row meets zeros of the panel, and must not be infinite.
    for (int64_t k = *e.getConstant(e.sub(e.mul(steps, getStepDepth(e.productKind)), depth)); k > 0; --k)
      e.store(e.constant(type, 0), e.elementPtr(target, type, e.add(depth, k - 1)));
    return e.forLanes(depth, [&](Value k) {
      Value x = load(k);
      e.storeElements(e.narrow(x, type), target, type, e.lane(k));
    });
  }
  Value kept = schedule::getMemory(first.lhs) ? Value() : floatRow;
  if (integers) {
    auto [scale, zero] = quantizeRow(e, first.activation, depth, kept, load, [&](Value k, Value codes) {
      // What lies behind the row is written over by the next one's, or multiplied by 0.
      e.storeVector(e.make<arith::TruncIOp>(e.vec(type), codes), e.elementPtr(target, type, k));
    });
    e.store(scale, e.elementPtr(rowScales, e.f32(), position));
    e.store(e.make<arith::FPToSIOp>(e.i32(), zero), e.elementPtr(rowZeros, e.i32(), position));
    return;
  }
  auto [scale, zero] = quantizeRow(e, first.activation, depth, floatRow, load, [&](Value k, Value codes) {
    if (!isa<FloatType>(getElementTypeOrSelf(codes.getType())))
      codes = e.make<arith::SIToFPOp>(e.vec(e.f32()), codes);
    e.storeVector(codes, e.elementPtr(floatRow, e.f32(), k));
  });
  e.forLanes(depth, [&, scale = scale, zero = zero](Value k) {
    Value codes = e.loadVector(e.f32(), e.elementPtr(floatRow, e.f32(), k));
    e.storeVector(e.mulf(e.subf(codes, zero), scale), e.elementPtr(target, e.f32(), k));
  });
}

/// The columns' scales and sums of codes, which lie behind the panels.
void ContractionEmitter::findScales(Operand &operand) {
  Value columns = e.roundUp(operand.n, kWidth);
  Value base = e.getOperand(cast<BlockArgument>(operand.c.rhs).getArgNumber());
  if (schedule::isBitmap(operand.c)) {
    auto type = cast<RankedTensorType>(operand.c.rhs.getType());
    package::BitmapPanels at = package::getBitmapPanels(type, schedule::getPanel(operand.c.rhs));
    operand.scales = e.bytePtr(base, e.index(tfm::getFormatLayout(at.tensor)->scales));
    operand.codeSums = e.bytePtr(base, e.index(at.sums));
    return;
  }
  operand.scales = e.elementPtr(base, e.f32(), e.mul(columns, steps));
  operand.codeSums = e.elementPtr(operand.scales, e.f32(), columns);
}

ContractionEmitter::Column ContractionEmitter::loadColumn(const Operand &operand, const Index &column) {
  if (!integers)
    return {};
  return {e.loadElements(operand.scales, e.f32(), column), e.loadElements(operand.codeSums, e.i32(), column)};
}

/// Sums at an element of memory, finished: of integers without the zero point's part, and scaled. `position` is the
/// row's among the packed ones.
Value ContractionEmitter::loadSums(Value memory, const Index &flat, Value position, const Column &column) {
  if (!integers)
    return e.loadElements(memory, e.f32(), flat);
  Value sums = e.loadElements(memory, e.i32(), flat);
  Value zero = e.load(e.i32(), e.elementPtr(rowZeros, e.i32(), position));
  sums = e.binary<arith::SubIOp>(sums, e.binary<arith::MulIOp>(column.codeSums, zero));
  Value value = e.make<arith::SIToFPOp>(Elements::isVector(sums) ? Type(e.vec(e.f32())) : e.f32(), sums);
  value = e.mulf(value, e.load(e.f32(), e.elementPtr(rowScales, e.f32(), position)));
  return e.mulf(value, column.scales);
}

void ContractionEmitter::forJobs(Value begin, Value end, llvm::function_ref<void(Value, Value, Value)> body) {
  Value tiles = e.max(e.ceilDiv(rows, e.sizes.tileRows), e.index(1));
  Value lastJob = e.div(e.add(end, e.sub(tiles, e.index(1))), tiles);
  e.loop(e.div(begin, tiles), lastJob, 1, [&](Value job) {
    Value base = e.mul(job, tiles);
    Value from = e.max(e.sub(begin, base), e.index(0)), to = e.min(e.sub(end, base), tiles);
    body(job, e.mul(from, e.sizes.tileRows), e.min(e.mul(to, e.sizes.tileRows), rows));
  });
}

/// What a row of a block asks for of the next tile's columns, per step of K, in 1/256 bytes. The tiles of a block that
/// read the same columns share the next ones out among them: those come at the rate at which these are used up.
Value ContractionEmitter::getShare(Value rowCount) {
  return e.div(e.index(256 * e.sizes.columns * sizeof(float)), rowCount);
}

/// Puts the sums at `target`, rows `stride` apart, and asks for the columns from `next` on.
void ContractionEmitter::emitProduct(const Operand &operand, const Tile &at, Value share, Value target, Value stride) {
  bool decodes = schedule::isDecoded(operand.c);
  Value panels = decodes ? operand.panels : e.elementPtr(operand.panels, e.f32(), e.mul(at.column, steps));
  Value panelStride, ahead, aheadStep;
  // Past the last panel, its columns once more: nothing reads those sums.
  if (e.sizes.columns > kWidth)
    panelStride = e.select(e.lessThan(e.add(at.column, kWidth), at.count), e.mul(steps, kWidth), e.index(0));
  if (schedule::getPanel(operand.c.rhs) && !decodes) {
    ahead = e.elementPtr(operand.panels, e.f32(), e.mul(at.next, steps));
    ahead = e.bytePtr(ahead, e.div(e.mul(e.mul(at.row, share), steps), 256));
    aheadStep = e.ceilDiv(e.mul(at.rows, share), 256);
  } else if (decodes && schedule::isBitmap(operand.c)) {
    auto [begin, bytes] = findKept(e, cast<BlockArgument>(operand.c.rhs), e.add(at.columnBegin, at.next));
    ahead = e.bytePtr(begin, e.div(e.mul(at.row, bytes), at.rowCount));
    aheadStep = e.div(e.mul(at.rows, bytes), e.mul(at.rowCount, steps));
  }
  bool picks = readRows && schedule::readsLhsInPlace(first, e.productKind);
  GemmTile tile{picks ? lhs : e.bytePtr(lhs, e.mul(at.row, rowStride)), rowStride, panels, steps, target, stride};
  tile.panelStride = panelStride;
  tile.rows = picks ? e.elementPtr(readNumbers, e.i64(), e.add(at.begin, at.row)) : Value();
  if (e.productKind == Product::HalfWeights)
    tile.half = tfm::getHalfType(operand.c.rhs.getType());
  tile.ahead = ahead, tile.aheadStep = aheadStep;
  auto multiply = [&] {
    tile.product = e.productKind;
    emitGemm(e, at.rows, e.sizes.columns, tile, false);
  };
  if (!decodesInTile(operand))
    return multiply();
  // In the tile, where no other one, or hardly, has use for the decoded panels.
  Value isFew = areFew(operand, at.rowCount);
  e.ifThen(isFew, [&] {
    tile.product = getDecodedProduct();
    emitPackedGemm(e, cast<BlockArgument>(operand.c.rhs), e.add(at.columnBegin, at.column), at.rows, tile);
  });
  e.ifThen(e.logicalNot(isFew), multiply);
}

void ContractionEmitter::decodeColumns(const Operand &operand, Value column, Value rowCount) {
  if (!schedule::isDecoded(operand.c))
    return;
  auto decode = [&] { decodePanels(e, cast<BlockArgument>(operand.c.rhs), depth, column, operand.panels); };
  if (!decodesInTile(operand))
    return decode();
  e.ifThen(e.logicalNot(areFew(operand, rowCount)), decode);
}

/// Cuts a block's rows into register tiles: of one size, or of the processor's own.
void ContractionEmitter::forTiles(Value rowCount, llvm::function_ref<void(Value begin, Value count)> body) {
  if (!schedule::isAmx(e.productKind))
    return forRowTiles(e, rowCount, getTileRows(), body);
  e.loop(e.index(0), rowCount, getTileRows(),
         [&](Value row) { body(row, e.min(e.sub(rowCount, row), e.index(getTileRows()))); });
}

/// Computes rows [rowBegin, rowBegin + rowCount) by columns [columnBegin, columnEnd), panels and lhs being in place.
void ContractionEmitter::emitBlock(MutableArrayRef<Operand> operands, const schedule::Group &group, Value batch,
                                   Value rowBegin, Value rowCount, Value columnBegin, Value columnEnd) {
  int64_t columns = e.sizes.columns;
  Value count = e.sub(columnEnd, columnBegin), share = getShare(rowCount);
  e.loop(e.index(0), count, columns, [&](Value column) {
    for (const Operand &operand : operands)
      decodeColumns(operand, e.add(columnBegin, column), rowCount);
    forTiles(rowCount, [&](Value row, Value tileRows) {
      for (Operand &operand : operands)
        emitProduct(operand, {rowBegin, row, tileRows, column, count, e.add(column, columns), rowCount, columnBegin},
                    share, operand.buffer, e.index(columns));
      Value tileColumns = e.min(e.sub(count, column), e.index(columns));
      emitEpilogue(operands, group, batch, e.add(rowBegin, row), tileRows, e.add(columnBegin, column), tileColumns);
    });
  });
}

void ContractionEmitter::emitEpilogue(ArrayRef<Operand> operands, const schedule::Group &group, Value batch,
                                      Value rowBegin, Value rowCount, Value columnBegin, Value columnCount) {
  auto n = e.getConstant(operands[0].n);
  bool whole = n && *n % e.sizes.columns == 0;
  // Rows inside columns, so that what belongs to a column is loaded once.
  using Body = llvm::function_ref<void(Value)>;
  auto emitRows = [&](llvm::function_ref<void(Body)> forRows) {
    auto emitVector = [&](Value position) {
      Index column = e.lane(e.add(columnBegin, position), e.lanes);
      std::vector<Column> columns;
      for (const Operand &operand : operands) {
        columns.push_back(loadColumn(operand, column));
        if (auto linear = dyn_cast<tfm::LinearOp>(operand.c.op); linear && linear.getBias())
          e.evaluate(linear.getBias(), column); // which is remembered
      }
      forRows([&](Value i) {
        Value packed = integers ? e.sub(e.add(rowBegin, i), blockBegin) : Value();
        Index place = e.lane(e.add(e.mul(i, e.sizes.columns), position));
        for (auto [operand, here] : llvm::zip_equal(operands, columns)) {
          const Operand *of = &operand;
          e.override(of->c.op->getResult(0), [=, here = here](ArrayRef<Index> indices) {
            return addBias(of->c, loadSums(of->buffer, place, packed, here), indices);
          });
        }
        Indices at = getResultIndices(operands[0].c, batch, getRow(e.add(rowBegin, i)), column);
        for (unsigned result : group.results)
          e.storeResult(result, e.evaluate(e.getResults()[result], at), at);
      });
    };
    if (whole) {
      for (int64_t position = 0; position < e.sizes.columns; position += e.lanes)
        emitVector(e.index(position));
    } else {
      e.forLanes(columnCount, emitVector);
    }
  };
  // Tiles have one of two sizes, mostly. Those run straight through: a loop of so few rows would mispredict its end.
  int64_t rows = getTileRows(), unrolled = group.anchors.size() * group.results.size() == 1 ? 2 : 0;
  if (rows > 8 || !whole)
    unrolled = 0;
  std::function<void(int64_t)> choose = [&](int64_t skipped) {
    if (skipped == unrolled)
      return emitRows([&](Body body) { e.loop(e.index(0), rowCount, 1, body); });
    Value full = e.equal(rowCount, e.index(rows - skipped));
    e.ifThen(full, [&] {
      emitRows([&](Body body) {
        for (int64_t i = 0; i < rows - skipped; ++i)
          body(e.index(i));
      });
    });
    e.ifThen(e.logicalNot(full), [&] { choose(skipped + 1); });
  };
  choose(0);
  for (const Operand &operand : operands)
    e.overrides.erase(operand.c.op->getResult(0).getAsOpaquePointer());
}

/// A group's contractions, with buffers for their sums and for panels that are decoded.
std::vector<ContractionEmitter::Operand> ContractionEmitter::getOperands(const schedule::Group &group) {
  std::vector<Operand> operands;
  for (Operation *op : group.anchors) {
    Operand operand{*schedule::getContraction(op), {}, {}, {}};
    operand.n = getN(operand.c);
    operands.push_back(operand);
  }
  for (Operand &operand : operands)
    operand.buffer = e.takeScratch(e.index(e.sizes.rows * e.sizes.columns));
  return operands;
}

/// The panels of a weight, from a column on.
Value ContractionEmitter::getColumns(const Contraction &c, Value column) {
  Value base = e.getOperand(cast<BlockArgument>(c.rhs).getArgNumber());
  return e.elementPtr(base, e.f32(), e.mul(column, steps));
}

void ContractionEmitter::emitColumns(const schedule::Group &group, Value tileOffset, Value tileCount) {
  std::vector<Operand> operands = getOperands(group);
  Value begin = e.max(e.sub(e.tileBegin, tileOffset), e.index(0));
  Value end = e.min(e.sub(e.tileEnd, tileOffset), tileCount);
  Value chunks = e.max(e.ceilDiv(operands[0].n, e.sizes.tileColumns), e.index(1));
  Values packedPanels;
  for (Operand &operand : operands) {
    if (schedule::isDecoded(operand.c))
      operand.panels = e.takeScratch(e.mul(depth, e.sizes.columns));
    packedPanels.push_back(schedule::getPanel(operand.c.rhs) ? Value()
                                                             : e.takeScratch(e.mul(depth, e.sizes.tileColumns)));
  }
  e.ifThen(e.lessThan(begin, end), [&] {
    forJobs(begin, end, [&](Value job, Value rowBegin, Value rowEnd) {
      Value batch = e.div(job, chunks), chunk = e.rem(job, chunks);
      Value columnBegin = e.mul(chunk, e.sizes.tileColumns);
      Value columnEnd = e.min(e.add(columnBegin, e.sizes.tileColumns), operands[0].n);
      for (auto [operand, target] : llvm::zip_equal(operands, packedPanels)) {
        if (schedule::isDecoded(operand.c))
          continue;
        operand.panels = target;
        if (target)
          packPanels(operand.c, batch, columnBegin, e.sub(columnEnd, columnBegin), target);
        else
          operand.panels = getColumns(operand.c, columnBegin);
      }
      forRowBlocks(batch, rowBegin, rowEnd, [&](Value begin, Value count) {
        lhs = getRows(batch, begin, count);
        emitBlock(operands, group, batch, begin, count, columnBegin, columnEnd);
      });
    });
  });
}

/// Tiles: batch, block of rows, chunk of columns of all groups, rows. A block's rows are quantized once for all columns
/// that are computed here.
void ContractionEmitter::emitQuantizedColumns() {
  std::vector<std::pair<std::vector<Operand>, Value>> groups; // and its chunks
  Value chunks = e.index(0), scratch = e.scratchNext;
  for (const schedule::Group &group : e.plan.groups) {
    e.scratchNext = scratch; // groups don't run at once
    std::vector<Operand> operands = getOperands(group);
    for (Operand &operand : operands) {
      if (schedule::isDecoded(operand.c))
        operand.panels = e.takeScratch(e.mul(depth, e.sizes.columns));
      if (integers)
        findScales(operand);
    }
    Value count = e.max(e.ceilDiv(operands[0].n, e.sizes.tileColumns), e.index(1));
    groups.emplace_back(std::move(operands), count);
    chunks = e.add(chunks, count);
  }
  Value rowTiles = e.max(e.ceilDiv(rows, e.sizes.tileRows), e.index(1)), perBatch = e.mul(rowTiles, chunks);
  int64_t perBlock = std::max<int64_t>(e.sizes.blockRows / e.sizes.tileRows, 1);
  Value blockTiles = e.mul(chunks, perBlock);
  auto ceilDiv = [&](Value a, Value c) { return e.div(e.add(a, e.sub(c, e.index(1))), c); };
  auto emitPiece = [&](Value batch, Value rowBegin, Value rowEnd, Value chunkBegin, Value chunkEnd) {
    forRowBlocks(batch, rowBegin, rowEnd, [&](Value begin, Value count) {
      lhs = getRows(batch, begin, count);
      Value offset = e.index(0);
      for (auto [group, entry] : llvm::zip_equal(e.plan.groups, groups)) {
        auto &[operands, groupChunks] = entry;
        Value from = e.max(e.sub(chunkBegin, offset), e.index(0));
        Value to = e.min(e.sub(chunkEnd, offset), groupChunks);
        offset = e.add(offset, groupChunks);
        std::vector<Operand> here = operands;
        Value columnBegin = e.mul(from, e.sizes.tileColumns);
        Value columnEnd = e.min(e.mul(to, e.sizes.tileColumns), here[0].n);
        const schedule::Group &which = group;
        e.ifThen(e.lessThan(from, to), [&] {
          for (Operand &operand : here)
            if (schedule::getPanel(operand.c.rhs) && !schedule::isDecoded(operand.c))
              operand.panels = getColumns(operand.c, columnBegin);
          emitBlock(here, which, batch, begin, count, columnBegin, columnEnd);
        });
      }
    });
  };
  e.loop(e.div(e.tileBegin, perBatch), ceilDiv(e.tileEnd, perBatch), 1, [&](Value batch) {
    Value base = e.mul(batch, perBatch);
    Value from = e.max(e.sub(e.tileBegin, base), e.index(0)), to = e.min(e.sub(e.tileEnd, base), perBatch);
    e.loop(e.div(from, blockTiles), ceilDiv(to, blockTiles), 1, [&](Value block) {
      Value tiles = e.mul(block, blockTiles), firstRow = e.mul(block, perBlock);
      Value count = e.min(e.sub(rowTiles, firstRow), e.index(perBlock)); // of tiles of rows in the block
      Value end = e.min(e.sub(to, tiles), e.mul(count, chunks));
      // A part of a chunk's rows, then whole chunks, then a part again.
      e.loop(e.index(0), e.index(3), 1, {e.max(e.sub(from, tiles), e.index(0))}, [&](Value, ValueRange state) {
        Value at = state[0], chunk = e.div(at, count), row = e.rem(at, count);
        Value isWhole = e.logicalAnd(e.equal(row, e.index(0)), e.lessThan(e.sub(e.add(at, count), e.index(1)), end));
        Value chunkEnd = e.select(isWhole, e.div(end, count), e.add(chunk, 1));
        Value rowEnd = e.select(isWhole, count, e.min(e.add(row, e.sub(end, at)), count));
        e.ifThen(e.lessThan(at, end), [&] {
          emitPiece(batch, e.mul(e.add(firstRow, row), e.sizes.tileRows),
                    e.min(e.mul(e.add(firstRow, rowEnd), e.sizes.tileRows), rows), chunk, chunkEnd);
        });
        Value next = e.select(isWhole, e.mul(chunkEnd, count), e.add(at, e.sub(rowEnd, row)));
        return Values{e.select(e.lessThan(at, end), next, at)};
      });
    });
  });
}

void ContractionEmitter::emitWholeRows() {
  std::vector<Operand> operands;
  for (const Contraction &c : contractions) {
    Operand operand{c, getN(c), {}, {}};
    Value columns = e.roundUp(operand.n, e.sizes.columns);
    operand.buffer = e.takeScratch(e.mul(columns, e.sizes.blockRows));
    auto argument = dyn_cast<BlockArgument>(c.rhs);
    operand.panels = schedule::isDecoded(c)      ? e.takeScratch(e.mul(depth, e.sizes.columns))
                     : schedule::getPanel(c.rhs) ? e.getOperand(argument.getArgNumber())
                                                 : e.takeScratch(e.mul(depth, columns));
    if (integers)
      findScales(operand);
    operands.push_back(operand);
  }
  Values rowBuffers = takeRowBuffers(e);
  forJobs(e.tileBegin, e.tileEnd, [&](Value batch, Value rowBegin, Value rowEnd) {
    for (Operand &operand : operands)
      if (!schedule::getPanel(operand.c.rhs))
        packPanels(operand.c, batch, e.index(0), operand.n, operand.panels);
    forRowBlocks(batch, rowBegin, rowEnd, [&](Value blockBegin, Value count) {
      lhs = getRows(batch, blockBegin, count);
      Value share = getShare(count);
      for (Operand &operand : operands) {
        Value stride = e.roundUp(operand.n, e.sizes.columns);
        e.loop(e.index(0), operand.n, e.sizes.columns, [&](Value column) {
          // After the last columns come the first ones again, for the next block of rows.
          Value next = e.add(column, e.sizes.columns);
          next = e.select(e.lessThan(next, operand.n), next, e.index(0));
          decodeColumns(operand, column, count);
          forTiles(count, [&](Value row, Value tileRows) {
            emitProduct(operand, {blockBegin, row, tileRows, column, operand.n, next, count, e.index(0)}, share,
                        e.elementPtr(operand.buffer, e.f32(), e.add(e.mul(row, stride), column)), stride);
          });
        });
      }
      e.loop(e.index(0), count, 1, [&](Value i) {
        for (const Operand &operand : operands) {
          Value result = operand.c.op->getResult(0), stride = e.roundUp(operand.n, e.sizes.columns);
          size_t leading = *schedule::getLeadingDims(result, e.plan.rows);
          e.override(result, [=](ArrayRef<Index> indices) {
            Values dims = e.getDims(result);
            Index place = e.linearize(indices.drop_front(leading), ArrayRef<Value>(dims).drop_front(leading));
            Index flat = e.add(e.uniform(e.mul(i, stride)), place);
            return addBias(operand.c, loadSums(operand.buffer, flat, i, loadColumn(operand, place)), indices);
          });
        }
        emitRow(e, rowBuffers, e.add(e.mul(batch, rows), getRow(e.add(blockBegin, i))));
        for (const Operand &operand : operands)
          e.overrides.erase(operand.c.op->getResult(0).getAsOpaquePointer());
      });
    });
  });
}

void ContractionEmitter::emit() {
  Values result = e.getDims(first.op->getResult(0));
  ArrayRef<Value> sizes(result);
  if (first.kind == Contraction::Kind::Conv) {
    Values weight = e.getDims(first.lhs);
    batches = e.mul(sizes[0], getGroups(e, first));
    rows = e.div(sizes[1], getGroups(e, first));
    depth = e.product(ArrayRef<Value>(weight).drop_front());
  } else {
    bool flat = first.batch == Dim(1);
    batches = flat ? e.index(1) : e.product(sizes.drop_back(2));
    rows = flat ? e.product(sizes.drop_back()) : sizes[sizes.size() - 2];
    Values dims = e.getDims(first.lhs);
    depth = dims[dims.size() - (first.transposeLhs ? 2 : 1)];
  }
  integers = schedule::isInteger(e.productKind);
  steps = e.ceilDiv(depth, getStepDepth(e.productKind));
  rowStride = e.mul(steps, getStepBytes(e.productKind));
  if (first.activation) {
    packedRows = e.takeScratch(e.mul(e.roundUp(depth, schedule::kIntegerDepth), e.sizes.blockRows));
    rowScales = e.takeScratch(e.index(e.sizes.blockRows));
    rowZeros = e.takeScratch(e.index(e.sizes.blockRows));
    floatRow = e.takeScratch(depth);
  } else if (!schedule::readsLhsInPlace(first, e.productKind)) {
    packedRows = e.takeScratch(e.mul(e.roundUp(depth, getStepDepth(e.productKind)), e.sizes.blockRows));
  }
  if (first.kind != Contraction::Kind::Conv)
    readRows = schedule::getReadRows(e.kernel, e.plan.rows);
  if (readRows)
    readNumbers = e.takeScratch(e.mul(rows, 2));
  if (e.plan.wholeRows)
    return emitWholeRows();
  if (first.activation && llvm::all_of(contractions, [](const Contraction &c) { return schedule::getPanel(c.rhs); }))
    return emitQuantizedColumns();
  Value offset = e.index(0), rowTiles = e.ceilDiv(rows, e.sizes.tileRows), scratch = e.scratchNext;
  for (const schedule::Group &group : e.plan.groups) {
    Value chunks = e.ceilDiv(getN(*schedule::getContraction(group.anchors[0])), e.sizes.tileColumns);
    Value count = e.product({batches, chunks, rowTiles});
    e.scratchNext = scratch; // groups don't run at once
    emitColumns(group, offset, count);
    offset = e.add(offset, count);
  }
}

void cpu::emitContraction(Emitter &e) { ContractionEmitter(e).emit(); }
