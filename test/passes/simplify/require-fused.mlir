// RUN: lathe-opt --lathe-require-fused="ops=exp:2" %s | FileCheck %s --enable-var-scope
// RUN: not lathe-opt --lathe-require-fused="ops=exp:3,attention:1,nothing:1,exp" %s 2>&1 | FileCheck %s --check-prefix=ERROR --enable-var-scope

// CHECK-LABEL: func.func @two
// ERROR: error: expected at least 3 tfm.exp, got 2
// ERROR: error: expected at least 1 tfm.attention, got 0
// ERROR: error: expected the name of a tfm op to require, got 'nothing'
// ERROR: error: expected OP:COUNT in the list of required ops, got 'exp'
func.func @two(%x: tensor<2xf32>) -> tensor<2xf32> {
  %0 = tfm.exp %x : (tensor<2xf32>) -> tensor<2xf32>
  %1 = tfm.exp %0 : (tensor<2xf32>) -> tensor<2xf32>
  return %1 : tensor<2xf32>
}
