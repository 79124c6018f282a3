// The ELF loader: what it takes, what it refuses, and how the memory ends up protected.
#include "runtime/Cpu/Elf.h"
#include "Fixture.h"
#include <cstring>
#include <elf.h>
#include <fstream>
#include <sstream>

using namespace lathe;
using namespace lathe::test;

static Outcome parse(const Bytes &bytes) {
  runtime::ElfObject object;
  return runtime::parseElf(runtime::Allocator(), bytes.data(), bytes.size(), object).take();
}

template <class T> static T &at(Bytes &bytes, size_t offset) { return *reinterpret_cast<T *>(&bytes[offset]); }

// Calls change for each program header, or each dynamic entry.
template <class Change> static void eachHeader(Bytes &bytes, Change &&change) {
  auto &header = at<Elf64_Ehdr>(bytes, 0);
  for (unsigned i = 0; i < header.e_phnum; ++i)
    change(at<Elf64_Phdr>(bytes, header.e_phoff + i * sizeof(Elf64_Phdr)));
}
template <class Change> static void eachDynamic(Bytes &bytes, Change &&change) {
  size_t offset = 0, size = 0;
  eachHeader(bytes, [&](Elf64_Phdr &p) {
    if (p.p_type == PT_DYNAMIC)
      offset = p.p_offset, size = p.p_filesz;
  });
  for (size_t i = 0; i + sizeof(Elf64_Dyn) <= size; i += sizeof(Elf64_Dyn))
    change(at<Elf64_Dyn>(bytes, offset + i));
}

TEST(Elf, FindsFunctions) {
  Bytes bytes = kernelElf();
  runtime::ElfObject object;
  EXPECT_OK(runtime::parseElf(runtime::Allocator(), bytes.data(), bytes.size(), object).take());
  for (const char *name : {"gather_rows", "scale_rows", "float_control", "slow"})
    EXPECT_NE(object.find(name), nullptr) << name;
  EXPECT_EQ(object.find("gather"), nullptr);
  EXPECT_EQ(object.find("zzz"), nullptr);
  EXPECT_EQ(object.relocationCount, 2u); // the table of addresses
}

TEST(Elf, NoMappingIsWritableAndExecutable) {
  Bytes bytes = kernelElf();
  runtime::ElfObject object;
  EXPECT_OK(runtime::parseElf(runtime::Allocator(), bytes.data(), bytes.size(), object).take());
  runtime::Code code;
  EXPECT_OK(code.map(runtime::Allocator(), object).take());
  auto begin = reinterpret_cast<uintptr_t>(code.address({"", 0, 0})), end = begin + object.span;
  std::ifstream maps("/proc/self/maps");
  int executable = 0, parts = 0;
  for (std::string line; std::getline(maps, line);) {
    uintptr_t from = 0, to = 0;
    char dash, rights[5] = {};
    std::istringstream(line) >> std::hex >> from >> dash >> to >> rights;
    if (to <= begin || from >= end)
      continue;
    ++parts;
    EXPECT_NE(rights[1], 'w') << line;
    executable += rights[2] == 'x';
  }
  EXPECT_EQ(executable, 1);
  EXPECT_GE(parts, 2);
}

