// Interval arithmetic, norms of lines by the triangle and Cauchy-Schwarz inequalities, and what normalisations promise.
#include "passes/Precision/Ranges.h"
#include "compiler/Reference/Numbers.h"
#include "dialects/Tfm/Formats.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::tfm;
using namespace lathe::precision;

namespace {
constexpr double kUnknown = Bound::kUnknown;

/// 0 times anything is 0: a bound of infinity stands for some finite number.
double times(double a, double b) { return a == 0 || b == 0 ? 0 : a * b; }

Bound interval(double low, double high) { return {low, high, kUnknown, kUnknown}; }
Bound magnitude(double most) { return interval(-most, most); }
Bound unite(const Bound &a, const Bound &b) {
  return {std::min(a.low, b.low), std::max(a.high, b.high), std::max(a.norm, b.norm), std::max(a.sum, b.sum)};
}

class Analysis {
public:
  Analysis(func::FuncOp function, ArrayRef<Bound> inputs)
      : module(function->getParentOfType<ModuleOp>()), symbols(module) {
    for (BlockArgument argument : function.getArguments())
      set(argument, inputs.empty() ? fromType(argument) : inputs[argument.getArgNumber()]);
    for (Operation &op : function.getBody().front().without_terminator())
      for (Value result : op.getResults())
        set(result, visit(&op));
  }
  llvm::DenseMap<Value, Bound> bounds;

private:
  Bound at(Value value) const { return bounds.lookup(value); }

  /// The greatest a dimension can be.
  double extent(const Dim &dim) const {
    auto range = dim.bounds([&](StringRef name) { return getSymbolRange(module, name); });
    return range ? static_cast<double>(range->max) : kUnknown;
  }
  double lastExtent(Value value) const {
    SmallVector<Dim> dims = getDims(value);
    return dims.empty() ? 1 : extent(dims.back());
  }

  /// Keeps a bound, made as tight as each of its parts makes the others. An integer that may wrap may be anything.
  void set(Value value, Bound bound) {
    if (isa<IntegerType>(getElementType(value)))
      if (Bound type = fromType(value); bound.low <= type.low || bound.high >= type.high)
        bound = type;
    double length = lastExtent(value), most = bound.magnitude();
    bound.sum = std::min({bound.sum, times(length, most), times(std::sqrt(length), bound.norm)});
    bound.norm = std::min({bound.norm, times(std::sqrt(length), most), bound.sum});
    bound.low = std::max(bound.low, -bound.norm);
    bound.high = std::min(bound.high, bound.norm);
    bounds[value] = bound;
  }

  static Bound fromType(Value value) {
    auto type = dyn_cast<IntegerType>(getElementType(value));
    if (!type)
      return {};
    unsigned bits = type.getWidth();
    if (bits == 1)
      return interval(0, 1);
    if (type.isUnsigned())
      return interval(0, std::ldexp(1, bits));
    return interval(-std::ldexp(1, bits - 1), std::ldexp(1, bits - 1));
  }

  /// Calls `visit(index, value)` for each element, if it is a weight or literal. Of random weights, which aren't made
  /// for this, each counts as the greatest.
  bool forEachElement(Value value, llvm::function_ref<void(int64_t, double)> visit) {
    if (auto constant = value.getDefiningOp<ConstantOp>()) {
      if (!isa<DenseElementsAttr>(constant.getValue()))
        return false;
      std::vector<double> values = reference::loadFloats(reference::Tensor::get(constant.getValue()));
      for (auto [index, element] : llvm::enumerate(values))
        visit(index, element);
      return true;
    }
    auto get = value.getDefiningOp<GetOp>();
    if (!get)
      return false;
    auto weight = symbols.lookup<WeightOp>(get.getWeight());
    bool hasFormat = static_cast<bool>(getFormat(weight.getType()));
    if (auto random = dyn_cast<RandomAttr>(weight.getSource()); random && !hasFormat) {
      for (int64_t i = 0, count = weight.getTensorType().getNumElements(); i < count; ++i)
        visit(i, std::fabs(random.getScale().getValueAsDouble()));
      return true;
    }
    auto bytes = module.getContext()->getLoadedDialect<TfmDialect>()->getWeights().getBytes(weight);
    if (!bytes) {
      llvm::consumeError(bytes.takeError());
      return false;
    }
    if (hasFormat) {
      for (auto [index, element] : llvm::enumerate(decode(weight.getTensorType(), *bytes)))
        visit(index, element);
      return true;
    }
    Type type = weight.getTensorType().getElementType();
    constexpr int64_t kChunk = 1 << 14;
    int64_t width = reference::getElementBytes(type), count = weight.getTensorType().getNumElements();
    for (int64_t begin = 0; begin < count; begin += kChunk) {
      int64_t size = std::min(kChunk, count - begin);
      auto chunk = reference::Tensor::view(type, size, bytes->slice(begin * width, size * width));
      for (auto [index, element] : llvm::enumerate(reference::loadFloats(chunk)))
        visit(begin + index, element);
    }
    return true;
  }

