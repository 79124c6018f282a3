// Sizes, encoders and decoders of weights' formats.
#include "dialects/Tfm/Formats.h"
#include "dialects/Tfm/Weights.h"
#include "llvm/ADT/APFloat.h"
#include "llvm/ADT/bit.h"
#include "llvm/Support/CheckedArithmetic.h"
#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

using namespace mlir;
using namespace lathe;
using namespace lathe::tfm;

Attribute tfm::getFormat(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  Attribute encoding = tensor ? tensor.getEncoding() : Attribute();
  return encoding && !isa<DimsAttr>(encoding) ? encoding : Attribute();
}

RankedTensorType tfm::getPlainType(RankedTensorType type) {
  return getFormat(type) ? RankedTensorType::get(type.getShape(), type.getElementType()) : type;
}

RankedTensorType tfm::withFormat(RankedTensorType type, Attribute format) {
  return RankedTensorType::get(type.getShape(), type.getElementType(), format);
}

//===- Verifiers -===//

using EmitError = llvm::function_ref<InFlightDiagnostic()>;

static bool isScaleType(Type type) { return type.isF32() || type.isF16() || type.isBF16(); }

static LogicalResult verifyElements(StringRef constraint, ArrayRef<int64_t> shape, Type elementType, EmitError emit) {
  if (!isScaleType(elementType) || llvm::any_of(shape, ShapedType::isDynamic))
    return emit() << constraint << ": expected a static tensor of f32, f16 or bf16 under a weight's format";
  return success();
}

static LogicalResult verifyBlock(StringRef constraint, ArrayRef<int64_t> shape, DenseI64ArrayAttr block,
                                 EmitError emit) {
  if (block.size() != static_cast<int64_t>(shape.size()) ||
      llvm::any_of(block.asArrayRef(), [](int64_t size) { return size < 1; }))
    return emit() << constraint << ": expected a block of " << shape.size() << " sizes of at least 1, got " << block;
  return success();
}

LogicalResult IntFormatAttr::verifyEncoding(ArrayRef<int64_t> shape, Type elementType, EmitError emit) const {
  if (getBits() < 2 || getBits() > 8)
    return emit() << "C1: expected 2 to 8 bits, got " << getBits();
  if (failed(verifyBlock("C2", shape, getBlock(), emit)))
    return failure();
  if (!isScaleType(getScale()))
    return emit() << "C3: expected scales of f32, f16 or bf16, got " << getScale();
  return verifyElements("C4", shape, elementType, emit);
}

LogicalResult FloatFormatAttr::verifyEncoding(ArrayRef<int64_t> shape, Type elementType, EmitError emit) const {
  if (!isa<Float16Type, BFloat16Type, Float8E4M3FNType, Float8E5M2Type>(getType()))
    return emit() << "C1: expected f16, bf16, f8E4M3FN or f8E5M2, got " << getType();
  if (!getBlock() != !getScale())
    return emit() << "C2: expected block and scale, or neither";
  if (getBlock() && failed(verifyBlock("C2", shape, getBlock(), emit)))
    return failure();
  if (getScale() && !isScaleType(getScale()))
    return emit() << "C2: expected scales of f32, f16 or bf16, got " << getScale();
  return verifyElements("C3", shape, elementType, emit);
}

LogicalResult CodebookFormatAttr::verifyEncoding(ArrayRef<int64_t> shape, Type elementType, EmitError emit) const {
  if (getBits() < 1 || getBits() > 8)
    return emit() << "C1: expected 1 to 8 bits, got " << getBits();
  if (!isScaleType(getType()))
    return emit() << "C2: expected a table of f32, f16 or bf16, got " << getType();
  return verifyElements("C3", shape, elementType, emit);
}

static LogicalResult verifyValues(Attribute values, ArrayRef<int64_t> shape, Type elementType, EmitError emit) {
  if (!values)
    return success();
  if (!isa<IntFormatAttr, FloatFormatAttr, CodebookFormatAttr>(values))
    return emit() << "expected values in #tfm.int, #tfm.float or #tfm.codebook, got " << values;
  return cast<VerifiableTensorEncoding>(values).verifyEncoding(shape, elementType, emit);
}

LogicalResult SparseFormatAttr::verifyEncoding(ArrayRef<int64_t> shape, Type elementType, EmitError emit) const {
  if (getN() < 1 || getN() >= getM() || getM() > 16)
    return emit() << "C1: expected 1 <= n < m <= 16, got " << getN() << " of " << getM();
  if (getAxis() >= shape.size() || shape[getAxis()] % getM())
    return emit() << "C2: expected an axis whose size " << getM() << " divides, got " << getAxis();
  if (failed(verifyElements("C3", shape, elementType, emit)))
    return failure();
  return verifyValues(getValues(), shape, elementType, emit);
}

