// Attention: softmax(scale * q k^T + mask) v without the matrix of scores. A tile is a block of queries of one head.
// Keys and values of that head are packed into panels once for all blocks that follow each other; scores of a block of
// keys lie in scratch, and maximum and denominator are carried from one block to the next (Milakov and Gimelshein,
// "Online normalizer calculation for softmax", 2018). Blocks that no query of the tile may see are not visited:
// trailing padding costs nothing. Where the processor multiplies pairs of bf16, queries, keys, values and the weights
// of keys lie in pairs: what is said in words of 4 bytes below is an element in f32, or a pair.
#include "compiler/Cpu/Gemm.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::cpu;

namespace {
constexpr int64_t kWidth = schedule::kPanelWidth;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

class AttentionEmitter {
public:
  AttentionEmitter(Emitter &e) : e(e), op(cast<tfm::AttentionOp>(e.plan.anchors[0])) {}
  void emit();

private:
  bool readsInPlace(Value tensor) { return schedule::getMemory(tensor) && tfm::getElementType(tensor) == getElement(); }
  Type getElement() { return getRowType(e, e.productKind); }
  bool hasTiles() { return e.productKind == Product::AmxBf16; }
  bool hasPairs() { return e.productKind == Product::Bf16 || hasTiles(); }
  /// Words of so many keys, as the products read them.
  Value getKeyWords(Value count) {
    Value words = e.ceilDiv(count, step);
    return hasTiles() ? e.roundUp(words, schedule::kAmxRows) : words;
  }
  bool isRestricted() { return op.getPadding() || op.getCausal() || op.getWindow(); }
  Value f32(double value) { return e.constant(e.f32(), value); }
  /// The word at an offset in words.
  Value at(Value base, Value offset) { return e.elementPtr(base, e.f32(), offset); }

  void findKeyEnd();
  void packKeys();
  void packValues();
  /// Words of a panel of values.
  Value getValuePanel() { return e.mul(getKeyWords(e.roundUp(keys, kWidth)), kWidth); }
  void emitTile(Value head, Value queryBegin, Value queryCount);
  void emitBlock(Value keyBegin, Value keyCount, Value first);
  Value emitScores(Value row, Value keyBegin, Value keyCount, Value allVisible);
  Value evaluateBias(const Index &query, const Index &key);
  Value getAllVisible(Value keyBegin, Value keyCount);
  void emitRow(Value row);
  Value getVisible(Value row, Value key);
  void emitUnseen(Value row);

  Emitter &e;
  tfm::AttentionOp op;
  Value queries, keys, heads, depth, width, widthPadded, offset; // sizes; offset of the causal diagonal
  int64_t step;                                                  // elements of a word
  Value depthWords;
  Value packedKeys, packedValues, packedQueries, scores, sums, maxima, totals, seen;
  Value batch, kvHead, keyEnd, solid; // of the job
  Value head, queryBegin, queryCount; // of the tile
};
} // namespace

/// Sets keyEnd, the last real key's place plus one, and whether all keys before it are real.
void AttentionEmitter::findKeyEnd() {
  keyEnd = keys;
  solid = e.constant(e.i1(), -1);
  if (!op.getPadding())
    return;
  Values found = e.loop(e.index(0), keys, 1, {e.index(0), e.index(0)}, [&](Value j, ValueRange values) {
    Value real = e.evaluate(op.getPadding(), {e.uniform(batch), e.uniform(j)});
    return Values{e.select(real, e.add(j, 1), values[0]), e.select(real, e.add(values[1], 1), values[1])};
  });
  keyEnd = found[0];
  solid = e.equal(found[0], found[1]);
}

