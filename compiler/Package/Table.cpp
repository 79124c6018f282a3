// program dialect -> FlatBuffer, one to one.
#include "compiler/Package/Table.h"
#include "lathe/kernel_abi.h"
#include "mlir/IR/SymbolTable.h"
#include "runtime/Package/Format.h"
#include "runtime/Package/Package_generated.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::package;
using flatbuffers::Offset;

namespace {
std::optional<ElementType> getElementType(Type type) {
  if (type.isF16())
    return ElementType::f16;
  if (type.isBF16())
    return ElementType::bf16;
  if (type.isF32())
    return ElementType::f32;
  if (type.isF64())
    return ElementType::f64;
  auto integer = dyn_cast<IntegerType>(type);
  if (!integer)
    return std::nullopt;
  bool isUnsigned = integer.isUnsigned();
  switch (integer.getWidth()) {
  case 1:
    return ElementType::boolean;
  case 8:
    return isUnsigned ? ElementType::u8 : ElementType::i8;
  case 16:
    return isUnsigned ? ElementType::u16 : ElementType::i16;
  case 32:
    return isUnsigned ? ElementType::u32 : ElementType::i32;
  case 64:
    return isUnsigned ? ElementType::u64 : ElementType::i64;
  }
  return std::nullopt;
}

class TableBuilder {
public:
  TableBuilder(ModuleOp module, ArrayRef<TargetCode> code, ArrayRef<StoredWeight> weights, uint32_t weightSegment)
      : module(module), code(code), weights(weights), weightSegment(weightSegment), symbolTable(module) {}

  FailureOr<std::vector<uint8_t>> run(StringRef name) {
    std::vector<Offset<Symbol>> symbols;
    if (auto ranges = module->getAttrOfType<DictionaryAttr>(tfm::kSymbolsAttr))
      for (NamedAttribute symbol : ranges) {
        auto range = tfm::getSymbolRange(module, symbol.getName());
        if (!range)
          return module.emitError("expected a range for symbol '") << symbol.getName() << "'", failure();
        symbolIndex[symbol.getName()] = symbols.size();
        symbols.push_back(CreateSymbolDirect(builder, symbol.getName().str().c_str(), range->min, range->max));
      }
    std::vector<Offset<Target>> targets;
    for (auto [index, target] : llvm::enumerate(code))
      targets.push_back(CreateTargetDirect(builder, target.target.c_str(), index, target.driver));
    auto weightOffsets = buildWeights();
    auto entries = buildEntries();
    if (failed(weightOffsets) || failed(entries))
      return failure();
    auto programName = builder.CreateString(name.str());
    auto symbolVector = builder.CreateVector(symbols);
    auto targetVector = builder.CreateVector(targets);
    auto weightVector = builder.CreateVector(*weightOffsets);
    auto kernelVector = builder.CreateVector(kernels);
    auto entryVector = builder.CreateVector(*entries);
    FinishProgramBuffer(builder, CreateProgram(builder, programName, symbolVector, targetVector, weightVector,
                                               kernelVector, entryVector, LATHE_KERNEL_ABI_VERSION));
    return std::vector<uint8_t>(builder.GetBufferPointer(), builder.GetBufferPointer() + builder.GetSize());
  }

private:
  /// Postfix steps of a dimension. Positive terms go first, so that no step needs more of the range than the result.
  void addSteps(const Dim &dim, std::vector<FormulaStep> &steps) {
    if (dim.getTerms().empty())
      steps.push_back(FormulaStep(0, FormulaOp::constant));
    SmallVector<const Dim::Term *> terms;
    for (const Dim::Term &term : dim.getTerms())
      if (term.coefficient > 0)
        terms.push_back(&term);
    if (terms.empty() && !dim.getTerms().empty())
      steps.push_back(FormulaStep(0, FormulaOp::constant));
    for (const Dim::Term &term : dim.getTerms())
      if (term.coefficient < 0)
        terms.push_back(&term);
    for (auto [index, term] : llvm::enumerate(terms)) {
      int64_t coefficient = std::abs(term->coefficient);
      bool started = false;
      if (term->atoms.empty() || coefficient != 1) {
        steps.push_back(FormulaStep(coefficient, FormulaOp::constant));
        started = true;
      }
      for (auto &atom : term->atoms) {
        addSteps(*atom, steps);
        if (started)
          steps.push_back(FormulaStep(0, FormulaOp::mul));
        started = true;
      }
      if (term->coefficient < 0)
        steps.push_back(FormulaStep(0, FormulaOp::sub));
      else if (index)
        steps.push_back(FormulaStep(0, FormulaOp::add));
    }
  }

