#include "tools/lathe-run/CommandLine.h"
#include <gtest/gtest.h>

using namespace lathe::tool;

namespace {
const std::vector<Flag> kFlags = {
    {"--threads", "N", ""}, {"--json", nullptr, ""}, {"--input", "NAME=FILE", "", true}, {"--rtol", "X", ""}};

std::string parseError(const std::vector<std::string> &words) {
  Arguments arguments;
  std::string error;
  EXPECT_FALSE(arguments.parse(kFlags, words, error));
  return error;
}

TEST(CommandLine, TakesFlagsAndOperandsInAnyOrder) {
  Arguments a;
  std::string error;
  ASSERT_TRUE(a.parse(
      kFlags, {"model", "--threads", "2", "--input", "a=1", "b=2", "set", "--input=c=3=4", "--json", "--", "--x"},
      error))
      << error;
  EXPECT_EQ(a.positional, (std::vector<std::string>{"model", "set", "--x"}));
  EXPECT_EQ(a.values("--input"), (std::vector<std::string>{"a=1", "b=2", "c=3=4"}));
  EXPECT_TRUE(a.has("--json"));
  int64_t threads;
  EXPECT_TRUE(a.integer("--threads", 0, 0, 4, threads, error));
  EXPECT_EQ(threads, 2);
  double rtol;
  EXPECT_TRUE(a.number("--rtol", 0.5, 0, 1, rtol, error));
  EXPECT_EQ(rtol, 0.5);
}

TEST(CommandLine, SaysWhatIsWrong) {
  EXPECT_NE(parseError({"--thread=1"}).find("did you mean '--threads'?"), std::string::npos);
  EXPECT_EQ(parseError({"--something-else"}), "unknown flag '--something-else'");
  EXPECT_NE(parseError({"--threads"}).find("needs a value"), std::string::npos);
  EXPECT_NE(parseError({"--json=1"}).find("takes no value"), std::string::npos);
  EXPECT_NE(parseError({"--threads=1", "--threads=2"}).find("given twice"), std::string::npos);
  Arguments a;
  std::string error;
  int64_t out;
  ASSERT_TRUE(a.parse(kFlags, {"--threads=9"}, error));
  EXPECT_FALSE(a.integer("--threads", 0, 0, 4, out, error));
  EXPECT_EQ(error, "--threads: expected an integer from 0 to 4, got '9'");
}

TEST(CommandLine, SuggestsOnlyWhatIsNear) {
  EXPECT_EQ(nearest("verfy", {"verify", "run"}), "verify");
  EXPECT_EQ(nearest("attention", {"verify", "run"}), std::nullopt);
}
} // namespace
