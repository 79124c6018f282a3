// The reference against values worked out by hand: rounding, casts, empty reductions, masks, faults.
#include "compiler/Reference/Numbers.h"
#include "dialects/Kernel/Kernel.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Parser/Parser.h"
#include "runtime/Package/RandomWeights.h"
#include <cmath>
#include <gtest/gtest.h>

using namespace mlir;
using namespace lathe;
using reference::Tensor;

namespace {
class Reference : public testing::Test {
protected:
  Reference() : context(MLIRContext::Threading::DISABLED), builder(&context) {
    context.loadDialect<func::FuncDialect, tfm::TfmDialect, kernel::KernelDialect>();
    context.getDiagEngine().registerHandler([this](Diagnostic &diagnostic) { errors += diagnostic.str() + "\n"; });
  }

  Tensor floats(ArrayRef<int64_t> shape, std::vector<double> values) {
    return reference::storeFloats(builder.getF32Type(), shape, values);
  }
  Tensor integers(Type type, ArrayRef<int64_t> shape, std::vector<int64_t> values) {
    return reference::storeIntegers(type, shape, values);
  }
  Tensor ids(ArrayRef<int64_t> shape, std::vector<int64_t> values) {
    return integers(builder.getI64Type(), shape, values);
  }
  Tensor booleans(ArrayRef<int64_t> shape, std::vector<int64_t> values) {
    return integers(builder.getI1Type(), shape, values);
  }

  /// Runs @main of the module; empty after an error.
  SmallVector<Tensor> run(StringRef text, ArrayRef<Tensor> inputs) {
    module = parseSourceString<ModuleOp>(text, &context);
    if (!module)
      return {};
    auto results = reference::run(module->lookupSymbol<func::FuncOp>("main"), inputs);
    return succeeded(results) ? *results : SmallVector<Tensor>();
  }
  /// The only result of one op on arguments of static types: `OP : (TYPES) -> TYPE`, where %0... are the arguments.
  std::vector<double> runOp(StringRef op, ArrayRef<Tensor> inputs) {
    auto [body, signature] = op.rsplit(" : (");
    std::string arguments, operandTypes = signature.split(" -> ").first.str();
    StringRef types = StringRef(operandTypes).drop_back();
    SmallVector<StringRef> list;
    types.split(list, ", tensor<", -1, false);
    for (auto [i, type] : llvm::enumerate(list))
      arguments += (i ? ", %" : "%") + std::to_string(i) + ": " + (i ? "tensor<" : "") + type.str();
    StringRef result = signature.split(" -> ").second;
    std::string text = "func.func @main(" + arguments + ") -> " + result.str() + " {\n  %r = " + op.str() +
                       "\n  return %r : " + result.str() + "\n}";
    SmallVector<Tensor> results = run(text, inputs);
    EXPECT_EQ(errors, "");
    return results.empty() ? std::vector<double>() : reference::loadFloats(results[0]);
  }

  MLIRContext context;
  Builder builder;
  OwningOpRef<ModuleOp> module;
  std::string errors;
};

using Values = std::vector<double>;

void expectNear(const Values &got, const Values &expected, double tolerance = 1e-6) {
  ASSERT_EQ(got.size(), expected.size());
  for (size_t i = 0; i < got.size(); ++i)
    if (std::isnan(expected[i]))
      EXPECT_TRUE(std::isnan(got[i])) << i;
    else
      EXPECT_NEAR(got[i], expected[i], tolerance) << i;
}
} // namespace

TEST_F(Reference, RoundsOnceToHalf) {
  // 2049 lies between 2048 and 2050: to even. 65520 is the least that rounds to infinity. 2^-25 is half the least
  // subnormal: to zero; a little more rounds up.
  Values in{1.0, 2049, 2051, 65519, 65520, -65520, 0x1p-24, 0x1p-25, 0x1.8p-25, NAN};
  Tensor half = reference::storeFloats(builder.getF16Type(), {10}, in);
  Values out = reference::loadFloats(half);
  expectNear(Values(out.begin(), out.begin() + 4), {1.0, 2048, 2052, 65504}, 0);
  EXPECT_EQ(out[4], INFINITY);
  EXPECT_EQ(out[5], -INFINITY);
  EXPECT_EQ(out[6], 0x1p-24);
  EXPECT_EQ(out[7], 0);
  EXPECT_EQ(out[8], 0x1p-24);
  EXPECT_TRUE(std::isnan(out[9]));
}

