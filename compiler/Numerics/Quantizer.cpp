// Scales by range or by search, and rounding. The loops run over rows, which lie next to each other here, so that they
// vectorise without reordering a sum.
#include "compiler/Numerics/Quantizer.h"
#include "compiler/Numerics/ScaleTable.h"
#include <cmath>
#include <cstring>
#include <limits>

using namespace lathe;
using namespace lathe::numerics;

namespace {
constexpr int64_t kTile = 64; // rows whose errors are summed side by side

uint32_t bitsOf(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}
float floatOf(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

/// To nearest, ties to even, for |x| < 2^22: adding 1.5 * 2^23 leaves no place for a fraction.
float roundToEven(float x) { return (x + 12582912.0f) - 12582912.0f; }
double roundToEven(double x) { return (x + 6755399441055744.0) - 6755399441055744.0; }

/// x^power for x >= 0, within 1e-5: errors of scales are only compared. Vectorises, as std::pow does not.
float powerOf(float x, float power) {
  uint32_t bits = bitsOf(x);
  float exponent = static_cast<float>(static_cast<int32_t>(bits >> 23) - 127);
  float m = floatOf((bits & 0x7fffffu) | 0x3f800000u) - 1.5f; // the mantissa, around its middle
  // log2(1.5 + m), |m| <= 0.5, by its Taylor series in z = m / (m + 3): 2 atanh(z) / ln 2.
  float z = m / (m + 3.0f), z2 = z * z;
  float log2 =
      0.5849625007f + exponent + z * (2.885390082f + z2 * (0.961796694f + z2 * (0.577078016f + z2 * 0.412198583f)));
  float y = std::max(power * log2, -126.0f);
  float whole = roundToEven(y), f = y - whole;
  float fraction =
      1.0f + f * (0.6931471806f + f * (0.2402265070f + f * (0.0555041087f + f * (0.0096181291f + f * 0.0013333558f))));
  return fraction * floatOf(static_cast<uint32_t>(static_cast<int32_t>(whole) + 127) << 23);
}

float roundToHalf(float x) {
  // Below 2^-14 the step is 2^-24; above, 10 bits of mantissa are kept.
  if (x < 6.103515625e-05f)
    return roundToEven(x * 16777216.0f) / 16777216.0f;
  uint32_t bits = bitsOf(x);
  return floatOf((bits + 0xfffu + ((bits >> 13) & 1)) & ~0x1fffu);
}

float roundToBfloat(float x) {
  uint32_t bits = bitsOf(x);
  return floatOf((bits + 0x7fffu + ((bits >> 16) & 1)) & ~0xffffu);
}

struct Range {
  float low = 0, high = 0; // low <= 0 <= high
  float greatest() const { return std::max(-low, high); }
};

struct Choice {
  float scale = 1, zeroPoint = 0;
};

/// The scale and zero point of `fraction` of a range.
Choice chooseScale(const Range &range, float fraction, const IntFormat &format) {
  Choice choice;
  if (range.greatest() == 0)
    return choice;
  if (!format.zeroPoints) {
    choice.scale = roundScale(fraction * range.greatest() / format.greatest(), format.scaleType);
    return choice;
  }
  float low = fraction * range.low, high = fraction * range.high;
  choice.scale = roundScale((high - low) / (format.greatest() - format.lowest()), format.scaleType);
  float zero = std::clamp<float>(format.lowest() - low / choice.scale, format.lowest(), format.greatest());
  choice.zeroPoint = roundToEven(zero);
  return choice;
}

/// The code of w as a float: rounded, then clamped; both orders agree as the bounds are whole. Clamping first keeps the
/// value small enough to round.
template <typename T> T codeOf(T w, T scale, T zero, T low, T high) {
  T q = w / scale;
  q = q < low - zero ? low - zero : q;
  q = q > high - zero ? high - zero : q;
  return roundToEven(q) + zero;
}

template <typename T> void findRanges(ConstView<T> columns, int64_t begin, int64_t count, Range *ranges) {
  float low[kTile] = {}, high[kTile] = {};
  for (int64_t j = 0; j < columns.rows; ++j) {
    const T *column = columns.row(j) + begin;
    for (int64_t n = 0; n < count; ++n) {
      float w = static_cast<float>(column[n]);
      low[n] = w < low[n] ? w : low[n];
      high[n] = w > high[n] ? w : high[n];
    }
  }
  for (int64_t n = 0; n < count; ++n)
    ranges[n] = {low[n], high[n]};
}

/// Adds to errors[count] what each of the rows from `begin` loses by its choice.
template <typename T>
void addErrors(ConstView<T> columns, int64_t begin, int64_t count, const Choice *choices, const float *importance,
               const IntFormat &format, const ScaleSearch &search, float *errors) {
  float scales[kTile], zeros[kTile];
  for (int64_t n = 0; n < count; ++n) {
    scales[n] = choices[n].scale;
    zeros[n] = choices[n].zeroPoint;
  }
  float low = format.lowest(), high = format.greatest(), power = static_cast<float>(search.power);
  for (int64_t j = 0; j < columns.rows; ++j) {
    const T *column = columns.row(j) + begin;
    float loss[kTile];
    for (int64_t n = 0; n < count; ++n) {
      float w = static_cast<float>(column[n]);
      loss[n] = std::fabs(w - (codeOf(w, scales[n], zeros[n], low, high) - zeros[n]) * scales[n]);
    }
    if (search.metric == ScaleSearch::Metric::Power) {
      for (int64_t n = 0; n < count; ++n)
        errors[n] += powerOf(loss[n], power);
    } else {
      float weight = importance[j];
      for (int64_t n = 0; n < count; ++n)
        errors[n] += weight * (loss[n] * loss[n]);
    }
  }
}

float getFraction(const ScaleSearch &search, int i) { return 1.0f - static_cast<float>(i) / search.steps; }
int getTried(const ScaleSearch &search) { return search.metric == ScaleSearch::Metric::None ? 1 : search.tried; }

} // namespace

Quantized::Quantized(const IntFormat &format, int64_t rows, int64_t columns)
    : format(format), rows(rows), columns(columns), codes(rows * columns),
      scales(format.granularity == Granularity::Tensor ? 1 : rows * format.groupCount(columns), 1.0f),
      zeroPoints(format.zeroPoints ? scales.size() : 0) {}

Matrix<float> Quantized::dequantize() const {
  Matrix<float> values(rows, columns);
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j) {
      int64_t at = scaleIndex(i, j);
      values(i, j) = (codes[i * columns + j] - (zeroPoints.empty() ? 0 : zeroPoints[at])) * scales[at];
    }
  return values;
}

