// Packed weights, panel by panel into memory or step by step into a register tile.
#include "compiler/Cpu/Packed.h"
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
      RankedTensorType tensor = package::getBitmapPanels(type, layout).tensor;
      tfm::FormatLayout parts = *tfm::getFormatLayout(tensor);
      values = tfm::getValuesFormat(tfm::getFormat(tensor));
      panels = tensor.getDimSize(0), depth = e.index(tensor.getDimSize(1));
      masks = parts.indices, counts = parts.counts, scales = parts.scales, zeros = parts.zeros;
      group = std::max<int64_t>(tensor.getDimSize(1), 1);
      if (auto codes = tfm::getPackedCodes(values))
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
      values = loadKept(panel, k, places[panel], isUnsigned(), &here);
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
  Values loadKept(int64_t panel, Value k, Value &place, bool asUnsigned, Values *here = nullptr) {
    Values values;
    for (int64_t v = 0; v < kWidth; v += e.lanes) {
      Type type = e.b.getIntegerType(e.lanes);
      Value mask = e.load(type, e.bytePtr(bits[panel], e.add(e.mul(k, kWidth / 8), v / 8)));
      Value value = loadVector(place, asUnsigned), where;
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
      if (here)
        here->push_back(where);
      Value count = e.make<arith::ExtUIOp>(e.i64(), mask);
      place = e.add(place, e.make<LLVM::CtPopOp>(count));
    }
    return values;
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

  /// Of each mask of 8 columns, what loadKept says, a byte each.
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
  Value extendBytes(Value codes, bool asUnsigned) {
    Type wide = e.vec(e.i32());
    return asUnsigned ? Value(e.make<arith::ExtUIOp>(wide, codes)) : Value(e.make<arith::ExtSIOp>(wide, codes));
  }
  /// Codes of 4 bits, which lie somewhere in words: by the shifts up to the sign, and down again.
  Value extendHalves(Value words, ArrayRef<int32_t> shifts, bool asUnsigned) {
    auto type = cast<VectorType>(words.getType());
    Value up = e.make<arith::ConstantOp>(DenseElementsAttr::get(type, shifts)), down = e.constant(words, 28);
    Value codes = e.make<arith::ShLIOp>(words, up);
    return asUnsigned ? Value(e.make<arith::ShRUIOp>(codes, down)) : Value(e.make<arith::ShRSIOp>(codes, down));
  }

  /// What is kept from a place on: a vector of floats, or of codes as i32.
  Value loadVector(Value place, bool asUnsigned) {
    if (kept)
      return e.widen(e.load(e.vec(kept), e.elementPtr(base, kept, place)));
    if (format->bits == 8)
      return extendBytes(e.load(e.vec(e.i8()), e.bytePtr(base, place)), asUnsigned);
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
    return extendHalves(codes, shifts, asUnsigned);
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
        values.push_back(extendBytes(e.loadVector(e.i8(), e.bytePtr(row, e.index(v))), isUnsigned()));
      return values;
    }
    // Codes of the first half of the columns are in the low bits.
    auto half = [&](Type element) { return VectorType::get({kWidth / 2}, element); };
    Value bytes = e.make<arith::ExtUIOp>(half(e.i32()), e.load(half(e.i8()), row));
    if (e.lanes == kWidth / 2)
      return {extendHalves(bytes, 28, isUnsigned()), extendHalves(bytes, 24, isUnsigned())};
    SmallVector<int64_t> twice;
    SmallVector<int32_t> shifts;
    for (int64_t i = 0; i < kWidth; ++i) {
      twice.push_back(i % (kWidth / 2));
      shifts.push_back(i < kWidth / 2 ? 28 : 24);
    }
    return {extendHalves(e.make<vector::ShuffleOp>(bytes, bytes, twice), shifts, isUnsigned())};
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
      Values words;
      for (int64_t i = 0; i < schedule::kIntegerDepth; ++i) {
        Values codes = reader.loadKept(panel, e.add(e.mul(step, schedule::kIntegerDepth), i), place, true);
        for (auto [v, code] : llvm::enumerate(codes)) {
          Value shifted = i ? e.make<arith::ShLIOp>(code, e.constant(code, 8 * i)) : code;
          if (i)
            words[v] = e.make<arith::OrIOp>(words[v], shifted);
          else
            words.push_back(shifted);
        }
      }
      for (auto [v, word] : llvm::enumerate(words))
        e.storeVector(word, e.elementPtr(to, e.i32(), e.add(e.mul(step, kWidth), v * e.lanes)));
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
  RankedTensorType tensor = package::getBitmapPanels(type, schedule::getPanel(weight)).tensor;
  auto format = cast<tfm::BitmapFormatAttr>(tfm::getFormat(tensor));
  Value base = e.getOperand(weight.getArgNumber());
  Value counts = e.bytePtr(base, e.index(tfm::getFormatLayout(tensor)->counts));
  unsigned bits = tfm::getCodeBits(format.getValues());
  auto getByte = [&](Value panel) {
    Value place = e.mul(e.min(panel, e.index(tensor.getDimSize(0) - 1)), tensor.getDimSize(1) / 4);
    Value count = e.make<arith::ExtUIOp>(e.i64(), e.load(e.i32(), e.elementPtr(counts, e.i32(), place)));
    count = e.select(e.lessThan(panel, e.index(tensor.getDimSize(0))), count, e.index(format.getKept()));
    return e.div(e.mul(count, bits), 8);
  };
  Value begin = getByte(e.div(column, kWidth)), end = getByte(e.div(e.add(column, e.sizes.columns), kWidth));
  return {e.bytePtr(base, begin), e.sub(end, begin)};
}