TEST_F(Reference, RoundsOnceToBfloat) {
  // 1 + 2^-8 + 2^-40 is above the middle of 1 and 1 + 2^-7; rounded to f32 first it would be the middle, and go to 1.
  Values in{1 + 0x1p-8, 1 + 0x1p-8 + 0x1p-40, 1 + 0x1.8p-7, 3.39e38, 0x1.ffp127};
  Values out = reference::loadFloats(reference::storeFloats(builder.getBF16Type(), {5}, in));
  EXPECT_EQ(out[0], 1);
  EXPECT_EQ(out[1], 1 + 0x1p-7);
  EXPECT_EQ(out[2], 1 + 0x1p-6);
  EXPECT_EQ(out[3], 0x1.fep127);
  EXPECT_EQ(out[4], INFINITY);
}

TEST_F(Reference, EveryHalfSurvives) {
  for (Type type : {Type(builder.getF16Type()), Type(builder.getBF16Type())}) {
    std::vector<char> bytes;
    for (unsigned bits = 0; bits < 65536; ++bits)
      bytes.insert(bytes.end(), {static_cast<char>(bits), static_cast<char>(bits >> 8)});
    Tensor all(type, {65536}, bytes);
    Tensor again = reference::storeFloats(type, {65536}, reference::loadFloats(all));
    unsigned changed = 0;
    Values values = reference::loadFloats(all);
    for (unsigned bits = 0; bits < 65536; ++bits)
      changed += !std::isnan(values[bits]) && (all.getBytes()[2 * bits] != again.getBytes()[2 * bits] ||
                                               all.getBytes()[2 * bits + 1] != again.getBytes()[2 * bits + 1]);
    EXPECT_EQ(changed, 0u);
  }
}

/// Of values that f32 holds: to a multiple of what the eleventh bit counts, ties away from zero.
static double roundToElevenBits(double value) {
  int exponent;
  std::frexp(value, &exponent);
  double place = std::ldexp(1, std::max(exponent, -125) - 11); // f32's subnormals keep the places of 2^-126
  double rounded = std::floor(std::fabs(value) / place + 0.5) * place;
  return std::copysign(rounded >= 0x1p128 ? INFINITY : rounded, value);
}

TEST_F(Reference, Tf32RoundsTiesAway) {
  // Every pattern of the low 14 bits, where the rounding is decided, at many exponents and both signs, and a walk
  // through all bits with a prime stride.
  auto check = [](uint32_t bits) {
    float value;
    std::memcpy(&value, &bits, sizeof value);
    if (std::isfinite(value))
      ASSERT_EQ(reference::roundToTf32(value), roundToElevenBits(value)) << bits;
  };
  for (uint32_t high = 0; high < 1u << 18; high += 1021)
    for (uint32_t low = 0; low < 1u << 14; ++low)
      check(high << 14 | low);
  for (uint64_t bits = 0; bits < uint64_t(1) << 32; bits += 4099)
    check(static_cast<uint32_t>(bits));
  EXPECT_EQ(reference::roundToTf32(1 + 0x1p-11f), 1 + 0x1p-10f); // to even would be 1
  EXPECT_EQ(reference::roundToTf32(0x1.fffffep127f), INFINITY);
  EXPECT_EQ(reference::roundToTf32(-INFINITY), -INFINITY);
  EXPECT_TRUE(std::isnan(reference::roundToTf32(NAN)));
}

