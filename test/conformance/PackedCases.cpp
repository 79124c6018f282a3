// Weights of packed codes that lie in panels, by few rows and by many, of two of four elements and behind a bitmap; and
// inputs quantized to small floats.
#include "test/conformance/Cases.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::conformance;

namespace {
// Around the 16 rows that a device streams weights for.
const std::vector<Binding> kRows = {{{"n", 1}}, {{"n", 6}}, {{"n", 16}}, {{"n", 17}}, {{"n", 65}}};
std::string text(int64_t value) { return std::to_string(value); }

std::string integers(int64_t bits, int64_t group, const char *scale, bool zeroPoints, int axis = 0) {
  std::string block = axis ? "[1, " + text(group) + "]" : "[" + text(group) + ", 1]";
  return "#tfm.int<bits = " + text(bits) + ", block = " + block + ", scale = " + scale +
         (zeroPoints ? ", zero_points = true>" : ">");
}
std::string floats(const char *type, int64_t group, const char *scale, int axis = 0) {
  std::string block = axis ? "[1, " + text(group) + "]" : "[" + text(group) + ", 1]";
  return "#tfm.float<type = " + std::string(type) + ", block = " + block + ", scale = " + scale + ">";
}

struct Format {
  std::string name, attribute;
};
/// Of K elements in a column: all kinds of codes with scales of each type, groups of a column, and such that 8 or 2
/// doesn't divide.
std::vector<Format> getFormats(int64_t k, int axis) {
  return {
      {"int4_f16", integers(4, 24, "f16", false, axis)},       {"int4_bf16", integers(4, k, "bf16", false, axis)},
      {"int4_f32", integers(4, 12, "f32", false, axis)},       {"int4_zero_f16", integers(4, 8, "f16", true, axis)},
      {"int4_zero_bf16", integers(4, 17, "bf16", true, axis)}, {"int8_f16", integers(8, k, "f16", false, axis)},
      {"int8_f32", integers(8, k + 5, "f32", false, axis)},    {"int8_zero_f16", integers(8, 40, "f16", true, axis)},
      {"int8_zero_bf16", integers(8, 40, "bf16", true, axis)}, {"e4m3_f16", floats("f8E4M3FN", k, "f16", axis)},
      {"e4m3_bf16", floats("f8E4M3FN", 16, "bf16", axis)},     {"e4m3_f32", floats("f8E4M3FN", k, "f32", axis)},
      {"e5m2_f16", floats("f8E5M2", 32, "f16", axis)},         {"e5m2_bf16", floats("f8E5M2", 15, "bf16", axis)}};
}

void addPanels(std::vector<Case> &cases) {
  auto add = [&](const std::string &name, int64_t k, int64_t n, const std::string &attribute, bool transposed) {
    cases.push_back({name,
                     [=](CaseBuilder &b) -> SmallVector<Value> {
                       std::string shape = transposed ? text(n) + ", " + text(k) : text(k) + ", " + text(n);
                       Value w = b.weight(shape, 1, attribute);
                       return {b.op("linear", {b.input("n, " + text(k)), w, b.weight(text(n))}, b.type("n, " + text(n)),
                                    transposed ? "transposed" : "")};
                     },
                     kRows, k});
  };
  // More columns than a tile of few rows has, the last panel and the last step of K not whole.
  for (bool transposed : {false, true})
    for (const Format &format : getFormats(200, transposed))
      add("packed_" + format.name + (transposed ? "_transposed" : ""), 200, 150, format.attribute, transposed);
  for (const Format &format : getFormats(37, 0)) // of which 16 bytes are no whole number
    add("packed_odd_" + format.name, 37, 40, format.attribute, false);
  cases.push_back({"packed_exact", // rows of ones and zeros, whose sums are exact: each bit of what codes stand for
                   [](CaseBuilder &b) -> SmallVector<Value> {
                     Value x = b.input("n, 8", "f32", {Fill::Mask});
                     SmallVector<Value> results;
                     for (const std::string &format :
                          {integers(4, 8, "f16", false), integers(4, 8, "bf16", true), integers(8, 8, "f16", true),
                           floats("f8E4M3FN", 8, "f16"), floats("f8E4M3FN", 8, "bf16"), floats("f8E5M2", 8, "f16"),
                           floats("f8E5M2", 8, "bf16")})
                       results.push_back(b.op("linear", {x, b.weight("8, 40", 1, format)}, b.type("n, 40")));
                     return results;
                   },
                   {{{"n", 13}}, {{"n", 17}}}});
  // More tiles than a persistent kernel's blocks, of one step.
  add("packed_wide", 24, 600, integers(4, 24, "f16", true), false);
}

/// So long a K that blocks of a device share it, and what meets in an epilogue.
void addEpilogues(std::vector<Case> &cases) {
  const Format formats[] = {{"int4", integers(4, 48, "f16", true)},
                            {"int8", integers(8, 1104, "f32", false)},
                            {"e4m3", floats("f8E4M3FN", 1104, "f16")}};
  for (const Format &format : formats) {
    cases.push_back({"packed_deep_norm_" + format.name,
                     [=](CaseBuilder &b) -> SmallVector<Value> {
                       Value w = b.weight("1104, 40", 1, format.attribute);
                       Value y = b.op("linear", {b.input("n, 1104"), w}, b.type("n, 40"));
                       return {b.op("layer_norm", {y, b.weight("40"), b.weight("40")}, b.type("n, 40"),
                                    "epsilon = 1.0e-12 : f64, operandSegmentSizes = array<i32: 1, 1, 1>")};
                     },
                     kRows, 4400});
    cases.push_back({"packed_deep_swiglu_" + format.name,
                     [=](CaseBuilder &b) -> SmallVector<Value> {
                       Value x = b.input("n, 1104");
                       Value gate = b.op("linear", {x, b.weight("1104, 136", 1, format.attribute)}, b.type("n, 136"));
                       Value up = b.op("linear", {x, b.weight("1104, 136", 1, format.attribute)}, b.type("n, 136"));
                       return {b.map("swiglu", {gate, up})};
                     },
                     kRows, 4400});
    cases.push_back({"packed_deep_shared_" + format.name,
                     [=](CaseBuilder &b) -> SmallVector<Value> {
                       Value x = b.input("n, 1104");
                       SmallVector<Value> results;
                       for (int64_t columns : {64, 24, 140})
                         results.push_back(
                             b.op("linear",
                                  {x, b.weight("1104, " + text(columns), 1, format.attribute), b.weight(text(columns))},
                                  b.type("n, " + text(columns))));
                       return results;
                     },
                     kRows, 1104});
  }
  // Two formats in an epilogue: no way of reading serves both.
  for (const char *other : {"e4m3", "plain"})
    cases.push_back({"packed_mixed_" + std::string(other),
                     [=](CaseBuilder &b) -> SmallVector<Value> {
                       Value x = b.input("n, 64");
                       std::string second = StringRef(other) == "e4m3" ? floats("f8E4M3FN", 16, "f16") : "";
                       Value gate =
                           b.op("linear", {x, b.weight("64, 72", 1, integers(4, 16, "f16", true))}, b.type("n, 72"));
                       Value up = b.op("linear", {x, b.weight("64, 72", 1, second)}, b.type("n, 72"));
                       return {b.map("swiglu", {gate, up})};
                     },
                     kRows, 256});
  cases.push_back(
      {"packed_padded", // rows that nobody reads aren't computed
       [](CaseBuilder &b) -> SmallVector<Value> {
         Value x = b.input("batch, sequence, 64"), mask = b.input("batch, sequence", "i64", {Fill::Prefixes});
         std::string format = integers(4, 32, "f16", false);
         Value y = b.map("gelu", {b.op("linear", {x, b.weight("64, 96", 0.3, format)}, b.type("batch, sequence, 96"))});
         y = b.op("linear", {y, b.weight("96, 64", 0.3, format)}, b.type("batch, sequence, 64"));
         Value weights = b.op("cast", {mask}, b.type("batch, sequence"));
         return {b.op("mean_pool", {y, weights}, b.type("batch, 64"), "floor = 1.0e-9 : f64")};
       },
       {{{"batch", 1}, {"sequence", 64}}, {{"batch", 3}, {"sequence", 5}}, {{"batch", 3}, {"sequence", 40}}},
       200});
}

/// Two of four elements kept; columns and steps of K that are not whole.
void addSparse(std::vector<Case> &cases) {
  auto sparse = [](const std::string &values, int axis) {
    return "#tfm.nm<n = 2, m = 4, axis = " + text(axis) + (values.empty() ? ">" : ", values = " + values + ">");
  };
  const Format values[] = {{"plain", ""},
                           {"f16", "#tfm.float<type = f16>"},
                           {"int8", integers(8, 200, "f16", false)},
                           {"int8_groups", integers(8, 12, "bf16", false)},
                           {"int8_uneven", integers(8, 18, "f16", false)}, // ends among four elements: in no panels
                           {"int4_zero", integers(4, 40, "f16", true)},
                           {"e4m3", floats("f8E4M3FN", 20, "bf16")}};
  for (const Format &format : values)
    cases.push_back({"sparse_" + format.name,
                     [=](CaseBuilder &b) -> SmallVector<Value> {
                       Value w = b.weight("200, 150", 1, sparse(format.attribute, 0));
                       return {b.op("linear", {b.input("n, 200"), w, b.weight("150")}, b.type("n, 150"))};
                     },
                     kRows, 200});
  cases.push_back({"sparse_transposed",
                   [=](CaseBuilder &b) -> SmallVector<Value> {
                     Value w = b.weight("40, 100", 1, sparse(integers(8, 100, "bf16", false, 1), 1));
                     Value x = b.map("mul", {b.input("n, 100"), b.constant("dense<0.5> : tensor<f32>")});
                     return {b.op("linear", {x, w}, b.type("n, 40"), "transposed")};
                   },
                   kRows, 100});
  cases.push_back({"sparse_deep_norm",
                   [=](CaseBuilder &b) -> SmallVector<Value> {
                     Value y =
                         b.op("linear", {b.input("n, 1104"), b.weight("1104, 40", 1, sparse("", 0))}, b.type("n, 40"));
                     return {b.op("layer_norm", {y, b.weight("40"), b.weight("40")}, b.type("n, 40"),
                                  "epsilon = 1.0e-12 : f64, operandSegmentSizes = array<i32: 1, 1, 1>")};
                   },
                   kRows, 4400});
  for (const char *other : {"sparse", "plain"})
    cases.push_back({"sparse_swiglu_" + std::string(other),
                     [=](CaseBuilder &b) -> SmallVector<Value> {
                       Value x = b.input("n, 1104");
                       std::string second = StringRef(other) == "sparse" ? sparse("", 0) : "";
                       Value gate = b.op("linear", {x, b.weight("1104, 136", 1, sparse("", 0))}, b.type("n, 136"));
                       Value up = b.op("linear", {x, b.weight("1104, 136", 1, second)}, b.type("n, 136"));
                       return {b.map("swiglu", {gate, up})};
                     },
                     kRows, 4400});
  cases.push_back({"sparse_even", // the last panel of columns is whole
                   [=](CaseBuilder &b) -> SmallVector<Value> {
                     Value x = b.input("n, 72");
                     SmallVector<Value> results;
                     for (const std::string &format : {std::string(), integers(8, 72, "f16", false)})
                       results.push_back(
                           b.op("linear", {x, b.weight("72, 48", 1, sparse(format, 0))}, b.type("n, 48")));
                     return results;
                   },
                   {{{"n", 17}}},
                   72});
  cases.push_back({"sparse_mixed", // no way of reading serves both
                   [=](CaseBuilder &b) -> SmallVector<Value> {
                     Value x = b.input("n, 72");
                     SmallVector<Value> results;
                     for (const std::string &format : {std::string(), integers(8, 12, "bf16", false)}) {
                       Value gate = b.op("linear", {x, b.weight("72, 40", 1, sparse(format, 0))}, b.type("n, 40"));
                       Value up = b.op("linear", {x, b.weight("72, 40")}, b.type("n, 40"));
                       results.push_back(b.map("swiglu", {gate, up}));
                     }
                     return results;
                   },
                   {{{"n", 17}}},
                   288});
  cases.push_back({"sparse_shared",
                   [=](CaseBuilder &b) -> SmallVector<Value> {
                     Value x = b.input("n, 64");
                     Value y = b.op("linear", {x, b.weight("64, 72", 1, sparse("", 0))}, b.type("n, 72"));
                     return {y, b.op("linear", {x, b.weight("64, 40")}, b.type("n, 40"))};
                   },
                   kRows, 64});
}

/// Weights behind a bitmap: of every kind of values, by rows in floats and in codes.
void addBitmaps(std::vector<Case> &cases) {
  auto bitmap = [](int64_t kept, const std::string &values) {
    return "#tfm.bitmap<kept = " + text(kept) + (values.empty() ? ">" : ", values = " + values + ">");
  };
  auto add = [&](const std::string &name, int64_t k, int64_t n, const std::string &attribute, bool transposed,
                 const std::string &activation = "", const std::vector<Binding> &rows = kRows) {
    std::string attributes = transposed ? activation.empty() ? "transposed" : activation + ", transposed" : activation;
    cases.push_back({"bitmap_" + name,
                     [=](CaseBuilder &b) -> SmallVector<Value> {
                       std::string shape = transposed ? text(n) + ", " + text(k) : text(k) + ", " + text(n);
                       Value w = b.weight(shape, 1, attribute);
                       return {b.op("linear", {b.input("n, " + text(k)), w, b.weight(text(n))}, b.type("n, " + text(n)),
                                    attributes)};
                     },
                     rows, k});
  };
  // One register tile and two; more than a block, and few in its last one.
  const std::vector<Binding> blocks = {{{"n", 9}}, {{"n", 22}}, {{"n", 150}}};
  constexpr char kDynamic[] = "activation = #tfm.dynamic<bits = 8>";
  constexpr char kStatic[] = "activation = #tfm.static<bits = 8, scale = 7.0e-03 : f32, zero = 120>";
  std::vector<Format> values = getFormats(200, 0);
  values.push_back({"f32", ""});
  values.push_back({"f16", "#tfm.float<type = f16>"});
  values.push_back({"bf16", "#tfm.float<type = bf16>"});
  values.push_back({"int3", integers(3, 200, "f16", false)}); // in no panels
  values.push_back({"codebook", "#tfm.codebook<bits = 4, type = f16>"});
  for (const Format &format : values)
    add(format.name, 200, 150, bitmap(14000, format.attribute), false);
  // The last rows and columns of panels not whole, and nearly all or none kept.
  for (const Format &format : getFormats(37, 1))
    add("odd_" + format.name, 37, 40, bitmap(1001, format.attribute), true);
  for (int64_t kept : {0, 1, 1479, 1480})
    for (bool dynamic : {false, true})
      add(text(kept) + (dynamic ? "_dynamic" : ""), 37, 40, bitmap(kept, integers(8, 37, "f16", false)), false,
          dynamic ? kDynamic : "");
  for (int64_t bits : {8, 7, 5, 4})
    for (bool transposed : {false, true}) {
      std::string suffix = "_int" + text(bits) + (transposed ? "_transposed" : "");
      std::string attribute = bitmap(14000, integers(bits, 200, "f16", false, transposed));
      add("dynamic" + suffix, 200, 150, attribute, transposed, kDynamic);
      add("static" + suffix, 200, 150, attribute, transposed, kStatic);
      if (bits > 5)
        add("blocks" + suffix, 200, 150, attribute, transposed, kDynamic, blocks);
    }
  cases.push_back(
      {"bitmap_padded", // rows that are picked, of floats in place
       [=](CaseBuilder &b) -> SmallVector<Value> {
         Value x = b.input("batch, sequence, 64"), mask = b.input("batch, sequence", "i64", {Fill::Prefixes});
         Value y = b.op("linear", {x, b.weight("64, 96", 0.3, bitmap(3000, ""))}, b.type("batch, sequence, 96"));
         y = b.op("linear", {b.map("gelu", {y}), b.weight("96, 64", 0.3, bitmap(3000, ""))},
                  b.type("batch, sequence, 64"));
         Value weights = b.op("cast", {mask}, b.type("batch, sequence"));
         return {b.op("mean_pool", {y, weights}, b.type("batch, 64"), "floor = 1.0e-9 : f64")};
       },
       {{{"batch", 1}, {"sequence", 64}}, {{"batch", 3}, {"sequence", 5}}, {{"batch", 3}, {"sequence", 40}}},
       200});
  for (const char *kind : {"f32", "int8", "mixed"}) { // with what meets in an epilogue
    bool isPlain = StringRef(kind) == "f32", isMixed = StringRef(kind) == "mixed";
    auto weightOf = [=](int64_t n) {
      return bitmap(500 * n, isPlain ? std::string() : integers(8, 1104, "f32", false));
    };
    std::string attributes = isPlain ? "" : kDynamic;
    cases.push_back({"bitmap_deep_norm_" + std::string(kind),
                     [=](CaseBuilder &b) -> SmallVector<Value> {
                       Value w = b.weight("1104, 40", 1, weightOf(40));
                       Value y = b.op("linear", {b.input("n, 1104"), w}, b.type("n, 40"), attributes);
                       return {b.op("layer_norm", {y, b.weight("40"), b.weight("40")}, b.type("n, 40"),
                                    "epsilon = 1.0e-12 : f64, operandSegmentSizes = array<i32: 1, 1, 1>")};
                     },
                     kRows, 4400});
    cases.push_back({"bitmap_deep_swiglu_" + std::string(kind),
                     [=](CaseBuilder &b) -> SmallVector<Value> {
                       Value x = b.input("n, 1104"), w = b.weight("1104, 136", 1, weightOf(136));
                       Value other =
                           b.weight("1104, 136", 1, isMixed ? integers(8, 1104, "f32", false) : weightOf(136));
                       Value gate = b.op("linear", {x, w}, b.type("n, 136"), attributes);
                       return {b.map("swiglu", {gate, b.op("linear", {x, other}, b.type("n, 136"), attributes)})};
                     },
                     kRows, 4400});
  }
}

void addSmallFloats(std::vector<Case> &cases) {
  constexpr char kActivation[] = "activation = #tfm.dynamic_float<type = f8E4M3FN>";
  auto add = [&](const std::string &name, int64_t k, int64_t n, const std::string &attribute, Fill fill) {
    cases.push_back({"linear_float8_" + name,
                     [=](CaseBuilder &b) -> SmallVector<Value> {
                       Value w = b.weight(text(k) + ", " + text(n), 1, attribute);
                       return {b.op("linear", {b.input("n, " + text(k), "f32", fill), w, b.weight(text(n))},
                                    b.type("n, " + text(n)), kActivation)};
                     },
                     kRows, k});
  };
  for (int64_t k : {1, 17, 64, 387})
    add(text(k), k, 33, floats("f8E4M3FN", k, "f32"), {});
  add("wide", 132, 304, floats("f8E4M3FN", 132, "f16"), {});              // the last panel of columns is whole
  add("special", 17, 33, floats("f8E4M3FN", 17, "f32"), {Fill::Special}); // rows with NaN and infinities are NaN
  add("groups", 96, 40, floats("f8E4M3FN", 32, "f16"), {});
  add("of_e5m2", 96, 40, floats("f8E5M2", 96, "f32"), {});
  add("of_int8", 96, 40, integers(8, 96, "f32", false), {});
  add("of_int4", 96, 40, integers(4, 32, "f16", true), {});
  add("of_f32", 96, 40, "", {});
  const std::string deep = floats("f8E4M3FN", 1100, "f32");
  cases.push_back({"linear_float8_deep_norm",
                   [=](CaseBuilder &b) -> SmallVector<Value> {
                     Value y = b.op("linear", {b.input("n, 1100"), b.weight("1100, 40", 1, deep)}, b.type("n, 40"),
                                    kActivation);
                     return {b.op("layer_norm", {y, b.weight("40"), b.weight("40")}, b.type("n, 40"),
                                  "epsilon = 1.0e-12 : f64, operandSegmentSizes = array<i32: 1, 1, 1>")};
                   },
                   kRows, 4400});
  cases.push_back({"linear_float8_deep_swiglu",
                   [=](CaseBuilder &b) -> SmallVector<Value> {
                     Value x = b.input("n, 1100");
                     Value gate = b.op("linear", {x, b.weight("1100, 136", 1, deep)}, b.type("n, 136"), kActivation);
                     Value up = b.op("linear", {x, b.weight("1100, 136", 1, deep)}, b.type("n, 136"), kActivation);
                     return {b.map("swiglu", {gate, up})};
                   },
                   kRows, 4400});
  cases.push_back({"linear_float8_computed",
                   [=](CaseBuilder &b) -> SmallVector<Value> {
                     Value x = b.map("mul", {b.input("n, 40"), b.constant("dense<0.5> : tensor<f32>")});
                     Value w = b.weight("136, 40", 1, floats("f8E4M3FN", 40, "f32", 1));
                     std::string attributes = std::string(kActivation) + ", transposed";
                     return {b.map("gelu", {b.op("linear", {x, w}, b.type("n, 136"), attributes)})};
                   },
                   kRows, 40});
}
} // namespace

std::vector<Case> conformance::getPackedCases() {
  std::vector<Case> cases;
  addPanels(cases);
  addEpilogues(cases);
  addSparse(cases);
  addBitmaps(cases);
  addSmallFloats(cases);
  return cases;
}
