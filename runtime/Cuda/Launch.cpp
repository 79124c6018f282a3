// Kernel parameters, tensor maps, launches, graphs.
#include "runtime/Cuda/Launch.h"
#include "runtime/Base/Types.h"
#include "runtime/Cuda/DeviceProgram.h"
#include "runtime/Program/Bind.h"
#include <algorithm>

namespace lathe::cuda {
using namespace runtime;
using namespace package;

using ll = long long;

bool KernelLauncher::create() {
  uint32_t operands = 0, mapCount = 0;
  const Allocator &allocator = program.allocator;
  if (!firstParams.allocate(allocator, entry.launches()->size()))
    return false;
  for (uint32_t i = 0; i < entry.launches()->size(); ++i) {
    const Launch &launch = *entry.launches()->Get(i);
    const auto *launchMaps = program.variant(launch.kernel()).tensor_maps();
    firstParams[i] = params;
    params += launch.params()->size();
    operands = std::max<uint32_t>(operands, launch.operands()->size());
    mapCount = std::max<uint32_t>(mapCount, launchMaps ? launchMaps->size() : 0);
  }
  return values.allocate(allocator, operands + 3) && maps.allocate(allocator, mapCount, 64) &&
         pointers.allocate(allocator, operands + 3 + mapCount);
}

KernelLauncher::Memory KernelLauncher::operand(const Operand &operand, const Bucket &bucket,
                                               const Places &places) const {
  uint32_t index = operand.index();
  switch (operand.kind()) {
  case OperandKind::input:
    return {places.upload + bucket.inputOffsets[index], bucket.inputBytes[index]};
  case OperandKind::output:
    return {places.download + bucket.outputOffsets[index], bucket.outputBytes[index]};
  case OperandKind::buffer:
    return {places.arena + static_cast<uint64_t>(bucket.bufferOffsets[index]), bucket.bufferBytes[index]};
  case OperandKind::weight:
    return {program.device->weight(index), static_cast<int64_t>(program.table().weights()->Get(index)->size())};
  }
  return {};
}

static CUtensorMapDataType mapType(ElementType type) {
  switch (type) {
  case ElementType::u16:
    return CU_TENSOR_MAP_DATA_TYPE_UINT16;
  case ElementType::i32:
    return CU_TENSOR_MAP_DATA_TYPE_INT32;
  case ElementType::u32:
    return CU_TENSOR_MAP_DATA_TYPE_UINT32;
  case ElementType::i64:
    return CU_TENSOR_MAP_DATA_TYPE_INT64;
  case ElementType::u64:
    return CU_TENSOR_MAP_DATA_TYPE_UINT64;
  case ElementType::f16:
    return CU_TENSOR_MAP_DATA_TYPE_FLOAT16;
  case ElementType::bf16:
    return CU_TENSOR_MAP_DATA_TYPE_BFLOAT16;
  case ElementType::f32:
    return CU_TENSOR_MAP_DATA_TYPE_FLOAT32;
  case ElementType::f64:
    return CU_TENSOR_MAP_DATA_TYPE_FLOAT64;
  default: // the verifier takes no other than u8
    return CU_TENSOR_MAP_DATA_TYPE_UINT8;
  }
}

Status KernelLauncher::encode(const TensorMap &map, const Launch &launch, const Bucket &bucket, const Memory &memory,
                              CUtensorMap &out) const {
  uint64_t dims[5] = {}, strides[4] = {};
  uint32_t box[5] = {}, steps[5] = {}, rank = map.dims()->size();
  auto element = static_cast<int64_t>(elementSize(static_cast<unsigned>(map.type())));
  int64_t span = 0; // bytes from the first element to the last one's end
  bool fits = true;
  for (uint32_t i = 0; i < rank; ++i) {
    int64_t dim, stride = element, reach;
    if (Status status = evaluateFor(program, *map.dims()->Get(i), bucket.limits.data(), "a tensor map", dim))
      return status;
    if (i)
      if (Status status =
              evaluateFor(program, *map.strides()->Get(i - 1), bucket.limits.data(), "a tensor map", stride))
        return status;
    fits &= dim >= 1 && dim <= int64_t(1) << 32 && (!i || stride % 16 == 0) && stride < int64_t(1) << 40 &&
            !__builtin_mul_overflow(dim - 1, stride, &reach) && !__builtin_add_overflow(span, reach, &span);
    dims[i] = static_cast<uint64_t>(dim);
    if (i)
      strides[i - 1] = static_cast<uint64_t>(stride);
    box[i] = map.box()->Get(i);
    steps[i] = 1;
  }
  if (!fits || span > memory.bytes - element)
    return fail(program.allocator, LATHE_CORRUPT,
                "the package is invalid: a tensor map does not fit its operand for these dimensions")
        .at(program.image.offsetOf(&map));
  CUtensorMapSwizzle swizzle = map.swizzle() == 128  ? CU_TENSOR_MAP_SWIZZLE_128B
                               : map.swizzle() == 64 ? CU_TENSOR_MAP_SWIZZLE_64B
                               : map.swizzle() == 32 ? CU_TENSOR_MAP_SWIZZLE_32B
                                                     : CU_TENSOR_MAP_SWIZZLE_NONE;
  const Device &device = program.device->device;
  // NOLINTNEXTLINE(performance-no-int-to-ptr): the driver's addresses are integers
  auto *address = reinterpret_cast<void *>(memory.at);
  if (CUresult error = device.driver->cuTensorMapEncodeTiled(
          &out, mapType(map.type()), rank, address, dims, strides, box, steps, CU_TENSOR_MAP_INTERLEAVE_NONE, swizzle,
          CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE))
    return program.withNodes(
        device.failed(error, "making a tensor map for kernel '%s'", program.kernel(launch.kernel()).name()->c_str()),
        launch.kernel());
  return {};
}

Status KernelLauncher::launch(const Bucket &bucket, const Places &places, uint32_t index, CUstream stream, bool early) {
  const Launch &launch = *entry.launches()->Get(index);
  const KernelVariant &variant = program.variant(launch.kernel());
  uint32_t count = 0;
  for (const Operand *each : *launch.operands())
    values[count++] = operand(*each, bucket, places).at;
  values[count++] = places.upload + firstParams[index] * sizeof(int64_t);
  values[count++] = places.download + index * sizeof(lathe_kernel_fault);
  values[count++] = places.workspace;
  for (uint32_t i = 0; i < count; ++i)
    pointers[i] = &values[i];
  uint32_t mapCount = variant.tensor_maps() ? variant.tensor_maps()->size() : 0;
  for (uint32_t i = 0; i < mapCount; ++i) {
    const TensorMap &map = *variant.tensor_maps()->Get(i);
    if (Status status =
            encode(map, launch, bucket, operand(*launch.operands()->Get(map.operand()), bucket, places), maps[i]))
      return status;
    pointers[count++] = &maps[i];
  }

  CUlaunchAttribute overlap = {};
  overlap.id = CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION;
  overlap.value.programmaticStreamSerializationAllowed = 1;
  const Device &device = program.device->device;
  bool overlaps = early && variant.early() && device.major >= 9;
  CUlaunchConfig config = {static_cast<unsigned>(bucket.tiles[index]),
                           1,
                           1,
                           variant.threads(),
                           1,
                           1,
                           variant.shared(),
                           stream,
                           &overlap,
                           overlaps ? 1u : 0u};
  CUfunction function = program.device->function(launch.kernel());
  if (CUresult error = device.driver->cuLaunchKernelEx(&config, function, pointers.data(), nullptr))
    return program.withNodes(
        device.failed(error, "launching kernel '%s' with %lld blocks of %u threads and %u bytes of shared memory",
                      program.kernel(launch.kernel()).name()->c_str(), static_cast<ll>(bucket.tiles[index]),
                      variant.threads(), variant.shared()),
        launch.kernel());
  return {};
}

Status KernelLauncher::capture(const Bucket &bucket, const Places &places, CUstream stream, CUgraphExec &graph) {
  const Device &device = program.device->device;
  if (CUresult error = device.driver->cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_RELAXED))
    return device.failed(error, "beginning a CUDA graph");
  Status status;
  bool first = true;
  for (uint32_t i = 0; i < bucket.tiles.size() && !status; ++i)
    if (bucket.tiles[i]) {
      status = launch(bucket, places, i, stream, !first);
      first = false;
    }
  CUgraph recorded = nullptr;
  CUresult error = device.driver->cuStreamEndCapture(stream, &recorded);
  if (error && !status)
    status = device.failed(error, "ending a CUDA graph");
  if (!status)
    if ((error = device.driver->cuGraphInstantiate(&graph, recorded, 0))) {
      graph = nullptr;
      status = device.failed(error, "making a CUDA graph of %u launches", entry.launches()->size());
    }
  if (recorded)
    device.driver->cuGraphDestroy(recorded);
  return status;
}

} // namespace lathe::cuda