TEST_F(Reference, Tf32RoundsFactorsAlone) {
  // 1 + 2^-11 becomes 1 + 2^-10 as a factor, and stays what it is as a bias.
  double x = 1 + 0x1p-11, r = 1 + 0x1p-10;
  Tensor one = floats({1, 1}, {x}), bias = floats({1}, {x});
  std::string types = " : (tensor<1x1xf32>, tensor<1x1xf32>";
  std::string tf32 = "{precision = #tfm.precision<tf32>}";
  EXPECT_EQ(
      runOp("tfm.linear %0, %1 bias(%2) " + tf32 + types + ", tensor<1xf32>) -> tensor<1x1xf32>", {one, one, bias}),
      Values{static_cast<float>(r * r + x)});
  EXPECT_EQ(runOp("tfm.matmul %0, %1 " + tf32 + types + ") -> tensor<1x1xf32>", {one, one}), Values{r * r});
  EXPECT_EQ(runOp("tfm.matmul %0, %1" + types + ") -> tensor<1x1xf32>", {one, one}), Values{x * x});
  Tensor image = floats({1, 1, 1}, {x});
  EXPECT_EQ(runOp("tfm.conv %0, %1 {strides = array<i64: 1>, pads = array<i64: 0, 0>, dilations = array<i64: 1>, "
                  "precision = #tfm.precision<tf32>} : (tensor<1x1x1xf32>, tensor<1x1x1xf32>) -> tensor<1x1x1xf32>",
                  {image, image}),
            Values{r * r});
  // Two keys with the scores 0 and -1: e^-1 is rounded as a factor of v, not in the sum that divides.
  Tensor q = floats({1, 1, 1}, {1}), k = floats({1, 2, 1}, {0, -1}), v = floats({1, 2, 1}, {0, x});
  double weight = std::exp(-1.0);
  EXPECT_EQ(runOp("tfm.attention %0, %1, %2 {heads = 1 : i64, kv_heads = 1 : i64, scale = 1.0 : f64, precision = "
                  "#tfm.precision<tf32>} : (tensor<1x1x1xf32>, tensor<1x2x1xf32>, tensor<1x2x1xf32>) -> "
                  "tensor<1x1x1xf32>",
                  {q, k, v}),
            Values{static_cast<float>(roundToElevenBits(static_cast<float>(weight)) * r / (1 + weight))});
}

TEST_F(Reference, RandomWeightsRoundAsTheReferenceDoes) {
  for (uint64_t bits = 0; bits < uint64_t(1) << 32; bits += 65521) {
    auto pattern = static_cast<uint32_t>(bits);
    float value;
    std::memcpy(&value, &pattern, sizeof value);
    if (!std::isfinite(value))
      continue;
    auto expect = [&](Type type, uint16_t got) {
      Tensor expected = reference::storeFloats(type, {}, {value});
      ASSERT_EQ(std::memcmp(expected.getBytes().data(), &got, sizeof got), 0) << value;
    };
    expect(builder.getF16Type(), package::toHalfBits(value));
    expect(builder.getBF16Type(), package::toBfloatBits(value));
  }
}

TEST_F(Reference, CastsToIntegersSaturate) {
  Tensor x = floats({8}, {-1.9, 1.9, 300, -300, 127.5, NAN, INFINITY, -INFINITY});
  expectNear(runOp("tfm.cast %0 : (tensor<8xf32>) -> tensor<8xi8>", {x}), {-1, 1, 127, -128, 127, 0, 127, -128});
  expectNear(runOp("tfm.cast %0 : (tensor<8xf32>) -> tensor<8xui8>", {x}), {0, 1, 255, 0, 127, 0, 255, 0});
  expectNear(runOp("tfm.cast %0 : (tensor<8xf32>) -> tensor<8xi1>", {x}), {1, 1, 1, 1, 1, 1, 1, 1});
  Tensor big = floats({2}, {0x1p63, -0x1p63});
  SmallVector<Tensor> out = run("func.func @main(%x: tensor<2xf32>) -> tensor<2xi64> {\n"
                                "%0 = tfm.cast %x : (tensor<2xf32>) -> tensor<2xi64>\nreturn %0 : tensor<2xi64>\n}",
                                {big});
  EXPECT_EQ(reference::loadIntegers(out[0]), (std::vector<int64_t>{INT64_MAX, INT64_MIN}));
}

