// What a data set takes, what it refuses in which words, and how it is cut into batches.
#include "compiler/Data/DataSet.h"
#include "tools/lathe-run/Npy.h"
#include "llvm/Support/FileSystem.h"
#include <cmath>
#include <gtest/gtest.h>

using namespace lathe;
using namespace lathe::data;
using tool::ElementType;
using tool::Tensor;

namespace {
Tensor integers(ElementType type, std::vector<int64_t> dims, std::vector<int64_t> values) {
  Tensor tensor{"", type, dims, std::vector<uint8_t>(values.size() * tool::elementSize(type))};
  for (size_t i = 0; i < values.size(); ++i)
    tool::storeInteger(tensor, i, values[i]);
  return tensor;
}
Tensor floats(std::vector<int64_t> dims, std::vector<double> values) {
  Tensor tensor{"", ElementType::F32, dims, std::vector<uint8_t>(values.size() * 4)};
  for (size_t i = 0; i < values.size(); ++i)
    tool::storeDouble(tensor, i, values[i]);
  return tensor;
}
std::vector<int64_t> valuesOf(const Tensor &tensor) {
  std::vector<int64_t> values;
  for (uint64_t i = 0; i < tensor.count(); ++i)
    values.push_back(int64_t(tensor.asInteger(i)));
  return values;
}

/// Tokens and their mask, both [batch, sequence].
Signature tokens(bool isMask = true) {
  Dim batch = Dim::symbol("batch"), sequence = Dim::symbol("sequence");
  Signature signature;
  signature.inputs = {{"ids", ElementType::I64, {batch, sequence}, false},
                      {"mask", ElementType::I64, {batch, sequence}, isMask}};
  signature.symbols = {{"batch", {1, 8}}, {"sequence", {1, 4}}};
  return signature;
}

class DataSetTest : public testing::Test {
protected:
  llvm::SmallString<128> folder;

  void SetUp() override { ASSERT_FALSE(llvm::sys::fs::createUniqueDirectory("lathe-data", folder)); }
  void TearDown() override { (void)llvm::sys::fs::remove_directories(folder); }

  void write(const std::string &name, const Tensor &tensor) {
    std::string error;
    ASSERT_TRUE(tool::writeNpy((folder + "/" + name + ".npy").str(), tensor, error)) << error;
  }
  std::string errorOf(const Signature &signature, const OpenOptions &options = {}) {
    auto set = DataSet::open(folder, signature, options);
    return set ? "none" : llvm::toString(set.takeError());
  }
  void expectError(const Signature &signature, const std::string &part) {
    std::string error = errorOf(signature);
    EXPECT_NE(error.find(part), std::string::npos) << error;
    EXPECT_NE(error.find(folder.str().str()), std::string::npos) << "the file is not named: " << error;
  }
  void writeTokens() {
    write("ids", integers(ElementType::U16, {3, 4}, {1, 2, 0, 0, 3, 0, 0, 0, 4, 5, 6, 0}));
    write("mask", integers(ElementType::U8, {3, 4}, {1, 1, 0, 0, 1, 0, 0, 0, 1, 1, 1, 0}));
  }
};
} // namespace

