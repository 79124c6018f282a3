#include "tools/lathe-run/Model.h"
#include "tools/lathe-run/ShapeSpec.h"
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <unistd.h>

namespace lathe::tool {

static_assert(unsigned(ElementType::F64) == LATHE_F64 && unsigned(ElementType::I64) == LATHE_I64 &&
              unsigned(ElementType::Bool) == LATHE_BOOL && kElementTypes == LATHE_F64 + 1);

const lathe_api &api() {
  static const lathe_api *table = lathe_get_api(LATHE_API_VERSION); // the library is linked in: never null
  return *table;
}

bool succeeded(lathe_status *status, std::string &error, lathe_code *code) {
  if (!status)
    return true;
  if (code)
    *code = api().status_code(status);
  error = api().status_message(status);
  std::string node = api().status_node(status);
  if (!node.empty() && error.find(node) == std::string::npos) {
    // A fused kernel has many nodes: the message comes first, one of them behind it.
    size_t others = 0, first = node.find(", ");
    for (size_t at = first; at != std::string::npos; at = node.find(", ", at + 2))
      ++others;
    error +=
        " (node '" + node.substr(0, first) + "'" + (others ? " and " + std::to_string(others) + " more" : "") + ")";
  }
  api().status_release(status);
  return false;
}

std::string Value::text() const {
  std::string out = std::string(typeName(type)) + "[";
  for (size_t i = 0; i < formulas.size(); ++i)
    out += (i ? ", " : "") + formulas[i];
  return out + "]";
}

std::vector<Flag> ModelOptions::loadFlags() {
  return {
      {"--target", "NAME", "use this variant of the code, as x86-64-v3 (default: the best that can run)"},
      {"--device", "NAME", "run on cpu or cuda:N (default: the CPU if it runs the package, else cuda:0)"},
      {"--cuda-driver", "PATH", "library of the CUDA driver (default: libcuda.so.1)"},
      {"--nvrtc", "PATH", "library that compiles a package's source for the device (default: libnvrtc.so.13 or .12)"},
      {"--verify-weights", "MODE", "when to check the weights' hashes: lazy (default), eager or off"},
      {"--digest", "HEX", "refuse the package unless SHA-256 of its first 128 bytes is this"},
      {"--signature", "FILE", "refuse it unless this Ed25519 signature of its first 128 bytes is valid"},
      {"--public-key", "FILE", "the signature's key, 32 bytes"},
      {"--threads", "N", "use at most N threads (default: as many as the process may use)"}};
}

std::vector<Flag> ModelOptions::runFlags() {
  std::vector<Flag> flags = loadFlags();
  flags.push_back({"--max-batch", "N", "take batches up to N, as micro-batches of what the model was compiled for"});
  flags.push_back({"--bucket", "SYMBOLS",
                   "on a device: one graph for shapes up to this, as batch=8,sequence=128; may be given\n"
                   "several times (default: made as needed, sizes rounded up to 2^k or 3*2^k)",
                   true});
  return flags;
}

namespace {
bool parseHex(const std::string &text, std::vector<uint8_t> &bytes) {
  auto digit = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; };
  for (size_t i = 0; i + 1 < text.size(); i += 2) {
    int high = digit(text[i]), low = digit(text[i + 1]);
    if (high < 0 || low < 0)
      return false;
    bytes.push_back(uint8_t(high << 4 | low));
  }
  return text.size() == 64 && bytes.size() == 32;
}

// A file that must have exactly `size` bytes.
bool readExactly(const std::string &path, size_t size, std::vector<uint8_t> &bytes, std::string &error) {
  if (!readFile(path, bytes, error, 1 << 16))
    return false;
  if (bytes.size() != size)
    error = "'" + path + "': expected " + std::to_string(size) + " bytes, got " + std::to_string(bytes.size());
  return bytes.size() == size;
}
} // namespace

