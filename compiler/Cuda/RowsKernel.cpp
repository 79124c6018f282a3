// Kernels of row reductions: a team of threads (Device/Rows.h) computes a row, its input once where there is memory to
// keep it, statistics over it, then the elements of the results.
#include "compiler/Cuda/KernelWriter.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::cuda;

namespace {
class RowWriter {
public:
  RowWriter(KernelWriter &w, Value row) : w(w), row(row) {}

  /// The indices of the row's elements at a place within it.
  Indices getIndices(Value tensor, Value place) {
    size_t leading = *schedule::getLeadingDims(tensor, w.plan.rows);
    Values dims = w.getDims(tensor);
    Indices at = w.delinearize(w.uniform(row), ArrayRef<Value>(dims).take_front(leading));
    at.append(w.delinearize(w.uniform(place), ArrayRef<Value>(dims).drop_front(leading)));
    return at;
  }
  /// Where in the row: the trailing dimensions, flattened.
  Value getPlace(Value tensor, ArrayRef<Index> indices) {
    size_t leading = *schedule::getLeadingDims(tensor, w.plan.rows);
    Values dims = w.getDims(tensor);
    return w.linearize(indices.drop_front(leading), ArrayRef<Value>(dims).drop_front(leading)).value;
  }
  Value getLength(Value tensor) {
    size_t leading = *schedule::getLeadingDims(tensor, w.plan.rows);
    Values dims = w.getDims(tensor);
    return w.product(ArrayRef<Value>(dims).drop_front(leading));
  }
  void writeRowOp(Operation *op, Value buffer);
  void writeResult(unsigned result);

private:
  Value constant(double value) { return w.constant(w.f32(), value); }
  /// Reduces a term of every element of the input's row.
  Value reduce(StringRef operation, double initial, Value length, llvm::function_ref<Value(Value place)> term,
               llvm::function_ref<Value(Value a, Value c)> combine) {
    Value part = w.teamLoop(length, constant(initial),
                            [&](Value place, ValueRange values) { return Values{combine(values[0], term(place))}; })[0];
    return w.reduce(operation, part);
  }
  Value sum(Value length, llvm::function_ref<Value(Value place)> term) {
    return reduce("Sum", 0, length, term, [&](Value a, Value c) { return w.addf(a, c); });
  }

  KernelWriter &w;
  Value row;
};
} // namespace

void RowWriter::writeRowOp(Operation *op, Value buffer) {
  Value input = op->getOperand(0), result = op->getResult(0), length = getLength(input);
  Type declared = tfm::getElementType(input);
  std::function<Value(ArrayRef<Index>)> read = [this, input](ArrayRef<Index> indices) {
    return w.evaluateWide(input, indices);
  };
  if (buffer) {
    w.teamLoop(length, {}, [&](Value place, ValueRange) {
      w.storeElements(w.evaluateWide(input, getIndices(input, place)), buffer, w.f32(), w.uniform(place));
      return Values();
    });
    w.sync(); // an epilogue may read others' elements
    read = [this, input, buffer](ArrayRef<Index> indices) {
      return w.loadElements(buffer, w.f32(), w.uniform(getPlace(input, indices)));
    };
    if (!isa<BlockArgument>(input))
      w.override(input, [this, read, declared](ArrayRef<Index> indices) { return w.narrow(read(indices), declared); });
  }
  auto at = [&](Value place) { return read(getIndices(input, place)); };
  Value size = w.make<arith::SIToFPOp>(w.f32(), length);
  auto weigh = [this](Value x, Value weight, ArrayRef<Index> indices) {
    return weight ? w.mulf(x, w.evaluateWide(weight, indices.take_back(1))) : x;
  };
  auto define = [&](std::function<Value(ArrayRef<Index>)> value) {
    w.override(result, [this, value, declared](ArrayRef<Index> indices) { return w.narrow(value(indices), declared); });
  };
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  auto greatest = [&] {
    return reduce("Maximum", -kInfinity, length, at, [&](Value a, Value c) { return w.maxf(a, c); });
  };
  if (auto norm = dyn_cast<tfm::LayerNormOp>(op)) {
    Value mean = w.divf(sum(length, at), size);
    Value squares = sum(length, [&](Value place) {
      Value d = w.subf(at(place), mean);
      return w.mulf(d, d);
    });
    Value deviation = w.sqrt(w.addf(w.divf(squares, size), constant(norm.getEpsilon().convertToDouble())));
    Value inverse = w.divf(constant(1), deviation);
    define([=, this, gain = norm.getGain(), bias = norm.getBias()](ArrayRef<Index> indices) {
      Value x = weigh(w.mulf(w.subf(read(indices), mean), inverse), gain, indices);
      return bias ? w.addf(x, w.evaluateWide(bias, indices.take_back(1))) : x;
    });
    return;
  }
  if (isa<tfm::RmsNormOp, tfm::L2NormalizeOp>(op)) {
    Value squares = sum(length, [&](Value place) {
      Value x = at(place);
      return w.mulf(x, x);
    });
    Value divisor, gain;
    if (auto norm = dyn_cast<tfm::RmsNormOp>(op)) {
      divisor = w.sqrt(w.addf(w.divf(squares, size), constant(norm.getEpsilon().convertToDouble())));
      gain = norm.getGain();
    } else {
      divisor = w.maxf(w.sqrt(squares), constant(cast<tfm::L2NormalizeOp>(op).getFloor().convertToDouble()));
    }
    Value inverse = w.divf(constant(1), divisor);
    define([=](ArrayRef<Index> indices) { return weigh(w.mulf(read(indices), inverse), gain, indices); });
    return;
  }
  if (isa<tfm::SoftmaxOp>(op)) {
    Value most = greatest();
    Value total = sum(length, [&](Value place) { return w.exp(w.subf(at(place), most)); });
    Value inverse = w.divf(constant(1), total);
    define([=, this](ArrayRef<Index> indices) { return w.mulf(w.exp(w.subf(read(indices), most)), inverse); });
    return;
  }
  Value value;
  if (isa<tfm::ReduceMaxOp>(op)) {
    value = greatest();
  } else if (isa<tfm::ReduceMinOp>(op)) {
    value = reduce("Minimum", kInfinity, length, at, [&](Value a, Value c) { return w.minf(a, c); });
  } else if (isa<tfm::ReduceProdOp>(op)) {
    value = reduce("Product", 1, length, at, [&](Value a, Value c) { return w.mulf(a, c); });
  } else {
    value = sum(length, at);
    if (isa<tfm::ReduceMeanOp>(op))
      value = w.divf(value, size);
  }
  define([=](ArrayRef<Index>) { return value; });
}

