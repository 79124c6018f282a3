// Every function of the driver's table is replaced by one that asks the spy first.
#include "CudaSpy.h"
#include "runtime/Program/Runtime.h"

namespace lathe::test {
using namespace cuda;

static CudaSpy *active;
static constexpr CUresult kInjected = CUDA_ERROR_ILLEGAL_ADDRESS;

namespace {
// What releases an object, and what made it. A release that fails has released all the same.
const std::map<std::string, std::string> releases = {{"cuMemFree", "cuMemAlloc"},
                                                     {"cuMemFreeHost", "cuMemHostAlloc"},
                                                     {"cuStreamDestroy", "cuStreamCreate"},
                                                     {"cuEventDestroy", "cuEventCreate"},
                                                     {"cuModuleUnload", "cuModuleLoadData"},
                                                     {"cuGraphExecDestroy", "cuGraphInstantiate"},
                                                     {"cuGraphDestroy", "cuStreamEndCapture"},
                                                     {"cuCtxPopCurrent", "cuCtxPushCurrent"},
                                                     {"cuDevicePrimaryCtxRelease", "cuDevicePrimaryCtxRetain"}};

template <class Tag, class... A> struct Wrapped {
  static inline CUresult (*original)(A...) = nullptr;
  static CUresult call(A... arguments) {
    CudaSpy::Action action = active->enter(Tag::name);
    if (action == CudaSpy::Action::Skip)
      return CUDA_SUCCESS;
    if (action == CudaSpy::Action::Fail)
      return kInjected;
    CUresult result = original(arguments...);
    Tag::look(result, arguments...);
    active->leave(Tag::name, result);
    return action == CudaSpy::Action::CallAndFail ? kInjected : result;
  }
};
template <class Tag, class... A> void wrap(CUresult (*&function)(A...)) {
  Wrapped<Tag, A...>::original = function;
  function = Wrapped<Tag, A...>::call;
}

struct Blind {
  template <class... A> static void look(CUresult, A...) {}
};
#define F(function, symbol, parameters)                                                                                \
  struct Plain_##function : Blind {                                                                                    \
    static constexpr const char *name = #function;                                                                     \
  };
LATHE_CUDA_FUNCTIONS(F)
#undef F

struct NamedFunctions : Plain_cuModuleGetFunction {
  static void look(CUresult result, CUfunction *function, CUmodule, const char *name) {
    if (!result)
      active->sawFunction(*function, name);
  }
};
struct SeenLaunches : Plain_cuLaunchKernelEx {
  static void look(CUresult, const CUlaunchConfig *, CUfunction function, void **, void **) {
    active->sawLaunch(function);
  }
};
struct OtherName : Plain_cuDeviceGetName {
  static void look(CUresult, char *name, int size, CUdevice) {
    if (!active->name.empty())
      snprintf(name, static_cast<size_t>(size), "%s", active->name.c_str());
  }
};
struct OtherDevice : Plain_cuDeviceGetAttribute {
  static void look(CUresult, int *value, int attribute, CUdevice) {
    if (active->major && attribute == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)
      *value = active->major;
    if (active->major && attribute == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)
      *value = active->minor;
  }
};
} // namespace

CudaSpy::CudaSpy() { active = this; }

void CudaSpy::attach(lathe_runtime *runtime) {
  const Driver *opened;
  EXPECT_FALSE(reinterpret_cast<runtime::Runtime *>(runtime)->cudaDriver(opened));
  auto &functions = const_cast<Driver &>(*opened);
#define F(function, symbol, parameters) wrap<Plain_##function>(functions.function);
  LATHE_CUDA_FUNCTIONS(F)
#undef F
  // These also look at what passes.
  wrap<NamedFunctions>(functions.cuModuleGetFunction =
                           Wrapped<Plain_cuModuleGetFunction, CUfunction *, CUmodule, const char *>::original);
  wrap<SeenLaunches>(
      functions.cuLaunchKernelEx =
          Wrapped<Plain_cuLaunchKernelEx, const CUlaunchConfig *, CUfunction, void **, void **>::original);
  wrap<OtherName>(functions.cuDeviceGetName = Wrapped<Plain_cuDeviceGetName, char *, int, CUdevice>::original);
  wrap<OtherDevice>(functions.cuDeviceGetAttribute =
                        Wrapped<Plain_cuDeviceGetAttribute, int *, int, CUdevice>::original);
  driver = &functions;
}

CudaSpy::~CudaSpy() { active = nullptr; }

CudaSpy::Action CudaSpy::enter(const char *function) {
  if (stub)
    return Action::Skip;
  if (!strncmp(function, "cuGetError", 10)) // how failures are described; not one that may fail
    return Action::Call;
  std::lock_guard<std::mutex> lock(mutex);
  ++counts[function];
  if (total++ != failAt)
    return Action::Call;
  failed = function;
  return releases.count(function) ? Action::CallAndFail : Action::Fail;
}

void CudaSpy::leave(const char *function, CUresult result) {
  std::lock_guard<std::mutex> lock(mutex);
  auto release = releases.find(function);
  if (release != releases.end())
    --objects[release->second];
  else if (!result)
    for (const auto &[destroy, make] : releases)
      if (make == function)
        ++objects[function];
}

void CudaSpy::sawFunction(const void *function, const char *kernel) {
  std::lock_guard<std::mutex> lock(mutex);
  kernels[function] = kernel;
}

void CudaSpy::sawLaunch(const void *function) {
  std::lock_guard<std::mutex> lock(mutex);
  launched.push_back(kernels[function]);
}

uint64_t CudaSpy::calls(const char *function) const {
  std::lock_guard<std::mutex> lock(mutex);
  auto found = counts.find(function);
  return found == counts.end() ? 0 : found->second;
}

void CudaSpy::reset() {
  std::lock_guard<std::mutex> lock(mutex);
  counts.clear();
  launched.clear();
  total = 0;
}

std::map<std::string, int64_t> CudaSpy::live() const {
  std::map<std::string, int64_t> left;
  for (const auto &[function, count] : objects)
    if (count)
      left[function] = count;
  return left;
}

} // namespace lathe::test
