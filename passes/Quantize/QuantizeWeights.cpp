// --lathe-quantize-weights: formats for the weights of linears and embeddings.
#include "dialects/Tfm/Formats.h"
#include "dialects/Tfm/Weights.h"
#include "passes/Passes.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/Regex.h"

namespace lathe {
#define GEN_PASS_DEF_QUANTIZEWEIGHTSPASS
#include "passes/Passes.h.inc"
} // namespace lathe

using namespace mlir;
using namespace lathe;

namespace {
/// A weight, and what reads it.
struct Target {
  tfm::WeightOp weight;
  SmallVector<tfm::GetOp> gets;
  SmallVector<tfm::LinearOp> linears;
  bool isEmbedding = false;
};

struct QuantizeWeights : lathe::impl::QuantizeWeightsPassBase<QuantizeWeights> {
  using Base::Base;

  void runOnOperation() override {
    std::string error;
    llvm::Regex pattern(targets);
    if (!pattern.isValid(error)) {
      getOperation().emitError("targets: '") << targets << "' is no regular expression: " << error;
      return signalPassFailure();
    }
    llvm::StringMap<Target> byName;
    getOperation().walk([&](tfm::GetOp get) { byName[get.getWeight()].gets.push_back(get); });
    for (auto weight : getOperation().getOps<tfm::WeightOp>()) {
      bool matches = pattern.match(weight.getSymName()) || pattern.match(weight.getOrigin().value_or(""));
      Target target = byName.lookup(weight.getSymName());
      target.weight = weight;
      if (matches && isTarget(target) && failed(quantize(target)))
        return signalPassFailure();
    }
  }

  /// Whether linears and embeddings are all that reads the weight.
  bool isTarget(Target &target) {
    RankedTensorType type = target.weight.getTensorType();
    if (type.getRank() != 2 || !type.getElementType().isF32() || target.gets.empty())
      return false;
    for (tfm::GetOp get : target.gets)
      for (OpOperand &use : get->getUses()) {
        auto linear = dyn_cast<tfm::LinearOp>(use.getOwner());
        if (linear && use.getOperandNumber() == 1)
          target.linears.push_back(linear);
        else if (isa<tfm::EmbeddingOp>(use.getOwner()))
          target.isEmbedding = true;
        else
          return false;
      }
    return true;
  }

  Attribute getFormat(RankedTensorType type, int64_t axis) {
    Builder b(&getContext());
    Type scaleType = llvm::StringSwitch<Type>(scale)
                         .Case("f32", b.getF32Type())
                         .Case("f16", b.getF16Type())
                         .Case("bf16", b.getBF16Type())
                         .Default(Type());
    if (!scaleType)
      return {};
    SmallVector<int64_t> block{1, 1};
    block[axis] = group > 0 ? group : type.getDimSize(axis);
    if (group < 0)
      block.assign(type.getShape().begin(), type.getShape().end());
    for (int64_t &size : block)
      size = std::max<int64_t>(size, 1);
    DenseI64ArrayAttr blocks = b.getDenseI64ArrayAttr(block);
    unsigned bits = 0;
    if (StringRef name = format; name.consume_front("int") && (name.getAsInteger(10, bits) || bits < 2 || bits > 8))
      return {};
    if (bits)
      return tfm::IntFormatAttr::get(&getContext(), bits, blocks, scaleType, zeroPoints);
    if (format == "fp16" || format == "bf16")
      return tfm::FloatFormatAttr::get(&getContext(), format == "fp16" ? Type(b.getF16Type()) : b.getBF16Type(), {},
                                       {});
    Type small = llvm::StringSwitch<Type>(format)
                     .Case("fp8e4m3", Float8E4M3FNType::get(&getContext()))
                     .Case("fp8e5m2", Float8E5M2Type::get(&getContext()))
                     .Default(Type());
    return small ? tfm::FloatFormatAttr::get(&getContext(), small, blocks, scaleType) : Attribute();
  }

  LogicalResult quantize(Target &target) {
    tfm::WeightOp weight = target.weight;
    RankedTensorType type = weight.getTensorType();
    if (tfm::getFormat(type))
      return weight.emitOpError("is quantized already, as ") << tfm::getFormat(type);
    // K: of a linear its input's dimension; of a table that is only looked up in, its columns.
    int64_t axis = target.linears.empty() || target.linears.front().getTransposed() ? 1 : 0;
    Attribute chosen = getFormat(type, axis);
    if (!chosen)
      return weight.emitOpError("can't be kept as '") << format << "' with scales of '" << scale << "'";
    auto &bytesOf = getContext().getLoadedDialect<tfm::TfmDialect>()->getWeights();
    auto bytes = bytesOf.getBytes(weight);
    if (!bytes)
      return weight.emitError(llvm::toString(bytes.takeError()));
    ArrayRef<float> values(reinterpret_cast<const float *>(bytes->data()), type.getNumElements());
    for (float value : values)
      if (!std::isfinite(value))
        return weight.emitOpError("has an element that is not finite");
    RankedTensorType to = tfm::withFormat(type, chosen);
    weight.setSourceAttr(bytesOf.addBlob(&getContext(), tfm::encode(to, values)));
    weight.setType(to);
    for (tfm::GetOp get : target.gets)
      get.getResult().setType(to);
    if (activation != "none")
      for (tfm::LinearOp linear : target.linears)
        linear.setActivationAttr(tfm::DynamicAttr::get(&getContext(), 8, activation == "dynamic-symmetric"));
    return success();
  }
};
} // namespace
