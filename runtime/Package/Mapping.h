// Where a package's bytes are: a read-only mapping of (a part of) a file, or the caller's memory.
#pragma once
#include "runtime/Base/Status.h"

namespace lathe::runtime {

class Mapping {
public:
  Mapping() = default;
  Mapping(const Mapping &) = delete;
  Mapping &operator=(const Mapping &) = delete;
  ~Mapping();

  Status open(const Allocator &allocator, const lathe_load_options &source);
  const uint8_t *data() const { return bytes; }
  uint64_t size() const { return length; }

private:
  Status map(const Allocator &allocator, int fd, const char *name, uint64_t offset, uint64_t size);

  const uint8_t *bytes = nullptr;
  uint64_t length = 0;
  void *mapped = nullptr; // from a page's begin
  size_t mappedSize = 0;
};

} // namespace lathe::runtime