LogicalResult BitmapFormatAttr::verifyEncoding(ArrayRef<int64_t> shape, Type elementType, EmitError emit) const {
  if (failed(verifyElements("C2", shape, elementType, emit)))
    return failure();
  std::optional<uint64_t> count = 1;
  for (int64_t size : shape)
    count = count ? llvm::checkedMulUnsigned<uint64_t>(*count, size) : std::nullopt;
  if (!count || getKept() > *count)
    return emit() << "C1: expected at most as many kept values as there are elements, got " << getKept();
  return verifyValues(getValues(), shape, elementType, emit);
}

Type tfm::getHalfType(Type type) {
  Type element = getElementTypeOrSelf(type);
  if (Attribute format = getFormat(type)) {
    auto floats = dyn_cast<FloatFormatAttr>(format);
    if (!floats || floats.getBlock() || (!element.isF32() && element != floats.getType()))
      return Type(); // scaled, or rounded once more
    element = floats.getType();
  }
  return element.isF16() || element.isBF16() ? element : Type();
}

//===- Sizes -===//

SmallVector<int64_t> tfm::getBlockCounts(ArrayRef<int64_t> shape, ArrayRef<int64_t> block) {
  SmallVector<int64_t> counts;
  for (auto [size, step] : llvm::zip_equal(shape, block))
    counts.push_back(llvm::divideCeil(size, step));
  return counts;
}

/// Bits of an index within a group of m.
static unsigned getIndexBits(unsigned m) { return m <= 4 ? 2 : 4; }
/// Elements of a bitmap before which the kept ones are counted.
static constexpr int64_t kBitmapRun = 64;

namespace {
/// Adds parts, each at a multiple of 64 bytes.
struct Sizer {
  std::optional<uint64_t> end = 0;

  uint64_t add(std::optional<uint64_t> bytes) {
    uint64_t begin = end ? llvm::alignTo(*end, 64) : 0;
    end = end && bytes && *bytes < (uint64_t(1) << 60) && begin < (uint64_t(1) << 60)
              ? std::optional<uint64_t>(begin + *bytes)
              : std::nullopt;
    return begin;
  }
};
} // namespace

static std::optional<uint64_t> countElements(ArrayRef<int64_t> shape) {
  std::optional<uint64_t> count = 1;
  for (int64_t size : shape)
    count = count ? llvm::checkedMulUnsigned<uint64_t>(*count, size) : std::nullopt;
  return count;
}
/// Of `bits` for each element, and the byte behind.
static std::optional<uint64_t> packedBytes(std::optional<uint64_t> count, unsigned bits) {
  auto total = count ? llvm::checkedMulUnsigned<uint64_t>(*count, bits) : std::nullopt;
  return total ? std::optional<uint64_t>(llvm::divideCeil(*total, 8) + 1) : std::nullopt;
}
static std::optional<uint64_t> bytesOf(std::optional<uint64_t> count, uint64_t size) {
  return count ? llvm::checkedMulUnsigned<uint64_t>(*count, size) : std::nullopt;
}
static std::optional<uint64_t> bytesOf(std::optional<uint64_t> count, Type type) {
  return bytesOf(count, type.getIntOrFloatBitWidth() / 8);
}

unsigned tfm::getCodeBits(Attribute format) {
  if (auto integers = dyn_cast_or_null<IntFormatAttr>(format))
    return integers.getBits();
  if (auto floats = dyn_cast_or_null<FloatFormatAttr>(format))
    return floats.getType().getIntOrFloatBitWidth();
  auto codebook = dyn_cast_or_null<CodebookFormatAttr>(format);
  return codebook ? codebook.getBits() : 32; // f32
}

Attribute tfm::getValuesFormat(Attribute format) {
  if (auto sparse = dyn_cast_or_null<SparseFormatAttr>(format))
    return sparse.getValues();
  auto bitmap = dyn_cast_or_null<BitmapFormatAttr>(format);
  return bitmap ? bitmap.getValues() : format;
}

Attribute tfm::withValues(Attribute sparse, Attribute values) {
  if (auto nm = dyn_cast<SparseFormatAttr>(sparse))
    return SparseFormatAttr::get(sparse.getContext(), nm.getN(), nm.getM(), nm.getAxis(), values);
  return BitmapFormatAttr::get(sparse.getContext(), cast<BitmapFormatAttr>(sparse).getKept(), values);
}

bool tfm::isSparse(Attribute format) { return isa_and_nonnull<SparseFormatAttr, BitmapFormatAttr>(format); }

