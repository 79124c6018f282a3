// RUN: lathe-opt --split-input-file --lathe-recover-norms %s | FileCheck %s --enable-var-scope

// CHECK-LABEL: func.func @layer_norm
// CHECK-SAME: %[[X:.+]]: tensor<2x3x4xf32>
// CHECK: %[[G:.+]] = tfm.constant dense<[1.0
// CHECK: %[[B:.+]] = tfm.constant dense<[5.0
// CHECK: %[[N:.+]] = tfm.layer_norm %[[X]] gain(%[[G]]) bias(%[[B]]) {epsilon = 9.9999{{.*}}E-6 : f64}
// CHECK-NEXT: return %[[N]]
func.func @layer_norm(%x: tensor<2x3x4xf32>) -> tensor<2x3x4xf32> {
  %gain = tfm.constant dense<[1.0, 2.0, 3.0, 4.0]> : tensor<4xf32>
  %bias = tfm.constant dense<[5.0, 6.0, 7.0, 8.0]> : tensor<4xf32>
  %two = tfm.constant dense<2.0> : tensor<f32>
  %eps = tfm.constant dense<1.0e-5> : tensor<f32>
  %m = tfm.reduce_mean %x {axes = array<i64: 2>} : (tensor<2x3x4xf32>) -> tensor<2x3x1xf32>
  %d = tfm.sub %x, %m : (tensor<2x3x4xf32>, tensor<2x3x1xf32>) -> tensor<2x3x4xf32>
  %s = tfm.pow %d, %two : (tensor<2x3x4xf32>, tensor<f32>) -> tensor<2x3x4xf32>
  %v = tfm.reduce_mean %s {axes = array<i64: 2>} : (tensor<2x3x4xf32>) -> tensor<2x3x1xf32>
  %e = tfm.add %v, %eps : (tensor<2x3x1xf32>, tensor<f32>) -> tensor<2x3x1xf32>
  %r = tfm.sqrt %e : (tensor<2x3x1xf32>) -> tensor<2x3x1xf32>
  %n = tfm.div %d, %r : (tensor<2x3x4xf32>, tensor<2x3x1xf32>) -> tensor<2x3x4xf32>
  %g = tfm.mul %n, %gain : (tensor<2x3x4xf32>, tensor<4xf32>) -> tensor<2x3x4xf32>
  %b = tfm.add %g, %bias : (tensor<2x3x4xf32>, tensor<4xf32>) -> tensor<2x3x4xf32>
  return %b : tensor<2x3x4xf32>
}

// -----

// The gain on the left, the reciprocal of the root.
// CHECK-LABEL: func.func @rms_norm
// CHECK-SAME: %[[X:.+]]: tensor<2x4xf32>
// CHECK: tfm.rms_norm %[[X]] gain(%{{.+}})
// CHECK-NOT: tfm.mul
func.func @rms_norm(%x: tensor<2x4xf32>) -> tensor<2x4xf32> {
  %gain = tfm.constant dense<[1.0, 2.0, 3.0, 4.0]> : tensor<4xf32>
  %eps = tfm.constant dense<1.0e-6> : tensor<f32>
  %s = tfm.mul %x, %x : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  %v = tfm.reduce_mean %s {axes = array<i64: 1>} : (tensor<2x4xf32>) -> tensor<2x1xf32>
  %e = tfm.add %v, %eps : (tensor<2x1xf32>, tensor<f32>) -> tensor<2x1xf32>
  %q = tfm.sqrt %e : (tensor<2x1xf32>) -> tensor<2x1xf32>
  %r = tfm.reciprocal %q : (tensor<2x1xf32>) -> tensor<2x1xf32>
  %n = tfm.mul %x, %r : (tensor<2x4xf32>, tensor<2x1xf32>) -> tensor<2x4xf32>
  %g = tfm.mul %gain, %n : (tensor<4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  return %g : tensor<2x4xf32>
}

// -----

// A mean over another axis, the square of another value, and no epsilon: none is a norm.
// CHECK-LABEL: func.func @no_norm
// CHECK-NOT: _norm
// CHECK: return
func.func @no_norm(%x: tensor<4x4xf32>, %y: tensor<4x4xf32>) -> (tensor<4x4xf32>, tensor<4x4xf32>, tensor<4x4xf32>) {
  %eps = tfm.constant dense<1.0e-6> : tensor<f32>
  %s = tfm.mul %x, %x : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  %v0 = tfm.reduce_mean %s {axes = array<i64: 0>} : (tensor<4x4xf32>) -> tensor<1x4xf32>
  %e0 = tfm.add %v0, %eps : (tensor<1x4xf32>, tensor<f32>) -> tensor<1x4xf32>
  %q0 = tfm.sqrt %e0 : (tensor<1x4xf32>) -> tensor<1x4xf32>
  %n0 = tfm.div %x, %q0 : (tensor<4x4xf32>, tensor<1x4xf32>) -> tensor<4x4xf32>
  %v1 = tfm.reduce_mean %s {axes = array<i64: 1>} : (tensor<4x4xf32>) -> tensor<4x1xf32>
  %e1 = tfm.add %v1, %eps : (tensor<4x1xf32>, tensor<f32>) -> tensor<4x1xf32>
  %q1 = tfm.sqrt %e1 : (tensor<4x1xf32>) -> tensor<4x1xf32>
  %n1 = tfm.div %y, %q1 : (tensor<4x4xf32>, tensor<4x1xf32>) -> tensor<4x4xf32>
  %q2 = tfm.sqrt %v1 : (tensor<4x1xf32>) -> tensor<4x1xf32>
  %n2 = tfm.div %x, %q2 : (tensor<4x4xf32>, tensor<4x1xf32>) -> tensor<4x4xf32>
  return %n0, %n1, %n2 : tensor<4x4xf32>, tensor<4x4xf32>, tensor<4x4xf32>
}
