// Finds the bytes of weights, and which of them are equal.
#include "compiler/Onnx/WeightTable.h"
#include "onnx.pb.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/xxhash.h"

using namespace mlir;
using namespace lathe;
using namespace lathe::onnxfile;

Type lathe::onnxfile::getElementType(MLIRContext *context, int32_t dataType) {
  auto integer = [&](unsigned width, bool isUnsigned = false) {
    return IntegerType::get(context, width, isUnsigned ? IntegerType::Unsigned : IntegerType::Signless);
  };
  switch (static_cast<DataType>(dataType)) {
  case DataType::Float:
    return Float32Type::get(context);
  case DataType::Double:
    return Float64Type::get(context);
  case DataType::Float16:
    return Float16Type::get(context);
  case DataType::Bfloat16:
    return BFloat16Type::get(context);
  case DataType::Bool:
    return integer(1);
  case DataType::Int8:
    return integer(8);
  case DataType::Int16:
    return integer(16);
  case DataType::Int32:
    return integer(32);
  case DataType::Int64:
    return integer(64);
  case DataType::Uint8:
    return integer(8, true);
  case DataType::Uint16:
    return integer(16, true);
  case DataType::Uint32:
    return integer(32, true);
  case DataType::Uint64:
    return integer(64, true);
  default:
    return {};
  }
}

WeightTable::WeightTable(ModuleOp module, Model &model, StringRef modelPath, const ImportOptions &options,
                         bool compareBytes)
    : module(module), model(model), modelName(llvm::sys::path::filename(modelPath).str()),
      externalData(modelPath, options.externalData), options(options), compareBytes(compareBytes) {
  symbolNames["main"] = 1;
}

RankedTensorType WeightTable::getType(const onnx::TensorProto &tensor, Location loc) {
  auto fail = [&](const std::string &why) {
    emitError(loc) << "tensor '" << tensor.name() << "': " << why;
    return RankedTensorType();
  };
  Type elementType = getElementType(module.getContext(), tensor.data_type());
  if (!elementType)
    return fail("element type " + getTypeName(tensor.data_type()) + " is not supported; hint: export the model in " +
                "float32, float16, bfloat16 or 8 to 64-bit integers");
  auto count = getElementCount(tensor);
  if (!count)
    return fail(llvm::toString(count.takeError()));
  return RankedTensorType::get(ArrayRef<int64_t>(tensor.dims().data(), tensor.dims_size()), elementType);
}

/// i1 is a byte of 0 or 1 in ONNX and a bit in a literal.
static DenseElementsAttr makeLiteral(RankedTensorType type, ArrayRef<char> bytes) {
  if (type.getElementType().isInteger(1)) {
    SmallVector<bool> values;
    for (char byte : bytes)
      values.push_back(byte != 0);
    return DenseElementsAttr::get(type, ArrayRef<bool>(values));
  }
  return DenseElementsAttr::getFromRawBuffer(type, bytes);
}

DenseElementsAttr WeightTable::getLiteral(const onnx::TensorProto &tensor, RankedTensorType type) {
  if (tensor.data_location() == onnx::TensorProto::EXTERNAL)
    return {};
  if (auto span = getInlineSpan(tensor)) {
    if (getByteSize(tensor.data_type(), type.getNumElements()) != span->length)
      return {};
    StringRef bytes = model.getBuffer().getBuffer().substr(span->offset, span->length);
    return makeLiteral(type, ArrayRef<char>(bytes.data(), bytes.size()));
  }
  auto bytes = packTypedData(tensor);
  if (!bytes) {
    llvm::consumeError(bytes.takeError());
    return {};
  }
  return makeLiteral(type, *bytes);
}