  Bound getSource(Value value) {
    SmallVector<Dim> dims = getDims(value);
    int64_t length = dims.empty() ? 1 : std::max<int64_t>(1, *dims.back().getConstant());
    Bound bound{kUnknown, -kUnknown, 0, 0};
    double squares = 0, sum = 0;
    bool known = forEachElement(value, [&](int64_t index, double x) {
      if (index % length == 0)
        squares = sum = 0;
      if (!std::isfinite(x)) // infinity is infinity in any type
        return;
      squares += x * x;
      sum += std::fabs(x);
      bound = {std::min(bound.low, x), std::max(bound.high, x), std::max(bound.norm, squares),
               std::max(bound.sum, sum)};
    });
    bound.norm = std::sqrt(bound.norm);
    if (!known)
      return fromType(value);
    if (auto get = value.getDefiningOp<GetOp>(); get && !getFormat(get.getType()))
      if (isa<RandomAttr>(symbols.lookup<WeightOp>(get.getWeight()).getSource()))
        bound.low = -bound.high;
    return bound.low <= bound.high ? bound : Bound{0, 0, 0, 0};
  }

  /// A product of the lines of x by a matrix whose column for output n is `column(index of an element)`.
  Bound multiply(const Bound &x, Value weight, int64_t columns, llvm::function_ref<int64_t(int64_t)> column,
                 Value bias) {
    std::vector<double> squares(columns), sums(columns), offsets(columns);
    if (!forEachElement(weight, [&](int64_t index, double w) {
          squares[column(index)] += w * w;
          sums[column(index)] += std::fabs(w);
        }))
      return {};
    if (bias && !forEachElement(bias, [&](int64_t index, double b) { offsets[index] = std::fabs(b); }))
      std::fill(offsets.begin(), offsets.end(), at(bias).magnitude());
    double most = 0, all = 0, offset = 0;
    for (int64_t n = 0; n < columns; ++n) {
      double product = std::min(times(std::sqrt(squares[n]), x.norm), times(sums[n], x.magnitude()));
      most = std::max(most, product + offsets[n]);
      all += squares[n];
      offset += offsets[n] * offsets[n];
    }
    Bound result = magnitude(most);
    result.norm = times(std::sqrt(all), x.norm) + std::sqrt(offset);
    return result;
  }

  Bound visitLinear(LinearOp op) {
    SmallVector<Dim> w = getDims(op.getWeight());
    bool transposed = op.getTransposed();
    auto inner = w[transposed].getConstant(), columns = w[!transposed].getConstant();
    if (!inner || !columns || *inner == 0 || *columns == 0)
      return {};
    return multiply(
        at(op.getInput()), op.getWeight(), *columns,
        [&](int64_t index) { return transposed ? index / *inner : index % *columns; }, op.getBias());
  }

  Bound visitConv(ConvOp op) {
    SmallVector<Dim> w = getDims(op.getWeight());
    auto outputs = w[0].getConstant(), inner = Dim::product(ArrayRef<Dim>(w).drop_front()).getConstant();
    if (!outputs || !inner || *inner == 0)
      return {};
    Bound x = magnitude(at(op.getInput()).magnitude()); // lines of the image aren't the window's
    Bound result = multiply(x, op.getWeight(), *outputs, [&](int64_t index) { return index / *inner; }, op.getBias());
    return magnitude(result.magnitude());
  }

