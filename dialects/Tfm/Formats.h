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

/// Whether a format leaves elements out: #tfm.nm, #tfm.bitmap.
bool isSparse(mlir::Attribute format);
/// The format of what is kept: a sparse format's `values` (null: f32), else the format itself.
mlir::Attribute getValuesFormat(mlir::Attribute format);
/// The sparse format with other values.
mlir::Attribute withValues(mlir::Attribute sparse, mlir::Attribute values);
/// What #tfm.nm keeps as a tensor of its own, whose codes and scales are the same bytes. Nothing where a block ends
/// among m elements: which of the two a kept one is of then depends on where it was.
std::optional<mlir::RankedTensorType> getKeptType(mlir::RankedTensorType type);
/// Of an element's code; of null, f32's 32.
unsigned getCodeBits(mlir::Attribute format);

/// Where the parts of a weight's bytes begin; `size` is their end. Parts that a format lacks are 0.
struct FormatLayout {
  uint64_t codes = 0;             // also: floats; of a sparse format what is kept
  uint64_t scales = 0, zeros = 0; // of each block of the whole tensor
  uint64_t tables = 0;            // of a codebook
  uint64_t indices = 0;           // where what is kept lies: of each in its group, or a bit for each element
  uint64_t counts = 0;            // of a bitmap: those kept before each 64 elements
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

/// Of a type in #tfm.codebook: an index into the table for each element. The table has at most 2^bits values, and is
/// filled up with the last.
std::vector<char> packCodebook(mlir::RankedTensorType type, llvm::ArrayRef<float> table, llvm::ArrayRef<uint8_t> codes);

/// The nearest value of a scale's type (f32, f16, bf16).
float roundScale(float scale, mlir::Type type);

/// Encodes values to the format's nearest: scales by the block's greatest magnitude (or range, with zero points), codes
/// to nearest, halves to even; sparse formats keep what is greatest in magnitude, a bitmap what isn't 0. Values are
/// finite.
std::vector<char> encode(mlir::RankedTensorType type, llvm::ArrayRef<float> values);
/// Of a type in a sparse format: from all elements as bytes of its values' format (f32 if it has none), those that are
/// kept, with the scales and tables of all. `values` are the elements' values, row-major, by which encode chooses.
std::vector<char> packSparse(mlir::RankedTensorType type, llvm::ArrayRef<char> whole, llvm::ArrayRef<float> values);
/// Of a type in #tfm.bitmap: the bytes of another one in which element i is the element `source(i)` of this one, or,
/// where that is negative, left out. Of the other only the blocks differ, and integers may have more bits and wider
/// scales.
std::vector<char> reorderBitmap(mlir::RankedTensorType type, llvm::ArrayRef<char> bytes, mlir::RankedTensorType to,
                                llvm::function_ref<int64_t(size_t element)> source);
/// The values, row-major. The bytes have the layout's size.
std::vector<float> decode(mlir::RankedTensorType type, llvm::ArrayRef<char> bytes);

/// The values of all codes of a small float type: f8E4M3FN, f8E5M2.
std::vector<float> getFloatTable(mlir::FloatType type);

} // namespace lathe::tfm
