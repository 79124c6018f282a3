// Opening and mapping the source of a package.
#include "runtime/Package/Mapping.h"
#include <cerrno>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace lathe::runtime {

Mapping::~Mapping() {
  if (mapped)
    munmap(mapped, mappedSize);
}

Status Mapping::open(const Allocator &allocator, const lathe_load_options &source) {
  if ((source.path != nullptr) + (source.memory != nullptr) + (source.use_fd != 0) != 1)
    return fail(allocator, LATHE_INVALID_ARGUMENT, "expected exactly one of path, memory and fd as the source to load");
  if (source.memory) {
    if (reinterpret_cast<uintptr_t>(source.memory) % 64)
      return fail(allocator, LATHE_INVALID_ARGUMENT, "the package's memory must be 64-byte aligned");
    bytes = static_cast<const uint8_t *>(source.memory);
    length = source.size;
    return {};
  }
  if (source.use_fd)
    return map(allocator, source.fd, "the file", source.offset, source.size);
  int fd = ::open(source.path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); // a FIFO must not hang us
  if (fd < 0)
    return fail(allocator, LATHE_IO, "cannot open '%s': errno %d (%s)", source.path, errno, strerrordesc_np(errno));
  Status status = map(allocator, fd, source.path, 0, 0);
  close(fd);
  return status;
}

Status Mapping::map(const Allocator &allocator, int fd, const char *name, uint64_t offset, uint64_t size) {
  struct stat info;
  if (fstat(fd, &info))
    return fail(allocator, LATHE_IO, "cannot read '%s': errno %d (%s)", name, errno, strerrordesc_np(errno));
  if (!S_ISREG(info.st_mode))
    return fail(allocator, LATHE_IO, "'%s' is not a regular file", name);
  uint64_t fileSize = static_cast<uint64_t>(info.st_size);
  if (offset % 64)
    return fail(allocator, LATHE_INVALID_ARGUMENT,
                "expected the package at a multiple of 64 in the file, got offset %llu",
                static_cast<unsigned long long>(offset));
  if (offset > fileSize || size > fileSize - offset)
    return fail(allocator, LATHE_CORRUPT, "the package lies outside '%s', which has %llu bytes", name,
                static_cast<unsigned long long>(fileSize));
  length = size ? size : fileSize - offset;
  if (!length)
    return fail(allocator, LATHE_CORRUPT, "'%s' is empty", name);
  uint64_t before = offset % static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  void *start = mmap(nullptr, length + before, PROT_READ, MAP_PRIVATE, fd, static_cast<off_t>(offset - before));
  if (start == MAP_FAILED)
    return fail(allocator, LATHE_IO, "cannot map '%s': errno %d (%s)", name, errno, strerrordesc_np(errno));
  mapped = start;
  mappedSize = length + before;
  bytes = static_cast<const uint8_t *>(start) + before;
  return {};
}

} // namespace lathe::runtime
