// The entry points: imports until no new fact about symbols comes up.
#include "compiler/Onnx/Import.h"
#include "compiler/Onnx/Importer.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Verifier.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::onnxfile;

/// Imports once more than there are facts to find; null with the diagnostics emitted.
static OwningOpRef<ModuleOp> import(MLIRContext &context, Model &model, StringRef path, const ImportOptions &options,
                                    bool isCheck) {
  context.loadDialect<func::FuncDialect, tfm::TfmDialect>();
  Symbols symbols;
  // What an import reports that is started again would come twice.
  std::vector<Diagnostic> diagnostics;
  auto emitAll = [&] {
    for (Diagnostic &diagnostic : diagnostics)
      context.getDiagEngine().emit(std::move(diagnostic));
  };
  constexpr int kMaxStarts = 1000;
  for (int start = 0; start < kMaxStarts; ++start) {
    symbols.restart();
    diagnostics.clear();
    auto file = FileLineColLoc::get(&context, path, 0, 0);
    OwningOpRef<ModuleOp> module = ModuleOp::create(file);
    bool isGood;
    {
      ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
        // What has no place of its own is about the file.
        if (isa<UnknownLoc>(diagnostic.getLocation())) {
          Diagnostic located(file, diagnostic.getSeverity());
          located << diagnostic.str();
          diagnostics.push_back(std::move(located));
        } else {
          diagnostics.push_back(std::move(diagnostic));
        }
        return success();
      });
      Importer importer(*module, model, path, options, symbols, !isCheck);
      isGood = succeeded(importer.run());
      if (symbols.hasNewFacts())
        continue;
      if (isGood)
        isGood = succeeded(verify(*module));
      if (isGood && !isCheck)
        importer.getWeights().publish();
    }
    emitAll();
    return isGood ? std::move(module) : nullptr;
  }
  emitError(FileLineColLoc::get(&context, path, 0, 0)) << "its dimensions depend on each other without end";
  return nullptr;
}

static FailureOr<OwningOpRef<ModuleOp>> import(MLIRContext &context, llvm::Expected<std::unique_ptr<Model>> model,
                                               StringRef path, const ImportOptions &options, bool isCheck) {
  if (!model) {
    emitError(FileLineColLoc::get(&context, path, 0, 0)) << llvm::toString(model.takeError());
    return failure();
  }
  OwningOpRef<ModuleOp> module = import(context, **model, path, options, isCheck);
  if (!module)
    return failure();
  return std::move(module);
}

FailureOr<OwningOpRef<ModuleOp>> lathe::importOnnx(MLIRContext &context, StringRef path, const ImportOptions &options) {
  return import(context, Model::open(path), path, options, /*isCheck=*/false);
}

FailureOr<OwningOpRef<ModuleOp>> lathe::importOnnx(MLIRContext &context, std::unique_ptr<llvm::MemoryBuffer> bytes,
                                                   StringRef name, const ImportOptions &options) {
  return import(context, Model::parse(std::move(bytes)), name, options, /*isCheck=*/false);
}

LogicalResult lathe::checkOnnx(MLIRContext &context, StringRef path, const ImportOptions &options) {
  return success(succeeded(import(context, Model::open(path), path, options, /*isCheck=*/true)));
}

FailureOr<std::vector<OnnxNode>> lathe::listNodes(MLIRContext &context, StringRef path) {
  auto model = Model::open(path);
  if (!model) {
    emitError(FileLineColLoc::get(&context, path, 0, 0)) << llvm::toString(model.takeError());
    return failure();
  }
  std::vector<OnnxNode> nodes;
  for (const onnx::NodeProto &node : (*model)->getProto().graph().node())
    nodes.push_back({nodeName(node, nodes.size(), ""), node.op_type()});
  return nodes;
}
