// Passes of the compress phase that lower ranks: a linear becomes two, or heads of attention narrower.
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
def NarrowAttentionPass : Pass<"lathe-narrow-attention", "::mlir::ModuleOp"> {
  let summary = "attention with narrower heads";
  let description = [{
    What a head computes from queries and keys is one product of them, and what the output makes of its values another:
    each is cut to `rank`. Queries and keys become that wide where `targets` matches the query's or the key's weight, values
    where it matches the value's or the output's. Query heads that share a key-value head get one factor. The scale of scores
    stays as it was.

    `whitened` loses least of the scores, and of the output, over the statistics, to which it also fits the output's weight and
    bias; `svd` asks the weights alone.

    Refused, with the reason in `tfm.compression`: rotated queries and keys, keys or values that outlive the op (a cache),
    projections that something else reads, and heads that are no wider.
  }];
  let dependentDialects = ["::lathe::tfm::TfmDialect"];
  let options = [
    Option<"targets", "targets", "std::string", "\".*\"", "regular expression on the weights' names">,
    Option<"method", "method", "std::string", "\"whitened\"", "svd or whitened">,
    Option<"rank", "rank", "int64_t", "0", "the width of a head's queries, keys and values">,
    Option<"damping", "damping", "double", "0.001", "of the mean of the moments' diagonal">,
    Option<"statistics", "statistics", "std::string", "\"\"", "file of statistics">
  ];
}
