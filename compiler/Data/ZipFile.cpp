// The central directory at the archive's end is what counts; local headers only say where the data begin.
#include "compiler/Data/ZipFile.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/Endian.h"
#include <zlib.h>

using namespace lathe;
using namespace lathe::data;
using llvm::ArrayRef;
using llvm::support::endian::read16le;
using llvm::support::endian::read32le;
using llvm::support::endian::read64le;

namespace {
constexpr uint32_t kEnd = 0x06054b50, kEnd64 = 0x06064b50, kLocator64 = 0x07064b50, kEntry = 0x02014b50,
                   kLocal = 0x04034b50;
constexpr size_t kEndSize = 22, kEnd64Size = 56, kLocator64Size = 20, kEntrySize = 46, kLocalSize = 30;
constexpr uint64_t kMaxMembers = 4096;
constexpr uint64_t kMaxExpansion = 1040; // deflate's greatest is 1032

llvm::Error fail(const llvm::Twine &message) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(), message);
}

struct Entry {
  std::string name;
  unsigned flags, method;
  uint32_t checksum;
  uint64_t packed, size, offset;
};

/// 64-bit values of a zip64 extra field, for those of the three that are all ones.
bool readExtra(ArrayRef<uint8_t> extra, Entry &entry) {
  while (extra.size() >= 4) {
    unsigned id = read16le(extra.data()), length = read16le(extra.data() + 2);
    extra = extra.drop_front(4);
    if (length > extra.size())
      return false;
    ArrayRef<uint8_t> field = extra.take_front(length);
    extra = extra.drop_front(length);
    if (id != 1)
      continue;
    for (uint64_t *value : {&entry.size, &entry.packed, &entry.offset}) {
      if (*value != UINT32_MAX)
        continue;
      if (field.size() < 8)
        return false;
      *value = read64le(field.data());
      field = field.drop_front(8);
    }
  }
  return true;
}

/// The compressed bytes of a member.
llvm::Expected<ArrayRef<uint8_t>> findData(ArrayRef<uint8_t> file, const Entry &entry) {
  if (entry.offset > file.size() || file.size() - entry.offset < kLocalSize ||
      read32le(file.data() + entry.offset) != kLocal)
    return fail("'" + entry.name + "' has no header where the archive says");
  const uint8_t *local = file.data() + entry.offset;
  uint64_t begin = entry.offset + kLocalSize + read16le(local + 26) + read16le(local + 28);
  if (begin > file.size() || file.size() - begin < entry.packed)
    return fail("'" + entry.name + "' goes past the archive's end");
  return file.slice(begin, entry.packed);
}

llvm::Expected<std::vector<uint8_t>> unpack(const Entry &entry, ArrayRef<uint8_t> data) {
  std::vector<uint8_t> bytes(entry.size);
  if (entry.method == 0) {
    if (entry.packed != entry.size)
      return fail("'" + entry.name + "' is stored, but has two sizes");
    llvm::copy(data, bytes.begin());
  } else {
    z_stream stream = {};
    if (inflateInit2(&stream, -MAX_WBITS) != Z_OK)
      return fail("'" + entry.name + "': zlib can't be started");
    // zlib counts what it is given in 32 bits.
    constexpr size_t step = 1u << 30;
    size_t in = 0, out = 0;
    int result = Z_OK;
    uint8_t beyond; // where the end is found once the output is full
    while (result == Z_OK) {
      if (stream.avail_in == 0 && in < data.size()) {
        stream.next_in = const_cast<uint8_t *>(data.data() + in);
        stream.avail_in = std::min(step, data.size() - in);
        in += stream.avail_in;
      }
      if (stream.avail_out == 0) {
        bool full = out == bytes.size();
        stream.next_out = full ? &beyond : bytes.data() + out;
        stream.avail_out = full ? 1 : std::min(step, bytes.size() - out);
        out += full ? 0 : stream.avail_out;
      }
      result = inflate(&stream, Z_NO_FLUSH);
      if (stream.total_out > bytes.size())
        break;
    }
    bool exact = result == Z_STREAM_END && stream.total_out == bytes.size();
    inflateEnd(&stream);
    if (!exact)
      return fail("'" + entry.name + "' does not unpack to the " + llvm::Twine(entry.size) + " bytes that it should");
  }
  uLong checksum = crc32(0, nullptr, 0);
  for (size_t at = 0; at < bytes.size(); at += 1u << 30)
    checksum = crc32(checksum, bytes.data() + at, uInt(std::min<size_t>(1u << 30, bytes.size() - at)));
  if (checksum != entry.checksum)
    return fail("'" + entry.name + "' has another checksum than its bytes");
  return bytes;
}
} // namespace

