// Panels: ceildiv(N, width) blocks of K rows and `width` columns, the last one filled with zeros.
#include "compiler/Package/Layout.h"
#include "dialects/Tfm/Formats.h"
#include "dialects/Tfm/Weights.h"
#include "llvm/Support/CheckedArithmetic.h"
#include "llvm/Support/MathExtras.h"
#include <cstring>

using namespace mlir;
using namespace lathe;
using namespace lathe::package;

/// Panels of integers: depth codes of a column lie together, in ceildiv(K, depth) rows of `width` columns. Behind all
/// panels each column's scale in f32, then each column's sum of codes in i32.
static std::optional<uint64_t> getIntegerBytes(RankedTensorType type, kernel::PanelAttr layout) {
  uint64_t depth = layout.getDepth(), rows = type.getDimSize(layout.getTransposed());
  uint64_t columns = llvm::alignTo(uint64_t(type.getDimSize(!layout.getTransposed())), layout.getWidth());
  auto codes = llvm::checkedMulUnsigned<uint64_t>(columns, llvm::alignTo(rows, depth));
  return codes ? llvm::checkedAddUnsigned<uint64_t>(*codes, columns * (sizeof(float) + sizeof(int32_t))) : std::nullopt;
}

static void layOutIntegers(RankedTensorType type, kernel::PanelAttr layout, ArrayRef<char> bytes,
                           llvm::function_ref<void(ArrayRef<char>)> sink) {
  auto format = cast<tfm::IntFormatAttr>(type.getEncoding());
  tfm::IntCodes weight = tfm::unpackInt(type, bytes);
  bool transposed = layout.getTransposed();
  size_t depth = layout.getDepth(), width = layout.getWidth();
  size_t rows = type.getDimSize(transposed), columns = type.getDimSize(!transposed);
  size_t padded = llvm::alignTo(columns, width);
  auto codeAt = [&](size_t k, size_t n) -> int8_t {
    return k < rows && n < columns ? weight.codes[transposed ? n * rows + k : k * columns + n] : int8_t(0);
  };
  std::vector<int32_t> sums(padded);
  std::vector<char> panel;
  for (size_t first = 0; first < columns; first += width) {
    panel.clear();
    for (size_t k = 0; k < rows; k += depth)
      for (size_t n = first; n < first + width; ++n)
        for (size_t i = 0; i < depth; ++i) {
          panel.push_back(static_cast<char>(codeAt(k + i, n)));
          sums[n] += codeAt(k + i, n);
        }
    sink(panel);
  }
  std::vector<float> scales(padded);
  for (size_t n = 0; n < columns; ++n)
    scales[n] = weight.scales[n / format.getBlock()[!transposed]];
  sink({reinterpret_cast<const char *>(scales.data()), scales.size() * sizeof(float)});
  sink({reinterpret_cast<const char *>(sums.data()), sums.size() * sizeof(int32_t)});
}

std::optional<uint64_t> package::getStoredBytes(RankedTensorType type, kernel::PanelAttr layout) {
  if (layout && layout.getDepth() > 1)
    return getIntegerBytes(type, layout);
  auto bytes = tfm::getByteSize(type);
  if (!layout || !bytes || type.getNumElements() == 0)
    return bytes;
  uint64_t element = *bytes / type.getNumElements(), width = layout.getWidth();
  uint64_t rows = type.getDimSize(layout.getTransposed()), columns = type.getDimSize(!layout.getTransposed());
  auto padded = llvm::checkedMulUnsigned<uint64_t>(llvm::divideCeil(columns, width), width);
  auto elements = padded ? llvm::checkedMulUnsigned<uint64_t>(*padded, rows) : std::nullopt;
  return elements ? llvm::checkedMulUnsigned<uint64_t>(*elements, element) : std::nullopt;
}

void package::layOut(RankedTensorType type, kernel::PanelAttr layout, ArrayRef<char> bytes,
                     llvm::function_ref<void(ArrayRef<char>)> sink) {
  if (!layout || bytes.empty())
    return sink(bytes);
  if (layout.getDepth() > 1)
    return layOutIntegers(type, layout, bytes, sink);
  size_t element = bytes.size() / type.getNumElements(), width = layout.getWidth();
  size_t rows = type.getDimSize(layout.getTransposed()), columns = type.getDimSize(!layout.getTransposed());
  // A block of rows at a time, so that a transposed matrix is read in runs of whole cache lines.
  constexpr size_t kBlock = 64;
  std::vector<char> block(kBlock * width * element);
  for (size_t first = 0; first < columns; first += width) {
    size_t used = std::min(width, columns - first);
    for (size_t row = 0; row < rows; row += kBlock) {
      size_t count = std::min(kBlock, rows - row);
      std::fill(block.begin(), block.end(), 0);
      if (layout.getTransposed()) {
        for (size_t column = 0; column < used; ++column) {
          const char *from = bytes.data() + ((first + column) * rows + row) * element;
          char *to = block.data() + column * element;
          for (size_t i = 0; i < count; ++i)
            std::memcpy(to + i * width * element, from + i * element, element);
        }
      } else {
        for (size_t i = 0; i < count; ++i)
          std::memcpy(block.data() + i * width * element, bytes.data() + ((row + i) * columns + first) * element,
                      used * element);
      }
      sink(ArrayRef<char>(block).take_front(count * width * element));
    }
  }
}
