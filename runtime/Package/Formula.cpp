// Postfix evaluation on a small stack, once with values and once with ranges; printing by walking back from the end.
#include "runtime/Package/Formula.h"
#include <cstdio>
#include <cstring>

namespace lathe::runtime {
using package::FormulaOp;
using package::FormulaStep;

static bool isLeaf(FormulaOp op) { return op == FormulaOp::constant || op == FormulaOp::symbol; }

const char *malformed(const package::Formula &formula, size_t symbolCount) {
  auto *steps = formula.steps();
  if (steps->size() == 0 || steps->size() > package::kMaxFormulaSteps)
    return "a formula is empty or too long";
  if (reinterpret_cast<uintptr_t>(steps->Data()) %
      alignof(FormulaStep)) // the FlatBuffers verifier sees to 4 bytes only
    return "a formula is misaligned";
  uint32_t depth = 0;
  for (const FormulaStep *step : *steps) {
    if (step->op() > FormulaOp::MAX)
      return "a formula has an unknown operation";
    if (isLeaf(step->op())) {
      if (step->op() == FormulaOp::symbol &&
          (step->operand() < 0 || static_cast<uint64_t>(step->operand()) >= symbolCount))
        return "a formula names a symbol that does not exist";
      if (++depth > package::kMaxFormulaStack)
        return "a formula is too deep";
    } else {
      if (depth < 2)
        return "a formula lacks an operand";
      --depth;
    }
  }
  return depth == 1 ? nullptr : "a formula leaves more than one value";
}

static int64_t floorDivide(int64_t a, int64_t b) { return a / b - (a % b < 0); }
static int64_t ceilDivide(int64_t a, int64_t b) { return a / b + (a % b > 0); }

static bool apply(FormulaOp op, int64_t a, int64_t b, int64_t &result) {
  switch (op) {
  case FormulaOp::add:
    return !__builtin_add_overflow(a, b, &result);
  case FormulaOp::sub:
    return !__builtin_sub_overflow(a, b, &result);
  case FormulaOp::mul:
    return !__builtin_mul_overflow(a, b, &result);
  case FormulaOp::floordiv:
  case FormulaOp::ceildiv:
    if (b < 1)
      return false;
    result = op == FormulaOp::floordiv ? floorDivide(a, b) : ceilDivide(a, b);
    return true;
  case FormulaOp::min:
    result = a < b ? a : b;
    return true;
  case FormulaOp::max:
    result = a < b ? b : a;
    return true;
  default:
    return false;
  }
}

bool evaluate(const package::Formula &formula, const int64_t *symbols, int64_t &result, Sign sign) {
  int64_t stack[package::kMaxFormulaStack];
  uint32_t depth = 0;
  for (const FormulaStep *step : *formula.steps()) {
    if (step->op() == FormulaOp::constant)
      stack[depth++] = step->operand();
    else if (step->op() == FormulaOp::symbol)
      stack[depth++] = symbols[step->operand()]; // NOLINT(clang-analyzer-security.ArrayBound): not malformed()
    else {
      --depth;
      // NOLINTNEXTLINE(clang-analyzer-security.ArrayBound): not malformed()
      if (!apply(step->op(), stack[depth - 1], stack[depth], stack[depth - 1]))
        return false;
    }
  }
  result = stack[0];
  return sign == Sign::any || result >= 0;
}

// Over a box each operation is monotone in each operand or extreme at corners (a product; a quotient by b >= 1).
static bool apply(FormulaOp op, const Range &a, const Range &b, Range &result) {
  const int64_t as[2] = {a.min, a.max}, bs[2] = {b.min, b.max};
  Range r = {INT64_MAX, INT64_MIN};
  for (int64_t x : as)
    for (int64_t y : bs) {
      int64_t value;
      if (!apply(op, x, y, value))
        return false;
      r.min = value < r.min ? value : r.min;
      r.max = value > r.max ? value : r.max;
    }
  result = r;
  return true;
}

bool bounds(const package::Formula &formula, const Range *ranges, Range &result) {
  Range stack[package::kMaxFormulaStack];
  uint32_t depth = 0;
  for (const FormulaStep *step : *formula.steps()) {
    if (step->op() == FormulaOp::constant)
      stack[depth++] = {step->operand(), step->operand()};
    else if (step->op() == FormulaOp::symbol)
      stack[depth++] = ranges[step->operand()]; // NOLINT(clang-analyzer-security.ArrayBound): not malformed()
    else {
      --depth;
      // NOLINTNEXTLINE(clang-analyzer-security.ArrayBound): not malformed()
      if (!apply(step->op(), stack[depth - 1], stack[depth], stack[depth - 1]))
        return false;
    }
  }
  result = stack[0];
  return true;
}

int32_t bareSymbol(const package::Formula &formula) {
  const FormulaStep *step = formula.steps()->Get(0);
  return formula.steps()->size() == 1 && step->op() == FormulaOp::symbol ? static_cast<int32_t>(step->operand()) : -1;
}

bool uses(const package::Formula &formula, uint32_t symbol) {
  for (const FormulaStep *step : *formula.steps())
    if (step->op() == FormulaOp::symbol && step->operand() == symbol)
      return true;
  return false;
}

namespace {
class Printer {
public:
  Printer(const package::Formula &formula, const package::Program &program, char *buffer, size_t size)
      : steps(*formula.steps()), program(program), buffer(buffer), size(size) {}

  size_t run() {
    if (size)
      *buffer = 0;
    print(steps.size() - 1, 0);
    return length;
  }

private:
  void put(const char *text) {
    size_t n = strlen(text);
    if (length < size) {
      size_t part = n < size - length - 1 ? n : size - length - 1;
      memcpy(buffer + length, text, part);
      buffer[length + part] = 0;
    }
    length += n;
  }

  // The first step of the expression that ends with step `last`.
  uint32_t begin(uint32_t last) const {
    for (uint32_t missing = 1;; --last) {
      missing += isLeaf(steps.Get(last)->op()) ? -1 : 1;
      if (!missing)
        return last;
    }
  }

  // `binding`: 0 anything, 1 a term of a sum's right side, 2 a factor.
  void print(uint32_t last, int binding) {
    if (length > size)
      return; // cut already
    const FormulaStep *step = steps.Get(last);
    if (step->op() == FormulaOp::constant) {
      char text[32];
      snprintf(text, sizeof text, "%lld", static_cast<long long>(step->operand()));
      return put(text);
    }
    if (step->op() == FormulaOp::symbol)
      return put(program.symbols()->Get(static_cast<uint32_t>(step->operand()))->name()->c_str());
    uint32_t left = begin(last - 1) - 1, right = last - 1;
    FormulaOp op = step->op();
    if (op == FormulaOp::add || op == FormulaOp::sub || op == FormulaOp::mul) {
      bool product = op == FormulaOp::mul, parens = product ? false : binding > 0;
      put(parens ? "(" : "");
      print(left, product ? 2 : 0);
      put(product ? "*" : op == FormulaOp::add ? " + " : " - ");
      print(right, product ? 2 : 1);
      return put(parens ? ")" : "");
    }
    put(package::EnumNameFormulaOp(op));
    put("(");
    print(left, 0);
    put(", ");
    print(right, 0);
    put(")");
  }

  const flatbuffers::Vector<const FormulaStep *> &steps;
  const package::Program &program;
  char *buffer;
  size_t size, length = 0;
};
} // namespace

size_t printFormula(const package::Formula &formula, const package::Program &program, char *buffer, size_t size) {
  return Printer(formula, program, buffer, size).run();
}

} // namespace lathe::runtime
