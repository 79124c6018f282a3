#include "tools/lathe-run/AppendedPackage.h"
#include "tools/lathe-run/Tensor.h"
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace lathe::tool {

std::optional<AppendedPackage> findAppendedPackage(const std::string &path, std::string &error) {
  error.clear();
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return std::nullopt;
  struct stat info;
  uint8_t trailer[kTrailerSize];
  bool found = fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && uint64_t(info.st_size) >= kTrailerSize &&
               pread(fd, trailer, kTrailerSize, info.st_size - off_t(kTrailerSize)) == ssize_t(kTrailerSize) &&
               std::memcmp(trailer, kTrailerMagic, sizeof kTrailerMagic) == 0;
  close(fd);
  if (!found)
    return std::nullopt;
  uint64_t offset = 0;
  for (int i = 0; i < 8; ++i)
    offset |= uint64_t(trailer[8 + i]) << (8 * i);
  uint64_t end = uint64_t(info.st_size) - kTrailerSize;
  if (offset % kPackageAlignment != 0 || offset >= end) {
    error = "'" + path + "' ends in a trailer for an appended package, but its offset " + std::to_string(offset) +
            " is not a multiple of " + std::to_string(kPackageAlignment) + " inside the file; hint: compile it again";
    return std::nullopt;
  }
  return AppendedPackage{offset, end - offset};
}

std::string executablePath() {
  std::string path(4096, '\0');
  ssize_t length = readlink("/proc/self/exe", path.data(), path.size());
  path.resize(length > 0 && size_t(length) < path.size() ? size_t(length) : 0);
  return path;
}

} // namespace lathe::tool
