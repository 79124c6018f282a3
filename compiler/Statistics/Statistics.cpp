// The file of statistics, little-endian:
//   "lathestt" · u32 version · model's digest · data's digest · target · u64 rows · u32 entries
//   each entry: u32 weights · names · u64 K · u64 tokens · f64 min, max · histogram: i32 exponent, f32 low, high,
//   2048 u64 · K f64 max|x| · K f64 Σ|x| · the upper triangle of the moments, (K + 1)(K + 2)/2 f64
//   SHA-256 of all before
// A text is u32 length and bytes.
#include "compiler/Statistics/Statistics.h"
#include "tools/lathe-run/Tensor.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/SHA256.h"
#include "llvm/Support/raw_ostream.h"
#include <cmath>
#include <cstring>

using namespace lathe;
using namespace lathe::statistics;
using llvm::ArrayRef;
using llvm::StringRef;

static constexpr char kMagic[8] = {'l', 'a', 't', 'h', 'e', 's', 't', 't'};
static constexpr uint32_t kVersion = 1;
static_assert(llvm::sys::IsLittleEndianHost, "numbers are copied as they are");

static llvm::Error fail(const llvm::Twine &message) {
  return llvm::createStringError(llvm::inconvertibleErrorCode(), message);
}

const Entry *Statistics::find(StringRef weight) const {
  for (const Entry &entry : entries)
    if (llvm::is_contained(entry.weights, weight))
      return &entry;
  return nullptr;
}

namespace {
class Writer {
public:
  std::vector<uint8_t> bytes;

  void raw(const void *data, size_t size) {
    const uint8_t *begin = static_cast<const uint8_t *>(data);
    bytes.insert(bytes.end(), begin, begin + size);
  }
  template <typename T> void number(T value) { raw(&value, sizeof value); }
  template <typename T> void numbers(const T *data, size_t count) { raw(data, count * sizeof(T)); }
  void text(StringRef text) {
    number<uint32_t>(text.size());
    raw(text.data(), text.size());
  }
};

/// Once something was not there, everything else is zero and `isGood` is false.
class Reader {
public:
  explicit Reader(ArrayRef<uint8_t> bytes) : rest(bytes) {}
  bool isGood = true;

  bool has(uint64_t count, uint64_t size) {
    isGood &= count <= rest.size() / size;
    return isGood;
  }
  template <typename T> T number() {
    T value = 0;
    numbers(&value, 1);
    return value;
  }
  template <typename T> void numbers(T *data, uint64_t count) {
    if (!has(count, sizeof(T)))
      return;
    if (count)
      std::memcpy(data, rest.data(), count * sizeof(T));
    rest = rest.drop_front(count * sizeof(T));
  }
  std::vector<double> doubles(uint64_t count) {
    std::vector<double> values(has(count, sizeof(double)) ? count : 0);
    numbers(values.data(), values.size());
    return values;
  }
  std::string text() {
    uint32_t size = number<uint32_t>();
    std::string text(has(size, 1) ? size : 0, '\0');
    numbers(text.data(), text.size());
    return text;
  }
  bool isAtEnd() const { return rest.empty(); }

private:
  ArrayRef<uint8_t> rest;
};
} // namespace

std::vector<uint8_t> statistics::formatStatistics(const Statistics &statistics) {
  Writer writer;
  writer.raw(kMagic, sizeof kMagic);
  writer.number(kVersion);
  writer.raw(statistics.model.data(), statistics.model.size());
  writer.raw(statistics.data.data(), statistics.data.size());
  writer.text(statistics.target);
  writer.number(statistics.rows);
  writer.number<uint32_t>(statistics.entries.size());
  for (const Entry &entry : statistics.entries) {
    writer.number<uint32_t>(entry.weights.size());
    for (const std::string &weight : entry.weights)
      writer.text(weight);
    writer.number<uint64_t>(entry.channels());
    writer.number(entry.tokens);
    writer.number(entry.min);
    writer.number(entry.max);
    writer.number<int32_t>(entry.histogram.getExponent());
    writer.number(entry.histogram.getRange().low);
    writer.number(entry.histogram.getRange().high);
    writer.numbers(entry.histogram.getCounts().data(), numerics::Histogram::kBins);
    writer.numbers(entry.maxAbs.data(), entry.maxAbs.size());
    writer.numbers(entry.sumAbs.data(), entry.sumAbs.size());
    for (int64_t i = 0; i < entry.moments.rows(); ++i)
      writer.numbers(entry.moments.row(i) + i, entry.moments.columns() - i);
  }
  auto digest = llvm::SHA256::hash(writer.bytes);
  writer.raw(digest.data(), digest.size());
  return std::move(writer.bytes);
}