/// K transposed, in panels of keys: panel, word of the head, key.
void AttentionEmitter::packKeys() {
  Value column = e.mul(kvHead, depth);
  auto target = [&](Value key, Value word) {
    Value panel = e.mul(e.mul(e.div(key, kWidth), depthWords), kWidth);
    return e.add(e.add(panel, e.mul(word, kWidth)), e.rem(key, kWidth));
  };
  auto packOne = [&](Value j) {
    e.forLanes(depth, [&](Value d) {
      Value x = e.evaluateWide(op.getKey(), {e.uniform(batch), e.uniform(j), e.lane(e.add(column, d))});
      Value elements = e.add(e.broadcast(d), e.iota());
      Value words = e.add(e.mul(e.div(elements, step), kWidth), e.broadcast(target(j, e.index(0))));
      Value places = e.add(e.mul(words, step), e.rem(elements, step));
      e.storeElements(e.narrow(x, getElement()), packedKeys, getElement(), {Index::Vector, places});
    });
  };
  auto constant = e.getConstant(depthWords);
  if (!readsInPlace(op.getKey()) || !constant || *constant % e.lanes != 0)
    return e.loop(e.index(0), keyEnd, 1, packOne);
  // Squares of lanes x lanes, transposed in registers.
  Value base = e.getOperand(schedule::getMemory(op.getKey()).getArgNumber());
  Value stride = e.mul(depthWords, static_cast<int64_t>(op.getKvHeads()));
  Value whole = e.mul(e.div(keyEnd, e.lanes), e.lanes);
  e.loop(e.index(0), whole, e.lanes, [&](Value j) {
    e.loop(e.index(0), depthWords, e.lanes, [&](Value d) {
      Value from = at(base, e.add(e.mul(e.add(e.mul(batch, keys), j), stride), e.add(e.mul(kvHead, depthWords), d)));
      Values rows;
      for (int64_t i = 0; i < e.lanes; ++i) {
        Value row = at(from, e.mul(stride, i));
        e.prefetch(at(row, depthWords)); // the next head's, too far from its other rows for the hardware to guess
        rows.push_back(e.loadVector(e.f32(), row));
      }
      for (int64_t half = e.lanes / 2; half >= 1; half /= 2)
        for (int64_t i = 0; i < e.lanes; ++i) {
          if (i & half)
            continue;
          SmallVector<int64_t> low, high;
          for (int64_t lane = 0; lane < e.lanes; ++lane) {
            low.push_back(lane & half ? e.lanes + lane - half : lane);
            high.push_back(lane & half ? e.lanes + lane : lane + half);
          }
          Value a = rows[i], c = rows[i + half];
          rows[i] = e.make<vector::ShuffleOp>(a, c, low);
          rows[i + half] = e.make<vector::ShuffleOp>(a, c, high);
        }
      for (int64_t i = 0; i < e.lanes; ++i)
        e.storeVector(rows[i], at(packedKeys, target(j, e.add(d, i))));
    });
  });
  e.loop(whole, keyEnd, 1, packOne);
}

/// V in panels of columns: panel, word of keys, column. Columns past the head's are 0, and so are keys that aren't
/// real: what they hold may never have been computed, and 0 * NaN must not get into the sums.
void AttentionEmitter::packValues() {
  Value column = e.mul(kvHead, width);
  auto getReal = [&](Value j) {
    return op.getPadding() ? e.evaluate(op.getPadding(), {e.uniform(batch), e.uniform(j)}) : Value();
  };
  auto load = [&](Value j, Value real, Value d) {
    if (readsInPlace(op.getValue())) {
      Value row = e.mul(e.add(e.mul(batch, keys), j), e.mul(width, static_cast<int64_t>(op.getKvHeads())));
      Value base = e.getOperand(schedule::getMemory(op.getValue()).getArgNumber());
      e.prefetch(e.elementPtr(base, getElement(), e.add(e.add(row, column), e.add(width, d))));
    }
    Value x = e.broadcast(e.evaluateWide(op.getValue(), {e.uniform(batch), e.uniform(j), e.lane(e.add(column, d))}));
    x = e.masked(x, e.constant(x, 0));
    return real ? e.select(real, x, e.constant(x, 0)) : x;
  };
  e.loop(e.index(0), keyEnd, step, [&](Value j) {
    Value real = getReal(j), second, secondReal;
    if (hasPairs()) { // the last key of an odd number goes with 0
      Value next = e.add(j, 1);
      second = e.min(next, e.sub(keyEnd, e.index(1)));
      secondReal = e.logicalAnd(getReal(second), e.lessThan(next, keyEnd));
    }
    e.forLanes(width, [&](Value d) {
      Value x = load(j, real, d);
      if (hasPairs()) { // which are exact in their upper halves
        Value low = e.make<arith::ShRUIOp>(e.bitcast(x, e.i32()), e.constant(e.vec(e.i32()), 16));
        x = e.make<arith::OrIOp>(low, e.bitcast(load(second, secondReal, d), e.i32()));
      }
      Value word = e.add(e.mul(e.div(j, step), kWidth), e.rem(d, kWidth));
      Value outer = std::exchange(e.mask, Value());
      e.storeVector(x, at(packedValues, e.add(e.mul(e.div(d, kWidth), getValuePanel()), word)));
      e.mask = outer;
    });
  });
  if (!hasTiles()) // which are whole
    return;
  e.loop(e.ceilDiv(keyEnd, step), getKeyWords(keyEnd), 1, [&](Value word) {
    e.loop(e.index(0), widthPadded, kWidth, [&](Value d) {
      Value place = e.add(e.mul(e.div(d, kWidth), getValuePanel()), e.mul(word, kWidth));
      e.storeVector(f32(0), at(packedValues, place));
    });
  });
}

