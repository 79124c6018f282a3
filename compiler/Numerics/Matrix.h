// Dense row-major matrices: views of someone's elements, and owners of their own.
#pragma once
#include <cassert>
#include <cstdint>
#include <type_traits>
#include <vector>

namespace lathe::numerics {

/// Elements of someone else: row i begins at data + i * stride. Copying a view copies no element.
template <typename T> struct MatrixView {
  T *data = nullptr;
  int64_t rows = 0, columns = 0, stride = 0;

  MatrixView() = default;
  MatrixView(T *data, int64_t rows, int64_t columns, int64_t stride)
      : data(data), rows(rows), columns(columns), stride(stride) {
    assert(stride >= columns);
  }
  MatrixView(T *data, int64_t rows, int64_t columns) : MatrixView(data, rows, columns, columns) {}
  template <typename U, typename = std::enable_if_t<std::is_same_v<const U, T> && !std::is_same_v<U, T>>>
  MatrixView(MatrixView<U> other) : MatrixView(other.data, other.rows, other.columns, other.stride) {}

  T &operator()(int64_t i, int64_t j) const {
    assert(i >= 0 && i < rows && j >= 0 && j < columns);
    return data[i * stride + j];
  }
  T *row(int64_t i) const { return data + i * stride; }
  MatrixView block(int64_t i, int64_t j, int64_t height, int64_t width) const {
    assert(i >= 0 && j >= 0 && i + height <= rows && j + width <= columns);
    return MatrixView(data + i * stride + j, height, width, stride);
  }
};
template <typename T> using ConstView = MatrixView<const T>;

/// Elements of its own, densely stored, 0 at first.
template <typename T> class Matrix {
public:
  Matrix() = default;
  Matrix(int64_t rows, int64_t columns) : elements(rows * columns), height(rows), width(columns) {}

  int64_t rows() const { return height; }
  int64_t columns() const { return width; }
  T *data() { return elements.data(); }
  const T *data() const { return elements.data(); }
  T &operator()(int64_t i, int64_t j) { return view()(i, j); }
  const T &operator()(int64_t i, int64_t j) const { return view()(i, j); }
  T *row(int64_t i) { return elements.data() + i * width; }
  const T *row(int64_t i) const { return elements.data() + i * width; }
  MatrixView<T> view() { return {elements.data(), height, width}; }
  ConstView<T> view() const { return {elements.data(), height, width}; }
  operator MatrixView<T>() { return view(); }
  operator ConstView<T>() const { return view(); }
  std::vector<T> takeElements() { return std::move(elements); }

private:
  std::vector<T> elements;
  int64_t height = 0, width = 0;
};

/// A dense copy, of another element type where asked for.
template <typename To, typename From> Matrix<To> copyOf(MatrixView<From> from) {
  Matrix<To> to(from.rows, from.columns);
  for (int64_t i = 0; i < from.rows; ++i)
    for (int64_t j = 0; j < from.columns; ++j)
      to.row(i)[j] = static_cast<To>(from.row(i)[j]);
  return to;
}
template <typename To, typename From> Matrix<To> copyOf(const Matrix<From> &from) { return copyOf<To>(from.view()); }

/// A dense copy of the transpose, in squares that stay in the first cache.
template <typename To, typename From> Matrix<To> transposeOf(MatrixView<From> from) {
  constexpr int64_t square = 32;
  Matrix<To> to(from.columns, from.rows);
  for (int64_t i0 = 0; i0 < from.rows; i0 += square)
    for (int64_t j0 = 0; j0 < from.columns; j0 += square)
      for (int64_t i = i0; i < from.rows && i < i0 + square; ++i)
        for (int64_t j = j0; j < from.columns && j < j0 + square; ++j)
          to.row(j)[i] = static_cast<To>(from.row(i)[j]);
  return to;
}
template <typename To, typename From> Matrix<To> transposeOf(const Matrix<From> &from) {
  return transposeOf<To>(from.view());
}

} // namespace lathe::numerics