TEST_F(DataSetTest, TrimsToTheLongestOfABatch) {
  writeTokens();
  auto set = DataSet::open(folder, tokens());
  ASSERT_TRUE(bool(set)) << llvm::toString(set.takeError());
  EXPECT_EQ(set->rows(), 3u);
  EXPECT_EQ(set->length(0), 2u);
  EXPECT_EQ(set->length(2), 3u);
  auto batches = set->plan(2, Order::ByLength);
  ASSERT_EQ(batches, (std::vector<std::vector<uint64_t>>{{2, 0}, {1}}));
  Batch first = set->batch(batches[0]), second = set->batch(batches[1]);
  EXPECT_EQ(first.inputs[0].type, ElementType::I64);
  EXPECT_EQ(first.inputs[0].dims, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(valuesOf(first.inputs[0]), (std::vector<int64_t>{4, 5, 6, 1, 2, 0}));
  EXPECT_EQ(valuesOf(first.inputs[1]), (std::vector<int64_t>{1, 1, 1, 1, 1, 0}));
  EXPECT_EQ(valuesOf(second.inputs[0]), (std::vector<int64_t>{3}));
  EXPECT_EQ(set->plan(2, Order::AsGiven), (std::vector<std::vector<uint64_t>>{{0, 1}, {2}}));
  // 3 tokens alone, then 2 rows of at most 2.
  EXPECT_EQ(set->plan(8, Order::ByLength, 4), (std::vector<std::vector<uint64_t>>{{2}, {0, 1}}));
}

TEST_F(DataSetTest, TrimsNothingWithoutAMaskOfZerosAndOnes) {
  writeTokens();
  auto plain = DataSet::open(folder, tokens(/*isMask=*/false));
  ASSERT_TRUE(bool(plain));
  EXPECT_FALSE(plain->hasLengths());
  EXPECT_EQ(plain->batch({1}).inputs[0].dims, (std::vector<int64_t>{1, 4}));
  write("mask", integers(ElementType::U8, {3, 4}, {2, 1, 0, 0, 1, 0, 0, 0, 1, 1, 1, 0}));
  auto other = DataSet::open(folder, tokens());
  ASSERT_TRUE(bool(other));
  EXPECT_FALSE(other->hasLengths());
}

TEST_F(DataSetTest, TakesWhatIsLongerThanTheModelWherePaddingIs) {
  write("ids", integers(ElementType::I64, {1, 6}, {1, 2, 3, 0, 0, 0}));
  write("mask", integers(ElementType::I64, {1, 6}, {1, 1, 1, 0, 0, 0}));
  auto set = DataSet::open(folder, tokens());
  ASSERT_TRUE(bool(set)) << llvm::toString(set.takeError());
  EXPECT_EQ(set->batch({0}).inputs[0].dims, (std::vector<int64_t>{1, 3}));
  write("mask", integers(ElementType::I64, {1, 6}, {1, 1, 1, 0, 1, 0}));
  expectError(tokens(), "has 5 along axis 1 (sequence); expected 1 to 4");
}

TEST_F(DataSetTest, NamesEveryMissingInput) {
  expectError(tokens(), "has no data for the inputs 'ids', 'mask'");
  write("ids", integers(ElementType::I64, {1, 2}, {1, 2}));
  expectError(tokens(), "has no data for the input 'mask'");
}

TEST_F(DataSetTest, RefusesWhatDoesNotFit) {
  write("ids", integers(ElementType::I64, {2, 2}, {1, 2, 3, 4}));
  write("mask", integers(ElementType::I64, {1, 2}, {1, 1}));
  expectError(tokens(), "input 'mask' of");
  expectError(tokens(), "has 1 samples, input 'ids' has 2");
  write("mask", integers(ElementType::I64, {2, 3}, {1, 1, 1, 1, 1, 1}));
  expectError(tokens(), "has 3 along axis 1 (sequence), input 'ids' has 2");
  write("mask", integers(ElementType::I64, {2}, {1, 1}));
  expectError(tokens(), "is 2; expected [batch, sequence], samples along axis 0");
  write("mask", floats({2, 2}, {1, 1, 1, 1}));
  expectError(tokens(), "is f32 where i64 is expected");
  Signature narrow = tokens();
  narrow.inputs[0].type = ElementType::I8;
  write("ids", integers(ElementType::I64, {2, 2}, {1, 2, 300, 4}));
  write("mask", integers(ElementType::I64, {2, 2}, {1, 1, 1, 1}));
  expectError(narrow, "element 2 does not fit that type");
}

TEST_F(DataSetTest, RefusesWhatIsNotFinite) {
  Signature signature;
  signature.inputs = {{"x", ElementType::F32, {Dim::symbol("n"), Dim(2)}, false}};
  write("x", floats({3, 2}, {1, 2, 3, NAN, 5, 6}));
  expectError(signature, "input 'x' of");
  expectError(signature, "holds a NaN (element 3, sample 1)");
  write("x", floats({3, 2}, {1, 2, 3, 4, -INFINITY, 6}));
  expectError(signature, "holds an infinity (element 4, sample 2)");
  OpenOptions first;
  first.maxRows = 2; // what isn't read isn't checked
  EXPECT_EQ(errorOf(signature, first), "none");
}

TEST_F(DataSetTest, RefusesTooFewSamples) {
  writeTokens();
  OpenOptions options;
  options.minRows = 4;
  EXPECT_NE(errorOf(tokens(), options).find("has 3 samples; expected at least 4"), std::string::npos);
  write("ids", integers(ElementType::I64, {0, 2}, {}));
  write("mask", integers(ElementType::I64, {0, 2}, {}));
  expectError(tokens(), "has 0 samples; expected at least 1");
}

TEST_F(DataSetTest, KeepsAFixedBatch) {
  Signature signature;
  signature.inputs = {{"x", ElementType::F32, {Dim(2), Dim(1)}, false}};
  write("x", floats({5, 1}, {1, 2, 3, 4, 5}));
  expectError(signature, "has 5 samples; expected a multiple of 2, the batch of the model");
  OpenOptions options;
  options.maxRows = 5;
  write("x", floats({6, 1}, {1, 2, 3, 4, 5, 6}));
  auto set = DataSet::open(folder, signature, options);
  ASSERT_TRUE(bool(set));
  EXPECT_EQ(set->plan(100, Order::AsGiven), (std::vector<std::vector<uint64_t>>{{0, 1}, {2, 3}}));
}

TEST_F(DataSetTest, ReadsTestDataSetsOneAfterAnother) {
  for (int i : {0, 1, 10, 2}) {
    std::string part = "test_data_set_" + std::to_string(i);
    ASSERT_FALSE(llvm::sys::fs::create_directory(folder + "/" + part));
    write(part + "/ids", integers(ElementType::I64, {1, 1 + i % 4}, std::vector<int64_t>(1 + i % 4, i)));
    write(part + "/mask", integers(ElementType::I64, {1, 1 + i % 4}, std::vector<int64_t>(1 + i % 4, 1)));
  }
  auto set = DataSet::open(folder, tokens());
  ASSERT_TRUE(bool(set)) << llvm::toString(set.takeError());
  EXPECT_EQ(set->rows(), 4u);
  EXPECT_EQ(set->plan(8, Order::AsGiven).size(), 4u); // never two together
  EXPECT_EQ(valuesOf(set->batch({3}).inputs[0]), (std::vector<int64_t>{10, 10, 10}));
}

TEST_F(DataSetTest, KeepsLabelsOfTheFirstRows) {
  writeTokens();
  write("labels", integers(ElementType::I32, {3}, {7, 8, 9}));
  OpenOptions options;
  options.maxRows = 2;
  auto set = DataSet::open(folder, tokens(), options);
  ASSERT_TRUE(bool(set));
  ASSERT_TRUE(set->labels());
  EXPECT_EQ(valuesOf(*set->labels()), (std::vector<int64_t>{7, 8}));
  write("labels", integers(ElementType::I32, {2}, {7, 8}));
  expectError(tokens(), "is 2 for 3 samples");
}

TEST_F(DataSetTest, DigestsValues) {
  writeTokens();
  auto digest = [&] {
    auto set = DataSet::open(folder, tokens());
    EXPECT_TRUE(bool(set));
    return set->digest();
  };
  auto before = digest();
  EXPECT_EQ(digest(), before);
  write("ids", integers(ElementType::U16, {3, 4}, {1, 2, 0, 0, 3, 0, 0, 0, 4, 5, 7, 0}));
  EXPECT_NE(digest(), before);
}