/// Which lanes from the key on the row's query may see, or null: all.
Value AttentionEmitter::getVisible(Value row, Value key) {
  Value visible;
  if (op.getPadding())
    visible = e.broadcast(e.evaluate(op.getPadding(), {e.uniform(batch), e.lane(key, e.lanes)}));
  if (op.getCausal() || op.getWindow()) {
    Value places = e.add(e.broadcast(key), e.iota());
    Value last = e.add(e.add(queryBegin, row), offset);
    if (op.getCausal())
      visible = e.logicalAnd(visible, e.compare(arith::CmpIPredicate::sle, places, e.broadcast(last)));
    if (op.getWindow()) {
      Value start = e.sub(last, e.index(*op.getWindow()));
      visible = e.logicalAnd(visible, e.compare(arith::CmpIPredicate::sgt, places, e.broadcast(start)));
    }
  }
  return visible;
}

/// What is left to do to a row's scores, in place; their maximum.
Value AttentionEmitter::emitScores(Value row, Value keyBegin, Value keyCount, Value allVisible) {
  Value line = at(scores, e.mul(row, e.sizes.keyBlock));
  Value least = e.constant(e.vec(e.f32()), -kInfinity);
  double cap = op.getSoftcap().convertToDouble();
  auto sweep = [&](bool restricted) {
    Values initial{least};
    if (restricted)
      initial.push_back(e.constant(e.vec(e.i1()), 0));
    return e.forLanes(keyCount, initial, [&](Value j, ValueRange values) {
      Value key = e.add(keyBegin, j);
      Value s = e.loadVector(e.f32(), at(line, j));
      if (hasPairs())
        s = e.mulf(s, f32(op.getScale().convertToDouble()));
      if (cap > 0)
        s = e.mulf(e.make<math::TanhOp>(e.mulf(s, f32(1 / cap))), f32(cap));
      if (op.getBias())
        s = e.addf(s, evaluateBias(e.uniform(e.add(queryBegin, row)), e.lane(key, e.lanes)));
      Value visible = e.mask;
      if (restricted) {
        visible = e.logicalAnd(getVisible(row, key), e.mask);
        s = e.select(visible, s, least);
      }
      if (restricted || cap > 0 || op.getBias() || hasPairs())
        e.storeVector(s, at(line, j));
      Values next{e.fastMax(e.masked(s, least), values[0])};
      if (restricted)
        next.push_back(e.logicalOr(values[1], visible));
      return next;
    });
  };
  Value maximum;
  if (!isRestricted()) {
    maximum = sweep(false)[0];
  } else {
    maximum = e.ifElse(
        allVisible,
        [&] {
          e.store(f32(1), at(seen, row));
          return Values{sweep(false)[0]};
        },
        [&] {
          Values results = sweep(true);
          e.ifThen(e.reduce(vector::CombiningKind::OR, results[1]), [&] { e.store(f32(1), at(seen, row)); });
          return Values{results[0]};
        })[0];
  }
  return e.reduce(vector::CombiningKind::MAXNUMF, maximum);
}

Value AttentionEmitter::evaluateBias(const Index &query, const Index &key) {
  SmallVector<Dim> dims = tfm::getDims(op.getBias());
  Indices all{e.uniform(batch), e.uniform(head), query, key}, place;
  for (size_t d = 0; d < dims.size(); ++d)
    place.push_back(dims[d] == Dim(1) ? e.uniform(0) : all[4 - dims.size() + d]);
  return e.evaluateWide(op.getBias(), place);
}

/// Whether all queries of the tile may see all keys of the block.
Value AttentionEmitter::getAllVisible(Value keyBegin, Value keyCount) {
  Value visible = solid;
  Value first = e.add(queryBegin, offset); // the diagonal of the tile's first query
  if (op.getCausal())
    visible = e.logicalAnd(visible, e.lessThan(e.sub(e.add(keyBegin, keyCount), e.index(1)), e.add(first, 1)));
  if (op.getWindow()) {
    Value last = e.sub(e.add(first, queryCount), e.index(1 + static_cast<int64_t>(*op.getWindow())));
    visible = e.logicalAnd(visible, e.lessThan(last, keyBegin));
  }
  return visible;
}

