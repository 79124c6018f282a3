// Panels: ceildiv(N, width) blocks of K rows and `width` columns, the last one filled with zeros. Of 16-bit floats, the
// elements of two rows lie together, column by column.
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

/// Panels of packed codes, integers or small floats: K rows of `width` codes each, of 8 or 4 bits; of 4, the first half
/// of the columns in the low bits. Behind all panels the scales of each block along K, one for each column next to each
/// other, at a multiple of 64 bytes; then the zero points likewise.
PackedPanels package::getPackedPanels(RankedTensorType type, kernel::PanelAttr layout) {
  tfm::PackedCodes format = *tfm::getPackedCodes(type.getEncoding());
  uint64_t rows = type.getDimSize(layout.getTransposed());
  PackedPanels at;
  at.columns = llvm::alignTo(uint64_t(type.getDimSize(!layout.getTransposed())), layout.getWidth());
  at.group = format.block[layout.getTransposed()];
  uint64_t groups = llvm::divideCeil(rows, at.group);
  // The weight's own size didn't overflow, and this one is close.
  at.scales = llvm::alignTo(at.columns * rows * format.bits / 8, 64);
  at.zeros = llvm::alignTo(at.scales + groups * at.columns * format.scale.getIntOrFloatBitWidth() / 8, 64);
  at.size = format.zeroPoints ? at.zeros + groups * at.columns : at.zeros;
  return at;
}

static void layOutPacked(RankedTensorType type, kernel::PanelAttr layout, ArrayRef<char> bytes,
                         llvm::function_ref<void(ArrayRef<char>)> sink) {
  tfm::PackedCodes format = *tfm::getPackedCodes(type.getEncoding());
  tfm::FormatLayout from = *tfm::getFormatLayout(type);
  PackedPanels at = getPackedPanels(type, layout);
  bool transposed = layout.getTransposed();
  size_t width = layout.getWidth(), rows = type.getDimSize(transposed), columns = type.getDimSize(!transposed);
  auto codeAt = [&](size_t k, size_t n) -> uint8_t {
    size_t place = transposed ? n * rows + k : k * columns + n;
    if (n >= columns)
      return 0;
    auto byte = static_cast<uint8_t>(bytes[from.codes + place * format.bits / 8]);
    return format.bits == 4 ? byte >> place % 2 * 4 & 15 : byte;
  };
  std::vector<char> panel;
  for (size_t first = 0; first < columns; first += width) {
    panel.clear();
    for (size_t k = 0; k < rows; ++k)
      for (size_t n = 0; n < (format.bits == 4 ? width / 2 : width); ++n)
        panel.push_back(static_cast<char>(
            format.bits == 4 ? codeAt(k, first + n) | (codeAt(k, first + n + width / 2) << 4) : codeAt(k, first + n)));
    sink(panel);
  }
  std::vector<char> rest(at.size - at.columns * rows * format.bits / 8);
  size_t begin = at.size - rest.size(), groups = llvm::divideCeil(rows, at.group);
  size_t scaleBytes = format.scale.getIntOrFloatBitWidth() / 8;
  size_t share = format.block[!transposed], across = llvm::divideCeil(columns, share);
  for (size_t g = 0; g < groups; ++g)
    for (size_t n = 0; n < columns; ++n) {
      size_t block = transposed ? n / share * groups + g : g * across + n / share, place = g * at.columns + n;
      std::memcpy(rest.data() + (at.scales - begin) + place * scaleBytes,
                  bytes.data() + from.scales + block * scaleBytes, scaleBytes);
      if (format.zeroPoints)
        rest[at.zeros - begin + place] = bytes[from.zeros + block];
    }
  sink(rest);
}

SparsePanels package::getSparsePanels(RankedTensorType type, kernel::PanelAttr layout) {
  auto format = cast<tfm::SparseFormatAttr>(type.getEncoding());
  SparsePanels at;
  at.kept = *tfm::getKeptType(type);
  if (!tfm::getPackedCodes(format.getValues()))
    at.kept = tfm::getPlainType(at.kept);
  at.blocks = llvm::divideCeil(type.getDimSize(format.getAxis()), 64) * 2;
  at.metadata = llvm::alignTo(*getStoredBytes(at.kept, layout), 64);
  uint64_t panels = llvm::divideCeil(type.getDimSize(!layout.getTransposed()), layout.getWidth());
  at.size = at.metadata + panels * at.blocks * 64;
  return at;
}

