// Samples of a model's inputs, as calibration, statistics and evaluation read them.
//
// A data set is one of:
//   - a folder with NAME.npy for each input of the model, samples along axis 0, and labels.npy if there are labels;
//   - an .npz file with the same arrays, stored or deflated;
//   - a folder of ONNX test data sets (test_data_set_0, ...), or one of them (input_0.pb, ...); a test_data_set_N may
//     hold .npy files instead.
// Everything is read and checked at `open`: an input that is missing, of another type, rank or shape, unequal counts,
// an integer that the model's type can't hold, NaN and infinity. A DataSet is immutable and may be shared by threads.
#pragma once
#include "dialects/Tfm/Dim.h"
#include "tools/lathe-run/Tensor.h"
#include "llvm/Support/Error.h"
#include <array>
#include <map>

namespace lathe::data {

/// An input as the model declares it.
struct Input {
  std::string name;
  tool::ElementType type = tool::ElementType::F32;
  llvm::SmallVector<Dim, 4> dims; // "batch", "sequence", "384" ...
  /// Of dimensions [batch, s], and what is behind the last 1 of a row changes no other output: it says which tokens are
  /// padding. Signature.h finds it in a model.
  bool isMask = false;
};

/// What a data set is checked against.
struct Signature {
  std::vector<Input> inputs;
  std::map<std::string, Dim::Range> symbols; // the ranges of what the dimensions name
};

struct OpenOptions {
  uint64_t maxRows = 0; // only the first rows; 0: all
  uint64_t minRows = 1; // an error where there are fewer
  uint64_t maxBytes = uint64_t(1) << 36;
};

/// Rows that are run together.
struct Batch {
  std::vector<tool::Tensor> inputs; // one for each of the signature, of its type, named
  std::vector<uint64_t> rows;       // of the data set, in the tensors' order
};

enum class Order {
  AsGiven,
  ByLength, // so that little is padded where masks tell lengths; equal lengths, and all without a mask, as given
};

class DataSet {
public:
  /// Errors name the file and the input.
  static llvm::Expected<DataSet> open(llvm::StringRef path, const Signature &signature,
                                      const OpenOptions &options = {});

  /// A row is a sample where inputs begin with a common dimension, else the whole inputs.
  uint64_t rows() const { return rowCount; }
  /// Whether rows have lengths, so that padding is trimmed.
  bool hasLengths() const { return !masks.empty(); }
  /// How many elements of a row's masks are in front of their trailing zeros; 0 without a mask.
  uint64_t length(uint64_t row) const { return rowLengths[row]; }

  /// Which rows make up each batch: up to `size`, as many as the model takes at once, and never of two test data sets.
  /// Where the model's own batch is fixed, exactly that. Where rows have lengths, a batch's rows times its greatest
  /// length stay within `elements`, if it has more than one row.
  std::vector<std::vector<uint64_t>> plan(uint64_t size, Order order, uint64_t elements = UINT64_MAX) const;
  /// Rows of one batch of `plan`, with the padding trimmed that all of them have.
  Batch batch(llvm::ArrayRef<uint64_t> rows) const;

  /// SHA-256 of the rows' values, without labels.
  std::array<uint8_t, 32> digest() const;

  /// labels.npy as it is, [rows, ...], or null.
  const tool::Tensor *labels() const { return labelTensor ? &*labelTensor : nullptr; }
  const Signature &signature() const { return model; }

private:
  /// Samples whose tensors lie together: a folder, or an archive.
  struct Part {
    std::vector<tool::Tensor> tensors; // one for each input, of the model's type
    uint64_t firstRow = 0, rows = 0;
  };
  friend class Opener;

  Signature model;
  std::vector<bool> isBatched;                      // of each input: its first axis is rows
  std::map<std::string, std::vector<size_t>> masks; // by the symbol of their second axis
  std::optional<std::string> batchSymbol;
  uint64_t batchMin = 1, batchMax = UINT64_MAX;
  std::vector<Part> parts;
  uint64_t rowCount = 0;
  std::vector<uint64_t> rowLengths;
  std::optional<tool::Tensor> labelTensor;

  const Part &partOf(uint64_t row) const;
  uint64_t maskLength(size_t mask, uint64_t row) const;
  uint64_t trimmedSize(const std::string &symbol, llvm::ArrayRef<uint64_t> rows) const;
};

} // namespace lathe::data
