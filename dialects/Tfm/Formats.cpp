// Sizes, encoders and decoders of weights' formats.
#include "dialects/Tfm/Formats.h"
#include "dialects/Tfm/Weights.h"
#include "llvm/ADT/APFloat.h"
#include "llvm/Support/CheckedArithmetic.h"
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

/// The type of a sparse format's kept values: in f32, whatever ops see.
static RankedTensorType getKept(SparseFormatAttr format, ArrayRef<int64_t> shape) {
  SmallVector<int64_t> kept(shape);
  kept[format.getAxis()] = kept[format.getAxis()] / format.getM() * format.getN();
  return RankedTensorType::get(kept, Float32Type::get(format.getContext()), format.getValues());
}
static RankedTensorType getKept(BitmapFormatAttr format) {
  return RankedTensorType::get({static_cast<int64_t>(format.getKept())}, Float32Type::get(format.getContext()),
                               format.getValues());
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
  return verifyValues(getValues(), getKept(*this, shape).getShape(), elementType, emit);
}

LogicalResult BitmapFormatAttr::verifyEncoding(ArrayRef<int64_t> shape, Type elementType, EmitError emit) const {
  if (failed(verifyElements("C2", shape, elementType, emit)))
    return failure();
  std::optional<uint64_t> count = 1;
  for (int64_t size : shape)
    count = count ? llvm::checkedMulUnsigned<uint64_t>(*count, size) : std::nullopt;
  if (!count || getKept() > *count)
    return emit() << "C1: expected at most as many kept values as there are elements, got " << getKept();
  return verifyValues(getValues(), {static_cast<int64_t>(getKept())}, elementType, emit);
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
static std::optional<uint64_t> bytesOf(std::optional<uint64_t> count, Type type) {
  return count ? llvm::checkedMulUnsigned<uint64_t>(*count, type.getIntOrFloatBitWidth() / 8) : std::nullopt;
}

std::optional<FormatLayout> tfm::getFormatLayout(RankedTensorType type) {
  Attribute format = getFormat(type);
  std::optional<uint64_t> count = countElements(type.getShape());
  FormatLayout layout;
  Sizer sizer;
  if (auto integers = dyn_cast<IntFormatAttr>(format)) {
    auto blocks = countElements(getBlockCounts(type.getShape(), integers.getBlock()));
    layout.codes = sizer.add(packedBytes(count, integers.getBits()));
    layout.scales = sizer.add(bytesOf(blocks, integers.getScale()));
    if (integers.getZeroPoints())
      layout.zeros = sizer.add(blocks);
  } else if (auto floats = dyn_cast<FloatFormatAttr>(format)) {
    layout.codes = sizer.add(packedBytes(count, floats.getType().getIntOrFloatBitWidth()));
    if (floats.getBlock())
      layout.scales =
          sizer.add(bytesOf(countElements(getBlockCounts(type.getShape(), floats.getBlock())), floats.getScale()));
  } else if (auto codebook = dyn_cast<CodebookFormatAttr>(format)) {
    layout.codes = sizer.add(packedBytes(count, codebook.getBits()));
    layout.tables = sizer.add(bytesOf(uint64_t(1) << codebook.getBits(), codebook.getType()));
  } else if (auto sparse = dyn_cast<SparseFormatAttr>(format)) {
    RankedTensorType kept = getKept(sparse, type.getShape());
    layout.codes = sizer.add(getByteSize(kept));
    layout.indices = sizer.add(packedBytes(countElements(kept.getShape()), getIndexBits(sparse.getM())));
  } else if (auto bitmap = dyn_cast<BitmapFormatAttr>(format)) {
    layout.codes = sizer.add(getByteSize(getKept(bitmap)));
    // For each run of elements: its bits, and how many were kept before it.
    auto runs = count ? std::optional<uint64_t>(llvm::divideCeil(*count, kBitmapRun)) : std::nullopt;
    layout.indices = sizer.add(runs ? llvm::checkedMulUnsigned<uint64_t>(*runs, kBitmapRun / 8) : std::nullopt);
    layout.tables = sizer.add(runs ? llvm::checkedMulUnsigned<uint64_t>(*runs, 4) : std::nullopt);
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
  FormatLayout layout = *getFormatLayout(type);
  std::vector<char> bytes(layout.size);
  putFloats(bytes.data() + layout.tables, table, format.getType());
  for (size_t i = 0; i < values.size(); ++i) {
    size_t above = std::lower_bound(table.begin(), table.end(), values[i]) - table.begin();
    if (above == count || (above > 0 && values[i] - table[above - 1] <= table[above] - values[i]))
      above -= 1;
    putBits(bytes.data() + layout.codes, i, format.getBits(), above);
  }
  return bytes;
}

/// Puts the bytes of the kept values, which may be in a format themselves.
static void putKept(std::vector<char> &bytes, const FormatLayout &layout, RankedTensorType kept,
                    ArrayRef<float> values) {
  std::vector<char> part;
  if (getFormat(kept)) {
    part = encode(kept, values);
  } else {
    part.resize(values.size() * sizeof(float));
    putFloats(part.data(), values, kept.getElementType());
  }
  std::copy(part.begin(), part.end(), bytes.begin() + layout.codes);
}

/// Strides of an axis in a row-major tensor: elements behind one step of it.
static size_t getInner(ArrayRef<int64_t> shape, unsigned axis) { return *countElements(shape.drop_front(axis + 1)); }

static std::vector<char> encodeSparse(RankedTensorType type, SparseFormatAttr format, ArrayRef<float> values) {
  FormatLayout layout = *getFormatLayout(type);
  std::vector<char> bytes(layout.size);
  RankedTensorType kept = getKept(format, type.getShape());
  std::vector<float> keptValues(kept.getNumElements());
  size_t inner = getInner(type.getShape(), format.getAxis()), size = type.getDimSize(format.getAxis());
  size_t n = format.getN(), m = format.getM(), groups = size / m;
  for (size_t line = 0, lines = inner ? values.size() / std::max<size_t>(size, 1) : 0; line < lines; ++line) {
    size_t outer = line / inner, offset = line % inner;
    for (size_t group = 0; group < groups; ++group) {
      auto at = [&](size_t i) { return values[(outer * size + group * m + i) * inner + offset]; };
      SmallVector<size_t> order(m);
      std::iota(order.begin(), order.end(), 0);
      std::stable_sort(order.begin(), order.end(),
                       [&](size_t a, size_t b) { return std::fabs(at(a)) > std::fabs(at(b)); });
      std::sort(order.begin(), order.begin() + n);
      for (size_t i = 0; i < n; ++i) {
        size_t place = (outer * groups * n + group * n + i) * inner + offset;
        keptValues[place] = at(order[i]);
        putBits(bytes.data() + layout.indices, place, getIndexBits(m), order[i]);
      }
    }
  }
  putKept(bytes, layout, kept, keptValues);
  return bytes;
}

static std::vector<char> encodeBitmap(RankedTensorType type, BitmapFormatAttr format, ArrayRef<float> values) {
  FormatLayout layout = *getFormatLayout(type);
  std::vector<char> bytes(layout.size);
  // The greatest in magnitude; of equal ones the first.
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t(0));
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return std::fabs(values[a]) > std::fabs(values[b]); });
  for (size_t i = 0; i < format.getKept(); ++i)
    putBits(bytes.data() + layout.indices, order[i], 1, 1);
  std::vector<float> kept;
  for (size_t i = 0; i < values.size(); ++i) {
    if (i % kBitmapRun == 0) {
      uint32_t before = kept.size();
      std::memcpy(bytes.data() + layout.tables + i / kBitmapRun * 4, &before, 4);
    }
    if (getBits(bytes.data() + layout.indices, i, 1))
      kept.push_back(values[i]);
  }
  putKept(bytes, layout, getKept(format), kept);
  return bytes;
}

