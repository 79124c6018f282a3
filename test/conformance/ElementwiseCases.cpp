// Elementwise ops and reductions.
#include "test/conformance/Cases.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::conformance;

namespace {
/// Sizes around vectors and tiles: 0, 1, primes, one past 16, 32, 64.
const std::vector<Binding> kLengths = {{{"n", 0}},  {{"n", 1}},  {{"n", 7}},  {{"n", 13}}, {{"n", 16}},
                                       {{"n", 17}}, {{"n", 31}}, {{"n", 33}}, {{"n", 65}}, {{"n", 127}}};
const std::vector<Binding> kFew = {{{"n", 0}}, {{"n", 1}}, {{"n", 7}}, {{"n", 33}}};
const std::vector<Binding> kPairs = {{{"n", 1}, {"m", 1}}, {{"n", 7}, {"m", 7}},  {{"n", 3}, {"m", 17}},
                                     {{"n", 0}, {"m", 5}}, {{"n", 33}, {"m", 1}}, {{"n", 13}, {"m", 31}}};

void addUnary(std::vector<Case> &cases, StringRef name, Fill fill, int64_t terms, StringRef element = "f32",
              StringRef attributes = "") {
  std::string op = name.str(), type = element.str(), extra = attributes.str();
  std::string label =
      op + "_" + type + (extra.empty() ? "" : "_" + StringRef(extra).split('<').second.split('>').first.str());
  cases.push_back(
      {label,
       [=](CaseBuilder &b) -> SmallVector<Value> { return {b.map(op, {b.input("n", type, fill)}, type, extra)}; },
       element == "f32" ? kLengths : kFew, terms});
}

void addBinary(std::vector<Case> &cases, StringRef name, Fill fill, int64_t terms, StringRef element = "f32") {
  std::string op = name.str(), type = element.str();
  cases.push_back({op + "_" + type,
                   [=](CaseBuilder &b) -> SmallVector<Value> {
                     return {b.map(op, {b.input("n", type, fill), b.input("n", type, fill)}, type)};
                   },
                   kLengths, terms});
}
} // namespace

