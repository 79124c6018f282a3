// The register tile that contractions and attention are made of.
#pragma once
#include "compiler/Cpu/Emitter.h"

namespace lathe::cpu {

/// Operands of a tile: C[r, n] (+)= sum over k of A[r, k] * B[k, n], in the order of k, by fused multiply-add. Strides
/// in elements of f32; A and C row by row.
/// B is a panel, K-major; where the columns are more than a panel's, panels that begin `panelStride` elements apart.
/// With `rows`, 64-bit numbers, A's rows are those of them: A[r] begins at a + rows[r] * strideA.
/// A tile that is one of many over a stream of panels also asks, at each k, for the cache line at `ahead` + k *
/// `aheadStep` bytes, so that the panels after this one are in L2 when they are read, wherever they come from.
struct GemmTile {
  Value a, strideA, b, depth, c, strideC, panelStride = {}, rows = {}, ahead = {}, aheadStep = {};
};

/// Calls the tile of that many rows, at most sizes.rows, and columns, a constant multiple of the lanes up to the panel
/// width. An element's operations depend on neither, so a partial tile gives the same bits.
void emitGemm(Emitter &e, Value rows, int64_t columns, const GemmTile &tile, bool accumulate);

/// Cuts rows into register tiles of at most so many and nearly one size, so that no small, slow one is left over.
void forRowTiles(Emitter &e, Value rows, int64_t most, llvm::function_ref<void(Value begin, Value count)> body);

} // namespace lathe::cpu
