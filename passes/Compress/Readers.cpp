// Weights whose format changes, with all that reads them.
#include "passes/Compress/Readers.h"
#include "dialects/Tfm/Formats.h"
#include <cmath>

using namespace mlir;
using namespace lathe;
using namespace lathe::compress;

SmallVector<Target> compress::findTargets(ModuleOp module, llvm::Regex &pattern) {
  llvm::StringMap<SmallVector<tfm::GetOp>> gets;
  module.walk([&](tfm::GetOp get) { gets[get.getWeight()].push_back(get); });
  SmallVector<Target> targets;
  for (auto weight : module.getOps<tfm::WeightOp>()) {
    RankedTensorType type = weight.getTensorType();
    if (!matches(pattern, weight) || type.getRank() != 2 || !type.getElementType().isF32())
      continue;
    Target target;
    target.weight = weight;
    target.gets = gets.lookup(weight.getSymName());
    for (tfm::GetOp get : target.gets)
      for (OpOperand &use : get->getUses()) {
        auto linear = dyn_cast<tfm::LinearOp>(use.getOwner());
        bool isLinear = linear && use.getOperandNumber() == 1, isTable = isa<tfm::EmbeddingOp>(use.getOwner());
        if (isLinear)
          target.linears.push_back(linear);
        target.isLookedUp |= isTable;
        target.hasOthers |= !isLinear && !isTable;
        if ((isLinear || isTable) && !target.reader)
          target.reader = use.getOwner();
      }
    if (target.reader)
      targets.push_back(std::move(target));
  }
  return targets;
}

FailureOr<std::vector<float>> compress::readValues(Target &target) {
  RankedTensorType type = target.getType();
  Attribute format = tfm::getFormat(type);
  if (format && (!tfm::isSparse(format) || tfm::getValuesFormat(format)))
    return target.weight.emitOpError("is compressed already, as ") << format << "; hint: one stage for each weight";
  auto bytes = target.weight->getContext()->getLoadedDialect<tfm::TfmDialect>()->getWeights().getBytes(target.weight);
  if (!bytes)
    return target.weight.emitError(llvm::toString(bytes.takeError()));
  std::vector<float> values(type.getNumElements());
  if (format)
    values = tfm::decode(type, *bytes);
  else
    std::memcpy(values.data(), bytes->data(), values.size() * sizeof(float));
  if (!llvm::all_of(values, [](float value) { return std::isfinite(value); }))
    return target.weight.emitOpError("has an element that is not finite");
  return values;
}

static void setType(Target &target, Attribute format) {
  RankedTensorType type = tfm::withFormat(target.getType(), format);
  target.weight.setType(type);
  for (tfm::GetOp get : target.gets)
    get.getResult().setType(type);
}

void compress::store(Target &target, Attribute format, std::vector<char> bytes) {
  MLIRContext *context = target.weight->getContext();
  auto &weights = context->getLoadedDialect<tfm::TfmDialect>()->getWeights();
  target.weight.setSourceAttr(weights.addBlob(context, std::move(bytes)));
  setType(target, format);
}

void compress::storeValues(Target &target, Attribute format, ArrayRef<float> values) {
  RankedTensorType plain = tfm::getPlainType(target.getType());
  if (isa<DenseElementsAttr>(target.weight.getSource())) {
    target.weight.setSourceAttr(DenseElementsAttr::get(plain, values));
    return setType(target, format);
  }
  if (format)
    return store(target, format, tfm::encode(tfm::withFormat(plain, format), values));
  std::vector<char> bytes(values.size() * sizeof(float));
  std::memcpy(bytes.data(), values.data(), bytes.size());
  store(target, format, std::move(bytes));
}

Packed compress::packLike(Target &target, Attribute values, std::vector<char> bytes) {
  RankedTensorType whole = tfm::withFormat(target.getType(), values);
  Attribute format = tfm::getFormat(target.getType());
  if (!tfm::isSparse(format))
    return {values, std::move(bytes)};
  std::vector<float> decoded = tfm::decode(whole, bytes);
  uint64_t kept = llvm::count_if(decoded, [](float value) { return value != 0; });
  format = isa<tfm::BitmapFormatAttr>(format) ? tfm::BitmapFormatAttr::get(format.getContext(), kept, values)
                                              : tfm::withValues(format, values);
  RankedTensorType sparse = tfm::withFormat(target.getType(), format);
  if (*tfm::getByteSize(sparse) >= bytes.size())
    return {values, std::move(bytes)};
  return {format, tfm::packSparse(sparse, bytes, decoded)};
}

std::string compress::describeSparse(Attribute format) {
  if (auto nm = dyn_cast_or_null<tfm::SparseFormatAttr>(format))
    return std::to_string(nm.getN()) + ":" + std::to_string(nm.getM());
  return isa_and_nonnull<tfm::BitmapFormatAttr>(format) ? "bitmap" : "";
}

numerics::Matrix<float> compress::getMatrix(RankedTensorType type, int64_t axis, ArrayRef<float> values) {
  numerics::ConstView<float> view(values.data(), type.getDimSize(0), type.getDimSize(1));
  return axis == 1 ? numerics::copyOf<float>(view) : numerics::transposeOf<float>(view);
}
