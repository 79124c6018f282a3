// RUN: cpu-kernel-check %s m=3 | FileCheck %s
// REQUIRES: x86-64-v3
// An index out of range is told: which operand, where in it, its value, and the limit.
module attributes {tfm.symbols = {m = array<i64: 0, 512>}} {
  // CHECK: embedding m=3: fault operand 0 index {{[0-5]}} value {{[4-9]}} limit 2
  kernel.func @embedding(%ids: tensor<?x2xi64, #tfm.dims<m, 2>>, %table: tensor<2x24xf32>) -> tensor<?x2x24xf32, #tfm.dims<m, 2, 24>> attributes {anchor = #kernel.anchor<gather>} {
    %0 = tfm.embedding %ids, %table : (tensor<?x2xi64, #tfm.dims<m, 2>>, tensor<2x24xf32>) -> tensor<?x2x24xf32, #tfm.dims<m, 2, 24>>
    kernel.return %0 : tensor<?x2x24xf32, #tfm.dims<m, 2, 24>>
  }
  // Through a cast, in lanes of a vector.
  // CHECK: gather m=3: fault operand 1 index {{[0-8]}} value {{[3-9]}} limit 3
  kernel.func @gather(%x: tensor<3xf32>, %i: tensor<9xi32>) -> tensor<9xf32> attributes {anchor = #kernel.anchor<gather>} {
    %0 = tfm.cast %i : (tensor<9xi32>) -> tensor<9xi64>
    %1 = tfm.gather %x, %0 {axis = 0 : i64} : (tensor<3xf32>, tensor<9xi64>) -> tensor<9xf32>
    kernel.return %1 : tensor<9xf32>
  }
}
