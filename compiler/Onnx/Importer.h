// The importer's state and what handlers of ONNX ops are given. Private to compiler/Onnx.
#pragma once
#include "compiler/Onnx/Abstract.h"
#include "compiler/Onnx/Import.h"
#include "compiler/Onnx/Symbols.h"
#include "compiler/Onnx/WeightTable.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/Diagnostics.h"
#include "onnx.pb.h"
#include <deque>
#include <set>

namespace lathe::onnxfile {
/// A node's own name, or its op type and place in its graph where it has none.
std::string nodeName(const onnx::NodeProto &proto, size_t index, llvm::StringRef prefix);

class Importer;

/// An ONNX value: known elements, a weight not used yet, or a tensor; a weight and known elements become a tensor when
/// an op wants one.
struct Operand {
  bool isKnown = false; // false behind a node that failed
  std::optional<Abstract> abstract;
  const onnx::TensorProto *weight = nullptr;
  uint64_t ordinal = 0; // of the weight
  llvm::StringRef name; // of the weight
  llvm::SmallVector<Dim> dims;
  mlir::Type elementType;
  mlir::Value value;
  std::optional<mlir::Location> loc;
};

/// Names in a graph. A subgraph sees its outer graph's; a function's body sees only its own.
struct Scope {
  Scope *outer = nullptr;
  llvm::StringMap<Operand *> values;
  /// Of a function's body: the call's attributes, by the names the body refers to.
  const llvm::StringMap<const onnx::AttributeProto *> *attributes = nullptr;
  const std::map<std::string, int64_t> *opsets = nullptr;
  std::string prefix; // of node names
  int depth = 0;
};

/// One node in the middle of its import. Functions that build ops give a null value after a diagnostic (or when the
/// import must start again), and take null operands, so that handlers check once, in `set`.
class Node {
public:
  Node(Importer &importer, Scope &scope, const onnx::NodeProto &proto, std::string name, int64_t version);

  Importer &importer;
  Scope &scope;
  const onnx::NodeProto &proto;
  std::string name;
  int64_t version; // of the op's domain
  mlir::Location loc;
  mlir::OpBuilder &builder;
  Symbols &symbols;
  llvm::SmallVector<Operand *> inputs; // null where absent

  /// A diagnostic at this node.
  mlir::InFlightDiagnostic error() const { return mlir::emitError(loc); }
  llvm::StringRef opType() const { return proto.op_type(); }

  // Inputs.
  bool has(size_t index) const { return index < inputs.size() && inputs[index]; }
  /// An error if the input is absent.
  mlir::Value get(size_t index);
  /// Nothing, without an error, if the input is absent.
  mlir::Value getOptional(size_t index) { return has(index) ? get(index) : mlir::Value(); }
  const Abstract *getAbstract(size_t index) const {
    return has(index) && inputs[index]->abstract ? &*inputs[index]->abstract : nullptr;
  }
  llvm::ArrayRef<Dim> getDims(size_t index) const { return inputs[index]->dims; }
  mlir::Type getElementType(size_t index) const { return inputs[index]->elementType; }
  /// The elements of an integer input that shapes depend on; a diagnostic if they aren't known (`what` says it for).
  mlir::FailureOr<llvm::SmallVector<Dim>> getDimList(size_t index, llvm::StringRef what) const;
  mlir::FailureOr<llvm::SmallVector<int64_t>> getConstants(size_t index, llvm::StringRef what) const;
  /// From at least `least` inputs; a diagnostic if there are fewer.
  mlir::LogicalResult expectInputs(size_t least, size_t most) const;

  // Attributes.
  const onnx::AttributeProto *getAttribute(llvm::StringRef name) const;
  int64_t getInt(llvm::StringRef name, int64_t otherwise) const;
  double getFloat(llvm::StringRef name, double otherwise) const;
  llvm::StringRef getString(llvm::StringRef name, llvm::StringRef otherwise) const;
  std::optional<llvm::SmallVector<int64_t>> getInts(llvm::StringRef name) const;
  /// Axes made non-negative, ascending and distinct; a diagnostic if they aren't within the rank.
  mlir::FailureOr<int64_t> normalizeAxis(int64_t axis, int64_t rank) const;
  mlir::FailureOr<llvm::SmallVector<int64_t>> normalizeAxes(llvm::ArrayRef<int64_t> axes, int64_t rank) const;

