// Element types and sizes of tensors, with checked arithmetic.
#pragma once
#include <cstdint>

namespace lathe::runtime {

inline constexpr unsigned kElementTypes = 13;

// Bytes of an element of lathe_element_type or package::ElementType (they number alike); 0 for an unknown one.
inline uint32_t elementSize(unsigned type) {
  constexpr uint8_t sizes[kElementTypes] = {1, 1, 1, 2, 2, 4, 4, 8, 8, 2, 2, 4, 8};
  return type < kElementTypes ? sizes[type] : 0;
}

inline const char *elementName(unsigned type) {
  constexpr const char *names[kElementTypes] = {"bool", "i8",  "u8",  "i16",  "u16", "i32", "u32",
                                                "i64",  "u64", "f16", "bf16", "f32", "f64"};
  return type < kElementTypes ? names[type] : "?";
}

// The product of `rank` dimensions and an element's size; false when it does not fit an int64 or a dimension is
// negative.
inline bool tensorBytes(const int64_t *dims, uint32_t rank, uint32_t element, int64_t &bytes) {
  bool overflow = false, empty = false;
  int64_t product = element;
  for (uint32_t i = 0; i < rank; ++i) {
    if (dims[i] < 0)
      return false;
    empty |= dims[i] == 0;
    overflow |= !empty && __builtin_mul_overflow(product, dims[i], &product);
  }
  bytes = empty ? 0 : product;
  return empty || !overflow;
}

} // namespace lathe::runtime
