// Formulas: values, bounds, overflow, text, malformed ones.
#include "runtime/Package/Formula.h"
#include "TestPackage.h"
#include <gtest/gtest.h>

using namespace lathe;
using namespace lathe::test;
using package::FormulaOp;
using package::FormulaStep;

namespace {
class Built {
public:
  explicit Built(const Expr &e) { builder.Finish(package::CreateFormulaDirect(builder, &e.steps)); }
  const package::Formula &operator*() const {
    return *flatbuffers::GetRoot<package::Formula>(builder.GetBufferPointer());
  }

private:
  flatbuffers::FlatBufferBuilder builder;
};

int64_t value(const Expr &e, std::vector<int64_t> symbols) {
  int64_t result = -1;
  return runtime::evaluate(*Built(e), symbols.data(), result) ? result : -1;
}
} // namespace

TEST(Formula, Values) {
  Expr a = symbol(0), b = symbol(1);
  EXPECT_EQ(value(a * b * 512 + 3, {8, 128}), 8 * 128 * 512 + 3);
  EXPECT_EQ(value(ceildiv(a, b), {7, 3}), 3);
  EXPECT_EQ(value(floordiv(a, b), {7, 3}), 2);
  EXPECT_EQ(value(ceildiv(a - 9, b) + 5, {2, 3}), 3);  // ceil(-7/3) = -2
  EXPECT_EQ(value(floordiv(a - 9, b) + 5, {2, 3}), 2); // floor(-7/3) = -3
  EXPECT_EQ(value(combine(FormulaOp::min, a, 128), {500, 0}), 128);
  EXPECT_EQ(value(combine(FormulaOp::max, a, 128), {500, 0}), 500);
}

TEST(Formula, NegativeValuesAreForThoseWhoAskForThem) {
  int64_t symbols[2] = {0, 0}, result = 0;
  Built formula(symbol(0) + symbol(1) - 1);
  EXPECT_FALSE(runtime::evaluate(*formula, symbols, result));
  EXPECT_TRUE(runtime::evaluate(*formula, symbols, result, runtime::Sign::any));
  EXPECT_EQ(result, -1);
  EXPECT_FALSE(runtime::evaluate(*Built(floordiv(8, symbol(0))), symbols, result, runtime::Sign::any));
}

TEST(Formula, FailuresAreNotValues) {
  Expr a = symbol(0);
  EXPECT_EQ(value(a - 5, {4}), -1);
  EXPECT_EQ(value(floordiv(8, a), {0}), -1);
  EXPECT_EQ(value(a * a, {int64_t(1) << 32}), -1);
  EXPECT_EQ(value(a + 1, {INT64_MAX}), -1);
}

TEST(Formula, BoundsContainAllValues) {
  Expr a = symbol(0), b = symbol(1);
  runtime::Range ranges[2] = {{0, 5}, {1, 4}};
  for (const Expr &e : {a * b + 3, ceildiv(a * 7, b), a - b * 2, (a - 3) * (b - 2), floordiv(a - 3, b)}) {
    Built formula(e + 100);
    runtime::Range range;
    ASSERT_TRUE(runtime::bounds(*formula, ranges, range));
    bool reachesMin = false, reachesMax = false;
    for (int64_t x = 0; x <= 5; ++x)
      for (int64_t y = 1; y <= 4; ++y) {
        int64_t symbols[2] = {x, y}, v;
        ASSERT_TRUE(runtime::evaluate(*formula, symbols, v));
        EXPECT_GE(v, range.min);
        EXPECT_LE(v, range.max);
        reachesMin |= v == range.min;
        reachesMax |= v == range.max;
      }
    EXPECT_TRUE(reachesMin && reachesMax); // each symbol occurs once, so the bounds are exact
  }
  runtime::Range range;
  EXPECT_FALSE(runtime::bounds(*Built(floordiv(a, b - 1)), ranges, range));
  runtime::Range huge[1] = {{0, INT64_MAX}};
  EXPECT_FALSE(runtime::bounds(*Built(a * 2), huge, range));
}

TEST(Formula, Malformed) {
  auto what = [](const Expr &e) { return std::string(runtime::malformed(*Built(e), 2) ?: ""); };
  EXPECT_EQ(what(symbol(0) + symbol(1)), "");
  EXPECT_EQ(what(Expr()), "a formula is empty or too long");
  EXPECT_EQ(what(symbol(2)), "a formula names a symbol that does not exist");
  EXPECT_EQ(what(symbol(-1)), "a formula names a symbol that does not exist");
  Expr tooFew;
  tooFew.steps = {FormulaStep(1, FormulaOp::constant), FormulaStep(0, FormulaOp::add)};
  EXPECT_EQ(what(tooFew), "a formula lacks an operand");
  Expr tooMany;
  tooMany.steps = {FormulaStep(1, FormulaOp::constant), FormulaStep(1, FormulaOp::constant)};
  EXPECT_EQ(what(tooMany), "a formula leaves more than one value");
  Expr unknown = 1;
  unknown.steps.push_back(FormulaStep(0, static_cast<FormulaOp>(99)));
  EXPECT_EQ(what(unknown), "a formula has an unknown operation");
  Expr deep = 1;
  for (int i = 0; i < 65; ++i)
    deep.steps.push_back(FormulaStep(1, FormulaOp::constant));
  EXPECT_EQ(what(deep), "a formula is too deep");
  Expr longOne = 1;
  for (int i = 0; i < 512; ++i)
    longOne = longOne + 1;
  EXPECT_EQ(what(longOne), "a formula is empty or too long");
}

TEST(Formula, Text) {
  Bytes table = buildTable(gatherModel());
  const package::Program &program = *package::GetProgram(table.data());
  auto text = [&](const Expr &e) {
    char buffer[128];
    runtime::printFormula(*Built(e), program, buffer, sizeof buffer);
    return std::string(buffer);
  };
  Expr a = symbol(0), b = symbol(1);
  EXPECT_EQ(text(Expr(512) * a * b + 64), "512*batch*sequence + 64");
  EXPECT_EQ(text((a + b) * 4), "(batch + sequence)*4");
  EXPECT_EQ(text(a - (b - 1)), "batch - (sequence - 1)");
  EXPECT_EQ(text(ceildiv(a * b, 6)), "ceildiv(batch*sequence, 6)");
  char small[8];
  EXPECT_EQ(runtime::printFormula(*Built(a * b), program, small, sizeof small), 14u);
  EXPECT_STREQ(small, "batch*s");
}
