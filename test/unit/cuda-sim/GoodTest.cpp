// Kernels without defects compute what they should, in every schedule.
#include "test/unit/cuda-sim/Values.h"

using namespace lathe::sim_test;

TEST(Good, Saxpy) {
  Device device("Good.so");
  underSchedules([&] {
    int n = 1000;
    auto x = randomFloats(n), y = randomFloats(n + 1);
    Buffer<float> to(std::vector<float>(y.begin(), y.begin() + n)), from(x);
    EXPECT_EQ(device.launch("saxpy", 4, 64, 0, to.memory, from.memory, 2.0f, n), "");
    for (int i = 0; i < n; ++i)
      ASSERT_FLOAT_EQ(to.read()[i], 2 * x[i] + y[i]);
  });
}

TEST(Good, BlockSum) {
  Device device("Good.so");
  underSchedules([&] {
    int n = 5000;
    auto x = randomFloats(n);
    double expected = 0;
    for (float value : x)
      expected += value;
    Buffer<float> sum(1), from(x);
    EXPECT_EQ(device.launch("block_sum", 1, 256, 32, sum.memory, from.memory, n), "");
    EXPECT_NEAR(sum.read()[0], expected, 1e-3); // 5000 roundings of sums below 100
  });
}

TEST(Good, Exchange) {
  Device device("Good.so");
  underSchedules([&] {
    Buffer<float> sums(128), values(128 * 5);
    Buffer<uint32_t> counter(std::vector<uint32_t>{0});
    EXPECT_EQ(device.launch("exchange", 2, 64, 0, sums.memory, values.memory, counter.memory, 5), "");
    for (int i = 0; i < 128; ++i)
      ASSERT_EQ(sums.read()[i], 10 + 5 * (i < 64 ? 1000 : 0) + 5 * (i % 64));
  });
}

TEST(Good, GemmF16) {
  Device device("Good.so");
  int m = 256, n = 128, k = 96;
  auto a = randomFloats(m * k), b = randomFloats(n * k);
  Buffer<uint16_t> left(toF16(a)), right(toF16(b));
  underSchedules([&] {
    Buffer<float> c(m * n);
    EXPECT_EQ(device.launch("gemm_f16", 2, 256, 32768, c.memory, left.memory, right.memory, m, n, k), "");
    expectProduct(a, b, c.read(), m, n, k);
  });
}

TEST(Good, GemmBf16) {
  Device device("Good.so");
  int m = 128, n = 128, k = 768;
  auto a = randomFloats(m * k), b = randomFloats(n * k);
  Buffer<uint16_t> left(toBf16(a)), right(toBf16(b));
  Buffer<float> c(m * n);
  EXPECT_EQ(device.launch("gemm_bf16", 1, 256, 32768, c.memory, left.memory, right.memory, m, n, k), "");
  expectProduct(a, b, c.read(), m, n, k);
}

TEST(Good, GemmF32) {
  Device device("Good.so");
  int m = 128, n = 64, k = 256;
  auto a = randomFloats(m * k), b = randomFloats(n * k);
  Buffer<float> left(a), right(b), c(m * n);
  EXPECT_EQ(device.launch("gemm_f32", 2, 64, 8192, c.memory, left.memory, right.memory, m, n, k), "");
  expectProduct(a, b, c.read(), m, n, k);
}
