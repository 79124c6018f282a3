// Each op that a compression changed becomes a program of its own, whose time is predicted or measured.
#include "compiler/Driver/Objective.h"
#include "compiler/Driver/CostModel.h"
#include "compiler/Driver/Example.h"
#include "dialects/Tfm/Weights.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/IRMapping.h"
#include "passes/Schedule/Cuda.h"
#include "tools/lathe-run/Inputs.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"
#include <chrono>

using namespace mlir;
using namespace lathe;

/// What has to be saved of the time that changes, for predictions and timings are never exact.
static constexpr double kLeastGain = 0.02;

/// A program of the op alone, of constant dimensions, which reads the op's own weights.
static OwningOpRef<ModuleOp> isolate(Operation *op) {
  auto from = op->getParentOfType<ModuleOp>();
  std::map<std::string, int64_t> sizes = getExampleSizes(from);
  auto value = [&](StringRef symbol) -> std::optional<int64_t> { return sizes[symbol.str()]; };
  auto fix = [&](ArrayRef<Dim> dims) {
    return llvm::map_to_vector(dims, [&](const Dim &dim) { return Dim(dim.evaluate(value).value_or(1)); });
  };
  auto fixType = [&](Type type) -> Type {
    return tfm::getTensorType(fix(tfm::getDims(type)), cast<RankedTensorType>(type).getElementType());
  };
  MLIRContext *context = op->getContext();
  OpBuilder builder(context);
  Location loc = UnknownLoc::get(context);
  OwningOpRef<ModuleOp> module = ModuleOp::create(loc);
  builder.setInsertionPointToStart(module->getBody());
  llvm::SetVector<Value> inputs;
  for (Value operand : op->getOperands())
    if (auto get = operand.getDefiningOp<tfm::GetOp>()) {
      if (!module->lookupSymbol(get.getWeight()))
        builder.clone(*from.lookupSymbol(get.getWeight()));
    } else {
      inputs.insert(operand);
    }
  SmallVector<Type> types, results;
  for (Value input : inputs)
    types.push_back(fixType(input.getType()));
  for (Type type : op->getResultTypes())
    results.push_back(fixType(type));
  auto main = func::FuncOp::create(builder, loc, "main", FunctionType::get(context, types, results));
  Block *block = main.addEntryBlock();
  builder.setInsertionPointToStart(block);
  IRMapping mapping;
  for (auto [i, input] : llvm::enumerate(inputs)) {
    mapping.map(input, block->getArgument(i));
    main.setArgAttr(i, tfm::kNameAttr, builder.getStringAttr("input" + Twine(i)));
  }
  for (Value operand : op->getOperands())
    if (auto get = operand.getDefiningOp<tfm::GetOp>(); get && !mapping.contains(operand))
      mapping.map(operand, builder.clone(*get)->getResult(0));
  Operation *copy = builder.clone(*op, mapping);
  for (auto [result, type] : llvm::zip_equal(copy->getResults(), results))
    result.setType(type);
  for (NamedAttribute attr : op->getAttrs())
    if (auto dims = dyn_cast<tfm::DimsAttr>(attr.getValue()))
      copy->setAttr(attr.getName(), tfm::DimsAttr::get(context, fix(dims.getDims())));
  for (unsigned i = 0; i < results.size(); ++i)
    main.setResultAttr(i, tfm::kNameAttr, builder.getStringAttr("output" + Twine(i)));
  func::ReturnOp::create(builder, loc, copy->getResults());
  return module;
}

/// The least time of many runs, by one thread; `runs` is false where this machine doesn't run the target.
FailureOr<double> Judge::measure(ModuleOp alone, const std::string &target, bool &runs) {
  runs = false;
  SmallString<128> path;
  if (std::error_code code = llvm::sys::fs::createTemporaryFile("lathe-tune", "lathe", path))
    return alone.emitError("can't make a temporary file: ") << code.message();
  llvm::scope_exit remove([&] { (void)llvm::sys::fs::remove(path); });
  CompileOptions compile;
  compile.targets = {target};
  compile.optimization = options.optimization;
  compile.nvrtc = options.nvrtc;
  OwningOpRef<ModuleOp> copy = alone.clone();
  if (failed(runPhases(*copy, compile, Phase::Fuse, Phase::Plan)) || failed(writePackageFile(*copy, compile, path, "")))
    return failure();
  tool::Model model;
  tool::ModelOptions how;
  how.threads = 1;
  how.target = target;
  how.device = schedule::isCudaTarget(target) ? "cuda:0" : "cpu";
  std::string error;
  if (!model.load({path.str().str(), std::nullopt}, how, error) || !model.createContext(how, error))
    return 0.0;
  std::vector<tool::Tensor> inputs;
  if (!tool::makeInputs(model, {}, /*mayFill=*/true, inputs, error) || !model.setInputs(inputs, error))
    return alone.emitError("--tune=measure: ") << error;
  using Clock = std::chrono::steady_clock;
  auto since = [](Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); };
  constexpr int kLeastRuns = 20, kMostRuns = 2000;
  constexpr double kSeconds = 0.05;
  double least = INFINITY;
  auto begin = Clock::now();
  for (int run = 0; run < kMostRuns && (run < kLeastRuns || since(begin) < kSeconds); ++run) {
    auto start = Clock::now();
    if (!model.run(error))
      return alone.emitError("--tune=measure: ") << error;
    least = std::min(least, since(start));
  }
  runs = true;
  return least;
}