void AttentionEmitter::emitBlock(Value keyBegin, Value keyCount, Value first) {
  int64_t block = e.sizes.keyBlock, columns = e.sizes.columns;
  // Scores.
  e.loop(e.index(0), keyCount, columns, [&](Value column) {
    Value panel = e.mul(e.add(keyBegin, column), depthWords);
    forRowTiles(e, queryCount, e.sizes.rows, [&](Value row, Value count) {
      GemmTile tile{
          at(packedQueries, e.mul(row, depthWords)),    e.mul(depthWords, 4), at(packedKeys, panel), depthWords,
          at(scores, e.add(e.mul(row, block), column)), e.index(block)};
      tile.panelStride = columns > kWidth ? e.mul(depthWords, kWidth) : Value();
      tile.product = e.productKind;
      emitGemm(e, count, columns, tile, false);
    });
  });
  // Weights, and what changes about the sums so far.
  Value allVisible = getAllVisible(keyBegin, keyCount);
  e.loop(e.index(0), queryCount, 1, [&](Value row) {
    Value line = at(scores, e.mul(row, block));
    Value old = e.load(e.f32(), at(maxima, row));
    Value greatest = e.fastMax(emitScores(row, keyBegin, keyCount, allVisible), old);
    Value none = e.make<arith::CmpFOp>(arith::CmpFPredicate::OEQ, greatest, f32(-kInfinity));
    Value reference = e.select(none, f32(0), greatest);
    Value zero = e.constant(e.vec(e.f32()), 0);
    Value total = e.forLanes(keyCount, zero, [&](Value j, ValueRange values) {
      Value place = at(line, j);
      Value p = expNonPositive(e, e.subf(e.loadVector(e.f32(), place), reference));
      // Pairs take half of the place, behind which the next ones are read.
      e.storeElements(e.narrow(p, getElement()), line, getElement(), e.lane(j));
      return Values{e.addf(values[0], e.masked(p, zero))};
    })[0];
    if (hasPairs()) // the last key's second one, or the rest of a tile
      e.storeVector(zero, e.elementPtr(line, getElement(), keyCount));
    Value sum = e.reduce(vector::CombiningKind::ADD, total);
    e.store(greatest, at(maxima, row));
    e.ifThen(first, [&] { e.store(sum, at(totals, row)); });
    e.ifThen(e.logicalNot(first), [&] {
      Value change = expNonPositive(e, e.subf(old, reference));
      e.store(e.fma(e.load(e.f32(), at(totals, row)), change, sum), at(totals, row));
      e.loop(e.index(0), widthPadded, e.lanes, [&](Value d) {
        Value place = at(sums, e.add(e.mul(row, widthPadded), d));
        e.storeVector(e.mulf(e.loadVector(e.f32(), place), change), place);
      });
    });
  });
  // Weighted values.
  Value panelSize = getValuePanel();
  e.loop(e.index(0), width, columns, [&](Value column) {
    Value panel = e.mul(e.div(column, kWidth), panelSize);
    forRowTiles(e, queryCount, e.sizes.rows, [&](Value row, Value count) {
      GemmTile tile{at(scores, e.mul(row, block)),
                    e.index(block * 4),
                    at(packedValues, e.add(panel, e.mul(e.div(keyBegin, step), kWidth))),
                    getKeyWords(keyCount),
                    at(sums, e.add(e.mul(row, widthPadded), column)),
                    widthPadded};
      tile.panelStride = columns > kWidth ? panelSize : Value();
      tile.product = e.productKind;
      e.ifThen(first, [&] { emitGemm(e, count, columns, tile, false); });
      e.ifThen(e.logicalNot(first), [&] { emitGemm(e, count, columns, tile, true); });
    });
  });
}

