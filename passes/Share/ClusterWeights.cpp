// --lathe-cluster-weights: indices into a table of a few values.
#include "compiler/Numerics/Codebook.h"
#include "compiler/Numerics/Errors.h"
#include "compiler/Numerics/Gptq.h"
#include "dialects/Tfm/Formats.h"
#include "passes/Compress/Readers.h"
#include "passes/Passes.h"

namespace lathe {
#define GEN_PASS_DEF_CLUSTERWEIGHTSPASS
#include "passes/Passes.h.inc"
} // namespace lathe

using namespace mlir;
using namespace lathe;
using namespace lathe::compress;
using numerics::Matrix;

namespace {
struct ClusterWeights : lathe::impl::ClusterWeightsPassBase<ClusterWeights> {
  using Base::Base;

  void runOnOperation() override {
    if (failed(checkOptions()) || failed(calibration.load(getOperation(), statistics)))
      return signalPassFailure();
    llvm::Regex pattern(targets);
    for (Target &target : findTargets(getOperation(), pattern))
      if (failed(target.hasOthers ? refuse(target) : cluster(target)))
        return signalPassFailure();
  }

  LogicalResult checkOptions() {
    std::string wrong;
    if (!llvm::Regex(targets).isValid(wrong))
      return getOperation().emitError("targets: '") << targets << "' is no regular expression: " << wrong;
    if (bits < 1 || bits > 8)
      return getOperation().emitError("bits: expected 1 to 8, got ") << bits.getValue();
    if (importance != "none" && importance != "activation")
      return getOperation().emitError("importance: expected none or activation, got '") << importance << "'";
    if (importance == "activation" && statistics.empty())
      return getOperation().emitError("importance 'activation' needs statistics; hint: give calibration data");
    return success();
  }

  LogicalResult refuse(Target &target) {
    Change change(target.reader, target.weight, getArgument());
    change.refused = "another op than linears and embeddings reads it";
    change.before = change.after = *tfm::getByteSize(target.getType());
    report(getOperation(), change);
    return success();
  }

  LogicalResult cluster(Target &target) {
    FailureOr<std::vector<float>> values = readValues(target);
    if (failed(values))
      return failure();
    const statistics::Entry *entry = nullptr;
    if (!target.linears.empty()) {
      auto found = calibration.find(target.linears.front());
      if (failed(found))
        return failure();
      entry = *found;
    }
    RankedTensorType type = target.getType();
    int64_t axis = target.getDepthAxis();
    std::vector<float> ofInput;
    if (importance == "activation" && entry)
      ofInput = numerics::getImportance(numerics::Moments(entry->moments).h);

    // What is left out needs no value of its own: the table is of the others.
    std::string sparse = describeSparse(tfm::getFormat(type));
    std::vector<float> elements, weights;
    for (size_t i = 0; i < values->size(); ++i) {
      if (!sparse.empty() && (*values)[i] == 0)
        continue;
      elements.push_back((*values)[i]);
      int64_t columns = type.getDimSize(1);
      if (!ofInput.empty())
        weights.push_back(ofInput[axis ? i % columns : i / columns]);
    }
    numerics::Codebook codebook = numerics::clusterWeights(elements, weights, int64_t(1) << bits);
    std::vector<uint8_t> codes(values->size());
    for (size_t i = 0, next = 0; i < values->size(); ++i)
      if (sparse.empty() || (*values)[i] != 0)
        codes[i] = codebook.codes[next++];

    auto format = tfm::CodebookFormatAttr::get(&getContext(), bits, Float32Type::get(&getContext()));
    Packed packed = pack(target, format, codebook.values, codes, *values);
    RankedTensorType to = tfm::withFormat(type, packed.format);
    Matrix<float> before = getMatrix(type, axis, *values), after = getMatrix(type, axis, tfm::decode(to, packed.bytes));
    Change change(target.reader, target.weight, getArgument());
    change.what = std::to_string(codebook.values.size()) + " values";
    if (!sparse.empty())
      change.what +=
          tfm::isSparse(packed.format) ? ", " + sparse : " (zeros have indices: smaller than a " + sparse + ")";
    change.error = entry ? numerics::relativeError(before, after, numerics::Moments(entry->moments).h)
                         : numerics::relativeError(before, after);
    change.before = *tfm::getByteSize(type);
    change.after = packed.bytes.size();
    report(getOperation(), change);
    store(target, packed.format, std::move(packed.bytes));
    return success();
  }

  /// With zeros left out as they were, or where that isn't smaller one value of the table as 0.
  static Packed pack(Target &target, tfm::CodebookFormatAttr format, std::vector<float> table,
                     std::vector<uint8_t> &codes, ArrayRef<float> values) {
    RankedTensorType type = tfm::withFormat(target.getType(), format);
    Attribute sparse = tfm::getFormat(target.getType());
    if (!tfm::isSparse(sparse) || table.empty())
      return {format, tfm::packCodebook(type, table, codes)};
    sparse = tfm::withValues(sparse, format);
    RankedTensorType sparseType = tfm::withFormat(target.getType(), sparse);
    if (*tfm::getByteSize(sparseType) < *tfm::getByteSize(type))
      return {sparse, tfm::packSparse(sparseType, tfm::packCodebook(type, table, codes), values)};
    size_t zero = 0;
    for (size_t i = 0; i < table.size(); ++i)
      zero = std::fabs(table[i]) < std::fabs(table[zero]) ? i : zero;
    table[zero] = 0;
    for (auto [code, value] : llvm::zip_equal(codes, values))
      code = value == 0 ? zero : code;
    return {format, tfm::packCodebook(type, table, codes)};
  }

  Calibration calibration;
};
} // namespace
