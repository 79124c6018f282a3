#include "tools/lathe-run/Tensor.h"
#include <cmath>
#include <fstream>
#include <gtest/gtest.h>
#include <sys/stat.h>

using namespace lathe::tool;

namespace {
Tensor make(ElementType type, const std::vector<double> &values) {
  Tensor tensor;
  tensor.type = type;
  tensor.dims = {int64_t(values.size())};
  tensor.bytes.resize(values.size() * elementSize(type));
  for (size_t i = 0; i < values.size(); ++i)
    storeDouble(tensor, i, values[i]);
  return tensor;
}

TEST(Tensor, CountsWithoutOverflow) {
  EXPECT_EQ(elementCount({}), 1u);
  EXPECT_EQ(elementCount({2, 3}), 6u);
  EXPECT_EQ(elementCount({INT64_MAX, INT64_MAX, 0}), 0u);
  EXPECT_EQ(elementCount({INT64_MAX, 2}), std::nullopt);
  EXPECT_EQ(elementCount({-1}), std::nullopt);
  EXPECT_EQ(byteCount(ElementType::F64, {INT64_MAX / 4}), std::nullopt);
  EXPECT_EQ(byteCount(ElementType::F16, {3}), 6u);
}

// Every half is exactly a double, so storing what was loaded gives the bits back; NaN payloads aside.
TEST(Tensor, StoresEverySixteenBitFloat) {
  for (ElementType type : {ElementType::F16, ElementType::BF16}) {
    Tensor tensor = make(type, {0});
    for (unsigned bits = 0; bits < 0x10000; ++bits) {
      tensor.bytes = {uint8_t(bits), uint8_t(bits >> 8)};
      double value = tensor.asDouble(0);
      storeDouble(tensor, 0, value);
      unsigned again = tensor.bytes[0] | unsigned(tensor.bytes[1]) << 8;
      if (std::isnan(value))
        ASSERT_TRUE(std::isnan(tensor.asDouble(0)));
      else
        ASSERT_EQ(bits, again) << typeName(type);
    }
  }
}

TEST(Tensor, RoundsSixteenBitFloatsToNearestEven) {
  EXPECT_EQ(make(ElementType::F16, {65519}).asDouble(0), 65504);
  EXPECT_EQ(make(ElementType::F16, {65520}).asDouble(0), INFINITY);
  EXPECT_EQ(make(ElementType::F16, {2049}).asDouble(0), 2048);
  EXPECT_EQ(make(ElementType::F16, {2051}).asDouble(0), 2052);
  EXPECT_EQ(make(ElementType::F16, {0x1p-25}).asDouble(0), 0);
  EXPECT_EQ(make(ElementType::F16, {0x1.8p-25}).asDouble(0), 0x1p-24);
  EXPECT_EQ(make(ElementType::BF16, {257}).asDouble(0), 256);
  EXPECT_EQ(make(ElementType::BF16, {259}).asDouble(0), 260);
}

TEST(Tensor, ConvertsOnlyWithoutLoss) {
  std::string error;
  Tensor ids = make(ElementType::I64, {0, -7, 2147483647});
  ASSERT_TRUE(convertLossless(ids, ElementType::I32, error)) << error;
  EXPECT_EQ(int64_t(ids.asInteger(1)), -7);
  EXPECT_EQ(ids.bytes.size(), 12u);
  EXPECT_FALSE(convertLossless(ids, ElementType::U8, error));
  EXPECT_NE(error.find("element 1 does not fit"), std::string::npos);
  EXPECT_EQ(ids.type, ElementType::I32);

  Tensor large = make(ElementType::I64, {0});
  storeInteger(large, 0, (1ll << 53) + 1);
  EXPECT_FALSE(convertLossless(large, ElementType::F64, error));
  EXPECT_FALSE(convertLossless(large, ElementType::I32, error));
  Tensor truth = make(ElementType::U8, {0, 1});
  EXPECT_TRUE(convertLossless(truth, ElementType::Bool, error));
  Tensor two = make(ElementType::U8, {2});
  EXPECT_FALSE(convertLossless(two, ElementType::Bool, error));
  Tensor third = make(ElementType::F64, {1.0 / 3});
  EXPECT_FALSE(convertLossless(third, ElementType::F32, error));
  Tensor half = make(ElementType::F32, {0.5, NAN, -INFINITY});
  EXPECT_TRUE(convertLossless(half, ElementType::F16, error));
  EXPECT_FALSE(convertLossless(half, ElementType::I64, error));
  Tensor bits = make(ElementType::U16, {0x3f80});
  EXPECT_TRUE(convertLossless(bits, ElementType::BF16, error));
  EXPECT_EQ(bits.asDouble(0), 1);
}

TEST(Tensor, ReadsRegularFilesOnly) {
  std::vector<uint8_t> bytes;
  std::string error;
  EXPECT_FALSE(readFile(testing::TempDir(), bytes, error));
  EXPECT_NE(error.find("not a regular file"), std::string::npos);
  std::string fifo = testing::TempDir() + "/lathe-tensor-test-fifo";
  mkfifo(fifo.c_str(), 0600);
  EXPECT_FALSE(readFile(fifo, bytes, error)); // and does not wait for a writer
  remove(fifo.c_str());
  EXPECT_FALSE(readFile("/nowhere/at/all", bytes, error));
  EXPECT_NE(error.find("'/nowhere/at/all'"), std::string::npos);
  std::string path = testing::TempDir() + "/lathe-tensor-test";
  ASSERT_TRUE(writeFile(path, "abc", 3, error)) << error;
  EXPECT_FALSE(readFile(path, bytes, error, 2));
  ASSERT_TRUE(readFile(path, bytes, error, 3)) << error;
  EXPECT_EQ(bytes.size(), 3u);
  remove(path.c_str());
}
} // namespace
