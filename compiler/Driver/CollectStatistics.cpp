// Runs a tapped model in this process, through the runtime.
#include "compiler/Driver/CollectStatistics.h"
#include "compiler/Data/Signature.h"
#include "compiler/Driver/HostModel.h"
#include "compiler/Statistics/Observer.h"
#include "compiler/Statistics/Taps.h"
#include "dialects/Tfm/Weights.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SHA256.h"
#include "llvm/Support/ThreadPool.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace lathe;
using statistics::Digest;
using statistics::Statistics;

/// Of tokens in a batch whose products are summed in f32.
static constexpr uint64_t kBatchTokens = 4096;

static InFlightDiagnostic diagnose(ModuleOp module) { return emitError(UnknownLoc::get(module.getContext())); }

FailureOr<Digest> lathe::hashModel(ModuleOp module) {
  llvm::SHA256 hash;
  auto add = [&](StringRef text) {
    hash.update(std::to_string(text.size()) + ":");
    hash.update(text);
  };
  std::string text;
  llvm::raw_string_ostream os(text);
  if (auto symbols = module->getAttr(tfm::kSymbolsAttr))
    os << symbols;
  for (auto function : module.getOps<func::FuncOp>())
    os << function;
  add(text);
  tfm::Weights &weights = module.getContext()->getOrLoadDialect<tfm::TfmDialect>()->getWeights();
  for (auto weight : module.getOps<tfm::WeightOp>()) {
    text.clear();
    os << weight.getSymName() << " " << weight.getType();
    add(text);
    auto bytes = weights.getBytes(weight);
    if (!bytes)
      return weight.emitError(llvm::toString(bytes.takeError()));
    add(StringRef(bytes->data(), bytes->size()));
  }
  return hash.final();
}

namespace {

/// Taps that are summed into one entry: those of weights that read the same inputs.
struct Group {
  std::vector<std::string> weights;
  std::vector<size_t> taps;
};

std::vector<Group> groupWeights(ArrayRef<statistics::Tap> taps) {
  std::map<std::string, std::vector<size_t>> inputs; // of a weight
  for (auto [index, tap] : llvm::enumerate(taps))
    for (const std::string &weight : tap.weights)
      inputs[weight].push_back(index);
  std::map<std::vector<size_t>, std::vector<std::string>> groups;
  for (auto &[weight, tapped] : inputs)
    groups[tapped].push_back(weight);
  std::vector<Group> result;
  for (auto &[tapped, weights] : groups)
    result.push_back({weights, tapped});
  llvm::sort(result, [](const Group &a, const Group &b) { return a.weights < b.weights; });
  return result;
}

class Collector {
public:
  Collector(ModuleOp module, const data::DataSet &set, const data::ImpliedInputs &implied,
            const CompileOptions &options)
      : module(module), set(set), implied(implied), options(options) {}

  FailureOr<Statistics> run(const std::function<void(double)> &progress) {
    auto built = statistics::tapLinears(module);
    if (failed(built))
      return failure();
    tapped = std::move(*built);
    if (failed(loadOnHost(*tapped.module, options, model, target)))
      return failure();
    std::vector<Group> groups = groupWeights(tapped.taps);
    std::vector<statistics::Observer> observers;
    for (const Group &group : groups)
      observers.emplace_back(*tapped.taps[group.taps[0]].dims.back().getConstant());

    auto batches = planBatches();
    llvm::DefaultThreadPool pool(llvm::hardware_concurrency(std::max(options.threads, 1u)));
    size_t done = 0;
    for (const std::vector<uint64_t> &rows : batches) {
      progress(static_cast<double>(done++) / batches.size());
      std::string error;
      data::Batch batch = set.batch(rows);
      if (llvm::Error lacking = implied.fill(batch)) {
        diagnose(module) << "calibration: " << llvm::toString(std::move(lacking));
        return failure();
      }
      if (!model.setInputs(batch.inputs, error) || !model.run(error) || !readOutputs(error)) {
        diagnose(module) << "calibration: samples " << rows.front() << " to " << rows.back() << ": " << error;
        return failure();
      }
      std::vector<char> isFinite(groups.size(), true);
      for (size_t i = 0; i < groups.size(); ++i)
        pool.async([&, i] {
          for (size_t tap : groups[i].taps)
            isFinite[i] = isFinite[i] && observe(tap, observers[i]);
        });
      pool.wait();
      for (auto [group, finite] : llvm::zip(groups, isFinite))
        if (!finite) {
          diagnose(module) << "calibration: the input of the linear with weight '" << group.weights.front()
                           << "' holds a NaN or an infinity on one of " << rows.size()
                           << " samples, the first of which is " << rows.front();
          return failure();
        }
    }
    Statistics result;
    result.data = set.digest();
    result.target = target;
    result.rows = set.rows();
    for (auto [group, observer] : llvm::zip(groups, observers)) {
      result.entries.push_back(observer.take());
      result.entries.back().weights = group.weights;
    }
    return std::move(result);
  }

private:
  ModuleOp module;
  const data::DataSet &set;
  const data::ImpliedInputs &implied;
  const CompileOptions &options;
  statistics::TappedModule tapped;
  std::string target;
  tool::Model model;
  std::vector<lathe_tensor> outputs;

