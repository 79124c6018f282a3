// The kernel dialect: what runs as one launch.
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/BuiltinAttributes.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/OpBase.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/FunctionInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Kernel_Dialect : Dialect {
  let name = "kernel";
  let cppNamespace = "::lathe::kernel";
  let summary = "Launches: a body that says what is computed, and a schedule that says how.";
  let description = [{
    A `kernel.func` holds tfm ops on whole tensors. The body is the meaning and stays executable by the reference executor;
    anchor and schedules are only how. Prologue and epilogue are whatever surrounds the anchor in the body. `func.func @main`
    calls kernels by `kernel.launch`; equal kernels are one.
  }];
  let useDefaultAttributePrinterParser = 1;
  let dependentDialects = ["::lathe::tfm::TfmDialect"];
}

def Kernel_Anchor : I32EnumAttr<"Anchor", "what a kernel's loops are built around", [
    I32EnumAttrCase<"contraction", 0>, I32EnumAttrCase<"attention", 1>, I32EnumAttrCase<"reduction", 2>,
    I32EnumAttrCase<"map", 3>, I32EnumAttrCase<"gather", 4>]> {
  let cppNamespace = "::lathe::kernel";
  let genSpecializedAttr = 0;
}
def Kernel_AnchorAttr : EnumAttr<Kernel_Dialect, Kernel_Anchor, "anchor"> {
  let assemblyFormat = "`<` $value `>`";
}
def Kernel_PanelAttr : AttrDef<Kernel_Dialect, "Panel"> {
  let mnemonic = "panel";
  let summary = "how a weight argument lies in memory: panels of `width` columns, K-major";
  let description = [{
    On an argument of a kernel.func, as `kernel.layout`. The argument's type stays the logical one. The matrix of K rows and
    N columns (the argument, or its transpose) is cut into ceildiv(N, width) panels, each stored as K x width, the last one
    padded with zero columns. With a `depth` above 1, rows lie in runs of so many: a panel is ceildiv(K, depth) x width x
    depth, padded with zero rows. One layout per element format, read by every target.
  }];
  let parameters = (ins "int64_t":$width, DefaultValuedParameter<"bool", "false">:$transposed,
                        DefaultValuedParameter<"int64_t", "1">:$depth);
  let assemblyFormat = "`<` struct(params) `>`";
}
def Kernel_ScheduleAttr : AttrDef<Kernel_Dialect, "Schedule"> {
  let mnemonic = "schedule";
  let summary = "how a kernel runs on one target";
  let description = [{
    tiles: number of tiles of the launch (one expression of the symbols); scratch: bytes that each worker needs (likewise);
    options: what the target's emitter reads: the strategy, tile sizes.
    Example: `#kernel.schedule<target = "x86-64-v3", tiles = <ceildiv(batch*sequence, 96)>, scratch = <0>,
    options = {strategy = "contraction", tile = {columns = 16, rows = 6, …}}>`.
  }];
  let parameters = (ins "::mlir::StringAttr":$target, "::lathe::tfm::DimsAttr":$tiles, "::lathe::tfm::DimsAttr":$scratch,
                        "::mlir::DictionaryAttr":$options);
  let assemblyFormat = "`<` struct(params) `>`";
}

def Kernel_Tensor : RankedTensorOf<[AnyType]>;
class Kernel_Op<string mnemonic, list<Trait> traits = []> : Op<Kernel_Dialect, mnemonic, traits>;

def Kernel_FuncOp : Kernel_Op<"func", [FunctionOpInterface, IsolatedFromAbove, SingleBlock]> {
  let summary = "one launch: a body of tfm ops";
  let description = [{
    Arguments are activations and weights (`kernel.layout` on those that are packed). Results are new tensors.
    `origins` names the ONNX nodes that its launches compute. `schedules`, from the schedule phase on, has one per target.
    C1: the body has one block, which ends in kernel.return. C2: schedules are #kernel.schedule with distinct targets.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttrOf<FunctionType>:$function_type, Kernel_AnchorAttr:$anchor,
                       OptionalAttr<StrArrayAttr>:$origins, OptionalAttr<ArrayAttr>:$schedules,
                       OptionalAttr<DictArrayAttr>:$arg_attrs, OptionalAttr<DictArrayAttr>:$res_attrs);
  let regions = (region SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::mlir::ArrayRef<::mlir::Type> getArgumentTypes() { return getFunctionType().getInputs(); }
    ::mlir::ArrayRef<::mlir::Type> getResultTypes() { return getFunctionType().getResults(); }
    ::mlir::Region *getCallableRegion() { return &getBody(); }
    /// The schedule for a target, or null.
    ScheduleAttr getSchedule(::llvm::StringRef target);
  }];
}
def Kernel_ReturnOp : Kernel_Op<"return", [Pure, HasParent<"FuncOp">, Terminator]> {
  let summary = "ends a kernel's body with its results";
  let description = "C1: the operands' types are the function's results.";
  let arguments = (ins Variadic<Kernel_Tensor>:$results);
  let assemblyFormat = "attr-dict ($results^ `:` type($results))?";
  let hasVerifier = 1;
}
def Kernel_LaunchOp : Kernel_Op<"launch", [Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "runs a kernel";
  let description = [{
    `origins` names the ONNX nodes that this launch computes; equal kernels are one, so the kernel's are all launches'.
    C1: the symbol is a kernel.func. C2: operand and result types are its type's.
  }];
  let arguments = (ins FlatSymbolRefAttr:$kernel, Variadic<Kernel_Tensor>:$inputs, OptionalAttr<StrArrayAttr>:$origins);
  let results = (outs Variadic<Kernel_Tensor>:$outputs);
  let assemblyFormat = "$kernel `(` $inputs `)` attr-dict `:` functional-type($inputs, $outputs)";
}
