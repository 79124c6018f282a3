// A tensor as a run on a device sees it.
#pragma once
#include <cstdint>

namespace lathe::cuda {

// Where an input is or an output goes. Outputs without data stay in the executor's own memory.
struct Port {
  void *data;
  int64_t bytes;
  bool onDevice;
};

} // namespace lathe::cuda
