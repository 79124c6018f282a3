// RUN: lathe-opt --lathe-narrow-attention="method=svd rank=1" --split-input-file %s | FileCheck %s --enable-var-scope
// RUN: lathe-opt --lathe-narrow-attention="method=svd rank=1 targets=^q$" --split-input-file %s | FileCheck %s --check-prefix=SCORES
// RUN: lathe-opt --lathe-narrow-attention="method=svd rank=2" --split-input-file %s | FileCheck %s --check-prefix=WIDE

// Each head's product of queries and keys has rank 1 in all but a small part, as that of values and output has; what is left of a
// head takes one channel. The constant part of the values goes into the output's bias: 3 * 0.5 of the channel that is dropped.
// CHECK: tfm.compression = [{after = 24 : i64, before = 48 : i64, error = {{[0-9.]+E-[0-9]+}} : f64, {{.*}}refused = "", weight = "q", what = "queries and keys of 2 for each head to 1"}, {after = 20 : i64, before = 40 : i64,
// CHECK-SAME: weight = "o", what = "values of 2 for each head to 1"}]
// CHECK-DAG: tfm.weight @q : tensor<1x3xf32>
// CHECK-DAG: tfm.weight @k : tensor<1x3xf32>
// CHECK-DAG: tfm.weight @v : tensor<1x3xf32>
// CHECK-DAG: tfm.weight @o : tensor<2x1xf32>
// CHECK-DAG: tfm.weight @o.bias : tensor<2xf32> = dense<[0.000000e+00, 1.500000e+00]>
// CHECK: tfm.attention {{.*}}scale = 2.000000e+00{{.*}} (tensor<1x4x1xf32>, tensor<1x4x1xf32>, tensor<1x4x1xf32>) -> tensor<1x4x1xf32>
// CHECK: tfm.linear {{.*}} (tensor<1x4x1xf32>, tensor<2x1xf32>, tensor<2xf32>) -> tensor<1x4x2xf32>
// The query alone names the scores.
// SCORES: weight = "q"
// SCORES-NOT: weight = "o"
// SCORES: tfm.attention {{.*}} (tensor<1x4x1xf32>, tensor<1x4x1xf32>, tensor<1x4x2xf32>) -> tensor<1x4x2xf32>
// WIDE: refused = "its heads are only 2 wide", weight = "q"
// WIDE-SAME: refused = "its heads are only 2 wide", weight = "o"
tfm.weight @q : tensor<2x3xf32> = dense<[[4.0, 0.0, 0.0], [0.0, 0.1, 0.0]]> : tensor<2x3xf32>
tfm.weight @k : tensor<2x3xf32> = dense<[[0.0, 5.0, 0.0], [0.1, 0.0, 0.0]]> : tensor<2x3xf32>
tfm.weight @v : tensor<2x3xf32> = dense<[[6.0, 0.0, 0.0], [0.0, 0.0, 0.01]]> : tensor<2x3xf32>
tfm.weight @vb : tensor<2xf32> = dense<[1.0, 0.5]> : tensor<2xf32>
tfm.weight @o : tensor<2x2xf32> = dense<[[2.0, 0.0], [0.0, 3.0]]> : tensor<2x2xf32>
func.func @main(%x: tensor<1x4x3xf32>) -> tensor<1x4x2xf32> {
  %wq = tfm.get @q : tensor<2x3xf32>
  %wk = tfm.get @k : tensor<2x3xf32>
  %wv = tfm.get @v : tensor<2x3xf32>
  %bv = tfm.get @vb : tensor<2xf32>
  %wo = tfm.get @o : tensor<2x2xf32>
  %q = tfm.linear %x, %wq {transposed} : (tensor<1x4x3xf32>, tensor<2x3xf32>) -> tensor<1x4x2xf32>
  %k = tfm.linear %x, %wk {transposed} : (tensor<1x4x3xf32>, tensor<2x3xf32>) -> tensor<1x4x2xf32>
  %v = tfm.linear %x, %wv bias(%bv) {transposed} : (tensor<1x4x3xf32>, tensor<2x3xf32>, tensor<2xf32>) -> tensor<1x4x2xf32>
  %a = tfm.attention %q, %k, %v {heads = 1 : i64, kv_heads = 1 : i64, scale = 2.0} : (tensor<1x4x2xf32>, tensor<1x4x2xf32>, tensor<1x4x2xf32>) -> tensor<1x4x2xf32>
  %y = tfm.linear %a, %wo {transposed} : (tensor<1x4x2xf32>, tensor<2x2xf32>) -> tensor<1x4x2xf32>
  return %y : tensor<1x4x2xf32>
}

