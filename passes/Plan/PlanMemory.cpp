// Turns @main of launches into a program.entry.
#include "mlir/IR/SymbolTable.h"
#include "passes/Passes.h"
#include "passes/Plan/Arena.h"
#include "passes/Plan/Batch.h"
#include "passes/Plan/Flops.h"
#include "llvm/ADT/MapVector.h"

using namespace mlir;
using namespace lathe;

namespace lathe {
#define GEN_PASS_DEF_PLANMEMORYPASS
#include "passes/Passes.h.inc"
} // namespace lathe

namespace {

/// The value whose memory this one is: reshapes only rename dimensions.
Value getRoot(Value value) {
  while (auto reshape = value.getDefiningOp<tfm::ReshapeOp>())
    value = reshape.getInput();
  return value;
}

class Planner {
public:
  Planner(func::FuncOp function)
      : function(function), module(function->getParentOfType<ModuleOp>()), builder(function), symbols(module),
        memoryType(program::MemoryType::get(function.getContext())) {}

  LogicalResult plan() {
    if (failed(check()) || failed(placeBuffers()))
      return failure();
    builder.setInsertionPoint(function);
    auto entry = program::EntryOp::create(builder, function.getLoc(), function.getName(), formula(arena),
                                          plan::findBatch(function));
    builder.setInsertionPointToStart(&entry.getBody().emplaceBlock());
    for (auto require : function.getOps<tfm::RequireOp>())
      builder.clone(*require);
    for (BlockArgument argument : function.getArguments())
      memory[argument] =
          program::InputOp::create(builder, argument.getLoc(), memoryType, inputNames[argument.getArgNumber()],
                                   TypeAttr::get(argument.getType()));
    for (OpOperand &output : getTerminator()->getOpOperands())
      memory[getRoot(output.get())] =
          program::OutputOp::create(builder, output.get().getLoc(), memoryType, outputNames[output.getOperandNumber()],
                                    TypeAttr::get(output.get().getType()));
    for (auto launch : function.getOps<kernel::LaunchOp>())
      addWeights(launch);
    for (auto [value, buffer] : llvm::zip(buffered, buffers))
      memory[value] =
          program::BufferOp::create(builder, value.getLoc(), memoryType, formula(buffer.offset), formula(buffer.size));
    for (auto launch : function.getOps<kernel::LaunchOp>())
      addLaunch(launch);
    function.erase();
    return success();
  }

  ArrayRef<plan::Buffer> getBuffers() const { return buffers; }

private:
  Operation *getTerminator() { return function.getBody().front().getTerminator(); }
  tfm::DimsAttr formula(const Dim &dim) { return tfm::DimsAttr::get(module.getContext(), {dim}); }
  kernel::FuncOp getKernel(kernel::LaunchOp launch) { return symbols.lookup<kernel::FuncOp>(launch.getKernel()); }

  kernel::PanelAttr getLayout(kernel::FuncOp kernel, unsigned argument) {
    return kernel.getArgAttrOfType<kernel::PanelAttr>(argument, kernel::kLayoutAttr);
  }

  /// That @main has only what a program can do, names and ranges included.
  LogicalResult check() {
    for (Operation &op : function.getBody().front().without_terminator())
      if (!isa<kernel::LaunchOp, tfm::GetOp, tfm::ReshapeOp, tfm::RequireOp>(op))
        return op.emitError("expected kernel.launch, tfm.get, tfm.reshape or tfm.require in @main, got '")
               << op.getName() << "'; hint: run --lathe-form-kernels first";
    for (unsigned i = 0; i < function.getNumArguments(); ++i) {
      auto name = function.getArgAttrOfType<StringAttr>(i, tfm::kNameAttr);
      inputNames.push_back(name ? name : builder.getStringAttr("input_" + Twine(i)));
    }
    llvm::DenseSet<Value> outputs;
    for (OpOperand &output : getTerminator()->getOpOperands()) {
      auto name = function.getResultAttrOfType<StringAttr>(output.getOperandNumber(), tfm::kNameAttr);
      outputNames.push_back(name ? name : builder.getStringAttr("output_" + Twine(output.getOperandNumber())));
      Value root = getRoot(output.get());
      if (!root.getDefiningOp<kernel::LaunchOp>() || !outputs.insert(root).second)
        return function.emitError("expected output '")
               << outputNames.back().getValue() << "' to be written by a launch of its own; hint: run "
               << "--lathe-form-kernels first";
    }
    for (auto launch : function.getOps<kernel::LaunchOp>())
      for (auto [index, input] : llvm::enumerate(launch.getInputs()))
        if (getLayout(getKernel(launch), index) && !input.getDefiningOp<tfm::GetOp>())
          return launch.emitError("expected operand ") << index << " to be a weight, which can be stored in panels";
    return success();
  }

