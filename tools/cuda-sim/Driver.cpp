// The emulated driver's device, context, modules and memory. "Device memory" is the host's; a "cubin" is a host ELF
// whose kernels run as fibres.
#include "tools/cuda-sim/Driver.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <elf.h>
#include <sys/mman.h>
#include <unistd.h>

using namespace lathe::sim;

namespace lathe::cuda {
struct CUmod_st {
  void *library;
  int file; // open as long, since the loader knows libraries by their paths
  std::map<std::string, CUfunc_st> functions;
};
} // namespace lathe::cuda

namespace {
const CUcontext primary = reinterpret_cast<CUcontext>(&driver());
thread_local std::vector<CUcontext> contexts;

// Finds sim_* for the kernels' libraries, however this one was loaded.
void exportSymbols() {
  static std::once_flag once;
  std::call_once(once, [] {
    Dl_info info;
    if (dladdr(reinterpret_cast<void *>(exportSymbols), &info))
      dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_GLOBAL);
  });
}

// The size of an ELF image, of which a driver is only told the start; 0 if it isn't one for this machine.
size_t imageSize(const void *image) {
  Elf64_Ehdr header;
  memcpy(&header, image, sizeof header);
  if (memcmp(header.e_ident, ELFMAG, SELFMAG) || header.e_ident[EI_CLASS] != ELFCLASS64 ||
      header.e_machine != EM_X86_64 || header.e_type != ET_DYN)
    return 0;
  size_t size = header.e_shoff + size_t(header.e_shnum) * header.e_shentsize;
  for (unsigned i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment;
    memcpy(&segment, static_cast<const char *>(image) + header.e_phoff + i * sizeof segment, sizeof segment);
    size = std::max<size_t>(size, segment.p_offset + segment.p_filesz);
  }
  return size;
}
} // namespace

namespace lathe::sim {
DriverState &driver() {
  static DriverState state;
  return state;
}

Call::Call() {
  error = !driver().initialized ? CUDA_ERROR_NOT_INITIALIZED
          : contexts.empty()    ? CUDA_ERROR_INVALID_CONTEXT
                                : driver().failed;
}

static size_t shadowBytes(size_t bytes) { return (bytes + 1) / 2 * sizeof(uint64_t); }
static void freeAllocation(uintptr_t start, const Allocation &allocation) {
  if (allocation.shadow)
    munmap(allocation.shadow, shadowBytes(allocation.bytes));
  free(reinterpret_cast<void *>(start));
}

const Allocation *findAllocation(const void *memory, uint64_t bytes) {
  uintptr_t at = reinterpret_cast<uintptr_t>(memory);
  const auto &all = driver().allocations;
  auto next = all.upper_bound(at);
  if (next == all.begin())
    return nullptr;
  const auto &[start, allocation] = *--next;
  return at - start <= allocation.bytes && bytes <= allocation.bytes - (at - start) ? &allocation : nullptr;
}
bool inAllocation(const void *memory, u64 bytes) {
  const Allocation *found = findAllocation(memory, bytes);
  return found && !found->pinnedHost;
}
u64 *globalShadow(const void *memory) {
  const auto &all = driver().allocations;
  auto next = all.upper_bound(reinterpret_cast<uintptr_t>(memory));
  if (next == all.begin())
    return nullptr;
  const auto &[start, allocation] = *--next;
  uint64_t offset = reinterpret_cast<uintptr_t>(memory) - start;
  return allocation.shadow && offset < allocation.bytes ? reinterpret_cast<u64 *>(allocation.shadow) + offset / 2
                                                        : nullptr;
}
u32 nextLaunch() {
  static u32 launch;
  if (++launch < 1 << 16)
    return launch;
  // Numbers come again: forget who had them.
  for (const auto &[start, allocation] : driver().allocations)
    if (allocation.shadow)
      madvise(allocation.shadow, shadowBytes(allocation.bytes), MADV_DONTNEED);
  return launch = 1;
}
} // namespace lathe::sim