  Bound visitMatmul(MatmulOp op) {
    if (!isa<FloatType>(getElementType(op.getLhs())))
      return fromType(op.getResult());
    SmallVector<Dim> a = getDims(op.getLhs());
    double depth = extent(a[a.size() - (op.getTransposeA() ? 2 : 1)]);
    Bound x = at(op.getLhs()), y = at(op.getRhs());
    double rowNorm = op.getTransposeA() ? times(std::sqrt(depth), x.magnitude()) : x.norm;
    double rowSum = op.getTransposeA() ? times(depth, x.magnitude()) : x.sum;
    double columnNorm = op.getTransposeB() ? y.norm : times(std::sqrt(depth), y.magnitude());
    return magnitude(std::min(times(rowNorm, columnNorm), times(rowSum, y.magnitude())));
  }

  /// gain * x + bias, where a line of x has the square root of its length as norm, at most.
  Bound visitNorm(Value input, Value gain, Value bias) {
    double length = std::sqrt(lastExtent(input));
    Bound g = gain ? at(gain) : magnitude(1), b = bias ? at(bias) : Bound{0, 0, 0, 0};
    Bound result = magnitude(times(length, g.magnitude()) + b.magnitude());
    result.norm = times(length, g.magnitude()) + b.norm;
    return result;
  }

  Bound visitAttention(AttentionOp op) {
    Bound v = at(op.getValue()); // each head's result is a mean of its values, or 0
    Bound result = interval(std::min(v.low, 0.0), std::max(v.high, 0.0));
    result.norm = times(std::sqrt(static_cast<double>(op.getHeads())), v.norm);
    return result;
  }

