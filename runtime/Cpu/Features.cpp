// CPUID and XCR0. A feature counts when the processor has it and the system saves its registers.
#include "runtime/Cpu/Features.h"
#include <cstring>
#include <initializer_list>
#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__x86_64__) && defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace lathe::runtime {

#if defined(__x86_64__)
static uint64_t savedState() {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return uint64_t(high) << 32 | low;
}

CpuFeatures CpuFeatures::detect() {
  CpuFeatures f;
  unsigned a, b, c, d, extendedC = 0;
  if (!__get_cpuid(1, &a, &b, &c, &d))
    return f;
  auto all = [](unsigned word, std::initializer_list<int> bits) {
    for (int bit : bits)
      if (!(word >> bit & 1))
        return false;
    return true;
  };
  unsigned e;
  __get_cpuid(0x80000001, &e, &e, &extendedC, &e);
  bool osSaves = all(c, {27}); // OSXSAVE
  uint64_t state = osSaves ? savedState() : 0;
  bool ymm = (state & 0x6) == 0x6, zmm = (state & 0xe6) == 0xe6, tiles = (state & 0x60000) == 0x60000;
  f.v2 = all(c, {0, 9, 13, 19, 20, 23}) && all(extendedC, {0});   // SSE3 SSSE3 CX16 SSE4.1 SSE4.2 POPCNT; LAHF
  bool level3c = all(c, {12, 22, 28, 29}) && all(extendedC, {5}); // FMA MOVBE AVX F16C; LZCNT
  unsigned b7, c7, d7, a71 = 0;
  if (!__get_cpuid_count(7, 0, &a, &b7, &c7, &d7))
    return f;
  if (a >= 1)
    __get_cpuid_count(7, 1, &a71, &e, &e, &e);
  f.v3 = f.v2 && ymm && level3c && all(b7, {3, 5, 8}); // BMI1 AVX2 BMI2
  f.v4 = f.v3 && zmm && all(b7, {16, 17, 28, 30, 31}); // AVX512 F DQ CD BW VL
  f.vnni = zmm && all(c7, {11});
  f.bf16 = zmm && all(a71, {5}) && all(c7, {6}); // and VBMI2, which only Cooper Lake has not
  f.fp16 = zmm && all(d7, {23});
  f.amx = tiles && all(d7, {22, 24, 25}); // AMX-BF16, -TILE, -INT8
  f.sha = f.v2 && all(b7, {29});
  return f;
}
#else
CpuFeatures CpuFeatures::detect() { return {}; }
#endif

/// Tile registers are large: Linux saves them for processes alone that have asked (arch_prctl(2)).
static bool requestTiles() {
#if defined(__x86_64__) && defined(__linux__)
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

bool CpuFeatures::canRun(const char *target) const {
#if !defined(__x86_64__)
  return false;
#endif
  const struct {
    const char *name;
    bool present;
  } known[] = {{"x86-64", true}, {"x86-64-v2", v2}, {"x86-64-v3", v3}, {"x86-64-v4", v4},
               {"vnni", vnni},   {"bf16", bf16},    {"fp16", fp16},    {"amx", amx}};
  for (const char *part = target;; ++part) { // parts are separated by '+'
    size_t length = strcspn(part, "+");
    bool present = false;
    for (const auto &feature : known)
      if (strlen(feature.name) == length && !memcmp(feature.name, part, length))
        present = feature.present && (strcmp(feature.name, "amx") != 0 || requestTiles());
    if (!present)
      return false;
    part += length;
    if (!*part)
      return true;
  }
}

} // namespace lathe::runtime
