#include "tools/lathe-run/ShapeSpec.h"
#include <gtest/gtest.h>

using namespace lathe::tool;

namespace {
TEST(ShapeSpec, ParsesTheGrammar) {
  std::string error;
  auto shapes = parseShapes("input_ids:1x128,a:b:7,'x,y':0x3,scale:scalar", error);
  ASSERT_TRUE(shapes) << error;
  ASSERT_EQ(shapes->size(), 4u);
  EXPECT_EQ((*shapes)[0].name, "input_ids");
  EXPECT_EQ((*shapes)[0].dims, (std::vector<int64_t>{1, 128}));
  EXPECT_EQ((*shapes)[1].name, "a:b");
  EXPECT_EQ((*shapes)[2].name, "x,y");
  EXPECT_EQ((*shapes)[2].dims, (std::vector<int64_t>{0, 3}));
  EXPECT_TRUE((*shapes)[3].dims.empty());
}

TEST(ShapeSpec, RejectsTheRest) {
  for (const char *text : {"", "x", ":1", "x:", "x:1x", "x:x1", "x:1x-2", "x:1.5", "x:1 ", "x:1,", ",x:1", "x:1,x:2",
                           "x:99999999999999999999", "x:1xscalar", "x:+1"}) {
    std::string error;
    EXPECT_FALSE(parseShapes(text, error)) << text;
    EXPECT_FALSE(error.empty()) << text;
  }
}

TEST(ShapeSpec, ParsesSymbols) {
  std::string error;
  auto symbols = parseSymbols("batch=8,sequence=128", error);
  ASSERT_TRUE(symbols) << error;
  EXPECT_EQ((*symbols)[1].first, "sequence");
  EXPECT_EQ((*symbols)[1].second, 128);
  for (const char *text : {"", "batch", "batch=", "=1", "batch=x", "batch=1,batch=2", "batch=1,"})
    EXPECT_FALSE(parseSymbols(text, error)) << text;
}

TEST(ShapeSpec, ParsesWholeNumbersOnly) {
  EXPECT_EQ(parseInteger("-12"), -12);
  EXPECT_EQ(parseInteger("12x"), std::nullopt);
  EXPECT_EQ(parseInteger("9223372036854775808"), std::nullopt);
  EXPECT_EQ(parseNumber("1e-3"), 1e-3);
  for (const char *text : {"", "1,5", "nan", "inf", "1e999", "0x10", " 1"})
    EXPECT_EQ(parseNumber(text), std::nullopt) << text;
}
} // namespace
