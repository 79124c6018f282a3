// ONNX TensorProtos: whatever is accepted must be sound.
#include "tools/lathe-run/TensorProto.h"
#include <cstdlib>

using namespace lathe::tool;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Tensor tensor;
  std::string error;
  if (!parseTensorProto(data, size, tensor, error))
    return error.empty() ? (std::abort(), 0) : 0;
  if (byteCount(tensor.type, tensor.dims) != tensor.bytes.size() || tensor.bytes.size() > 8 * size)
    std::abort();
  return 0;
}
