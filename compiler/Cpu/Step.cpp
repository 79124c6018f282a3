#include "compiler/Cpu/Step.h"
#include <numeric>

using namespace mlir;
using namespace lathe;
using namespace lathe::cpu;

int64_t cpu::getVectorColumns(const schedule::TileSizes &sizes, Product product) {
  return product == Product::Words ? sizes.lanes / 2 : sizes.lanes;
}

Step::Step(Emitter &e, Product product, Type half, int64_t columns)
    : e(e), product(product), half(half), perVector(getVectorColumns(e.sizes, product)), vectors(columns / perVector) {}

Values Step::run(ValueRange sums, ValueRange rowsOfA, Value k, llvm::function_ref<Values(int64_t column)> weightsAt) {
  Values next(sums);
  SmallVector<Values> weights;
  for (int64_t v = 0; v < vectors; ++v)
    weights.push_back(weightsAt(v * perVector));
  for (auto [r, row] : llvm::enumerate(rowsOfA)) {
    Values x = loadRow(row, k);
    for (int64_t v = 0; v < vectors; ++v)
      for (auto [part, w] : llvm::zip_equal(x, weights[v]))
        next[r * vectors + v] = add(next[r * vectors + v], part, w);
  }
  return next;
}

Values Step::loadWeights(Value panel) {
  switch (product) {
  case Product::F32:
    return {e.loadVector(e.f32(), panel)};
  case Product::Bf16:
    return {e.load(VectorType::get({e.lanes * 2}, e.b.getBF16Type()), panel)};
  case Product::HalfWeights:
    return loadHalves(panel);
  case Product::Words:
  case Product::Bytes:
  case Product::Vnni:
    return {convertCodes(e.load(VectorType::get({perVector * kWord}, e.i8()), panel))};
  case Product::AmxInt8:
  case Product::AmxBf16:
    break;
  }
  llvm_unreachable("a product");
}

Value Step::convertCodes(Value codes) {
  return product == Product::Words ? Value(e.make<arith::ExtSIOp>(words(), codes)) : codes;
}

Values Step::pin(ValueRange sums) {
  if ((product != Product::Words && product != Product::Bytes) || !hasRegisters())
    return sums;
  return llvm::map_to_vector(sums, [&](Value sum) { return e.hide(sum); });
}

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

VectorType Step::words() { return VectorType::get({e.lanes * 2}, e.b.getI16Type()); }

/// Pairs of 16 bits, column by column, as the first ones and the second ones in f32.
Values Step::loadHalves(Value panel) {
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
Values Step::loadRow(Value row, Value k) {
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
    return {repeat(e.i32(), VectorType::get({perVector * kWord}, e.i8()), e.lanes, k)};
  case Product::AmxInt8:
  case Product::AmxBf16:
    break;
  }
  llvm_unreachable("a product");
}

/// Whether the processor has vectors of the schedule's size; else LLVM makes halves of them.
bool Step::hasRegisters() { return e.lanes == 8 || e.target.level == "x86-64-v4"; }

/// Vectors of 512 bits in halves where the processor has none: LLVM can't split an instruction that is named.
Value Step::callWide(StringRef half, StringRef whole, VectorType type, Value x, Value y) {
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

Value Step::addPairs(Value x, Value y) {
  return callWide("llvm.x86.avx2.pmadd.wd", "llvm.x86.avx512.pmaddw.d.512", e.vec(e.i32()), x, y);
}

Value Step::add(Value sum, Value x, Value w) {
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
