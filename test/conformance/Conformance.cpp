// lathe-test-conformance: runs the suite's cases on one device. The reference is compared with each case's equivalent
// in other ops; every other device with the reference.
//
// Tolerances: an element that sums K terms of magnitude M (one, unless the case says more), in arithmetic of unit
// roundoff u, is off by at most M * u * (8 + K^1.5 / 4): Higham and Mary's probabilistic bound sqrt(K) * u * sum|a||b|
// ("A new approach to probabilistic rounding error analysis", 2019), with sum|a||b| = K/4 for uniform factors, plus
// eight units for a function's own error; relative to the result, eight units. Terms greater than one are within a
// function (the scores of attention), which is computed in f32 at least: M is of f32, u of what is of magnitude one.
// Cases with K = 0 must be equal to the bit (NaN is NaN).
#include "compiler/Reference/Numbers.h"
#include "dialects/Kernel/Kernel.h"
#include "mlir/Pass/PassManager.h"
#include "passes/Passes.h"
#include "passes/Precision/Ranges.h"
#include "test/conformance/Cases.h"
#include "test/conformance/Device.h"
#include "tools/lathe-run/Compare.h"
#include "tools/lathe-run/Npy.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"
#include <cmath>
#include <deque>
#include <iostream>
#include <set>
#include <sys/resource.h>
#include <sys/time.h>

using namespace mlir;
using namespace lathe;
using namespace lathe::conformance;
using reference::Tensor;
namespace cl = llvm::cl;

static cl::OptionCategory category("lathe-test-conformance");
static cl::opt<std::string>
    deviceName("device", cl::init("reference"),
               cl::desc("reference, cpu:ISA, cuda-sim, cuda, or with --export cuda:sm_90a and the like"),
               cl::cat(category));
static cl::opt<std::string> exportFolder("export", cl::desc("write packages, inputs and expected outputs there"),
                                         cl::cat(category));
static cl::opt<std::string> filter("filter", cl::desc("only cases whose name contains this"), cl::cat(category));
static cl::opt<std::string> precisionName("precision", cl::init("fp32"),
                                          cl::desc("run the cases as --lathe-convert-precision converts them"),
                                          cl::cat(category));
static cl::opt<bool> bounds("bounds", cl::desc("check the bounds that mixed precision derives, on the reference"),
                            cl::cat(category));
static cl::opt<bool> verbose("v", cl::desc("a line for every case"), cl::cat(category));
static cl::opt<bool> printOnly("print", cl::desc("print the cases' modules and don't run them"), cl::cat(category));
static cl::opt<bool> repeat("repeat", cl::desc("run the cases for each line of standard input: SECONDS NAME=VALUE"),
                            cl::cat(category));
static cl::opt<unsigned> jobs("jobs", cl::init(2), cl::desc("cases at a time"), cl::cat(category));

