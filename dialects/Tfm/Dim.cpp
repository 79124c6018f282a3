// Canonical forms, arithmetic and evaluation of dimensions.
#include "dialects/Tfm/Dim.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/CheckedArithmetic.h"
#include "llvm/Support/MathExtras.h"

using namespace llvm;
using namespace lathe;

namespace {
constexpr size_t kMaxTerms = 256;
constexpr size_t kMaxText = 4096;
constexpr int kMaxParseDepth = 32;
constexpr int kMaxNesting = 24; // of atoms in each other: what is made can be parsed again

const char *nameOf(Dim::Kind kind) {
  switch (kind) {
  case Dim::Kind::Symbol:
    return "";
  case Dim::Kind::FloorDiv:
    return "floordiv";
  case Dim::Kind::CeilDiv:
    return "ceildiv";
  case Dim::Kind::Min:
    return "min";
  case Dim::Kind::Max:
    return "max";
  }
  return "";
}

std::string textOf(const Dim::Term &term) {
  std::string text;
  for (auto &atom : term.atoms)
    text += (text.empty() ? "" : "*") + atom->text;
  return text;
}
} // namespace

Dim::Dim(int64_t constant) : text(std::to_string(constant)) {
  if (constant)
    terms.push_back({constant, {}});
}

Dim Dim::invalid() {
  Dim dim;
  dim.valid = false;
  dim.text = "invalid";
  return dim;
}

Dim Dim::fromTerms(SmallVector<Term, 2> terms) {
  // Equal products are merged; constants have the empty text and go last.
  SmallVector<std::pair<std::string, Term>, 4> keyed;
  for (Term &term : terms)
    keyed.push_back({textOf(term), std::move(term)});
  llvm::sort(keyed, [](auto &a, auto &b) {
    return std::make_pair(a.first.empty(), StringRef(a.first)) < std::make_pair(b.first.empty(), StringRef(b.first));
  });
  Dim dim;
  SmallVector<std::string, 4> names;
  for (auto &[name, term] : keyed) {
    if (!names.empty() && names.back() == name) {
      auto sum = checkedAdd(dim.terms.back().coefficient, term.coefficient);
      if (!sum)
        return invalid();
      dim.terms.back().coefficient = *sum;
    } else {
      dim.terms.push_back(std::move(term));
      names.push_back(name);
    }
    if (dim.terms.back().coefficient == 0) {
      dim.terms.pop_back();
      names.pop_back();
    }
  }
  if (dim.terms.empty())
    return dim;
  dim.text.clear();
  for (auto [term, name] : llvm::zip(dim.terms, names)) {
    int64_t c = term.coefficient;
    if (!dim.text.empty()) {
      dim.text += c < 0 ? " - " : " + ";
      if (c == INT64_MIN)
        return invalid();
      c = std::abs(c);
    }
    if (name.empty())
      dim.text += std::to_string(c);
    else
      dim.text += c == 1 ? name : std::to_string(c) + "*" + name;
  }
  if (dim.terms.size() > kMaxTerms || dim.text.size() > kMaxText)
    return invalid();
  return dim;
}

Dim Dim::fromAtom(Kind kind, StringRef name, ArrayRef<Dim> arguments) {
  auto atom = std::make_shared<Atom>();
  atom->kind = kind;
  atom->name = name.str();
  atom->arguments.assign(arguments.begin(), arguments.end());
  atom->text = kind == Kind::Symbol
                   ? name.str()
                   : nameOf(kind) + std::string("(") + arguments[0].text + ", " + arguments[1].text + ")";
  int depth = 0, deepest = 0;
  for (char c : atom->text) {
    depth += c == '(' ? 1 : c == ')' ? -1 : 0;
    deepest = std::max(deepest, depth);
  }
  if (deepest > kMaxNesting)
    return invalid();
  Term term{1, {}};
  term.atoms.push_back(std::move(atom));
  SmallVector<Term, 2> terms;
  terms.push_back(std::move(term));
  return fromTerms(std::move(terms));
}

Dim Dim::symbol(StringRef name) { return fromAtom(Kind::Symbol, name, {}); }

Dim lathe::operator+(const Dim &a, const Dim &b) {
  if (!a.valid || !b.valid)
    return Dim::invalid();
  SmallVector<Dim::Term, 2> terms(a.terms);
  terms.append(b.terms.begin(), b.terms.end());
  return Dim::fromTerms(std::move(terms));
}