std::optional<RankedTensorType> tfm::getKeptType(RankedTensorType type) {
  auto format = cast<SparseFormatAttr>(getFormat(type));
  SmallVector<int64_t> shape(type.getShape());
  int64_t &size = shape[format.getAxis()];
  bool isWhole = true;
  auto keep = [&](DenseI64ArrayAttr block) {
    SmallVector<int64_t> sizes(block.asArrayRef());
    int64_t &along = sizes[format.getAxis()];
    along = std::max<int64_t>(std::min(along, size), 1); // one block has all, also where it has room for more
    isWhole = along % format.getM() == 0;
    along = along / format.getM() * format.getN();
    return DenseI64ArrayAttr::get(type.getContext(), sizes);
  };
  Attribute values = format.getValues();
  if (auto integers = dyn_cast_or_null<IntFormatAttr>(values))
    values = IntFormatAttr::get(type.getContext(), integers.getBits(), keep(integers.getBlock()), integers.getScale(),
                                integers.getZeroPoints());
  else if (auto floats = dyn_cast_or_null<FloatFormatAttr>(values); floats && floats.getBlock())
    values = FloatFormatAttr::get(type.getContext(), floats.getType(), keep(floats.getBlock()), floats.getScale());
  size = size / format.getM() * format.getN();
  return isWhole ? std::optional(RankedTensorType::get(shape, type.getElementType(), values)) : std::nullopt;
}

/// How many of a tensor's elements have a code.
static std::optional<uint64_t> countKept(Attribute format, ArrayRef<int64_t> shape) {
  if (auto bitmap = dyn_cast<BitmapFormatAttr>(format))
    return bitmap.getKept();
  SmallVector<int64_t> kept(shape);
  if (auto sparse = dyn_cast<SparseFormatAttr>(format))
    kept[sparse.getAxis()] = kept[sparse.getAxis()] / sparse.getM() * sparse.getN();
  return countElements(kept);
}

std::optional<FormatLayout> tfm::getFormatLayout(RankedTensorType type) {
  Attribute format = getFormat(type), values = getValuesFormat(format);
  std::optional<uint64_t> count = countElements(type.getShape()), kept = countKept(format, type.getShape());
  FormatLayout layout;
  Sizer sizer;
  auto countBlocks = [&](DenseI64ArrayAttr block) { return countElements(getBlockCounts(type.getShape(), block)); };
  layout.codes = sizer.add(values ? packedBytes(kept, getCodeBits(values)) : bytesOf(kept, sizeof(float)));
  if (auto integers = dyn_cast_or_null<IntFormatAttr>(values)) {
    layout.scales = sizer.add(bytesOf(countBlocks(integers.getBlock()), integers.getScale()));
    if (integers.getZeroPoints())
      layout.zeros = sizer.add(countBlocks(integers.getBlock()));
  } else if (auto floats = dyn_cast_or_null<FloatFormatAttr>(values)) {
    if (floats.getBlock())
      layout.scales = sizer.add(bytesOf(countBlocks(floats.getBlock()), floats.getScale()));
  } else if (auto codebook = dyn_cast_or_null<CodebookFormatAttr>(values)) {
    layout.tables = sizer.add(bytesOf(uint64_t(1) << codebook.getBits(), codebook.getType()));
  }
  if (auto sparse = dyn_cast<SparseFormatAttr>(format)) {
    layout.indices = sizer.add(packedBytes(kept, getIndexBits(sparse.getM())));
  } else if (isa<BitmapFormatAttr>(format)) {
    // For each run of elements: its bits, and how many were kept before it.
    auto runs = count ? std::optional<uint64_t>(llvm::divideCeil(*count, kBitmapRun)) : std::nullopt;
    layout.indices = sizer.add(bytesOf(runs, kBitmapRun / 8));
    layout.counts = sizer.add(bytesOf(runs, sizeof(uint32_t)));
  }
  if (!sizer.end)
    return std::nullopt;
  layout.size = *sizer.end;
  return layout;
}

//===- Codes -===//

static void putBits(char *bytes, uint64_t index, unsigned bits, unsigned code) {
  uint64_t at = index * bits;
  unsigned shifted = (code & ((1u << bits) - 1)) << (at % 8);
  bytes[at / 8] = static_cast<char>(bytes[at / 8] | shifted);
  if (shifted >> 8)
    bytes[at / 8 + 1] = static_cast<char>(bytes[at / 8 + 1] | shifted >> 8);
}
static unsigned getBits(const char *bytes, uint64_t index, unsigned bits) {
  uint64_t at = index * bits;
  unsigned pair = static_cast<uint8_t>(bytes[at / 8]) | static_cast<uint8_t>(bytes[at / 8 + 1]) << 8;
  return pair >> (at % 8) & ((1u << bits) - 1);
}

static const llvm::fltSemantics &getSemantics(Type type) { return cast<FloatType>(type).getFloatSemantics(); }

