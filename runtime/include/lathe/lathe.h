/* Lathe's runtime: loads a compiled model (model.lathe), verifies it, runs it. C99; everything goes through one table:
 *
 *   const lathe_api *api = lathe_get_api(LATHE_API_VERSION);
 *   lathe_runtime *runtime;   lathe_program *program;   lathe_context *context;
 *   api->runtime_create(NULL, &runtime);
 *   lathe_load_options load = {sizeof load};
 *   load.path = "model.lathe";
 *   api->program_load(runtime, &load, &program);
 *   api->context_create(program, NULL, &context);
 *   api->set_input(context, 0, &tensor);        for each input, by position or find_input's result
 *   api->run(context);
 *   api->output(context, 0, &result);           dimensions, type and bytes
 *
 * Objects.   runtime -> program -> context. A program is immutable and may be shared by any number of threads; a
 * context is used by one thread at a time (cancel alone may be called from another). Each object keeps its parent
 *            alive, so they may be released in any order. Release functions take NULL.
 * Errors.    Every function that can fail returns a lathe_status *: NULL is success, everything else is to be released
 *            with status_release. Out parameters come last and are set to NULL or zero first. Nothing aborts, exits,
 *            throws or prints.
 * Memory.    Every allocation goes through the runtime's allocator. A context allocates when it is created, and at a
 *            run whose shapes are larger than all before; never otherwise (see lathe_context_options.reserve).
 * Structs.   The first member, struct_size, is set by the caller to sizeof the struct, so that members can be appended;
 *            members that the caller does not know keep their defaults, which are always zero.
 * Process.   No globals, no environment variables, no signal handlers. After fork the child may use a program and
 *            create contexts of a runtime with threads = 1 or an injected pool; own worker threads do not survive a
 *            fork, and nothing of a CUDA device does. The file of a program is mapped: don't truncate or rewrite it in
 *            place while the program is loaded.
 * Devices.   A program runs on the CPU or on one CUDA device, which it is loaded for (lathe_load_options.device). The
 *            CUDA driver is opened when the first program needs it, never before. All works alike on both; what only
 *            concerns CUDA says so. Work of the device that fails is a LATHE_DEVICE error with the driver's own words;
 *            after one from run or wait, the driver may refuse everything else in this process.
 */
#ifndef LATHE_LATHE_H
#define LATHE_LATHE_H
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LATHE_API_VERSION 2 /* of this header; a library serves every version up to its own */
#define LATHE_MAX_RANK 8

#if defined(__GNUC__)
#define LATHE_MUST_USE __attribute__((warn_unused_result))
#define LATHE_EXPORT __attribute__((visibility("default")))
#else
#define LATHE_MUST_USE
#define LATHE_EXPORT
#endif

typedef struct lathe_status lathe_status;
typedef struct lathe_runtime lathe_runtime;
typedef struct lathe_program lathe_program;
typedef struct lathe_context lathe_context;

typedef enum lathe_code {
  LATHE_OK = 0,
  LATHE_INVALID_ARGUMENT = 1, /* a null pointer, an unknown name or index, a wrong type or rank, a missing input */
  LATHE_OUT_OF_MEMORY = 2,
  LATHE_IO = 3,          /* the file can't be opened, read or mapped */
  LATHE_CORRUPT = 4,     /* not a package, truncated, changed, or with contents that make no sense */
  LATHE_UNSUPPORTED = 5, /* a newer format, or nothing in it that this machine can run */
  LATHE_UNTRUSTED = 6,   /* the digest or the signature does not match */
  LATHE_SHAPE = 7,       /* dimensions that disagree with each other, the profile or a requirement of the model */
  LATHE_CAPACITY = 8,    /* dimensions beyond what the context reserved, or an output buffer that is too small */
  LATHE_FAULT = 9,       /* an input's values: for instance a token id beyond the vocabulary */
  LATHE_CANCELLED = 10,
  LATHE_DEVICE = 11 /* the CUDA driver or a kernel on the device failed */
} lathe_code;

