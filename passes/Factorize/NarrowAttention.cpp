// --lathe-narrow-attention: queries, keys and values of fewer channels for each head.
#include "compiler/Numerics/Errors.h"
#include "compiler/Numerics/Hessian.h"
#include "compiler/Numerics/LowRankAttention.h"
#include "passes/Compress/Linears.h"
#include "passes/Passes.h"

namespace lathe {
#define GEN_PASS_DEF_NARROWATTENTIONPASS
#include "passes/Passes.h.inc"
} // namespace lathe

using namespace mlir;
using namespace lathe;
using namespace lathe::compress;
using numerics::ConstView;
using numerics::Matrix;

namespace {
/// [W bias] as f64.
Matrix<double> augment(const Parameters &from) {
  Matrix<double> result(from.w.rows(), from.w.columns() + 1);
  for (int64_t i = 0; i < from.w.rows(); ++i) {
    std::copy(from.w.row(i), from.w.row(i) + from.w.columns(), result.row(i));
    result(i, from.w.columns()) = from.bias.empty() ? 0 : from.bias[i];
  }
  return result;
}

/// a m aᵀ.
Matrix<double> getMoments(ConstView<double> a, ConstView<double> m) {
  return numerics::multiply(numerics::Op::None, numerics::multiply(numerics::Op::None, a, numerics::Op::None, m),
                            numerics::Op::Transpose, a);
}

void add(Matrix<double> &to, ConstView<double> from) {
  for (int64_t i = 0; i < to.rows(); ++i)
    for (int64_t j = 0; j < to.columns(); ++j)
      to(i, j) += from(i, j);
}

/// Rows first ... of `to` become left times the rows of [W bias] of a head.
void project(ConstView<double> left, ConstView<double> head, int64_t first, Parameters &to) {
  Matrix<double> rows = numerics::multiply(numerics::Op::None, left, numerics::Op::None, head);
  int64_t columns = to.w.columns();
  for (int64_t i = 0; i < rows.rows(); ++i) {
    for (int64_t j = 0; j < columns; ++j)
      to.w(first + i, j) = static_cast<float>(rows(i, j));
    if (!to.bias.empty())
      to.bias[first + i] = static_cast<float>(rows(i, columns));
  }
}

struct NarrowAttention : lathe::impl::NarrowAttentionPassBase<NarrowAttention> {
  using Base::Base;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    std::string wrong;
    llvm::Regex pattern(targets);
    if (!pattern.isValid(wrong))
      return fail("targets: '" + targets + "' is no regular expression: " + wrong);
    if (method != "svd" && method != "whitened")
      return fail("method: expected svd or whitened, got '" + method + "'");
    if (rank < 1)
      return fail("rank: expected at least 1, got " + Twine(int64_t(rank)));
    if (method != "svd" && statistics.empty())
      return fail("method '" + method + "' needs statistics; hint: pass their file, or use svd");
    if (method != "svd" && failed(calibration.load(module, statistics)))
      return signalPassFailure();

    SmallVector<tfm::AttentionOp> attentions;
    module.walk([&](tfm::AttentionOp attention) { attentions.push_back(attention); });
    for (tfm::AttentionOp attention : attentions) {
      auto targeted = [&](tfm::LinearOp linear) {
        tfm::WeightOp weight = linear ? getWeight(linear.getWeight()) : tfm::WeightOp();
        return weight && matches(pattern, weight);
      };
      tfm::LinearOp query = findLinear(attention.getQuery()), key = findLinear(attention.getKey());
      if (targeted(query) || targeted(key))
        if (failed(narrowScores(attention, query, key, targeted(query) ? query : key)))
          return signalPassFailure();
      tfm::LinearOp value = findLinear(attention.getValue()), output;
      if (attention->hasOneUse())
        output = dyn_cast<tfm::LinearOp>(*attention->user_begin());
      if (targeted(value) || targeted(output))
        if (failed(narrowValues(attention, value, output, targeted(output) ? output : value)))
          return signalPassFailure();
    }
  }

  void fail(const Twine &message) {
    getOperation().emitError(message);
    signalPassFailure();
  }

  /// The projection whose result this is, rotated or not, or null.
  static tfm::LinearOp findLinear(Value value) {
    if (auto rotary = value.getDefiningOp<tfm::RotaryOp>())
      value = rotary.getInput();
    return value.getDefiningOp<tfm::LinearOp>();
  }

  LogicalResult refuse(tfm::LinearOp linear, const Twine &why) {
    Change change(linear, getArgument());
    change.refused = why.str();
    change.before = change.after = getWeight(linear.getWeight()).getTensorType().getNumElements() * 4;
    report(getOperation(), change);
    return success();
  }

  /// Null, or why a pair can't change.
  static const char *findObstacle(tfm::LinearOp first, tfm::LinearOp second) {
    for (tfm::LinearOp linear : {first, second})
      if (getObstacle(linear))
        return "it or its counterpart is no linear whose parameters are constants of plain f32 elements";
    return nullptr;
  }

  FailureOr<const statistics::Entry *> find(tfm::LinearOp linear) const {
    return method == "svd" ? static_cast<const statistics::Entry *>(nullptr) : calibration.find(linear);
  }