/// The nearest value of a float type, halves to even, as bits; what is beyond the greatest becomes that (saturates).
static unsigned toBits(float value, Type type) {
  llvm::APFloat x(value);
  bool loses;
  x.convert(getSemantics(type), llvm::APFloat::rmNearestTiesToEven, &loses);
  if (!x.isFinite() && std::isfinite(value))
    x = llvm::APFloat::getLargest(getSemantics(type), std::signbit(value));
  return static_cast<unsigned>(x.bitcastToAPInt().getZExtValue());
}
static float fromBits(unsigned bits, Type type) {
  llvm::APFloat x(getSemantics(type), llvm::APInt(type.getIntOrFloatBitWidth(), bits));
  bool loses;
  x.convert(llvm::APFloat::IEEEsingle(), llvm::APFloat::rmNearestTiesToEven, &loses);
  return x.convertToFloat();
}

float tfm::roundScale(float scale, Type type) { return type.isF32() ? scale : fromBits(toBits(scale, type), type); }

std::vector<float> tfm::getFloatTable(FloatType type) {
  std::vector<float> table;
  for (unsigned code = 0; code < 256; ++code)
    table.push_back(fromBits(code, type));
  return table;
}

static void putFloats(char *bytes, ArrayRef<float> values, Type type) {
  for (float value : values) {
    unsigned bits;
    if (type.isF32())
      std::memcpy(&bits, &value, sizeof bits);
    else
      bits = toBits(value, type);
    std::memcpy(bytes, &bits, type.getIntOrFloatBitWidth() / 8);
    bytes += type.getIntOrFloatBitWidth() / 8;
  }
}
static std::vector<float> getFloats(const char *bytes, size_t count, Type type) {
  std::vector<float> values(count);
  for (float &value : values) {
    unsigned bits = 0;
    std::memcpy(&bits, bytes, type.getIntOrFloatBitWidth() / 8);
    if (type.isF32())
      std::memcpy(&value, &bits, sizeof value);
    else
      value = fromBits(bits, type);
    bytes += type.getIntOrFloatBitWidth() / 8;
  }
  return values;
}

/// Calls back for each element, in order, with the number of its block.
static void forEachBlocked(ArrayRef<int64_t> shape, ArrayRef<int64_t> block,
                           llvm::function_ref<void(size_t element, size_t block)> body) {
  SmallVector<int64_t> counts = getBlockCounts(shape, block), at(shape.size(), 0);
  size_t elements = *countElements(shape);
  for (size_t i = 0; i < elements; ++i) {
    size_t number = 0;
    for (size_t d = 0; d < shape.size(); ++d)
      number = number * counts[d] + at[d] / block[d];
    body(i, number);
    for (size_t d = shape.size(); d-- > 0 && ++at[d] == shape[d];)
      at[d] = 0;
  }
}

std::vector<char> tfm::packInt(RankedTensorType type, const IntCodes &codes) {
  auto format = cast<IntFormatAttr>(type.getEncoding());
  FormatLayout layout = *getFormatLayout(type);
  assert(codes.codes.size() == static_cast<size_t>(type.getNumElements()));
  std::vector<char> bytes(layout.size);
  for (size_t i = 0; i < codes.codes.size(); ++i)
    putBits(bytes.data() + layout.codes, i, format.getBits(), static_cast<uint8_t>(codes.codes[i]));
  putFloats(bytes.data() + layout.scales, codes.scales, format.getScale());
  if (format.getZeroPoints())
    std::memcpy(bytes.data() + layout.zeros, codes.zeros.data(), codes.zeros.size());
  return bytes;
}

IntCodes tfm::unpackInt(RankedTensorType type, ArrayRef<char> bytes) {
  auto format = cast<IntFormatAttr>(type.getEncoding());
  FormatLayout layout = *getFormatLayout(type);
  size_t blocks = *countElements(getBlockCounts(type.getShape(), format.getBlock()));
  IntCodes codes;
  unsigned sign = format.getZeroPoints() ? 0 : 1u << (format.getBits() - 1);
  for (size_t i = 0, count = type.getNumElements(); i < count; ++i) {
    unsigned code = getBits(bytes.data() + layout.codes, i, format.getBits());
    codes.codes.push_back(static_cast<int8_t>((code ^ sign) - sign));
  }
  codes.scales = getFloats(bytes.data() + layout.scales, blocks, format.getScale());
  if (format.getZeroPoints())
    codes.zeros.assign(bytes.begin() + layout.zeros, bytes.begin() + layout.zeros + blocks);
  return codes;
}

std::optional<PackedCodes> tfm::getPackedCodes(Attribute format) {
  if (auto integers = dyn_cast_or_null<IntFormatAttr>(format);
      integers && llvm::is_contained({4u, 8u}, integers.getBits()))
    return PackedCodes{integers.getBits(), integers.getBlock(), integers.getScale(), integers.getZeroPoints()};
  if (auto floats = dyn_cast_or_null<FloatFormatAttr>(format);
      floats && floats.getBlock() && floats.getType().getIntOrFloatBitWidth() == 8)
    return PackedCodes{8, floats.getBlock(), floats.getScale(), false, cast<FloatType>(floats.getType())};
  return std::nullopt;
}

