// Elements of tensors as numbers: widening to double or int64_t, exact rounding back, and broadcasting.
#pragma once
#include "compiler/Reference/Reference.h"

namespace lathe::reference {

using Shape = llvm::SmallVector<int64_t, 4>;

/// The product; nothing on overflow or a negative dimension.
std::optional<int64_t> countElements(llvm::ArrayRef<int64_t> shape);
/// Bytes of one element; i1 takes one.
unsigned getElementBytes(mlir::Type type);
bool isUnsigned(mlir::Type type); // i1 counts

/// Floats widen exactly; integers below 2^53 in magnitude too.
std::vector<double> loadFloats(const Tensor &tensor);
/// An f32 in tf32: ten bits of fraction, to nearest, ties away from zero, as PTX's cvt.rna.tf32.f32. What rounds beyond
/// the greatest value becomes infinite; NaN stays.
float roundToTf32(float value);
/// The values that an op multiplies: with a precision, in that precision.
std::vector<double> loadFactors(const Tensor &tensor, std::optional<tfm::Precision> precision);
/// Of an integer type: the value; of ui64: its bits.
std::vector<int64_t> loadIntegers(const Tensor &tensor);
/// Rounds each value once.
Tensor storeFloats(mlir::Type elementType, llvm::ArrayRef<int64_t> shape, llvm::ArrayRef<double> values);
/// Keeps the low bits.
Tensor storeIntegers(mlir::Type elementType, llvm::ArrayRef<int64_t> shape, llvm::ArrayRef<int64_t> values);

/// The tensor under another element type, as tfm.cast says.
Tensor convert(const Tensor &tensor, mlir::Type elementType);

/// Strides in elements of a row-major tensor of `from`, as it is read when broadcast to `to`: 0 along what repeats.
Shape broadcastStrides(llvm::ArrayRef<int64_t> from, llvm::ArrayRef<int64_t> to);
Shape rowMajorStrides(llvm::ArrayRef<int64_t> shape);

/// Calls `body(offset)` for every index of the shape in row-major order, where offset is start + sum(index * stride).
template <typename Body>
void forEachOffset(llvm::ArrayRef<int64_t> shape, llvm::ArrayRef<int64_t> strides, int64_t start, Body body) {
  for (int64_t size : shape)
    if (size == 0)
      return;
  Shape index(shape.size(), 0);
  int64_t inner = shape.empty() ? 1 : shape.back(), innerStride = shape.empty() ? 0 : strides.back();
  for (int64_t offset = start;;) {
    for (int64_t i = 0; i < inner; ++i)
      body(offset + i * innerStride);
    int64_t axis = static_cast<int64_t>(shape.size()) - 2;
    for (; axis >= 0; --axis) {
      offset += strides[axis];
      if (++index[axis] < shape[axis])
        break;
      offset -= shape[axis] * strides[axis];
      index[axis] = 0;
    }
    if (axis < 0)
      return;
  }
}

/// Values read with broadcasting to another shape.
template <typename T>
std::vector<T> broadcast(std::vector<T> values, llvm::ArrayRef<int64_t> from, llvm::ArrayRef<int64_t> to) {
  if (from == to)
    return values;
  std::vector<T> result;
  result.reserve(*countElements(to));
  forEachOffset(to, broadcastStrides(from, to), 0, [&](int64_t offset) { result.push_back(values[offset]); });
  return result;
}

} // namespace lathe::reference