void RowWriter::writeResult(unsigned result) {
  Value tensor = w.getResults()[result], length = getLength(tensor);
  w.teamLoop(length, {}, [&](Value place, ValueRange) {
    Value value = w.evaluate(tensor, getIndices(tensor, place));
    // The row is contiguous, whatever its dimensions.
    Index flat = w.uniform(w.add(w.mul(row, length), place));
    w.storeElements(value, w.getResultMemory(result), tfm::getElementType(tensor), flat);
    return Values();
  });
}

void cuda::writeRow(KernelWriter &w, ArrayRef<Value> buffers, Value row) {
  RowWriter writer(w, row);
  auto outer = w.overrides;
  for (auto [i, op] : llvm::enumerate(w.plan.rowOps))
    writer.writeRowOp(op, buffers.empty() ? Value() : buffers[i]);
  for (unsigned result = 0; result < w.kernel.getNumResults(); ++result)
    writer.writeResult(result);
  w.overrides = std::move(outer);
}

void cuda::writeRows(KernelWriter &w) {
  SmallVector<int64_t> lengths = schedule::getRowBuffers(w.plan);
  std::vector<std::string> names;
  for (size_t i = 0; i < lengths.size(); ++i)
    names.push_back("buffer" + std::to_string(i));
  SmallVector<KernelWriter::Parameter> parameters{{"index", "row"}};
  for (const std::string &name : names)
    parameters.push_back({"Shared<float>", name.c_str()});
  BlockArgument readRows = schedule::getReadRows(w.kernel, w.plan.rows);
  w.method(
      "void", "compute", parameters,
      [&](ValueRange values) {
        Values buffers(values.begin() + 1, values.end());
        auto write = [&] { writeRow(w, buffers, values[0]); };
        if (readRows)
          w.ifThen(w.isRead(readRows, values[0]), write);
        else
          write();
        return Value();
      },
      /*ofTeam=*/true);
  bool byWarp = schedule::runsByWarp(w.plan);
  int64_t warps = w.tile.threads / 32, offset = byWarp ? 0 : 4 * warps;
  std::string arguments = "i";
  for (int64_t length : lengths) {
    std::string place = std::to_string(offset);
    if (byWarp)
      place += " + warp() * " + std::to_string(4 * length);
    arguments += ", shared<float>(" + place + ")";
    offset += 4 * length * (byWarp ? warps : 1);
  }
  std::string head = byWarp ? "rows_by_warp" : "rows_by_block";
  std::string partial = byWarp ? "" : ", shared<float>(0)";
  SmallVector<Dim> dims = tfm::getDims(w.plan.rowOps[0]->getOperand(0));
  size_t leading = *schedule::getLeadingDims(w.plan.rowOps[0]->getOperand(0), w.plan.rows);
  std::string rows = w.print(ArrayRef<Dim>(dims).take_front(leading));
  w.body += "  " + head + "<" + std::to_string(warps) + ">(" + rows + partial +
            ", [&](auto team, index i) { kernel.compute(team, " + arguments + "); });\n";
}
