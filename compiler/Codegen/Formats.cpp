// Elements of weights in a format, decoded where they are read: any format, at any indices.
#include "dialects/Tfm/Formats.h"
#include "compiler/Codegen/Elements.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::codegen;

static Type withElement(Value like, Type element) {
  auto vector = dyn_cast<VectorType>(like.getType());
  return vector ? Type(VectorType::get(vector.getShape(), element)) : element;
}

Index Elements::divide(const Index &index, int64_t divisor) {
  if (divisor == 1)
    return index;
  if (index.kind == Index::Uniform)
    return uniform(div(index.value, divisor));
  if (index.kind == Index::Lane && divisor % lanes == 0 && index.multiple % lanes == 0)
    return uniform(div(index.value, divisor)); // a vector lies within a block
  Value vector = toVector(index);
  return {Index::Vector, div(vector, divisor)};
}

Value Elements::loadCodes(Value base, unsigned bits, const Index &flat) {
  auto widened = [&](Value byte) { return make<arith::ExtUIOp>(withElement(byte, i32()), byte); };
  if (bits == 8)
    return widened(loadElements(base, i8(), flat));
  bool isVector = flat.kind != Index::Uniform;
  Value position = mul(isVector ? toVector(flat) : flat.value, bits);
  Index byte{isVector ? Index::Vector : Index::Uniform, div(position, 8)};
  Value word = widened(loadElements(base, i8(), byte));
  if (8 % bits) { // a code may go on in the next byte
    Value next = widened(loadElements(base, i8(), {byte.kind, add(byte.value, 1)}));
    word = make<arith::OrIOp>(word, make<arith::ShLIOp>(next, constant(next, 8)));
  }
  Value shift = make<arith::TruncIOp>(withElement(word, i32()), rem(position, 8));
  return make<arith::AndIOp>(make<arith::ShRUIOp>(word, shift), constant(word, (1 << bits) - 1));
}

/// Bits of each i32 that are 1 (Warren, Hacker's Delight, section 5-1).
static Value countBits(CodeBuilder &e, Value x) {
  auto shifted = [&](Value value, int bits) { return e.make<arith::ShRUIOp>(value, e.constant(value, bits)); };
  auto masked = [&](Value value, double bits) { return e.make<arith::AndIOp>(value, e.constant(value, bits)); };
  x = e.make<arith::SubIOp>(x, masked(shifted(x, 1), 0x55555555));
  x = e.make<arith::AddIOp>(masked(x, 0x33333333), masked(shifted(x, 2), 0x33333333));
  x = masked(e.make<arith::AddIOp>(x, shifted(x, 4)), 0x0f0f0f0f);
  return shifted(e.make<arith::MulIOp>(x, e.constant(x, 0x01010101)), 24);
}

Value Elements::loadBitmap(Value base, RankedTensorType type, ArrayRef<Index> indices) {
  auto format = cast<tfm::BitmapFormatAttr>(type.getEncoding());
  tfm::FormatLayout layout = *tfm::getFormatLayout(type);
  Index flat = linearize(indices, getDims(type));
  bool isVector = flat.kind != Index::Uniform;
  Value place = isVector ? toVector(flat) : flat.value;
  Index::Kind kind = isVector ? Index::Vector : Index::Uniform;
  // Those kept before: before the run of 64, then in its two halves up to here.
  Value run = div(place, 64), inside = make<arith::TruncIOp>(withElement(place, i32()), rem(place, 64));
  Value map = bytePtr(base, index(layout.indices));
  Value before = loadElements(bytePtr(base, index(layout.counts)), i32(), {kind, run});
  Value one = constant(inside, 1), zero = constant(inside, 0), half = constant(inside, 32), bit;
  for (int64_t i = 0; i < 2; ++i) {
    Value word = loadElements(map, i32(), {kind, add(mul(run, 2), i)});
    Value here = i ? Value(make<arith::SubIOp>(inside, half)) : inside;
    Value low = make<arith::AndIOp>(here, constant(inside, 31));
    Value mask = make<arith::SubIOp>(make<arith::ShLIOp>(one, low), one);
    Value isHere = compare(arith::CmpIPredicate::ult, here, half);
    Value isBefore = i ? Value() : compare(arith::CmpIPredicate::uge, inside, half);
    Value counted = make<arith::AndIOp>(word, select(isHere, mask, zero));
    if (isBefore)
      counted = select(isBefore, word, counted);
    before = make<arith::AddIOp>(before, countBits(*this, counted));
    Value mine = select(isHere, make<arith::AndIOp>(make<arith::ShRUIOp>(word, low), one), zero);
    bit = bit ? Value(make<arith::OrIOp>(bit, mine)) : mine;
  }
  Value isKept = compare(arith::CmpIPredicate::ne, bit, zero);
  if (format.getKept() == 0)
    return constant(isVector ? Type(vec(f32())) : f32(), 0);
  Value number = make<arith::ExtUIOp>(withElement(before, i64()), before);
  number = select(isKept, number, constant(number, 0)); // behind the last one there is none
  Value value = loadCode(base, type, Index{kind, number}, indices);
  return select(isKept, value, constant(value, 0));
}

