// Ops that combine elements, an element of the result at a time, by a loop over what it needs. The strategies run the
// common ones faster; this makes every op run wherever it stands in a kernel.
#include "compiler/Codegen/Elements.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::codegen;

Value Elements::accumulate(Value begin, Value end, Value initial, bool vector,
                           llvm::function_ref<Value(Value, Value)> step) {
  if (vector)
    initial = broadcast(initial);
  return loop(begin, end, 1, initial, [&](Value i, ValueRange values) {
    Value next = step(i, values[0]);
    return Values{vector ? broadcast(next) : next};
  })[0];
}

static Value getLeast(CodeBuilder &e, Type element, bool isUnsigned, bool greatest) {
  if (auto type = dyn_cast<FloatType>(element))
    return e.constant(element,
                      greatest ? std::numeric_limits<double>::infinity() : -std::numeric_limits<double>::infinity());
  unsigned width = element.getIntOrFloatBitWidth();
  APInt value = isUnsigned ? (greatest ? APInt::getMaxValue(width) : APInt::getMinValue(width))
                           : (greatest ? APInt::getSignedMaxValue(width) : APInt::getSignedMinValue(width));
  return e.make<arith::ConstantOp>(cast<TypedAttr>(e.b.getIntegerAttr(element, value)));
}

Value Elements::evaluateReduction(Operation *op, ArrayRef<Index> indices) {
  Value input = op->getOperand(0);
  Type declared = tfm::getElementType(input), element = getWide(declared);
  bool isFloat = isa<FloatType>(element), isUnsigned = declared.isUnsignedInteger() || declared.isInteger(1);
  bool vector = anyLane(indices);
  auto combine = [&](Value a, Value c) -> Value {
    unify(a, c);
    if (isa<tfm::ReduceSumOp, tfm::ReduceMeanOp>(op))
      return isFloat ? Value(make<arith::AddFOp>(a, c)) : Value(make<arith::AddIOp>(a, c));
    if (isa<tfm::ReduceProdOp>(op))
      return isFloat ? Value(make<arith::MulFOp>(a, c)) : Value(make<arith::MulIOp>(a, c));
    if (isa<tfm::ReduceMaxOp>(op))
      return isFloat      ? Value(make<arith::MaximumFOp>(a, c))
             : isUnsigned ? Value(make<arith::MaxUIOp>(a, c))
                          : Value(make<arith::MaxSIOp>(a, c));
    return isFloat      ? Value(make<arith::MinimumFOp>(a, c))
           : isUnsigned ? Value(make<arith::MinUIOp>(a, c))
                        : Value(make<arith::MinSIOp>(a, c));
  };
  bool greatest = isa<tfm::ReduceMinOp>(op);
  Value initial = isa<tfm::ReduceMaxOp, tfm::ReduceMinOp>(op) ? getLeast(*this, element, isUnsigned, greatest)
                                                              : constant(element, isa<tfm::ReduceProdOp>(op));
  ArrayRef<int64_t> axes = op->getAttrOfType<DenseI64ArrayAttr>("axes").asArrayRef();
  Values dims = getDims(input);
  Indices at(indices);
  std::function<Value(size_t, Value)> nest = [&](size_t depth, Value accumulator) -> Value {
    if (depth == axes.size())
      return combine(accumulator, evaluateWide(input, at));
    return accumulate(index(0), dims[axes[depth]], accumulator, vector, [&](Value i, Value inner) {
      at[axes[depth]] = uniform(i);
      return nest(depth + 1, inner);
    });
  };
  Value result = nest(0, initial);
  if (!isa<tfm::ReduceMeanOp>(op))
    return narrow(result, declared);
  Value count = index(1);
  for (int64_t axis : axes)
    count = mul(count, dims[axis]);
  if (isFloat)
    return narrow(divf(result, make<arith::SIToFPOp>(element, count)), declared);
  Value divisor = element == i64() ? count : Value(make<arith::TruncIOp>(element, count));
  unify(result, divisor);
  return isUnsigned ? Value(make<arith::DivUIOp>(result, divisor)) : Value(make<arith::DivSIOp>(result, divisor));
}