static void layOutSparse(RankedTensorType type, kernel::PanelAttr layout, ArrayRef<char> bytes,
                         llvm::function_ref<void(ArrayRef<char>)> sink) {
  SparsePanels at = getSparsePanels(type, layout);
  tfm::FormatLayout from = *tfm::getFormatLayout(type);
  Attribute format = tfm::getFormat(*tfm::getKeptType(type));
  auto values = RankedTensorType::get(at.kept.getShape(), Float32Type::get(type.getContext()), format);
  ArrayRef<char> kept = bytes.drop_front(from.codes).take_front(*tfm::getByteSize(values));
  std::vector<char> narrow;
  if (!tfm::getFormat(at.kept)) { // rounded to the weight's type
    std::vector<float> decoded(values.getNumElements());
    if (format)
      decoded = tfm::decode(values, kept);
    else
      std::memcpy(decoded.data(), kept.data(), kept.size());
    narrow =
        tfm::encode(RankedTensorType::get(values.getShape(), values.getElementType(),
                                          tfm::FloatFormatAttr::get(type.getContext(), type.getElementType(), {}, {})),
                    decoded);
    narrow.resize(decoded.size() * 2);
    kept = narrow;
  }
  uint64_t written = 0;
  package::layOut(at.kept, layout, kept, [&](ArrayRef<char> piece) {
    written += piece.size();
    sink(piece);
  });
  sink(std::vector<char>(at.metadata - written));

  bool transposed = layout.getTransposed();
  size_t rows = at.kept.getDimSize(transposed), columns = at.kept.getDimSize(!transposed), width = layout.getWidth();
  auto placeOf = [&](size_t k, size_t n) -> unsigned {
    if (k >= rows || n >= columns)
      return k % 2; // of nothing: zeros
    size_t place = transposed ? n * rows + k : k * columns + n;
    return static_cast<uint8_t>(bytes[from.indices + place / 4]) >> place % 4 * 2 & 3;
  };
  std::vector<uint32_t> words(at.blocks * 16);
  for (size_t first = 0; first < columns; first += width) {
    for (size_t word = 0; word < words.size(); ++word) {
      size_t column = first + word % 16 / 2, k = word / 16 * 16 + word % 2 * 8;
      words[word] = 0;
      for (size_t i = 0; i < 16; ++i)
        words[word] |= placeOf(k + i % 8, column + i / 8 * 8) << 2 * i;
    }
    sink({reinterpret_cast<const char *>(words.data()), words.size() * sizeof(uint32_t)});
  }
}

BitmapPanels package::getBitmapPanels(RankedTensorType type, kernel::PanelAttr layout) {
  auto format = cast<tfm::BitmapFormatAttr>(type.getEncoding());
  MLIRContext *context = type.getContext();
  int64_t depth = type.getDimSize(layout.getTransposed()), width = layout.getWidth();
  int64_t rows = llvm::alignTo(depth, 4), panels = llvm::divideCeil(type.getDimSize(!layout.getTransposed()), width);
  int64_t together = layout.getDepth(); // rows of a column next to each other
  bool isDeep = together > 1;
  auto blockOf = [&](DenseI64ArrayAttr block) {
    int64_t group = block[layout.getTransposed()];
    group = group < depth ? group : std::max<int64_t>(rows, 1);
    return isDeep ? DenseI64ArrayAttr::get(context, {1, int64_t(llvm::divideCeil(group, together)), 1, together})
                  : DenseI64ArrayAttr::get(context, {1, group, 1});
  };
  Attribute values = format.getValues();
  if (auto integers = dyn_cast_or_null<tfm::IntFormatAttr>(values)) {
    values =
        tfm::IntFormatAttr::get(context, isDeep ? 8 : integers.getBits(), blockOf(integers.getBlock()),
                                isDeep ? Float32Type::get(context) : integers.getScale(), integers.getZeroPoints());
  } else if (auto floats = dyn_cast_or_null<tfm::FloatFormatAttr>(values); floats && floats.getBlock()) {
    values = tfm::FloatFormatAttr::get(context, floats.getType(), blockOf(floats.getBlock()), floats.getScale());
  }
  BitmapPanels at;
  at.rows = rows;
  SmallVector<int64_t> shape{panels, rows, width};
  if (isDeep)
    shape = {panels, rows / together, width, together};
  at.tensor = RankedTensorType::get(shape, type.getElementType(),
                                    tfm::BitmapFormatAttr::get(context, format.getKept(), values));
  // The weight's own size didn't overflow, and this one is close.
  at.sums = llvm::alignTo(tfm::getFormatLayout(at.tensor)->size, 64);
  at.size = at.sums + (isDeep ? panels * width * sizeof(int32_t) : 64);
  return at;
}

