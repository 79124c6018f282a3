// Register tiles, as functions of the object that all its kernels share: one loop over K, accumulators in registers.
#include "compiler/Cpu/Amx.h"
#include "compiler/Cpu/Step.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::cpu;

static constexpr int64_t kWidth = schedule::kPanelWidth;
static constexpr int64_t kLine = 64; // bytes of a cache line

int64_t cpu::getStepBytes(Product product) {
  switch (product) {
  case Product::F32:
  case Product::Bf16:
  case Product::Bytes:
  case Product::Vnni:
  case Product::AmxInt8:
  case Product::AmxBf16:
    return 4;
  case Product::HalfWeights:
  case Product::Words:
    return 8;
  }
  llvm_unreachable("a product");
}

Type cpu::getRowType(CodeBuilder &e, Product product) {
  switch (product) {
  case Product::F32:
  case Product::HalfWeights:
    return e.f32();
  case Product::Bf16:
  case Product::AmxBf16:
    return e.b.getBF16Type();
  case Product::Words:
    return e.b.getI16Type();
  case Product::Bytes:
  case Product::Vnni:
  case Product::AmxInt8:
    return e.i8();
  }
  llvm_unreachable("a product");
}

int64_t cpu::getTileRows(const schedule::TileSizes &sizes, Product product) {
  if (schedule::isAmx(product) || (!schedule::isInteger(product) && product != Product::HalfWeights))
    return sizes.rows;
  int64_t registers = sizes.lanes == 8 ? 16 : 32;
  int64_t vectors = sizes.columns / getVectorColumns(sizes, product);
  // Besides the sums: the weights' vectors; a row's elements; a product; of bytes, ones.
  int64_t weights = product == Product::HalfWeights ? 2 * vectors : vectors;
  int64_t others = product == Product::Bytes ? 3 : product == Product::Words ? 2 : 1;
  return std::max<int64_t>((registers - weights - others) / vectors, 1);
}

static constexpr Value GemmTile::*kOperands[] = {
    &GemmTile::a,       &GemmTile::strideA,     &GemmTile::b,    &GemmTile::steps, &GemmTile::c,
    &GemmTile::strideC, &GemmTile::panelStride, &GemmTile::rows, &GemmTile::ahead, &GemmTile::aheadStep};

Values GemmTile::getOperands() const {
  Values operands;
  for (auto operand : kOperands)
    if (this->*operand)
      operands.push_back(this->*operand);
  return operands;
}

GemmTile GemmTile::withOperands(ValueRange arguments) const {
  GemmTile tile = *this;
  for (auto operand : kOperands)
    if (tile.*operand) {
      tile.*operand = arguments.front();
      arguments = arguments.drop_front();
    }
  return tile;
}

Value GemmTile::getRow(Emitter &e, Value row) const {
  return rows ? e.load(e.i64(), e.elementPtr(rows, e.i64(), row)) : row;
}

Value GemmTile::getPanel(Emitter &e, int64_t panel) const {
  return panel ? e.bytePtr(b, e.mul(panelStride, panel * kWord)) : b;
}

std::string GemmTile::getName(StringRef size, bool accumulate) const {
  return ("gemm." + toString(product) + (half && half.isF16() ? ".f16" : "") + size + (accumulate ? ".add" : "") +
          (rows ? ".rows" : "") + (ahead ? ".stream" : ""))
      .str();
}

