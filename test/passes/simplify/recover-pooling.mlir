// RUN: lathe-opt --split-input-file --lathe-recover-pooling %s | FileCheck %s --enable-var-scope

// The count is summed over the mask as it was expanded.
// CHECK-LABEL: func.func @mean_pool
// CHECK-SAME: %[[X:.+]]: tensor<2x3x4xf32>, %[[M:.+]]: tensor<2x3xi64>
// CHECK: %[[F:.+]] = tfm.cast %[[M]] : (tensor<2x3xi64>) -> tensor<2x3xf32>
// CHECK: %[[P:.+]] = tfm.mean_pool %[[X]], %[[F]] {floor = 9.9999{{.*}}E-10 : f64}
// CHECK: %[[N:.+]] = tfm.l2_normalize %[[P]]
// CHECK: return %[[N]]
func.func @mean_pool(%x: tensor<2x3x4xf32>, %mask: tensor<2x3xi64>) -> tensor<2x4xf32> {
  %floor = tfm.constant dense<1.0e-9> : tensor<f32>
  %eps = tfm.constant dense<1.0e-12> : tensor<f32>
  %m3 = tfm.reshape %mask : (tensor<2x3xi64>) -> tensor<2x3x1xi64>
  %f = tfm.cast %m3 : (tensor<2x3x1xi64>) -> tensor<2x3x1xf32>
  %e = tfm.expand %f : (tensor<2x3x1xf32>) -> tensor<2x3x4xf32>
  %p = tfm.mul %x, %e : (tensor<2x3x4xf32>, tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
  %s = tfm.reduce_sum %p {axes = array<i64: 1>} : (tensor<2x3x4xf32>) -> tensor<2x1x4xf32>
  %s2 = tfm.reshape %s : (tensor<2x1x4xf32>) -> tensor<2x4xf32>
  %c = tfm.reduce_sum %e {axes = array<i64: 1>} : (tensor<2x3x4xf32>) -> tensor<2x1x4xf32>
  %c2 = tfm.reshape %c : (tensor<2x1x4xf32>) -> tensor<2x4xf32>
  %d = tfm.maximum %c2, %floor : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x4xf32>
  %r = tfm.div %s2, %d : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  %q = tfm.mul %r, %r : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  %t = tfm.reduce_sum %q {axes = array<i64: 1>} : (tensor<2x4xf32>) -> tensor<2x1xf32>
  %u = tfm.sqrt %t : (tensor<2x1xf32>) -> tensor<2x1xf32>
  %v = tfm.maximum %u, %eps : (tensor<2x1xf32>, tensor<f32>) -> tensor<2x1xf32>
  %n = tfm.div %r, %v : (tensor<2x4xf32>, tensor<2x1xf32>) -> tensor<2x4xf32>
  return %n : tensor<2x4xf32>
}

// -----

// A sum under one mask over the count of another.
// CHECK-LABEL: func.func @two_masks
// CHECK-NOT: tfm.mean_pool
// CHECK: return
func.func @two_masks(%x: tensor<2x3x4xf32>, %a: tensor<2x3x1xf32>, %b: tensor<2x3x1xf32>) -> tensor<2x1x4xf32> {
  %floor = tfm.constant dense<1.0e-9> : tensor<f32>
  %p = tfm.mul %x, %a : (tensor<2x3x4xf32>, tensor<2x3x1xf32>) -> tensor<2x3x4xf32>
  %s = tfm.reduce_sum %p {axes = array<i64: 1>} : (tensor<2x3x4xf32>) -> tensor<2x1x4xf32>
  %c = tfm.reduce_sum %b {axes = array<i64: 1>} : (tensor<2x3x1xf32>) -> tensor<2x1x1xf32>
  %d = tfm.maximum %c, %floor : (tensor<2x1x1xf32>, tensor<f32>) -> tensor<2x1x1xf32>
  %r = tfm.div %s, %d : (tensor<2x1x4xf32>, tensor<2x1x1xf32>) -> tensor<2x1x4xf32>
  return %r : tensor<2x1x4xf32>
}
