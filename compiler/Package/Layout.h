// Weights in the order in which kernels read them.
#pragma once
#include "dialects/Kernel/Kernel.h"

namespace lathe::package {

/// Bytes of a weight as it is stored: row-major without a layout, else in panels. Nothing on overflow.
std::optional<uint64_t> getStoredBytes(mlir::RankedTensorType type, kernel::PanelAttr layout);

/// Where the parts of a weight of 4- or 8-bit codes begin that lies in panels: the codes at 0.
struct PackedPanels {
  uint64_t columns = 0, group = 1; // columns with the padding; elements of K that share a scale
  uint64_t scales = 0, zeros = 0, size = 0;
};
PackedPanels getPackedPanels(mlir::RankedTensorType type, kernel::PanelAttr layout);

/// The same of a weight of 16 bits in #tfm.nm of which two of each four elements along K are kept: the kept ones in
/// panels, in the weight's type or in packed codes; then, at a multiple of 64 bytes, for each panel and each 32
/// elements of K, in whole pairs, 16 words. Word 2i + j says where in its four each of eight kept elements is, from 8j
/// of 16 on, two bits each from the lowest: of column i, then of column i + 8.
struct SparsePanels {
  mlir::RankedTensorType kept; // without a format where elements lie as they are
  uint64_t blocks = 0, metadata = 0, size = 0;
};
SparsePanels getSparsePanels(mlir::RankedTensorType type, kernel::PanelAttr layout);

/// The same of a weight in #tfm.bitmap: a tensor of panels, rows of K (a multiple of four, the last ones empty) and
/// columns in that format, whose blocks are of rows of one column each. So a row of a panel has 16 bits, and what four
/// rows keep is counted. With a depth, for integers, a column's four rows lie next to each other (panels, steps,
/// columns, rows), codes have 8 bits and a column one scale in f32, and its sum of codes in i32 lies behind. Else 64
/// bytes, so that a vector may be read from any kept value on.
struct BitmapPanels {
  mlir::RankedTensorType tensor;
  int64_t rows = 0;
  uint64_t sums = 0, size = 0;
};
BitmapPanels getBitmapPanels(mlir::RankedTensorType type, kernel::PanelAttr layout);

/// Gives the stored bytes, in order and in pieces, to the sink. `bytes` are the tensor's, row-major. Takes memory for a
/// few rows of a panel only.
void layOut(mlir::RankedTensorType type, kernel::PanelAttr layout, llvm::ArrayRef<char> bytes,
            llvm::function_ref<void(llvm::ArrayRef<char>)> sink);

} // namespace lathe::package
