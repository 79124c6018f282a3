/* Preloaded into a process, hides from it that the processor has AVX-512, AMX and VNNI: all engines then run what they
   have for AVX2. CPUID traps (arch_prctl(2), ARCH_SET_CPUID; threads inherit it), and the handler answers without those
   bits. Exits where the processor or the kernel can't trap. */
#define _GNU_SOURCE
#include <asm/prctl.h>
#include <cpuid.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

/* Of leaf 7 (Intel SDM, volume 2, CPUID): AVX-512 and AMX, whole; of its subleaf 1 AVX-VNNI and 16 bits floats. */
enum {
  kEbx = 1 << 16 | 1 << 17 | 1 << 21 | 1 << 26 | 1 << 27 | 1 << 28 | 1 << 30 | 1u << 31,
  kEcx = 1 << 1 | 1 << 6 | 1 << 11 | 1 << 12 | 1 << 14,
  kEdx = 1 << 2 | 1 << 3 | 1 << 8 | 1 << 22 | 1 << 23 | 1 << 24 | 1 << 25,
  kEax1 = 1 << 4 | 1 << 5 | 1 << 21,
  kEdx1 = 1 << 4 | 1 << 5 | 1 << 10 | 1 << 19,
};

static void answer(int signal_number, siginfo_t *info, void *context) {
  (void)info;
  greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
  if (memcmp((const void *)registers[REG_RIP], "\x0f\xa2", 2) != 0) {
    signal(signal_number, SIG_DFL); /* a fault of the program's own: happens again */
    return;
  }
  unsigned leaf = (unsigned)registers[REG_RAX], subleaf = (unsigned)registers[REG_RCX], a, b, c, d;
  syscall(SYS_arch_prctl, ARCH_SET_CPUID, 1ul);
  __cpuid_count(leaf, subleaf, a, b, c, d);
  syscall(SYS_arch_prctl, ARCH_SET_CPUID, 0ul);
  if (leaf == 7 && subleaf == 0)
    b &= ~(unsigned)kEbx, c &= ~(unsigned)kEcx, d &= ~(unsigned)kEdx;
  if (leaf == 7 && subleaf == 1)
    a &= ~(unsigned)kEax1, d &= ~(unsigned)kEdx1;
  registers[REG_RAX] = a, registers[REG_RBX] = b, registers[REG_RCX] = c, registers[REG_RDX] = d;
  registers[REG_RIP] += 2;
}

__attribute__((constructor)) static void hide(void) {
  struct sigaction action = {.sa_sigaction = answer, .sa_flags = SA_SIGINFO | SA_NODEFER};
  static const char why[] = "hide_avx512: this machine can't trap CPUID\n";
  if (sigaction(SIGSEGV, &action, NULL) == 0 && syscall(SYS_arch_prctl, ARCH_SET_CPUID, 0ul) == 0)
    return;
  (void)!write(2, why, sizeof why - 1);
  _exit(1);
}
