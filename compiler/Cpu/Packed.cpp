// Packed weights, panel by panel into memory or step by step into a register tile.
#include "compiler/Cpu/Packed.h"
#include "compiler/Cpu/Step.h"
#include "compiler/Package/Layout.h"
#include "dialects/Tfm/Formats.h"
#include <numeric>

using namespace mlir;
using namespace lathe;
using namespace lathe::cpu;

static constexpr int64_t kWidth = schedule::kPanelWidth;

namespace {
/// Reads the panels of a tile's columns, row by row.
class Reader {
public:
  /// `type`: the weight's; `base`: its memory; `depth`: rows of a panel; `column`: the tile's first.
  Reader(Emitter &e, RankedTensorType type, kernel::PanelAttr layout, Value base, Value depth, Value column)
      : e(e), element(type.getElementType()), base(base), isBitmap(isa<tfm::BitmapFormatAttr>(tfm::getFormat(type))) {
    Attribute values;
    uint64_t panels, masks = 0, counts = 0;
    if (isBitmap) {
      package::BitmapPanels at = package::getBitmapPanels(type, layout);
      tfm::FormatLayout parts = *tfm::getFormatLayout(at.tensor);
      values = tfm::getValuesFormat(tfm::getFormat(at.tensor));
      panels = at.tensor.getDimSize(0), depth = e.index(at.rows);
      maskBytes = e.mul(depth, kWidth / 8), maskDepth = layout.getDepth();
      masks = parts.indices, counts = parts.counts, scales = parts.scales, zeros = parts.zeros;
      group = std::max<int64_t>(at.rows, 1);
      if (auto codes = tfm::getPackedCodes(values); codes && layout.getDepth() == 1)
        group = codes->block[1];
      panelScales = e.mul(e.ceilDiv(depth, group), kWidth), groupScales = e.index(kWidth);
    } else {
      package::PackedPanels at = package::getPackedPanels(type, layout);
      values = tfm::getFormat(type);
      panels = at.columns / kWidth, scales = at.scales, zeros = at.zeros, group = at.group;
      panelScales = e.index(kWidth), groupScales = e.index(at.columns);
    }
    format = tfm::getPackedCodes(values);
    kept = values ? tfm::getHalfType(RankedTensorType::get({}, e.f32(), values)) : e.f32();
    for (int64_t offset = 0; offset < e.sizes.columns; offset += kWidth) {
      // Past the last panel, that once more: nothing reads its columns.
      Value panel = e.div(e.min(e.add(column, offset), e.index((panels - 1) * kWidth)), kWidth);
      first.push_back(panel);
      Value rows = e.mul(panel, depth);
      if (isBitmap) {
        bits.push_back(e.bytePtr(base, e.add(e.mul(rows, kWidth / 8), masks)));
        Value count = e.load(e.i32(), e.elementPtr(e.bytePtr(base, e.index(counts)), e.i32(), e.div(rows, 4)));
        begins.push_back(e.make<arith::ExtUIOp>(e.i64(), count));
      } else {
        codes.push_back(e.bytePtr(base, e.mul(rows, rowBytes())));
      }
    }
  }

  int64_t getPanels() { return first.size(); }
  int64_t getGroup() { return group; }
  /// Of a bitmap: the place of the first value that each panel keeps. What follows is told by the rows before it.
  Values getBegins() { return begins; }
  /// Asks for as much of the masks of the columns after the tile's as row k, or step k of integers, of these has.
  void prefetchMasks(Value k) {
    e.prefetch(e.bytePtr(bits.back(), e.add(maskBytes, e.mul(k, getPanels() * maskDepth * kWidth / 8))));
  }

