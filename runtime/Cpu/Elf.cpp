// Parsing and mapping of kernels' objects. Offsets in messages are into the object.
#include "runtime/Cpu/Elf.h"
#include <algorithm>
#include <cerrno>
#include <elf.h>
#include <sys/mman.h>

namespace lathe::runtime {

namespace {

constexpr uint64_t kPage = 4096;
constexpr size_t kMaxHeaders = 32, kMaxSymbols = 1u << 16, kMaxName = 1024;
constexpr uint64_t kMaxSlack = 16u << 20; // how much larger than its file an object may be in memory

class Parser {
public:
  Parser(const Allocator &allocator, const uint8_t *bytes, size_t size, ElfObject &object)
      : allocator(allocator), bytes(bytes), size(size), object(object) {}

  Status run() {
    object.bytes = bytes;
    if (Status status = readHeader())
      return status;
    if (Status status = readLoads())
      return status;
    if (Status status = readDynamic())
      return status;
    if (Status status = checkRelocations())
      return status;
    return readSymbols();
  }

private:
  Status invalid(const char *what) { return fail(allocator, LATHE_CORRUPT, "the package's code is invalid: %s", what); }

  template <class T> bool read(uint64_t offset, T &value) const {
    if (offset > size || sizeof(T) > size - offset)
      return false;
    memcpy(&value, bytes + offset, sizeof value);
    return true;
  }

  Status readHeader() {
    if (!read(0, header) || memcmp(header.e_ident, ELFMAG, SELFMAG) || header.e_ident[EI_CLASS] != ELFCLASS64 ||
        header.e_ident[EI_DATA] != ELFDATA2LSB || header.e_type != ET_DYN || header.e_machine != EM_X86_64)
      return invalid("not a shared object for x86-64");
    if (header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phnum == 0 || header.e_phnum > kMaxHeaders)
      return invalid("its program headers are malformed");
    return {};
  }

  Status readLoads() {
    size_t count = 0;
    for (int pass = 0; pass < 2; ++pass) {
      if (pass && !object.loads.allocate(allocator, count))
        return outOfMemory();
      count = 0;
      for (unsigned i = 0; i < header.e_phnum; ++i) {
        Elf64_Phdr program;
        uint64_t offset;
        if (__builtin_add_overflow(header.e_phoff, i * sizeof program, &offset) || !read(offset, program))
          return invalid("its program headers lie outside it");
        if (program.p_type == PT_INTERP || program.p_type == PT_TLS)
          return invalid("it needs an interpreter or thread-local storage");
        if (program.p_type == PT_DYNAMIC)
          dynamic = program;
        if (program.p_type != PT_LOAD || !program.p_memsz)
          continue;
        if (pass)
          if (Status status = readLoad(program, object.loads[count]))
            return status;
        ++count;
      }
    }
    if (!count)
      return invalid("it has nothing to load");
    object.span = (object.span + kPage - 1) / kPage * kPage;
    if (object.span > size + kMaxSlack)
      return invalid("it is too large in memory");
    return {};
  }

  Status readLoad(const Elf64_Phdr &program, ElfObject::Load &load) {
    uint64_t end;
    if (program.p_offset > size || program.p_filesz > size - program.p_offset || program.p_filesz > program.p_memsz ||
        __builtin_add_overflow(program.p_vaddr, program.p_memsz, &end) || end > INT64_MAX)
      return invalid("a part to load lies outside it");
    if (program.p_vaddr / kPage * kPage < (object.span + kPage - 1) / kPage * kPage && object.span)
      return invalid("parts to load overlap or are not in order");
    if ((program.p_flags & PF_W) && (program.p_flags & PF_X))
      return invalid("a part is both writable and executable");
    load = {program.p_vaddr, program.p_memsz, program.p_offset, program.p_filesz, (program.p_flags & PF_X) != 0};
    object.span = end;
    return {};
  }

  // The bytes in the file of [address, address + length) of the loaded object, or null.
  const uint8_t *at(uint64_t address, uint64_t length) const {
    for (const ElfObject::Load &load : object.loads)
      if (address >= load.address && address - load.address <= load.fileSize &&
          length <= load.fileSize - (address - load.address))
        return bytes + load.fileOffset + (address - load.address);
    return nullptr;
  }

