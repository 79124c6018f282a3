// What is summed, against sums written out.
#include "compiler/Statistics/Observer.h"
#include <cmath>
#include <gtest/gtest.h>

using namespace lathe;
using namespace lathe::statistics;

static numerics::ConstView<float> view(const std::vector<float> &values, int64_t columns) {
  return {values.data(), int64_t(values.size()) / columns, columns};
}

TEST(Observer, SumsRealRowsAlone) {
  Observer observer(2);
  std::vector<float> first = {1, -2, 100, 100, 3, 4}, second = {-5, 0.5};
  std::vector<uint8_t> isReal = {1, 0, 1};
  EXPECT_TRUE(observer.add(view(first, 2), isReal.data()));
  EXPECT_TRUE(observer.add(view(second, 2), nullptr));
  Entry entry = observer.take();
  EXPECT_EQ(entry.tokens, 3u);
  EXPECT_EQ(entry.channels(), 2);
  // x = (1, -2), (3, 4), (-5, 0.5), with a 1 behind each.
  double expected[3][3] = {{35, 7.5, -1}, {7.5, 20.25, 2.5}, {-1, 2.5, 3}};
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 3; ++j)
      EXPECT_EQ(entry.moments(i, j), expected[i][j]) << i << ", " << j;
  EXPECT_EQ(entry.maxAbs, (std::vector<double>{5, 4}));
  EXPECT_EQ(entry.sumAbs, (std::vector<double>{9, 6.5}));
  EXPECT_EQ(entry.meanAbs(0), 3);
  EXPECT_EQ(entry.min, -5);
  EXPECT_EQ(entry.max, 4);
  uint64_t counted = 0;
  for (uint64_t count : entry.histogram.getCounts())
    counted += count;
  EXPECT_EQ(counted, 6u);
}

TEST(Observer, KeepsTheSignsOfOneSidedValues) {
  Observer observer(1);
  std::vector<float> values = {2, 3};
  EXPECT_TRUE(observer.add(view(values, 1), nullptr));
  Entry entry = observer.take();
  EXPECT_EQ(entry.min, 2); // not 0, which no value is
  EXPECT_EQ(entry.max, 3);
}

TEST(Observer, RefusesWhatIsNotFinite) {
  for (float bad : {NAN, INFINITY, -INFINITY}) {
    Observer observer(2);
    std::vector<float> good = {1, 2}, values = {1, 2, bad, 3};
    std::vector<uint8_t> padding = {1, 0};
    EXPECT_TRUE(observer.add(view(good, 2), nullptr));
    EXPECT_FALSE(observer.add(view(values, 2), nullptr));
    EXPECT_EQ(observer.take().tokens, 1u);
    Observer other(2);
    EXPECT_TRUE(other.add(view(values, 2), padding.data())) << "padding may hold anything";
  }
}

TEST(Observer, TakesNoRows) {
  Observer observer(2);
  std::vector<float> values = {1, 2};
  std::vector<uint8_t> padding = {0};
  EXPECT_TRUE(observer.add(view(values, 2), padding.data()));
  EXPECT_EQ(observer.take().tokens, 0u);
}
