// The strategies that compute each element of a result on its own, and scatters.
#include "compiler/Cpu/Emitter.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::cpu;

/// Stores the elements [begin, end) of the innermost dimension, at fixed places of the others.
static void emitRun(Emitter &e, unsigned result, ArrayRef<Index> outer, Value begin, Value count, bool aligned) {
  Value tensor = e.getResults()[result];
  e.forLanes(count, [&](Value position) {
    Indices at(outer);
    at.push_back(e.lane(e.add(begin, position), aligned ? e.lanes : 1));
    e.storeResult(result, e.evaluate(tensor, at), at);
  });
}

void cpu::emitMap(Emitter &e) {
  // The schedule counts tiles by the elements of the first result; every result is cut into as many parts.
  Value total = e.product(e.getDims(e.getResults()[0]));
  Value tiles = e.max(e.ceilDiv(total, schedule::kMapElements), e.index(1));
  for (unsigned result = 0; result < e.kernel.getNumResults(); ++result) {
    Value tensor = e.getResults()[result];
    SmallVector<Dim> dims = tfm::getDims(tensor);
    Values sizes = e.getDims(tensor);
    auto bound = [&](Value count, Value tile) { return e.div(e.mul(count, tile), tiles); };
    if (dims.empty()) {
      e.ifThen(e.logicalAnd(e.equal(e.tileBegin, e.index(0)), e.lessThan(e.tileBegin, e.tileEnd)),
               [&] { e.storeResult(result, e.evaluate(tensor, {}), {}); });
      continue;
    }
    ArrayRef<Value> outerSizes = ArrayRef<Value>(sizes).drop_back();
    bool vector = Dim::product(ArrayRef<Dim>(dims).drop_back()) == Dim(1);
    if (vector) {
      // One run of elements, cut at multiples of the lanes.
      Value groups = e.ceilDiv(sizes.back(), e.lanes);
      Value begin = e.mul(bound(groups, e.tileBegin), e.lanes);
      Value end = e.min(e.mul(bound(groups, e.tileEnd), e.lanes), sizes.back());
      e.ifThen(e.lessThan(begin, end), [&] {
        Indices outer(dims.size() - 1, e.uniform(0));
        emitRun(e, result, outer, begin, e.sub(end, begin), true);
      });
      continue;
    }
    if (dims.back() == Dim(1)) {
      // Nothing to vectorise along the innermost dimension: lanes run along all of them.
      Value groups = e.ceilDiv(e.product(sizes), e.lanes);
      Value begin = e.mul(bound(groups, e.tileBegin), e.lanes);
      Value end = e.min(e.mul(bound(groups, e.tileEnd), e.lanes), e.product(sizes));
      e.loop(begin, end, 1, [&](Value flat) {
        Indices at = e.delinearize(e.uniform(flat), sizes);
        e.storeResult(result, e.evaluate(tensor, at), at);
      });
      continue;
    }
    Value rows = e.product(outerSizes);
    e.loop(bound(rows, e.tileBegin), bound(rows, e.tileEnd), 1, [&](Value row) {
      e.forReadRows(Dim::product(ArrayRef<Dim>(dims).drop_back()), row, e.index(1), [&](Value) {
        emitRun(e, result, e.delinearize(e.uniform(row), outerSizes), e.index(0), sizes.back(), true);
      });
    });
  }
}

static Value combine(Emitter &e, tfm::Accumulate kind, Type declared, Value old, Value update) {
  Type element = getElementTypeOrSelf(old.getType());
  bool isFloat = isa<FloatType>(element), isUnsigned = declared.isUnsignedInteger();
  Value a = e.widen(old), c = e.widen(update), result;
  switch (kind) {
  case tfm::Accumulate::none:
    return update;
  case tfm::Accumulate::add:
    result = isFloat ? e.addf(a, c) : e.binary<arith::AddIOp>(a, c);
    break;
  case tfm::Accumulate::mul:
    result = isFloat ? e.mulf(a, c) : e.binary<arith::MulIOp>(a, c);
    break;
  case tfm::Accumulate::min:
    result = isFloat ? e.minf(a, c) : isUnsigned ? e.binary<arith::MinUIOp>(a, c) : e.binary<arith::MinSIOp>(a, c);
    break;
  case tfm::Accumulate::max:
    result = isFloat ? e.maxf(a, c) : isUnsigned ? e.binary<arith::MaxUIOp>(a, c) : e.binary<arith::MaxSIOp>(a, c);
    break;
  }
  return e.narrow(result, declared);
}

void cpu::emitScatter(Emitter &e) {
  Operation *op = e.plan.anchors[0];
  Value data = op->getOperand(0), indices = op->getOperand(1), updates = op->getOperand(2), result = op->getResult(0);
  auto kind = tfm::Accumulate::none;
  auto elements = dyn_cast<tfm::ScatterElementsOp>(op);
  kind = elements ? elements.getAccumulate() : cast<tfm::ScatterNdOp>(op).getAccumulate();
  Type declared = tfm::getElementType(result);
  Values dims = e.getDims(result), updateDims = e.getDims(updates);
  e.ifThen(e.lessThan(e.tileBegin, e.tileEnd), [&] {
    e.loop(e.index(0), e.product(dims), 1, [&](Value flat) {
      Indices at = e.delinearize(e.uniform(flat), dims);
      e.storeResult(0, e.evaluate(data, at), at);
    });
    e.loop(e.index(0), e.product(updateDims), 1, [&](Value flat) {
      Indices at = e.delinearize(e.uniform(flat), updateDims), target;
      if (elements) {
        target = at;
        target[elements.getAxis()] = e.getCheckedIndex(indices, at, dims[elements.getAxis()]);
      } else {
        SmallVector<Dim> indexDims = tfm::getDims(indices);
        int64_t tuple = *indexDims.back().getConstant();
        for (int64_t i = 0; i < tuple; ++i) {
          Indices place(at.begin(), at.begin() + (indexDims.size() - 1));
          place.push_back(e.uniform(i));
          target.push_back(e.getCheckedIndex(indices, place, dims[i]));
        }
        target.append(at.begin() + (indexDims.size() - 1), at.end());
      }
      Value old = e.loadElements(e.getResultMemory(0), declared, e.linearize(target, dims));
      e.storeResult(0, combine(e, kind, declared, old, e.evaluate(updates, at)), target);
    });
  });
}
