// The ops that Transformers are made of, alone and next to what they are fused with; each with an equivalent in
// primitive ops, which checks the reference itself.
#include "test/conformance/Cases.h"
#include "llvm/Support/Format.h"
#include <cmath>

using namespace mlir;
using namespace lathe;
using namespace lathe::conformance;

namespace {
const std::vector<Binding> kRows = {{{"n", 0}},  {{"n", 1}},  {{"n", 5}},  {{"n", 6}},  {{"n", 7}},
                                    {{"n", 13}}, {{"n", 17}}, {{"n", 33}}, {{"n", 65}}, {{"n", 127}}};
const std::vector<Binding> kTokens = {{{"batch", 1}, {"sequence", 1}},  {{"batch", 1}, {"sequence", 17}},
                                      {{"batch", 7}, {"sequence", 13}}, {{"batch", 7}, {"sequence", 7}},
                                      {{"batch", 2}, {"sequence", 65}}, {{"batch", 3}, {"sequence", 128}}};
const std::vector<Binding> kCaches = {{{"batch", 1}, {"sequence", 1}, {"past", 0}},
                                      {{"batch", 2}, {"sequence", 1}, {"past", 31}},
                                      {{"batch", 7}, {"sequence", 5}, {"past", 5}},
                                      {{"batch", 1}, {"sequence", 33}, {"past", 96}}}; // 129 keys
const std::vector<Binding> kFew = {{{"batch", 1}, {"sequence", 1}}, {{"batch", 3}, {"sequence", 13}}};
// Sequences of several tiles of every skeleton of attention.
const std::vector<Binding> kFar = {
    {{"batch", 1}, {"sequence", 257}}, {{"batch", 2}, {"sequence", 150}}, {{"batch", 1}, {"sequence", 192}}};
std::string text(int64_t value) { return std::to_string(value); }

void addContractions(std::vector<Case> &cases) {
  struct Size {
    int64_t k, n;
  };
  for (Size size : {Size{1, 1}, Size{7, 13}, Size{16, 16}, Size{17, 33}, Size{64, 31}, Size{127, 65}, Size{384, 96}})
    for (bool transposed : {false, true})
      for (bool bias : {false, true}) {
        std::string k = text(size.k), n = text(size.n);
        auto operands = [=](CaseBuilder &b) {
          SmallVector<Value> values{b.input("n, " + k), b.weight(transposed ? n + ", " + k : k + ", " + n)};
          if (bias)
            values.push_back(b.weight(n));
          return values;
        };
        cases.push_back({"linear_" + k + "x" + n + (transposed ? "_transposed" : "") + (bias ? "_bias" : ""),
                         [=](CaseBuilder &b) -> SmallVector<Value> {
                           return {b.op("linear", operands(b), b.type("n, " + n), transposed ? "transposed" : "")};
                         },
                         kRows, size.k,
                         [=](CaseBuilder &b) -> SmallVector<Value> {
                           SmallVector<Value> values = operands(b);
                           Value y = b.op("matmul", {values[0], values[1]}, b.type("n, " + n),
                                          transposed ? "transpose_b" : "");
                           return {bias ? b.map("add", {y, values[2]}) : y};
                         }});
      }
  cases.push_back({"linear_of_inputs",
                   [](CaseBuilder &b) -> SmallVector<Value> { // no weight to pack; K is one past a step of any size
                     Value x = b.input("n, 129"), w = b.input("129, 33"), bias = b.input("33");
                     return {b.op("linear", {x, w, bias}, b.type("n, 33"))};
                   },
                   kRows, 129});
  for (const char *activation : {"gelu", "relu", "tanh", "silu"})
    cases.push_back({std::string("linear_") + activation,
                     [=](CaseBuilder &b) -> SmallVector<Value> {
                       Value x = b.op("linear", {b.input("batch, sequence, 33"), b.weight("33, 127"), b.weight("127")},
                                      b.type("batch, sequence, 127"));
                       return {b.map(activation, {x})};
                     },
                     kTokens, 33});
  // A deep one's sum over K is shared by several blocks where it has few rows.
  for (const char *depth : {"64", "1088"}) {
    bool deep = StringRef(depth) != "64";
    std::string k = depth;
    const std::vector<Binding> &bindings = deep ? kFew : kTokens;
    cases.push_back({deep ? "linear_deep_norm" : "linear_residual_norm",
                     [k](CaseBuilder &b) -> SmallVector<Value> {
                       Value residual = b.input("batch, sequence, 96");
                       Value x =
                           b.op("linear", {b.input("batch, sequence, " + k), b.weight(k + ", 96"), b.weight("96")},
                                b.type("batch, sequence, 96"));
                       return {b.op("layer_norm", {b.map("add", {x, residual}), b.weight("96"), b.weight("96")},
                                    b.type("batch, sequence, 96"),
                                    "epsilon = 1.0e-12 : f64, operandSegmentSizes = array<i32: 1, 1, 1>")};
                     },
                     bindings, deep ? 1300 : 200});
  }
  cases.push_back({"linear_parts", // as many blocks as may share a sum; parts that are equal
                   [](CaseBuilder &b) -> SmallVector<Value> {
                     Value x = b.input("n, 1152"), y = b.input("n, 960");
                     return {b.op("linear", {x, b.weight("1152, 24")}, b.type("n, 24")),
                             b.op("linear", {y, b.weight("960, 24")}, b.type("n, 24"))};
                   },
                   {{{"n", 1}}, {{"n", 33}}},
                   1152});
  cases.push_back({"linear_deep_gated",
                   [](CaseBuilder &b) -> SmallVector<Value> {
                     Value x = b.input("batch, sequence, 1088");
                     auto half = [&] {
                       return b.op("linear", {x, b.weight("1088, 72")}, b.type("batch, sequence, 72"));
                     };
                     Value gate = b.map("silu", {half()});
                     return {b.map("mul", {gate, half()})};
                   },
                   kFew, 1300});
  // Rows of two tiles, and about the longest that a block keeps eight of: in 16 bits and in 32.
  for (const char *width : {"200", "2048", "3072"})
    cases.push_back({std::string("linear_norm_") + width,
                     [n = std::string(width)](CaseBuilder &b) -> SmallVector<Value> {
                       Value x = b.op("linear", {b.input("n, 40"), b.weight("40, " + n)}, b.type("n, " + n));
                       return {b.op("layer_norm", {x}, b.type("n, " + n),
                                    "epsilon = 1.0e-5 : f64, operandSegmentSizes = array<i32: 1, 0, 0>")};
                     },
                     {{{"n", 1}}, {{"n", 9}}},
                     200});
  cases.push_back({"linear_ring", // more steps of K than a ring of stages has, in more tiles than there may be blocks
                   [](CaseBuilder &b) -> SmallVector<Value> {
                     return {b.op("linear", {b.input("n, 520"), b.weight("520, 24")}, b.type("n, 24"))};
                   },
                   {{{"n", 1}}, {{"n", 300}}},
                   520});
  cases.push_back({"linear_shared_input",
                   [](CaseBuilder &b) -> SmallVector<Value> {
                     Value x = b.input("batch, sequence, 48");
                     SmallVector<Value> results;
                     for (int i = 0; i < 3; ++i)
                       results.push_back(
                           b.op("linear", {x, b.weight("48, 64"), b.weight("64")}, b.type("batch, sequence, 64")));
                     return results;
                   },
                   kTokens, 48});
  cases.push_back({"linear_scaled_twice",
                   [](CaseBuilder &b) -> SmallVector<Value> { // a prologue, and a value used again
                     Value x = b.map("mul", {b.input("n, 40"), b.constant("dense<0.5> : tensor<f32>")});
                     Value y = b.op("linear", {x, b.weight("40, 40")}, b.type("n, 40"));
                     return {b.map("add", {y, x}), x};
                   },
                   kRows, 40});
  cases.push_back({"matmul_batched",
                   [](CaseBuilder &b) -> SmallVector<Value> {
                     Value x = b.input("batch, 3, sequence, 16"), y = b.input("batch, 3, 16, sequence");
                     return {b.op("matmul", {x, y}, b.type("batch, 3, sequence, sequence"))};
                   },
                   kTokens, 16});
  for (bool transposed : {false, true}) // as matmul_of_inputs
    cases.push_back({transposed ? "matmul_batched_rows" : "matmul_batched_columns",
                     [=](CaseBuilder &b) -> SmallVector<Value> {
                       Value x = b.input("n, 2, 5, 40"), y = b.input(transposed ? "n, 2, 24, 40" : "n, 2, 40, 24");
                       return {b.op("matmul", {x, y}, b.type("n, 2, 5, 24"), transposed ? "transpose_b" : "")};
                     },
                     {{{"n", 1}}, {{"n", 3}}},
                     40});
  cases.push_back({"matmul_broadcast",
                   [](CaseBuilder &b) -> SmallVector<Value> {
                     Value x = b.input("batch, 1, 5, 17"), y = b.input("3, sequence, 17");
                     return {b.op("matmul", {x, y}, b.type("batch, 3, 5, sequence"), "transpose_b")};
                   },
                   kTokens, 17});
  cases.push_back(
      {"matmul_transposed",
       [](CaseBuilder &b) -> SmallVector<Value> { // the sum runs over a symbol
         Value x = b.input("sequence, 13"), y = b.input("sequence, 7");
         b.input("batch");
         return {b.op("matmul", {x, y}, b.type("13, 7"), "transpose_a")};
       },
       {{{"batch", 1}, {"sequence", 1}}, {{"batch", 1}, {"sequence", 13}}, {{"batch", 1}, {"sequence", 256}}},
       256});
  for (bool transposed : {false, true}) // runs of K or of columns in memory that are multiples of 16 bytes
    cases.push_back({transposed ? "matmul_of_inputs_transposed" : "matmul_of_inputs",
                     [=](CaseBuilder &b) -> SmallVector<Value> {
                       Value x = b.input("n, 136"), y = b.input(transposed ? "72, 136" : "136, 72");
                       return {b.op("matmul", {x, y}, b.type("n, 72"), transposed ? "transpose_b" : "")};
                     },
                     kRows, 136});
  cases.push_back({"linear_swiglu",
                   [](CaseBuilder &b) -> SmallVector<Value> { // two products that meet in one result
                     Value x = b.input("n, 40");
                     Value gate = b.op("linear", {x, b.weight("40, 72")}, b.type("n, 72"));
                     Value up = b.op("linear", {x, b.weight("40, 72"), b.weight("72")}, b.type("n, 72"));
                     return {b.map("swiglu", {gate, up})};
                   },
                   kRows, 40});
  cases.push_back({"matmul_integer",
                   [](CaseBuilder &b) -> SmallVector<Value> {
                     Value x = b.input("n, 33", "ui8", {Fill::Uniform, 0, 256}),
                           y = b.input("33, 17", "i8", {Fill::Uniform, -128, 128});
                     return {b.op("matmul", {x, y}, b.type("n, 17", "i32"))};
                   },
                   kRows});
  struct Convolution {
    const char *name, *input, *weight, *result, *attributes;
    int64_t terms;
  };
  for (const Convolution &conv :
       {Convolution{"conv_patches", "n, 3, 16, 24", "32, 3, 8, 8", "n, 32, 2, 3",
                    "strides = array<i64: 8, 8>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>", 192},
        Convolution{"conv_padded", "n, 2, 7, 5", "3, 2, 3, 3", "n, 3, 7, 3",
                    "strides = array<i64: 1, 2>, pads = array<i64: 1, 1, 1, 1>, dilations = array<i64: 1, 1>", 18},
        Convolution{"conv_depthwise", "n, 6, 11", "6, 1, 3", "n, 6, 7",
                    "strides = array<i64: 1>, pads = array<i64: 0, 0>, dilations = array<i64: 2>, groups = 6 : i64", 3},
        Convolution{"conv_groups", "n, 4, 9", "6, 2, 3", "n, 6, 9",
                    "strides = array<i64: 1>, pads = array<i64: 1, 1>, dilations = array<i64: 1>, groups = 2 : i64",
                    6}})
    cases.push_back({conv.name,
                     [=](CaseBuilder &b) -> SmallVector<Value> {
                       std::string channels = StringRef(conv.weight).split(',').first.str();
                       return {b.op("conv", {b.input(conv.input), b.weight(conv.weight), b.weight(channels)},
                                    b.type(conv.result), conv.attributes)};
                     },
                     {{{"n", 0}}, {{"n", 1}}, {{"n", 7}}},
                     conv.terms});
}

struct Mask {
  bool causal = false, padding = false, bias = false;
  int64_t window = 0;
  double softcap = 0;
  std::string biasShape, maskedRow = "nan";
  bool cached = false; // keys are past + sequence, else sequence
  bool far = false;    // sequences of several tiles
  bool left = false;   // the padding comes first: causal queries in it see nothing
  double range = 2;    // of queries and keys
  bool behind = false; // with a cache: queries see one key less than there are up to them, the very first none
};

std::string offsetOf(const Mask &mask) { return mask.behind ? "past - 1" : mask.cached ? "past" : "0"; }

/// Query, key, value, and the mask's operands; key and value have `past + sequence` rows where cached.
SmallVector<Value> attentionOperands(CaseBuilder &b, const Mask &mask, int64_t heads, int64_t kvHeads, int64_t width,
                                     int64_t valueWidth) {
  b.input("batch"), b.input("sequence");
  if (mask.cached)
    b.input("past");
  std::string keys = mask.cached ? "past + sequence" : "sequence";
  Fill fill{Fill::Uniform, -mask.range, mask.range};
  SmallVector<Value> values{b.input("batch, sequence, " + text(heads * width), "f32", fill),
                            b.input("batch, " + keys + ", " + text(kvHeads * width), "f32", fill),
                            b.input("batch, " + keys + ", " + text(kvHeads * valueWidth))};
  if (mask.bias)
    values.push_back(b.input(mask.biasShape, "f32", {Fill::Uniform, -3, 3}));
  if (mask.padding)
    values.push_back(b.input("batch, " + keys, "i1", {mask.left ? Fill::Suffixes : Fill::Holes}));
  return values;
}

/// softmax(scale * q k^T + mask) v in primitive ops. Rows that see nothing: zero and mean are spelled out, as exporters
/// do.
Value decompose(CaseBuilder &b, ArrayRef<Value> operands, const Mask &mask, int64_t heads, int64_t kvHeads,
                int64_t width, int64_t valueWidth, double scale) {
  std::string keys = mask.cached ? "past + sequence" : "sequence";
  auto split = [&](Value x, const std::string &rows, int64_t count, int64_t size) {
    x = b.op("reshape", {x}, b.type("batch, " + rows + ", " + text(count) + ", " + text(size)));
    x = b.op("transpose", {x}, b.type("batch, " + text(count) + ", " + rows + ", " + text(size)),
             "permutation = array<i64: 0, 2, 1, 3>");
    if (count == heads)
      return x;
    x = b.op("reshape", {x}, b.type("batch, " + text(count) + ", 1, " + rows + ", " + text(size)));
    x = b.op("expand", {x},
             b.type("batch, " + text(count) + ", " + text(heads / count) + ", " + rows + ", " + text(size)));
    return b.op("reshape", {x}, b.type("batch, " + text(heads) + ", " + rows + ", " + text(size)));
  };
  auto number = [&](double value) {
    std::string literal;
    llvm::raw_string_ostream(literal) << "dense<" << llvm::format("%.17e", value) << "> : tensor<f32>";
    return b.constant(literal);
  };
  std::string h = text(heads);
  Value q = split(operands[0], "sequence", heads, width), k = split(operands[1], keys, kvHeads, width);
  Value v = split(operands[2], keys, kvHeads, valueWidth);
  RankedTensorType scoresType = b.type("batch, " + h + ", sequence, " + keys);
  Value scores = b.map("mul", {b.op("matmul", {q, k}, scoresType, "transpose_b"), number(scale)});
  if (mask.softcap > 0)
    scores = b.map("mul", {b.map("tanh", {b.map("div", {scores, number(mask.softcap)})}), number(mask.softcap)});
  if (mask.bias)
    scores = b.map("add", {scores, operands[3]});
  Value allowed;
  auto both = [&](Value condition) { allowed = allowed ? b.map("and", {allowed, condition}, "i1") : condition; };
  if (mask.padding)
    both(b.op("reshape", {operands.back()}, b.type("batch, 1, 1, " + keys, "i1")));
  if (mask.causal || mask.window) {
    // i + offset
    Value i = b.op("iota", {}, b.type("sequence", "i64"), "start = #tfm.dims<" + offsetOf(mask) + ">, step = 1 : i64");
    i = b.op("reshape", {i}, b.type("sequence, 1", "i64"));
    Value j = b.op("iota", {}, b.type(keys, "i64"), "start = #tfm.dims<0>, step = 1 : i64");
    if (mask.causal)
      both(b.map("compare", {j, i}, "i1", "predicate = #tfm.predicate<le>"));
    if (mask.window) {
      Value first = b.map("sub", {i, b.constant("dense<" + text(mask.window) + "> : tensor<i64>")}, "i64");
      both(b.map("compare", {j, first}, "i1", "predicate = #tfm.predicate<gt>"));
    }
  }
  if (allowed) {
    double low =
        mask.maskedRow == "mean" ? -3.0e38 : -INFINITY; // -3e38 + score is -3e38: all keys of such a row weigh the same
    Value masked = mask.maskedRow == "mean" ? number(low) : b.constant("dense<0xFF800000> : tensor<f32>");
    scores = b.map("select", {allowed, scores, masked});
  }
  Value weights = b.op("softmax", {scores}, scoresType, "axis = 3 : i64");
  if (mask.maskedRow == "zero")
    weights = b.map("select", {b.map("is_nan", {weights}, "i1"), number(0), weights});
  Value x = b.op("matmul", {weights, v}, b.type("batch, " + h + ", sequence, " + text(valueWidth)));
  x = b.op("transpose", {x}, b.type("batch, sequence, " + h + ", " + text(valueWidth)),
           "permutation = array<i64: 0, 2, 1, 3>");
  return b.op("reshape", {x}, b.type("batch, sequence, " + text(heads * valueWidth)));
}

void addAttention(std::vector<Case> &cases, const char *name, Mask mask, int64_t heads, int64_t kvHeads, int64_t width,
                  int64_t valueWidth) {
  double scale = 1 / std::sqrt(static_cast<double>(width));
  std::string attributes;
  llvm::raw_string_ostream os(attributes);
  os << "heads = " << heads << " : i64, kv_heads = " << kvHeads << " : i64, scale = " << llvm::format("%.17e", scale)
     << " : f64, masked_row = #tfm.masked_row<" << mask.maskedRow << ">, operandSegmentSizes = array<i32: 1, 1, 1, "
     << mask.bias << ", " << mask.padding << ">";
  if (mask.causal)
    os << ", causal";
  if (mask.window)
    os << ", window = " << mask.window << " : i64";
  if (mask.behind)
    os << ", offset = #tfm.dims<" << offsetOf(mask) << ">";
  if (mask.softcap > 0)
    os << ", softcap = " << llvm::format("%.17e", mask.softcap) << " : f64";
  std::string extra = attributes;
  cases.push_back({std::string("attention_") + name,
                   [=](CaseBuilder &b) -> SmallVector<Value> {
                     return {b.op("attention", attentionOperands(b, mask, heads, kvHeads, width, valueWidth),
                                  b.type("batch, sequence, " + text(heads * valueWidth)), extra)};
                   },
                   mask.far      ? kFar
                   : mask.cached ? kCaches
                                 : kTokens,
                   2 * width + 64,
                   {}});
  if (mask.maskedRow != "unmasked")
    cases.back().equivalent = [=](CaseBuilder &b) -> SmallVector<Value> {
      SmallVector<Value> operands = attentionOperands(b, mask, heads, kvHeads, width, valueWidth);
      return {decompose(b, operands, mask, heads, kvHeads, width, valueWidth, scale)};
    };
}

void addAttentions(std::vector<Case> &cases) {
  Mask none, causal, padding, window, both, bias, softcap, steep;
  causal.causal = true;
  padding.padding = true;
  addAttention(cases, "plain", none, 2, 2, 16, 16);
  addAttention(cases, "odd_widths", none, 3, 3, 13, 7);
  addAttention(cases, "one_head", none, 1, 1, 64, 64);
  addAttention(cases, "wide_head", causal, 1, 1, 128, 72);
  addAttention(cases, "widest_head", none, 1, 1, 256, 256);
  addAttention(cases, "causal", causal, 2, 2, 32, 32);
  for (const char *row : {"zero", "mean", "nan", "unmasked"}) {
    padding.maskedRow = row;
    addAttention(cases, (std::string("padding_") + row).c_str(), padding, 2, 2, 16, 16);
  }
  both = padding;
  both.causal = true;
  both.maskedRow = "zero";
  addAttention(cases, "causal_padding", both, 2, 2, 16, 16);
  both.maskedRow = "mean";
  addAttention(cases, "causal_padding_mean", both, 2, 2, 16, 16);
  window.causal = true;
  window.window = 5;
  addAttention(cases, "window", window, 2, 2, 16, 16);
  bias.bias = true;
  for (auto [name, shape] :
       std::initializer_list<std::pair<const char *, const char *>>{{"bias", "batch, 2, sequence, sequence"},
                                                                    {"bias_keys", "batch, 1, 1, sequence"},
                                                                    {"bias_shared", "1, 2, sequence, sequence"},
                                                                    {"bias_last", "sequence"}}) {
    bias.biasShape = shape;
    addAttention(cases, name, bias, 2, 2, 16, 16);
  }
  bias.padding = true;
  bias.maskedRow = "zero";
  addAttention(cases, "bias_padding", bias, 2, 2, 16, 16);
  bias.maskedRow = "unmasked";
  bias.biasShape = "batch, 2, sequence, sequence";
  addAttention(cases, "bias_unmasked", bias, 2, 2, 16, 40);
  steep.range = 20; // the greatest scores of two queries may be hundreds apart, and most weights are 0
  for (const char *name : {"steep", "far_steep"}) {
    addAttention(cases, name, steep, 2, 2, 16, 16);
    cases.back().magnitude = steep.range * steep.range / 4;
    steep.far = steep.causal = true; // the first queries see few keys, of low scores only
  }
  softcap.softcap = 2.5;
  addAttention(cases, "softcap", softcap, 2, 2, 16, 16);
  addAttention(cases, "groups", causal, 6, 2, 16, 16);
  addAttention(cases, "multi_query", none, 4, 1, 8, 8);
  none.far = both.far = softcap.far = window.far = true;
  addAttention(cases, "far", none, 2, 1, 64, 64);
  addAttention(cases, "far_wide", none, 1, 1, 160, 224);
  addAttention(cases, "far_widest", none, 1, 1, 224, 208); // one stage of queries on sm_90a
  addAttention(cases, "far_causal_padding", both, 2, 2, 64, 48);
  both.left = true;
  both.maskedRow = "zero";
  addAttention(cases, "far_left_padding", both, 2, 2, 40, 40);
  both.left = false;
  both.maskedRow = "mean";
  addAttention(cases, "far_softcap", softcap, 1, 1, 96, 80);
  window.window = 40;
  addAttention(cases, "far_window", window, 2, 2, 32, 32);
  window.window = 2; // a tile's first query sees the last key of the tile before
  addAttention(cases, "far_narrow_window", window, 2, 2, 32, 32);
  window.window = 5;
  none.far = both.far = softcap.far = window.far = false;
  causal.cached = window.cached = both.cached = true;
  addAttention(cases, "cached", causal, 4, 2, 16, 16);
  causal.behind = true;
  causal.maskedRow = "zero";
  addAttention(cases, "cached_behind", causal, 2, 2, 16, 16);
  addAttention(cases, "cached_window", window, 2, 2, 16, 16);
  addAttention(cases, "cached_padding", both, 2, 2, 16, 16);
}

void addOthers(std::vector<Case> &cases) {
  for (const char *width : {"1", "7", "33", "64", "384"}) {
    std::string size = width;
    auto number = [](CaseBuilder &b, const char *value) {
      return b.constant(std::string("dense<") + value + "> : tensor<f32>");
    };
    auto mean = [=](CaseBuilder &b, Value x) {
      return b.op("reduce_mean", {x}, b.type("n, 1"), "axes = array<i64: 1>");
    };
    cases.push_back({"layer_norm_" + size,
                     [=](CaseBuilder &b) -> SmallVector<Value> {
                       return {b.op("layer_norm", {b.input("n, " + size), b.weight(size), b.weight(size)},
                                    b.type("n, " + size),
                                    "epsilon = 1.0e-5 : f64, operandSegmentSizes = array<i32: 1, 1, 1>")};
                     },
                     kRows, 128,
                     [=](CaseBuilder &b) -> SmallVector<Value> {
                       Value x = b.input("n, " + size), gain = b.weight(size), bias = b.weight(size);
                       Value centered = b.map("sub", {x, mean(b, x)});
                       Value variance = mean(b, b.map("mul", {centered, centered}));
                       Value scale = b.map("rsqrt", {b.map("add", {variance, number(b, "1.0e-5")})});
                       return {b.map("add", {b.map("mul", {b.map("mul", {centered, scale}), gain}), bias})};
                     }});
    cases.push_back({"rms_norm_" + size,
                     [=](CaseBuilder &b) -> SmallVector<Value> {
                       return {b.op("rms_norm", {b.input("n, " + size), b.weight(size)}, b.type("n, " + size),
                                    "epsilon = 1.0e-5 : f64")};
                     },
                     kRows, 128,
                     [=](CaseBuilder &b) -> SmallVector<Value> {
                       Value x = b.input("n, " + size), gain = b.weight(size);
                       Value scale =
                           b.map("rsqrt", {b.map("add", {mean(b, b.map("mul", {x, x})), number(b, "1.0e-5")})});
                       return {b.map("mul", {b.map("mul", {x, scale}), gain})};
                     }});
    cases.push_back({"l2_normalize_" + size,
                     [=](CaseBuilder &b) -> SmallVector<Value> {
                       return {
                           b.op("l2_normalize", {b.input("n, " + size)}, b.type("n, " + size), "floor = 0.125 : f64")};
                     },
                     kRows, 128,
                     [=](CaseBuilder &b) -> SmallVector<Value> {
                       Value x = b.input("n, " + size);
                       Value sum = b.op("reduce_sum", {b.map("mul", {x, x})}, b.type("n, 1"), "axes = array<i64: 1>");
                       return {b.map("div", {x, b.map("maximum", {b.map("sqrt", {sum}), number(b, "0.125")})})};
                     }});
  }
  cases.push_back({"layer_norm_long", // of which a row has many threads
                   [](CaseBuilder &b) -> SmallVector<Value> {
                     return {b.op("layer_norm", {b.input("n, 2500"), b.weight("2500"), b.weight("2500")},
                                  b.type("n, 2500"),
                                  "epsilon = 1.0e-5 : f64, operandSegmentSizes = array<i32: 1, 1, 1>")};
                   },
                   {{{"n", 1}}, {{"n", 3}}},
                   2500});
  cases.push_back({"reduce_sum_long", // likewise; and more blocks than rows
                   [](CaseBuilder &b) -> SmallVector<Value> {
                     return {b.op("reduce_sum", {b.input("n, 2500")}, b.type("n, 1"), "axes = array<i64: 1>")};
                   },
                   {{{"n", 5}}},
                   2500});
  cases.push_back({"softmax_reversed", // a thread reads what others of its team have kept
                   [](CaseBuilder &b) -> SmallVector<Value> {
                     Value x = b.map("mul", {b.input("n, 40"), b.constant("dense<0.5> : tensor<f32>")});
                     Value reversed =
                         b.op("slice", {x}, b.type("n, 40"), "starts = #tfm.dims<0, 39>, steps = array<i64: 1, -1>");
                     return {b.map("add", {b.op("softmax", {x}, b.type("n, 40"), "axis = 1 : i64"), reversed})};
                   },
                   {{{"n", 5}}},
                   40});
  cases.push_back({"layer_norm_plain",
                   [](CaseBuilder &b) -> SmallVector<Value> {
                     return {b.op("layer_norm", {b.input("batch, sequence, 48")}, b.type("batch, sequence, 48"),
                                  "epsilon = 1.0e-12 : f64, operandSegmentSizes = array<i32: 1, 0, 0>")};
                   },
                   kTokens, 128});
  for (bool interleaved : {false, true})
    for (const char *batch : {"batch", "1"}) {
      std::string angles = std::string(batch) + ", sequence, 4";
      cases.push_back({std::string("rotary") + (interleaved ? "_interleaved" : "") + (batch[0] == '1' ? "_shared" : ""),
                       [=](CaseBuilder &b) -> SmallVector<Value> { // 8 of 12 elements turn
                         Value x = b.input("batch, sequence, 36"), cos = b.input(angles), sin = b.input(angles);
                         return {b.op("rotary", {x, cos, sin}, b.type("batch, sequence, 36"),
                                      interleaved ? "heads = 3 : i64, interleaved" : "heads = 3 : i64")};
                       },
                       kTokens, 2,
                       [=](CaseBuilder &b) -> SmallVector<Value> {
                         Value x = b.input("batch, sequence, 36"), cos = b.input(angles), sin = b.input(angles);
                         x = b.op("reshape", {x}, b.type("batch, sequence, 3, 12"));
                         auto slice = [&](const char *start, const char *size, const char *step) {
                           return b.op("slice", {x}, b.type(std::string("batch, sequence, 3, ") + size),
                                       std::string("starts = #tfm.dims<0, 0, 0, ") + start +
                                           ">, steps = array<i64: 1, 1, 1, " + step + ">");
                         };
                         Value first = slice("0", "4", interleaved ? "2" : "1"), rest = slice("8", "4", "1");
                         Value second = slice(interleaved ? "1" : "4", "4", interleaved ? "2" : "1");
                         auto table = [&](Value t) {
                           return b.op("reshape", {t}, b.type(std::string(batch) + ", sequence, 1, 4"));
                         };
                         Value c = table(cos), s = table(sin);
                         Value turned = b.map("sub", {b.map("mul", {first, c}), b.map("mul", {second, s})});
                         Value other = b.map("add", {b.map("mul", {second, c}), b.map("mul", {first, s})});
                         if (interleaved) {
                           auto column = [&](Value v) {
                             return b.op("reshape", {v}, b.type("batch, sequence, 3, 4, 1"));
                           };
                           Value pairs = b.op("concat", {column(turned), column(other)},
                                              b.type("batch, sequence, 3, 4, 2"), "axis = 4 : i64");
                           turned = b.op("reshape", {pairs}, b.type("batch, sequence, 3, 8"));
                         } else {
                           turned = b.op("concat", {turned, other}, b.type("batch, sequence, 3, 8"), "axis = 3 : i64");
                         }
                         Value all = b.op("concat", {turned, rest}, b.type("batch, sequence, 3, 12"), "axis = 3 : i64");
                         return {b.op("reshape", {all}, b.type("batch, sequence, 36"))};
                       }});
    }
  std::vector<Binding> padded = kTokens;
  padded.push_back({{"batch", 1}, {"sequence", 64}}); // two tiles of rows, all of which are read
  struct Padding {
    const char *name;
    Fill::Kind kind;
    std::vector<Binding> bindings;
  };
  // In the far one tiles of padding alone lie behind others, in the left one before another.
  for (const Padding &padding : {Padding{"padded_encoder", Fill::Prefixes, padded},
                                 Padding{"encoder_far_padded", Fill::Prefixes, {{{"batch", 2}, {"sequence", 300}}}},
                                 Padding{"encoder_left_padded", Fill::Suffixes, {{{"batch", 1}, {"sequence", 119}}}}})
    cases.push_back({padding.name,
                     [kind = padding.kind](CaseBuilder &b) -> SmallVector<Value> { // rows of padding aren't computed
                       RankedTensorType rows = b.type("batch, sequence, 64");
                       Value x = b.input("batch, sequence, 64"), mask = b.input("batch, sequence", "i64", {kind});
                       Value keep = b.map("compare", {mask, b.constant("dense<0> : tensor<i64>")}, "i1",
                                          "predicate = #tfm.predicate<ne>");
                       auto linear = [&](Value input, const char *weight, const char *result) {
                         return b.op("linear", {input, b.weight(weight, 0.3)}, b.type(result));
                       };
                       auto norm = [&](Value input) {
                         return b.op("layer_norm", {b.map("add", {input, x})}, rows,
                                     "epsilon = 1.0e-5 : f64, operandSegmentSizes = array<i32: 1, 0, 0>");
                       };
                       SmallVector<Value> heads;
                       for (int i = 0; i < 3; ++i)
                         heads.push_back(linear(x, "64, 64", "batch, sequence, 64"));
                       heads.push_back(keep);
                       Value seen = b.op("attention", heads, rows,
                                         "heads = 2 : i64, kv_heads = 2 : i64, scale = 0.2 : f64, masked_row = "
                                         "#tfm.masked_row<mean>, operandSegmentSizes = array<i32: 1, 1, 1, 0, 1>");
                       Value y = norm(linear(seen, "64, 64", "batch, sequence, 64"));
                       Value wide = b.map("gelu", {linear(y, "64, 96", "batch, sequence, 96")});
                       y = norm(linear(wide, "96, 64", "batch, sequence, 64"));
                       Value weights = b.op("cast", {mask}, b.type("batch, sequence"));
                       return {b.op("mean_pool", {y, weights}, b.type("batch, 64"), "floor = 1.0e-9 : f64")};
                     },
                     padding.bindings, 200});
  cases.push_back({"embedding",
                   [](CaseBuilder &b) -> SmallVector<Value> {
                     Value ids = b.input("batch, sequence", "i64", {Fill::Uniform, -50, 50});
                     return {b.op("embedding", {ids, b.weight("50, 33")}, b.type("batch, sequence, 33"))};
                   },
                   kTokens, 0,
                   [](CaseBuilder &b) -> SmallVector<Value> {
                     Value ids = b.input("batch, sequence", "i64", {Fill::Uniform, -50, 50});
                     return {
                         b.op("gather", {b.weight("50, 33"), ids}, b.type("batch, sequence, 33"), "axis = 0 : i64")};
                   }});
  cases.push_back({"embeddings_norm",
                   [](CaseBuilder &b) -> SmallVector<Value> { // words, types and positions
                     Value ids = b.input("batch, sequence", "i64", {Fill::Uniform, 0, 50});
                     Value types = b.input("batch, sequence", "i64", {Fill::Uniform, 0, 2});
                     Value x = b.op("embedding", {ids, b.weight("50, 48")}, b.type("batch, sequence, 48"));
                     Value y = b.op("embedding", {types, b.weight("2, 48")}, b.type("batch, sequence, 48"));
                     Value z = b.op("slice", {b.weight("1024, 48")}, b.type("sequence, 48"),
                                    "starts = #tfm.dims<0, 0>, steps = array<i64: 1, 1>");
                     Value sum = b.map("add", {b.map("add", {x, y}), z});
                     return {b.op("layer_norm", {sum, b.weight("48"), b.weight("48")}, b.type("batch, sequence, 48"),
                                  "epsilon = 1.0e-12 : f64, operandSegmentSizes = array<i32: 1, 1, 1>")};
                   },
                   kTokens, 128});
  cases.push_back(
      {"mean_pool",
       [](CaseBuilder &b) -> SmallVector<Value> {
         Value x = b.input("batch, sequence, 33"), mask = b.input("batch, sequence", "f32", {Fill::Mask});
         return {b.op("mean_pool", {x, mask}, b.type("batch, 33"), "floor = 1.0e-9 : f64")};
       },
       kTokens, 128,
       [](CaseBuilder &b) -> SmallVector<Value> {
         Value x = b.input("batch, sequence, 33"), mask = b.input("batch, sequence", "f32", {Fill::Mask});
         Value column = b.op("reshape", {mask}, b.type("batch, sequence, 1"));
         Value sum = b.op("reduce_sum", {b.map("mul", {x, column})}, b.type("batch, 1, 33"), "axes = array<i64: 1>");
         Value count = b.op("reduce_sum", {mask}, b.type("batch, 1"), "axes = array<i64: 1>");
         Value floor = b.constant("dense<1.0e-9> : tensor<f32>");
         return {b.map("div", {b.op("reshape", {sum}, b.type("batch, 33")), b.map("maximum", {count, floor})})};
       }});
}
} // namespace

std::vector<Case> conformance::getTransformerCases() {
  std::vector<Case> cases;
  addContractions(cases);
  addAttentions(cases);
  addOthers(cases);
  return cases;
}