FailureOr<std::vector<double>> Judge::getSeconds(Operation *op, const std::string &text) {
  if (auto known = seconds.find(text); known != seconds.end())
    return known->second;
  OwningOpRef<ModuleOp> alone = isolate(op);
  OwningOpRef<ModuleOp> scheduled = alone->clone();
  CompileOptions compile;
  compile.targets = options.targets;
  compile.allowFallback = options.allowFallback;
  if (failed(runPhases(*scheduled, compile, Phase::Fuse, Phase::Schedule)))
    return failure();
  std::vector<double> result;
  for (const std::string &target : options.targets) {
    bool isMeasured = false;
    double sum = 0;
    if (options.measure) {
      auto measured = measure(*alone, target, isMeasured);
      if (failed(measured))
        return failure();
      sum = *measured;
    }
    for (auto kernel : scheduled->getOps<kernel::FuncOp>()) {
      auto predicted = isMeasured ? FailureOr<double>(0.0) : predictSeconds(kernel, target);
      if (failed(predicted))
        return failure();
      sum += *predicted;
    }
    result.push_back(sum);
  }
  return seconds[text] = result;
}

static int64_t getWeightBytes(ModuleOp module) {
  int64_t bytes = 0;
  for (auto weight : module.getOps<tfm::WeightOp>())
    bytes += tfm::getByteSize(weight.getTensorType()).value_or(0);
  return bytes;
}

FailureOr<std::optional<std::string>> Judge::getObjection(ModuleOp before, ModuleOp after) {
  using Result = std::optional<std::string>;
  if (options.objective == "size") {
    int64_t old = getWeightBytes(before), now = getWeightBytes(after);
    if (now < old)
      return Result();
    return Result("it doesn't lower the bytes: " + std::to_string(old) + " before, " + std::to_string(now) + " after");
  }
  // How many more there are after than before, of ops that differ in more than their weights' values.
  llvm::MapVector<StringRef, std::pair<Operation *, int>> ops;
  std::vector<std::unique_ptr<std::string>> texts;
  for (auto [module, sign] : {std::pair(before, -1), std::pair(after, 1)})
    module.walk([&, sign = sign](Operation *op) {
      if (!isa<tfm::LinearOp, tfm::MatmulOp, tfm::ConvOp, tfm::AttentionOp, tfm::EmbeddingOp>(op))
        return;
      texts.push_back(std::make_unique<std::string>());
      llvm::raw_string_ostream os(*texts.back());
      os << op->getName() << op->getAttrDictionary() << TypeRange(op->getOperands()) << op->getResultTypes();
      auto &[first, count] = ops[*texts.back()];
      first = op;
      count += sign;
    });
  std::vector<double> old(options.targets.size()), now(options.targets.size());
  bool differs = false;
  for (auto &[text, counted] : ops) {
    auto [op, count] = counted;
    if (count == 0)
      continue;
    differs = true;
    auto each = getSeconds(op, text.str());
    if (failed(each))
      return failure();
    for (size_t i = 0; i < each->size(); ++i)
      (count < 0 ? old : now)[i] += std::abs(count) * (*each)[i];
  }
  if (!differs)
    return Result("its kernels would be the same, and no faster");
  for (auto [target, from, to] : llvm::zip(options.targets, old, now))
    if (to > from * (1 - kLeastGain))
      return Result(llvm::formatv("it isn't faster on {0}: {1:F2} us before, {2:F2} after, {3}", target, from * 1e6,
                                  to * 1e6, options.measure ? "measured" : "predicted"));
  return Result();
}