Value Elements::evaluateNorm(Operation *op, ArrayRef<Index> indices) {
  Value input = op->getOperand(0);
  size_t axis = indices.size() - 1;
  if (auto softmax = dyn_cast<tfm::SoftmaxOp>(op))
    axis = softmax.getAxis();
  Type declared = tfm::getElementType(input), element = getWide(declared);
  Value count = getDims(input)[axis];
  Indices at(indices);
  at[axis] = uniform(0);
  bool vector = anyLane(at);
  auto sum = [&](llvm::function_ref<Value(Value)> term) {
    return accumulate(index(0), count, constant(element, 0), vector, [&](Value i, Value total) {
      at[axis] = uniform(i);
      return addf(total, term(evaluateWide(input, at)));
    });
  };
  auto size = [&] { return Value(make<arith::SIToFPOp>(element, count)); };
  Value x = evaluateWide(input, indices);
  auto scaled = [&](Value value, Value weight) {
    return weight ? mulf(value, evaluateWide(weight, indices.take_back(1))) : value;
  };
  Value result;
  if (isa<tfm::SoftmaxOp>(op)) {
    Value least = getLeast(*this, element, false, false);
    Value maximum = accumulate(index(0), count, least, vector, [&](Value i, Value m) {
      at[axis] = uniform(i);
      return maxf(m, evaluateWide(input, at));
    });
    Value total = sum([&](Value v) { return exp(subf(v, maximum)); });
    result = divf(exp(subf(x, maximum)), total);
  } else if (auto norm = dyn_cast<tfm::LayerNormOp>(op)) {
    Value mean = divf(sum([](Value v) { return v; }), size());
    Value variance = divf(sum([&](Value v) {
                            Value d = subf(v, mean);
                            return mulf(d, d);
                          }),
                          size());
    Value deviation = sqrt(addf(variance, constant(element, norm.getEpsilon().convertToDouble())));
    result = scaled(divf(subf(x, mean), deviation), norm.getGain());
    if (norm.getBias())
      result = addf(result, evaluateWide(norm.getBias(), indices.take_back(1)));
  } else {
    Value squares = sum([&](Value v) { return mulf(v, v); });
    if (auto norm = dyn_cast<tfm::RmsNormOp>(op)) {
      Value epsilon = constant(element, norm.getEpsilon().convertToDouble());
      result = scaled(divf(x, sqrt(addf(divf(squares, size()), epsilon))), norm.getGain());
    } else {
      Value floor = constant(element, cast<tfm::L2NormalizeOp>(op).getFloor().convertToDouble());
      result = divf(x, maxf(sqrt(squares), floor));
    }
  }
  return narrow(result, declared);
}

Value Elements::evaluateProduct(Operation *op, ArrayRef<Index> indices) {
  Value lhs = op->getOperand(0), rhs = op->getOperand(1);
  auto linear = dyn_cast<tfm::LinearOp>(op);
  auto matmul = dyn_cast<tfm::MatmulOp>(op);
  if (linear && linear.getActivation())
    fail(op, "quantizes its input, which only a kernel of its own does");
  bool transposeLhs = matmul && matmul.getTransposeA(),
       transposeRhs = linear ? linear.getTransposed() : matmul.getTransposeB();
  Type declared = tfm::getElementType(op->getResult(0)), element = getWide(declared);
  // Batch dimensions broadcast; the last two are the matrix's.
  auto place = [&](Value operand, bool transposed, const Index &row, const Index &column) {
    SmallVector<Dim> dims = tfm::getDims(operand);
    Indices at;
    for (size_t d = 0; d + 2 < dims.size(); ++d)
      at.push_back(dims[d] == Dim(1) ? uniform(0) : indices[indices.size() - dims.size() + d]);
    if (dims.size() > 1)
      at.push_back(transposed ? column : row);
    at.push_back(transposed ? row : column);
    return at;
  };
  Index row = indices.size() > 1 ? indices[indices.size() - 2] : uniform(0);
  bool vector = anyLane(indices);
  Values dims = getDims(lhs);
  Value depth = dims[dims.size() - (transposeLhs ? 2 : 1)];
  auto toElement = [&](Value tensor, Value value) -> Value {
    if (isa<FloatType>(element))
      return widen(value);
    Type from = getElementTypeOrSelf(value.getType());
    if (from == element)
      return value;
    Type type = isVector(value) ? Type(vec(element)) : element;
    if (from.getIntOrFloatBitWidth() > element.getIntOrFloatBitWidth())
      return make<arith::TruncIOp>(type, value);
    return tfm::getElementType(tensor).isUnsignedInteger() ? Value(make<arith::ExtUIOp>(type, value))
                                                           : Value(make<arith::ExtSIOp>(type, value));
  };
  Value result = accumulate(index(0), depth, constant(element, 0), vector, [&](Value k, Value total) {
    Value x = toElement(lhs, evaluate(lhs, place(lhs, transposeLhs, row, uniform(k))));
    Value w = toElement(rhs, evaluate(rhs, place(rhs, transposeRhs, uniform(k), indices.back())));
    if (isa<FloatType>(element))
      return fma(x, w, total);
    return binary<arith::AddIOp>(total, binary<arith::MulIOp>(x, w));
  });
  if (linear && linear.getBias())
    result = addf(result, evaluateWide(linear.getBias(), indices.take_back(1)));
  return narrow(result, declared);
}

