// Kernels' objects: parse, and map what is accepted. The code is never called.
#include "runtime/Cpu/Elf.h"
#include <cstdlib>

using namespace lathe::runtime;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  Allocator allocator;
  ElfObject object;
  if (parseElf(allocator, data, size, object))
    return 0;
  for (const ElfObject::Function &function : object.functions)
    if (!object.find(function.name) || function.address >= object.span)
      std::abort();
  Code code;
  Status status = code.map(allocator, object);
  return 0;
}
