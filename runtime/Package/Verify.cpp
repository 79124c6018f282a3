// The semantic verifier: one function per table of the schema. Every loop is linear in the table's size (n log n for
// names), because formulas, operand lists and names are bounded and the FlatBuffers verifier bounds the visits.
#include "runtime/Package/Verify.h"
#include "lathe/kernel_abi.h"
#include "runtime/Base/Types.h"
#include "runtime/Package/Formula.h"
#include "runtime/Package/Targets.h"
#include <algorithm>

namespace lathe::runtime {
using namespace package;

namespace {

using ull = unsigned long long;
using String = flatbuffers::String;

constexpr uint32_t kMaxName = 1024, kMaxSymbolName = 128, kMaxEntries = 64, kMaxTargets = 64;
constexpr uint32_t kMaxValues = 4096, kMaxOperands = 1024, kMaxParams = 256;
constexpr uint64_t kMaxRandomBytes = uint64_t(1) << 36; // of all random weights: a small file must not ask for more
constexpr uint64_t kMaxSteps = 1u << 24;                // of all formulas, as often as they are used: bounds the time
constexpr uint32_t kArenaAlignment = 64;
// Of CUDA: what a block may have on any device, and what the driver takes.
constexpr uint32_t kMaxBlockThreads = 1024, kMaxShared = 227 << 10, kMaxKernelParameters = 4096;
constexpr uint32_t kMaxMapRank = 5, kMaxMapBox = 256;

class Verifier {
public:
  Verifier(const Allocator &allocator, const Image &image)
      : allocator(allocator), image(image), program(*image.program) {}

  Status run() {
    if (program.kernel_abi() < 1 || program.kernel_abi() > LATHE_KERNEL_ABI_VERSION)
      return fail(allocator, LATHE_UNSUPPORTED, "expected kernels of ABI 1 to %d, got %u; hint: use a newer runtime",
                  LATHE_KERNEL_ABI_VERSION, program.kernel_abi());
    if (Status status = checkName(program.name(), &program, kMaxName))
      return status;
    if (Status status = checkSymbols())
      return status;
    if (Status status = checkTargets())
      return status;
    if (Status status = checkSegmentKinds())
      return status;
    if (Status status = checkWeights())
      return status;
    if (Status status = checkKernels())
      return status;
    return checkEntries();
  }

private:
  Status invalid(const void *where, const char *what, const String *name = nullptr) {
    return fail(allocator, LATHE_CORRUPT, "the package is invalid: %s%s%s%s", what, name ? " ('" : "",
                name ? name->c_str() : "", name ? "')" : "")
        .at(image.offsetOf(where));
  }

  Status checkName(const String *name, const void *where, uint32_t limit) {
    if (name->size() > limit || strlen(name->c_str()) != name->size())
      return invalid(where, "a name is too long or contains a zero");
    return {};
  }

  template <class Table>
  Status checkNames(const flatbuffers::Vector<flatbuffers::Offset<Table>> &tables, const char *what,
                    uint32_t limit = kMaxName) {
    Array<const String *> names;
    if (!names.allocate(allocator, tables.size()))
      return outOfMemory();
    for (uint32_t i = 0; i < tables.size(); ++i) {
      names[i] = tables.Get(i)->name();
      if (Status status = checkName(names[i], tables.Get(i), limit))
        return status;
      if (!names[i]->size())
        return invalid(tables.Get(i), "a name is empty");
    }
    std::sort(names.begin(), names.end(),
              [](const String *a, const String *b) { return strcmp(a->c_str(), b->c_str()) < 0; });
    for (size_t i = 1; i < names.size(); ++i)
      if (!strcmp(names[i - 1]->c_str(), names[i]->c_str()))
        return invalid(names[i], what, names[i]);
    return {};
  }

