// A dimension: an integer polynomial of the model's named symbols, in canonical form.
//
// Real exports contain `batch*sequence`, `floordiv(height, 8)*floordiv(width, 8)` and `min(128, sequence)`. A Dim is a
// sum of terms; a term is a coefficient times a sorted product of atoms; an atom is a symbol or one of floordiv,
// ceildiv, min, max of two Dims. Every operation brings its result into canonical form, so two dimensions are equal iff
// their texts are: `sequence*batch + 0` and `batch*sequence` both print `batch*sequence`.
//
// Arithmetic is checked: what overflows 64 bits, or grows past a few hundred terms, becomes the invalid Dim, which
// spreads through everything that is computed from it and prints as `invalid`. Values are immutable and safe to share.
#pragma once
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/raw_ostream.h"
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace lathe {

class Dim {
public:
  enum class Kind { Symbol, FloorDiv, CeilDiv, Min, Max };
  struct Atom;
  struct Term {
    int64_t coefficient;
    llvm::SmallVector<std::shared_ptr<const Atom>, 2> atoms; // sorted by text, with repetition; empty: a constant
  };

  Dim(int64_t constant = 0);
  static Dim symbol(llvm::StringRef name);
  static Dim invalid();
  /// Rounding towards minus infinity and plus infinity. A divisor that is the constant 0 gives the invalid Dim.
  static Dim floordiv(const Dim &a, const Dim &b);
  static Dim ceildiv(const Dim &a, const Dim &b);
  static Dim min(const Dim &a, const Dim &b);
  static Dim max(const Dim &a, const Dim &b);
  /// The product of all; 1 for none.
  static Dim product(llvm::ArrayRef<Dim> dims);
  /// Reads what str() writes, and any sum of products with parentheses. Nothing on a syntax error.
  static std::optional<Dim> parse(llvm::StringRef text);

  friend Dim operator+(const Dim &a, const Dim &b);
  friend Dim operator-(const Dim &a, const Dim &b);
  friend Dim operator*(const Dim &a, const Dim &b);
  bool operator==(const Dim &other) const { return text == other.text; }
  bool operator!=(const Dim &other) const { return text != other.text; }
  bool operator<(const Dim &other) const { return text < other.text; } // an order of texts, not of values

  bool isValid() const { return valid; }
  bool isConstant() const { return valid && (terms.empty() || (terms.size() == 1 && terms[0].atoms.empty())); }
  std::optional<int64_t> getConstant() const;
  /// The name, if this is one bare symbol.
  std::optional<llvm::StringRef> getSymbol() const;
  llvm::ArrayRef<Term> getTerms() const { return terms; }
  /// q with q * divisor == *this as polynomials, if there is one.
  std::optional<Dim> exactDiv(const Dim &divisor) const;

  /// Values and replacements are asked for by symbol name. Nothing where a symbol has none, on overflow, and on a
  /// division by a value below 1.
  std::optional<int64_t> evaluate(llvm::function_ref<std::optional<int64_t>(llvm::StringRef)> value) const;
  Dim substitute(llvm::function_ref<std::optional<Dim>(llvm::StringRef)> replacement) const;
  struct Range {
    int64_t min, max;
  };
  /// Bounds by interval arithmetic; nothing where a symbol has none or a bound overflows.
  std::optional<Range> bounds(llvm::function_ref<std::optional<Range>(llvm::StringRef)> range) const;
  void walkSymbols(llvm::function_ref<void(llvm::StringRef)> callback) const;

  llvm::StringRef str() const { return text; }

private:
  static Dim fromTerms(llvm::SmallVector<Term, 2> terms);
  static Dim fromAtom(Kind kind, llvm::StringRef name, llvm::ArrayRef<Dim> arguments);

  llvm::SmallVector<Term, 2> terms; // sorted by their atoms' text, the constant last; no zero coefficient
  std::string text;
  bool valid = true;
};

struct Dim::Atom {
  Kind kind;
  std::string name;                    // of a symbol
  llvm::SmallVector<Dim, 2> arguments; // of the others
  std::string text;
};

inline llvm::raw_ostream &operator<<(llvm::raw_ostream &os, const Dim &dim) { return os << dim.str(); }

} // namespace lathe