  // Results. Failure for a null value.
  mlir::LogicalResult set(mlir::Value value, size_t index = 0);
  mlir::LogicalResult set(Abstract value, size_t index = 0);
  /// The result is the input itself.
  mlir::LogicalResult forward(size_t input, size_t index = 0);
  bool isUsed(size_t index) const {
    return index < static_cast<size_t>(proto.output_size()) && !proto.output(index).empty();
  }

  // Equality of dimensions. False after a diagnostic or a new fact; `what` names the dimension in messages.
  bool require(const Dim &a, const Dim &b, llvm::StringRef what);
  bool requireAll(llvm::ArrayRef<Dim> a, llvm::ArrayRef<Dim> b, llvm::StringRef what);
  /// numpy's broadcast of shapes, of which dimensions that differ become equal by requirement.
  mlir::FailureOr<llvm::SmallVector<Dim>> broadcast(llvm::ArrayRef<llvm::SmallVector<Dim>> shapes);

  // Ops. Dimensions are made equal as they must be; element types are not.
  template <typename OpTy, typename... Attrs>
  mlir::Value elementwise(llvm::ArrayRef<mlir::Value> operands, mlir::Type elementType, Attrs... attrs) {
    llvm::SmallVector<mlir::Value> aligned;
    if (!align(operands, aligned))
      return {};
    return tfm::buildElementwise<OpTy>(builder, loc, aligned, elementType, attrs...);
  }
  template <typename OpTy, typename... Attrs> mlir::Value unary(mlir::Value x, Attrs... attrs) {
    return x ? elementwise<OpTy>({x}, tfm::getElementType(x), attrs...) : mlir::Value();
  }
  template <typename OpTy> mlir::Value binary(mlir::Value x, mlir::Value y) {
    return sameType({x, y}) ? elementwise<OpTy>({x, y}, tfm::getElementType(x)) : mlir::Value();
  }
  /// A diagnostic and false unless all have one element type; false for a null one.
  bool sameType(llvm::ArrayRef<mlir::Value> values) const;
  mlir::Value compare(tfm::Predicate predicate, mlir::Value x, mlir::Value y);
  mlir::Value select(mlir::Value condition, mlir::Value x, mlir::Value y);
  mlir::Value cast(mlir::Value x, mlir::Type elementType);
  /// A scalar, of integer or float type.
  mlir::Value scalar(double value, mlir::Type elementType);
  mlir::Value literal(mlir::ElementsAttr value);
  mlir::Value reshape(mlir::Value x, llvm::ArrayRef<Dim> dims);
  mlir::Value transpose(mlir::Value x, llvm::ArrayRef<int64_t> permutation);
  mlir::Value expand(mlir::Value x, llvm::ArrayRef<Dim> dims);
  mlir::Value slice(mlir::Value x, llvm::ArrayRef<Dim> starts, llvm::ArrayRef<Dim> dims,
                    llvm::ArrayRef<int64_t> steps = {});
  mlir::Value concat(llvm::ArrayRef<mlir::Value> values, int64_t axis);
  mlir::Value matmul(mlir::Value x, mlir::Value y);
  /// Keeps the axes with dimension 1 or drops them.
  template <typename OpTy> mlir::Value reduce(mlir::Value x, llvm::ArrayRef<int64_t> axes, bool keep) {
    if (!x)
      return {};
    llvm::SmallVector<Dim> kept(tfm::getDims(x)), dropped;
    for (auto [axis, dim] : llvm::enumerate(kept))
      if (llvm::is_contained(axes, static_cast<int64_t>(axis)))
        dim = Dim(1);
      else
        dropped.push_back(dim);
    mlir::Value result = OpTy::create(builder, loc, tfm::getTensorType(kept, tfm::getElementType(x)), x,
                                      builder.getDenseI64ArrayAttr(axes));
    return keep ? result : reshape(result, dropped);
  }
  mlir::Type f32() { return builder.getF32Type(); }
  mlir::Type i64() { return builder.getI64Type(); }
  mlir::Type i1() { return builder.getI1Type(); }