/// A query that may see nothing: puts what masked_row asks for into its sums, with a denominator of 1.
void AttentionEmitter::emitUnseen(Value row) {
  Value line = at(sums, e.mul(row, widthPadded)), column = e.mul(kvHead, width);
  e.store(f32(1), at(totals, row));
  auto fill = [&](Value value) {
    e.loop(e.index(0), widthPadded, e.lanes, [&](Value d) { e.storeVector(value, at(line, d)); });
  };
  auto addValues = [&](Value key, Value weight, Value change) {
    e.forLanes(width, [&](Value d) {
      Value v = e.evaluateWide(op.getValue(), {e.uniform(batch), e.uniform(key), e.lane(e.add(column, d))});
      Value sum = e.loadVector(e.f32(), at(line, d));
      e.storeVector(e.fma(v, weight, change ? e.mulf(sum, change) : sum), at(line, d));
    });
  };
  switch (op.getMaskedRow()) {
  case tfm::MaskedRow::zero:
    return fill(f32(0));
  case tfm::MaskedRow::nan:
    return fill(f32(std::numeric_limits<double>::quiet_NaN()));
  case tfm::MaskedRow::mean:
    fill(f32(0));
    e.loop(e.index(0), keys, 1, [&](Value j) { addValues(j, f32(1), Value()); });
    return e.store(e.make<arith::SIToFPOp>(e.f32(), keys), at(totals, row));
  case tfm::MaskedRow::unmasked:
    break;
  }
  fill(f32(0));
  Value query = e.add(queryBegin, row), zero = f32(0), least = f32(-kInfinity);
  double cap = op.getSoftcap().convertToDouble();
  Values state = e.loop(e.index(0), keys, 1, {least, zero}, [&](Value j, ValueRange values) {
    Value s = e.loop(e.index(0), depth, 1, zero, [&](Value d, ValueRange sum) {
      Value q =
          e.evaluateWide(op.getQuery(), {e.uniform(batch), e.uniform(query), e.uniform(e.add(e.mul(head, depth), d))});
      Value k =
          e.evaluateWide(op.getKey(), {e.uniform(batch), e.uniform(j), e.uniform(e.add(e.mul(kvHead, depth), d))});
      return Values{e.fma(q, k, sum[0])};
    })[0];
    s = e.mulf(s, f32(op.getScale().convertToDouble()));
    if (cap > 0)
      s = e.mulf(e.make<math::TanhOp>(e.mulf(s, f32(1 / cap))), f32(cap));
    if (op.getBias())
      s = e.addf(s, evaluateBias(e.uniform(query), e.uniform(j)));
    Value greatest = e.fastMax(s, values[0]);
    Value none = e.make<arith::CmpFOp>(arith::CmpFPredicate::OEQ, greatest, least);
    Value reference = e.select(none, zero, greatest);
    Value weight = e.exp(e.subf(s, reference)), change = e.exp(e.subf(values[0], reference));
    addValues(j, weight, change);
    return Values{greatest, e.fma(values[1], change, weight)};
  });
  e.store(state[1], at(totals, row));
}

/// Divides a row's sums and stores what the epilogue makes of them.
void AttentionEmitter::emitRow(Value row) {
  if (isRestricted()) {
    Value unseen = e.make<arith::CmpFOp>(arith::CmpFPredicate::OEQ, e.load(e.f32(), at(seen, row)), f32(0));
    e.ifThen(unseen, [&] { emitUnseen(row); });
  }
  Value inverse = e.divf(f32(1), e.load(e.f32(), at(totals, row)));
  Type declared = tfm::getElementType(op.getResult());
  e.forLanes(width, [&](Value d) {
    e.override(op.getResult(), [=](ArrayRef<Index>) {
      Value sum = e.loadVector(e.f32(), at(sums, e.add(e.mul(row, widthPadded), d)));
      return e.narrow(e.mulf(sum, inverse), declared);
    });
    Indices place{e.uniform(batch), e.uniform(e.add(queryBegin, row)), e.lane(e.add(e.mul(head, width), d))};
    for (unsigned result = 0; result < e.kernel.getNumResults(); ++result)
      e.storeResult(result, e.evaluate(e.getResults()[result], place), place);
  });
  e.overrides.erase(op.getResult().getAsOpaquePointer());
}

