// What must hold of masks and of SparseGPT, with the mutants that the identities catch.
#include "compiler/Numerics/SparseGpt.h"
#include "TestData.h"
#include "compiler/Numerics/Refit.h"

using namespace lathe::numerics;
using namespace lathe::numerics::testing;

namespace {
struct Layer {
  Matrix<float> w = copyOf<float>(randomMatrix(96, 256, 7, 0.05));
  Matrix<double> h = gram(inputsWithOutliers(1024, 256, 8));
};
SparseGptOptions options(int64_t n = 0, int64_t m = 0) {
  SparseGptOptions o;
  o.sparsity.n = n;
  o.sparsity.m = m;
  o.inDouble = true;
  return o;
}
bool isNofM(const Matrix<uint8_t> &mask, int64_t n, int64_t m) {
  for (int64_t i = 0; i < mask.rows(); ++i)
    for (int64_t j = 0; j < mask.columns(); j += m)
      if (std::count(mask.row(i) + j, mask.row(i) + std::min(j + m, mask.columns()), 1) > n)
        return false;
  return true;
}
int64_t countKept(const Matrix<uint8_t> &mask) {
  return std::count(mask.data(), mask.data() + mask.rows() * mask.columns(), 1);
}
bool equal(const Mask &a, const Mask &b) { return std::equal(a.data(), a.data() + a.rows() * a.columns(), b.data()); }
} // namespace

TEST(SparseGpt, TheSumOfErrorsIsTheEnergyOfTheOutputs) {
  Layer l;
  for (SparseGptOptions o : {options(), options(2, 4), options(1, 4), options(4, 8)})
    for (bool joint : {false, true}) {
      if (joint)
        o.format = IntFormat{4, Granularity::Group, 32};
      SparseGptResult r = sparseGpt(l.w, l.h, o);
      EXPECT_NEAR(r.loss / outputEnergy(difference(l.w, r.w), damp(l.h, 0.01).h), 1, 1e-6); // of w in f32
      EXPECT_TRUE(o.sparsity.m ? isNofM(r.mask, o.sparsity.n, o.sparsity.m) : countKept(r.mask) == 96 * 128);
      Matrix<float> again = applyMask(r.w, r.mask);
      EXPECT_EQ(norm(difference(again, r.w)), 0); // 0 where pruned
    }
}

TEST(SparseGpt, BlocksChangeNothingOfNofM) {
  Layer l;
  SparseGptOptions o = options(2, 4);
  SparseGptResult whole = sparseGpt(l.w, l.h, o);
  for (int64_t block : {4, 32, 256}) {
    o.block = block;
    EXPECT_TRUE(equal(sparseGpt(l.w, l.h, o).mask, whole.mask));
  }
}

TEST(SparseGpt, WithoutCorrelationItIsWandaAndKeepsWeights) {
  Layer l;
  Matrix<double> h = diagonalOf(l.h);
  Mask wanda = selectMask(scoreByActivation(l.w, getInputNorms(damp(h, 0.01).h)), {0, 2, 4}, MaskScope::Row);
  SparseGptResult r = sparseGpt(l.w, h, options(2, 4));
  EXPECT_TRUE(equal(r.mask, wanda));
  EXPECT_EQ(norm(difference(r.w, applyMask(l.w, wanda))), 0);
  // The mutant whose score is w² U² prefers what matters least; so does Wanda that divides by the norm.
  std::vector<double> inverse = getInputNorms(damp(h, 0.01).h);
  for (double &value : inverse)
    value = 1 / value;
  Mask mutant = selectMask(scoreByActivation(l.w, inverse), {0, 2, 4}, MaskScope::Row);
  int64_t different = 0;
  for (int64_t i = 0; i < 96 * 256; ++i)
    different += mutant.data()[i] != r.mask.data()[i];
  EXPECT_GT(different, 96 * 256 / 10);
}

TEST(SparseGpt, BeatsWandaBeatsMagnitudeAndTheExactSolutionIsBest) {
  Layer l;
  Matrix<double> h = damp(l.h, 0.01).h;
  for (auto [n, m] : {std::pair{0, 0}, std::pair{2, 4}}) {
    Sparsity sparsity{0.5, n, m};
    SparseGptOptions o = options(n, m);
    SparseGptResult swept = sparseGpt(l.w, l.h, o);
    Mask wanda = selectMask(scoreByActivation(l.w, getInputNorms(l.h)), sparsity, MaskScope::Row);
    Mask magnitude = selectMask(scoreByMagnitude(l.w), sparsity, MaskScope::Row);
    auto loss = [&](const Matrix<float> &w) { return outputEnergy(difference(l.w, w), h); };
    EXPECT_LT(loss(swept.w), 0.9 * loss(applyMask(l.w, wanda)));
    EXPECT_LT(loss(applyMask(l.w, wanda)), 0.7 * loss(applyMask(l.w, magnitude)));
    for (const auto &[mask, found] : {std::pair(swept.mask, swept.w), std::pair(wanda, applyMask(l.w, wanda))})
      EXPECT_LE(loss(solveMasked(l.w, mask, h)), loss(found) * (1 + 1e-9));
  }
}

