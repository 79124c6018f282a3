#include "tools/lathe-run/Compare.h"
#include <algorithm>
#include <cmath>

namespace lathe::tool {

Difference compare(const Tensor &got, const Tensor &expected, Tolerance tolerance) {
  Difference result;
  result.count = std::min(got.count(), expected.count());
  bool integers = isInteger(got.type) && isInteger(expected.type);
  double dot = 0, gotSquares = 0, expectedSquares = 0;
  for (uint64_t i = 0; i < result.count; ++i) {
    double a = got.asDouble(i), e = expected.asDouble(i), difference;
    if (integers) // 64-bit values may differ where their doubles do not
      difference = std::fabs(double(got.asInteger(i) - expected.asInteger(i)));
    else if (a == e || (std::isnan(a) && std::isnan(e)))
      difference = 0;
    else
      difference = std::isfinite(a) && std::isfinite(e) ? std::fabs(a - e) : INFINITY;
    if (std::isfinite(a) && std::isfinite(e)) {
      dot += a * e;
      gotSquares += a * a;
      expectedSquares += e * e;
    }
    result.maxAbsolute = std::max(result.maxAbsolute, difference);
    if (std::isfinite(e) && e != 0)
      result.maxRelative = std::max(result.maxRelative, difference / std::fabs(e));
    double allowed = std::isfinite(e) ? tolerance.absolute + tolerance.relative * std::fabs(e) : 0;
    if (difference > allowed && result.mismatches++ == 0) {
      result.first = i;
      result.gotFirst = a;
      result.expectedFirst = e;
    }
  }
  if (gotSquares > 0 || expectedSquares > 0)
    result.cosine =
        gotSquares > 0 && expectedSquares > 0 ? dot / std::sqrt(gotSquares) / std::sqrt(expectedSquares) : 0;
  return result;
}

} // namespace lathe::tool
