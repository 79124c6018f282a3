// Groups of ops become kernels and launches; equal kernels become one.
#include "passes/Fuse/Outline.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"
#include <set>

using namespace mlir;
using namespace lathe;
using namespace lathe::fuse;

namespace {

/// The names of ONNX nodes in a location: the outer names; a name's child is the node's type.
void collectOrigins(Location location, std::set<std::string> &origins) {
  if (auto name = dyn_cast<NameLoc>(location))
    origins.insert(name.getName().str());
  else if (auto fused = dyn_cast<FusedLoc>(location))
    for (Location part : fused.getLocations())
      collectOrigins(part, origins);
}

ArrayAttr getOriginsAttr(MLIRContext *context, const std::set<std::string> &origins) {
  SmallVector<Attribute> names;
  for (const std::string &name : origins)
    names.push_back(StringAttr::get(context, name));
  return ArrayAttr::get(context, names);
}

/// What a body computes, as a name: its ops in order, runs of one counted, the middle of a long list left out.
std::string getBaseName(Block &body) {
  SmallVector<std::pair<std::string, unsigned>> names;
  for (Operation &op : body.without_terminator()) {
    if (isSource(&op))
      continue;
    std::string name = op.getName().stripDialect().str();
    if (!names.empty() && names.back().first == name)
      ++names.back().second;
    else
      names.push_back({name, 1});
  }
  if (names.empty())
    return "copy";
  if (names.size() > 6)
    names.erase(names.begin() + 3, names.end() - 3);
  std::string text;
  for (auto &[name, count] : names)
    text += (text.empty() ? "" : "_") + name + (count > 1 ? "_x" + std::to_string(count) : "");
  return text;
}

class Outliner {
public:
  Outliner(func::FuncOp function, ArrayRef<Group> groups)
      : function(function), builder(function), groups(groups), module(function->getParentOfType<ModuleOp>()) {
    for (const Group &group : groups)
      grouped.insert(group.ops.begin(), group.ops.end());
  }

  OutlineStatistics run() {
    Block &block = function.getBody().front();
    Operation *terminator = block.getTerminator();
    for (const Group &group : groups) {
      if (group.isAlias)
        group.ops[0]->moveBefore(terminator);
      else
        outlineGroup(group, terminator);
    }
    copyAliasedOutputs(terminator);
    SmallVector<Operation *> rest;
    for (Operation &op : block.without_terminator())
      if (isa<tfm::TfmDialect>(op.getDialect()) && !isa<tfm::RequireOp>(op))
        rest.push_back(&op);
    for (Operation *op : llvm::reverse(rest))
      if (op->use_empty())
        op->erase();
    for (auto &[kernel, origins] : origins)
      if (!origins.empty())
        kernel.setOriginsAttr(getOriginsAttr(builder.getContext(), origins));
    statistics.kernels = origins.size();
    return statistics;
  }

private:
  /// Ops of no group that `op` reads, after what they read themselves.
  void addSources(Operation *op, llvm::SetVector<Operation *> &ops) {
    for (Value operand : op->getOperands())
      if (Operation *source = operand.getDefiningOp())
        if (!grouped.contains(source) && !isa<tfm::GetOp, kernel::LaunchOp>(source) && !ops.contains(source)) {
          addSources(source, ops);
          ops.insert(source);
        }
    ops.insert(op);
  }

  /// Whether a user is another group's, or a source that another group reads.
  bool isReadElsewhere(Operation *user, const llvm::SetVector<Operation *> &ops) {
    if (grouped.contains(user) || !isa<tfm::TfmDialect>(user->getDialect()))
      return !ops.contains(user);
    return llvm::any_of(user->getUsers(), [&](Operation *next) { return isReadElsewhere(next, ops); });
  }

