// What a compilation gained, by running it beside the model as it was.
#include "tools/lathe/TimePackages.h"
#include "compiler/Driver/Example.h"
#include "mlir/IR/MLIRContext.h"
#include "tools/lathe-run/Inputs.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include <chrono>

using namespace lathe;
using namespace lathe::tool;

static constexpr unsigned kRuns = 100, kWarmup = 5;

namespace {
/// One of both, ready to run.
struct Side {
  Model model;
  std::vector<Tensor> inputs;
  std::vector<double> milliseconds;

  bool load(const std::string &path, const std::vector<ShapeSpec> &shapes, Timings::Side &figures, std::string &error) {
    ModelOptions options;
    options.threads = 1;
    options.monitor = true;
    InputOptions how;
    how.shapes = shapes;
    (void)llvm::sys::fs::file_size(path, figures.packageBytes);
    return model.load({path, std::nullopt}, options, error) && model.createContext(options, error) &&
           makeInputs(model, how, /*mayFill=*/true, inputs, error) && model.setInputs(inputs, error);
  }

  bool run(std::string &error) {
    auto start = std::chrono::steady_clock::now();
    bool done = model.run(error);
    milliseconds.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
    return done;
  }
  /// What came before doesn't count.
  bool reset(std::string &error) {
    milliseconds.clear();
    return succeeded(api().monitor_reset(model.context()), error);
  }

  /// Launches are in the order of the planned module's.
  bool collect(mlir::ModuleOp module, Timings::Side &figures, std::string &target, std::string &error) {
    for (double time : milliseconds)
      figures.average += time / milliseconds.size();
    figures.least = *llvm::min_element(milliseconds);
    figures.greatest = *llvm::max_element(milliseconds);
    std::vector<int64_t> symbols(model.symbols().size());
    for (uint32_t i = 0; i < symbols.size(); ++i)
      if (!succeeded(api().symbol_value(model.context(), i, &symbols[i]), error))
        return false;
    lathe_memory memory = {};
    memory.struct_size = sizeof memory;
    lathe_program_info program = {};
    program.struct_size = sizeof program;
    if (!succeeded(api().memory(model.program(), model.entry(), symbols.data(), 1, &memory), error) ||
        !succeeded(api().program_info(model.program(), &program), error))
      return false;
    figures.memoryBytes = memory.peak;
    target = program.target;
    module.walk([&](program::LaunchOp launch) {
      figures.launches.push_back({{}, 0});
      for (mlir::Value input : launch.getInputs())
        if (auto weight = input.getDefiningOp<program::WeightOp>())
          figures.launches.back().weights.push_back(weight.getWeight().str());
    });
    for (uint32_t i = 0; i < figures.launches.size(); ++i) {
      lathe_latency latency = {};
      latency.struct_size = sizeof latency;
      if (!succeeded(api().launch_latency(model.context(), i, &latency), error))
        return false;
      figures.launches[i].milliseconds = latency.average * 1e-6;
    }
    return true;
  }
};
} // namespace

bool tool::timePackages(const CompileOptions &plain, const std::string &path, mlir::ModuleOp module, Timings &timings,
                        std::string &error) {
  llvm::SmallString<128> before;
  if (std::error_code code = llvm::sys::fs::createTemporaryFile("lathe-timings", "lathe", before)) {
    error = "can't create a temporary file: " + code.message();
    return false;
  }
  llvm::FileRemover remover(before);
  mlir::DialectRegistry registry;
  registerDialects(registry);
  mlir::MLIRContext context(registry, mlir::MLIRContext::Threading::DISABLED);
  DiagnosticPrinter printer(context);
  auto compiled = compileToModule(context, plain);
  if (failed(compiled) || failed(writePackageFile(compiled->get(), plain, before, "")))
    return false;

  std::map<std::string, int64_t> sizes = getExampleSizes(module);
  std::vector<ShapeSpec> shapes;
  module.walk([&](program::InputOp input) {
    ShapeSpec shape{input.getName().str(), {}};
    for (const Dim &dim : tfm::getDims(input.getTensorType()))
      shape.dims.push_back(
          dim.evaluate([&](llvm::StringRef name) -> std::optional<int64_t> { return sizes[name.str()]; }).value_or(1));
    shapes.push_back(std::move(shape));
  });
  Side old, now;
  if (!old.load(before.str().str(), shapes, timings.before, error) || !now.load(path, shapes, timings.after, error))
    return false;
  for (unsigned i = 0; i < kWarmup + kRuns; ++i)
    if ((i == kWarmup && !(old.reset(error) && now.reset(error))) || !old.run(error) || !now.run(error))
      return false;
  timings.runs = kRuns;
  return old.collect(compiled->get(), timings.before, timings.target, error) &&
         now.collect(module, timings.after, timings.target, error);
}
