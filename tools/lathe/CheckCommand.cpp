// lathe check: everything in a model that Lathe can't compile, at once, without reading weights.
#include "mlir/IR/MLIRContext.h"
#include "tools/lathe/Commands.h"

using namespace lathe;
using namespace lathe::tool;

static int check(const ModelSource &model, const Arguments &arguments) {
  ImportOptions options;
  std::string error;
  if (!readImportFlags(arguments, options, error))
    return fail(error, kUsage);
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  DiagnosticPrinter printer(context);
  if (failed(checkOnnx(context, model.path, options)))
    return kFailed;
  std::printf("%s: everything in it is supported\n", model.path.c_str());
  return 0;
}

const Command tool::checkCommand = {"check",
                                    "",
                                    "lists everything in an ONNX model that can't be compiled",
                                    "Reads the graph and no weights.",
                                    0,
                                    importFlags(),
                                    check};
