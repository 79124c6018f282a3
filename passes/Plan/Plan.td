// Passes of the plan phase.
def PlanMemoryPass : Pass<"lathe-plan-memory", "::mlir::ModuleOp"> {
  let summary = "Turn @main into a program: launches in order, on parts of one arena";
  let description = [{
    Offsets and sizes are formulas of the symbols, monotone in each. A buffer takes over the place of one that is dead;
    places grow by Dim::max where neither size is provably the greater. Reshapes share their operand's memory; outputs are
    written in place by the kernel that makes them. The entry names its batch symbol where samples are proved independent.
  }];
  let dependentDialects = ["::lathe::program::ProgramDialect"];
  let statistics = [Statistic<"buffers", "buffers", "Buffers planned">, Statistic<"slots", "slots", "Places in the arena">];
}