  void addSteps(const Dim::Atom &atom, std::vector<FormulaStep> &steps) {
    if (atom.kind == Dim::Kind::Symbol) {
      auto it = symbolIndex.find(atom.name);
      if (it == symbolIndex.end() || !bound.contains(atom.name))
        unbound = atom.name;
      steps.push_back(FormulaStep(it == symbolIndex.end() ? 0 : it->second, FormulaOp::symbol));
      return;
    }
    addSteps(atom.arguments[0], steps);
    addSteps(atom.arguments[1], steps);
    FormulaOp op = atom.kind == Dim::Kind::FloorDiv  ? FormulaOp::floordiv
                   : atom.kind == Dim::Kind::CeilDiv ? FormulaOp::ceildiv
                   : atom.kind == Dim::Kind::Min     ? FormulaOp::min
                                                     : FormulaOp::max;
    steps.push_back(FormulaStep(0, op));
  }

  Offset<Formula> formula(const Dim &dim, Operation *where) {
    std::vector<FormulaStep> steps;
    unbound.clear();
    addSteps(dim, steps);
    if (!valid)
      return {};
    if (!dim.isValid() || steps.size() > kMaxFormulaSteps) {
      where->emitError("a formula of its dimensions is too long: ") << dim.str().take_front(200);
      valid = false;
    } else if (!unbound.empty()) {
      where->emitError("symbol '") << unbound << "' is used in '" << dim.str()
                                   << "' but is no dimension of an input; hint: give it a value by --dim";
      valid = false;
    }
    return CreateFormulaDirect(builder, &steps);
  }
  Offset<Formula> formula(tfm::DimsAttr attr, Operation *where) { return formula(attr.getDims()[0], where); }
  std::vector<Offset<Formula>> formulas(ArrayRef<Dim> dims, Operation *where) {
    std::vector<Offset<Formula>> offsets;
    for (const Dim &dim : dims)
      offsets.push_back(formula(dim, where));
    return offsets;
  }

  FailureOr<std::vector<Offset<Weight>>> buildWeights() {
    std::vector<Offset<Weight>> offsets;
    for (const StoredWeight &stored : weights) {
      tfm::WeightOp weight = stored.weight;
      RankedTensorType type = weight.getTensorType();
      auto elementType = ::getElementType(type.getElementType());
      if (tfm::getFormat(type))
        elementType = ElementType::u8; // to the runtime it is bytes
      if (!elementType)
        return weight.emitOpError("expected an element type that packages can store, got ") << type, failure();
      Offset<Layout> layout;
      if (stored.layout && !tfm::getFormat(type))
        layout = CreateLayout(builder, type.getDimSize(stored.layout.getTransposed()),
                              type.getDimSize(!stored.layout.getTransposed()), stored.layout.getWidth(),
                              stored.layout.getTransposed(), stored.layout.getDepth());
      Offset<RandomSource> random;
      if (auto source = dyn_cast<tfm::RandomAttr>(weight.getSource()); source && stored.isRandom())
        random = CreateRandomSource(builder, source.getSeed(), source.getTensor(),
                                    static_cast<float>(source.getScale().getValueAsDouble()));
      offsets.push_back(CreateWeightDirect(builder, stored.name.c_str(), *elementType, stored.size,
                                           random.IsNull() ? weightSegment : 0, stored.offset, layout, random));
      weightIndex[{weight, stored.layout}] = offsets.size() - 1;
    }
    return offsets;
  }