std::vector<char> tfm::packCodebook(RankedTensorType type, ArrayRef<float> table, ArrayRef<uint8_t> codes) {
  auto format = cast<CodebookFormatAttr>(type.getEncoding());
  FormatLayout layout = *getFormatLayout(type);
  assert(codes.size() == static_cast<size_t>(type.getNumElements()) && table.size() <= size_t(1) << format.getBits());
  std::vector<char> bytes(layout.size);
  std::vector<float> filled(table);
  filled.resize(size_t(1) << format.getBits(), table.empty() ? 0 : table.back());
  putFloats(bytes.data() + layout.tables, filled, format.getType());
  for (size_t i = 0; i < codes.size(); ++i)
    putBits(bytes.data() + layout.codes, i, format.getBits(), codes[i]);
  return bytes;
}

//===- Encoders -===//

static std::vector<char> encodeInt(RankedTensorType type, IntFormatAttr format, ArrayRef<float> values) {
  size_t blocks = *countElements(getBlockCounts(type.getShape(), format.getBlock()));
  std::vector<float> least(blocks), most(blocks);
  forEachBlocked(type.getShape(), format.getBlock(), [&](size_t i, size_t block) {
    least[block] = std::min(least[block], values[i]);
    most[block] = std::max(most[block], values[i]);
  });
  IntCodes codes;
  int top = (1 << (format.getBits() - 1)) - 1, levels = (1 << format.getBits()) - 1;
  for (size_t block = 0; block < blocks; ++block) {
    float range =
        format.getZeroPoints() ? (most[block] - least[block]) / levels : std::max(most[block], -least[block]) / top;
    float scale = roundScale(range, format.getScale());
    codes.scales.push_back(scale > 0 ? scale : 1);
    if (format.getZeroPoints())
      codes.zeros.push_back(
          static_cast<uint8_t>(std::clamp(std::nearbyint(-least[block] / codes.scales.back()), 0.0f, float(levels))));
  }
  codes.codes.resize(values.size());
  forEachBlocked(type.getShape(), format.getBlock(), [&](size_t i, size_t block) {
    float code = std::nearbyint(values[i] / codes.scales[block]);
    if (format.getZeroPoints())
      codes.codes[i] =
          static_cast<int8_t>(static_cast<int>(std::clamp(code + codes.zeros[block], 0.0f, float(levels))));
    else
      codes.codes[i] = static_cast<int8_t>(std::clamp(code, float(-top), float(top)));
  });
  return packInt(type, codes);
}

static std::vector<char> encodeFloat(RankedTensorType type, FloatFormatAttr format, ArrayRef<float> values) {
  FormatLayout layout = *getFormatLayout(type);
  std::vector<char> bytes(layout.size);
  unsigned bits = format.getType().getIntOrFloatBitWidth();
  std::vector<float> scaled(values);
  if (format.getBlock()) {
    std::vector<float> scales(*countElements(getBlockCounts(type.getShape(), format.getBlock())));
    forEachBlocked(type.getShape(), format.getBlock(),
                   [&](size_t i, size_t block) { scales[block] = std::max(scales[block], std::fabs(values[i])); });
    float greatest = llvm::APFloat::getLargest(getSemantics(format.getType())).convertToDouble();
    for (float &scale : scales) {
      scale = roundScale(scale / greatest, format.getScale());
      scale = scale > 0 ? scale : 1;
    }
    putFloats(bytes.data() + layout.scales, scales, format.getScale());
    forEachBlocked(type.getShape(), format.getBlock(), [&](size_t i, size_t block) { scaled[i] /= scales[block]; });
  }
  for (size_t i = 0; i < scaled.size(); ++i) {
    unsigned code = toBits(scaled[i], format.getType());
    std::memcpy(bytes.data() + layout.codes + i * bits / 8, &code, bits / 8);
  }
  return bytes;
}

