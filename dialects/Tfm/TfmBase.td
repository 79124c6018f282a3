// The tfm dialect: what a Transformer computes. Attributes and the base class of its ops.
#ifndef TFM_BASE
#define TFM_BASE
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/BuiltinAttributes.td"
include "mlir/IR/BuiltinAttributeInterfaces.td"
include "mlir/IR/TensorEncoding.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/OpBase.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "dialects/Tfm/TfmInterfaces.td"

def Tfm_Dialect : Dialect {
  let name = "tfm";
  let cppNamespace = "::lathe::tfm";
  let summary = "Transformers with symbolic dimensions, weights by name, and ops at the level of attention.";
  let description = [{
    Values are ranked tensors. A dynamic dimension is an expression of the model's symbols, carried by the type's
    encoding: `tensor<?x?x384xf32, #tfm.dims<batch, sequence, 384>>`. A model is a builtin module:

    ```mlir
    module attributes {tfm.symbols = {batch = array<i64: 1, 32>, sequence = array<i64: 1, 512>}} {
      tfm.weight @l0.q : tensor<384x384xf32> = #tfm.file<"weights.bin", 0>
      func.func @main(%ids: tensor<?x?xi64, #tfm.dims<batch, sequence>> {tfm.name = "input_ids"}) -> (... {tfm.name = "logits"})
    ```

    Element types: i1, signless i8 to i64 (signed), ui8 to ui64, f16, bf16, f32, f64. Every op has one meaning, which the
    reference executor defines: f64 inside an op, each result rounded to its element type.
  }];
  let useDefaultAttributePrinterParser = 1;
  let hasConstantMaterializer = 1;
  let hasNonDefaultDestructor = 1;
  let extraClassDeclaration = [{
    /// The bytes of this context's weights; dialects/Tfm/Weights.h.
    Weights &getWeights() { return *weights; }

  private:
    std::unique_ptr<Weights> weights;

  public:
  }];
}

class Tfm_Attr<string name, string attrMnemonic, list<Trait> traits = []> : AttrDef<Tfm_Dialect, name, traits> {
  let mnemonic = attrMnemonic;
}

def Tfm_DimsAttr : Tfm_Attr<"Dims", "dims", [DeclareAttrInterfaceMethods<VerifiableTensorEncoding>]> {
  let summary = "A list of dimensions, each in canonical form";
  let description = [{
    As a tensor type's encoding it gives the value of every dimension; static ones are constants and agree with the shape.
    Example: `#tfm.dims<batch, 2*sequence + 1, min(128, sequence), 384>`.
  }];
  let parameters = (ins ArrayRefParameter<"::mlir::StringAttr">:$texts);
  let hasCustomAssemblyFormat = 1;
  let extraClassDeclaration = [{
    static DimsAttr get(::mlir::MLIRContext *context, ::llvm::ArrayRef<::lathe::Dim> dims);
    ::llvm::SmallVector<::lathe::Dim> getDims() const;
  }];
}

def Tfm_FileAttr : Tfm_Attr<"File", "file"> {
  let summary = "A weight's bytes in a file: path relative to the model's folder, and offset in bytes";
  let parameters = (ins "::mlir::StringAttr":$path, "uint64_t":$offset);
  let assemblyFormat = "`<` $path `,` $offset `>`";
}
def Tfm_BlobAttr : Tfm_Attr<"Blob", "blob"> {
  let summary = "A derived weight's bytes in the blob store, by their SHA-256 in hexadecimal";
  let parameters = (ins "::mlir::StringAttr":$sha256);
  let assemblyFormat = "`<` $sha256 `>`";
}
def Tfm_RandomAttr : Tfm_Attr<"Random", "random"> {
  let summary = "Weights that are generated at load: element i is scale * u(seed, tensor, i), u in [-1, 1)";
  let parameters = (ins "uint64_t":$seed, "uint64_t":$tensor, "::mlir::FloatAttr":$scale);
  let assemblyFormat = "`<` $seed `,` $tensor `,` $scale `>`";
}

class Tfm_Enum<string name, list<string> cases> : I32EnumAttr<name, "", !foreach(i, !range(0, !size(cases)),
    I32EnumAttrCase<cases[i], i>)> {
  let cppNamespace = "::lathe::tfm";
  let genSpecializedAttr = 0;
}
class Tfm_EnumAttr<I32EnumAttr info, string mnemonic> : EnumAttr<Tfm_Dialect, info, mnemonic> {
  let assemblyFormat = "`<` $value `>`";
}
def Tfm_GeluKind : Tfm_Enum<"GeluKind", ["erf", "tanh", "quick"]>;
def Tfm_GeluKindAttr : Tfm_EnumAttr<Tfm_GeluKind, "gelu_kind">;
def Tfm_Predicate : Tfm_Enum<"Predicate", ["eq", "ne", "lt", "le", "gt", "ge"]>;
def Tfm_PredicateAttr : Tfm_EnumAttr<Tfm_Predicate, "predicate">;
def Tfm_MaskedRow : Tfm_Enum<"MaskedRow", ["zero", "mean", "unmasked", "nan"]>;
def Tfm_MaskedRowAttr : Tfm_EnumAttr<Tfm_MaskedRow, "masked_row">;
def Tfm_Accumulate : Tfm_Enum<"Accumulate", ["none", "add", "mul", "min", "max"]>;
def Tfm_AccumulateAttr : Tfm_EnumAttr<Tfm_Accumulate, "accumulate">;
def Tfm_Precision : Tfm_Enum<"Precision", ["tf32"]>;
// Of an op that sums products of f32. tf32: each factor is rounded to tf32 first (10 bits of fraction, to nearest, ties
// away from zero, as cvt.rna.tf32.f32 does); bias, sums and the result are what they are without it.
def Tfm_PrecisionAttr : Tfm_EnumAttr<Tfm_Precision, "precision">;

class Tfm_Op<string mnemonic, list<Trait> traits = []> : Op<Tfm_Dialect, mnemonic, traits>;
// An op that computes tensors from tensors, without effects.
class Tfm_PureOp<string mnemonic, list<Trait> traits = []> : Tfm_Op<mnemonic, !listconcat([Pure], traits)> {
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, results)";
}
def Tfm_Tensor : RankedTensorOf<[AnyType]>;
def Tfm_FloatTensor : RankedTensorOf<[AnyFloat]>;
def Tfm_BoolTensor : RankedTensorOf<[I1]>;
def Tfm_IndexTensor : RankedTensorOf<[I32, I64]>;
#endif
