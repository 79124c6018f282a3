// Formats of weights: encoders, decoders and sizes, of each format in one place.
//
// A weight's format is the encoding of its tensor type (TfmBase.td); null: its elements as they are. The bytes of a
// weight in a format are parts, one after another, each at a multiple of 64 bytes: codes, scales, zero points, tables.
// Codes are packed, element after element in row-major order, low bits first; the codes' part has one byte more than
// they take, so that a code may be read as two bytes. All functions are pure; bytes are little-endian.
#pragma once
#include "dialects/Tfm/Tfm.h"

namespace lathe::tfm {

/// The format of a tensor type, or null.
mlir::Attribute getFormat(mlir::Type type);
/// The type without its format: what ops see.
mlir::RankedTensorType getPlainType(mlir::RankedTensorType type);
mlir::RankedTensorType withFormat(mlir::RankedTensorType type, mlir::Attribute format);

/// The 16-bit float that a tensor type's bytes are, element by element: its own elements, or those of a format without
/// scales; else null.
mlir::Type getHalfType(mlir::Type type);

/// Where the parts of a weight's bytes begin; `size` is their end. Parts that a format lacks are empty.
struct FormatLayout {
  uint64_t codes = 0; // also: small floats, indices, kept values
  uint64_t scales = 0, zeros = 0, tables = 0, indices = 0;
  uint64_t size = 0;
};
/// Nothing on overflow. The type has a format.
std::optional<FormatLayout> getFormatLayout(mlir::RankedTensorType type);

/// Blocks along each dimension: ceildiv(shape, block).
llvm::SmallVector<int64_t> getBlockCounts(llvm::ArrayRef<int64_t> shape, llvm::ArrayRef<int64_t> block);

/// What an integer format holds, unpacked: a code for each element, a scale and, with zero points, a zero for each
/// block, all row-major. Scales are values of the format's scale type.
struct IntCodes {
  std::vector<int8_t> codes; // unsigned ones of 8 bits as the same bits
  std::vector<float> scales;
  std::vector<uint8_t> zeros;
};
/// Of a type in #tfm.int. Asserts the sizes.
std::vector<char> packInt(mlir::RankedTensorType type, const IntCodes &codes);
IntCodes unpackInt(mlir::RankedTensorType type, llvm::ArrayRef<char> bytes);

/// A format of codes of 4 or 8 bits with a scale for each block, whatever the codes are.
struct PackedCodes {
  unsigned bits;
  mlir::DenseI64ArrayAttr block;
  mlir::Type scale;
  bool zeroPoints = false;
  mlir::FloatType type = {}; // of the codes, or null: integers
};
/// Nothing for other formats, and for null.
std::optional<PackedCodes> getPackedCodes(mlir::Attribute format);

/// The nearest value of a scale's type (f32, f16, bf16).
float roundScale(float scale, mlir::Type type);

/// Encodes values to the format's nearest: scales by the block's greatest magnitude (or range, with zero points), codes
/// to nearest, halves to even; sparse formats keep what is greatest in magnitude, a bitmap what isn't 0. Values are
/// finite.
std::vector<char> encode(mlir::RankedTensorType type, llvm::ArrayRef<float> values);
/// The values, row-major. The bytes have the layout's size.
std::vector<float> decode(mlir::RankedTensorType type, llvm::ArrayRef<char> bytes);

/// The values of all codes of a small float type: f8E4M3FN, f8E5M2.
std::vector<float> getFloatTable(mlir::FloatType type);

} // namespace lathe::tfm
