// The file of statistics: what is written is read again, and what is damaged is refused.
#include "compiler/Statistics/Observer.h"
#include "compiler/Statistics/Statistics.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/SHA256.h"
#include <cmath>
#include <gtest/gtest.h>

using namespace lathe;
using namespace lathe::statistics;

namespace {
Statistics sample() {
  Statistics statistics;
  statistics.model[0] = 1;
  statistics.data[31] = 2;
  statistics.target = "x86-64-v3";
  statistics.rows = 7;
  for (int64_t channels : {3, 1}) {
    Observer observer(channels);
    std::vector<float> x;
    for (int64_t i = 0; i < 4 * channels; ++i)
      x.push_back(float(i) * 0.75f - 2);
    EXPECT_TRUE(observer.add({x.data(), 4, channels}, nullptr));
    statistics.entries.push_back(observer.take());
    statistics.entries.back().weights = {"a" + std::to_string(channels), "b" + std::to_string(channels)};
  }
  return statistics;
}

/// The same bytes with a checksum that is right.
std::vector<uint8_t> seal(std::vector<uint8_t> bytes) {
  bytes.resize(bytes.size() - 32);
  auto digest = llvm::SHA256::hash(bytes);
  bytes.insert(bytes.end(), digest.begin(), digest.end());
  return bytes;
}

std::string errorOf(llvm::ArrayRef<uint8_t> bytes) {
  auto statistics = parseStatistics(bytes);
  return statistics ? "none" : llvm::toString(statistics.takeError());
}
} // namespace

TEST(StatisticsFile, ReadsWhatItWrites) {
  Statistics before = sample();
  std::vector<uint8_t> bytes = formatStatistics(before);
  auto after = parseStatistics(bytes);
  ASSERT_TRUE(bool(after)) << llvm::toString(after.takeError());
  EXPECT_EQ(formatStatistics(*after), bytes);
  EXPECT_EQ(after->model, before.model);
  EXPECT_EQ(after->data, before.data);
  EXPECT_EQ(after->target, "x86-64-v3");
  EXPECT_EQ(after->rows, 7u);
  ASSERT_TRUE(after->find("b3"));
  EXPECT_EQ(after->find("b3"), &after->entries[0]);
  EXPECT_EQ(after->find("c"), nullptr);
  const Entry &entry = *after->find("b3"), &old = before.entries[0];
  EXPECT_EQ(entry.histogram.getCounts(), old.histogram.getCounts());
  EXPECT_EQ(entry.histogram.getExponent(), old.histogram.getExponent());
  EXPECT_EQ(entry.maxAbs, old.maxAbs);
  for (int64_t i = 0; i < 4; ++i)
    for (int64_t j = 0; j < 4; ++j)
      EXPECT_EQ(entry.moments(i, j), old.moments(i, j));
}

TEST(StatisticsFile, RefusesWhatIsDamaged) {
  std::vector<uint8_t> bytes = formatStatistics(sample());
  EXPECT_EQ(errorOf({}), "it is not a file of statistics");
  std::vector<uint8_t> changed = bytes;
  changed[8] = 2;
  EXPECT_EQ(errorOf(seal(changed)), "its format version is 2; expected 1");
  changed = bytes;
  changed[bytes.size() / 2] ^= 1;
  EXPECT_EQ(errorOf(changed), "it is damaged: its checksum is another");
  for (size_t size = 0; size < bytes.size(); size += 997)
    EXPECT_NE(errorOf(llvm::ArrayRef(bytes).take_front(size)), "none");
}

// Whoever changes a file can make its checksum right.
TEST(StatisticsFile, RefusesLengthsThatItDoesNotHave) {
  std::vector<uint8_t> bytes = formatStatistics(sample());
  // magic, version, digests, target, rows; then the count of entries, of weights, the first one's name, its channels.
  size_t entries = 8 + 4 + 64 + 4 + 9 + 8, weights = entries + 4, name = weights + 4, channels = name + 2 * (4 + 2);
  for (size_t at : {entries, weights, name, channels, channels + 4}) {
    std::vector<uint8_t> changed = bytes;
    llvm::support::endian::write32le(changed.data() + at, 0x7fffffff);
    EXPECT_EQ(errorOf(seal(changed)), "its contents make no sense") << at;
  }
  std::vector<uint8_t> changed = bytes;
  double bad = NAN;
  std::memcpy(changed.data() + changed.size() - 32 - 8, &bad, 8);
  EXPECT_EQ(errorOf(seal(changed)), "its contents make no sense");
  changed = bytes;
  changed.insert(changed.end() - 32, 0);
  EXPECT_EQ(errorOf(seal(changed)), "its contents make no sense");
}
