// Kernels of matrix products: groups of right sides for Device/Contraction.h, their operands where they lie in memory,
// and the epilogue, element by element or row by row.
#include "compiler/Cuda/CppPrinter.h"
#include "compiler/Cuda/KernelWriter.h"
#include "compiler/Package/Layout.h"
#include "dialects/Tfm/Formats.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::cuda;
using schedule::Contraction;

namespace {
class ContractionWriter {
public:
  explicit ContractionWriter(KernelWriter &w) : w(w), first(*schedule::getContraction(w.plan.anchors[0])) {}
  void write();

private:
  struct Side {
    std::string source, text; // of Device/Contraction.h; methods of the group
  };
  Value getGroups(const Contraction &c) { return w.index(static_cast<int64_t>(cast<tfm::ConvOp>(c.op).getGroups())); }
  void writeSizes();
  Side getLhs();
  Side getRhs(ArrayRef<Operation *> anchors);
  std::string getColumnScales(ArrayRef<Operation *> anchors);
  std::string getSmallFloatScales(ArrayRef<Operation *> anchors);
  bool isSkinny(const Side &rhs, ArrayRef<Operation *> anchors);
  Indices getBatchIndices(Value tensor, Value batch);
  Indices getLhsIndices(Value batch, Value row, Value k);
  Indices getRhsIndices(const Contraction &c, Value batch, Value k, Value column);
  Indices getResultIndices(const Contraction &c, Value batch, Value row, Value column);
  Value addBias(const Contraction &c, Value sum, ArrayRef<Index> indices);
  bool isAligned(const Dim &run, Type element);
  void writeGroup(unsigned number, ArrayRef<Operation *> anchors);
  std::string getMaps(ArrayRef<Operation *> anchors);
  void writeStore(unsigned number, const schedule::Group &group);
  void writeFinish();
  bool shares() { return w.tile.parts > 1; }
  size_t getMostAnchors();
  std::string getTiles(StringRef size, size_t group);
  std::string getRun(StringRef size, size_t group);
  std::string shareTiles(StringRef size, size_t groups);
  int64_t columnsOf(Operation *anchor) { return llvm::find(w.plan.anchors, anchor) - w.plan.anchors.begin(); }

  KernelWriter &w;
  Contraction first;
  std::vector<std::string> groupMaps; // by group: pointers to its maps
  std::vector<bool> groupSparse;      // by group
  bool unpacks = false;               // a group has packed panels
  Side lhs;
  bool isAllSkinny = true; // of the groups: up to 16 rows are Device/Skinny.h's
};
} // namespace

/// Where a batch's matrix is in an operand: its dimensions but the last two, of which 1s are broadcast.
Indices ContractionWriter::getBatchIndices(Value tensor, Value batch) {
  SmallVector<Dim> dims = tfm::getDims(tensor);
  Indices at;
  if (dims.size() <= 2)
    return at;
  Values result = w.getDims(first.op->getResult(0));
  Indices outer = w.delinearize(w.uniform(batch), ArrayRef<Value>(result).drop_back(2));
  for (size_t d = 0; d + 2 < dims.size(); ++d)
    at.push_back(dims[d] == Dim(1) ? w.uniform(0) : outer[outer.size() + 2 - dims.size() + d]);
  return at;
}

Indices ContractionWriter::getLhsIndices(Value batch, Value row, Value k) {
  Values sizes = w.getDims(first.lhs);
  Indices at;
  if (first.kind == Contraction::Kind::Conv) {
    Value rows = w.div(w.getDims(first.op->getResult(0))[1], getGroups(first));
    at.push_back(w.uniform(w.add(w.mul(w.rem(batch, getGroups(first)), rows), row)));
    at.append(w.delinearize(w.uniform(k), ArrayRef<Value>(sizes).drop_front()));
    return at;
  }
  if (first.batch == Dim(1) && !first.transposeLhs) {
    at = w.delinearize(w.uniform(row), ArrayRef<Value>(sizes).drop_back());
    at.push_back(w.uniform(k));
    return at;
  }
  at = getBatchIndices(first.lhs, batch);
  at.push_back(w.uniform(first.transposeLhs ? k : row));
  at.push_back(w.uniform(first.transposeLhs ? row : k));
  return at;
}

Indices ContractionWriter::getRhsIndices(const Contraction &c, Value batch, Value k, Value column) {
  Indices at = getBatchIndices(c.rhs, batch);
  at.push_back(w.uniform(c.transposeRhs ? column : k));
  at.push_back(w.uniform(c.transposeRhs ? k : column));
  return at;
}

