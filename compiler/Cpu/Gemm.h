// The register tile that contractions and attention are made of.
#pragma once
#include "compiler/Cpu/Emitter.h"

namespace lathe::cpu {
using schedule::Product;

/// What a step of a sum reads of a row of A: so many bytes, getStepDepth elements of this type.
int64_t getStepBytes(Product product);
Type getRowType(CodeBuilder &e, Product product);

/// Operands of a tile: C[r, n] (+)= sum over k of A[r, k] * B[k, n], in the order of k. A's rows lie `strideA` bytes
/// apart and are `steps` steps long. C is f32, or i32 of integers, rows `strideC` elements apart.
/// B is a panel, K-major, 4 bytes of a column a step; where the columns are more than a panel's, panels that begin
/// `panelStride` words of 4 bytes apart.
/// With `rows`, 64-bit numbers, A's rows are those of them: A[r] begins at a + rows[r] * strideA.
/// A tile that is one of many over a stream of panels also asks, at each step, for the cache line at `ahead` + step *
/// `aheadStep` bytes, so that the panels after this one are in L2 when they are read, wherever they come from.
struct GemmTile {
  Value a, strideA, b, steps, c, strideC, panelStride = {}, rows = {}, ahead = {}, aheadStep = {};
  Product product = Product::F32;
  Type half = {}; // of HalfWeights: f16 or bf16

  /// Of a function for such tiles: its operands, the tile in terms of its arguments, and its name.
  Values getOperands() const;
  GemmTile withOperands(ValueRange arguments) const;
  std::string getName(llvm::StringRef size, bool accumulate) const;
  /// The number of A's row, and where a panel of B begins.
  Value getRow(Emitter &e, Value row) const;
  Value getPanel(Emitter &e, int64_t panel) const;
};

/// Rows that a tile has at most, with the schedule's columns: what registers hold.
int64_t getTileRows(const schedule::TileSizes &sizes, Product product);

/// Calls the tile of that many rows, at most getTileRows, and columns, a constant multiple of the lanes up to the
/// schedule's. An element's operations depend on neither, so a partial tile gives the same bits.
void emitGemm(Emitter &e, Value rows, int64_t columns, const GemmTile &tile, bool accumulate);

/// Calls `tile` with the number of rows, at most `most`, as a constant.
void forRowCount(Emitter &e, Value rows, int64_t most, llvm::function_ref<void(int64_t count)> tile);

/// Cuts rows into register tiles of at most so many and nearly one size, so that no small, slow one is left over.
void forRowTiles(Emitter &e, Value rows, int64_t most, llvm::function_ref<void(Value begin, Value count)> body);

} // namespace lathe::cpu
