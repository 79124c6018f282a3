// Passes of the compress phase by which weights share values.
def ClusterWeightsPass : Pass<"lathe-cluster-weights", "::mlir::ModuleOp"> {
  let summary = "weights become indices into a table of a few values";
  let description = [{
    The weights of linears, and the tables of embeddings, whose name (the symbol, or the name that the model gave) matches `targets`,
    get the format #tfm.codebook: each a table of 2^`bits` values, by k-means over its elements, which with
    `importance=activation` count as much as the second moments of their inputs in `statistics`.

    What is 0 stays 0 where zeros are left out (#tfm.nm, #tfm.bitmap): the table is of the others, with the indices inside of that
    format, unless an index for each element is smaller. What becomes of each weight is appended to the module's `tfm.compression`;
    a weight that has another format already is an error.
  }];
  let dependentDialects = ["::lathe::tfm::TfmDialect"];
  let options = [
    Option<"targets", "targets", "std::string", "\".*\"", "regular expression on the weights' names">,
    Option<"bits", "bits", "int64_t", "4", "of an index, 1 to 8">,
    Option<"importance", "importance", "std::string", "\"none\"", "none or activation">,
    Option<"statistics", "statistics", "std::string", "\"\"", "file of statistics">
  ];
}
def ShareLayersPass : Pass<"lathe-share-layers", "::mlir::ModuleOp"> {
  let summary = "a layer uses another layer's weights";
  let description = [{
    Layer `to` reads the weights of layer `from` at the same places, norms' and biases too; its own go. Both must be the same ops on
    weights of the same shapes, else that is reported as refused in `tfm.compression`. Layers count from 0 (Layers.h).
  }];
  let dependentDialects = ["::lathe::tfm::TfmDialect"];
  let options = [
    Option<"from", "from", "int64_t", "-1", "the layer whose weights stay">,
    Option<"to", "to", "int64_t", "-1", "the layer whose weights go">,
    Option<"error", "error", "double", "-1", "what the model's outputs lose by it, for the report; below 0: not known">,
    Option<"note", "note", "std::string", "\"\"", "added to what the report says">
  ];
}
