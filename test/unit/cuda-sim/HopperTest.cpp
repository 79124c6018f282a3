// TMA, mbarriers and wgmma compute what the PTX ISA says, in every schedule.
#include "test/unit/cuda-sim/Values.h"

using namespace lathe::sim_test;

static CUtensorMap encode(CUtensorMapDataType type, CUdeviceptr memory, std::vector<uint64_t> dims,
                          std::vector<uint64_t> strides, std::vector<uint32_t> box, CUtensorMapSwizzle swizzle) {
  CUtensorMap map;
  std::vector<uint32_t> ones(dims.size(), 1);
  EXPECT_EQ(cuTensorMapEncodeTiled(&map, type, dims.size(), reinterpret_cast<void *>(memory), dims.data(),
                                   strides.data(), box.data(), ones.data(), CU_TENSOR_MAP_INTERLEAVE_NONE, swizzle,
                                   CU_TENSOR_MAP_L2_PROMOTION_NONE, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE),
            CUDA_SUCCESS);
  return map;
}

// A tensor of 20 x 70 words, of which a box is taken that sticks out on all sides in turn.
TEST(Hopper, TmaBox) {
  Device device("Hopper.so");
  std::vector<uint32_t> values(20 * 72);
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = i + 1;
  Buffer<uint32_t> tensor(values);
  for (int swizzle = 0; swizzle < 4; ++swizzle) {
    int width = swizzle ? 4 << swizzle : 32, height = 16;
    CUtensorMap map = encode(CU_TENSOR_MAP_DATA_TYPE_UINT32, tensor.memory, {70, 20}, {72 * 4},
                             {uint32_t(width), uint32_t(height)}, CUtensorMapSwizzle(swizzle));
    for (auto [x, y] : {std::pair(0, 0), {-5, 7}, {60, -3}, {100, 0}})
      underSchedules([&, x = x, y = y] {
        Buffer<uint32_t> out(width * height);
        EXPECT_EQ(device.launch("tma_box", 1, 64, 1024 + width * height * 4, out.memory, map, x, y, width * height),
                  "");
        for (int i = 0; i < height; ++i)
          for (int j = 0; j < width; ++j) {
            // Chunks of 16 bytes are exchanged by the number of their 128-byte line.
            int byte = (i * width + j) * 4, line = byte / 128;
            int at = (byte ^ (swizzle ? line % (1 << swizzle) * 16 : 0)) / 4;
            bool inside = x + j >= 0 && x + j < 70 && y + i >= 0 && y + i < 20;
            ASSERT_EQ(out.read()[at], inside ? values[(y + i) * 72 + x + j] : 0) << i << ", " << j;
          }
      });
  }
}

TEST(Hopper, TmaBox4d) {
  Device device("Hopper.so");
  std::vector<uint32_t> values(3 * 4 * 5 * 8);
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = i + 1;
  Buffer<uint32_t> tensor(values), out(size_t(2 * 2 * 3 * 4));
  CUtensorMap map = encode(CU_TENSOR_MAP_DATA_TYPE_FLOAT32, tensor.memory, {8, 5, 4, 3}, {32, 160, 640}, {4, 3, 2, 2},
                           CU_TENSOR_MAP_SWIZZLE_NONE);
  EXPECT_EQ(device.launch("tma_box_4d", 1, 64, 2048, out.memory, map, 4, 3, 1, 1, 48), "");
  for (int l = 0; l < 2; ++l)
    for (int k = 0; k < 2; ++k)
      for (int i = 0; i < 3; ++i)
        for (int j = 0; j < 4; ++j)
          ASSERT_EQ(out.read()[((l * 2 + k) * 3 + i) * 4 + j],
                    3 + i < 5 ? values[(((1 + l) * 4 + 1 + k) * 5 + 3 + i) * 8 + 4 + j] : 0);
}

TEST(Hopper, Products) {
  Device device("Hopper.so");
  auto a = randomFloats(64 * 16), b = randomFloats(96 * 16);
  auto bf16A = a, bf16B = b;
  Buffer<uint16_t> left(toF16(a)), right(toF16(b)), leftBf16(toBf16(bf16A)), rightBf16(toBf16(bf16B));
  for (const char *kernel : {"product_kk_0", "product_kk_32", "product_kk_64", "product_kk_128", "product_mn_0",
                             "product_mn_32", "product_mn_64", "product_kn_128", "product_mk_128"}) {
    SCOPED_TRACE(kernel);
    bool bf16 = !strcmp(kernel, "product_kk_32") || !strcmp(kernel, "product_kk_128");
    underSchedules([&] {
      Buffer<float> c(64 * 96);
      EXPECT_EQ(device.launch(kernel, 1, 128, 49152, c.memory, bf16 ? leftBf16.memory : left.memory,
                              bf16 ? rightBf16.memory : right.memory),
                "");
      expectProduct(bf16 ? bf16A : a, bf16 ? bf16B : b, c.read(), 64, 96, 16);
    });
  }
}

