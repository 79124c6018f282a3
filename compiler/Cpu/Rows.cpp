// The strategy for row reductions: a row at a time, its input evaluated once into a buffer, statistics over the buffer,
// then the elements of the results.
#include "compiler/Cpu/Emitter.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::cpu;

namespace {
/// One row of the kernel. Sums run in `kChains` vectors, a fixed part of the row each, so that their order depends on
/// nothing but the row's length.
class RowEmitter {
public:
  RowEmitter(Emitter &e, Value row) : e(e), row(row) {}

  /// The indices of the row's elements at a place within it.
  Indices getIndices(Value tensor, const Index &position) {
    size_t leading = *schedule::getLeadingDims(tensor, e.plan.rows);
    Values dims = e.getDims(tensor);
    Indices at = e.delinearize(e.uniform(row), ArrayRef<Value>(dims).take_front(leading));
    at.append(e.delinearize(position, ArrayRef<Value>(dims).drop_front(leading)));
    return at;
  }
  Value getLength(Value tensor) {
    size_t leading = *schedule::getLeadingDims(tensor, e.plan.rows);
    Values dims = e.getDims(tensor);
    return e.product(ArrayRef<Value>(dims).drop_front(leading));
  }

  void emitRowOp(Operation *op, Value buffer);
  void emitResult(unsigned result);

private:
  using Step = llvm::function_ref<Values(Value position, ValueRange accumulators)>;
  /// Runs over the row; the accumulators are vectors.
  Values sweep(Value length, ValueRange initial, Step step) { return e.forLanes(length, initial, step); }

  /// Sums of several terms over the buffer, each in kChains independent vectors.
  Value sum(Value length, Value buffer, llvm::function_ref<Value(Value x, Value position)> term);
  Value at(Value buffer, Value position) { return e.loadVector(e.f32(), e.elementPtr(buffer, e.f32(), position)); }

  static constexpr int64_t kChains = 4;
  Emitter &e;
  Value row;
};
} // namespace

Value RowEmitter::sum(Value length, Value buffer, llvm::function_ref<Value(Value, Value)> term) {
  Value zero = e.constant(e.vec(e.f32()), 0);
  Value stride = e.index(kChains * e.lanes);
  Value whole = e.mul(e.div(length, stride), stride);
  Values chains = e.loop(e.index(0), whole, kChains * e.lanes, Values(kChains, zero), [&](Value i, ValueRange sums) {
    Values next;
    for (int64_t c = 0; c < kChains; ++c) {
      Value position = e.add(i, c * e.lanes);
      next.push_back(e.addf(sums[c], term(at(buffer, position), position)));
    }
    return next;
  });
  Value total = e.addf(e.addf(chains[0], chains[1]), e.addf(chains[2], chains[3]));
  Value rest = e.sub(length, whole);
  if (e.getConstant(rest) != 0)
    total = sweep(rest, total, [&](Value i, ValueRange sums) {
      Value position = e.add(whole, i);
      Value x = term(at(buffer, position), position);
      return Values{e.addf(sums[0], e.masked(x, zero))};
    })[0];
  return e.reduce(vector::CombiningKind::ADD, total);
}

