// Passes of the simplify phase.

def FoldConstantsPass : Pass<"lathe-fold-constants", "::mlir::ModuleOp"> {
  let summary = "Execute what depends on constants and weights alone";
  let description = [{
    The reference executes it. Results of at most 1024 elements become tfm.constant, others tfm.weight with their bytes in
    the context's store; a reshaped weight shares its bytes. Not folded: a large result of more than twice the bytes of its
    operands, and a transposed copy of a weight that is also used as it is.
  }];
  let dependentDialects = ["::lathe::tfm::TfmDialect"];
}
