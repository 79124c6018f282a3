// Passes of the simplify phase.
class Simplify_Pass<string flag> : Pass<flag, "::mlir::ModuleOp"> {
  let dependentDialects = ["::lathe::tfm::TfmDialect"];
}

def FoldConstantsPass : Simplify_Pass<"lathe-fold-constants"> {
  let summary = "Execute what depends on constants and weights alone";
  let description = [{
    The reference executes it. Results of at most 1024 elements become tfm.constant, others tfm.weight with their bytes in
    the context's store; a reshaped weight shares its bytes. Not folded: a large result of more than twice the bytes of its
    operands, and a transposed copy of a weight that is also used as it is.
  }];
}
def CanonicalizePass : Simplify_Pass<"lathe-canonicalize"> {
  let summary = "algebraic clean-up, and data movement brought into one order";
  let description = [{
    Drops what changes nothing (x + 0, cast chains, double negations, pads by 0), folds expands into what broadcasts anyway,
    moves slices towards their source and transposes into matmul's flags, so that one computation has one spelling.
  }];
}
def RecoverQuantizedPass : Simplify_Pass<"lathe-recover-quantized"> {
  let summary = "weights stored as integers as weights in a format, products of quantized inputs as linears";
  let description = [{
    A matrix that is dequantized when the model runs (DequantizeLinear, MatMulNBits) is a weight in #tfm.int with the same
    values, where linears and lookups are all that reads it. QuantizeLinear and DequantizeLinear before a linear with such a
    weight, by one scale, are its activation, #tfm.static. A product of integers (MatMulInteger) that is made real is a
    linear whose input is the codes, which #tfm.static of scale 1 keeps, less the zero point times the sums of the columns:
    exact, but for the rounding of sums beyond 2^24 to f32.
  }];
}
def RecoverLinearPass : Simplify_Pass<"lathe-recover-linear"> {
  let summary = "matmul by a weight, and what is added to it, as tfm.linear; packed projections split";
  let description = [{
    A weight that is sliced or reshaped becomes a weight of its own: a piece of the file where its rows lie together, else
    a blob. A convolution whose kernel is one element is a linear too.
  }];
}
def RecoverAttentionPass : Simplify_Pass<"lathe-recover-attention"> {
  let summary = "softmax(scale * q k^T + mask) v as tfm.attention";
  let description = [{
    Heads in four dimensions or folded into the batch, keys and values repeated for groups, the scale on either side, masks
    added or chosen, rows guarded against NaN. What a mask is made of is read back to the set of keys that a query sees
    (causal, padding, window); what isn't such a set stays as the bias. Where neither is exact, the primitive ops stay.
  }];
}
def RecoverNormsPass : Simplify_Pass<"lathe-recover-norms"> {
  let summary = "layer_norm and rms_norm from means, squares and square roots, with their gain and bias";
}
def RecoverActivationsPass : Simplify_Pass<"lathe-recover-activations"> {
  let summary = "gelu (erf, tanh, quick), silu, sigmoid, relu and swiglu from any spelling";
  let description = [{
    A product is compared as a whole: its factors in any order, what stands inside erf, tanh or sigmoid as a polynomial of x.
    Constants may differ by what exporters round, 1e-5 of them.
  }];
}
def RecoverRotaryPass : Simplify_Pass<"lathe-recover-rotary"> {
  let summary = "x * cos + rotate_half(x) * sin as tfm.rotary, with half of cos and sin where both halves are copies";
}
def RecoverEmbeddingPass : Simplify_Pass<"lathe-recover-embedding"> {
  let summary = "gather of a weight's rows as tfm.embedding";
}
def RecoverPoolingPass : Simplify_Pass<"lathe-recover-pooling"> {
  let summary = "masked means over a sequence as tfm.mean_pool, division by the norm as tfm.l2_normalize";
}
def HoistSlicesPass : Simplify_Pass<"lathe-hoist-slices"> {
  let summary = "where only some rows of a computation are read, computes only those";
  let description = [{
    A classifier that reads the first token needs that token's row of the last layer alone: its slice moves up through
    elementwise ops, linear, norms and the queries of an attention, whatever else nobody reads.
  }];
}
def RequireFusedPass : Simplify_Pass<"lathe-require-fused"> {
  let summary = "fails unless so many ops of each kind were recovered";
  let options = [Option<"ops", "ops", "std::string", "\"\"", "as in attention:6,layer_norm:13; each at least so often">];
}
def TieWeightsPass : Simplify_Pass<"lathe-tie-weights"> {
  let summary = "a matrix that the model stores twice, perhaps transposed, becomes one weight";
  let description = [{
    The output head of a language model is its embedding; exporters store it as a transposed copy. Bytes are compared, of
    matrices of one size alone, and up to the first difference.
  }];
}
