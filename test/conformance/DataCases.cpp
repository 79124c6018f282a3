// Ops that move elements, sources of values, and indices out of range.
#include "test/conformance/Cases.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::conformance;

namespace {
const std::vector<Binding> kPairs = {{{"n", 1}, {"m", 1}}, {{"n", 7}, {"m", 7}},  {{"n", 3}, {"m", 17}},
                                     {{"n", 0}, {"m", 5}}, {{"n", 33}, {"m", 1}}, {{"n", 13}, {"m", 31}}};
const std::vector<Binding> kCaches = {
    {{"n", 1}, {"m", 0}}, {{"n", 7}, {"m", 13}}, {{"n", 4}, {"m", 4}}, {{"n", 17}, {"m", 64}}};
} // namespace

std::vector<Case> conformance::getDataCases() {
  std::vector<Case> cases;
  auto add = [&](const char *name, const std::vector<Binding> &bindings, Build build) {
    cases.push_back({name, std::move(build), bindings});
  };
  add("reshape", kPairs, [](CaseBuilder &b) -> SmallVector<Value> {
    Value x = b.input("n, m, 6");
    return {b.op("reshape", {x}, b.type("n*m, 2, 3")), b.op("reshape", {x}, b.type("6*n*m"))};
  });
  for (const char *permutation : {"1, 0, 2", "0, 2, 1", "2, 1, 0", "1, 2, 0"}) {
    std::string axes = permutation, result;
    for (char c : axes)
      result += c == '0' ? "n" : c == '1' ? "m" : c == '2' ? "5" : std::string(1, c);
    for (const char *type : {"f32", "i64", "i1"}) {
      std::string element = type;
      cases.push_back({"transpose_" + element + "_" + result,
                       [=](CaseBuilder &b) -> SmallVector<Value> {
                         Value x = b.input("n, m, 5", element, {Fill::Uniform, 0, 2});
                         return {
                             b.op("transpose", {x}, b.type(result, element), "permutation = array<i64: " + axes + ">")};
                       },
                       kPairs});
    }
  }
  add("transpose_heads", kPairs, [](CaseBuilder &b) -> SmallVector<Value> {
    Value x = b.op("reshape", {b.input("n, m, 12")}, b.type("n, m, 3, 4"));
    return {b.op("transpose", {x}, b.type("n, 3, m, 4"), "permutation = array<i64: 0, 2, 1, 3>")};
  });
  add("expand", kPairs, [](CaseBuilder &b) -> SmallVector<Value> {
    b.input("m");
    Value x = b.input("n, 1"), y = b.input("");
    return {b.op("expand", {x}, b.type("3, n, m")), b.op("expand", {y}, b.type("n, m"))};
  });
  add("slice", kPairs, [](CaseBuilder &b) -> SmallVector<Value> {
    Value x = b.input("n, m, 10");
    return {
        b.op("slice", {x}, b.type("n, m, 4"), "starts = #tfm.dims<0, 0, 3>, steps = array<i64: 1, 1, 1>"),
        b.op("slice", {x}, b.type("n, m, 5"), "starts = #tfm.dims<0, 0, 9>, steps = array<i64: 1, 1, -2>"),
        b.op("slice", {x}, b.type("n, ceildiv(m, 2), 1"), "starts = #tfm.dims<0, 0, 9>, steps = array<i64: 1, 2, 1>")};
  });
  add("slice_by_symbol", kCaches, [](CaseBuilder &b) -> SmallVector<Value> { // the last n of m + n rows, backwards too
    b.input("n"), b.input("m");
    Value x = b.input("m + n, 3");
    return {b.op("slice", {x}, b.type("n, 3"), "starts = #tfm.dims<m, 0>, steps = array<i64: 1, 1>"),
            b.op("slice", {x}, b.type("n, 3"), "starts = #tfm.dims<m + n - 1, 0>, steps = array<i64: -1, 1>")};
  });
  add("concat_axis0", kPairs, [](CaseBuilder &b) -> SmallVector<Value> {
    Value x = b.input("n, 3"), y = b.input("m, 3");
    return {b.op("concat", {x, y, x}, b.type("2*n + m, 3"), "axis = 0 : i64")};
  });
  add("concat_cache", kCaches, [](CaseBuilder &b) -> SmallVector<Value> {
    Value past = b.input("2, 3, m, 4"), now = b.input("2, 3, n, 4");
    return {b.op("concat", {past, now}, b.type("2, 3, m + n, 4"), "axis = 2 : i64")};
  });
  add("concat_last", kPairs, [](CaseBuilder &b) -> SmallVector<Value> {
    Value x = b.input("n, m, 3"), y = b.input("n, m, 5");
    return {b.op("concat", {x, y}, b.type("n, m, 8"), "axis = 2 : i64")};
  });
  add("pad", kPairs, [](CaseBuilder &b) -> SmallVector<Value> {
    Value x = b.input("n, m"), value = b.constant("dense<-7.0> : tensor<f32>");
    return {b.op("pad", {x, value}, b.type("n + 3, m + n"), "low = #tfm.dims<1, 0>, high = #tfm.dims<2, n>")};
  });
  add("gather_rows", kPairs, [](CaseBuilder &b) -> SmallVector<Value> {
    Value x = b.input("9, 5"), i = b.input("n, m", "i64", {Fill::Uniform, -9, 9});
    return {b.op("gather", {x, i}, b.type("n, m, 5"), "axis = 0 : i64")};
  });
  add("gather_last", kPairs, [](CaseBuilder &b) -> SmallVector<Value> {
    Value x = b.input("n, 4, 6", "i64", {Fill::Uniform, -50, 50}), i = b.input("m", "i32", {Fill::Uniform, -6, 6});
    return {b.op("gather", {x, i}, b.type("n, 4, m", "i64"), "axis = 2 : i64")};
  });
  add("gather_scalar", kPairs, [](CaseBuilder &b) -> SmallVector<Value> { // the first token of each row
    Value x = b.input("n, 7, 5"), i = b.constant("dense<0> : tensor<i64>");
    return {b.op("gather", {x, i}, b.type("n, 5"), "axis = 1 : i64")};
  });
  add("gather_elements", kPairs, [](CaseBuilder &b) -> SmallVector<Value> {
    Value x = b.input("n, 6"), i = b.input("n, m", "i64", {Fill::Uniform, -6, 6});
    return {b.op("gather_elements", {x, i}, b.type("n, m"), "axis = 1 : i64")};
  });
  add("gather_nd", kPairs, [](CaseBuilder &b) -> SmallVector<Value> {
    Value x = b.input("5, 6, 3"), i = b.input("n, m, 2", "i64", {Fill::Uniform, -5, 5});
    return {b.op("gather_nd", {x, i}, b.type("n, m, 3"))};
  });
  add("gather_nd_batch", kPairs, [](CaseBuilder &b) -> SmallVector<Value> {
    Value x = b.input("n, 6, 3"), i = b.input("n, m, 1", "i64", {Fill::Uniform, -6, 6});
    return {b.op("gather_nd", {x, i}, b.type("n, m, 3"), "batch_dims = 1 : i64")};
  });
  add("scatter_elements", kPairs, [](CaseBuilder &b) -> SmallVector<Value> {
    Value x = b.input("n, 8"), i = b.constant("dense<[[3, -1, 0]]> : tensor<1x3xi64>"), u = b.input("1, 3");
    x = b.op("concat", {x, b.input("1, 8")}, b.type("n + 1, 8"), "axis = 0 : i64"); // at least one row
    b.input("m");
    return {b.op("scatter_elements", {x, i, u}, b.type("n + 1, 8"), "axis = 1 : i64")};
  });
  add("scatter_nd", kPairs, [](CaseBuilder &b) -> SmallVector<Value> {
    Value x = b.input("6, m"), i = b.constant("dense<[[5], [-6]]> : tensor<2x1xi64>"), u = b.input("2, m");
    b.input("n");
    return {b.op("scatter_nd", {x, i, u}, b.type("6, m"))};
  });
  add("sources", kPairs, [](CaseBuilder &b) -> SmallVector<Value> {
    b.input("n"), b.input("m");
    return {b.op("extent", {}, b.type("3", "i64"), "extents = #tfm.dims<n*m, floordiv(n, 2), max(n, m)>"),
            b.op("extent", {}, b.type("", "i64"), "extents = #tfm.dims<n + m>"),
            b.op("iota", {}, b.type("n", "i64"), "start = #tfm.dims<m>, step = -3 : i64"), b.weight("3, 5"),
            b.constant("dense<[true, false]> : tensor<2xi1>")};
  });
  cases.push_back({"require",
                   [](CaseBuilder &b) -> SmallVector<Value> {
                     Value x = b.input("n"), y = b.input("m");
                     b.require("n", "m", "x0 and x1 have one length");
                     return {b.map("add", {x, b.op("reshape", {y}, b.type("n"))})};
                   },
                   {{{"n", 7}, {"m", 7}}, {{"n", 1}, {"m", 1}}},
                   1});
  cases.push_back({"require_fault", cases.back().build, {{{"n", 7}, {"m", 8}}}, 1, {}, "x0 and x1 have one length"});
  for (auto [name, low, high] :
       std::initializer_list<std::tuple<const char *, double, double>>{{"too_high", 5, 6}, {"too_low", -6, -5}}) {
    Fill fill{Fill::Uniform, low, high};
    cases.push_back({std::string("embedding_") + name,
                     [=](CaseBuilder &b) -> SmallVector<Value> {
                       Value ids = b.input("n, m", "i64", fill);
                       return {b.op("embedding", {ids, b.weight("5, 4")}, b.type("n, m, 4"))};
                     },
                     {{{"n", 2}, {"m", 3}}},
                     0,
                     {},
                     "x0"});
    cases.push_back({std::string("gather_") + name,
                     [=](CaseBuilder &b) -> SmallVector<Value> {
                       Value x = b.input("5, 4"), i = b.input("n", "i64", fill);
                       return {b.op("gather", {x, i}, b.type("n, 4"), "axis = 0 : i64")};
                     },
                     {{{"n", 3}}},
                     0,
                     {},
                     "x1"});
  }
  return cases;
}