  /// What the elements of a group of K have in common, vector by vector of a panel.
  struct Group {
    Values scales, zeros;
  };
  Group loadGroup(int64_t panel, Value begin) {
    Group result;
    if (!format)
      return result;
    Value place = e.add(e.mul(e.div(begin, group), groupScales), e.mul(first[panel], panelScales));
    for (int64_t v = 0; v < kWidth; v += e.lanes) {
      Index lanes = e.lane(e.add(place, v));
      result.scales.push_back(e.widen(e.loadElements(e.bytePtr(base, e.index(scales)), format->scale, lanes)));
      if (format->zeroPoints) {
        Value zero = e.loadElements(e.bytePtr(base, e.index(zeros)), e.i8(), lanes);
        result.zeros.push_back(e.make<arith::ExtUIOp>(e.vec(e.i32()), zero));
      }
    }
    return result;
  }

  /// A row of a panel, in f32, rounded to the weight's type. Of a bitmap, `places` are those of what the panels' rows
  /// keep, and go on to the next row's.
  Values loadRow(int64_t panel, Value k, const Group &common, MutableArrayRef<Value> places) {
    Values values, here;
    if (isBitmap)
      values = loadKept(panel, k, places[panel], here);
    else
      values = loadCodes(e.bytePtr(codes[panel], e.mul(k, rowBytes())));
    for (auto [v, value] : llvm::enumerate(values)) {
      if (format) {
        if (format->zeroPoints)
          value = e.make<arith::SubIOp>(value, common.zeros[v]);
        value = format->type ? getSmallFloat(value) : Value(e.make<arith::SIToFPOp>(e.vec(e.f32()), value));
        value = e.mulf(value, common.scales[v]);
        if (isBitmap && format->zeroPoints)
          value = e.select(here[v], value, e.constant(value, 0));
      }
      value = e.widen(e.narrow(value, element));
    }
    return values;
  }

  /// What a row of a bitmap's panel keeps, at its columns, and 0 elsewhere: floats, or codes as vectors of i32; `here`:
  /// which columns that are. `place` goes on to the next row's.
  Values loadKept(int64_t panel, Value k, Value &place, Values &here) {
    Values values;
    for (int64_t v = 0; v < kWidth; v += e.lanes) {
      Type type = e.b.getIntegerType(e.lanes);
      Value mask = e.load(type, e.bytePtr(bits[panel], e.add(e.mul(k, kWidth / 8), v / 8)));
      Value value = loadVector(place), where;
      if (e.lanes == kWidth) {
        where = e.make<LLVM::BitcastOp>(Type(e.vec(e.i1())), mask);
        value = e.target.level == "x86-64-v4" ? e.callIntrinsic("llvm.x86.avx512.mask.expand", value.getType(),
                                                                {value, e.constant(value, 0), where})
                                              : e.select(where, expand(value, mask), e.constant(value, 0));
      } else {
        // For each column, how many before it are kept; negative where it isn't.
        Value number = e.make<arith::ExtUIOp>(e.i64(), mask);
        Value order = e.evaluateConstant(getOrders(), e.uniform(number));
        order = e.make<LLVM::BitcastOp>(Type(e.vec(e.i8())), order);
        order = e.make<arith::ExtSIOp>(e.vec(e.i32()), order);
        where = e.compare(arith::CmpIPredicate::sge, order, e.constant(order, 0));
        bool isFloat = isa<FloatType>(getElementTypeOrSelf(value.getType()));
        value =
            e.callIntrinsic(isFloat ? "llvm.x86.avx2.permps" : "llvm.x86.avx2.permd", value.getType(), {value, order});
        value = e.select(where, value, e.constant(value, 0));
      }
      values.push_back(value);
      here.push_back(where);
      Value count = e.make<arith::ExtUIOp>(e.i64(), mask);
      place = e.add(place, e.make<LLVM::CtPopOp>(count));
    }
    return values;
  }

