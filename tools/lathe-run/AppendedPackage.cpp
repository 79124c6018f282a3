#include "tools/lathe-run/AppendedPackage.h"
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

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

namespace {
// Copies `size` bytes from the beginning of `from` to `at` of `to`.
bool copyBytes(int from, int to, uint64_t at, uint64_t size) {
  std::vector<uint8_t> buffer(1 << 20);
  for (uint64_t done = 0; done < size;) {
    ssize_t n = pread(from, buffer.data(), std::min<uint64_t>(buffer.size(), size - done), off_t(done));
    if (n <= 0 || pwrite(to, buffer.data(), size_t(n), off_t(at + done)) != n)
      return false;
    done += uint64_t(n);
  }
  return true;
}
} // namespace

bool appendPackage(const std::string &runner, const std::string &package, const std::string &output,
                   std::string &error) {
  std::optional<AppendedPackage> present = findAppendedPackage(runner, error);
  if (!present && !error.empty())
    return false;
  int runnerFd = open(runner.c_str(), O_RDONLY | O_CLOEXEC), packageFd = open(package.c_str(), O_RDONLY | O_CLOEXEC);
  std::string temporary = output + ".part";
  int outputFd = open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0777);
  struct stat runnerInfo, packageInfo;
  bool written = false;
  if (runnerFd < 0 || fstat(runnerFd, &runnerInfo) != 0) {
    error = "can't read '" + runner + "': " + std::strerror(errno);
  } else if (packageFd < 0 || fstat(packageFd, &packageInfo) != 0) {
    error = "can't read '" + package + "': " + std::strerror(errno);
  } else {
    uint64_t runnerSize = present ? present->offset : uint64_t(runnerInfo.st_size);
    uint64_t packageSize = uint64_t(packageInfo.st_size);
    uint64_t offset = (runnerSize + kPackageAlignment - 1) / kPackageAlignment * kPackageAlignment;
    uint8_t trailer[kTrailerSize];
    std::memcpy(trailer, kTrailerMagic, sizeof kTrailerMagic);
    for (int i = 0; i < 8; ++i)
      trailer[8 + i] = uint8_t(offset >> (8 * i));
    written = outputFd >= 0 && copyBytes(runnerFd, outputFd, 0, runnerSize) &&
              copyBytes(packageFd, outputFd, offset, packageSize) &&
              pwrite(outputFd, trailer, kTrailerSize, off_t(offset + packageSize)) == ssize_t(kTrailerSize);
    written = (outputFd >= 0 && close(outputFd) == 0) && written;
    outputFd = -1;
    written = written && rename(temporary.c_str(), output.c_str()) == 0;
    if (!written)
      error = "can't write '" + output + "': " + std::strerror(errno);
  }
  for (int fd : {runnerFd, packageFd, outputFd})
    if (fd >= 0)
      close(fd);
  if (!written)
    unlink(temporary.c_str());
  return written;
}

std::string executablePath() {
  std::string path(4096, '\0');
  ssize_t length = readlink("/proc/self/exe", path.data(), path.size());
  path.resize(length > 0 && size_t(length) < path.size() ? size_t(length) : 0);
  return path;
}

} // namespace lathe::tool