TEST_F(Reference, CastsFromIntegersRoundOnce) {
  // 2^62 + 2^38 is the middle of two floats of f32; one more is above it, which a double can't hold.
  int64_t middle = (int64_t(1) << 62) + (int64_t(1) << 38);
  Tensor x = ids({3}, {middle, middle + 1, -middle - 1});
  expectNear(runOp("tfm.cast %0 : (tensor<3xi64>) -> tensor<3xf32>", {x}), {0x1p62, 0x1p62 + 0x1p39, -0x1p62 - 0x1p39},
             0);
  Tensor wrap = ids({3}, {300, -1, 128});
  expectNear(runOp("tfm.cast %0 : (tensor<3xi64>) -> tensor<3xi8>", {wrap}), {44, -1, -128});
  expectNear(runOp("tfm.cast %0 : (tensor<3xi64>) -> tensor<3xui8>", {wrap}), {44, 255, 128});
}

TEST_F(Reference, IntegerArithmetic) {
  Tensor x = ids({6}, {7, -7, 7, -7, 5, INT64_MIN}), y = ids({6}, {2, 2, -2, -2, 0, -1});
  auto op = [&](StringRef name) {
    return runOp(("tfm." + name + " %0, %1 : (tensor<6xi64>, tensor<6xi64>) -> tensor<6xi64>").str(), {x, y});
  };
  expectNear(op("div"), {3, -3, -3, 3, 0, double(INT64_MIN)});
  expectNear(op("mod"), {1, 1, -1, -1, 0, 0});
  Tensor p = ids({5}, {2, -1, 1, 3, 0}), e = ids({5}, {10, -3, -5, -1, 0});
  expectNear(runOp("tfm.pow %0, %1 : (tensor<5xi64>, tensor<5xi64>) -> tensor<5xi64>", {p, e}), {1024, -1, 1, 0, 1});
  Tensor a = integers(builder.getIntegerType(8, false), {2}, {200, 5}),
         b = integers(builder.getIntegerType(8, false), {2}, {100, 7});
  expectNear(runOp("tfm.add %0, %1 : (tensor<2xui8>, tensor<2xui8>) -> tensor<2xui8>", {a, b}), {44, 12});
  expectNear(runOp("tfm.maximum %0, %1 : (tensor<2xui8>, tensor<2xui8>) -> tensor<2xui8>", {a, b}), {200, 7});
  expectNear(runOp("tfm.compare <gt> %0, %1 : (tensor<2xui8>, tensor<2xui8>) -> tensor<2xi1>", {a, b}), {1, 0});
}

TEST_F(Reference, Nan) {
  Tensor x = floats({3}, {NAN, 1, -0.0}), y = floats({3}, {1, NAN, 0.0});
  auto op = [&](StringRef name, StringRef type) {
    return runOp((name + " %0, %1 : (tensor<3xf32>, tensor<3xf32>) -> tensor<3x" + type + ">").str(), {x, y});
  };
  expectNear(op("tfm.maximum", "f32"), {NAN, NAN, 0});
  expectNear(op("tfm.minimum", "f32"), {NAN, NAN, 0});
  expectNear(op("tfm.compare <ne>", "i1"), {1, 1, 0});
  expectNear(op("tfm.compare <ge>", "i1"), {0, 0, 1});
  expectNear(runOp("tfm.reduce_max %0 {axes = array<i64: 0>} : (tensor<3xf32>) -> tensor<1xf32>", {x}), {NAN});
  expectNear(runOp("tfm.relu %0 : (tensor<3xf32>) -> tensor<3xf32>", {x}), {NAN, 1, 0});
  expectNear(runOp("tfm.sign %0 : (tensor<3xf32>) -> tensor<3xf32>", {x}), {NAN, 1, 0});
}