  Status readDynamic() {
    if (dynamic.p_type != PT_DYNAMIC || dynamic.p_offset > size || dynamic.p_filesz > size - dynamic.p_offset)
      return invalid("it has no dynamic section");
    for (uint64_t at = 0; at + sizeof(Elf64_Dyn) <= dynamic.p_filesz; at += sizeof(Elf64_Dyn)) {
      Elf64_Dyn entry;
      memcpy(&entry, bytes + dynamic.p_offset + at, sizeof entry);
      uint64_t value = entry.d_un.d_val;
      switch (entry.d_tag) {
      case DT_NULL:
        return {};
      case DT_NEEDED:
        return invalid("it needs another library");
      case DT_INIT:
      case DT_FINI:
      case DT_INIT_ARRAY:
      case DT_FINI_ARRAY:
      case DT_PREINIT_ARRAY:
        return invalid("it has constructors or destructors");
      case DT_REL:
      case DT_RELR:
      case DT_JMPREL:
      case DT_TEXTREL:
        return invalid("it has relocations of another form than RELA");
      case DT_RELA:
        relaAddress = value;
        break;
      case DT_RELASZ:
        relaSize = value;
        break;
      case DT_RELAENT:
        if (value != sizeof(Elf64_Rela))
          return invalid("its relocations have another size");
        break;
      case DT_SYMENT:
        if (value != sizeof(Elf64_Sym))
          return invalid("its symbols have another size");
        break;
      case DT_SYMTAB:
        symbolAddress = value;
        break;
      case DT_STRTAB:
        stringAddress = value;
        break;
      case DT_STRSZ:
        stringSize = value;
        break;
      case DT_HASH:
        hashAddress = value;
        break;
      case DT_GNU_HASH:
        gnuHashAddress = value;
        break;
      }
    }
    return {};
  }

  Status checkRelocations() {
    if (!relaSize)
      return {};
    object.relocations = at(relaAddress, relaSize);
    object.relocationCount = relaSize / sizeof(Elf64_Rela);
    if (!object.relocations || relaSize % sizeof(Elf64_Rela))
      return invalid("its relocations lie outside it");
    for (size_t i = 0; i < object.relocationCount; ++i) {
      Elf64_Rela record;
      memcpy(&record, object.relocations + i * sizeof record, sizeof record);
      if (record.r_info != ELF64_R_INFO(0, R_X86_64_RELATIVE))
        return invalid("a relocation is not relative");
      bool inside = false;
      for (const ElfObject::Load &load : object.loads)
        inside |= !load.executable && record.r_offset >= load.address && load.memorySize >= 8 &&
                  record.r_offset - load.address <= load.memorySize - 8;
      if (!inside || static_cast<uint64_t>(record.r_addend) >= object.span)
        return invalid("a relocation lies outside the data");
    }
    return {};
  }

  // How many symbols there are is known to the hash tables only.
  bool countSymbols(uint64_t &count) const {
    uint32_t words[4];
    if (hashAddress) {
      const uint8_t *table = at(hashAddress, 8);
      if (!table)
        return false;
      memcpy(words, table, 8);
      count = words[1];
      return true;
    }
    const uint8_t *table = gnuHashAddress ? at(gnuHashAddress, 16) : nullptr;
    if (!table)
      return false;
    memcpy(words, table, 16);
    uint64_t buckets = words[0], first = words[1], bucketAddress;
    if (buckets > kMaxSymbols || words[2] > kMaxSymbols ||
        __builtin_add_overflow(gnuHashAddress, 16 + uint64_t(words[2]) * 8, &bucketAddress))
      return false;
    const uint8_t *bucket = at(bucketAddress, buckets * 4);
    if (!bucket)
      return false;
    uint32_t last = 0;
    for (uint64_t i = 0; i < buckets; ++i) {
      uint32_t index;
      memcpy(&index, bucket + i * 4, 4);
      last = std::max(last, index);
    }
    count = first;
    if (last < first)
      return last == 0;
    for (;; ++last) { // the last chain ends with an odd hash
      const uint8_t *chain = last - first < kMaxSymbols ? at(bucketAddress + (buckets + last - first) * 4, 4) : nullptr;
      if (!chain)
        return false;
      if (*chain & 1)
        break;
    }
    count = uint64_t(last) + 1;
    return true;
  }

