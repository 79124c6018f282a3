// Products in the tile registers of AMX (Intel SDM, volume 1, chapter 18), which hold 16 rows of 64 bytes.
#pragma once
#include "compiler/Cpu/Gemm.h"

namespace lathe::cpu {

/// All tile registers of this thread are 16 rows of 64 bytes, until releaseTiles: around what calls emitAmxGemm.
void configureTiles(Emitter &e);
void releaseTiles(Emitter &e);

/// As emitGemm, for products whose steps fill tiles, of at most 2 * kAmxRows rows and two panels of columns.
void emitAmxGemm(Emitter &e, Value rows, const GemmTile &tile, bool accumulate);

} // namespace lathe::cpu
