// How far a tensor is from the one that was expected.
#pragma once
#include "tools/lathe-run/Tensor.h"

namespace lathe::tool {

struct Tolerance {
  double relative = 1e-4; // of the expected value's magnitude
  double absolute = 1e-5;
};

// Two elements agree when both are NaN, when they are equal (so infinities of one sign agree), or when
// |got - expected| <= absolute + relative * |expected| with both finite.
struct Difference {
  uint64_t count = 0;      // elements compared
  uint64_t mismatches = 0; // of them, those that do not agree
  uint64_t first = 0;      // flat index of the first that does not; valid where mismatches > 0
  double gotFirst = 0, expectedFirst = 0;
  double maxAbsolute = 0; // infinite where just one of two is NaN or infinite, or their signs differ
  double maxRelative = 0; // |got - expected| / |expected| over elements whose expected value is finite and not zero
  double cosine = 1;      // of the two as vectors, over elements that are finite in both; 1 where both are zero
  bool matches() const { return mismatches == 0; }
};

// Both of one shape; the element types may differ. Integers are compared exactly before the tolerance is asked.
Difference compare(const Tensor &got, const Tensor &expected, Tolerance tolerance);

} // namespace lathe::tool
