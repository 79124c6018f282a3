// The device primitives, for hand-written test kernels.
#include "compiler/Cuda/Device/Primitives.h"

#include "compiler/Cuda/Device/Memory.h"

#include "compiler/Cuda/Device/Mma.h"

#include "compiler/Cuda/Device/AsyncCopy.h"

#include "compiler/Cuda/Device/Wgmma.h"

#include "compiler/Cuda/Device/Pairs.h"

using namespace device;

#define KERNEL extern "C" __global__ void
