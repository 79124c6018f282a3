// lld initialises every target that LLVM was built for, and only X86 is linked in. These stand for the others. Likewise
// for Polly, which LLVM's link-time optimiser asks for and the packages lack; it isn't reached, for kernels are not
// bitcode.
#include "llvm/Plugins/PassPlugin.h"

llvm::PassPluginLibraryInfo getPollyPluginInfo() {
  return {LLVM_PLUGIN_API_VERSION, "none", "", [](llvm::PassBuilder &) {}};
}

#define LATHE_EMPTY_TARGET(TARGET)                                                                                     \
  extern "C" void LLVMInitialize##TARGET##TargetInfo() {}                                                              \
  extern "C" void LLVMInitialize##TARGET##Target() {}                                                                  \
  extern "C" void LLVMInitialize##TARGET##TargetMC() {}                                                                \
  extern "C" void LLVMInitialize##TARGET##AsmPrinter() {}                                                              \
  extern "C" void LLVMInitialize##TARGET##AsmParser() {}

LATHE_EMPTY_TARGET(AArch64)
LATHE_EMPTY_TARGET(AMDGPU)
LATHE_EMPTY_TARGET(ARM)
LATHE_EMPTY_TARGET(AVR)
LATHE_EMPTY_TARGET(BPF)
LATHE_EMPTY_TARGET(Hexagon)
LATHE_EMPTY_TARGET(Lanai)
LATHE_EMPTY_TARGET(LoongArch)
LATHE_EMPTY_TARGET(Mips)
LATHE_EMPTY_TARGET(MSP430)
LATHE_EMPTY_TARGET(NVPTX)
LATHE_EMPTY_TARGET(PowerPC)
LATHE_EMPTY_TARGET(RISCV)
LATHE_EMPTY_TARGET(Sparc)
LATHE_EMPTY_TARGET(SPIRV)
LATHE_EMPTY_TARGET(SystemZ)
LATHE_EMPTY_TARGET(VE)
LATHE_EMPTY_TARGET(WebAssembly)
LATHE_EMPTY_TARGET(XCore)
LATHE_EMPTY_TARGET(M68k)
LATHE_EMPTY_TARGET(Xtensa)