  Status checkSymbols() {
    auto &symbols = *program.symbols();
    if (symbols.size() > kMaxSymbols)
      return invalid(&symbols, "too many symbols");
    if (Status status = checkNames(symbols, "two symbols have one name", kMaxSymbolName))
      return status;
    if (!ranges.allocate(allocator, symbols.size()) || !minima.allocate(allocator, symbols.size()) ||
        !maxima.allocate(allocator, symbols.size()) || !bound.allocate(allocator, symbols.size()))
      return outOfMemory();
    for (uint32_t i = 0; i < symbols.size(); ++i) {
      const Symbol *symbol = symbols.Get(i);
      if (symbol->min() < 0 || symbol->max() < symbol->min())
        return invalid(symbol, "a symbol's range is empty or negative", symbol->name());
      ranges[i] = {minima[i] = symbol->min(), maxima[i] = symbol->max()};
    }
    return {};
  }

  bool isSegment(uint64_t index, SegmentKind kind) const {
    return index < image.segments.size() && image.segments[index].kind == static_cast<uint32_t>(kind);
  }

  Status checkTargets() {
    auto &targets = *program.targets();
    if (targets.size() == 0 || targets.size() > kMaxTargets)
      return invalid(&targets, "it has no code or too many targets");
    for (const Target *target : targets) {
      SegmentKind kind;
      if (segmentFor(targetKind(target->name()->c_str()), kind) ? !isSegment(target->segment(), kind)
                                                                : target->segment() >= image.segments.size())
        return invalid(target, "a target's segment is not code of its kind", target->name());
    }
    return checkNames(targets, "two targets have one name");
  }

  // Each weights segment has its hashes, of the right size, and carries their hash.
  Status checkSegmentKinds() {
    Array<uint32_t> hashesOf;
    if (!hashesOf.allocate(allocator, image.segments.size()))
      return outOfMemory();
    for (size_t i = 0; i < image.segments.size(); ++i) {
      const Segment &segment = image.segments[i];
      uint64_t record = image.header.segments_offset + i * sizeof(Segment);
      auto bad = [&](const char *what) {
        return fail(allocator, LATHE_CORRUPT, "the package is invalid: %s", what).at(record);
      };
      if (segment.kind != static_cast<uint32_t>(SegmentKind::WeightHashes)) {
        if (segment.link)
          return bad("a segment has a link that its kind does not have");
        continue;
      }
      if (!isSegment(segment.link, SegmentKind::Weights))
        return bad("hashes do not belong to weights");
      const Segment &weights = image.segments[segment.link];
      if (hashesOf[segment.link]++ ||
          segment.size != (weights.size / kWeightChunk + (weights.size % kWeightChunk != 0)) * 32 ||
          memcmp(weights.sha256, segment.sha256, 32))
        return bad("the hashes of weights do not fit them");
    }
    for (size_t i = 0; i < image.segments.size(); ++i) {
      const Segment &segment = image.segments[i];
      if (segment.kind == static_cast<uint32_t>(SegmentKind::Weights) && (!hashesOf[i] || segment.alignment % 64))
        return fail(allocator, LATHE_CORRUPT, "the package is invalid: weights without hashes or alignment")
            .at(image.header.segments_offset + i * sizeof(Segment));
    }
    return {};
  }

  // Bytes of a laid-out matrix; false on overflow and on a depth that makes no sense.
  static bool layoutBytes(const Layout &layout, uint64_t element, uint64_t &bytes) {
    uint64_t rows = layout.rows(), columns = layout.columns(), depth = layout.depth();
    if (depth != 1) {
      if (!depth || depth > 16 || !layout.panel() || rows > UINT64_MAX - depth)
        return false;
      rows = (rows + depth - 1) / depth * depth;
    }
    if (uint64_t panel = layout.panel()) {
      uint64_t panels = columns / panel + (columns % panel != 0);
      if (__builtin_mul_overflow(panels, panel, &columns))
        return false;
    }
    return !__builtin_mul_overflow(rows, columns, &bytes) && !__builtin_mul_overflow(bytes, element, &bytes);
  }

