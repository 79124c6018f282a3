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

// Formats of weights: the encoding of a weight's tensor type. The type's shape and element type (f32) are what ops see;
// its bytes are the format's (dialects/Tfm/Formats.h), decoded where an op reads them.
class Tfm_FormatAttr<string name, string mnemonic> : Tfm_Attr<name, mnemonic, [DeclareAttrInterfaceMethods<VerifiableTensorEncoding>]> {
  let assemblyFormat = "`<` struct(params) `>`";
}
def Tfm_IntFormatAttr : Tfm_FormatAttr<"IntFormat", "int"> {
  let summary = "integers with a scale for each block";
  let description = [{
    An element is (code - zero point) * scale. Codes are signed, -2^(bits-1) to 2^(bits-1) - 1, without zero points, else unsigned.
    `block` gives the block's size along each dimension: [K, 1] of a KxN weight is per column, [32, 1] groups of 32, the shape
    itself per tensor; the last block may be partial. `scale` is the type in which scales are kept: f32, f16 or bf16.
    Example: `tensor<384x1536xf32, #tfm.int<bits = 4, block = [32, 1], scale = f16>>`.
    C1: bits is 2 to 8. C2: block has an entry of at least 1 for each dimension. C3: the scale's type. C4: elements are f32.
  }];
  let parameters = (ins "unsigned":$bits, "::mlir::DenseI64ArrayAttr":$block, "::mlir::Type":$scale,
                        DefaultValuedParameter<"bool", "false">:$zero_points);
}
def Tfm_FloatFormatAttr : Tfm_FormatAttr<"FloatFormat", "float"> {
  let summary = "small floats, with a scale for each block or none";
  let description = [{
    An element is its value in `type` times the block's scale, if there are scales; `block` as in #tfm.int.
    Example: `#tfm.float<type = f8E4M3FN, block = [384, 1], scale = f32>`, `#tfm.float<type = bf16>`.
    C1: type is f16, bf16, f8E4M3FN or f8E5M2. C2: block and scale are both there or both absent; as in #tfm.int.
    C3: elements are f32.
  }];
  let parameters = (ins "::mlir::Type":$type, OptionalParameter<"::mlir::DenseI64ArrayAttr">:$block,
                        OptionalParameter<"::mlir::Type">:$scale);
}
def Tfm_CodebookFormatAttr : Tfm_FormatAttr<"CodebookFormat", "codebook"> {
  let summary = "indices into a table of 2^bits values, one for the tensor";
  let description = "C1: bits is 1 to 8. C2: type, of the table's values, is f32, f16 or bf16. C3: elements are f32.";
  let parameters = (ins "unsigned":$bits, "::mlir::Type":$type);
}
def Tfm_SparseFormatAttr : Tfm_FormatAttr<"SparseFormat", "nm"> {
  let summary = "n of m elements along an axis are kept, the others are 0";
  let description = [{
    Codes of kept values, in order, make a tensor of the same shape but for the axis, which has n/m of the size. They are in the
    format `values`, f32 if absent, whose blocks are those of the whole tensor. An index of 2 or more bits, enough for m, says where
    in the group each is. Example: `#tfm.nm<n = 2, m = 4, axis = 0, values = #tfm.int<bits = 8, block = [384, 1], scale = f16>>`.
    C1: 1 <= n < m <= 16. C2: axis is a dimension, whose size m divides. C3: elements are f32.
  }];
  let parameters = (ins "unsigned":$n, "unsigned":$m, "unsigned":$axis, OptionalParameter<"::mlir::Attribute">:$values);
}
def Tfm_BitmapFormatAttr : Tfm_FormatAttr<"BitmapFormat", "bitmap"> {
  let summary = "a bit for each element says whether it is kept; the others are 0";
  let description = [{
    Codes of the `kept` values, row by row, are in the format `values`, f32 if absent, whose blocks are those of the whole tensor.
    Example: `#tfm.bitmap<kept = 73728, values = #tfm.int<bits = 8, block = [384, 1], scale = f16>>`.
    C1: kept is at most the number of elements. C2: elements are f32.
  }];
  let parameters = (ins "uint64_t":$kept, OptionalParameter<"::mlir::Attribute">:$values);
}

// How a linear's input is quantized before its integer product.
def Tfm_DynamicAttr : Tfm_Attr<"Dynamic", "dynamic"> {
  let summary = "each row (token) by its own range, when it is read";
  let description = [{
    With lo = min(0, row), hi = max(0, row), levels = 2^bits - 1: scale = (hi - lo) / levels, or 1 if that is 0; inverse = 1 / scale;
    zero = round(-lo * inverse); code = min(max(round(x * inverse) + zero, 0), levels). Symmetric: scale = max|x| / (2^(bits-1) - 1),
    codes are signed. Each step is rounded to f32, `round` to the nearest integer, halves to even. A row with an element that
    isn't finite gives NaN. C1: bits is 2 to 8.
  }];
  let parameters = (ins "unsigned":$bits, DefaultValuedParameter<"bool", "false">:$symmetric);
  let assemblyFormat = "`<` struct(params) `>`";
}
def Tfm_DynamicFloatAttr : Tfm_Attr<"DynamicFloat", "dynamic_float"> {
  let summary = "each row (token) in small floats, by its greatest magnitude, when it is read";
  let description = [{
    With greatest the type's greatest finite value (448): scale = max|x| / greatest, or 1 if that is below 2^-126; inverse = 1 / scale;
    code = x * inverse, rounded to the type, to nearest, halves to even, no greater than greatest; what is multiplied is code * scale.
    Each step is rounded to f32. A row with an element that isn't finite gives NaN. C1: type is f8E4M3FN.
  }];
  let parameters = (ins "::mlir::Type":$type);
  let assemblyFormat = "`<` struct(params) `>`";
}
def Tfm_StaticAttr : Tfm_Attr<"Static", "static"> {
  let summary = "the whole input by one scale and zero point, known when compiled";
  let description = [{
    code = min(max(round(x * (1 / scale)) + zero, 0), 2^bits - 1), as in #tfm.dynamic; NaN becomes 0. C1: bits is 2 to 8. C2: scale is a positive f32, zero a code.
  }];
  let parameters = (ins "unsigned":$bits, "::mlir::FloatAttr":$scale, "int64_t":$zero);
  let assemblyFormat = "`<` struct(params) `>`";
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