Value Elements::evaluateConv(tfm::ConvOp op, ArrayRef<Index> indices) {
  Type declared = tfm::getElementType(op.getResult()), element = getWide(declared);
  Values weight = getDims(op.getWeight()), result = getDims(op.getResult());
  Value perGroup = div(weight[0], static_cast<int64_t>(op.getGroups()));
  Value depth = product(ArrayRef<Value>(weight).drop_front());
  if (indices[1].kind != Index::Uniform) {
    fail(op, "has a channel that varies along a vector");
    return constant(element, 0);
  }
  Value group = div(indices[1].value, perGroup);
  Index position = linearize(indices.drop_front(2), ArrayRef<Value>(result).drop_front(2));
  bool vector = anyLane(indices);
  Value total = accumulate(index(0), depth, constant(element, 0), vector, [&](Value k, Value sum) {
    Indices tap{indices[1]};
    tap.append(delinearize(uniform(k), ArrayRef<Value>(weight).drop_front()));
    Value x = widen(evaluateTap(op, indices[0], group, k, position));
    return fma(x, evaluateWide(op.getWeight(), tap), sum);
  });
  if (op.getBias())
    total = addf(total, evaluateWide(op.getBias(), indices[1]));
  return narrow(total, declared);
}

Value Elements::evaluateTap(tfm::ConvOp op, Index image, Value group, Value k, Index position) {
  Values weight = getDims(op.getWeight()), input = getDims(op.getInput()), result = getDims(op.getResult());
  Indices taps = delinearize(uniform(k), ArrayRef<Value>(weight).drop_front());
  Indices places = delinearize(position, ArrayRef<Value>(result).drop_front(2));
  Indices at{image, uniform(add(mul(group, weight[1]), taps[0].value))};
  Value allLanes, someLanes;
  for (size_t d = 0; d < places.size(); ++d) {
    Index place = mul(places[d], index(op.getStrides()[d]));
    place = add(place, uniform(sub(mul(taps[d + 1].value, op.getDilations()[d]), index(op.getPads()[d]))));
    at.push_back(place);
    if (op.getPads()[d] == 0 && op.getPads()[d + places.size()] == 0)
      continue;
    Value where = place.kind == Index::Uniform ? place.value : toVector(place);
    Value inside = compare(arith::CmpIPredicate::ult, where, input[d + 2]);
    Value &condition = CodeBuilder::isVector(inside) ? someLanes : allLanes;
    condition = logicalAnd(condition, inside);
  }
  Value zero = constant(tfm::getElementType(op.getInput()), 0);
  auto evaluateLanes = [&]() -> Value {
    if (!someLanes)
      return evaluate(op.getInput(), at);
    Value outer = mask;
    mask = outer ? logicalAnd(outer, someLanes) : someLanes;
    Value value = broadcast(evaluate(op.getInput(), at));
    mask = outer;
    return select(someLanes, value, broadcast(zero));
  };
  if (!allLanes)
    return evaluateLanes();
  return ifElse(allLanes, [&] { return Values{evaluateLanes()}; }, [&] { return Values{zero}; })[0];
}

