// RUN: lathe-opt --split-input-file --lathe-recover-activations %s | FileCheck %s --enable-var-scope

// x * 0.5 * (1 + erf(x / 1.41421))
// CHECK-LABEL: func.func @gelu_erf
// CHECK-SAME: %[[X:.+]]: tensor<4xf32>
// CHECK-NEXT: %[[G:.+]] = tfm.gelu %[[X]] : (tensor<4xf32>)
// CHECK-NEXT: return %[[G]]
func.func @gelu_erf(%x: tensor<4xf32>) -> tensor<4xf32> {
  %root = tfm.constant dense<1.41421354> : tensor<f32>
  %one = tfm.constant dense<1.0> : tensor<f32>
  %half = tfm.constant dense<0.5> : tensor<f32>
  %0 = tfm.div %x, %root : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %1 = tfm.erf %0 : (tensor<4xf32>) -> tensor<4xf32>
  %2 = tfm.add %1, %one : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %3 = tfm.mul %x, %2 : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %4 = tfm.mul %3, %half : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  return %4 : tensor<4xf32>
}

// -----

// 0.5 * x * (1 + tanh(x * (0.79788 + 0.03567 x * x))): the cubic in another spelling.
// CHECK-LABEL: func.func @gelu_tanh
// CHECK-SAME: %[[X:.+]]: tensor<4xf32>
// CHECK-NEXT: tfm.gelu %[[X]] {kind = #tfm.gelu_kind<tanh>}
func.func @gelu_tanh(%x: tensor<4xf32>) -> tensor<4xf32> {
  %a = tfm.constant dense<0.797884583> : tensor<f32>
  %b = tfm.constant dense<0.0356774069> : tensor<f32>
  %one = tfm.constant dense<1.0> : tensor<f32>
  %half = tfm.constant dense<0.5> : tensor<f32>
  %0 = tfm.mul %x, %x : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %1 = tfm.mul %0, %b : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %2 = tfm.add %1, %a : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %3 = tfm.mul %x, %2 : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %4 = tfm.tanh %3 : (tensor<4xf32>) -> tensor<4xf32>
  %5 = tfm.add %one, %4 : (tensor<f32>, tensor<4xf32>) -> tensor<4xf32>
  %6 = tfm.mul %half, %x : (tensor<f32>, tensor<4xf32>) -> tensor<4xf32>
  %7 = tfm.mul %6, %5 : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %7 : tensor<4xf32>
}

// -----

// CHECK-LABEL: func.func @gates
// CHECK-SAME: %[[X:.+]]: tensor<4xf32>, %[[Y:.+]]: tensor<4xf32>
// CHECK: %[[Q:.+]] = tfm.gelu %[[X]] {kind = #tfm.gelu_kind<quick>}
// CHECK: %[[S:.+]] = tfm.swiglu %[[X]], %[[Y]]
// CHECK: return %[[Q]], %[[S]]
func.func @gates(%x: tensor<4xf32>, %y: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %c = tfm.constant dense<1.702> : tensor<f32>
  %0 = tfm.mul %x, %c : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %1 = tfm.sigmoid %0 : (tensor<4xf32>) -> tensor<4xf32>
  %2 = tfm.mul %1, %x : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %3 = tfm.sigmoid %x : (tensor<4xf32>) -> tensor<4xf32>
  %4 = tfm.mul %x, %3 : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %5 = tfm.mul %y, %4 : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %2, %5 : tensor<4xf32>, tensor<4xf32>
}

// -----

// The gate of another value, and a root of 2 that is 1.42.
// CHECK-LABEL: func.func @no_activation
// CHECK-NOT: tfm.gelu
// CHECK-NOT: tfm.silu
// CHECK: return
func.func @no_activation(%x: tensor<4xf32>, %y: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %root = tfm.constant dense<1.42> : tensor<f32>
  %one = tfm.constant dense<1.0> : tensor<f32>
  %half = tfm.constant dense<0.5> : tensor<f32>
  %0 = tfm.div %x, %root : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %1 = tfm.erf %0 : (tensor<4xf32>) -> tensor<4xf32>
  %2 = tfm.add %1, %one : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %3 = tfm.mul %x, %2 : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  %4 = tfm.mul %3, %half : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
  %5 = tfm.sigmoid %y : (tensor<4xf32>) -> tensor<4xf32>
  %6 = tfm.mul %x, %5 : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %4, %6 : tensor<4xf32>, tensor<4xf32>
}
