// NVRTC, opened at run time: compiling needs neither a CUDA installation at build time nor a GPU.
#include "compiler/Cuda/Cuda.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/Support/Error.h"
#include <dlfcn.h>

using namespace lathe;
using namespace lathe::cuda;
using llvm::StringRef;

namespace {
using nvrtcProgram = struct NvrtcProgram *;
struct Nvrtc {
  int (*version)(int *, int *) = nullptr;
  int (*createProgram)(nvrtcProgram *, const char *, const char *, int, const char *const *,
                       const char *const *) = nullptr;
  int (*destroyProgram)(nvrtcProgram *) = nullptr;
  int (*compileProgram)(nvrtcProgram, int, const char *const *) = nullptr;
  int (*getCubinSize)(nvrtcProgram, size_t *) = nullptr;
  int (*getCubin)(nvrtcProgram, char *) = nullptr;
  int (*getLogSize)(nvrtcProgram, size_t *) = nullptr;
  int (*getLog)(nvrtcProgram, char *) = nullptr;
  const char *(*getErrorString)(int) = nullptr;
  std::string missing; // why it can't be used, or empty
};
} // namespace

static Nvrtc open(const std::string &path) {
  std::vector<std::string> names{path};
  if (path.empty())
    names = {"libnvrtc.so.13", "libnvrtc.so.12", "/usr/local/cuda/lib64/libnvrtc.so.13",
             "/usr/local/cuda/lib64/libnvrtc.so.12"};
  Nvrtc nvrtc;
  void *library = nullptr;
  for (const std::string &name : names)
    if (!library)
      library = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    nvrtc.missing =
        "NVRTC isn't there: no " + names[0] + (path.empty() ? " or libnvrtc.so.12" : "") +
        "; hint: install NVIDIA's nvrtc package (nvidia-cuda-nvrtc from PyPI will do) and give its library with "
        "--nvrtc=PATH";
    return nvrtc;
  }
  auto find = [&](auto &function, const char *name) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(library, name));
    if (!function && nvrtc.missing.empty())
      nvrtc.missing = std::string("NVRTC is too old: it has no ") + name + "; hint: 12.9 or later";
  };
  find(nvrtc.version, "nvrtcVersion");
  find(nvrtc.createProgram, "nvrtcCreateProgram");
  find(nvrtc.destroyProgram, "nvrtcDestroyProgram");
  find(nvrtc.compileProgram, "nvrtcCompileProgram");
  find(nvrtc.getCubinSize, "nvrtcGetCUBINSize");
  find(nvrtc.getCubin, "nvrtcGetCUBIN");
  find(nvrtc.getLogSize, "nvrtcGetProgramLogSize");
  find(nvrtc.getLog, "nvrtcGetProgramLog");
  find(nvrtc.getErrorString, "nvrtcGetErrorString");
  return nvrtc;
}

llvm::Expected<std::vector<char>> cuda::compileWithNvrtc(StringRef source, StringRef sm, const EmitOptions &options,
                                                         std::string &log, unsigned &driver) {
  Nvrtc nvrtc = open(options.nvrtc);
  auto fail = [](const llvm::Twine &message) { return llvm::createStringError(message); };
  if (!nvrtc.missing.empty())
    return fail(nvrtc.missing);
  int major = 0, minor = 0;
  nvrtc.version(&major, &minor);
  driver = static_cast<unsigned>(major * 1000 + minor * 10);
  nvrtcProgram program = nullptr;
  std::string text = source.str(), architecture = "-arch=" + sm.str();
  if (int code = nvrtc.createProgram(&program, text.c_str(), "kernels.cu", 0, nullptr, nullptr))
    return fail(nvrtc.getErrorString(code));
  auto destroy = llvm::make_scope_exit([&] { nvrtc.destroyProgram(&program); });
  const char *flags[] = {architecture.c_str(), "-std=c++17", "-default-device", "-DNDEBUG", "-w", "--ptxas-options=-v"};
  int code = nvrtc.compileProgram(program, std::size(flags), flags);
  size_t size = 0;
  if (nvrtc.getLogSize(program, &size) == 0 && size > 1) {
    log.resize(size);
    nvrtc.getLog(program, log.data());
    log.resize(size - 1); // without its zero
  }
  if (code)
    return fail(std::string(nvrtc.getErrorString(code)) + ", NVRTC " + std::to_string(major) + "." +
                std::to_string(minor) + " for " + sm);
  std::vector<char> cubin;
  if (nvrtc.getCubinSize(program, &size) || size == 0)
    return fail("NVRTC gave no cubin for " + sm);
  cubin.resize(size);
  nvrtc.getCubin(program, cubin.data());
  return cubin;
}
