// Inputs that a data set needn't hold, because the others say what they are: a language model's data are its tokens,
// while the exported model also asks for a mask, positions and an empty cache.
#pragma once
#include "compiler/Data/DataSet.h"

namespace lathe::data {

/// The rules, for an input that a folder has no file for:
///   - floating point, with a dimension that is 0, or a symbol which none of the folder's files binds and which may be
///     0: it is empty, the symbol is 0 (a cache's past);
///   - an integer, [batch, s], by its name as `lathe run` fills it: "mask" ones, "token_type" and "segment" zeros,
///     "position" 0, 1, 2 ... along s.
/// What no rule makes stays in the signature, so that DataSet::open names it.
class ImpliedInputs {
public:
  ImpliedInputs(const Signature &signature, llvm::StringRef path);

  /// What the data set itself must have.
  const Signature &given() const { return givenSignature; }
  /// Adds the others to a batch, whose inputs then are the whole signature's.
  llvm::Error fill(Batch &batch) const;

private:
  Signature signature, givenSignature;
  std::vector<bool> isImplied; // of each of `signature`
};

} // namespace lathe::data