  LogicalResult placeBuffers() {
    // Steps are launches; a value lives from the one that writes it to the last that reads it.
    llvm::DenseMap<Operation *, unsigned> steps;
    for (auto launch : function.getOps<kernel::LaunchOp>())
      steps[launch] = steps.size();
    llvm::DenseSet<Value> outputs;
    for (Value output : getTerminator()->getOperands())
      outputs.insert(getRoot(output));
    llvm::MapVector<Value, unsigned> lastUse;
    for (auto launch : function.getOps<kernel::LaunchOp>()) {
      for (Value input : launch.getInputs())
        if (auto it = lastUse.find(getRoot(input)); it != lastUse.end())
          it->second = steps[launch];
      for (Value output : launch.getOutputs())
        if (!outputs.contains(output))
          lastUse[output] = steps[launch];
    }
    for (auto &[value, end] : lastUse) {
      int64_t width = llvm::divideCeil(tfm::getElementType(value).getIntOrFloatBitWidth(), 8);
      Dim size = program::getMonotoneBound(Dim(width) * Dim::product(tfm::getDims(value)));
      if (!size.isValid())
        return emitError(value.getLoc(), "can't bound the memory of a tensor of type ") << value.getType();
      buffered.push_back(value);
      buffers.push_back({size, steps[value.getDefiningOp()], end, Dim()});
    }
    auto size = plan::placeBuffers(buffers, [&](StringRef name) { return tfm::getSymbolRange(module, name); });
    if (!size)
      return function.emitError("the memory needed at the largest shapes overflows; hint: bound the symbols by --dim");
    arena = *size;
    return success();
  }

  void addWeights(kernel::LaunchOp launch) {
    for (auto [index, input] : llvm::enumerate(launch.getInputs())) {
      auto get = getRoot(input).getDefiningOp<tfm::GetOp>();
      if (!get)
        continue;
      auto layout = getLayout(getKernel(launch), index);
      Value &stored = weights[{get.getWeightAttr(), layout}];
      if (!stored)
        stored = program::WeightOp::create(builder, get.getLoc(), memoryType, get.getWeightAttr(), layout);
    }
  }

  void addLaunch(kernel::LaunchOp launch) {
    kernel::FuncOp kernel = getKernel(launch);
    SmallVector<Value> inputs, outputs;
    for (auto [index, input] : llvm::enumerate(launch.getInputs())) {
      auto get = getRoot(input).getDefiningOp<tfm::GetOp>();
      inputs.push_back(get ? weights.lookup({get.getWeightAttr(), getLayout(kernel, index)})
                           : memory.lookup(getRoot(input)));
    }
    for (Value output : launch.getOutputs())
      outputs.push_back(memory.lookup(output));
    Dim flops = plan::countFlops(kernel);
    bool counted =
        flops != Dim(0) && flops.bounds([&](StringRef name) { return tfm::getSymbolRange(module, name); }).has_value();
    program::LaunchOp::create(builder, launch.getLoc(), launch.getKernelAttr(), inputs, outputs,
                              counted ? formula(flops) : tfm::DimsAttr(), launch.getOriginsAttr());
  }

  func::FuncOp function;
  ModuleOp module;
  OpBuilder builder;
  SymbolTable symbols;
  Type memoryType;
  SmallVector<StringAttr> inputNames, outputNames;
  SmallVector<Value> buffered;
  std::vector<plan::Buffer> buffers;
  Dim arena;
  llvm::DenseMap<Value, Value> memory; // by root
  llvm::DenseMap<std::pair<Attribute, Attribute>, Value> weights;
};

struct PlanMemory : lathe::impl::PlanMemoryPassBase<PlanMemory> {
  void runOnOperation() override {
    auto function = getOperation().lookupSymbol<func::FuncOp>("main");
    if (!function || !function.getBody().hasOneBlock()) {
      getOperation().emitError("expected func.func @main of one block");
      return signalPassFailure();
    }
    Planner planner(function);
    if (failed(planner.plan()))
      return signalPassFailure();
    buffers += planner.getBuffers().size();
    llvm::DenseSet<StringRef> offsets;
    for (const plan::Buffer &buffer : planner.getBuffers())
      offsets.insert(buffer.offset.str());
    slots += offsets.size();
  }
};

} // namespace
