// Panels, against the definition element by element.
#include "compiler/Package/Layout.h"
#include <gtest/gtest.h>
#include <numeric>

using namespace mlir;
using namespace lathe;

namespace {
/// The stored elements of a K x N matrix (N x K if transposed) with elements 1, 2, ....
std::vector<float> layOut(int64_t k, int64_t n, int64_t width, bool transposed, int64_t depth = 1) {
  MLIRContext context;
  context.loadDialect<kernel::KernelDialect>();
  auto layout = kernel::PanelAttr::get(&context, width, transposed, depth);
  auto type =
      RankedTensorType::get(transposed ? ArrayRef<int64_t>{n, k} : ArrayRef<int64_t>{k, n}, Float32Type::get(&context));
  std::vector<float> elements(k * n), stored;
  std::iota(elements.begin(), elements.end(), 1);
  package::layOut(type, layout, ArrayRef<char>(reinterpret_cast<char *>(elements.data()), elements.size() * 4),
                  [&](ArrayRef<char> piece) {
                    auto *begin = reinterpret_cast<const float *>(piece.data());
                    stored.insert(stored.end(), begin, begin + piece.size() / 4);
                  });
  EXPECT_EQ(package::getStoredBytes(type, layout), stored.size() * 4);
  return stored;
}
} // namespace

TEST(Layout, TwoPanelsOfTwo) {
  // 1 2 3
  // 4 5 6
  EXPECT_EQ(layOut(2, 3, 2, false), (std::vector<float>{1, 2, 4, 5, 3, 0, 6, 0}));
  // transposed: 1 3 5 / 2 4 6
  EXPECT_EQ(layOut(2, 3, 2, true), (std::vector<float>{1, 3, 2, 4, 5, 0, 6, 0}));
}

TEST(Layout, EveryElementHasItsPlace) {
  for (bool transposed : {false, true})
    for (int64_t depth : {1, 2})
      for (int64_t k : {1, 63, 64, 65, 130})
        for (int64_t n : {1, 31, 32, 33, 97}) {
          std::vector<float> stored = layOut(k, n, 32, transposed, depth);
          int64_t rows = (k + depth - 1) / depth * depth, columns = (n + 31) / 32 * 32;
          ASSERT_EQ(stored.size(), static_cast<size_t>(columns * rows));
          for (int64_t row = 0; row < rows; ++row)
            for (int64_t column = 0; column < columns; ++column) {
              int64_t element = transposed ? column * k + row : row * n + column;
              int64_t place = column / 32 * 32 * rows + (row / depth * 32 + column % 32) * depth + row % depth;
              ASSERT_EQ(stored[place], row < k && column < n ? element + 1 : 0)
                  << k << "x" << n << " by " << depth << " at " << row << ", " << column;
            }
        }
}

TEST(Layout, SizesThatOverflow) {
  MLIRContext context;
  context.loadDialect<kernel::KernelDialect>();
  auto type = RankedTensorType::get({int64_t(1) << 58, 1}, Float32Type::get(&context));
  EXPECT_EQ(package::getStoredBytes(type, {}), uint64_t(1) << 60);
  EXPECT_EQ(package::getStoredBytes(type, kernel::PanelAttr::get(&context, 32, false, 1)), std::nullopt);
}