static void layOutBitmap(RankedTensorType type, kernel::PanelAttr layout, ArrayRef<char> bytes,
                         llvm::function_ref<void(ArrayRef<char>)> sink) {
  BitmapPanels at = getBitmapPanels(type, layout);
  bool transposed = layout.getTransposed();
  size_t width = layout.getWidth(), together = layout.getDepth();
  size_t steps = at.tensor.getDimSize(1), depth = type.getDimSize(transposed), columns = type.getDimSize(!transposed);
  auto getColumn = [&](size_t i) { return i / together / width / steps * width + i / together % width; };
  std::vector<char> panels = tfm::reorderBitmap(type, bytes, at.tensor, [&](size_t i) -> int64_t {
    size_t k = i / together / width % steps * together + i % together, n = getColumn(i);
    return k >= depth || n >= columns ? -1 : transposed ? n * depth + k : k * columns + n;
  });
  panels.resize(at.size);
  if (layout.getDepth() > 1) {
    tfm::FormatLayout parts = *tfm::getFormatLayout(at.tensor);
    std::vector<int32_t> sums(at.tensor.getDimSize(0) * width);
    for (size_t i = 0, place = 0, count = at.tensor.getNumElements(); i < count; ++i)
      if (panels[parts.indices + i / 8] >> i % 8 & 1)
        sums[getColumn(i)] += static_cast<int8_t>(panels[parts.codes + place++]);
    std::memcpy(panels.data() + at.sums, sums.data(), sums.size() * sizeof(int32_t));
  }
  sink(panels);
}

std::optional<uint64_t> package::getStoredBytes(RankedTensorType type, kernel::PanelAttr layout) {
  if (layout && isa_and_nonnull<tfm::BitmapFormatAttr>(tfm::getFormat(type)))
    return getBitmapPanels(type, layout).size;
  if (layout && isa_and_nonnull<tfm::SparseFormatAttr>(tfm::getFormat(type)))
    return getSparsePanels(type, layout).size;
  if (layout && tfm::getFormat(type) && !tfm::getHalfType(type))
    return layout.getDepth() > 1 ? getIntegerBytes(type, layout) : getPackedPanels(type, layout).size;
  auto bytes = tfm::getByteSize(type);
  if (!layout || !bytes || type.getNumElements() == 0)
    return bytes;
  uint64_t element = *bytes / type.getNumElements(), width = layout.getWidth(); // a format's last byte drops out
  uint64_t rows = llvm::alignTo(uint64_t(type.getDimSize(layout.getTransposed())), layout.getDepth());
  uint64_t columns = type.getDimSize(!layout.getTransposed());
  auto padded = llvm::checkedMulUnsigned<uint64_t>(llvm::divideCeil(columns, width), width);
  auto elements = padded ? llvm::checkedMulUnsigned<uint64_t>(*padded, rows) : std::nullopt;
  return elements ? llvm::checkedMulUnsigned<uint64_t>(*elements, element) : std::nullopt;
}

void package::layOut(RankedTensorType type, kernel::PanelAttr layout, ArrayRef<char> bytes,
                     llvm::function_ref<void(ArrayRef<char>)> sink) {
  if (!layout || bytes.empty())
    return sink(bytes);
  if (isa_and_nonnull<tfm::SparseFormatAttr>(tfm::getFormat(type)))
    return layOutSparse(type, layout, bytes, sink);
  if (isa_and_nonnull<tfm::BitmapFormatAttr>(tfm::getFormat(type)))
    return layOutBitmap(type, layout, bytes, sink);
  if (tfm::getFormat(type) && !tfm::getHalfType(type))
    return layout.getDepth() > 1 ? layOutIntegers(type, layout, bytes, sink) : layOutPacked(type, layout, bytes, sink);
  size_t element = bytes.size() / type.getNumElements(), width = layout.getWidth(), depth = layout.getDepth();
  size_t rows = type.getDimSize(layout.getTransposed()), columns = type.getDimSize(!layout.getTransposed());
  // A block of rows at a time, so that a transposed matrix is read in runs of whole cache lines.
  constexpr size_t kBlock = 64;
  assert(kBlock % depth == 0);
  std::vector<char> block(kBlock * width * element);
  for (size_t first = 0; first < columns; first += width) {
    size_t used = std::min(width, columns - first);
    for (size_t row = 0; row < rows; row += kBlock) {
      size_t count = std::min(kBlock, rows - row);
      std::fill(block.begin(), block.end(), 0);
      auto put = [&](size_t i, size_t column, size_t elements) {
        size_t from = layout.getTransposed() ? (first + column) * rows + row + i : (row + i) * columns + first + column;
        std::memcpy(block.data() + ((i / depth * width + column) * depth + i % depth) * element,
                    bytes.data() + from * element, elements * element);
      };
      if (layout.getTransposed()) {
        for (size_t column = 0; column < used; ++column)
          for (size_t i = 0; i < count; ++i)
            put(i, column, 1);
      } else {
        for (size_t i = 0; i < count; ++i)
          for (size_t column = 0; column < used; column += depth > 1 ? 1 : used)
            put(i, column, depth > 1 ? 1 : used);
      }
      sink(ArrayRef<char>(block).take_front(llvm::alignTo(count, depth) * width * element));
    }
  }
}
