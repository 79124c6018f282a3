// Ops that work element by element, with numpy's broadcasting.
include "dialects/Tfm/TfmBase.td"

// C1: the result's dimensions are the operands', aligned at the last and broadcast: equal in canonical form, or 1.
class Tfm_ElementwiseOp<string mnemonic, list<Trait> traits = []>
    : Tfm_PureOp<mnemonic, !listconcat([DeclareOpInterfaceMethods<Tfm_ElementwiseOpInterface>], traits)> {
  let hasVerifier = 1;
  let results = (outs Tfm_Tensor:$result);
}

// C2: the result's element type is the operand's.
class Tfm_Unary<string mnemonic, string what> : Tfm_ElementwiseOp<mnemonic> {
  let summary = what;
  let arguments = (ins Tfm_Tensor:$input);
  let extraClassDefinition = "::llvm::LogicalResult $cppClass::verify() { return verifyElementwise(*this, true); }";
}
def Tfm_AbsOp : Tfm_Unary<"abs", "|x|">;
def Tfm_NegOp : Tfm_Unary<"neg", "-x; integers wrap">;
def Tfm_ExpOp : Tfm_Unary<"exp", "e^x">;
def Tfm_LogOp : Tfm_Unary<"log", "natural logarithm">;
def Tfm_SqrtOp : Tfm_Unary<"sqrt", "square root">;
def Tfm_RsqrtOp : Tfm_Unary<"rsqrt", "1/sqrt(x)">;
def Tfm_ReciprocalOp : Tfm_Unary<"reciprocal", "1/x">;
def Tfm_SinOp : Tfm_Unary<"sin", "sine of radians">;
def Tfm_CosOp : Tfm_Unary<"cos", "cosine of radians">;
def Tfm_ErfOp : Tfm_Unary<"erf", "the error function">;
def Tfm_TanhOp : Tfm_Unary<"tanh", "hyperbolic tangent">;
def Tfm_SigmoidOp : Tfm_Unary<"sigmoid", "1/(1 + e^-x)">;
def Tfm_SiluOp : Tfm_Unary<"silu", "x * sigmoid(x)">;
def Tfm_ReluOp : Tfm_Unary<"relu", "max(x, 0)">;
def Tfm_FloorOp : Tfm_Unary<"floor", "largest integer at most x">;
def Tfm_CeilOp : Tfm_Unary<"ceil", "smallest integer at least x">;
def Tfm_RoundOp : Tfm_Unary<"round", "nearest integer, halves to even">;
def Tfm_SignOp : Tfm_Unary<"sign", "-1, 0 or 1; NaN stays">;
def Tfm_NotOp : Tfm_Unary<"not", "complement of the bits">;
def Tfm_GeluOp : Tfm_Unary<"gelu", "x * Phi(x): exact (erf), tanh approximation, or x * sigmoid(1.702 x) (quick)"> {
  let arguments = (ins Tfm_Tensor:$input, DefaultValuedAttr<Tfm_GeluKindAttr, "GeluKind::erf">:$kind);
}

// C2: the operands and the result have one element type.
class Tfm_Binary<string mnemonic, string what> : Tfm_ElementwiseOp<mnemonic> {
  let summary = what;
  let arguments = (ins Tfm_Tensor:$lhs, Tfm_Tensor:$rhs);
  let extraClassDefinition = "::llvm::LogicalResult $cppClass::verify() { return verifyElementwise(*this, true); }";
}
def Tfm_AddOp : Tfm_Binary<"add", "x + y; integers wrap">;
def Tfm_SubOp : Tfm_Binary<"sub", "x - y; integers wrap">;
def Tfm_MulOp : Tfm_Binary<"mul", "x * y; integers wrap">;
def Tfm_DivOp : Tfm_Binary<"div", "x / y; integers truncate, and a division by 0 gives 0">;
def Tfm_ModOp : Tfm_Binary<"mod", "remainder: sign of y for integers (0 for y = 0), C's fmod for floats">;
def Tfm_PowOp : Tfm_Binary<"pow", "x to the power of y">;
def Tfm_MinimumOp : Tfm_Binary<"minimum", "the lesser; NaN if either is">;
def Tfm_MaximumOp : Tfm_Binary<"maximum", "the greater; NaN if either is">;
def Tfm_AndOp : Tfm_Binary<"and", "bitwise and">;
def Tfm_OrOp : Tfm_Binary<"or", "bitwise or">;
def Tfm_XorOp : Tfm_Binary<"xor", "bitwise exclusive or">;
def Tfm_SwigluOp : Tfm_Binary<"swiglu", "silu(gate) * up; operands gate, up">;

def Tfm_CompareOp : Tfm_ElementwiseOp<"compare"> {
  let summary = "x PREDICATE y; a comparison with NaN is false but for ne";
  let description = "C2: the operands have one element type. C3: the result's is i1.";
  let arguments = (ins Tfm_PredicateAttr:$predicate, Tfm_Tensor:$lhs, Tfm_Tensor:$rhs);
  let results = (outs Tfm_BoolTensor:$result);
  let assemblyFormat = "$predicate operands attr-dict `:` functional-type(operands, results)";
}
def Tfm_IsNanOp : Tfm_ElementwiseOp<"is_nan"> {
  let summary = "whether x is NaN";
  let arguments = (ins Tfm_FloatTensor:$input);
  let results = (outs Tfm_BoolTensor:$result);
}
def Tfm_IsInfOp : Tfm_ElementwiseOp<"is_inf"> {
  let summary = "whether x is +inf (positive) or -inf (negative)";
  let arguments = (ins Tfm_FloatTensor:$input, DefaultValuedAttr<BoolAttr, "true">:$positive,
                       DefaultValuedAttr<BoolAttr, "true">:$negative);
  let results = (outs Tfm_BoolTensor:$result);
}
def Tfm_SelectOp : Tfm_ElementwiseOp<"select"> {
  let summary = "x where the condition holds, else y";
  let description = "C2: x, y and the result have one element type.";
  let arguments = (ins Tfm_BoolTensor:$condition, Tfm_Tensor:$onTrue, Tfm_Tensor:$onFalse);
}
def Tfm_CastOp : Tfm_ElementwiseOp<"cast"> {
  let summary = "converts the element type";
  let description = [{
    To a float: rounds to nearest, halves to even. From a float to an integer: truncates towards zero, and what does not
    fit saturates, NaN gives 0. Between integers: wraps. To i1: x != 0.
  }];
  let arguments = (ins Tfm_Tensor:$input);
}
