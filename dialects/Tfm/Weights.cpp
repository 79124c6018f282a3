// Mapped files, blobs and the expansion of literals.
#include "dialects/Tfm/Weights.h"
#include "dialects/Tfm/Formats.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "runtime/Package/RandomWeights.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/CheckedArithmetic.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SHA256.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::tfm;

std::optional<uint64_t> tfm::getByteSize(RankedTensorType type) {
  if (!type.hasStaticShape())
    return std::nullopt;
  if (getFormat(type)) {
    auto layout = getFormatLayout(type);
    return layout ? std::optional<uint64_t>(layout->size) : std::nullopt;
  }
  std::optional<uint64_t> size = llvm::divideCeil(type.getElementTypeBitWidth(), 8);
  for (int64_t dim : type.getShape())
    if (!(size = llvm::checkedMulUnsigned<uint64_t>(*size, dim)))
      return std::nullopt;
  return size;
}

void Weights::setDirectory(StringRef path) {
  std::lock_guard<std::mutex> lock(mutex);
  directory = path.str();
}

void Weights::addFile(StringRef name, std::unique_ptr<llvm::MemoryBuffer> buffer) {
  std::lock_guard<std::mutex> lock(mutex);
  files[name] = std::move(buffer);
}

static std::string hashOf(ArrayRef<char> bytes) {
  auto hash = llvm::SHA256::hash(ArrayRef<uint8_t>(reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size()));
  return llvm::toHex(hash, /*LowerCase=*/true);
}

tfm::BlobAttr Weights::addBlob(MLIRContext *context, std::vector<char> bytes) {
  std::string hash = hashOf(bytes);
  std::lock_guard<std::mutex> lock(mutex);
  blobs.try_emplace(hash, std::move(bytes));
  return tfm::BlobAttr::get(context, StringAttr::get(context, hash));
}

/// A literal's elements as bytes; i1 takes one each.
static std::vector<char> expandLiteral(DenseElementsAttr elements) {
  std::vector<char> bytes;
  if (elements.getElementType().isInteger(1)) {
    for (bool value : elements.getValues<bool>())
      bytes.push_back(value);
    return bytes;
  }
  ArrayRef<char> raw = elements.getRawData();
  if (!elements.isSplat())
    return std::vector<char>(raw.begin(), raw.end());
  for (int64_t i = 0; i < elements.getNumElements(); ++i)
    bytes.insert(bytes.end(), raw.begin(), raw.end());
  return bytes;
}

/// Of a weight of f32, f16 or bf16.
static std::vector<char> expandRandom(RandomAttr random, RankedTensorType type) {
  float scale = static_cast<float>(random.getScale().getValueAsDouble());
  std::vector<char> bytes;
  auto append = [&](auto value) {
    auto *begin = reinterpret_cast<const char *>(&value);
    bytes.insert(bytes.end(), begin, begin + sizeof value);
  };
  bytes.reserve(*tfm::getByteSize(type));
  for (int64_t i = 0, count = type.getNumElements(); i < count; ++i) {
    float value = scale * package::randomUnit(random.getSeed(), random.getTensor(), i);
    if (type.getElementType().isF32())
      append(value);
    else
      append(type.getElementType().isF16() ? package::toHalfBits(value) : package::toBfloatBits(value));
  }
  return bytes;
}

/// Elements as bytes of the type's format, if it has one.
static std::vector<char> encodeExpanded(RankedTensorType type, std::vector<char> elements) {
  if (!getFormat(type))
    return elements;
  return encode(type, ArrayRef<float>(reinterpret_cast<const float *>(elements.data()), type.getNumElements()));
}

llvm::Expected<ArrayRef<char>> Weights::getBytes(WeightOp weight) {
  auto fail = [&](const Twine &why) {
    return llvm::createStringError("weight '" + weight.getOrigin().value_or(weight.getSymName()) + "': " + why);
  };
  RankedTensorType type = weight.getTensorType();
  std::optional<uint64_t> size = getByteSize(type);
  if (!size)
    return fail("its size overflows");
  Attribute source = weight.getSource();
  if (auto file = dyn_cast<FileAttr>(source)) {
    std::lock_guard<std::mutex> lock(mutex);
    std::unique_ptr<llvm::MemoryBuffer> &buffer = files[file.getPath().getValue()];
    if (!buffer) {
      SmallString<256> path(directory);
      llvm::sys::path::append(path, file.getPath().getValue());
      auto opened = llvm::MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
      if (!opened)
        return fail("can't open '" + path + "': " + opened.getError().message());
      buffer = std::move(*opened);
    }
    uint64_t length = buffer->getBufferSize(), offset = file.getOffset();
    if (offset > length || *size > length - offset)
      return fail("expected " + Twine(*size) + " bytes at " + Twine(offset) + " of '" + file.getPath().getValue() +
                  "', which has " + Twine(length));
    return ArrayRef<char>(buffer->getBufferStart() + offset, *size);
  }
  tfm::BlobAttr blob = dyn_cast<tfm::BlobAttr>(source);
  if (auto elements = dyn_cast<DenseElementsAttr>(source)) {
    if (!elements.isSplat() && !elements.getElementType().isInteger(1) && !getFormat(type))
      return elements.getRawData();
    blob = addBlob(weight.getContext(), encodeExpanded(type, expandLiteral(elements)));
  } else if (auto random = dyn_cast<RandomAttr>(source)) {
    Type element = type.getElementType();
    if (!element.isF32() && !element.isF16() && !element.isBF16())
      return fail("random weights are f32, f16 or bf16");
    // A format's bytes are of f32, whatever ops see.
    RankedTensorType plain = getFormat(type) ? type.clone(Float32Type::get(type.getContext())) : type;
    blob = addBlob(weight.getContext(), encodeExpanded(type, expandRandom(random, getPlainType(plain))));
  }
  if (!blob)
    return fail("has no bytes");
  std::lock_guard<std::mutex> lock(mutex);
  auto it = blobs.find(blob.getSha256().getValue());
  if (it == blobs.end())
    return fail("blob " + blob.getSha256().getValue() + " is not in the store; hint: give --blobs=DIR");
  if (it->second.size() != *size)
    return fail("expected " + Twine(*size) + " bytes, its blob has " + Twine(it->second.size()));
  return ArrayRef<char>(it->second);
}