typedef enum lathe_element_type {
  LATHE_BOOL = 0, /* one byte, 0 or 1 */
  LATHE_I8,
  LATHE_U8,
  LATHE_I16,
  LATHE_U16,
  LATHE_I32,
  LATHE_U32,
  LATHE_I64,
  LATHE_U64,
  LATHE_F16,
  LATHE_BF16,
  LATHE_F32,
  LATHE_F64
} lathe_element_type;

/* A dense row-major tensor. `data` is the caller's (inputs, bound outputs) or the context's (other outputs: valid until
 * the next run, set or release on that context). It must be aligned to its element type; kernels are fastest with 64.
 */
typedef struct lathe_tensor {
  void *data;
  lathe_element_type type;
  uint32_t rank;
  int64_t dims[LATHE_MAX_RANK];
} lathe_tensor;

/* ---- runtime ------------------------------------------------------------------------------------------------- */

/* Both functions may be called from any thread. `alignment` is a power of two; release gets allocate's size. */
typedef struct lathe_allocator {
  void *self;
  void *(*allocate)(void *self, size_t size, size_t alignment); /* NULL when out of memory */
  void (*release)(void *self, void *memory, size_t size);
} lathe_allocator;

typedef enum lathe_log_level { LATHE_LOG_DEBUG = 0, LATHE_LOG_INFO = 1, LATHE_LOG_WARNING = 2 } lathe_log_level;
typedef struct lathe_logger {
  void *self;
  lathe_log_level level;                                               /* what lies below is not logged */
  void (*log)(void *self, lathe_log_level level, const char *message); /* from any thread; one line, no newline */
} lathe_logger;

/* A thread pool of the host. parallel_for calls body(argument, i) once for each i in [0, workers), on any threads, at
 * the same time or one after another, and returns when all calls have returned. */
typedef struct lathe_executor {
  void *self;
  uint32_t concurrency; /* the most workers that it runs at a time; at least 1 */
  void (*parallel_for)(void *self, uint32_t workers, void (*body)(void *argument, uint32_t worker), void *argument);
} lathe_executor;

typedef struct lathe_runtime_options {
  size_t struct_size;
  const lathe_allocator *allocator; /* copied; NULL: malloc and free */
  const lathe_logger *logger;       /* copied; NULL: none */
  const lathe_executor *executor;   /* copied; NULL: a pool of the runtime's own */
  uint32_t threads;                 /* of the own pool, the caller of run included; 0: as many as the process may use */
  const char *cuda_driver;          /* copied; path of the CUDA driver's library; NULL: libcuda.so.1 */
  const char *nvrtc;                /* copied; path of NVRTC's library, for packages that carry source;
                                       NULL: libnvrtc.so.13 or libnvrtc.so.12 */
} lathe_runtime_options;

typedef struct lathe_device_info {
  size_t struct_size;
  char name[256];        /* as the driver gives it */
  uint32_t sm;           /* compute capability: 90 is 9.0 */
  uint32_t processors;   /* streaming multiprocessors */
  uint64_t memory, free; /* bytes; free: now */
  uint32_t driver;       /* the CUDA version that the driver supports: 12090 is 12.9 */
  uint32_t count;        /* how many CUDA devices there are */
} lathe_device_info;

/* ---- program ------------------------------------------------------------------------------------------------- */

/* Header, table, code and metadata are always verified. Weights: lazily = each 1 MiB chunk before the first launch that
 * reads it (so a run may fail with LATHE_CORRUPT); eagerly = everything at load, padding and other targets' code too.
 */
typedef enum lathe_verify { LATHE_VERIFY_LAZY = 0, LATHE_VERIFY_EAGER = 1, LATHE_VERIFY_OFF = 2 } lathe_verify;

enum {
  LATHE_LOAD_PERF_MAP = 1, /* append the kernels' addresses to /tmp/perf-PID.map, for Linux perf */
  LATHE_LOAD_INSPECT = 2   /* load no code: the program can be asked, on any machine, but not run */
};

