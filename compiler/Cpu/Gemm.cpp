// Register tiles, as functions of the object that all its kernels share: one loop over K, accumulators in registers.
#include "compiler/Cpu/Gemm.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::cpu;

static constexpr int64_t kPrefetch = 16; // steps of K between asking for a panel's row and reading it
static constexpr int64_t kStride = schedule::kPanelWidth;
static constexpr int64_t kLine = 16; // f32 of a cache line

static LLVM::LLVMFuncOp getTile(Emitter &e, int64_t rows, int64_t columns, bool accumulate) {
  std::string name = "gemm." + std::to_string(rows) + "x" + std::to_string(columns) + (accumulate ? ".add" : "");
  SmallVector<Type> types{e.ptr(), e.i64(), e.ptr(), e.i64(), e.ptr(), e.i64()};
  return e.getHelper(name, types, [&](ValueRange arguments) {
    Value a = arguments[0], strideA = arguments[1], b = arguments[2], depth = arguments[3], c = arguments[4],
          strideC = arguments[5];
    int64_t vectors = columns / e.lanes;
    Values rowsOfA, initial;
    for (int64_t r = 0; r < rows; ++r)
      rowsOfA.push_back(e.elementPtr(a, e.f32(), e.mul(strideA, r)));
    auto place = [&](int64_t r, int64_t v) { return e.elementPtr(c, e.f32(), e.add(e.mul(strideC, r), v * e.lanes)); };
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t v = 0; v < vectors; ++v)
        initial.push_back(accumulate ? e.loadVector(e.f32(), place(r, v)) : e.constant(e.vec(e.f32()), 0));
    auto step = [&](Value k, ValueRange values) {
      Values next(values);
      Value row = e.elementPtr(b, e.f32(), e.mul(k, kStride));
      // A panel is read once per tile, at a stride: ask for it before the multiply-adds need it.
      Value ahead = e.elementPtr(row, e.f32(), e.index(kStride * kPrefetch));
      for (int64_t at = 0; at < columns; at += kLine)
        e.make<LLVM::Prefetch>(e.elementPtr(ahead, e.f32(), e.index(at)), 0u, 3u, 1u);
      Values columnsOfB;
      for (int64_t v = 0; v < vectors; ++v)
        columnsOfB.push_back(e.loadVector(e.f32(), e.elementPtr(row, e.f32(), e.index(v * e.lanes))));
      for (int64_t r = 0; r < rows; ++r) {
        Value x = e.broadcast(e.load(e.f32(), e.elementPtr(rowsOfA[r], e.f32(), k)));
        for (int64_t v = 0; v < vectors; ++v)
          next[r * vectors + v] = e.fma(x, columnsOfB[v], next[r * vectors + v]);
      }
      return next;
    };
    // One step per iteration: unrolled, LLVM moves loads up until accumulators spill.
    Values sums = e.loop(e.index(0), depth, 1, initial, step);
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t v = 0; v < vectors; ++v)
        e.storeVector(sums[r * vectors + v], place(r, v));
  });
}

void cpu::emitGemm(Emitter &e, Value rows, int64_t columns, const GemmTile &tile, bool accumulate) {
  Values arguments{tile.a, tile.strideA, tile.b, tile.depth, tile.c, tile.strideC};
  auto call = [&](int64_t count) { e.make<LLVM::CallOp>(getTile(e, count, columns, accumulate), arguments); };
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

void cpu::forRowTiles(Emitter &e, Value rows, llvm::function_ref<void(Value, Value)> body) {
  Value tiles = e.max(e.ceilDiv(rows, e.sizes.rows), e.index(1));
  Value size = e.div(rows, tiles), larger = e.rem(rows, tiles); // so many tiles have one row more
  e.loop(e.index(0), tiles, 1, [&](Value tile) {
    Value begin = e.add(e.mul(tile, size), e.min(tile, larger));
    body(begin, e.select(e.lessThan(tile, larger), e.add(size, 1), size));
  });
}