/// The table's values by Lloyd's algorithm from evenly spaced quantiles: deterministic, at most 50 rounds.
static std::vector<char> encodeCodebook(RankedTensorType type, CodebookFormatAttr format, ArrayRef<float> values) {
  size_t count = size_t(1) << format.getBits();
  std::vector<float> sorted(values), table(count);
  llvm::sort(sorted);
  for (size_t i = 0; i < count; ++i)
    table[i] = sorted.empty() ? 0 : sorted[(2 * i + 1) * sorted.size() / (2 * count)];
  for (int round = 0; round < 50; ++round) {
    // Sorted values fall into intervals between the midpoints.
    std::vector<float> next(table);
    size_t begin = 0;
    for (size_t i = 0; i < count; ++i) {
      size_t end = i + 1 == count ? sorted.size()
                                  : std::upper_bound(sorted.begin() + begin, sorted.end(),
                                                     table[i] + (table[i + 1] - table[i]) / 2) -
                                        sorted.begin();
      double sum = 0;
      for (size_t at = begin; at < end; ++at)
        sum += sorted[at];
      if (end > begin)
        next[i] = static_cast<float>(sum / (end - begin));
      begin = end;
    }
    llvm::sort(next);
    if (next == table)
      break;
    table = next;
  }
  for (float &value : table)
    value = roundScale(value, format.getType());
  std::vector<uint8_t> codes;
  for (float value : values) {
    size_t above = std::lower_bound(table.begin(), table.end(), value) - table.begin();
    if (above == count || (above > 0 && value - table[above - 1] <= table[above] - value))
      above -= 1;
    codes.push_back(static_cast<uint8_t>(above));
  }
  return packCodebook(type, table, codes);
}

/// Strides of an axis in a row-major tensor: elements behind one step of it.
static size_t getInner(ArrayRef<int64_t> shape, unsigned axis) { return *countElements(shape.drop_front(axis + 1)); }

/// Calls back for each element that a sparse format keeps, by the place of its code, in order of neither; an index
/// within the group of m, or in the run. Of values those that are greatest in magnitude, of equals the first.
using KeepElement = llvm::function_ref<void(size_t place, size_t element, unsigned index)>;

static void chooseSparse(RankedTensorType type, SparseFormatAttr format, ArrayRef<float> values, KeepElement keep) {
  size_t inner = getInner(type.getShape(), format.getAxis()), size = type.getDimSize(format.getAxis());
  size_t n = format.getN(), m = format.getM(), groups = size / m;
  SmallVector<size_t> order(m);
  for (size_t line = 0, lines = inner ? values.size() / std::max<size_t>(size, 1) : 0; line < lines; ++line) {
    size_t outer = line / inner, offset = line % inner;
    for (size_t group = 0; group < groups; ++group) {
      auto element = [&](size_t i) { return (outer * size + group * m + i) * inner + offset; };
      std::iota(order.begin(), order.end(), 0);
      std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
        return std::fabs(values[element(a)]) > std::fabs(values[element(b)]);
      });
      std::sort(order.begin(), order.begin() + n);
      for (size_t i = 0; i < n; ++i)
        keep((outer * groups * n + group * n + i) * inner + offset, element(order[i]), order[i]);
    }
  }
}

static void chooseBitmap(BitmapFormatAttr format, ArrayRef<float> values, KeepElement keep) {
  // As integers magnitudes have the same order, and NaN has a place in it.
  auto getMagnitude = [](float value) { return llvm::bit_cast<uint32_t>(value) & 0x7fffffff; };
  size_t kept = format.getKept();
  if (kept == 0)
    return;
  auto magnitudes = llvm::map_to_vector(values, getMagnitude);
  std::nth_element(magnitudes.begin(), magnitudes.begin() + kept - 1, magnitudes.end(), std::greater<>());
  uint32_t least = magnitudes[kept - 1];
  size_t equals = kept - llvm::count_if(values, [&](float value) { return getMagnitude(value) > least; });
  for (size_t i = 0, place = 0; place < kept; ++i) {
    uint32_t magnitude = getMagnitude(values[i]);
    if (magnitude > least || (magnitude == least && equals && equals--))
      keep(place++, i, i % kBitmapRun);
  }
}

static void chooseKept(RankedTensorType type, ArrayRef<float> values, KeepElement keep) {
  if (auto sparse = dyn_cast<SparseFormatAttr>(getFormat(type)))
    return chooseSparse(type, sparse, values, keep);
  chooseBitmap(cast<BitmapFormatAttr>(getFormat(type)), values, keep);
}

/// The type of all elements in the format of a sparse type's values.
static RankedTensorType getValuesType(RankedTensorType type) {
  Type element = Float32Type::get(type.getContext());
  return RankedTensorType::get(type.getShape(), element, getValuesFormat(getFormat(type)));
}

/// Fills in what is kept before each run.
static void countBitmap(std::vector<char> &bytes, const FormatLayout &layout, size_t elements) {
  for (size_t i = 0, before = 0; i < elements; ++i) {
    if (i % kBitmapRun == 0) {
      uint32_t count = before;
      std::memcpy(bytes.data() + layout.counts + i / kBitmapRun * sizeof count, &count, sizeof count);
    }
    before += getBits(bytes.data() + layout.indices, i, 1);
  }
}

