// Attention masks, read back to the set of keys that each query may see.
#pragma once
#include "dialects/Tfm/Tfm.h"
#include "mlir/IR/PatternMatch.h"

namespace lathe::simplify {

/// One way in which a model masks scores, broadcastable to [batch, heads, queries, keys].
struct MaskTerm {
  mlir::Value value;    // what is added, or the condition
  bool isChosen;        // select(condition, scores, fill), instead of scores + factor*value
  bool keepTrue = true; // chosen: scores where the condition holds
  double fill = 0, factor = 1;

  static MaskTerm added(mlir::Value value, double factor) { return {value, false, true, 0, factor}; }
  static MaskTerm chosen(mlir::Value condition, bool keepTrue, double fill) {
    return {condition, true, keepTrue, fill, 1};
  }
};

/// The mask operands and attributes of a tfm.attention.
struct AttentionMask {
  mlir::Value bias, padding;
  bool causal = false;
  std::optional<Dim> offset; // absent: keys - queries
  std::optional<int64_t> window;
  tfm::MaskedRow maskedRow = tfm::MaskedRow::nan;
};

/// The mask that all terms (outermost first) make together. `guarded`: rows that are NaN were made 0. `scores` are the
/// four dimensions. Ops are built at the rewriter's insertion point. Nothing, and no op built, where tfm.attention
/// can't say it: a row that is masked whole would give something else; and with needsSet where all of it would be a
/// bias.
///
/// A fill of -inf, or one so large that any score vanishes beside it, masks exactly. One of about -1e4 masks exactly in
/// f32 as long as one key is kept (e^-1e4 is 0), and leaves the scores as they were where none is.
std::optional<AttentionMask> recoverMask(mlir::PatternRewriter &rewriter, mlir::Location loc,
                                         llvm::ArrayRef<MaskTerm> terms, bool guarded, llvm::ArrayRef<Dim> scores,
                                         bool needsSet = false);

} // namespace lathe::simplify