  Status checkWeights() {
    uint64_t randomBytes = 0;
    for (const Weight *weight : *program.weights()) {
      uint32_t element = elementSize(static_cast<unsigned>(weight->type()));
      if (!element || weight->size() % element)
        return invalid(weight, "a weight's type or size is wrong", weight->name());
      uint64_t laidOut;
      if (weight->layout() && (!layoutBytes(*weight->layout(), element, laidOut) || laidOut != weight->size()))
        return invalid(weight, "a weight's size does not fit its layout", weight->name());
      if (weight->random()) {
        if (weight->type() != ElementType::f32 && weight->type() != ElementType::f16 &&
            weight->type() != ElementType::bf16)
          return invalid(weight, "a random weight is not f32, f16 or bf16", weight->name());
        if (weight->size() > kMaxRandomBytes || (randomBytes += weight->size()) > kMaxRandomBytes)
          return invalid(weight, "random weights are too large", weight->name());
        continue;
      }
      if (!isSegment(weight->segment(), SegmentKind::Weights))
        return invalid(weight, "a weight's segment holds no weights", weight->name());
      const Segment &segment = image.segments[weight->segment()];
      if (weight->offset() % 64 || weight->offset() > segment.size || weight->size() > segment.size - weight->offset())
        return invalid(weight, "a weight lies outside its segment or is misaligned", weight->name());
    }
    return checkNames(*program.weights(), "two weights have one name");
  }

  // Well-formed, no step overflows within the profile, and not negative at its ends unless any sign will do; with every
  // symbol bound where `needBound`.
  Status checkFormula(const Formula &formula, const void *where, bool needBound, Sign sign = Sign::nonNegative) {
    if (const char *what = malformed(formula, ranges.size()))
      return invalid(where, what);
    if (formula.steps()->size() > stepsLeft)
      return invalid(where, "its formulas are too long together");
    stepsLeft -= formula.steps()->size();
    Range range;
    int64_t value;
    if (!bounds(formula, ranges.data(), range))
      return invalid(where, "a formula may overflow or divide by zero");
    if (sign == Sign::nonNegative && range.min < 0 &&
        (!evaluate(formula, minima.data(), value) || !evaluate(formula, maxima.data(), value)))
      return invalid(where, "a formula is negative");
    if (needBound)
      for (const FormulaStep *step : *formula.steps())
        if (step->op() == FormulaOp::symbol && !bound[static_cast<size_t>(step->operand())])
          return invalid(where, "a formula uses a symbol that no input's dimension binds",
                         program.symbols()->Get(static_cast<uint32_t>(step->operand()))->name());
    return {};
  }

  Status checkCudaVariant(const KernelVariant &variant) {
    if (variant.threads() < 1 || variant.threads() > kMaxBlockThreads)
      return invalid(&variant, "a CUDA kernel's block does not have 1 to 1024 threads", variant.symbol());
    if (variant.shared() > kMaxShared)
      return invalid(&variant, "a CUDA kernel's block has more than 227 KiB of shared memory", variant.symbol());
    if (variant.tensor_maps())
      for (const TensorMap *map : *variant.tensor_maps())
        if (Status status = checkTensorMap(*map))
          return status;
    return {};
  }

  // What the driver demands of a tensor map, as far as it does not depend on the symbols.
  Status checkTensorMap(const TensorMap &map) {
    uint32_t rank = map.dims()->size();
    if (rank < 1 || rank > kMaxMapRank || map.strides()->size() != rank - 1 || map.box()->size() != rank)
      return invalid(&map, "a tensor map does not have 1 to 5 dimensions, a box of as many, and one stride less");
    uint32_t element = elementSize(static_cast<unsigned>(map.type()));
    if (!element || map.type() == ElementType::boolean || map.type() == ElementType::i8 ||
        map.type() == ElementType::i16)
      return invalid(&map, "a tensor map's element type is not one of the driver's");
    for (uint32_t extent : *map.box())
      if (extent < 1 || extent > kMaxMapBox)
        return invalid(&map, "a tensor map's box is not 1 to 256 wide");
    uint32_t row = map.box()->Get(0) * element;
    if (map.swizzle() && map.swizzle() != 32 && map.swizzle() != 64 && map.swizzle() != 128)
      return invalid(&map, "a tensor map's swizzle is not 0, 32, 64 or 128");
    if (row % 16 || (map.swizzle() && row > map.swizzle()))
      return invalid(&map, "a row of a tensor map's box is not a multiple of 16 bytes within the swizzle");
    for (const Formula *dim : *map.dims())
      if (Status status = checkFormula(*dim, &map, false))
        return status;
    // The map is that of the largest shape, the memory's layout that of the real one: both must step alike.
    for (const Formula *stride : *map.strides()) {
      if (Status status = checkFormula(*stride, &map, false))
        return status;
      for (const FormulaStep *step : *stride->steps())
        if (step->op() == FormulaOp::symbol)
          return invalid(&map, "a tensor map's stride depends on a symbol");
    }
    return {};
  }