TEST_F(Reference, ReducesNothing) {
  Tensor x = floats({2, 0}, {});
  auto op = [&](StringRef name) {
    return runOp(("tfm." + name + " %0 {axes = array<i64: 1>} : (tensor<2x0xf32>) -> tensor<2x1xf32>").str(), {x});
  };
  expectNear(op("reduce_sum"), {0, 0});
  expectNear(op("reduce_prod"), {1, 1});
  expectNear(op("reduce_mean"), {NAN, NAN});
  EXPECT_EQ(op("reduce_max"), (Values{-INFINITY, -INFINITY}));
  EXPECT_EQ(op("reduce_min"), (Values{INFINITY, INFINITY}));
}

TEST_F(Reference, Attention) {
  // One head of width 1: scores q*k, weights softmax, values 10 and 20 and 30.
  Tensor q = floats({1, 3, 1}, {0, 1, 2}), k = floats({1, 3, 1}, {0, 1, 0}), v = floats({1, 3, 1}, {10, 20, 30});
  auto op = [&](StringRef extra) {
    return runOp(("tfm.attention %0, %1, %2 {heads = 1 : i64, kv_heads = 1 : i64, scale = 1.0 : f64" + extra +
                  "} : (tensor<1x3x1xf32>, tensor<1x3x1xf32>, tensor<1x3x1xf32>) -> tensor<1x3x1xf32>")
                     .str(),
                 {q, k, v});
  };
  double e = std::exp(1.0), e2 = std::exp(2.0), t = std::exp(2 * std::tanh(1.0));
  expectNear(op(""), {20, (40 + 20 * e) / (2 + e), (40 + 20 * e2) / (2 + e2)}, 1e-5);
  expectNear(op(", causal"), {10, (10 + 20 * e) / (1 + e), (40 + 20 * e2) / (2 + e2)}, 1e-5);
  expectNear(op(", causal, window = 1 : i64"), {10, 20, 30}, 1e-5);
  expectNear(op(", window = 1 : i64"), {20, (20 * e + 30) / (e + 1), 30}, 1e-5);
  expectNear(
      op(", softcap = 2.0 : f64"),
      {20, (40 + 20 * std::exp(2 * std::tanh(0.5))) / (2 + std::exp(2 * std::tanh(0.5))), (40 + 20 * t) / (2 + t)},
      1e-5);
  // Query 0 may see nothing.
  StringRef shifted = ", causal, offset = #tfm.dims<-1>, masked_row = #tfm.masked_row<";
  auto masked = [&](StringRef how) { return op((shifted + how + ">").str())[0]; };
  EXPECT_EQ(masked("zero"), 0);
  EXPECT_FLOAT_EQ(masked("mean"), 20);
  EXPECT_FLOAT_EQ(masked("unmasked"), 20);
  EXPECT_TRUE(std::isnan(masked("nan")));
}

TEST_F(Reference, AttentionMasks) {
  Tensor q = floats({2, 1, 1}, {0, 0}), k = floats({2, 2, 1}, {1, 2, 3, 4}), v = floats({2, 2, 1}, {1, 2, NAN, 4});
  Tensor padding = booleans({2, 2}, {1, 0, 0, 1}), bias = floats({1, 1, 1, 2}, {0, -INFINITY});
  // What isn't seen may be anything: batch 1 reads nothing of the NaN.
  expectNear(runOp("tfm.attention %0, %1, %2 padding(%3) {heads = 1 : i64, kv_heads = 1 : i64, scale = 1.0 : f64} : "
                   "(tensor<2x1x1xf32>, tensor<2x2x1xf32>, tensor<2x2x1xf32>, tensor<2x2xi1>) -> tensor<2x1x1xf32>",
                   {q, k, v, padding}),
             {1, 4});
  // A bias of -inf leaves batch 1 without a key, as a set does.
  expectNear(runOp("tfm.attention %0, %1, %2 bias(%3) padding(%4) {heads = 1 : i64, kv_heads = 1 : i64, scale = 1.0 : "
                   "f64, masked_row = #tfm.masked_row<zero>} : (tensor<2x1x1xf32>, tensor<2x2x1xf32>, "
                   "tensor<2x2x1xf32>, tensor<1x1x1x2xf32>, tensor<2x2xi1>) -> tensor<2x1x1xf32>",
                   {q, k, v, bias, padding}),
             {1, 0});
}