  /// A step of a panel of integers, a column's four rows next to each other, in vectors of so many bytes. `place` goes
  /// on to the next step's.
  Values loadStep(int64_t panel, Value step, int64_t bytes, Value &place) {
    constexpr int64_t kStep = kWidth * kWord;
    Value mask = e.load(e.i64(), e.bytePtr(bits[panel], e.mul(step, kStep / 8)));
    auto load = [&](Type type, Value count) {
      Value kept = e.load(type, e.bytePtr(base, place));
      place = e.add(place, e.make<LLVM::CtPopOp>(count));
      return kept;
    };
    if (e.target.expandsBytes() && bytes == kStep) {
      // From memory the instruction looks at each byte's rights, and takes longer.
      Value kept = e.hide(load(VectorType::get({kStep}, e.i8()), mask));
      Value where = e.make<LLVM::BitcastOp>(Type(VectorType::get({kStep}, e.b.getI1Type())), mask);
      return {e.callIntrinsic("llvm.x86.avx512.mask.expand", kept.getType(), {kept, e.constant(kept, 0), where})};
    }
    // Eight bytes in the order that their mask says, twice in an instruction.
    auto pair = VectorType::get({2}, e.i64()), sixteen = VectorType::get({16}, e.i8());
    Value upper = e.make<arith::ConstantOp>(DenseElementsAttr::get(pair, ArrayRef<int64_t>{0, 0x0808080808080808}));
    Values parts;
    for (int64_t part = 0; part < kStep; part += 16) {
      Values kept, orders;
      for (int64_t half : {0, 8}) {
        Value byte = e.make<arith::ShRUIOp>(mask, e.index(part + half));
        byte = e.make<arith::AndIOp>(byte, e.index(255));
        kept.push_back(load(e.i64(), byte));
        orders.push_back(e.evaluateConstant(getOrders(), e.uniform(byte)));
      }
      Value order = e.make<arith::OrIOp>(e.make<vector::FromElementsOp>(pair, orders), upper);
      Value codes = e.make<vector::FromElementsOp>(pair, kept);
      parts.push_back(
          e.callIntrinsic("llvm.x86.ssse3.pshuf.b.128", sixteen,
                          {e.make<vector::BitCastOp>(sixteen, codes), e.make<vector::BitCastOp>(sixteen, order)}));
    }
    for (int64_t size = 16; size < bytes; size *= 2) {
      SmallVector<int64_t> both(size * 2);
      std::iota(both.begin(), both.end(), 0);
      for (size_t i = 0; i < parts.size() / 2; ++i)
        parts[i] = e.make<vector::ShuffleOp>(parts[2 * i], parts[2 * i + 1], both);
      parts.truncate(parts.size() / 2);
    }
    return parts;
  }

private:
  /// What vpexpandd puts where the mask's bits are, for processors without it that run a schedule of its vectors.
  Value expand(Value value, Value mask) {
    Value number = e.make<LLVM::ZExtOp>(e.i64(), mask), result = value;
    for (int64_t i = 0; i < e.lanes; ++i) {
      Value before = e.make<LLVM::CtPopOp>(e.make<arith::AndIOp>(number, e.index((int64_t(1) << i) - 1)));
      Value element = e.make<LLVM::ExtractElementOp>(value, before);
      result = e.make<LLVM::InsertElementOp>(result, element, e.index(i));
    }
    return result;
  }

  int64_t rowBytes() { return kWidth * format->bits / 8; }

  /// Of each mask of 8, the number of the one that each place takes, a byte each, negative where the mask has none.
  ElementsAttr getOrders() {
    std::vector<int64_t> orders;
    for (unsigned mask = 0; mask < 256; ++mask) {
      uint64_t bytes = 0;
      for (unsigned i = 0, before = 0; i < 8; ++i)
        bytes |= uint64_t(mask >> i & 1 ? before++ : 0x80) << 8 * i;
      orders.push_back(static_cast<int64_t>(bytes));
    }
    return DenseElementsAttr::get(RankedTensorType::get({256}, e.i64()), ArrayRef<int64_t>(orders));
  }