Indices ContractionWriter::getResultIndices(const Contraction &c, Value batch, Value row, Value column) {
  Values dims = w.getDims(c.op->getResult(0));
  ArrayRef<Value> sizes(dims);
  Indices at;
  if (c.kind == Contraction::Kind::Conv) {
    Value groups = getGroups(c), rows = w.div(sizes[1], groups);
    at.push_back(w.uniform(w.div(batch, groups)));
    at.push_back(w.uniform(w.add(w.mul(w.rem(batch, groups), rows), row)));
    at.append(w.delinearize(w.uniform(column), sizes.drop_front(2)));
    return at;
  }
  if (first.batch == Dim(1)) {
    at = w.delinearize(w.uniform(row), sizes.drop_back());
  } else {
    at = w.delinearize(w.uniform(batch), sizes.drop_back(2));
    at.push_back(w.uniform(row));
  }
  at.push_back(w.uniform(column));
  return at;
}

Value ContractionWriter::addBias(const Contraction &c, Value sum, ArrayRef<Index> indices) {
  if (auto linear = dyn_cast<tfm::LinearOp>(c.op); linear && linear.getBias())
    sum = w.addf(sum, w.evaluateWide(linear.getBias(), indices.take_back(1)));
  if (auto conv = dyn_cast<tfm::ConvOp>(c.op); conv && conv.getBias())
    sum = w.addf(sum, w.evaluateWide(conv.getBias(), indices[1]));
  return w.narrow(sum, tfm::getElementType(c.op->getResult(0)));
}

/// Whether runs of that many elements begin at multiples of 16 bytes, as cp.async copies them.
bool ContractionWriter::isAligned(const Dim &run, Type element) {
  auto length = run.getConstant();
  return length && *length * element.getIntOrFloatBitWidth() % 128 == 0;
}

void ContractionWriter::writeSizes() {

  bool conv = first.kind == Contraction::Kind::Conv, flat = first.batch == Dim(1);
  w.size("batches", [&] {
    Values dims = w.getDims(first.op->getResult(0));
    return conv ? w.mul(dims[0], getGroups(first)) : flat ? w.index(1) : w.product(ArrayRef<Value>(dims).drop_back(2));
  });
  w.size("rows", [&] {
    Values dims = w.getDims(first.op->getResult(0));
    return conv   ? w.div(dims[1], getGroups(first))
           : flat ? w.product(ArrayRef<Value>(dims).drop_back())
                  : dims[dims.size() - 2];
  });
  w.size("depth", [&] {
    Values dims = w.getDims(first.lhs);
    return conv ? w.product(ArrayRef<Value>(dims).drop_front()) : dims[dims.size() - (first.transposeLhs ? 2 : 1)];
  });
  for (auto [i, op] : llvm::enumerate(w.plan.anchors))
    w.size("columns" + std::to_string(i), [&, op = op] {
      Values dims = w.getDims(op->getResult(0));
      return conv ? w.product(ArrayRef<Value>(dims).drop_front(2)) : dims.back();
    });
}

ContractionWriter::Side ContractionWriter::getLhs() {
  Type element = tfm::getElementType(first.lhs);
  BlockArgument memory = schedule::getMemory(first.lhs);
  std::string type = w.getStoredType(first.lhs);
  if (memory && !first.transposeLhs && isAligned(first.k, element)) {
    w.method("index", "lhs_row", {{"index", "batch"}, {"index", "row"}}, [&](ValueRange p) {
      Indices at = getLhsIndices(p[0], p[1], w.index(0));
      Values dims = w.getDims(first.lhs);
      return w.linearize(at, dims).value;
    });
    auto vector = [&](const std::string &elements) {
      return "{\n    return kernel.a" + std::to_string(memory.getArgNumber()) + ".load<" + elements +
             ">(kernel.lhs_row(batch, row) + k);\n  }\n";
    };
    const std::string head = "  __device__ __forceinline__ auto ",
                      parameters = "(index batch, index row, index k) const ";
    if (first.activation)
      return {"Source::Rows", head + "lhs_run" + parameters + vector("4")};
    return {"Source::Rows",
            "  __device__ __forceinline__ const T *lhs_address(index batch, index row, index k, u32 elements) const {\n"
            "    return kernel.a" +
                std::to_string(memory.getArgNumber()) + ".address(kernel.lhs_row(batch, row) + k, elements);\n  }\n" +
                (element.getIntOrFloatBitWidth() == 16
                     ? "  template <int kCount>" + head + "lhs_vector" + parameters + vector("kCount")
                     : "")};
  }
  w.method(type, "lhs", {{"index", "batch"}, {"index", "row"}, {"index", "k"}},
           [&](ValueRange p) { return w.evaluate(first.lhs, getLhsIndices(p[0], p[1], p[2])); });
  return {"Source::Computed", "  __device__ __forceinline__ " + type +
                                  " lhs(index batch, index row, index k) const {\n    return "
                                  "kernel.lhs(batch, row, k);\n  }\n"};
}