static void callTile(Emitter &e, BlockArgument weight, int64_t rows, ValueRange operands, bool picks) {
  // All that the code depends on.
  auto type = cast<RankedTensorType>(weight.getType());
  std::string name;
  llvm::raw_string_ostream(name) << "packed." << type
                                 << (schedule::getPanel(weight).getTransposed() ? ".transposed" : "") << "." << rows
                                 << "x" << e.sizes.columns << (picks ? ".rows" : "");
  e.callHelper(name, operands, [&](ValueRange arguments) {
    Value a = arguments[0], strideA = arguments[1], depth = arguments[2], c = arguments[3], strideC = arguments[4];
    Reader reader(e, type, schedule::getPanel(weight), arguments[5], depth, arguments[6]);
    Values rowsOfA;
    for (int64_t r = 0; r < rows; ++r) {
      Value number = picks ? e.load(e.i64(), e.elementPtr(arguments[7], e.i64(), e.index(r))) : e.index(r);
      rowsOfA.push_back(e.bytePtr(a, e.mul(strideA, number)));
    }
    int64_t vectors = e.sizes.columns / e.lanes;
    Values initial(rows * vectors, e.constant(e.vec(e.f32()), 0));
    initial.append(reader.getBegins());
    Values sums = e.loop(e.index(0), depth, reader.getGroup(), initial, [&](Value begin, ValueRange state) {
      SmallVector<Reader::Group, 2> groups;
      for (int64_t panel = 0; panel < reader.getPanels(); ++panel)
        groups.push_back(reader.loadGroup(panel, begin));
      Value end = e.min(e.add(begin, reader.getGroup()), depth);
      return e.loop(begin, end, 1, state, [&](Value k, ValueRange values) {
        Values next(values), weights;
        auto places = MutableArrayRef(next).drop_front(rows * vectors);
        for (int64_t panel = 0; panel < reader.getPanels(); ++panel)
          weights.append(reader.loadRow(panel, k, groups[panel], places));
        for (int64_t r = 0; r < rows; ++r) {
          Value x = e.broadcast(e.load(e.f32(), e.elementPtr(rowsOfA[r], e.f32(), k)));
          for (int64_t v = 0; v < vectors; ++v)
            next[r * vectors + v] = e.fma(x, weights[v], next[r * vectors + v]);
        }
        return next;
      });
    });
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t v = 0; v < vectors; ++v)
        e.storeVector(sums[r * vectors + v], e.elementPtr(c, e.f32(), e.add(e.mul(strideC, r), v * e.lanes)));
  });
}

void cpu::emitPackedGemm(Emitter &e, BlockArgument weight, Value column, Value rows, const GemmTile &tile) {
  Values operands{tile.a, tile.strideA, tile.steps, tile.c, tile.strideC, e.getOperand(weight.getArgNumber()), column};
  if (tile.rows)
    operands.push_back(tile.rows);
  forRowCount(e, rows, getTileRows(e.sizes, tile.product),
              [&](int64_t count) { callTile(e, weight, count, operands, static_cast<bool>(tile.rows)); });
}