std::vector<Case> conformance::getElementwiseCases() {
  std::vector<Case> cases;
  Fill wide{Fill::Special, -20, 20}, positive{Fill::Uniform, 0.01, 30}, unit{Fill::Special, -4, 4};
  Fill integers{Fill::Special, -100, 100}, angle{Fill::Uniform, -500, 500};

  for (const char *op : {"abs", "neg", "relu", "floor", "ceil", "round", "sign"})
    addUnary(cases, op, wide, 0);
  for (const char *op : {"exp", "erf", "tanh", "sigmoid", "silu"})
    addUnary(cases, op, unit, 1);
  addUnary(cases, "exp", {Fill::Uniform, -90, 88}, 1, "f32");
  cases.back().name = "exp_range";
  for (const char *op : {"log", "sqrt", "rsqrt", "reciprocal"})
    addUnary(cases, op, positive, 1);
  for (const char *op : {"sin", "cos"})
    addUnary(cases, op, angle, 1);
  for (const char *kind : {"erf", "tanh", "quick"}) {
    addUnary(cases, "gelu", {Fill::Uniform, -8, 8}, 1, "f32", ("kind = #tfm.gelu_kind<" + Twine(kind) + ">").str());
    if (StringRef(kind) == "erf")
      cases.back().magnitude = 4; // x/2 + x/2 erf(x/sqrt 2): a sum of terms of up to 4, which cancel below 0
  }
  for (const char *type : {"i32", "i64", "i8"})
    for (const char *op : {"abs", "neg", "relu", "sign", "not"})
      addUnary(cases, op, integers, 0, type);
  addUnary(cases, "not", {Fill::Prefixes}, 0, "i1");

  for (const char *op : {"add", "sub", "mul", "div"})
    addBinary(cases, op, wide, 1);
  for (const char *op : {"minimum", "maximum"})
    addBinary(cases, op, wide, 0);
  addBinary(cases, "mod", {Fill::Uniform, 1, 20}, 1);
  addBinary(cases, "pow", {Fill::Uniform, 0.1, 3}, 1);
  addBinary(cases, "swiglu", {Fill::Uniform, -4, 4}, 1);
  for (const char *type : {"i64", "i32", "ui8"})
    for (const char *op : {"add", "sub", "mul", "div", "mod", "minimum", "maximum", "and", "or", "xor"})
      addBinary(cases, op, integers, 0, type);
  for (const char *op : {"and", "or", "xor"})
    addBinary(cases, op, {Fill::Uniform, 0, 2}, 0, "i1");

  for (const char *predicate : {"eq", "ne", "lt", "le", "gt", "ge"})
    for (const char *type : {"f32", "i64", "ui8"}) {
      std::string attribute = ("predicate = #tfm.predicate<" + Twine(predicate) + ">").str(), element = type;
      cases.push_back(
          {("compare_" + Twine(predicate) + "_" + type).str(),
           [=](CaseBuilder &b) -> SmallVector<Value> {
             Fill fill{Fill::Special, -3, 3};
             return {b.map("compare", {b.input("n", element, fill), b.input("n", element, fill)}, "i1", attribute)};
           },
           kFew});
    }
  cases.push_back(
      {"is_nan",
       [=](CaseBuilder &b) -> SmallVector<Value> { return {b.map("is_nan", {b.input("n", "f32", wide)}, "i1")}; },
       kLengths});
  cases.push_back({"is_inf",
                   [=](CaseBuilder &b) -> SmallVector<Value> {
                     Value x = b.input("n", "f32", wide);
                     return {b.map("is_inf", {x}, "i1"), b.map("is_inf", {x}, "i1", "negative = false"),
                             b.map("is_inf", {x}, "i1", "positive = false")};
                   },
                   kLengths});
  cases.push_back({"select_broadcast",
                   [=](CaseBuilder &b) -> SmallVector<Value> {
                     Value c = b.input("n, 1", "i1", {Fill::Uniform, 0, 2}), x = b.input("m"), y = b.input("n, m");
                     return {b.map("select", {c, x, y})};
                   },
                   kPairs});
  for (auto [from, to] : std::initializer_list<std::pair<const char *, const char *>>{{"f32", "i64"},
                                                                                      {"f32", "i32"},
                                                                                      {"f32", "i8"},
                                                                                      {"f32", "ui8"},
                                                                                      {"f32", "i1"},
                                                                                      {"f32", "f16"},
                                                                                      {"f16", "f32"},
                                                                                      {"i64", "f32"},
                                                                                      {"i32", "f32"},
                                                                                      {"i64", "i32"},
                                                                                      {"i32", "i64"},
                                                                                      {"i1", "f32"},
                                                                                      {"i1", "i64"},
                                                                                      {"i64", "i1"},
                                                                                      {"ui8", "f32"},
                                                                                      {"i64", "i8"}}) {
    std::string source = from, target = to;
    cases.push_back({"cast_" + source + "_" + target,
                     [=](CaseBuilder &b) -> SmallVector<Value> {
                       return {b.map("cast", {b.input("n", source, {Fill::Special, -300, 300})}, target)};
                     },
                     kFew});
  }

  // Broadcasting: a scalar, the last dimension, the first, both sides, and equal symbols.
  auto broadcast = [&](const char *name, std::string x, std::string y) {
    cases.push_back({std::string("broadcast_") + name,
                     [=](CaseBuilder &b) -> SmallVector<Value> { return {b.map("add", {b.input(x), b.input(y)})}; },
                     kPairs, 1});
  };
  broadcast("scalar", "n, m", "");
  broadcast("last", "n, m", "m");
  broadcast("first", "n, m", "n, 1");
  broadcast("both", "n, 1", "m");
  broadcast("middle", "n, 5, m", "n, 1, m");
  broadcast("rank4", "n, 1, m, 3", "5, 1, 3");
  cases.push_back({"chain",
                   [](CaseBuilder &b) -> SmallVector<Value> {
                     Value x = b.input("n, m"), y = b.input("m"), z = b.map("mul", {x, y});
                     Value w = b.map("tanh", {b.map("add", {z, x})});
                     return {w, b.map("sub", {w, z})}; // two results of one chain
                   },
                   kPairs, 2});
  cases.push_back({"passes_through",
                   [](CaseBuilder &b) -> SmallVector<Value> {
                     Value x = b.input("n, m");
                     return {x, b.map("neg", {x}), b.constant("dense<[1.0, 2.0]> : tensor<2xf32>"), x};
                   },
                   kPairs});

  auto reduce = [&](const char *op, std::string element, std::string axes, std::string result, int64_t terms,
                    Fill fill) {
    std::string name = op;
    cases.push_back({name + "_" + element + "_" + result,
                     [=](CaseBuilder &b) -> SmallVector<Value> {
                       Value x = b.input("n, 5, m", element, fill);
                       return {b.op(name, {x}, b.type(result, element), "axes = array<i64: " + axes + ">")};
                     },
                     kPairs, terms});
  };
  Fill mild{Fill::Uniform, 0.5, 1.5};
  for (auto [axes, result] : std::initializer_list<std::pair<const char *, const char *>>{
           {"2", "n, 5, 1"}, {"0", "1, 5, m"}, {"0, 1, 2", "1, 1, 1"}, {"0, 2", "1, 5, 1"}}) {
    reduce("reduce_sum", "f32", axes, result, 2000, {});
    reduce("reduce_mean", "f32", axes, result, 2000, {});
    reduce("reduce_max", "f32", axes, result, 0, unit);
    reduce("reduce_min", "f32", axes, result, 0, unit);
    reduce("reduce_sum", "i64", axes, result, 0, integers);
    reduce("reduce_max", "i64", axes, result, 0, integers);
  }
  reduce("reduce_prod", "f32", "1", "n, 1, m", 5, mild);
  reduce("reduce_prod", "f32", "2", "n, 5, 1", 31, mild);
  reduce("reduce_min", "i32", "2", "n, 5, 1", 0, integers);
  for (const char *op : {"arg_max", "arg_min"})
    for (bool last : {false, true})
      cases.push_back(
          {std::string(op) + (last ? "_last" : "_first"),
           [=](CaseBuilder &b) -> SmallVector<Value> {
             Value x = b.input("n, 6, m", "f32", {Fill::Uniform, 0, 4});
             x = b.map("floor", {x}); // so that there are ties
             return {b.op(op, {x}, b.type("n, 1, m", "i64"), last ? "axis = 1 : i64, last = true" : "axis = 1 : i64")};
           },
           kPairs});
  for (const char *axis : {"0", "1", "2"})
    cases.push_back({std::string("softmax_") + axis,
                     [=](CaseBuilder &b) -> SmallVector<Value> {
                       Value x = b.input("n, 5, m", "f32", {Fill::Uniform, -10, 10});
                       return {b.op("softmax", {x}, b.type("n, 5, m"), std::string("axis = ") + axis + " : i64")};
                     },
                     kPairs, 32});
  for (const char *flags : {"", ", exclusive = true", ", reverse = true", ", exclusive = true, reverse = true"})
    for (const char *type : {"f32", "i64"}) {
      std::string element = type, attributes = std::string("axis = 1 : i64") + flags;
      std::string label = StringRef(flags).contains("exclusive") ? "_exclusive" : "";
      label += StringRef(flags).contains("reverse") ? "_reverse" : "";
      cases.push_back({"cumsum_" + element + label,
                       [=](CaseBuilder &b) -> SmallVector<Value> {
                         Value x = b.input("n, m", element, {Fill::Uniform, -9, 9});
                         return {b.op("cumsum", {x}, b.type("n, m", element), attributes)};
                       },
                       kPairs, element == "f32" ? 320 : 0});
    }
  return cases;
}
