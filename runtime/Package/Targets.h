// What the names of targets say: which kind of code it is and which devices run it.
#pragma once
#include "runtime/Package/Format.h"
#include <cstring>

namespace lathe::runtime {

enum class TargetKind {
  Cpu,       // "x86-64-v3", "x86-64-v4+vnni"
  Cubin,     // "cuda:sm_90a"
  Simulated, // "cuda-sim", "cuda-sim:sm_89", "cuda-sim:sm_90a": host code for the driver that emulates a device
  Source,    // "cuda:source": CUDA C++ for NVRTC
  Unknown    // of a later version: never run
};

inline TargetKind targetKind(const char *name) {
  if (!strncmp(name, "x86-64", 6))
    return TargetKind::Cpu;
  if (!strncmp(name, "cuda:sm_", 8))
    return TargetKind::Cubin;
  if (!strcmp(name, "cuda-sim") || !strcmp(name, "cuda-sim:sm_89") || !strcmp(name, "cuda-sim:sm_90a"))
    return TargetKind::Simulated;
  return strcmp(name, "cuda:source") ? TargetKind::Unknown : TargetKind::Source;
}

inline bool isCuda(TargetKind kind) {
  return kind == TargetKind::Cubin || kind == TargetKind::Simulated || kind == TargetKind::Source;
}

// The kind of segment that a target's code is in; false: any.
inline bool segmentFor(TargetKind kind, package::SegmentKind &segment) {
  segment = kind == TargetKind::Cpu      ? package::SegmentKind::CpuElf
            : kind == TargetKind::Source ? package::SegmentKind::CudaSource
                                         : package::SegmentKind::Cubin;
  return kind != TargetKind::Unknown;
}

// How well a device of compute capability major.minor runs a cubin: 0 not at all, more is better. Code for sm_XY runs
// on X.Z with Z >= Y; with the suffix `a` on that one alone; with `f` on its family, which is the same rule as without.
inline int cubinRank(const char *target, int major, int minor) {
  if (targetKind(target) != TargetKind::Cubin)
    return 0;
  int sm = 0, digits = 0;
  const char *at = target + 8;
  for (; *at >= '0' && *at <= '9' && digits < 4; ++at, ++digits)
    sm = sm * 10 + (*at - '0');
  char suffix = *at;
  if (digits < 2 || (suffix && suffix != 'a' && suffix != 'f') || (suffix && at[1]) || sm / 10 != major)
    return 0;
  if (suffix == 'a')
    return sm % 10 == minor ? 100 : 0;
  return sm % 10 <= minor ? 1 + sm % 10 * 2 + (suffix == 'f') : 0;
}

} // namespace lathe::runtime
