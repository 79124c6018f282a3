// Tells Linux perf the names of loaded kernels.
#pragma once
#include "runtime/Cpu/Elf.h"

namespace lathe::runtime {

// Appends "address size name" for each function to /tmp/perf-PID.map, where perf looks for code without a file.
Status appendPerfMap(const Allocator &allocator, const ElfObject &object, const Code &code);

} // namespace lathe::runtime
