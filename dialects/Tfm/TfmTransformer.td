// The ops that Transformers are made of: one spelling for what every exporter writes.
include "dialects/Tfm/TfmBase.td"

def Tfm_LinearOp : Tfm_Op<"linear", [Pure]> {
  let summary = "x @ w + bias";
  let description = [{
    x: [..., K]; w: [K, N], or [N, K] with `transposed`; bias: [N]; result: [..., N].
    With an `activation`, x is quantized first, by #tfm.dynamic, #tfm.dynamic_float or #tfm.static; what is multiplied is
    (code - zero) * scale.
    C1: w has rank 2 and x's last dimension is its K. C2: bias is [N]. C3: one element type. C4: only f32 has a precision.
    C5: an activation is one of these, and x is f32.
  }];
  let arguments = (ins Tfm_FloatTensor:$input, Tfm_FloatTensor:$weight, Optional<Tfm_FloatTensor>:$bias,
                       UnitAttr:$transposed, OptionalAttr<Tfm_PrecisionAttr>:$precision,
                       OptionalAttr<AnyAttr>:$activation);
  let results = (outs Tfm_FloatTensor:$result);
  let assemblyFormat = [{
    $input `,` $weight (`bias` `(` $bias^ `)`)? attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
}
def Tfm_MatmulOp : Tfm_PureOp<"matmul"> {
  let summary = "numpy's matmul of the last two dimensions, the others broadcast";
  let description = [{
    transpose_a, transpose_b swap an operand's last two dimensions first. Both operands have rank 2 or more.
    C1: K is equal. C2: batch dimensions broadcast. C3: float operands have one element type, the result's.
    Integer operands (i8, ui8, i32) give an i32 result, exact modulo 2^32. C4: only f32 has a precision.
  }];
  let arguments = (ins Tfm_Tensor:$lhs, Tfm_Tensor:$rhs, UnitAttr:$transpose_a, UnitAttr:$transpose_b,
                       OptionalAttr<Tfm_PrecisionAttr>:$precision);
  let results = (outs Tfm_Tensor:$result);
  let hasVerifier = 1;
}
def Tfm_ConvOp : Tfm_Op<"conv", [Pure]> {
  let summary = "cross-correlation (ONNX Conv)";
  let description = [{
    x: [B, C, D1...Dn]; w: [M, C/groups, k1...kn]; bias: [M]; result: [B, M, O1...On]. pads holds n begins, then n ends.
    C1: the attributes have n, 2n, n elements. C2: groups divides C and M. C3: the result's dimensions follow.
    C4: only f32 has a precision.
  }];
  let arguments = (ins Tfm_FloatTensor:$input, Tfm_FloatTensor:$weight, Optional<Tfm_FloatTensor>:$bias,
                       DenseI64ArrayAttr:$strides, DenseI64ArrayAttr:$pads, DenseI64ArrayAttr:$dilations,
                       DefaultValuedAttr<I64Attr, "1">:$groups, OptionalAttr<Tfm_PrecisionAttr>:$precision);
  let results = (outs Tfm_FloatTensor:$result);
  let assemblyFormat = [{
    $input `,` $weight (`bias` `(` $bias^ `)`)? attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
}
def Tfm_AttentionOp : Tfm_Op<"attention", [Pure, AttrSizedOperandSegments]> {
  let summary = "softmax(scale * q k^T + mask) v for each batch and head";
  let description = [{
    q: [B, Sq, heads*D]; k: [B, Sk, kv_heads*D]; v: [B, Sk, kv_heads*Dv]; result: [B, Sq, heads*Dv]. Query head h reads
    key-value head h / (heads/kv_heads).

    Which keys a query may see is a set, the intersection of: `padding` [B, Sk] i1, true where a key is real; `causal`: j <= i +
    offset (an extent; absent: Sk - Sq); `window`: j > i + offset - window. `bias`, broadcastable to [B, heads, Sq, Sk],
    is added to the scores before the set applies; a bias of -inf excludes a key as the set does. `softcap` c > 0 makes a score c*tanh(score/c) first.
    A query that may see nothing gives, by masked_row: zero; the mean of v over all Sk keys; what it would without the set
    (unmasked); or NaN.

    C1: the dimensions above. C2: kv_heads divides heads, heads divides q's last dimension. C3: query, key, value and
    result have one element type; the bias may have another. C4: only f32 has a precision; the factors of its second
    product are v and exp(score - the row's maximum), whose sum, the divisor, is not rounded.
  }];
  let arguments = (ins Tfm_FloatTensor:$query, Tfm_FloatTensor:$key, Tfm_FloatTensor:$value,
                       Optional<Tfm_FloatTensor>:$bias, Optional<Tfm_BoolTensor>:$padding,
                       I64Attr:$heads, I64Attr:$kv_heads, F64Attr:$scale, UnitAttr:$causal,
                       OptionalAttr<Tfm_DimsAttr>:$offset, OptionalAttr<I64Attr>:$window,
                       DefaultValuedAttr<F64Attr, "0.0">:$softcap,
                       DefaultValuedAttr<Tfm_MaskedRowAttr, "MaskedRow::nan">:$masked_row,
                       OptionalAttr<Tfm_PrecisionAttr>:$precision);
  let results = (outs Tfm_FloatTensor:$result);
  let assemblyFormat = [{
    $query `,` $key `,` $value (`bias` `(` $bias^ `)`)? (`padding` `(` $padding^ `)`)? attr-dict
    `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
}
def Tfm_LayerNormOp : Tfm_Op<"layer_norm", [Pure, AttrSizedOperandSegments]> {
  let summary = "(x - mean) / sqrt(variance + epsilon) * gain + bias over the last dimension";
  let description = "C1: gain and bias are [N], N the input's last dimension. C2: the result's type is the input's.";
  let arguments = (ins Tfm_FloatTensor:$input, Optional<Tfm_FloatTensor>:$gain, Optional<Tfm_FloatTensor>:$bias,
                       F64Attr:$epsilon);
  let results = (outs Tfm_FloatTensor:$result);
  let assemblyFormat = [{
    $input (`gain` `(` $gain^ `)`)? (`bias` `(` $bias^ `)`)? attr-dict `:` functional-type(operands, results)
  }];
  let hasVerifier = 1;
}
def Tfm_RmsNormOp : Tfm_Op<"rms_norm", [Pure]> {
  let summary = "x / sqrt(mean(x^2) + epsilon) * gain over the last dimension";
  let description = "C1: gain is [N], N the input's last dimension. C2: the result's type is the input's.";
  let arguments = (ins Tfm_FloatTensor:$input, Optional<Tfm_FloatTensor>:$gain, F64Attr:$epsilon);
  let results = (outs Tfm_FloatTensor:$result);
  let assemblyFormat = "$input (`gain` `(` $gain^ `)`)? attr-dict `:` functional-type(operands, results)";
  let hasVerifier = 1;
}
def Tfm_RotaryOp : Tfm_PureOp<"rotary"> {
  let summary = "rotary position embedding of each head";
  let description = [{
    x: [B, S, heads*D]; cos, sin: [B or 1, S, R/2], R <= D even. The first R elements of a head are rotated in pairs:
    (x[i], x[i + R/2]), or with `interleaved` (x[2i], x[2i + 1]); (a, b) becomes (a cos - b sin, b cos + a sin).
    C1: the dimensions above. C2: one element type.
  }];
  let arguments = (ins Tfm_FloatTensor:$input, Tfm_FloatTensor:$cos, Tfm_FloatTensor:$sin, I64Attr:$heads,
                       UnitAttr:$interleaved);
  let results = (outs Tfm_FloatTensor:$result);
  let hasVerifier = 1;
}
def Tfm_EmbeddingOp : Tfm_PureOp<"embedding"> {
  let summary = "rows of the table at the ids";
  let description = [{
    ids: [...]; table: [V, H]; result: [..., H]. An id is in [-V, V); another is a fault that names the input.
    C1: the table has rank 2. C2: the result's dimensions. C3: its element type is the table's.
  }];
  let arguments = (ins Tfm_IndexTensor:$ids, Tfm_Tensor:$table);
  let results = (outs Tfm_Tensor:$result);
  let hasVerifier = 1;
}
def Tfm_MeanPoolOp : Tfm_PureOp<"mean_pool"> {
  let summary = "sum_s(x[b, s, :] * mask[b, s]) / max(sum_s mask[b, s], floor)";
  let description = [{
    x: [B, S, H]; mask: [B, S] of x's element type; result: [B, H]. A row whose mask is 0 adds 0 whatever x holds there, so
    that it need not be computed. C1: the dimensions. C2: the types.
  }];
  let arguments = (ins Tfm_FloatTensor:$input, Tfm_FloatTensor:$mask, F64Attr:$floor);
  let results = (outs Tfm_FloatTensor:$result);
  let hasVerifier = 1;
}
def Tfm_L2NormalizeOp : Tfm_PureOp<"l2_normalize", [AllTypesMatch<["input", "result"]>]> {
  let summary = "x / max(sqrt(sum(x^2)), floor) over the last dimension";
  let arguments = (ins Tfm_FloatTensor:$input, F64Attr:$floor);
  let results = (outs Tfm_FloatTensor:$result);
}
