// malloc behind the default allocator; the slab.
#include "runtime/Base/Memory.h"
#include <cstdlib>

namespace lathe::runtime {

void *Allocator::allocateDefault(void *, size_t size, size_t alignment) {
  void *memory = nullptr;
  return posix_memalign(&memory, alignment < sizeof(void *) ? sizeof(void *) : alignment, size) ? nullptr : memory;
}
void Allocator::releaseDefault(void *, void *memory, size_t) { free(memory); }

Slab::~Slab() {
  while (Block *block = head) {
    head = block->next;
    allocator.release(block, block->size);
  }
}

void *Slab::allocate(size_t size) {
  size = (size + 7) & ~size_t(7);
  if (!head || head->size - head->used < size) {
    size_t total = sizeof(Block) + (size < 4000 ? 4000 : size);
    auto *block = static_cast<Block *>(allocator.allocate(total, 16));
    if (!block)
      return nullptr;
    *block = {head, total, sizeof(Block)};
    head = block;
  }
  void *result = reinterpret_cast<char *>(head) + head->used;
  head->used += size;
  return result;
}

} // namespace lathe::runtime