std::vector<char> tfm::packSparse(RankedTensorType type, ArrayRef<char> whole, ArrayRef<float> values) {
  Attribute format = getFormat(type);
  FormatLayout layout = *getFormatLayout(type), from;
  RankedTensorType wholeType = getValuesType(type);
  if (getFormat(wholeType))
    from = *getFormatLayout(wholeType);
  std::vector<char> bytes(layout.size);
  auto copyPart = [&](uint64_t to, uint64_t begin, uint64_t end) {
    if (to)
      std::copy(whole.begin() + begin, whole.begin() + end, bytes.begin() + to);
  };
  // Each part lasts to the next one that there is.
  copyPart(layout.scales, from.scales, from.zeros ? from.zeros : from.size);
  copyPart(layout.zeros, from.zeros, from.size);
  copyPart(layout.tables, from.tables, from.size);
  unsigned bits = getCodeBits(getFormat(wholeType)), width = bits / 8;
  auto sparse = dyn_cast<SparseFormatAttr>(format);
  chooseKept(type, values, [&](size_t place, size_t element, unsigned index) {
    if (bits < 8)
      putBits(bytes.data() + layout.codes, place, bits, getBits(whole.data() + from.codes, element, bits));
    else
      std::memcpy(bytes.data() + layout.codes + place * width, whole.data() + from.codes + element * width, width);
    if (sparse)
      putBits(bytes.data() + layout.indices, place, getIndexBits(sparse.getM()), index);
    else
      putBits(bytes.data() + layout.indices, element, 1, 1);
  });
  if (!sparse)
    countBitmap(bytes, layout, values.size());
  return bytes;
}

/// What isn't kept is 0 in the others' scales and tables.
static std::vector<char> encodeSparse(RankedTensorType type, ArrayRef<float> values) {
  std::vector<float> kept(values.size());
  chooseKept(type, values, [&](size_t place, size_t element, unsigned index) { kept[element] = values[element]; });
  RankedTensorType whole = getValuesType(type);
  if (getFormat(whole))
    return packSparse(type, encode(whole, kept), kept);
  return packSparse(type, ArrayRef(reinterpret_cast<const char *>(kept.data()), kept.size() * sizeof(float)), kept);
}

std::vector<char> tfm::encode(RankedTensorType type, ArrayRef<float> values) {
  Attribute format = getFormat(type);
  if (auto integers = dyn_cast<IntFormatAttr>(format))
    return encodeInt(type, integers, values);
  if (auto floats = dyn_cast<FloatFormatAttr>(format))
    return encodeFloat(type, floats, values);
  if (auto codebook = dyn_cast<CodebookFormatAttr>(format))
    return encodeCodebook(type, codebook, values);
  return encodeSparse(type, values);
}

//===- Decoders -===//

/// Calls back for each code: its place, and the element that it stands for. Bytes may hold any indices.
static void forEachCode(RankedTensorType type, const FormatLayout &layout, const char *bytes,
                        llvm::function_ref<void(size_t place, size_t element)> body) {
  size_t count = type.getNumElements(), kept = *countKept(getFormat(type), type.getShape());
  if (auto sparse = dyn_cast<SparseFormatAttr>(getFormat(type))) {
    size_t inner = getInner(type.getShape(), sparse.getAxis()), n = sparse.getN(), m = sparse.getM();
    for (size_t place = 0; place < kept; ++place) {
      unsigned index = getBits(bytes + layout.indices, place, getIndexBits(m));
      if (index < m)
        body(place, (place / inner / n * m + index) * inner + place % inner);
    }
  } else if (isa<BitmapFormatAttr>(getFormat(type))) {
    for (size_t i = 0, place = 0; i < count && place < kept; ++i)
      if (getBits(bytes + layout.indices, i, 1))
        body(place++, i);
  } else {
    for (size_t i = 0; i < count; ++i)
      body(i, i);
  }
}

/// The number of each element's block; nothing without blocks.
static std::vector<size_t> getBlocks(ArrayRef<int64_t> shape, DenseI64ArrayAttr block) {
  std::vector<size_t> blocks(block ? *countElements(shape) : 0);
  if (block)
    forEachBlocked(shape, block, [&](size_t i, size_t number) { blocks[i] = number; });
  return blocks;
}