extern "C" {
CUresult cuInit(unsigned flags) {
  if (flags)
    return CUDA_ERROR_INVALID_VALUE;
  driver().initialized = true;
  return CUDA_SUCCESS;
}
CUresult cuDriverGetVersion(int *version) {
  *version = 13000;
  return CUDA_SUCCESS;
}

CUresult cuGetErrorName(CUresult error, const char **name) {
  switch (error) {
#define CASE(code)                                                                                                     \
  case code:                                                                                                           \
    *name = #code;                                                                                                     \
    return CUDA_SUCCESS;
    CASE(CUDA_SUCCESS)
    CASE(CUDA_ERROR_INVALID_VALUE)
    CASE(CUDA_ERROR_OUT_OF_MEMORY)
    CASE(CUDA_ERROR_NOT_INITIALIZED)
    CASE(CUDA_ERROR_NO_DEVICE)
    CASE(CUDA_ERROR_INVALID_DEVICE)
    CASE(CUDA_ERROR_INVALID_IMAGE)
    CASE(CUDA_ERROR_INVALID_CONTEXT)
    CASE(CUDA_ERROR_NO_BINARY_FOR_GPU)
    CASE(CUDA_ERROR_INVALID_HANDLE)
    CASE(CUDA_ERROR_NOT_FOUND)
    CASE(CUDA_ERROR_NOT_READY)
    CASE(CUDA_ERROR_ILLEGAL_ADDRESS)
    CASE(CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES)
    CASE(CUDA_ERROR_LAUNCH_FAILED)
    CASE(CUDA_ERROR_NOT_SUPPORTED)
    CASE(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED)
    CASE(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED)
#undef CASE
  }
  *name = nullptr;
  return CUDA_ERROR_INVALID_VALUE;
}
CUresult cuGetErrorString(CUresult error, const char **text) { return cuGetErrorName(error, text); }

CUresult cuDeviceGetCount(int *count) {
  *count = 1;
  return driver().initialized ? CUDA_SUCCESS : CUDA_ERROR_NOT_INITIALIZED;
}
CUresult cuDeviceGet(CUdevice *device, int ordinal) {
  *device = 0;
  return !driver().initialized ? CUDA_ERROR_NOT_INITIALIZED : ordinal ? CUDA_ERROR_INVALID_DEVICE : CUDA_SUCCESS;
}
CUresult cuDeviceGetName(char *name, int size, CUdevice) {
  snprintf(name, size, "cuda-sim");
  return CUDA_SUCCESS;
}
CUresult cuDeviceGetAttribute(int *value, int attribute, CUdevice) {
  static const std::map<int, int> values = {{1, maxThreads}, // threads of a block
                                            {8, 48 << 10},   // shared memory of a block that didn't ask for more
                                            {10, 32},        // lanes of a warp
                                            {CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, 4},
                                            {41, 1}, // one address space
                                            {CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, 9},
                                            {CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, 0},
                                            {81, 228 << 10}, // shared memory of a multiprocessor
                                            {CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN, maxSharedBytes}};
  auto found = values.find(attribute);
  *value = found == values.end() ? 0 : found->second;
  return CUDA_SUCCESS;
}
CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice) {
  *bytes = deviceMemory;
  return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice device) {
  std::lock_guard<std::recursive_mutex> lock(driver().mutex);
  if (!driver().initialized || device)
    return device ? CUDA_ERROR_INVALID_DEVICE : CUDA_ERROR_NOT_INITIALIZED;
  ++driver().retains;
  *context = primary;
  return CUDA_SUCCESS;
}
// The last release resets the context: memory is gone, and an error forgotten.
CUresult cuDevicePrimaryCtxRelease_v2(CUdevice) {
  std::lock_guard<std::recursive_mutex> lock(driver().mutex);
  if (!driver().retains)
    return CUDA_ERROR_INVALID_CONTEXT;
  if (!--driver().retains) {
    drainAll();
    for (auto &[start, allocation] : driver().allocations)
      freeAllocation(start, allocation);
    driver().allocations.clear();
    driver().deviceBytes = 0;
    driver().failed = CUDA_SUCCESS;
  }
  return CUDA_SUCCESS;
}
CUresult cuCtxPushCurrent_v2(CUcontext context) {
  if (context != primary)
    return CUDA_ERROR_INVALID_CONTEXT;
  contexts.push_back(context);
  return CUDA_SUCCESS;
}
CUresult cuCtxPopCurrent_v2(CUcontext *context) {
  if (contexts.empty())
    return CUDA_ERROR_INVALID_CONTEXT;
  if (context)
    *context = contexts.back();
  contexts.pop_back();
  return CUDA_SUCCESS;
}
CUresult cuCtxGetCurrent(CUcontext *context) {
  *context = contexts.empty() ? nullptr : contexts.back();
  return CUDA_SUCCESS;
}
CUresult cuCtxSetCurrent(CUcontext context) {
  if (!contexts.empty())
    contexts.pop_back();
  return context ? cuCtxPushCurrent_v2(context) : CUDA_SUCCESS;
}