/// The class of Device/Panels.h that reads the right side, a weight of packed codes in panels.
static std::string getPanelCodes(const Contraction &c, RankedTensorType type, int64_t depth) {
  tfm::PackedCodes format = *tfm::getPackedCodes(tfm::getFormat(type));
  package::PackedPanels panels = package::getPackedPanels(type, schedule::getPanel(c.rhs));
  std::string code = format.type         ? isa<Float8E4M3FNType>(format.type) ? "E4M3" : "E5M2"
                     : format.zeroPoints ? "Unsigned"
                                         : "Signed";
  // One group has all of K, also where it has room for more.
  int64_t group =
      static_cast<int64_t>(panels.group) < depth ? panels.group : llvm::alignTo(std::max<int64_t>(depth, 1), 8);
  std::string text = "PanelCodes<Code::" + code;
  for (int64_t size : {int64_t(format.bits), depth, int64_t(panels.columns), group})
    text += ", " + std::to_string(size);
  return text + ", " + getTypeName(format.scale) + ", " + std::to_string(panels.scales) + ", " +
         std::to_string(panels.zeros) + ">{kernel.a" + std::to_string(cast<BlockArgument>(c.rhs).getArgNumber()) + "}";
}

static std::string getPanelCodes(const Contraction &c) {
  return getPanelCodes(c, cast<RankedTensorType>(c.rhs.getType()), *c.k.getConstant());
}

/// The class of Device/Sparse.h that reads it.
static std::string getSparsePanels(const Contraction &c) {
  auto type = cast<RankedTensorType>(c.rhs.getType());
  package::SparsePanels panels = package::getSparsePanels(type, schedule::getPanel(c.rhs));
  int64_t depth = *c.k.getConstant() / 2;
  std::string values = "PlainPanels<" + getTypeName(type.getElementType()) + ", " + std::to_string(depth) + ", " +
                       std::to_string(llvm::alignTo(*c.n.getConstant(), 16)) + ">";
  if (tfm::getFormat(panels.kept))
    values = StringRef(getPanelCodes(c, panels.kept, depth)).split('{').first.str();
  return "SparsePanels<" + values + ", " + std::to_string(panels.blocks) + ", " + std::to_string(panels.metadata) +
         ">{{kernel.a" + std::to_string(cast<BlockArgument>(c.rhs).getArgNumber()) + "}}";
}

/// Lines of a method that say something for each anchor; the last one isn't asked for.
static std::string forAnchors(ArrayRef<Operation *> anchors, StringRef condition,
                              llvm::function_ref<std::string(const Contraction &)> line) {
  std::string text;
  for (auto [i, op] : llvm::enumerate(anchors)) {
    bool isLast = i + 1 == anchors.size();
    text += (isLast ? "" : "    " + condition + std::to_string(i) + ")\n  ").str() + "    " +
            line(*schedule::getContraction(op)) + "\n" +
            (isLast || !condition.starts_with("if constexpr") ? "" : "    else\n  ");
  }
  return text;
}

/// Whether few rows by these weights are a product of Device/Skinny.h's.
bool ContractionWriter::isSkinny(const Side &rhs, ArrayRef<Operation *> anchors) {
  auto format = [](Operation *op) { return cast<RankedTensorType>(schedule::getContraction(op)->rhs.getType()); };
  auto depth = first.k.getConstant();
  return lhs.source == "Source::Rows" && rhs.source == "Source::PackedPanels" && !first.activation &&
         tfm::getElementType(first.lhs).getIntOrFloatBitWidth() == 16 && *depth % 8 == 0 &&
         llvm::all_of(anchors, [&](Operation *op) {
           Contraction c = *schedule::getContraction(op);
           int64_t group = package::getPackedPanels(format(op), schedule::getPanel(c.rhs)).group;
           return format(op) == format(anchors[0]) && (group % 8 == 0 || group >= *depth) &&
                  c.transposeRhs == first.transposeRhs;
         });
}

