// Placements, checked at many values of the symbols: nothing that lives at one time overlaps, all lies in the arena.
#include "passes/Plan/Arena.h"
#include <gtest/gtest.h>
#include <random>

using namespace lathe;
using lathe::plan::Buffer;

namespace {
std::optional<Dim::Range> rangeOf(llvm::StringRef name) {
  return name == "b" ? Dim::Range{0, 32} : name == "s" ? Dim::Range{1, 512} : Dim::Range{0, 64};
}

int64_t valueOf(const Dim &dim, int64_t b, int64_t s, int64_t p) {
  auto value = dim.evaluate([&](llvm::StringRef name) {
    return std::optional<int64_t>(name == "b" ? b : name == "s" ? s : p);
  });
  EXPECT_TRUE(value) << dim.str().str();
  return value.value_or(-1);
}

/// Places and checks; returns the arena.
Dim place(std::vector<Buffer> &buffers) {
  auto arena = plan::placeBuffers(buffers, rangeOf);
  EXPECT_TRUE(arena);
  if (!arena)
    return Dim();
  EXPECT_TRUE(program::isMonotone(*arena)) << arena->str().str();
  for (int64_t b : {0, 1, 2, 7, 32})
    for (int64_t s : {1, 2, 15, 16, 17, 512})
      for (int64_t p : {0, 1, 5, 64}) {
        int64_t total = valueOf(*arena, b, s, p);
        for (const Buffer &x : buffers) {
          int64_t begin = valueOf(x.offset, b, s, p), end = begin + valueOf(x.size, b, s, p);
          EXPECT_EQ(begin % 64, 0);
          EXPECT_LE(end, total);
          for (const Buffer &y : buffers) {
            if (&x == &y || x.end < y.begin || y.end < x.begin)
              continue;
            int64_t from = valueOf(y.offset, b, s, p), to = from + valueOf(y.size, b, s, p);
            EXPECT_TRUE(begin == end || from == to || end <= from || to <= begin)
                << x.offset.str().str() << " and " << y.offset.str().str() << " at " << b << ", " << s << ", " << p;
          }
        }
      }
  return *arena;
}

Dim dim(const char *text) { return *Dim::parse(text); }
} // namespace

TEST(Arena, AnEncoderLayerTakesNoMoreThanItsPeak) {
  // x; q, k, v; attention's result; the first norm's; FFN's; the second norm's.
  std::vector<Buffer> buffers = {{dim("1536*b*s"), 0, 3, {}}, {dim("1536*b*s"), 1, 2, {}}, {dim("1536*b*s"), 1, 2, {}},
                                 {dim("1536*b*s"), 1, 2, {}}, {dim("1536*b*s"), 2, 3, {}}, {dim("1536*b*s"), 3, 5, {}},
                                 {dim("6144*b*s"), 4, 5, {}}, {dim("1536*b*s"), 5, 6, {}}};
  EXPECT_EQ(place(buffers), dim("9216*b*s"));
}

TEST(Arena, ADeadBuffersPlaceIsTakenOver) {
  std::vector<Buffer> buffers = {{dim("4*s"), 0, 1, {}}, {dim("4*s"), 1, 2, {}}, {dim("4*s"), 2, 3, {}}};
  place(buffers);
  EXPECT_EQ(buffers[0].offset, buffers[2].offset);
}

TEST(Arena, RandomBuffers) {
  const char *sizes[] = {"4*b*s",           "1536*b*s",       "48*b*s*s", "b*s", "8*s",    "100",
                         "4*b*max(s, 2*p)", "12*b*(p + s)*s", "0",        "4*p", "20*b*p", "64*floordiv(s, 8)*b"};
  std::mt19937 random(1);
  for (int round = 0; round < 8; ++round) {
    std::vector<Buffer> buffers;
    for (int i = 0; i < 16; ++i) {
      unsigned begin = static_cast<unsigned>(random() % 20);
      buffers.push_back(
          {dim(sizes[random() % std::size(sizes)]), begin, begin + static_cast<unsigned>(random() % 6), {}});
    }
    place(buffers);
  }
}

TEST(Arena, WhatOverflowsIsNotPlaced) {
  std::vector<Buffer> buffers = {{dim("4611686018427387904*s"), 0, 1, {}}};
  EXPECT_EQ(plan::placeBuffers(buffers, rangeOf), std::nullopt);
}

TEST(Arena, OrderIsProvenNotGuessed) {
  EXPECT_TRUE(plan::isLessEqual(dim("4*b*s"), dim("8*b*s"), rangeOf));
  EXPECT_TRUE(plan::isLessEqual(dim("64*floordiv(4*b*s + 63, 64)"), dim("1536*b*s"), rangeOf));
  EXPECT_FALSE(plan::isLessEqual(dim("64*floordiv(4*b*s + 63, 64)"), dim("32*b*s"), rangeOf)); // not at 1, 1
  EXPECT_FALSE(plan::isLessEqual(dim("4*s"), dim("4*b*s"), rangeOf));                          // not at b = 0
  EXPECT_FALSE(plan::isLessEqual(dim("4*b"), dim("4*s"), rangeOf));
}
