// The scan of the wire format, and tensors' bytes and typed fields.
#include "compiler/Onnx/Model.h"
#include "onnx.pb.h"
#include <gtest/gtest.h>

using namespace lathe::onnxfile;

namespace {
onnx::ModelProto makeModel() {
  onnx::ModelProto model;
  model.set_ir_version(8);
  model.add_opset_import()->set_version(17);
  onnx::GraphProto &graph = *model.mutable_graph();
  graph.add_output()->set_name("y");
  onnx::TensorProto &weight = *graph.add_initializer();
  weight.set_name("w");
  weight.set_data_type(onnx::TensorProto::FLOAT);
  weight.add_dims(2);
  weight.set_raw_data("abcdefgh");
  onnx::TensorProto &typed = *graph.add_initializer();
  typed.set_name("t");
  typed.set_data_type(onnx::TensorProto::FLOAT);
  typed.add_dims(3);
  for (float value : {1.0f, 2.0f, 3.0f})
    typed.add_float_data(value);
  onnx::NodeProto &node = *graph.add_node();
  node.set_op_type("Constant");
  node.add_output("y");
  onnx::TensorProto &constant = *node.add_attribute()->mutable_t();
  constant.set_data_type(onnx::TensorProto::INT64);
  constant.add_int64_data(-5);
  return model;
}

llvm::Expected<std::unique_ptr<Model>> parse(const std::string &bytes) {
  return Model::parse(llvm::MemoryBuffer::getMemBufferCopy(bytes));
}

TEST(OnnxModel, RawAndPackedFloatsStayInTheFile) {
  std::string bytes = makeModel().SerializeAsString();
  auto model = llvm::cantFail(parse(bytes));
  const onnx::GraphProto &graph = model->getProto().graph();
  auto raw = getInlineSpan(graph.initializer(0)), packed = getInlineSpan(graph.initializer(1));
  ASSERT_TRUE(raw && packed);
  EXPECT_EQ(raw->length, 8u);
  EXPECT_EQ(bytes.substr(raw->offset, raw->length), "abcdefgh");
  ASSERT_EQ(packed->length, 12u);
  float values[3];
  std::memcpy(values, bytes.data() + packed->offset, 12);
  EXPECT_EQ(values[2], 3.0f);
  const onnx::TensorProto &constant = graph.node(0).attribute(0).t();
  EXPECT_FALSE(getInlineSpan(constant));
  EXPECT_EQ(constant.int64_data(0), -5);
}

TEST(OnnxModel, EveryPrefixIsAnErrorOrAModel) {
  std::string bytes = makeModel().SerializeAsString();
  for (size_t size = 0; size < bytes.size(); ++size) {
    auto model = parse(bytes.substr(0, size));
    if (!model)
      EXPECT_NE(llvm::toString(model.takeError()), "");
  }
}

TEST(OnnxModel, WhatIsNotOnnxIsSaid) {
  EXPECT_NE(llvm::toString(parse("").takeError()).find("empty file"), std::string::npos);
  for (const char *text : {"<html>", "PK\x03\x04 a zip file", "\x08\x08", "\x3a\xff\xff\xff\xff\x0f"})
    EXPECT_NE(llvm::toString(parse(text).takeError()).find("expected an ONNX model"), std::string::npos) << text;
}

TEST(OnnxModel, DeepNestingIsRefused) {
  onnx::GraphProto inner;
  for (int i = 0; i < 40; ++i) {
    onnx::GraphProto outer;
    *outer.add_node()->add_attribute()->mutable_g() = inner;
    inner = outer;
  }
  onnx::ModelProto model = makeModel();
  *model.mutable_graph()->add_node()->add_attribute()->mutable_g() = inner;
  EXPECT_NE(llvm::toString(parse(model.SerializeAsString()).takeError()).find("64 deep"), std::string::npos);
}

TEST(OnnxTensor, SizesAreChecked) {
  onnx::TensorProto tensor;
  tensor.set_data_type(onnx::TensorProto::FLOAT);
  tensor.add_dims(int64_t(1) << 40);
  tensor.add_dims(int64_t(1) << 40);
  EXPECT_NE(llvm::toString(getElementCount(tensor).takeError()), "");
  tensor.add_dims(0);
  EXPECT_EQ(llvm::cantFail(getElementCount(tensor)), 0u);
  tensor.set_dims(0, -1);
  EXPECT_NE(llvm::toString(getElementCount(tensor).takeError()), "");
  EXPECT_EQ(getByteSize(22 /*int4*/, 5), 3u);
  EXPECT_EQ(getByteSize(onnx::TensorProto::STRING, 5), std::nullopt);
  EXPECT_EQ(getByteSize(onnx::TensorProto::DOUBLE, UINT64_MAX / 2), std::nullopt);
}

TEST(OnnxTensor, TypedFieldsAreWhatRawDataWouldBe) {
  onnx::TensorProto tensor;
  tensor.set_data_type(onnx::TensorProto::FLOAT16);
  tensor.add_dims(2);
  tensor.add_int32_data(0x3c00);
  tensor.add_int32_data(0xc000);
  auto bytes = llvm::cantFail(packTypedData(tensor));
  EXPECT_EQ(std::string(bytes.begin(), bytes.end()), std::string("\x00\x3c\x00\xc0", 4));
  tensor.set_dims(0, 3);
  EXPECT_NE(llvm::toString(packTypedData(tensor).takeError()).find("expected 6 bytes"), std::string::npos);
}
} // namespace