/* Exactly one source: path; memory and size; or fd (with use_fd = 1), offset and size. */
typedef struct lathe_load_options {
  size_t struct_size;
  const char *path;
  const void *memory; /* not copied: must stay unchanged until the program is gone; 64-byte aligned */
  int32_t use_fd;     /* 1: fd is the source; it may be closed after the load */
  int32_t fd;
  uint64_t offset; /* of the package in fd; a multiple of 64 */
  uint64_t size;   /* of memory; of the package in fd, 0: up to the end of the file */
  lathe_verify verify;
  const uint8_t *expected_digest; /* 32 bytes: SHA-256 of the package's first 128 bytes, which hash all the rest */
  const uint8_t *signature;       /* 64 bytes: detached Ed25519 signature of the package's first 128 bytes */
  const uint8_t *public_key;      /* 32 bytes; needed with signature. Neither goes with LATHE_VERIFY_OFF */
  const char *target;             /* force this variant of the code, as "x86-64-v3"; NULL: the first that can run */
  uint32_t flags;                 /* LATHE_LOAD_* */
  const char *device;             /* "cpu", or "cuda:0" and so on; NULL: the CPU if it runs the package, else cuda:0.
                                     A CUDA device's program has its weights there, verified as they are copied unless
                                     verify is OFF, once for all contexts */
} lathe_load_options;

typedef struct lathe_program_info {
  size_t struct_size;
  const char *name;
  uint32_t format_major, format_minor;
  uint8_t digest[32]; /* see lathe_load_options.expected_digest */
  uint64_t file_size;
  const char *target; /* the variant that was chosen; "" when none was, with LATHE_LOAD_INSPECT */
  uint32_t target_count, symbol_count, weight_count, entry_count, kernel_count;
  uint64_t weight_bytes;          /* of the mapped weights */
  uint64_t expanded_weight_bytes; /* of random weights, which are made at load */
  const char *metadata;           /* JSON written by the compiler; "" when there is none */
  size_t metadata_size;           /* without the final zero */
  const char *device;             /* "cpu", "cuda:0" ... */
  uint64_t device_weight_bytes;   /* what the weights take of the device's memory; 0 on the CPU */
} lathe_program_info;

/* Code for one kind of processor or device. */
typedef struct lathe_target_info {
  size_t struct_size;
  const char *name;       /* "x86-64-v3", "cuda:sm_90a", "cuda:source" */
  uint64_t bytes;         /* of its code */
  uint32_t oldest_driver; /* CUDA: the oldest that takes it, as lathe_device_info.driver; 0: any */
} lathe_target_info;

/* A named dimension and the range of the profile that the model was compiled for, both ends included. */
typedef struct lathe_symbol_info {
  size_t struct_size;
  const char *name;
  int64_t min, max;
} lathe_symbol_info;

typedef struct lathe_weight_info {
  size_t struct_size;
  const char *name;
  lathe_element_type type;
  uint64_t bytes;         /* as laid out */
  uint64_t rows, columns; /* of the logical matrix; 0 when the weight has no matrix layout */
  uint32_t panel;         /* columns per panel, 0 for row-major */
  int32_t random;         /* 1: made at load */
} lathe_weight_info;

typedef struct lathe_entry_info {
  size_t struct_size;
  const char *name;
  uint32_t input_count, output_count, buffer_count, launch_count;
  const char *arena;    /* the formula of the arena's bytes, as "512*batch*sequence" */
  int32_t batch_symbol; /* the symbol along which runs may be cut into micro-batches, or -1 */
} lathe_entry_info;

typedef struct lathe_value_info {
  size_t struct_size;
  const char *name;
  lathe_element_type type;
  uint32_t rank;
  int64_t dims[LATHE_MAX_RANK];         /* -1 where it depends on symbols */
  const char *formulas[LATHE_MAX_RANK]; /* "384", "batch", "batch*sequence" */
} lathe_value_info;

typedef struct lathe_launch_info {
  size_t struct_size;
  const char *kernel;
  const char *tiles; /* formula of the number of tiles */
  const char *flops; /* formula, "" when unknown */
  uint32_t operand_count, origin_count;
  const char *const *origins; /* the ONNX nodes that it computes */
} lathe_launch_info;

typedef struct lathe_launch_cost {
  size_t struct_size;
  int64_t tiles;   /* 0: nothing to do */
  int64_t flops;   /* 0 when unknown */
  int64_t scratch; /* bytes for each worker */
} lathe_launch_cost;

