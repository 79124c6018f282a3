// Passes of the compress phase that set elements of weights to 0.
def SparsifyWeightsPass : Pass<"lathe-sparsify-weights", "::mlir::ModuleOp"> {
  let summary = "elements of linears' weights become 0";
  let description = [{
    A share of each weight (`ratio`), or all but n of every m inputs of an output (`pattern`): those of the least magnitude, of the
    least magnitude times the norm of their input (`wanda`, by output), or column by column, the columns to come making up for each
    (`sparsegpt`). `scope=global` has one threshold for all weights.

    What is kept stays f32, for --lathe-quantize-weights to round. `format` says how zeros are kept: `dense` as elements, `nm` with an
    index for each element that stays, `bitmap` with a bit and a half for each element; `auto` is nm with a pattern and bitmap with a
    ratio, where that is smaller than dense. A weight that another op than linears reads stays as it is. What becomes of each weight is
    appended to the module's `tfm.compression`.
  }];
  let dependentDialects = ["::lathe::tfm::TfmDialect"];
  let options = [
    Option<"targets", "targets", "std::string", "\".*\"", "regular expression on the weights' names">,
    Option<"method", "method", "std::string", "\"magnitude\"", "magnitude, wanda or sparsegpt">,
    Option<"ratio", "ratio", "double", "0.5", "the share that becomes 0">,
    Option<"pattern", "pattern", "std::string", "\"\"", "n:m, instead of a ratio">,
    Option<"scope", "scope", "std::string", "\"layer\"", "layer or global">,
    Option<"format", "format", "std::string", "\"auto\"", "auto, dense, nm or bitmap">,
    Option<"damping", "damping", "double", "0.01", "of the mean of the moments' diagonal">,
    Option<"statistics", "statistics", "std::string", "\"\"", "file of statistics">
  ];
}