  std::vector<Offset<flatbuffers::String>> strings(std::optional<ArrayAttr> names) {
    std::vector<Offset<flatbuffers::String>> offsets;
    if (names)
      for (StringAttr name : names->getAsRange<StringAttr>())
        offsets.push_back(builder.CreateSharedString(name.str()));
    return offsets;
  }

  Offset<package::TensorMap> buildMap(const KernelCode::Map &map, Operation *op) {
    int64_t bytes = map.element.getIntOrFloatBitWidth() / 8;
    auto dims = formulas({Dim(map.columns), Dim(map.rows)}, op), strides = formulas({Dim(map.columns * bytes)}, op);
    std::vector<uint32_t> box{64, 64};
    return CreateTensorMapDirect(builder, map.operand, *::getElementType(map.element), &dims, &strides, &box,
                                 /*swizzle=*/128);
  }

  /// The index of a kernel, which is added at its first launch.
  FailureOr<uint32_t> getKernel(kernel::FuncOp kernel) {
    auto [it, inserted] = kernelIndex.try_emplace(kernel.getSymName(), kernels.size());
    if (!inserted)
      return it->second;
    std::vector<Offset<KernelVariant>> variants;
    for (const TargetCode &target : code) {
      kernel::ScheduleAttr schedule = kernel.getSchedule(target.target);
      auto emitted = target.kernels.find(kernel.getSymName().str());
      if (!schedule || emitted == target.kernels.end())
        return kernel.emitOpError("has no schedule or no code for ") << target.target, failure();
      auto tiles = formula(schedule.getTiles(), kernel), scratch = formula(schedule.getScratch(), kernel);
      std::vector<Offset<package::TensorMap>> maps;
      for (const KernelCode::Map &map : emitted->second.maps)
        maps.push_back(buildMap(map, kernel));
      bool isCuda = target.getKind() != SegmentKind::CpuElf;
      variants.push_back(CreateKernelVariantDirect(builder, emitted->second.symbol.c_str(), tiles, scratch,
                                                   emitted->second.threads, emitted->second.shared,
                                                   maps.empty() ? nullptr : &maps, /*early=*/isCuda));
    }
    auto origins = strings(kernel.getOrigins());
    kernels.push_back(CreateKernelDirect(builder, kernel.getSymName().str().c_str(), &variants, &origins));
    return it->second;
  }

  FailureOr<Offset<package::Value>> buildValue(Operation *op, StringRef name, RankedTensorType type) {
    auto elementType = ::getElementType(type.getElementType());
    if (!elementType)
      return op->emitError("expected an element type that the runtime knows, got ") << type, failure();
    auto dims = formulas(tfm::getDims(type), op);
    return CreateValueDirect(builder, name.str().c_str(), *elementType, &dims);
  }

  FailureOr<std::vector<Offset<Entry>>> buildEntries() {
    std::vector<Offset<Entry>> entries;
    for (auto entry : module.getOps<program::EntryOp>()) {
      auto built = buildEntry(entry);
      if (failed(built))
        return failure();
      entries.push_back(*built);
    }
    if (!valid)
      return failure();
    return entries;
  }