  /// As many rows at once as the memory for taps holds, and as f32 sums well.
  std::vector<std::vector<uint64_t>> planBatches() {
    uint64_t longest = 0;
    for (uint64_t row = 0; row < set.rows(); ++row)
      if (set.length(row) > set.length(longest))
        longest = row;
    std::map<std::string, int64_t> sizes;
    data::Batch batch = set.batch(set.plan(1, data::Order::AsGiven)[0]);
    if (set.hasLengths())
      batch = set.batch(longest);
    uint64_t rows = std::max<size_t>(batch.rows.size(), 1);
    for (auto [input, tensor] : llvm::zip(set.signature().inputs, batch.inputs))
      for (auto [dim, size] : llvm::zip(input.dims, tensor.dims))
        if (auto symbol = dim.getSymbol())
          sizes[symbol->str()] = size;
    uint64_t bytes = 1, tokens = 1;
    for (const statistics::Tap &tap : tapped.taps) {
      auto count = Dim::product(ArrayRef<Dim>(tap.dims).drop_back()).evaluate([&](StringRef symbol) {
        auto size = sizes.find(symbol.str());
        return size == sizes.end() ? std::nullopt : std::optional<int64_t>(size->second);
      });
      tokens = std::max<uint64_t>(tokens, count.value_or(1) / rows);
      bytes += count.value_or(1) / rows * *tap.dims.back().getConstant() * sizeof(float);
    }
    uint64_t most = std::min(options.statisticsMemory / bytes * tokens, kBatchTokens);
    if (set.hasLengths())
      return set.plan(UINT64_MAX, data::Order::ByLength, most);
    return set.plan(std::max<uint64_t>(most / tokens, 1), data::Order::AsGiven);
  }

  bool readOutputs(std::string &error) {
    outputs.resize(model.outputs().size());
    for (size_t i = 0; i < outputs.size(); ++i)
      if (!tool::succeeded(tool::api().output(model.context(), i, &outputs[i]), error))
        return false;
    return true;
  }

  static int64_t countElements(const lathe_tensor &tensor, unsigned rank) {
    int64_t count = 1;
    for (unsigned i = 0; i < rank; ++i)
      count *= tensor.dims[i];
    return count;
  }

  bool observe(size_t index, statistics::Observer &observer) const {
    const lathe_tensor &tap = outputs[index];
    int64_t rows = countElements(tap, tap.rank - 1);
    int padding = tapped.taps[index].padding;
    const uint8_t *isReal = padding < 0 ? nullptr : static_cast<const uint8_t *>(outputs[padding].data);
    return observer.add({static_cast<const float *>(tap.data), rows, tap.dims[tap.rank - 1]}, isReal);
  }
};

} // namespace

FailureOr<Statistics> lathe::collectStatistics(ModuleOp module, const data::DataSet &set,
                                               const data::ImpliedInputs &implied, const CompileOptions &options,
                                               const std::function<void(double)> &progress) {
  auto model = hashModel(module);
  if (failed(model))
    return failure();
  auto result = Collector(module, set, implied, options).run(progress);
  if (succeeded(result))
    result->model = *model;
  return result;
}

std::string lathe::getDefaultCache() {
  SmallString<128> path;
  if (!llvm::sys::path::cache_directory(path))
    return "";
  llvm::sys::path::append(path, "lathe");
  return path.str().str();
}

FailureOr<std::string> lathe::findStatistics(ModuleOp module, const CompileOptions &options, StringRef scratch,
                                             const std::function<void(double)> &progress) {
  auto model = hashModel(module);
  if (failed(model))
    return failure();
  auto hint = [](InFlightDiagnostic &&diagnostic) {
    diagnostic << "; hint: `lathe statistics MODEL --calibration=DIR -o FILE` takes them";
    return FailureOr<std::string>(failure());
  };
  if (!options.statistics.empty()) {
    auto file = statistics::readStatistics(options.statistics);
    if (!file)
      return hint(diagnose(module) << "--statistics: " << llvm::toString(file.takeError()));
    if (file->model != *model)
      return hint(diagnose(module) << "--statistics: '" << options.statistics
                                   << "' is of another model, of other flags that say how to read it, or of the model "
                                      "before a recipe's earlier stage, or its rules for a layer before, changed it "
                                      "(--calibration=DIR serves every stage, and with --statistics-cache=DIR on every "
                                      "machine)");
    return options.statistics;
  }
  if (options.calibration.empty())
    return hint(diagnose(module) << "statistics are needed: expected --calibration=DIR or --statistics=FILE");
  auto signature = data::describeInputs(module);
  if (failed(signature))
    return failure();
  data::ImpliedInputs implied(*signature, options.calibration);
  data::OpenOptions open;
  open.maxRows = options.calibrationSamples;
  auto set = data::DataSet::open(options.calibration, implied.given(), open);
  if (!set) {
    diagnose(module) << "calibration: " << llvm::toString(set.takeError());
    return failure();
  }
  std::string path = scratch.str();
  if (!options.statisticsCache.empty()) {
    // Of whatever target: what differs between them is rounding.
    llvm::SHA256 key;
    key.update(*model);
    key.update(set->digest());
    SmallString<128> cached(options.statisticsCache);
    llvm::sys::path::append(cached, "statistics-" + llvm::toHex(key.final(), /*LowerCase=*/true));
    auto file = statistics::readStatistics(cached);
    if (file && file->model == *model && file->data == set->digest())
      return cached.str().str();
    llvm::consumeError(file.takeError()); // there is none, or it is damaged: it is taken again
    if (!llvm::sys::fs::create_directories(options.statisticsCache))
      path = cached.str().str();
  }
  auto taken = collectStatistics(module, *set, implied, options, progress);
  if (failed(taken))
    return failure();
  if (llvm::Error error = statistics::writeStatistics(*taken, path)) {
    diagnose(module) << llvm::toString(std::move(error));
    return failure();
  }
  return path;
}
