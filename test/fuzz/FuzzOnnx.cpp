// Any bytes as an ONNX model: imported, with external data out of reach.
#include "compiler/Onnx/Import.h"
#include "mlir/IR/MLIRContext.h"
#include "llvm/Support/MemoryBuffer.h"
#include <memory>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  // A context keeps every type that it has seen, so it is replaced now and then.
  static std::unique_ptr<mlir::MLIRContext> context;
  static unsigned uses = 0;
  if (!context || ++uses % 1000 == 0) {
    context = std::make_unique<mlir::MLIRContext>(mlir::MLIRContext::Threading::DISABLED);
    context->getDiagEngine().registerHandler([](mlir::Diagnostic &) { return mlir::success(); });
  }
  llvm::StringRef bytes(reinterpret_cast<const char *>(data), size);
  lathe::ImportOptions options;
  options.randomSeed = 1;
  (void)lathe::importOnnx(*context, llvm::MemoryBuffer::getMemBufferCopy(bytes), "/nonexistent/model.onnx", options);
  return 0;
}
