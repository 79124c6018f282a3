#include "tools/lathe/ReferenceTensor.h"
#include "mlir/IR/BuiltinTypes.h"

using namespace mlir;
using namespace lathe;

Type tool::toType(MLIRContext *context, tool::ElementType type) {
  using E = tool::ElementType;
  auto integer = [&](unsigned bits, bool isUnsigned) -> Type {
    return IntegerType::get(context, bits, isUnsigned ? IntegerType::Unsigned : IntegerType::Signless);
  };
  switch (type) {
  case E::Bool:
    return integer(1, false);
  case E::I8:
  case E::U8:
    return integer(8, type == E::U8);
  case E::I16:
  case E::U16:
    return integer(16, type == E::U16);
  case E::I32:
  case E::U32:
    return integer(32, type == E::U32);
  case E::I64:
  case E::U64:
    return integer(64, type == E::U64);
  case E::F16:
    return Float16Type::get(context);
  case E::BF16:
    return BFloat16Type::get(context);
  case E::F32:
    return Float32Type::get(context);
  case E::F64:
    return Float64Type::get(context);
  }
  llvm_unreachable("all types are listed");
}

reference::Tensor tool::toReference(MLIRContext *context, const tool::Tensor &tensor) {
  return reference::Tensor(toType(context, tensor.type), tensor.dims,
                           std::vector<char>(tensor.bytes.begin(), tensor.bytes.end()));
}

tool::Tensor tool::fromReference(const reference::Tensor &tensor) {
  tool::Tensor result;
  for (unsigned i = 0; i < tool::kElementTypes; ++i)
    if (toType(tensor.getElementType().getContext(), static_cast<tool::ElementType>(i)) == tensor.getElementType())
      result.type = static_cast<tool::ElementType>(i);
  result.dims.assign(tensor.getShape().begin(), tensor.getShape().end());
  result.bytes.assign(tensor.getBytes().begin(), tensor.getBytes().end());
  return result;
}
