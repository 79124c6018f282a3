// Compiling a package's CUDA source on the machine that runs it.
#pragma once
#include "runtime/Base/Status.h"

namespace lathe::cuda {

// Opens NVRTC (`library`, or libnvrtc.so.13 or .12 where null) and compiles `source` for compute capability
// major.minor. A source that does not compile is a LATHE_UNSUPPORTED failure with the compiler's first words.
runtime::Status compileSource(const runtime::Allocator &allocator, const char *library, const char *source, int major,
                              int minor, runtime::Array<uint8_t> &cubin);

} // namespace lathe::cuda