TEST_F(Reference, AttentionGroups) {
  // Four query heads, two of keys and values; queries of 0 give the mean of the values, of which there is one.
  Tensor q = floats({1, 1, 4}, {0, 0, 0, 0}), k = floats({1, 1, 2}, {1, 2}), v = floats({1, 1, 2}, {5, 6});
  expectNear(runOp("tfm.attention %0, %1, %2 {heads = 4 : i64, kv_heads = 2 : i64, scale = 1.0 : f64} : "
                   "(tensor<1x1x4xf32>, tensor<1x1x2xf32>, tensor<1x1x2xf32>) -> tensor<1x1x4xf32>",
                   {q, k, v}),
             {5, 5, 6, 6});
}

TEST_F(Reference, Rotary) {
  // A quarter turn: (a, b) becomes (-b, a). R = 4 of a width of 5; the last stays.
  Tensor x = floats({1, 1, 5}, {1, 2, 3, 4, 5}), cos = floats({1, 1, 2}, {0, 0}), sin = floats({1, 1, 2}, {1, 1});
  StringRef types = " : (tensor<1x1x5xf32>, tensor<1x1x2xf32>, tensor<1x1x2xf32>) -> tensor<1x1x5xf32>";
  expectNear(runOp(("tfm.rotary %0, %1, %2 {heads = 1 : i64}" + types).str(), {x, cos, sin}), {-3, -4, 1, 2, 5});
  expectNear(runOp(("tfm.rotary %0, %1, %2 {heads = 1 : i64, interleaved}" + types).str(), {x, cos, sin}),
             {-2, 1, -4, 3, 5});
}

TEST_F(Reference, Normalisations) {
  Tensor x = floats({2, 2}, {1, 3, 3, 4}), g = floats({2}, {10, 20}), b = floats({2}, {1, 2});
  expectNear(runOp("tfm.layer_norm %0 gain(%1) bias(%2) {epsilon = 0.0 : f64} : (tensor<2x2xf32>, tensor<2xf32>, "
                   "tensor<2xf32>) -> tensor<2x2xf32>",
                   {x, g, b}),
             {-9, 22, -9, 22}, 1e-5);
  expectNear(runOp("tfm.l2_normalize %0 {floor = 10.0 : f64} : (tensor<2x2xf32>) -> tensor<2x2xf32>", {x}),
             {0.1, 0.3, 0.3, 0.4});
  expectNear(runOp("tfm.rms_norm %0 {epsilon = 0.0 : f64} : (tensor<2x2xf32>) -> tensor<2x2xf32>", {x}),
             {1 / std::sqrt(5.0), 3 / std::sqrt(5.0), 3 / std::sqrt(12.5), 4 / std::sqrt(12.5)});
  Tensor three = floats({1, 2, 2}, {1, 3, 3, 4}), mask = floats({1, 2}, {0, 1});
  expectNear(runOp("tfm.mean_pool %0, %1 {floor = 4.0 : f64} : (tensor<1x2x2xf32>, tensor<1x2xf32>) -> tensor<1x2xf32>",
                   {three, mask}),
             {0.75, 1});
}

