// The format is that of tools/perf/Documentation/jit-interface.txt in Linux.
#include "runtime/Cpu/PerfMap.h"
#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <unistd.h>

namespace lathe::runtime {

Status appendPerfMap(const Allocator &allocator, const ElfObject &object, const Code &code) {
  char line[1200];
  snprintf(line, sizeof line, "/tmp/perf-%d.map", getpid());
  // perf wants it there, in a folder that others can write to: so never through somebody's link.
  int fd = open(line, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0644);
  bool good = fd >= 0;
  for (const ElfObject::Function &function : object.functions) {
    int length = snprintf(line, sizeof line, "%llx %llx %s\n",
                          static_cast<unsigned long long>(reinterpret_cast<uintptr_t>(code.address(function))),
                          static_cast<unsigned long long>(function.size), function.name);
    good = good && write(fd, line, static_cast<size_t>(length)) == length;
  }
  int error = errno;
  if (fd >= 0)
    close(fd);
  return good ? Status()
              : fail(allocator, LATHE_IO, "cannot write the map for perf, /tmp/perf-%d.map: errno %d (%s)", getpid(),
                     error, strerrordesc_np(error));
}

} // namespace lathe::runtime