ContractionWriter::Side ContractionWriter::getRhs(ArrayRef<Operation *> anchors) {
  // One way for all of a group's.
  auto getSource = [&](Operation *op) -> std::string {
    Contraction c = *schedule::getContraction(op);
    Type element = tfm::getElementType(c.rhs);
    if (schedule::isBitmap(c))
      return "Source::Computed";
    if (schedule::isDecoded(c))
      return schedule::isSparse(c) ? "Source::SparsePanels" : "Source::PackedPanels";
    if (schedule::getPanel(c.rhs))
      return schedule::isInteger(c) ? "Source::Quads" : "Source::Panels";
    if (c.kind == Contraction::Kind::Conv || !schedule::getMemory(c.rhs))
      return "Source::Computed";
    if (c.transposeRhs)
      return isAligned(c.k, element) ? "Source::Rows" : "Source::Computed";
    return isAligned(c.n, element) ? "Source::Columns" : "Source::Computed";
  };
  Side side;
  side.source = getSource(anchors[0]);
  for (Operation *op : anchors)
    if (getSource(op) != side.source)
      side.source = "Source::Computed";
  if (side.source == "Source::PackedPanels" || side.source == "Source::SparsePanels") {
    bool sparse = side.source == "Source::SparsePanels";
    side.text = "  template <u32 kAnchor> __device__ __forceinline__ auto " + std::string(sparse ? "sparse" : "codes") +
                "() const {\n" +
                forAnchors(anchors, "if constexpr (kAnchor == ",
                           [&](const Contraction &c) {
                             return "return " + (sparse ? getSparsePanels(c) : getPanelCodes(c)) + ";";
                           }) +
                "  }\n";
    if (w.tile.float8)
      side.text += getSmallFloatScales(anchors);
    return side;
  }
  bool computed = side.source == "Source::Computed";
  side.text = computed
                  ? "  template <u32 kAnchor> __device__ __forceinline__ T rhs(index batch, index k, index column) "
                    "const {\n"
                  : "  template <u32 kAnchor>\n  __device__ __forceinline__ const T *rhs_address(index batch, "
                    "index row, index place, u32 elements) const {\n";
  for (auto [i, op] : llvm::enumerate(anchors)) {
    Contraction c = *schedule::getContraction(op);
    std::string number = std::to_string(columnsOf(op)), line;
    if (computed && schedule::isDecoded(c) && !schedule::isBitmap(c)) {
      line = "return from_float<T>(" + (schedule::isSparse(c) ? getSparsePanels(c) : getPanelCodes(c)) +
             ".element(k, column));";
    } else if (computed) {
      w.method(w.getStoredType(first.lhs), "rhs" + number, {{"index", "batch"}, {"index", "k"}, {"index", "column"}},
               [&](ValueRange p) -> Value {
                 if (auto conv = dyn_cast<tfm::ConvOp>(c.op)) {
                   Value image = w.div(p[0], getGroups(c)), group = w.rem(p[0], getGroups(c));
                   return w.evaluateTap(conv, w.uniform(image), group, p[1], w.uniform(p[2]));
                 }
                 if (auto panel = schedule::getPanel(c.rhs)) {
                   Value width = w.index(panel.getWidth());
                   if (schedule::isBitmap(c)) {
                     auto type = cast<RankedTensorType>(c.rhs.getType());
                     Indices at{w.uniform(w.div(p[2], width)), w.uniform(p[1]), w.uniform(w.rem(p[2], width))};
                     return w.narrow(w.loadWeight(w.getOperand(cast<BlockArgument>(c.rhs).getArgNumber()),
                                                  package::getBitmapPanels(type, panel).tensor, at),
                                     type.getElementType());
                   }
                   Value row = w.add(w.mul(w.div(p[2], width), w.getDim(c.k)), p[1]);
                   return w.loadElements(w.getOperand(cast<BlockArgument>(c.rhs).getArgNumber()),
                                         tfm::getElementType(c.rhs),
                                         w.uniform(w.add(w.mul(row, width), w.rem(p[2], width))));
                 }
                 return w.evaluate(c.rhs, getRhsIndices(c, p[0], p[1], p[2]));
               });
      line = "return kernel.rhs" + number + "(batch, k, column);";
    } else {
      BlockArgument argument = schedule::getPanel(c.rhs) ? cast<BlockArgument>(c.rhs) : schedule::getMemory(c.rhs);
      std::string memory = std::to_string(argument.getArgNumber());
      w.method("index", "rhs_place" + number, {{"index", "batch"}, {"index", "row"}}, [&](ValueRange p) -> Value {
        if (auto panel = schedule::getPanel(c.rhs))
          return w.mul(p[1], panel.getWidth() * panel.getDepth());
        Value zero = w.index(0);
        Indices at = c.transposeRhs ? getRhsIndices(c, p[0], zero, p[1]) : getRhsIndices(c, p[0], p[1], zero);
        return w.linearize(at, w.getDims(c.rhs)).value;
      });
      line = "return kernel.a" + memory + ".address(kernel.rhs_place" + number + "(batch, row) + place, elements);";
    }
    bool last = i + 1 == anchors.size();
    side.text += (last ? "    " : "    if constexpr (kAnchor == " + std::to_string(i) + ")\n      ") + line + "\n" +
                 (last || anchors.size() == 1 ? "" : "    else\n  ");
  }
  side.text += "  }\n";
  if (side.source == "Source::Quads")
    side.text += getColumnScales(anchors);
  return side;
}

