// .npy files: whatever is accepted must be sound, and must survive being written and read again.
#include "tools/lathe-run/Npy.h"
#include <cstdlib>

using namespace lathe::tool;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Tensor tensor, again;
  std::string error;
  if (!parseNpy(data, size, tensor, error))
    return error.empty() ? (std::abort(), 0) : 0;
  if (byteCount(tensor.type, tensor.dims) != tensor.bytes.size() || tensor.bytes.size() > size)
    std::abort();
  std::vector<uint8_t> bytes = formatNpy(tensor);
  if (!parseNpy(bytes.data(), bytes.size(), again, error) || again.type != tensor.type || again.dims != tensor.dims ||
      again.bytes != tensor.bytes)
    std::abort();
  return 0;
}