TEST(SparseGpt, RemovingOneWeightIsOptimalBrainSurgery) {
  // The last column first in line for removal: nothing precedes it, so the sweep removes it alone, and its loss is
  // w² / [H⁻¹]_qq (for L with its ½: half of that). With the first column, all others make up for it.
  Matrix<float> w = copyOf<float>(randomMatrix(1, 24, 3));
  Matrix<double> h = gram(inputsWithOutliers(200, 24, 4)), inverse = identity(24);
  ASSERT_TRUE(solvePositive(damp(h, 0.01).h, inverse));
  w(0, 0) = 1e-3f; // certainly the one
  SparseGptOptions o = options();
  o.sparsity.ratio = 1.0 / 24;
  SparseGptResult r = sparseGpt(w, h, o);
  ASSERT_EQ(r.mask(0, 0), 0);
  ASSERT_EQ(countKept(r.mask), 23);
  EXPECT_EQ(r.w(0, 0), 0);
  double expected = double(w(0, 0)) * w(0, 0) / inverse(0, 0);
  EXPECT_NEAR(r.loss / expected, 1, 1e-9);
  for (int64_t j = 1; j < 24; ++j)
    EXPECT_NEAR(r.w(0, j), w(0, j) - w(0, 0) / inverse(0, 0) * inverse(0, j), 1e-6 * (1 + std::fabs(w(0, j))));
}

TEST(SparseGpt, OneSweepBeatsPruningThenRounding) {
  Layer l;
  SparseGptOptions o = options(2, 4);
  double pruned = sparseGpt(l.w, l.h, o).loss;
  SparseGptResult apart = sparseGpt(l.w, l.h, o);
  IntFormat format{4, Granularity::Group, 32};
  o.format = format;
  SparseGptResult joint = sparseGpt(l.w, l.h, o);
  EXPECT_LT(relativeError(l.w, joint.w, l.h), relativeError(l.w, quantize(apart.w, format).dequantize(), l.h));
  EXPECT_GT(joint.loss, pruned);
  ASSERT_TRUE(joint.quantized);
  EXPECT_EQ(norm(difference(joint.quantized->dequantize(), joint.w)), 0);
}

TEST(SparseGpt, TheSweepInF32AgreesWithF64) {
  Layer l;
  SparseGptOptions o = options(2, 4);
  SparseGptResult exact = sparseGpt(l.w, l.h, o);
  o.inDouble = false;
  SparseGptResult fast = sparseGpt(l.w, l.h, o);
  EXPECT_NEAR(fast.loss / exact.loss, 1, 1e-3);
}

TEST(SparseGpt, DeadInputsGoFirstAndBrokenStatisticsLeaveMagnitude) {
  Layer l;
  for (int64_t i = 0; i < 256; ++i)
    l.h(i, 9) = l.h(9, i) = 0;
  SparseGptResult r = sparseGpt(l.w, l.h, options(2, 4));
  EXPECT_EQ(r.deadInputs, 1);
  for (int64_t i = 0; i < 96; ++i)
    EXPECT_EQ(r.mask(i, 9), 0);
  l.h(3, 3) = std::nan("");
  r = sparseGpt(l.w, l.h, options(2, 4));
  EXPECT_TRUE(r.unswept);
  EXPECT_TRUE(isNofM(r.mask, 2, 4));
}

TEST(Masks, CountsAreExactAndTiesAreDeterministic) {
  Matrix<float> same(10, 30);
  for (double ratio : {0.0, 0.1, 0.5, 0.99, 1.0})
    for (MaskScope scope : {MaskScope::Row, MaskScope::Layer}) {
      Mask mask = selectMask(same, {ratio}, scope);
      EXPECT_EQ(countKept(mask),
                300 - (scope == MaskScope::Row ? 10 * std::llround(ratio * 30) : std::llround(ratio * 300)));
      EXPECT_EQ(mask(0, 0), ratio == 0); // of equals the first goes
    }
  Mask tail = selectMask(same.view().block(0, 0, 10, 29), {0, 2, 4}, MaskScope::Row);
  EXPECT_TRUE(isNofM(tail, 2, 4));
  EXPECT_EQ(countKept(tail), 10 * 15);
}

TEST(Masks, AGlobalThresholdTakesFromTheLayerThatMattersLess) {
  Matrix<float> small = copyOf<float>(randomMatrix(8, 50, 1, 0.1)), large = copyOf<float>(randomMatrix(4, 50, 2));
  Matrix<float> scores[] = {scoreByMagnitude(small), scoreByMagnitude(large)};
  std::vector<Mask> masks = selectGlobally({scores[0].view(), scores[1].view()}, 0.5);
  EXPECT_EQ(countKept(masks[0]) + countKept(masks[1]), 300);
  float kept = 1e9f, pruned = 0;
  for (int l = 0; l < 2; ++l)
    for (int64_t i = 0; i < masks[l].rows(); ++i)
      for (int64_t j = 0; j < 50; ++j)
        (masks[l](i, j) ? kept = std::min(kept, scores[l](i, j)) : pruned = std::max(pruned, scores[l](i, j)));
  EXPECT_LE(pruned, kept);
  EXPECT_GT(countKept(masks[1]), 150);
}