Value Elements::evaluateRotary(tfm::RotaryOp op, ArrayRef<Index> indices) {
  SmallVector<Dim> dims = tfm::getDims(op.getInput()), table = tfm::getDims(op.getCos());
  Values sizes = getDims(op.getInput());
  Type declared = tfm::getElementType(op.getInput());
  Value headSize = div(sizes[2], static_cast<int64_t>(op.getHeads())), half = getDim(table[2]);
  // Which element of which head; its partner; the angle.
  bool vector = indices[2].kind != Index::Uniform;
  Value flat = vector ? toVector(indices[2]) : indices[2].value;
  Value within = rem(flat, headSize), first, angle, partner;
  Value rotated = lessThan(within, mul(half, 2));
  if (op.getInterleaved()) {
    Value odd = rem(within, 2);
    first = equal(odd, constant(odd, 0));
    angle = div(within, 2);
    partner = select(first, add(flat, 1), sub(flat, 1));
  } else {
    first = lessThan(within, half);
    angle = select(first, within, sub(within, half));
    partner = select(first, add(flat, half), sub(flat, half));
  }
  auto safe = [&](Value value, Value otherwise) {
    Value chosen = select(rotated, value, otherwise);
    return vector ? Index{Index::Vector, chosen} : uniform(chosen);
  };
  Indices at(indices),
      tableAt{table[0] == Dim(1) ? uniform(0) : indices[0], indices[1], safe(angle, constant(angle, 0))};
  at[2] = safe(partner, flat);
  Value x = evaluateWide(op.getInput(), indices), y = evaluateWide(op.getInput(), at);
  Value c = evaluateWide(op.getCos(), tableAt), s = evaluateWide(op.getSin(), tableAt);
  Value turn = mulf(y, s);
  Value signedTurn = select(first, make<arith::NegFOp>(turn), turn);
  return narrow(select(rotated, addf(mulf(x, c), signedTurn), x), declared);
}

Value Elements::evaluateCumSum(tfm::CumSumOp op, ArrayRef<Index> indices) {
  size_t axis = op.getAxis();
  Type declared = tfm::getElementType(op.getInput()), element = getWide(declared);
  Value size = getDims(op.getInput())[axis];
  bool vector = anyLane(indices), onAxis = indices[axis].kind != Index::Uniform;
  Value place = onAxis ? toVector(indices[axis]) : indices[axis].value;
  Indices at(indices);
  Value total = accumulate(index(0), size, constant(element, 0), vector, [&](Value i, Value sum) {
    Value j = op.getReverse() ? sub(sub(size, index(1)), i) : i; // in the order of the running sum
    at[axis] = uniform(j);
    auto predicate = op.getReverse() ? (op.getExclusive() ? arith::CmpIPredicate::sgt : arith::CmpIPredicate::sge)
                                     : (op.getExclusive() ? arith::CmpIPredicate::slt : arith::CmpIPredicate::sle);
    Value counts = compare(predicate, onAxis ? broadcast(j) : j, place);
    Value x = evaluateWide(op.getInput(), at);
    Value next = isa<FloatType>(element) ? addf(sum, x) : binary<arith::AddIOp>(sum, x);
    return select(counts, next, sum);
  });
  return narrow(total, declared);
}

