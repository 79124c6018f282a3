// What calibration data look like at the input of every linear, as passes of the compress phase read it from a file.
//
// An entry belongs to the weights that read the same values: query, key and value share one. It is found by a weight's
// symbol. Passes read such a file and never run the model; compiler/Driver/CollectStatistics.h makes it.
#pragma once
#include "compiler/Numerics/Matrix.h"
#include "compiler/Numerics/Observers.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include <array>
#include <string>
#include <vector>

namespace lathe::statistics {

struct Entry {
  std::vector<std::string> weights; // symbols, sorted
  uint64_t tokens = 0;
  /// Sums over tokens of [x 1]ᵀ[x 1]: (K + 1) x (K + 1), so that the sums of x are in the last row and column. A
  /// token's products are summed in f32 inside a batch, in f64 across batches.
  numerics::Matrix<double> moments;
  std::vector<double> maxAbs, sumAbs; // K: the greatest |x| and the sum of |x| of each channel
  double min = 0, max = 0;            // of all elements
  numerics::Histogram histogram;

  int64_t channels() const { return moments.rows() - 1; }
  double meanAbs(int64_t channel) const { return tokens ? sumAbs[channel] / tokens : 0; }
};

using Digest = std::array<uint8_t, 32>;

struct Statistics {
  Digest model = {}, data = {}; // of the model with its weights as they were, and of the rows
  std::string target;           // what ran it: sums of floats depend on it
  uint64_t rows = 0;            // samples
  std::vector<Entry> entries;   // sorted by their first weight

  /// The entry of a weight, or null.
  const Entry *find(llvm::StringRef weight) const;
};

/// Reads a file that `writeStatistics` wrote. It may hold anything: nothing is allocated beyond a few times its size,
/// and what is returned is consistent and finite. Errors name the file.
llvm::Expected<Statistics> readStatistics(llvm::StringRef path);
/// The file appears whole or not at all.
llvm::Error writeStatistics(const Statistics &statistics, llvm::StringRef path);

/// The same from and to memory. Errors name no file.
llvm::Expected<Statistics> parseStatistics(llvm::ArrayRef<uint8_t> bytes);
std::vector<uint8_t> formatStatistics(const Statistics &statistics);

} // namespace lathe::statistics
