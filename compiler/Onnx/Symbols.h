// What is known of a model's symbols while it is imported: their ranges, and which of them are the same.
//
// Facts are found in the middle of an import (a broadcast of `a` with `b` makes them equal) and would change types that
// exist already. So a new fact only is recorded here, and the import starts again with it; each start has one fact more
// about finitely many symbols, so it ends.
#pragma once
#include "dialects/Tfm/Dim.h"
#include <map>
#include <string>

namespace lathe::onnxfile {

class Symbols {
public:
  /// A new import starts: the facts stay, the symbols are declared again.
  void restart();
  bool hasNewFacts() const { return newFacts; }

  /// Declares a symbol; `get` then says what stands for it, which can be another symbol or a constant. Another
  /// declaration narrows the range. False if no value is left. All are declared before any is asked for.
  bool declare(llvm::StringRef name, Dim::Range range, bool invented);
  Dim get(llvm::StringRef name) const;
  /// The symbols that stand for themselves, in order of declaration.
  llvm::ArrayRef<std::string> getNames() const { return names; }
  Dim::Range getRange(llvm::StringRef name) const { return ranges.at(name.str()); }

  std::optional<Dim::Range> bounds(const Dim &dim) const;
  /// Nothing where it depends on the symbols' values.
  std::optional<bool> isEqual(const Dim &a, const Dim &b) const;
  std::optional<bool> isLess(const Dim &a, const Dim &b) const;
  /// As Dim's, where one is known to be the lesser that one.
  Dim min(const Dim &a, const Dim &b) const;
  Dim max(const Dim &a, const Dim &b) const;

  enum class Unified {
    Same,     // equal already
    NewFact,  // will be equal in the next import; hasNewFacts() holds
    Check,    // may be equal: a tfm.require must say so
    Different // never equal
  };
  Unified unify(const Dim &a, const Dim &b);

private:
  Unified substitute(llvm::StringRef name, const Dim &dim);
  Unified narrow(llvm::StringRef name, Dim::Range range);

  std::vector<std::string> names;
  std::map<std::string, Dim::Range> ranges; // of the declared ones
  std::map<std::string, bool> invented;
  std::map<std::string, Dim> substitutions; // facts
  std::map<std::string, Dim::Range> narrowed;
  bool newFacts = false;
};

} // namespace lathe::onnxfile
