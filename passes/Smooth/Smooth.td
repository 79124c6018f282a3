// Passes of the compress phase that change nothing but what rounding later loses.
def SmoothLinearsPass : Pass<"lathe-smooth-linears", "::mlir::ModuleOp"> {
  let summary = "linears' inputs and weights trade range channel by channel";
  let description = [{
    Column j of the weights that read an input is multiplied by s_j, channel j of the input divided by it: the outputs stay.
    `smoothquant` has s = max|x|^alpha / max|w|^(1 - alpha), for what quantizes activations; `awq` has s = E|x|^alpha, for
    what quantizes weights alone. Without `alpha` it is the one with the least error of the outputs when weights of `bits` bits
    in groups of `group` are rounded to nearest, with smoothquant inputs of 8 bits too (on tokens drawn from a normal
    distribution of the statistics' moments). `clip` then limits each group of a weight to the range that loses least, but for
    queries and keys.

    1/s goes into what makes the input where only these linears read it: a norm's gain and bias, rows of a linear (also
    through a product, or through attention's values). Elsewhere a multiplication of the input stays.
  }];
  let dependentDialects = ["::lathe::tfm::TfmDialect"];
  let options = [
    Option<"targets", "targets", "std::string", "\".*\"", "regular expression on the weights' names">,
    Option<"method", "method", "std::string", "\"smoothquant\"", "smoothquant or awq">,
    Option<"alpha", "alpha", "double", "-1", "0 to 1; below 0 it is searched">,
    Option<"bits", "bits", "int64_t", "0", "of the weights to come; 0: 8 with smoothquant, 4 with awq">,
    Option<"group", "group", "int64_t", "0", "of the weights to come; 0: all of K">,
    Option<"clip", "clip", "bool", "false", "awq: limit the weights' range">,
    Option<"statistics", "statistics", "std::string", "\"\"", "file of statistics">
  ];
}
