// Reading the image of a package; every byte here may be hostile.
#include "runtime/Package/Image.h"
#include "runtime/Package/Sha.h"

namespace lathe::runtime {
using namespace package;

namespace {

using ull = unsigned long long;

class Reader {
public:
  Reader(const Allocator &allocator, const uint8_t *bytes, uint64_t size, bool accelerated, Image &image)
      : allocator(allocator), bytes(bytes), size(size), accelerated(accelerated), image(image), header(image.header) {}

  Status run() {
    if (Status status = readHeader())
      return status;
    if (Status status = readTable())
      return status;
    return checkSegments();
  }

private:
  Status corrupt(uint64_t offset, const char *what) {
    return fail(allocator, LATHE_CORRUPT, "the package is corrupt: %s", what).at(offset);
  }

  Status readHeader() {
    if (size < sizeof(Header))
      return fail(allocator, LATHE_CORRUPT, "not a Lathe package: %llu bytes are less than its header of %zu",
                  static_cast<ull>(size), sizeof(Header));
    memcpy(&header, bytes, sizeof header);
    if (memcmp(header.magic, kMagic, sizeof kMagic))
      return fail(allocator, LATHE_CORRUPT, "not a Lathe package: it does not begin with LATHE").at(0);
    if (header.major != kFormatMajor)
      return fail(allocator, LATHE_UNSUPPORTED, "expected a package of format %u.x, got %u.%u; hint: %s", kFormatMajor,
                  header.major, header.minor,
                  header.major > kFormatMajor ? "use a newer runtime" : "compile the model again")
          .at(offsetof(Header, major));
    if (header.required_features & ~kKnownFeatures)
      return fail(allocator, LATHE_UNSUPPORTED,
                  "the package (format %u.%u) needs features 0x%llx that this runtime (%u.%u) does not have; "
                  "hint: use a newer runtime",
                  header.major, header.minor, static_cast<ull>(header.required_features & ~kKnownFeatures),
                  kFormatMajor, kFormatMinor)
          .at(offsetof(Header, required_features));
    if (header.file_size != size)
      return fail(allocator, LATHE_CORRUPT, "the package is %s: expected %llu bytes, got %llu",
                  size < header.file_size ? "truncated" : "followed by other bytes", static_cast<ull>(header.file_size),
                  static_cast<ull>(size))
          .at(offsetof(Header, file_size));
    static constexpr uint8_t zeros[sizeof header.padding] = {};
    if (header.reserved || memcmp(header.padding, zeros, sizeof zeros))
      return corrupt(offsetof(Header, reserved), "reserved bytes of the header are not zero");
    sha256(&header, sizeof header, accelerated, image.digest);
    return {};
  }

  Status readTable() {
    if (header.table_size > kMaxTableSize || header.table_size < 8)
      return corrupt(offsetof(Header, table_size), "the table's size is out of range");
    if (header.table_offset < sizeof(Header) || header.table_offset > size ||
        header.table_size > size - header.table_offset)
      return corrupt(offsetof(Header, table_offset), "the table lies outside the file");
    uint64_t recordBytes = uint64_t(header.segment_count) * sizeof(Segment);
    if (header.segments_offset < header.table_offset + header.table_size || header.segments_offset > size ||
        recordBytes > size - header.segments_offset)
      return corrupt(offsetof(Header, segments_offset), "the segment records lie outside the file");
    if (recordBytes > kMaxTableSize)
      return corrupt(offsetof(Header, segment_count), "too many segments");

    if (!image.table.allocateRaw(allocator, header.table_size, 16) ||
        !image.segments.allocateRaw(allocator, header.segment_count))
      return outOfMemory();
    memcpy(image.table.data(), bytes + header.table_offset, header.table_size);
    if (recordBytes)
      memcpy(image.segments.data(), bytes + header.segments_offset, recordBytes);

    Sha256 hash(accelerated);
    hash.update(&header, offsetof(Header, table_sha256));
    hash.update(image.table.data(), image.table.size());
    hash.update(image.segments.data(), recordBytes);
    uint8_t digest[32];
    hash.finish(digest);
    if (memcmp(digest, header.table_sha256, sizeof digest))
      return corrupt(offsetof(Header, table_sha256), "the header or the table does not match its SHA-256");
    if (!verifyTable(image.table.data(), image.table.size()))
      return corrupt(header.table_offset, "the table is malformed");
    image.program = GetProgram(image.table.data());
    return {};
  }