/// What lies behind the panels of codes: a scale for each column, then the sum of its codes.
std::string ContractionWriter::getColumnScales(ArrayRef<Operation *> anchors) {
  std::string text;
  auto add = [&](const char *type, const char *name, bool isSecond) {
    text += "  __device__ __forceinline__ " + std::string(type) + " " + name + "(u32 anchor, index column) const {\n";
    for (auto [i, op] : llvm::enumerate(anchors)) {
      Contraction c = *schedule::getContraction(op);
      auto panel = schedule::getPanel(c.rhs);
      int64_t columns = llvm::alignTo(*c.n.getConstant(), panel.getWidth());
      int64_t bytes = columns * llvm::alignTo(*c.k.getConstant(), panel.getDepth()) + (isSecond ? 4 * columns : 0);
      text += (i + 1 < anchors.size() ? "    if (anchor == " + std::to_string(i) + ")\n  " : "") +
              "    return kernel.a" + std::to_string(cast<BlockArgument>(c.rhs).getArgNumber()) + ".part<" + type +
              ">(" + std::to_string(bytes) + ").load(column);\n";
    }
    text += "  }\n";
  };
  add("float", "column_scale", false);
  add("i32", "code_sum", true);
  return text;
}

/// The same of small floats, whose sums have no part of a zero point.
std::string ContractionWriter::getSmallFloatScales(ArrayRef<Operation *> anchors) {
  return "  __device__ __forceinline__ float column_scale(u32 anchor, index column) const {\n" +
         forAnchors(anchors, "if (anchor == ",
                    [](const Contraction &c) { return "return " + getPanelCodes(c) + ".scale(column);"; }) +
         "  }\n  __device__ __forceinline__ i32 code_sum(u32, index) const { return 0; }\n";
}

/// How the rows of the left side are quantized: a class of Device/Quantize.h.
static std::string getActivation(Attribute activation) {
  if (auto dynamic = dyn_cast_or_null<tfm::DynamicAttr>(activation))
    return "Dynamic<" + std::to_string(dynamic.getBits()) + ", " + (dynamic.getSymmetric() ? "true>" : "false>");
  if (auto fixed = dyn_cast_or_null<tfm::StaticAttr>(activation))
    return "Static<" + std::to_string(fixed.getBits()) + ", " +
           std::to_string(llvm::bit_cast<uint32_t>(static_cast<float>(fixed.getScale().getValueAsDouble()))) + "u, " +
           std::to_string(fixed.getZero()) + ">";
  return isa_and_nonnull<tfm::DynamicFloatAttr>(activation) ? "DynamicFloat" : "Exactly";
}

/// Maps for TMA of a group's right sides, as pointers to the kernel's parameters; empty where they are no matrices in
/// memory or nothing reads them so.
std::string ContractionWriter::getMaps(ArrayRef<Operation *> anchors) {
  SmallVector<MatrixMap> added;
  for (Operation *op : anchors) {
    Contraction c = *schedule::getContraction(op);
    BlockArgument memory = c.kind == Contraction::Kind::Conv ? BlockArgument() : schedule::getMemory(c.rhs);
    auto type = cast<RankedTensorType>(c.rhs.getType());
    Dim run = c.transposeRhs ? c.k : c.n;
    if (!w.tile.wgmma || !memory || type.getRank() != 2 || !type.hasStaticShape() ||
        !isAligned(run, type.getElementType()))
      return "";
    added.push_back({memory.getArgNumber(), type.getElementType(), type.getDimSize(0), type.getDimSize(1)});
  }
  std::string text;
  for (const MatrixMap &map : added) {
    text += (text.empty() ? "&m" : ", &m") + std::to_string(w.maps.size());
    w.maps.push_back(map);
  }
  return text;
}

/// store: the epilogue of an element. Parameters: batch, row, column, a sum for each anchor.
void ContractionWriter::writeStore(unsigned number, const schedule::Group &group) {
  SmallVector<KernelWriter::Parameter> parameters{{"index", "batch"}, {"index", "row"}, {"index", "column"}};
  std::vector<std::string> names;
  for (size_t i = 0; i < group.anchors.size(); ++i)
    names.push_back("sum" + std::to_string(i));
  for (const std::string &name : names)
    parameters.push_back({"float", name.c_str()});
  w.method("void", "store" + std::to_string(number), parameters, [&](ValueRange p) {
    Contraction c = *schedule::getContraction(group.anchors[0]);
    Indices at = getResultIndices(c, p[0], p[1], p[2]);
    for (auto [i, op] : llvm::enumerate(group.anchors)) {
      Value sum = p[3 + i];
      w.override(op->getResult(0), [this, op = op, sum](ArrayRef<Index> indices) {
        return addBias(*schedule::getContraction(op), sum, indices);
      });
    }
    for (unsigned result : group.results)
      w.storeResult(result, w.evaluate(w.getResults()[result], at), at);
    for (Operation *op : group.anchors)
      w.overrides.erase(op->getResult(0).getAsOpaquePointer());
    return Value();
  });
}

