// Greedy placement by size; comparisons of formulas are proofs, and what can't be proven goes behind everything.
#include "passes/Plan/Arena.h"
#include "llvm/ADT/STLExtras.h"

using namespace lathe;
using namespace lathe::plan;
using llvm::SmallVector;

/// At most `dim`, without quotients by constants where they can be had exactly: c*floordiv(e, c) is in [e - c + 1, e].
static Dim dropQuotients(const Dim &dim) {
  Dim sum;
  for (const Dim::Term &term : dim.getTerms()) {
    Dim product(term.coefficient);
    const Dim::Atom *quotient = nullptr;
    for (auto &atom : term.atoms) {
      auto divisor = atom->kind == Dim::Kind::FloorDiv ? atom->arguments[1].getConstant() : std::nullopt;
      if (divisor && *divisor > 0 && term.atoms.size() == 1 && term.coefficient % *divisor == 0) {
        quotient = atom.get();
        continue;
      }
      if (atom->kind == Dim::Kind::Symbol)
        product = product * Dim::symbol(atom->name);
      else
        product = product * *Dim::parse(atom->text);
    }
    if (quotient) {
      int64_t divisor = *quotient->arguments[1].getConstant();
      Dim value = quotient->arguments[0];
      if (term.coefficient > 0)
        value = value - Dim(divisor - 1);
      product = Dim(term.coefficient / divisor) * value;
    }
    sum = sum + product;
  }
  return sum;
}

bool plan::isLessEqual(const Dim &a, const Dim &b, RangeOf rangeOf) {
  Dim difference = b - a;
  if (!difference.isValid())
    return false;
  difference = dropQuotients(difference);
  // What all terms share is not negative, and in the way of interval arithmetic: batch*(512*sequence - 8).
  while (difference.isValid() && !difference.getTerms().empty() && !difference.getTerms()[0].atoms.empty()) {
    std::optional<Dim> quotient;
    for (auto &atom : difference.getTerms()[0].atoms) {
      if (atom->kind != Dim::Kind::Symbol)
        continue;
      auto range = rangeOf(atom->name);
      if (range && range->min >= 0 && (quotient = difference.exactDiv(Dim::symbol(atom->name))))
        break;
    }
    if (!quotient)
      break;
    difference = *quotient;
  }
  auto bounds = difference.bounds(rangeOf);
  return bounds && bounds->min >= 0;
}

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
    Dim end = item.buffer->offset + item.size;
    if (isLessEqual(arena, end, rangeOf))
      arena = end;
    else if (!isLessEqual(end, arena, rangeOf))
      arena = Dim::max(arena, end);
    if (!greatest(arena))
      return std::nullopt;
  }
  return arena;
}