Dim lathe::operator-(const Dim &a, const Dim &b) { return a + b * Dim(-1); }

Dim lathe::operator*(const Dim &a, const Dim &b) {
  if (!a.valid || !b.valid || a.terms.size() * b.terms.size() > kMaxTerms)
    return Dim::invalid();
  SmallVector<Dim::Term, 2> terms;
  for (const Dim::Term &x : a.terms)
    for (const Dim::Term &y : b.terms) {
      auto coefficient = checkedMul(x.coefficient, y.coefficient);
      if (!coefficient)
        return Dim::invalid();
      Dim::Term term{*coefficient, x.atoms};
      term.atoms.append(y.atoms.begin(), y.atoms.end());
      llvm::sort(term.atoms, [](auto &l, auto &r) { return l->text < r->text; });
      terms.push_back(std::move(term));
    }
  return Dim::fromTerms(std::move(terms));
}

Dim Dim::product(ArrayRef<Dim> dims) {
  Dim result(1);
  for (const Dim &dim : dims)
    result = result * dim;
  return result;
}

std::optional<int64_t> Dim::getConstant() const {
  if (!isConstant())
    return std::nullopt;
  return terms.empty() ? 0 : terms[0].coefficient;
}

std::optional<StringRef> Dim::getSymbol() const {
  if (!valid || terms.size() != 1 || terms[0].coefficient != 1 || terms[0].atoms.size() != 1 ||
      terms[0].atoms[0]->kind != Kind::Symbol)
    return std::nullopt;
  return StringRef(terms[0].atoms[0]->name);
}

std::optional<Dim> Dim::exactDiv(const Dim &divisor) const {
  if (!valid || !divisor.valid || divisor.terms.empty())
    return std::nullopt;
  if (*this == divisor)
    return Dim(1);
  // Long division by the divisor's first term; the order of terms is not a monomial order, so the number of steps is
  // bounded, and what does not end is not divisible.
  Dim rest = *this, quotient;
  const Term &lead = divisor.terms[0];
  for (size_t step = 0; step <= terms.size() && !rest.terms.empty(); ++step) {
    bool found = false;
    for (const Term &term : rest.terms) {
      bool overflows = lead.coefficient == -1 && term.coefficient == INT64_MIN;
      if (overflows || term.coefficient % lead.coefficient != 0)
        continue;
      Term q{term.coefficient / lead.coefficient, term.atoms};
      bool divides = true;
      for (auto &atom : lead.atoms) {
        auto *it = llvm::find_if(q.atoms, [&](auto &a) { return a->text == atom->text; });
        if (it == q.atoms.end()) {
          divides = false;
          break;
        }
        q.atoms.erase(it);
      }
      if (!divides)
        continue;
      SmallVector<Term, 2> one;
      one.push_back(std::move(q));
      Dim part = fromTerms(std::move(one));
      quotient = quotient + part;
      rest = rest - part * divisor;
      found = true;
      break;
    }
    if (!found || !rest.valid || !quotient.valid)
      return std::nullopt;
  }
  if (!rest.terms.empty())
    return std::nullopt;
  return quotient;
}

Dim Dim::floordiv(const Dim &a, const Dim &b) {
  if (!a.valid || !b.valid || b.getConstant() == 0)
    return invalid();
  if (auto quotient = a.exactDiv(b))
    return *quotient;
  if (a.isConstant() && b.isConstant()) {
    if (b.getConstant() == -1)
      return a * b; // checked: the least integer has no negative
    return Dim(llvm::divideFloorSigned(*a.getConstant(), *b.getConstant()));
  }
  // floordiv(c*q + r, c) == q + floordiv(r, c): what the divisor divides leaves the atom.
  Dim whole, rest = a;
  if (auto c = b.getConstant(); c && *c > 0) {
    SmallVector<Term, 2> divided, kept;
    for (const Term &term : a.terms) {
      int64_t quotient = llvm::divideFloorSigned(term.coefficient, *c);
      bool isConstantTerm = term.atoms.empty();
      if (term.coefficient % *c == 0 || (isConstantTerm && quotient != 0)) {
        divided.push_back({quotient, term.atoms});
        if (int64_t left = term.coefficient - quotient * *c)
          kept.push_back({left, term.atoms});
      } else {
        kept.push_back(term);
      }
    }
    whole = fromTerms(std::move(divided));
    rest = fromTerms(std::move(kept));
    if (rest.isConstant()) // 0 <= rest < c
      return whole;
  }
  return whole + fromAtom(Kind::FloorDiv, "", {rest, b});
}

