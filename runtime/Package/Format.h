// The fixed-size parts of a package file: the header and the segment table. All little-endian, read by copying.
//
//   [0, 128)          Header
//   [table_offset)    FlatBuffer of Package.fbs, table_size bytes, at most kMaxTableSize; identifier at byte 4 of it
//   [segments_offset) segment_count records of Segment
//   segments          each at a multiple of its alignment, in ascending order, not overlapping
//
// The parts come in this order; the gaps between them are zero and shorter than kMaxAlignment; nothing follows the
// last.
#pragma once
#include <cstddef>
#include <cstdint>

namespace lathe::package {

inline constexpr char kMagic[8] = {'L', 'A', 'T', 'H', 'E', '\r', '\n', '\x1a'};
inline constexpr uint32_t kFormatMajor = 1; // a reader refuses another major
inline constexpr uint32_t kFormatMinor = 2; // a reader of 1.x takes every 1.y with known required features
inline constexpr uint64_t kDeepPanels = 1;  // a required feature, since 1.2: weights lie in panels with a depth above 1
inline constexpr uint64_t kKnownFeatures = kDeepPanels;
inline constexpr uint64_t kMaxTableSize = 16u << 20;
inline constexpr uint64_t kMaxAlignment = 4096;
inline constexpr uint32_t kMaxFormulaSteps = 1024; // of one formula
inline constexpr uint32_t kMaxFormulaStack = 64;   // values that wait at a time while one is evaluated
inline constexpr uint64_t kWeightChunk = 1u << 20; // weights are hashed in chunks, so that they can be verified lazily

struct Header {
  char magic[8];
  uint32_t major, minor;
  uint64_t required_features; // a bit that the reader does not know is an error
  uint64_t file_size;
  uint64_t table_offset, table_size;
  uint64_t segments_offset;
  uint32_t segment_count;
  uint32_t reserved;        // zero
  uint8_t table_sha256[32]; // of this header up to this field, then the FlatBuffer, then the segment records
  uint8_t padding[32];      // zero
};
static_assert(sizeof(Header) == 128);

enum class SegmentKind : uint32_t {
  Weights = 1,      // tensors, each at a multiple of 64; the segment at a multiple of 4096
  WeightHashes = 2, // SHA-256 of each kWeightChunk of the Weights segment named by `link`, 32 bytes each
  CpuElf = 3,
  Metadata = 4, // JSON: recipe, report, compiler version, hashes of the inputs
  Cubin = 5,
  CudaSource = 6, // CUDA C++ for NVRTC, text
};

struct Segment {
  uint32_t kind;      // SegmentKind; an unknown one is ignored unless a required feature covers it
  uint32_t link;      // WeightHashes: index of the weights; else zero
  uint32_t rank;      // for programs that span devices; zero
  uint32_t alignment; // a power of two, at most 4096
  uint64_t offset, size;
  uint8_t sha256[32]; // of the segment; for Weights: of its WeightHashes segment's bytes
};
static_assert(sizeof(Segment) == 64);

} // namespace lathe::package
