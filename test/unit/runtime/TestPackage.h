// Packages for the tests, built from plain structs that mirror the schema, so that a test can spoil any single thing.
#pragma once
#include "runtime/Package/Format.h"
#include "runtime/Package/Package_generated.h"
#include <string>
#include <vector>

namespace lathe::test {

using Bytes = std::vector<uint8_t>;

// A formula under construction: constants convert, symbol(i) names one, operators combine.
struct Expr {
  std::vector<package::FormulaStep> steps;
  Expr() = default;
  Expr(int64_t value) : steps{package::FormulaStep(value, package::FormulaOp::constant)} {}
};
Expr symbol(int64_t index);
Expr combine(package::FormulaOp op, Expr left, const Expr &right);
inline Expr operator*(Expr a, const Expr &b) { return combine(package::FormulaOp::mul, std::move(a), b); }
inline Expr operator+(Expr a, const Expr &b) { return combine(package::FormulaOp::add, std::move(a), b); }
inline Expr operator-(Expr a, const Expr &b) { return combine(package::FormulaOp::sub, std::move(a), b); }
inline Expr ceildiv(Expr a, const Expr &b) { return combine(package::FormulaOp::ceildiv, std::move(a), b); }
inline Expr floordiv(Expr a, const Expr &b) { return combine(package::FormulaOp::floordiv, std::move(a), b); }

struct Symbol {
  std::string name;
  int64_t min, max;
};
struct Value {
  std::string name;
  package::ElementType type;
  std::vector<Expr> dims;
};
struct Requirement {
  Expr left, right;
  std::string message;
};
struct Buffer {
  Expr offset, size;
};
struct Weight {
  std::string name;
  package::ElementType type;
  uint64_t size;
  uint32_t segment;
  uint64_t offset;
  uint64_t rows, columns;
  uint32_t panel = 0;
  bool random = false;
  uint64_t seed = 0, tensor = 0;
  float scale = 0;
  uint32_t depth = 1;
};
struct Target {
  std::string name;
  uint32_t segment;
  uint32_t driver = 0;
};
struct TensorMap {
  uint32_t operand;
  package::ElementType type;
  std::vector<Expr> dims, strides;
  std::vector<uint32_t> box;
  uint32_t swizzle = 0;
};
struct Variant {
  std::string symbol;
  Expr tiles, scratch;
  uint32_t threads = 0, shared = 0; // CUDA's
  std::vector<TensorMap> maps = {};
  bool early = false;
};
struct Kernel {
  std::string name;
  std::vector<Variant> variants;
  std::vector<std::string> origins;
};
struct Launch {
  uint32_t kernel;
  std::vector<package::Operand> operands;
  std::vector<Expr> params;
};
struct Entry {
  std::string name;
  std::vector<Value> inputs, outputs;
  std::vector<Requirement> requirements;
  Expr arenaSize;
  std::vector<Buffer> buffers;
  std::vector<Launch> launches;
  int32_t batchSymbol = -1;
};
struct Model {
  std::string name;
  std::vector<Symbol> symbols;
  std::vector<Target> targets;
  std::vector<Weight> weights;
  std::vector<Kernel> kernels;
  std::vector<Entry> entries;
  uint32_t kernelAbi = 1;
};

Bytes buildTable(const Model &model);

struct SegmentData {
  package::SegmentKind kind;
  uint32_t link;
  uint32_t alignment;
  Bytes bytes;
};
// Puts a package together, hashes and all. WeightHashes segments get their contents here.
Bytes assemble(const Bytes &table, std::vector<SegmentData> segments);
// Makes the hash of header and table right again after a change to them, as far as they still lie in the file.
void rehash(Bytes &package);

Bytes kernelElf(); // of Kernels.c

// gather(ids, table) -> scale(mask, gain): y f32[batch, sequence, 4] from ids i64[batch, sequence] and mask f32[batch,
// sequence]. The table is 10 x 4 with element i = i; the gain 1, 2, 3, 4. Rows are independent along batch.
// Segments: 0 code, 1 weights, 2 their hashes, 3 metadata.
Model gatherModel();
std::vector<SegmentData> gatherSegments();
Bytes gatherPackage();

// The same model for "x86-64" and for "cuda-sim", with the kernels of CudaKernels.cu. Segment 4 is the latter's code.
Model cudaModel();
std::vector<SegmentData> cudaSegments();
Bytes cudaPackage();

// One kernel of Kernels.c that writes u32[n] with n tiles, n the only dimension of its input.
Bytes vectorPackage(const std::string &kernel);

} // namespace lathe::test
