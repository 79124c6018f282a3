// Creation of the runtime, its log, and the choice between the host's threads and its own.
#include "runtime/Program/Runtime.h"
#include <cstdarg>
#include <cstdio>
#include <sched.h>

namespace lathe::runtime {

Runtime::Runtime(const Allocator &allocator, const lathe_runtime_options &options)
    : allocator(allocator), pool(allocator) {
  if (options.logger)
    logger = *options.logger;
  if (options.executor)
    executor = *options.executor;
}

Runtime::~Runtime() { pthread_mutex_destroy(&cudaLock); }

static bool copyText(const Allocator &allocator, const char *text, Array<char> &copy) {
  if (!text)
    return true;
  size_t size = strlen(text) + 1;
  if (!copy.allocate(allocator, size))
    return false;
  memcpy(copy.data(), text, size);
  return true;
}

static uint32_t usableProcessors() {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) ? 1 : static_cast<uint32_t>(CPU_COUNT(&set));
}

Status Runtime::create(const lathe_runtime_options &options, Runtime **out) {
  if (options.allocator && (!options.allocator->allocate || !options.allocator->release))
    return fail(Allocator(), LATHE_INVALID_ARGUMENT, "the allocator lacks a function");
  Allocator allocator = options.allocator ? Allocator(*options.allocator) : Allocator();
  if (options.executor && (!options.executor->parallel_for || !options.executor->concurrency))
    return fail(allocator, LATHE_INVALID_ARGUMENT, "the executor lacks parallel_for or has a concurrency of 0");
  auto *runtime = allocator.create<Runtime>(allocator, options);
  if (!runtime)
    return outOfMemory();
  if (!copyText(allocator, options.cuda_driver, runtime->cudaDriverPath) ||
      !copyText(allocator, options.nvrtc, runtime->nvrtc)) {
    runtime->release();
    return outOfMemory();
  }
  if (!options.executor && !runtime->pool.start(options.threads ? options.threads : usableProcessors())) {
    runtime->release();
    return outOfMemory();
  }
  *out = runtime;
  return {};
}

void Runtime::release() {
  if (references.fetch_sub(1, std::memory_order_acq_rel) == 1)
    Allocator(allocator).destroy(this);
}

Status Runtime::cudaDriver(const cuda::Driver *&driver) {
  pthread_mutex_lock(&cudaLock);
  Status status = cudaOpen ? Status() : cudaFunctions.open(allocator, cudaDriverPath.data());
  cudaOpen |= !status;
  pthread_mutex_unlock(&cudaLock);
  driver = &cudaFunctions;
  return status;
}

void Runtime::log(lathe_log_level level, const char *format, ...) const {
  if (!logger.log || level < logger.level)
    return;
  char message[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  logger.log(logger.self, level, message);
}

void Runtime::parallelFor(uint32_t workers, void (*body)(void *argument, uint32_t worker), void *argument) {
  if (executor.parallel_for)
    executor.parallel_for(executor.self, workers, body, argument);
  else
    pool.run(workers, body, argument);
}

} // namespace lathe::runtime