  FailureOr<Offset<Entry>> buildEntry(program::EntryOp entry) {
    bound.clear();
    for (auto input : entry.getOps<program::InputOp>())
      for (const Dim &dim : tfm::getDims(input.getTensorType()))
        if (auto symbol = dim.getSymbol())
          bound.insert(*symbol);
    std::vector<Offset<package::Value>> inputs, outputs;
    std::vector<Offset<Requirement>> requirements;
    std::vector<Offset<Buffer>> buffers;
    std::vector<Offset<Launch>> launches;
    llvm::DenseMap<mlir::Value, Operand> operands;
    for (Operation &op : entry.getBody().front()) {
      if (auto input = dyn_cast<program::InputOp>(op)) {
        operands[input.getMemory()] = Operand(OperandKind::input, inputs.size());
        auto value = buildValue(input, input.getName(), input.getTensorType());
        if (failed(value))
          return failure();
        inputs.push_back(*value);
      } else if (auto output = dyn_cast<program::OutputOp>(op)) {
        operands[output.getMemory()] = Operand(OperandKind::output, outputs.size());
        auto value = buildValue(output, output.getName(), output.getTensorType());
        if (failed(value))
          return failure();
        outputs.push_back(*value);
      } else if (auto use = dyn_cast<program::WeightOp>(op)) {
        auto weight = symbolTable.lookup<tfm::WeightOp>(use.getWeight());
        operands[use.getMemory()] = Operand(OperandKind::weight, weightIndex.lookup({weight, use.getLayoutAttr()}));
      } else if (auto buffer = dyn_cast<program::BufferOp>(op)) {
        operands[buffer.getMemory()] = Operand(OperandKind::buffer, buffers.size());
        auto offset = formula(buffer.getOffset(), buffer), size = formula(buffer.getSize(), buffer);
        buffers.push_back(CreateBuffer(builder, offset, size));
      } else if (auto require = dyn_cast<tfm::RequireOp>(op)) {
        for (auto [left, right] : llvm::zip(require.getLeft().getDims(), require.getRight().getDims())) {
          auto l = formula(left, require), r = formula(right, require);
          requirements.push_back(CreateRequirementDirect(builder, l, r, require.getMessage().str().c_str()));
        }
      } else if (auto launch = dyn_cast<program::LaunchOp>(op)) {
        auto kernel = symbolTable.lookup<kernel::FuncOp>(launch.getKernel());
        FailureOr<uint32_t> index = getKernel(kernel);
        if (failed(index))
          return failure();
        std::vector<Operand> list;
        for (mlir::Value operand : launch->getOperands())
          list.push_back(operands.lookup(operand));
        auto params = formulas(kernel::collectParams(kernel), launch);
        auto flops = launch.getFlops() ? formula(*launch.getFlops(), launch) : Offset<Formula>();
        auto origins = strings(launch.getOrigins());
        launches.push_back(CreateLaunchDirect(builder, *index, &list, &params, flops, &origins));
      }
    }
    auto arena = formula(entry.getArena(), entry);
    int32_t batch = -1;
    if (auto symbol = entry.getBatch())
      batch = symbolIndex.lookup(*symbol);
    return CreateEntryDirect(builder, entry.getSymName().str().c_str(), &inputs, &outputs, &requirements, arena,
                             &buffers, &launches, batch);
  }

  ModuleOp module;
  ArrayRef<TargetCode> code;
  ArrayRef<StoredWeight> weights;
  uint32_t weightSegment;
  SymbolTable symbolTable;
  flatbuffers::FlatBufferBuilder builder;
  llvm::StringMap<uint32_t> symbolIndex, kernelIndex;
  llvm::DenseMap<std::pair<Operation *, Attribute>, uint32_t> weightIndex;
  std::vector<Offset<Kernel>> kernels;
  llvm::StringSet<> bound; // symbols that are a dimension of an input of the entry at hand
  std::string unbound;     // a symbol of the formula at hand that isn't
  bool valid = true;
};
} // namespace

FailureOr<std::vector<uint8_t>> package::buildTable(ModuleOp module, ArrayRef<TargetCode> code,
                                                    ArrayRef<StoredWeight> weights, uint32_t weightSegment,
                                                    StringRef name) {
  return TableBuilder(module, code, weights, weightSegment).run(name);
}
