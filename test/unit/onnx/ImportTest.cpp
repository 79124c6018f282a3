// Models built here and imported: shape arithmetic, symbols, weights, functions, and errors.
#include "mlir/IR/Builders.h" // Tfm.h needs it before

#include "compiler/Onnx/Import.h"
#include "compiler/Onnx/NodeLocation.h"
#include "dialects/Tfm/Tfm.h"
#include "dialects/Tfm/Weights.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "onnx.pb.h"
#include "llvm/Support/MemoryBuffer.h"
#include <gtest/gtest.h>

using namespace lathe;

namespace {
constexpr int kFloat = onnx::TensorProto::FLOAT, kInt64 = onnx::TensorProto::INT64;

/// Builds a model in one expression after another; a dimension's text is its number, its name, or nothing.
struct Builder {
  onnx::ModelProto model;
  onnx::GraphProto &graph = *model.mutable_graph();

  explicit Builder(int opset = 17) {
    model.set_ir_version(8);
    model.add_opset_import()->set_version(opset);
  }
  Builder &input(const char *name, std::vector<std::string> dims, int type = kFloat) {
    onnx::ValueInfoProto &value = *graph.add_input();
    value.set_name(name);
    auto &tensor = *value.mutable_type()->mutable_tensor_type();
    tensor.set_elem_type(type);
    tensor.mutable_shape();
    for (const std::string &dim : dims) {
      auto &added = *tensor.mutable_shape()->add_dim();
      if (!dim.empty() && std::isdigit(dim[0]))
        added.set_dim_value(std::stoll(dim));
      else if (!dim.empty())
        added.set_dim_param(dim);
    }
    return *this;
  }
  Builder &output(const char *name) {
    graph.add_output()->set_name(name);
    return *this;
  }
  static onnx::NodeProto makeNode(const char *op, std::vector<std::string> inputs, std::vector<std::string> outputs) {
    onnx::NodeProto node;
    node.set_op_type(op);
    node.set_name(outputs.empty() ? op : outputs[0] + "_node");
    for (auto &name : inputs)
      node.add_input(name);
    for (auto &name : outputs)
      node.add_output(name);
    return node;
  }
  onnx::NodeProto &node(const char *op, std::vector<std::string> inputs, std::vector<std::string> outputs) {
    return *graph.add_node() = makeNode(op, inputs, outputs);
  }
  Builder &ints(const char *name, std::vector<int64_t> values) {
    onnx::TensorProto &tensor = *graph.add_initializer();
    tensor.set_name(name);
    tensor.set_data_type(kInt64);
    tensor.add_dims(values.size());
    for (int64_t value : values)
      tensor.add_int64_data(value);
    return *this;
  }
  onnx::TensorProto &weight(const char *name, std::vector<int64_t> dims, std::vector<float> values) {
    onnx::TensorProto &tensor = *graph.add_initializer();
    tensor.set_name(name);
    tensor.set_data_type(kFloat);
    for (int64_t dim : dims)
      tensor.add_dims(dim);
    tensor.set_raw_data(values.data(), values.size() * sizeof(float));
    return tensor;
  }
};

onnx::AttributeProto &attribute(onnx::NodeProto &node, const char *name) {
  onnx::AttributeProto &added = *node.add_attribute();
  added.set_name(name);
  return added;
}
void setInt(onnx::NodeProto &node, const char *name, int64_t value) {
  onnx::AttributeProto &added = attribute(node, name);
  added.set_type(onnx::AttributeProto::INT);
  added.set_i(value);
}

class ImportTest : public testing::Test {
protected:
  ImportTest() : context(mlir::MLIRContext::Threading::DISABLED) {
    context.getDiagEngine().registerHandler([&](mlir::Diagnostic &diagnostic) {
      errors.push_back(describeLocation(diagnostic.getLocation()) + ": " + diagnostic.str());
      return mlir::success();
    });
  }
  /// The module's text; empty after errors.
  std::string import(const Builder &builder) {
    errors.clear();
    std::string bytes = builder.model.SerializeAsString();
    auto result = importOnnx(context, llvm::MemoryBuffer::getMemBufferCopy(bytes), "/nowhere/model.onnx", options);
    if (failed(result))
      return "";
    module = std::move(*result);
    std::string text;
    llvm::raw_string_ostream(text) << *module;
    return text;
  }
  std::string allErrors() const {
    std::string text;
    for (const std::string &error : errors)
      text += error + "\n";
    return text;
  }
  std::vector<float> bytesOf(llvm::StringRef symbol) {
    auto weight = module->lookupSymbol<tfm::WeightOp>(symbol);
    auto bytes = llvm::cantFail(context.getLoadedDialect<tfm::TfmDialect>()->getWeights().getBytes(weight));
    std::vector<float> values(bytes.size() / sizeof(float));
    std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }

  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  ImportOptions options;
  std::vector<std::string> errors;
};

bool contains(const std::string &text, llvm::StringRef part) { return llvm::StringRef(text).contains(part); }
#define EXPECT_HAS(text, part) EXPECT_TRUE(contains(text, part)) << (text)
#define EXPECT_LACKS(text, part) EXPECT_FALSE(contains(text, part)) << (text)

TEST_F(ImportTest, ShapeArithmeticLeavesNoOps) {
  Builder b;
  b.input("x", {"batch", "sequence", "64"}).ints("zero", {0}).ints("one", {1}).ints("heads", {4}).ints("rest", {-1});
  b.node("Shape", {"x"}, {"shape"});
  b.node("Gather", {"shape", "zero"}, {"n"});
  b.node("Gather", {"shape", "one"}, {"s"});
  setInt(b.node("Concat", {"n", "s", "heads", "rest"}, {"target"}), "axis", 0);
  b.node("Reshape", {"x", "target"}, {"y"});
  b.output("y");
  std::string text = import(b);
  EXPECT_HAS(text, "#tfm.dims<batch, sequence, 4, 16>");
  EXPECT_LACKS(text, "tfm.extent");
  EXPECT_LACKS(text, "tfm.constant");
}

TEST_F(ImportTest, AnExpandTargetIsFreedOfMinusOne) {
  Builder b;
  b.input("x", {"batch", "1"}).input("like", {"batch", "sequence"}).ints("minus", {-1});
  b.node("Shape", {"like"}, {"shape"});
  b.node("Shape", {"shape"}, {"rank"});
  onnx::TensorProto &one = *attribute(b.node("ConstantOfShape", {"rank"}, {"ones"}), "value").mutable_t();
  one.set_data_type(kInt64);
  one.add_dims(1);
  one.add_int64_data(1);
  b.node("Mul", {"ones", "minus"}, {"negative"});
  b.node("Equal", {"shape", "negative"}, {"open"});
  b.node("Where", {"open", "ones", "shape"}, {"target"});
  b.node("Expand", {"x", "target"}, {"y"});
  b.output("y");
  std::string text = import(b);
  EXPECT_HAS(text, "tfm.expand");
  EXPECT_HAS(text, "#tfm.dims<batch, sequence>");
  EXPECT_LACKS(text, "tfm.compare");
}

TEST_F(ImportTest, ABroadcastMakesSymbolsEqual) {
  Builder b;
  b.input("x", {"", "sequence"}).input("y", {"batch", ""});
  b.node("Add", {"x", "y"}, {"z"});
  b.output("z");
  std::string text = import(b);
  EXPECT_HAS(text, "{batch = array<i64: 1, 65536>, sequence = array<i64: 1, 65536>}");
  EXPECT_LACKS(text, "x_dim0");
  EXPECT_LACKS(text, "tfm.require");
}

TEST_F(ImportTest, AClampedTableBoundsTheSequence) {
  Builder b;
  b.input("x", {"batch", "sequence", "2"}).ints("axis", {1}).ints("start", {0});
  b.weight("table", {1, 128, 2}, std::vector<float>(256, 1));
  b.node("Shape", {"x"}, {"shape"});
  b.node("Gather", {"shape", "axis"}, {"end"});
  b.node("Slice", {"table", "start", "end", "axis"}, {"rows"});
  b.node("Add", {"x", "rows"}, {"y"});
  b.output("y");
  EXPECT_HAS(import(b), "sequence = array<i64: 1, 128>");
}

TEST_F(ImportTest, WhatOnlyARunCanTellIsRequired) {
  Builder b;
  b.input("x", {"a", "b"}).input("y", {"c"}).ints("flat", {-1});
  b.node("Reshape", {"x", "flat"}, {"flattened"});
  b.node("Add", {"flattened", "y"}, {"z"});
  b.output("z");
  std::string text = import(b);
  EXPECT_HAS(text, "tfm.require <a*b>, <c>");
  EXPECT_HAS(text, "node 'z_node' (Add)");
}

TEST_F(ImportTest, TheUserFixesAndBoundsSymbols) {
  Builder b;
  b.input("x", {"batch", "sequence"});
  b.node("Relu", {"x"}, {"y"});
  b.output("y");
  options.symbols = {{"batch", {4, 4}}, {"sequence", {1, 512}}};
  std::string text = import(b);
  EXPECT_HAS(text, "tensor<4x?xf32, #tfm.dims<4, sequence>>");
  EXPECT_HAS(text, "{sequence = array<i64: 1, 512>}");
  options.symbols = {{"length", {1, 2}}};
  EXPECT_EQ(import(b), "");
  EXPECT_HAS(allErrors(), "no input has a dimension 'length'; hint: there is batch, sequence");
  options.symbols.clear();
  options.inputShapes["x"] = {{1, 8}, {16, 16}};
  EXPECT_HAS(import(b), "tensor<?x16xf32, #tfm.dims<batch, 16>>");
}

TEST_F(ImportTest, EqualWeightsAreOneAndATransposedCopyIsATranspose) {
  Builder b;
  std::vector<float> values(12), transposed(12);
  for (int i = 0; i < 12; ++i)
    transposed[i % 4 * 3 + i / 4] = values[i] = static_cast<float>(i);
  b.input("x", {"n", "3"}).input("z", {"n", "4"});
  b.weight("first", {3, 4}, values);
  b.weight("second", {3, 4}, values);
  b.weight("third", {4, 3}, transposed);
  b.node("MatMul", {"x", "first"}, {"p"});
  b.node("MatMul", {"x", "second"}, {"q"});
  b.node("MatMul", {"z", "third"}, {"r"});
  b.output("p").output("q").output("r");
  std::string text = import(b);
  EXPECT_HAS(text, "tfm.weight @first");
  EXPECT_LACKS(text, "tfm.weight @second");
  EXPECT_LACKS(text, "tfm.weight @third");
  EXPECT_HAS(text, "tfm.transpose");
  EXPECT_HAS(text, "#tfm.file<\"model.onnx\"");
  EXPECT_EQ(bytesOf("first"), values);
}

TEST_F(ImportTest, MissingExternalDataIsListedOrMadeUp) {
  Builder b;
  b.input("x", {"n", "3"});
  for (const char *name : {"w0", "w1"}) {
    onnx::TensorProto &weight = b.weight(name, {3, 3}, {});
    weight.clear_raw_data();
    weight.set_data_location(onnx::TensorProto::EXTERNAL);
    auto &entry = *weight.add_external_data();
    entry.set_key("location");
    entry.set_value("weights.bin");
  }
  b.graph.mutable_initializer(1)->mutable_external_data()->Add()->set_key("offset");
  b.graph.mutable_initializer(1)->mutable_external_data(1)->set_value("36");
  b.node("MatMul", {"x", "w0"}, {"h"});
  b.node("MatMul", {"h", "w1"}, {"y"});
  b.output("y");
  EXPECT_EQ(import(b), "");
  EXPECT_EQ(errors.size(), 1u);
  EXPECT_HAS(allErrors(), "external data 'weights.bin' is missing, which holds 2 tensors: 'w0', 'w1'");
  options.randomSeed = 7;
  std::string text = import(b);
  EXPECT_HAS(text, "@w0 : tensor<3x3xf32> = #tfm.random<7, 0, ");
  EXPECT_HAS(text, "@w1 : tensor<3x3xf32> = #tfm.random<7, 1, ");
}

TEST_F(ImportTest, EverythingUnsupportedIsReportedAtOnce) {
  Builder b;
  b.input("x", {"n", "4"});
  b.node("NonZero", {"x"}, {"a"});
  b.node("Frobnicate", {"x"}, {"b"});
  b.node("Relu", {"b"}, {"c"});
  b.output("a").output("c");
  EXPECT_EQ(import(b), "");
  ASSERT_EQ(errors.size(), 2u) << allErrors();
  EXPECT_HAS(errors[0], "node 'a_node' (NonZero): its result's shape depends on the input's data");
  EXPECT_HAS(errors[1], "node 'b_node' (Frobnicate): op 'Frobnicate' of opset 17 is not supported");
}

TEST_F(ImportTest, BadGraphsAreLocatedErrors) {
  Builder cycle;
  cycle.input("x", {"n"});
  cycle.node("Add", {"x", "b"}, {"a"});
  cycle.node("Relu", {"a"}, {"b"});
  cycle.output("b");
  EXPECT_EQ(import(cycle), "");
  EXPECT_HAS(allErrors(), "node 'a_node' (Add): expected a graph without cycles");

  Builder types;
  types.input("x", {"n"}).input("y", {"n"}, kInt64);
  types.node("Add", {"x", "y"}, {"z"});
  types.output("z");
  EXPECT_EQ(import(types), "");
  EXPECT_HAS(allErrors(), "node 'z_node' (Add): expected operands of one element type, got 'f32' and 'i64'");

  Builder shapes;
  shapes.input("x", {"n", "3"}).input("y", {"4", "5"});
  shapes.node("MatMul", {"x", "y"}, {"z"});
  shapes.output("z");
  EXPECT_EQ(import(shapes), "");
  EXPECT_HAS(allErrors(), "expected the dimensions that are summed over to be equal, got 3 and 4");

  Builder twice;
  twice.input("x", {"n"});
  twice.node("Relu", {"x"}, {"y"});
  twice.node("Neg", {"x"}, {"y"});
  twice.output("y");
  EXPECT_EQ(import(twice), "");
  EXPECT_HAS(allErrors(), "node 'y_node' (Neg): expected each value to be computed once, got 'y' again");

  Builder dangling;
  dangling.node("Relu", {"nobody"}, {"y"});
  dangling.output("y");
  EXPECT_EQ(import(dangling), "");
  EXPECT_HAS(allErrors(), "input 0 is 'nobody', which nothing computes");

  Builder newer(99);
  newer.input("x", {"n"}).output("x");
  EXPECT_EQ(import(newer), "");
  EXPECT_HAS(allErrors(), "expected opset 11 to 24, got 99");
}

TEST_F(ImportTest, HugeDimensionsAllocateNothing) {
  Builder shape;
  shape.ints("dims", {int64_t(1) << 32, int64_t(1) << 20});
  shape.node("ConstantOfShape", {"dims"}, {"y"});
  shape.output("y");
  EXPECT_HAS(import(shape), "tensor<4294967296x1048576xf32>");

  Builder weight;
  weight.weight("w", {int64_t(1) << 32}, {1});
  weight.node("Relu", {"w"}, {"y"});
  weight.output("y");
  EXPECT_EQ(import(weight), "");
  EXPECT_HAS(allErrors(), "tensor 'w': expected 17179869184 bytes for 4294967296 elements of float32, got 4");
}

TEST_F(ImportTest, EndlessShapeArithmeticIsAnError) {
  Builder b;
  b.input("x", {"n"}).ints("one", {1}).ints("three", {3});
  b.node("Shape", {"x"}, {"v0"});
  for (int i = 0; i < 200; i += 2) {
    b.node("Add", {"v" + std::to_string(i), "one"}, {"v" + std::to_string(i + 1)});
    b.node("Div", {"v" + std::to_string(i + 1), "three"}, {"v" + std::to_string(i + 2)});
  }
  b.node("ConstantOfShape", {"v200"}, {"y"});
  b.output("y");
  EXPECT_EQ(import(b), "");
  EXPECT_HAS(allErrors(), "node 'y_node' (ConstantOfShape): expected the shape to follow from");
}

TEST_F(ImportTest, NegativeDimensionsAreErrors) {
  Builder b;
  b.input("x", {"1"}).ints("shape", {-3});
  b.node("Expand", {"x", "shape"}, {"y"});
  b.output("y");
  EXPECT_EQ(import(b), "");
  EXPECT_HAS(allErrors(), "node 'y_node' (Expand): expected dimensions of 0 or more, got -3");
}

TEST_F(ImportTest, FunctionsAreInlinedWithTheirAttributes) {
  Builder b;
  onnx::FunctionProto &function = *b.model.add_functions();
  function.set_name("Scale");
  function.set_domain("own");
  function.add_input("v");
  function.add_input("unused"); // optional, and left out by the call
  function.add_output("scaled");
  function.add_attribute("factor");
  function.add_opset_import()->set_version(17);
  onnx::NodeProto constant = Builder::makeNode("Constant", {}, {"f"});
  onnx::AttributeProto &reference = attribute(constant, "value_float");
  reference.set_ref_attr_name("factor");
  reference.set_type(onnx::AttributeProto::FLOAT);
  *function.add_node() = constant;
  *function.add_node() = Builder::makeNode("Mul", {"v", "f"}, {"scaled"});
  b.input("x", {"n"});
  onnx::NodeProto &call = b.node("Scale", {"x"}, {"y"});
  call.set_domain("own");
  onnx::AttributeProto &factor = attribute(call, "factor");
  factor.set_type(onnx::AttributeProto::FLOAT);
  factor.set_f(2.5);
  b.output("y");
  std::string text = import(b);
  EXPECT_HAS(text, "dense<2.500000e+00>");
  EXPECT_HAS(text, "tfm.mul");

  // A function that calls itself ends with an error.
  onnx::NodeProto self = Builder::makeNode("Scale", {"v"}, {"again"});
  self.set_domain("own");
  *function.add_node() = self;
  function.set_output(0, "again");
  EXPECT_EQ(import(b), "");
  EXPECT_HAS(allErrors(), "nest more than 16 deep");
}

TEST_F(ImportTest, ABranchThatIsKnownIsInlined) {
  auto makeBranch = [](const char *op) {
    onnx::GraphProto graph;
    *graph.add_node() = Builder::makeNode(op, {"x"}, {"inner"});
    graph.add_output()->set_name("inner");
    return graph;
  };
  auto makeModel = [&](bool isKnown) {
    Builder b;
    b.input("x", {"n", "3"}).ints("three", {3}).ints("one", {1});
    if (isKnown) {
      b.node("Shape", {"x"}, {"shape"});
      b.node("Gather", {"shape", "one"}, {"last"});
      b.node("Equal", {"last", "three"}, {"condition"});
    } else {
      b.input("condition", {"1"}, onnx::TensorProto::BOOL);
    }
    onnx::NodeProto &node = b.node("If", {"condition"}, {"y"});
    *attribute(node, "then_branch").mutable_g() = makeBranch("Tanh");
    *attribute(node, "else_branch").mutable_g() = makeBranch("Relu");
    b.output("y");
    return b.model;
  };
  Builder known, open;
  known.model = makeModel(true);
  std::string text = import(known);
  EXPECT_HAS(text, "tfm.tanh");
  EXPECT_LACKS(text, "tfm.relu");
  open.model = makeModel(false);
  EXPECT_EQ(import(open), "");
  EXPECT_HAS(allErrors(), "node 'y_node' (If): expected a condition that is known");
}

TEST_F(ImportTest, NamesAndLocationsAreKept) {
  Builder b;
  b.input("input.ids", {"n"});
  b.node("Relu", {"input.ids"}, {"y"});
  b.output("y");
  std::string text = import(b);
  EXPECT_HAS(text, "{tfm.name = \"input.ids\"}");
  EXPECT_HAS(text, "{tfm.name = \"y\"}");
  auto relu = *module->lookupSymbol<mlir::func::FuncOp>("main").getOps<tfm::ReluOp>().begin();
  EXPECT_EQ(describeLocation(relu.getLoc()), "node 'y_node' (Relu)");
}
} // namespace
