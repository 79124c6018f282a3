// Failures as values: null is success. One fixed-size block each, so that making one allocates once.
#pragma once
#include "runtime/Base/Memory.h"

struct lathe_status {
  lathe_code code = LATHE_OK;
  uint64_t packageOffset = UINT64_MAX;
  char node[256] = "";
  char message[1024] = "";
  lathe::runtime::Allocator allocator;
};

namespace lathe::runtime {

class [[nodiscard]] Status {
public:
  Status() = default;
  explicit Status(lathe_status *raw) : raw(raw) {}
  Status(Status &&other) noexcept : raw(other.take()) {}
  Status &operator=(Status &&other) noexcept {
    std::swap(raw, other.raw);
    return *this;
  }
  ~Status();

  explicit operator bool() const { return raw; } // true: failed
  lathe_status *take() { return std::exchange(raw, nullptr); }

  Status at(uint64_t packageOffset) &&;
  Status node(const char *name) &&; // appended when there is one already

private:
  lathe_status *raw = nullptr;
};

Status outOfMemory(); // allocates nothing
Status fail(const Allocator &allocator, lathe_code code, const char *format, ...) __attribute__((format(printf, 3, 4)));

void releaseStatus(lathe_status *status);

} // namespace lathe::runtime
