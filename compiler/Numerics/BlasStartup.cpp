// What OpenBLAS needs from its host: one choice of kernels, and the single routine of Fortran's runtime that LAPACK
// calls.
//
// OpenBLAS picks its kernels by the processor, and kernels differ in the last bits; GPTQ then rounds some weights
// otherwise, and a package would depend on the machine that compiled it. So all processors with AVX2 and FMA use the
// kernels for Haswell; the names that OpenBLAS knows them by are in its environment variable alone.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>

extern "C" {
void gotoblas_init();

/// destination = first // second, cut or padded with blanks. With it libgfortran isn't linked at all: LAPACK uses it to
/// name the options of a routine when it asks for block sizes.
void _gfortran_concat_string(size_t size, char *destination, size_t firstSize, const char *first, size_t secondSize,
                             const char *second) {
  size_t fromFirst = std::min(size, firstSize), fromSecond = std::min(size - fromFirst, secondSize);
  std::memcpy(destination, first, fromFirst);
  std::memcpy(destination + fromFirst, second, fromSecond);
  std::memset(destination + fromFirst + fromSecond, ' ', size - fromFirst - fromSecond);
}
}

/// Before main, where there is one thread only and the environment can be changed; OpenBLAS's own constructor, which
/// has no priority, comes later and finds it done.
__attribute__((constructor(200))) static void chooseKernels() {
  constexpr const char *variable = "OPENBLAS_CORETYPE";
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma"))
    return;
  const char *old = std::getenv(variable);
  std::string saved = old ? old : "";
  setenv(variable, "Haswell", 1);
  gotoblas_init();
  if (old)
    setenv(variable, saved.c_str(), 1);
  else
    unsetenv(variable);
}
