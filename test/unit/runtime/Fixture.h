// The C API with ownership, and what most tests do with it: load a package from memory, make tensors.
#pragma once
#include "TestPackage.h"
#include "lathe/lathe.h"
#include <gtest/gtest.h>
#include <memory>

namespace lathe::test {

inline const lathe_api &api() { return *lathe_get_api(LATHE_API_VERSION); }

template <auto Release> struct Releaser {
  template <class T> void operator()(T *object) const { (api().*Release)(object); }
};
using Runtime = std::unique_ptr<lathe_runtime, Releaser<&lathe_api::runtime_release>>;
using Program = std::unique_ptr<lathe_program, Releaser<&lathe_api::program_release>>;
using Context = std::unique_ptr<lathe_context, Releaser<&lathe_api::context_release>>;
using Status = std::unique_ptr<lathe_status, Releaser<&lathe_api::status_release>>;

// The failure's code, with its message kept for the test's output.
struct Outcome {
  lathe_code code;
  std::string message, node;
  uint64_t offset;
  Outcome(lathe_status *raw) {
    Status status(raw);
    code = api().status_code(raw);
    message = api().status_message(raw);
    node = api().status_node(raw);
    offset = api().status_package_offset(raw);
  }
  bool mentions(const char *text) const { return message.find(text) != std::string::npos; }
};
inline std::ostream &operator<<(std::ostream &out, const Outcome &outcome) {
  return out << outcome.code << ": " << outcome.message << " {" << outcome.node << "}";
}

#define EXPECT_OK(call)                                                                                                \
  do {                                                                                                                 \
    ::lathe::test::Outcome outcome(call);                                                                              \
    EXPECT_EQ(outcome.code, LATHE_OK) << outcome;                                                                      \
  } while (0)
#define EXPECT_FAILS(call, expected, text)                                                                             \
  do {                                                                                                                 \
    ::lathe::test::Outcome outcome(call);                                                                              \
    EXPECT_TRUE(outcome.code == expected && outcome.mentions(text)) << outcome;                                        \
  } while (0)

// Package bytes at an address that the runtime accepts.
class Aligned {
public:
  explicit Aligned(const Bytes &bytes) : storage(bytes.size() + 64), count(bytes.size()) {
    start = storage.data() + (64 - reinterpret_cast<uintptr_t>(storage.data()) % 64);
    std::copy(bytes.begin(), bytes.end(), start);
  }
  uint8_t *data() const { return start; }
  size_t size() const { return count; }

private:
  Bytes storage;
  uint8_t *start;
  size_t count;
};

inline lathe_load_options loadOptions(const Aligned &package, lathe_verify verify = LATHE_VERIFY_EAGER) {
  lathe_load_options options = {};
  options.struct_size = sizeof options;
  options.memory = package.data();
  options.size = package.size();
  options.verify = verify;
  return options;
}

inline Runtime makeRuntime(uint32_t threads = 1) {
  lathe_runtime_options options = {};
  options.struct_size = sizeof options;
  options.threads = threads;
  lathe_runtime *runtime;
  EXPECT_OK(api().runtime_create(&options, &runtime));
  return Runtime(runtime);
}
inline Program makeProgram(lathe_runtime *runtime, const Aligned &package) {
  lathe_load_options options = loadOptions(package);
  lathe_program *program;
  EXPECT_OK(api().program_load(runtime, &options, &program));
  return Program(program);
}
inline lathe_context_options contextOptions() {
  lathe_context_options options = {};
  options.struct_size = sizeof options;
  return options;
}
inline Context makeContext(lathe_program *program, const lathe_context_options &options = contextOptions()) {
  lathe_context *context;
  EXPECT_OK(api().context_create(program, &options, &context));
  return Context(context);
}

inline lathe_tensor tensor(lathe_element_type type, const void *data, std::vector<int64_t> dims) {
  lathe_tensor t = {const_cast<void *>(data), type, static_cast<uint32_t>(dims.size()), {}};
  std::copy(dims.begin(), dims.end(), t.dims);
  return t;
}

// Inputs for gatherPackage and what must come out.
struct GatherCase {
  std::vector<int64_t> ids;
  std::vector<float> mask, expected;
  int64_t batch, sequence;

  GatherCase(int64_t batch, int64_t sequence, int64_t seed = 0) : batch(batch), sequence(sequence) {
    for (int64_t i = 0; i < batch * sequence; ++i) {
      ids.push_back((i * 7 + seed) % 20 - 10); // negative ones count from the end
      mask.push_back(static_cast<float>(i % 3));
      for (int64_t j = 0; j < 4; ++j)
        expected.push_back(static_cast<float>(((ids.back() + 10) % 10) * 4 + j) * mask.back() *
                           static_cast<float>(j + 1));
    }
  }
  void bind(lathe_context *context) const {
    lathe_tensor idTensor = tensor(LATHE_I64, ids.data(), {batch, sequence});
    lathe_tensor maskTensor = tensor(LATHE_F32, mask.data(), {batch, sequence});
    EXPECT_OK(api().set_input(context, 0, &idTensor));
    EXPECT_OK(api().set_input(context, 1, &maskTensor));
  }
  void expectOutput(lathe_context *context) const {
    lathe_tensor y;
    EXPECT_OK(api().output(context, 0, &y));
    ASSERT_EQ(y.rank, 3u);
    EXPECT_EQ(y.dims[0], batch);
    EXPECT_EQ(y.dims[1], sequence);
    EXPECT_EQ(y.dims[2], 4);
    auto *values = static_cast<const float *>(y.data);
    EXPECT_EQ(std::vector<float>(values, values + expected.size()), expected);
  }
};

} // namespace lathe::test