// ---- modules

CUresult cuModuleLoadData(CUmodule *module, const void *image) {
  Call call;
  *module = nullptr;
  if (call.error)
    return call.error;
  size_t size = imageSize(image);
  if (!size)
    return CUDA_ERROR_NO_BINARY_FOR_GPU;
  exportSymbols();
  int file = memfd_create("cuda-sim", MFD_CLOEXEC);
  if (file < 0 || write(file, image, size) != ssize_t(size)) {
    if (file >= 0)
      close(file);
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  std::string path = "/proc/self/fd/" + std::to_string(file);
  void *library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    close(file);
    fprintf(stderr, "cuda-sim: %s\n", dlerror());
    return CUDA_ERROR_INVALID_IMAGE;
  }
  *module = new CUmod_st{library, file, {}};
  return CUDA_SUCCESS;
}
CUresult cuModuleUnload(CUmodule module) {
  Call call;
  drainAll();
  dlclose(module->library);
  close(module->file);
  delete module;
  return CUDA_SUCCESS;
}
CUresult cuModuleGetFunction(CUfunction *function, CUmodule module, const char *name) {
  Call call;
  *function = nullptr;
  if (call.error)
    return call.error;
  auto [at, added] = module->functions.try_emplace(name);
  if (added) {
    std::string symbol = std::string(name) + "_sim";
    void *code = dlsym(module->library, symbol.c_str());
    auto *parameters = static_cast<const unsigned *>(dlsym(module->library, (symbol + "_parameters").c_str()));
    if (!code || !parameters) {
      module->functions.erase(at);
      return CUDA_ERROR_NOT_FOUND;
    }
    Launch &kernel = at->second.kernel;
    kernel.name = name;
    kernel.kernel = reinterpret_cast<void (*)(void *const *)>(code);
    kernel.parameterSizes.assign(parameters + 1, parameters + 1 + *parameters);
  }
  *function = &at->second;
  return CUDA_SUCCESS;
}
CUresult cuFuncSetAttribute(CUfunction function, int attribute, int value) {
  Call call;
  if (call.error)
    return call.error;
  if (attribute != CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES)
    return CUDA_SUCCESS;
  if (value < 0 || uint32_t(value) > maxSharedBytes)
    return CUDA_ERROR_INVALID_VALUE;
  function->maxDynamicShared = value;
  return CUDA_SUCCESS;
}
CUresult cuFuncGetAttribute(int *value, int attribute, CUfunction function) {
  Call call;
  *value = attribute == CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES ? int(function->maxDynamicShared) : 0;
  return call.error;
}