FailureOr<WeightTable::Bytes> WeightTable::find(const onnx::TensorProto &tensor, StringRef name, RankedTensorType type,
                                                uint64_t ordinal, Location loc) {
  MLIRContext *context = module.getContext();
  auto fail = [&](const std::string &why) { return emitError(loc) << "tensor '" << name << "': " << why; };
  uint64_t size = *getByteSize(tensor.data_type(), type.getNumElements());
  if (tensor.data_location() == onnx::TensorProto::EXTERNAL) {
    std::vector<std::pair<StringRef, StringRef>> pairs;
    for (auto &entry : tensor.external_data())
      pairs.push_back({entry.key(), entry.value()});
    auto location = parseExternalLocation(pairs);
    if (!location)
      return fail(llvm::toString(location.takeError()));
    auto it = files.find(location->path);
    if (it == files.end()) {
      auto file = externalData.open(location->path);
      if (!file) {
        // One that isn't there is reported with all that it should hold.
        llvm::Error error = llvm::handleErrors(file.takeError(), [](std::unique_ptr<llvm::ErrorInfoBase> info) {
          bool isMissing = info->convertToErrorCode() == std::errc::no_such_file_or_directory;
          return isMissing ? llvm::Error::success() : llvm::Error(std::move(info));
        });
        if (error)
          return fail(llvm::toString(std::move(error)));
      }
      it = files.try_emplace(location->path, file ? std::move(*file) : nullptr).first;
    }
    if (!it->second) {
      if (options.randomSeed && !type.getElementType().isF32())
        return fail("its file is missing, and random weights are float32; hint: give the file with "
                    "--external-data=DIR");
      if (!options.randomSeed) // the import goes on, to find what else is wrong, and fails at its end
        missing[location->path].push_back(name.str());
      auto scale = FloatAttr::get(Float32Type::get(context), kRandomScale);
      return Bytes{tfm::RandomAttr::get(context, options.randomSeed.value_or(0), ordinal, scale), {}};
    }
    uint64_t fileSize = it->second->getBufferSize();
    if (location->offset > fileSize || size > fileSize - location->offset || location->length.value_or(size) != size)
      return fail(llvm::formatv("expected {0} bytes for {1} elements of {2}, got offset {3}{4} in '{5}', which has {6}",
                                size, type.getNumElements(), getTypeName(tensor.data_type()), location->offset,
                                location->length ? " and length " + std::to_string(*location->length) : "",
                                location->path, fileSize)
                      .str());
    return Bytes{tfm::FileAttr::get(context, StringAttr::get(context, location->path), location->offset),
                 it->second->getBuffer().substr(location->offset, size)};
  }
  if (auto span = getInlineSpan(tensor)) {
    if (span->length != size)
      return fail(llvm::formatv("expected {0} bytes for {1} elements of {2}, got {3}", size, type.getNumElements(),
                                getTypeName(tensor.data_type()), span->length)
                      .str());
    return Bytes{tfm::FileAttr::get(context, StringAttr::get(context, modelName), span->offset),
                 model.getBuffer().getBuffer().substr(span->offset, size)};
  }
  auto bytes = packTypedData(tensor);
  if (!bytes)
    return fail(llvm::toString(bytes.takeError()));
  // The blob stays with the context's store, so the view of it does too.
  auto &store = context->getLoadedDialect<tfm::TfmDialect>()->getWeights();
  tfm::BlobAttr blob = store.addBlob(context, std::move(*bytes));
  return Bytes{blob, {}};
}

/// A hash of up to 32 pieces of 128 bytes: cheap, and equal for equal bytes.
static uint64_t hashSample(StringRef bytes) {
  constexpr size_t kPieces = 32, kPiece = 128;
  if (bytes.size() <= kPieces * kPiece)
    return llvm::xxh3_64bits(bytes);
  std::string sample;
  size_t step = (bytes.size() - kPiece) / (kPieces - 1);
  for (size_t i = 0; i < kPieces; ++i)
    sample += bytes.substr(i * step, kPiece);
  return llvm::xxh3_64bits(sample);
}

tfm::WeightOp WeightTable::findEqual(RankedTensorType type, StringRef bytes) {
  auto it = bySample.find({bytes.size(), hashSample(bytes)});
  if (it == bySample.end())
    return {};
  for (size_t index : it->second)
    if (entries[index].weight.getType() == type && entries[index].bytes == bytes)
      return entries[index].weight;
  return {};
}

