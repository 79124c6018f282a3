// Passes of the compress phase that remove parts of a model, so that shapes shrink.
class StructuredPrunePass<string argument> : Pass<argument, "::mlir::ModuleOp"> {
  let dependentDialects = ["::lathe::tfm::TfmDialect"];
  list<Option> common = [
    Option<"targets", "targets", "std::string", "\".*\"", "regular expression on the weights that lose inputs">,
    Option<"ratio", "ratio", "double", "0.25", "the share that is removed, below 1">,
    Option<"importance", "importance", "std::string", "\"activation\"",
           "l1, l2, ln: the norm of the weights that would go; activation: the norm of the input times that of the weights "
           "that read it; whitened: what the outputs lose if the others make up for it as well as they can">,
    Option<"norm", "norm", "double", "2", "ln: the n">,
    Option<"refit", "refit", "bool", "true", "fit what is left by least squares, where there are statistics">,
    Option<"damping", "damping", "double", "0.01", "of the mean of the moments' diagonal">,
    Option<"statistics", "statistics", "std::string", "\"\"", "file of statistics; activation, whitened and refit need it">
  ];
}
def PruneChannelsPass : StructuredPrunePass<"lathe-prune-channels"> {
  let summary = "channels between two linears are removed";
  let description = [{
    The channels that one linear or two (gate and up) make, elementwise ops pass on one by one, and another linear
    reads: rows of the former, columns of the latter, which `targets` names. The latter is fitted to what is left,
    with its bias. `align` rounds the width up. A linear whose input is anything else has no such channels, and
    isn't mentioned; a weight that can't be changed is reported as refused in `tfm.compression`.
  }];
  let options = !listconcat(common, [
    Option<"align", "align", "int64_t", "1", "the width that is left is a multiple of it, or the old width">
  ]);
}
def PruneHeadsPass : StructuredPrunePass<"lathe-prune-heads"> {
  let summary = "heads of attention are removed";
  let description = [{
    A key-value head goes with all query heads that read it: rows of the query, key and value projections, columns
    of the output's, which `targets` names, and which is fitted to what is left, with its bias. At least one stays.

    Refused, with the reason in `tfm.compression`: keys or values that outlive the op (a cache), a bias for each
    head, and projections that something else reads.
  }];
  let options = common;
}
def PruneLayersPass : Pass<"lathe-prune-layers", "::mlir::ModuleOp"> {
  let summary = "whole layers are left out";
  let description = [{
    What read a layer's result reads its input: its branches of the residual stream go, and its norms and weights with them. Layers
    count from 0, as the module has them (Layers.h). One stays at least.

    Refused, with the reason in `tfm.compression`: layers whose branches can't be told, and layers of which something outside reads
    what is inside (keys and values of a cache).
  }];
  let dependentDialects = ["::lathe::tfm::TfmDialect"];
  let options = [
    ListOption<"layers", "layers", "int64_t", "the layers that go">,
    ListOption<"errors", "errors", "double", "for the report, what the model's outputs have lost once each has gone; none: not known">
  ];
}
