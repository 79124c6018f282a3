// What a compilation made: the figures that `lathe compile` prints and the package's metadata keep.
#pragma once
#include "compiler/Package/Compression.h"
#include "dialects/Program/Program.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/JSON.h"

namespace lathe::package {

struct Summary {
  struct Kernel {
    std::string name;
    kernel::Anchor anchor;
    unsigned launches = 0;
    Dim flops; // of one launch
  };
  struct Symbol {
    std::string name;
    Dim::Range range;
  };
  struct Node { // of the ONNX model
    std::string name, type, precision, why;
  };
  int64_t parameters = 0;  // elements of all weights
  int64_t weightBytes = 0; // as laid out in memory, equal weights once; those that are made at load included
  int64_t storedBytes = 0; // of them, without those that are made at load
  unsigned launches = 0;
  unsigned attentions = 0;     // launches with a fused attention
  std::vector<Kernel> kernels; // that are launched, in the order of their first launch
  std::vector<Symbol> symbols;
  std::vector<Node> precisions;           // what a precision other than fp32 made of each node; empty without one
  Compression compression;                // empty where nothing was compressed
  Dim arena;                              // bytes
  std::optional<int64_t> arenaAtGreatest; // at the greatest values of the symbols
  uint64_t packageBytes = 0;              // 0: not written yet
  bool estimated = false;                 // packageBytes is an estimate
};

/// Of a planned module.
Summary summarize(mlir::ModuleOp module);
/// Sets packageBytes to an estimate, before there is code: within a few KiB a kernel and target.
void estimatePackage(Summary &summary, size_t targets);
/// A few lines for people.
void print(const Summary &summary, llvm::raw_ostream &os);
/// How many nodes have each precision: `f16: 120 nodes, f32: 3 nodes`.
std::string countPrecisions(const Summary &summary);
/// A line for each node whose precision was chosen, with the reason.
void printPrecisions(const Summary &summary, llvm::raw_ostream &os);
llvm::json::Value toJson(const Summary &summary);

} // namespace lathe::package
