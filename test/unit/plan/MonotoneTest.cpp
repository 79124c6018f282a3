// Which formulas grow with their symbols, and bounds of those that don't.
#include "dialects/Program/Program.h"
#include <gtest/gtest.h>

using namespace lathe;
using program::getMonotoneBound;
using program::isMonotone;

static Dim dim(const char *text) { return *Dim::parse(text); }

TEST(Monotone, ByStructure) {
  for (const char *text : {"0", "4*b*s", "2*s - 1", "floordiv(s, 8)*b", "max(s - 5, 0)*b", "min(s, 512)", "b*s + p"})
    EXPECT_TRUE(isMonotone(dim(text))) << text;
  for (const char *text : {"8 - s", "b*s - p", "floordiv(s, p)", "floordiv(8 - s, 2)", "b*floordiv(s - 5, 2)"})
    EXPECT_FALSE(isMonotone(dim(text))) << text;
  EXPECT_FALSE(isMonotone(Dim::invalid()));
}

TEST(Monotone, BoundsAreMonotoneAndNotLess) {
  EXPECT_EQ(getMonotoneBound(dim("4*b*s")), dim("4*b*s"));
  EXPECT_EQ(getMonotoneBound(dim("s - p")), dim("s"));
  for (const char *text : {"8 - s", "b*s - p", "floordiv(s, p + 1)", "b*floordiv(s - 5, 2)", "min(s, 8 - b)*p"}) {
    Dim bound = getMonotoneBound(dim(text));
    ASSERT_TRUE(bound.isValid()) << text;
    EXPECT_TRUE(isMonotone(bound)) << text << ": " << bound.str().str();
    for (int64_t b : {0, 1, 9})
      for (int64_t s : {0, 1, 17})
        for (int64_t p : {0, 3}) {
          auto value = [&](llvm::StringRef name) {
            return std::optional<int64_t>(name == "b" ? b : name == "s" ? s : p);
          };
          EXPECT_LE(*dim(text).evaluate(value), *bound.evaluate(value)) << text;
        }
  }
}
