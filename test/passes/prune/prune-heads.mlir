// RUN: lathe-opt --lathe-prune-heads="importance=l1 ratio=0.5" --split-input-file %s | FileCheck %s --enable-var-scope

// Two query heads of one channel read one key-value head; the group with the lesser weights goes whole: rows of all projections,
// columns of @o. Types follow.
// CHECK: tfm.compression = [{{.*}}refused = "", weight = "o", what = "heads 4 to 2"}]
// CHECK: tfm.weight @q : tensor<2x2xf32> = dense<{{\[\[}}5.000000e+00, 6.000000e+00], [3.000000e+00, 4.000000e+00]]>
// CHECK: tfm.weight @k : tensor<1x2xf32> = dense<{{\[\[}}5.000000e+00, 6.000000e+00]]>
// CHECK: tfm.weight @v : tensor<1x2xf32> = dense<{{\[\[}}7.000000e+00, 8.000000e+00]]>
// CHECK: tfm.weight @o : tensor<1x2xf32> = dense<{{\[\[}}9.000000e+00, 4.000000e+00]]>
tfm.weight @q : tensor<4x2xf32> = dense<[[0.1, 0.2], [0.3, 0.4], [5.0, 6.0], [3.0, 4.0]]> : tensor<4x2xf32>
tfm.weight @k : tensor<2x2xf32> = dense<[[0.1, 0.2], [5.0, 6.0]]> : tensor<2x2xf32>
tfm.weight @v : tensor<2x2xf32> = dense<[[0.3, 0.4], [7.0, 8.0]]> : tensor<2x2xf32>
tfm.weight @o : tensor<1x4xf32> = dense<[[1.0, 2.0, 9.0, 4.0]]> : tensor<1x4xf32>
func.func @main(%x: tensor<1x3x2xf32>) -> tensor<1x3x1xf32> {
  %wq = tfm.get @q : tensor<4x2xf32>
  %wk = tfm.get @k : tensor<2x2xf32>
  %wv = tfm.get @v : tensor<2x2xf32>
  %wo = tfm.get @o : tensor<1x4xf32>
  %q = tfm.linear %x, %wq {transposed} : (tensor<1x3x2xf32>, tensor<4x2xf32>) -> tensor<1x3x4xf32>
  %k = tfm.linear %x, %wk {transposed} : (tensor<1x3x2xf32>, tensor<2x2xf32>) -> tensor<1x3x2xf32>
  %v = tfm.linear %x, %wv {transposed} : (tensor<1x3x2xf32>, tensor<2x2xf32>) -> tensor<1x3x2xf32>
  // CHECK: tfm.attention {{.*}} {heads = 2 : i64, kv_heads = 1 : i64
  // CHECK-SAME: (tensor<1x3x2xf32>, tensor<1x3x1xf32>, tensor<1x3x1xf32>) -> tensor<1x3x2xf32>
  %a = tfm.attention %q, %k, %v {heads = 4 : i64, kv_heads = 2 : i64, scale = 1.0} : (tensor<1x3x4xf32>, tensor<1x3x2xf32>, tensor<1x3x2xf32>) -> tensor<1x3x4xf32>
  %y = tfm.linear %a, %wo {transposed} : (tensor<1x3x4xf32>, tensor<1x4xf32>) -> tensor<1x3x1xf32>
  return %y : tensor<1x3x1xf32>
}

// -----

// Rotations follow. A score with a bias for each head, and keys that something else reads, rule an attention out.
// CHECK: refused = "", weight = "o", what = "heads 2 to 1"
// CHECK-SAME: refused = "its scores have a bias for each head", weight = "p", what = ""
// CHECK-SAME: refused = "its queries, keys or values are more than a projection that it alone reads, such as a cache", weight = "r"
// CHECK-COUNT-2: tfm.rotary {{.*}}heads = 1 : i64{{.*}} -> tensor<1x3x2xf32>
// CHECK: tfm.attention {{.*}}heads = 1 : i64, kv_heads = 1 : i64
// CHECK-COUNT-2: tfm.attention {{.*}}heads = 2 : i64, kv_heads = 2 : i64
tfm.weight @w : tensor<4x4xf32> = #tfm.random<1, 1, 1.0 : f32>
tfm.weight @o : tensor<4x4xf32> = #tfm.random<1, 2, 1.0 : f32>
tfm.weight @p : tensor<4x4xf32> = #tfm.random<1, 3, 1.0 : f32>
tfm.weight @r : tensor<4x4xf32> = #tfm.random<1, 4, 1.0 : f32>
func.func @main(%x: tensor<1x3x4xf32>, %c: tensor<1x3x1xf32>, %b: tensor<1x2x3x3xf32>) -> (tensor<1x3x4xf32>, tensor<1x3x4xf32>) {
  %w = tfm.get @w : tensor<4x4xf32>
  %o = tfm.get @o : tensor<4x4xf32>
  %p = tfm.get @p : tensor<4x4xf32>
  %r = tfm.get @r : tensor<4x4xf32>
  %q0 = tfm.linear %x, %w : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %k0 = tfm.linear %x, %w : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %v0 = tfm.linear %x, %w : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %rq = tfm.rotary %q0, %c, %c {heads = 2 : i64} : (tensor<1x3x4xf32>, tensor<1x3x1xf32>, tensor<1x3x1xf32>) -> tensor<1x3x4xf32>
  %rk = tfm.rotary %k0, %c, %c {heads = 2 : i64} : (tensor<1x3x4xf32>, tensor<1x3x1xf32>, tensor<1x3x1xf32>) -> tensor<1x3x4xf32>
  %a0 = tfm.attention %rq, %rk, %v0 {heads = 2 : i64, kv_heads = 2 : i64, scale = 1.0} : (tensor<1x3x4xf32>, tensor<1x3x4xf32>, tensor<1x3x4xf32>) -> tensor<1x3x4xf32>
  %y0 = tfm.linear %a0, %o : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %q1 = tfm.linear %y0, %w : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %k1 = tfm.linear %y0, %w : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %v1 = tfm.linear %y0, %w : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %a1 = tfm.attention %q1, %k1, %v1 bias(%b) {heads = 2 : i64, kv_heads = 2 : i64, scale = 1.0} : (tensor<1x3x4xf32>, tensor<1x3x4xf32>, tensor<1x3x4xf32>, tensor<1x2x3x3xf32>) -> tensor<1x3x4xf32>
  %y1 = tfm.linear %a1, %p : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %q2 = tfm.linear %y1, %w : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %k2 = tfm.linear %y1, %w : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %v2 = tfm.linear %y1, %w : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  %a2 = tfm.attention %q2, %k2, %v2 {heads = 2 : i64, kv_heads = 2 : i64, scale = 1.0} : (tensor<1x3x4xf32>, tensor<1x3x4xf32>, tensor<1x3x4xf32>) -> tensor<1x3x4xf32>
  %y2 = tfm.linear %a2, %r : (tensor<1x3x4xf32>, tensor<4x4xf32>) -> tensor<1x3x4xf32>
  return %y2, %k2 : tensor<1x3x4xf32>, tensor<1x3x4xf32>
}