  Status readSymbols() {
    uint64_t count;
    if (!countSymbols(count) || count > kMaxSymbols)
      return invalid("its symbols' hash table is malformed");
    const uint8_t *symbols = at(symbolAddress, count * sizeof(Elf64_Sym));
    auto *strings = reinterpret_cast<const char *>(at(stringAddress, stringSize));
    if (!symbols || !strings || !stringSize || strings[stringSize - 1])
      return invalid("its symbols lie outside it");
    size_t functions = 0;
    for (int pass = 0; pass < 2; ++pass) {
      if (pass && !object.functions.allocate(allocator, functions))
        return outOfMemory();
      functions = 0;
      for (uint64_t i = 1; i < count; ++i) {
        Elf64_Sym symbol;
        memcpy(&symbol, symbols + i * sizeof symbol, sizeof symbol);
        if (symbol.st_shndx == SHN_UNDEF)
          return invalid("it has an undefined symbol");
        if (ELF64_ST_TYPE(symbol.st_info) != STT_FUNC)
          continue;
        if (symbol.st_name >= stringSize || strnlen(strings + symbol.st_name, kMaxName + 1) > kMaxName ||
            !isCode(symbol.st_value))
          return invalid("a function lies outside its code");
        if (pass)
          object.functions[functions] = {strings + symbol.st_name, symbol.st_value, symbol.st_size};
        ++functions;
      }
    }
    std::sort(object.functions.begin(), object.functions.end(),
              [](const ElfObject::Function &a, const ElfObject::Function &b) { return strcmp(a.name, b.name) < 0; });
    return {};
  }

  bool isCode(uint64_t address) const {
    for (const ElfObject::Load &load : object.loads)
      if (load.executable && address >= load.address && address - load.address < load.fileSize)
        return true;
    return false;
  }

  const Allocator &allocator;
  const uint8_t *bytes;
  size_t size;
  ElfObject &object;
  Elf64_Ehdr header;
  Elf64_Phdr dynamic = {};
  uint64_t relaAddress = 0, relaSize = 0, symbolAddress = 0, stringAddress = 0, stringSize = 0;
  uint64_t hashAddress = 0, gnuHashAddress = 0;
};

} // namespace

Status parseElf(const Allocator &allocator, const uint8_t *bytes, size_t size, ElfObject &object) {
  return Parser(allocator, bytes, size, object).run();
}

ElfObject::Relocation ElfObject::relocation(size_t i) const {
  Elf64_Rela record;
  memcpy(&record, relocations + i * sizeof record, sizeof record);
  return {record.r_offset, static_cast<uint64_t>(record.r_addend)};
}

const ElfObject::Function *ElfObject::find(const char *name) const {
  auto *found = std::lower_bound(functions.begin(), functions.end(), name,
                                 [](const Function &f, const char *name) { return strcmp(f.name, name) < 0; });
  return found != functions.end() && !strcmp(found->name, name) ? found : nullptr;
}

Code::~Code() {
  if (base)
    munmap(base, size);
}

Status Code::map(const Allocator &allocator, const ElfObject &object) {
  void *memory = mmap(nullptr, object.span, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED)
    return outOfMemory();
  base = static_cast<uint8_t *>(memory);
  size = object.span;
  for (const ElfObject::Load &load : object.loads)
    memcpy(base + load.address, object.bytes + load.fileOffset, load.fileSize);
  for (size_t i = 0; i < object.relocationCount; ++i) {
    ElfObject::Relocation relocation = object.relocation(i);
    uint64_t value = reinterpret_cast<uint64_t>(base) + relocation.addend;
    memcpy(base + relocation.address, &value, sizeof value);
  }
  if (mprotect(base, size, PROT_READ))
    return fail(allocator, LATHE_IO, "cannot protect the code: errno %d (%s)", errno, strerrordesc_np(errno));
  for (const ElfObject::Load &load : object.loads) {
    uint64_t begin = load.address / kPage * kPage, end = alignUp(load.address + load.memorySize, kPage);
    if (load.executable && mprotect(base + begin, end - begin, PROT_READ | PROT_EXEC))
      return fail(allocator, LATHE_UNSUPPORTED,
                  "the system refuses executable memory: errno %d (%s); hint: compiled models need mprotect with "
                  "PROT_EXEC, which SELinux (execmem), seccomp or systemd's MemoryDenyWriteExecute may forbid",
                  errno, strerrordesc_np(errno));
  }
  return {};
}

} // namespace lathe::runtime