TEST_F(Reference, Contractions) {
  Tensor x = floats({2, 3}, {1, 2, 3, 4, 5, 6}), w = floats({2, 3}, {1, 0, 1, 0, 1, 0}), b = floats({2}, {100, 200});
  expectNear(runOp("tfm.linear %0, %1 bias(%2) {transposed} : (tensor<2x3xf32>, tensor<2x3xf32>, tensor<2xf32>) -> "
                   "tensor<2x2xf32>",
                   {x, w, b}),
             {104, 202, 110, 205});
  expectNear(runOp("tfm.matmul %0, %1 {transpose_a} : (tensor<2x3xf32>, tensor<2x3xf32>) -> tensor<3x3xf32>", {x, w}),
             {1, 4, 1, 2, 5, 2, 3, 6, 3});
  // A padded, strided, dilated row: positions -1, 1 and 1, 3.
  Tensor row = floats({1, 1, 4}, {1, 2, 3, 4}), kernel = floats({1, 1, 2}, {10, 1});
  expectNear(runOp("tfm.conv %0, %1 {strides = array<i64: 2>, pads = array<i64: 1, 0>, dilations = array<i64: 2>} : "
                   "(tensor<1x1x4xf32>, tensor<1x1x2xf32>) -> tensor<1x1x2xf32>",
                   {row, kernel}),
             {2, 24});
  // Two groups keep channels apart.
  Tensor image = floats({1, 2, 2}, {1, 2, 3, 4}), depthwise = floats({2, 1, 1}, {10, 100});
  expectNear(runOp("tfm.conv %0, %1 {strides = array<i64: 1>, pads = array<i64: 0, 0>, dilations = array<i64: 1>, "
                   "groups = 2 : i64} : (tensor<1x2x2xf32>, tensor<2x1x1xf32>) -> tensor<1x2x2xf32>",
                   {image, depthwise}),
             {10, 20, 300, 400});
  Type i8 = builder.getIntegerType(8);
  Tensor p = integers(i8, {1, 2}, {-128, 127}), r = integers(i8, {2, 1}, {-128, 127});
  expectNear(runOp("tfm.matmul %0, %1 : (tensor<1x2xi8>, tensor<2x1xi8>) -> tensor<1x1xi32>", {p, r}), {32513});
}

TEST_F(Reference, Movement) {
  Tensor x = floats({2, 3}, {1, 2, 3, 4, 5, 6}), zero = floats({}, {0});
  expectNear(runOp("tfm.slice %0 {starts = #tfm.dims<1, 2>, steps = array<i64: -1, -2>} : (tensor<2x3xf32>) -> "
                   "tensor<2x2xf32>",
                   {x}),
             {6, 4, 3, 1});
  expectNear(runOp("tfm.pad %0, %1 {low = #tfm.dims<0, -1>, high = #tfm.dims<1, 1>} : (tensor<2x3xf32>, tensor<f32>) "
                   "-> tensor<3x3xf32>",
                   {x, zero}),
             {2, 3, 0, 5, 6, 0, 0, 0, 0});
  Tensor tuples = ids({2, 1, 1}, {-1, 0});
  expectNear(runOp("tfm.gather_nd %0, %1 {batch_dims = 1 : i64} : (tensor<2x3xf32>, tensor<2x1x1xi64>) -> "
                   "tensor<2x1xf32>",
                   {x, tuples}),
             {3, 4});
  Tensor at = ids({2, 2}, {0, 0, 2, -1}), updates = floats({2, 2}, {10, 20, 30, 40});
  expectNear(runOp("tfm.scatter_elements %0, %1, %2 {axis = 1 : i64, accumulate = #tfm.accumulate<add>} : "
                   "(tensor<2x3xf32>, tensor<2x2xi64>, tensor<2x2xf32>) -> tensor<2x3xf32>",
                   {x, at, updates}),
             {31, 2, 3, 4, 5, 76});
  expectNear(runOp("tfm.cumsum %0 {axis = 1 : i64, exclusive = true, reverse = true} : (tensor<2x3xf32>) -> "
                   "tensor<2x3xf32>",
                   {x}),
             {5, 3, 0, 11, 6, 0});
}

