// Counts floating-point operations by op.
#include "passes/Plan/Flops.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace lathe;

Dim plan::countFlops(kernel::FuncOp kernel) {
  Dim sum;
  kernel.getBody().walk([&](Operation *op) {
    auto elements = [](Value value) { return Dim::product(tfm::getDims(value)); };
    llvm::TypeSwitch<Operation *>(op)
        .Case<tfm::LinearOp>([&](tfm::LinearOp linear) {
          sum = sum + Dim(2) * elements(linear.getResult()) * tfm::getDims(linear.getInput()).back();
        })
        .Case<tfm::MatmulOp>([&](tfm::MatmulOp matmul) {
          SmallVector<Dim> lhs = tfm::getDims(matmul.getLhs());
          sum = sum + Dim(2) * elements(matmul.getResult()) * lhs[lhs.size() - (matmul.getTransposeA() ? 2 : 1)];
        })
        .Case<tfm::ConvOp>([&](tfm::ConvOp conv) {
          SmallVector<Dim> weight = tfm::getDims(conv.getWeight());
          sum = sum + Dim(2) * elements(conv.getResult()) * Dim::product(ArrayRef<Dim>(weight).drop_front());
        })
        .Case<tfm::AttentionOp>([&](tfm::AttentionOp attention) {
          Dim keys = tfm::getDims(attention.getKey())[1];
          sum = sum + Dim(2) * keys * (elements(attention.getQuery()) + elements(attention.getResult()));
        });
  });
  return sum;
}
