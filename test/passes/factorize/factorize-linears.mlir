// RUN: lathe-opt --lathe-factorize-linears="method=svd rank=1" --split-input-file %s | FileCheck %s --enable-var-scope
// RUN: lathe-opt --lathe-factorize-linears="method=svd energy=0.999" --split-input-file %s | FileCheck %s --check-prefix=ENERGY
// RUN: lathe-opt --lathe-factorize-linears="method=svd rank=2" --split-input-file %s | FileCheck %s --check-prefix=REFUSED
// RUN: lathe-opt --lathe-factorize-linears="method=svd rank=1 joint=false" --split-input-file %s | FileCheck %s --check-prefix=APART

// A weight of rank 1 is its two factors; the bias stays with the second, and the factors are laid out as the weight was.
// CHECK: tfm.compression = [{after = 28 : i64, before = 48 : i64, error = {{[0-9.]+E-1[0-9]}} : f64, node = "/up", pass = "lathe-factorize-linears", refused = "", weight = "w", what = "rank 1 of 3"}]
// CHECK-DAG: tfm.weight @w.in : tensor<3x1xf32>
// CHECK-DAG: tfm.weight @w.out : tensor<1x4xf32>
// CHECK-NOT: tfm.weight @w :
// CHECK-LABEL: func.func @main(
// CHECK-SAME: %[[X:.*]]: tensor<2x3xf32>)
// CHECK: %[[IN:.*]] = tfm.get @w.in
// CHECK: %[[H:.*]] = tfm.linear %[[X]], %[[IN]] : (tensor<2x3xf32>, tensor<3x1xf32>) -> tensor<2x1xf32>
// CHECK: %[[OUT:.*]] = tfm.get @w.out
// CHECK: %[[Y:.*]] = tfm.linear %[[H]], %[[OUT]] bias(%{{.*}}) : (tensor<2x1xf32>, tensor<1x4xf32>, tensor<4xf32>) -> tensor<2x4xf32>
// CHECK: return %[[Y]]
// ENERGY: what = "rank 1 of 3"
// REFUSED: refused = "rank 2 saves nothing", weight = "w", what = ""
// REFUSED: tfm.linear %{{.*}} (tensor<2x3xf32>, tensor<3x4xf32>, tensor<4xf32>)
tfm.weight @w : tensor<3x4xf32> = dense<[[1.0, 2.0, 3.0, 4.0], [2.0, 4.0, 6.0, 8.0], [3.0, 6.0, 9.0, 12.0]]> : tensor<3x4xf32>
tfm.weight @b : tensor<4xf32> = dense<1.0> : tensor<4xf32>
func.func @main(%x: tensor<2x3xf32>) -> tensor<2x4xf32> {
  %w = tfm.get @w : tensor<3x4xf32>
  %b = tfm.get @b : tensor<4xf32>
  %y = tfm.linear %x, %w bias(%b) : (tensor<2x3xf32>, tensor<3x4xf32>, tensor<4xf32>) -> tensor<2x4xf32> loc("/up"("MatMul"))
  return %y : tensor<2x4xf32>
}

// -----

// Query, key and value of one input share the first factor, unless they are to be apart.
// CHECK-LABEL: func.func @main(
// CHECK: tfm.linear %{{.*}} -> tensor<1x5x1xf32>
// CHECK-NOT: -> tensor<1x5x1xf32>
// CHECK: tfm.linear %{{.*}} (tensor<1x5x1xf32>, tensor<4x1xf32>) -> tensor<1x5x4xf32>
// CHECK: tfm.linear %{{.*}} (tensor<1x5x1xf32>, tensor<4x1xf32>) -> tensor<1x5x4xf32>
// CHECK: tfm.linear %{{.*}} (tensor<1x5x1xf32>, tensor<4x1xf32>) -> tensor<1x5x4xf32>
// CHECK: tfm.attention
// APART-LABEL: func.func @main(%{{.*}}: tensor<1x5x4xf32>)
// APART-COUNT-3: -> tensor<1x5x1xf32>
// APART: tfm.attention
tfm.weight @q : tensor<4x4xf32> = #tfm.random<1, 1, 1.0 : f32>
tfm.weight @k : tensor<4x4xf32> = #tfm.random<1, 2, 1.0 : f32>
tfm.weight @v : tensor<4x4xf32> = #tfm.random<1, 3, 1.0 : f32>
func.func @main(%x: tensor<1x5x4xf32>) -> tensor<1x5x4xf32> {
  %wq = tfm.get @q : tensor<4x4xf32>
  %wk = tfm.get @k : tensor<4x4xf32>
  %wv = tfm.get @v : tensor<4x4xf32>
  %q = tfm.linear %x, %wq {transposed} : (tensor<1x5x4xf32>, tensor<4x4xf32>) -> tensor<1x5x4xf32>
  %k = tfm.linear %x, %wk {transposed} : (tensor<1x5x4xf32>, tensor<4x4xf32>) -> tensor<1x5x4xf32>
  %v = tfm.linear %x, %wv {transposed} : (tensor<1x5x4xf32>, tensor<4x4xf32>) -> tensor<1x5x4xf32>
  %a = tfm.attention %q, %k, %v {heads = 2 : i64, kv_heads = 2 : i64, scale = 1.0} : (tensor<1x5x4xf32>, tensor<1x5x4xf32>, tensor<1x5x4xf32>) -> tensor<1x5x4xf32>
  return %a : tensor<1x5x4xf32>
}
