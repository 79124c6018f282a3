// Monotone formulas: the largest shape of a profile then bounds every other's memory.
#include "dialects/Program/Program.h"

using namespace lathe;
using namespace lathe::program;

/// Whether an atom's value is at least 0 for symbols of 0 and more, by structure. A sum without negative terms is; so
/// is a quotient of such, the lesser of two such, the greater of two if one is.
static bool isNonNegative(const Dim &dim);

static bool isNonNegative(const Dim::Atom &atom) {
  switch (atom.kind) {
  case Dim::Kind::Symbol:
    return true;
  case Dim::Kind::Max:
    return isNonNegative(atom.arguments[0]) || isNonNegative(atom.arguments[1]);
  default:
    return isNonNegative(atom.arguments[0]) && isNonNegative(atom.arguments[1]);
  }
}

static bool isNonNegative(const Dim &dim) {
  return llvm::all_of(dim.getTerms(), [](const Dim::Term &term) {
    return term.coefficient > 0 && llvm::all_of(term.atoms, [](auto &atom) { return isNonNegative(*atom); });
  });
}

static bool isMonotone(const Dim::Atom &atom) {
  switch (atom.kind) {
  case Dim::Kind::Symbol:
    return true;
  case Dim::Kind::FloorDiv:
  case Dim::Kind::CeilDiv:
    return program::isMonotone(atom.arguments[0]) && atom.arguments[1].isConstant();
  default:
    return program::isMonotone(atom.arguments[0]) && program::isMonotone(atom.arguments[1]);
  }
}

bool program::isMonotone(const Dim &formula) {
  return formula.isValid() && llvm::all_of(formula.getTerms(), [](const Dim::Term &term) {
           if (term.atoms.empty())
             return true;
           // A product of monotone factors is monotone where none is negative.
           return term.coefficient > 0 && llvm::all_of(term.atoms, [&](auto &atom) {
                    return ::isMonotone(*atom) && (term.atoms.size() == 1 || isNonNegative(*atom));
                  });
         });
}

Dim program::getMonotoneBound(const Dim &formula) {
  if (!formula.isValid() || isMonotone(formula))
    return formula;
  Dim sum;
  for (const Dim::Term &term : formula.getTerms()) {
    bool nonNegative = llvm::all_of(term.atoms, [](auto &atom) { return isNonNegative(*atom); });
    if (term.coefficient < 0 && nonNegative)
      continue; // it only makes the value less
    if (term.coefficient < 0)
      return Dim::invalid(); // the greatest of -1 * (something negative) isn't a formula of this kind
    Dim product(term.coefficient);
    for (auto &atom : term.atoms) {
      Dim bound;
      if (atom->kind == Dim::Kind::Symbol) {
        bound = Dim::symbol(atom->name);
      } else {
        Dim a = getMonotoneBound(atom->arguments[0]), b = getMonotoneBound(atom->arguments[1]);
        if (atom->kind == Dim::Kind::Min)
          bound = Dim::min(a, b);
        else if (atom->kind == Dim::Kind::Max)
          bound = Dim::max(a, b);
        else if (!atom->arguments[1].isConstant())
          bound = Dim::max(a, 0); // a divisor is at least 1
        else
          bound = atom->kind == Dim::Kind::FloorDiv ? Dim::floordiv(a, b) : Dim::ceildiv(a, b);
      }
      if (term.atoms.size() > 1 && !isNonNegative(bound))
        bound = Dim::max(bound, 0);
      product = product * bound;
    }
    sum = sum + product;
  }
  return sum;
}