// ---- memory

CUresult cuMemGetInfo_v2(size_t *available, size_t *total) {
  Call call;
  *total = deviceMemory;
  *available = deviceMemory - driver().deviceBytes;
  return call.error;
}
CUresult cuMemAlloc_v2(CUdeviceptr *memory, size_t bytes) {
  Call call;
  *memory = 0;
  if (call.error)
    return call.error;
  if (captureForbids())
    return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  if (!bytes)
    return CUDA_ERROR_INVALID_VALUE;
  if (bytes > deviceMemory - driver().deviceBytes)
    return CUDA_ERROR_OUT_OF_MEMORY;
  void *storage = aligned_alloc(512, (bytes + 511) / 512 * 512);
  if (!storage)
    return CUDA_ERROR_OUT_OF_MEMORY;
  memset(storage, 0xff, bytes); // NaNs
  void *shadow =
      mmap(nullptr, shadowBytes(bytes), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  driver().allocations[reinterpret_cast<uintptr_t>(storage)] = {
      bytes, false, shadow == MAP_FAILED ? nullptr : static_cast<uint64_t *>(shadow)};
  driver().deviceBytes += bytes;
  *memory = reinterpret_cast<CUdeviceptr>(storage);
  return CUDA_SUCCESS;
}
static CUresult release(uintptr_t memory, bool pinnedHost) {
  if (!memory)
    return CUDA_SUCCESS;
  auto found = driver().allocations.find(memory);
  if (found == driver().allocations.end() || found->second.pinnedHost != pinnedHost)
    return CUDA_ERROR_INVALID_VALUE;
  if (captureForbids())
    return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  drainAll();
  if (!pinnedHost)
    driver().deviceBytes -= found->second.bytes;
  freeAllocation(memory, found->second);
  driver().allocations.erase(found);
  return driver().failed;
}
CUresult cuMemFree_v2(CUdeviceptr memory) {
  Call call;
  return call.error && call.error != driver().failed ? call.error : release(memory, false);
}
CUresult cuMemHostAlloc(void **memory, size_t bytes, unsigned) {
  Call call;
  *memory = nullptr;
  if (call.error)
    return call.error;
  if (captureForbids())
    return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  if (!bytes || !(*memory = aligned_alloc(4096, (bytes + 4095) / 4096 * 4096)))
    return bytes ? CUDA_ERROR_OUT_OF_MEMORY : CUDA_ERROR_INVALID_VALUE;
  memset(*memory, 0xff, bytes);
  driver().allocations[reinterpret_cast<uintptr_t>(*memory)] = {bytes, true, nullptr};
  return CUDA_SUCCESS;
}
CUresult cuMemFreeHost(void *memory) {
  Call call;
  return call.error && call.error != driver().failed ? call.error : release(reinterpret_cast<uintptr_t>(memory), true);
}
CUresult cuPointerGetAttribute(void *value, int attribute, CUdeviceptr pointer) {
  Call call;
  if (call.error)
    return call.error;
  const Allocation *found = findAllocation(reinterpret_cast<void *>(pointer), 0);
  if (attribute != CU_POINTER_ATTRIBUTE_MEMORY_TYPE || !found)
    return CUDA_ERROR_INVALID_VALUE;
  *static_cast<unsigned *>(value) = found->pinnedHost ? CU_MEMORYTYPE_HOST : CU_MEMORYTYPE_DEVICE;
  return CUDA_SUCCESS;
}

CUresult cuGetProcAddress_v2(const char *name, void **function, int, uint64_t, int *status) {
  exportSymbols();
  // Where a function has a newer form, the driver gives that under the old name.
  *function = nullptr;
  for (const char *suffix : {"_v2", ""})
    if (!*function)
      *function = dlsym(RTLD_DEFAULT, (std::string(name) + suffix).c_str());
  if (status)
    *status = *function ? 0 : 1;
  return *function ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}
}