std::vector<char> tfm::encode(RankedTensorType type, ArrayRef<float> values) {
  Attribute format = getFormat(type);
  if (auto integers = dyn_cast<IntFormatAttr>(format))
    return encodeInt(type, integers, values);
  if (auto floats = dyn_cast<FloatFormatAttr>(format))
    return encodeFloat(type, floats, values);
  if (auto codebook = dyn_cast<CodebookFormatAttr>(format))
    return encodeCodebook(type, codebook, values);
  if (auto sparse = dyn_cast<SparseFormatAttr>(format))
    return encodeSparse(type, sparse, values);
  return encodeBitmap(type, cast<BitmapFormatAttr>(format), values);
}

//===- Decoders -===//

static std::vector<float> decodeKept(RankedTensorType kept, ArrayRef<char> bytes) {
  ArrayRef<char> own = bytes.take_front(*getByteSize(kept));
  return getFormat(kept) ? decode(kept, own) : getFloats(own.data(), kept.getNumElements(), kept.getElementType());
}

std::vector<float> tfm::decode(RankedTensorType type, ArrayRef<char> bytes) {
  Attribute format = getFormat(type);
  FormatLayout layout = *getFormatLayout(type);
  size_t count = type.getNumElements();
  std::vector<float> values(count);
  if (auto integers = dyn_cast<IntFormatAttr>(format)) {
    IntCodes codes = unpackInt(type, bytes);
    forEachBlocked(type.getShape(), integers.getBlock(), [&](size_t i, size_t block) {
      int code = integers.getZeroPoints() ? static_cast<uint8_t>(codes.codes[i]) - codes.zeros[block] : codes.codes[i];
      values[i] = static_cast<float>(code) * codes.scales[block];
    });
  } else if (auto floats = dyn_cast<FloatFormatAttr>(format)) {
    values = getFloats(bytes.data() + layout.codes, count, floats.getType());
    if (floats.getBlock()) {
      size_t blocks = *countElements(getBlockCounts(type.getShape(), floats.getBlock()));
      std::vector<float> scales = getFloats(bytes.data() + layout.scales, blocks, floats.getScale());
      forEachBlocked(type.getShape(), floats.getBlock(), [&](size_t i, size_t block) { values[i] *= scales[block]; });
    }
  } else if (auto codebook = dyn_cast<CodebookFormatAttr>(format)) {
    std::vector<float> table =
        getFloats(bytes.data() + layout.tables, size_t(1) << codebook.getBits(), codebook.getType());
    for (size_t i = 0; i < count; ++i)
      values[i] = table[getBits(bytes.data() + layout.codes, i, codebook.getBits())];
  } else if (auto sparse = dyn_cast<SparseFormatAttr>(format)) {
    RankedTensorType keptType = getKept(sparse, type.getShape());
    std::vector<float> kept = decodeKept(keptType, bytes.drop_front(layout.codes));
    size_t inner = getInner(type.getShape(), sparse.getAxis()), n = sparse.getN(), m = sparse.getM();
    for (size_t place = 0; place < kept.size(); ++place) {
      unsigned index = getBits(bytes.data() + layout.indices, place, getIndexBits(m));
      if (index < m)
        values[(place / inner / n * m + index) * inner + place % inner] = kept[place];
    }
  } else {
    auto bitmap = cast<BitmapFormatAttr>(format);
    std::vector<float> kept = decodeKept(getKept(bitmap), bytes.drop_front(layout.codes));
    for (size_t i = 0, next = 0; i < count; ++i)
      if (getBits(bytes.data() + layout.indices, i, 1) && next < kept.size())
        values[i] = kept[next++];
  }
  return values;
}
