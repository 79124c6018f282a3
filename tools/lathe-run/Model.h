// The C API as the commands use it: a loaded program with its inputs and outputs as C++ values, and a context that runs
// tensors. Errors come back as sentences, with the ONNX node where the runtime names one.
#pragma once
#include "runtime/include/lathe/lathe.h"
#include "tools/lathe-run/Commands.h"
#include "tools/lathe-run/Tensor.h"
#include <memory>

namespace lathe::tool {

// Takes the status over. True for success; else `error` is its message, and `code`, where given, its code.
bool succeeded(lathe_status *status, std::string &error, lathe_code *code = nullptr);

const lathe_api &api();

struct Value {
  std::string name;
  ElementType type;
  std::vector<int64_t> dims;         // -1 where it depends on symbols
  std::vector<std::string> formulas; // of each dimension
  std::string text() const;          // "i64[batch, sequence]"
};

struct Symbol {
  std::string name;
  int64_t min, max;
};

template <typename T, void (*lathe_api::*Release)(T *)> struct Releaser {
  void operator()(T *object) const { (api().*Release)(object); }
};
using RuntimeHandle = std::unique_ptr<lathe_runtime, Releaser<lathe_runtime, &lathe_api::runtime_release>>;
using ProgramHandle = std::unique_ptr<lathe_program, Releaser<lathe_program, &lathe_api::program_release>>;
using ContextHandle = std::unique_ptr<lathe_context, Releaser<lathe_context, &lathe_api::context_release>>;

// How a program is loaded and run, as flags say it.
struct ModelOptions {
  uint32_t threads = 0;                                              // 0: as many as the process may use
  int64_t maxBatch = 0;                                              // 0: the profile's
  std::string target;                                                // "": the best that can run
  std::string device;                                                // "": the CPU if it runs the package, else cuda:0
  std::string cudaDriver, nvrtc;                                     // paths of libraries; "": the usual ones
  std::vector<std::vector<std::pair<std::string, int64_t>>> buckets; // of a device: the largest shape of each
  bool inspect = false;                                              // load no code
  bool timeLaunches = false;                                         // on a device: one after another, timed
  lathe_verify verify = LATHE_VERIFY_LAZY;
  std::vector<uint8_t> digest;              // 32 bytes, or none
  std::string signatureFile, publicKeyFile; // both or none
  bool monitor = false;                     // measure runs and launches
  uint32_t traceCapacity = 0;

  // The flags that parse reads: those of every command, and those of the commands that run something.
  static std::vector<Flag> loadFlags();
  static std::vector<Flag> runFlags();
  bool parse(const Arguments &arguments, std::string &error);
};

class Model {
public:
  // Loads the package; createContext then makes it ready to run.
  bool load(const ModelSource &source, const ModelOptions &options, std::string &error);
  bool createContext(const ModelOptions &options, std::string &error);

  const lathe_program *program() const { return programHandle.get(); }
  lathe_context *context() const { return contextHandle.get(); }
  uint32_t entry() const { return entryIndex; }
  bool onDevice() const { return deviceName != "cpu"; }
  // False where the program runs on the CPU, or with `error`.
  bool deviceInfo(lathe_device_info &info, std::string &error) const;
  const std::vector<Symbol> &symbols() const { return symbolList; }
  const std::vector<Value> &inputs() const { return inputList; }
  const std::vector<Value> &outputs() const { return outputList; }
  double loadSeconds() const { return seconds; }

  // `tensors` has one for each input, in order, and must outlive the runs. Types are converted where lossless.
  bool setInputs(std::vector<Tensor> &tensors, std::string &error);
  bool run(std::string &error, lathe_code *code = nullptr);
  // The latest run's result, copied.
  bool output(uint32_t index, Tensor &tensor, std::string &error);

private:
  RuntimeHandle runtimeHandle;
  ProgramHandle programHandle;
  ContextHandle contextHandle;
  uint32_t entryIndex = 0;
  std::vector<Symbol> symbolList;
  std::vector<Value> inputList, outputList;
  double seconds = 0;
  std::string deviceName = "cpu";

  bool describe(std::string &error);
};

} // namespace lathe::tool