bool ModelOptions::parse(const Arguments &arguments, std::string &error) {
  int64_t threadCount;
  if (!arguments.integer("--threads", 0, 0, 1024, threadCount, error) ||
      !arguments.integer("--max-batch", 0, 0, INT64_MAX, maxBatch, error))
    return false;
  threads = uint32_t(threadCount);
  target = arguments.value("--target").value_or("");
  device = arguments.value("--device").value_or("");
  cudaDriver = arguments.value("--cuda-driver").value_or("");
  nvrtc = arguments.value("--nvrtc").value_or("");
  for (const std::string &text : arguments.values("--bucket")) {
    auto symbols = parseSymbols(text, error);
    if (!symbols) {
      error.insert(0, "--bucket: ");
      return false;
    }
    buckets.push_back(std::move(*symbols));
  }
  std::string mode = arguments.value("--verify-weights").value_or("lazy");
  if (mode != "lazy" && mode != "eager" && mode != "off") {
    error = "--verify-weights: expected lazy, eager or off, got '" + mode + "'";
    return false;
  }
  verify = mode == "lazy" ? LATHE_VERIFY_LAZY : mode == "eager" ? LATHE_VERIFY_EAGER : LATHE_VERIFY_OFF;
  std::optional<std::string> hex = arguments.value("--digest");
  if (hex && !parseHex(*hex, digest)) {
    error = "--digest: expected 64 hexadecimal digits in lower case, got '" + *hex + "'";
    return false;
  }
  if (arguments.has("--signature") != arguments.has("--public-key")) {
    error = "--signature and --public-key go together";
    return false;
  }
  signatureFile = arguments.value("--signature").value_or("");
  publicKeyFile = arguments.value("--public-key").value_or("");
  return true;
}

bool Model::load(const ModelSource &source, const ModelOptions &how, std::string &error) {
  lathe_runtime_options runtimeOptions = {};
  runtimeOptions.struct_size = sizeof runtimeOptions;
  runtimeOptions.threads = how.threads;
  runtimeOptions.cuda_driver = how.cudaDriver.empty() ? nullptr : how.cudaDriver.c_str();
  runtimeOptions.nvrtc = how.nvrtc.empty() ? nullptr : how.nvrtc.c_str();
  lathe_runtime *newRuntime;
  if (!succeeded(api().runtime_create(&runtimeOptions, &newRuntime), error))
    return false;
  runtimeHandle.reset(newRuntime);

  lathe_load_options options = {};
  options.struct_size = sizeof options;
  options.target = how.target.empty() ? nullptr : how.target.c_str();
  options.device = how.device.empty() ? nullptr : how.device.c_str();
  options.flags = how.inspect ? LATHE_LOAD_INSPECT : 0;
  options.verify = how.verify;
  options.expected_digest = how.digest.empty() ? nullptr : how.digest.data();
  std::vector<uint8_t> signature, key;
  if (!how.signatureFile.empty()) {
    if (!readExactly(how.signatureFile, 64, signature, error) || !readExactly(how.publicKeyFile, 32, key, error))
      return false;
    options.signature = signature.data();
    options.public_key = key.data();
  }

  auto begin = std::chrono::steady_clock::now();
  int fd = -1;
  if (source.part) {
    fd = open(source.path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
      error = "can't read '" + source.path + "': " + std::strerror(errno);
      return false;
    }
    options.use_fd = 1;
    options.fd = fd;
    options.offset = source.part->offset;
    options.size = source.part->size;
  } else {
    options.path = source.path.c_str();
  }
  lathe_program *newProgram;
  bool loaded = succeeded(api().program_load(runtimeHandle.get(), &options, &newProgram), error);
  if (fd >= 0)
    close(fd);
  seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  if (!loaded) {
    if (error.find(source.path) == std::string::npos)
      error = "can't load '" + source.path + "': " + error;
    return false;
  }
  programHandle.reset(newProgram);
  return describe(error);
}

