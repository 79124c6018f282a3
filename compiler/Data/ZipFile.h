// Reads the members of a zip archive, as numpy.savez and savez_compressed write them: stored or deflated, with or
// without zip64. https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
#pragma once
#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"
#include <cstdint>
#include <string>
#include <vector>

namespace lathe::data {

struct ZipMember {
  std::string name;
  std::vector<uint8_t> bytes;
};

/// All members, unpacked, their checksums verified. The bytes may be anything; nothing is allocated beyond 1,040 times
/// their size or `maxBytes`, whichever is less. Errors don't name the file.
llvm::Expected<std::vector<ZipMember>> readZip(llvm::ArrayRef<uint8_t> file, uint64_t maxBytes);

} // namespace lathe::data