Value Elements::loadSparse(Value base, RankedTensorType type, ArrayRef<Index> indices) {
  auto format = cast<tfm::SparseFormatAttr>(type.getEncoding());
  tfm::FormatLayout layout = *tfm::getFormatLayout(type);
  int64_t n = format.getN(), m = format.getM();
  unsigned axis = format.getAxis();
  SmallVector<int64_t> shape(type.getShape());
  shape[axis] = shape[axis] / m * n;
  auto kept = RankedTensorType::get(shape, f32());
  Index along = indices[axis], group = divide(along, m);
  Value place = along.kind == Index::Uniform ? along.value : toVector(along);
  Value inside = make<arith::TruncIOp>(withElement(place, i32()), rem(place, m)), result;
  for (int64_t i = 0; i < n; ++i) {
    Indices at(indices);
    at[axis] = add(mul(group, index(n)), uniform(i));
    Value which = loadCodes(bytePtr(base, index(layout.indices)), m <= 4 ? 2 : 4, linearize(at, getDims(kept)));
    Value value = loadCode(base, type, linearize(at, getDims(kept)), indices);
    if (isVector(inside) || isVector(which) || isVector(value)) {
      inside = broadcast(inside);
      which = broadcast(which);
      value = broadcast(value);
    }
    Value otherwise = result ? result : constant(value, 0);
    result = select(compare(arith::CmpIPredicate::eq, which, inside), value,
                    isVector(value) ? broadcast(otherwise) : otherwise);
  }
  return result;
}

Value Elements::loadWeight(Value base, RankedTensorType type, ArrayRef<Index> indices) {
  Attribute format = tfm::getFormat(type);
  if (!format)
    return loadElements(base, type.getElementType(), linearize(indices, getDims(type)));
  if (isa<tfm::SparseFormatAttr>(format))
    return loadSparse(base, type, indices);
  if (isa<tfm::BitmapFormatAttr>(format))
    return loadBitmap(base, type, indices);
  return loadCode(base, type, linearize(indices, getDims(type)), indices);
}

Value Elements::loadCode(Value base, RankedTensorType type, const Index &flat, ArrayRef<Index> indices) {
  Attribute format = tfm::getValuesFormat(tfm::getFormat(type));
  tfm::FormatLayout layout = *tfm::getFormatLayout(type);
  Value codes = bytePtr(base, index(layout.codes));
  if (!format)
    return loadElements(codes, f32(), flat);
  /// The block's entry of a part.
  auto loadOfBlock = [&](DenseI64ArrayAttr block, uint64_t part, Type element) {
    Indices at;
    Values counts;
    for (auto [i, size, step] : llvm::zip_equal(indices, type.getShape(), block.asArrayRef())) {
      at.push_back(step >= size ? uniform(0) : divide(i, step));
      counts.push_back(index(llvm::divideCeil(size, step)));
    }
    return loadElements(bytePtr(base, index(part)), element, linearize(at, counts));
  };
  auto lookUp = [&](Value code) { return Index{isVector(code) ? Index::Vector : Index::Uniform, code}; };
  if (auto codebook = dyn_cast<tfm::CodebookFormatAttr>(format)) {
    Value code = loadCodes(codes, codebook.getBits(), flat);
    code = make<arith::ExtUIOp>(withElement(code, i64()), code);
    return widen(loadElements(bytePtr(base, index(layout.tables)), codebook.getType(), lookUp(code)));
  }
  Value value;
  DenseI64ArrayAttr block;
  Type scale;
  if (auto integers = dyn_cast<tfm::IntFormatAttr>(format)) {
    block = integers.getBlock();
    scale = integers.getScale();
    Value code = loadCodes(codes, integers.getBits(), flat);
    if (integers.getZeroPoints()) {
      Value zero = loadOfBlock(block, layout.zeros, i8());
      zero = make<arith::ExtUIOp>(withElement(zero, i32()), zero);
      code = binary<arith::SubIOp>(code, zero);
    } else {
      Value sign = constant(code, 1 << (integers.getBits() - 1));
      code = make<arith::SubIOp>(make<arith::XOrIOp>(code, sign), sign);
    }
    value = make<arith::SIToFPOp>(withElement(code, f32()), code);
  } else {
    auto floats = cast<tfm::FloatFormatAttr>(format);
    block = floats.getBlock();
    scale = floats.getScale();
    if (floats.getType().getIntOrFloatBitWidth() == 16) {
      value = widen(loadElements(codes, floats.getType(), flat));
    } else {
      std::vector<float> table = tfm::getFloatTable(cast<FloatType>(floats.getType()));
      Value code = loadCodes(codes, 8, flat);
      code = make<arith::ExtUIOp>(withElement(code, i64()), code);
      auto values = DenseElementsAttr::get(RankedTensorType::get({256}, f32()), ArrayRef<float>(table));
      value = evaluateConstant(values, lookUp(code));
    }
  }
  return block ? mulf(value, widen(loadOfBlock(block, layout.scales, scale))) : value;
}
