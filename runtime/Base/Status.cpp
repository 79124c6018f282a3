// Making, decorating and releasing failures.
#include "runtime/Base/Status.h"
#include <cstdarg>
#include <cstdio>

namespace lathe::runtime {

// What out of memory returns: read only, never released.
static const lathe_status outOfMemoryStatus = {LATHE_OUT_OF_MEMORY, UINT64_MAX, "", "out of memory", Allocator()};

Status outOfMemory() { return Status(const_cast<lathe_status *>(&outOfMemoryStatus)); }

void releaseStatus(lathe_status *status) {
  if (status && status != &outOfMemoryStatus)
    Allocator(status->allocator).destroy(status);
}

Status::~Status() { releaseStatus(raw); }

// Names come from untrusted files: a message stays one printable line.
static void makePrintable(char *text) {
  for (; *text; ++text)
    if (static_cast<unsigned char>(*text) < 0x20 || *text == 0x7f)
      *text = '?';
}

Status fail(const Allocator &allocator, lathe_code code, const char *format, ...) {
  lathe_status *status = allocator.create<lathe_status>();
  if (!status)
    return outOfMemory();
  status->code = code;
  status->allocator = allocator;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(status->message, sizeof status->message, format, arguments);
  va_end(arguments);
  makePrintable(status->message);
  return Status(status);
}

Status Status::at(uint64_t packageOffset) && {
  if (raw && raw != &outOfMemoryStatus)
    raw->packageOffset = packageOffset;
  return std::move(*this);
}

Status Status::node(const char *name) && {
  if (raw && raw != &outOfMemoryStatus) {
    size_t used = strlen(raw->node);
    snprintf(raw->node + used, sizeof raw->node - used, "%s%s", used ? ", " : "", name);
    makePrintable(raw->node);
  }
  return std::move(*this);
}

} // namespace lathe::runtime
