// One element of a tensor, as an expression of its index: values pulled back through the ops that computed them.
//
// Indices and integers are Dims, whose symbols are the model's and the index variables of `Index`; so `j - i + past` is
// in canonical form whatever chain of Range, Unsqueeze, Expand, Gather and Add spelled it. What isn't understood is a
// load: an element of some value at an index.
#pragma once
#include "dialects/Tfm/Tfm.h"
#include "mlir/IR/BuiltinOps.h"

namespace lathe::simplify {

/// An index variable: a symbol that no model has, between 0 and extent - 1.
struct IndexVariable {
  std::string name;
  Dim extent;
};

struct Element;
using ElementRef = std::shared_ptr<const Element>;
struct Element {
  enum class Kind {
    Integer,     // integer
    Real,        // real
    Bool,        // truth
    NonNegative, // bool: integer >= 0
    Zero,        // bool: integer == 0
    Load,        // value[indices], a number or a bool by its type
    LoadCompare, // bool: value[indices] predicate real
    Not,         // of a
    And,         // of a, b
    Or,          // of a, b
    Choice,      // a ? b : c, the latter numbers
  } kind;
  Dim integer = 0;
  double real = 0;
  bool truth = false;
  mlir::Value value = {};
  llvm::SmallVector<Dim> indices = {};
  tfm::Predicate predicate = tfm::Predicate::eq;
  ElementRef a = {}, b = {}, c = {};

  bool isTrue() const { return kind == Kind::Bool && truth; }
  bool isFalse() const { return kind == Kind::Bool && !truth; }
};

class ElementReader {
public:
  ElementReader(mlir::ModuleOp module, llvm::ArrayRef<IndexVariable> variables)
      : module(module), variables(variables) {}

  /// value[indices]; indices have value's rank. Never null, at worst a load. Integer inputs that are used in float
  /// arithmetic are masks of 0 and 1. Values behind more than a few thousand ops are loads.
  ElementRef read(mlir::Value value, llvm::ArrayRef<Dim> indices);
  /// The same as a bool: x != 0.
  ElementRef readBool(mlir::Value value, llvm::ArrayRef<Dim> indices);
  /// Whether dim is at least 0 for all indices and all values of the symbols in their ranges.
  bool isNonNegative(const Dim &dim) const;

  ElementRef makeNot(ElementRef a);
  ElementRef makeAnd(ElementRef a, ElementRef b);
  ElementRef makeOr(ElementRef a, ElementRef b);

  /// Counts a step of work on expressions, which share parts and so can be walked for ever; false when it is too much.
  bool spend();

private:
  ElementRef readOp(mlir::Operation *op, llvm::ArrayRef<Dim> indices);
  ElementRef readConstant(mlir::DenseElementsAttr elements, llvm::ArrayRef<Dim> indices);
  ElementRef readWeight(tfm::GetOp get, llvm::ArrayRef<Dim> indices);
  ElementRef readElementwise(mlir::Operation *op, llvm::ArrayRef<Dim> indices);
  ElementRef compare(tfm::Predicate predicate, ElementRef a, ElementRef b);
  ElementRef arithmetic(mlir::Operation *op, ElementRef a, ElementRef b);
  ElementRef choose(ElementRef condition, ElementRef a, ElementRef b);
  ElementRef assume(ElementRef element, const ElementRef &condition, bool truth);
  ElementRef toBool(ElementRef a);
  ElementRef toReal(ElementRef a);
  std::optional<llvm::SmallVector<Dim>> throughReshape(llvm::ArrayRef<Dim> from, llvm::ArrayRef<Dim> to,
                                                       llvm::ArrayRef<Dim> indices);
  /// An index in [0, size) for one that may count from the end.
  std::optional<Dim> normalizeIndex(const Dim &index, const Dim &size);

  mlir::ModuleOp module;
  llvm::ArrayRef<IndexVariable> variables;
  bool isSame(const ElementRef &a, const ElementRef &b);

  unsigned steps = 0, depth = 0;
};

} // namespace lathe::simplify
