// What the emulated driver writes into a CUtensorMap, and the emulated TMA reads.
#pragma once
#include <cstdint>

namespace lathe::sim {
constexpr uint32_t maxMapRank = 5;

struct MapContents {
  static constexpr uint32_t magicValue = 0x70616d54; // "Tmap"
  uint32_t magic;
  uint8_t rank, elementBytes;
  uint8_t swizzleBits; // 0 none; 1, 2, 3: of 32, 64, 128 bytes
  uint64_t address;
  uint64_t dims[maxMapRank];    // in elements, the innermost first
  uint64_t strides[maxMapRank]; // in bytes; of the innermost, an element's
  uint16_t box[maxMapRank];
};
static_assert(sizeof(MapContents) <= 128);

// Where a byte of a swizzled tile lies: the 16-byte chunks of each 128 bytes are permuted by the address bits above.
inline uint32_t swizzled(uint32_t address, uint32_t bits) {
  return address ^ ((address >> 7 & ((1u << bits) - 1)) << 4);
}
} // namespace lathe::sim
