// Ops that combine elements along axes.
include "dialects/Tfm/TfmBase.td"

class Tfm_Reduce<string mnemonic, string what> : Tfm_PureOp<mnemonic> {
  let summary = what;
  let description = [{
    C1: axes are ascending and within the rank. C2: the result's dimensions are the input's, with 1 at the axes.
    C3: the result's element type is the input's.
  }];
  let arguments = (ins Tfm_Tensor:$input, DenseI64ArrayAttr:$axes);
  let results = (outs Tfm_Tensor:$result);
  let hasVerifier = 1;
  let extraClassDefinition = "::llvm::LogicalResult $cppClass::verify() { return verifyReduction(*this, getAxes()); }";
}
def Tfm_ReduceSumOp : Tfm_Reduce<"reduce_sum", "the sum along axes; 0 over nothing">;
def Tfm_ReduceMeanOp : Tfm_Reduce<"reduce_mean", "the mean along axes">;
def Tfm_ReduceMaxOp : Tfm_Reduce<"reduce_max", "the maximum along axes; NaN if one is; the type's least over nothing">;
def Tfm_ReduceMinOp : Tfm_Reduce<"reduce_min", "the minimum along axes; NaN if one is; the type's greatest over nothing">;
def Tfm_ReduceProdOp : Tfm_Reduce<"reduce_prod", "the product along axes; 1 over nothing">;

class Tfm_ArgReduce<string mnemonic, string what> : Tfm_PureOp<mnemonic> {
  let summary = what;
  let description = "C1: the axis is within the rank. C2: the result has 1 at the axis. C3: the result is i64.";
  let arguments = (ins Tfm_Tensor:$input, I64Attr:$axis, DefaultValuedAttr<BoolAttr, "false">:$last);
  let results = (outs Tfm_IndexTensor:$result);
  let hasVerifier = 1;
  let extraClassDefinition = [{
    ::llvm::LogicalResult $cppClass::verify() { return verifyReduction(*this, {static_cast<int64_t>(getAxis())}); }
  }];
}
def Tfm_ArgMaxOp : Tfm_ArgReduce<"arg_max", "index of the first (last, if so asked) maximum along the axis">;
def Tfm_ArgMinOp : Tfm_ArgReduce<"arg_min", "index of the first (last, if so asked) minimum along the axis">;

// C1: the axis is within the rank. C2: the result's type is the input's.
def Tfm_SoftmaxOp : Tfm_PureOp<"softmax", [AllTypesMatch<["input", "result"]>]> {
  let summary = "exp(x - max) / sum(exp(x - max)) along the axis; NaN where all are -inf";
  let arguments = (ins Tfm_FloatTensor:$input, I64Attr:$axis);
  let results = (outs Tfm_FloatTensor:$result);
  let hasVerifier = 1;
}
def Tfm_CumSumOp : Tfm_PureOp<"cumsum", [AllTypesMatch<["input", "result"]>]> {
  let summary = "running sum along the axis, without the element itself if exclusive, from the end if reverse";
  let arguments = (ins Tfm_Tensor:$input, I64Attr:$axis, DefaultValuedAttr<BoolAttr, "false">:$exclusive,
                       DefaultValuedAttr<BoolAttr, "false">:$reverse);
  let results = (outs Tfm_Tensor:$result);
  let hasVerifier = 1;
}
