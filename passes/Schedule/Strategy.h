// How a kernel's body is run on a CPU: which loops, around which op. Read off the body alone, so that the schedule pass
// and the emitter, which both ask, agree.
//
// Every result is computed from the anchors' results. What lies between is
//   aligned: an element needs the anchor's element at the same place (an epilogue in registers), or
//   row-wise: an element needs the anchor's elements of the same row (normalisation; needs whole rows at once).
// Rows are numbered by the product of leading dimensions, columns by the rest.
#pragma once
#include "dialects/Kernel/Kernel.h"

namespace lathe::schedule {

enum class Strategy {
  Map,         // every element of the results on its own
  Rows,        // a row at a time: statistics over the row, then its elements
  Contraction, // a register tile over K
  Attention,   // online softmax over blocks of keys
  Scatter      // copy, then update in order; one tile
};
llvm::StringRef toString(Strategy strategy);

/// A product of matrices: result[batch, m, n] = sum over k of lhs[batch, m, k] * rhs[batch, k, n], + bias. A linear
/// (and a matmul with a matrix on the right) has no batch: its leading dimensions are all rows. A convolution's rows
/// are output channels, its columns output positions, its batch the images and groups.
struct Contraction {
  enum class Kind { Linear, Matmul, Conv };
  Kind kind;
  mlir::Operation *op;
  mlir::Value lhs, rhs; // lhs: the rows; of a convolution, the weight
  Dim batch, m, n, k;   // batch: product of batch dimensions
  bool transposeLhs = false, transposeRhs = false;
  mlir::Attribute activation; // how rows of the lhs are quantized, or null
};
/// Nothing for other ops and for integers.
std::optional<Contraction> getContraction(mlir::Operation *op);

/// Contractions whose accumulators meet in a result, and the results.
struct Group {
  llvm::SmallVector<mlir::Operation *> anchors;
  llvm::SmallVector<unsigned> results;
};

struct KernelPlan {
  Strategy strategy = Strategy::Map;
  llvm::SmallVector<mlir::Operation *> anchors; // contractions with one lhs, the attention or the scatter
  llvm::SmallVector<Group> groups;              // of Contraction; one if wholeRows
  llvm::SmallVector<mlir::Operation *> rowOps;  // norms, softmaxes and reductions over whole rows, in the body's order
  Dim rows = 1;                                 // of Rows, and of Contraction: batch * m
  bool wholeRows = false;                       // of Contraction: the epilogue is row-wise
};
/// Fails, with a diagnostic on the kernel, on a body that no strategy runs.
mlir::FailureOr<KernelPlan> planKernel(kernel::FuncOp kernel);

/// How many leading dimensions of the value make up that many rows; nothing if none do.
std::optional<size_t> getLeadingDims(mlir::Value value, const Dim &rows);
/// The product of the dimensions from `first` on.
Dim getTrailingSize(mlir::Value value, size_t first);

/// What a value is read from: through reshapes, the kernel's argument; or null. Its memory is the value's, so it isn't
/// a weight in a format.
mlir::BlockArgument getMemory(mlir::Value value);
/// What an instruction set has beside its level's registers: "x86-64-v4+vnni+bf16+amx".
struct CpuTarget {
  llvm::StringRef level; // "x86-64-v3" or "x86-64-v4"
  bool vnni = false;     // vpdpbusd: bytes times bytes, added up in 32 bits
  bool bf16 = false;     // vdpbf16ps: pairs of bf16, added up in f32
  bool amx = false;      // tdpbusd, tdpbf16ps: the same for tiles of 16 rows by 16 columns
  /// vpexpandb: bytes, spread to a mask's ones. "+bf16" asks for it too.
  bool expandsBytes() const { return bf16; }
};
/// In the order in which a machine tries them.
llvm::ArrayRef<llvm::StringRef> getCpuTargets();
/// Nothing for a target that the CPU backend doesn't know.
std::optional<CpuTarget> parseCpuTarget(llvm::StringRef target);
/// All that the target's processors have, as LLVM names it.
llvm::SmallVector<llvm::StringRef> getFeatures(const CpuTarget &target);

/// How a kernel's sums of products are computed. Each step of a sum reads 4 bytes of a panel's column: one f32, two
/// elements of 16 bits or four codes.
enum class Product {
  F32,         // fused multiply-adds
  HalfWeights, // the same; weights in f16 or bf16 are widened as they are read
  Bf16,        // both sides in bf16
  Words,       // codes, widened to 16 bits first
  Bytes,       // codes: vpmaddubsw adds two products in 16 bits, which saturates unless a weight's have 7 bits at most
               // (2 * 255 * 64 = 32640)
  Vnni,        // codes
  AmxInt8,     // codes, in tiles of 16 rows by 16 columns by 64 bytes along K
  AmxBf16      // both sides in bf16, in the same tiles
};
llvm::StringRef toString(Product product);
bool isInteger(Product product);
bool isAmx(Product product);
/// Elements of K in a step.
int64_t getStepDepth(Product product);
/// Of a kernel whose weights are laid out.
Product getProduct(const KernelPlan &plan, const CpuTarget &target);
/// Whether the contraction's lhs lies in memory as its rows, so that tiles read it without a copy.
bool readsLhsInPlace(const Contraction &contraction, Product product);
/// The kernel's argument that is 0 for those of `rows` rows that nobody reads, or null: all are read.
mlir::BlockArgument getReadRows(kernel::FuncOp kernel, const Dim &rows);
/// Whether it is computed in integers: rows of 8-bit codes, and a weight in 8 bits that lies in panels of
/// kIntegerDepth.
bool isInteger(const Contraction &contraction);
/// Whether its weight lies in panels that are decoded as they are used, to f32, or a bitmap of integers to codes.
bool isDecoded(const Contraction &contraction);
/// Whether of each four elements along K of its weight two are kept, such that it can lie in sparse panels
/// (compiler/Package/Layout.h).
bool isSparse(const Contraction &contraction);
/// Whether its weight is a #tfm.bitmap that can lie in panels (compiler/Package/Layout.h): of floats as they are, or of
/// packed codes, or such that integers meet.
bool isBitmap(const Contraction &contraction);
/// The integers that rows of codes can meet, in sums of 32 bits: a weight's own codes, or those that its bitmap keeps,
/// of more than 4 bits, with one scale for each column (or fewer); else null.
tfm::IntFormatAttr getIntegers(const Contraction &contraction);
/// Whether rows of small floats meet a weight's own codes, in panels, with one scale a column, where a device has such
/// products.
bool isSmallFloat(const Contraction &contraction);
/// The panel layout of a kernel's argument, or null.
kernel::PanelAttr getPanel(mlir::Value value);

/// Tile sizes by target; chosen by measurement, never from the machine that compiles.
struct TileSizes {
  int64_t lanes;       // f32 lanes of a vector
  int64_t rows;        // rows of the register tile
  int64_t columns;     // its columns
  int64_t unroll;      // steps of K in one iteration of its loop
  int64_t blockRows;   // rows that share a pass over the panels
  int64_t tileRows;    // rows of a launch's tile
  int64_t tileColumns; // columns of a launch's tile
  int64_t queryRows;   // queries of an attention's tile
  int64_t keyBlock;    // keys between two rescalings
};
TileSizes getTileSizes(const CpuTarget &target, Product product);
/// The schedule's own form of them, and back: a schedule that was written by hand is checked.
mlir::NamedAttribute getTileAttr(mlir::MLIRContext *context, const TileSizes &sizes);
mlir::FailureOr<TileSizes> readTileSizes(kernel::FuncOp kernel, kernel::ScheduleAttr schedule);
/// Checks that the product that a schedule says is the one that its target has for the kernel.
mlir::LogicalResult checkProduct(kernel::FuncOp kernel, kernel::ScheduleAttr schedule, Product product);
inline constexpr int64_t kPanelWidth = 16;    // a cache line of f32; wider tiles read panels side by side
inline constexpr int64_t kIntegerDepth = 4;   // codes of a column that an integer product reads together
inline constexpr int64_t kHalfDepth = 2;      // elements of 16 bits of a column that lie together
inline constexpr int64_t kAmxRows = 16;       // of a tile register, each of 64 bytes
inline constexpr int64_t kMapElements = 4096; // of a tile of Map, roughly

} // namespace lathe::schedule
