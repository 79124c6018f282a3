// Passes of the compress phase that choose element types.
def ConvertPrecisionPass : Pass<"lathe-convert-precision", "::mlir::ModuleOp"> {
  let summary = "f32 tensors become f16 or bf16, or contractions round their factors to tf32";
  let description = [{
    fp16, bf16: what f32 values the ops of a model pass on become 16 bits wide, and so do the weights, rounded to nearest
    even. Inputs and outputs keep their types. What an op does inside it does as ever: sums are no narrower than f32. Values
    that are computed from integers alone (positions, masks, angles) stay f32 until they meet others; an elementwise op that
    reads one is computed in f32 and its result rounded. A constant that a select, minimum or maximum reads and that 16 bits
    can't hold (a mask's -3.4e38) saturates. A weight or another constant that they can't hold is an error, or with
    allow-fallback the ops that read it stay f32.

    mixed: f16, but what isn't shown to stay within f16's range stays f32: by upper bounds of each value that follow from the
    weights, or by an op's `tfm.observed_max`, the greatest magnitude of its result over calibration data.

    tf32: linear, matmul, conv and attention of f32 get `precision`; all types stay.

    The module's `tfm.precision` lists what became of each ONNX node, and why.
  }];
  let dependentDialects = ["::lathe::tfm::TfmDialect"];
  let options = [
    Option<"precision", "precision", "std::string", "\"fp32\"", "fp32 (changes nothing), tf32, fp16, bf16 or mixed">,
    Option<"allowFallback", "allow-fallback", "bool", "false", "keep f32 what 16 bits can't hold">
  ];
}
