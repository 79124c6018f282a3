// ONNX's TensorProto, as in the test data sets' input_N.pb: a reader of the protobuf wire format for this one message,
// so that the runtime's tools need no protobuf. https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
#pragma once
#include "tools/lathe-run/Tensor.h"

namespace lathe::tool {

// Reads one TensorProto that fills the buffer. The bytes may be anything; nothing is allocated beyond eight times their
// size. Not taken: strings, complex numbers, types below 8 bits, FP8, external data and segments.
bool parseTensorProto(const uint8_t *data, uint64_t size, Tensor &tensor, std::string &error);

// The same from a file; errors name it.
bool readTensorProto(const std::string &path, Tensor &tensor, std::string &error);

} // namespace lathe::tool