Value Elements::evaluateArg(Operation *op, ArrayRef<Index> indices) {
  Value input = op->getOperand(0);
  size_t axis = op->getAttrOfType<IntegerAttr>("axis").getInt();
  bool last = op->getAttrOfType<BoolAttr>("last") && op->getAttrOfType<BoolAttr>("last").getValue();
  bool greatest = isa<tfm::ArgMaxOp>(op);
  Type declared = tfm::getElementType(input), element = getWide(declared);
  bool isUnsigned = declared.isUnsignedInteger() || declared.isInteger(1), vector = anyLane(indices);
  Value size = getDims(input)[axis];
  Indices at(indices);
  at[axis] = uniform(0);
  Value best = evaluateWide(input, at), place = index(0);
  if (vector) {
    best = broadcast(best);
    place = broadcast(place);
  }
  Values results = loop(index(1), size, 1, {best, place}, [&](Value i, ValueRange values) {
    at[axis] = uniform(i);
    Value x = evaluateWide(input, at), old = values[0], better;
    unify(x, old);
    if (isa<FloatType>(element)) {
      using P = arith::CmpFPredicate;
      P predicate = greatest ? (last ? P::OGE : P::OGT) : (last ? P::OLE : P::OLT);
      better = make<arith::CmpFOp>(predicate, x, old);
      // The first NaN wins against numbers.
      Value nan = make<arith::CmpFOp>(P::UNO, x, x), oldNan = make<arith::CmpFOp>(P::UNO, old, old);
      better = logicalOr(better, last ? nan : logicalAnd(nan, logicalNot(oldNan)));
    } else {
      using P = arith::CmpIPredicate;
      P predicate = isUnsigned ? (greatest ? (last ? P::uge : P::ugt) : (last ? P::ule : P::ult))
                               : (greatest ? (last ? P::sge : P::sgt) : (last ? P::sle : P::slt));
      better = compare(predicate, x, old);
    }
    return Values{select(better, x, old), select(better, vector ? broadcast(i) : i, values[1])};
  });
  Type result = getSignless(tfm::getElementType(op->getResult(0)));
  if (result == i64())
    return results[1];
  return make<arith::TruncIOp>(vector ? Type(vec(result)) : result, results[1]);
}

Value Elements::evaluateLoop(Operation *op, ArrayRef<Index> indices) {
  if (isa<tfm::ReduceSumOp, tfm::ReduceMeanOp, tfm::ReduceMaxOp, tfm::ReduceMinOp, tfm::ReduceProdOp>(op))
    return evaluateReduction(op, indices);
  if (isa<tfm::ArgMaxOp, tfm::ArgMinOp>(op))
    return evaluateArg(op, indices);
  if (isa<tfm::SoftmaxOp, tfm::LayerNormOp, tfm::RmsNormOp, tfm::L2NormalizeOp>(op))
    return evaluateNorm(op, indices);
  if (isa<tfm::LinearOp, tfm::MatmulOp>(op))
    return evaluateProduct(op, indices);
  if (auto conv = dyn_cast<tfm::ConvOp>(op))
    return evaluateConv(conv, indices);
  if (auto rotary = dyn_cast<tfm::RotaryOp>(op))
    return evaluateRotary(rotary, indices);
  if (auto cumsum = dyn_cast<tfm::CumSumOp>(op))
    return evaluateCumSum(cumsum, indices);
  if (auto pool = dyn_cast<tfm::MeanPoolOp>(op)) {
    Type declared = tfm::getElementType(pool.getInput()), element = getWide(declared);
    bool vector = anyLane(indices);
    Value zero = constant(element, 0);
    Value sum = vector ? broadcast(zero) : zero;
    Values totals = loop(index(0), getDims(pool.getInput())[1], 1, {sum, zero}, [&](Value s, ValueRange values) {
      Value weight = evaluateWide(pool.getMask(), {indices[0], uniform(s)});
      Value x = evaluateWide(pool.getInput(), {indices[0], uniform(s), indices[1]});
      // What is masked may never have been computed: it must not get in as 0 * NaN.
      x = select(make<arith::CmpFOp>(arith::CmpFPredicate::UNE, weight, constant(weight, 0)), x, constant(x, 0));
      return Values{fma(x, weight, values[0]), addf(values[1], weight)};
    });
    return narrow(divf(totals[0], maxf(totals[1], constant(element, pool.getFloor().convertToDouble()))), declared);
  }
  fail(op, "can't be computed inside another op's kernel");
  return constant(getSignless(tfm::getElementType(op->getResult(0))), 0);
}
