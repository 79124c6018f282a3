// Panels: ceildiv(N, width) blocks of K rows and `width` columns, the last one filled with zeros.
#include "compiler/Package/Layout.h"
#include "dialects/Tfm/Weights.h"
#include "llvm/Support/CheckedArithmetic.h"
#include "llvm/Support/MathExtras.h"
#include <cstring>

using namespace mlir;
using namespace lathe;
using namespace lathe::package;

std::optional<uint64_t> package::getStoredBytes(RankedTensorType type, kernel::PanelAttr layout) {
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