  /// Of the linear's input with a 1 behind it, damped; without statistics as if they were independent.
  Matrix<double> getInputMoments(const statistics::Entry *entry, int64_t channels) const {
    Matrix<double> moments = entry ? entry->moments : Matrix<double>(channels + 1, channels + 1);
    if (!entry)
      for (int64_t i = 0; i <= channels; ++i)
        moments(i, i) = 1;
    numerics::dampDiagonal(moments.view().block(0, 0, channels, channels), entry ? damping : 0);
    return moments;
  }

  LogicalResult narrowScores(tfm::AttentionOp attention, tfm::LinearOp query, tfm::LinearOp key, tfm::LinearOp named) {
    if (attention.getQuery().getDefiningOp<tfm::RotaryOp>() || attention.getKey().getDefiningOp<tfm::RotaryOp>())
      return refuse(named, "its queries or keys are rotated by position");
    if (!query || !key || !query->hasOneUse() || !key->hasOneUse())
      return refuse(named, "its queries or keys are more than a projection that it alone reads, such as a cache");
    if (const char *obstacle = findObstacle(query, key))
      return refuse(named, obstacle);
    int64_t groups = attention.getKvHeads(), perGroup = attention.getHeads() / groups;
    int64_t width = *tfm::getDims(key.getResult()).back().getConstant() / groups;
    if (rank >= width)
      return refuse(named, "its heads are only " + Twine(width) + " wide");
    FailureOr<Parameters> oldQuery = readParameters(query), oldKey = readParameters(key);
    FailureOr<const statistics::Entry *> queryEntry = find(query), keyEntry = find(key);
    if (failed(oldQuery) || failed(oldKey) || failed(queryEntry) || failed(keyEntry))
      return failure();

    Matrix<double> q = augment(*oldQuery), k = augment(*oldKey);
    Matrix<double> queryMoments = getInputMoments(*queryEntry, oldQuery->w.columns());
    Matrix<double> keyMoments = getInputMoments(*keyEntry, oldKey->w.columns());
    // What all keys have in common adds one number to all scores of a query, which softmax ignores; tanh doesn't.
    int64_t last = keyMoments.rows() - 1;
    if (attention.getSoftcap().convertToDouble() == 0) {
      std::vector<double> sums(keyMoments.row(last), keyMoments.row(last) + last + 1);
      for (int64_t i = 0; i <= last; ++i)
        for (int64_t j = 0; j <= last; ++j)
          keyMoments(i, j) -= sums[last] > 0 ? sums[i] * sums[j] / sums[last] : 0;
    }
    Parameters newQuery{Matrix<float>(groups * perGroup * rank, q.columns() - 1), {}};
    Parameters newKey{Matrix<float>(groups * rank, k.columns() - 1), {}};
    newQuery.bias.resize(oldQuery->bias.empty() ? 0 : newQuery.w.rows());
    newKey.bias.resize(oldKey->bias.empty() ? 0 : newKey.w.rows());
    double error = 0;
    for (int64_t group = 0; group < groups; ++group) {
      auto getQueries = [&](int64_t i) {
        return q.view().block((group * perGroup + i) * width, 0, width, q.columns());
      };
      ConstView<double> keys = k.view().block(group * width, 0, width, k.columns());
      Matrix<double> left(width, width);
      for (int64_t i = 0; i < perGroup; ++i)
        add(left, getMoments(getQueries(i), queryMoments));
      std::optional<numerics::NarrowProduct> product =
          numerics::narrowProduct(left, getMoments(keys, keyMoments), rank);
      if (!product)
        return refuse(named, "its product of lower rank could not be computed");
      error += product->error / groups;
      for (int64_t i = 0; i < perGroup; ++i)
        project(product->left, getQueries(i), (group * perGroup + i) * rank, newQuery);
      project(product->right, keys, group * rank, newKey);
    }
    Change change(query, getArgument());
    change.before = (oldQuery->w.rows() * oldQuery->w.columns() + oldKey->w.rows() * oldKey->w.columns()) * 4;
    change.after = (newQuery.w.rows() * newQuery.w.columns() + newKey.w.rows() * newKey.w.columns()) * 4;
    change.what = "queries and keys of " + std::to_string(width) + " for each head to " + std::to_string(rank);
    change.error = error;
    report(getOperation(), change);
    write(query, newQuery);
    write(key, newKey);
    return success();
  }

  static void write(tfm::LinearOp linear, const Parameters &parameters) {
    writeParameters(linear, parameters);
    linear.getResult().setType(withLast(linear.getType(), parameters.w.rows()));
  }