  Bound visitElementwise(Operation *op) {
    Value result = op->getResult(0);
    SmallVector<Bound> x;
    bool lines = true; // the operands' lines are the result's
    for (Value operand : op->getOperands()) {
      x.push_back(at(operand));
      SmallVector<Dim> from = getDims(operand), to = getDims(result);
      lines &= !to.empty() && !from.empty() && from.back() == to.back();
    }
    auto withLines = [&](Bound bound, double norm, double sum) {
      if (lines)
        bound.norm = norm, bound.sum = sum;
      return bound;
    };
    auto shrink = [&](double low, double high) { // |f(x)| <= |x|
      return withLines(interval(std::max(low, std::min(x[0].low, 0.0)), std::min(high, std::max(x[0].high, 0.0))),
                       x[0].norm, x[0].sum);
    };
    auto product = [&](const Bound &a, const Bound &b) {
      double corners[] = {times(a.low, b.low), times(a.low, b.high), times(a.high, b.low), times(a.high, b.high)};
      return withLines(interval(*llvm::min_element(corners), *llvm::max_element(corners)),
                       std::min(times(a.norm, b.magnitude()), times(a.magnitude(), b.norm)),
                       std::min(times(a.sum, b.magnitude()), times(a.magnitude(), b.sum)));
    };
    return llvm::TypeSwitch<Operation *, Bound>(op)
        .Case([&](AbsOp) {
          bool spans = x[0].low < 0 && x[0].high > 0;
          double least = spans ? 0 : std::min(std::fabs(x[0].low), std::fabs(x[0].high));
          return withLines(interval(least, x[0].magnitude()), x[0].norm, x[0].sum);
        })
        .Case([&](NegOp) { return withLines(interval(-x[0].high, -x[0].low), x[0].norm, x[0].sum); })
        .Case([&](ExpOp) { return interval(0, std::exp(x[0].high)); })
        .Case([&](SqrtOp) { return interval(0, std::sqrt(std::max(x[0].high, 0.0))); })
        .Case<RsqrtOp, ReciprocalOp>([&](auto) {
          bool positive = x[0].low > 0;
          double most = isa<RsqrtOp>(op) ? 1 / std::sqrt(x[0].low) : 1 / x[0].low;
          return positive ? interval(0, most) : Bound();
        })
        .Case<SinOp, CosOp, ErfOp, TanhOp, SignOp>([](auto) { return magnitude(1); })
        .Case([](SigmoidOp) { return interval(0, 1); })
        .Case([&](ReluOp) { return shrink(0, kUnknown); })
        // Least values: -0.17 of gelu, -0.279 of silu.
        .Case([&](GeluOp) { return shrink(-0.3, kUnknown); })
        .Case([&](SiluOp) { return shrink(-0.3, kUnknown); })
        .Case<FloorOp, CeilOp, RoundOp>([&](auto) { return interval(std::floor(x[0].low), std::ceil(x[0].high)); })
        .Case<AddOp, SubOp>([&](auto) {
          bool adds = isa<AddOp>(op);
          return withLines(
              interval(x[0].low + (adds ? x[1].low : -x[1].high), x[0].high + (adds ? x[1].high : -x[1].low)),
              x[0].norm + x[1].norm, x[0].sum + x[1].sum);
        })
        .Case([&](MulOp) {
          Bound square = product(x[0], x[1]);
          if (op->getOperand(0) == op->getOperand(1))
            square.low = std::max(square.low, 0.0);
          return square;
        })
        .Case([&](SwigluOp) {
          return product(withLines(interval(-0.3, std::max(x[0].high, 0.0)), x[0].norm, x[0].sum), x[1]);
        })
        .Case([&](DivOp) {
          if (x[1].low <= 0 && x[1].high >= 0)
            return Bound();
          double least = std::min(std::fabs(x[1].low), std::fabs(x[1].high));
          return withLines(magnitude(x[0].magnitude() / least), x[0].norm / least, x[0].sum / least);
        })
        .Case([&](MinimumOp) { return interval(std::min(x[0].low, x[1].low), std::min(x[0].high, x[1].high)); })
        .Case([&](MaximumOp) { return interval(std::max(x[0].low, x[1].low), std::max(x[0].high, x[1].high)); })
        .Case([&](SelectOp) { return interval(std::min(x[1].low, x[2].low), std::max(x[1].high, x[2].high)); })
        .Case([&](PowOp) {
          if (x[1].low != 2 || x[1].high != 2)
            return Bound();
          return interval(0, times(x[0].magnitude(), x[0].magnitude()));
        })
        .Case([&](CastOp) {
          if (isa<FloatType>(getElementType(result)))
            return withLines(interval(x[0].low, x[0].high), x[0].norm, x[0].sum);
          if (isa<IntegerType>(getElementType(op->getOperand(0))) || getElementType(result).isInteger(1))
            return interval(std::min(x[0].low, 0.0), x[0].high);
          Bound type = fromType(result); // what doesn't fit saturates
          return interval(std::clamp(std::floor(x[0].low), type.low, 0.0),
                          std::clamp(std::ceil(x[0].high), 0.0, type.high));
        })
        .Default([&](Operation *) { return fromType(result); });
  }

  Bound visitMovement(Operation *op) {
    Bound bound = at(op->getOperand(0));
    bool lines = llvm::TypeSwitch<Operation *, bool>(op)
                     .Case<ReshapeOp, ExpandOp>([&](auto) {
                       SmallVector<Dim> from = getDims(op->getOperand(0)), to = getDims(op->getResult(0));
                       return !from.empty() && !to.empty() && from.back() == to.back();
                     })
                     .Case([](TransposeOp transpose) {
                       ArrayRef<int64_t> order = transpose.getPermutation();
                       return !order.empty() && order.back() == static_cast<int64_t>(order.size()) - 1;
                     })
                     .Case([](SliceOp) { return true; })
                     .Case([](GatherOp gather) {
                       return static_cast<size_t>(gather.getAxis()) + 1 < getDims(gather.getData()).size();
                     })
                     .Default([](Operation *) { return false; });
    return lines ? bound : interval(bound.low, bound.high);
  }

  Bound visitReduction(Operation *op, ArrayRef<int64_t> axes) {
    Bound x = at(op->getOperand(0));
    if (!isa<ReduceSumOp>(op))
      return isa<ReduceProdOp>(op) ? fromType(op->getResult(0)) : interval(std::min(x.low, 0.0), std::max(x.high, 0.0));
    SmallVector<Dim> dims = getDims(op->getOperand(0));
    double count = 1;
    for (int64_t axis : axes)
      count = times(count, extent(dims[axis]));
    Bound bound = interval(times(count, std::min(x.low, 0.0)), times(count, std::max(x.high, 0.0)));
    if (axes.size() == 1 && axes[0] == static_cast<int64_t>(dims.size()) - 1)
      bound.low = std::max(bound.low, -x.sum), bound.high = std::min(bound.high, x.sum);
    return bound;
  }