  Status checkGap(uint64_t begin, uint64_t end) {
    if (end - begin >= kMaxAlignment)
      return corrupt(begin, "a gap is larger than any alignment needs");
    for (uint64_t i = begin; i < end; ++i)
      if (bytes[i])
        return corrupt(i, "a byte of padding is not zero");
    return {};
  }

  Status checkSegments() {
    uint64_t tableEnd = header.table_offset + header.table_size;
    uint64_t end = header.segments_offset + image.segments.size() * sizeof(Segment);
    if (Status status = checkGap(sizeof(Header), header.table_offset))
      return status;
    if (Status status = checkGap(tableEnd, header.segments_offset))
      return status;
    for (size_t i = 0; i < image.segments.size(); ++i) {
      const Segment &segment = image.segments[i];
      uint64_t record = header.segments_offset + i * sizeof(Segment);
      if (!segment.alignment || (segment.alignment & (segment.alignment - 1)) || segment.alignment > kMaxAlignment ||
          segment.offset % segment.alignment)
        return corrupt(record, "a segment is misaligned");
      if (segment.offset < end || segment.offset > size || segment.size > size - segment.offset)
        return corrupt(record, "a segment lies outside the file or overlaps the one before");
      if (segment.rank)
        return fail(allocator, LATHE_UNSUPPORTED, "the package is for several ranks, which this runtime does not run")
            .at(record);
      if (Status status = checkGap(end, segment.offset))
        return status;
      end = segment.offset + segment.size;
    }
    return end == size ? Status() : corrupt(end, "bytes follow the last segment");
  }

  const Allocator &allocator;
  const uint8_t *bytes;
  uint64_t size;
  bool accelerated;
  Image &image;
  Header &header;
};

} // namespace

Status readImage(const Allocator &allocator, const uint8_t *bytes, uint64_t size, bool accelerated, Image &image) {
  return Reader(allocator, bytes, size, accelerated, image).run();
}

Status checkSegment(const Allocator &allocator, const Segment &segment, const void *bytes, bool accelerated) {
  uint8_t digest[32];
  sha256(bytes, segment.size, accelerated, digest);
  if (!memcmp(digest, segment.sha256, sizeof digest))
    return {};
  return fail(allocator, LATHE_CORRUPT, "the package is corrupt: a segment of kind %u does not match its SHA-256",
              segment.kind)
      .at(segment.offset);
}

static constexpr uint32_t kMaxTables = 1u << 18, kMaxOrigins = 1u << 20;

// Tables may be shared, which is legal and makes the verifier visit them again: so the number of visits is bounded. It
// does not count strings, though, and kernels that share one long list of them would keep it busy for hours.
static bool originsAreBounded(const uint8_t *bytes, size_t size) {
  using flatbuffers::Table;
  using Tables = flatbuffers::Vector<flatbuffers::Offset<Table>>;
  using Strings = flatbuffers::Vector<flatbuffers::Offset<flatbuffers::String>>;
  flatbuffers::Verifier verifier(bytes, size, /*max_depth=*/16, kMaxTables);
  if (!verifier.VerifyOffset(0))
    return false;
  auto *program = flatbuffers::GetRoot<Table>(bytes);
  if (!program->VerifyTableStart(verifier) || !program->VerifyOffsetRequired(verifier, Program::VT_KERNELS))
    return false;
  auto *kernels = program->GetPointer<const Tables *>(Program::VT_KERNELS);
  if (!verifier.VerifyVector(kernels))
    return false;
  uint64_t count = 0;
  for (const Table *kernel : *kernels) {
    if (!kernel->VerifyTableStart(verifier) || !kernel->VerifyOffset(verifier, Kernel::VT_ORIGINS))
      return false;
    auto *origins = kernel->GetPointer<const Strings *>(Kernel::VT_ORIGINS);
    if (!verifier.VerifyVector(origins) || !verifier.EndTable())
      return false;
    count += origins ? origins->size() : 0;
    if (count > kMaxOrigins)
      return false;
  }
  return true;
}

bool verifyTable(const uint8_t *table, size_t size) {
  if (size < 8 || !originsAreBounded(table, size))
    return false;
  flatbuffers::Verifier verifier(table, size, /*max_depth=*/16, kMaxTables);
  return VerifyProgramBuffer(verifier);
}

} // namespace lathe::runtime