  LogicalResult narrowValues(tfm::AttentionOp attention, tfm::LinearOp value, tfm::LinearOp output,
                             tfm::LinearOp named) {
    if (!value || !value->hasOneUse())
      return refuse(named, "its values are more than a projection that it alone reads, such as a cache");
    if (!output || output.getInput() != attention.getResult())
      return refuse(named, "what it makes is read by more than one linear");
    if (const char *obstacle = findObstacle(value, output))
      return refuse(named, obstacle);
    int64_t heads = attention.getHeads(), groups = attention.getKvHeads(), perGroup = heads / groups;
    int64_t width = *tfm::getDims(value.getResult()).back().getConstant() / groups;
    if (rank >= width)
      return refuse(named, "its heads are only " + Twine(width) + " wide");
    FailureOr<Parameters> oldValue = readParameters(value), oldOutput = readParameters(output);
    FailureOr<const statistics::Entry *> entry = find(output);
    if (failed(oldValue) || failed(oldOutput) || failed(entry))
      return failure();

    // The moments of what the output reads, about its mean: with it a bias suffices. Weights of attention sum to 1, so
    // that without statistics the mean is the bias of the values.
    Matrix<double> v = augment(*oldValue), w = numerics::copyOf<double>(oldOutput->w), covariance;
    std::vector<double> mean(heads * width);
    if (*entry) {
      numerics::Moments moments((*entry)->moments);
      covariance = moments.covariance();
      numerics::dampDiagonal(covariance, damping);
      mean = std::move(moments.mean);
    } else {
      covariance = Matrix<double>(heads * width, heads * width);
      ConstView<double> all = v.view().block(0, 0, v.rows(), v.columns() - 1);
      for (int64_t head = 0; head < heads; ++head) {
        ConstView<double> of = all.block(head / perGroup * width, 0, width, all.columns);
        Matrix<double> gram = numerics::multiply(numerics::Op::None, of, numerics::Op::Transpose, of);
        for (int64_t i = 0; i < width; ++i) {
          std::copy(gram.row(i), gram.row(i) + width, covariance.row(head * width + i) + head * width);
          mean[head * width + i] = v(head / perGroup * width + i, v.columns() - 1);
        }
      }
    }
    Parameters newValue{Matrix<float>(groups * rank, v.columns() - 1), {}};
    newValue.bias.resize(oldValue->bias.empty() ? 0 : newValue.w.rows());
    Matrix<double> cut(heads * rank, heads * width); // what the output reads becomes this times it
    Matrix<double> fitted(w.rows(), heads * rank);
    for (int64_t group = 0; group < groups; ++group) {
      Matrix<double> left(width, width), right(width, width);
      for (int64_t head = group * perGroup; head < (group + 1) * perGroup; ++head) {
        ConstView<double> columns = w.view().block(0, head * width, w.rows(), width);
        add(left, numerics::multiply(numerics::Op::Transpose, columns, numerics::Op::None, columns));
        add(right, covariance.view().block(head * width, head * width, width, width));
      }
      std::optional<numerics::NarrowProduct> product = numerics::narrowProduct(left, right, rank);
      if (!product)
        return refuse(named, "its product of lower rank could not be computed");
      project(product->right, v.view().block(group * width, 0, width, v.columns()), group * rank, newValue);
      for (int64_t head = group * perGroup; head < (group + 1) * perGroup; ++head) {
        for (int64_t i = 0; i < rank; ++i)
          std::copy(product->right.row(i), product->right.row(i) + width, cut.row(head * rank + i) + head * width);
        numerics::gemm(numerics::Op::None, numerics::Op::Transpose, 1.0,
                       w.view().block(0, head * width, w.rows(), width), product->left, 0.0,
                       fitted.view().block(0, head * rank, w.rows(), rank));
      }
    }
    // Heads make up for each other: fitted = W C cutᵀ (cut C cutᵀ)⁻¹.
    if (*entry) {
      Matrix<double> cross = numerics::multiply(numerics::Op::None, cut, numerics::Op::None, covariance);
      Matrix<double> solution = numerics::multiply(numerics::Op::None, cross, numerics::Op::Transpose, w);
      if (numerics::solvePositive(numerics::multiply(numerics::Op::None, cross, numerics::Op::Transpose, cut),
                                  solution))
        fitted = numerics::transposeOf<double>(solution);
    }
    Matrix<double> approximate = numerics::multiply(numerics::Op::None, fitted, numerics::Op::None, cut);
    Parameters newOutput{numerics::copyOf<float>(fitted), oldOutput->bias};
    newOutput.bias.resize(w.rows());
    for (int64_t i = 0; i < w.rows(); ++i) {
      double lost = 0;
      for (int64_t j = 0; j < w.columns(); ++j)
        lost += (w(i, j) - approximate(i, j)) * mean[j];
      newOutput.bias[i] = static_cast<float>(newOutput.bias[i] + lost);
    }
    Change change(output, getArgument());
    change.before = (oldValue->w.rows() * oldValue->w.columns() + oldOutput->w.rows() * oldOutput->w.columns()) * 4;
    change.after = (newValue.w.rows() * newValue.w.columns() + newOutput.w.rows() * newOutput.w.columns()) * 4;
    change.what = "values of " + std::to_string(width) + " for each head to " + std::to_string(rank);
    change.error = numerics::relativeError(oldOutput->w, numerics::copyOf<float>(approximate), covariance);
    report(getOperation(), change);
    write(value, newValue);
    attention.getResult().setType(withLast(attention.getType(), heads * rank));
    writeParameters(output, newOutput);
    return success();
  }

  Calibration calibration;
};
} // namespace