bool Model::describe(std::string &error) {
  lathe_program_info info = {};
  info.struct_size = sizeof info;
  if (!succeeded(api().program_info(program(), &info), error))
    return false;
  deviceName = info.device;
  for (uint32_t i = 0; i < info.symbol_count; ++i) {
    lathe_symbol_info symbol = {};
    symbol.struct_size = sizeof symbol;
    if (!succeeded(api().symbol_info(program(), i, &symbol), error))
      return false;
    symbolList.push_back({symbol.name, symbol.min, symbol.max});
  }
  lathe_entry_info entryInfo = {};
  entryInfo.struct_size = sizeof entryInfo;
  if (!succeeded(api().entry_info(program(), entryIndex, &entryInfo), error))
    return false;
  for (bool input : {true, false}) {
    uint32_t count = input ? entryInfo.input_count : entryInfo.output_count;
    for (uint32_t i = 0; i < count; ++i) {
      lathe_value_info value = {};
      value.struct_size = sizeof value;
      auto get = input ? api().input_info : api().output_info;
      if (!succeeded(get(program(), entryIndex, i, &value), error))
        return false;
      Value described{value.name, ElementType(value.type), {value.dims, value.dims + value.rank}, {}};
      described.formulas.assign(value.formulas, value.formulas + value.rank);
      (input ? inputList : outputList).push_back(std::move(described));
    }
  }
  return true;
}

bool Model::createContext(const ModelOptions &how, std::string &error) {
  lathe_context_options options = {};
  options.struct_size = sizeof options;
  options.max_batch = how.maxBatch;
  options.monitor = how.monitor;
  options.trace_capacity = how.traceCapacity;
  options.time_launches = how.timeLaunches;
  std::vector<std::vector<lathe_symbol_value>> values;
  std::vector<lathe_bucket> buckets;
  for (const auto &given : how.buckets) {
    values.emplace_back();
    for (auto &[name, value] : given)
      values.back().push_back({name.c_str(), value});
  }
  buckets.reserve(values.size());
  for (const auto &bucket : values)
    buckets.push_back({bucket.data(), uint32_t(bucket.size())});
  options.buckets = buckets.data();
  options.bucket_count = uint32_t(buckets.size());
  lathe_context *newContext;
  if (!succeeded(api().context_create(programHandle.get(), &options, &newContext), error))
    return false;
  contextHandle.reset(newContext);
  return true;
}

bool Model::deviceInfo(lathe_device_info &info, std::string &error) const {
  info = {};
  info.struct_size = sizeof info;
  return onDevice() && succeeded(api().device_info(runtimeHandle.get(), deviceName.c_str(), &info), error);
}

bool Model::setInputs(std::vector<Tensor> &tensors, std::string &error) {
  for (uint32_t i = 0; i < tensors.size(); ++i) {
    Tensor &tensor = tensors[i];
    if (!convertLossless(tensor, inputList[i].type, error)) {
      error.insert(0, "input '" + inputList[i].name + "' ");
      return false;
    }
    if (tensor.dims.size() > LATHE_MAX_RANK) {
      error = "input '" + inputList[i].name + "' has " + std::to_string(tensor.dims.size()) + " dimensions; at most " +
              std::to_string(LATHE_MAX_RANK) + " are possible";
      return false;
    }
    // An empty vector's pointer may be null, which the runtime takes for an input that is missing.
    tensor.bytes.reserve(64);
    lathe_tensor view = {};
    view.data = tensor.bytes.data();
    view.type = lathe_element_type(tensor.type);
    view.rank = uint32_t(tensor.dims.size());
    std::copy(tensor.dims.begin(), tensor.dims.end(), view.dims);
    if (!succeeded(api().set_input(context(), i, &view), error))
      return false;
  }
  return true;
}

bool Model::run(std::string &error, lathe_code *code) { return succeeded(api().run(context()), error, code); }

bool Model::output(uint32_t index, Tensor &tensor, std::string &error) {
  lathe_tensor view;
  if (!succeeded(api().output(context(), index, &view), error))
    return false;
  tensor.name = outputList[index].name;
  tensor.type = ElementType(view.type);
  tensor.dims.assign(view.dims, view.dims + view.rank);
  const uint8_t *data = static_cast<const uint8_t *>(view.data);
  tensor.bytes.assign(data, data + byteCount(tensor.type, tensor.dims).value_or(0));
  return true;
}

} // namespace lathe::tool