/* What a context needs for given symbol values, in bytes. */
typedef struct lathe_memory {
  size_t struct_size;
  uint64_t arena;
  uint64_t scratch;          /* of all workers */
  uint64_t outputs;          /* if the caller binds none */
  uint64_t weights;          /* mapped from the file, shared by all contexts */
  uint64_t expanded_weights; /* random weights: allocated once for each program */
  uint64_t peak;             /* the sum of all; on a CUDA device, what is needed of the device's memory */
  uint64_t staging;          /* CUDA: inputs, outputs and parameters on the device, and as much pinned on the host */
  uint64_t device_weights;   /* CUDA: weights on the device, once for each program */
} lathe_memory;

/* ---- context ------------------------------------------------------------------------------------------------- */

typedef struct lathe_symbol_value {
  const char *name;
  int64_t value;
} lathe_symbol_value;

/* CUDA: the largest value of each symbol that one CUDA graph serves. Symbols not named: their capacity. */
typedef struct lathe_bucket {
  const lathe_symbol_value *max;
  uint32_t count;
} lathe_bucket;

/* Called around each launch by the thread that called run. */
typedef struct lathe_profiler {
  void *self;
  void (*launch_begin)(void *self, uint32_t launch);
  void (*launch_end)(void *self, uint32_t launch, uint64_t nanoseconds);
} lathe_profiler;

/* When a context allocates. grow: at the first run with larger shapes than any before. fixed: at creation, for the
 * values in `capacity` (profile maximum for symbols not named); larger shapes are LATHE_CAPACITY errors. */
typedef enum lathe_reserve { LATHE_RESERVE_GROW = 0, LATHE_RESERVE_FIXED = 1 } lathe_reserve;

typedef struct lathe_context_options {
  size_t struct_size;
  const char *entry; /* NULL: the first one, "main" */
  uint32_t threads;  /* the most workers of a launch; 0: all of the runtime's pool. Of several contexts that run at the
                        same time, one has the pool's threads and the others their callers' alone, with the same bits */
  lathe_reserve reserve;
  const lathe_symbol_value *capacity;
  uint32_t capacity_count;
  int64_t max_batch;              /* 0: the profile's. More: larger batches run as micro-batches, with the same bits on
                                     a CPU; on a device all but the last one have ended when run_async returns */
  int32_t monitor;                /* 1: measure runs and launches, for monitor and launch_monitor */
  uint32_t trace_capacity;        /* number of launches and runs kept for trace, the latest; 0: none */
  const lathe_profiler *profiler; /* copied; NULL: none */

  /* CUDA only. */
  void *stream; /* the caller's CUstream or cudaStream_t, of the device's primary context, to run on; it must outlive
                   the context. NULL: one of the context's own */
  const lathe_bucket *buckets; /* copied. A run uses the one with the fewest blocks that holds its shape, else it is a
                                  LATHE_CAPACITY error. 0 buckets: with LATHE_RESERVE_FIXED one, of the capacity; else
                                  made when needed, each dimension rounded up to 2^k or 3*2^k, the least recently used
                                  beyond 64 dropped */
  uint32_t bucket_count;       /* at most 64. A profile of min, opt and max is two buckets, opt and max */
  int32_t time_launches; /* 1: run launch by launch, waiting for each, instead of as a graph: slower, but launches are
                            timed for launch_latency and trace, the profiler is called, and an error of the device names
                            its launch */
} lathe_context_options;

/* Latencies in nanoseconds. Percentiles come from buckets less than 4 % wide. */
typedef struct lathe_latency {
  size_t struct_size;
  uint64_t count;
  uint64_t total, min, max;
  double average;
  uint64_t p50, p90, p95, p99;
} lathe_latency;

typedef struct lathe_monitor {
  size_t struct_size;
  double cpu_percent;               /* of the process, while runs were going on; 200: two cores busy */
  uint64_t arena, scratch, outputs; /* bytes that the context holds now */
  uint64_t resident;                /* the process's resident set now; 0 when unknown */
  uint64_t staging;                 /* CUDA: bytes of staging that the context holds, on the device and pinned alike;
                                       arena and scratch are memory of the device */
  uint32_t buckets;                 /* CUDA: graphs that the context holds */
  double device_percent;            /* CUDA: of the time of the runs, in which the device computed */
} lathe_monitor;

