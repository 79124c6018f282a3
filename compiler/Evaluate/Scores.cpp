#include "compiler/Evaluate/Scores.h"
#include "llvm/ADT/STLExtras.h"
#include <cmath>

namespace lathe::evaluate {

static constexpr Metric kMetrics[] = {Metric::Accuracy, Metric::Perplexity, Metric::Cosine, Metric::Divergence,
                                      Metric::Top1Agreement};

llvm::ArrayRef<Metric> allMetrics() { return kMetrics; }

llvm::StringRef getName(Metric metric) {
  static constexpr llvm::StringLiteral names[] = {"accuracy", "perplexity", "cosine", "kl", "top1-agreement"};
  return names[unsigned(metric)];
}

std::optional<Metric> parseMetric(llvm::StringRef name) {
  for (Metric metric : kMetrics)
    if (getName(metric) == name)
      return metric;
  return std::nullopt;
}

/// The head's logits for each of `vectors`, whose floats are put into `storage`.
static Vectors apply(const Head &head, const Vectors &vectors, std::vector<float> &storage) {
  storage.resize(vectors.count * head.classes);
  for (int64_t i = 0; i < vectors.count; ++i) {
    for (int64_t c = 0; c < head.classes; ++c) {
      double sum = head.bias.empty() ? 0 : head.bias[c];
      for (int64_t k = 0; k < head.width; ++k)
        sum += double(head.weight[c * head.width + k]) * vectors[i][k];
      storage[i * head.classes + c] = float(sum);
    }
  }
  return {storage.data(), vectors.count, head.classes};
}

Scores::Scores(std::vector<Metric> asked, uint64_t rows, bool compared, std::optional<Head> head)
    : metrics(std::move(asked)), rows(rows), compared(compared), head(std::move(head)) {
  if (has(Metric::Accuracy)) {
    right.resize(rows);
    otherRight.resize(compared ? rows : 0);
    flipped.resize(compared ? rows : 0);
  }
  if (has(Metric::Perplexity)) {
    lossSum.resize(rows);
    predicted.resize(rows);
    otherLossSum.resize(compared ? rows : 0);
  }
  if (compared)
    for (auto *list : {&vectors, &distributions, &cosineSum, &cosineMin, &divergenceSum, &divergenceMax, &agreed})
      list->resize(rows);
}

bool Scores::has(Metric metric) const { return llvm::is_contained(metrics, metric); }

static bool isFinite(const Vectors &vectors, llvm::ArrayRef<bool> present) {
  for (int64_t i = 0; i < vectors.count; ++i)
    if ((present.empty() || present[i]) && !llvm::all_of(vectors[i], [](float x) { return std::isfinite(x); }))
      return false;
  return true;
}

bool Scores::add(uint64_t row, const Sample &sample, std::string &error) {
  auto shape = [](const Vectors &v) { return std::to_string(v.count) + " vectors of " + std::to_string(v.width); };
  if (sample.output.width == 0) {
    error = "the output has no elements";
    return false;
  }
  if (sample.other && (sample.other->count != sample.output.count || sample.other->width != sample.output.width)) {
    error = "the outputs have other forms: " + shape(sample.output) + " against " + shape(*sample.other);
    return false;
  }
  for (const Vectors *output : {&sample.output, sample.other ? &*sample.other : nullptr})
    if (output && !isFinite(*output, sample.present)) {
      error = std::string(output == &sample.output ? "the output" : "the other's output") +
              " has NaN or infinity in row " + std::to_string(row);
      return false;
    }
  if (head && head->width != sample.output.width) {
    error = "the head takes vectors of " + std::to_string(head->width) + ", the output has " +
            std::to_string(sample.output.width);
    return false;
  }
  if (sample.other && has(Metric::Cosine))
    addCosine(row, sample);
  Sample logits = sample;
  std::vector<float> storage, otherStorage;
  if (head) {
    logits.output = apply(*head, sample.output, storage);
    if (sample.other)
      logits.other = apply(*head, *sample.other, otherStorage);
  }
  if (has(Metric::Accuracy) && !addAccuracy(row, logits, error))
    return false;
  if (has(Metric::Perplexity) && !addPerplexity(row, logits, error))
    return false;
  if (sample.other && (has(Metric::Divergence) || has(Metric::Top1Agreement)))
    addAgreement(row, logits);
  return true;
}

bool Scores::addAccuracy(uint64_t row, const Sample &logits, std::string &error) {
  if (logits.output.count != 1) {
    error = "accuracy needs one vector for each sample, got " + std::to_string(logits.output.count) +
            "; hint: --output names another output";
    return false;
  }
  int64_t classes = logits.output.width;
  if (logits.label < 0 || logits.label >= classes) {
    error = "row " + std::to_string(row) + " has the label " + std::to_string(logits.label) + ", of " +
            std::to_string(classes) + " classes";
    return false;
  }
  size_t label = argMax(logits.output[0]);
  right[row] = label == size_t(logits.label);
  if (logits.other) {
    size_t otherLabel = argMax((*logits.other)[0]);
    otherRight[row] = otherLabel == size_t(logits.label);
    flipped[row] = label != otherLabel;
  }
  return true;
}

bool Scores::addPerplexity(uint64_t row, const Sample &logits, std::string &error) {
  if (int64_t(logits.tokens.size()) != logits.output.count) {
    error = "perplexity needs logits for each of " + std::to_string(logits.tokens.size()) + " tokens, got " +
            std::to_string(logits.output.count) + "; hint: --output names another output, --tokens another input";
    return false;
  }
  for (int64_t i = 0; i + 1 < logits.output.count; ++i) {
    if (!logits.present.empty() && !(logits.present[i] && logits.present[i + 1]))
      continue;
    int64_t token = logits.tokens[i + 1];
    if (token < 0 || token >= logits.output.width) {
      error = "row " + std::to_string(row) + " has the token " + std::to_string(token) + ", beyond the " +
              std::to_string(logits.output.width) + " logits";
      return false;
    }
    lossSum[row] += logSumExp(logits.output[i]) - logits.output[i][token];
    predicted[row] += 1;
    if (logits.other)
      otherLossSum[row] += logSumExp((*logits.other)[i]) - (*logits.other)[i][token];
  }
  return true;
}

static bool counts(const Sample &sample, int64_t vector) { return sample.present.empty() || sample.present[vector]; }

void Scores::addCosine(uint64_t row, const Sample &sample) {
  cosineMin[row] = 1;
  for (int64_t i = 0; i < sample.output.count; ++i) {
    if (!counts(sample, i))
      continue;
    double value = cosine(sample.output[i], (*sample.other)[i]);
    cosineSum[row] += value;
    cosineMin[row] = std::min(cosineMin[row], value);
    vectors[row] += 1;
  }
}

void Scores::addAgreement(uint64_t row, const Sample &logits) {
  for (int64_t i = 0; i < logits.output.count; ++i) {
    if (!counts(logits, i))
      continue;
    llvm::ArrayRef<float> output = logits.output[i], other = (*logits.other)[i];
    double value = has(Metric::Divergence) ? divergence(other, output) : 0;
    divergenceSum[row] += value;
    divergenceMax[row] = std::max(divergenceMax[row], value);
    agreed[row] += argMax(output) == argMax(other);
    distributions[row] += 1;
  }
}

static Estimate exponential(Estimate estimate) {
  return {std::exp(estimate.value), std::exp(estimate.low), std::exp(estimate.high)};
}

std::vector<Figure> Scores::finish() const {
  std::vector<Figure> figures;
  auto share = [&](const char *name, llvm::ArrayRef<char> list) {
    figures.push_back({name, "share", proportion(llvm::count(list, 1), rows)});
  };
  auto plain = [&](const char *name, const char *unit, double value) {
    figures.push_back({name, unit, {value, value, value}, /*hasInterval=*/false});
  };
  for (Metric metric : metrics) {
    switch (metric) {
    case Metric::Accuracy: {
      share("accuracy", right);
      if (!compared)
        break;
      share("against.accuracy", otherRight);
      uint64_t gained = 0, lost = 0;
      for (uint64_t row = 0; row < rows; ++row) {
        gained += right[row] && !otherRight[row];
        lost += !right[row] && otherRight[row];
      }
      PairedDifference paired = comparePaired(gained, lost, rows);
      figures.push_back({"accuracy.difference", "difference", paired.difference});
      plain("mcnemar.p", "probability", paired.probability);
      share("flips", flipped);
      break;
    }
    case Metric::Perplexity: {
      figures.push_back({"perplexity", "", exponential(ratio(lossSum, predicted))});
      if (compared) {
        std::vector<double> differences(rows);
        for (uint64_t row = 0; row < rows; ++row)
          differences[row] = lossSum[row] - otherLossSum[row];
        figures.push_back({"against.perplexity", "", exponential(ratio(otherLossSum, predicted))});
        figures.push_back({"perplexity.ratio", "", exponential(ratio(differences, predicted))});
      }
      double tokens = 0;
      for (double count : predicted)
        tokens += count;
      plain("tokens", "count", tokens);
      break;
    }
    case Metric::Cosine:
      figures.push_back({"cosine.mean", "", ratio(cosineSum, vectors)});
      plain("cosine.min", "", *llvm::min_element(cosineMin));
      break;
    case Metric::Divergence:
      figures.push_back({"kl.mean", "nats", ratio(divergenceSum, distributions)});
      plain("kl.max", "nats", *llvm::max_element(divergenceMax));
      break;
    case Metric::Top1Agreement:
      figures.push_back({"top1-agreement", "share", ratio(agreed, distributions)});
      break;
    }
  }
  return figures;
}

} // namespace lathe::evaluate
