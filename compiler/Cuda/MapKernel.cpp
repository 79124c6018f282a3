// Kernels whose elements are computed on their own, and scatters.
#include "compiler/Cuda/KernelWriter.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::cuda;

void cuda::writeMap(KernelWriter &w) {
  for (unsigned result = 0; result < w.kernel.getNumResults(); ++result) {
    Value tensor = w.getResults()[result];
    SmallVector<Dim> dims = tfm::getDims(tensor);
    std::string name = "element" + std::to_string(result);
    w.method("void", name, {{"index", "i"}}, [&](ValueRange parameters) {
      Values sizes = w.getDims(tensor);
      Indices at = w.delinearize(w.uniform(parameters[0]), sizes);
      auto store = [&] { w.storeResult(result, w.evaluate(tensor, at), at); };
      BlockArgument readRows;
      if (!dims.empty())
        readRows = schedule::getReadRows(w.kernel, Dim::product(ArrayRef<Dim>(dims).drop_back()));
      if (readRows)
        w.ifThen(w.isRead(readRows, w.div(parameters[0], sizes.back())), store);
      else
        store();
      return Value();
    });
    w.body += "  map(" + w.printCount(tensor.getType()) + ", " + std::to_string(w.tile.threads) +
              ", [&](index i) { kernel." + name + "(i); });\n";
  }
}

static Value combine(KernelWriter &w, tfm::Accumulate kind, Type declared, Value old, Value update) {
  bool isFloat = isa<FloatType>(declared), isUnsigned = declared.isUnsignedInteger();
  Value a = w.widen(old), c = w.widen(update), result;
  switch (kind) {
  case tfm::Accumulate::none:
    return update;
  case tfm::Accumulate::add:
    result = isFloat ? w.addf(a, c) : w.binary<arith::AddIOp>(a, c);
    break;
  case tfm::Accumulate::mul:
    result = isFloat ? w.mulf(a, c) : w.binary<arith::MulIOp>(a, c);
    break;
  case tfm::Accumulate::min:
    result = isFloat ? w.minf(a, c) : isUnsigned ? w.binary<arith::MinUIOp>(a, c) : w.binary<arith::MinSIOp>(a, c);
    break;
  case tfm::Accumulate::max:
    result = isFloat ? w.maxf(a, c) : isUnsigned ? w.binary<arith::MaxUIOp>(a, c) : w.binary<arith::MaxSIOp>(a, c);
    break;
  }
  return w.narrow(result, declared);
}

/// One block: the copy is shared out, then updates that may meet are one thread's, in their order. Updates that differ
/// in an index that nothing looks up never meet: those are shared out.
void cuda::writeScatter(KernelWriter &w) {
  Operation *op = w.plan.anchors[0];
  Value data = op->getOperand(0), indices = op->getOperand(1), updates = op->getOperand(2), result = op->getResult(0);
  auto elements = dyn_cast<tfm::ScatterElementsOp>(op);
  auto kind = elements ? elements.getAccumulate() : cast<tfm::ScatterNdOp>(op).getAccumulate();
  Type declared = tfm::getElementType(result);
  SmallVector<Dim> updateDims = tfm::getDims(updates);
  size_t outer = elements ? 0 : tfm::getDims(indices).size() - 1; // of ScatterND: dimensions of the tuples
  size_t axis = elements ? elements.getAxis() : 0;
  auto isOrdered = [&](size_t d) { return elements ? d == axis : d < outer; };

  w.method("void", "copy", {{"index", "i"}}, [&](ValueRange parameters) {
    Indices at = w.delinearize(w.uniform(parameters[0]), w.getDims(result));
    w.storeResult(0, w.evaluate(data, at), at);
    return Value();
  });
  // The updates of one lane of work, in order.
  w.method("void", "update", {{"index", "i"}}, [&](ValueRange parameters) {
    Values dims = w.getDims(result), sizes = w.getDims(updates), freeSizes, orderedSizes;
    for (size_t d = 0; d < sizes.size(); ++d)
      (isOrdered(d) ? orderedSizes : freeSizes).push_back(sizes[d]);
    Indices free = w.delinearize(w.uniform(parameters[0]), freeSizes);
    w.loop(w.index(0), w.product(orderedSizes), 1, [&](Value step) {
      Indices ordered = w.delinearize(w.uniform(step), orderedSizes), at, target;
      for (size_t d = 0, nextFree = 0, nextOrdered = 0; d < sizes.size(); ++d)
        at.push_back(isOrdered(d) ? ordered[nextOrdered++] : free[nextFree++]);
      if (elements) {
        target = at;
        target[axis] = w.getCheckedIndex(indices, at, dims[axis]);
      } else {
        int64_t tuple = *tfm::getDims(indices).back().getConstant();
        for (int64_t i = 0; i < tuple; ++i) {
          Indices place(at.begin(), at.begin() + outer);
          place.push_back(w.uniform(i));
          target.push_back(w.getCheckedIndex(indices, place, dims[i]));
        }
        target.append(at.begin() + outer, at.end());
      }
      Value old = w.loadElements(w.getResultMemory(0), declared, w.linearize(target, dims));
      w.storeResult(0, combine(w, kind, declared, old, w.evaluate(updates, at)), target);
    });
    return Value();
  });
  std::string free = "1";
  for (size_t d = 0; d < updateDims.size(); ++d)
    if (!isOrdered(d))
      free += " * " + w.print(updateDims[d]);
  std::string step = std::to_string(w.tile.threads);
  w.body += "  for (index i = thread(); i < " + w.printCount(result.getType()) + "; i += " + step +
            ")\n    kernel.copy(i);\n  sync_block();\n  for (index i = thread(); i < " + free + "; i += " + step +
            ")\n    kernel.update(i);\n";
}
