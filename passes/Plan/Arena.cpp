// Greedy placement by size; comparisons of formulas are proofs, and what can't be proven goes behind everything.
#include "passes/Plan/Arena.h"
#include "llvm/ADT/STLExtras.h"

using namespace lathe;
using namespace lathe::plan;
using llvm::SmallVector;

static Dim getAtom(const Dim::Atom &atom) {
  return atom.kind == Dim::Kind::Symbol ? Dim::symbol(atom.name) : Dim::parse(atom.text).value_or(Dim::invalid());
}

/// The product of a term's atoms, without its coefficient.
static Dim getMonomial(const Dim::Term &term) {
  Dim product(1);
  for (auto &atom : term.atoms)
    product = product * getAtom(*atom);
  return product;
}

/// At most `dim`, without quotients by constants where they can be had exactly: c*floordiv(e, c) is in [e - c + 1, e].
static Dim dropQuotients(const Dim &dim) {
  Dim sum;
  for (const Dim::Term &term : dim.getTerms()) {
    const Dim::Atom *quotient = term.atoms.size() == 1 ? term.atoms[0].get() : nullptr;
    auto divisor =
        quotient && quotient->kind == Dim::Kind::FloorDiv ? quotient->arguments[1].getConstant() : std::nullopt;
    if (!divisor || *divisor <= 0 || term.coefficient % *divisor != 0) {
      sum = sum + Dim(term.coefficient) * getMonomial(term);
      continue;
    }
    Dim value = quotient->arguments[0] - Dim(term.coefficient > 0 ? *divisor - 1 : 0);
    sum = sum + Dim(term.coefficient / *divisor) * value;
  }
  return sum;
}

/// At least a and b. Where neither is proven the greater: the greater coefficient of each product of atoms, which stays
/// short however many are combined, or, where a product may be negative, the atom max.
static Dim getBound(const Dim &a, const Dim &b, RangeOf rangeOf) {
  if (isLessEqual(a, b, rangeOf))
    return b;
  if (isLessEqual(b, a, rangeOf))
    return a;
  llvm::SmallVector<std::pair<Dim, int64_t>> terms;
  for (const Dim *dim : {&a, &b})
    for (const Dim::Term &term : dim->getTerms()) {
      Dim monomial = getMonomial(term);
      auto bounds = monomial.bounds(rangeOf);
      if (!bounds || bounds->min < 0)
        return Dim::max(a, b);
      auto *it = llvm::find_if(terms, [&](auto &entry) { return entry.first == monomial; });
      if (it == terms.end())
        terms.push_back({monomial, std::max<int64_t>(term.coefficient, 0)});
      else
        it->second = std::max(it->second, term.coefficient);
    }
  Dim sum;
  for (auto &[monomial, coefficient] : terms)
    sum = sum + Dim(coefficient) * monomial;
  return sum;
}

/// Whether a dimension is never negative. Symbols that can be 0 are looked at for 0 and for 1 and more apart, as
/// products vanish there and rounding up does not: 64*floordiv(4*n + 63, 64) <= 64*n.
static bool isProvenNonNegative(const Dim &dim, RangeOf rangeOf, unsigned splits) {
  if (!dim.isValid())
    return false;
  if (auto bounds = dim.bounds(rangeOf); bounds && bounds->min >= 0)
    return true;
  std::optional<std::string> zero;
  dim.walkSymbols([&](llvm::StringRef name) {
    auto range = rangeOf(name);
    if (!zero && range && range->min == 0 && range->max > 0)
      zero = name.str();
  });
  if (zero && splits > 0) {
    Dim without =
        dim.substitute([&](llvm::StringRef name) { return name == *zero ? std::optional(Dim(0)) : std::nullopt; });
    auto fromOne = [&](llvm::StringRef name) {
      return name == *zero ? std::optional(Dim::Range{1, rangeOf(name)->max}) : rangeOf(name);
    };
    return isProvenNonNegative(without, rangeOf, splits - 1) && isProvenNonNegative(dim, fromOne, splits - 1);
  }
  Dim rest = dropQuotients(dim);
  // What all terms share is not negative, and in the way of interval arithmetic: batch*(512*sequence - 8).
  while (rest.isValid() && !rest.getTerms().empty()) {
    std::optional<Dim> quotient;
    for (auto &atom : rest.getTerms()[0].atoms) {
      auto range = atom->kind == Dim::Kind::Symbol ? rangeOf(atom->name) : std::nullopt;
      if (range && range->min >= 0 && (quotient = rest.exactDiv(Dim::symbol(atom->name))))
        break;
    }
    if (!quotient)
      break;
    rest = *quotient;
  }
  auto bounds = rest.bounds(rangeOf);
  return bounds && bounds->min >= 0;
}

bool plan::isLessEqual(const Dim &a, const Dim &b, RangeOf rangeOf) { return isProvenNonNegative(b - a, rangeOf, 4); }

static Dim roundUp(const Dim &size) { return Dim(program::kAlignment) * Dim::ceildiv(size, Dim(program::kAlignment)); }

std::optional<Dim> plan::placeBuffers(llvm::MutableArrayRef<Buffer> buffers, RangeOf rangeOf) {
  auto greatest = [&](const Dim &dim) {
    return dim.evaluate([&](llvm::StringRef name) -> std::optional<int64_t> {
      auto range = rangeOf(name);
      return range ? std::optional(range->max) : std::nullopt;
    });
  };
  struct Item {
    Buffer *buffer;
    Dim size;
    int64_t bytes;
  };
  SmallVector<Item> items;
  for (Buffer &buffer : buffers) {
    Dim size = roundUp(buffer.size);
    auto bytes = greatest(size);
    if (!bytes)
      return std::nullopt;
    items.push_back({&buffer, size, *bytes});
  }
  llvm::sort(items, [](const Item &a, const Item &b) {
    return std::make_pair(-a.bytes, a.buffer) < std::make_pair(-b.bytes, b.buffer); // equal ones in their order
  });

  Dim arena;
  SmallVector<Item *> placed;
  for (Item &item : items) {
    SmallVector<Item *> neighbours;
    for (Item *other : placed)
      if (other->buffer->begin <= item.buffer->end && item.buffer->begin <= other->buffer->end)
        neighbours.push_back(other);
    // Behind a neighbour, or at the begin: the least of these, at the greatest values, that is free at all values.
    SmallVector<std::pair<int64_t, Dim>> candidates{{0, Dim(0)}};
    for (Item *other : neighbours) {
      Dim end = other->buffer->offset + other->size;
      auto bytes = greatest(end);
      if (!bytes)
        return std::nullopt;
      candidates.push_back({*bytes, end});
    }
    llvm::sort(candidates, [](auto &a, auto &b) {
      return std::make_pair(a.first, a.second.str()) < std::make_pair(b.first, b.second.str());
    });
    item.buffer->offset = arena;
    for (auto &candidate : candidates) {
      const Dim &offset = candidate.second;
      Dim end = offset + item.size;
      if (llvm::all_of(neighbours, [&](Item *other) {
            return isLessEqual(end, other->buffer->offset, rangeOf) ||
                   isLessEqual(other->buffer->offset + other->size, offset, rangeOf);
          })) {
        item.buffer->offset = offset;
        break;
      }
    }
    placed.push_back(&item);
    arena = getBound(arena, item.buffer->offset + item.size, rangeOf);
    if (!greatest(arena))
      return std::nullopt;
  }
  return arena;
}
