// NVRTC, declared here and opened at run time as the driver is.
#include "runtime/Cuda/Nvrtc.h"
#include <cstdio>
#include <dlfcn.h>

namespace lathe::cuda {
using namespace runtime;

namespace {
using NvrtcProgram = struct NvrtcProgramOpaque *;
using NvrtcResult = int;

class Nvrtc {
public:
  Nvrtc() = default;
  Nvrtc(const Nvrtc &) = delete;
  Nvrtc &operator=(const Nvrtc &) = delete;
  ~Nvrtc() {
    if (program)
      destroyProgram(&program);
    if (handle)
      dlclose(handle);
  }

  Status open(const Allocator &allocator, const char *library) {
    const char *known[] = {"libnvrtc.so.13", "libnvrtc.so.12"};
    if (library)
      handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    else
      for (const char *name : known)
        if (!handle)
          handle = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (!handle)
      return fail(allocator, LATHE_UNSUPPORTED,
                  "the package has source for this device but no code, and there is no NVRTC to compile it: %s; hint: "
                  "install it, or name its library (nvrtc)",
                  dlerror());
    const struct {
      const char *symbol;
      void **place;
    } functions[] = {{"nvrtcCreateProgram", reinterpret_cast<void **>(&createProgram)},
                     {"nvrtcDestroyProgram", reinterpret_cast<void **>(&destroyProgram)},
                     {"nvrtcCompileProgram", reinterpret_cast<void **>(&compileProgram)},
                     {"nvrtcGetCUBINSize", reinterpret_cast<void **>(&getCubinSize)},
                     {"nvrtcGetCUBIN", reinterpret_cast<void **>(&getCubin)},
                     {"nvrtcGetProgramLogSize", reinterpret_cast<void **>(&getLogSize)},
                     {"nvrtcGetProgramLog", reinterpret_cast<void **>(&getLog)},
                     {"nvrtcGetErrorString", reinterpret_cast<void **>(&errorString)}};
    for (const auto &function : functions)
      if (!(*function.place = dlsym(handle, function.symbol)))
        return fail(allocator, LATHE_UNSUPPORTED, "NVRTC's library lacks %s", function.symbol);
    return {};
  }

  Status compile(const Allocator &allocator, const char *source, int major, int minor, Array<uint8_t> &cubin) {
    char architecture[64];
    // From 9.0 on, what is special to the device is only in its own architecture.
    snprintf(architecture, sizeof architecture, "-arch=sm_%d%d%s", major, minor, major >= 9 ? "a" : "");
    // As the compiler's own, so that the kernels are the same.
    const char *options[] = {architecture, "-std=c++17", "-default-device", "-DNDEBUG", "-w", "-lineinfo"};
    // NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage): open() found it
    if (NvrtcResult error = createProgram(&program, source, "package.cu", 0, nullptr, nullptr)) {
      program = nullptr;
      return failed(allocator, error);
    }
    if (NvrtcResult error = compileProgram(program, sizeof options / sizeof *options, options))
      return compileFailed(allocator, error);
    size_t size = 0;
    if (NvrtcResult error = getCubinSize(program, &size))
      return failed(allocator, error);
    if (!cubin.allocate(allocator, size, 64))
      return outOfMemory();
    if (NvrtcResult error = getCubin(program, reinterpret_cast<char *>(cubin.data())))
      return failed(allocator, error);
    return {};
  }

private:
  Status failed(const Allocator &allocator, NvrtcResult error) {
    return fail(allocator, LATHE_UNSUPPORTED, "compiling the package's source failed: %s", errorString(error));
  }
  Status compileFailed(const Allocator &allocator, NvrtcResult error) {
    size_t size = 0;
    Array<char> log;
    if (getLogSize(program, &size) || !size || !log.allocate(allocator, size) || getLog(program, log.data()))
      return failed(allocator, error);
    log[size - 1] = 0;
    return fail(allocator, LATHE_UNSUPPORTED, "compiling the package's source failed: %s: %.700s", errorString(error),
                log.data());
  }

  void *handle = nullptr;
  NvrtcProgram program = nullptr;
  NvrtcResult (*createProgram)(NvrtcProgram *program, const char *source, const char *name, int headers,
                               const char *const *texts, const char *const *names) = nullptr;
  NvrtcResult (*destroyProgram)(NvrtcProgram *program) = nullptr;
  NvrtcResult (*compileProgram)(NvrtcProgram program, int count, const char *const *options) = nullptr;
  NvrtcResult (*getCubinSize)(NvrtcProgram program, size_t *size) = nullptr;
  NvrtcResult (*getCubin)(NvrtcProgram program, char *cubin) = nullptr;
  NvrtcResult (*getLogSize)(NvrtcProgram program, size_t *size) = nullptr;
  NvrtcResult (*getLog)(NvrtcProgram program, char *log) = nullptr;
  const char *(*errorString)(NvrtcResult error) = nullptr;
};
} // namespace

Status compileSource(const Allocator &allocator, const char *library, const char *source, int major, int minor,
                     Array<uint8_t> &cubin) {
  Nvrtc nvrtc;
  if (Status status = nvrtc.open(allocator, library))
    return status;
  return nvrtc.compile(allocator, source, major, minor, cubin);
}

} // namespace lathe::cuda