TEST(Elf, RefusesWhatItDoesNotNeed) {
  auto check = [](const char *message, auto &&change) {
    Bytes bytes = kernelElf();
    change(bytes);
    Outcome outcome = parse(bytes);
    EXPECT_TRUE(outcome.code == LATHE_CORRUPT && outcome.mentions(message)) << message << " / " << outcome;
  };
  check("not a shared object", [](Bytes &b) { b[1] = 'F'; });
  check("not a shared object", [](Bytes &b) { at<Elf64_Ehdr>(b, 0).e_machine = EM_AARCH64; });
  check("not a shared object", [](Bytes &b) { at<Elf64_Ehdr>(b, 0).e_type = ET_EXEC; });
  check("not a shared object", [](Bytes &b) { b.clear(); });
  check("headers are malformed", [](Bytes &b) { at<Elf64_Ehdr>(b, 0).e_phnum = 1000; });
  check("headers lie outside", [](Bytes &b) { at<Elf64_Ehdr>(b, 0).e_phoff = UINT64_MAX - 8; });
  check("thread-local", [](Bytes &b) {
    eachHeader(b, [](Elf64_Phdr &p) { p.p_type = p.p_type == PT_GNU_STACK ? PT_TLS : p.p_type; });
  });
  check("both writable and executable",
        [](Bytes &b) { eachHeader(b, [](Elf64_Phdr &p) { p.p_flags |= p.p_flags & PF_X ? PF_W : 0; }); });
  check("overlap",
        [](Bytes &b) { eachHeader(b, [](Elf64_Phdr &p) { p.p_vaddr = p.p_type == PT_LOAD ? 0 : p.p_vaddr; }); });
  check("too large in memory",
        [](Bytes &b) { eachHeader(b, [](Elf64_Phdr &p) { p.p_memsz += p.p_flags & PF_W ? uint64_t(1) << 40 : 0; }); });
  check("a part to load lies outside", [](Bytes &b) { eachHeader(b, [](Elf64_Phdr &p) { p.p_memsz = UINT64_MAX; }); });
  check("no dynamic section",
        [](Bytes &b) { eachHeader(b, [](Elf64_Phdr &p) { p.p_type = p.p_type == PT_DYNAMIC ? PT_NOTE : p.p_type; }); });
  for (int64_t tag : {DT_NEEDED, DT_INIT_ARRAY, DT_FINI, DT_JMPREL, DT_REL, DT_TEXTREL})
    check(tag == DT_NEEDED                         ? "needs another library"
          : tag == DT_INIT_ARRAY || tag == DT_FINI ? "constructors"
                                                   : "relocations of another form",
          [&](Bytes &b) { eachDynamic(b, [&](Elf64_Dyn &d) { d.d_tag = d.d_tag == DT_RELACOUNT ? tag : d.d_tag; }); });
  check("relocations lie outside",
        [](Bytes &b) { eachDynamic(b, [](Elf64_Dyn &d) { d.d_un.d_val += d.d_tag == DT_RELASZ ? 1 << 20 : 0; }); });
  check("hash table is malformed",
        [](Bytes &b) { eachDynamic(b, [](Elf64_Dyn &d) { d.d_tag = d.d_tag == DT_GNU_HASH ? DT_DEBUG : d.d_tag; }); });
  check("symbols lie outside",
        [](Bytes &b) { eachDynamic(b, [](Elf64_Dyn &d) { d.d_un.d_val += d.d_tag == DT_SYMTAB ? 1 << 20 : 0; }); });
}

TEST(Elf, RelocationsMustBeRelativeAndInside) {
  Bytes bytes = kernelElf();
  uint64_t rela = 0;
  eachDynamic(bytes, [&](Elf64_Dyn &d) { rela = d.d_tag == DT_RELA ? d.d_un.d_ptr : rela; });
  ASSERT_NE(rela, 0u); // in the first part, whose addresses are offsets
  Bytes other = bytes;
  at<Elf64_Rela>(other, rela).r_info = ELF64_R_INFO(1, R_X86_64_GLOB_DAT);
  EXPECT_TRUE(parse(other).mentions("a relocation is not relative"));
  other = bytes;
  at<Elf64_Rela>(other, rela).r_offset = uint64_t(1) << 50;
  EXPECT_TRUE(parse(other).mentions("a relocation lies outside"));
  other = bytes;
  at<Elf64_Rela>(other, rela).r_addend = -8;
  EXPECT_TRUE(parse(other).mentions("a relocation lies outside"));
}

// Whatever is still accepted must be mappable: parsing has seen everything.
TEST(Elf, ChangedBytesNeverCrash) {
  Bytes bytes = kernelElf();
  for (size_t i = 0; i < bytes.size(); ++i) {
    Bytes other = bytes;
    other[i] ^= static_cast<uint8_t>(1 + i % 255);
    runtime::ElfObject object;
    runtime::Code code;
    if (!runtime::parseElf(runtime::Allocator(), other.data(), other.size(), object))
      Outcome(code.map(runtime::Allocator(), object).take());
  }
  for (size_t size = 0; size < bytes.size(); size += 7)
    parse(Bytes(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(size)));
}
