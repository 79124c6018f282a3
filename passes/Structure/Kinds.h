// What each weight of a Transformer is there for, told by the data flow of the simplified module and never by a name.
#pragma once
#include "dialects/Tfm/Tfm.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/MapVector.h"

namespace lathe {

/// A linear is
///   attention.q, k, v    where its result reaches that operand of an attention through movement, rotary, norms and
///                        elementwise ops alone, and no other linear does;
///   attention.output     where it is the first that an attention's result reaches;
///   ffn.down             where its input comes, through an activation, from one linear (ffn.up) or from the product of
///                        two (ffn.gate is the one behind the activation), and its result is added to the residual
///                        stream that those read, straight or behind norms;
///   head                 where its result reaches a result of @main and nothing else, through elementwise ops by
///                        constants and softmax alone, and it comes after the last attention;
///   linear               else.
/// Two linears in a row are factors of one: they have its kind. An attention is tfm.attention or what is left of one: a
/// product with a softmax of a product. A table that tfm.embedding reads is an embedding.
enum class WeightKind {
  AttentionQ,
  AttentionK,
  AttentionV,
  AttentionOutput,
  FfnUp,
  FfnGate,
  FfnDown,
  Linear,
  Head,
  Embedding
};

/// "attention.q", "ffn.up", "linear" ...
llvm::StringRef getName(WeightKind kind);

struct WeightUse {
  llvm::SmallVector<WeightKind, 1> kinds; // sorted, without repetition: a tied weight is a head and an embedding
  /// Of its first use, from 0: a layer begins with each attention over a sequence itself, and with any behind an ffn;
  /// one over another sequence belongs to the layer that it stands in. -1 outside layers: embeddings, heads, what is
  /// behind the last layer's.
  int64_t layer = -1;
  llvm::SmallVector<mlir::Operation *, 1> readers; // tfm.linear and tfm.embedding
  bool is(WeightKind kind) const { return llvm::is_contained(kinds, kind); }
};

/// What one linear is there for, and its layer, from 0, or -1.
struct LinearUse {
  WeightKind kind;
  int64_t layer;
};
/// All linears of @main, in their order.
llvm::MapVector<mlir::Operation *, LinearUse> classifyLinears(mlir::ModuleOp module);

/// By symbol, in the order of the weights: those of rank 2 that a tfm.linear or tfm.embedding of @main reads. Expects
/// the module as it is after the phase simplify; compressed weights change nothing.
llvm::MapVector<mlir::StringAttr, WeightUse> classifyWeights(mlir::ModuleOp module);

} // namespace lathe
