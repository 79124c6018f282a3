// Quantization of rows, and the integer tile.
#include "compiler/Cpu/Quantized.h"
#include <numeric>

using namespace mlir;
using namespace lathe;
using namespace lathe::cpu;

static constexpr int64_t kWidth = schedule::kPanelWidth, kDepth = schedule::kIntegerDepth;

namespace {
/// What a row's codes are made with; f32 scalars.
struct Quantizer {
  Value scale, zero;
  double least, most; // codes
};
} // namespace

static Quantizer getQuantizer(Emitter &e, tfm::DynamicAttr activation, Value lo, Value hi) {
  double levels = (1 << activation.getBits()) - 1, half = (levels + 1) / 2;
  auto constant = [&](double value) { return e.constant(e.f32(), value); };
  Value negative = e.make<arith::NegFOp>(lo);
  Value scale = activation.getSymmetric() ? e.divf(e.maxf(hi, negative), constant(half - 1))
                                          : e.divf(e.subf(hi, lo), constant(levels));
  scale = e.select(e.make<arith::CmpFOp>(arith::CmpFPredicate::OEQ, scale, constant(0)), constant(1), scale);
  if (activation.getSymmetric()) // unsigned: half of the range more
    return {scale, constant(half), 1, levels};
  Value zero = e.make<math::RoundEvenOp>(e.mulf(negative, e.divf(constant(1), scale)));
  return {scale, zero, 0, levels};
}

std::pair<Value, Value> cpu::quantizeRow(Emitter &e, Attribute activation, Value depth, Value row,
                                         llvm::function_ref<Value(Value)> load,
                                         llvm::function_ref<void(Value, Value)> store) {
  Quantizer quantizer;
  Value scale;
  if (auto fixed = dyn_cast<tfm::StaticAttr>(activation)) {
    quantizer = {e.constant(e.f32(), fixed.getScale().getValueAsDouble()), e.constant(e.f32(), double(fixed.getZero())),
                 0, double((1 << fixed.getBits()) - 1)};
    scale = quantizer.scale;
    row = Value();
  } else {
    Value zeros = e.constant(e.vec(e.f32()), 0);
    Values range = e.forLanes(depth, {zeros, zeros}, [&](Value k, ValueRange values) {
      Value x = load(k);
      if (row)
        e.storeVector(x, e.elementPtr(row, e.f32(), k));
      x = e.masked(x, zeros);
      return Values{e.minf(values[0], x), e.maxf(values[1], x)}; // which keep a NaN
    });
    quantizer = getQuantizer(e, cast<tfm::DynamicAttr>(activation), e.reduce(vector::CombiningKind::MINIMUMF, range[0]),
                             e.reduce(vector::CombiningKind::MAXIMUMF, range[1]));
    scale = e.addf(quantizer.scale, e.subf(quantizer.scale, quantizer.scale)); // NaN if it isn't finite
  }
  Value inverse = e.divf(e.constant(e.f32(), 1), quantizer.scale);
  e.forLanes(depth, [&](Value k) {
    Value x = row ? e.loadVector(e.f32(), e.elementPtr(row, e.f32(), k)) : load(k);
    Value code = e.addf(e.make<math::RoundEvenOp>(e.mulf(x, inverse)), quantizer.zero);
    code = e.fastMax(code, e.constant(code, quantizer.least)); // of a NaN the least
    Value most = e.constant(code, quantizer.most);
    code = e.select(e.make<arith::CmpFOp>(arith::CmpFPredicate::OLT, code, most), code, most);
    Value mask = std::exchange(e.mask, Value());
    store(k, code);
    e.mask = mask;
  });
  return {scale, quantizer.zero};
}

static Values getOperands(const IntegerTile &tile) {
  Values operands{tile.a,       tile.strideA,     tile.b,     tile.steps,    tile.c,
                  tile.strideC, tile.panelStride, tile.ahead, tile.aheadStep};
  llvm::erase(operands, Value());
  return operands;
}

Product cpu::getProduct(ArrayRef<schedule::Contraction> contractions) {
  bool isNarrow = llvm::all_of(contractions, [](const schedule::Contraction &c) {
    return cast<tfm::IntFormatAttr>(cast<RankedTensorType>(c.rhs.getType()).getEncoding()).getBits() <= 7;
  });
  return isNarrow ? Product::Bytes : Product::Words;
}

int64_t cpu::getIntegerRows(const schedule::TileSizes &sizes, Product product) {
  int64_t registers = sizes.lanes == 8 ? 16 : 32;
  int64_t vectors = sizes.columns / (product == Product::Bytes ? sizes.lanes : sizes.lanes / 2);
  // Besides the sums: the weights' vectors, a row's codes, a product and, of bytes, ones.
  int64_t others = vectors + (product == Product::Bytes ? 3 : 2);
  return std::max<int64_t>((registers - others) / vectors, 1);
}

