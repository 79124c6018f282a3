// Lathe's runtime for C++17: ownership and types over lathe.h, nothing else. No exceptions, no RTTI needed.
//
//   lathe::Result<lathe::Runtime> runtime = lathe::Runtime::create();
//   lathe::Result<lathe::Program> program = runtime->load("model.lathe");
//   lathe::Result<lathe::Context> context = program->createContext();
//   if (lathe::Status status = context->setInput("input_ids", lathe::tensor(ids.data(), {1, 128})); !status)
//     return report(status.message());
//   lathe::Status status = context->run();
//   lathe::Result<lathe_tensor> output = context->output("embedding");
//
// Objects move and don't copy, but for Program, whose copies share the one immutable program. lathe.h says what each
// call does, which threads may make it, and how long memory lives.
#ifndef LATHE_LATHE_HPP
#define LATHE_LATHE_HPP
#include "lathe/lathe.h"
#include <cstdint>
#include <initializer_list>
#include <utility>

namespace lathe {

inline const lathe_api &api() { return *lathe_get_api(LATHE_API_VERSION); }

// True when all is well.
class [[nodiscard]] Status {
public:
  Status() = default;
  Status(lathe_status *raw) : raw(raw) {} // takes it over
  Status(Status &&other) noexcept : raw(std::exchange(other.raw, nullptr)) {}
  Status &operator=(Status &&other) noexcept {
    std::swap(raw, other.raw);
    return *this;
  }
  ~Status() { api().status_release(raw); }

  explicit operator bool() const { return !raw; }
  lathe_code code() const { return api().status_code(raw); }
  const char *message() const { return api().status_message(raw); }
  const char *node() const { return api().status_node(raw); }
  uint64_t packageOffset() const { return api().status_package_offset(raw); }

private:
  lathe_status *raw = nullptr;
};

// A value, or why there is none. Look at it only after testing for true.
template <class T> class [[nodiscard]] Result {
public:
  Result(Status failure) : failure(std::move(failure)) {}
  Result(Status status, T value) : failure(std::move(status)), value(std::move(value)) {}

  explicit operator bool() const { return static_cast<bool>(failure); }
  const Status &status() const { return failure; }
  T &operator*() { return value; }
  T *operator->() { return &value; }

private:
  Status failure;
  T value = {};
};

// The element type of lathe_tensor for a C++ type; f16 and bf16 have none and are set by hand.
template <class T> struct ElementType;
template <> struct ElementType<bool> {
  static constexpr lathe_element_type value = LATHE_BOOL;
};
template <> struct ElementType<int8_t> {
  static constexpr lathe_element_type value = LATHE_I8;
};
template <> struct ElementType<uint8_t> {
  static constexpr lathe_element_type value = LATHE_U8;
};
template <> struct ElementType<int16_t> {
  static constexpr lathe_element_type value = LATHE_I16;
};
template <> struct ElementType<uint16_t> {
  static constexpr lathe_element_type value = LATHE_U16;
};
template <> struct ElementType<int32_t> {
  static constexpr lathe_element_type value = LATHE_I32;
};
template <> struct ElementType<uint32_t> {
  static constexpr lathe_element_type value = LATHE_U32;
};
template <> struct ElementType<int64_t> {
  static constexpr lathe_element_type value = LATHE_I64;
};
template <> struct ElementType<uint64_t> {
  static constexpr lathe_element_type value = LATHE_U64;
};
template <> struct ElementType<float> {
  static constexpr lathe_element_type value = LATHE_F32;
};
template <> struct ElementType<double> {
  static constexpr lathe_element_type value = LATHE_F64;
};

// A view on the caller's data; inputs are only read. Dimensions beyond LATHE_MAX_RANK give a rank that set_input
// refuses.
template <class T> lathe_tensor tensor(const T *data, std::initializer_list<int64_t> dims) {
  lathe_tensor view = {const_cast<T *>(data), ElementType<T>::value, static_cast<uint32_t>(dims.size()), {}};
  uint32_t i = 0;
  for (int64_t dim : dims)
    if (i < LATHE_MAX_RANK)
      view.dims[i++] = dim;
  return view;
}

inline int64_t elementCount(const lathe_tensor &tensor) {
  int64_t count = 1;
  for (uint32_t i = 0; i < tensor.rank; ++i)
    count *= tensor.dims[i];
  return count;
}

namespace detail {
template <class Struct> Struct sized() {
  Struct s = {};
  s.struct_size = sizeof s;
  return s;
}
// Owns an object of the C API.
template <class Raw, void (*lathe_api::*Release)(Raw *)> class Handle {
public:
  Handle() = default;
  explicit Handle(Raw *raw) : raw(raw) {}
  Handle(Handle &&other) noexcept : raw(std::exchange(other.raw, nullptr)) {}
  Handle &operator=(Handle &&other) noexcept {
    std::swap(raw, other.raw);
    return *this;
  }
  ~Handle() { (api().*Release)(raw); }
  Raw *get() const { return raw; } // for what this header does not wrap

private:
  Raw *raw = nullptr;
};
// Calls a function of the C API whose last parameter is an info struct.
template <class Info, class Function, class... Args> Result<Info> query(Function function, Args... args) {
  Info info = sized<Info>();
  Status status = function(args..., &info);
  return {std::move(status), info};
}
} // namespace detail

inline lathe_runtime_options runtimeOptions() { return detail::sized<lathe_runtime_options>(); }
inline lathe_load_options loadOptions() { return detail::sized<lathe_load_options>(); }
inline lathe_context_options contextOptions() { return detail::sized<lathe_context_options>(); }

class Context : public detail::Handle<lathe_context, &lathe_api::context_release> {
public:
  using Handle::Handle;

