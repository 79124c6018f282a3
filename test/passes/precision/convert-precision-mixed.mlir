// What is shown to stay within f16's range is f16, by bounds from the weights or by calibration; all else is f32.
// RUN: lathe-opt --lathe-convert-precision=precision=mixed --split-input-file %s | FileCheck %s

// A norm bounds a linear, whatever its input: |y| <= |w|_2 * sqrt(4) * 3 = 6 |w|_2, and 100 * 6 stays, 6000 * 6 doesn't
// with a margin of 2.
// CHECK: {node = "/small", precision = "f16", type = "MatMul", why = "bound 600"}
// CHECK: {node = "/large", precision = "f32", type = "MatMul", why = "bound 36000"}
// CHECK-LABEL: func.func @main(
// CHECK: tfm.layer_norm {{.*}} : (tensor<2x4xf32>, tensor<4xf32>) -> tensor<2x4xf32>
// CHECK: tfm.linear %[[N:.*]], %{{.*}} : (tensor<2x4xf16>, tensor<4x1xf16>) -> tensor<2x1xf16>
// CHECK: tfm.linear %{{.*}}, %{{.*}} : (tensor<2x4xf32>, tensor<4x1xf32>) -> tensor<2x1xf32>
tfm.weight @gain : tensor<4xf32> = dense<3.0> : tensor<4xf32>
tfm.weight @small : tensor<4x1xf32> = dense<[[60.0], [0.0], [-80.0], [0.0]]> : tensor<4x1xf32>
tfm.weight @large : tensor<4x1xf32> = dense<[[0.0], [6000.0], [0.0], [0.0]]> : tensor<4x1xf32>
func.func @main(%x: tensor<2x4xf32>) -> (tensor<2x1xf32>, tensor<2x1xf32>) {
  %g = tfm.get @gain : tensor<4xf32>
  %s = tfm.get @small : tensor<4x1xf32>
  %l = tfm.get @large : tensor<4x1xf32>
  %n = tfm.layer_norm %x gain(%g) {epsilon = 1.0e-12 : f64} : (tensor<2x4xf32>, tensor<4xf32>) -> tensor<2x4xf32> loc("/norm"("LayerNormalization"))
  %y = tfm.linear %n, %s : (tensor<2x4xf32>, tensor<4x1xf32>) -> tensor<2x1xf32> loc("/small"("MatMul"))
  %z = tfm.linear %n, %l : (tensor<2x4xf32>, tensor<4x1xf32>) -> tensor<2x1xf32> loc("/large"("MatMul"))
  return %y, %z : tensor<2x1xf32>, tensor<2x1xf32>
}

// -----

// A bias counts; rows of a table, and sums of values, have bounds; a product of unknown values has none.
// CHECK: {node = "/add", precision = "f16", type = "Add", why = "bound 80"}
// CHECK: {node = "/biased", precision = "f16", type = "Gemm", why = "bound 850"}
// CHECK: {node = "/square", precision = "f32", type = "Mul", why = "no bound is known"}
// CHECK: {node = "/soft", precision = "f32", type = "Softmax", why = "reads what is kept in f32"}
// CHECK: {node = "/after", precision = "f16", type = "Neg", why = "bound 1"}
// CHECK-LABEL: func.func @main(
// CHECK: %[[P:.*]] = tfm.softmax {{.*}} : (tensor<3x2xf32>) -> tensor<3x2xf32>
// CHECK: %[[P16:.*]] = tfm.cast %[[P]] : (tensor<3x2xf32>) -> tensor<3x2xf16>
// CHECK: tfm.neg %[[P16]]
tfm.weight @table : tensor<2x2xf32> = dense<[[30.0, -40.0], [0.0, 20.0]]> : tensor<2x2xf32>
tfm.weight @w : tensor<2x2xf32> = dense<[[10.0, 0.0], [0.0, 10.0]]> : tensor<2x2xf32>
tfm.weight @b : tensor<2xf32> = dense<[50.0, -50.0]> : tensor<2xf32>
func.func @main(%ids: tensor<3xi64>, %x: tensor<3x2xf32>) -> (tensor<3x2xf32>, tensor<3x2xf32>) {
  %t = tfm.get @table : tensor<2x2xf32>
  %w = tfm.get @w : tensor<2x2xf32>
  %b = tfm.get @b : tensor<2xf32>
  %e = tfm.embedding %ids, %t : (tensor<3xi64>, tensor<2x2xf32>) -> tensor<3x2xf32> loc("/embed"("Gather"))
  %a = tfm.add %e, %e : (tensor<3x2xf32>, tensor<3x2xf32>) -> tensor<3x2xf32> loc("/add"("Add"))
  %y = tfm.linear %a, %w bias(%b) : (tensor<3x2xf32>, tensor<2x2xf32>, tensor<2xf32>) -> tensor<3x2xf32> loc("/biased"("Gemm"))
  %q = tfm.mul %x, %x : (tensor<3x2xf32>, tensor<3x2xf32>) -> tensor<3x2xf32> loc("/square"("Mul"))
  %p = tfm.softmax %q {axis = 1 : i64} : (tensor<3x2xf32>) -> tensor<3x2xf32> loc("/soft"("Softmax"))
  %r = tfm.neg %p : (tensor<3x2xf32>) -> tensor<3x2xf32> loc("/after"("Neg"))
  return %y, %r : tensor<3x2xf32>, tensor<3x2xf32>
}

