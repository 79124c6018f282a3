// Dimensions: canonical forms, arithmetic, division, evaluation and bounds.
#include "dialects/Tfm/Dim.h"
#include <gtest/gtest.h>

using namespace lathe;

namespace {
/// The canonical text of an expression; "syntax" where it can't be read.
std::string canonical(llvm::StringRef text) {
  auto dim = Dim::parse(text);
  return dim ? dim->str().str() : "syntax";
}

std::optional<int64_t> valueOf(llvm::StringRef name) {
  if (name == "batch")
    return 3;
  if (name == "sequence")
    return 7;
  if (name == "zero")
    return 0;
  if (name == "huge")
    return INT64_MAX;
  return std::nullopt;
}
std::optional<int64_t> evaluate(llvm::StringRef text) { return Dim::parse(text)->evaluate(valueOf); }

std::optional<Dim::Range> rangeOf(llvm::StringRef name) {
  if (name == "batch")
    return Dim::Range{1, 32};
  if (name == "delta")
    return Dim::Range{-2, 3};
  if (name == "huge")
    return Dim::Range{0, INT64_MAX};
  return std::nullopt;
}
std::string boundsOf(llvm::StringRef text) {
  auto range = Dim::parse(text)->bounds(rangeOf);
  return range ? std::to_string(range->min) + " to " + std::to_string(range->max) : "none";
}
} // namespace

TEST(Dim, OneTextForOneValue) {
  EXPECT_EQ(canonical("sequence*batch + 0"), "batch*sequence");
  EXPECT_EQ(canonical("1 + batch"), "batch + 1");
  EXPECT_EQ(canonical("batch + batch"), "2*batch");
  EXPECT_EQ(canonical("batch - batch"), "0");
  EXPECT_EQ(canonical("(batch + 1)*(batch - 1)"), "batch*batch - 1");
  EXPECT_EQ(canonical("2*(batch + 3*sequence)*4"), "8*batch + 24*sequence");
  EXPECT_EQ(canonical("-batch"), "-1*batch");
  EXPECT_EQ(canonical("0*batch"), "0");
  EXPECT_EQ(Dim::symbol("a") * Dim::symbol("b"), Dim::symbol("b") * Dim::symbol("a"));
  EXPECT_NE(Dim::symbol("a"), Dim::symbol("b"));
}

TEST(Dim, ReadsWhatItWrites) {
  for (const char *text :
       {"0", "-5", "batch", "2*batch*sequence - 3*past + 1", "floordiv(height, 8)*floordiv(width, 8)",
        "min(128, sequence)", "max(a, min(b, c + 1))", "ceildiv(a, b)", "-1*batch + 4"})
    EXPECT_EQ(canonical(canonical(text)), canonical(text)) << text;
}

TEST(Dim, RejectsWhatItDoesNotUnderstand) {
  for (const char *text : {"", "+", "batch +", "batch sequence", "(batch", "min(1)", "floordiv(a, b", "batch/2", "1.5",
                           "99999999999999999999"})
    EXPECT_EQ(canonical(text), "syntax") << text;
  EXPECT_EQ(canonical(std::string(100, '(') + "1" + std::string(100, ')')), "syntax"); // nests too deeply
}

TEST(Dim, Division) {
  EXPECT_EQ(canonical("floordiv(7, 2)"), "3");
  EXPECT_EQ(canonical("floordiv(-7, 2)"), "-4");
  EXPECT_EQ(canonical("ceildiv(7, 2)"), "4");
  EXPECT_EQ(canonical("ceildiv(-7, 2)"), "-3");
  EXPECT_EQ(canonical("floordiv(8*batch, 8)"), "batch");
  EXPECT_EQ(canonical("floordiv(8*batch + 3, 8)"), "batch");
  EXPECT_EQ(canonical("floordiv(8*batch + 11, 8)"), "batch + 1");
  EXPECT_EQ(canonical("floordiv(8*batch - 1, 8)"), "batch - 1");
  EXPECT_EQ(canonical("floordiv(batch*sequence, sequence)"), "batch");
  EXPECT_EQ(canonical("floordiv(batch, 2)"), "floordiv(batch, 2)");
  EXPECT_EQ(canonical("ceildiv(batch, 2)"), "floordiv(batch + 1, 2)"); // one spelling of a division by a constant
  EXPECT_EQ(canonical("floordiv(batch, 0)"), "invalid");
  EXPECT_EQ(canonical("ceildiv(batch, 0)"), "invalid");
}

