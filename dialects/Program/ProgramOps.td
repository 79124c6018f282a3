// The program dialect: what the host does.
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/BuiltinAttributes.td"
include "mlir/IR/OpBase.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Program_Dialect : Dialect {
  let name = "program";
  let cppNamespace = "::lathe::program";
  let summary = "What the host does: launches in order, on memory whose offsets and sizes are formulas.";
  let description = [{
    A `program.entry` is a list: the inputs and outputs that the caller gives, the weights, the parts of one arena, and the
    launches on them, in order. It becomes the package's table one to one (runtime/Package/Package.fbs). Symbols and their
    ranges stay on the module (`tfm.symbols`), weights' bytes with `tfm.weight`, code with `kernel.func`.

    ```mlir
    program.entry @main arena(<1536*batch*sequence>) {
      %ids = program.input "input_ids" : tensor<?x?xi64, #tfm.dims<batch, sequence>>
      %out = program.output "logits" : tensor<?x?x384xf32, #tfm.dims<batch, sequence, 384>>
      %w = program.weight @l0.q layout <width = 32>
      %x = program.buffer <0> size <1536*batch*sequence>
      program.launch @embedding_0(%ids) -> (%x)
      program.launch @linear_0(%x, %w) -> (%out) flops <294912*batch*sequence> origins ["/l0/MatMul"]
    }
    ```
  }];
  let useDefaultTypePrinterParser = 1;
  let dependentDialects = ["::lathe::tfm::TfmDialect", "::lathe::kernel::KernelDialect"];
}

def Program_Memory : TypeDef<Program_Dialect, "Memory"> {
  let mnemonic = "memory";
  let summary = "memory that launches read and write; 64-byte aligned, but for the caller's own tensors";
}

// Attributes of the other dialects, printed without their names.
def Tfm_DimsLike : Attr<CPred<"::llvm::isa<::lathe::tfm::DimsAttr>($_self)">, "dimensions"> {
  let storageType = "::lathe::tfm::DimsAttr";
  let returnType = "::lathe::tfm::DimsAttr";
  let convertFromStorage = "$_self";
}
def Kernel_PanelLike : Attr<CPred<"::llvm::isa<::lathe::kernel::PanelAttr>($_self)">, "panels"> {
  let storageType = "::lathe::kernel::PanelAttr";
  let returnType = "::lathe::kernel::PanelAttr";
  let convertFromStorage = "$_self";
}

class Program_Op<string mnemonic, list<Trait> traits = []> : Op<Program_Dialect, mnemonic, traits>;
class Program_MemoryOp<string mnemonic, list<Trait> traits = []>
    : Program_Op<mnemonic, !listconcat([HasParent<"EntryOp">], traits)> {
  let results = (outs Program_Memory:$memory);
}

def Program_EntryOp : Program_Op<"entry", [Symbol, IsolatedFromAbove, SingleBlock, NoTerminator, NoRegionArguments]> {
  let summary = "a function that the host can run";
  let description = [{
    `arena` is the bytes of memory it needs besides inputs, outputs and weights. `batch` names a symbol that leads every
    input and output and along which rows are independent, so that a larger batch may run in pieces.
    C1: arena is one expression, monotone in every symbol, so that the largest shape bounds it. C2: the body has this
    dialect's ops and tfm.require only. C3: inputs and outputs have distinct names each. C4: every buffer ends within the
    arena, at the least and at the greatest values of the symbols.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, Tfm_DimsLike:$arena, OptionalAttr<StrAttr>:$batch);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$sym_name `arena` `(` $arena `)` (`batch` $batch^)? attr-dict-with-keyword $body";
  let hasVerifier = 1;
}
def Program_InputOp : Program_MemoryOp<"input"> {
  let summary = "a tensor that the caller gives";
  let arguments = (ins StrAttr:$name, TypeAttr:$type);
  let assemblyFormat = "$name `:` $type attr-dict";
  let extraClassDeclaration = "::mlir::RankedTensorType getTensorType() { return ::llvm::cast<::mlir::RankedTensorType>(getType()); }";
}
def Program_OutputOp : Program_MemoryOp<"output"> {
  let summary = "a tensor that the caller gets; kernels write it in place";
  let arguments = (ins StrAttr:$name, TypeAttr:$type);
  let assemblyFormat = "$name `:` $type attr-dict";
  let extraClassDeclaration = "::mlir::RankedTensorType getTensorType() { return ::llvm::cast<::mlir::RankedTensorType>(getType()); }";
}
def Program_WeightOp : Program_MemoryOp<"weight", [DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "a weight as it is stored: row-major, or in panels";
  let description = "C1: the symbol is a tfm.weight. C2: with a layout, the weight has rank 2.";
  let arguments = (ins FlatSymbolRefAttr:$weight, OptionalAttr<Kernel_PanelLike>:$layout);
  let assemblyFormat = "$weight (`layout` $layout^)? attr-dict";
}
def Program_BufferOp : Program_MemoryOp<"buffer"> {
  let summary = "a part of the arena: offset and size in bytes";
  let description = "C1: offset and size are one expression each, monotone in every symbol. C2: the offset is a multiple of 64.";
  let arguments = (ins Tfm_DimsLike:$offset, Tfm_DimsLike:$size);
  let assemblyFormat = "$offset `size` $size attr-dict";
  let hasVerifier = 1;
}
def Program_LaunchOp : Program_Op<"launch", [HasParent<"EntryOp">, AttrSizedOperandSegments,
                                             DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "runs a kernel on memory";
  let description = [{
    `flops` counts floating-point operations; `origins` names the ONNX nodes that this launch computes.
    C1: the symbol is a kernel.func. C2: it has as many arguments and results as the launch has inputs and outputs.
    C3: outputs are buffers or outputs of the entry, each once, and none is an input of the launch.
  }];
  let arguments = (ins FlatSymbolRefAttr:$kernel, Variadic<Program_Memory>:$inputs, Variadic<Program_Memory>:$outputs,
                       OptionalAttr<Tfm_DimsLike>:$flops, OptionalAttr<StrArrayAttr>:$origins);
  let assemblyFormat = [{
    $kernel `(` $inputs `)` `->` `(` $outputs `)` (`flops` $flops^)? (`origins` $origins^)? attr-dict
  }];
}
