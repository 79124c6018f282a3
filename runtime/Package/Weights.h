// Where each weight's bytes are, and whether they have been compared with their hashes yet. Shared by threads.
#pragma once
#include "runtime/Package/Image.h"
#include <atomic>

namespace lathe::runtime {

class Weights {
public:
  explicit Weights(const Allocator &allocator) : allocator(allocator) {}
  Weights(const Weights &) = delete;
  Weights &operator=(const Weights &) = delete;
  ~Weights();

  // `package` must outlive this. Hashes everything when `verify` is eager; makes random weights where `expand`.
  Status load(const Image &image, const uint8_t *package, lathe_verify verify, bool accelerated, bool expand);

  void *data(uint32_t weight) const { return places[weight]; } // null for random weights that were not expanded
  uint64_t expandedBytes() const { return expanded; }
  uint64_t mappedBytes() const { return mapped; }

  // Bytes [offset, offset + size) of a weight as laid out, both multiples of its element's size, stored or made.
  void read(uint32_t weight, uint64_t offset, uint64_t size, uint8_t *out) const;

  // Hashes the chunks that the weight covers and that nobody has hashed before. Any thread, at any time.
  Status verify(uint32_t weight) const;

private:
  // A weights segment, its chunks' hashes (copied out of the file), and which of them are known to be right.
  struct Store {
    const uint8_t *bytes;
    uint64_t offset, size;
    const uint8_t *hashes;
    std::atomic<bool> *verified;
  };
  Status loadStores(const Image &image, const uint8_t *package);
  Status verifyRange(const Store &store, uint64_t begin, uint64_t end) const;

  Allocator allocator;
  const package::Program *program = nullptr;
  bool lazy = false, accelerated = false;
  Array<void *> places;
  Array<Store> stores; // by segment; empty ones for other kinds
  Array<uint8_t> hashes;
  Array<std::atomic<bool>> verified;
  uint64_t expanded = 0, mapped = 0;
};

} // namespace lathe::runtime
