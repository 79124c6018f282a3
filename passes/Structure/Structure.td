// Passes that say what a module's parts are, and change nothing.
def ClassifyWeightsPass : Pass<"lathe-classify-weights", "::mlir::ModuleOp"> {
  let summary = "notes on each weight what it is there for: attention.q, ffn.up, head ... and its layer";
  let description = [{
    As Kinds.h tells it from the data flow of the simplified module: `tfm.kinds`, and `tfm.layer` in layers. Recipes target
    weights by it; the notes are for reading and for tests.
  }];
  let dependentDialects = ["::lathe::tfm::TfmDialect"];
}