void RowEmitter::emitRowOp(Operation *op, Value buffer) {
  Value input = op->getOperand(0), result = op->getResult(0), length = getLength(input);
  // The input, once.
  e.forLanes(length, [&](Value position) {
    Value x = e.evaluateWide(input, getIndices(input, e.lane(position, e.lanes)));
    e.storeVector(x, e.elementPtr(buffer, e.f32(), position));
  });
  Type declared = tfm::getElementType(input);
  auto place = [this](Value tensor, ArrayRef<Index> indices) {
    // Where in the row: the trailing dimensions, flattened.
    size_t leading = *schedule::getLeadingDims(tensor, e.plan.rows);
    Values dims = e.getDims(tensor);
    return e.linearize(indices.drop_front(leading), ArrayRef<Value>(dims).drop_front(leading));
  };
  auto fromBuffer = [=](ArrayRef<Index> indices) { return e.loadElements(buffer, e.f32(), place(input, indices)); };
  if (!isa<BlockArgument>(input) && !declared.isF64())
    e.override(input, [=](ArrayRef<Index> indices) { return e.narrow(fromBuffer(indices), declared); });
  auto constant = [&](double value) { return e.constant(e.f32(), value); };
  Value size = e.make<arith::SIToFPOp>(e.f32(), length);
  auto weigh = [=](Value x, Value weight, ArrayRef<Index> indices) {
    return weight ? e.mulf(x, e.evaluateWide(weight, indices.take_back(1))) : x;
  };
  auto maximum = [&](bool least) {
    double start = least ? std::numeric_limits<double>::infinity() : -std::numeric_limits<double>::infinity();
    Value initial = e.constant(e.vec(e.f32()), start);
    Value best = sweep(length, initial, [&](Value position, ValueRange values) {
      Value x = e.masked(at(buffer, position), initial);
      return Values{least ? e.minf(values[0], x) : e.maxf(values[0], x)};
    })[0];
    return e.reduce(least ? vector::CombiningKind::MINIMUMF : vector::CombiningKind::MAXIMUMF, best);
  };
  if (auto norm = dyn_cast<tfm::LayerNormOp>(op)) {
    Value mean = e.divf(sum(length, buffer, [](Value x, Value) { return x; }), size);
    Value squares = sum(length, buffer, [&](Value x, Value) {
      Value d = e.subf(x, mean);
      return e.mulf(d, d);
    });
    Value deviation = e.sqrt(e.addf(e.divf(squares, size), constant(norm.getEpsilon().convertToDouble())));
    Value inverse = e.divf(constant(1), deviation);
    e.override(result, [=, gain = norm.getGain(), bias = norm.getBias()](ArrayRef<Index> indices) {
      Value x = weigh(e.mulf(e.subf(fromBuffer(indices), mean), inverse), gain, indices);
      return e.narrow(bias ? e.addf(x, e.evaluateWide(bias, indices.take_back(1))) : x, declared);
    });
  } else if (auto norm = dyn_cast<tfm::RmsNormOp>(op)) {
    Value squares = sum(length, buffer, [&](Value x, Value) { return e.mulf(x, x); });
    Value mean = e.addf(e.divf(squares, size), constant(norm.getEpsilon().convertToDouble()));
    Value inverse = e.divf(constant(1), e.sqrt(mean));
    e.override(result, [=, gain = norm.getGain()](ArrayRef<Index> indices) {
      return e.narrow(weigh(e.mulf(fromBuffer(indices), inverse), gain, indices), declared);
    });
  } else if (auto norm = dyn_cast<tfm::L2NormalizeOp>(op)) {
    Value squares = sum(length, buffer, [&](Value x, Value) { return e.mulf(x, x); });
    Value divisor = e.maxf(e.sqrt(squares), constant(norm.getFloor().convertToDouble()));
    Value inverse = e.divf(constant(1), divisor);
    e.override(result,
               [=](ArrayRef<Index> indices) { return e.narrow(e.mulf(fromBuffer(indices), inverse), declared); });
  } else if (isa<tfm::SoftmaxOp>(op)) {
    Value greatest = maximum(false);
    // The buffer becomes the exponentials; then it isn't the input any more.
    e.overrides.erase(input.getAsOpaquePointer());
    Value total = sum(length, buffer, [&](Value x, Value position) {
      Value y = e.exp(e.subf(x, greatest));
      e.storeVector(y, e.elementPtr(buffer, e.f32(), position));
      return y;
    });
    Value inverse = e.divf(constant(1), total);
    e.override(result,
               [=](ArrayRef<Index> indices) { return e.narrow(e.mulf(fromBuffer(indices), inverse), declared); });
  } else {
    Value value;
    if (isa<tfm::ReduceMaxOp, tfm::ReduceMinOp>(op)) {
      value = maximum(isa<tfm::ReduceMinOp>(op));
    } else if (isa<tfm::ReduceProdOp>(op)) {
      Value one = e.constant(e.vec(e.f32()), 1);
      Value product = sweep(length, one, [&](Value position, ValueRange values) {
        return Values{e.mulf(values[0], e.masked(at(buffer, position), one))};
      })[0];
      value = e.reduce(vector::CombiningKind::MUL, product);
    } else {
      value = sum(length, buffer, [](Value x, Value) { return x; });
      if (isa<tfm::ReduceMeanOp>(op))
        value = e.divf(value, size);
    }
    e.override(result, [=](ArrayRef<Index>) { return e.narrow(value, declared); });
  }
}

void RowEmitter::emitResult(unsigned result) {
  Value tensor = e.getResults()[result], length = getLength(tensor);
  if (e.getConstant(length) == 1) {
    Indices at = getIndices(tensor, e.uniform(0));
    e.storeResult(result, e.evaluate(tensor, at), at);
    return;
  }
  e.forLanes(length, [&](Value position) {
    Index place = e.lane(position, e.lanes);
    Value value = e.evaluate(tensor, getIndices(tensor, place));
    // The row is contiguous, whatever its dimensions.
    Index flat = e.add(e.uniform(e.mul(row, length)), place);
    e.storeElements(value, e.getResultMemory(result), tfm::getElementType(tensor), flat);
  });
}

void cpu::emitRow(Emitter &e, ArrayRef<Value> rowBuffers, Value row) {
  RowEmitter emitter(e, row);
  auto outer = e.overrides;
  for (auto [op, buffer] : llvm::zip_equal(e.plan.rowOps, rowBuffers))
    emitter.emitRowOp(op, buffer);
  for (unsigned result = 0; result < e.kernel.getNumResults(); ++result)
    emitter.emitResult(result);
  e.overrides = std::move(outer);
}

Values cpu::takeRowBuffers(Emitter &e) {
  Values buffers;
  for (Operation *op : e.plan.rowOps) {
    size_t leading = *schedule::getLeadingDims(op->getOperand(0), e.plan.rows);
    Values dims = e.getDims(op->getOperand(0));
    buffers.push_back(e.takeScratch(e.product(ArrayRef<Value>(dims).drop_front(leading))));
  }
  return buffers;
}

void cpu::emitRows(Emitter &e) {
  Values buffers = takeRowBuffers(e), dims = e.getDims(e.plan.rowOps[0]->getOperand(0));
  size_t leading = *schedule::getLeadingDims(e.plan.rowOps[0]->getOperand(0), e.plan.rows);
  Value rows = e.product(ArrayRef<Value>(dims).take_front(leading));
  Value begin = e.mul(e.tileBegin, e.sizes.tileRows), end = e.min(e.mul(e.tileEnd, e.sizes.tileRows), rows);
  e.loop(begin, end, 1,
         [&](Value row) { e.forReadRows(e.plan.rows, row, e.index(1), [&](Value) { emitRow(e, buffers, row); }); });
}
