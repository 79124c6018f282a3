#include "compiler/Cpu/Amx.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::cpu;

static constexpr int64_t kRows = schedule::kAmxRows, kRowBytes = 64, kTileBytes = kRows * kRowBytes;
static constexpr int64_t kWidth = schedule::kPanelWidth, kPanels = 2, kLine = 64;
// Registers: sums of a tile of rows and a panel; rows; a panel's part.
static constexpr int64_t kSums = 0, kLhs = 4, kRhs = 6;

static void call(Emitter &e, StringRef name, ValueRange operands) {
  e.callIntrinsic(("llvm.x86." + name).str(), Type(), operands);
}
static Value number(Emitter &e, int64_t tile) { return e.constant(e.i8(), static_cast<double>(tile)); }

void cpu::configureTiles(Emitter &e) {
  // Palette 1; bytes of a row as 8 times 16 bits from byte 16 on, rows as 8 bytes from byte 48 on.
  Value memory = e.make<LLVM::AllocaOp>(e.ptr(), e.i64(), e.index(8), 64u);
  constexpr int64_t bytes = kRowBytes * 0x0001000100010001, rows = kRows * 0x0101010101010101;
  constexpr int64_t words[] = {1, 0, bytes, bytes, 0, 0, rows, 0};
  for (auto [i, word] : llvm::enumerate(words))
    e.store(e.index(word), e.bytePtr(memory, e.index(8 * i)));
  call(e, "ldtilecfg", memory);
}
void cpu::releaseTiles(Emitter &e) { call(e, "tilerelease", {}); }

namespace {
/// One call's tile of the product.
class AmxTile {
public:
  AmxTile(Emitter &e, const GemmTile &tile, Value rows, bool accumulate)
      : e(e), tile(tile), rows(rows), accumulate(accumulate) {}

  /// Tiles that lie as they are read; others, of fewer rows or of rows that are apart, are put together first.
  void emit() {
    buffer = e.make<LLVM::AllocaOp>(e.ptr(), e.i64(), e.index(kTileBytes / 8), 64u);
    if (tile.rows)
      return emitEach();
    Value isFull = e.equal(rows, e.index(2 * kRows));
    e.ifThen(isFull, [&] { emitDirect(e.index(0), 2); });
    e.ifThen(e.logicalNot(isFull), [&] { emitEach(); });
  }

private:
  void emitEach() {
    e.loop(e.index(0), rows, kRows, [&](Value row) {
      Value count = e.min(e.sub(rows, row), e.index(kRows));
      if (tile.rows)
        return emitGathered(row, count);
      Value isFull = e.equal(count, e.index(kRows));
      e.ifThen(isFull, [&] { emitDirect(row, 1); });
      e.ifThen(e.logicalNot(isFull), [&] { emitGathered(row, count); });
    });
  }

  /// Where sums of a tile of rows, the i-th, and a panel are.
  static int64_t sum(int64_t i, int64_t panel) { return kSums + i * kPanels + panel; }

  /// Adds up `tiles` tiles of rows, which `load` puts into registers; `loadSums` where sums go on.
  void multiply(int64_t tiles, llvm::function_ref<void(int64_t i, int64_t panel)> loadSums,
                llvm::function_ref<void(Value offset)> load) {
    for (int64_t i = 0; i < tiles; ++i)
      for (int64_t panel = 0; panel < kPanels; ++panel)
        accumulate ? loadSums(i, panel) : call(e, "tilezero", number(e, sum(i, panel)));
    StringRef product = tile.product == Product::AmxInt8 ? "tdpbusd" : "tdpbf16ps";
    e.loop(e.index(0), tile.steps, kRows, [&](Value step) {
      if (tile.ahead)
        e.loop(e.index(0), e.mul(tile.aheadStep, kRows), kLine,
               [&](Value offset) { e.prefetch(e.bytePtr(tile.ahead, e.add(e.mul(step, tile.aheadStep), offset))); });
      load(e.mul(step, kRowBytes / kRows));
      for (int64_t panel = 0; panel < kPanels; ++panel)
        call(e, "tileloadd64",
             {number(e, kRhs + panel), e.bytePtr(tile.getPanel(e, panel), e.mul(step, kRowBytes)), e.index(kRowBytes)});
      for (int64_t i = 0; i < tiles; ++i)
        for (int64_t panel = 0; panel < kPanels; ++panel)
          call(e, product, {number(e, sum(i, panel)), number(e, kLhs + i), number(e, kRhs + panel)});
    });
  }

  Value place(Value row, int64_t panel) {
    return e.elementPtr(tile.c, e.f32(), e.add(e.mul(tile.strideC, row), panel * kWidth));
  }

  void emitDirect(Value row, int64_t tiles) {
    auto loadSums = [&](int64_t i, int64_t panel) {
      call(e, "tileloadd64", {number(e, sum(i, panel)), place(e.add(row, i * kRows), panel), e.mul(tile.strideC, 4)});
    };
    multiply(tiles, loadSums, [&](Value offset) {
      for (int64_t i = 0; i < tiles; ++i)
        call(e, "tileloadd64",
             {number(e, kLhs + i), e.bytePtr(tile.a, e.add(e.mul(e.add(row, i * kRows), tile.strideA), offset)),
              tile.strideA});
    });
    for (int64_t i = 0; i < tiles; ++i)
      for (int64_t panel = 0; panel < kPanels; ++panel)
        call(e, "tilestored64",
             {number(e, sum(i, panel)), place(e.add(row, i * kRows), panel), e.mul(tile.strideC, 4)});
  }

  /// Up to a tile of rows: behind the last one it is read again, and not stored.
  void emitGathered(Value row, Value count) {
    Values lines;
    for (int64_t i = 0; i < kRows; ++i) {
      Value at = e.add(row, e.min(e.index(i), e.sub(count, e.index(1))));
      lines.push_back(e.bytePtr(tile.a, e.mul(tile.getRow(e, at), tile.strideA)));
    }
    auto loadSums = [&](int64_t, int64_t panel) {
      e.loop(e.index(0), count, 1, [&](Value i) {
        e.storeVector(e.loadVector(e.f32(), place(e.add(row, i), panel)), e.bytePtr(buffer, e.mul(i, kRowBytes)));
      });
      call(e, "tileloadd64", {number(e, sum(0, panel)), buffer, e.index(kRowBytes)});
    };
    multiply(1, loadSums, [&](Value offset) {
      for (int64_t i = 0; i < kRows; ++i)
        e.storeVector(e.loadVector(e.f32(), e.bytePtr(lines[i], offset)), e.bytePtr(buffer, e.index(i * kRowBytes)));
      call(e, "tileloadd64", {number(e, kLhs), buffer, e.index(kRowBytes)});
    });
    for (int64_t panel = 0; panel < kPanels; ++panel) {
      call(e, "tilestored64", {number(e, sum(0, panel)), buffer, e.index(kRowBytes)});
      e.loop(e.index(0), count, 1, [&](Value i) {
        e.storeVector(e.loadVector(e.f32(), e.bytePtr(buffer, e.mul(i, kRowBytes))), place(e.add(row, i), panel));
      });
    }
  }

  Emitter &e;
  GemmTile tile;
  Value rows;
  bool accumulate;
  Value buffer; // of a tile
};
} // namespace

void cpu::emitAmxGemm(Emitter &e, Value rows, const GemmTile &tile, bool accumulate) {
  Values operands = tile.getOperands();
  operands.push_back(rows);
  e.callHelper(tile.getName("", accumulate), operands, [&](ValueRange arguments) {
    AmxTile(e, tile.withOperands(arguments), arguments.back(), accumulate).emit();
  });
}