Quantized numerics::quantize(ConstView<float> w, const IntFormat &format, const ScaleSearch &search,
                             llvm::ArrayRef<float> importance) {
  assert(search.metric != ScaleSearch::Metric::Importance || static_cast<int64_t>(importance.size()) == w.columns);
  Quantized result(format, w.rows, w.columns);
  // A weight may be as tall as a vocabulary; only what is quantized now is transposed.
  int64_t step = format.granularity == Granularity::Tensor ? w.rows : 1024;
  for (int64_t begin = 0; begin < w.rows; begin += step) {
    int64_t rows = std::min(step, w.rows - begin);
    Matrix<float> columns = transposeOf<float>(w.block(begin, 0, rows, w.columns));
    ScaleTable table(format, rows, w.columns);
    table.fitAll<float>(columns, importance.empty() ? nullptr : importance.data(), search);
    Matrix<int8_t> codes(w.columns, rows);
    std::vector<float> values(rows);
    for (int64_t j = 0; j < w.columns; ++j)
      quantizeColumn(columns.row(j), table.getScales(j), table.getZeroPoints(j), rows, format, codes.row(j),
                     values.data());
    store(codes, table, begin, result);
  }
  return result;
}

float numerics::roundScale(float scale, ScaleType type) {
  switch (type) {
  case ScaleType::F32:
    return std::clamp(scale, std::numeric_limits<float>::denorm_min(), std::numeric_limits<float>::max());
  case ScaleType::F16:
    return std::clamp(roundToHalf(scale), 5.9604644775390625e-08f, 65504.0f);
  case ScaleType::BF16:
    return std::clamp(roundToBfloat(scale), 9.183549615799121e-41f, 3.3895313892515355e+38f);
  }
  return scale;
}

