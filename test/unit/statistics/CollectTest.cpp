// A model is run with taps, and what is summed is what stood at its linears.
#include "compiler/Data/Signature.h"
#include "compiler/Driver/CollectStatistics.h"
#include "mlir/Parser/Parser.h"
#include "tools/lathe-run/Npy.h"
#include "llvm/Support/FileSystem.h"
#include <gtest/gtest.h>

using namespace lathe;
using namespace mlir;

namespace {
// Query and key read the embedding, so does @shared, which reads the attention too; @last only the attention.
constexpr const char *kModel = R"mlir(
module attributes {tfm.symbols = {batch = array<i64: 1, 64>, sequence = array<i64: 1, 16>}} {
  tfm.weight @table : tensor<3x2xf32> = dense<[[9.0, 9.0], [1.0, 2.0], [3.0, -4.0]]> : tensor<3x2xf32>
  tfm.weight @query : tensor<2x2xf32> = dense<[[1.0, 0.0], [0.0, 1.0]]> : tensor<2x2xf32>
  tfm.weight @key : tensor<2x2xf32> = dense<0.0> : tensor<2x2xf32>
  tfm.weight @shared : tensor<2x2xf32> = dense<[[2.0, 0.0], [0.0, 2.0]]> : tensor<2x2xf32>
  tfm.weight @last : tensor<2x2xf32> = dense<[[1.0, 1.0], [0.0, 1.0]]> : tensor<2x2xf32>
  func.func @main(%ids: tensor<?x?xi64, #tfm.dims<batch, sequence>> {tfm.name = "ids"},
                  %mask: tensor<?x?xi64, #tfm.dims<batch, sequence>> {tfm.name = "tokens_to_see"})
      -> (tensor<?x?x2xf32, #tfm.dims<batch, sequence, 2>> {tfm.name = "y"}) {
    %zero = tfm.constant dense<0> : tensor<i64>
    %table = tfm.get @table : tensor<3x2xf32>
    %wq = tfm.get @query : tensor<2x2xf32>
    %wk = tfm.get @key : tensor<2x2xf32>
    %ws = tfm.get @shared : tensor<2x2xf32>
    %wl = tfm.get @last : tensor<2x2xf32>
    %x = tfm.embedding %ids, %table : (tensor<?x?xi64, #tfm.dims<batch, sequence>>, tensor<3x2xf32>) -> tensor<?x?x2xf32, #tfm.dims<batch, sequence, 2>>
    %q = tfm.linear %x, %wq : (tensor<?x?x2xf32, #tfm.dims<batch, sequence, 2>>, tensor<2x2xf32>) -> tensor<?x?x2xf32, #tfm.dims<batch, sequence, 2>>
    %k = tfm.linear %x, %wk : (tensor<?x?x2xf32, #tfm.dims<batch, sequence, 2>>, tensor<2x2xf32>) -> tensor<?x?x2xf32, #tfm.dims<batch, sequence, 2>>
    %v = tfm.linear %x, %ws : (tensor<?x?x2xf32, #tfm.dims<batch, sequence, 2>>, tensor<2x2xf32>) -> tensor<?x?x2xf32, #tfm.dims<batch, sequence, 2>>
    %real = tfm.compare <ne> %mask, %zero : (tensor<?x?xi64, #tfm.dims<batch, sequence>>, tensor<i64>) -> tensor<?x?xi1, #tfm.dims<batch, sequence>>
    %a = tfm.attention %q, %k, %v padding(%real) {heads = 1 : i64, kv_heads = 1 : i64, masked_row = #tfm.masked_row<mean>, scale = 1.0 : f64} : (tensor<?x?x2xf32, #tfm.dims<batch, sequence, 2>>, tensor<?x?x2xf32, #tfm.dims<batch, sequence, 2>>, tensor<?x?x2xf32, #tfm.dims<batch, sequence, 2>>, tensor<?x?xi1, #tfm.dims<batch, sequence>>) -> tensor<?x?x2xf32, #tfm.dims<batch, sequence, 2>>
    %b = tfm.linear %a, %ws : (tensor<?x?x2xf32, #tfm.dims<batch, sequence, 2>>, tensor<2x2xf32>) -> tensor<?x?x2xf32, #tfm.dims<batch, sequence, 2>>
    %c = tfm.linear %a, %wl : (tensor<?x?x2xf32, #tfm.dims<batch, sequence, 2>>, tensor<2x2xf32>) -> tensor<?x?x2xf32, #tfm.dims<batch, sequence, 2>>
    %y = tfm.add %b, %c : (tensor<?x?x2xf32, #tfm.dims<batch, sequence, 2>>, tensor<?x?x2xf32, #tfm.dims<batch, sequence, 2>>) -> tensor<?x?x2xf32, #tfm.dims<batch, sequence, 2>>
    return %y : tensor<?x?x2xf32, #tfm.dims<batch, sequence, 2>>
  }
}
)mlir";

class CollectTest : public testing::Test {
protected:
  DialectRegistry registry;
  std::unique_ptr<MLIRContext> context;
  OwningOpRef<ModuleOp> module;
  llvm::SmallString<128> folder;

  void SetUp() override {
    registerDialects(registry);
    context = std::make_unique<MLIRContext>(registry, MLIRContext::Threading::DISABLED);
    module = parseSourceString<ModuleOp>(kModel, context.get());
    ASSERT_TRUE(module);
    ASSERT_FALSE(llvm::sys::fs::createUniqueDirectory("lathe-statistics", folder));
    // Sequences of one, two and no tokens; token 0 stands where padding is, but once behind it.
    write("ids", {1, 0, 0, 1, 2, 0, 0, 0, 0});
    write("tokens_to_see", {1, 0, 0, 1, 1, 0, 0, 0, 0});
  }
  void TearDown() override { (void)llvm::sys::fs::remove_directories(folder); }

  void write(const std::string &name, const std::vector<int64_t> &values) {
    tool::Tensor tensor{"", tool::ElementType::I64, {3, 3}, std::vector<uint8_t>(9 * 8)};
    for (size_t i = 0; i < 9; ++i)
      tool::storeInteger(tensor, i, values[i]);
    std::string error;
    ASSERT_TRUE(tool::writeNpy((folder + "/" + name + ".npy").str(), tensor, error)) << error;
  }
  FailureOr<statistics::Statistics> collect(CompileOptions options = {}) {
    auto signature = data::describeInputs(*module);
    if (failed(signature))
      return failure();
    EXPECT_FALSE(signature->inputs[0].isMask);
    EXPECT_TRUE(signature->inputs[1].isMask);
    auto set = data::DataSet::open(folder, *signature);
    if (!set) {
      ADD_FAILURE() << llvm::toString(set.takeError());
      return failure();
    }
    return collectStatistics(*module, *set, data::ImpliedInputs(*signature, folder), options, [](double) {});
  }
};
} // namespace

TEST_F(CollectTest, SumsWhatEachWeightReads) {
  auto taken = collect();
  ASSERT_TRUE(succeeded(taken));
  EXPECT_EQ(taken->rows, 3u);
  ASSERT_EQ(taken->entries.size(), 3u);
  EXPECT_EQ(taken->find("query")->weights, (std::vector<std::string>{"key", "query"}));
  // The embedding of tokens 1, 1 and 2: (1, 2), (1, 2), (3, -4).
  const statistics::Entry &embedding = *taken->find("key");
  EXPECT_EQ(embedding.tokens, 3u);
  double expected[3][3] = {{11, -8, 5}, {-8, 24, 0}, {5, 0, 3}};
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 3; ++j)
      EXPECT_EQ(embedding.moments(i, j), expected[i][j]) << i << ", " << j;
  EXPECT_EQ(embedding.maxAbs, (std::vector<double>{3, 4}));
  EXPECT_EQ(embedding.min, -4);
  EXPECT_EQ(embedding.max, 3);
  // Keys are 0, so an attention is the mean of its values, twice the embeddings: (2, 4); (4, -2) for two tokens.
  const statistics::Entry &attention = *taken->find("last");
  EXPECT_EQ(attention.tokens, 3u);
  EXPECT_NEAR(attention.moments(0, 0), 4 + 16 + 16, 1e-5);
  EXPECT_NEAR(attention.moments(0, 1), 8 - 8 - 8, 1e-5);
  EXPECT_NEAR(attention.moments(2, 0), 2 + 4 + 4, 1e-5);
  // What is read twice is the sum of both.
  const statistics::Entry &shared = *taken->find("shared");
  EXPECT_EQ(shared.tokens, 6u);
  EXPECT_EQ(shared.moments(0, 0), embedding.moments(0, 0) + attention.moments(0, 0));
}

TEST_F(CollectTest, GivesTheSameBitsOnAnyNumberOfThreads) {
  CompileOptions one, four;
  one.threads = 1;
  four.threads = 4;
  auto a = collect(one), b = collect(four);
  ASSERT_TRUE(succeeded(a) && succeeded(b));
  EXPECT_EQ(statistics::formatStatistics(*a), statistics::formatStatistics(*b));
}

TEST_F(CollectTest, KeepsThemInTheCacheByContent) {
  CompileOptions options;
  options.calibration = folder.str().str();
  options.statisticsCache = (folder + "/cache").str();
  auto find = [&] { return findStatistics(*module, options, "", [](double) {}); };
  auto first = find();
  ASSERT_TRUE(succeeded(first));
  EXPECT_EQ(llvm::StringRef(*first).take_front(folder.size()), folder);
  llvm::sys::fs::file_status before, after;
  ASSERT_FALSE(llvm::sys::fs::status(*first, before));
  auto second = find();
  ASSERT_TRUE(succeeded(second));
  EXPECT_EQ(*first, *second);
  ASSERT_FALSE(llvm::sys::fs::status(*second, after));
  EXPECT_EQ(before.getUniqueID(), after.getUniqueID()) << "it was taken again";
  write("ids", {2, 0, 0, 1, 2, 0, 0, 0, 0});
  auto other = find();
  ASSERT_TRUE(succeeded(other));
  EXPECT_NE(*first, *other);
  // A damaged one is replaced.
  std::error_code code;
  llvm::raw_fd_ostream(*other, code) << "nonsense";
  ASSERT_TRUE(succeeded(find()));
  EXPECT_TRUE(bool(statistics::readStatistics(*other)));
}

TEST_F(CollectTest, RefusesStatisticsOfAnotherModel) {
  std::string said;
  ScopedDiagnosticHandler handler(context.get(), [&](Diagnostic &diagnostic) { said = diagnostic.str(); });
  auto taken = collect();
  ASSERT_TRUE(succeeded(taken));
  CompileOptions options;
  options.statistics = (folder + "/file").str();
  ASSERT_FALSE(statistics::writeStatistics(*taken, options.statistics));
  auto found = findStatistics(*module, options, "", [](double) {});
  ASSERT_TRUE(succeeded(found)) << said;
  EXPECT_EQ(*found, options.statistics);
  taken->model[5] ^= 1;
  ASSERT_FALSE(statistics::writeStatistics(*taken, options.statistics));
  EXPECT_TRUE(failed(findStatistics(*module, options, "", [](double) {})));
  EXPECT_NE(said.find("is of another model"), std::string::npos) << said;
  EXPECT_NE(said.find("hint: `lathe statistics MODEL --calibration=DIR -o FILE`"), std::string::npos) << said;
  EXPECT_TRUE(failed(findStatistics(*module, {}, "", [](double) {})));
  EXPECT_NE(said.find("expected --calibration=DIR or --statistics=FILE"), std::string::npos) << said;
}
