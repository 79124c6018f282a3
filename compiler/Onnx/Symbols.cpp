// Ranges of symbols, comparisons decided by them, and unification of dimensions.
#include "compiler/Onnx/Symbols.h"

using namespace llvm;
using namespace lathe;
using namespace lathe::onnxfile;

void Symbols::restart() {
  names.clear();
  ranges.clear();
  invented.clear();
  newFacts = false;
}

static bool intersect(Dim::Range &range, Dim::Range other) {
  range = {std::max(range.min, other.min), std::min(range.max, other.max)};
  return range.min <= range.max;
}

bool Symbols::declare(StringRef name, Dim::Range range, bool isInvented) {
  Dim dim = get(name);
  if (auto constant = dim.getConstant())
    return range.min <= *constant && *constant <= range.max;
  std::string representative = dim.getSymbol()->str();
  for (StringRef known : {name, StringRef(representative)}) {
    auto fact = narrowed.find(known.str());
    if (fact != narrowed.end() && !intersect(range, fact->second))
      return false;
  }
  if (range.min == range.max) {
    substitutions.insert_or_assign(representative, Dim(range.min));
    return true;
  }
  auto [it, isNew] = ranges.try_emplace(representative, range);
  invented.try_emplace(name.str(), isInvented);
  if (isNew)
    names.push_back(representative);
  return intersect(it->second, range);
}

Dim Symbols::get(StringRef name) const {
  Dim dim = Dim::symbol(name);
  // Facts have no cycles: a substituted symbol never comes up again.
  while (auto symbol = dim.getSymbol()) {
    auto it = substitutions.find(symbol->str());
    if (it == substitutions.end())
      break;
    dim = it->second;
  }
  return dim;
}

std::optional<Dim::Range> Symbols::bounds(const Dim &dim) const {
  return dim.bounds([&](StringRef name) -> std::optional<Dim::Range> {
    auto it = ranges.find(name.str());
    return it == ranges.end() ? std::nullopt : std::optional<Dim::Range>(it->second);
  });
}

std::optional<bool> Symbols::isEqual(const Dim &a, const Dim &b) const {
  if (!a.isValid() || !b.isValid())
    return std::nullopt;
  if (a == b)
    return true;
  auto range = bounds(a - b);
  if (range && (range->min > 0 || range->max < 0))
    return false;
  return std::nullopt;
}

std::optional<bool> Symbols::isLess(const Dim &a, const Dim &b) const {
  auto range = bounds(a - b);
  if (!range)
    return std::nullopt;
  if (range->max < 0)
    return true;
  if (range->min >= 0)
    return false;
  return std::nullopt;
}

Dim Symbols::min(const Dim &a, const Dim &b) const {
  if (auto less = isLess(a, b); less && *less)
    return a;
  if (auto less = isLess(b, a))
    return *less ? b : a;
  if (isLess(a, b))
    return b; // a >= b
  return Dim::min(a, b);
}

Dim Symbols::max(const Dim &a, const Dim &b) const {
  if (auto less = isLess(a, b))
    return *less ? b : a;
  if (auto less = isLess(b, a))
    return *less ? a : b;
  return Dim::max(a, b);
}

Symbols::Unified Symbols::substitute(StringRef name, const Dim &dim) {
  auto range = bounds(dim), own = bounds(Dim::symbol(name));
  if (range && own && !intersect(*range, *own))
    return Unified::Different;
  if (auto symbol = dim.getSymbol())
    narrow(*symbol, *own);
  substitutions.insert_or_assign(name.str(), dim);
  newFacts = true;
  return Unified::NewFact;
}

Symbols::Unified Symbols::narrow(StringRef name, Dim::Range range) {
  auto [it, isNew] = narrowed.try_emplace(name.str(), range);
  if (!isNew && !intersect(it->second, range))
    return Unified::Different;
  auto own = bounds(Dim::symbol(name));
  if (own && !intersect(range, *own))
    return Unified::Different;
  newFacts = true;
  return Unified::NewFact;
}

Symbols::Unified Symbols::unify(const Dim &a, const Dim &b) {
  auto equal = isEqual(a, b);
  if (equal)
    return *equal ? Unified::Same : Unified::Different;
  if (!a.isValid() || !b.isValid())
    return Unified::Check;

  // min(s, c) == s says s <= c, and max(s, c) == s says s >= c.
  for (auto [clamped, plain] : {std::pair(&a, &b), std::pair(&b, &a)}) {
    ArrayRef<Dim::Term> terms = clamped->getTerms();
    if (terms.size() != 1 || terms[0].coefficient != 1 || terms[0].atoms.size() != 1 || !plain->getSymbol())
      continue;
    const Dim::Atom &atom = *terms[0].atoms[0];
    if (atom.kind != Dim::Kind::Min && atom.kind != Dim::Kind::Max)
      continue;
    for (int i : {0, 1})
      if (atom.arguments[i] == *plain)
        if (auto limit = atom.arguments[1 - i].getConstant())
          return narrow(*plain->getSymbol(),
                        atom.kind == Dim::Kind::Min ? Dim::Range{INT64_MIN, *limit} : Dim::Range{*limit, INT64_MAX});
  }

  // c*x*common - c*y*common == 0 says x == y, where x and y are symbols or one a constant.
  Dim difference = a - b;
  ArrayRef<Dim::Term> terms = difference.getTerms();
  if (terms.size() != 2)
    return Unified::Check;
  auto left = terms[0].atoms, right = terms[1].atoms;
  for (size_t i = 0; i < left.size();) {
    auto *it = llvm::find_if(right, [&](auto &atom) { return atom->text == left[i]->text; });
    if (it == right.end()) {
      ++i;
      continue;
    }
    right.erase(it);
    left.erase(left.begin() + i);
  }
  auto symbolOf = [](auto &atoms) -> std::optional<StringRef> {
    if (atoms.size() != 1 || atoms[0]->kind != Dim::Kind::Symbol)
      return std::nullopt;
    return StringRef(atoms[0]->name);
  };
  auto x = symbolOf(left), y = symbolOf(right);
  int64_t c = terms[0].coefficient, d = terms[1].coefficient;
  if (c == INT64_MIN || d == INT64_MIN)
    return Unified::Check;
  if (x && y && c == -d) {
    // The model's own name stays rather than an invented one, else the one declared first.
    auto position = [&](StringRef name) { return llvm::find(names, name.str()) - names.begin(); };
    bool xStays = invented[x->str()] != invented[y->str()] ? invented[y->str()] : position(*x) < position(*y);
    return xStays ? substitute(*y, Dim::symbol(*x)) : substitute(*x, Dim::symbol(*y));
  }
  if (x && right.empty() && d % c == 0)
    return substitute(*x, Dim(-(d / c)));
  if (y && left.empty() && c % d == 0)
    return substitute(*y, Dim(-(c / d)));
  return Unified::Check;
}
