// Generated code as a device: `lathe compile` makes a package for one target, the runtime runs it in this process.
// Every run is repeated, with the inputs at another alignment, and must give the same bits. On a CPU the schedule may
// be another instruction set's, so that what is emitted for AVX-512 runs on a machine without it, in halves. On
// cuda-sim the runs differ in the order of the threads, and in when copies arrive.
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/Schedule/Strategy.h"
#include "test/conformance/Device.h"
#include "tools/lathe-run/Model.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"
#include "llvm/TargetParser/Host.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::conformance;
namespace fs = llvm::sys::fs;
namespace path = llvm::sys::path;

namespace {
/// Bytes `offset` elements past a 64-byte boundary.
class AlignedBytes {
public:
  AlignedBytes(ArrayRef<char> bytes, unsigned elementBytes, unsigned offset) : storage(bytes.size() + 192) {
    auto address = reinterpret_cast<uintptr_t>(storage.data());
    data = storage.data() + (64 - address % 64) + offset * elementBytes;
    std::copy(bytes.begin(), bytes.end(), data);
  }
  char *data;

private:
  std::vector<char> storage;
};

class CompiledExecutable : public Executable {
public:
  CompiledExecutable(MLIRContext *context, std::vector<std::string> names, bool simulated)
      : context(context), names(std::move(names)), simulated(simulated) {}
  tool::Model model;

  FailureOr<Results> run(ArrayRef<reference::Tensor> inputs, Check check) override {
    FailureOr<Results> first = failure();
    for (unsigned turn = 0, turns = simulated ? 3 : 2; turn < turns; ++turn) {
      if (simulated) { // the emulated driver reads these at each launch
        setenv("LATHE_SIM_SEED", std::to_string(turn).c_str(), 1);
        setenv("LATHE_SIM_ASYNC", turn % 2 ? "early" : "late", 1);
      }
      auto results = run(inputs, turn);
      if (failed(results))
        return failure();
      if (turn == 0) {
        if (failed(check(*results)))
          return failure();
        first = results;
      }
      for (auto [one, other] : llvm::zip(*first, *results))
        if (one.getBytes() != other.getBytes())
          return fail(simulated ? "results depend on the order of threads"
                                : "results depend on the alignment of the inputs");
    }
    return first;
  }

private:
  LogicalResult fail(const Twine &message) { return emitError(UnknownLoc::get(context)) << message; }

  FailureOr<Results> run(ArrayRef<reference::Tensor> inputs, unsigned offset) {
    std::vector<std::unique_ptr<AlignedBytes>> buffers;
    std::string error;
    for (auto [index, value] : llvm::enumerate(model.inputs())) {
      auto it = llvm::find(names, value.name);
      if (it == names.end())
        return fail("the package has an input '" + value.name + "', which the function hasn't");
      tool::Tensor tensor = fromReference(inputs[it - names.begin()]);
      buffers.push_back(std::make_unique<AlignedBytes>(inputs[it - names.begin()].getBytes(),
                                                       tool::elementSize(tensor.type), offset));
      lathe_tensor view = {};
      view.data = buffers.back()->data;
      view.type = static_cast<lathe_element_type>(tensor.type);
      view.rank = tensor.dims.size();
      std::copy(tensor.dims.begin(), tensor.dims.end(), view.dims);
      if (!tool::succeeded(tool::api().set_input(model.context(), index, &view), error))
        return fail(error);
    }
    if (!model.run(error))
      return fail(error);
    Results results;
    for (uint32_t i = 0; i < model.outputs().size(); ++i) {
      tool::Tensor result;
      if (!model.output(i, result, error))
        return fail(error);
      results.push_back(toReference(context, result));
    }
    return results;
  }

  MLIRContext *context;
  std::vector<std::string> names;
  bool simulated;
};

std::string findLathe() {
  std::string self = fs::getMainExecutable(nullptr, reinterpret_cast<void *>(&findLathe));
  std::string beside = (path::parent_path(self) + "/lathe").str();
  if (fs::can_execute(beside))
    return beside;
  auto found = llvm::sys::findProgramByName("lathe");
  return found ? *found : "";
}

class CompiledDevice : public Device {
public:
  /// `target` is as of lathe compile's --target; `schedule`, if another, that of another instruction set.
  CompiledDevice(StringRef target, StringRef schedule) : target(target), schedule(schedule), lathe(findLathe()) {}
  std::string getName() const override { return target + (schedule == target ? "" : ":" + schedule.substr(4)); }

  std::string whyUnavailable() const override {
    if (lathe.empty())
      return "there is no lathe to compile with";
    if (isCuda())
      return isSimulated() && !llvm::sys::findProgramByName("clang++-22") ? "there is no clang++-22" : "";
    StringRef isa = StringRef(target).substr(4);
    llvm::StringMap<bool> features = llvm::sys::getHostCPUFeatures();
    bool hasAll = llvm::all_of(schedule::getFeatures(*schedule::parseCpuTarget(isa)),
                               [&](StringRef name) { return features.lookup(name); });
    return hasAll ? "" : "this machine has no " + isa.str();
  }

