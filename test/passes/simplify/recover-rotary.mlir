// RUN: lathe-opt --split-input-file --lathe-recover-rotary %s | FileCheck %s --enable-var-scope

// Half of the table is made where the whole was two copies.
// CHECK-LABEL: func.func @rotary
// CHECK-SAME: %[[X:.+]]: tensor<2x3x8xf32>, %[[F:.+]]: tensor<1x3x2xf32>
// CHECK-DAG: %[[C:.+]] = tfm.cos %[[F]] : (tensor<1x3x2xf32>)
// CHECK-DAG: %[[S:.+]] = tfm.sin %[[F]] : (tensor<1x3x2xf32>)
// CHECK: %[[R:.+]] = tfm.rotary %[[X]], %[[C]], %[[S]] {heads = 2 : i64}
// CHECK: return %[[R]]
func.func @rotary(%x: tensor<2x3x8xf32>, %f: tensor<1x3x2xf32>) -> tensor<2x3x8xf32> {
  %e = tfm.concat %f, %f {axis = 2 : i64} : (tensor<1x3x2xf32>, tensor<1x3x2xf32>) -> tensor<1x3x4xf32>
  %c = tfm.cos %e : (tensor<1x3x4xf32>) -> tensor<1x3x4xf32>
  %s = tfm.sin %e : (tensor<1x3x4xf32>) -> tensor<1x3x4xf32>
  %c4 = tfm.reshape %c : (tensor<1x3x4xf32>) -> tensor<1x1x3x4xf32>
  %s4 = tfm.reshape %s : (tensor<1x3x4xf32>) -> tensor<1x1x3x4xf32>
  %x4 = tfm.reshape %x : (tensor<2x3x8xf32>) -> tensor<2x3x2x4xf32>
  %xt = tfm.transpose %x4 {permutation = array<i64: 0, 2, 1, 3>} : (tensor<2x3x2x4xf32>) -> tensor<2x2x3x4xf32>
  %a = tfm.mul %xt, %c4 : (tensor<2x2x3x4xf32>, tensor<1x1x3x4xf32>) -> tensor<2x2x3x4xf32>
  %low = tfm.slice %xt {starts = #tfm.dims<0, 0, 0, 0>, steps = array<i64: 1, 1, 1, 1>} : (tensor<2x2x3x4xf32>) -> tensor<2x2x3x2xf32>
  %high = tfm.slice %xt {starts = #tfm.dims<0, 0, 0, 2>, steps = array<i64: 1, 1, 1, 1>} : (tensor<2x2x3x4xf32>) -> tensor<2x2x3x2xf32>
  %n = tfm.neg %high : (tensor<2x2x3x2xf32>) -> tensor<2x2x3x2xf32>
  %h = tfm.concat %n, %low {axis = 3 : i64} : (tensor<2x2x3x2xf32>, tensor<2x2x3x2xf32>) -> tensor<2x2x3x4xf32>
  %b = tfm.mul %h, %s4 : (tensor<2x2x3x4xf32>, tensor<1x1x3x4xf32>) -> tensor<2x2x3x4xf32>
  %r = tfm.add %a, %b : (tensor<2x2x3x4xf32>, tensor<2x2x3x4xf32>) -> tensor<2x2x3x4xf32>
  %t = tfm.transpose %r {permutation = array<i64: 0, 2, 1, 3>} : (tensor<2x2x3x4xf32>) -> tensor<2x3x2x4xf32>
  %o = tfm.reshape %t : (tensor<2x3x2x4xf32>) -> tensor<2x3x8xf32>
  return %o : tensor<2x3x8xf32>
}

// -----

// A table whose halves aren't known to be equal.
// CHECK-LABEL: func.func @other_halves
// CHECK-NOT: tfm.rotary
// CHECK: return
func.func @other_halves(%x: tensor<2x2x3x4xf32>, %c: tensor<1x1x3x4xf32>, %s: tensor<1x1x3x4xf32>) -> tensor<2x2x3x4xf32> {
  %a = tfm.mul %x, %c : (tensor<2x2x3x4xf32>, tensor<1x1x3x4xf32>) -> tensor<2x2x3x4xf32>
  %low = tfm.slice %x {starts = #tfm.dims<0, 0, 0, 0>, steps = array<i64: 1, 1, 1, 1>} : (tensor<2x2x3x4xf32>) -> tensor<2x2x3x2xf32>
  %high = tfm.slice %x {starts = #tfm.dims<0, 0, 0, 2>, steps = array<i64: 1, 1, 1, 1>} : (tensor<2x2x3x4xf32>) -> tensor<2x2x3x2xf32>
  %n = tfm.neg %high : (tensor<2x2x3x2xf32>) -> tensor<2x2x3x2xf32>
  %h = tfm.concat %n, %low {axis = 3 : i64} : (tensor<2x2x3x2xf32>, tensor<2x2x3x2xf32>) -> tensor<2x2x3x4xf32>
  %b = tfm.mul %h, %s : (tensor<2x2x3x4xf32>, tensor<1x1x3x4xf32>) -> tensor<2x2x3x4xf32>
  %r = tfm.add %a, %b : (tensor<2x2x3x4xf32>, tensor<2x2x3x4xf32>) -> tensor<2x2x3x4xf32>
  return %r : tensor<2x2x3x4xf32>
}