Dim Dim::ceildiv(const Dim &a, const Dim &b) {
  if (!a.valid || !b.valid || b.getConstant() == 0)
    return invalid();
  if (auto quotient = a.exactDiv(b))
    return *quotient;
  if (auto c = b.getConstant(); c && *c > 0)
    return floordiv(a + Dim(*c - 1), b);
  return fromAtom(Kind::CeilDiv, "", {a, b});
}

Dim Dim::min(const Dim &a, const Dim &b) {
  if (!a.valid || !b.valid)
    return invalid();
  if (auto difference = (a - b).getConstant())
    return *difference <= 0 ? a : b;
  return a < b ? fromAtom(Kind::Min, "", {a, b}) : fromAtom(Kind::Min, "", {b, a});
}

Dim Dim::max(const Dim &a, const Dim &b) {
  if (!a.valid || !b.valid)
    return invalid();
  if (auto difference = (a - b).getConstant())
    return *difference >= 0 ? a : b;
  return a < b ? fromAtom(Kind::Max, "", {a, b}) : fromAtom(Kind::Max, "", {b, a});
}

std::optional<int64_t> Dim::evaluate(function_ref<std::optional<int64_t>(StringRef)> value) const {
  if (!valid)
    return std::nullopt;
  int64_t sum = 0;
  for (const Term &term : terms) {
    std::optional<int64_t> product = term.coefficient;
    for (auto &atom : term.atoms) {
      std::optional<int64_t> factor;
      if (atom->kind == Kind::Symbol) {
        factor = value(atom->name);
      } else {
        auto a = atom->arguments[0].evaluate(value), b = atom->arguments[1].evaluate(value);
        if (!a || !b)
          return std::nullopt;
        bool divides = atom->kind == Kind::FloorDiv || atom->kind == Kind::CeilDiv;
        if (divides && *b < 1)
          return std::nullopt;
        switch (atom->kind) {
        case Kind::FloorDiv:
          factor = llvm::divideFloorSigned(*a, *b);
          break;
        case Kind::CeilDiv:
          factor = llvm::divideCeilSigned(*a, *b);
          break;
        case Kind::Min:
          factor = std::min(*a, *b);
          break;
        default:
          factor = std::max(*a, *b);
          break;
        }
      }
      if (!factor || !(product = checkedMul(*product, *factor)))
        return std::nullopt;
    }
    auto next = checkedAdd(sum, *product);
    if (!next)
      return std::nullopt;
    sum = *next;
  }
  return sum;
}

Dim Dim::substitute(function_ref<std::optional<Dim>(StringRef)> replacement) const {
  if (!valid)
    return *this;
  Dim sum;
  for (const Term &term : terms) {
    Dim product(term.coefficient);
    for (auto &atom : term.atoms) {
      if (atom->kind == Kind::Symbol) {
        auto other = replacement(atom->name);
        product = product * (other ? *other : symbol(atom->name));
        continue;
      }
      Dim a = atom->arguments[0].substitute(replacement), b = atom->arguments[1].substitute(replacement);
      switch (atom->kind) {
      case Kind::FloorDiv:
        product = product * floordiv(a, b);
        break;
      case Kind::CeilDiv:
        product = product * ceildiv(a, b);
        break;
      case Kind::Min:
        product = product * min(a, b);
        break;
      default:
        product = product * max(a, b);
        break;
      }
    }
    sum = sum + product;
  }
  return sum;
}

