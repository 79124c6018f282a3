// Figures of whole data sets, from samples given in any order.
#include "compiler/Evaluate/Scores.h"
#include "llvm/ADT/STLExtras.h"
#include <cmath>
#include <gtest/gtest.h>

using namespace lathe::evaluate;

static Figure find(const Scores &scores, llvm::StringRef name) {
  for (const Figure &figure : scores.finish())
    if (figure.name == name)
      return figure;
  ADD_FAILURE() << "no figure " << name.str();
  return {};
}
static double value(const Scores &scores, llvm::StringRef name) { return find(scores, name).estimate.value; }

static Vectors vectors(const std::vector<float> &data, int64_t count = 1) {
  return {data.data(), count, int64_t(data.size()) / count};
}

TEST(Scores, AccuracyFlipsAndDifference) {
  Scores scores({Metric::Accuracy}, 4, /*compared=*/true, std::nullopt);
  std::vector<float> first = {2, 1}, second = {1, 2};
  std::string error;
  // right and right, wrong and right, wrong and wrong, right and wrong; backwards.
  EXPECT_TRUE(scores.add(3, {vectors(first), vectors(second), 0}, error));
  EXPECT_TRUE(scores.add(2, {vectors(first), vectors(first), 1}, error));
  EXPECT_TRUE(scores.add(1, {vectors(first), vectors(second), 1}, error));
  EXPECT_TRUE(scores.add(0, {vectors(first), vectors(first), 0}, error));
  EXPECT_EQ(value(scores, "accuracy"), 0.5);
  EXPECT_EQ(value(scores, "against.accuracy"), 0.5);
  EXPECT_EQ(value(scores, "accuracy.difference"), 0);
  EXPECT_EQ(value(scores, "flips"), 0.5);
  EXPECT_EQ(value(scores, "mcnemar.p"), 1);
}

TEST(Scores, HeadMakesLogitsButTheCosineIsOfTheEmbedding) {
  Head head;
  head.weight = {1, 0, 0, 1, 1, 1};
  head.bias = {0, 0, -3};
  head.classes = 3;
  head.width = 2;
  Scores scores({Metric::Accuracy, Metric::Cosine, Metric::Top1Agreement}, 1, true, head);
  std::vector<float> embedding = {2, 4}, other = {4, 2}; // logits 2 4 3, and 4 2 3
  std::string error;
  EXPECT_TRUE(scores.add(0, {vectors(embedding), vectors(other), 1}, error)) << error;
  EXPECT_EQ(value(scores, "accuracy"), 1);
  EXPECT_EQ(value(scores, "against.accuracy"), 0);
  EXPECT_EQ(value(scores, "top1-agreement"), 0);
  EXPECT_DOUBLE_EQ(value(scores, "cosine.mean"), 0.8);
  std::vector<float> narrow = {2};
  EXPECT_FALSE(scores.add(0, {vectors(narrow), vectors(narrow), 1}, error));
  EXPECT_EQ(error, "the head takes vectors of 2, the output has 1");
}

TEST(Scores, PerplexityPredictsTheNextTokenAndLeavesPaddingOut) {
  // Uniform over 4: perplexity 4. Where the token is 3: probability 1/2.
  float half = std::log(3.0f);
  std::vector<float> logits = {0, 0, 0, 0, 0, 0, 0, half, 9, 0, 0, 0};
  int64_t tokens[] = {0, 2, 3};
  std::string error;
  Scores all({Metric::Perplexity}, 1, false, std::nullopt);
  EXPECT_TRUE(all.add(0, {vectors(logits, 3), std::nullopt, 0, {}, tokens}, error)) << error;
  EXPECT_NEAR(value(all, "perplexity"), std::sqrt(4 * 2), 1e-6);
  EXPECT_EQ(value(all, "tokens"), 2);

  bool present[] = {true, true, false};
  Scores padded({Metric::Perplexity}, 1, false, std::nullopt);
  EXPECT_TRUE(padded.add(0, {vectors(logits, 3), std::nullopt, 0, present, tokens}, error)) << error;
  EXPECT_NEAR(value(padded, "perplexity"), 4, 1e-6);
  EXPECT_EQ(value(padded, "tokens"), 1);

  int64_t beyond[] = {0, 4, 3};
  EXPECT_FALSE(padded.add(0, {vectors(logits, 3), std::nullopt, 0, {}, beyond}, error));
  EXPECT_EQ(error, "row 0 has the token 4, beyond the 4 logits");
}

TEST(Scores, AgreementIsOverVectorsThatCount) {
  Scores scores({Metric::Cosine, Metric::Divergence, Metric::Top1Agreement}, 2, true, std::nullopt);
  std::vector<float> a = {1, 0, 0, 1}, b = {1, 0, 1, 0};
  bool first[] = {true, false};
  std::string error;
  EXPECT_TRUE(scores.add(1, {vectors(a, 2), vectors(b, 2), 0, first, {}}, error)) << error;
  EXPECT_EQ(value(scores, "cosine.mean"), 1);
  EXPECT_EQ(value(scores, "kl.max"), 0);
  EXPECT_TRUE(scores.add(0, {vectors(a, 2), vectors(b, 2)}, error)) << error;
  EXPECT_DOUBLE_EQ(value(scores, "cosine.mean"), 2.0 / 3);
  EXPECT_EQ(value(scores, "cosine.min"), 0);
  EXPECT_DOUBLE_EQ(value(scores, "top1-agreement"), 2.0 / 3);
  EXPECT_GT(value(scores, "kl.max"), 0.1);
  EXPECT_DOUBLE_EQ(value(scores, "kl.mean"), value(scores, "kl.max") / 3);
}

TEST(Scores, WhatIsNotFiniteIsRefusedUnlessItIsPadding) {
  Scores scores({Metric::Accuracy}, 8, false, std::nullopt);
  std::vector<float> bad = {1, NAN};
  std::string error;
  EXPECT_FALSE(scores.add(7, {vectors(bad)}, error));
  EXPECT_EQ(error, "the output has NaN or infinity in row 7");
  bool padding[] = {false};
  EXPECT_TRUE(scores.add(7, {vectors(bad), std::nullopt, 0, padding, {}}, error)) << error;
  std::vector<float> good = {1, 2};
  EXPECT_FALSE(scores.add(7, {vectors(good), std::nullopt, 2}, error));
  EXPECT_EQ(error, "row 7 has the label 2, of 2 classes");
}