  Bound visit(Operation *op) {
    return llvm::TypeSwitch<Operation *, Bound>(op)
        .Case<ConstantOp, GetOp>([&](auto) { return getSource(op->getResult(0)); })
        .Case([&](ExtentOp extents) {
          double most = 0;
          for (const Dim &dim : extents.getExtents().getDims())
            most = std::max(most, extent(dim));
          return magnitude(most);
        })
        .Case([&](IotaOp iota) {
          double start = extent(iota.getStart().getDims()[0]), count = lastExtent(iota.getResult());
          return magnitude(std::fabs(start) + times(count, std::fabs(static_cast<double>(iota.getStep()))));
        })
        .Case([&](LinearOp linear) { return visitLinear(linear); })
        .Case([&](ConvOp conv) { return visitConv(conv); })
        .Case([&](MatmulOp matmul) { return visitMatmul(matmul); })
        .Case([&](AttentionOp attention) { return visitAttention(attention); })
        .Case([&](LayerNormOp norm) { return visitNorm(norm.getInput(), norm.getGain(), norm.getBias()); })
        .Case([&](RmsNormOp norm) { return visitNorm(norm.getInput(), norm.getGain(), Value()); })
        .Case([&](L2NormalizeOp) { return magnitude(1); })
        .Case([&](SoftmaxOp softmax) {
          Bound bound = interval(0, 1);
          if (static_cast<size_t>(softmax.getAxis()) + 1 == getDims(softmax.getInput()).size())
            bound.norm = bound.sum = 1;
          return bound;
        })
        .Case([&](RotaryOp rotary) { // a cos - b sin, b cos + a sin
          Bound x = at(rotary.getInput());
          double factor = at(rotary.getCos()).magnitude() + at(rotary.getSin()).magnitude();
          Bound bound = magnitude(times(x.magnitude(), std::max(factor, 1.0)));
          bound.norm = times(x.norm, std::max(factor, 1.0));
          return bound;
        })
        .Case([&](EmbeddingOp embedding) { return at(embedding.getTable()); })
        .Case([&](MeanPoolOp pool) {
          Bound x = at(pool.getInput());
          if (at(pool.getMask()).low < 0)
            return Bound();
          Bound bound = interval(std::min(x.low, 0.0), std::max(x.high, 0.0));
          bound.norm = x.norm, bound.sum = x.sum;
          return bound;
        })
        .Case<ReduceSumOp, ReduceMeanOp, ReduceMaxOp, ReduceMinOp, ReduceProdOp>(
            [&](auto reduce) { return visitReduction(op, reduce.getAxes()); })
        .Case([&](CumSumOp sum) {
          Bound x = at(sum.getInput());
          return magnitude(times(x.magnitude(), extent(getDims(sum.getInput())[sum.getAxis()])));
        })
        .Case([&](ConcatOp concat) {
          Bound bound = at(concat.getInputs().front());
          for (Value input : concat.getInputs().drop_front())
            bound = unite(bound, at(input));
          bool lines = static_cast<size_t>(concat.getAxis()) + 1 < getDims(concat.getResult()).size();
          return lines ? bound : interval(bound.low, bound.high);
        })
        .Case([&](PadOp pad) {
          Bound x = at(pad.getInput()), value = at(pad.getValue());
          return interval(std::min(x.low, value.low), std::max(x.high, value.high));
        })
        .Case<ReshapeOp, ExpandOp, TransposeOp, SliceOp, GatherOp, GatherElementsOp, GatherNdOp>(
            [&](auto) { return visitMovement(op); })
        .Default([&](Operation *) {
          return isa<ElementwiseOpInterface>(op) ? visitElementwise(op) : fromType(op->getResult(0));
        });
  }

  ModuleOp module;
  SymbolTable symbols;
};
} // namespace

llvm::DenseMap<Value, Bound> precision::getBounds(func::FuncOp function, ArrayRef<Bound> inputs) {
  return Analysis(function, inputs).bounds;
}
