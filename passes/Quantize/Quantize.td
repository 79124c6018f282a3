// Passes of the compress phase that change how weights and activations are kept.
def QuantizeWeightsPass : Pass<"lathe-quantize-weights", "::mlir::ModuleOp"> {
  let summary = "weights become integers or small floats with scales";
  let description = [{
    The weights of linears, and the tables of embeddings, whose name (the symbol, or the name that the model gave) matches
    `targets`, get a format (TfmBase.td). Blocks lie along K for a linear, along a row for an embedding: `group` elements, the
    whole of K (0), or the whole weight (-1).

    What becomes of each weight is appended to the module's `tfm.compression`. A weight that has a format already is an
    error: quantizing twice only loses. So is a weight that is also read by an op that needs its elements.
  }];
  let dependentDialects = ["::lathe::tfm::TfmDialect"];
  let options = [
    Option<"targets", "targets", "std::string", "\".*\"", "regular expression on the weights' names">,
    Option<"format", "format", "std::string", "\"int8\"", "int8 to int2, fp8e4m3, fp8e5m2, fp16 or bf16">,
    Option<"group", "group", "int64_t", "0", "elements of K that share a scale; 0: all of them, -1: all of the weight">,
    Option<"zeroPoints", "zero-points", "bool", "false", "unsigned integers with a zero point for each group">,
    Option<"scale", "scale", "std::string", "\"f32\"", "the type of scales: f32, f16 or bf16">,
    Option<"activation", "activation", "std::string", "\"none\"",
           "of linears: none; dynamic: 8 bits for each token, unsigned with a zero point; dynamic-symmetric">
  ];
}