/* Parts of a run on a CUDA device, measured there. */
typedef enum lathe_phase {
  LATHE_PHASE_HOST_TO_DEVICE = 0, /* inputs and parameters */
  LATHE_PHASE_COMPUTE = 1,
  LATHE_PHASE_DEVICE_TO_HOST = 2 /* outputs */
} lathe_phase;

typedef struct lathe_api {
  uint32_t version;                    /* LATHE_API_VERSION of the library */
  const char *(*version_string)(void); /* "0.1.0" */

  /* Status. Messages are one line, without a final newline. */
  lathe_code (*status_code)(const lathe_status *status);         /* LATHE_OK for NULL */
  const char *(*status_message)(const lathe_status *status);     /* "" for NULL */
  const char *(*status_node)(const lathe_status *status);        /* ONNX nodes concerned, separated by ", "; or "" */
  uint64_t (*status_package_offset)(const lathe_status *status); /* byte in the package; UINT64_MAX: none */
  void (*status_release)(lathe_status *status);

  lathe_status *(*runtime_create)(const lathe_runtime_options *options, lathe_runtime **out)LATHE_MUST_USE;
  void (*runtime_release)(lathe_runtime *runtime);

  /* Program. Strings and arrays in the infos live as long as the program. */
  lathe_status *(*program_load)(lathe_runtime *runtime, const lathe_load_options *options,
                                lathe_program **out)LATHE_MUST_USE;
  void (*program_retain)(lathe_program *program);
  void (*program_release)(lathe_program *program);
  lathe_status *(*program_info)(const lathe_program *program, lathe_program_info *out)LATHE_MUST_USE;
  const char *(*target_name)(const lathe_program *program, uint32_t target); /* NULL beyond the last */
  lathe_status *(*symbol_info)(const lathe_program *program, uint32_t symbol, lathe_symbol_info *out)LATHE_MUST_USE;
  lathe_status *(*weight_info)(const lathe_program *program, uint32_t weight, lathe_weight_info *out)LATHE_MUST_USE;
  lathe_status *(*find_entry)(const lathe_program *program, const char *name, uint32_t *out)LATHE_MUST_USE;
  lathe_status *(*entry_info)(const lathe_program *program, uint32_t entry, lathe_entry_info *out)LATHE_MUST_USE;
  lathe_status *(*input_info)(const lathe_program *program, uint32_t entry, uint32_t input,
                              lathe_value_info *out)LATHE_MUST_USE;
  lathe_status *(*output_info)(const lathe_program *program, uint32_t entry, uint32_t output,
                               lathe_value_info *out)LATHE_MUST_USE;
  lathe_status *(*launch_info)(const lathe_program *program, uint32_t entry, uint32_t launch,
                               lathe_launch_info *out)LATHE_MUST_USE;

  /* What shapes imply, without allocating anything. `symbols` holds one value per symbol of the program, in its order;
   * it may be NULL where there is none. */
  lathe_status *(*output_dims)(const lathe_program *program, uint32_t entry, uint32_t output, const int64_t *symbols,
                               lathe_tensor *out)LATHE_MUST_USE; /* data is NULL */
  lathe_status *(*launch_cost)(const lathe_program *program, uint32_t entry, uint32_t launch, const int64_t *symbols,
                               lathe_launch_cost *out)LATHE_MUST_USE;
  lathe_status *(*memory)(const lathe_program *program, uint32_t entry, const int64_t *symbols, uint32_t threads,
                          lathe_memory *out)LATHE_MUST_USE;

  /* Context. */
  lathe_status *(*context_create)(lathe_program *program, const lathe_context_options *options,
                                  lathe_context **out)LATHE_MUST_USE;
  void (*context_release)(lathe_context *context);
  lathe_status *(*find_input)(const lathe_context *context, const char *name, uint32_t *out)LATHE_MUST_USE;
  lathe_status *(*find_output)(const lathe_context *context, const char *name, uint32_t *out)LATHE_MUST_USE;
  /* The tensor struct is copied, its data is not: it is read at each run. */
  lathe_status *(*set_input)(lathe_context *context, uint32_t input, const lathe_tensor *tensor)LATHE_MUST_USE;
  /* Where an output is written from now on: `size` bytes at `data`, not overlapping an input; NULL: the context's own.
   */
  lathe_status *(*set_output)(lathe_context *context, uint32_t output, void *data, uint64_t size)LATHE_MUST_USE;
  /* Checks the inputs' shapes and binds the symbols, as run does first; then output gives dimensions before a run. */
  lathe_status *(*bind)(lathe_context *context)LATHE_MUST_USE;
  lathe_status *(*symbol_value)(const lathe_context *context, uint32_t symbol, int64_t *out)LATHE_MUST_USE;
  lathe_status *(*run)(lathe_context *context)LATHE_MUST_USE;
  /* After bind: data is NULL unless the caller bound a buffer. After run: the result. */
  lathe_status *(*output)(const lathe_context *context, uint32_t output, lathe_tensor *out)LATHE_MUST_USE;
  /* From any thread: the run in progress, or else the next one, returns LATHE_CANCELLED soon: between two launches, and
     between two tiles when several threads run. reset_cancel forgets a cancel that no run has answered yet. */
  void (*cancel)(lathe_context *context);
  void (*reset_cancel)(lathe_context *context);

  /* Measurements, of a context with monitor = 1, since its creation or the last reset. */
  lathe_status *(*monitor)(const lathe_context *context, lathe_monitor *out)LATHE_MUST_USE;
  lathe_status *(*run_latency)(const lathe_context *context, lathe_latency *out)LATHE_MUST_USE;
  lathe_status *(*launch_latency)(const lathe_context *context, uint32_t launch, lathe_latency *out)LATHE_MUST_USE;
  lathe_status *(*monitor_reset)(lathe_context *context)LATHE_MUST_USE;
  /* Writes the trace as Chrome's JSON (Perfetto reads it), in pieces. */
  lathe_status *(*trace)(const lathe_context *context, void (*write)(void *self, const char *text, size_t size),
                         void *self)LATHE_MUST_USE;

  /* Since version 2. */

  /* `device` as in lathe_load_options. For the CPU: no name, as many processors as the pool has threads. */
  lathe_status *(*device_info)(lathe_runtime *runtime, const char *device, lathe_device_info *out)LATHE_MUST_USE;
  lathe_status *(*target_info)(const lathe_program *program, uint32_t target, lathe_target_info *out)LATHE_MUST_USE;
  /* CUDA: as set_input with `data` in memory of the device. It is read in the stream's order, so it may be written by
     earlier work on the same stream. */
  lathe_status *(*set_input_device)(lathe_context *context, uint32_t input, const lathe_tensor *tensor)LATHE_MUST_USE;
  /* CUDA: the output stays on the device: it is written to `size` bytes at `data` there, in the stream's order, or with
     data = NULL to memory of the context, valid until its next run. `output` then gives the device's address.
     set_output brings it back to the host. */
  lathe_status *(*set_output_device)(lathe_context *context, uint32_t output, void *data, uint64_t size)LATHE_MUST_USE;
  /* Starts a run and returns before the device has done it; inputs in the host's memory have been read by then. Further
     runs queue up behind it; with inputs in the host's memory or a new shape, run_async waits for the runs before. On
     the CPU this is run. Outputs in the device's memory may be used in the stream's order without a wait. When it fails
     the runs before have ended too, and their outputs on the host are unspecified. */
  lathe_status *(*run_async)(lathe_context *context)LATHE_MUST_USE;
  /* Waits for all runs that run_async started: the outputs on the host are then those of the latest, and the first
     fault of any is the result. Other functions of a context, but cancel, wait too where they must. cancel stops no run
     that the device has been given. */
  lathe_status *(*wait)(lathe_context *context)LATHE_MUST_USE;
  /* CUDA, of a context with monitor = 1. */
  lathe_status *(*phase_latency)(const lathe_context *context, lathe_phase phase, lathe_latency *out)LATHE_MUST_USE;
} lathe_api;

/* The table for a program compiled against `version`, or NULL when this library is older. */
LATHE_EXPORT const lathe_api *lathe_get_api(uint32_t version);

#ifdef __cplusplus
}
#endif
#endif
