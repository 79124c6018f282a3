// Passes of the schedule phase.
def ScheduleKernelsPass : Pass<"lathe-schedule-kernels", "::mlir::ModuleOp"> {
  let summary = "says how each kernel runs on each target: strategy, tile sizes, scratch; lays out weights for it";
  let description = [{
    Sets `schedules` on every kernel.func, from a table per target and a cost model, never from the machine that compiles,
    and `kernel.layout` on the arguments that are the right side of a contraction, where every launch passes a weight.
    CPUs have no tf32: an op that asks for it is an error there, or with allow-fallback f32, which `tfm.precision` then says.
  }];
  let options = [Option<"allowFallback", "allow-fallback", "bool", "false", "CPUs compute in f32 what asks for tf32">,
                 ListOption<"targets", "targets", "std::string", "x86-64-v3, x86-64-v4 (both if none is given), cuda:sm_80 and other SMs, cuda-sim">];
}
