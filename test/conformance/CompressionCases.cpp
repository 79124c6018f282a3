// Weights in formats and quantized inputs: every format on every kind of op that reads one, and integer products next
// to what is fused with them.
#include "test/conformance/Cases.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::conformance;

namespace {
const std::vector<Binding> kRows = {{{"n", 0}}, {{"n", 1}}, {{"n", 6}}, {{"n", 13}}, {{"n", 65}}};
const std::vector<Binding> kTokens = {
    {{"batch", 1}, {"sequence", 1}}, {{"batch", 3}, {"sequence", 13}}, {{"batch", 2}, {"sequence", 65}}};
std::string text(int64_t value) { return std::to_string(value); }

struct Format {
  const char *name;
  std::string attribute;
};

/// For a weight of 64 rows and 48 columns or 48 and 64, blocks along `axis`.
std::vector<Format> getFormats(int axis) {
  std::string channel = axis ? "[1, 64]" : "[64, 1]", group = axis ? "[1, 24]" : "[24, 1]", along = text(axis);
  std::string int8 = "#tfm.int<bits = 8, block = " + channel + ", scale = f32>";
  return {{"int8", int8},
          {"int8_tensor", "#tfm.int<bits = 8, block = [64, 64], scale = f32>"},
          {"int8_zero", "#tfm.int<bits = 8, block = " + channel + ", scale = f16, zero_points = true>"},
          {"int4", "#tfm.int<bits = 4, block = " + group + ", scale = f16>"},
          {"int4_zero", "#tfm.int<bits = 4, block = " + group + ", scale = bf16, zero_points = true>"},
          {"int3", "#tfm.int<bits = 3, block = " + group + ", scale = f16>"},
          {"int2_zero", "#tfm.int<bits = 2, block = " + group + ", scale = f16, zero_points = true>"},
          {"int7", "#tfm.int<bits = 7, block = " + channel + ", scale = f32>"},
          {"e4m3", "#tfm.float<type = f8E4M3FN, block = " + channel + ", scale = f32>"},
          {"e5m2", "#tfm.float<type = f8E5M2, block = " + group + ", scale = f16>"},
          {"f16", "#tfm.float<type = f16>"},
          {"bf16", "#tfm.float<type = bf16>"},
          {"codebook", "#tfm.codebook<bits = 4, type = f16>"},
          {"nm", "#tfm.nm<n = 2, m = 4, axis = " + along + ">"},
          {"nm_int8", "#tfm.nm<n = 2, m = 8, axis = " + along + ", values = " + int8 + ">"},
          {"nm_int4_zero", "#tfm.nm<n = 3, m = 4, axis = " + along + ", values = #tfm.int<bits = 4, block = " + group +
                               ", scale = f16, zero_points = true>>"},
          {"nm_codebook", "#tfm.nm<n = 2, m = 4, axis = " + along + ", values = #tfm.codebook<bits = 3, type = f32>>"},
          {"bitmap", "#tfm.bitmap<kept = 1500>"},
          {"bitmap_int8", "#tfm.bitmap<kept = 1501, values = " + int8 + ">"},
          {"bitmap_int4", "#tfm.bitmap<kept = 1501, values = #tfm.int<bits = 4, block = " + group + ", scale = f16>>"},
          {"bitmap_bf16", "#tfm.bitmap<kept = 1500, values = #tfm.float<type = bf16>>"}};
}

void addFormats(std::vector<Case> &cases) {
  for (bool transposed : {false, true})
    for (const Format &format : getFormats(transposed))
      cases.push_back({std::string("linear_of_") + format.name + (transposed ? "_transposed" : ""),
                       [=](CaseBuilder &b) -> SmallVector<Value> {
                         Value w = b.weight(transposed ? "48, 64" : "64, 48", 1, format.attribute);
                         return {b.op("linear", {b.input("n, 64"), w, b.weight("48")}, b.type("n, 48"),
                                      transposed ? "transposed" : "")};
                       },
                       kRows, 64});
  for (const Format &format : getFormats(1))
    cases.push_back({std::string("embedding_of_") + format.name,
                     [=](CaseBuilder &b) -> SmallVector<Value> {
                       Value ids = b.input("n", "i64", {Fill::Uniform, -48, 48});
                       return {b.op("embedding", {ids, b.weight("48, 64", 1, format.attribute)}, b.type("n, 64"))};
                     },
                     kRows, 1});
}

constexpr char kDynamic[] = "activation = #tfm.dynamic<bits = 8>";

std::string perColumn(int64_t bits, int64_t depth) {
  return "#tfm.int<bits = " + text(bits) + ", block = [" + text(depth) + ", 1], scale = f32>";
}

void addActivations(std::vector<Case> &cases) {
  const std::pair<const char *, const char *> activations[] = {
      {"dynamic", kDynamic},
      {"dynamic4", "activation = #tfm.dynamic<bits = 4>"},
      {"symmetric", "activation = #tfm.dynamic<bits = 8, symmetric = true>"},
      {"static", "activation = #tfm.static<bits = 8, scale = 7.0e-03 : f32, zero = 120>"}};
  for (int64_t bits : {8, 7, 4})
    for (int64_t k : {1, 17, 64, 387})
      for (auto [name, attribute] : activations)
        cases.push_back(
            {"linear_" + std::string(name) + "_int" + text(bits) + "_" + text(k),
             [=, attribute = attribute](CaseBuilder &b) -> SmallVector<Value> {
               Value w = b.weight(text(k) + ", 33", 1, perColumn(bits, k));
               return {b.op("linear", {b.input("n, " + text(k)), w, b.weight("33")}, b.type("n, 33"), attribute)};
             },
             kRows, k});
  cases.push_back({"linear_dynamic_special",
                   [](CaseBuilder &b) -> SmallVector<Value> { // rows with NaN and infinities are NaN
                     Value x = b.input("n, 17", "f32", {Fill::Special});
                     return {b.op("linear", {x, b.weight("17, 33", 1, perColumn(8, 17))}, b.type("n, 33"), kDynamic)};
                   },
                   kRows, 17});
  cases.push_back({"linear_dynamic_padded", // rows that nobody reads; tiles of rows and columns
                   [](CaseBuilder &b) -> SmallVector<Value> {
                     Value x = b.input("batch, sequence, 150"),
                           mask = b.input("batch, sequence", "i64", {Fill::Prefixes});
                     Value y = b.op("linear", {x, b.weight("150, 136", 1, perColumn(8, 150)), b.weight("136")},
                                    b.type("batch, sequence, 136"), kDynamic);
                     Value weights = b.op("cast", {mask}, b.type("batch, sequence"));
                     return {b.op("mean_pool", {y, weights}, b.type("batch, 136"), "floor = 1.0e-9 : f64")};
                   },
                   {{{"batch", 1}, {"sequence", 7}}, {{"batch", 3}, {"sequence", 100}}},
                   150});
  // Then products whose counters lie where codes of a row that is read were, its scale, and codes of one that isn't.
  cases.push_back(
      {"linear_dynamic_then_norms",
       [](CaseBuilder &b) -> SmallVector<Value> {
         Value x = b.input("batch, sequence, 16"), mask = b.input("batch, sequence", "i64", {Fill::Prefixes});
         Value y =
             b.op("linear", {x, b.weight("16, 33", 1, perColumn(8, 16))}, b.type("batch, sequence, 33"), kDynamic);
         Value weights = b.op("cast", {mask}, b.type("batch, sequence"));
         SmallVector<Value> results{b.op("mean_pool", {y, weights}, b.type("batch, 33"), "floor = 1.0e-9 : f64")};
         for (int64_t columns : {3, 4, 22}) {
           auto type = b.type("batch, " + text(columns));
           Value z = b.op("linear", {b.input("batch, 24"), b.weight("24, " + text(columns))}, type);
           results.push_back(b.op("layer_norm", {z, b.weight(text(columns)), b.weight(text(columns))}, type,
                                  "epsilon = 1.0e-12 : f64, operandSegmentSizes = array<i32: 1, 1, 1>"));
         }
         return results;
       },
       {{{"batch", 2}, {"sequence", 4}}},
       400});
  // About the longest rows of results that a block keeps eight of.
  cases.push_back({"linear_dynamic_norm_2048",
                   [](CaseBuilder &b) -> SmallVector<Value> {
                     Value w = b.weight("40, 2048", 1, perColumn(8, 40));
                     Value x = b.op("linear", {b.input("n, 40"), w}, b.type("n, 2048"), kDynamic);
                     return {b.op("layer_norm", {x}, b.type("n, 2048"),
                                  "epsilon = 1.0e-5 : f64, operandSegmentSizes = array<i32: 1, 0, 0>")};
                   },
                   {{{"n", 9}}},
                   200});
  // So long a K that blocks of a device share it, and two products in an epilogue.
  for (const std::string &weight :
       {perColumn(8, 1100), std::string("#tfm.int<bits = 4, block = [32, 1], scale = f16>")})
    for (bool dynamic : {false, true}) {
      std::string suffix = std::string(weight.find("bits = 4") != std::string::npos ? "_int4" : "_int8") + "_deep",
                  prefix = dynamic ? "linear_dynamic" : "linear_plain", attribute = dynamic ? kDynamic : "";
      cases.push_back({prefix + suffix,
                       [=](CaseBuilder &b) -> SmallVector<Value> {
                         Value w = b.weight("1100, 40", 1, weight);
                         return {b.op("linear", {b.input("n, 1100"), w, b.weight("40")}, b.type("n, 40"), attribute)};
                       },
                       kRows, 1100});
      cases.push_back({prefix + suffix + "_norm",
                       [=](CaseBuilder &b) -> SmallVector<Value> {
                         Value w = b.weight("1100, 40", 1, weight);
                         Value y = b.op("linear", {b.input("n, 1100"), w}, b.type("n, 40"), attribute);
                         return {b.op("layer_norm", {y, b.weight("40"), b.weight("40")}, b.type("n, 40"),
                                      "epsilon = 1.0e-12 : f64, operandSegmentSizes = array<i32: 1, 1, 1>")};
                       },
                       kRows, 4400});
      cases.push_back({prefix + suffix + "_swiglu",
                       [=](CaseBuilder &b) -> SmallVector<Value> {
                         Value x = b.input("n, 1100");
                         Value gate =
                             b.op("linear", {x, b.weight("1100, 136", 1, weight)}, b.type("n, 136"), attribute);
                         Value up = b.op("linear", {x, b.weight("1100, 136", 1, weight)}, b.type("n, 136"), attribute);
                         return {b.map("swiglu", {gate, up})};
                       },
                       kRows, 4400});
    }
  for (int64_t bits : {8, 7, 4}) { // in integers, and not
    std::string suffix = "_int" + text(bits);
    cases.push_back({"linear_dynamic_gelu" + suffix,
                     [=](CaseBuilder &b) -> SmallVector<Value> {
                       Value w = b.weight("40, 600", 1, perColumn(bits, 40));
                       Value y = b.op("linear", {b.input("batch, sequence, 40"), w, b.weight("600")},
                                      b.type("batch, sequence, 600"), kDynamic);
                       return {b.map("gelu", {y})};
                     },
                     kTokens, 40});
    cases.push_back({"linear_dynamic_residual_norm" + suffix,
                     [=](CaseBuilder &b) -> SmallVector<Value> {
                       Value x = b.input("batch, sequence, 96"), w = b.weight("96, 96", 1, perColumn(bits, 96));
                       Value y = b.op("linear", {x, w, b.weight("96")}, b.type("batch, sequence, 96"), kDynamic);
                       return {b.op("layer_norm", {b.map("add", {y, x}), b.weight("96"), b.weight("96")},
                                    b.type("batch, sequence, 96"),
                                    "epsilon = 1.0e-12 : f64, operandSegmentSizes = array<i32: 1, 1, 1>")};
                     },
                     kTokens, 400});
    cases.push_back({"linear_dynamic_shared_input" + suffix,
                     [=](CaseBuilder &b) -> SmallVector<Value> {
                       Value x = b.input("batch, sequence, 48");
                       SmallVector<Value> results;
                       for (int i = 0; i < 3; ++i)
                         results.push_back(b.op("linear",
                                                {x, b.weight("48, 64", 1, perColumn(bits, 48)), b.weight("64")},
                                                b.type("batch, sequence, 64"), kDynamic));
                       return results;
                     },
                     kTokens, 48});
    cases.push_back({"linear_dynamic_computed" + suffix,
                     [=](CaseBuilder &b) -> SmallVector<Value> {
                       Value x = b.map("mul", {b.input("n, 40"), b.constant("dense<0.5> : tensor<f32>")});
                       Value y =
                           b.op("linear", {x, b.weight("40, 40", 1, perColumn(bits, 40))}, b.type("n, 40"), kDynamic);
                       return {b.map("add", {y, x})};
                     },
                     kRows, 40});
  }
}
} // namespace

std::vector<Case> conformance::getCompressionCases() {
  std::vector<Case> cases;
  addFormats(cases);
  addActivations(cases);
  return cases;
}
