#include "compiler/Numerics/Codebook.h"
#include "TestData.h"
#include "compiler/Numerics/Quantizer.h"

using namespace lathe::numerics;
using namespace lathe::numerics::testing;

namespace {
std::vector<float> weights(int64_t count) { return copyOf<float>(randomMatrix(1, count, 4, 0.05)).takeElements(); }
double loss(llvm::ArrayRef<float> w, const Codebook &c, llvm::ArrayRef<float> importance = {}) {
  double sum = 0;
  for (size_t i = 0; i < w.size(); ++i) {
    double delta = double(w[i]) - c.values[c.codes[i]];
    sum += (importance.empty() ? 1 : importance[i]) * delta * delta;
  }
  return sum;
}
} // namespace

TEST(Codebook, EveryWeightHasItsNearestValueAndEveryValueIsItsMean) {
  std::vector<float> w = weights(5000);
  Codebook c = clusterWeights(w, {}, 16, 10000);
  ASSERT_EQ(c.values.size(), 16u);
  EXPECT_TRUE(std::is_sorted(c.values.begin(), c.values.end()));
  std::vector<double> sum(16), count(16);
  for (size_t i = 0; i < w.size(); ++i) {
    for (float value : c.values)
      ASSERT_LE(std::fabs(w[i] - c.values[c.codes[i]]), std::fabs(w[i] - value));
    sum[c.codes[i]] += w[i];
    count[c.codes[i]] += 1;
  }
  for (int k = 0; k < 16; ++k)
    EXPECT_NEAR(c.values[k], sum[k] / count[k], 1e-6);
}

TEST(Codebook, BeatsEvenStepsAndHeedsImportance) {
  std::vector<float> w = weights(4000);
  Codebook c = clusterWeights(w, {}, 8);
  Matrix<float> matrix(1, 4000);
  std::copy(w.begin(), w.end(), matrix.data());
  Matrix<double> delta = difference(matrix, quantize(matrix, {3, Granularity::Tensor, 0, true}).dequantize());
  EXPECT_LT(loss(w, c), 0.6 * norm(delta) * norm(delta));
  std::vector<float> importance(4000);
  for (size_t i = 0; i < w.size(); ++i)
    importance[i] = w[i] > 0.05f ? 100 : 1;
  EXPECT_LT(loss(w, clusterWeights(w, importance, 8), importance), 0.7 * loss(w, c, importance));
}

TEST(Codebook, FewValuesAreKeptAsTheyAre) {
  std::vector<float> w = {3, -1, 3, 0, -1, 3};
  Codebook c = clusterWeights(w, {}, 16);
  EXPECT_EQ(c.values, (std::vector<float>{-1, 0, 3}));
  EXPECT_EQ(loss(w, c), 0);
  EXPECT_TRUE(clusterWeights({}, {}, 4).values.empty());
  EXPECT_EQ(clusterWeights({2.0f}, {0.0f}, 4).values, std::vector<float>{2});
  // Much of one value: the start by quantiles would give it several clusters.
  std::vector<float> zeros(1000);
  zeros[3] = 1;
  zeros[4] = 2;
  zeros[5] = 7;
  EXPECT_EQ(loss(zeros, clusterWeights(zeros, {}, 4)), 0);
}
