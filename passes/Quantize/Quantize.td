// Passes of the compress phase that change how weights and activations are kept.
def QuantizeWeightsPass : Pass<"lathe-quantize-weights", "::mlir::ModuleOp"> {
  let summary = "weights become integers or small floats with scales";
  let description = [{
    The weights of linears, and the tables of embeddings, whose name (the symbol, or the name that the model gave) matches
    `targets`, get a format (TfmBase.td). Blocks lie along K for a linear, along a row for an embedding: `group` elements, the
    whole of K (0), or the whole weight (-1).

    `rtn` rounds to nearest, `gptq` lets the columns to come make up for each error and needs `statistics`. With `activation`,
    linears also quantize their input: token by token, or by one range that an observer found in the statistics.

    What is 0 stays 0. A weight with zeros left out (#tfm.nm, #tfm.bitmap) keeps to that, with the format inside, unless a code for
    each element is smaller.

    What becomes of each weight is appended to the module's `tfm.compression`. A weight that has a format already is an
    error: quantizing twice only loses. A weight that another op reads too stays as it is, and is reported as refused.
  }];
  let dependentDialects = ["::lathe::tfm::TfmDialect"];
  let options = [
    Option<"targets", "targets", "std::string", "\".*\"", "regular expression on the weights' names">,
    Option<"format", "format", "std::string", "\"int8\"", "int8 to int2, fp8e4m3, fp8e5m2, fp16 or bf16">,
    Option<"group", "group", "int64_t", "0", "elements of K that share a scale; 0: all of them, -1: all of the weight">,
    Option<"zeroPoints", "zero-points", "bool", "false", "unsigned integers with a zero point for each group">,
    Option<"scale", "scale", "std::string", "\"f32\"", "the type of scales: f32, f16 or bf16">,
    Option<"method", "method", "std::string", "\"rtn\"", "of integers: rtn or gptq">,
    Option<"scaleSearch", "scale-search", "std::string", "\"none\"",
           "of integers: none: the greatest magnitude is the greatest code; weight: least |error|^2.4; hessian: least error "
           "weighed by the input's second moments">,
    Option<"actOrder", "act-order", "bool", "false", "gptq: the inputs that matter most first">,
    Option<"damping", "damping", "double", "0.01", "gptq: of the mean of the moments' diagonal">,
    Option<"activation", "activation", "std::string", "\"none\"",
           "of linears' inputs, 8 bits: none, dynamic, dynamic-symmetric, dynamic-fp8e4m3, static, static-symmetric">,
    Option<"observer", "observer", "std::string", "\"minmax\"", "of static activations: minmax, percentile, mse or entropy">,
    Option<"percentile", "percentile", "double", "99.99", "of the values that lie in the range">,
    Option<"biasCorrection", "bias-correction", "bool", "false", "takes the mean error back by the bias">,
    Option<"statistics", "statistics", "std::string", "\"\"", "file of statistics">
  ];
}
