// Interfaces of tfm ops.
#ifndef TFM_INTERFACES
#define TFM_INTERFACES
include "mlir/IR/OpBase.td"

def Tfm_ElementwiseOpInterface : OpInterface<"ElementwiseOpInterface"> {
  let cppNamespace = "::lathe::tfm";
  let description = [{
    An op whose result element is a function of the operands' elements at the same (broadcast) index. It states that
    function once, as arith and math ops: the CPU vectorises it, CUDA prints it, fusion composes it.
  }];
  let methods = [
    InterfaceMethod<[{
      Builds the computation of one element. `operands` are scalars, or vectors of one shape, of the operands' element
      types made signless (ui8 is i8; signedness is read off the op's own types). Returns a value of the result's element
      type, made signless, and of the operands' vector shape.
    }], "::mlir::Value", "buildScalar", (ins "::mlir::OpBuilder &":$builder, "::mlir::Location":$loc,
                                            "::mlir::ValueRange":$operands)>
  ];
}
#endif