  Status checkKernels() {
    for (const Kernel *kernel : *program.kernels()) {
      if (kernel->variants()->size() != program.targets()->size())
        return invalid(kernel, "a kernel does not have one variant for each target", kernel->name());
      for (uint32_t i = 0; i < kernel->variants()->size(); ++i) {
        const KernelVariant *variant = kernel->variants()->Get(i);
        if (Status status = checkName(variant->symbol(), variant, kMaxName))
          return status;
        if (Status status = checkFormula(*variant->tiles(), variant, false))
          return status;
        if (Status status = checkFormula(*variant->scratch(), variant, false))
          return status;
        if (isCuda(targetKind(program.targets()->Get(i)->name()->c_str())))
          if (Status status = checkCudaVariant(*variant))
            return status;
      }
    }
    return checkNames(*program.kernels(), "two kernels have one name");
  }

  Status checkEntries() {
    if (program.entries()->size() == 0 || program.entries()->size() > kMaxEntries)
      return invalid(&program, "it has no entry or too many");
    for (const Entry *entry : *program.entries())
      if (Status status = checkEntry(*entry))
        return status;
    return checkNames(*program.entries(), "two entries have one name");
  }

  Status checkEntry(const Entry &entry) {
    std::fill(bound.begin(), bound.end(), false);
    if (Status status = checkInputs(entry))
      return status;
    if (Status status = checkValues(*entry.outputs(), true))
      return status;
    if (entry.requirements())
      for (const Requirement *requirement : *entry.requirements()) {
        if (Status status = checkFormula(*requirement->left(), requirement, true))
          return status;
        if (Status status = checkFormula(*requirement->right(), requirement, true))
          return status;
      }
    if (Status status = checkArena(entry))
      return status;
    for (const Launch *launch : *entry.launches())
      if (Status status = checkLaunch(entry, *launch))
        return status;
    return checkBatch(entry);
  }

  // Dimensions that are a bare symbol bind it; then all others must use bound symbols only.
  Status checkInputs(const Entry &entry) {
    if (Status status = checkValues(*entry.inputs(), false))
      return status;
    for (const Value *input : *entry.inputs())
      for (const Formula *dim : *input->dims())
        if (int32_t symbol = bareSymbol(*dim); symbol >= 0)
          bound[static_cast<size_t>(symbol)] = true;
    return checkValues(*entry.inputs(), true);
  }

  Status checkValues(const flatbuffers::Vector<flatbuffers::Offset<Value>> &values, bool needBound) {
    if (values.size() > kMaxValues)
      return invalid(&values, "too many inputs or outputs");
    for (const Value *value : values) {
      if (!elementSize(static_cast<unsigned>(value->type())))
        return invalid(value, "an unknown element type", value->name());
      if (value->dims()->size() > LATHE_MAX_RANK)
        return invalid(value, "a tensor has too many dimensions", value->name());
      int64_t bytes = elementSize(static_cast<unsigned>(value->type()));
      for (const Formula *dim : *value->dims()) {
        if (Status status = checkFormula(*dim, value, needBound))
          return status;
        Range range;
        if (!bounds(*dim, ranges.data(), range) ||
            __builtin_mul_overflow(bytes, std::max<int64_t>(range.max, 1), &bytes))
          return invalid(value, "a tensor may be larger than 2^63 bytes", value->name());
      }
    }
    return checkNames(values, "two inputs or two outputs have one name");
  }

  Status checkArena(const Entry &entry) {
    if (Status status = checkFormula(*entry.arena_size(), &entry, true))
      return status;
    for (const Buffer *buffer : *entry.buffers()) {
      if (Status status = checkFormula(*buffer->offset(), buffer, true))
        return status;
      if (Status status = checkFormula(*buffer->size(), buffer, true))
        return status;
      for (const int64_t *symbols : {minima.data(), maxima.data()}) {
        int64_t arena, offset, size;
        if (!evaluate(*entry.arena_size(), symbols, arena) || !evaluate(*buffer->offset(), symbols, offset) ||
            !evaluate(*buffer->size(), symbols, size) || offset % kArenaAlignment || offset > arena ||
            size > arena - offset)
          return invalid(buffer, "a buffer lies outside the arena or is misaligned");
      }
    }
    return {};
  }