  /// Operands reshaped to the dimensions that they must have to broadcast; false after a diagnostic.
  bool align(llvm::ArrayRef<mlir::Value> operands, llvm::SmallVectorImpl<mlir::Value> &aligned, size_t skipLast = 0);
};

/// Over all dimensions from the axis on; gain and bias (each may be null) broadcast to them. A float32 gain of a
/// float16 input is converted.
mlir::Value buildLayerNorm(Node &node, mlir::Value x, mlir::Value gain, mlir::Value bias, double epsilon, bool isRms,
                           int64_t axis);

/// What tfm.attention takes: query, key and value [B, S, heads*D].
struct AttentionParts {
  mlir::Value query, key, value;
  mlir::Value bias;    // may be null
  mlir::Value padding; // may be null
  int64_t heads = 0, kvHeads = 0;
  double scale = 0; // 0: 1/sqrt(D)
  double softcap = 0;
  std::optional<Dim> offset; // causal, if there is one
  tfm::MaskedRow maskedRow = tfm::MaskedRow::nan;
};
mlir::Value buildAttention(Node &node, const AttentionParts &parts);

/// How one ONNX op is imported. `fold`, if any, is tried first when all inputs are known elements; nullopt from it
/// means that the elements can't be known, and `import` builds ops.
struct OpEntry {
  llvm::StringLiteral opType;
  mlir::LogicalResult (*import)(Node &);
  std::optional<Abstract> (*fold)(Node &) = nullptr;
  /// Versions of the domain's operator set in which the op is as `import` takes it.
  int since = 1, until = 1000;
  llvm::StringLiteral domain = "";
};
inline constexpr llvm::StringLiteral kMicrosoft = "com.microsoft";

llvm::ArrayRef<OpEntry> getElementwiseOps();
llvm::ArrayRef<OpEntry> getShapeOps();
llvm::ArrayRef<OpEntry> getDataOps();
llvm::ArrayRef<OpEntry> getReductionOps();
llvm::ArrayRef<OpEntry> getTransformerOps();
llvm::ArrayRef<OpEntry> getMicrosoftOps();
llvm::ArrayRef<OpEntry> getQuantizationOps();

class Importer {
public:
  Importer(mlir::ModuleOp module, Model &model, llvm::StringRef path, const ImportOptions &options, Symbols &symbols,
           bool compareBytes);
  /// Builds @main; failure after diagnostics, or with symbols.hasNewFacts() to start again.
  mlir::LogicalResult run();
  WeightTable &getWeights() { return weights; }

  mlir::OpBuilder builder;
  Symbols &symbols;

  /// Runs a graph's nodes in the scope, those that its outputs need.
  mlir::LogicalResult importNodes(const google::protobuf::RepeatedPtrField<onnx::NodeProto> &nodes,
                                  llvm::ArrayRef<llvm::StringRef> outputs, Scope &scope);
  /// A subgraph without inputs, inlined; its outputs.
  mlir::FailureOr<llvm::SmallVector<Operand *>> importSubgraph(const onnx::GraphProto &graph, Node &node);
  Operand *lookup(llvm::StringRef name, Scope &scope) const;
  Operand *newOperand() { return &operands.emplace_back(); }
  /// The operand as a tensor; null after a diagnostic.
  mlir::Value materialize(Operand &operand);
  /// A weight or a literal; not known after a diagnostic. The tensor and the name must live as long as the model.
  Operand *makeConstant(const onnx::TensorProto &tensor, llvm::StringRef name, uint64_t ordinal, mlir::Location loc);
  Operand *makeConstant(Abstract value, mlir::Location loc);
  /// Numbers Constant nodes, apart from the initializers.
  uint64_t nextOrdinal() { return (uint64_t(1) << 32) + constants++; }
  /// Whether these two were not required to be equal before.
  bool isFirstRequirement(const Dim &a, const Dim &b) {
    return requirements.insert({a.str().str(), b.str().str()}).second;
  }

private:
  mlir::LogicalResult importNode(const onnx::NodeProto &proto, size_t index, Scope &scope);
  mlir::LogicalResult importCall(Node &node, const onnx::FunctionProto &function);
  mlir::LogicalResult addInputs(mlir::func::FuncOp main, Scope &scope);
  mlir::LogicalResult addInitializers(const onnx::GraphProto &graph, Scope &scope);
  mlir::FailureOr<llvm::SmallVector<Dim>> declareDims(const onnx::ValueInfoProto &input, mlir::Location loc);

  mlir::ModuleOp module;
  Model &model;
  const ImportOptions &options;
  WeightTable weights;
  std::deque<Operand> operands;
  llvm::SmallVector<llvm::StringRef> argumentNames;
  std::map<std::string, int64_t> opsets;
  llvm::StringMap<const onnx::FunctionProto *> functions;
  uint64_t importedNodes = 0, constants = 0;
  std::set<std::pair<std::string, std::string>> requirements;
};

} // namespace lathe::onnxfile