/// One entry; `isGood` is false of what can't be.
static Entry readEntry(Reader &reader) {
  constexpr uint64_t kMaxChannels = 1 << 20; // so that their square is no overflow
  Entry entry;
  uint32_t count = reader.number<uint32_t>();
  for (uint32_t i = 0; i < count && reader.isGood; ++i)
    entry.weights.push_back(reader.text());
  uint64_t channels = reader.number<uint64_t>();
  entry.tokens = reader.number<uint64_t>();
  entry.min = reader.number<double>();
  entry.max = reader.number<double>();
  int32_t exponent = reader.number<int32_t>();
  numerics::ValueRange range = {reader.number<float>(), reader.number<float>()};
  std::vector<uint64_t> counts(numerics::Histogram::kBins);
  reader.numbers(counts.data(), counts.size());
  reader.isGood &= channels <= kMaxChannels && reader.has((channels + 1) * (channels + 2) / 2, sizeof(double)) &&
                   !entry.weights.empty() && std::isfinite(entry.min) && std::isfinite(entry.max) && exponent >= -126 &&
                   exponent <= 128 && range.low <= 0 && range.high >= 0 && std::isfinite(range.low) &&
                   std::isfinite(range.high);
  if (!reader.isGood)
    return entry;
  entry.histogram = numerics::Histogram(exponent, counts, range);
  entry.maxAbs = reader.doubles(channels);
  entry.sumAbs = reader.doubles(channels);
  if (!reader.has((channels + 1) * (channels + 2) / 2, sizeof(double)))
    return entry;
  auto areFinite = [](ArrayRef<double> values) {
    return llvm::all_of(values, [](double value) { return std::isfinite(value); });
  };
  reader.isGood &= areFinite(entry.maxAbs) && areFinite(entry.sumAbs);
  entry.moments = numerics::Matrix<double>(channels + 1, channels + 1);
  for (uint64_t i = 0; i <= channels; ++i) {
    double *row = entry.moments.row(i);
    reader.numbers(row + i, channels + 1 - i);
    reader.isGood &= areFinite(ArrayRef<double>(row + i, channels + 1 - i));
  }
  for (uint64_t i = 0; i <= channels; ++i)
    for (uint64_t j = 0; j < i; ++j)
      entry.moments.row(i)[j] = entry.moments.row(j)[i];
  return entry;
}

llvm::Expected<Statistics> statistics::parseStatistics(ArrayRef<uint8_t> bytes) {
  constexpr size_t kDigestSize = 32;
  if (bytes.size() < sizeof kMagic + sizeof kVersion || std::memcmp(bytes.data(), kMagic, sizeof kMagic) != 0)
    return fail("it is not a file of statistics");
  uint32_t version = llvm::support::endian::read32le(bytes.data() + sizeof kMagic);
  if (version != kVersion)
    return fail("its format version is " + llvm::Twine(version) + "; expected " + llvm::Twine(kVersion));
  if (bytes.size() < sizeof kMagic + sizeof kVersion + kDigestSize ||
      llvm::ArrayRef<uint8_t>(llvm::SHA256::hash(bytes.drop_back(kDigestSize))) != bytes.take_back(kDigestSize))
    return fail("it is damaged: its checksum is another");
  Reader reader(bytes.drop_back(kDigestSize).drop_front(sizeof kMagic + sizeof kVersion));
  Statistics result;
  reader.numbers(result.model.data(), result.model.size());
  reader.numbers(result.data.data(), result.data.size());
  result.target = reader.text();
  result.rows = reader.number<uint64_t>();
  uint32_t count = reader.number<uint32_t>();
  for (uint32_t i = 0; i < count && reader.isGood; ++i)
    result.entries.push_back(readEntry(reader));
  if (!reader.isGood || !reader.isAtEnd())
    return fail("its contents make no sense");
  return std::move(result);
}

llvm::Expected<Statistics> statistics::readStatistics(StringRef path) {
  std::vector<uint8_t> bytes;
  std::string error;
  if (!tool::readFile(path.str(), bytes, error))
    return fail(error);
  auto result = parseStatistics(bytes);
  if (!result)
    return fail("can't read '" + path + "': " + llvm::toString(result.takeError()));
  return result;
}

llvm::Error statistics::writeStatistics(const Statistics &statistics, StringRef path) {
  std::vector<uint8_t> bytes = formatStatistics(statistics);
  llvm::Error error = llvm::writeToOutput(path, [&](llvm::raw_ostream &os) {
    os.write(reinterpret_cast<const char *>(bytes.data()), bytes.size());
    return llvm::Error::success();
  });
  return error ? fail("can't write '" + path + "': " + llvm::toString(std::move(error))) : llvm::Error::success();
}