// -----

// What no bound holds, calibration may: 4 times its maximum has to be within the range.
// CHECK: {node = "/fits", precision = "f16", type = "Mul", why = "no bound is known, calibrated maximum 16000"}
// CHECK: {node = "/exceeds", precision = "f32", type = "Mul", why = "no bound is known, calibrated maximum 17000"}
// CHECK-LABEL: func.func @main(
// CHECK-NOT: tfm.observed_max
// CHECK: %[[X:.*]] = tfm.cast %arg0 : (tensor<2xf32>) -> tensor<2xf16>
// CHECK: tfm.mul %[[X]], %[[X]] : (tensor<2xf16>, tensor<2xf16>) -> tensor<2xf16>
// CHECK: tfm.mul {{.*}} : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
// CHECK-NOT: tfm.observed_max
func.func @main(%x: tensor<2xf32> {tfm.observed_max = 120.0 : f64}) -> (tensor<2xf32>, tensor<2xf32>) {
  %a = tfm.mul %x, %x {tfm.observed_max = 16000.0 : f64} : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32> loc("/fits"("Mul"))
  %b = tfm.mul %a, %x {tfm.observed_max = 17000.0 : f64} : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32> loc("/exceeds"("Mul"))
  return %a, %b : tensor<2xf32>, tensor<2xf32>
}

// -----

// A weight that f16 can't hold, and a sum that guards a division, are no errors here.
// CHECK: {node = "/big", precision = "f32", type = "MatMul", why = "expected a weight within f16's range, got 70000 in 'big'"}
// CHECK: {node = "/guard", precision = "f32", type = "Add", why = "the constant 1e-12 is 0 in f16"}
// CHECK-LABEL: func.func @main(
tfm.weight @big : tensor<2x2xf32> = dense<[[1.0, 0.0], [0.0, 7.0e+04]]> : tensor<2x2xf32>
func.func @main(%x: tensor<1x2xf32>) -> tensor<1x2xf32> {
  %w = tfm.get @big : tensor<2x2xf32>
  %c = tfm.constant dense<1.0e-12> : tensor<f32>
  %n = tfm.l2_normalize %x {floor = 1.0e-12 : f64} : (tensor<1x2xf32>) -> tensor<1x2xf32>
  %y = tfm.linear %n, %w : (tensor<1x2xf32>, tensor<2x2xf32>) -> tensor<1x2xf32> loc("/big"("MatMul"))
  %d = tfm.abs %n : (tensor<1x2xf32>) -> tensor<1x2xf32>
  %e = tfm.add %d, %c : (tensor<1x2xf32>, tensor<f32>) -> tensor<1x2xf32> loc("/guard"("Add"))
  %q = tfm.div %y, %e : (tensor<1x2xf32>, tensor<1x2xf32>) -> tensor<1x2xf32>
  return %q : tensor<1x2xf32>
}
