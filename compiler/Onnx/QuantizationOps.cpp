// ONNX ops that quantize.
#include "compiler/Onnx/Importer.h"
using namespace lathe::onnxfile;
llvm::ArrayRef<OpEntry> lathe::onnxfile::getQuantizationOps() { return {}; }
