// Random values and products of matrices to compare with.
#pragma once
#include "test/unit/cuda-sim/Harness.h"

#include <cmath>
#include <cstring>
#include <random>

namespace lathe::sim_test {
inline std::vector<float> randomFloats(size_t count) {
  std::mt19937 generator(count);
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::vector<float> values(count);
  for (float &value : values)
    value = uniform(generator);
  return values;
}
// Rounds towards zero to bf16, which is exact for what follows.
inline std::vector<uint16_t> toBf16(std::vector<float> &values) {
  std::vector<uint16_t> halves;
  for (float &value : values) {
    uint32_t bits;
    memcpy(&bits, &value, 4);
    bits &= 0xffff0000;
    memcpy(&value, &bits, 4);
    halves.push_back(bits >> 16);
  }
  return halves;
}
inline std::vector<uint16_t> toF16(std::vector<float> &values) {
  std::vector<uint16_t> halves;
  for (float &value : values) {
    _Float16 half = value;
    value = half;
    uint16_t bits;
    memcpy(&bits, &half, 2);
    halves.push_back(bits);
  }
  return halves;
}
// a (m x k) times the transpose of b (n x k), compared with c. The sums of products of values below 1 in another order
// differ by at most k roundings of values below k.
inline void expectProduct(const std::vector<float> &a, const std::vector<float> &b, const std::vector<float> &c, int m,
                          int n, int k) {
  float bound = float(k) * k * std::ldexp(1.0f, -24);
  for (int i = 0; i < m; ++i)
    for (int j = 0; j < n; ++j) {
      double sum = 0;
      for (int l = 0; l < k; ++l)
        sum += double(a[i * k + l]) * b[j * k + l];
      ASSERT_NEAR(c[i * n + j], sum, bound) << i << ", " << j;
    }
}
} // namespace lathe::sim_test