/// finish: a row of the results from the row's sums in the workspace, by a team.
void ContractionWriter::writeFinish() {
  SmallVector<int64_t> lengths = schedule::getRowBuffers(w.plan);
  SmallVector<KernelWriter::Parameter> parameters{{"index", "row"}, {"SharedSums", "sums"}};
  std::vector<std::string> names;
  for (size_t i = 0; i < lengths.size(); ++i)
    names.push_back("buffer" + std::to_string(i));
  for (const std::string &name : names)
    parameters.push_back({"Shared<float>", name.c_str()});
  w.method(
      "void", "finish", parameters,
      [&](ValueRange p) {
        Value row = p[0], sums = p[1], total = w.index(0);
        SmallVector<std::pair<Operation *, Value>> offsets;
        for (Operation *op : w.plan.anchors) {
          Values dims = w.getDims(op->getResult(0));
          offsets.emplace_back(op, total);
          total = w.add(total, first.kind == Contraction::Kind::Conv ? w.product(ArrayRef<Value>(dims).drop_front(2))
                                                                     : dims.back());
        }
        for (auto [op, offset] : offsets) {
          Value begin = w.add(w.mul(row, total), offset), result = op->getResult(0);
          size_t leading = *schedule::getLeadingDims(result, w.plan.rows);
          w.override(result, [this, op = op, begin, result, sums, leading](ArrayRef<Index> indices) {
            Values dims = w.getDims(result);
            Index place = w.linearize(indices.drop_front(leading), ArrayRef<Value>(dims).drop_front(leading));
            Value sum = w.loadElements(sums, w.f32(), w.uniform(w.add(begin, place.value)));
            return addBias(*schedule::getContraction(op), sum, indices);
          });
        }
        writeRow(w, Values(p.begin() + 2, p.end()), row);
        for (Operation *op : w.plan.anchors)
          w.overrides.erase(op->getResult(0).getAsOpaquePointer());
        // The workspace is left as it was found.
        w.sync();
        w.teamLoop(total, {}, [&](Value i, ValueRange) {
          w.storeElements(w.constant(w.f32(), 0), sums, w.f32(), w.uniform(w.add(w.mul(row, total), i)));
          return Values();
        });
        return Value();
      },
      /*ofTeam=*/true);
}

void ContractionWriter::writeGroup(unsigned number, ArrayRef<Operation *> anchors) {
  std::string math = w.getStoredType(first.lhs), text, id = std::to_string(number);
  math = math == "float" ? "F32" : "Half<" + math + ">";
  if (first.op->getAttrOfType<tfm::PrecisionAttr>("precision"))
    math = "Tf32";
  if (llvm::all_of(anchors, [](Operation *op) { return schedule::isInteger(*schedule::getContraction(op)); }))
    math = "Codes";
  if (w.tile.float8)
    math = "SmallFloats";
  Side rhs = getRhs(anchors);
  isAllSkinny &= isSkinny(rhs, anchors);
  groupSparse.push_back(rhs.source == "Source::SparsePanels");
  unpacks |= rhs.source == "Source::PackedPanels";
  const std::string &maps = groupMaps.emplace_back(getMaps(anchors));
  std::string column = std::to_string(columnsOf(anchors[0]));
  bool whole = w.plan.wholeRows,
       skips = first.kind != Contraction::Kind::Conv && schedule::getReadRows(w.kernel, w.plan.rows);
  text = "struct " + w.name + "_Group" + id + " {\n  const " + w.name + " &kernel;\n";
  if (whole)
    text += "  Global<float> workspace;\n  u32 *counters;\n  index total, offset, size;\n";
  if (!maps.empty())
    text += "  const TensorMap *maps[" + std::to_string(anchors.size()) + "];\n";
  if (whole)
    text += "  index begin = 0;\n  u32 parts = 1;\n"
            "  __device__ __forceinline__ void take(const Share &share) {\n    begin = share.part * size;\n"
            "    counters += (share.parts - 1) * size;\n    parts = share.parts;\n"
            "    workspace = global(workspace.pointer, parts * size);\n  }\n";
  text += "  using Math = " + math +
          ";\n  using T = Math::T;\n  using Activation = " + getActivation(first.activation) +
          ";\n  static constexpr u32 kAnchors = " + std::to_string(anchors.size()) +
          ", kMostAnchors = " + std::to_string(getMostAnchors()) + ", kParts = " + std::to_string(w.tile.parts) +
          ";\n  static constexpr Source kLhs = " + lhs.source + ", kRhs = " + rhs.source +
          ";\n  static constexpr bool kMaps = " + (maps.empty() ? "false" : "true") +
          ", kSkips = " + (skips ? "true" : "false") + ", kWhole = " + (whole ? "true" : "false") + ";\n";
  for (const char *size : {"batches", "rows", "depth"})
    text += "  __device__ __forceinline__ index " + std::string(size) + "() const { return kernel." + size + "(); }\n";
  text += "  __device__ __forceinline__ index columns() const { return kernel.columns" + column + "(); }\n" + lhs.text +
          rhs.text;
  if (skips)
    text += "  __device__ __forceinline__ bool reads(index row) const { return kernel.reads(row); }\n";
  text +=
      "  __device__ __forceinline__ void store(index batch, index row, index column, const float (&sums)[kAnchors]) "
      "const {\n";
  if (whole) {
    text += "    workspace.store(begin + (batch * rows() + row) * total + offset + column, sums[0]);\n  }\n"
            "  __device__ __forceinline__ u32 *counter(index rowTile) const { return counters + rowTile; }\n"
            "  template <u32 kColumns> __device__ __forceinline__ index tile_columns() const {\n    return parts * (0";
    for (size_t i = 0; i < w.plan.anchors.size(); ++i)
      text += " + divide(kernel.columns" + std::to_string(i) + "() + kColumns - 1, kColumns)";
    text += ");\n  }\n  template <class Team> __device__ __forceinline__ void finish(Team team, u32 number, index row, "
            "u32 memory) "
            "const {\n    kernel.finish(team, row, SharedSums{workspace, size, parts}";
    int64_t place = 0;
    for (int64_t length : schedule::getRowBuffers(w.plan)) {
      text += ", shared<float>(memory + " + std::to_string(place) + " + number * " + std::to_string(4 * length) + ")";
      place += 32 * length; // of eight warps
    }
    text += ");\n  }\n";
  } else {
    text += "    kernel.store" + id + "(batch, row, column";
    for (size_t i = 0; i < anchors.size(); ++i)
      text += ", sums[" + std::to_string(i) + "]";
    text += ");\n  }\n";
  }
  w.helpers += text + "};\n";
}

