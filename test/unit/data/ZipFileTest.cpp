// Archives made by hand, and what damage does to them.
#include "compiler/Data/ZipFile.h"
#include "llvm/Support/Endian.h"
#include <gtest/gtest.h>
#include <zlib.h>

using namespace lathe::data;

namespace {
void put(std::vector<uint8_t> &out, uint64_t value, unsigned bytes) {
  for (unsigned i = 0; i < bytes; ++i)
    out.push_back(uint8_t(value >> 8 * i));
}

/// An archive of one member. With `zip64` its sizes are in an extra field.
std::vector<uint8_t> archive(const std::string &name, const std::vector<uint8_t> &bytes, bool deflated,
                             bool zip64 = false, uint32_t claimed = 0) {
  std::vector<uint8_t> data = bytes;
  if (deflated) {
    z_stream stream = {};
    deflateInit2(&stream, 9, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
    data.resize(deflateBound(&stream, bytes.size()));
    stream.next_in = const_cast<uint8_t *>(bytes.data());
    stream.avail_in = uInt(bytes.size());
    stream.next_out = data.data();
    stream.avail_out = uInt(data.size());
    EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
    data.resize(stream.total_out);
    deflateEnd(&stream);
  }
  uint32_t checksum = uint32_t(crc32(0, bytes.data(), uInt(bytes.size())));
  uint64_t size = claimed ? claimed : bytes.size();
  std::vector<uint8_t> out;
  auto common = [&](bool inDirectory) {
    put(out, 0, 2); // flags
    put(out, deflated ? 8 : 0, 2);
    put(out, 0, 4); // time
    put(out, checksum, 4);
    put(out, zip64 ? UINT32_MAX : data.size(), 4);
    put(out, zip64 ? UINT32_MAX : size, 4);
    put(out, name.size(), 2);
    put(out, zip64 && inDirectory ? 20 : 0, 2);
  };
  put(out, 0x04034b50, 4);
  put(out, 20, 2);
  common(false);
  out.insert(out.end(), name.begin(), name.end());
  out.insert(out.end(), data.begin(), data.end());
  uint64_t directory = out.size();
  put(out, 0x02014b50, 4);
  put(out, 20, 4);
  common(true);
  put(out, 0, 10); // comment, disk, attributes
  put(out, 0, 4);
  put(out, 0, 4); // offset; 46 bytes until here
  out.resize(directory + 46);
  out.insert(out.end(), name.begin(), name.end());
  if (zip64) {
    put(out, 1, 2);
    put(out, 16, 2);
    put(out, size, 8);
    put(out, data.size(), 8);
  }
  uint64_t end = out.size();
  put(out, 0x06054b50, 4);
  put(out, 0, 4);
  put(out, 1, 2);
  put(out, 1, 2);
  put(out, end - directory, 4);
  put(out, directory, 4);
  put(out, 0, 2);
  return out;
}

std::string errorOf(const std::vector<uint8_t> &file, uint64_t maxBytes = 1 << 20) {
  auto members = readZip(file, maxBytes);
  return members ? "none" : llvm::toString(members.takeError());
}
} // namespace

TEST(ZipFile, ReadsStoredAndDeflated) {
  std::vector<uint8_t> bytes(10000);
  for (size_t i = 0; i < bytes.size(); ++i)
    bytes[i] = uint8_t(i % 7);
  for (bool deflated : {false, true})
    for (bool zip64 : {false, true}) {
      auto members = readZip(archive("a.npy", bytes, deflated, zip64), 1 << 20);
      ASSERT_TRUE(bool(members)) << llvm::toString(members.takeError());
      ASSERT_EQ(members->size(), 1u);
      EXPECT_EQ((*members)[0].name, "a.npy");
      EXPECT_EQ((*members)[0].bytes, bytes);
    }
}

TEST(ZipFile, RefusesWhatIsDamaged) {
  std::vector<uint8_t> bytes(300, 5), file = archive("a", bytes, false);
  EXPECT_EQ(errorOf({1, 2, 3}), "it is not a zip archive");
  std::vector<uint8_t> changed = file;
  changed[100] ^= 1;
  EXPECT_EQ(errorOf(changed), "'a' has another checksum than its bytes");
  EXPECT_NE(errorOf(archive("a", bytes, true, false, 301)).find("does not unpack to the 301 bytes"), std::string::npos);
  EXPECT_NE(errorOf(archive("a", bytes, true, false, 299)).find("does not unpack to the 299 bytes"), std::string::npos);
  EXPECT_NE(errorOf(archive("a", bytes, true, false, 1 << 30)).find("which is too many"), std::string::npos);
  EXPECT_NE(errorOf(file, 299).find("which is too many"), std::string::npos);
}

TEST(ZipFile, SurvivesEveryByte) {
  std::vector<uint8_t> file = archive("a.npy", std::vector<uint8_t>(64, 3), true, true);
  for (size_t at = 0; at < file.size(); ++at)
    for (uint8_t value : {0, 1, 0x7f, 0xff}) {
      std::vector<uint8_t> changed = file;
      changed[at] = value;
      (void)errorOf(changed); // a sanitizer's matter
      changed.resize(at);
      EXPECT_NE(errorOf(changed), "none");
    }
}
