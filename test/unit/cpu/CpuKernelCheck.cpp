// Runs kernels of an .mlir file compiled for this machine's CPU against the reference, on random inputs.
//
//   cpu-kernel-check FILE [--target=x86-64-v3] [--rtol=1e-5] [--bench=SECONDS] [--save-temps=PREFIX] [--no-reference]
//                    SYMBOLS...
//
// SYMBOLS is `batch=2,sequence=33`; each is one case. Every kernel.func runs in every case: all tiles at once, and one
// by one in reverse, which must give the same bits. An argument's random values are floats in [-1, 1), integers below
// `test.limit` (an argument attribute; 10 if absent), i1 by `test.true` in percent (50). `test.panel` and
// `test.panel_transposed` ask for the weight layout. A fault is printed.
#include "compiler/Cpu/Cpu.h"
#include "compiler/Driver/Compile.h"
#include "compiler/Package/Layout.h"
#include "compiler/Reference/Reference.h"
#include "dialects/Tfm/Formats.h"
#include "dialects/Tfm/Weights.h"
#include "lathe/kernel_abi.h"
#include "mlir/Parser/Parser.h"
#include "passes/Passes.h"
#include "passes/Schedule/Strategy.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include <chrono>
#include <cmath>
#include <dlfcn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

using namespace mlir;
using namespace lathe;

