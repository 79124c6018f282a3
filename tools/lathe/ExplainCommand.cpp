// lathe explain: where each ONNX node of a model went.
#include "mlir/IR/MLIRContext.h"
#include "tools/lathe/Commands.h"

using namespace lathe;
using namespace lathe::tool;

static int explain(const ModelSource &, const Arguments &) { return 0; }

const Command tool::explainCommand = {"explain",    "",     "says for each ONNX node which launch computes it", "", 0,
                                      kImportFlags, explain};