std::optional<Dim::Range> Dim::bounds(function_ref<std::optional<Range>(StringRef)> range) const {
  if (!valid)
    return std::nullopt;
  Range sum{0, 0};
  for (const Term &term : terms) {
    Range product{term.coefficient, term.coefficient};
    for (auto &atom : term.atoms) {
      std::optional<Range> factor;
      if (atom->kind == Kind::Symbol) {
        factor = range(atom->name);
      } else {
        auto a = atom->arguments[0].bounds(range), b = atom->arguments[1].bounds(range);
        if (!a || !b)
          return std::nullopt;
        if (atom->kind == Kind::Min) {
          factor = Range{std::min(a->min, b->min), std::min(a->max, b->max)};
        } else if (atom->kind == Kind::Max) {
          factor = Range{std::max(a->min, b->min), std::max(a->max, b->max)};
        } else {
          if (b->min < 1)
            return std::nullopt;
          auto divide = atom->kind == Kind::FloorDiv ? llvm::divideFloorSigned<int64_t, int64_t>
                                                     : llvm::divideCeilSigned<int64_t, int64_t>;
          factor = Range{std::min(divide(a->min, b->min), divide(a->min, b->max)),
                         std::max(divide(a->max, b->min), divide(a->max, b->max))};
        }
      }
      if (!factor)
        return std::nullopt;
      Range next{INT64_MAX, INT64_MIN};
      for (int64_t x : {product.min, product.max})
        for (int64_t y : {factor->min, factor->max}) {
          auto corner = checkedMul(x, y);
          if (!corner)
            return std::nullopt;
          next = {std::min(next.min, *corner), std::max(next.max, *corner)};
        }
      product = next;
    }
    auto low = checkedAdd(sum.min, product.min), high = checkedAdd(sum.max, product.max);
    if (!low || !high)
      return std::nullopt;
    sum = {*low, *high};
  }
  return sum;
}

void Dim::walkSymbols(function_ref<void(StringRef)> callback) const {
  for (const Term &term : terms)
    for (auto &atom : term.atoms) {
      if (atom->kind == Kind::Symbol)
        callback(atom->name);
      for (const Dim &argument : atom->arguments)
        argument.walkSymbols(callback);
    }
}

namespace {
/// sum := product (('+'|'-') product)*;  product := factor ('*' factor)*;  factor := INT | NAME | NAME '(' sum ',' sum
/// ')' |
/// '(' sum ')' | '-' factor
class Parser {
public:
  explicit Parser(StringRef text) : rest(text) {}

  std::optional<Dim> parse() {
    auto dim = sum(0);
    if (!dim || !rest.ltrim().empty())
      return std::nullopt;
    return dim;
  }

private:
  bool take(char c) {
    rest = rest.ltrim();
    return rest.consume_front(StringRef(&c, 1));
  }

  std::optional<Dim> sum(int depth) {
    auto left = product(depth);
    while (left) {
      bool plus = take('+');
      if (!plus && !take('-'))
        break;
      auto right = product(depth);
      if (!right)
        return std::nullopt;
      left = plus ? *left + *right : *left - *right;
    }
    return left;
  }

  std::optional<Dim> product(int depth) {
    auto left = factor(depth);
    while (left && take('*')) {
      auto right = factor(depth);
      if (!right)
        return std::nullopt;
      left = *left * *right;
    }
    return left;
  }

  std::optional<Dim> factor(int depth) {
    if (depth > kMaxParseDepth)
      return std::nullopt;
    rest = rest.ltrim();
    if (take('-')) {
      auto inner = factor(depth + 1);
      return inner ? std::optional<Dim>(Dim(-1) * *inner) : std::nullopt;
    }
    if (take('(')) {
      auto inner = sum(depth + 1);
      return inner && take(')') ? inner : std::nullopt;
    }
    if (!rest.empty() && llvm::isDigit(rest.front())) {
      int64_t value;
      if (rest.consumeInteger(10, value))
        return std::nullopt;
      return Dim(value);
    }
    StringRef name = rest.take_while([](char c) { return llvm::isAlnum(c) || c == '_'; });
    if (name.empty())
      return std::nullopt;
    rest = rest.drop_front(name.size());
    auto function = [&](Dim (*build)(const Dim &, const Dim &)) -> std::optional<Dim> {
      if (!take('('))
        return std::nullopt;
      auto a = sum(depth + 1);
      if (!a || !take(','))
        return std::nullopt;
      auto b = sum(depth + 1);
      if (!b || !take(')'))
        return std::nullopt;
      return build(*a, *b);
    };
    if (name == "floordiv")
      return function(Dim::floordiv);
    if (name == "ceildiv")
      return function(Dim::ceildiv);
    if (name == "min")
      return function(Dim::min);
    if (name == "max")
      return function(Dim::max);
    if (name == "invalid")
      return Dim::invalid();
    return Dim::symbol(name);
  }

  StringRef rest;
};
} // namespace

std::optional<Dim> Dim::parse(StringRef text) { return Parser(text).parse(); }