/// Of a group.
size_t ContractionWriter::getMostAnchors() {
  size_t most = 1;
  for (const schedule::Group &group : w.plan.groups)
    most = std::max(most, w.plan.wholeRows ? 1 : group.anchors.size());
  return most;
}

/// The class of tiles of a group: Large, Small, Skinny.
std::string ContractionWriter::getTiles(StringRef size, size_t group) {
  std::string tiles = (size + "<" + w.name + "_Group" + Twine(group) + ">").str();
  return groupSparse[group] ? "Sparse<" + tiles + ">" : tiles;
}
/// What runs one of them; those that compute in their own way say so.
std::string ContractionWriter::getRun(StringRef size, size_t group) {
  std::string tiles = getTiles(size, group);
  return tiles + "::run" + (groupSparse[group] || size == "Skinny" ? "<" + tiles + ">" : "");
}

/// Calls that compute a block's tiles of that size, small or skinny ones, of which several blocks may share a K.
std::string ContractionWriter::shareTiles(StringRef size, size_t groups) {
  std::string tiles, taken, calls, id;
  for (size_t i = 0; i < groups; ++i) {
    id = std::to_string(i);
    tiles += (i ? " + " : "") + getTiles(size, i) + "::tiles(group" + id + ")";
    taken += shares() && w.plan.wholeRows ? "      group" + id + ".take(share);\n" : "";
    calls += (i ? " || " : "") + getRun(size, i) + "(group" + id + (shares() ? ", tile, share)" : ", tile)");
  }
  std::string text = "    const index tiles = " + tiles + ";\n    const u32 parts = ", memory = "nullptr, {}};\n";
  text += !shares() ? "1;\n"
                    : "Share::count(" + std::to_string(w.tile.parts) + ", tiles, " + getTiles(size, 0) +
                          "::steps(group0));\n";
  if (!w.plan.wholeRows)
    memory =
        "static_cast<u32 *>(workspace),\n                  global(static_cast<float *>(workspace) + Share::kBlocks, "
        "parts > 1 ? tiles * parts * " +
        std::to_string(getMostAnchors()) + " * Share::kFloats : 0)};\n";
  // A persistent kernel's grid may have fewer blocks than there are skinny tiles; then none is shared.
  bool loops = size == "Skinny";
  text += loops ? "    for (u32 job = block(); job < u32(tiles) * parts; job += block_count()) {\n"
                : "    {\n      const u32 job = block();\n";
  text += "      index tile = job / parts;\n";
  if (shares())
    text += "      Share share{job % parts, parts, u32(tile), " + memory + taken;
  return text + "      (void)(" + calls + ");\n" + (loops ? "      sync_block();\n" : "") + "    }\n";
}