  Status checkLaunch(const Entry &entry, const Launch &launch) {
    if (launch.kernel() >= program.kernels()->size())
      return invalid(&launch, "a launch names a kernel that does not exist");
    if (launch.operands()->size() > kMaxOperands || launch.params()->size() > kMaxParams)
      return invalid(&launch, "a launch has too many operands");
    for (const Operand *operand : *launch.operands()) {
      uint64_t count = operand->kind() == OperandKind::input    ? entry.inputs()->size()
                       : operand->kind() == OperandKind::output ? entry.outputs()->size()
                       : operand->kind() == OperandKind::buffer ? entry.buffers()->size()
                       : operand->kind() == OperandKind::weight ? program.weights()->size()
                                                                : 0;
      if (operand->index() >= count)
        return invalid(&launch, "a launch's operand does not exist");
    }
    for (const Formula *param : *launch.params())
      if (Status status = checkFormula(*param, &launch, true, Sign::any))
        return status;
    if (launch.flops())
      if (Status status = checkFormula(*launch.flops(), &launch, true))
        return status;
    const auto &variants = *program.kernels()->Get(launch.kernel())->variants();
    for (uint32_t i = 0; i < variants.size(); ++i) {
      const KernelVariant *variant = variants.Get(i);
      if (Status status = checkFormula(*variant->tiles(), variant, true))
        return status;
      if (Status status = checkFormula(*variant->scratch(), variant, true))
        return status;
      if (isCuda(targetKind(program.targets()->Get(i)->name()->c_str())))
        if (Status status = checkCudaLaunch(launch, *variant))
          return status;
    }
    return {};
  }

  // The kernel's parameters: operands, then params, fault and workspace, then the tensor maps, aligned to 64 bytes.
  Status checkCudaLaunch(const Launch &launch, const KernelVariant &variant) {
    uint64_t maps = variant.tensor_maps() ? variant.tensor_maps()->size() : 0;
    if ((launch.operands()->size() + 3) * sizeof(void *) + (maps ? 64 : 0) + maps * 128 > kMaxKernelParameters)
      return invalid(&launch, "a CUDA kernel has more than 4096 bytes of operands and tensor maps", variant.symbol());
    for (uint64_t i = 0; i < maps; ++i) {
      const TensorMap &map = *variant.tensor_maps()->Get(static_cast<uint32_t>(i));
      if (map.operand() >= launch.operands()->size())
        return invalid(&map, "a tensor map's operand does not exist");
      for (const Formula *dim : *map.dims())
        if (Status status = checkFormula(*dim, &map, true))
          return status;
    }
    return {};
  }

  // The batch symbol is the leading dimension of every input and output and occurs in no other.
  Status checkBatch(const Entry &entry) {
    if (entry.batch_symbol() == -1)
      return {};
    if (entry.batch_symbol() < 0 || static_cast<uint32_t>(entry.batch_symbol()) >= ranges.size())
      return invalid(&entry, "the batch symbol does not exist");
    for (auto *values : {entry.inputs(), entry.outputs()})
      for (const Value *value : *values)
        for (uint32_t i = 0; i < std::max<uint32_t>(value->dims()->size(), 1); ++i)
          if (value->dims()->size() == 0 ||
              (i == 0 ? bareSymbol(*value->dims()->Get(0)) != entry.batch_symbol()
                      : uses(*value->dims()->Get(i), static_cast<uint32_t>(entry.batch_symbol()))))
            return invalid(value, "the batch symbol is not the leading dimension alone", value->name());
    return {};
  }

  const Allocator &allocator;
  const Image &image;
  const Program &program;
  Array<Range> ranges;
  Array<int64_t> minima, maxima;
  Array<bool> bound; // by the inputs of the entry at hand
  uint64_t stepsLeft = kMaxSteps;
};

} // namespace

Status verifyProgram(const Allocator &allocator, const Image &image) { return Verifier(allocator, image).run(); }

} // namespace lathe::runtime