TEST(Hopper, ProductTf32) {
  Device device("Hopper.so");
  auto a = randomFloats(64 * 8), b = randomFloats(64 * 8);
  toBf16(a), toBf16(b); // exact in tf32
  Buffer<float> left(a), right(b), c(64 * 64);
  EXPECT_EQ(device.launch("product_tf32", 1, 128, 32768, c.memory, left.memory, right.memory), "");
  expectProduct(a, b, c.read(), 64, 64, 8);
}

// Sums of codes are exact, also where f32 has no odd numbers any more.
TEST(Hopper, ProductCodes) {
  Device device("Hopper.so");
  std::mt19937 generator(1);
  std::vector<uint8_t> a(64 * 32), b(128 * 32);
  for (auto *codes : {&a, &b})
    for (uint8_t &code : *codes)
      code = generator();
  Buffer<uint8_t> left(a), right(b);
  for (auto [kernel, n] : {std::pair("product_codes_0", 64),
                           {"product_codes_32", 128},
                           {"product_codes_64", 64},
                           {"product_codes_128", 128}})
    for (int accumulate : {0, 1}) {
      SCOPED_TRACE(kernel);
      underSchedules([&, kernel = kernel, n = n] {
        Buffer<int> c(size_t(64 * n));
        EXPECT_EQ(device.launch(kernel, 1, 128, 49152, c.memory, left.memory, right.memory, accumulate), "");
        std::vector<int> sums = c.read();
        for (int i = 0; i < 64; ++i)
          for (int j = 0; j < n; ++j) {
            int sum = 0;
            for (int k = 0; k < 32; ++k)
              sum += int(a[i * 32 + k]) * static_cast<int8_t>(b[j * 32 + k]);
            ASSERT_EQ(sums[i * n + j], accumulate * ((1 << 28) + 1) + 2 * sum) << i << ", " << j;
          }
      });
    }
}

TEST(Hopper, ProductRegisters) {
  Device device("Hopper.so");
  auto a = randomFloats(64 * 16), b = randomFloats(32 * 16);
  Buffer<uint16_t> left(toF16(a)), right(toF16(b));
  underSchedules([&] {
    Buffer<float> c(64 * 32);
    EXPECT_EQ(device.launch("product_registers", 1, 128, 1024, c.memory, left.memory, right.memory), "");
    auto sums = c.read();
    for (float &sum : sums)
      sum /= 2;
    expectProduct(a, b, sums, 64, 32, 16);
  });
}

TEST(Hopper, GemmTma) {
  Device device("Hopper.so");
  int m = 200, n = 136, k = 360; // no multiples of the tiles, strides multiples of 16 bytes
  auto a = randomFloats(m * k), b = randomFloats(n * k);
  Buffer<uint16_t> left(toF16(a)), right(toF16(b));
  auto map = [&](CUdeviceptr memory, int rows) {
    return encode(CU_TENSOR_MAP_DATA_TYPE_FLOAT16, memory, {uint64_t(k), uint64_t(rows)}, {uint64_t(k) * 2}, {64, 128},
                  CU_TENSOR_MAP_SWIZZLE_128B);
  };
  underSchedules([&] {
    Buffer<float> c(m * n);
    EXPECT_EQ(
        device.launch("gemm_tma", 4, 384, 3 * 32768 + 48, c.memory, map(left.memory, m), map(right.memory, n), m, n, k),
        "");
    expectProduct(a, b, c.read(), m, n, k);
  });
}

TEST(Hopper, EncodingIsChecked) {
  Device device("Hopper.so");
  Buffer<float> tensor(size_t(1024));
  auto result = [&](uint64_t offset, uint64_t stride, uint32_t width, CUtensorMapSwizzle swizzle) {
    CUtensorMap map;
    uint64_t dims[] = {32, 32}, strides[] = {stride};
    uint32_t box[] = {width, 8}, ones[] = {1, 1};
    return cuTensorMapEncodeTiled(&map, CU_TENSOR_MAP_DATA_TYPE_FLOAT32, 2,
                                  reinterpret_cast<void *>(tensor.memory + offset), dims, strides, box, ones,
                                  CU_TENSOR_MAP_INTERLEAVE_NONE, swizzle, CU_TENSOR_MAP_L2_PROMOTION_NONE,
                                  CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  };
  EXPECT_EQ(result(0, 128, 32, CU_TENSOR_MAP_SWIZZLE_128B), CUDA_SUCCESS);
  EXPECT_EQ(result(4, 128, 32, CU_TENSOR_MAP_SWIZZLE_128B), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(result(0, 120, 32, CU_TENSOR_MAP_SWIZZLE_128B), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(result(0, 128, 32, CU_TENSOR_MAP_SWIZZLE_64B), CUDA_ERROR_INVALID_VALUE);
  EXPECT_EQ(result(0, 128, 6, CU_TENSOR_MAP_SWIZZLE_NONE), CUDA_ERROR_INVALID_VALUE);
}
