// Statistics files: what is accepted is consistent and finite, and comes back the same when it is written and read
// again. The checksum at the end is put right first: it is against accidents, and would keep the fuzzer from all behind
// it.
#include "compiler/Statistics/Statistics.h"
#include "llvm/Support/SHA256.h"
#include <cmath>
#include <cstdlib>

using namespace lathe::statistics;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  constexpr size_t kDigest = 32;
  std::vector<uint8_t> bytes(data, data + size);
  for (bool isMended : {false, true}) {
    if (isMended && size >= kDigest) {
      auto digest = llvm::SHA256::hash(llvm::ArrayRef<uint8_t>(bytes).drop_back(kDigest));
      std::copy(digest.begin(), digest.end(), bytes.end() - kDigest);
    }
    auto read = parseStatistics(bytes);
    if (!read) {
      if (llvm::toString(read.takeError()).empty())
        std::abort();
      continue;
    }
    for (const Entry &entry : read->entries) {
      size_t channels = entry.channels();
      if (entry.moments.rows() != entry.moments.columns() || entry.maxAbs.size() != channels ||
          entry.sumAbs.size() != channels || !std::isfinite(entry.min) || !std::isfinite(entry.max))
        std::abort();
      for (int64_t i = 0; i < entry.moments.rows() * entry.moments.columns(); ++i)
        if (!std::isfinite(entry.moments.data()[i]))
          std::abort();
    }
    if (formatStatistics(*read) != bytes)
      std::abort();
  }
  return 0;
}