namespace {
struct Options {
  std::string file, target = "x86-64-v3", saveTemps;
  double tolerance = 1e-5, bench = 0;
  bool reference = true, compileOnly = false;
  std::vector<std::string> cases;
};

/// Deterministic random numbers.
struct Random {
  uint64_t state = 88172645463325252ull;
  uint64_t next() {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
  }
};

/// Memory with a guard page behind its last byte, so that a read beyond it faults.
class Guarded {
public:
  explicit Guarded(size_t size) : size(size) {
    size_t page = 4096;
    mapped = (size + page - 1) / page * page + page;
    base = static_cast<char *>(mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    mprotect(base + mapped - page, page, PROT_NONE);
    data = base + mapped - page - (size + 63) / 64 * 64;
  }
  Guarded(Guarded &&other) : base(other.base), data(other.data), size(other.size), mapped(other.mapped) {
    other.base = nullptr;
  }
  ~Guarded() {
    if (base)
      munmap(base, mapped);
  }
  char *base, *data;
  size_t size, mapped;
};

std::optional<int64_t> lookUp(StringRef text, StringRef name) {
  SmallVector<StringRef> parts;
  text.split(parts, ',');
  for (StringRef part : parts) {
    auto [key, value] = part.split('=');
    int64_t number;
    if (key == name && !value.getAsInteger(10, number))
      return number;
  }
  return std::nullopt;
}

/// Time that this thread ran: other programs don't count.
double getCpuSeconds() {
  timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

size_t elementSize(Type type) { return std::max(1u, type.getIntOrFloatBitWidth() / 8); }

std::vector<char> makeInput(Type element, int64_t count, int64_t limit, int64_t percent, Random &random) {
  std::vector<char> bytes(count * elementSize(element));
  for (int64_t i = 0; i < count; ++i) {
    uint64_t bits = random.next();
    if (element.isF32() || element.isF64()) {
      double value = static_cast<double>(bits >> 11) / (uint64_t(1) << 52) - 1;
      float narrow = static_cast<float>(value);
      if (element.isF32())
        memcpy(&bytes[i * 4], &narrow, 4);
      else
        memcpy(&bytes[i * 8], &value, 8);
    } else if (isa<FloatType>(element)) {
      llvm::APFloat value(static_cast<double>(bits >> 11) / (uint64_t(1) << 52) - 1);
      bool lost;
      value.convert(cast<FloatType>(element).getFloatSemantics(), llvm::APFloat::rmNearestTiesToEven, &lost);
      uint16_t half = static_cast<uint16_t>(value.bitcastToAPInt().getZExtValue());
      memcpy(&bytes[i * 2], &half, 2);
    } else if (element.isInteger(1)) {
      bytes[i] = static_cast<int64_t>((bits >> 8) % 100) < percent;
    } else {
      int64_t value = static_cast<int64_t>((bits >> 8) % static_cast<uint64_t>(limit));
      memcpy(&bytes[i * elementSize(element)], &value, elementSize(element));
    }
  }
  return bytes;
}

double toDouble(Type element, const char *at) {
  if (element.isF32()) {
    float value;
    memcpy(&value, at, 4);
    return value;
  }
  if (element.isF64()) {
    double value;
    memcpy(&value, at, 8);
    return value;
  }
  if (isa<FloatType>(element)) {
    uint16_t bits;
    memcpy(&bits, at, 2);
    llvm::APFloat value(cast<FloatType>(element).getFloatSemantics(), APInt(16, bits));
    bool lost;
    value.convert(llvm::APFloat::IEEEdouble(), llvm::APFloat::rmNearestTiesToEven, &lost);
    return value.convertToDouble();
  }
  int64_t value = 0;
  memcpy(&value, at, elementSize(element));
  unsigned bits = static_cast<unsigned>(elementSize(element)) * 8;
  return element.isUnsignedInteger() || bits == 64 ? static_cast<double>(value)
                                                   : static_cast<double>(llvm::SignExtend64(value, bits));
}

class Checker {
public:
  Checker(const Options &options) : options(options) {}

  /// The number of failures.
  int check(kernel::FuncOp kernel, lathe_kernel_fn function, StringRef symbols) {
    auto value = [&](const Dim &dim) {
      return dim.evaluate([&](StringRef name) { return lookUp(symbols, name); }).value_or(1);
    };
    auto shapeOf = [&](Type type) {
      SmallVector<int64_t> shape;
      for (const Dim &dim : tfm::getDims(type))
        shape.push_back(value(dim));
      return shape;
    };
    Random random;
    std::vector<Guarded> memory;
    SmallVector<reference::Tensor> inputs;
    for (unsigned i = 0; i < kernel.getNumArguments(); ++i) {
      Type type = kernel.getArgumentTypes()[i];
      Type element = cast<RankedTensorType>(type).getElementType();
      SmallVector<int64_t> shape = shapeOf(type);
      int64_t count = 1;
      for (int64_t size : shape)
        count *= size;
      auto integer = [&](StringRef name, int64_t otherwise) {
        auto attr = kernel.getArgAttrOfType<IntegerAttr>(i, name);
        return attr ? attr.getInt() : otherwise;
      };
      std::vector<char> bytes = makeInput(element, count, integer("test.limit", 10), integer("test.true", 50), random);
      if (kernel.getArgAttr(i, "test.prefix")) // a row of `true` of random length, then false
        for (int64_t row = 0; row < count / std::max<int64_t>(1, shape.back()); ++row) {
          int64_t length = row == 0 ? shape.back() : static_cast<int64_t>(random.next() % (shape.back() + 1));
          for (int64_t j = 0; j < shape.back(); ++j)
            bytes[row * shape.back() + j] = j < length;
        }
      inputs.emplace_back(element, shape, bytes);
      if (auto panel = kernel.getArgAttrOfType<kernel::PanelAttr>(i, kernel::kLayoutAttr)) {
        std::vector<char> row = std::exchange(bytes, {});
        package::layOut(cast<RankedTensorType>(kernel.getArgumentTypes()[i]), panel, row,
                        [&](ArrayRef<char> part) { llvm::append_range(bytes, part); });
      }
      memory.emplace_back(bytes.size());
      memcpy(memory.back().data, bytes.data(), bytes.size());
    }
    size_t firstResult = memory.size();
    for (Type type : kernel.getResultTypes()) {
      int64_t count = 1;
      for (int64_t size : shapeOf(type))
        count *= size;
      memory.emplace_back(count * elementSize(cast<RankedTensorType>(type).getElementType()));
    }
    kernel::ScheduleAttr schedule = kernel.getSchedule(options.target);
    int64_t tiles = value(schedule.getTiles().getDims()[0]), scratchBytes = value(schedule.getScratch().getDims()[0]);
    Guarded scratch(scratchBytes);
    memset(scratch.data, 0xff, scratchBytes);
    std::vector<void *> operands;
    for (Guarded &part : memory)
      operands.push_back(part.data);
    std::vector<int64_t> params;
    for (const Dim &dim : kernel::collectParams(kernel))
      params.push_back(value(dim));
    lathe_kernel_fault fault{};
    lathe_kernel_call call{operands.data(), params.data(), 0, tiles, scratch.data, &fault};
    std::string title = (kernel.getSymName() + " " + symbols).str();
    auto clear = [&] {
      for (size_t i = firstResult; i < memory.size(); ++i)
        memset(memory[i].data, 0xcd, memory[i].size);
    };
    clear();
    if (function(&call) != 0) {
      llvm::outs() << title << ": fault operand " << fault.operand << " index " << fault.index << " value "
                   << fault.value << " limit " << fault.limit << "\n";
      return 0;
    }
    std::vector<std::vector<char>> results;
    for (size_t i = firstResult; i < memory.size(); ++i)
      results.emplace_back(memory[i].data, memory[i].data + memory[i].size);
    clear();
    for (int64_t tile = tiles; tile-- > 0;) {
      call.tile_begin = tile, call.tile_end = tile + 1;
      function(&call);
    }
    int failures = 0;
    for (size_t i = firstResult; i < memory.size(); ++i)
      if (memcmp(memory[i].data, results[i - firstResult].data(), memory[i].size) != 0) {
        llvm::outs() << title << ": result " << i - firstResult << " depends on how tiles are split\n";
        ++failures;
      }
    if (options.reference)
      failures += compare(kernel, title, inputs, results);
    if (options.bench > 0) {
      call.tile_begin = 0, call.tile_end = tiles;
      double best = 1e30, spent = 0;
      while (spent < options.bench) {
        double start = getCpuSeconds();
        function(&call);
        double seconds = getCpuSeconds() - start;
        best = std::min(best, seconds);
        spent += seconds;
      }
      double flops = 0;
      kernel.walk([&](Operation *op) { flops += getFlops(op, value); });
      llvm::outs() << title << ": " << llvm::format("%.1f us, %.1f GFLOP/s\n", best * 1e6, flops / best / 1e9);
    }
    return failures;
  }

private:
  double getFlops(Operation *op, llvm::function_ref<int64_t(const Dim &)> value) {
    auto size = [&](Value tensor) {
      double count = 1;
      for (const Dim &dim : tfm::getDims(tensor))
        count *= static_cast<double>(value(dim));
      return count;
    };
    if (isa<tfm::LinearOp, tfm::MatmulOp>(op))
      return 2 * size(op->getResult(0)) * static_cast<double>(value(tfm::getDims(op->getOperand(0)).back()));
    if (auto attention = dyn_cast<tfm::AttentionOp>(op))
      return 4 * size(attention.getQuery()) * static_cast<double>(value(tfm::getDims(attention.getKey())[1]));
    if (auto conv = dyn_cast<tfm::ConvOp>(op))
      return 2 * size(conv.getResult()) * size(conv.getWeight()) /
             static_cast<double>(value(tfm::getDims(conv.getWeight())[0]));
    return 0;
  }

  int compare(kernel::FuncOp kernel, StringRef title, ArrayRef<reference::Tensor> inputs,
              ArrayRef<std::vector<char>> results) {
    auto expected = reference::run(cast<FunctionOpInterface>(kernel.getOperation()), inputs);
    if (failed(expected)) {
      llvm::outs() << title << ": the reference fails\n";
      return 1;
    }
    int failures = 0;
    for (auto [number, tensor] : llvm::enumerate(*expected)) {
      Type element = tensor.getElementType();
      double worst = 0;
      int64_t where = -1;
      for (int64_t i = 0; i < tensor.getNumElements(); ++i) {
        double want = toDouble(element, &tensor.getBytes()[i * elementSize(element)]);
        double got = toDouble(element, &results[number][i * elementSize(element)]);
        double error =
            want == got || (std::isnan(want) && std::isnan(got)) ? 0 : std::abs(want - got) / (1 + std::abs(want));
        if (!(error <= worst)) {
          worst = std::isnan(error) ? 1e30 : error;
          where = i;
        }
      }
      if (worst > options.tolerance) {
        llvm::outs() << title << ": result " << number << " differs by " << worst << " at " << where << ": expected "
                     << toDouble(element, &tensor.getBytes()[where * elementSize(element)]) << ", got "
                     << toDouble(element, &results[number][where * elementSize(element)]) << "\n";
        ++failures;
      } else {
        llvm::outs() << title << ": result " << number << " ok, error " << llvm::format("%.1e", worst) << "\n";
      }
    }
    return failures;
  }

  const Options &options;
};
} // namespace

int main(int argc, char **argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    StringRef argument = argv[i];
    auto [name, value] = argument.split('=');
    if (name == "--target")
      options.target = value.str();
    else if (name == "--rtol")
      value.getAsDouble(options.tolerance);
    else if (name == "--bench")
      value.getAsDouble(options.bench);
    else if (name == "--save-temps")
      options.saveTemps = value.str();
    else if (argument == "--no-reference")
      options.reference = false;
    else if (argument == "--compile-only")
      options.compileOnly = true;
    else if (options.file.empty())
      options.file = argument.str();
    else
      options.cases.push_back(argument.str());
  }
  if (!options.compileOnly && !runsOnHost(options.target)) {
    llvm::errs() << "this machine can't run " << options.target << "\n";
    return 1;
  }
  if (StringRef(options.target).contains("+amx")) // of Linux, as the runtime does (runtime/Cpu/Features.cpp)
    syscall(SYS_arch_prctl, 0x1023, 18);
  DialectRegistry registry;
  registry.insert<func::FuncDialect, tfm::TfmDialect, kernel::KernelDialect>();
  MLIRContext context(registry);
  OwningOpRef<ModuleOp> module = parseSourceFile<ModuleOp>(options.file, &context);
  if (!module)
    return 1;
  for (auto kernel : module->getOps<kernel::FuncOp>())
    for (unsigned i = 0; i < kernel.getNumArguments(); ++i)
      if (bool transposed = bool(kernel.getArgAttr(i, "test.panel_transposed"));
          transposed || kernel.getArgAttr(i, "test.panel")) {
        int64_t depth = tfm::getHalfType(kernel.getArgumentTypes()[i]) ? schedule::kHalfDepth : 1;
        kernel.setArgAttr(i, kernel::kLayoutAttr,
                          kernel::PanelAttr::get(&context, schedule::kPanelWidth, transposed, depth));
      }
  PassManager passes(&context);
  ScheduleKernelsPassOptions schedule;
  schedule.targets.push_back(options.target);
  passes.addPass(createScheduleKernelsPass(schedule));
  if (failed(passes.run(*module)))
    return 1;
  auto start = std::chrono::steady_clock::now();
  auto object = cpu::emitCpu(*module, options.target, 1, {options.saveTemps});
  if (failed(object))
    return 1;
  if (options.bench > 0)
    llvm::outs() << "compiled in "
                 << llvm::format("%.2f s",
                                 std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count())
                 << ", " << object->elf.size() << " bytes\n";
  auto again = cpu::emitCpu(*module, options.target, 3);
  if (failed(again) || again->elf != object->elf) {
    llvm::outs() << "the object's bytes depend on the number of threads\n";
    return 1;
  }
  if (options.compileOnly)
    return 0;
  SmallString<128> path;
  int descriptor;
  llvm::sys::fs::createTemporaryFile("cpu-kernel-check", "so", descriptor, path);
  llvm::raw_fd_ostream(descriptor, true).write(object->elf.data(), object->elf.size());
  void *library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  llvm::sys::fs::remove(path);
  if (!library) {
    llvm::outs() << dlerror() << "\n";
    return 1;
  }
  int failures = 0;
  Checker checker(options);
  for (const std::string &symbols : options.cases)
    for (auto kernel : module->getOps<kernel::FuncOp>()) {
      std::string symbol = object->symbols[kernel.getSymName().str()];
      auto *function = reinterpret_cast<lathe_kernel_fn>(dlsym(library, symbol.c_str()));
      failures += checker.check(kernel, function, symbols);
    }
  return failures ? 1 : 0;
}
