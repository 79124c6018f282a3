// The first stage of loading: header, table and segment records, copied out of the file, bounded, hashed, and the table
// through the FlatBuffers verifier. What the table says is not yet to be trusted: see Verify.h.
#pragma once
#include "runtime/Base/Status.h"
#include "runtime/Package/Format.h"
#include "runtime/Package/Package_generated.h"

namespace lathe::runtime {

struct Image {
  package::Header header;
  uint8_t digest[32]; // SHA-256 of the header
  Array<uint8_t> table;
  Array<package::Segment> segments;
  const package::Program *program = nullptr; // in `table`

  // The offset in the package of something that lies in `table`.
  uint64_t offsetOf(const void *inTable) const {
    return header.table_offset + static_cast<uint64_t>(static_cast<const uint8_t *>(inTable) - table.data());
  }
};

// `bytes` may change while this reads them; only copies are looked at twice. `accelerated`: see Sha256.
Status readImage(const Allocator &allocator, const uint8_t *bytes, uint64_t size, bool accelerated, Image &image);

// Compares a segment's bytes with its hash. Not for weights: their record holds the hash of their chunks' hashes.
Status checkSegment(const Allocator &allocator, const package::Segment &segment, const void *bytes, bool accelerated);

// The FlatBuffers verifier alone, within limits that bound its time.
bool verifyTable(const uint8_t *table, size_t size);

} // namespace lathe::runtime