std::vector<char> tfm::reorderBitmap(RankedTensorType type, ArrayRef<char> bytes, RankedTensorType to,
                                     llvm::function_ref<int64_t(size_t element)> source) {
  Attribute format = getValuesFormat(getFormat(type)), toFormat = getValuesFormat(getFormat(to));
  FormatLayout from = *getFormatLayout(type), layout = *getFormatLayout(to);
  std::vector<char> result(layout.size);
  constexpr uint32_t kNone = UINT32_MAX;
  std::vector<uint32_t> places(type.getNumElements(), kNone);
  forEachCode(type, from, bytes.data(), [&](size_t place, size_t element) { places[element] = place; });
  auto getBlocksOf = [](RankedTensorType tensor, Attribute values) {
    auto integers = dyn_cast_or_null<IntFormatAttr>(values);
    auto floats = dyn_cast_or_null<FloatFormatAttr>(values);
    DenseI64ArrayAttr block = integers ? integers.getBlock() : floats ? floats.getBlock() : DenseI64ArrayAttr();
    Type scale = integers ? integers.getScale() : floats ? floats.getScale() : Type();
    return std::pair(getBlocks(tensor.getShape(), block), scale);
  };
  auto [blocks, scale] = getBlocksOf(type, format);
  auto [toBlocks, toScale] = getBlocksOf(to, toFormat);
  auto integers = dyn_cast_or_null<IntFormatAttr>(format);
  unsigned bits = getCodeBits(format), toBits = getCodeBits(toFormat);
  unsigned sign = integers && !integers.getZeroPoints() ? 1u << (bits - 1) : 0;
  if (layout.tables)
    std::memcpy(result.data() + layout.tables, bytes.data() + from.tables, from.indices - from.tables);
  size_t place = 0;
  for (size_t i = 0, count = to.getNumElements(); i < count; ++i) {
    int64_t element = source(i);
    if (element < 0)
      continue;
    if (scale) {
      size_t block = blocks[element], at = toBlocks[i];
      float value = getFloats(bytes.data() + from.scales + block * scale.getIntOrFloatBitWidth() / 8, 1, scale)[0];
      putFloats(result.data() + layout.scales + at * toScale.getIntOrFloatBitWidth() / 8, value, toScale);
      if (integers && integers.getZeroPoints())
        result[layout.zeros + at] = bytes[from.zeros + block];
    }
    if (places[element] == kNone)
      continue;
    putBits(result.data() + layout.indices, i, 1, 1);
    if (bits > 8) {
      std::memcpy(result.data() + layout.codes + place * bits / 8,
                  bytes.data() + from.codes + places[element] * bits / 8, bits / 8);
    } else {
      unsigned code = getBits(bytes.data() + from.codes, places[element], bits);
      putBits(result.data() + layout.codes, place, toBits, (code ^ sign) - sign);
    }
    ++place;
  }
  countBitmap(result, layout, to.getNumElements());
  return result;
}

std::vector<float> tfm::decode(RankedTensorType type, ArrayRef<char> bytes) {
  Attribute format = getValuesFormat(getFormat(type));
  FormatLayout layout = *getFormatLayout(type);
  std::vector<float> values(type.getNumElements());
  const char *codes = bytes.data() + layout.codes;
  auto decodeAll = [&](llvm::function_ref<float(size_t place, size_t element)> value) {
    forEachCode(type, layout, bytes.data(), [&](size_t place, size_t i) { values[i] = value(place, i); });
  };
  auto getScales = [&](DenseI64ArrayAttr block, Type scale) {
    size_t count = block ? *countElements(getBlockCounts(type.getShape(), block)) : 0;
    return getFloats(bytes.data() + layout.scales, count, scale);
  };
  if (auto integers = dyn_cast_or_null<IntFormatAttr>(format)) {
    std::vector<size_t> blocks = getBlocks(type.getShape(), integers.getBlock());
    std::vector<float> scales = getScales(integers.getBlock(), integers.getScale());
    const auto *zeros = reinterpret_cast<const uint8_t *>(bytes.data() + layout.zeros);
    int sign = 1 << (integers.getBits() - 1);
    decodeAll([&](size_t place, size_t i) {
      int code = getBits(codes, place, integers.getBits());
      code = integers.getZeroPoints() ? code - zeros[blocks[i]] : (code ^ sign) - sign;
      return static_cast<float>(code) * scales[blocks[i]];
    });
  } else if (auto codebook = dyn_cast_or_null<CodebookFormatAttr>(format)) {
    std::vector<float> table =
        getFloats(bytes.data() + layout.tables, size_t(1) << codebook.getBits(), codebook.getType());
    decodeAll([&](size_t place, size_t) { return table[getBits(codes, place, codebook.getBits())]; });
  } else {
    auto floats = dyn_cast_or_null<FloatFormatAttr>(format);
    Type element = floats ? floats.getType() : Float32Type::get(type.getContext());
    std::vector<float> plain = getFloats(codes, *countKept(getFormat(type), type.getShape()), element);
    std::vector<size_t> blocks = getBlocks(type.getShape(), floats ? floats.getBlock() : nullptr);
    std::vector<float> scales =
        floats && floats.getBlock() ? getScales(floats.getBlock(), floats.getScale()) : std::vector<float>();
    decodeAll([&](size_t place, size_t i) { return blocks.empty() ? plain[place] : plain[place] * scales[blocks[i]]; });
  }
  return values;
}
