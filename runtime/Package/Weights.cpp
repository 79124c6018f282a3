// Mapping, hashing and expanding weights.
#include "runtime/Package/Weights.h"
#include "runtime/Base/Types.h"
#include "runtime/Package/RandomWeights.h"
#include "runtime/Package/Sha.h"
#include <algorithm>

namespace lathe::runtime {
using namespace package;

Weights::~Weights() {
  for (uint32_t i = 0; i < places.size(); ++i)
    if (program->weights()->Get(i)->random())
      allocator.release(places[i], program->weights()->Get(i)->size());
}

Status Weights::load(const Image &image, const uint8_t *package, lathe_verify verify, bool useShaInstructions,
                     bool expand) {
  program = image.program;
  accelerated = useShaInstructions;
  lazy = verify == LATHE_VERIFY_LAZY;
  if (Status status = loadStores(image, package))
    return status;
  if (!places.allocate(allocator, program->weights()->size()))
    return outOfMemory();
  for (uint32_t i = 0; i < places.size(); ++i) {
    const Weight &weight = *program->weights()->Get(i);
    if (weight.random()) {
      expanded += weight.size();
      if (!expand)
        continue;
      if (!(places[i] = allocator.allocate(weight.size(), 64)))
        return outOfMemory();
      read(i, 0, weight.size(), static_cast<uint8_t *>(places[i]));
    } else // kernels only read weights
      places[i] = const_cast<uint8_t *>(stores[weight.segment()].bytes + weight.offset());
  }
  if (verify == LATHE_VERIFY_EAGER)
    for (const Store &store : stores)
      if (Status status = verifyRange(store, 0, store.size))
        return status;
  return {};
}

// The hashes themselves are compared with the table's hash of them here, once.
Status Weights::loadStores(const Image &image, const uint8_t *package) {
  uint64_t hashBytes = 0;
  for (const Segment &segment : image.segments)
    if (segment.kind == static_cast<uint32_t>(SegmentKind::WeightHashes))
      hashBytes += segment.size;
  if (!stores.allocate(allocator, image.segments.size()) || !hashes.allocateRaw(allocator, hashBytes) ||
      !verified.allocate(allocator, hashBytes / 32))
    return outOfMemory();
  uint64_t at = 0;
  for (const Segment &segment : image.segments) {
    if (segment.kind != static_cast<uint32_t>(SegmentKind::WeightHashes))
      continue;
    const Segment &weights = image.segments[segment.link];
    if (segment.size)
      memcpy(&hashes[at], package + segment.offset, segment.size);
    if (Status status = checkSegment(allocator, segment, hashes.data() + at, accelerated))
      return status;
    stores[segment.link] = {package + weights.offset, weights.offset, weights.size, hashes.data() + at,
                            verified.data() + at / 32};
    at += segment.size;
    mapped += weights.size;
  }
  return {};
}

Status Weights::verify(uint32_t index) const {
  const Weight &weight = *program->weights()->Get(index);
  if (!lazy || weight.random())
    return {};
  return verifyRange(stores[weight.segment()], weight.offset(), weight.offset() + weight.size());
}

Status Weights::verifyRange(const Store &store, uint64_t begin, uint64_t end) const {
  for (uint64_t chunk = begin / kWeightChunk; chunk * kWeightChunk < end; ++chunk) {
    // Two threads may hash one chunk at the same time; both come to the same result.
    if (store.verified[chunk].load(std::memory_order_relaxed))
      continue;
    uint8_t digest[32];
    uint64_t at = chunk * kWeightChunk;
    sha256(store.bytes + at, std::min(kWeightChunk, store.size - at), accelerated, digest);
    if (memcmp(digest, store.hashes + chunk * 32, 32))
      return fail(allocator, LATHE_CORRUPT, "the package is corrupt: weights do not match their SHA-256")
          .at(store.offset + at);
    store.verified[chunk].store(true, std::memory_order_relaxed);
  }
  return {};
}

namespace {
// The elements of a random weight in the order of its layout, from any of them on.
class RandomElements {
public:
  RandomElements(const Weight &weight, uint64_t first) : source(*weight.random()), at(first) {
    const Layout *layout = weight.layout();
    if (!layout || !layout->panel())
      return;
    panel = layout->panel();
    rows = layout->rows();
    columns = layout->columns();
    depth = layout->depth();
    down = layout->transposed() ? 1 : columns;
    across = layout->transposed() ? rows : 1;
    steps = rows / depth + (rows % depth != 0);
    if (steps) {
      inStep = first % depth;
      inPanel = first / depth % panel;
      step = first / depth / panel % steps;
      panelBegin = first / depth / panel / steps * panel;
    }
  }

  float next() {
    if (!panel)
      return value(at++);
    uint64_t row = step * depth + inStep, column = panelBegin + inPanel;
    float result = row < rows && column < columns ? value(row * down + column * across) : 0;
    if (++inStep < depth)
      return result;
    inStep = 0;
    if (++inPanel < panel)
      return result;
    inPanel = 0;
    if (++step == steps) {
      step = 0;
      panelBegin += panel;
    }
    return result;
  }

private:
  float value(uint64_t index) const { return source.scale() * randomUnit(source.seed(), source.tensor(), index); }

  const RandomSource &source;
  uint64_t at, panel = 0, rows = 0, columns = 0, depth = 1, steps = 0, down = 0, across = 0;
  uint64_t inStep = 0, inPanel = 0, step = 0, panelBegin = 0; // where `next` is
};
} // namespace

void Weights::read(uint32_t index, uint64_t offset, uint64_t size, uint8_t *out) const {
  const Weight &weight = *program->weights()->Get(index);
  if (!weight.random()) {
    if (size)
      memcpy(out, static_cast<const uint8_t *>(places[index]) + offset, size);
    return;
  }
  uint32_t element = elementSize(static_cast<unsigned>(weight.type()));
  RandomElements elements(weight, offset / element);
  for (uint64_t i = 0; i < size; i += element) {
    float value = elements.next();
    uint16_t half = weight.type() == ElementType::bf16 ? toBfloatBits(value) : toHalfBits(value);
    memcpy(out + i, element == 4 ? static_cast<const void *>(&value) : &half, element);
  }
}

} // namespace lathe::runtime