  Status setInput(uint32_t input, const lathe_tensor &tensor) { return api().set_input(get(), input, &tensor); }
  Status setInput(const char *name, const lathe_tensor &tensor) {
    uint32_t input;
    if (Status status = api().find_input(get(), name, &input); !status)
      return status;
    return setInput(input, tensor);
  }
  Status setOutput(uint32_t output, void *data, uint64_t bytes) { return api().set_output(get(), output, data, bytes); }
  Status setOutput(const char *name, void *data, uint64_t bytes) {
    uint32_t output;
    if (Status status = api().find_output(get(), name, &output); !status)
      return status;
    return setOutput(output, data, bytes);
  }
  // CUDA: data in the device's memory.
  Status setInputDevice(uint32_t input, const lathe_tensor &tensor) {
    return api().set_input_device(get(), input, &tensor);
  }
  Status setInputDevice(const char *name, const lathe_tensor &tensor) {
    uint32_t input;
    if (Status status = api().find_input(get(), name, &input); !status)
      return status;
    return setInputDevice(input, tensor);
  }
  Status setOutputDevice(uint32_t output, void *data, uint64_t bytes) {
    return api().set_output_device(get(), output, data, bytes);
  }
  Status setOutputDevice(const char *name, void *data, uint64_t bytes) {
    uint32_t output;
    if (Status status = api().find_output(get(), name, &output); !status)
      return status;
    return setOutputDevice(output, data, bytes);
  }
  Status bind() { return api().bind(get()); }
  Status run() { return api().run(get()); }
  Status runAsync() { return api().run_async(get()); }
  Status wait() { return api().wait(get()); }
  Result<lathe_tensor> output(uint32_t output) const {
    lathe_tensor tensor;
    Status status = api().output(get(), output, &tensor);
    return {std::move(status), tensor};
  }
  Result<lathe_tensor> output(const char *name) const {
    uint32_t index;
    if (Status status = api().find_output(get(), name, &index); !status)
      return status;
    return output(index);
  }
  void cancel() { api().cancel(get()); }
  void resetCancel() { api().reset_cancel(get()); }

  Result<lathe_monitor> monitor() const { return detail::query<lathe_monitor>(api().monitor, get()); }
  Result<lathe_latency> runLatency() const { return detail::query<lathe_latency>(api().run_latency, get()); }
  Result<lathe_latency> launchLatency(uint32_t launch) const {
    return detail::query<lathe_latency>(api().launch_latency, get(), launch);
  }
  Result<lathe_latency> phaseLatency(lathe_phase phase) const {
    return detail::query<lathe_latency>(api().phase_latency, get(), phase);
  }
};

class Program : public detail::Handle<lathe_program, &lathe_api::program_release> {
public:
  using Handle::Handle;
  Program() = default;
  Program(Program &&) = default;
  Program &operator=(Program &&) = default;
  Program(const Program &other) : Handle(other.get()) { api().program_retain(get()); }
  Program &operator=(const Program &other) { return *this = Program(other); }

  Result<Context> createContext(const lathe_context_options &options = contextOptions()) const {
    lathe_context *context;
    Status status = api().context_create(get(), &options, &context);
    return {std::move(status), Context(context)};
  }
  Result<lathe_program_info> info() const { return detail::query<lathe_program_info>(api().program_info, get()); }
  Result<lathe_target_info> target(uint32_t target) const {
    return detail::query<lathe_target_info>(api().target_info, get(), target);
  }
  Result<lathe_symbol_info> symbol(uint32_t symbol) const {
    return detail::query<lathe_symbol_info>(api().symbol_info, get(), symbol);
  }
  Result<lathe_entry_info> entry(uint32_t entry = 0) const {
    return detail::query<lathe_entry_info>(api().entry_info, get(), entry);
  }
  Result<lathe_value_info> input(uint32_t input, uint32_t entry = 0) const {
    return detail::query<lathe_value_info>(api().input_info, get(), entry, input);
  }
  Result<lathe_value_info> output(uint32_t output, uint32_t entry = 0) const {
    return detail::query<lathe_value_info>(api().output_info, get(), entry, output);
  }
  // One value per symbol, in the program's order.
  Result<lathe_memory> memory(const int64_t *symbols, uint32_t threads = 1, uint32_t entry = 0) const {
    return detail::query<lathe_memory>(api().memory, get(), entry, symbols, threads);
  }
};

class Runtime : public detail::Handle<lathe_runtime, &lathe_api::runtime_release> {
public:
  using Handle::Handle;

  static Result<Runtime> create(const lathe_runtime_options &options = runtimeOptions()) {
    lathe_runtime *runtime;
    Status status = api().runtime_create(&options, &runtime);
    return {std::move(status), Runtime(runtime)};
  }
  Result<Program> load(const lathe_load_options &options) const {
    lathe_program *program;
    Status status = api().program_load(get(), &options, &program);
    return {std::move(status), Program(program)};
  }
  Result<Program> load(const char *path) const {
    lathe_load_options options = loadOptions();
    options.path = path;
    return load(options);
  }
  Result<lathe_device_info> device(const char *name) const {
    return detail::query<lathe_device_info>(api().device_info, get(), name);
  }
};

} // namespace lathe
#endif