/// One step of K: the sums of `vectors` vectors for each row, plus products.
static Values addProducts(Emitter &e, Product product, ValueRange sums, ValueRange rowsOfA, Value k, int64_t vectors,
                          llvm::function_ref<Value(int64_t column)> panelAt) {
  bool isBytes = product == Product::Bytes, isShort = e.lanes == 8;
  VectorType sum = e.vec(e.i32()), words = VectorType::get({e.lanes * 2}, e.b.getI16Type());
  auto call = [&](StringRef name, VectorType type, Value x, Value y) {
    return e.make<LLVM::CallIntrinsicOp>(Type(type), e.b.getStringAttr(name), ValueRange{x, y}).getResult(0);
  };
  // Vectors of 512 bits in halves where the processor has none: LLVM can't split an instruction that is named.
  auto callWide = [&](StringRef half, StringRef whole, VectorType type, Value x, Value y) -> Value {
    if (isShort || e.hasWideVectors)
      return call(isShort ? half : whole, type, x, y);
    auto part = [&](Value vector, int64_t which) -> Value {
      SmallVector<int64_t> places(cast<VectorType>(vector.getType()).getNumElements() / 2);
      std::iota(places.begin(), places.end(), which * static_cast<int64_t>(places.size()));
      return e.make<vector::ShuffleOp>(vector, vector, places);
    };
    auto narrow = VectorType::get({type.getNumElements() / 2}, type.getElementType());
    Value low = call(half, narrow, part(x, 0), part(y, 0)), high = call(half, narrow, part(x, 1), part(y, 1));
    SmallVector<int64_t> all(type.getNumElements());
    std::iota(all.begin(), all.end(), 0);
    return e.make<vector::ShuffleOp>(low, high, all);
  };
  auto addPairs = [&](Value x, Value y) {
    return callWide("llvm.x86.avx2.pmadd.wd", "llvm.x86.avx512.pmaddw.d.512", sum, x, y);
  };
  auto multiply = [&](Value x, Value y) {
    return callWide("llvm.x86.avx2.pmadd.ub.sw", "llvm.x86.avx512.pmaddubs.w.512", words, x, y);
  };
  // Columns of a vector, the weights' codes in it, and what of a row's codes is repeated over it.
  int64_t columns = isBytes ? e.lanes : e.lanes / 2;
  auto codes = VectorType::get({columns * kDepth}, e.i8());
  Type repeated = isBytes ? e.i32() : e.i64();
  Values weights, next(sums);
  for (int64_t v = 0; v < vectors; ++v) {
    Value w = e.load(codes, panelAt(v * columns));
    weights.push_back(isBytes ? w : Value(e.make<arith::ExtSIOp>(words, w)));
  }
  for (auto [r, row] : llvm::enumerate(rowsOfA)) {
    Value x = e.load(repeated, e.elementPtr(row, repeated, k));
    x = e.make<vector::BroadcastOp>(VectorType::get({columns}, repeated), x);
    x = e.make<vector::BitCastOp>(isBytes ? codes : words, x);
    for (int64_t v = 0; v < vectors; ++v) {
      Value products = isBytes ? addPairs(multiply(x, weights[v]), e.constant(words, 1)) : addPairs(x, weights[v]);
      next[r * vectors + v] = e.make<arith::AddIOp>(next[r * vectors + v], products);
    }
  }
  return next;
}

static LLVM::LLVMFuncOp getTile(Emitter &e, int64_t rows, int64_t columns, const IntegerTile &tile) {
  bool stream = static_cast<bool>(tile.ahead), isBytes = tile.product == Product::Bytes;
  std::string name = std::string(isBytes ? "bytes." : "words.") + std::to_string(rows) + "x" + std::to_string(columns) +
                     (stream ? ".stream" : "");
  Values operands = getOperands(tile);
  auto types = llvm::map_to_vector(operands, [](Value operand) { return operand.getType(); });
  return e.getHelper(name, types, [&](ValueRange arguments) {
    Value a = arguments[0], strideA = arguments[1], b = arguments[2], steps = arguments[3], c = arguments[4],
          strideC = arguments[5];
    arguments = arguments.drop_front(6);
    Value panelStride;
    if (columns > kWidth) {
      panelStride = arguments.front();
      arguments = arguments.drop_front();
    }
    int64_t perVector = isBytes ? e.lanes : e.lanes / 2, vectors = columns / perVector;
    Values rowsOfA;
    for (int64_t r = 0; r < rows; ++r)
      rowsOfA.push_back(e.elementPtr(a, getCodeType(e, tile.product), e.mul(strideA, r)));
    Values initial(rows * vectors, e.constant(e.vec(e.i32()), 0));
    Values sums = e.loop(e.index(0), steps, 1, initial, [&](Value k, ValueRange values) {
      if (stream)
        e.prefetch(e.bytePtr(arguments[0], e.mul(k, arguments[1])));
      return addProducts(e, tile.product, values, rowsOfA, k, vectors, [&](int64_t column) {
        Value panel = column < kWidth ? b : e.elementPtr(b, e.i32(), e.mul(panelStride, column / kWidth));
        return e.elementPtr(panel, e.i32(), e.add(e.mul(k, kWidth), column % kWidth));
      });
    });
    SmallVector<int64_t> even, odd;
    for (int64_t i = 0; i < e.lanes; ++i) {
      even.push_back(2 * i);
      odd.push_back(2 * i + 1);
    }
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t column = 0; column < columns; column += e.lanes) {
        Value total = sums[r * vectors + column / perVector];
        if (!isBytes) { // two sums for each column, of half the columns
          Value second = sums[r * vectors + column / perVector + 1];
          total = e.make<arith::AddIOp>(e.make<vector::ShuffleOp>(total, second, even),
                                        e.make<vector::ShuffleOp>(total, second, odd));
        }
        e.storeVector(total, e.elementPtr(c, e.i32(), e.add(e.mul(strideC, r), column)));
      }
  });
}

void cpu::emitIntegerGemm(Emitter &e, Value rows, int64_t columns, const IntegerTile &tile) {
  auto call = [&](int64_t count) { e.make<LLVM::CallOp>(getTile(e, count, columns, tile), getOperands(tile)); };
  if (auto constant = e.getConstant(rows))
    return call(*constant);
  std::function<void(int64_t)> choose = [&](int64_t count) {
    if (count == 1)
      return call(1);
    Value isCount = e.equal(rows, e.index(count));
    e.ifThen(isCount, [&] { call(count); });
    e.ifThen(e.logicalNot(isCount), [&] { choose(count - 1); });
  };
  choose(getIntegerRows(e.sizes, tile.product));
}
