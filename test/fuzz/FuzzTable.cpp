// The table alone, over segments that fit the seeds: the FlatBuffers verifier and the semantic verifier.
#include "TestPackage.h"
#include "VerifiedProgram.h"
#include "runtime/Package/Verify.h"

using namespace lathe;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  runtime::Allocator allocator;
  runtime::Image image;
  if (!image.table.allocateRaw(allocator, size, 16) || !image.segments.allocate(allocator, 5))
    return 0;
  if (size)
    memcpy(image.table.data(), data, size);
  if (!runtime::verifyTable(image.table.data(), size))
    return 0;
  using package::SegmentKind;
  const SegmentKind kinds[5] = {SegmentKind::CpuElf, SegmentKind::Weights, SegmentKind::WeightHashes,
                                SegmentKind::Metadata, SegmentKind::Cubin};
  const uint64_t sizes[5] = {8192, 208, 32, 16, 4096};
  for (int i = 0; i < 5; ++i)
    image.segments[i] = {static_cast<uint32_t>(kinds[i]), i == 2 ? 1u : 0u, 0, 64, uint64_t(i) * 8192, sizes[i], {}};
  image.header = {};
  image.program = package::GetProgram(image.table.data());
  if (!runtime::verifyProgram(allocator, image))
    fuzz::checkVerified(image);
  return 0;
}