  bool isUnsigned() { return format && (format->zeroPoints || format->type); }
  /// Codes of 8 bits as i32.
  Value extendBytes(Value codes) {
    Type wide = e.vec(e.i32());
    return isUnsigned() ? Value(e.make<arith::ExtUIOp>(wide, codes)) : Value(e.make<arith::ExtSIOp>(wide, codes));
  }
  /// Codes of 4 bits, which lie somewhere in words: by the shifts up to the sign, and down again.
  Value extendHalves(Value words, ArrayRef<int32_t> shifts) {
    auto type = cast<VectorType>(words.getType());
    Value up = e.make<arith::ConstantOp>(DenseElementsAttr::get(type, shifts)), down = e.constant(words, 28);
    Value codes = e.make<arith::ShLIOp>(words, up);
    return isUnsigned() ? Value(e.make<arith::ShRUIOp>(codes, down)) : Value(e.make<arith::ShRSIOp>(codes, down));
  }

  /// What is kept from a place on: a vector of floats, or of codes as i32.
  Value loadVector(Value place) {
    if (kept)
      return e.widen(e.load(e.vec(kept), e.elementPtr(base, kept, place)));
    if (format->bits == 8)
      return extendBytes(e.load(e.vec(e.i8()), e.bytePtr(base, place)));
    // Eight codes of half a byte at a time, from half a byte on.
    Value byte = e.div(place, 2), half = e.mul(e.rem(place, 2), 4);
    Values eights;
    for (int64_t v = 0; v < e.lanes; v += 8) {
      Value word = e.load(e.i64(), e.bytePtr(base, e.add(byte, v / 2)));
      word = e.make<arith::TruncIOp>(e.i32(), e.make<arith::ShRUIOp>(word, half));
      eights.push_back(e.make<vector::BroadcastOp>(VectorType::get({8}, e.i32()), word));
    }
    SmallVector<int64_t> all(e.lanes);
    std::iota(all.begin(), all.end(), 0);
    Value codes = eights.size() == 1 ? eights[0] : Value(e.make<vector::ShuffleOp>(eights[0], eights[1], all));
    SmallVector<int32_t> shifts;
    for (int64_t i = 0; i < e.lanes; ++i)
      shifts.push_back(28 - i % 8 * 4);
    return extendHalves(codes, shifts);
  }

  /// The values of codes of f8E5M2, which are f16's upper halves, or of f8E4M3FN: without the sign the same but for the
  /// exponent's bias, and for the greatest code, which is NaN.
  Value getSmallFloat(Value code) {
    auto shifted = [&](Value bits, int64_t by) { return e.make<arith::ShLIOp>(bits, e.constant(bits, by)); };
    auto masked = [&](int64_t bits) { return e.make<arith::AndIOp>(code, e.constant(code, bits)); };
    bool isWide = isa<Float8E5M2Type>(format->type);
    Value rest = masked(0x7f);
    Value bits = isWide ? Value(shifted(code, 8)) : e.make<arith::OrIOp>(shifted(masked(0x80), 8), shifted(rest, 7));
    bits = e.make<arith::TruncIOp>(e.vec(e.b.getI16Type()), bits);
    Value value = e.widen(e.make<arith::BitcastOp>(e.vec(e.b.getF16Type()), bits));
    if (isWide)
      return value;
    value = e.mulf(value, e.constant(value, 256));
    Value isNan = e.compare(arith::CmpIPredicate::eq, rest, e.constant(rest, 0x7f));
    return e.select(isNan, e.constant(value, std::numeric_limits<double>::quiet_NaN()), value);
  }

  /// As vectors of i32.
  Values loadCodes(Value row) {
    Values values;
    if (format->bits == 8) {
      for (int64_t v = 0; v < kWidth; v += e.lanes)
        values.push_back(extendBytes(e.loadVector(e.i8(), e.bytePtr(row, e.index(v)))));
      return values;
    }
    // Codes of the first half of the columns are in the low bits.
    auto half = [&](Type element) { return VectorType::get({kWidth / 2}, element); };
    Value bytes = e.make<arith::ExtUIOp>(half(e.i32()), e.load(half(e.i8()), row));
    if (e.lanes == kWidth / 2)
      return {extendHalves(bytes, 28), extendHalves(bytes, 24)};
    SmallVector<int64_t> twice;
    SmallVector<int32_t> shifts;
    for (int64_t i = 0; i < kWidth; ++i) {
      twice.push_back(i % (kWidth / 2));
      shifts.push_back(i < kWidth / 2 ? 28 : 24);
    }
    return {extendHalves(e.make<vector::ShuffleOp>(bytes, bytes, twice), shifts)};
  }

