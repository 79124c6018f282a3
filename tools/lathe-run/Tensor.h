// Tensors in host memory, as the tool reads them from files and hands them to the runtime: dense, row-major,
// little-endian. Also reading and writing whole files, with errors in words.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace lathe::tool {

// In the order of the package's ElementType and of the C API's.
enum class ElementType : uint8_t { Bool, I8, U8, I16, U16, I32, U32, I64, U64, F16, BF16, F32, F64 };
inline constexpr unsigned kElementTypes = 13;

unsigned elementSize(ElementType type); // bytes
const char *typeName(ElementType type); // "f32", "bool", ...
bool isInteger(ElementType type);       // bool counts as one
bool isFloat(ElementType type);

// The number of elements of a shape and of its bytes; nothing where a dimension is negative or the product leaves 63
// bits.
std::optional<uint64_t> elementCount(const std::vector<int64_t> &dims);
std::optional<uint64_t> byteCount(ElementType type, const std::vector<int64_t> &dims);

struct Tensor {
  std::string name;
  ElementType type = ElementType::F32;
  std::vector<int64_t> dims;
  std::vector<uint8_t> bytes; // elementCount(dims) * elementSize(type)

  uint64_t count() const { return bytes.size() / elementSize(type); }
  double asDouble(uint64_t index) const;
  __int128 asInteger(uint64_t index) const; // of an integer type only
};

// Stores `value` at an element, rounded to nearest even for floating types; integers must be representable.
void storeDouble(Tensor &tensor, uint64_t index, double value);
void storeInteger(Tensor &tensor, uint64_t index, int64_t value);

// Changes the element type where no value changes: between integer types when each value fits, from integers and from
// narrower floats to floats when exact. A u16 tensor is taken as the bits of a bf16 one, for .npy has no bf16.
// On failure the tensor is as it was and `error` names the first value that does not fit.
bool convertLossless(Tensor &tensor, ElementType to, std::string &error);

std::string shapeText(const std::vector<int64_t> &dims); // "1x128", "scalar" for rank 0

// A regular file's bytes. Other kinds (a FIFO would block) and files above `limit` bytes are errors.
bool readFile(const std::string &path, std::vector<uint8_t> &bytes, std::string &error, uint64_t limit = 1ull << 40);
bool writeFile(const std::string &path, const void *data, uint64_t size, std::string &error);

} // namespace lathe::tool
