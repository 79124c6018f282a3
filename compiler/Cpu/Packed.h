// Weights of 4- and 8-bit codes that lie in panels (package::getPackedPanels), decoded as they are read: value = (code
// - zero) * scale, rounded to f32, then to the weight's type. Then they are factors as any other, so that both ways
// below give the same bits. Those behind a bitmap (package::getBitmapPanels), of such codes or of floats: what a row of
// a panel keeps is read at once and spread to its columns. And those of which two of four elements are kept
// (package::getSparsePanels).
#pragma once
#include "compiler/Cpu/Gemm.h"

namespace lathe::cpu {

/// Writes the panels of a tile's columns, from `column` of the matrix on, in f32: `depth` rows of each. Of integers,
/// the codes as an integer product reads them.
void decodePanels(Emitter &e, mlir::BlockArgument weight, Value depth, Value column, Value target);

/// What a bitmap's panels keep, of as many columns as a tile has: where it begins, and its bytes.
std::pair<Value, Value> findKept(Emitter &e, mlir::BlockArgument weight, Value column);

/// A tile whose right side is decoded in registers: of few rows, for which storing it would not pay. Of the tile's
/// fields the right side's (b, panelStride) are not read. Product::F32, or of a bitmap's integers theirs, but
/// not AMX's. Not of sparse panels.
void emitPackedGemm(Emitter &e, mlir::BlockArgument weight, Value column, Value rows, const GemmTile &tile);

} // namespace lathe::cpu
