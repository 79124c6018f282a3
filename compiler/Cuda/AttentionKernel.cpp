// Kernels of attention: the Op of Device/Attention.h and HopperAttention.h.
#include "compiler/Cuda/CppPrinter.h"
#include "compiler/Cuda/KernelWriter.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::cuda;

void cuda::writeAttention(KernelWriter &w) {
  auto op = cast<tfm::AttentionOp>(w.plan.anchors[0]);
  std::string text, math = w.getStoredType(op.getQuery());
  math = math == "float" ? "F32" : "Half<" + math + ">";
  if (op->getAttrOfType<tfm::PrecisionAttr>("precision"))
    math = "Tf32";
  auto heads = static_cast<int64_t>(op.getHeads()), kvHeads = static_cast<int64_t>(op.getKvHeads());
  int64_t depth = *tfm::getDims(op.getQuery())[2].getConstant() / heads;
  int64_t width = *tfm::getDims(op.getValue())[2].getConstant() / kvHeads;
  SmallVector<Dim> queryDims = tfm::getDims(op.getQuery());
  BlockArgument readRows = schedule::getReadRows(w.kernel, Dim::product(ArrayRef<Dim>(queryDims).take_front(2)));

  w.size("batches", [&] { return w.getDims(op.getQuery())[0]; });
  w.size("queries", [&] { return w.getDims(op.getQuery())[1]; });
  w.size("keys", [&] { return w.getDims(op.getKey())[1]; });
  w.size("offset", [&] {
    return op.getOffset() ? w.getDim(op.getOffset()->getDims()[0])
                          : w.sub(w.getDims(op.getKey())[1], w.getDims(op.getQuery())[1]);
  });
  std::string constants;
  auto constant = [&](const char *type, const char *name, const std::string &value) {
    constants += "  static constexpr " + std::string(type) + " " + name + " = " + value + ";\n";
  };
  auto flag = [&](const char *name, bool value) { constant("bool", name, value ? "true" : "false"); };
  Builder builder(op.getContext());
  constant("u32", "kDepth", std::to_string(depth));
  constant("u32", "kWidth", std::to_string(width));
  constant("index", "kHeads", std::to_string(heads));
  constant("index", "kKvHeads", std::to_string(kvHeads));
  constant("float", "kScale", printScalar(builder.getF32FloatAttr(op.getScale().convertToDouble())));
  constant("float", "kSoftcap", printScalar(builder.getF32FloatAttr(op.getSoftcap().convertToDouble())));
  flag("kPadding", bool(op.getPadding()));
  flag("kCausal", op.getCausal());
  flag("kWindow", op.getWindow().has_value());
  flag("kBias", bool(op.getBias()));
  flag("kSkips", bool(readRows));
  static constexpr const char *maskedRows[] = {"Zero", "Mean", "Unmasked", "Nan"};
  constant("MaskedRow", "kMaskedRow",
           std::string("MaskedRow::") + maskedRows[static_cast<unsigned>(op.getMaskedRow())]);

  // The operands, and where they lie in memory as they are, the way there.
  struct Operand {
    const char *name, *source;
    Value tensor;
    int64_t head;
  } operands[] = {{"query", "kQuery", op.getQuery(), depth},
                  {"key", "kKey", op.getKey(), depth},
                  {"value", "kValue", op.getValue(), width}};
  for (const Operand &operand : operands) {
    std::string name = operand.name;
    w.method(
        w.getStoredType(operand.tensor), name, {{"index", "batch"}, {"index", "row"}, {"index", "column"}},
        [&](ValueRange p) { return w.evaluate(operand.tensor, {w.uniform(p[0]), w.uniform(p[1]), w.uniform(p[2])}); });
    text += "  __device__ __forceinline__ T " + name +
            "(index batch, index row, index column) const {\n    return kernel." + name +
            "(batch, row, column);\n  }\n";
    BlockArgument memory = schedule::getMemory(operand.tensor);
    unsigned bits = tfm::getElementType(operand.tensor).getIntOrFloatBitWidth();
    bool rows = memory && operand.head * bits % 128 == 0;
    constant("Source", operand.source, rows ? "Source::Rows" : "Source::Computed");
    if (!rows)
      continue;
    w.method("index", name + "_place", {{"index", "batch"}, {"index", "row"}}, [&](ValueRange p) {
      Indices at{w.uniform(p[0]), w.uniform(p[1]), w.uniform(0)};
      return w.linearize(at, w.getDims(operand.tensor)).value;
    });
    text += "  __device__ __forceinline__ const T *" + name +
            "_address(index batch, index row, index column, u32 elements) const {\n    return kernel.a" +
            std::to_string(memory.getArgNumber()) + ".address(kernel." + name +
            "_place(batch, row) + column, elements);\n  }\n";
  }
  for (const char *size : {"batches", "queries", "keys", "offset"})
    text += "  __device__ __forceinline__ index " + std::string(size) + "() const { return kernel." + size + "(); }\n";
  if (op.getWindow())
    text += "  __device__ __forceinline__ index window() const { return " + std::to_string(*op.getWindow()) + "; }\n";
  if (op.getPadding()) {
    w.method("bool", "padding", {{"index", "batch"}, {"index", "key"}},
             [&](ValueRange p) { return w.evaluate(op.getPadding(), {w.uniform(p[0]), w.uniform(p[1])}); });
    text +=
        "  __device__ __forceinline__ bool padding(index batch, index key) const {\n    return kernel.padding(batch, "
        "key);\n  }\n";
  }
  if (op.getBias()) {
    w.method("float", "bias", {{"index", "batch"}, {"index", "head"}, {"index", "query"}, {"index", "key"}},
             [&](ValueRange p) {
               SmallVector<Dim> dims = tfm::getDims(op.getBias());
               Indices place;
               for (size_t d = 0; d < dims.size(); ++d)
                 place.push_back(dims[d] == Dim(1) ? w.uniform(0) : w.uniform(p[4 - dims.size() + d]));
               return w.evaluateWide(op.getBias(), place);
             });
    text +=
        "  __device__ __forceinline__ float bias(index batch, index head, index query, index key) const {\n    return "
        "kernel.bias(batch, head, query, key);\n  }\n";
  }
  if (readRows) {
    w.method("bool", "reads", {{"index", "row"}}, [&](ValueRange p) { return w.isRead(readRows, p[0]); });
    text += "  __device__ __forceinline__ bool reads(index row) const { return kernel.reads(row); }\n";
  }
  w.method("void", "store", {{"index", "batch"}, {"index", "query"}, {"index", "column"}, {"float", "value"}},
           [&](ValueRange p) {
             Type declared = tfm::getElementType(op.getResult());
             w.override(op.getResult(),
                        [&w, value = p[3], declared](ArrayRef<Index>) { return w.narrow(value, declared); });
             Indices at{w.uniform(p[0]), w.uniform(p[1]), w.uniform(p[2])};
             for (unsigned result = 0; result < w.kernel.getNumResults(); ++result)
               w.storeResult(result, w.evaluate(w.getResults()[result], at), at);
             w.overrides.erase(op.getResult().getAsOpaquePointer());
             return Value();
           });
  text += "  __device__ __forceinline__ void store(index batch, index query, index column, float value) const {\n    "
          "kernel.store(batch, query, column, value);\n  }\n";
  w.helpers += "struct " + w.name + "_Op {\n  const " + w.name + " &kernel;\n  using Math = " + math +
               ";\n  using T = Math::T;\n" + constants + text + "};\n";
  w.body += std::string(w.tile.wgmma ? "  HopperAttention<" : "  Attention<") + w.name + "_Op>::run({kernel});\n";
}
