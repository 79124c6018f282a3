// Passes of the fuse phase.
def FormKernelsPass : Pass<"lathe-form-kernels", "::mlir::ModuleOp"> {
  let summary = "Cut @main into kernels: one launch for what fits around one anchor";
  let description = [{
    Greedy, around anchors: contractions take the elementwise ops behind them and at most one normalisation of whole rows;
    reductions take elementwise ops and look-ups on both sides; attention takes cheap masks; what is left becomes maps.
    Linears of one input that feed one attention, or one gate, are one launch. Cheap sources (constants, extents, iota,
    elementwise ops on small inputs) are computed again in each kernel that reads them. Reshapes stay in @main, where they
    cost nothing. Every output of @main is then written by a kernel of its own result. Equal kernels are one.
  }];
  let dependentDialects = ["::lathe::kernel::KernelDialect"];
  let options = [Option<"fuse", "fuse", "bool", "true", "several ops a launch; else each op is one">];
  let statistics = [Statistic<"launches", "launches", "Launches formed">, Statistic<"kernels", "kernels", "Distinct kernels">];
}

def SkipPaddedRowsPass : Pass<"lathe-skip-padded-rows", "::mlir::ModuleOp"> {
  let summary = "Mark kernels of whose results only the rows of real tokens are read";
  let description = [{
    Where every use of a kernel's results, up to the outputs, reads only rows at which a mask isn't 0 (pooling by the mask;
    attention with the mask as its padding, whose queries are real as well; ops within a row), the kernel gets the mask as
    an argument with `kernel.rows`: a target may leave the other rows out. Where a slice of each sequence's first row is
    read, or an attention whose queries aren't all real, a launch adds to the mask the first rows and all rows of
    sequences that have no real one, which masked_row may read. What real rows hold doesn't change. A kernel that
    checks indices still checks all of them and isn't marked.
  }];
  let dependentDialects = ["::lathe::kernel::KernelDialect"];
  let statistics = [Statistic<"marked", "marked", "Kernels marked">];
}