  void outlineGroup(const Group &group, Operation *terminator) {
    llvm::SetVector<Operation *> ops;
    for (Operation *op : group.ops)
      addSources(op, ops);
    llvm::SetVector<Value> inputs, outputs;
    std::set<std::string> names;
    SmallVector<Location> locations;
    for (Operation *op : ops) {
      for (Value operand : op->getOperands())
        if (!operand.getDefiningOp() || !ops.contains(operand.getDefiningOp()))
          inputs.insert(operand);
      collectOrigins(op->getLoc(), names);
      locations.push_back(op->getLoc());
    }
    for (Operation *op : group.ops)
      for (Value result : op->getResults())
        if (llvm::any_of(result.getUsers(), [&](Operation *user) { return isReadElsewhere(user, ops); }))
          outputs.insert(result);
    Location loc = FusedLoc::get(builder.getContext(), locations);
    kernel::FuncOp kernel = makeKernel(group, ops.getArrayRef(), inputs.getArrayRef(), outputs.getArrayRef(), loc);
    origins[kernelIndex(kernel)].second.insert(names.begin(), names.end());

    builder.setInsertionPoint(terminator);
    auto launch = kernel::LaunchOp::create(builder, loc, kernel.getResultTypes(), kernel.getSymName(),
                                           inputs.getArrayRef(), ArrayAttr());
    if (!names.empty())
      launch.setOriginsAttr(getOriginsAttr(builder.getContext(), names));
    for (auto [output, result] : llvm::zip(outputs, launch.getOutputs()))
      Value(output).replaceAllUsesWith(result);
    ++statistics.launches;
  }

  /// Every output of @main is memory of its own that a launch writes: an input, a weight, or what another output is
  /// too, is copied.
  void copyAliasedOutputs(Operation *terminator) {
    llvm::DenseSet<Value> roots;
    for (OpOperand &output : terminator->getOpOperands()) {
      Value root = output.get();
      while (auto reshape = root.getDefiningOp<tfm::ReshapeOp>())
        root = reshape.getInput();
      if (root.getDefiningOp<kernel::LaunchOp>() && roots.insert(root).second)
        continue;
      Value value = output.get();
      kernel::FuncOp kernel = makeKernel(Group(), {}, value, value, value.getLoc());
      kernelIndex(kernel);
      builder.setInsertionPoint(terminator);
      auto launch = kernel::LaunchOp::create(builder, value.getLoc(), kernel.getResultTypes(), kernel.getSymName(),
                                             value, ArrayAttr());
      output.set(launch.getOutputs()[0]);
      roots.insert(output.get());
      ++statistics.launches;
    }
  }

  size_t kernelIndex(kernel::FuncOp kernel) {
    auto it = llvm::find_if(origins, [&](auto &entry) { return entry.first == kernel; });
    if (it != origins.end())
      return it - origins.begin();
    origins.push_back({kernel, {}});
    return origins.size() - 1;
  }

  kernel::FuncOp makeKernel(const Group &group, ArrayRef<Operation *> ops, ArrayRef<Value> inputs,
                            ArrayRef<Value> outputs, Location loc) {
    builder.setInsertionPoint(function);
    auto kernel = kernel::FuncOp::create(
        builder, loc, "kernel",
        FunctionType::get(builder.getContext(), TypeRange(ValueRange(inputs)), TypeRange(ValueRange(outputs))),
        group.anchor, ArrayAttr(), ArrayAttr(), ArrayAttr(), ArrayAttr());
    Block &body = kernel.getBody().emplaceBlock();
    IRMapping mapping;
    for (Value input : inputs)
      mapping.map(input, body.addArgument(input.getType(), input.getLoc()));
    builder.setInsertionPointToEnd(&body);
    for (Operation *op : ops)
      builder.clone(*op, mapping);
    SmallVector<Value> results;
    for (Value output : outputs)
      results.push_back(mapping.lookup(output));
    kernel::ReturnOp::create(builder, loc, results);

    // Printed without locations, values are numbered in order: equal texts, equal kernels.
    std::string text;
    llvm::raw_string_ostream os(text);
    kernel->print(os, OpPrintingFlags().printGenericOpForm().useLocalScope());
    auto [it, inserted] = byText.try_emplace(text, kernel);
    if (!inserted) {
      kernel.erase();
      return it->second;
    }
    std::string base = getBaseName(body), name;
    do
      name = base + "_" + std::to_string(counters[base]++);
    while (module.lookupSymbol(name));
    kernel.setSymName(name);
    return kernel;
  }

  func::FuncOp function;
  OpBuilder builder;
  ArrayRef<Group> groups;
  ModuleOp module;
  llvm::DenseSet<Operation *> grouped;
  llvm::StringMap<kernel::FuncOp> byText;
  llvm::StringMap<unsigned> counters;
  std::vector<std::pair<kernel::FuncOp, std::set<std::string>>> origins;
  OutlineStatistics statistics;
};

} // namespace

OutlineStatistics fuse::outline(func::FuncOp function, ArrayRef<Group> groups) {
  return Outliner(function, groups).run();
}
