// Products of integers: rows quantized as they are packed, and the register tile that multiplies codes.
#pragma once
#include "compiler/Cpu/Emitter.h"

namespace lathe::cpu {

/// How codes are multiplied. Bytes: `vpmaddubsw` adds two products in 16 bits, which saturates unless a weight's codes
/// have 7 bits at most (2 * 255 * 64 = 32640). Words: codes are widened to 16 bits first.
enum class Product { Bytes, Words };
/// Of contractions that are isInteger.
Product getProduct(llvm::ArrayRef<schedule::Contraction> contractions);
/// Type of a row's codes in scratch.
inline Type getCodeType(Emitter &e, Product product) { return product == Product::Bytes ? e.i8() : e.b.getI16Type(); }

/// Quantizes a row of `depth` elements as the activation says (dialects/Tfm/TfmBase.td). `load(k)` gives elements from
/// k on, under the mask; it is called twice, or once where `row`, room for the row in f32, is given. `store(k, codes)`
/// gets their codes, unsigned, as whole f32, without a mask. Returns the row's scale, NaN if an element isn't finite,
/// and its zero point, as f32.
std::pair<Value, Value> quantizeRow(Emitter &e, mlir::Attribute activation, Value depth, Value row,
                                    llvm::function_ref<Value(Value k)> load,
                                    llvm::function_ref<void(Value k, Value codes)> store);

/// C[r, n] = sum over k of A[r, k] * B[k, n] in 32 bits. A: unsigned codes of getCodeType, rows `strideA` codes apart;
/// B: a panel of kIntegerDepth-deep columns, `steps` of them, further panels `panelStride` steps * columns apart; C in
/// i32, rows `strideC` apart. `ahead` and `aheadStep` as a GemmTile's.
struct IntegerTile {
  Product product;
  Value a, strideA, b, steps, c, strideC, panelStride = {}, ahead = {}, aheadStep = {};
};
/// Rows that such a tile has at most, with the schedule's columns: what registers hold.
int64_t getIntegerRows(const schedule::TileSizes &sizes, Product product);
void emitIntegerGemm(Emitter &e, Value rows, int64_t columns, const IntegerTile &tile);

} // namespace lathe::cpu
