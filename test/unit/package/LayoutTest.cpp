// Panels, against the definition element by element.
#include "compiler/Package/Layout.h"
#include "dialects/Tfm/Formats.h"
#include "mlir/AsmParser/AsmParser.h"
#include <cstring>
#include <gtest/gtest.h>
#include <numeric>
#include <random>

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

// The panels of a bitmap are a tensor in that format: of the same values, at each one's place, and 0 beside the matrix.
TEST(Layout, BitmapsKeepTheirValues) {
  MLIRContext context;
  context.loadDialect<kernel::KernelDialect, tfm::TfmDialect>();
  std::mt19937 random(1);
  struct Values {
    std::string format;
    int64_t depth;
  };
  for (int64_t k : {1, 4, 37, 64})
    for (int64_t n : {1, 16, 33})
      for (bool transposed : {false, true}) {
        auto block = [&](int64_t along, int64_t across) {
          std::pair<int64_t, int64_t> sizes = transposed ? std::pair(across, along) : std::pair(along, across);
          return ", block = [" + std::to_string(sizes.first) + ", " + std::to_string(sizes.second) + "]";
        };
        for (const Values &values :
             {Values{"", 1}, Values{", values = #tfm.float<type = f16>", 1},
              Values{", values = #tfm.int<bits = 8" + block(k, 1) + ", scale = f16>", 1},
              Values{", values = #tfm.int<bits = 4" + block(12, 3) + ", scale = bf16, zero_points = true>", 1},
              Values{", values = #tfm.float<type = f8E5M2" + block(5, 1) + ", scale = f32>", 1},
              Values{", values = #tfm.int<bits = 8" + block(k + 9, 1) + ", scale = f16>", 4},
              Values{", values = #tfm.int<bits = 6" + block(k, 2) + ", scale = bf16>", 4}})
          for (int64_t kept : {int64_t(0), k * n / 2, k * n}) {
            std::string format = "#tfm.bitmap<kept = " + std::to_string(kept) + values.format + ">";
            auto type = RankedTensorType::get(transposed ? ArrayRef<int64_t>{n, k} : ArrayRef<int64_t>{k, n},
                                              Float32Type::get(&context), parseAttribute(format, &context));
            std::vector<float> elements(k * n);
            for (float &element : elements)
              element = std::uniform_real_distribution<float>(-1, 1)(random);
            std::vector<char> bytes = tfm::encode(type, elements), stored;
            auto layout = kernel::PanelAttr::get(&context, 16, transposed, values.depth);
            package::layOut(type, layout, bytes,
                            [&](ArrayRef<char> piece) { stored.insert(stored.end(), piece.begin(), piece.end()); });
            ASSERT_EQ(package::getStoredBytes(type, layout), stored.size());
            package::BitmapPanels at = package::getBitmapPanels(type, layout);
            std::vector<float> wanted = tfm::decode(type, bytes), got = tfm::decode(at.tensor, stored);
            // Of integers a column's four rows are next to each other.
            int64_t together = values.depth > 1 ? 4 : 1, steps = at.tensor.getDimSize(1);
            tfm::FormatLayout parts = *tfm::getFormatLayout(at.tensor);
            for (int64_t i = 0; i < at.tensor.getNumElements(); ++i) {
              int64_t cell = i / together, row = cell / 16 % steps * together + i % together;
              int64_t column = cell / 16 / steps * 16 + cell % 16;
              float want = row < k && column < n ? wanted[transposed ? column * k + row : row * n + column] : 0;
              ASSERT_EQ(got[i], want) << format << " " << k << "x" << n << " at " << row << ", " << column;
            }
            for (int64_t column = 0; values.depth > 1 && column < n; ++column) {
              float scale, sum = 0;
              int32_t codes;
              std::memcpy(&scale, &stored[parts.scales + column * 4], sizeof scale);
              std::memcpy(&codes, &stored[at.sums + column * 4], sizeof codes);
              for (int64_t row = 0; row < k; ++row)
                sum += std::nearbyint(wanted[transposed ? column * k + row : row * n + column] / scale);
              ASSERT_EQ(codes, sum) << format << " " << k << "x" << n << " at " << column;
            }
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
