#include "tools/lathe-run/Compare.h"
#include <cmath>
#include <gtest/gtest.h>

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
Difference floats(const std::vector<double> &got, const std::vector<double> &expected, Tolerance tolerance) {
  return compare(make(ElementType::F64, got), make(ElementType::F64, expected), tolerance);
}

TEST(Compare, MeasuresDistances) {
  Difference d = floats({1, 2, 8}, {1, 4, 10}, {0.1, 0.5});
  EXPECT_EQ(d.maxAbsolute, 2);
  EXPECT_EQ(d.maxRelative, 0.5);
  EXPECT_EQ(d.mismatches, 2u);
  EXPECT_EQ(d.first, 1u);
  EXPECT_EQ(d.gotFirst, 2);
  EXPECT_EQ(d.expectedFirst, 4);
  EXPECT_NEAR(d.cosine, (1 + 8 + 80) / std::sqrt(69.0 * 117.0), 1e-15);
}

TEST(Compare, ToleranceIsAbsolutePlusRelative) {
  EXPECT_TRUE(floats({10.5}, {10}, {0.025, 0.25}).matches());
  EXPECT_FALSE(floats({10.625}, {10}, {0.025, 0.25}).matches());
  EXPECT_TRUE(floats({0}, {0}, {0, 0}).matches());
}

TEST(Compare, KnowsNanAndInfinity) {
  Tolerance wide = {1, 1e30};
  EXPECT_TRUE(floats({NAN, INFINITY, -INFINITY}, {NAN, INFINITY, -INFINITY}, {0, 0}).matches());
  EXPECT_FALSE(floats({NAN}, {1}, wide).matches());
  EXPECT_FALSE(floats({1}, {NAN}, wide).matches());
  EXPECT_FALSE(floats({INFINITY}, {-INFINITY}, wide).matches());
  EXPECT_FALSE(floats({1}, {INFINITY}, wide).matches());
  EXPECT_FALSE(floats({INFINITY}, {1}, wide).matches());
  EXPECT_EQ(floats({INFINITY}, {1}, wide).maxAbsolute, INFINITY);
}

TEST(Compare, ComparesLargeIntegersExactly) {
  Tensor a = make(ElementType::I64, {0}), b = a;
  storeInteger(a, 0, (1ll << 60) + 1);
  storeInteger(b, 0, 1ll << 60);
  EXPECT_EQ(compare(a, b, {0, 0}).maxAbsolute, 1);
  EXPECT_FALSE(compare(a, b, {0, 0}).matches());
}

TEST(Compare, CosineOfZeroVectors) {
  EXPECT_EQ(floats({0, 0}, {0, 0}, {0, 0}).cosine, 1);
  EXPECT_EQ(floats({1, 0}, {0, 0}, {0, 0}).cosine, 0);
  EXPECT_EQ(floats({}, {}, {0, 0}).cosine, 1);
  EXPECT_TRUE(floats({}, {}, {0, 0}).matches());
}
} // namespace