void ContractionWriter::write() {
  writeSizes();
  lhs = getLhs();
  BlockArgument readRows;
  if (first.kind != Contraction::Kind::Conv)
    readRows = schedule::getReadRows(w.kernel, w.plan.rows);
  if (readRows)
    w.method("bool", "reads", {{"index", "row"}}, [&](ValueRange p) { return w.isRead(readRows, p[0]); });
  SmallVector<SmallVector<Operation *>> groups;
  if (w.plan.wholeRows) {
    writeFinish();
    for (Operation *op : w.plan.anchors)
      groups.push_back({op});
  } else {
    for (auto [i, group] : llvm::enumerate(w.plan.groups)) {
      writeStore(i, group);
      groups.push_back(SmallVector<Operation *>(group.anchors));
    }
  }
  for (auto [i, anchors] : llvm::enumerate(groups))
    writeGroup(i, anchors);

  // The function: large tiles where there are enough of them to fill the device, small ones else.
  std::string text, total, columnTiles;
  bool coded = w.tile.wgmma && schedule::isInteger(first); // the left side, by Device/HopperCodes.h
  if (coded)
    text +=
        "  const auto codes = global(static_cast<u32 *>(workspace), CodedRows::words(kernel.rows(), kernel.depth()));\n"
        "  workspace = codes.pointer + CodedRows::words(kernel.rows(), kernel.depth());\n";
  if (w.plan.wholeRows) {
    text += "  const index total = 0";
    for (size_t i = 0; i < w.plan.anchors.size(); ++i)
      text += " + kernel.columns" + std::to_string(i) + "()";
    text += ";\n  const index sums = kernel.batches() * kernel.rows() * total;\n"
            "  float *const memory = static_cast<float *>(workspace);\n";
  }
  std::string offset = "0";
  for (size_t i = 0; i < groups.size(); ++i) {
    std::string id = std::to_string(i);
    text += std::string(shares() && w.plan.wholeRows ? "  " : "  const ") + w.name + "_Group" + id + " group" + id +
            "{kernel";
    if (w.plan.wholeRows) {
      text += ", global(memory, sums), reinterpret_cast<u32 *>(memory + sums), total, " + offset + ", sums";
      offset += " + kernel.columns" + id + "()";
    }
    if (!groupMaps[i].empty())
      text += ", {" + groupMaps[i] + "}";
    text += "};\n";
    std::string tiles = "Large<" + w.name + "_Group" + id + ">::";
    total += (i ? " + " : "") + tiles + "tiles(group" + id + ")";
    columnTiles += (i ? " + " : "") + tiles + "column_tiles(group" + id + ")";
  }
  auto large = [&] {
    std::string calls;
    for (size_t i = 0; i < groups.size(); ++i)
      calls += (i ? " || " : "") + getRun("Large", i) + "(group" + std::to_string(i) + ", tile)";
    return "    index tile = block();\n    (void)(" + calls + ");\n";
  };
  auto hopper = [&](const char *produces) {
    std::string calls = "      HopperState state;\n", begin = "0";
    for (size_t i = 0; i < groups.size(); ++i) {
      std::string group = w.name + "_Group" + std::to_string(i), name = "group" + std::to_string(i);
      std::string tiles = " + Large<" + group + ">::tiles(" + name + ")";
      if (coded) {
        group = "Coded<" + group + ">";
        name = group + "{" + name + ", rows}";
      }
      calls += "      Hopper<" + group + ">::run<" + produces + ">(" + name + ", " + begin + ", state);\n";
      begin += tiles;
    }
    return calls;
  };
  const char *most = w.tile.wgmma ? "  } else if (thread() < 256) {\n" : "  } else {\n";
  text += "  ";
  if (isAllSkinny)
    text += "if (group0.rows() <= 16) {\n" +
            std::string(w.tile.wgmma ? "    if (thread() >= 256)\n      return;\n" : "") +
            shareTiles("Skinny", groups.size()) + "  } else ";
  text += "if (" + total + " >= " + std::to_string(w.tile.many) + ") {\n";
  if (w.tile.wgmma) { // producers that decode, or copy codes word by word, need more registers
    bool more = unpacks || coded;
    text += "    Hopper<" + w.name + "_Group0>::start();\n";
    if (coded)
      text += "    const CodedRows rows{codes, kernel.rows(), kernel.depth(), " + columnTiles +
              "};\n    rows.fill(group0);\n";
    text += std::string("    if (thread() < 128) {\n      set_max_registers<") + (more ? "88" : "56") + ">(false);\n" +
            hopper("true") + "    } else {\n      set_max_registers<" + (more ? "208" : "224") + ">(true);\n" +
            hopper("false") + "    }\n";
  } else {
    text += large();
  }
  text += most + shareTiles("Small", groups.size()) + "  }\n";
  w.body += text;
}

void cuda::writeContraction(KernelWriter &w) { ContractionWriter(w).write(); }