  FailureOr<std::unique_ptr<Executable>> load(ModuleOp module) override {
    FailureOr<std::unique_ptr<Executable>> executable = failure();
    if (failed(withFile(module, [&](StringRef file) {
          executable = compile(module, {"--compile-from=simplify", file});
          return success(succeeded(executable));
        })))
      return failure();
    return executable;
  }
  LogicalResult writePackage(ModuleOp module, StringRef path) override {
    return withFile(module,
                    [&](StringRef file) { return runLathe(module, {"--compile-from=simplify", file}, target, path); });
  }
  FailureOr<std::unique_ptr<Executable>> loadPackage(ModuleOp module, StringRef file) override {
    std::vector<std::string> names;
    auto main = module.lookupSymbol<func::FuncOp>("main");
    for (unsigned i = 0; i < main.getNumArguments(); ++i) {
      auto name = main.getArgAttrOfType<StringAttr>(i, tfm::kNameAttr);
      names.push_back(name ? name.str() : "");
    }
    auto executable = std::make_unique<CompiledExecutable>(module.getContext(), std::move(names), isSimulated());
    tool::ModelOptions options;
    options.threads = 2;
    if (isCuda())
      options.device = "cuda:0";
    else
      options.target = target.substr(4);
    if (isSimulated())
      options.cudaDriver = (path::parent_path(path::parent_path(lathe)) + "/lib/libcuda-sim.so").str();
    std::string error;
    if (!executable->model.load({file.str(), std::nullopt}, options, error) ||
        !executable->model.createContext(options, error))
      return module.emitError("can't load the package: ") << error;
    return std::unique_ptr<Executable>(std::move(executable));
  }
  FailureOr<std::unique_ptr<Executable>> loadFile(ModuleOp module, StringRef onnxFile) override {
    return compile(module, {onnxFile});
  }

private:
  /// The module in a file, while the body runs.
  LogicalResult withFile(ModuleOp module, llvm::function_ref<LogicalResult(StringRef)> body) {
    SmallString<128> file;
    int descriptor;
    if (fs::createTemporaryFile("conformance", "mlir", descriptor, file))
      return module.emitError("can't make a temporary file");
    llvm::FileRemover remover(file);
    {
      llvm::raw_fd_ostream os(descriptor, /*shouldClose=*/true);
      module.print(os);
    }
    return body(file);
  }

  LogicalResult runLathe(ModuleOp module, ArrayRef<StringRef> arguments, StringRef target, StringRef output) {
    SmallString<128> log;
    if (fs::createTemporaryFile("conformance", "txt", log))
      return module.emitError("can't make a temporary file");
    llvm::FileRemover remover(log);
    std::string flag = ("--target=" + target).str();
    SmallVector<StringRef> command{lathe, "compile", "-o", output, flag};
    const char *library = getenv("LATHE_DEVICE_LIBRARY"); // mutants of compiler/Cuda/Device
    std::string libraryFlag = std::string("--device-library=") + (library ? library : "");
    if (library && isCuda())
      command.push_back(libraryFlag);
    command.append(arguments.begin(), arguments.end());
    std::optional<StringRef> redirects[] = {StringRef(""), StringRef(log), StringRef(log)};
    std::string message;
    int status = llvm::sys::ExecuteAndWait(lathe, command, std::nullopt, redirects, 600, 0, &message);
    if (status == 0)
      return success();
    auto text = llvm::MemoryBuffer::getFile(log);
    return module.emitError("lathe compile gave ")
           << status << " " << message << ": " << (text ? (*text)->getBuffer().trim() : StringRef());
  }

  /// The IR after the schedule phase for `schedule`, said to be for `target`.
  LogicalResult takeSchedule(ModuleOp module, ArrayRef<StringRef> arguments, StringRef file) {
    SmallVector<StringRef> all(arguments);
    all.push_back("--compile-to=schedule");
    if (failed(runLathe(module, all, schedule, file)))
      return failure();
    auto text = llvm::MemoryBuffer::getFile(file);
    std::error_code error;
    llvm::raw_fd_ostream os(file, error);
    if (!text || error)
      return module.emitError("can't rewrite a temporary file");
    std::string from = "target = \"" + schedule.substr(4) + "\"", to = "target = \"" + target.substr(4) + "\"";
    SmallVector<StringRef> parts;
    (*text)->getBuffer().split(parts, from);
    llvm::interleave(parts, os, to);
    return success();
  }

  FailureOr<std::unique_ptr<Executable>> compile(ModuleOp module, ArrayRef<StringRef> arguments) {
    SmallString<128> package, scheduled;
    if (fs::createTemporaryFile("conformance", "lathe", package) ||
        fs::createTemporaryFile("conformance", "mlir", scheduled))
      return module.emitError("can't make a temporary file");
    llvm::FileRemover removePackage(package), removeScheduled(scheduled);
    if (schedule != target && failed(takeSchedule(module, arguments, scheduled)))
      return failure();
    if (failed(runLathe(module,
                        schedule == target ? arguments : ArrayRef<StringRef>{"--compile-from=schedule", scheduled},
                        target, package)))
      return failure();
    return loadPackage(module, package);
  }

  bool isSimulated() const { return StringRef(target).starts_with("cuda-sim"); }
  bool isCuda() const { return StringRef(target).starts_with("cuda"); }

  std::string target, schedule, lathe;
};
} // namespace

std::unique_ptr<Device> conformance::createCompiledDevice(StringRef name) {
  if (name == "cuda")
    return std::make_unique<CompiledDevice>("cuda:all", "cuda:all");
  if (name == "cuda-sim" || name == "cuda-sim:sm_89" || name == "cuda-sim:sm_90a" || name.starts_with("cuda:"))
    return std::make_unique<CompiledDevice>(name, name);
  if (!name.consume_front("cpu:"))
    return nullptr;
  auto [isa, schedule] = name.split(':');
  for (StringRef part : {isa, schedule.empty() ? isa : schedule})
    if (!schedule::parseCpuTarget(part))
      return nullptr;
  return std::make_unique<CompiledDevice>(("cpu:" + isa).str(), ("cpu:" + (schedule.empty() ? isa : schedule)).str());
}