namespace {
/// splitmix64 (Steele, Lea, Flood 2014).
class Random {
public:
  explicit Random(uint64_t seed) : state(seed * 0x9e3779b97f4a7c15u + 1) {}
  uint64_t bits() {
    uint64_t z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  double unit() { return static_cast<double>(bits() >> 11) * 0x1p-53; }

private:
  uint64_t state;
};

Tensor makeInput(Type type, ArrayRef<int64_t> shape, const Fill &fill, unsigned index) {
  int64_t count = *reference::countElements(shape);
  Random random(index + 1);
  std::vector<double> values(count);
  for (double &value : values)
    value = fill.low + random.unit() * (fill.high - fill.low);
  bool isFloat = isa<FloatType>(type);
  if (fill.kind == Fill::Prefixes || fill.kind == Fill::Holes || fill.kind == Fill::Mask) {
    // Row r has max(1, columns - 3r) ones, but the second of three or more has none at all.
    int64_t columns = shape.empty() ? 1 : shape.back(), rows = columns ? count / columns : 0;
    for (int64_t i = 0; i < count; ++i) {
      int64_t row = i / columns, length = row == 1 && rows > 2 ? 0 : std::max<int64_t>(1, columns - 3 * row);
      values[i] = i % columns < length && !(fill.kind == Fill::Holes && rows == 1 && length > 8 && i == 3);
    }
  }
  if (fill.kind == Fill::Suffixes) {
    int64_t columns = shape.back();
    for (int64_t i = 0; i < count; ++i)
      values[i] = i % columns >= std::min(columns - 1, columns / 2 + 5 + i / columns * 5);
  }
  if (fill.kind == Fill::Special && isFloat) {
    const double specials[] = {NAN, INFINITY, -INFINITY, 0.0, -0.0, 0.5, -0.5, 1.5, 2.5, -1.0};
    for (int64_t i = 1; i < count; i += 3)
      values[i] = specials[(i / 3) % 10];
  }
  if (isFloat)
    return reference::storeFloats(type, shape, values);
  std::vector<int64_t> integers(count);
  for (int64_t i = 0; i < count; ++i)
    integers[i] = static_cast<int64_t>(std::floor(values[i]));
  if (fill.kind == Fill::Special) {
    unsigned bits = type.getIntOrFloatBitWidth();
    const int64_t specials[] = {0, -1, 1, APInt::getSignedMinValue(bits).getSExtValue(),
                                APInt::getSignedMaxValue(bits).getSExtValue()};
    for (int64_t i = 1; i < count; i += 3)
      integers[i] = specials[(i / 3) % 5];
  }
  return reference::storeIntegers(type, shape, integers);
}

SmallVector<Tensor> makeInputs(func::FuncOp main, ArrayRef<Fill> fills, const Binding &binding) {
  SmallVector<Tensor> inputs;
  for (auto [index, type] : llvm::enumerate(main.getArgumentTypes())) {
    SmallVector<int64_t> shape;
    for (const Dim &dim : tfm::getDims(type))
      shape.push_back(*dim.evaluate([&](StringRef name) -> std::optional<int64_t> {
        auto it = binding.find(name.str());
        return it == binding.end() ? std::nullopt : std::optional<int64_t>(it->second);
      }));
    inputs.push_back(makeInput(cast<RankedTensorType>(type).getElementType(), shape, fills[index], index));
  }
  return inputs;
}

double unitRoundoff(Type type) {
  return type.isF64() ? 0x1p-53 : type.isF32() ? 0x1p-24 : type.isF16() ? 0x1p-11 : 0x1p-8;
}

tool::Tolerance getTolerance(Type type, const Case &one) {
  if (one.terms == 0 || !isa<FloatType>(type))
    return {0, 0};
  // What was rounded on the way counts: a sum in f32 that differs in its last place may be rounded to the other side.
  double u = std::max(unitRoundoff(type), precisionName == "fp16" || precisionName == "tf32" ? 0x1p-11
                                          : precisionName == "bf16"                          ? 0x1p-8
                                                                                             : 0);
  double unit = std::max(u, std::min(u, 0x1p-24) * one.magnitude);
  return {8 * u, unit * (8 + std::pow(static_cast<double>(one.terms), 1.5) / 4)};
}

/// Empty if the results agree.
std::string compareResults(ArrayRef<Tensor> got, ArrayRef<Tensor> expected, const Case &which) {
  std::string text;
  llvm::raw_string_ostream os(text);
  for (auto [index, one, other] : llvm::enumerate(got, expected)) {
    if (one.getShape() != other.getShape() || one.getElementType() != other.getElementType())
      return "result " + std::to_string(index) + " has another type";
    tool::Tolerance tolerance = getTolerance(one.getElementType(), which);
    tool::Difference difference = tool::compare(fromReference(one), fromReference(other), tolerance);
    if (!difference.matches()) {
      os << "result " << index << ": " << difference.mismatches << " of " << difference.count << " differ, element "
         << difference.first << ": expected " << difference.expectedFirst << ", got " << difference.gotFirst
         << ", max abs " << difference.maxAbsolute << ", allowed " << tolerance.absolute << " + " << tolerance.relative
         << " relative";
      return text;
    }
  }
  return text;
}

std::string describe(const Binding &binding) {
  std::string text;
  for (auto &[name, value] : binding)
    text += (text.empty() ? "" : ", ") + name + " = " + std::to_string(value);
  return text;
}

struct Context {
  Context() : context(MLIRContext::Threading::DISABLED) {
    context.loadDialect<func::FuncDialect, tfm::TfmDialect, kernel::KernelDialect>();
    context.getDiagEngine().registerHandler([this](Diagnostic &diagnostic) {
      diagnostics += diagnostic.str() + "\n";
      return success();
    });
  }
  MLIRContext context;
  std::string diagnostics;
};

/// What a tensor's values are, as bounds.
precision::Bound getActual(const Tensor &tensor) {
  precision::Bound bound{INFINITY, -INFINITY, 0, 0};
  int64_t length = tensor.getShape().empty() ? 1 : tensor.getShape().back();
  double squares = 0, sum = 0;
  for (auto [index, x] : llvm::enumerate(reference::loadFloats(tensor))) {
    if (index % length == 0)
      squares = sum = 0;
    if (!std::isfinite(x)) // bounds are of what is finite
      continue;
    squares += x * x, sum += std::fabs(x);
    bound = {std::min(bound.low, x), std::max(bound.high, x), std::max(bound.norm, std::sqrt(squares)),
             std::max(bound.sum, sum)};
  }
  return bound.low <= bound.high ? bound : precision::Bound{0, 0, 0, 0};
}

/// Runs a case by the reference and holds each op's result against the bounds that mixed precision derives for it from
/// those of the inputs: PASS, or FAIL and which op exceeds them.
std::string checkBounds(const Case &one) {
  Context c;
  std::vector<Fill> fills;
  OwningOpRef<ModuleOp> module = buildModule(c.context, one, false, fills);
  auto main = module->lookupSymbol<func::FuncOp>("main");
  std::string text;
  llvm::raw_string_ostream os(text);
  for (const Binding &binding : one.bindings) {
    SmallVector<Tensor> inputs = makeInputs(main, fills, binding);
    if (llvm::any_of(fills, [](const Fill &fill) { return fill.kind == Fill::Special; }))
      continue; // infinities and what they make of others
    SmallVector<precision::Bound> known;
    for (const Tensor &input : inputs)
      known.push_back(getActual(input));
    auto bounds = precision::getBounds(main, known);
    reference::Options options;
    options.observer = [&](Operation *op, ArrayRef<Tensor> results) {
      for (auto [value, tensor] : llvm::zip(op->getResults(), results)) {
        if (tensor.getNumElements() == 0)
          continue;
        precision::Bound actual = getActual(tensor), bound = bounds.lookup(value);
        // Bounds are of exact results: what the reference rounds to f32 may be beyond by 2^-24 for each op before it.
        auto within = [](double x, double limit) { return x <= limit + 1e-5 * std::fabs(limit) + 1e-12; };
        if (!within(actual.high, bound.high) || !within(-actual.low, -bound.low) || !within(actual.norm, bound.norm) ||
            !within(actual.sum, bound.sum))
          os << "FAIL " << describe(binding) << ": " << op->getName() << " is in [" << actual.low << ", " << actual.high
             << "], norm " << actual.norm << ", sum " << actual.sum << "; expected [" << bound.low << ", " << bound.high
             << "], " << bound.norm << ", " << bound.sum << "\n";
      }
    };
    (void)reference::run(main, inputs, options); // a case's fault ends it early
    if (!text.empty())
      return text;
  }
  return "PASS";
}

/// Writes the case for a machine without the compiler: FOLDER/model.lathe, and for each binding a folder with its
/// inputs, what the reference makes of them, and case.json with names and tolerances. PASS, or FAIL and why.
std::string exportCase(const Case &one, Device &device, ModuleOp module, func::FuncOp main, ArrayRef<Fill> fills,
                       const std::string &diagnostics) {
  std::string folder = exportFolder + "/" + one.name, error;
  auto write = [&](const std::string &path, const Tensor &tensor) {
    return tool::writeNpy(path, fromReference(tensor), error);
  };
  auto getNames = [&](bool results) {
    llvm::json::Array names;
    for (unsigned i = 0, n = results ? main.getNumResults() : main.getNumArguments(); i < n; ++i) {
      auto name = results ? main.getResultAttrOfType<StringAttr>(i, tfm::kNameAttr)
                          : main.getArgAttrOfType<StringAttr>(i, tfm::kNameAttr);
      names.push_back(name ? name.str() : "");
    }
    return names;
  };
  if (llvm::sys::fs::create_directories(folder))
    return "FAIL can't make " + folder;
  if (failed(device.writePackage(module, folder + "/model.lathe")))
    return "FAIL " + diagnostics;
  for (auto [number, binding] : llvm::enumerate(one.bindings)) {
    std::string path = folder + "/binding_" + std::to_string(number);
    if (llvm::sys::fs::create_directories(path))
      return "FAIL can't make " + path;
    SmallVector<Tensor> inputs = makeInputs(main, fills, binding);
    for (auto [i, input] : llvm::enumerate(inputs))
      if (!write(path + "/input_" + std::to_string(i) + ".npy", input))
        return "FAIL " + error;
    llvm::json::Array absolute, relative;
    if (one.fault.empty()) {
      auto expected = reference::run(main, inputs);
      if (failed(expected))
        return "FAIL reference, " + describe(binding) + ": " + diagnostics;
      for (auto [i, result] : llvm::enumerate(*expected)) {
        tool::Tolerance tolerance = getTolerance(result.getElementType(), one);
        absolute.push_back(tolerance.absolute);
        relative.push_back(tolerance.relative);
        if (!write(path + "/expected_" + std::to_string(i) + ".npy", result))
          return "FAIL " + error;
      }
    }
    std::error_code code;
    llvm::raw_fd_ostream os(path + "/case.json", code);
    os << llvm::json::Value(llvm::json::Object{{"inputs", getNames(false)},
                                               {"outputs", getNames(true)},
                                               {"atol", std::move(absolute)},
                                               {"rtol", std::move(relative)},
                                               {"fault", one.fault}})
       << "\n";
  }
  return "PASS";
}

/// A case as it is built and converted for a device.
struct Trial {
  explicit Trial(const Case &one) : one(one) {}
  const Case &one;
  Context c;
  std::vector<Fill> fills;
  OwningOpRef<ModuleOp> module, expectedModule;
  func::FuncOp main; // of what gives the expected results
  /// By binding, if they are kept: inputs and expected results.
  std::vector<std::pair<SmallVector<Tensor>, SmallVector<Tensor>>> known;
};

/// Empty, or FAIL and why.
std::string build(Trial &t, Device &device) {
  t.module = buildModule(t.c.context, t.one, false, t.fills);
  t.expectedModule = device.getName() == "reference" && t.one.equivalent
                         ? buildModule(t.c.context, t.one, true, t.fills)
                         : OwningOpRef<ModuleOp>(t.module->clone());
  if (precisionName != "fp32") {
    PassManager passes(&t.c.context);
    ConvertPrecisionPassOptions options;
    options.precision = precisionName;
    options.allowFallback = true;
    passes.addPass(createConvertPrecisionPass(options));
    if (failed(passes.run(*t.module)))
      return "FAIL convert: " + t.c.diagnostics;
    t.expectedModule = OwningOpRef<ModuleOp>(t.module->clone());
  }
  t.main = t.expectedModule->lookupSymbol<func::FuncOp>("main");
  return "";
}

/// PASS, or FAIL and why.
std::string run(Trial &t, Executable &executable) {
  for (size_t i = 0; i < t.one.bindings.size(); ++i) {
    const Binding &binding = t.one.bindings[i];
    SmallVector<Tensor> inputs = t.known.empty() ? makeInputs(t.main, t.fills, binding) : t.known[i].first;
    std::string difference;
    auto got = executable.run(inputs, [&](ArrayRef<Tensor> results) {
      if (!t.one.fault.empty())
        return success();
      auto expected = t.known.empty() ? reference::run(t.main, inputs) : t.known[i].second;
      difference = failed(expected) ? "reference: " + t.c.diagnostics : compareResults(results, *expected, t.one);
      return success(difference.empty());
    });
    if (!difference.empty())
      return "FAIL " + describe(binding) + ": " + difference;
    if (succeeded(got) != t.one.fault.empty())
      return "FAIL " + describe(binding) + ": " +
             (failed(got) ? t.c.diagnostics : "expected a fault that says '" + t.one.fault + "'");
    if (t.c.diagnostics.find(t.one.fault) == std::string::npos)
      return "FAIL " + describe(binding) + ": expected '" + t.one.fault + "' in: " + t.c.diagnostics;
  }
  return "PASS";
}

std::string runCase(const Case &one, Device &device) {
  Trial t(one);
  if (std::string failure = build(t, device); !failure.empty())
    return failure;
  if (!exportFolder.empty())
    return exportCase(one, device, *t.module, t.main, t.fills, t.c.diagnostics);
  auto executable = device.load(*t.module);
  return failed(executable) ? "FAIL load: " + t.c.diagnostics : run(t, **executable);
}

/// Compiles the cases once and runs them for each line of standard input, "SECONDS NAME=VALUE": with that in the
/// environment, in a child that may compute for so long. Answers with a line: the seconds it took, and PASS or what it
/// said.
int repeatCases(ArrayRef<Case> cases, Device &device) {
  std::deque<Trial> trials;
  std::deque<llvm::FileRemover> packages;
  std::vector<std::string> paths;
  for (const Case &one : cases) {
    Trial &t = trials.emplace_back(one);
    SmallString<128> path;
    std::string failure = build(t, device);
    if (failure.empty() && llvm::sys::fs::createTemporaryFile("conformance", "lathe", path))
      failure = "FAIL can't make a temporary file";
    packages.emplace_back(path);
    paths.push_back(path.str().str());
    if (failure.empty() && failed(device.writePackage(*t.module, path)))
      failure = "FAIL " + t.c.diagnostics;
    for (const Binding &binding : one.bindings) {
      if (!failure.empty())
        break;
      SmallVector<Tensor> inputs = makeInputs(t.main, t.fills, binding);
      auto expected = one.fault.empty() ? reference::run(t.main, inputs) : SmallVector<Tensor>();
      if (failed(expected))
        failure = "FAIL reference, " + describe(binding) + ": " + t.c.diagnostics;
      else
        t.known.push_back({std::move(inputs), std::move(*expected)});
    }
    if (!failure.empty()) {
      llvm::outs() << "error: " << one.name << ": " << failure << "\n";
      return 1;
    }
  }
  auto computed = [] { // by the children
    rusage usage;
    getrusage(RUSAGE_CHILDREN, &usage);
    auto seconds = [](timeval t) { return t.tv_sec + t.tv_usec * 1e-6; };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
  };
  for (std::string line; std::getline(std::cin, line);) {
    StringRef limit, variable, name, value;
    std::tie(limit, variable) = StringRef(line).split(' ');
    std::tie(name, value) = variable.split('=');
    double seconds, before = computed();
    if (limit.getAsDouble(seconds) || name.empty()) {
      llvm::errs() << "error: expected 'SECONDS NAME=VALUE', got '" << line << "'\n";
      return 2;
    }
    ChildPool(1, 600).run(
        1,
        [&](size_t, llvm::raw_ostream &os) {
          setenv(name.str().c_str(), value.str().c_str(), 1);
          timeval most{time_t(seconds), suseconds_t((seconds - std::floor(seconds)) * 1e6)};
          itimerval timer{{}, most};
          setitimer(ITIMER_PROF, &timer, nullptr);
          for (auto [t, path] : llvm::zip(trials, paths)) {
            auto executable = device.loadPackage(*t.module, path);
            std::string text = failed(executable) ? "FAIL load: " + t.c.diagnostics : run(t, **executable);
            if (text != "PASS") {
              os << text;
              return;
            }
          }
          os << "PASS";
        },
        [&](size_t, StringRef text) {
          std::string flat = text.str();
          std::replace(flat.begin(), flat.end(), '\n', ' ');
          llvm::outs() << llvm::formatv("{0:f3} {1}\n", computed() - before, flat);
          llvm::outs().flush();
        });
  }
  return 0;
}

/// Ops of the dialect that no case has.
std::string findMissing(ArrayRef<Case> cases) {
  Context c;
  std::set<std::string> missing;
  for (RegisteredOperationName name : c.context.getRegisteredOperationsByDialect("tfm"))
    missing.insert(name.getStringRef().str());
  for (const Case &one : cases) {
    std::vector<Fill> fills;
    OwningOpRef<ModuleOp> module = buildModule(c.context, one, false, fills);
    module->walk([&](Operation *op) { missing.erase(op->getName().getStringRef().str()); });
  }
  std::string text;
  for (const std::string &name : missing)
    text += " " + name;
  return text;
}
} // namespace

int main(int argc, char **argv) {
  cl::HideUnrelatedOptions(category);
  cl::ParseCommandLineOptions(argc, argv, "runs the conformance suite on one device\n");
  std::vector<Case> cases = getCases();
  std::set<std::string> names;
  for (const Case &one : cases)
    if (!names.insert(one.name).second) {
      llvm::errs() << "error: two cases are called '" << one.name << "'\n";
      return 2;
    }
  if (std::string missing = findMissing(cases); !missing.empty()) {
    llvm::errs() << "error: no case has" << missing << "\n";
    return 1;
  }
  llvm::erase_if(cases, [](const Case &one) { return one.name.find(filter) == std::string::npos; });
  if (printOnly) {
    for (const Case &one : cases) {
      Context c;
      std::vector<Fill> fills;
      OwningOpRef<ModuleOp> module = buildModule(c.context, one, false, fills);
      llvm::outs() << "// " << one.name << "\n" << *module << "\n\n";
    }
    return 0;
  }
  auto device = createDevice(deviceName);
  if (!device) {
    llvm::errs() << "error: no device '" << deviceName << "'\n";
    return 2;
  }
  if (std::string why = device->whyUnavailable(); !why.empty()) {
    llvm::outs() << "UNSUPPORTED device " << device->getName() << ": " << why << "\n";
    return 0;
  }
  if (repeat)
    return repeatCases(cases, *device);
  unsigned failures = 0;
  ChildPool(jobs, 60).run(
      cases.size(),
      [&](size_t i, llvm::raw_ostream &os) { os << (bounds ? checkBounds(cases[i]) : runCase(cases[i], *device)); },
      [&](size_t i, StringRef text) {
        failures += text != "PASS";
        if (verbose || text != "PASS")
          llvm::outs() << cases[i].name << ": " << text << "\n";
      });
  llvm::outs() << device->getName() << ": " << cases.size() - failures << " of " << cases.size() << " pass\n";
  return failures != 0 || cases.empty();
}