  Emitter &e;
  Type element;
  Value base;
  bool isBitmap;
  std::optional<tfm::PackedCodes> format; // or, of a bitmap:
  Type kept;                              // of floats that are kept as they are
  int64_t group;                          // rows that share a scale
  uint64_t scales, zeros;                 // where they begin
  Value panelScales, groupScales;         // scales from a panel, or a group, to the next
  Value maskBytes;                        // of a panel
  int64_t maskDepth;                      // rows of a step
  Values first, codes, bits, begins; // of each panel: its number, and where its codes, its masks, what it keeps begin
};
} // namespace

/// Of each four rows two are kept, where the words behind the panels say (package::getSparsePanels).
static void decodeSparse(Emitter &e, RankedTensorType type, kernel::PanelAttr layout, Value base, Value depth,
                         Value column, Value target) {
  package::SparsePanels at = package::getSparsePanels(type, layout);
  Value kept = e.div(depth, 2);
  int64_t columns = llvm::alignTo(type.getDimSize(!layout.getTransposed()), kWidth);
  std::optional<Reader> reader;
  if (tfm::getFormat(at.kept))
    reader.emplace(e, at.kept, layout, base, kept, column);
  auto halves = VectorType::get({kWidth / 2}, e.i64());
  for (int64_t offset = 0; offset < e.sizes.columns; offset += kWidth) {
    Value panel = e.div(e.min(e.add(column, offset), e.index(columns - kWidth)), kWidth);
    Value to = e.elementPtr(target, e.f32(), e.mul(depth, offset));
    auto load = [&](Value row) {
      if (reader)
        return reader->loadRow(offset / kWidth, row, reader->loadGroup(offset / kWidth, row), {});
      Values values;
      Value place = e.mul(e.add(e.mul(panel, kept), row), kWidth);
      for (int64_t v = 0; v < kWidth; v += e.lanes)
        values.push_back(e.widen(e.loadElements(base, type.getElementType(), e.lane(e.add(place, v)))));
      return values;
    };
    e.loop(e.index(0), e.div(depth, 4), 1, [&](Value four) {
      // The words of eight columns, two next to each other; their upper halves are of the eight columns behind.
      Value block = e.add(e.mul(panel, at.blocks), e.div(four, 8)), inside = e.rem(four, 8);
      Value words = e.load(halves, e.bytePtr(base, e.add(e.mul(block, 64), at.metadata)));
      Value shift = e.add(e.mul(e.div(inside, 4), 32), e.mul(e.rem(inside, 4), 4));
      auto getPlaces = [&](int64_t which) {
        Values places;
        for (int64_t half = 0; half < 2; ++half) {
          Value by = e.make<vector::BroadcastOp>(halves, e.add(shift, half * 16 + which * 2));
          Value bits = e.make<arith::ShRUIOp>(words, by);
          bits = e.make<arith::AndIOp>(bits, e.constant(bits, 3));
          places.push_back(e.make<arith::TruncIOp>(VectorType::get({kWidth / 2}, e.i32()), bits));
        }
        if (e.lanes == kWidth / 2)
          return places;
        SmallVector<int64_t> all(kWidth);
        std::iota(all.begin(), all.end(), 0);
        return Values{e.make<vector::ShuffleOp>(places[0], places[1], all)};
      };
      Values value0 = load(e.mul(four, 2)), value1 = load(e.add(e.mul(four, 2), 1));
      Values place0 = getPlaces(0), place1 = getPlaces(1);
      for (int64_t i = 0; i < 4; ++i)
        for (auto [v, value] : llvm::enumerate(value0)) {
          auto isHere = [&](Value place) {
            return e.compare(arith::CmpIPredicate::eq, place, e.constant(place, static_cast<double>(i)));
          };
          Value other = e.select(isHere(place1[v]), value1[v], e.constant(value, 0));
          Value element = e.select(isHere(place0[v]), value, other);
          Value place = e.add(e.mul(e.add(e.mul(four, 4), i), kWidth), v * e.lanes);
          e.storeVector(element, e.elementPtr(to, e.f32(), place));
        }
    });
  }
}