TEST_F(Reference, SymbolsComeFromInputs) {
  StringRef text = R"(module attributes {tfm.symbols = {n = array<i64: 1, 8>}} {
    func.func @main(%x: tensor<?x?xf32, #tfm.dims<n, 2*n>> {tfm.name = "x"}) -> tensor<2xi64> {
      tfm.require <n>, <3>, "three rows"
      %0 = tfm.extent <2*n, n*n> : tensor<2xi64>
      return %0 : tensor<2xi64>
    }
  })";
  SmallVector<Tensor> results = run(text, {floats({3, 6}, Values(18))});
  ASSERT_EQ(results.size(), 1u);
  EXPECT_EQ(reference::loadIntegers(results[0]), (std::vector<int64_t>{6, 9}));
  run(text, {floats({3, 5}, Values(15))});
  EXPECT_EQ(errors, "input 'x': expected dimension 1 to be 2*n = 6, got 5\n");
  errors.clear();
  run(text, {floats({2, 4}, Values(8))});
  EXPECT_EQ(errors, "three rows: expected n == 3, got 2 and 3\n");
  errors.clear();
  run(text, {floats({9, 18}, Values(162))});
  EXPECT_EQ(errors, "input 'x': expected n in [1, 8], got 9\n");
  errors.clear();
  run(text, {ids({3, 6}, std::vector<int64_t>(18))});
  EXPECT_NE(errors, "");
  errors.clear();
  run(text, {});
  EXPECT_EQ(errors, "expected 1 inputs, got 0\n");
}

TEST_F(Reference, IndexFaultsNameTheInput) {
  StringRef text =
      R"(func.func @main(%ids: tensor<3xi64> {tfm.name = "input_ids"}, %table: tensor<4x1xf32>) -> tensor<3x1xf32> {
    %0 = tfm.neg %ids : (tensor<3xi64>) -> tensor<3xi64>
    %1 = tfm.embedding %0, %table : (tensor<3xi64>, tensor<4x1xf32>) -> tensor<3x1xf32>
    return %1 : tensor<3x1xf32>
  })";
  run(text, {ids({3}, {1, 5, 2}), floats({4, 1}, Values(4))});
  EXPECT_EQ(errors, "expected indices in [-4, 4), got -5 at element 1 from input 'input_ids'\n");
}

TEST_F(Reference, RefusesWhatCannotBeHeld) {
  StringRef text = R"(func.func @main(%x: tensor<?xf32, #tfm.dims<n>>) -> tensor<?x?x?xf32, #tfm.dims<n, n, n>> {
    %0 = tfm.expand %x : (tensor<?xf32, #tfm.dims<n>>) -> tensor<?x?x?xf32, #tfm.dims<n, n, n>>
    return %0 : tensor<?x?x?xf32, #tfm.dims<n, n, n>>
  })";
  EXPECT_TRUE(run(text, {floats({4096}, Values(4096))}).empty());
  EXPECT_NE(errors.find("expected a result of at most 4294967296 bytes"), std::string::npos);
}

TEST_F(Reference, Kernels) {
  StringRef text = R"(
    kernel.func @twice(%x: tensor<?xf32, #tfm.dims<n>>) -> tensor<?xf32, #tfm.dims<n>> attributes {anchor = #kernel.anchor<map>} {
      %0 = tfm.add %x, %x : (tensor<?xf32, #tfm.dims<n>>, tensor<?xf32, #tfm.dims<n>>) -> tensor<?xf32, #tfm.dims<n>>
      kernel.return %0 : tensor<?xf32, #tfm.dims<n>>
    }
    func.func @main(%x: tensor<?xf32, #tfm.dims<n>>) -> tensor<?xf32, #tfm.dims<n>> {
      %0 = kernel.launch @twice(%x) : (tensor<?xf32, #tfm.dims<n>>) -> tensor<?xf32, #tfm.dims<n>>
      %1 = kernel.launch @twice(%0) : (tensor<?xf32, #tfm.dims<n>>) -> tensor<?xf32, #tfm.dims<n>>
      return %1 : tensor<?xf32, #tfm.dims<n>>
    }
  )";
  SmallVector<Tensor> results = run(text, {floats({2}, {1, 2})});
  ASSERT_EQ(results.size(), 1u) << errors;
  expectNear(reference::loadFloats(results[0]), {4, 8});
}
