// Register tiles, as functions of the object that all its kernels share: one loop over K, accumulators in registers.
#include "compiler/Cpu/Amx.h"
#include <numeric>

using namespace mlir;
using namespace lathe;
using namespace lathe::cpu;

static constexpr int64_t kWidth = schedule::kPanelWidth;
static constexpr int64_t kWord = 4;  // bytes of a column that a step reads
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

/// Columns of a vector of sums: of words two sums for each column, which are added up at the end.
static int64_t getVectorColumns(const schedule::TileSizes &sizes, Product product) {
  return product == Product::Words ? sizes.lanes / 2 : sizes.lanes;
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

namespace {
/// What a step does: loads of the panels, then each row's products.
class Step {
public:
  Step(Emitter &e, const GemmTile &tile, int64_t columns)
      : e(e), product(tile.product), half(tile.half), perVector(getVectorColumns(e.sizes, tile.product)),
        vectors(columns / perVector) {}

  Values run(ValueRange sums, ValueRange rowsOfA, Value k, llvm::function_ref<Value(int64_t column)> panelAt) {
    Values next(sums);
    SmallVector<Values> weights;
    for (int64_t v = 0; v < vectors; ++v)
      weights.push_back(loadWeights(panelAt(v * perVector)));
    for (auto [r, row] : llvm::enumerate(rowsOfA)) {
      Values x = loadRow(row, k);
      for (int64_t v = 0; v < vectors; ++v)
        for (auto [part, w] : llvm::zip_equal(x, weights[v]))
          next[r * vectors + v] = add(next[r * vectors + v], part, w);
    }
    return next;
  }
  Type getSumType() { return e.vec(schedule::isInteger(product) ? e.i32() : e.f32()); }
  /// LLVM would add up several steps' products of integers before it adds them to the sums, and spill those.
  Values pin(ValueRange sums) {
    if ((product != Product::Words && product != Product::Bytes) || !hasRegisters())
      return sums;
    return llvm::map_to_vector(sums, [&](Value sum) { return e.hide(sum); });
  }
  /// Stores a row's sums.
  void store(ValueRange sums, llvm::function_ref<Value(int64_t column)> place);

  Emitter &e;
  Product product;
  Type half;
  int64_t perVector, vectors;

private:
  VectorType words() { return VectorType::get({e.lanes * 2}, e.b.getI16Type()); }
  /// A vector's columns of a panel, in as many parts as they are multiplied in.
  Values loadWeights(Value panel) {
    switch (product) {
    case Product::F32:
      return {e.loadVector(e.f32(), panel)};
    case Product::Bf16:
      return {e.load(VectorType::get({e.lanes * 2}, e.b.getBF16Type()), panel)};
    case Product::HalfWeights:
      return loadHalves(panel);
    case Product::Words:
      return {e.make<arith::ExtSIOp>(words(), e.load(VectorType::get({perVector * 4}, e.i8()), panel))};
    case Product::Bytes:
    case Product::Vnni:
      return {e.load(VectorType::get({perVector * 4}, e.i8()), panel)};
    case Product::AmxInt8:
    case Product::AmxBf16:
      break;
    }
    llvm_unreachable("a product");
  }

  /// Pairs of 16 bits, column by column, as the first ones and the second ones in f32.
  Values loadHalves(Value panel) {
    if (half.isF16()) {
      Value pairs = e.load(VectorType::get({e.lanes * 2}, half), panel);
      Value wide = e.make<arith::ExtFOp>(VectorType::get({e.lanes * 2}, e.f32()), pairs);
      SmallVector<int64_t> places[2];
      for (int64_t i = 0; i < e.lanes; ++i)
        for (int64_t part : {0, 1})
          places[part].push_back(2 * i + part);
      return {e.make<vector::ShuffleOp>(wide, wide, places[0]), e.make<vector::ShuffleOp>(wide, wide, places[1])};
    }
    Value pairs = e.loadVector(e.i32(), panel);
    Value first = e.make<arith::ShLIOp>(pairs, e.constant(pairs, 16));
    Value second = e.make<arith::AndIOp>(pairs, e.constant(pairs, -65536));
    return {e.bitcast(first, e.f32()), e.bitcast(second, e.f32())};
  }

  /// What a row has for the step, repeated over a vector; in the same parts.
  Values loadRow(Value row, Value k) {
    auto repeat = [&](Type type, Type vector, int64_t count, Value place) -> Value {
      Value x = e.load(type, e.elementPtr(row, type, place));
      x = e.make<vector::BroadcastOp>(VectorType::get({count}, type), x);
      return vector ? Value(e.make<vector::BitCastOp>(vector, x)) : x;
    };
    switch (product) {
    case Product::F32:
      return {repeat(e.f32(), Type(), e.lanes, k)};
    case Product::HalfWeights:
      return {repeat(e.f32(), Type(), e.lanes, e.mul(k, 2)), repeat(e.f32(), Type(), e.lanes, e.add(e.mul(k, 2), 1))};
    case Product::Bf16:
      return {repeat(e.i32(), VectorType::get({e.lanes * 2}, e.b.getBF16Type()), e.lanes, k)};
    case Product::Words:
      return {repeat(e.i64(), words(), perVector, k)};
    case Product::Bytes:
    case Product::Vnni:
      return {repeat(e.i32(), VectorType::get({perVector * 4}, e.i8()), e.lanes, k)};
    case Product::AmxInt8:
    case Product::AmxBf16:
      break;
    }
    llvm_unreachable("a product");
  }

  /// Whether the processor has vectors of the schedule's size; else LLVM makes halves of them.
  bool hasRegisters() { return e.lanes == 8 || e.target.level == "x86-64-v4"; }
  /// Vectors of 512 bits in halves where the processor has none: LLVM can't split an instruction that is named.
  Value callWide(StringRef half, StringRef whole, VectorType type, Value x, Value y) {
    if (hasRegisters())
      return e.callIntrinsic(e.lanes == 8 ? half : whole, type, {x, y});
    auto part = [&](Value vector, int64_t which) -> Value {
      SmallVector<int64_t> places(cast<VectorType>(vector.getType()).getNumElements() / 2);
      std::iota(places.begin(), places.end(), which * static_cast<int64_t>(places.size()));
      return e.make<vector::ShuffleOp>(vector, vector, places);
    };
    auto narrow = VectorType::get({type.getNumElements() / 2}, type.getElementType());
    Value low = e.callIntrinsic(half, narrow, {part(x, 0), part(y, 0)}),
          high = e.callIntrinsic(half, narrow, {part(x, 1), part(y, 1)});
    SmallVector<int64_t> all(type.getNumElements());
    std::iota(all.begin(), all.end(), 0);
    return e.make<vector::ShuffleOp>(low, high, all);
  }
  Value addPairs(Value x, Value y) {
    return callWide("llvm.x86.avx2.pmadd.wd", "llvm.x86.avx512.pmaddw.d.512", e.vec(e.i32()), x, y);
  }
  Value add(Value sum, Value x, Value w) {
    switch (product) {
    case Product::F32:
    case Product::HalfWeights:
      return e.fma(x, w, sum);
    case Product::Bf16:
      return e.callIntrinsic("llvm.x86.avx512bf16.dpbf16ps.512", sum.getType(), {sum, x, w});
    case Product::Vnni:
      return e.callIntrinsic("llvm.x86.avx512.vpdpbusd.512", sum.getType(), {sum, x, w});
    case Product::Words:
      return e.make<arith::AddIOp>(sum, addPairs(x, w));
    case Product::Bytes: {
      Value pairs = callWide("llvm.x86.avx2.pmadd.ub.sw", "llvm.x86.avx512.pmaddubs.w.512", words(), x, w);
      return e.make<arith::AddIOp>(sum, addPairs(pairs, e.constant(words(), 1)));
    }
    case Product::AmxInt8:
    case Product::AmxBf16:
      break;
    }
    llvm_unreachable("a product");
  }
};
} // namespace

void Step::store(ValueRange sums, llvm::function_ref<Value(int64_t column)> place) {
  if (product != Product::Words) {
    for (int64_t v = 0; v < vectors; ++v)
      e.storeVector(sums[v], place(v * perVector));
    return;
  }
  SmallVector<int64_t> even, odd;
  for (int64_t i = 0; i < e.lanes; ++i) {
    even.push_back(2 * i);
    odd.push_back(2 * i + 1);
  }
  for (int64_t v = 0; v < vectors; v += 2)
    e.storeVector(e.make<arith::AddIOp>(e.make<vector::ShuffleOp>(sums[v], sums[v + 1], even),
                                        e.make<vector::ShuffleOp>(sums[v], sums[v + 1], odd)),
                  place(v * perVector));
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
    Step step(e, tile, columns);
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
        return e.bytePtr(panel, e.add(e.mul(k, kWidth * kWord), column % kWidth * kWord));
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