/// A bitmap's codes as words of a column's four rows.
static void decodeCodes(Emitter &e, Reader &reader, Value depth, Value target) {
  Value steps = e.ceilDiv(depth, schedule::kIntegerDepth);
  for (int64_t panel = 0; panel < reader.getPanels(); ++panel) {
    Value to = e.elementPtr(target, e.i32(), e.mul(steps, panel * kWidth));
    e.loop(e.index(0), steps, 1, reader.getBegins()[panel], [&](Value step, ValueRange state) {
      Value place = state[0];
      for (auto [v, codes] : llvm::enumerate(reader.loadStep(panel, step, e.lanes * kWord, place)))
        e.store(codes, e.elementPtr(to, e.i32(), e.add(e.mul(step, kWidth), v * e.lanes)));
      return Values{place};
    });
  }
}

void cpu::decodePanels(Emitter &e, BlockArgument weight, Value depth, Value column, Value target) {
  auto type = cast<RankedTensorType>(weight.getType());
  Value base = e.getOperand(weight.getArgNumber());
  if (isa<tfm::SparseFormatAttr>(tfm::getFormat(type)))
    return decodeSparse(e, type, schedule::getPanel(weight), base, depth, column, target);
  Reader reader(e, type, schedule::getPanel(weight), base, depth, column);
  if (schedule::isInteger(e.productKind))
    return decodeCodes(e, reader, depth, target);
  Values begins = reader.getBegins();
  for (int64_t panel = 0; panel < reader.getPanels(); ++panel) {
    Value to = e.elementPtr(target, e.f32(), e.mul(depth, panel * kWidth));
    e.loop(e.index(0), depth, reader.getGroup(), begins, [&](Value begin, ValueRange state) {
      Reader::Group group = reader.loadGroup(panel, begin);
      return e.loop(begin, e.min(e.add(begin, reader.getGroup()), depth), 1, state, [&](Value k, ValueRange state) {
        Values places(state);
        for (auto [v, value] : llvm::enumerate(reader.loadRow(panel, k, group, places)))
          e.storeVector(value, e.elementPtr(to, e.f32(), e.add(e.mul(k, kWidth), v * e.lanes)));
        return places;
      });
    });
  }
}

std::pair<Value, Value> cpu::findKept(Emitter &e, BlockArgument weight, Value column) {
  auto type = cast<RankedTensorType>(weight.getType());
  package::BitmapPanels at = package::getBitmapPanels(type, schedule::getPanel(weight));
  RankedTensorType tensor = at.tensor;
  auto format = cast<tfm::BitmapFormatAttr>(tfm::getFormat(tensor));
  Value base = e.getOperand(weight.getArgNumber());
  Value counts = e.bytePtr(base, e.index(tfm::getFormatLayout(tensor)->counts));
  unsigned bits = tfm::getCodeBits(format.getValues());
  auto getByte = [&](Value panel) {
    Value place = e.mul(e.min(panel, e.index(tensor.getDimSize(0) - 1)), at.rows / 4);
    Value count = e.make<arith::ExtUIOp>(e.i64(), e.load(e.i32(), e.elementPtr(counts, e.i32(), place)));
    count = e.select(e.lessThan(panel, e.index(tensor.getDimSize(0))), count, e.index(format.getKept()));
    return e.div(e.mul(count, bits), 8);
  };
  Value begin = getByte(e.div(column, kWidth)), end = getByte(e.div(e.add(column, e.sizes.columns), kWidth));
  return {e.bytePtr(base, begin), e.sub(end, begin)};
}

