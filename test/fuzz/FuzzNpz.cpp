// Archives of arrays: whatever is unpacked is within its bound, and each member that is an array is sound.
#include "compiler/Data/ZipFile.h"
#include "tools/lathe-run/Npy.h"
#include <algorithm>
#include <cstdlib>

using namespace lathe;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  constexpr uint64_t kMost = 1 << 22;
  auto members = data::readZip({data, size}, kMost);
  if (!members) {
    if (llvm::toString(members.takeError()).empty())
      std::abort();
    return 0;
  }
  uint64_t total = 0;
  for (const data::ZipMember &member : *members) {
    total += member.bytes.size();
    tool::Tensor tensor;
    std::string error;
    if (tool::parseNpy(member.bytes.data(), member.bytes.size(), tensor, error)) {
      if (tool::byteCount(tensor.type, tensor.dims) != tensor.bytes.size())
        std::abort();
    } else if (error.empty()) {
      std::abort();
    }
  }
  if (total > std::min<uint64_t>(kMost, 1040 * size))
    std::abort();
  return 0;
}