void AttentionEmitter::emitTile(Value tileHead, Value begin, Value count) {
  head = tileHead, queryBegin = begin, queryCount = count;
  // The queries, scaled, so that their products with the keys are the scores; in bf16 these are scaled, or the queries
  // would be rounded again.
  e.loop(e.index(0), count, 1, [&](Value i) {
    e.forLanes(depth, [&](Value d) {
      Index column = e.lane(e.add(e.mul(head, depth), d));
      Value x = e.evaluateWide(op.getQuery(), {e.uniform(batch), e.uniform(e.add(begin, i)), column});
      x = hasPairs() ? x : e.mulf(x, f32(op.getScale().convertToDouble()));
      e.storeElements(e.narrow(x, getElement()), packedQueries, getElement(), e.lane(e.add(e.mul(i, depth), d)));
    });
  });
  e.loop(e.index(0), count, 1, [&](Value row) {
    e.store(f32(-kInfinity), at(maxima, row));
    e.store(f32(0), at(totals, row));
    e.store(f32(0), at(seen, row));
  });
  // Keys that some query of the tile may see.
  Value from = e.index(0), to = keyEnd;
  if (op.getCausal())
    to = e.max(e.min(to, e.add(e.add(begin, count), offset)), e.index(0));
  if (op.getWindow()) {
    Value start = e.sub(e.add(begin, offset), e.index(*op.getWindow() - 1));
    from = e.mul(e.div(e.max(start, e.index(0)), e.sizes.columns), e.sizes.columns);
  }
  // No key at all: the sums of 0 keys, which nothing else sets.
  e.ifThen(e.logicalNot(e.lessThan(from, to)), [&] {
    e.loop(e.index(0), e.mul(count, widthPadded), e.lanes, [&](Value i) { e.storeVector(f32(0), at(sums, i)); });
  });
  e.loop(from, to, e.sizes.keyBlock,
         [&](Value key) { emitBlock(key, e.min(e.sub(to, key), e.index(e.sizes.keyBlock)), e.equal(key, from)); });
  e.loop(e.index(0), count, 1, [&](Value row) { emitRow(row); });
}

void AttentionEmitter::emit() {
  Values q = e.getDims(op.getQuery()), k = e.getDims(op.getKey()), v = e.getDims(op.getValue());
  auto headCount = static_cast<int64_t>(op.getHeads()), kvCount = static_cast<int64_t>(op.getKvHeads());
  queries = q[1], keys = k[1], heads = e.index(headCount);
  depth = e.div(q[2], headCount), width = e.div(v[2], kvCount), widthPadded = e.roundUp(width, e.sizes.columns);
  step = getStepDepth(e.productKind), depthWords = e.div(depth, step);
  offset = op.getOffset() ? e.getDim(op.getOffset()->getDims()[0]) : e.sub(keys, queries);
  Value keysPadded = e.roundUp(keys, e.sizes.columns), blockRows = e.index(e.sizes.queryRows);
  packedKeys = e.takeScratch(e.mul(depth, keysPadded));
  packedValues = e.takeScratch(e.mul(keysPadded, widthPadded));
  packedQueries = e.takeScratch(e.mul(blockRows, depth));
  scores = e.takeScratch(e.mul(blockRows, e.sizes.keyBlock));
  sums = e.takeScratch(e.mul(blockRows, widthPadded));
  maxima = e.takeScratch(blockRows), totals = e.takeScratch(blockRows), seen = e.takeScratch(blockRows);

  // Tiles: batch, key-value head, its heads, blocks of queries. Those of one key-value head are a job.
  Value blocks = e.max(e.ceilDiv(queries, e.sizes.queryRows), e.index(1));
  int64_t shared = headCount / kvCount;
  Value perJob = e.mul(blocks, shared);
  Value lastJob = e.div(e.add(e.tileEnd, e.sub(perJob, e.index(1))), perJob);
  e.loop(e.div(e.tileBegin, perJob), lastJob, 1, [&](Value job) {
    Value base = e.mul(job, perJob);
    Value from = e.max(e.sub(e.tileBegin, base), e.index(0)), to = e.min(e.sub(e.tileEnd, base), perJob);
    batch = e.div(job, kvCount), kvHead = e.rem(job, kvCount);
    findKeyEnd();
    packKeys();
    packValues();
    e.loop(from, to, 1, [&](Value tile) {
      Value tileHead = e.add(e.mul(kvHead, shared), e.div(tile, blocks));
      Value begin = e.mul(e.rem(tile, blocks), e.sizes.queryRows);
      Dim rows = Dim::product(ArrayRef<Dim>(tfm::getDims(op.getQuery())).take_front(2));
      e.forReadRows(rows, e.add(e.mul(batch, queries), begin), e.min(e.sub(queries, begin), blockRows),
                    [&](Value count) { emitTile(tileHead, begin, count); });
    });
  });
}

void cpu::emitAttention(Emitter &e) { AttentionEmitter(e).emit(); }