static void callTile(Emitter &e, BlockArgument weight, int64_t rows, const GemmTile &tile, Value column) {
  // All that the code depends on.
  auto type = cast<RankedTensorType>(weight.getType());
  kernel::PanelAttr layout = schedule::getPanel(weight);
  std::string name;
  llvm::raw_string_ostream(name) << "packed." << toString(tile.product) << "." << type
                                 << (layout.getTransposed() ? ".transposed" : "") << "." << rows << "x"
                                 << e.sizes.columns << (tile.rows ? ".rows" : "");
  Values operands{tile.a, tile.strideA, tile.steps, tile.c, tile.strideC, e.getOperand(weight.getArgNumber()), column};
  if (tile.ahead)
    operands.append({tile.ahead, tile.aheadStep});
  if (tile.rows)
    operands.push_back(tile.rows);
  e.callHelper(name, operands, [&](ValueRange arguments) {
    Value a = arguments[0], strideA = arguments[1], steps = arguments[2], c = arguments[3], strideC = arguments[4];
    Reader reader(e, type, layout, arguments[5], steps, arguments[6]);
    Step step(e, tile.product, tile.half, e.sizes.columns);
    Values rowsOfA;
    for (int64_t r = 0; r < rows; ++r) {
      Value number = tile.rows ? e.load(e.i64(), e.elementPtr(arguments.back(), e.i64(), e.index(r))) : e.index(r);
      rowsOfA.push_back(e.bytePtr(a, e.mul(strideA, number)));
    }
    int64_t count = rows * step.vectors;
    Values initial(count, e.constant(step.getSumType(), 0));
    initial.append(reader.getBegins());
    using Load = llvm::function_ref<Values(int64_t panel, MutableArrayRef<Value> places)>;
    auto advance = [&](Value k, ValueRange state, Load load) {
      Values places(state.drop_front(count)), weights;
      if (tile.ahead) {
        for (int64_t offset : {0, 64})
          e.prefetch(e.bytePtr(arguments[7], e.add(e.mul(k, arguments[8]), offset)));
        reader.prefetchMasks(k);
      }
      for (int64_t panel = 0; panel < reader.getPanels(); ++panel)
        weights.append(load(panel, places));
      Values next = step.pin(step.run(state.take_front(count), rowsOfA, k,
                                      [&](int64_t column) { return Values{weights[column / step.perVector]}; }));
      next.append(places);
      return next;
    };
    Values sums;
    if (schedule::isInteger(tile.product)) {
      sums = e.loop(e.index(0), steps, 1, initial, [&](Value k, ValueRange state) {
        return advance(k, state, [&](int64_t panel, MutableArrayRef<Value> places) {
          Values codes = reader.loadStep(panel, k, step.perVector * kWord, places[panel]);
          return llvm::map_to_vector<8>(codes, [&](Value part) { return step.convertCodes(part); });
        });
      });
    } else {
      sums = e.loop(e.index(0), steps, reader.getGroup(), initial, [&](Value begin, ValueRange state) {
        SmallVector<Reader::Group, 2> groups;
        for (int64_t panel = 0; panel < reader.getPanels(); ++panel)
          groups.push_back(reader.loadGroup(panel, begin));
        Value end = e.min(e.add(begin, reader.getGroup()), steps);
        return e.loop(begin, end, 1, state, [&](Value k, ValueRange state) {
          return advance(k, state, [&](int64_t panel, MutableArrayRef<Value> places) {
            return reader.loadRow(panel, k, groups[panel], places);
          });
        });
      });
    }
    for (int64_t r = 0; r < rows; ++r)
      step.store(ValueRange(sums).slice(r * step.vectors, step.vectors),
                 [&](int64_t column) { return e.elementPtr(c, e.f32(), e.add(e.mul(strideC, r), column)); });
  });
}

void cpu::emitPackedGemm(Emitter &e, BlockArgument weight, Value column, Value rows, const GemmTile &tile) {
  forRowCount(e, rows, getTileRows(e.sizes, tile.product),
              [&](int64_t count) { callTile(e, weight, count, tile, column); });
}
