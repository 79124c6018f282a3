// The sweep that GPTQ and SparseGPT share: column after column is replaced by what a format can hold, and the columns
// to come make up for the error as H says. (Frantar et al., 2210.17323 and 2301.00774.)
#pragma once
#include "compiler/Numerics/LinearAlgebra.h"
#include "llvm/ADT/STLFunctionalExtras.h"

namespace lathe::numerics {

/// Takes the block of positions [begin, end), before its first column.
using BeginBlock = llvm::function_ref<void(int64_t begin, int64_t end)>;
/// Writes what stands for column[rows] at the position to replacement[rows].
template <typename T> using ReplaceColumn = llvm::function_ref<void(int64_t position, const T *column, T *replacement)>;

/// Sweeps transpose[K, rows], a weight with its columns in rows, in place. `u` is of H in the same order of columns.
/// The updates of columns after a block of `block` are delayed to its end. Returns Σe² = tr(Δ H Δᵀ) with the damped H.
template <typename T>
double sweep(MatrixView<T> transpose, ConstView<double> u, int64_t block, BeginBlock beginBlock,
             ReplaceColumn<T> replace);

} // namespace lathe::numerics
