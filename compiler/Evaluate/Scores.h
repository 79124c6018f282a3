// Collects outputs sample by sample, in any order, and gives the figures of a data set. What is kept is a few numbers
// for each sample, so that logits of a large vocabulary need no memory beyond a batch's.
#pragma once
#include "compiler/Evaluate/Metrics.h"
#include "llvm/ADT/StringRef.h"
#include <optional>
#include <string>
#include <vector>

namespace lathe::evaluate {

enum class Metric { Accuracy, Perplexity, Cosine, Divergence, Top1Agreement };

/// "accuracy", "perplexity", "cosine", "kl", "top1-agreement".
llvm::StringRef getName(Metric metric);
std::optional<Metric> parseMetric(llvm::StringRef name);
/// Of all of them, in the order above.
llvm::ArrayRef<Metric> allMetrics();

/// A linear layer behind an embedding, whose results are logits: all metrics but the cosine are of these.
struct Head {
  std::vector<float> weight;    // [classes, width], row-major
  std::vector<float> bias = {}; // [classes], or empty
  int64_t classes = 0, width = 0;
};

/// One sample's output: `count` vectors of `width`, one for each token, or the only one.
struct Vectors {
  const float *data = nullptr;
  int64_t count = 1, width = 0;

  llvm::ArrayRef<float> operator[](int64_t i) const { return {data + i * width, size_t(width)}; }
};

struct Sample {
  Vectors output;
  std::optional<Vectors> other = std::nullopt; // of the same form, for what is compared
  int64_t label = 0;                           // for the accuracy
  /// Of each vector whether it counts: padding doesn't. Empty: all do.
  llvm::ArrayRef<bool> present = {};
  llvm::ArrayRef<int64_t> tokens = {}; // of each vector, for the perplexity: vector i predicts tokens[i + 1]
};

/// A number of the result. `unit`: "share" (of one; people read percent), "difference" (of two shares; people read
/// points), "nats", "probability", "count", or "" for a plain number.
struct Figure {
  std::string name;
  std::string unit;
  Estimate estimate;
  bool hasInterval = true;
};

class Scores {
public:
  Scores(std::vector<Metric> metrics, uint64_t rows, bool compared, std::optional<Head> head);

  /// Takes the sample at `row`, each once. False with a sentence where it can't be: a value that is not finite, a label
  /// or a token beyond the width, forms that don't agree.
  bool add(uint64_t row, const Sample &sample, std::string &error);

  /// The figures of all rows. Those of another's outputs are named `against.NAME`. In the order of the metrics:
  ///   accuracy        accuracy, against.accuracy, accuracy.difference, mcnemar.p, flips
  ///   perplexity      perplexity, against.perplexity, perplexity.ratio, tokens
  ///   cosine          cosine.mean, cosine.min
  ///   kl              kl.mean, kl.max
  ///   top1-agreement  top1-agreement
  std::vector<Figure> finish() const;

private:
  bool has(Metric metric) const;
  bool addAccuracy(uint64_t row, const Sample &logits, std::string &error);
  bool addPerplexity(uint64_t row, const Sample &logits, std::string &error);
  void addCosine(uint64_t row, const Sample &sample);
  void addAgreement(uint64_t row, const Sample &logits);

  std::vector<Metric> metrics;
  uint64_t rows;
  bool compared;
  std::optional<Head> head;
  // Of each row; empty where no metric asks for it. Sums are over a row's vectors that count.
  std::vector<char> right, otherRight, flipped;
  std::vector<double> lossSum, otherLossSum, predicted;
  std::vector<double> vectors, distributions, cosineSum, cosineMin, divergenceSum, divergenceMax, agreed;
};

} // namespace lathe::evaluate