static void callTile(Emitter &e, int64_t rows, int64_t columns, bool accumulate, const GemmTile &outer) {
  std::string name = outer.getName("." + std::to_string(rows) + "x" + std::to_string(columns), accumulate);
  e.callHelper(name, outer.getOperands(), [&](ValueRange arguments) {
    GemmTile tile = outer.withOperands(arguments);
    Step step(e, tile.product, tile.half, columns);
    Values rowsOfA, initial;
    for (int64_t r = 0; r < rows; ++r)
      rowsOfA.push_back(e.bytePtr(tile.a, e.mul(tile.strideA, tile.getRow(e, e.index(r)))));
    auto place = [&](int64_t r, int64_t column) {
      return e.elementPtr(tile.c, e.f32(), e.add(e.mul(tile.strideC, r), column));
    };
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t v = 0; v < step.vectors; ++v)
        initial.push_back(accumulate ? e.loadVector(e.f32(), place(r, v * step.perVector))
                                     : e.constant(step.getSumType(), 0));
    auto run = [&](Value k, ValueRange values) {
      return step.run(values, rowsOfA, k, [&](int64_t column) {
        Value panel = tile.getPanel(e, column / kWidth);
        return step.loadWeights(e.bytePtr(panel, e.add(e.mul(k, kWidth * kWord), column % kWidth * kWord)));
      });
    };
    // Unrolled where a step is short: on a core that is shared with another thread, instructions are what limits. A
    // fence for the compiler alone keeps each step's loads behind the one before, or LLVM moves them up until sums
    // spill.
    int64_t unroll = e.sizes.unroll;
    Value whole = e.mul(e.div(tile.steps, unroll), unroll);
    auto iterate = [&](llvm::function_ref<void(Value k, int64_t i)> prefetch) {
      return e.loop(e.index(0), whole, unroll, initial, [&](Value k, ValueRange values) {
        Values next(values);
        for (int64_t i = 0; i < unroll; ++i) {
          if (i)
            e.make<LLVM::FenceOp>(LLVM::AtomicOrdering::acq_rel, "singlethread");
          prefetch(k, i);
          next = step.pin(run(e.add(k, i), next));
        }
        return next;
      });
    };
    auto ask = [&](Value k, int64_t offset) {
      e.prefetch(e.bytePtr(tile.ahead, e.add(e.mul(k, tile.aheadStep), offset)));
    };
    auto askSparsely = [&](Value k, int64_t i) {
      if (i == 0)
        ask(k, 0);
    };
    auto askDensely = [&](Value k, int64_t i) {
      for (int64_t offset = 0; offset < columns * kWord; offset += kLine)
        ask(e.add(k, i), offset);
    };
    Values sums;
    if (tile.ahead)
      sums = e.ifElse(
          e.lessThan(e.mul(tile.aheadStep, unroll), e.index(kLine + 1)), [&] { return iterate(askSparsely); },
          [&] { return iterate(askDensely); });
    else
      sums = iterate([](Value, int64_t) {});
    if (unroll > 1)
      sums = e.loop(whole, tile.steps, 1, sums, run);
    for (int64_t r = 0; r < rows; ++r)
      step.store(ValueRange(sums).slice(r * step.vectors, step.vectors),
                 [&](int64_t column) { return place(r, column); });
  });
}

void cpu::emitGemm(Emitter &e, Value rows, int64_t columns, const GemmTile &tile, bool accumulate) {
  if (schedule::isAmx(tile.product))
    return emitAmxGemm(e, rows, tile, accumulate);
  forRowCount(e, rows, getTileRows(e.sizes, tile.product),
              [&](int64_t count) { callTile(e, count, columns, accumulate, tile); });
}

void cpu::forRowCount(Emitter &e, Value rows, int64_t most, llvm::function_ref<void(int64_t)> tile) {
  if (auto constant = e.getConstant(rows))
    return tile(*constant);
  std::function<void(int64_t)> choose = [&](int64_t count) {
    if (count == 1)
      return tile(1);
    auto ifOp = e.make<scf::IfOp>(e.equal(rows, e.index(count)), true);
    OpBuilder::InsertionGuard guard(e.b);
    e.b.setInsertionPoint(ifOp.thenBlock()->getTerminator());
    tile(count);
    e.b.setInsertionPoint(ifOp.elseBlock()->getTerminator());
    choose(count - 1);
  };
  choose(most);
}

void cpu::forRowTiles(Emitter &e, Value rows, int64_t most, llvm::function_ref<void(Value, Value)> body) {
  Value tiles = e.max(e.ceilDiv(rows, most), e.index(1));
  // No remainder, which LLVM would take in the innermost loop that uses it.
  Value size = e.div(rows, tiles), larger = e.sub(rows, e.mul(size, tiles)); // so many tiles have one row more
  e.loop(e.index(0), tiles, 1, {e.index(0)}, [&](Value tile, ValueRange begin) {
    Value count = e.select(e.lessThan(tile, larger), e.add(size, 1), size);
    body(begin[0], count);
    return Values{e.add(begin[0], count)};
  });
}