/// Whether b[j][i] == a[i][j], for a of so many rows and columns.
static bool isTranspose(StringRef a, StringRef b, int64_t rows, int64_t columns, size_t width) {
  auto equal = [&](int64_t i, int64_t j) {
    return std::memcmp(a.data() + (i * columns + j) * width, b.data() + (j * rows + i) * width, width) == 0;
  };
  // Nearly all that differ do so in the first row or column.
  for (int64_t j = 0; j < columns; ++j)
    if (!equal(0, j))
      return false;
  constexpr int64_t kBlock = 32;
  for (int64_t i0 = 0; i0 < rows; i0 += kBlock)
    for (int64_t j0 = 0; j0 < columns; j0 += kBlock)
      for (int64_t i = i0; i < std::min(rows, i0 + kBlock); ++i)
        for (int64_t j = j0; j < std::min(columns, j0 + kBlock); ++j)
          if (!equal(i, j))
            return false;
  return true;
}

tfm::WeightOp WeightTable::findTransposed(RankedTensorType type, StringRef bytes) {
  if (type.getRank() != 2 || type.getNumElements() == 0)
    return {};
  int64_t rows = type.getDimSize(1), columns = type.getDimSize(0);
  auto flipped = RankedTensorType::get({rows, columns}, type.getElementType());
  for (Entry &entry : entries)
    if (entry.weight.getType() == flipped && entry.bytes.size() == bytes.size() &&
        isTranspose(entry.bytes, bytes, rows, columns, bytes.size() / type.getNumElements()))
      return entry.weight;
  return {};
}

std::string WeightTable::getSymbolName(StringRef name) {
  std::string symbol;
  for (char c : name)
    symbol += llvm::isAlnum(c) || c == '_' || c == '.' ? c : '_';
  if (symbol.empty() || llvm::isDigit(symbol[0]) || symbol[0] == '.')
    symbol = "_" + symbol;
  while (symbolNames[symbol]++)
    symbol += "_" + std::to_string(symbolNames[symbol] - 1);
  return symbol;
}

Value WeightTable::load(OpBuilder &builder, const onnx::TensorProto &tensor, StringRef name, RankedTensorType type,
                        uint64_t ordinal, Location loc) {
  auto bytes = find(tensor, name, type, ordinal, loc);
  if (failed(bytes))
    return {};
  std::string key;
  llvm::raw_string_ostream(key) << bytes->source << type;
  tfm::WeightOp &known = bySource[key];
  if (!known && compareBytes && !bytes->view.empty()) {
    known = findEqual(type, bytes->view);
    if (!known)
      if (tfm::WeightOp flipped = findTransposed(type, bytes->view)) {
        Value value = tfm::GetOp::create(builder, loc, flipped.getType(), flipped.getSymName());
        return tfm::TransposeOp::create(builder, loc, type, value, builder.getDenseI64ArrayAttr({1, 0}));
      }
  }
  if (!known) {
    OpBuilder::InsertionGuard guard(builder);
    if (entries.empty())
      builder.setInsertionPointToStart(module.getBody());
    else
      builder.setInsertionPointAfter(entries.back().weight);
    known = tfm::WeightOp::create(builder, loc, getSymbolName(name), type, bytes->source, builder.getStringAttr(name));
    if (!bytes->view.empty())
      bySample[{bytes->view.size(), hashSample(bytes->view)}].push_back(entries.size());
    entries.push_back({known, bytes->view});
  }
  return tfm::GetOp::create(builder, loc, type, known.getSymName());
}

void WeightTable::publish() {
  auto &store = module.getContext()->getLoadedDialect<tfm::TfmDialect>()->getWeights();
  for (auto &[name, file] : files)
    if (file)
      store.addFile(name, std::move(file));
  store.addFile(modelName, model.takeBuffer());
}
