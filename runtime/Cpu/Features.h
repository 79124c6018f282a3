// What the processor and the operating system let us use.
#pragma once
#include <cstdint>

namespace lathe::runtime {

struct CpuFeatures {
  bool v2 = false, v3 = false, v4 = false; // the x86-64 levels of the System V ABI
  bool vnni = false, bf16 = false, fp16 = false, amx = false;
  bool sha = false;

  static CpuFeatures detect();

  // Whether code for a target such as "x86-64-v3" or "x86-64-v4+vnni+bf16" runs here. What is unknown does not.
  bool canRun(const char *target) const;
};

} // namespace lathe::runtime