llvm::Expected<std::vector<ZipMember>> data::readZip(ArrayRef<uint8_t> file, uint64_t maxBytes) {
  // The end record is followed by a comment of at most 65,535 bytes.
  size_t end = file.size();
  for (size_t back = kEndSize; back <= std::min<size_t>(file.size(), kEndSize + 65535) && end == file.size(); ++back)
    if (read32le(file.data() + file.size() - back) == kEnd &&
        read16le(file.data() + file.size() - back + 20) == back - kEndSize)
      end = file.size() - back;
  if (end == file.size())
    return fail("it is not a zip archive");
  uint64_t count = read16le(file.data() + end + 10), begin = read32le(file.data() + end + 16);
  if (end >= kLocator64Size && read32le(file.data() + end - kLocator64Size) == kLocator64) {
    uint64_t at = read64le(file.data() + end - kLocator64Size + 8);
    if (at > file.size() || file.size() - at < kEnd64Size || read32le(file.data() + at) != kEnd64)
      return fail("its zip64 record is not where it should be");
    count = read64le(file.data() + at + 32);
    begin = read64le(file.data() + at + 48);
  }
  if (count > kMaxMembers)
    return fail("it has " + llvm::Twine(count) + " members; at most " + llvm::Twine(kMaxMembers) + " are read");
  std::vector<ZipMember> members;
  uint64_t total = 0;
  maxBytes = std::min<uint64_t>(maxBytes, file.size() * kMaxExpansion); // members may overlap
  for (uint64_t i = 0; i < count; ++i) {
    if (begin > end || end - begin < kEntrySize || read32le(file.data() + begin) != kEntry)
      return fail("its directory is damaged at entry " + llvm::Twine(i));
    const uint8_t *at = file.data() + begin;
    uint64_t name = read16le(at + 28), extra = read16le(at + 30), comment = read16le(at + 32);
    if (end - begin - kEntrySize < name + extra + comment)
      return fail("its directory is damaged at entry " + llvm::Twine(i));
    Entry entry{std::string(reinterpret_cast<const char *>(at) + kEntrySize, name),
                read16le(at + 8),
                read16le(at + 10),
                read32le(at + 16),
                read32le(at + 20),
                read32le(at + 24),
                read32le(at + 42)};
    if (!readExtra(file.slice(begin + kEntrySize + name, extra), entry))
      return fail("'" + entry.name + "' has a damaged extra field");
    begin += kEntrySize + name + extra + comment;
    if (entry.flags & 1)
      return fail("'" + entry.name + "' is encrypted");
    if (entry.method != 0 && entry.method != 8)
      return fail("'" + entry.name + "' is packed by method " + llvm::Twine(entry.method) +
                  "; expected stored or deflated");
    auto data = findData(file, entry);
    if (!data)
      return data.takeError();
    if (entry.size / kMaxExpansion > entry.packed || entry.size > maxBytes - total)
      return fail("'" + entry.name + "' says that it has " + llvm::Twine(entry.size) + " bytes, which is too many");
    total += entry.size;
    auto bytes = unpack(entry, *data);
    if (!bytes)
      return bytes.takeError();
    members.push_back({std::move(entry.name), std::move(*bytes)});
  }
  return members;
}
