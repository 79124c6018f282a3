// The restricted ELF objects that Lathe's kernels come in: ET_DYN for x86-64, relative relocations only, nothing to be
// resolved, initialised or torn down. Parsing verifies everything; mapping then can't fail but for memory.
#pragma once
#include "runtime/Base/Status.h"
#include <cstdint>

namespace lathe::runtime {

// A view on the object's bytes, which must outlive it.
struct ElfObject {
  struct Load {
    uint64_t address, memorySize, fileOffset, fileSize;
    bool executable;
  };
  struct Function {
    const char *name;
    uint64_t address, size;
  };
  struct Relocation {
    uint64_t address, addend;
  };

  const uint8_t *bytes = nullptr;
  uint64_t span = 0;                    // bytes of address space, from address 0
  Array<Load> loads;                    // ascending; no two on one page
  Array<Function> functions;            // by name
  const uint8_t *relocations = nullptr; // records of Elf64_Rela
  size_t relocationCount = 0;

  Relocation relocation(size_t i) const;
  const Function *find(const char *name) const;
};

Status parseElf(const Allocator &allocator, const uint8_t *bytes, size_t size, ElfObject &object);

// An object at its place in memory: code executable and not writable, all else read-only.
class Code {
public:
  Code() = default;
  Code(const Code &) = delete;
  Code &operator=(const Code &) = delete;
  ~Code();

  Status map(const Allocator &allocator, const ElfObject &object);
  void *address(const ElfObject::Function &function) const { return base + function.address; }

private:
  uint8_t *base = nullptr;
  size_t size = 0;
};

} // namespace lathe::runtime
