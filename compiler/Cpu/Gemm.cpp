// Register tiles, as functions of the object that all its kernels share: one loop over K, accumulators in registers.
#include "compiler/Cpu/Gemm.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::cpu;

static constexpr int64_t kWidth = schedule::kPanelWidth;
static constexpr int64_t kLine = 64; // bytes of a cache line

static Values getOperands(const GemmTile &tile) {
  Values operands{tile.a,       tile.strideA,     tile.b,    tile.depth, tile.c,
                  tile.strideC, tile.panelStride, tile.rows, tile.ahead, tile.aheadStep};
  llvm::erase(operands, Value());
  return operands;
}

static LLVM::LLVMFuncOp getTile(Emitter &e, int64_t rows, int64_t columns, bool accumulate, const GemmTile &tile) {
  bool picks = static_cast<bool>(tile.rows), stream = static_cast<bool>(tile.ahead);
  std::string name = "gemm." + std::to_string(rows) + "x" + std::to_string(columns) + (accumulate ? ".add" : "") +
                     (picks ? ".rows" : "") + (stream ? ".stream" : "");
  Values operands = getOperands(tile);
  auto types = llvm::map_to_vector(operands, [](Value operand) { return operand.getType(); });
  return e.getHelper(name, types, [&](ValueRange arguments) {
    Value a = arguments[0], strideA = arguments[1], b = arguments[2], depth = arguments[3], c = arguments[4],
          strideC = arguments[5];
    arguments = arguments.drop_front(6);
    auto take = [&](bool has) {
      Value argument = has ? arguments.front() : Value();
      arguments = arguments.drop_front(has ? 1 : 0);
      return argument;
    };
    Value panelStride = take(columns > kWidth), numbers = take(picks), ahead = take(stream), aheadStep = take(stream);
    int64_t vectors = columns / e.lanes;
    Values rowsOfA, initial;
    for (int64_t r = 0; r < rows; ++r)
      rowsOfA.push_back(e.elementPtr(
          a, e.f32(),
          e.mul(strideA, picks ? e.load(e.i64(), e.elementPtr(numbers, e.i64(), e.index(r))) : e.index(r))));
    auto place = [&](int64_t r, int64_t v) { return e.elementPtr(c, e.f32(), e.add(e.mul(strideC, r), v * e.lanes)); };
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t v = 0; v < vectors; ++v)
        initial.push_back(accumulate ? e.loadVector(e.f32(), place(r, v)) : e.constant(e.vec(e.f32()), 0));
    auto step = [&](Value k, ValueRange values) {
      Values next(values);
      Values columnsOfB;
      for (int64_t column = 0; column < columns; column += e.lanes) {
        Value panel = column < kWidth ? b : e.elementPtr(b, e.f32(), e.mul(panelStride, column / kWidth));
        columnsOfB.push_back(
            e.loadVector(e.f32(), e.elementPtr(panel, e.f32(), e.add(e.mul(k, kWidth), column % kWidth))));
      }
      for (int64_t r = 0; r < rows; ++r) {
        Value x = e.broadcast(e.load(e.f32(), e.elementPtr(rowsOfA[r], e.f32(), k)));
        for (int64_t v = 0; v < vectors; ++v)
          next[r * vectors + v] = e.fma(x, columnsOfB[v], next[r * vectors + v]);
      }
      return next;
    };
    // Unrolled where a step is short: on a core that is shared with another thread, instructions are what limits. A
    // fence for the compiler alone keeps each step's loads behind the one before, or LLVM moves them up until sums
    // spill.
    int64_t unroll = e.sizes.unroll;
    Value whole = e.mul(e.div(depth, unroll), unroll);
    auto iterate = [&](llvm::function_ref<void(Value k, int64_t i)> prefetch) {
      return e.loop(e.index(0), whole, unroll, initial, [&](Value k, ValueRange values) {
        Values next(values);
        for (int64_t i = 0; i < unroll; ++i) {
          if (i)
            e.make<LLVM::FenceOp>(LLVM::AtomicOrdering::acq_rel, "singlethread");
          prefetch(k, i);
          next = step(e.add(k, i), next);
        }
        return next;
      });
    };
    auto ask = [&](Value k, int64_t offset) { e.prefetch(e.bytePtr(ahead, e.add(e.mul(k, aheadStep), offset))); };
    auto askSparsely = [&](Value k, int64_t i) {
      if (i == 0)
        ask(k, 0);
    };
    auto askDensely = [&](Value k, int64_t i) {
      for (int64_t offset = 0; offset < columns * int64_t(sizeof(float)); offset += kLine)
        ask(e.add(k, i), offset);
    };
    Values sums;
    if (stream)
      sums = e.ifElse(
          e.lessThan(e.mul(aheadStep, unroll), e.index(kLine + 1)), [&] { return iterate(askSparsely); },
          [&] { return iterate(askDensely); });
    else
      sums = iterate([](Value, int64_t) {});
    if (unroll > 1)
      sums = e.loop(whole, depth, 1, sums, step);
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t v = 0; v < vectors; ++v)
        e.storeVector(sums[r * vectors + v], place(r, v));
  });
}

void cpu::emitGemm(Emitter &e, Value rows, int64_t columns, const GemmTile &tile, bool accumulate) {
  auto call = [&](int64_t count) {
    e.make<LLVM::CallOp>(getTile(e, count, columns, accumulate, tile), getOperands(tile));
  };
  // What fits in registers: columns in halves where a full tile of them doesn't.
  int64_t limit = e.sizes.rows * e.sizes.columns / columns;
  if (auto constant = e.getConstant(rows))
    return call(*constant);
  std::function<void(int64_t)> choose = [&](int64_t count) {
    if (count == 1)
      return call(1);
    auto ifOp = e.make<scf::IfOp>(e.equal(rows, e.index(count)), true);
    OpBuilder::InsertionGuard guard(e.b);
    e.b.setInsertionPoint(ifOp.thenBlock()->getTerminator());
    call(count);
    e.b.setInsertionPoint(ifOp.elseBlock()->getTerminator());
    choose(count - 1);
  };
  choose(limit);
}

void cpu::forRowTiles(Emitter &e, Value rows, int64_t most, llvm::function_ref<void(Value, Value)> body) {
  Value tiles = e.max(e.ceilDiv(rows, most), e.index(1));
  Value size = e.div(rows, tiles), larger = e.rem(rows, tiles); // so many tiles have one row more
  e.loop(e.index(0), tiles, 1, [&](Value tile) {
    Value begin = e.add(e.mul(tile, size), e.min(tile, larger));
    body(begin, e.select(e.lessThan(tile, larger), e.add(size, 1), size));
  });
}
