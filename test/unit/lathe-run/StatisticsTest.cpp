#include "tools/lathe-run/Statistics.h"
#include <gtest/gtest.h>

using namespace lathe::tool;

namespace {
TEST(Statistics, InterpolatesPercentiles) {
  std::vector<double> samples;
  for (int i = 100; i >= 1; --i)
    samples.push_back(i);
  Statistics s = summarize(samples);
  EXPECT_EQ(s.min, 1);
  EXPECT_EQ(s.max, 100);
  EXPECT_EQ(s.mean, 50.5);
  EXPECT_EQ(s.median, 50.5);
  EXPECT_NEAR(s.p90, 90.1, 1e-12); // numpy.percentile(range(1, 101), 90)
  EXPECT_NEAR(s.p95, 95.05, 1e-12);
  EXPECT_NEAR(s.p99, 99.01, 1e-12);
}

TEST(Statistics, TakesShortLists) {
  EXPECT_EQ(summarize({}).max, 0);
  Statistics one = summarize({7});
  EXPECT_EQ(one.min, 7);
  EXPECT_EQ(one.p99, 7);
  EXPECT_EQ(one.max, 7);
}
} // namespace
