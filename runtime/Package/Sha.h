// SHA-256 and SHA-512 (FIPS 180-4), incremental.
#pragma once
#include <cstddef>
#include <cstdint>

namespace lathe::runtime {

class Sha256 {
public:
  // `accelerated`: use the processor's SHA instructions; only if it has them (CpuFeatures::sha).
  explicit Sha256(bool accelerated);
  void update(const void *data, size_t size);
  void finish(uint8_t digest[32]);

private:
  uint32_t state[8];
  uint8_t block[64];
  uint64_t length = 0;
  bool accelerated;
};

void sha256(const void *data, size_t size, bool accelerated, uint8_t digest[32]);

class Sha512 {
public:
  Sha512();
  void update(const void *data, size_t size);
  void finish(uint8_t digest[64]);

private:
  uint64_t state[8];
  uint8_t block[128];
  uint64_t length = 0;
};

} // namespace lathe::runtime