// -----

// Rotated queries and keys stay as wide as they are, values don't. Keys and values that something else reads stay, too.
// CHECK: refused = "its queries or keys are rotated by position", weight = "q"
// CHECK-SAME: refused = "", weight = "o", what = "values of 2 for each head to 1"
// CHECK-SAME: refused = "its queries or keys are more than a projection that it alone reads, such as a cache", weight = "p"
// CHECK-SAME: refused = "its values are more than a projection that it alone reads, such as a cache", weight = "r"
// Two query heads of a group share a factor; the bias for each head is no obstacle.
// CHECK: tfm.attention {{.*}} (tensor<1x3x4xf32>, tensor<1x3x2xf32>, tensor<1x3x1xf32>, tensor<1x2x3x3xf32>) -> tensor<1x3x2xf32>
tfm.weight @q : tensor<4x4xf32> = #tfm.random<1, 1, 1.0 : f32>
tfm.weight @k : tensor<4x2xf32> = #tfm.random<1, 2, 1.0 : f32>
tfm.weight @v : tensor<4x2xf32> = #tfm.random<1, 3, 1.0 : f32>
tfm.weight @o : tensor<4x4xf32> = #tfm.random<1, 4, 1.0 : f32>
tfm.weight @p : tensor<4x4xf32> = #tfm.random<1, 5, 1.0 : f32>
tfm.weight @r : tensor<4x4xf32> = #tfm.random<1, 6, 1.0 : f32>
func.func @main(%x: tensor<1x3x4xf32>, %c: tensor<1x3x1xf32>, %b: tensor<1x2x3x3xf32>, %past: tensor<1x3x2xf32>) -> (tensor<1x3x4xf32>, tensor<1x3x2xf32>) {
  %wq = tfm.get @q : tensor<4x4xf32>
  %wk = tfm.get @k : tensor<4x2xf32>
  %wv = tfm.get @v : tensor<4x2xf32>
  %o = tfm.get @o : tensor<4x4xf32>
  %p = tfm.get @p : tensor<4x4xf32>
  %r = tfm.get @r : tensor<4x4xf32>
  %q0 = tfm.linear %x, %wq : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %k0 = tfm.linear %x, %wk : (tensor<1x3x4xf32>, tensor<4x2xf32>) -> tensor<1x3x2xf32>
  %v0 = tfm.linear %x, %wv : (tensor<1x3x4xf32>, tensor<4x2xf32>) -> tensor<1x3x2xf32>
  %rq = tfm.rotary %q0, %c, %c {heads = 2 : i64} : (tensor<1x3x4xf32>, tensor<1x3x1xf32>, tensor<1x3x1xf32>) -> tensor<1x3x4xf32>
  %rk = tfm.rotary %k0, %c, %c {heads = 1 : i64} : (tensor<1x3x2xf32>, tensor<1x3x1xf32>, tensor<1x3x1xf32>) -> tensor<1x3x2xf32>
  %a0 = tfm.attention %rq, %rk, %v0 bias(%b) {heads = 2 : i64, kv_heads = 1 : i64, scale = 1.0} : (tensor<1x3x4xf32>, tensor<1x3x2xf32>, tensor<1x3x2xf32>, tensor<1x2x3x3xf32>) -> tensor<1x3x4xf32>
  %y0 = tfm.linear %a0, %o : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %q1 = tfm.linear %y0, %p : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %k1 = tfm.add %past, %k0 : (tensor<1x3x2xf32>, tensor<1x3x2xf32>) -> tensor<1x3x2xf32>
  %a1 = tfm.attention %q1, %past, %k1 {heads = 2 : i64, kv_heads = 1 : i64, scale = 1.0} : (tensor<1x3x4xf32>, tensor<1x3x2xf32>, tensor<1x3x2xf32>) -> tensor<1x3x4xf32>
  %y1 = tfm.linear %a1, %r : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  return %y1, %k1 : tensor<1x3x4xf32>, tensor<1x3x2xf32>
}
