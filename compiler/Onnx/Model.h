// An ONNX file as the importer sees it: the graph parsed, every tensor's bytes left where they are in the mapped file.
//
// Protobuf would copy raw_data (the weights) onto the heap and stops at 2 GiB. So the wire format is scanned first, and
// what protobuf parses is a copy of the file in which each tensor's raw_data is a TensorSpan: 16 bytes that say where
// the real ones are. Packed float_data and double_data, which are laid out as raw_data is, are treated the same.
#pragma once
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/MemoryBuffer.h"
#include <memory>
#include <string>
#include <vector>

namespace onnx {
class ModelProto;
class TensorProto;
} // namespace onnx

namespace lathe::onnxfile {

/// ONNX's TensorProto.DataType, with those that are newer than the installed onnx.proto.
enum class DataType : int32_t {
  Undefined = 0,
  Float = 1,
  Uint8 = 2,
  Int8 = 3,
  Uint16 = 4,
  Int16 = 5,
  Int32 = 6,
  Int64 = 7,
  String = 8,
  Bool = 9,
  Float16 = 10,
  Double = 11,
  Uint32 = 12,
  Uint64 = 13,
  Complex64 = 14,
  Complex128 = 15,
  Bfloat16 = 16,
};
/// `float32`, `int4`, ... for messages; `type 99` for what is unknown.
std::string getTypeName(int32_t dataType);
/// Bits of an element; 0 for strings and what is unknown.
unsigned getBits(int32_t dataType);

/// Bytes in a file: `file` is the name under which the weights' store has it.
struct TensorSpan {
  uint64_t offset = 0, length = 0;
};

/// The scan: a copy of the wire bytes of a ModelProto with spans in the place of tensors' bytes. An error says what
/// is malformed and at which offset. Messages may nest 64 deep.
llvm::Expected<std::string> replaceTensorBytes(llvm::StringRef file);

/// Where a tensor's bytes are: nothing if they are in the typed fields (int32_data, int64_data, ...). For a tensor of a
/// model that replaceTensorBytes went through.
std::optional<TensorSpan> getInlineSpan(const onnx::TensorProto &tensor);

/// The product of a tensor's dimensions; an error on a negative one and on overflow.
llvm::Expected<uint64_t> getElementCount(const onnx::TensorProto &tensor);
/// Bytes of so many elements, sub-byte types packed; nothing on overflow and for types without a size.
std::optional<uint64_t> getByteSize(int32_t dataType, uint64_t elements);
/// The elements of a tensor that has typed fields, as little-endian bytes, as raw_data would have them. An error if
/// their number is not the dimensions' product.
llvm::Expected<std::vector<char>> packTypedData(const onnx::TensorProto &tensor);

class Model {
public:
  /// Maps and parses. Errors are those of the system, of the scan, and of a file that isn't ONNX. Not thread-safe.
  static llvm::Expected<std::unique_ptr<Model>> open(llvm::StringRef path);
  /// The same from memory, for tests and fuzzing; the bytes are kept by reference.
  static llvm::Expected<std::unique_ptr<Model>> parse(std::unique_ptr<llvm::MemoryBuffer> buffer);
  ~Model();

  const onnx::ModelProto &getProto() const { return *proto; }
  onnx::ModelProto &getProto() { return *proto; }
  const llvm::MemoryBuffer &getBuffer() const { return *buffer; }
  /// Gives up the mapped file, whose address stays.
  std::unique_ptr<llvm::MemoryBuffer> takeBuffer() { return std::move(buffer); }

private:
  Model();
  std::unique_ptr<llvm::MemoryBuffer> buffer;
  std::unique_ptr<onnx::ModelProto> proto;
};

} // namespace lathe::onnxfile
