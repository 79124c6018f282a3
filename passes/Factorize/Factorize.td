// Passes of the compress phase that replace a linear by two of lower rank.
def FactorizeLinearsPass : Pass<"lathe-factorize-linears", "::mlir::ModuleOp"> {
  let summary = "a linear becomes two of lower rank";
  let description = [{
    x W + bias becomes (x B) A + bias, with A and B from singular values: of W (`svd`), of W with its inputs weighed
    by √E|x| (`activation`), or of W times the Cholesky factor of its input's second moments (`whitened`), which
    loses least of the output. The latter two need `statistics`, which also correct the bias for the mean of what is
    lost.

    Query, key and value that read one input share one B with `joint`. The rank is `rank`; or the least that keeps
    `energy` of the squares of the singular values; or what makes the factors `size` of the weight. What saves
    nothing is refused and reported in `tfm.compression`, unless `force` is set.
  }];
  let dependentDialects = ["::lathe::tfm::TfmDialect"];
  let options = [
    Option<"targets", "targets", "std::string", "\".*\"", "regular expression on the weights' names">,
    Option<"method", "method", "std::string", "\"whitened\"", "svd, activation or whitened">,
    Option<"rank", "rank", "int64_t", "0", "the rank, if it isn't 0">,
    Option<"energy", "energy", "double", "0", "share of the squares of the singular values, if it isn't 0">,
    Option<"size", "size", "double", "0", "share of the weight's elements, if it isn't 0">,
    Option<"joint", "joint", "bool", "true", "query, key and value of a layer together">,
    Option<"force", "force", "bool", "false", "also where nothing is saved">,
    Option<"damping", "damping", "double", "0.001", "of the mean of the moments' diagonal, when whitening">,
    Option<"statistics", "statistics", "std::string", "\"\"", "file of statistics">
  ];
}