template <typename T>
void numerics::fitGroup(ConstView<T> columns, const float *importance, const IntFormat &format,
                        const ScaleSearch &search, float *scales, float *zeroPoints) {
  for (int64_t begin = 0; begin < columns.columns; begin += kTile) {
    int64_t count = std::min(kTile, columns.columns - begin);
    Range ranges[kTile];
    findRanges(columns, begin, count, ranges);
    Choice best[kTile];
    float least[kTile];
    for (int i = 0; i < getTried(search); ++i) {
      Choice choices[kTile];
      for (int64_t n = 0; n < count; ++n)
        choices[n] = chooseScale(ranges[n], getFraction(search, i), format);
      float errors[kTile] = {};
      if (search.metric != ScaleSearch::Metric::None)
        addErrors(columns, begin, count, choices, importance, format, search, errors);
      for (int64_t n = 0; n < count; ++n)
        if (i == 0 || errors[n] < least[n]) {
          least[n] = errors[n];
          best[n] = choices[n];
        }
    }
    for (int64_t n = 0; n < count; ++n) {
      scales[begin + n] = best[n].scale;
      if (format.zeroPoints)
        zeroPoints[begin + n] = best[n].zeroPoint;
    }
  }
}

template <typename T>
void numerics::fitTensor(ConstView<T> columns, const float *importance, const IntFormat &format,
                         const ScaleSearch &search, float &scale, float &zeroPoint) {
  Range range;
  for (int64_t begin = 0; begin < columns.columns; begin += kTile) {
    int64_t count = std::min(kTile, columns.columns - begin);
    Range ranges[kTile];
    findRanges(columns, begin, count, ranges);
    for (int64_t n = 0; n < count; ++n)
      range = {std::min(range.low, ranges[n].low), std::max(range.high, ranges[n].high)};
  }
  Choice best;
  double least = 0;
  for (int i = 0; i < getTried(search); ++i) {
    Choice choices[kTile];
    std::fill(choices, choices + kTile, chooseScale(range, getFraction(search, i), format));
    double error = 0;
    if (search.metric != ScaleSearch::Metric::None)
      for (int64_t begin = 0; begin < columns.columns; begin += kTile) {
        float errors[kTile] = {};
        addErrors(columns, begin, std::min(kTile, columns.columns - begin), choices, importance, format, search,
                  errors);
        for (float e : errors)
          error += e;
      }
    if (i == 0 || error < least) {
      least = error;
      best = choices[0];
    }
  }
  scale = best.scale;
  zeroPoint = best.zeroPoint;
}

template <typename T>
void numerics::quantizeColumn(const T *column, const float *scales, const float *zeroPoints, int64_t rows,
                              const IntFormat &format, int8_t *codes, T *values) {
  T low = format.lowest(), high = format.greatest();
  for (int64_t n = 0; n < rows; ++n) {
    T scale = scales[n], zero = zeroPoints ? zeroPoints[n] : 0;
    T code = codeOf(column[n], scale, zero, low, high);
    codes[n] = static_cast<int8_t>(static_cast<int>(code));
    values[n] = (code - zero) * scale;
  }
}

template void numerics::fitGroup(ConstView<float>, const float *, const IntFormat &, const ScaleSearch &, float *,
                                 float *);
template void numerics::fitGroup(ConstView<double>, const float *, const IntFormat &, const ScaleSearch &, float *,
                                 float *);
template void numerics::fitTensor(ConstView<float>, const float *, const IntFormat &, const ScaleSearch &, float &,
                                  float &);
template void numerics::fitTensor(ConstView<double>, const float *, const IntFormat &, const ScaleSearch &, float &,
                                  float &);
template void numerics::quantizeColumn(const float *, const float *, const float *, int64_t, const IntFormat &,
                                       int8_t *, float *);
template void numerics::quantizeColumn(const double *, const float *, const float *, int64_t, const IntFormat &,
                                       int8_t *, double *);
