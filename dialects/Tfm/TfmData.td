// Ops that move elements, and the sources of values: weights, constants, dimensions.
include "dialects/Tfm/TfmBase.td"

def Tfm_WeightOp : Tfm_Op<"weight", [Symbol]> {
  let summary = "a weight of the model: a type and where its bytes are";
  let description = [{
    Lives at module level. The bytes stay outside the IR (file, blob, random), or are a small literal (`dense<...>`).
    Tied weights are one symbol. `origin` is the name that the model gave it.
    C1: a literal's type is the weight's without a format; it is encoded. C2: the type is static. C3: the source is #tfm.file, #tfm.blob, #tfm.random or an
    elements attribute.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttr:$type, AnyAttr:$source, OptionalAttr<StrAttr>:$origin);
  let assemblyFormat = "$sym_name `:` $type `=` $source attr-dict";
  let hasVerifier = 1;
  let extraClassDeclaration = "::mlir::RankedTensorType getTensorType() { return ::llvm::cast<::mlir::RankedTensorType>(getType()); }";
}
def Tfm_GetOp : Tfm_Op<"get", [Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "the value of a weight";
  let description = "C1: the symbol is a tfm.weight. C2: its type is the result's.";
  let arguments = (ins FlatSymbolRefAttr:$weight);
  let results = (outs Tfm_Tensor:$result);
  let assemblyFormat = "$weight attr-dict `:` type($result)";
}
def Tfm_ConstantOp : Tfm_Op<"constant", [Pure, ConstantLike, AllTypesMatch<["value", "result"]>]> {
  let summary = "a small literal";
  let description = "C1: the value's type is the result's.";
  let arguments = (ins ElementsAttr:$value);
  let results = (outs Tfm_Tensor:$result);
  let assemblyFormat = "$value attr-dict";
  let builders = [OpBuilder<(ins "::mlir::ElementsAttr":$value), "build($_builder, $_state, value.getType(), value);">];

  let hasFolder = 1;
}
def Tfm_ExtentOp : Tfm_Op<"extent", [Pure]> {
  let summary = "dimensions as a tensor: i64 [n], or a scalar for one";
  let description = "C1: the result is i64 of rank 1 with as many elements as extents, or of rank 0 with one.";
  let arguments = (ins Tfm_DimsAttr:$extents);
  let results = (outs Tfm_Tensor:$result);
  let assemblyFormat = "$extents attr-dict `:` type($result)";
  let hasVerifier = 1;
}
def Tfm_IotaOp : Tfm_Op<"iota", [Pure]> {
  let summary = "start, start + step, ... along the only dimension";
  let description = "C1: start holds one dimension. C2: the result has rank 1.";
  let arguments = (ins Tfm_DimsAttr:$start, I64Attr:$step);
  let results = (outs Tfm_Tensor:$result);
  let assemblyFormat = "$start `step` $step attr-dict `:` type($result)";
  let hasVerifier = 1;
}
def Tfm_RequireOp : Tfm_Op<"require", []> {
  let summary = "two lists of dimensions that must be equal at run time";
  let description = "`run` checks it and shows the message. C1: the lists have one length.";
  let arguments = (ins Tfm_DimsAttr:$left, Tfm_DimsAttr:$right, StrAttr:$message);
  let assemblyFormat = "$left `,` $right `,` $message attr-dict";
  let hasVerifier = 1;
}

def Tfm_ReshapeOp : Tfm_PureOp<"reshape"> {
  let summary = "the same elements in row-major order under other dimensions";
  let description = [{
    C1: the element type stays. C2: the products of the dimensions are equal in canonical form, or a tfm.require says that
    dimensions they differ in are equal (checked at run time).
  }];
  let arguments = (ins Tfm_Tensor:$input);
  let results = (outs Tfm_Tensor:$result);
  let hasVerifier = 1;
  let hasCanonicalizer = 1;
  let hasFolder = 1;
}
def Tfm_TransposeOp : Tfm_PureOp<"transpose"> {
  let summary = "dimension i of the result is dimension permutation[i] of the input";
  let description = "C1: permutation is one of 0..rank-1. C2: the result's dimensions are the input's, permuted.";
  let arguments = (ins Tfm_Tensor:$input, DenseI64ArrayAttr:$permutation);
  let results = (outs Tfm_Tensor:$result);
  let hasVerifier = 1;
  let hasCanonicalizer = 1;
  let hasFolder = 1;
}
def Tfm_ExpandOp : Tfm_PureOp<"expand"> {
  let summary = "numpy's broadcast to the result's dimensions";
  let description = "C1: aligned at the last, an input dimension equals the result's or is 1.";
  let arguments = (ins Tfm_Tensor:$input);
  let results = (outs Tfm_Tensor:$result);
  let hasVerifier = 1;
  let hasFolder = 1;
}
def Tfm_SliceOp : Tfm_PureOp<"slice"> {
  let summary = "along each dimension d: elements starts[d] + i*steps[d] for i below the result's dimension";
  let description = [{
    C1: starts and steps have the rank's length, no step is 0. C2: the element type stays. The elements must exist; where
    that depends on symbols, the importer adds a tfm.require or a clamped dimension (`min(512, sequence)`).
  }];
  let arguments = (ins Tfm_Tensor:$input, Tfm_DimsAttr:$starts, DenseI64ArrayAttr:$steps);
  let results = (outs Tfm_Tensor:$result);
  let hasVerifier = 1;
  let hasFolder = 1;
}
def Tfm_ConcatOp : Tfm_PureOp<"concat"> {
  let summary = "the inputs one after another along the axis";
  let description = "C1: dimensions but the axis are equal; the result's axis is the sum. C2: one element type.";
  let arguments = (ins Variadic<Tfm_Tensor>:$inputs, I64Attr:$axis);
  let results = (outs Tfm_Tensor:$result);
  let hasVerifier = 1;
  let hasFolder = 1;
}
def Tfm_PadOp : Tfm_PureOp<"pad"> {
  let summary = "low[d] and high[d] copies of the scalar value before and after each dimension";
  let description = "C1: low and high have the rank's length. C2: the value is of rank 0 and the input's element type.";
  let arguments = (ins Tfm_Tensor:$input, Tfm_Tensor:$value, Tfm_DimsAttr:$low, Tfm_DimsAttr:$high);
  let results = (outs Tfm_Tensor:$result);
  let hasVerifier = 1;
}
def Tfm_GatherOp : Tfm_PureOp<"gather"> {
  let summary = "slices of data along the axis at the indices (ONNX Gather)";
  let description = [{
    An index is in [-n, n); another is a fault that names the input it comes from.
    C1: the axis is within data's rank. C2: the result is data[:axis] ++ indices ++ data[axis+1:].
  }];
  let arguments = (ins Tfm_Tensor:$data, Tfm_IndexTensor:$indices, I64Attr:$axis);
  let results = (outs Tfm_Tensor:$result);
  let hasVerifier = 1;
}
def Tfm_GatherElementsOp : Tfm_PureOp<"gather_elements"> {
  let summary = "result[i][j] = data[indices[i][j]][j] for axis 0 (ONNX GatherElements)";
  let description = "C1: data and indices have one rank, the axis is within it. C2: the result's dimensions are indices'.";
  let arguments = (ins Tfm_Tensor:$data, Tfm_IndexTensor:$indices, I64Attr:$axis);
  let results = (outs Tfm_Tensor:$result);
  let hasVerifier = 1;
}
def Tfm_GatherNdOp : Tfm_PureOp<"gather_nd"> {
  let summary = "slices of data at index tuples (ONNX GatherND)";
  let description = "C1: indices' last dimension is static, with batch_dims at most data's rank. C2: as ONNX's shape rule.";
  let arguments = (ins Tfm_Tensor:$data, Tfm_IndexTensor:$indices, DefaultValuedAttr<I64Attr, "0">:$batch_dims);
  let results = (outs Tfm_Tensor:$result);
  let hasVerifier = 1;
}
def Tfm_ScatterElementsOp : Tfm_PureOp<"scatter_elements", [AllTypesMatch<["data", "result"]>]> {
  let summary = "a copy of data with updates at indices along the axis (ONNX ScatterElements)";
  let arguments = (ins Tfm_Tensor:$data, Tfm_IndexTensor:$indices, Tfm_Tensor:$updates, I64Attr:$axis,
                       DefaultValuedAttr<Tfm_AccumulateAttr, "Accumulate::none">:$accumulate);
  let results = (outs Tfm_Tensor:$result);
}
def Tfm_ScatterNdOp : Tfm_PureOp<"scatter_nd", [AllTypesMatch<["data", "result"]>]> {
  let summary = "a copy of data with slices replaced at index tuples (ONNX ScatterND)";
  let arguments = (ins Tfm_Tensor:$data, Tfm_IndexTensor:$indices, Tfm_Tensor:$updates,
                       DefaultValuedAttr<Tfm_AccumulateAttr, "Accumulate::none">:$accumulate);
  let results = (outs Tfm_Tensor:$result);
}