TEST(Dim, ExactDivision) {
  auto divide = [](llvm::StringRef a, llvm::StringRef b) {
    auto quotient = Dim::parse(a)->exactDiv(*Dim::parse(b));
    return quotient ? quotient->str().str() : "none";
  };
  EXPECT_EQ(divide("384*batch*sequence", "batch"), "384*sequence");
  EXPECT_EQ(divide("batch*sequence + batch", "batch"), "sequence + 1");
  EXPECT_EQ(divide("batch*batch - 1", "batch + 1"), "batch - 1");
  EXPECT_EQ(divide("(a + b)*(c + d)", "a + b"), "c + d");
  EXPECT_EQ(divide("384", "12"), "32");
  EXPECT_EQ(divide("384", "13"), "none");
  EXPECT_EQ(divide("batch + 1", "batch"), "none");
  EXPECT_EQ(divide("batch", "0"), "none");
  EXPECT_EQ(divide("0", "batch"), "0");
}

TEST(Dim, MinAndMax) {
  EXPECT_EQ(canonical("min(3, 5)"), "3");
  EXPECT_EQ(canonical("max(batch, batch + 1)"), "batch + 1");
  EXPECT_EQ(canonical("min(batch, batch)"), "batch");
  EXPECT_EQ(canonical("min(sequence, 128)"), canonical("min(128, sequence)"));
}

TEST(Dim, Evaluates) {
  EXPECT_EQ(evaluate("2*batch*sequence - 1"), 41);
  EXPECT_EQ(evaluate("floordiv(sequence, 2) + ceildiv(sequence, batch)"), 6);
  EXPECT_EQ(evaluate("min(batch, sequence)*max(batch, sequence)"), 21);
  EXPECT_EQ(evaluate("batch*unknown"), std::nullopt);
  EXPECT_EQ(evaluate("floordiv(batch, zero)"), std::nullopt);
  EXPECT_EQ(evaluate("huge*batch"), std::nullopt);
  EXPECT_EQ(evaluate("huge + batch"), std::nullopt);
}

TEST(Dim, OverflowIsInvalidAndSpreads) {
  Dim big = Dim(INT64_MAX);
  EXPECT_FALSE((big + Dim(1)).isValid());
  EXPECT_FALSE((big * Dim(2)).isValid());
  EXPECT_FALSE((Dim(INT64_MIN) - Dim(1)).isValid());
  EXPECT_FALSE(((big + Dim(1)) * Dim(0)).isValid());
  EXPECT_FALSE(Dim::min(Dim::invalid(), Dim(1)).isValid());
  EXPECT_FALSE(Dim::floordiv(Dim(INT64_MIN), Dim(-1)).isValid());
  EXPECT_EQ((Dim(INT64_MIN) * Dim::symbol("a")).exactDiv(Dim(-1)), std::nullopt);
  EXPECT_EQ(Dim::invalid().evaluate(valueOf), std::nullopt);
  EXPECT_EQ(Dim::invalid().str(), "invalid");
}

TEST(Dim, StaysSmall) {
  Dim product(1);
  for (int i = 0; i < 12; ++i)
    product = product * (Dim::symbol("a" + std::to_string(i)) + Dim::symbol("b" + std::to_string(i)));
  EXPECT_FALSE(product.isValid()); // 4096 terms
}

TEST(Dim, SubstitutesIntoCanonicalForm) {
  auto to = [](llvm::StringRef name) -> std::optional<Dim> {
    if (name == "n")
      return Dim(16) * Dim::symbol("m");
    return std::nullopt;
  };
  EXPECT_EQ(Dim::parse("floordiv(n, 8)*k")->substitute(to).str(), "2*k*m");
  EXPECT_EQ(Dim::parse("min(n, 16*m)")->substitute(to).str(), "16*m");
}

TEST(Dim, Bounds) {
  EXPECT_EQ(boundsOf("2*batch + 1"), "3 to 65");
  EXPECT_EQ(boundsOf("-3*batch"), "-96 to -3");
  EXPECT_EQ(boundsOf("batch*delta"), "-64 to 96");
  EXPECT_EQ(boundsOf("floordiv(batch, 5)"), "0 to 6");
  EXPECT_EQ(boundsOf("min(batch, 8)"), "1 to 8");
  EXPECT_EQ(boundsOf("max(batch, 8)"), "8 to 32");
  EXPECT_EQ(boundsOf("batch*unknown"), "none");
  EXPECT_EQ(boundsOf("2*huge"), "none");
  EXPECT_EQ(boundsOf("floordiv(batch, delta)"), "none"); // the divisor may be 0
}

TEST(Dim, Parts) {
  EXPECT_EQ(Dim::symbol("batch").getSymbol(), "batch");
  EXPECT_EQ(Dim::parse("2*batch")->getSymbol(), std::nullopt);
  EXPECT_EQ(Dim(7).getConstant(), 7);
  EXPECT_EQ(Dim::symbol("batch").getConstant(), std::nullopt);
  std::string names;
  Dim::parse("batch*min(128, sequence) + floordiv(past, batch)")->walkSymbols([&](llvm::StringRef name) {
    names += name.str() + " ";
  });
  EXPECT_EQ(names, "batch sequence past batch ");
}
