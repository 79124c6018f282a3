// com.microsoft ops that ONNX Runtime's optimizer fuses encoders into.
#include "compiler/Onnx/Importer.h"
using namespace lathe::onnxfile;
llvm::ArrayRef<OpEntry> lathe::onnxfile::getMicrosoftOps() { return {}; }
