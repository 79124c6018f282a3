// The part of the CUDA driver's interface that the runtime uses: types, values and functions as the driver's library
// (libcuda.so.1) exports them, under the names that its documentation gives them. Declared here, so that no CUDA header
// is needed; the ABI is the driver's own, which NVIDIA keeps. tools/cuda-sim implements the same.
#pragma once
#include <cstddef>
#include <cstdint>

namespace lathe::cuda {

using CUresult = int;
using CUdevice = int;
using CUdeviceptr = unsigned long long;
using CUcontext = struct CUctx_st *;
using CUmodule = struct CUmod_st *;
using CUfunction = struct CUfunc_st *;
using CUstream = struct CUstream_st *;
using CUevent = struct CUevent_st *;
using CUgraph = struct CUgraph_st *;
using CUgraphExec = struct CUgraphExec_st *;

enum : CUresult {
  CUDA_SUCCESS = 0,
  CUDA_ERROR_INVALID_VALUE = 1,
  CUDA_ERROR_OUT_OF_MEMORY = 2,
  CUDA_ERROR_NOT_INITIALIZED = 3,
  CUDA_ERROR_NO_DEVICE = 100,
  CUDA_ERROR_INVALID_DEVICE = 101,
  CUDA_ERROR_INVALID_IMAGE = 200,
  CUDA_ERROR_INVALID_CONTEXT = 201,
  CUDA_ERROR_NO_BINARY_FOR_GPU = 209,
  CUDA_ERROR_INVALID_HANDLE = 400,
  CUDA_ERROR_NOT_FOUND = 500,
  CUDA_ERROR_NOT_READY = 600,
  CUDA_ERROR_ILLEGAL_ADDRESS = 700,
  CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES = 701,
  CUDA_ERROR_LAUNCH_FAILED = 719,
  CUDA_ERROR_NOT_SUPPORTED = 801,
  CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED = 900,
  CUDA_ERROR_STREAM_CAPTURE_INVALIDATED = 901
};

// CUdevice_attribute
enum : int {
  CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT = 16,
  CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR = 75,
  CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR = 76,
  CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN = 97
};
// CUfunction_attribute
enum : int { CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES = 8 };
// CUpointer_attribute; its value is an unsigned int. Memory that the driver doesn't know is CUDA_ERROR_INVALID_VALUE.
enum : int { CU_POINTER_ATTRIBUTE_MEMORY_TYPE = 2 };
// CUmemorytype
enum : unsigned { CU_MEMORYTYPE_HOST = 1, CU_MEMORYTYPE_DEVICE = 2, CU_MEMORYTYPE_UNIFIED = 4 };

enum : unsigned { CU_STREAM_DEFAULT = 0, CU_STREAM_NON_BLOCKING = 1 };
enum : unsigned { CU_EVENT_DEFAULT = 0, CU_EVENT_BLOCKING_SYNC = 1, CU_EVENT_DISABLE_TIMING = 2 };
// CUstreamCaptureMode
enum : int {
  CU_STREAM_CAPTURE_MODE_GLOBAL = 0,
  CU_STREAM_CAPTURE_MODE_THREAD_LOCAL = 1,
  CU_STREAM_CAPTURE_MODE_RELAXED = 2
};

// CUtensorMap and the enums that describe one
struct alignas(64) CUtensorMap {
  uint64_t opaque[16];
};
enum CUtensorMapDataType : int {
  CU_TENSOR_MAP_DATA_TYPE_UINT8 = 0,
  CU_TENSOR_MAP_DATA_TYPE_UINT16,
  CU_TENSOR_MAP_DATA_TYPE_UINT32,
  CU_TENSOR_MAP_DATA_TYPE_INT32,
  CU_TENSOR_MAP_DATA_TYPE_UINT64,
  CU_TENSOR_MAP_DATA_TYPE_INT64,
  CU_TENSOR_MAP_DATA_TYPE_FLOAT16,
  CU_TENSOR_MAP_DATA_TYPE_FLOAT32,
  CU_TENSOR_MAP_DATA_TYPE_FLOAT64,
  CU_TENSOR_MAP_DATA_TYPE_BFLOAT16
};
enum CUtensorMapInterleave : int { CU_TENSOR_MAP_INTERLEAVE_NONE = 0 };
enum CUtensorMapSwizzle : int {
  CU_TENSOR_MAP_SWIZZLE_NONE = 0,
  CU_TENSOR_MAP_SWIZZLE_32B,
  CU_TENSOR_MAP_SWIZZLE_64B,
  CU_TENSOR_MAP_SWIZZLE_128B
};
enum CUtensorMapL2promotion : int {
  CU_TENSOR_MAP_L2_PROMOTION_NONE = 0,
  CU_TENSOR_MAP_L2_PROMOTION_L2_64B,
  CU_TENSOR_MAP_L2_PROMOTION_L2_128B,
  CU_TENSOR_MAP_L2_PROMOTION_L2_256B
};
enum CUtensorMapFloatOOBfill : int { CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE = 0 };

// CUlaunchAttribute, with the one attribute that is used: the kernel may start before the one in front of it on the
// stream has ended, and waits for it itself (griddepcontrol.wait).
enum : int { CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION = 6 };
struct CUlaunchAttribute {
  int id;
  char pad[4];
  union {
    char bytes[64];
    int programmaticStreamSerializationAllowed;
  } value;
};
struct CUlaunchConfig {
  unsigned gridDimX, gridDimY, gridDimZ;
  unsigned blockDimX, blockDimY, blockDimZ;
  unsigned sharedMemBytes;
  CUstream hStream;
  CUlaunchAttribute *attrs;
  unsigned numAttrs;
};
static_assert(sizeof(CUtensorMap) == 128 && sizeof(CUlaunchAttribute) == 72 && sizeof(CUlaunchConfig) == 56);

// F(name, symbol in the library, parameters). All return a CUresult.
#define LATHE_CUDA_FUNCTIONS(F)                                                                                        \
  F(cuInit, cuInit, (unsigned flags))                                                                                  \
  F(cuDriverGetVersion, cuDriverGetVersion, (int *version))                                                            \
  F(cuGetErrorName, cuGetErrorName, (CUresult error, const char **name))                                               \
  F(cuGetErrorString, cuGetErrorString, (CUresult error, const char **text))                                           \
  F(cuDeviceGetCount, cuDeviceGetCount, (int *count))                                                                  \
  F(cuDeviceGet, cuDeviceGet, (CUdevice * device, int ordinal))                                                        \
  F(cuDeviceGetName, cuDeviceGetName, (char *name, int size, CUdevice device))                                         \
  F(cuDeviceGetAttribute, cuDeviceGetAttribute, (int *value, int attribute, CUdevice device))                          \
  F(cuDevicePrimaryCtxRetain, cuDevicePrimaryCtxRetain, (CUcontext * context, CUdevice device))                        \
  F(cuDevicePrimaryCtxRelease, cuDevicePrimaryCtxRelease_v2, (CUdevice device))                                        \
  F(cuCtxPushCurrent, cuCtxPushCurrent_v2, (CUcontext context))                                                        \
  F(cuCtxPopCurrent, cuCtxPopCurrent_v2, (CUcontext * context))                                                        \
  F(cuModuleLoadData, cuModuleLoadData, (CUmodule * module, const void *image))                                        \
  F(cuModuleUnload, cuModuleUnload, (CUmodule module))                                                                 \
  F(cuModuleGetFunction, cuModuleGetFunction, (CUfunction * function, CUmodule module, const char *name))              \
  F(cuFuncSetAttribute, cuFuncSetAttribute, (CUfunction function, int attribute, int value))                           \
  F(cuMemGetInfo, cuMemGetInfo_v2, (size_t *free, size_t *total))                                                      \
  F(cuMemAlloc, cuMemAlloc_v2, (CUdeviceptr * memory, size_t bytes))                                                   \
  F(cuMemFree, cuMemFree_v2, (CUdeviceptr memory))                                                                     \
  F(cuMemHostAlloc, cuMemHostAlloc, (void **memory, size_t bytes, unsigned flags))                                     \
  F(cuMemFreeHost, cuMemFreeHost, (void *memory))                                                                      \
  F(cuMemcpyHtoDAsync, cuMemcpyHtoDAsync_v2, (CUdeviceptr to, const void *from, size_t bytes, CUstream stream))        \
  F(cuMemcpyDtoHAsync, cuMemcpyDtoHAsync_v2, (void *to, CUdeviceptr from, size_t bytes, CUstream stream))              \
  F(cuMemcpyDtoDAsync, cuMemcpyDtoDAsync_v2, (CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream))        \
  F(cuMemsetD8Async, cuMemsetD8Async, (CUdeviceptr memory, unsigned char value, size_t bytes, CUstream stream))        \
  F(cuPointerGetAttribute, cuPointerGetAttribute, (void *value, int attribute, CUdeviceptr pointer))                   \
  F(cuStreamCreate, cuStreamCreate, (CUstream * stream, unsigned flags))                                               \
  F(cuStreamDestroy, cuStreamDestroy_v2, (CUstream stream))                                                            \
  F(cuStreamSynchronize, cuStreamSynchronize, (CUstream stream))                                                       \
  F(cuStreamGetCtx, cuStreamGetCtx, (CUstream stream, CUcontext * context))                                            \
  F(cuStreamBeginCapture, cuStreamBeginCapture_v2, (CUstream stream, int mode))                                        \
  F(cuStreamEndCapture, cuStreamEndCapture, (CUstream stream, CUgraph * graph))                                        \
  F(cuEventCreate, cuEventCreate, (CUevent * event, unsigned flags))                                                   \
  F(cuEventDestroy, cuEventDestroy_v2, (CUevent event))                                                                \
  F(cuEventRecord, cuEventRecord, (CUevent event, CUstream stream))                                                    \
  F(cuEventSynchronize, cuEventSynchronize, (CUevent event))                                                           \
  F(cuEventElapsedTime, cuEventElapsedTime, (float *milliseconds, CUevent begin, CUevent end))                         \
  F(cuLaunchKernelEx, cuLaunchKernelEx,                                                                                \
    (const CUlaunchConfig *config, CUfunction function, void **parameters, void **extra))                              \
  F(cuGraphInstantiate, cuGraphInstantiateWithFlags,                                                                   \
    (CUgraphExec * executable, CUgraph graph, unsigned long long flags))                                               \
  F(cuGraphLaunch, cuGraphLaunch, (CUgraphExec executable, CUstream stream))                                           \
  F(cuGraphExecDestroy, cuGraphExecDestroy, (CUgraphExec executable))                                                  \
  F(cuGraphDestroy, cuGraphDestroy, (CUgraph graph))                                                                   \
  F(cuTensorMapEncodeTiled, cuTensorMapEncodeTiled,                                                                    \
    (CUtensorMap * map, CUtensorMapDataType type, uint32_t rank, void *memory, const uint64_t *dims,                   \
     const uint64_t *strides, const uint32_t *box, const uint32_t *elementStrides, CUtensorMapInterleave interleave,   \
     CUtensorMapSwizzle swizzle, CUtensorMapL2promotion promotion, CUtensorMapFloatOOBfill fill))

// The functions of an opened driver.
struct DriverFunctions {
#define F(name, symbol, parameters) CUresult(*name) parameters;
  LATHE_CUDA_FUNCTIONS(F)
#undef F
};

} // namespace lathe::cuda
