// cuTensorMapEncodeTiled, with what the real one asks for (CUDA driver API, "Tensor Map Object Management").
#include "tools/cuda-sim/TensorMap.h"
#include "tools/cuda-sim/Driver.h"

#include <cstring>

using namespace lathe::sim;

extern "C" CUresult cuTensorMapEncodeTiled(CUtensorMap *map, CUtensorMapDataType type, uint32_t rank, void *memory,
                                           const uint64_t *dims, const uint64_t *strides, const uint32_t *box,
                                           const uint32_t *elementStrides, CUtensorMapInterleave interleave,
                                           CUtensorMapSwizzle swizzle, CUtensorMapL2promotion,
                                           CUtensorMapFloatOOBfill fill) {
  static const uint8_t sizes[] = {1, 2, 4, 4, 8, 8, 2, 4, 8, 2};
  memset(map, 0, sizeof *map);
  uintptr_t address = reinterpret_cast<uintptr_t>(memory);
  if (type < 0 || size_t(type) >= sizeof sizes || rank < 1 || rank > maxMapRank || address % 16 ||
      interleave != CU_TENSOR_MAP_INTERLEAVE_NONE || swizzle < 0 || swizzle > CU_TENSOR_MAP_SWIZZLE_128B ||
      fill != CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE)
    return CUDA_ERROR_INVALID_VALUE;
  MapContents contents{};
  contents.magic = MapContents::magicValue;
  contents.rank = rank;
  contents.elementBytes = sizes[type];
  contents.swizzleBits = swizzle;
  contents.address = address;
  for (uint32_t d = 0; d < rank; ++d) {
    if (!dims[d] || dims[d] > uint64_t(1) << 32 || !box[d] || box[d] > 256 || elementStrides[d] != 1)
      return CUDA_ERROR_INVALID_VALUE;
    if (d && (strides[d - 1] % 16 || strides[d - 1] >= uint64_t(1) << 40))
      return CUDA_ERROR_INVALID_VALUE;
    contents.dims[d] = dims[d];
    contents.strides[d] = d ? strides[d - 1] : sizes[type];
    contents.box[d] = box[d];
  }
  uint32_t inner = box[0] * sizes[type];
  if (inner % 16 || (swizzle && inner > 16u << swizzle))
    return CUDA_ERROR_INVALID_VALUE;
  memcpy(map, &contents, sizeof contents);
  return CUDA_SUCCESS;
}
